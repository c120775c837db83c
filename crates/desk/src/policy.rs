//! What the desk must know of people and rules, as it is at this moment.

use access::{Login, Now, Person, Span};
use std::collections::BTreeSet;
use workflow::{Ask, Rule};

/// People and rules. Asked anew at every event, so that whoever left a group has no say.
pub trait Policy: Send + Sync + 'static {
    /// The rule that covers all of this ask, or in words why none does.
    fn rule(&self, ask: &Ask) -> Result<Rule, String>;

    /// Whether this person is an approver of anything at all.
    fn reviews(&self, person: &Person) -> bool;

    /// How long an ask that names no length is for.
    fn default_length(&self) -> Span;

    /// The person behind a login name, with all their login names.
    fn person(&self, login: &Login) -> Option<(Person, BTreeSet<Login>)>;
}

/// The desk's clock.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Now;
}
