//! The terms of one rule, with people and schedules resolved at this moment.

use crate::policy::{AutoTerms, ExtendBy, PolicyRule, Source, StepTerms, Terms};
use crate::rule::{Auto, BreakGlass, Escalation, Extend, Rule, Step, Wants};
use crate::world::{OnCall, World};
use crate::{Human, Schedule};
use access::Now;
use chrono::{SecondsFormat, TimeDelta};

impl World {
    /// This rule for this person, now.
    pub(crate) fn resolved(&self, rule: &PolicyRule, terms: &Terms, human: &Human, now: Now) -> Rule {
        let steps = |steps: &[StepTerms]| -> Vec<Step> {
            steps
                .iter()
                .map(|step| Step {
                    from: self.people_of(&step.from, Some(human), now),
                    need: step.need,
                    when: step.when,
                    named: named(&step.from, human),
                })
                .collect()
        };
        let own = steps(&terms.approve);
        Rule {
            id: rule.id.clone(),
            policy: self.policy.digest.clone(),
            wants: Wants {
                reason_min: terms.ask.reason_min,
                ticket: terms.ask.ticket.clone(),
                pin: terms.ask.pin,
            },
            default: terms.time.default,
            longest: terms.time.max,
            ahead: terms.time.ahead,
            pending: terms.time.pending,
            clock: terms.time.clock,
            follows: rule.place.follow_labels,
            sessions: terms.time.sessions,
            escalations: terms
                .escalate
                .iter()
                .map(|more| Escalation {
                    after: more.after,
                    to: self.people_of(&more.to, Some(human), now),
                    named: named(&more.to, human),
                })
                .collect(),
            auto: terms.auto.as_ref().map(|auto| self.judged(auto, human, now)),
            extend: terms.time.extend.as_ref().map(|extend| Extend {
                count: extend.count,
                longest: extend.max,
                total: extend.total,
                free: extend.approve == ExtendBy::Nobody,
                steps: match &extend.approve {
                    ExtendBy::Same => own.clone(),
                    ExtendBy::Nobody => Vec::new(),
                    ExtendBy::Steps(others) => steps(others),
                },
            }),
            steps: own,
            break_glass: terms.break_glass.as_ref().map(|glass| BreakGlass {
                who: self.named_by(&glass.who, human),
                longest: glass.max,
                review_by: self.people_of(&glass.review_by, Some(human), now),
                named: named(&glass.review_by, human),
                within: glass.within,
                block_next: glass.block_next,
            }),
            chat: terms.teams,
            tell: self.people_of(&terms.tell, Some(human), now),
            on_refusal: terms.on_refusal,
        }
    }

    /// The conditions of `auto` that time and schedules can tell. What is not known does not hold: then a
    /// person decides.
    fn judged(&self, auto: &AutoTerms, human: &Human, now: Now) -> Auto {
        let (mut held, mut missed) = (Vec::new(), Vec::new());
        if now.provisional {
            missed.push("the clock is not confirmed since the machine started".to_owned());
        }
        if let Some(hours) = &auto.hours {
            if hours.contains(now.trusted) {
                held.push(format!("it is within {hours}"));
            } else {
                missed.push(format!("it is not within {hours}"));
            }
        }
        if let Some(name) = &auto.on_call {
            match self.is_on_call(name, auto.level, human, now) {
                Ok(saw) => held.push(saw),
                Err(why) => missed.push(why),
            }
        }
        Auto { held, missed, longest: auto.max, quota: auto.quota }
    }

    fn is_on_call(&self, name: &str, level: u8, human: &Human, now: Now) -> Result<String, String> {
        let theirs = self.schedule(name, now)?.on_call(now.trusted).filter(|shift| {
            self.people.by_mail_or_name(&shift.who).is_some_and(|found| found.person == human.person)
        });
        match theirs.map(|shift| shift.level).min() {
            Some(at) if at <= level => Ok(format!("{} is on call by {name} at level {at}", human.person)),
            Some(at) => Err(format!("{} is on call by {name} at level {at}, not {level}", human.person)),
            None => Err(format!("{} is not on call by {name}", human.person)),
        }
    }

    /// A schedule that is known and believed, or why it is not.
    pub(crate) fn schedule(&self, name: &str, now: Now) -> Result<&Schedule, String> {
        let (schedule, as_of) = match self.schedules.get(name) {
            Some(OnCall::Known(schedule, as_of)) => (schedule, *as_of),
            Some(OnCall::Unknown(why)) => return Err(format!("schedule {name} is not known: {why}")),
            None => return Err(format!("schedule {name} is not known")),
        };
        let source = self.policy.schedules.get(name);
        let (age, dated) = (now.latest - as_of, as_of.to_rfc3339_opts(SecondsFormat::Secs, true));
        if source.is_none_or(|source| age > source.max_age.delta()) {
            return Err(format!("schedule {name}, of {dated}, is too old to be believed"));
        }
        // It would never grow old.
        if age < TimeDelta::zero() {
            return Err(format!("schedule {name}, of {dated}, is of a time to come"));
        }
        Ok(schedule)
    }
}

/// Where people come from, in words: `group dba, bob or alice's manager`.
fn named(sources: &[Source], human: &Human) -> String {
    let words: Vec<String> = sources
        .iter()
        .map(|source| match source {
            Source::User(person) => person.to_string(),
            Source::Group(group) => format!("group {group}"),
            Source::Manager => format!("{}'s manager", human.person),
        })
        .collect();
    words.join(" or ")
}
