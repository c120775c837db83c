//! Accounts and groups of this host, read from the files themselves.
//!
//! Never through NSS: a directory service that hangs must not hang the gate, and a plug-in must not be
//! able to say who approves.

use crate::config::AccountFiles;
use crate::limits;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use workflow::Accounts;

/// The files, read again when they change.
pub struct AccountBook {
    passwd: PathBuf,
    group: PathBuf,
    read: Mutex<(Stamps, Arc<Accounts>)>,
}

/// When the two files changed last, and how long they are; none while one cannot be looked at.
type Stamps = [Option<(SystemTime, u64, u64)>; 2];

impl AccountBook {
    /// The accounts in these files.
    pub fn open(files: &AccountFiles) -> Result<Self, AccountsError> {
        let accounts = Arc::new(read(&files.passwd, &files.group)?);
        let stamps = [stamp(&files.passwd), stamp(&files.group)];
        Ok(Self {
            passwd: files.passwd.clone(),
            group: files.group.clone(),
            read: Mutex::new((stamps, accounts)),
        })
    }

    /// The accounts as the files are now. While a file cannot be read (an editor replaces it just now),
    /// the accounts of before.
    pub fn now(&self) -> Arc<Accounts> {
        let stamps = [stamp(&self.passwd), stamp(&self.group)];
        let mut held = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if held.0 != stamps
            && let Ok(accounts) = read(&self.passwd, &self.group)
        {
            *held = (stamps, Arc::new(accounts));
        }
        Arc::clone(&held.1)
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

fn read(passwd: &Path, group: &Path) -> Result<Accounts, AccountsError> {
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
    Ok(Accounts::parse(&text(passwd)?, &text(group)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use access::Login;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nbob:x:1001:1001::/h:/bin/sh\n";

    fn login(name: &str) -> Login {
        Login::parse(name).unwrap()
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_missing_one_keeps_what_was_known() {
        let folder = tempfile::tempdir().unwrap();
        let files = AccountFiles { passwd: folder.path().join("passwd"), group: folder.path().join("group") };
        std::fs::write(&files.passwd, PASSWD).unwrap();
        std::fs::write(&files.group, "root:x:0:\n").unwrap();
        let book = AccountBook::open(&files).unwrap();
        std::fs::write(&files.passwd, "dave:x:7:7::/:/bin/sh\n").unwrap();
        assert!(book.now().person(&login("dave")).is_some() && book.now().person(&login("bob")).is_none());
        std::fs::remove_file(&files.passwd).unwrap();
        assert!(book.now().person(&login("dave")).is_some());
    }
}
