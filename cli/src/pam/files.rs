//! Service files as they lie there: read, and put in place whole or not at all.

use super::name::Door;
use crate::CliError;
use crate::output::Output;
use pamfile::Folder;
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown,
};
use std::path::{Path, PathBuf};

/// Files of the command's own, root's: not in `/var/lib/jitd`, whose files the daemon may write.
const OWN: &str = "/var/lib/jit-pam";

/// What the drill of the spare keys keeps, root's too.
const DRILL: &str = "/var/lib/jit-watch";

/// The folder of them, made where it is not there.
pub fn own_folder() -> Result<PathBuf, CliError> {
    made(OWN)
}

/// The folder of the drill, made where it is not there.
pub fn drill_folder() -> Result<PathBuf, CliError> {
    made(DRILL)
}

fn made(path: &str) -> Result<PathBuf, CliError> {
    let path = PathBuf::from(path);
    match DirBuilder::new().mode(0o755).create(&path) {
        Err(why) if why.kind() != ErrorKind::AlreadyExists => {
            Err(CliError::Doing { what: "making", path, why })
        }
        _ => Ok(path),
    }
}

/// Held while lines are changed: two administrators at once take turns.
pub fn turn() -> Result<File, CliError> {
    turn_in(&own_folder()?, || {
        Output::aside(
            "another `jit pam` is changing lines: waiting until it is done. ^C stops this, and changes nothing",
        );
    })
}

/// What is locked is root's alone to open: whoever can open a file can lock it, and keep everybody else waiting.
fn turn_in(folder: &Path, waits: impl FnOnce()) -> Result<File, CliError> {
    let path = folder.join("lock");
    let failed = |what, why| CliError::Doing { what, path: path.clone(), why };
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(&path)
        .map_err(|why| failed("opening the lock", why))?;
    match lock.try_lock() {
        Ok(()) => return Ok(lock),
        Err(TryLockError::WouldBlock) => waits(),
        Err(TryLockError::Error(why)) => return Err(failed("locking", why)),
    }
    lock.lock().map_err(|why| failed("waiting for another change, by", why))?;
    Ok(lock)
}

/// A file of the command's own for this service.
pub fn own(door: &Door, what: &str) -> PathBuf {
    Path::new(OWN).join(format!("{door}.{what}"))
}

/// The service's file.
pub fn path(door: &Door) -> PathBuf {
    Path::new("/etc/pam.d").join(door.as_str())
}

/// Every service file there is, and why others cannot be read.
#[derive(Default)]
pub struct Files {
    /// Those that can be read, as libpam takes them: byte for byte, whatever the encoding.
    pub folder: Folder,
    /// By name: why one cannot be.
    pub unread: BTreeMap<String, String>,
}

/// Every service file that can be read: one that cannot is no reason to leave the others as they are.
pub fn folder() -> Result<Folder, CliError> {
    Ok(all()?.folder)
}

/// Every service file.
pub fn all() -> Result<Files, CliError> {
    let mut files = Files::default();
    for place in Folder::PLACES {
        let entries = match std::fs::read_dir(place) {
            Ok(entries) => entries,
            Err(why) if why.kind() == ErrorKind::NotFound => continue,
            Err(why) => return Err(CliError::File { path: place.into(), why }),
        };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let known = files.folder.0.contains_key(&name) || files.unread.contains_key(&name);
            if name.starts_with('.') || known || !entry.path().is_file() {
                continue;
            }
            match bytes(&entry.path()) {
                Ok(bytes) => drop(files.folder.0.insert(name, String::from_utf8_lossy(&bytes).into_owned())),
                Err(why) => drop(files.unread.insert(name, why.to_string())),
            }
        }
    }
    Ok(files)
}

/// The text of one that is to be changed.
pub fn read(path: &Path) -> Result<String, CliError> {
    String::from_utf8(bytes(path)?)
        .map_err(|_| CliError::File { path: path.into(), why: std::io::Error::other("it is not UTF-8") })
}

/// What is in one. It may be a user's, who could have put something there that never ends or never begins.
fn bytes(path: &Path) -> Result<Vec<u8>, CliError> {
    let failed = |why| CliError::File { path: path.into(), why };
    let mut bytes = Vec::new();
    let most = pamfile::limits::FILE;
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(failed(std::io::Error::other("it is no plain file")));
    }
    file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > most {
        return Err(failed(std::io::Error::other(format!("it is longer than {most} bytes"))));
    }
    Ok(bytes)
}

/// Puts `text` where `before` is, with the owner and mode of the file as it is: a login reads the one or the other.
pub fn replace(door: &Door, before: &str, text: &str) -> Result<(), CliError> {
    let path = path(door);
    plain(&path)?;
    if read(&path)? != before {
        return Err(CliError::NotDone(format!("{} was changed meanwhile: run this again", path.display())));
    }
    let beside = path.with_file_name(format!(".{door}.jit"));
    put(&beside, &path, text)
}

/// Fails for what is no plain file of its own: a link would be cut.
pub fn plain(path: &Path) -> Result<(), CliError> {
    let meta = path.symlink_metadata().map_err(|why| CliError::File { path: path.into(), why })?;
    if meta.is_file() {
        return Ok(());
    }
    Err(CliError::NotDone(format!(
        "{} is a link, or no file: another program keeps it, so have that write the lines of pam_jit(8)",
        path.display()
    )))
}

/// Writes `text` beside `like`, with its owner and mode, and moves it to `like`.
fn put(beside: &Path, like: &Path, text: &str) -> Result<(), CliError> {
    let failed = |why| CliError::Doing { what: "writing", path: like.into(), why };
    let meta = like.metadata().map_err(failed)?;
    write_new(beside, text, meta.mode() & 0o7777, Some((meta.uid(), meta.gid()))).map_err(failed)?;
    std::fs::rename(beside, like).map_err(failed)?;
    sync_folder(like).map_err(failed)
}

/// A copy of a service's file as it is, owner and mode too.
pub fn copy(from: &Path, text: &str, to: &Path) -> Result<(), CliError> {
    let failed = |why| CliError::Doing { what: "writing", path: to.into(), why };
    let meta = from.metadata().map_err(failed)?;
    write_new(to, text, meta.mode() & 0o7777, Some((meta.uid(), meta.gid()))).map_err(failed)?;
    sync_folder(to).map_err(failed)
}

/// A file with this text that is on the disk when this is done.
pub fn write(path: &Path, text: &str) -> Result<(), CliError> {
    write_new(path, text, 0o644, None).and_then(|()| sync_folder(path)).map_err(|why| CliError::Doing {
        what: "writing",
        path: path.into(),
        why,
    })
}

fn write_new(path: &Path, text: &str, mode: u32, owner: Option<(u32, u32)>) -> std::io::Result<()> {
    remove(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    if let Some((uid, gid)) = owner {
        fchown(&file, Some(uid), Some(gid))?;
    }
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.sync_all()
}

/// Removes a file that may be gone.
pub fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(why) if why.kind() != ErrorKind::NotFound => Err(why),
        _ => Ok(()),
    }
}

/// The same, also after a power cut.
pub fn remove_for_good(path: &Path) -> std::io::Result<()> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    remove(path)?;
    sync_folder(path)
}

/// Keeps the names of the folder that this is in.
pub fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_turn_is_held_by_a_file_for_its_owner_alone_whoever_locks_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let others = File::open(folder.path()).unwrap();
        others.lock().unwrap();
        let turn = turn_in(folder.path(), || panic!("nobody else changes anything")).unwrap();
        assert_eq!(turn.metadata().unwrap().mode() & 0o7777, 0o600);
    }

    #[test]
    fn who_waits_for_a_turn_says_so_and_gets_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = turn_in(folder.path(), || ()).unwrap();
        let (says, said) = channel();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| turn_in(folder.path(), move || says.send(()).unwrap()).map(drop));
            said.recv().unwrap();
            drop(first);
            second.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_link_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = folder.path().join("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, folder.path().join("lock")).unwrap();
        let why = turn_in(folder.path(), || ()).unwrap_err().to_string();
        assert!(why.starts_with("opening the lock ") && !elsewhere.exists(), "{why}");
    }
}
