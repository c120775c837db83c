//! The policy in force over the people, hosts and schedules of this machine.

use crate::accounts::AccountBook;
use crate::config::Config;
use access::HostName;
use arc_swap::ArcSwap;
use desk::{PolicyVersion, Stamps};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use workflow::{Accounts, Hosts, People, Policy, World};

/// Makes the world of this moment, anew only where something changed.
pub struct Policies {
    host: HostName,
    config: Arc<ArcSwap<Config>>,
    accounts: Arc<AccountBook>,
    applied: ArcSwap<Applied>,
    made: Mutex<Option<Made>>,
}

/// The policy that was applied last, parsed.
struct Applied {
    /// None where it was lost.
    version: Option<u32>,
    /// False for one that was lost, or that this release cannot read.
    readable: bool,
    policy: Arc<Policy>,
    /// Those of `people.toml`.
    listed: Option<People>,
}

/// A world, and what it was made from.
struct Made {
    applied: Arc<Applied>,
    accounts: Arc<Accounts>,
    config: Arc<Config>,
    schedules: Stamps,
    world: World,
}

impl Policies {
    /// The policy in force on this host.
    pub fn new(
        host: HostName,
        config: Arc<ArcSwap<Config>>,
        accounts: Arc<AccountBook>,
        version: &PolicyVersion,
    ) -> Result<Self, String> {
        Ok(Self::of(host, config, accounts, Applied::parse(version)?))
    }

    /// In place of the policy of this version, which cannot be read, or of one that was lost: nobody can ask for
    /// anything, and nothing that was given is taken back.
    pub fn unreadable(
        host: HostName,
        config: Arc<ArcSwap<Config>>,
        accounts: Arc<AccountBook>,
        version: Option<u32>,
    ) -> Self {
        let nothing = Policy { digest: String::new(), rules: Vec::new(), schedules: BTreeMap::new() };
        let applied = Applied { version, readable: false, policy: Arc::new(nothing), listed: None };
        Self::of(host, config, accounts, applied)
    }

    fn of(
        host: HostName,
        config: Arc<ArcSwap<Config>>,
        accounts: Arc<AccountBook>,
        applied: Applied,
    ) -> Self {
        Self { host, config, accounts, applied: ArcSwap::from_pointee(applied), made: Mutex::new(None) }
    }

    /// Whether what is in force can be read, so that requests and grants can follow it.
    pub fn is_readable(&self) -> bool {
        self.applied.load().readable
    }

    fn hosts(&self, config: &Config) -> Hosts {
        Hosts { labels: BTreeMap::from([(self.host.clone(), config.labels.clone())]), all: true }
    }
}

impl Applied {
    fn parse(version: &PolicyVersion) -> Result<Self, String> {
        let policy =
            Policy::parse(&version.policy, Path::new("policy.toml")).map_err(|why| why.to_string())?;
        let people = version.people.as_deref().map(|text| People::parse(text, Path::new("people.toml")));
        let listed = people.transpose().map_err(|why| why.to_string())?;
        Ok(Self { version: Some(version.version), readable: true, policy: Arc::new(policy), listed })
    }
}

impl desk::Worlds for Policies {
    fn world(&self) -> World {
        let (applied, accounts, config) =
            (self.applied.load_full(), self.accounts.now(), self.config.load_full());
        let schedules = Stamps::of(&applied.policy, kernel::wall());
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = &*made
            && Arc::ptr_eq(&made.applied, &applied)
            && Arc::ptr_eq(&made.accounts, &accounts)
            && Arc::ptr_eq(&made.config, &config)
            && made.schedules == schedules
        {
            return made.world.clone();
        }
        let world = World {
            policy: Arc::clone(&applied.policy),
            people: Arc::new(people(applied.listed.clone(), &accounts)),
            schedules: Arc::new(desk::schedules(&applied.policy, kernel::wall())),
            hosts: Arc::new(self.hosts(&config)),
        };
        *made = Some(Made { applied, accounts, config, schedules, world: world.clone() });
        world
    }

    fn version(&self) -> Option<u32> {
        self.applied.load().version
    }

    fn world_of(&self, policy: Policy, listed: Option<&str>) -> Result<World, String> {
        let listed = listed.map(|text| People::parse(text, Path::new("people.toml")));
        let listed = listed.transpose().map_err(|why| why.to_string())?;
        Ok(World {
            people: Arc::new(people(listed, &self.accounts.now())),
            schedules: Arc::new(desk::schedules(&policy, kernel::wall())),
            hosts: Arc::new(self.hosts(&self.config.load())),
            policy: Arc::new(policy),
        })
    }

    fn adopt(&self, version: &PolicyVersion) -> Result<(), String> {
        let newer = Arc::new(Applied::parse(version)?);
        self.applied.rcu(|held| Arc::clone(if held.version < newer.version { &newer } else { held }));
        Ok(())
    }
}

/// The listed people over the accounts of this machine.
fn people(listed: Option<People>, accounts: &Accounts) -> People {
    let system = People::of_system(accounts.everybody());
    match listed {
        Some(listed) => listed.over(&system),
        None => system,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use desk::Worlds as _;

    #[test]
    fn without_a_policy_that_can_be_read_there_is_a_world_in_which_nobody_gets_anything() {
        let config = Config::default();
        let accounts = Arc::new(AccountBook::open(&config.accounts).unwrap());
        let config = Arc::new(ArcSwap::from_pointee(config));
        let policies = Policies::unreadable(HostName::parse("web-1").unwrap(), config, accounts, None);
        assert!(!policies.is_readable() && policies.world().policy.rules.is_empty());
        policies.adopt(&PolicyVersion::shipped()).unwrap();
        assert!(policies.is_readable() && !policies.world().policy.rules.is_empty());
    }

    #[test]
    fn of_two_policies_applied_at_once_the_newer_decides_whichever_is_heard_of_first() {
        let config = Config::default();
        let accounts = Arc::new(AccountBook::open(&config.accounts).unwrap());
        let config = Arc::new(ArcSwap::from_pointee(config));
        let version = |version, id: &str| PolicyVersion {
            version,
            policy: format!("[[rule]]\nid = \"{id}\"\napprove = [{{ from = [\"user:root\"] }}]\n"),
            ..PolicyVersion::shipped()
        };
        let policies =
            Policies::new(HostName::parse("web-1").unwrap(), config, accounts, &PolicyVersion::shipped())
                .unwrap();
        policies.adopt(&version(2, "second")).unwrap();
        policies.adopt(&version(1, "first")).unwrap();
        assert_eq!((policies.version(), policies.world().policy.rules[0].id.as_str()), (Some(2), "second"));
        policies.adopt(&version(3, "third")).unwrap();
        assert_eq!((policies.version(), policies.world().policy.rules[0].id.as_str()), (Some(3), "third"));
    }
}
