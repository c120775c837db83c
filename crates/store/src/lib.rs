//! The database of a daemon, and its one writer: one SQLite file, or what an [`Engine`] opens.
//!
//! Everything that must be durable together (a record, the grant it is about, the session it opened)
//! goes into the file in one transaction, handed to the [`Writer`] as a job. Whoever reads to decide,
//! reads memory; the [`Observer`] keeps that memory true.
#![forbid(unsafe_code)]

mod error;
mod file;
pub mod limits;
mod reader;
mod repair;
mod rows;
mod sql;
mod sqlite;
mod writer;

pub use error::StoreError;
pub use file::{File, Options, SCHEMA, give_to_owner, lock, read_lists, read_only};
pub use reader::{Connections, Reader};
pub use repair::{GrantSays, Judge, Lost, Own, Repaired, Says, Taken, Use, repair};
pub use rows::{
    Age, Prune, append, checkpoint_up_to, first_seq, is_short, journal_after, last_seq, log_id, meta,
    new_log, prunable, prune, set_meta, used_bytes, verify_tail, verify_whole,
};
pub use sql::{Bind, Cells, FromRow, FromValue, Kind, Sql, Value};
pub use sqlite::OpenFile;
pub use writer::{Engine, Observer, Opened, Room, Stamps, Tx, Writer};

/// What to do about a database that is not what was written.
pub const PUT_RIGHT: &str =
    "on a host run `jitd repair`, on a hub `jit-hub restore FILE` and then `jit-hub recover`";
