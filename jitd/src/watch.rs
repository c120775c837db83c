//! `jitd watch`: a look, as root, where the daemon's own user may not, told over the control socket.
//!
//! Programs that cron and at(1) will start in a person's name belong to no session, and neither does what their
//! user manager does while they are out. The service `jit-left` looks whenever one of the folders changes, and `jit-watch` every ten minutes.

use crate::config::Config;
use crate::daemon::DaemonError;
use crate::limits;
use access::Login;
use api::{Client, LeftOver, WatchReport};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Tables of users, one file an account (crontab(1)); Debian's, and where others have them.
const CRONTABS: [&str; 2] = ["/var/spool/cron/crontabs", "/var/spool/cron"];

/// Jobs of at(1), one file each, that belongs to whose job it is.
const AT_JOBS: [&str; 2] = ["/var/spool/cron/atjobs", "/var/spool/at"];

/// Accounts whose user manager runs while they are out, one file each (loginctl(1), enable-linger).
const LINGERS: &str = "/var/lib/systemd/linger";

/// Looks, and tells the daemon.
pub fn watch(config: &Path) -> Result<(), DaemonError> {
    let config = Config::load(config)?;
    let passwd = std::fs::read(&config.accounts.passwd).unwrap_or_default();
    let accounts = workflow::Accounts::parse(&String::from_utf8_lossy(&passwd), "");
    let report = WatchReport { left_over: look(Path::new("/"), &accounts) };
    let refused = |why: api::ClientError| DaemonError::Refused(why.to_string());
    Client::on_socket(&config.control.socket).and_then(|client| client.watched(&report)).map_err(refused)
}

/// What is left for later under this root.
fn look(root: &Path, accounts: &workflow::Accounts) -> Vec<LeftOver> {
    let folder = |path: &str| root.join(path.trim_start_matches('/'));
    let named = |folder: &Path, what: &str| -> Vec<LeftOver> {
        files(folder)
            .filter_map(|(name, _)| Some(LeftOver { user: Login::parse(&name).ok()?, what: what.to_owned() }))
            .collect()
    };
    let mut found: Vec<LeftOver> = Vec::new();
    for crontabs in CRONTABS {
        found.extend(named(&folder(crontabs), "a crontab"));
    }
    found.extend(named(&folder(LINGERS), "a user manager that stays (linger)"));
    let mut jobs: BTreeMap<Login, usize> = BTreeMap::new();
    for (_, uid) in AT_JOBS.iter().flat_map(|jobs| files(&folder(jobs))) {
        let logins = accounts.person_of_uid(uid).map(|(_, logins)| logins).unwrap_or_default();
        if let Some(login) = logins.into_iter().next() {
            *jobs.entry(login).or_insert(0) += 1;
        }
    }
    found.extend(jobs.into_iter().map(|(user, count)| {
        let what = if count == 1 { "a job of at" } else { "jobs of at" };
        LeftOver { user, what: what.to_owned() }
    }));
    found.sort_unstable();
    found.dedup();
    found.truncate(limits::WATCH_REPORT);
    found
}

/// Plain files of a folder, with their owners. A folder that is not there has none.
fn files(folder: &Path) -> impl Iterator<Item = (String, u32)> + use<> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|entry| {
        let meta = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let name = entry.file_name().into_string().ok()?;
        // cron and at keep files of their own there.
        (!name.starts_with('.')).then_some((name, meta.uid()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_left_for_later_is_found_by_name_and_by_owner() {
        let root = tempfile::tempdir().unwrap();
        for (folder, names) in [
            ("var/spool/cron/crontabs", &["alice", "not a login"][..]),
            ("var/spool/cron/atjobs", &[".SEQ", "a00001", "a00002"][..]),
            ("var/lib/systemd/linger", &["bob"][..]),
        ] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
            for name in names {
                std::fs::write(root.path().join(folder).join(name), "").unwrap();
            }
        }
        let uid = rustix::process::geteuid().as_raw();
        let accounts = workflow::Accounts::parse(&format!("carol:x:{uid}:7::/:/bin/sh\n"), "");
        let found: Vec<String> = look(root.path(), &accounts)
            .into_iter()
            .map(|left| format!("{}: {}", left.user, left.what))
            .collect();
        assert_eq!(
            found,
            ["alice: a crontab", "bob: a user manager that stays (linger)", "carol: jobs of at"]
        );
        assert!(look(&root.path().join("nowhere"), &accounts).is_empty());
    }
}
