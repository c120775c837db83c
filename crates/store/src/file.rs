//! The file: opened, locked, brought to the newest schema, and verified from its last checkpoint.

use crate::{Engine, OpenFile, StoreError, limits, rows};
use journal::{Checkpoint, Head, LogId};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _};
use rustix::fs::OFlags;
use std::fs::{File as Disk, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, lchown};
use std::path::{Path, PathBuf};

/// The newest schema.
pub const SCHEMA: i64 = 1;

/// SQLite before this could lose a commit when it reset its write-ahead log (sqlite.org, "WAL-reset bug").
const OLDEST_SQLITE: i32 = 3_051_003;

/// Where the file is, how large it may become, and what it holds beside what every daemon's does.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file.
    pub path: PathBuf,
    /// Bytes it may grow to.
    pub max_bytes: u64,
    /// SQL that makes the tables of this daemon alone in a new file.
    pub tables: &'static str,
}

/// An open file that belongs to this process alone.
pub struct File {
    options: Options,
    connection: Connection,
    head: Head,
    lock: Disk,
}

impl File {
    /// Opens the file, or makes it: readable by its owner alone. `opening` is the body of the first
    /// record of a new log.
    pub fn open(
        options: Options,
        opening: impl FnOnce(LogId) -> (journal::Stamp, String),
    ) -> Result<Self, StoreError> {
        let lock = lock(&options.path)?;
        if crate::repair::broke_off(&options.path)? {
            return Err(StoreError::BrokenOff { path: options.path });
        }
        let connection = connect(&options)?;
        let head = if is_new(&connection)? {
            create(&connection, options.tables, opening)?
        } else {
            let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
            if found > SCHEMA {
                return Err(StoreError::Newer { path: options.path, found, known: SCHEMA });
            }
            rows::verify_tail(&connection, &options.path)?
        };
        lengthen_log(&options.path);
        Ok(Self { options, connection, head, lock })
    }

    /// What makes it anew, and what is open of it.
    pub(crate) fn parts(self) -> (Remade, OpenFile, Head) {
        let Self { options, connection, head, lock } = self;
        let opened = OpenFile { connection, path: options.path.clone(), max_bytes: options.max_bytes };
        (Remade { options, _lock: lock }, opened, head)
    }

    /// For loading memory from it before the writer starts.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The last checkpoint, from which on it was verified.
    pub fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        Ok(rows::last_checkpoint(&self.connection, self.head.log)?.map(Checkpoint))
    }

    /// The end of its journal.
    pub fn head(&self) -> Head {
        self.head
    }
}

/// Opens a file anew whose connection failed.
pub struct Remade {
    options: Options,
    /// The file stays ours meanwhile.
    _lock: Disk,
}

impl Engine for Remade {
    type Opened = OpenFile;

    fn open(&mut self) -> Result<(OpenFile, Head), StoreError> {
        let connection = connection(&self.options)?;
        let head = rows::verify_tail(&connection, &self.options.path)?;
        let (path, max_bytes) = (self.options.path.clone(), self.options.max_bytes);
        Ok((OpenFile { connection, path, max_bytes }, head))
    }
}

/// One connection more, that can only read, for who looks up single things.
pub fn read_only(path: &Path) -> Result<Connection, StoreError> {
    reading(path, limits::READ_CACHE_KIB)
}

/// The same for who reads the same long list again and again.
pub fn read_lists(path: &Path) -> Result<Connection, StoreError> {
    reading(path, limits::LIST_CACHE_KIB)
}

fn reading(path: &Path, cache_kib: i64) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|why| cannot(path, &why))?;
    connection.busy_timeout(limits::BUSY)?;
    // In KiB where it is negative (sqlite.org, "PRAGMA cache_size").
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    Ok(connection)
}

/// A name beside the database, as SQLite forms it: `x.db-wal`.
pub(crate) fn beside(path: &Path, part: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(part);
    name.into()
}

pub(crate) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What root made in the folder of a daemon that is not root belongs to whom the folder belongs to, who could not open it
/// else. A link is given itself and never followed: they may have put one there.
pub fn give_to_owner(path: &Path) -> Result<(), StoreError> {
    let given = || -> std::io::Result<()> {
        let (owner, made) = (std::fs::metadata(folder(path))?, std::fs::symlink_metadata(path)?);
        if made.uid() != 0 || (owner.uid(), owner.gid()) == (made.uid(), made.gid()) {
            return Ok(());
        }
        lchown(path, Some(owner.uid()), Some(owner.gid()))
    };
    given().map_err(|why| {
        let why = format!("giving it to whom its folder belongs to: {why}");
        StoreError::Open { path: path.into(), why }
    })
}

/// Keeps every daemon from a file, for as long as this is held.
pub fn lock(path: &Path) -> Result<Disk, StoreError> {
    let beside = path.with_extension("lock");
    let lock = own(&beside)?;
    give_to_owner(&beside)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.into() }),
        Err(TryLockError::Error(why)) => Err(StoreError::Open { path: beside, why: why.to_string() }),
    }
}

/// Opens a file for its owner alone, or makes it. Never through a link: the folder may be that of a daemon, and who opens
/// the file root, who would make or change one anywhere.
fn own(path: &Path) -> Result<Disk, StoreError> {
    let opened = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path);
    opened.map_err(|why| {
        let why = match std::fs::read_link(path) {
            Ok(to) => {
                format!("it is a link to {}: put the file itself there, or remove the link", to.display())
            }
            Err(_) => why.to_string(),
        };
        StoreError::Open { path: path.into(), why }
    })
}

/// The first connection of this process to the file, which is made where it is missing.
pub(crate) fn connect(options: &Options) -> Result<Connection, StoreError> {
    let path = &options.path;
    // SQLite makes a file by the umask; this one is nobody else's from its first byte.
    own(path)?;
    // Before SQLite makes its log and its index, whose owner it takes from the file where root makes them.
    give_to_owner(path)?;
    connection(options)
}

/// A connection to the file, which SQLite alone opens: a descriptor that somebody else in this process closes takes the locks of
/// all its connections along (fcntl(2)), and then another program that closes the file removes the log that they write to.
fn connection(options: &Options) -> Result<Connection, StoreError> {
    let path = &options.path;
    if rusqlite::version_number() < OLDEST_SQLITE {
        let why = format!("SQLite {} can lose commits: build with 3.51.3 or later", rusqlite::version());
        return Err(StoreError::Open { path: path.clone(), why });
    }
    let connection = Connection::open(path).map_err(|why| cannot(path, &why))?;
    connection.busy_timeout(limits::BUSY)?;
    let set = |name: &str, value: &dyn rusqlite::ToSql| {
        connection.pragma_update(None, name, value).map_err(|why| cannot(path, &why))
    };
    set("page_size", &i64::try_from(limits::PAGE).unwrap_or(4096))?;
    set("journal_mode", &"WAL")?;
    // NORMAL would lose the newest records in a power cut; every allow waits for this fsync.
    set("synchronous", &"FULL")?;
    set("wal_autocheckpoint", &limits::WAL_PAGES)?;
    set("cache_size", &-limits::WRITE_CACHE_KIB)?;
    set("foreign_keys", &"ON")?;
    set("trusted_schema", &"OFF")?;
    set("cell_size_check", &"ON")?;
    set("max_page_count", &i64::try_from(options.max_bytes / limits::PAGE).unwrap_or(i64::MAX))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Has the write-ahead log be as long as it becomes before it begins anew. A commit then overwrites what is there; one
/// that makes the log longer waits for the file system to write that down as well, which takes as long again.
/// What comes after its last frame is none, zeros as little as what an older log left (sqlite.org/fileformat2.html, 4.4).
fn lengthen_log(path: &Path) {
    let lengthened = || -> std::io::Result<()> {
        let mut log = OpenOptions::new().append(true).open(beside(path, "-wal"))?;
        let missing = limits::WAL.saturating_sub(log.metadata()?.len());
        // In one piece: it is 4 MB, and gone again before anything is served.
        log.write_all(&vec![0; usize::try_from(missing).unwrap_or_default()])?;
        log.sync_all()
    };
    // Where there is no room for it each commit asks for its own.
    let _ = lengthened();
}

fn cannot(path: &Path, why: &rusqlite::Error) -> StoreError {
    match why.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::damaged(path, why),
        _ => StoreError::Open { path: path.into(), why: why.to_string() },
    }
}

fn is_new(connection: &Connection) -> Result<bool, StoreError> {
    let any: Option<i64> =
        connection.query_row("SELECT 1 FROM sqlite_schema LIMIT 1", [], |row| row.get(0)).optional()?;
    Ok(any.is_none())
}

/// Everything a new file needs, in one transaction: half a file is no file.
pub(crate) fn create(
    connection: &Connection,
    tables: &str,
    opening: impl FnOnce(LogId) -> (journal::Stamp, String),
) -> Result<Head, StoreError> {
    let log = rows::new_log()?;
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(include_str!("schema.sql"))?;
    transaction.execute_batch(tables)?;
    transaction.pragma_update(None, "user_version", SCHEMA)?;
    rows::set_meta(&*transaction, "log", &log.to_string())?;
    let (stamp, body) = opening(log);
    let head = rows::append(&*transaction, Head::start(log), stamp, body)?;
    transaction.commit()?;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_the_place_of_the_file_or_its_lock_is_named_and_never_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, elsewhere) = (folder.path().join("jitd.db"), folder.path().join("elsewhere"));
        let options = Options { path: path.clone(), max_bytes: 1 << 30, tables: "" };
        let link = |name: &str| {
            std::os::unix::fs::symlink(&elsewhere, folder.path().join(name)).unwrap();
            format!("{name}: it is a link to {}: ", elsewhere.display())
        };
        let named = link("jitd.lock");
        let why = lock(&path).unwrap_err().to_string();
        assert!(why.contains(&named) && !elsewhere.exists(), "{why}");
        let named = link("jitd.db");
        let why = connect(&options).unwrap_err().to_string();
        assert!(why.contains(&named) && !elsewhere.exists(), "{why}");
    }
}
