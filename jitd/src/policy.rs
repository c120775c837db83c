//! The one rule of a machine without a policy file: a group of approvers, one of whom must agree, and the
//! limits of `[requests]`.

use crate::accounts::AccountBook;
use crate::config::{Config, GrantClock};
use access::{Login, Person, Span};
use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::sync::Arc;
use workflow::{Ask, Clock, Rule, Step, hex};

/// The name of the rule in records.
pub const RULE: &str = "built-in";

/// The built-in rule, over the configuration and accounts of this moment.
pub struct BuiltIn {
    config: Arc<ArcSwap<Config>>,
    accounts: Arc<AccountBook>,
}

impl BuiltIn {
    /// The rule over these.
    pub fn new(config: Arc<ArcSwap<Config>>, accounts: Arc<AccountBook>) -> Self {
        Self { config, accounts }
    }
}

impl desk::Policy for BuiltIn {
    fn rule(&self, _: &Ask) -> Result<Rule, String> {
        let config = self.config.load();
        let members = &config.roles.approvers;
        let mut named: Vec<String> = members.groups.iter().map(|group| format!("group {group}")).collect();
        named.extend(members.users.iter().map(ToString::to_string));
        let step = Step {
            from: self.accounts.now().people(members),
            need: 1,
            named: if named.is_empty() {
                "approvers (none are configured)".to_owned()
            } else {
                named.join(" or ")
            },
        };
        let requests = &config.requests;
        Ok(Rule {
            id: RULE.to_owned(),
            policy: digest(&config),
            longest: requests.max,
            ahead: requests.ahead,
            pending: requests.pending,
            clock: match requests.clock {
                GrantClock::Approval => Clock::Approval,
                GrantClock::FirstUse => Clock::FirstUse { claim_by: requests.claim_by },
            },
            steps: vec![step],
        })
    }

    fn reviews(&self, person: &Person) -> bool {
        self.accounts.now().people(&self.config.load().roles.approvers).contains(person)
    }

    fn default_length(&self) -> Span {
        self.config.load().requests.default
    }

    fn person(&self, login: &Login) -> Option<(Person, BTreeSet<Login>)> {
        self.accounts.now().person(login)
    }
}

/// What the rule rests on, as a fingerprint for the grants it yields.
fn digest(config: &Config) -> String {
    hex(&Sha256::digest(format!("{:?}\n{:?}", config.roles.approvers, config.requests)))
}
