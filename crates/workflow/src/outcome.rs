//! What a policy makes of an ask at once, without anybody doing anything.

use crate::open::{extends_by_itself, open};
use crate::request::{Ask, Decider, Kind, RequestState};
use crate::rule::Rule;
use crate::step::Facts;
use access::GrantId;
use serde::{Deserialize, Serialize};

/// What becomes of an ask at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The way it goes.
    pub how: How,
    /// The rule that covers or forbids it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// How many people must agree.
    pub needs: usize,
    /// Why it is refused, or what the rule saw that approves by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// The way an ask goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Refused at once.
    Refused,
    /// It waits for people.
    ByPeople,
    /// The rule approves by itself, or the glass is broken.
    ByItself,
}

/// What `rule` makes of `ask`, which it covers, at the moment it was asked.
pub fn outcome(ask: &Ask, rule: &Rule, facts: &Facts) -> Outcome {
    let of = |how, needs, why| Outcome { how, rule: Some(rule.id.clone()), needs, why };
    if let Kind::Extend { .. } = ask.kind {
        // What is left of the grant is not looked at: a policy says only whether and by whom.
        return match &rule.extend {
            None => of(How::Refused, 0, Some(format!("rule \"{}\" extends nothing", rule.id))),
            Some(extend) if ask.length > extend.longest => {
                let why = format!("{} is longer than the {} of one extension", ask.length, extend.longest);
                of(How::Refused, 0, Some(why))
            }
            Some(extend) => match extends_by_itself(extend, rule, ask, facts) {
                Some(Ok(saw)) => of(How::ByItself, 0, seen(&saw)),
                Some(Err(missed)) => of(How::Refused, 0, Some(missed)),
                None => of(How::ByPeople, extend.steps.iter().map(|step| step.need).sum(), None),
            },
        };
    }
    match open(ask.clone(), rule, facts, GrantId::from_random(0), ask.asked_at) {
        Err(why) => of(How::Refused, 0, Some(why.to_string())),
        Ok(opened) => match &opened.request.state {
            RequestState::Approved { by: Decider::Rule { saw }, .. } => of(How::ByItself, 0, seen(saw)),
            _ => of(How::ByPeople, rule.needs(&opened.request), None),
        },
    }
}

fn seen(saw: &[String]) -> Option<String> {
    Some(saw.join("; ")).filter(|saw| !saw.is_empty())
}

impl Outcome {
    /// No rule covers it, or one forbids it.
    pub fn uncovered(why: &crate::Uncovered) -> Self {
        let rule = match why {
            crate::Uncovered::Denied { rule } => Some(rule.clone()),
            _ => None,
        };
        Self { how: How::Refused, rule, needs: 0, why: Some(why.to_string()) }
    }
}
