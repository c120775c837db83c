//! Asking the hub by way of this host: written down first, sent then, and answered at once where the hub is near.

use super::call::Unheard;
use super::outbox::{self, Kept};
use super::rows;
use crate::ledger::{Entry, LedgerError};
use crate::limits;
use crate::site::Site;
use access::{Login, Now, Person, RequestId, Span, Time};
use api::{
    HostAnswer, HostAsk, HostCall, HostDoes, HostKnock, HostWish, Mark, MarkRecord, Opened, ProblemCode,
    Record, RequestView,
};
use desk::{DeskError, Refused};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use store::{Sql, StoreError};
use workflow::{Ask, Channel, Kind, Narrowing, RequestState};

/// Who asks.
#[derive(Clone, Debug)]
pub struct Asker {
    /// By the name that this host knows them by.
    pub login: Login,
    /// From where.
    pub source: Option<IpAddr>,
}

/// What whoever asked is told.
#[derive(Debug)]
pub enum Told {
    /// The hub's answer.
    Answered(HostAnswer),
    /// It is kept here, and sent when the hub is reachable.
    Unsent {
        /// What.
        kept: Box<Kept>,
        /// Why it could not be sent yet.
        why: String,
    },
}

/// What became of writing it down.
enum Put {
    Kept(Box<Kept>),
    /// Too many wait.
    TooMany(String),
    /// The key belongs to another call.
    OtherCall,
}

impl Site {
    /// Asks the hub, and waits at most until `by`: for the disk first, and for the hub's answer so long as is left then. With
    /// the `key` of a call that asked before it is that which is answered; without one an equal ask that waits.
    pub fn ask_hub(
        &self,
        asker: Asker,
        wish: HostWish,
        key: Option<String>,
        by: Instant,
    ) -> Result<Told, DeskError> {
        let left = || by.saturating_duration_since(Instant::now());
        self.source.calls()?;
        let outward = self.source.outward()?;
        let asked_at = self.clock.now().trusted;
        let id = RequestId::from_random(crate::ledger::random()?);
        let ask = HostAsk { id, login: asker.login, source: asker.source, asked_at, wish };
        let kept = match self.keep(ask, key, limits::DESK_WAIT.min(left()))? {
            Put::Kept(kept) => kept,
            Put::TooMany(why) => return Err(DeskError::Busy(why)),
            Put::OtherCall => return Err(DeskError::KeyReused),
        };
        let id = kept.ask.id;
        let known = || Ok::<_, DeskError>(self.kept(id)?.and_then(|kept| kept.answer));
        Ok(match outward.answer(id, limits::HUB_HASTY.min(left()), known)? {
            Some(answer) => Told::Answered(answer),
            None => Told::Unsent { kept, why: outward.why_away() },
        })
    }

    /// What was asked under this id, as far as it is known here.
    pub fn kept(&self, id: RequestId) -> Result<Option<Kept>, DeskError> {
        Ok(self.ledger.read(|connection| outbox::find(connection, id)).map_err(LedgerError::from)?)
    }

    /// What of this login's waits for the hub.
    pub fn unsent(&self, login: &Login) -> Result<Vec<Kept>, DeskError> {
        Ok(self.ledger.read(|connection| outbox::waiting(connection, login)).map_err(LedgerError::from)?)
    }

    /// Writes it down with its record, in one transaction, within `wait`.
    fn keep(&self, ask: HostAsk, key: Option<String>, wait: Duration) -> Result<Put, DeskError> {
        let until = match &ask.wish {
            // Glass that was broken must be told however late.
            HostWish::Glass { .. } => Time::MAX_UTC,
            _ => ask.asked_at + limits::ASK_KEPT,
        };
        let now = self.clock.now();
        Ok(self.ledger.append(wait, move |entry| {
            let before = match &key {
                Some(key) => outbox::by_key(entry.connection(), &ask.login, key)?,
                None => None,
            };
            if let Some(before) = before {
                let same = before.ask.wish == ask.wish;
                return Ok(if same { Put::Kept(Box::new(before)) } else { Put::OtherCall });
            }
            let waiting = outbox::waiting(entry.connection(), &ask.login)?;
            if let Some(equal) =
                waiting.iter().find(|kept| key.is_none() && is_equal(&kept.ask.wish, &ask.wish))
            {
                return Ok(Put::Kept(Box::new(equal.clone())));
            }
            let glass = may_break(entry.connection(), &ask, now)?;
            if !glass && let Some(why) = no_place(entry.connection(), waiting.len())? {
                return Ok(Put::TooMany(why));
            }
            let detail = format!("request={} user={} {}", ask.id, ask.login, in_short(&ask.wish));
            let record = Record::Mark(Box::new(MarkRecord { at: ask.asked_at, mark: Mark::Asked, detail }));
            if glass {
                entry.record(record)?
            } else {
                entry.record_repeatable(record)?
            };
            outbox::put(entry.connection(), &ask, key.as_deref(), until)?;
            Ok(Put::Kept(Box::new(Kept { ask, until, answer: None })))
        })?)
    }

    /// Takes back what the hub has not heard of. Whether it was there; it can be on its way all the same.
    pub fn forget_ask(&self, id: RequestId, why: &'static str) -> Result<bool, DeskError> {
        let at = self.clock.now().trusted;
        Ok(self.ledger.append(limits::DESK_WAIT, move |entry| drop_ask(entry, id, why, at))?)
    }

    /// Has the hub do something for somebody on this host, by this host's word.
    pub fn call_hub<T: DeserializeOwned>(
        &self,
        asker: Asker,
        key: &str,
        what: HostDoes,
        within: Duration,
    ) -> Result<T, Refused> {
        let voice = self.source.voice()?;
        let call = HostCall { login: asker.login, source: asker.source, key: key.to_owned(), what };
        voice.say("calls", &call, within).map_err(|why| match why {
            Unheard::Refused { problem, .. } => Refused(problem),
            Unheard::Away(why) | Unheard::Distrusted(why) => Refused(ProblemCode::Unavailable.because(format!(
                "{why}. What is granted stays good meanwhile (jit grants), and a request is kept here until the hub is reachable (jit request)"
            ))),
        })
    }

    /// A request that the hub has not heard of yet, as whoever asked sees it.
    pub fn unsent_view(&self, kept: &Kept, person: &Person, names: &BTreeSet<Login>) -> RequestView {
        let HostAsk { id, source, asked_at, wish, .. } = &kept.ask;
        let mut ask = Ask {
            id: *id,
            kind: Kind::Access,
            asked_by: person.clone(),
            person: person.clone(),
            names: names.clone(),
            hosts: BTreeSet::from([self.host.clone()]),
            labels: std::collections::BTreeMap::new(),
            follows: false,
            before: None,
            services: BTreeSet::new(),
            run_as: None,
            length: Span::SHORTEST,
            starts: None,
            reason: reason(wish).clone(),
            ticket: None,
            source: *source,
            channel: Channel::Host,
            asked_at: *asked_at,
        };
        let mut knocked = |knock: &HostKnock| {
            ask.services = BTreeSet::from([knock.service.clone()]);
            ask.run_as.clone_from(&knock.run_as);
            ask.channel = Channel::Login;
        };
        match wish {
            HostWish::Command { new, .. } => {
                ask.services.clone_from(&new.services);
                ask.run_as.clone_from(&new.run_as);
                ask.length = new.length.unwrap_or(ask.length);
                ask.starts = new.at;
                ask.ticket.clone_from(&new.ticket);
            }
            HostWish::Login(knock) => knocked(knock),
            HostWish::Prompt { knock, length, ticket } => {
                knocked(knock);
                ask.length = length.unwrap_or(ask.length);
                ask.ticket.clone_from(ticket);
            }
            HostWish::Glass { grant, ticket, .. } => {
                ask.kind = Kind::BreakGlass;
                ask.services = (&grant.services).into();
                let length = (grant.window.latest_end() - grant.window.not_before()).num_seconds();
                ask.length = u32::try_from(length).ok().and_then(Span::seconds).unwrap_or(ask.length);
                ask.ticket.clone_from(ticket);
            }
        }
        RequestView {
            left: Narrowing {
                length: Some(ask.length),
                hosts: Some(ask.hosts.clone()),
                services: Some(ask.services.clone()),
            },
            ask,
            rule: String::new(),
            state: RequestState::Pending { until: kept.until },
            reviews: Vec::new(),
            afterwards: None,
            escalates: None,
            claim_by: None,
            digest: String::new(),
            could_approve: Vec::new(),
            agreed: Vec::new(),
            needs: 0,
            has: 0,
            yours_to_review: false,
        }
    }

    /// The same as what somebody is answered who asked for it.
    pub fn unsent_opened(
        &self,
        kept: &Kept,
        why: String,
        person: &Person,
        names: &BTreeSet<Login>,
    ) -> Opened {
        let request = self.unsent_view(kept, person, names);
        Opened { request, grant: None, existed: false, unsent: Some(why) }
    }
}

/// Why nothing more is kept for the hub, where `own` of this login's wait already.
fn no_place(connection: &dyn Sql, own: usize) -> Result<Option<String>, StoreError> {
    let (own_most, most) = limits::ASKS;
    if own >= own_most {
        return Ok(Some(format!(
            "{own_most} requests of yours wait here for the hub already, which is as many as can"
        )));
    }
    let is_full = outbox::count(connection)? >= most;
    Ok(is_full.then(|| format!("{most} requests wait on this host for the hub, which is all it keeps")))
}

/// Whether this asks for what a permit gives here: that is refused for want of a place or of room that others may not use by
/// nobody. Each permit is good once, and who is refused by the hub again and again is as anybody after [`limits::GLASS_ASKS`].
fn may_break(connection: &dyn Sql, ask: &HostAsk, now: Now) -> Result<bool, StoreError> {
    let HostWish::Command { new, unsure: None } = &ask.wish else { return Ok(false) };
    if !new.break_glass
        || super::glass::chosen(&rows::unused_permits(connection)?, &ask.login, new, now).is_err()
    {
        return Ok(false);
    }
    let is_glass = |kept: &Kept| matches!(&kept.ask.wish, HostWish::Command { new, .. } if new.break_glass);
    let tried = outbox::of(connection, &ask.login)?.iter().filter(|kept| is_glass(kept)).count();
    Ok(tried < limits::GLASS_ASKS)
}

/// Takes an ask back, with its record. Whether it was there and waited.
pub(super) fn drop_ask(
    entry: &mut Entry<'_, '_>,
    id: RequestId,
    why: &'static str,
    at: Time,
) -> Result<bool, LedgerError> {
    let gone = outbox::forget(entry.connection(), id)?;
    if gone {
        let detail = format!("request={id} why=\"{why}\"");
        entry.record(Record::Mark(Box::new(MarkRecord { at, mark: Mark::AskDropped, detail })))?;
    }
    Ok(gone)
}

/// Whether one of the two is enough: those of refused logins come again and again.
fn is_equal(one: &HostWish, other: &HostWish) -> bool {
    let knock = |wish: &HostWish| match wish {
        HostWish::Login(knock) | HostWish::Prompt { knock, .. } => {
            Some((knock.service.clone(), knock.run_as.clone()))
        }
        HostWish::Command { .. } | HostWish::Glass { .. } => None,
    };
    knock(one).is_some() && knock(one) == knock(other)
}

const fn reason(wish: &HostWish) -> &access::Text {
    match wish {
        HostWish::Command { new, .. } => &new.reason,
        HostWish::Login(knock) | HostWish::Prompt { knock, .. } => &knock.reason,
        HostWish::Glass { reason, .. } => reason,
    }
}

/// For the record, without what people wrote: the hub's journal has that.
fn in_short(wish: &HostWish) -> String {
    let knocked = |how: &str, knock: &HostKnock| format!("how={how} services={}", knock.service);
    match wish {
        HostWish::Command { new, .. } => {
            let services: Vec<String> = new.services.iter().map(ToString::to_string).collect();
            format!("how=command services={}", services.join(","))
        }
        HostWish::Login(knock) => knocked("login", knock),
        HostWish::Prompt { knock, .. } => knocked("prompt", knock),
        HostWish::Glass { grant, .. } => format!("how=break_glass grant={}", grant.id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use access::{Grant, Window};
    use chrono::TimeDelta;
    use sync::{HeldPermit, KnownPermit};

    fn at(seconds: i64) -> Time {
        Time::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn ask(n: u64, break_glass: bool, service: &str) -> HostAsk {
        let new = serde_json::json!({ "services": [service], "reason": "fire", "break_glass": break_glass });
        let new = Box::new(serde_json::from_value(new).unwrap());
        let login = Login::parse("alice").unwrap();
        let wish = HostWish::Command { new, unsure: None };
        HostAsk { id: RequestId::from_random(n), login, source: None, asked_at: at(500), wish }
    }

    #[test]
    fn glass_by_a_permit_has_a_place_where_nothing_else_has_and_only_so_often() {
        let (_folder, file) = crate::source::sample::file();
        let connection = file.connection();
        let (own, _) = limits::ASKS;
        assert!(no_place(connection, own).unwrap().unwrap().contains("20 requests of yours"));
        let now = Now::exactly(at(500));
        let may = |ask: &HostAsk| may_break(connection, ask, now).unwrap();
        assert!(!may(&ask(1, true, "ssh")), "who has no permit makes themself no room");
        let length = Span::parse("1h").unwrap();
        let window =
            Window::FirstUse { not_before: at(100), claim_by: at(1000), length, latest_end: at(4600) };
        let grant = Grant { window, break_glass: true, ..crate::sessions::sample::grant(9) };
        let id = grant.id;
        let signer = sync::SecretKey::from_random(&[7; 32]).public();
        let held = Some(HeldPermit { grant, signer });
        let known = KnownPermit { digest: sync::Digest::of(b""), until: at(9000), held };
        rows::put_permits(connection, &[(id, known)].into()).unwrap();
        assert!(may(&ask(1, true, "ssh")));
        assert!(!may(&ask(1, false, "ssh")) && !may(&ask(1, true, "su")), "and for nothing else");
        for n in 0..limits::GLASS_ASKS {
            outbox::put(connection, &ask(100 + n as u64, true, "ssh"), None, at(9000)).unwrap();
        }
        assert!(!may(&ask(1, true, "ssh")));
    }
}
