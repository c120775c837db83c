//! `jit-hub backup` and `jit-hub restore`: the file, copied while it is in use, and put back.

use crate::config::Config;
use crate::error::{HubError, os};
use crate::{limits, say, serve};
use journal::Head;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use store::Sql;

/// Copies the database into a new file, also while the hub serves, and looks whether the copy is whole.
pub fn backup(config: &Config, to: &Path) -> Result<(), HubError> {
    on_a_file(config, "pg_dump --format=custom --serializable-deferrable")?;
    serve::is_set_up(config)?;
    // One that is there is somebody's.
    let head = copy(&config.file().path, to)?;
    say(&format!(
        "{} holds all up to record {} ({}), and is whole. The keys are not in it: {} and {} need to be kept once, where \
         nobody reads them.",
        to.display(),
        head.seq,
        head.hash,
        config.state.display(),
        config.signer.state.display()
    ));
    Ok(())
}

/// Puts a backup in the place of the database of a hub that is stopped. One that is there is kept aside, and only with
/// `force`.
pub fn restore(config: &Config, from: &Path, force: bool) -> Result<(), HubError> {
    on_a_file(config, "pg_restore")?;
    let path = config.file().path;
    // Held until all is done: whoever serves has it.
    let _lock = store::lock(&path)?;
    if path.exists() && !force {
        return Err(HubError::Database(format!(
            "{} is there: with --force it is kept aside, and the backup takes its place",
            path.display()
        )));
    }
    let restored = beside(&path, ".restored");
    // What broke off, or a link of whoever the folder belongs to.
    take_away(&restored)?;
    let head = copy(from, &restored)?;
    // Root restores for a hub that is not root.
    store::give_to_owner(&restored)?;
    let aside = put_aside(&path)?;
    std::fs::rename(&restored, &path).map_err(os(format!("putting {} in place", restored.display())))?;
    sync_folder(&path)?;
    let kept = aside.map(|aside| format!(" What was there is {}.", aside.display())).unwrap_or_default();
    say(&format!(
        "{} is back at record {} ({}).{kept}\n\nNext:\n  systemctl start jit-hub\n  jit-hub recover && systemctl reload jit-hub\n\
         Until then hosts that heard of more than is there go on by what they have, and say so in their logs; afterwards they \
         give it back.",
        path.display(),
        head.seq,
        head.hash
    ));
    Ok(())
}

fn on_a_file(config: &Config, instead: &str) -> Result<(), HubError> {
    if config.database.url.is_none() {
        return Ok(());
    }
    Err(HubError::Database(format!("this hub is on PostgreSQL, whose own programs do this: {instead}")))
}

/// Copies what a database holds, and what its log does, into a new file that is its owner's alone. What is not whole is
/// taken away again.
fn copy(from: &Path, to: &Path) -> Result<Head, HubError> {
    let making = || os(format!("making {}", to.display()));
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(making())?;
    let copied = || -> Result<Head, HubError> {
        let from = store::read_only(from)?;
        Sql::execute(&from, "VACUUM INTO ?1", &[&to.to_string_lossy().into_owned()])?;
        made.sync_all().map_err(making())?;
        sync_folder(to)?;
        verified(to)
    };
    copied().inspect_err(|_| {
        let _ = std::fs::remove_file(to);
    })
}

/// Reads all of a copy: pages, and the journal from its first record on.
fn verified(path: &Path) -> Result<Head, HubError> {
    let damaged = |why: &dyn std::fmt::Display| {
        HubError::Database(format!("{} is no whole backup of a hub: {why}", path.display()))
    };
    let connection = store::read_only(path)?;
    let sql: &dyn Sql = &connection;
    let pages: String = sql.one("PRAGMA integrity_check", &[]).map_err(|why| damaged(&why))?;
    if pages != "ok" {
        return Err(damaged(&pages));
    }
    let schema: i64 = sql.one("PRAGMA user_version", &[])?;
    if schema > store::SCHEMA {
        return Err(damaged(&format!(
            "it is of a newer release (schema {schema}, and this knows {})",
            store::SCHEMA
        )));
    }
    let hub: i64 = sql.one("SELECT count(*) FROM sqlite_schema WHERE name = 'token'", &[])?;
    if hub == 0 {
        return Err(damaged(&"it holds no hub"));
    }
    store::verify_whole(sql, path).map_err(|why| damaged(&why))
}

/// What SQLite keeps of a database beside it; a log of one that is gone would be taken for the next one's.
const PARTS: [&str; 3] = ["", "-wal", "-shm"];

/// The database with all its parts, under the first number that is free. None where there is none.
///
/// All parts have their new names before one loses its old one, so that no power cut parts a database from its log; and the
/// database goes first, without which no hub starts.
fn put_aside(path: &Path) -> Result<Option<PathBuf>, HubError> {
    let is_there = |path: &Path| PARTS.iter().any(|part| beside(path, part).exists());
    if !path.exists() {
        // What is left where that broke off is kept under its other name.
        for part in PARTS {
            let left = beside(path, part);
            if std::fs::metadata(&left).is_ok_and(|left| left.nlink() > 1) {
                take_away(&left)?;
            }
        }
    }
    if !is_there(path) {
        return Ok(None);
    }
    let free =
        (1..=limits::ASIDE).map(|n| beside(path, &format!(".before-{n}"))).find(|aside| !is_there(aside));
    let aside = free.ok_or_else(|| {
        HubError::Database(format!("{} databases are kept aside already: take some away", limits::ASIDE))
    })?;
    for part in PARTS {
        let (from, to) = (beside(path, part), beside(&aside, part));
        match std::fs::hard_link(&from, &to) {
            Err(why) if why.kind() == ErrorKind::NotFound => {}
            done => done.map_err(os(format!("keeping {} aside", from.display())))?,
        }
    }
    sync_folder(path)?;
    PARTS.iter().try_for_each(|part| take_away(&beside(path, part)))?;
    Ok(Some(aside))
}

/// Takes a name away, if it is there, before anything else is done.
pub fn take_away(path: &Path) -> Result<(), HubError> {
    match std::fs::remove_file(path) {
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(()),
        done => done.map_err(os(format!("taking {} away", path.display()))).and_then(|()| sync_folder(path)),
    }
}

fn beside(path: &Path, part: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(part);
    name.into()
}

/// Has the name of this file or folder outlive a power cut: fsync(2) promises that of what a folder lists for a sync
/// of the folder alone.
pub fn sync_folder(of: &Path) -> Result<(), HubError> {
    let folder = of.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(os(format!("syncing {}", folder.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_was_put_aside_in_part_keeps_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.db");
        let write = |part: &str, words: &str| std::fs::write(beside(&path, part), words).unwrap();
        let read = |part: &str| std::fs::read_to_string(beside(&path, part)).ok();
        assert_eq!(put_aside(&path).unwrap(), None, "there is none");
        write("", "one");
        write("-wal", "of one");
        assert_eq!(put_aside(&path).unwrap(), Some(beside(&path, ".before-1")));
        assert_eq!((read(""), read("-wal")), (None, None));

        // The power goes once the database has lost its old name, and its log not yet.
        write("", "two");
        write("-wal", "of two");
        for part in ["", "-wal"] {
            std::fs::hard_link(beside(&path, part), beside(&path, &format!(".before-2{part}"))).unwrap();
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(put_aside(&path).unwrap(), None, "it is there already");
        assert_eq!(read("-wal"), None, "nothing is left for the next one");

        // And before that.
        write("", "three");
        std::fs::hard_link(&path, beside(&path, ".before-3")).unwrap();
        write("-wal", "of three");
        assert_eq!(put_aside(&path).unwrap(), Some(beside(&path, ".before-4")));
        for (n, name) in [(1, "one"), (2, "two"), (4, "three")] {
            let kept = [read(&format!(".before-{n}")), read(&format!(".before-{n}-wal"))];
            assert_eq!(kept, [Some(name.to_owned()), Some(format!("of {name}"))]);
        }

        // A log of a database that somebody took away is nobody else's.
        write("-wal", "of nobody");
        assert_eq!(put_aside(&path).unwrap(), Some(beside(&path, ".before-5")));
        assert_eq!(read(".before-5-wal").as_deref(), Some("of nobody"));
    }
}
