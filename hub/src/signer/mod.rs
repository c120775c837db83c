//! `jit-hub signer`: the only process that can make hosts believe a grant. It looks again at what it signs, so that
//! whoever takes over the server, or its database, has to make up a whole request with its reviews, on record.
//!
//! One line of JSON asks and one answers, on a socket that the server's group alone opens. Which keys hosts believe
//! changes for root alone.

mod due;
mod process;
mod ring;

pub use process::serve;
pub use ring::{Listed, Ring};

use crate::error::{HubError, os};
use crate::limits;
use access::Grant;
use serde::{Deserialize, Serialize};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use sync::{Envelope, Membership, PublicKey, SignedManifest, SignedMembership};
use workflow::Request;

/// What the server asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// To sign a grant that came of these requests.
    Grant {
        /// The grant.
        grant: Box<Grant>,
        /// The request that opened it, and then those that extended it.
        requests: Vec<Request>,
        /// This very version as another key signed it.
        before: Option<Box<Envelope>>,
    },
    /// To sign a permit.
    Permit {
        /// What it becomes.
        grant: Box<Grant>,
    },
    /// To sign that a host is this hub's.
    Membership(Box<Membership>),
    /// For the keys that hosts believe, signed anew.
    Manifest,
    /// Which keys those are, and since when.
    Ring,
    /// For other keys from now on.
    Rotate(Rotate),
    /// For a new life of the database, whose revisions begin anew.
    Raise,
    /// For one more key that signs views: a feed's.
    Admit(PublicKey),
    /// For one fewer.
    Withdraw(PublicKey),
}

/// Which keys change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// A new key for grants.
    pub grant: bool,
    /// New keys of servers for the ones they have: old, new.
    pub view: Vec<(PublicKey, PublicKey)>,
    /// The old ones are in wrong hands: nothing that they signed is believed any more.
    pub stolen: bool,
}

/// What the signer answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Answer {
    Grant(Envelope),
    /// With the key that signed it.
    Permit(Envelope, PublicKey),
    Membership(SignedMembership),
    Manifest(SignedManifest),
    Ring(Ring),
    No(String),
    /// Not now.
    Later(String),
}

/// What tells the process behind a socket from the next one, which makes the socket anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    inode: (u64, u64),
    changed: (i64, i64),
}

/// Asks the signer.
#[derive(Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// The one behind this socket.
    pub fn at(socket: &Path) -> Self {
        Self { socket: socket.into() }
    }

    /// Which process answers; none where there is no socket.
    pub fn process(&self) -> Option<Process> {
        let socket = std::fs::metadata(&self.socket).ok()?;
        Some(Process { inode: (socket.dev(), socket.ino()), changed: (socket.ctime(), socket.ctime_nsec()) })
    }

    /// A grant, signed; `before` is the same version as another key signed it.
    pub fn grant(
        &self,
        grant: Grant,
        requests: Vec<Request>,
        before: Option<Envelope>,
    ) -> Result<Envelope, HubError> {
        match self.ask(&Ask::Grant { grant: Box::new(grant), requests, before: before.map(Box::new) })? {
            Answer::Grant(envelope) => Ok(envelope),
            other => Err(unexpected(&other)),
        }
    }

    /// A permit, signed, and by which key.
    pub fn permit(&self, grant: Grant) -> Result<(Envelope, PublicKey), HubError> {
        match self.ask(&Ask::Permit { grant: Box::new(grant) })? {
            Answer::Permit(envelope, key) => Ok((envelope, key)),
            other => Err(unexpected(&other)),
        }
    }

    /// That a host is this hub's, signed by the root.
    pub fn membership(&self, of: Membership) -> Result<SignedMembership, HubError> {
        match self.ask(&Ask::Membership(Box::new(of)))? {
            Answer::Membership(signed) => Ok(signed),
            other => Err(unexpected(&other)),
        }
    }

    /// The keys of this era, signed anew.
    pub fn manifest(&self) -> Result<SignedManifest, HubError> {
        match self.ask(&Ask::Manifest)? {
            Answer::Manifest(manifest) => Ok(manifest),
            other => Err(unexpected(&other)),
        }
    }

    /// Which keys hosts believe.
    pub fn ring(&self) -> Result<Ring, HubError> {
        self.for_ring(&Ask::Ring)
    }

    /// Has other keys believed from now on; for root alone.
    pub fn rotate(&self, rotate: Rotate) -> Result<Ring, HubError> {
        self.for_ring(&Ask::Rotate(rotate))
    }

    /// Begins a new life of the database; for root alone.
    pub fn raise(&self) -> Result<Ring, HubError> {
        self.for_ring(&Ask::Raise)
    }

    /// Has a further view key believed from now on; for root alone.
    pub fn admit(&self, key: PublicKey) -> Result<Ring, HubError> {
        self.for_ring(&Ask::Admit(key))
    }

    /// Has a view key believed no more; for root alone.
    pub fn withdraw(&self, key: PublicKey) -> Result<Ring, HubError> {
        self.for_ring(&Ask::Withdraw(key))
    }

    fn for_ring(&self, ask: &Ask) -> Result<Ring, HubError> {
        match self.ask(ask)? {
            Answer::Ring(ring) => Ok(ring),
            other => Err(unexpected(&other)),
        }
    }

    fn ask(&self, ask: &Ask) -> Result<Answer, HubError> {
        let doing = || format!("asking the signer on {}", self.socket.display());
        let mut stream = UnixStream::connect(&self.socket).map_err(os(doing()))?;
        stream.set_read_timeout(Some(limits::SIGNER_WAIT)).map_err(os(doing()))?;
        stream.set_write_timeout(Some(limits::SIGNER_WAIT)).map_err(os(doing()))?;
        let line = serde_json::to_string(ask).map_err(|why| HubError::Signer(why.to_string()))?;
        stream.write_all(line.as_bytes()).and_then(|()| stream.write_all(b"\n")).map_err(os(doing()))?;
        let mut answer = String::new();
        BufReader::new(stream).take(limits::SIGNER_LINE).read_line(&mut answer).map_err(os(doing()))?;
        serde_json::from_str(&answer)
            .map_err(|why| HubError::Signer(format!("{}: its answer does not read: {why}", doing())))
    }
}

fn unexpected(answer: &Answer) -> HubError {
    match answer {
        Answer::No(why) => HubError::Unsigned(why.clone()),
        Answer::Later(why) => HubError::Signer(format!("the signer puts it off: {why}")),
        Answer::Grant(_)
        | Answer::Permit(..)
        | Answer::Membership(_)
        | Answer::Manifest(_)
        | Answer::Ring(_) => HubError::Signer("the signer answered something else".to_owned()),
    }
}
