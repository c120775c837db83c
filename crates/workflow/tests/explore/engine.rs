//! What is explored: the functions of the crate, or one of them with a mistake sown.

use access::{GrantId, Login, Now, Person, Time};
use std::collections::BTreeSet;
use workflow::{Ask, Event, Facts, Refusal, Request, Rule, Stepped, Uncovered, World};

type StepFn = fn(&Request, Result<&Rule, &str>, &Facts, Event, Time) -> Result<Stepped, Refusal>;

/// The functions that decide.
#[derive(Clone, Copy)]
pub struct Engine {
    /// `people.toml`, before and after it is known that two names are one person's.
    pub people: fn(bool) -> &'static str,
    pub rule: fn(&World, &Ask, Now) -> Result<Rule, Uncovered>,
    pub open: fn(Ask, &Rule, &Facts, GrantId, Time) -> Result<Stepped, Refusal>,
    pub step: StepFn,
}

pub const PRODUCTION: Engine = Engine {
    people: |merged| if merged { crate::law::MERGED } else { crate::law::APART },
    rule: World::rule,
    open: workflow::open,
    step: workflow::step,
};

/// The person behind a login and their names, as the desk finds them.
pub fn behind(world: &World, login: &str) -> (Person, BTreeSet<Login>) {
    let human = world.people.of_login(&Login::parse(login).unwrap()).unwrap();
    (human.person.clone(), human.names.clone())
}
