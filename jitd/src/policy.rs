//! The policy in force over the people, hosts and schedules of this machine.

use crate::accounts::AccountBook;
use crate::config::Config;
use crate::schedules::Schedules;
use access::HostName;
use arc_swap::ArcSwap;
use desk::{Applied, InForce};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use workflow::{Accounts, Hosts, People, Policy, World};

/// Makes the world of this moment, anew only where something changed.
pub struct Policies {
    host: HostName,
    config: Arc<ArcSwap<Config>>,
    accounts: Arc<AccountBook>,
    in_force: Arc<InForce>,
    schedules: Arc<Schedules>,
    made: Mutex<Option<Made>>,
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
    /// This policy on this host.
    pub fn new(
        host: HostName,
        config: Arc<ArcSwap<Config>>,
        accounts: Arc<AccountBook>,
        in_force: InForce,
    ) -> Self {
        let in_force = Arc::new(in_force);
        Self { host, config, accounts, in_force, schedules: Arc::default(), made: Mutex::new(None) }
    }

    /// Starts the thread that reads schedules.
    pub fn watch(&self) -> std::io::Result<()> {
        let in_force = Arc::clone(&self.in_force);
        self.schedules.watch(move || Arc::clone(&in_force.now().policy))
    }

    fn hosts(&self, config: &Config) -> Hosts {
        Hosts { labels: BTreeMap::from([(self.host.clone(), config.labels.clone())]), all: true }
    }
}

impl desk::Worlds for Policies {
    fn in_force(&self) -> &InForce {
        &self.in_force
    }

    fn world(&self) -> World {
        let (applied, accounts, config) =
            (self.in_force.load(), self.accounts.now(), self.config.load_full());
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
            people: Arc::new(people(applied.listed.as_deref().cloned(), &accounts)),
            schedules,
            hosts: Arc::new(self.hosts(&config)),
        };
        *made = Some(Made { applied, accounts, config, world: world.clone() });
        world
    }

    fn world_of(&self, policy: Policy, listed: Option<People>) -> World {
        World {
            people: Arc::new(people(listed, &self.accounts.now())),
            schedules: Arc::new(desk::schedules(&policy, kernel::wall())),
            hosts: Arc::new(self.hosts(&self.config.load())),
            policy: Arc::new(policy),
        }
    }
}

impl desk::Worlds for Fresh {
    fn in_force(&self) -> &InForce {
        self.0.in_force()
    }

    fn world(&self) -> World {
        self.0.schedules.renew(|| Arc::clone(&self.0.in_force.now().policy));
        self.0.world()
    }

    fn world_of(&self, policy: Policy, listed: Option<People>) -> World {
        self.0.world_of(policy, listed)
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
    use desk::{PolicyVersion, Worlds as _};

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
        let in_force = InForce::found(Some(&version)).0;
        let policies = Policies::new(HostName::parse("web-1").unwrap(), config, accounts, in_force);
        policies.watch().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || tell.send(policies.world()));
        let world = told.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
        assert!(matches!(world.schedules["primary"], workflow::OnCall::Unknown(_)));
    }
}
