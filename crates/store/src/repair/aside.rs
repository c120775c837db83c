//! The files of a repair: the damaged ones moved aside, the new one put in their place.
//!
//! A repair can break off at any instruction (a kill, a power cut, a full disk), and nothing acknowledged may
//! be lost by it. So a *marker* that names the copy to keep is durable before anything moves and goes last,
//! and while it stands nobody opens the file. The damaged files are renamed, never copied or deleted, the
//! database itself last: where its kept name exists, everything was moved, and what is found under its own
//! name can only be the new file. A repair that finds a marker goes on from there.

use crate::StoreError;
use crate::file::{beside, folder};
use std::ffi::OsStr;
use std::fs::{File as Disk, OpenOptions};
use std::io::{Error, ErrorKind, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// What SQLite keeps beside a database and needs to read it; the database itself is the last to be moved.
const PARTS: [&str; 3] = ["-wal", "-journal", ""];

/// Whether a repair of this file began and did not end.
pub(crate) fn broke_off(path: &Path) -> Result<bool, StoreError> {
    marker(path).try_exists().map_err(failed(path))
}

/// Moves the damaged files aside, or finds where a repair that broke off moved them.
pub(crate) fn move_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let kept = match std::fs::read(marker(path)) {
        Ok(name) => named(path, &name)?,
        Err(why) if why.kind() == ErrorKind::NotFound => begin(path)?,
        Err(why) => return Err(failed(path)(why)),
    };
    if !kept.try_exists().map_err(failed(path))? {
        for part in PARTS {
            match std::fs::rename(beside(path, part), beside(&kept, part)) {
                Ok(()) => sync_folder(path)?,
                Err(why) if why.kind() == ErrorKind::NotFound && !part.is_empty() => {}
                Err(why) => return Err(failed(path)(why)),
            }
        }
    }
    // Only an index of the write-ahead log, which SQLite makes anew.
    remove(&beside(path, "-shm"))?;
    Ok(kept)
}

/// Whether the new file is in place, and only the end is missing. Then it must stay: where the marker came
/// back with a power cut, a daemon may have written to it since.
pub(crate) fn is_in_place(path: &Path) -> Result<bool, StoreError> {
    path.try_exists().map_err(failed(path))
}

/// Puts the finished file where the damaged one was.
pub(crate) fn put_in_place(fresh: &Path, path: &Path) -> Result<(), StoreError> {
    Disk::open(fresh).and_then(|file| file.sync_all()).map_err(failed(fresh))?;
    std::fs::rename(fresh, path).map_err(failed(path))?;
    sync_folder(path)
}

/// Ends the repair: from here on the file can be opened.
pub(crate) fn end(path: &Path) -> Result<(), StoreError> {
    remove(&marker(path))?;
    sync_folder(path)
}

/// A database with all that stands beside it goes, if it is there.
pub(crate) fn discard(path: &Path) -> Result<(), StoreError> {
    ["-shm", "-wal", "-journal", ""].iter().try_for_each(|part| remove(&beside(path, part)))
}

pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(why) if why.kind() != ErrorKind::NotFound => Err(failed(path)(why)),
        _ => Ok(()),
    }
}

/// The kept copy of this name, if it is one that a repair gives.
fn named(path: &Path, name: &[u8]) -> Result<PathBuf, StoreError> {
    let stem = path.with_extension("damaged-");
    let number = stem.file_name().and_then(|stem| name.strip_prefix(stem.as_bytes()));
    if !number.is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit)) {
        let why = format!("{} does not name the copy that is kept", marker(path).display());
        return Err(failed(path)(Error::other(why)));
    }
    Ok(path.with_file_name(OsStr::from_bytes(name)))
}

/// Chooses a name that nothing has and writes it down before anything moves.
fn begin(path: &Path) -> Result<PathBuf, StoreError> {
    if !path.try_exists().map_err(failed(path))? {
        return Err(failed(path)(Error::other("there is no database to repair")));
    }
    let free = |kept: &PathBuf| PARTS.iter().all(|part| !beside(kept, part).exists());
    let kept =
        (1..1000).map(|n| path.with_extension(format!("damaged-{n}"))).find(free).ok_or_else(|| {
            failed(path)(Error::other("a thousand damaged copies are kept already: remove some"))
        })?;
    let name = kept.file_name().unwrap_or_default();
    let unfinished = path.with_extension("repair-new");
    // What a repair left that was broken off, or a link that the folder's owner put there, which root must not follow.
    remove(&unfinished)?;
    let written = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&unfinished)
        .and_then(|mut file| file.write_all(name.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&unfinished, marker(path)));
    if let Err(why) = written {
        remove(&unfinished)?;
        return Err(failed(path)(why));
    }
    sync_folder(path)?;
    Ok(kept)
}

fn marker(path: &Path) -> PathBuf {
    path.with_extension("repair")
}

fn sync_folder(path: &Path) -> Result<(), StoreError> {
    Disk::open(folder(path)).and_then(|folder| folder.sync_all()).map_err(failed(path))
}

fn failed(path: &Path) -> impl Fn(Error) -> StoreError {
    let path = path.to_owned();
    move |why| StoreError::Repair { path: path.clone(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_repair_writes_down_goes_through_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let (path, elsewhere) = (folder.path().join("jitd.db"), folder.path().join("elsewhere"));
        std::fs::write(&path, "damaged").unwrap();
        std::fs::write(&elsewhere, "of somebody else").unwrap();
        std::os::unix::fs::symlink(&elsewhere, path.with_extension("repair-new")).unwrap();
        let kept = begin(&path).unwrap();
        assert_eq!(std::fs::read(marker(&path)).unwrap(), kept.file_name().unwrap().as_bytes());
        assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "of somebody else");
    }
}
