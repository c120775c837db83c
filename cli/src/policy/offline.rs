//! A policy, its people and schedules read from files, where no daemon is asked.

use crate::CliError;
use access::Time;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use workflow::{Accounts, Hosts, OnCall, People, Policy, PolicyErrors, Schedule, World};

/// Where the parts of a policy are read from.
pub struct Files {
    /// The rules.
    pub policy: PathBuf,
    /// The people; `people.toml` beside the rules, if it is there.
    pub people: Option<PathBuf>,
    /// A folder with `passwd` and `group`; none: no local accounts.
    pub accounts: Option<PathBuf>,
}

impl Files {
    /// Those that the command line names, of a hub or of this machine.
    pub fn of(asked: crate::arguments::CheckPolicy, of_a_hub: bool) -> Self {
        let files = Self { policy: asked.policy, people: asked.people, accounts: asked.accounts };
        let is_without = asked.no_accounts || of_a_hub && files.people().is_some();
        let own = (!is_without).then(|| PathBuf::from("/etc"));
        Self { accounts: files.accounts.or(own), ..files }
    }

    /// The people's file, if there is one.
    pub fn people(&self) -> Option<PathBuf> {
        let beside = self.policy.with_file_name("people.toml");
        self.people.clone().or_else(|| beside.exists().then_some(beside))
    }

    /// The world of these files, hosts aside. People are the listed ones over the local accounts, as the
    /// daemon of this machine would have them.
    pub fn world(&self, hosts: Hosts, now: Time) -> Result<World, CliError> {
        // Every mistake of both files at once.
        let policy = Policy::parse(&text(&self.policy, api::limits::POLICY as u64)?, &self.policy);
        let listed = match self.people() {
            Some(path) => People::parse(&text(&path, api::limits::POLICY as u64)?, &path).map(Some),
            None => Ok(None),
        };
        let (policy, listed) = match (policy, listed) {
            (Ok(policy), Ok(listed)) => (policy, listed),
            (Err(mut one), Err(other)) => {
                one.0.extend(other.0);
                return Err(one.into());
            }
            (Err(why), _) | (_, Err(why)) => return Err(why.into()),
        };
        let system = match &self.accounts {
            Some(folder) => {
                let passwd = text(&folder.join("passwd"), crate::limits::ACCOUNTS)?;
                let group = text(&folder.join("group"), crate::limits::ACCOUNTS)?;
                People::of_system(Accounts::parse(&passwd, &group).everybody())
            }
            None => People::default(),
        };
        let people = match listed {
            Some(listed) => listed.over(&system),
            None => system,
        };
        let schedules = policy
            .schedules
            .iter()
            .map(|(name, source)| (name.clone(), schedule(&source.file, now).unwrap_or_else(OnCall::Unknown)))
            .collect();
        Ok(World {
            policy: Arc::new(policy),
            people: Arc::new(people),
            schedules: Arc::new(schedules),
            hosts: Arc::new(hosts),
        })
    }
}

/// A schedule as its file has it now. One that cannot be read is a finding, not an end: people decide then.
fn schedule(path: &Path, now: Time) -> Result<OnCall, String> {
    let wrong = |why: std::io::Error| format!("reading {}: {why}", path.display());
    let as_of = std::fs::metadata(path).and_then(|meta| meta.modified()).map_err(wrong)?;
    let text = text(path, crate::limits::SCHEDULE).map_err(|why| why.to_string())?;
    let schedule = Schedule::parse(&text, path, now).map_err(|why| why.to_string())?;
    Ok(OnCall::Known(schedule, as_of.into()))
}

/// These schedules, as fresh as can be at `now`.
pub fn fresh(
    texts: &BTreeMap<String, (PathBuf, String)>,
    now: Time,
) -> Result<BTreeMap<String, OnCall>, PolicyErrors> {
    let parse = |(name, (path, text)): (&String, &(PathBuf, String))| {
        Ok((name.clone(), OnCall::Known(Schedule::parse(text, path, now)?, now)))
    };
    texts.iter().map(parse).collect()
}

/// The text of a file of at most so many bytes; one more is read, so that its reader sees that it is too long.
pub fn text(path: &Path, most: u64) -> Result<String, CliError> {
    let failed = |why| CliError::File { path: path.into(), why };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(most + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > most {
        return Err(failed(std::io::Error::other(format!("it is larger than {most} bytes"))));
    }
    Ok(text)
}
