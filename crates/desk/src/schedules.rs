//! On-call schedules, as the files that a policy names have them.

use access::Time;
use chrono::NaiveDate;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use workflow::{OnCall, Policy, Schedule};

/// The files as they were looked at: what is read from them changes only with this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamps(Vec<Stamp>);

/// A file's time and length, and the day that its recurring shifts were worked out for.
type Stamp = (PathBuf, Option<(SystemTime, u64)>, NaiveDate);

impl Stamps {
    /// The files of this policy, by the wall clock.
    pub fn of(policy: &Policy, wall: Time) -> Self {
        let stamp = |path: &Path| {
            let meta = std::fs::metadata(path).ok()?;
            Some((meta.modified().ok()?, meta.len()))
        };
        let day = wall.date_naive();
        let files = policy.schedules.values();
        Self(files.map(|source| (source.file.clone(), stamp(&source.file), day)).collect())
    }
}

/// Every schedule of this policy, by the wall clock. What is not to be had is not believed, and the daemon goes
/// on.
pub fn schedules(policy: &Policy, wall: Time) -> BTreeMap<String, OnCall> {
    let on_call = |path| read(path, wall).unwrap_or_else(OnCall::Unknown);
    policy.schedules.iter().map(|(name, source)| (name.clone(), on_call(&source.file))).collect()
}

fn read(path: &Path, wall: Time) -> Result<OnCall, String> {
    let wrong = |why: std::io::Error| format!("reading {}: {why}", path.display());
    let file = std::fs::File::open(path).map_err(wrong)?;
    let as_of: Time = file.metadata().and_then(|meta| meta.modified()).map_err(wrong)?.into();
    let mut text = String::new();
    let most = workflow::limits::SCHEDULE as u64;
    file.take(most + 1).read_to_string(&mut text).map_err(wrong)?;
    if text.len() as u64 > most {
        return Err(format!("{} is larger than {most} bytes", path.display()));
    }
    let schedule = Schedule::parse(&text, path, wall).map_err(|why| why.to_string())?;
    Ok(OnCall::Known(schedule, as_of))
}
