//! Breaking glass while the hub is away: by a permit that it signed before, once, loudly, and told to it afterwards.

use super::asking::Asker;
use super::outbox::{self, Kept};
use super::rows;
use crate::ledger::{Entry, LedgerError};
use crate::limits;
use crate::site::Site;
use access::{Grant, Login, Now, RequestId, Service, Set, Time, Window};
use api::{ChangeRecord, HostAnswer, HostAsk, HostWish, NewRequest, Opened, Record};
use desk::{Caller, DeskError, Refused};
use workflow::{Change, Channel, Decider, RequestState};

/// What became of it.
enum Broke {
    /// The hub was heard after all.
    Answered(HostAnswer),
    /// The grant, and what the hub is told.
    By(Box<Grant>, Box<Kept>),
    /// No permit lets them.
    Not(String),
}

impl Site {
    /// Breaks glass by a permit in place of `kept`, which asked the hub for it and had no answer.
    pub fn break_glass_here(
        &self,
        caller: &Caller,
        new: &NewRequest,
        kept: &Kept,
        away: &str,
    ) -> Result<Opened, Refused> {
        let (before, asker, new, by) = (kept.ask.id, Asker::of(caller), new.clone(), caller.person.clone());
        // An id of its own: the hub may be answering what was asked by the other one this very moment.
        let id = RequestId::from_random(crate::ledger::random().map_err(DeskError::from)?);
        let (now, person) = (self.clock.now(), by.clone());
        let broke = self.ledger.append(limits::DESK_WAIT, move |entry| {
            if let Some(Kept { answer: Some(answer), .. }) = outbox::find(entry.connection(), before)? {
                return Ok(Broke::Answered(answer));
            }
            // It is broken now or not at all, so what asked for it must not come to the hub late.
            super::asking::drop_ask(entry, before, "glass is broken now or not at all", now.trusted)?;
            let permits = rows::unused_permits(entry.connection())?;
            let grant = match chosen(&permits, &asker.login, &new, now) {
                Ok(permit) => becomes(permit, &new, id, now.trusted),
                Err(why) => return Ok(Broke::Not(why)),
            };
            let ask = HostAsk {
                id,
                login: asker.login,
                source: asker.source,
                asked_at: now.trusted,
                wish: HostWish::Glass {
                    grant: Box::new(grant.clone()),
                    reason: new.reason.clone(),
                    ticket: new.ticket.clone(),
                },
            };
            entry.record(Record::Change(Box::new(ChangeRecord {
                at: now.trusted,
                change: Change::BreakGlass,
                actor: Some(person),
                channel: Some(Channel::Terminal),
                comment: Some(new.reason),
                request: None,
                grant: Some(grant.clone()),
                used: None,
                policy: None,
            })))?;
            keep(entry, &grant, &ask, now.trusted)
        });
        match broke.map_err(DeskError::from)? {
            Broke::Answered(HostAnswer::Opened(opened)) => Ok(*opened),
            Broke::Answered(HostAnswer::Refused(problem)) => Err(Refused(problem)),
            Broke::Answered(HostAnswer::Hint { .. } | HostAnswer::Silent) => Err(DeskError::Away(
                "the hub answered something else than was asked: look whether it was done".to_owned(),
            )
            .into()),
            Broke::Not(why) => {
                Err(DeskError::Away(format!("the hub cannot be asked ({away}), and {why}")).into())
            }
            Broke::By(grant, kept) => {
                let saw =
                    "by a permit: the hub hears of it when it is reachable, and somebody looks at it then";
                let by = Decider::Rule { saw: vec![saw.to_owned()] };
                let state = RequestState::Approved { at: now.trusted, grant: grant.id, by };
                let mut opened = self.unsent_opened(&kept, away.to_owned(), &caller.person, &caller.names);
                opened.request.rule = grant.rule.to_string();
                opened.request.state = state;
                opened.grant =
                    self.desk.show_grant(&super::routes::seeing_all(caller), &grant.id.to_string()).ok();
                Ok(opened)
            }
        }
    }
}

/// Writes down what was broken: the grant that the next decision must see, that its permit is used, and what the hub is
/// told, however late.
fn keep(entry: &mut Entry<'_, '_>, grant: &Grant, ask: &HostAsk, now: Time) -> Result<Broke, LedgerError> {
    rows::use_permit(entry.connection(), grant.id, now)?;
    outbox::put(entry.connection(), ask, None, Time::MAX_UTC)?;
    entry.grant(grant)?;
    let kept = Kept { ask: ask.clone(), until: Time::MAX_UTC, answer: None };
    Ok(Broke::By(Box::new(grant.clone()), Box::new(kept)))
}

/// The permit by which this login may have what it asks for, or why none lets it.
pub(super) fn chosen<'a>(
    permits: &'a [Grant],
    login: &Login,
    new: &NewRequest,
    now: Now,
) -> Result<&'a Grant, String> {
    if new.user.as_ref().is_some_and(|user| user != login) {
        return Err("glass is broken for oneself: ask for nobody else".to_owned());
    }
    if new.at.is_some() {
        return Err("glass is broken now: ask for no other start".to_owned());
    }
    let in_time = |permit: &&Grant| match &permit.window {
        Window::FirstUse { not_before, claim_by, .. } => *not_before <= now.trusted && now.latest < *claim_by,
        Window::Approval { .. } => false,
    };
    let mut own = permits.iter().filter(|permit| permit.names.contains(login)).filter(in_time);
    let permit = own.next_back().ok_or_else(|| {
        format!(
            "this host holds no permit for {login} to break glass with: the policy gives none, it was used, or it is over"
        )
    })?;
    if let Some(other) = new.services.iter().find(|service| !permit.services.contains(*service)) {
        return Err(format!("the permit for {login} is not for {other}"));
    }
    if let Some(other) = new.run_as.as_ref().filter(|run_as| !permit.run_as.contains(*run_as)) {
        return Err(format!("the permit for {login} is not for becoming {other}"));
    }
    let Window::FirstUse { length, .. } = &permit.window else {
        return Err(format!("the permit for {login} has no length"));
    };
    if let Some(asked) = new.length.filter(|asked| asked > length) {
        return Err(format!("the permit for {login} is for {length} at most, and not for {asked}"));
    }
    Ok(permit)
}

/// What the permit becomes now: as long as was asked, for what was asked, and never more than it says.
fn becomes(permit: &Grant, new: &NewRequest, request: RequestId, now: Time) -> Grant {
    let longest = match &permit.window {
        Window::FirstUse { length, .. } => length.delta(),
        Window::Approval { .. } => chrono::TimeDelta::zero(),
    };
    let length = new.length.map_or(longest, |length| length.delta().min(longest));
    let services =
        if new.services.is_empty() { permit.services.clone() } else { new.services.clone().into() };
    let switches = services.iter().any(Service::switches);
    Grant {
        request,
        run_as: if switches { permit.run_as.clone() } else { Set::new() },
        services,
        window: Window::Approval { not_before: now, expires: now + length },
        approved_at: now,
        ..permit.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::sample::grant;
    use access::Span;
    use chrono::TimeDelta;

    fn at(seconds: i64) -> Time {
        Time::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn permit() -> Grant {
        let length = Span::parse("1h").unwrap();
        let window =
            Window::FirstUse { not_before: at(100), claim_by: at(1000), length, latest_end: at(1000 + 3600) };
        let services = ["ssh", "sudo"].map(|service| Service::parse(service).unwrap()).into();
        Grant {
            window,
            services,
            run_as: [Login::parse("root").unwrap()].into(),
            break_glass: true,
            approved_by: Vec::new(),
            ..grant(9)
        }
    }

    fn wants(json: &serde_json::Value) -> NewRequest {
        let mut whole = serde_json::json!({ "services": ["ssh"], "reason": "fire", "break_glass": true });
        for (key, value) in json.as_object().unwrap() {
            whole[key] = value.clone();
        }
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn a_permit_is_good_for_its_person_in_its_time_and_for_what_it_says() {
        let (permits, none) = ([permit()], serde_json::json!({}));
        let own = permits[0].names.first().unwrap().clone();
        let other = Login::parse("mallory").unwrap();
        let now = |seconds| Now::exactly(at(seconds));
        let may = |login: &Login, new: serde_json::Value, seconds: i64| {
            chosen(&permits, login, &wants(&new), now(seconds)).map(|permit| permit.id)
        };
        assert_eq!(may(&own, none.clone(), 100), Ok(permits[0].id));
        assert!(may(&own, serde_json::json!({ "services": ["ssh", "sudo"], "for": "1h" }), 999).is_ok());
        for (login, new, seconds, why) in [
            (&other, none.clone(), 100, "holds no permit for mallory"),
            (&own, none.clone(), 99, "holds no permit"),
            (&own, none.clone(), 1000, "holds no permit"),
            (&own, serde_json::json!({ "services": ["su"] }), 100, "is not for su"),
            (
                &own,
                serde_json::json!({ "services": ["sudo"], "as": "postgres" }),
                100,
                "not for becoming postgres",
            ),
            (&own, serde_json::json!({ "for": "2h" }), 100, "is for 1h at most"),
            (&own, serde_json::json!({ "user": "mallory" }), 100, "for oneself"),
            (&own, serde_json::json!({ "at": "2030-01-01T00:00:00Z" }), 100, "is broken now"),
        ] {
            let said = may(login, new, seconds).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        // One clock that is ahead and one that is behind: neither opens it outside of its time.
        assert!(chosen(&permits, &own, &wants(&none), Now { latest: at(1000), ..now(500) }).is_err());
        assert!(chosen(&permits, &own, &wants(&none), Now { latest: at(500), ..now(99) }).is_err());
    }

    #[test]
    fn what_a_permit_becomes_starts_now_and_is_no_longer_and_no_wider_than_it_or_than_asked() {
        let request = RequestId::from_random(3);
        let become_of = |new: serde_json::Value| becomes(&permit(), &wants(&new), request, at(500));
        let whole = become_of(serde_json::json!({ "services": ["ssh", "sudo"] }));
        assert_eq!(whole.window, Window::Approval { not_before: at(500), expires: at(4100) });
        assert_eq!((whole.id, whole.request, whole.run_as.len()), (permit().id, request, 1));
        let short = become_of(serde_json::json!({ "for": "10m" }));
        assert_eq!(short.window.latest_end(), at(1100));
        assert!(short.services.len() == 1 && short.run_as.is_empty(), "ssh becomes nobody");
    }
}
