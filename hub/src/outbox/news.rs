//! Who hears of a change: of the record, and of how things are. Pure.

use super::limits;
use super::truth::Truth;
use access::{Person, RequestId, Time};
use api::{Change, ChangeRecord};
use std::collections::BTreeSet;
use workflow::{Channel, RequestState};

static NOBODY: BTreeSet<Person> = BTreeSet::new();

/// A change, and whom it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The record.
    pub seq: u64,
    /// The request that it is about.
    pub about: RequestId,
    /// Another one that it changes too: the one whose grant an extension made longer.
    pub also: Option<RequestId>,
    /// What happened.
    pub what: Change,
    /// When it did.
    pub at: Time,
    /// Telling it is given up then.
    pub until: Time,
    /// Who brought it about.
    pub actor: Option<Person>,
    /// Who could say something to it.
    pub deciders: BTreeSet<Person>,
    /// Who asked and who gets it.
    pub own: BTreeSet<Person>,
    /// Whom the policy wants told.
    pub told: BTreeSet<Person>,
    /// Whether a refused login brought it about.
    pub knock: bool,
    /// Whether it still waits to be decided.
    pub pending: bool,
    /// Whether nothing more will happen to it.
    pub closes: bool,
}

impl News {
    /// Which request a record is about, if it is about one.
    pub fn about(record: &ChangeRecord) -> Option<RequestId> {
        let of_request = record.request.as_ref().map(|request| request.ask.id);
        match record.change {
            Change::PolicyApplied | Change::Carried | Change::Received | Change::Withdrawn => None,
            _ => of_request.or(record.grant.as_ref().map(|grant| grant.request)),
        }
    }

    /// What this record means, as things are now with what it is about.
    pub fn of(seq: u64, record: &ChangeRecord, truth: &Truth) -> Self {
        let ask = &truth.request.ask;
        let until = match (&truth.request.state, record.change) {
            (_, change) if change.is_loud() => record.at + limits::ALARM_GOOD,
            (RequestState::Pending { until }, _) => *until,
            _ => record.at + limits::NEWS_GOOD,
        };
        let is_over = match &truth.request.state {
            RequestState::Pending { .. } => false,
            RequestState::Approved { .. } => {
                matches!(record.change, Change::Revoked | Change::Released | Change::Expired)
            }
            RequestState::Denied { .. } | RequestState::Cancelled { .. } | RequestState::Expired { .. } => {
                true
            }
        };
        Self {
            seq,
            about: ask.id,
            also: record.grant.as_ref().map(|grant| grant.request).filter(|request| *request != ask.id),
            what: record.change,
            at: record.at,
            until,
            actor: record.actor.clone(),
            deciders: truth.request.could_approve.iter().cloned().collect(),
            own: [ask.asked_by.clone(), ask.person.clone()].into(),
            told: truth.told(),
            knock: ask.channel == Channel::Login,
            pending: truth.is_pending(),
            closes: is_over && !truth.waits(),
        }
    }

    /// Whether somebody should look at it now, whatever else there is.
    pub const fn is_loud(&self) -> bool {
        self.what.is_loud()
    }

    /// Whether somebody may see it for the first time by this.
    pub const fn opens(&self) -> bool {
        matches!(
            self.what,
            Change::Requested
                | Change::Escalated
                | Change::Rechecked
                | Change::Approved
                | Change::Extended
                | Change::BreakGlass
                | Change::Overdue
        )
    }

    /// Whether a place that many read should show it. Where something was decided before anybody looked, the record of that
    /// tells it.
    pub fn is_for_places(&self) -> bool {
        match self.what {
            Change::Requested => self.pending,
            Change::Rechecked | Change::Reviewed | Change::HostsChanged => false,
            _ => true,
        }
    }

    /// The people who get a letter of it. Nobody hears of what they did themselves.
    pub fn people(&self) -> BTreeSet<&Person> {
        let (deciders, own, told) = (&self.deciders, &self.own, &self.told);
        let none = &NOBODY;
        let some: [&BTreeSet<Person>; 3] = match self.what {
            // What was decided before anybody looked is told by the record of that.
            Change::Requested if self.pending => [deciders, own, told],
            Change::Escalated | Change::Rechecked if self.pending => [deciders, none, none],
            Change::Approved
            | Change::Extended
            | Change::Denied
            | Change::Cancelled
            | Change::Lapsed
            | Change::Revoked
            | Change::Released
            | Change::LookedAt => [own, told, none],
            Change::BreakGlass | Change::Overdue => [deciders, own, told],
            // Who had it saw it end.
            Change::Expired => [told, none, none],
            _ => [none, none, none],
        };
        let people = some.into_iter().flatten();
        people.filter(|person| self.actor.as_ref() != Some(*person)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(what: Change, pending: bool, actor: Option<&str>) -> News {
        let people = |name: &str| Person::parse(name).unwrap();
        let at = Time::UNIX_EPOCH;
        News {
            seq: 7,
            about: RequestId::from_random(5),
            also: None,
            what,
            at,
            until: at,
            actor: actor.map(people),
            deciders: [people("bob"), people("carol")].into(),
            own: [people("alice")].into(),
            told: [people("dora")].into(),
            knock: false,
            pending,
            closes: false,
        }
    }

    #[test]
    fn each_change_is_told_to_those_that_the_guide_says_and_to_nobody_who_brought_it_about() {
        use Change::{
            Approved, BreakGlass, Cancelled, Denied, Escalated, Expired, Extended, HostsChanged, Lapsed,
            LookedAt, Overdue, Rechecked, Released, Requested, Reviewed, Revoked,
        };
        for (what, pending, people, places) in [
            (Requested, true, "alice bob carol dora", true),
            (Requested, false, "", false),
            (Escalated, true, "bob carol", true),
            (Escalated, false, "", true),
            (Rechecked, true, "bob carol", false),
            (Reviewed, true, "", false),
            (Approved, false, "alice dora", true),
            (Extended, false, "alice dora", true),
            (Denied, false, "alice dora", true),
            (Cancelled, false, "alice dora", true),
            (Lapsed, false, "alice dora", true),
            (Revoked, false, "alice dora", true),
            (Released, false, "alice dora", true),
            (Expired, false, "dora", true),
            (BreakGlass, false, "alice bob carol dora", true),
            (Overdue, false, "alice bob carol dora", true),
            (LookedAt, false, "alice dora", true),
            (HostsChanged, false, "", false),
        ] {
            let names = |news: &News| {
                news.people()
                    .iter()
                    .map(|person| person.as_str())
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            let news = of(what, pending, None);
            assert_eq!((names(&news).as_str(), news.is_for_places()), (people, places), "{what:?} {pending}");
            for actor in ["alice", "bob", "carol", "dora"] {
                let by = names(&of(what, pending, Some(actor)));
                assert!(!by.contains(actor) && by.len() <= people.len(), "{what:?}: {by}");
            }
        }
    }
}
