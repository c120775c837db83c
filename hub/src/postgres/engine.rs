//! The writer's side: transactions that begin with the locked row, and commits of which it is found out what became
//! of them.

use super::link::Link;
use super::place::Place;
use super::schema;
use crate::limits;
use journal::{Hash, Head, LogId, Stamp};
use std::path::Path;
use std::time::Instant;
use store::{Engine, Opened, Room, Sql, StoreError};

/// Opens the database of a writer.
pub struct Server {
    place: Place,
    max_bytes: u64,
}

impl Server {
    /// The database of this place, made where it is empty and `opening` gives the first record. Its journal may grow
    /// to `max_bytes`.
    pub fn open(
        place: Place,
        max_bytes: u64,
        opening: Option<&dyn Fn(LogId) -> (Stamp, String)>,
    ) -> Result<(Self, (Writes, Head)), StoreError> {
        schema::bring(&place, schema::STEPS, opening)?;
        let mut server = Self { place, max_bytes };
        let open = server.open()?;
        Ok((server, open))
    }
}

impl Engine for Server {
    type Opened = Writes;

    fn open(&mut self) -> Result<(Writes, Head), StoreError> {
        let link = self.place.connect()?;
        let said = Path::new(self.place.said());
        // What others append meanwhile is not in this look.
        link.batch("BEGIN ISOLATION LEVEL REPEATABLE READ")?;
        let verified = store::verify_tail(&link, said)?;
        let head = head(&link, verified.log, "")?;
        link.batch("COMMIT")?;
        if head != verified {
            return Err(StoreError::Database(format!(
                "{}: its journal ends at record {}, and its head says {}: restore it from a backup",
                self.place.said(),
                verified.seq,
                head.seq
            )));
        }
        Ok((self.writes(link, head.log), head))
    }

    /// Who has the lock knows: what a server had begun to commit is done or gone by then. The journal tells by the
    /// record itself, so that neither another hub's records nor another server in its place are taken for ours.
    fn happened(&mut self, before: Head, end: Head) -> Result<Option<(Writes, Head)>, StoreError> {
        let begun = Instant::now();
        // Without a record there is nothing to tell it by.
        while end != before && begun.elapsed() < limits::DATABASE_SETTLES {
            match self.look_for(end) {
                Ok(found) => return Ok(found),
                Err(_) => std::thread::sleep(limits::DATABASE_AGAIN),
            }
        }
        Err(StoreError::Unsure)
    }
}

impl Server {
    fn writes(&self, link: Link, log: LogId) -> Writes {
        Writes { place: self.place.clone(), link, log, max_bytes: self.max_bytes }
    }

    fn look_for(&self, wanted: Head) -> Result<Option<(Writes, Head)>, StoreError> {
        let link = self.place.connect()?;
        let mut writes = self.writes(link, wanted.log);
        let now = writes.lock_head()?;
        let sql = "SELECT hash FROM journal WHERE seq = ?1";
        let found: Option<[u8; 32]> = writes.sql().row(sql, &[&wanted.seq])?;
        if found != Some(wanted.hash.0) {
            return Ok(None);
        }
        // A commit of our own after it: where a standby must have what is acknowledged, it has the one before too.
        writes.commit(now)?;
        Ok(Some((writes, now)))
    }
}

/// A connection of a writer.
pub struct Writes {
    place: Place,
    link: Link,
    log: LogId,
    max_bytes: u64,
}

impl Writes {
    fn lock_head(&self) -> Result<Head, StoreError> {
        self.link.put("BEGIN", &[])?;
        head(&self.link, self.log, " FOR UPDATE")
    }
}

impl Writes {
    /// Whether what was known last is still there under what others wrote since: a server that another took over from may
    /// lack it, and have theirs in its place.
    fn has(&self, head: Head, known: Head) -> Result<bool, StoreError> {
        if head.seq == known.seq || known.seq == 0 {
            return Ok(head.seq != known.seq || head == known);
        }
        let hash = "SELECT hash FROM journal WHERE seq = ?1";
        let there: Option<[u8; 32]> = self.sql().row(hash, &[&known.seq])?;
        Ok(there == Some(known.hash.0))
    }
}

impl Opened for Writes {
    fn sql(&self) -> &dyn Sql {
        &self.link
    }

    fn begin(&mut self, known: Head) -> Result<Head, StoreError> {
        let mut begun = self.lock_head();
        if begun.is_err() && self.link.is_lost() {
            // It was lost while nobody used it, and nothing had begun.
            self.link = self.place.connect()?;
            begun = self.lock_head();
        }
        let head = begun?;
        if head.seq < known.seq || !self.has(head, known)? {
            return Err(StoreError::Database(format!(
                "{}: its journal went back from record {} to {}: what was acknowledged is lost there",
                self.place.said(),
                known.seq,
                head.seq
            )));
        }
        Ok(head)
    }

    fn commit(&mut self, head: Head) -> Result<(), StoreError> {
        self.link.put("UPDATE head SET seq = ?1, hash = ?2", &[&head.seq, &head.hash.0])?;
        self.link.warned();
        // A deadline of the server's would end its waiting for a standby, and have it say that all is well.
        let sql = "SET LOCAL statement_timeout = 0; NOTIFY jit_hub; COMMIT";
        self.link.batch_within(limits::DATABASE_WAIT, sql)?;
        if self.link.warned() {
            return Err(StoreError::Database(
                "the server warned of a commit, which a standby may lack".into(),
            ));
        }
        Ok(())
    }

    fn is_broken(&self) -> bool {
        self.link.is_broken()
    }

    fn room(&self) -> Result<Room, StoreError> {
        // A table whose rows went is as large as before on the disk, and takes others in their place.
        let sizes = "SELECT pg_total_relation_size('journal') + (SELECT bytes FROM host_room)";
        let used: i64 = self.sql().one(sizes, &[])?;
        Ok(Room { used: u64::try_from(used).unwrap_or(0), most: self.max_bytes, left: None })
    }

    fn folder(&self) -> Option<&Path> {
        None
    }
}

/// Where the journal ends, of the row that is locked or not.
fn head(sql: &dyn Sql, log: LogId, lock: &str) -> Result<Head, StoreError> {
    let (seq, hash) = sql.one(&format!("SELECT seq, hash FROM head{lock}"), &[])?;
    Ok(Head { log, seq, hash: Hash(hash) })
}
