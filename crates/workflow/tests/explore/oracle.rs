//! What must be true, said without the crate's own words for it: W1, W2 and W3.

use crate::law::{Law, PENDING, human};
use crate::story::{CLOCK, Move, Said, State, Story, Told, Wanted, at, words};
use access::{Ended, EndedHow, Grant, Person, Window};
use std::collections::BTreeSet;
use workflow::{Decider, Kind, Request, RequestState, Stepped};

type Verdict = Result<(), String>;

fn must(holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(what()) }
}

/// Whether this move may have done this.
pub fn judge(story: &Story, before: &State, what: Move, after: &State, stepped: Option<&Stepped>) -> Verdict {
    if let (
        Move::Open(slot)
        | Move::Review(slot, ..)
        | Move::Cancel(slot, _)
        | Move::Tick(slot)
        | Move::Recheck(slot),
        Some(stepped),
    ) = (what, stepped)
    {
        let case = Case { story, before, after, slot, what, stepped };
        case.request_is_immutable()?;
        case.an_end_is_an_end()?;
        case.ends_by_whom_it_may()?;
        case.reviews_are_of_those_who_may()?;
        case.approvals_are_by_enough_people()?;
        case.grants_are_of_approvals()?;
    }
    ledger(after)
}

/// Grants and approvals are the same, one to one.
fn ledger(state: &State) -> Verdict {
    let approved = |request: &&Request| matches!(request.state, RequestState::Approved { .. });
    for grant in state.grants.values() {
        let of: Vec<&Request> =
            state.requests.iter().flatten().filter(|request| request.ask.id == grant.request).collect();
        must(of.len() == 1 && of.iter().all(approved), || {
            format!("W3: {} has no approved request", grant.id)
        })?;
        let longer = state.requests.iter().flatten().filter(approved);
        let longer = longer.filter(|request| request.ask.kind == Kind::Extend { grant: grant.id }).count();
        must(longer == grant.extended as usize, || format!("W3: {} is longer than agreed", grant.id))?;
    }
    for request in state.requests.iter().flatten().filter(approved) {
        let RequestState::Approved { grant, .. } = request.state else { continue };
        let extends = matches!(request.ask.kind, Kind::Extend { .. });
        let own = state.grants.values().filter(|other| other.request == request.ask.id).count();
        must(own == usize::from(!extends), || format!("W3: {} has {own} grants", request.ask.id))?;
        must(state.grants.contains_key(&grant), || format!("W3: {} lacks its grant", request.ask.id))?;
    }
    Ok(())
}

struct Case<'a> {
    story: &'a Story,
    before: &'a State,
    after: &'a State,
    slot: usize,
    what: Move,
    stepped: &'a Stepped,
}

impl Case<'_> {
    fn law(&self) -> &Law {
        &self.story.laws[self.before.law]
    }

    fn now(&self) -> i64 {
        CLOCK[self.before.clock]
    }

    fn was(&self) -> Option<&Request> {
        self.before.requests[self.slot].as_ref()
    }

    fn request(&self) -> &Request {
        &self.stepped.request
    }

    fn told(&self) -> &Told {
        &self.after.told[self.slot]
    }

    fn asked_at(&self) -> i64 {
        (self.request().ask.asked_at - at(0)).num_seconds()
    }

    fn human<'n>(&self, login: &'n str) -> &'n str {
        human(login, self.before.merged)
    }

    /// Whether this human asked, or gets the access, by any of their names.
    fn is_own(&self, who: &str) -> bool {
        self.human(self.told().by) == who || self.human(self.told().of) == who
    }

    fn was_pending(&self) -> bool {
        self.was().is_none_or(|was| was.state.is_pending())
    }

    fn approved_now(&self) -> Option<&Decider> {
        match &self.request().state {
            RequestState::Approved { by, .. } if self.was_pending() => Some(by),
            _ => None,
        }
    }

    fn request_is_immutable(&self) -> Verdict {
        must(Some(&self.request().ask) == self.told().asked.as_ref(), || "W1: the ask changed".into())?;
        let old = self.was().map_or(&[][..], |was| &was.reviews);
        must(self.request().reviews.starts_with(old), || "W1: a review changed".into())
    }

    fn an_end_is_an_end(&self) -> Verdict {
        let Some(was) = self.was().filter(|was| !was.state.is_pending()) else { return Ok(()) };
        let now = self.request();
        must(now.state == was.state && now.reviews == was.reviews, || "W1: a second end".into())?;
        let looked_at = was.afterwards.as_ref().and_then(|afterwards| afterwards.review.as_ref());
        must(looked_at.is_none() || now == was, || "W1: looked at twice".into())?;
        if matches!(self.what, Move::Review(..)) {
            must(was.ask.kind == Kind::BreakGlass, || "W1: a review after the end was taken".into())?;
        }
        Ok(())
    }

    fn ends_by_whom_it_may(&self) -> Verdict {
        if !self.was_pending() {
            return Ok(());
        }
        let waited = self.now() - self.asked_at();
        match (&self.request().state, self.what) {
            (RequestState::Expired { .. }, Move::Tick(_) | Move::Recheck(_)) => {
                must(waited >= PENDING || self.extended_grant_is_over(), || "W1: expired early".into())
            }
            (RequestState::Cancelled { .. }, Move::Cancel(_, login)) => {
                must(self.is_own(self.human(login)), || format!("{login} cancelled it"))
            }
            (RequestState::Denied { by: Decider::Policy { .. }, .. }, Move::Tick(_) | Move::Recheck(_)) => {
                must(!self.the_law_gives_it(), || "denied by a policy that gives it".into())
            }
            (RequestState::Approved { .. }, Move::Open(_) | Move::Review(..) | Move::Recheck(_)) => {
                must(waited < PENDING, || "W1: approved after it expired".into())
            }
            (RequestState::Pending { .. }, Move::Cancel(..)) => Err("W1: cancelled, and waits".into()),
            (RequestState::Denied { by: Decider::People(_), .. }, Move::Review(_, _, Said::No))
            | (RequestState::Pending { .. }, _) => Ok(()),
            (state, what) => Err(format!("W1: {what:?} made it {}", state.code())),
        }
    }

    fn reviews_are_of_those_who_may(&self) -> Verdict {
        let (Move::Review(_, login, said), Some(was)) = (self.what, self.was()) else { return Ok(()) };
        let who = self.human(login);
        must(!self.is_own(who), || format!("W2: {login} reviewed their own request"))?;
        must(said != Said::YesToTheFirst, || format!("W1: {login} reviewed what was no longer there"))?;
        if !was.state.is_pending() {
            let may = self.law().glass.as_ref().is_some_and(|glass| glass.review_by.contains(&login));
            return must(may, || format!("W2: {login} looked at it without the right to"));
        }
        let waited = self.now() - self.asked_at();
        must(waited < PENDING, || "W1: reviewed after it expired".into())?;
        let may = self.seats(true, 0).iter().any(|seat| seat.contains(who));
        must(may, || format!("W2: {login} reviewed it without the right to"))?;
        must(!self.hosts_left().is_empty(), || "W3: nothing is left of it".into())
    }

    fn approvals_are_by_enough_people(&self) -> Verdict {
        let enough = self.is_enough(false);
        let Some(by) = self.approved_now() else {
            let yes = matches!(self.what, Move::Review(_, _, said) if said != Said::No);
            return must(!(yes && enough), || "W2: enough people agreed, and it waits".into());
        };
        let wish = self.story.wishes[self.slot].kind;
        match by {
            Decider::People(by) => {
                must(self.is_enough(true), || format!("W2: {} are not enough", list(by)))?;
                let distinct: BTreeSet<&Person> = by.iter().collect();
                must(distinct.len() == by.len() && !by.is_empty(), || format!("W2: {} twice", list(by)))?;
                let agreed = self.agreed();
                must(by.iter().all(|person| agreed.contains(person.as_str())), || {
                    format!("W2: {} did not all agree, or were not all asked", list(by))
                })
            }
            Decider::Rule { saw } => {
                must(!saw.is_empty() && matches!(self.what, Move::Open(_)), || "W2: by no facts".into())?;
                let length = self.story.wishes[self.slot].seconds;
                match wish {
                    Wanted::Access => {
                        let used = self.before.requests.iter().flatten().filter(|other| {
                            other.ask.person == self.request().ask.person
                                && matches!(
                                    other.state,
                                    RequestState::Approved { by: Decider::Rule { .. }, .. }
                                )
                        });
                        let used = used.count();
                        let may = self.law().auto.is_some_and(|(most, often)| length <= most && used < often);
                        must(may, || "W2: the rule approves nothing of this by itself".into())
                    }
                    Wanted::More => {
                        let may = self.law().extend.as_ref().is_some_and(|extend| !extend.same);
                        must(may, || "W2: an extension without people".into())
                    }
                    Wanted::Glass => {
                        let glass = self.law().glass.as_ref();
                        let may = glass.is_some_and(|glass| {
                            glass.who.contains(&self.told().of) && length <= glass.longest
                        });
                        must(may && self.told().by == self.told().of, || {
                            "W2: glass without the right".into()
                        })?;
                        let due = glass.map(|glass| at(self.now() + glass.within));
                        let afterwards = self.request().afterwards.as_ref();
                        must(afterwards.map(|afterwards| afterwards.due) == due, || {
                            "W2: glass that nobody has to look at".into()
                        })
                    }
                }
            }
            Decider::Policy { .. } => Err("W2: approved by a change".into()),
        }
    }

    fn grants_are_of_approvals(&self) -> Verdict {
        let Some(grant) = &self.stepped.grant else {
            return must(self.approved_now().is_none(), || "W3: approved without a grant".into());
        };
        let old = self.before.grants.get(&grant.id);
        if self.approved_now().is_none() {
            // Only who looks at a break glass ends its grant.
            let ended = matches!(
                (&grant.ended, self.what),
                (Some(Ended { how: EndedHow::Revoked, .. }), Move::Review(_, _, Said::No))
            );
            let same = old.is_some_and(|old| {
                *old == Grant { version: old.version, ended: None, ..grant.clone() }
                    && grant.version == old.version + 1
            });
            return must(ended && same, || "W3: a grant without an approval".into());
        }
        self.covers_everything()?;
        match (self.request().ask.kind, old) {
            (Kind::Extend { .. }, Some(old)) => self.is_longer_as_agreed(old, grant),
            (Kind::Extend { .. }, None) => Err("W3: an extension of nothing".into()),
            (_, Some(_)) => Err("W3: a second grant in the place of another".into()),
            (_, None) => self.is_what_was_agreed(grant),
        }
    }

    /// A rule covers every host and service of a request or does not match.
    fn covers_everything(&self) -> Verdict {
        for host in words(&self.request().ask.hosts) {
            for service in words(&self.request().ask.services) {
                must(self.law().covers.contains(&(&*host, &*service)), || {
                    format!("W3: the rule does not cover {service} on {host}")
                })?;
            }
        }
        Ok(())
    }

    fn is_what_was_agreed(&self, grant: &Grant) -> Verdict {
        let ask = &self.request().ask;
        let world = self.story.world(self.before);
        let Window::Approval { not_before, expires } = grant.window else {
            return Err("W3: another clock".into());
        };
        let longest = match &self.law().glass {
            Some(glass) if ask.kind == Kind::BreakGlass => glass.longest,
            _ => self.law().longest,
        };
        must(words(&grant.hosts) == self.hosts_left(), || {
            format!("W3: hosts {:?}, agreed {:?}", words(&grant.hosts), self.hosts_left())
        })?;
        must(grant.services == ask.services, || "W3: other services".into())?;
        let length = (expires - not_before).num_seconds();
        must(length == self.seconds_left(), || format!("W3: {length} s, agreed {}", self.seconds_left()))?;
        must(length <= longest, || format!("W3: {length} s, the rule gives {longest}"))?;
        must(not_before == at(self.now()), || "W3: it starts at another time".into())?;
        must(words(&grant.run_as) == ["root".to_owned()].into(), || "W3: it becomes somebody else".into())?;
        must(grant.names == ask.names && grant.logins == ask.names, || "W3: for another login".into())?;
        must(grant.person == ask.person && grant.request == ask.id, || "W3: for somebody else".into())?;
        must(*grant.rule == *self.law().id && grant.policy == world.policy.digest, || {
            "W3: by no rule".into()
        })?;
        must(grant.break_glass == (ask.kind == Kind::BreakGlass), || "W3: glass".into())?;
        let by = self.approved_now().map_or(&[][..], |by| by.people());
        must(grant.approved_by == by, || "W3: by others".into())?;
        must(grant.version == 1 && grant.extended == 0 && grant.ended.is_none(), || "W3: not new".into())
    }

    fn is_longer_as_agreed(&self, old: &Grant, grant: &Grant) -> Verdict {
        let Some(extend) = &self.law().extend else { return Err("W3: the rule extends nothing".into()) };
        let (Window::Approval { not_before, expires }, Window::Approval { expires: before, .. }) =
            (grant.window, old.window)
        else {
            return Err("W3: another clock".into());
        };
        must(old.ended.is_none() && at(self.now()) < before, || "W3: longer after its end".into())?;
        let more = (expires - before).num_seconds();
        must(more == self.seconds_left() && more <= extend.longest, || format!("W3: {more} s more"))?;
        let total = (expires - not_before).num_seconds();
        must(total <= extend.total, || format!("W3: {total} s in all"))?;
        must(grant.extended == old.extended + 1 && grant.extended <= extend.count, || {
            "W3: too often".into()
        })?;
        must(grant.version == old.version + 1, || "W3: not the next version".into())?;
        let same = Grant {
            version: old.version,
            extended: old.extended,
            window: old.window,
            approved_by: old.approved_by.clone(),
            ..grant.clone()
        };
        must(same == *old, || "W3: more than its time changed".into())
    }

    /// Those who said yes and count, each human once.
    fn agreed(&self) -> BTreeSet<&'static str> {
        let yes = self.told().reviews.iter().filter(|(_, said)| *said != Said::No);
        let left = self.seconds_left();
        let seats = self.seats(true, left);
        yes.filter_map(|(login, _)| {
            let who = self.human(login);
            // Somebody who is nobody of their own any more said it as somebody else.
            let counts = seats.iter().any(|seat| seat.contains(who)) && !self.is_own(who);
            counts.then_some(who)
        })
        .collect()
    }

    /// Whether those who said yes fill every seat, each human one.
    fn is_enough(&self, also_later: bool) -> bool {
        if matches!(self.request().ask.kind, Kind::BreakGlass) {
            return false;
        }
        let extend = self.law().extend.as_ref();
        if matches!(self.request().ask.kind, Kind::Extend { .. }) && !extend.is_some_and(|extend| extend.same)
        {
            return false;
        }
        let seats = self.seats(also_later, self.seconds_left());
        let agreed: Vec<&str> = self.agreed().into_iter().collect();
        !seats.is_empty() && fills(&seats, &agreed)
    }

    /// The seats to fill, each with those who may.
    fn seats(&self, also_later: bool, seconds: i64) -> Vec<BTreeSet<&'static str>> {
        let person = |login: &&&'static str| self.human(login) == **login;
        let elapsed = self.now() - self.asked_at();
        let later = self.law().later.iter().filter(|(after, _)| also_later && *after <= elapsed);
        let later: Vec<&'static str> =
            later.flat_map(|(_, who)| who.iter().filter(person)).copied().collect();
        let mut seats = Vec::new();
        for (from, need, above) in self.law().steps {
            if seconds == 0 || seconds > *above {
                let who: BTreeSet<&str> = from.iter().filter(person).copied().chain(later.clone()).collect();
                seats.extend(std::iter::repeat_n(who, *need));
            }
        }
        seats
    }

    fn hosts_left(&self) -> BTreeSet<String> {
        let mut hosts = words(&self.request().ask.hosts);
        for (_, said) in &self.told().reviews {
            match said {
                Said::YesToA => hosts.retain(|host| host == "a"),
                Said::YesToB => hosts.retain(|host| host == "b"),
                _ => {}
            }
        }
        hosts
    }

    fn seconds_left(&self) -> i64 {
        let asked = self.story.wishes[self.slot].seconds;
        let cut = self.told().reviews.iter().any(|(_, said)| *said == Said::YesToTwentyMinutes);
        if cut { asked.min(1200) } else { asked }
    }

    fn extended_grant_is_over(&self) -> bool {
        let Kind::Extend { grant } = self.request().ask.kind else { return false };
        self.before.grants.get(&grant).is_some_and(|grant| grant.window.latest_end() <= at(self.now()))
    }

    /// Whether the request could still be approved by the law as it stands.
    fn the_law_gives_it(&self) -> bool {
        let law = self.law();
        let extends = matches!(self.request().ask.kind, Kind::Extend { .. });
        let longest =
            if extends { law.extend.as_ref().map(|extend| extend.longest) } else { Some(law.longest) };
        let gone =
            self.human(self.told().of) != self.told().of || self.human(self.told().by) != self.told().by;
        let mut all = self.seats(false, self.seconds_left());
        for seat in &mut all {
            seat.extend(law.later.iter().flat_map(|(_, who)| who.iter().copied()));
            seat.retain(|who| self.human(who) == *who && !self.is_own(who));
        }
        let people: BTreeSet<&str> = all.iter().flatten().copied().collect();
        let people: Vec<&str> = people.into_iter().collect();
        // What becomes of an extension hangs on its grant too.
        !extends
            && !gone
            && self.covers_everything().is_ok()
            && longest.is_some_and(|longest| self.seconds_left() <= longest)
            && fills(&all, &people)
    }
}

/// Whether some of these people fill all of these seats, one each: tried in every way.
fn fills(seats: &[BTreeSet<&str>], people: &[&str]) -> bool {
    let Some((seat, others)) = seats.split_first() else { return true };
    people.iter().enumerate().any(|(place, person)| {
        let mut rest = people.to_vec();
        rest.remove(place);
        seat.contains(person) && fills(others, &rest)
    })
}

fn list(people: &[Person]) -> String {
    people.iter().map(Person::as_str).collect::<Vec<_>>().join(" and ")
}
