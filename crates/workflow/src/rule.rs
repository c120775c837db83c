//! What the policy says about one ask, with people and schedules resolved at this moment.

use crate::policy::{ChatWeight, OnRefusal, Quota, When};
use crate::request::{Kind, Request, Scope};
use access::{Person, Span};
use regex_lite::Regex;
use std::collections::BTreeSet;

/// The rule that covers an ask.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name in the policy.
    pub id: String,
    /// SHA-256 of the policy in force, in hex.
    pub policy: String,
    /// What the person must say.
    pub wants: Wants,
    /// The length of a request that does not say.
    pub default: Span,
    /// The longest it gives.
    pub longest: Span,
    /// How far ahead a grant may start.
    pub ahead: Span,
    /// How long a request waits for approvers.
    pub pending: Span,
    /// What starts the grant's clock.
    pub clock: Clock,
    /// Whether a grant that was asked for by label covers hosts that get the labels later too.
    pub follows: bool,
    /// Sessions at once on a host, if limited.
    pub sessions: Option<u32>,
    /// Steps of approval; all that count must be met.
    pub steps: Vec<Step>,
    /// Who may fill any step too, after a while; earliest first.
    pub escalations: Vec<Escalation>,
    /// When the rule itself approves.
    pub auto: Option<Auto>,
    /// How often and how far a grant can be extended.
    pub extend: Option<Extend>,
    /// Who may let themselves in once.
    pub break_glass: Option<BreakGlass>,
    /// What a click in a chat is worth.
    pub chat: ChatWeight,
    /// Who hears of it beside approvers and the person.
    pub tell: BTreeSet<Person>,
    /// What a refused login does beside being refused.
    pub on_refusal: OnRefusal,
}

/// What the person must say.
#[derive(Clone, Debug, Default)]
pub struct Wants {
    /// Characters of the reason, at least.
    pub reason_min: usize,
    /// What the ticket looks like.
    pub ticket: Option<Regex>,
    /// Whether the grant works only from the client address that asked.
    pub pin: bool,
}

impl Wants {
    /// What the ticket looks like, as the policy writes it.
    pub fn ticket_pattern(&self) -> Option<String> {
        let whole = self.ticket.as_ref()?.as_str();
        let bare = whole.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$"));
        Some(bare.unwrap_or(whole).to_owned())
    }
}

/// What starts a grant's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The approval, or the start that was asked for.
    Approval,
    /// The first use on each host, which must come within `claim_by` of the start.
    FirstUse {
        /// Time to start using it.
        claim_by: Span,
    },
}

/// One step of approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Who may agree, at this moment.
    pub from: BTreeSet<Person>,
    /// How many distinct people must.
    pub need: usize,
    /// When it counts.
    pub when: When,
    /// Where `from` comes from, to say so when it is too small: `group dba or alice's manager`.
    pub named: String,
}

/// Who may agree too, after a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escalation {
    /// So long after it was asked.
    pub after: Span,
    /// They may fill any step.
    pub to: BTreeSet<Person>,
    /// Where they come from.
    pub named: String,
}

/// When the rule itself approves. What the store must tell (how often it did already) is not in here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auto {
    /// Conditions that hold at this moment, each in words.
    pub held: Vec<String>,
    /// Conditions that do not.
    pub missed: Vec<String>,
    /// For at most so long.
    pub longest: Option<Span>,
    /// So often in so long.
    pub quota: Option<Quota>,
}

/// How often and how far a grant can be extended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extend {
    /// So often.
    pub count: u32,
    /// By so much each time.
    pub longest: Span,
    /// From its start to its end at most.
    pub total: Span,
    /// Whether nobody has to agree.
    pub free: bool,
    /// Steps of approval; none where the rule has none: it must approve by itself.
    pub steps: Vec<Step>,
}

/// Who may let themselves in once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakGlass {
    /// These.
    pub who: BTreeSet<Person>,
    /// For at most so long.
    pub longest: Span,
    /// Who looks at it afterwards.
    pub review_by: BTreeSet<Person>,
    /// Where they come from.
    pub named: String,
    /// Within so long.
    pub within: Span,
    /// Whether the next one waits for that.
    pub block_next: bool,
}

impl When {
    /// Whether a step counts for this much.
    pub fn holds(&self, scope: &Scope) -> bool {
        self.longer_than.is_none_or(|length| scope.whole() > length.delta())
            && self.more_hosts_than.is_none_or(|hosts| scope.hosts.len() > hosts)
    }
}

impl Rule {
    /// Where the first use starts the clock: how long after the start it must come.
    pub fn claim_by(&self) -> Option<Span> {
        match self.clock {
            Clock::Approval => None,
            Clock::FirstUse { claim_by } => Some(claim_by),
        }
    }

    /// How many people must agree to this request.
    pub fn needs(&self, request: &Request) -> usize {
        let scope = request.scope();
        self.all_steps(&request.ask.kind)
            .iter()
            .filter(|step| step.when.holds(&scope))
            .map(|step| step.need)
            .sum()
    }

    fn all_steps(&self, kind: &Kind) -> &[Step] {
        match kind {
            Kind::Extend { .. } => self.extend.as_ref().map_or(&[][..], |extend| &extend.steps),
            Kind::Access | Kind::BreakGlass | Kind::Standing => &self.steps,
        }
    }

    /// The steps that this request must pass, those who came in by escalation among their people.
    pub fn steps_of(&self, request: &Request) -> Vec<Step> {
        self.steps_after(request, request.escalated)
    }

    /// The same, had it waited so long.
    pub(crate) fn steps_after(&self, request: &Request, escalated: Option<Span>) -> Vec<Step> {
        let steps = self.all_steps(&request.ask.kind);
        let scope = request.scope();
        let come = |escalation: &&Escalation| Some(escalation.after) <= escalated;
        let too: BTreeSet<&Person> =
            self.escalations.iter().filter(come).flat_map(|escalation| &escalation.to).collect();
        let mut steps: Vec<Step> = steps.iter().filter(|step| step.when.holds(&scope)).cloned().collect();
        for step in &mut steps {
            step.from.extend(too.iter().copied().cloned());
        }
        steps
    }

    /// Takes the say about this request from these people.
    pub(crate) fn leave_out(&mut self, people: &BTreeSet<Person>) {
        let steps = self.steps.iter_mut().chain(self.extend.iter_mut().flat_map(|extend| &mut extend.steps));
        let sets = steps.map(|step| &mut step.from);
        let sets = sets.chain(self.escalations.iter_mut().map(|escalation| &mut escalation.to));
        let sets = sets.chain(self.break_glass.iter_mut().map(|glass| &mut glass.review_by));
        sets.for_each(|set| set.retain(|person| !people.contains(person)));
    }

    /// Whether `person` could have a say about some request under this rule, now or by escalation.
    pub fn has_approver(&self, person: &Person) -> bool {
        let steps = self.steps.iter().chain(self.extend.iter().flat_map(|extend| &extend.steps));
        steps.map(|step| &step.from).any(|from| from.contains(person))
            || self.escalations.iter().any(|escalation| escalation.to.contains(person))
            || self.break_glass.as_ref().is_some_and(|glass| glass.review_by.contains(person))
    }
}

/// Whether these people, each counted for one step at most, meet every step.
pub fn are_met(steps: &[Step], people: &BTreeSet<&Person>) -> bool {
    steps.iter().map(|step| step.need).sum::<usize>() <= most_seats(steps, people)
}

/// The most seats that these people can fill, one each: a bipartite matching by augmenting paths
/// (Kuhn, 1955). Counting per step would let one person fill two.
pub fn most_seats(steps: &[Step], people: &BTreeSet<&Person>) -> usize {
    let seats: Vec<&Step> = steps.iter().flat_map(|step| std::iter::repeat_n(step, step.need)).collect();
    let people: Vec<&Person> = people.iter().copied().collect();
    let mut holder: Vec<Option<usize>> = vec![None; seats.len()];
    (0..people.len())
        .filter(|person| take_seat(*person, &people, &seats, &mut holder, &mut vec![false; seats.len()]))
        // Nobody is looked at once every seat is taken.
        .take(seats.len())
        .count()
}

fn take_seat(
    person: usize,
    people: &[&Person],
    seats: &[&Step],
    holder: &mut [Option<usize>],
    tried: &mut [bool],
) -> bool {
    for (seat, step) in seats.iter().enumerate() {
        let Some(name) = people.get(person) else {
            return false;
        };
        let Some(seen) = tried.get_mut(seat) else {
            return false;
        };
        if *seen || !step.from.contains(*name) {
            continue;
        }
        *seen = true;
        let free = match holder.get(seat).copied().flatten() {
            None => true,
            Some(other) => take_seat(other, people, seats, holder, tried),
        };
        if free {
            if let Some(slot) = holder.get_mut(seat) {
                *slot = Some(person);
            }
            return true;
        }
    }
    false
}
