//! The policy in force over the people, hosts and schedules of this machine.

use crate::accounts::AccountBook;
use crate::config::Config;
use crate::schedules::Schedules;
use access::HostName;
use arc_swap::ArcSwap;
use desk::PolicyVersion;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use workflow::{Accounts, Hosts, People, Policy, World};

/// Makes the world of this moment, anew only where something changed.
pub struct Policies {
    host: HostName,
    config: Arc<ArcSwap<Config>>,
    accounts: Arc<AccountBook>,
    applied: Arc<ArcSwap<Applied>>,
    schedules: Arc<Schedules>,
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
    world: World,
}

/// The same for whoever can wait a moment: with schedules as they are, and not as they were a second ago.
pub struct Fresh(pub Arc<Policies>);

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
        let applied = Arc::new(ArcSwap::from_pointee(applied));
        Self { host, config, accounts, applied, schedules: Arc::default(), made: Mutex::new(None) }
    }

    /// Whether what is in force can be read, so that requests and grants can follow it.
    pub fn is_readable(&self) -> bool {
        self.applied.load().readable
    }

    /// Starts the thread that reads schedules.
    pub fn watch(&self) -> std::io::Result<()> {
        let applied = Arc::clone(&self.applied);
        self.schedules.watch(move || Arc::clone(&applied.load().policy))
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
        let schedules = self.schedules.known(&applied.policy);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = &*made
            && Arc::ptr_eq(&made.applied, &applied)
            && Arc::ptr_eq(&made.accounts, &accounts)
            && Arc::ptr_eq(&made.config, &config)
            && Arc::ptr_eq(&made.world.schedules, &schedules)
        {
            return made.world.clone();
        }
        let world = World {
            policy: Arc::clone(&applied.policy),
            people: Arc::new(people(applied.listed.clone(), &accounts)),
            schedules,
            hosts: Arc::new(self.hosts(&config)),
        };
        *made = Some(Made { applied, accounts, config, world: world.clone() });
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

impl desk::Worlds for Fresh {
    fn world(&self) -> World {
        self.0.schedules.renew(|| Arc::clone(&self.0.applied.load().policy));
        self.0.world()
    }

    fn version(&self) -> Option<u32> {
        self.0.version()
    }

    fn world_of(&self, policy: Policy, listed: Option<&str>) -> Result<World, String> {
        self.0.world_of(policy, listed)
    }

    fn adopt(&self, version: &PolicyVersion) -> Result<(), String> {
        self.0.adopt(version)
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

    #[test]
    fn nobody_at_the_gate_waits_for_a_schedule_whose_file_system_hangs() {
        let folder = tempfile::tempdir().unwrap();
        // Who opens this waits until somebody writes.
        let hangs = folder.path().join("fifo.toml");
        rustix::fs::mknodat(rustix::fs::CWD, &hangs, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let config = Config::default();
        let accounts = Arc::new(AccountBook::open(&config.accounts).unwrap());
        let config = Arc::new(ArcSwap::from_pointee(config));
        let policy = format!(
            "[schedule.primary]\nfile = \"{}\"\n{}",
            hangs.display(),
            "[[rule]]\nid = \"r\"\napprove = [{ from = [\"user:root\"] }]\n"
        );
        let version = PolicyVersion { version: 1, policy, ..PolicyVersion::shipped() };
        let policies = Policies::new(HostName::parse("web-1").unwrap(), config, accounts, &version).unwrap();
        policies.watch().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || tell.send(policies.world()));
        let world = told.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
        assert!(matches!(world.schedules["primary"], workflow::OnCall::Unknown(_)));
    }
}
