//! The policy applied to people.
#![allow(clippy::unwrap_used)] // also in the functions that tests share

use access::{Now, Person};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use workflow::{Hosts, People, Policy, World};

fn world(policy: &str, people: &str) -> World {
    World {
        policy: Arc::new(Policy::parse(policy, Path::new("policy.toml")).unwrap()),
        people: Arc::new(People::parse(people, Path::new("people.toml")).unwrap()),
        schedules: Arc::new(BTreeMap::new()),
        hosts: Arc::new(Hosts::default()),
    }
}

#[test]
fn a_manager_has_a_say_about_those_the_rule_is_for_and_comes_in_for_them_alone() {
    let people = "[alice]\ngroups = [\"dba\"]\nmanager = \"bob\"\n[bob]\n\
                  [dave]\ngroups = [\"contractors\"]\nmanager = \"carol\"\n[carol]\n";
    let rule = "[[rule]]\nid = \"db\"\nwho = { groups = [\"dba\"] }\napprove = [{ from = [\"manager\"] }]\n";
    let now = Now::exactly("2026-11-25T12:00:00Z".parse().unwrap());
    let approvers = |policy: &str| world(policy, people).approvers(now);
    let named = |names: &[&str]| -> BTreeSet<Person> {
        names.iter().map(|name| Person::parse(name).unwrap()).collect()
    };
    assert_eq!(approvers(rule), named(&["bob"]));
    assert_eq!(approvers(&rule.replace("dba", "contractors")), named(&["carol"]));
    assert_eq!(
        approvers("[[rule]]\nid = \"all\"\napprove = [{ from = [\"manager\"] }]\n"),
        named(&["bob", "carol"])
    );
}
