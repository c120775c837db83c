//! Accounts and groups of this host, read from the files themselves.
//!
//! Never through NSS: a directory service that hangs must not hang the gate, and a plug-in must not be
//! able to say who approves.

use crate::config::AccountFiles;
use crate::limits;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};
use workflow::Accounts;

/// The files, read again when they change.
pub struct AccountBook {
    passwd: PathBuf,
    group: PathBuf,
    held: Mutex<Held>,
}

struct Held {
    stamps: Stamps,
    accounts: Arc<Accounts>,
    /// Files whose last line has no end, and since when.
    unfinished: Option<(Stamps, Instant)>,
}

/// When the two files changed last, and how long they are; none while one cannot be looked at.
type Stamps = [Option<(SystemTime, u64, u64)>; 2];

impl AccountBook {
    /// The accounts in these files.
    pub fn open(files: &AccountFiles) -> Result<Self, AccountsError> {
        let stamps = [stamp(&files.passwd), stamp(&files.group)];
        let (accounts, _) = read(&files.passwd, &files.group)?;
        let held = Held { stamps, accounts: Arc::new(accounts), unfinished: None };
        Ok(Self { passwd: files.passwd.clone(), group: files.group.clone(), held: Mutex::new(held) })
    }

    /// The accounts as the files are now. While one cannot be read or is not whole (somebody writes it just
    /// now), the accounts of before: people who are missing for a moment would lose their grants for ever.
    pub fn now(&self) -> Arc<Accounts> {
        self.at(Instant::now())
    }

    fn at(&self, now: Instant) -> Arc<Accounts> {
        let stamps = [stamp(&self.passwd), stamp(&self.group)];
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.stamps == stamps {
            return Arc::clone(&held.accounts);
        }
        let Ok((accounts, ended)) = read(&self.passwd, &self.group) else {
            return Arc::clone(&held.accounts);
        };
        let since = match held.unfinished {
            Some((unfinished, since)) if unfinished == stamps => since,
            _ => now,
        };
        if ended || now.duration_since(since) >= limits::ACCOUNTS_SETTLE {
            *held = Held { stamps, accounts: Arc::new(accounts), unfinished: None };
        } else {
            held.unfinished = Some((stamps, since));
        }
        Arc::clone(&held.accounts)
    }
}

/// A file of accounts that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("reading accounts from {path}: {why}")]
pub struct AccountsError {
    path: PathBuf,
    why: std::io::Error,
}

fn stamp(path: &Path) -> Option<(SystemTime, u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.ino(), meta.len()))
}

/// The accounts, and whether the last line of each file has an end.
fn read(passwd: &Path, group: &Path) -> Result<(Accounts, bool), AccountsError> {
    let text = |path: &Path| {
        let wrong = |why| AccountsError { path: path.into(), why };
        let mut bytes = Vec::new();
        std::fs::File::open(path)
            .map_err(wrong)?
            .take(limits::ACCOUNTS + 1)
            .read_to_end(&mut bytes)
            .map_err(wrong)?;
        if bytes.len() as u64 > limits::ACCOUNTS {
            return Err(wrong(std::io::Error::other(format!(
                "it is larger than {} bytes",
                limits::ACCOUNTS
            ))));
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let (people, groups) = (text(passwd)?, text(group)?);
    let accounts = Accounts::parse(&people, &groups);
    let lacks = |path: &Path, what: &str| {
        Err(AccountsError {
            path: path.into(),
            why: std::io::Error::other(format!("it is not whole: {what}")),
        })
    };
    if !accounts.has_root() {
        return lacks(passwd, "no account has user id 0");
    }
    if !accounts.has_groups() {
        return lacks(group, "there is no group");
    }
    Ok((accounts, people.ends_with('\n') && groups.ends_with('\n')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use access::Login;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nbob:x:1001:1001::/h:/bin/sh\n";

    fn login(name: &str) -> Login {
        Login::parse(name).unwrap()
    }

    const GROUP: &str = "root:x:0:\n";

    struct Files(tempfile::TempDir, AccountFiles);

    impl Files {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let at = |name| folder.path().join(name);
            let files = AccountFiles { passwd: at("passwd"), group: at("group") };
            std::fs::write(&files.passwd, PASSWD).unwrap();
            std::fs::write(&files.group, GROUP).unwrap();
            Self(folder, files)
        }
    }

    fn has(accounts: &Accounts, name: &str) -> bool {
        accounts.person(&login(name)).is_some()
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_missing_one_keeps_what_was_known() {
        let Files(_folder, files) = Files::new();
        let book = AccountBook::open(&files).unwrap();
        std::fs::write(&files.passwd, "root:x:0:0::/:/bin/sh\ndave:x:7:7::/:/bin/sh\n").unwrap();
        assert!(has(&book.now(), "dave") && !has(&book.now(), "bob"));
        std::fs::remove_file(&files.passwd).unwrap();
        assert!(has(&book.now(), "dave"));
    }

    #[test]
    fn a_file_that_is_being_written_takes_nobody_away() {
        let Files(_folder, files) = Files::new();
        let book = AccountBook::open(&files).unwrap();
        // Every length that a write in pieces can leave behind; what ends with a whole line looks whole, and
        // that two looks a tick apart must agree is the daemon's part.
        for written in (0..PASSWD.len()).filter(|at| *at == 0 || !PASSWD[..*at].ends_with('\n')) {
            std::fs::write(&files.passwd, &PASSWD[..written]).unwrap();
            assert!(has(&book.now(), "bob") && has(&book.now(), "root"), "{written} bytes");
        }
        std::fs::write(&files.passwd, "bob:x:1001:1001::/h:/bin/sh\n").unwrap();
        assert!(has(&book.now(), "root"), "there is no host without root");
        std::fs::write(&files.passwd, PASSWD).unwrap();
        std::fs::write(&files.group, "").unwrap();
        std::fs::write(&files.passwd, format!("{PASSWD}dave:x:7:7::/:/bin/sh\n")).unwrap();
        assert!(!has(&book.now(), "dave"), "the two belong together, and one is empty");
        std::fs::write(&files.group, GROUP).unwrap();
        assert!(has(&book.now(), "dave"));
    }

    #[test]
    fn a_last_line_without_an_end_counts_once_nobody_has_finished_it_for_a_while() {
        let Files(_folder, files) = Files::new();
        let book = AccountBook::open(&files).unwrap();
        let start = Instant::now();
        std::fs::write(&files.passwd, format!("{PASSWD}dave:x:7:7::/:/bin/sh")).unwrap();
        assert!(!has(&book.at(start), "dave"));
        let before = limits::ACCOUNTS_SETTLE / 2;
        assert!(!has(&book.at(start + before), "dave"));
        assert!(has(&book.at(start + limits::ACCOUNTS_SETTLE), "dave"));
        // A daemon that starts knows nothing better.
        assert!(has(&AccountBook::open(&files).unwrap().now(), "dave"));
    }

    #[test]
    fn files_that_cannot_be_whole_are_told_at_the_start() {
        let Files(_folder, files) = Files::new();
        std::fs::write(&files.passwd, "").unwrap();
        let why = AccountBook::open(&files).err().unwrap().to_string();
        assert!(why.ends_with("passwd: it is not whole: no account has user id 0"), "{why}");
        std::fs::write(&files.passwd, PASSWD).unwrap();
        std::fs::write(&files.group, "").unwrap();
        let why = AccountBook::open(&files).err().unwrap().to_string();
        assert!(why.ends_with("group: it is not whole: there is no group"), "{why}");
    }
}
