//! What the policy says about one ask, with people resolved at this moment.

use access::{Person, Span};
use std::collections::BTreeSet;

/// The rule that covers an ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name in the policy.
    pub id: String,
    /// SHA-256 of the policy in force, in hex.
    pub policy: String,
    /// The longest it gives.
    pub longest: Span,
    /// How far ahead a grant may start.
    pub ahead: Span,
    /// How long a request waits for approvers.
    pub pending: Span,
    /// What starts the grant's clock.
    pub clock: Clock,
    /// Steps of approval; all must be met.
    pub steps: Vec<Step>,
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
    /// Where `from` comes from, to say so when it is too small: `group jit-approvers`.
    pub named: String,
}

impl Rule {
    /// Whether `person` may review under this rule at all.
    pub fn has_approver(&self, person: &Person) -> bool {
        self.steps.iter().any(|step| step.from.contains(person))
    }

    /// Whether these people, each counted for one step at most, meet every step.
    pub fn is_met_by(&self, people: &BTreeSet<&Person>) -> bool {
        self.steps.iter().map(|step| step.need).sum::<usize>() <= self.most_seats(people)
    }

    /// The most seats that these people can fill, one each: a bipartite matching by augmenting paths
    /// (Kuhn, 1955). Counting per step would let one person fill two.
    fn most_seats(&self, people: &BTreeSet<&Person>) -> usize {
        let seats: Vec<&Step> =
            self.steps.iter().flat_map(|step| std::iter::repeat_n(step, step.need)).collect();
        let people: Vec<&Person> = people.iter().copied().collect();
        let mut holder: Vec<Option<usize>> = vec![None; seats.len()];
        (0..people.len())
            .filter(|person| take_seat(*person, &people, &seats, &mut holder, &mut vec![false; seats.len()]))
            .count()
    }
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
