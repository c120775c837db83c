//! What the door, the calls and the daemon share: one of each for the life of the process.

use crate::address::{Seats, Tries};
use crate::clock::Clock;
use crate::error::HubError;
use crate::feed::{Hosts, Wakes};
use crate::ledger::Ledger;
use crate::limits;
use crate::metrics::Metrics;
use crate::policy::Policies;
use crate::sight::Sight;
use crate::signer::Client;
use access::{HostName, Time};
use arc_swap::ArcSwap;
use desk::{Committed, Desk, SqlStore};
use loglines::Log;
use std::sync::{Arc, Mutex, PoisonError};
use sync::{Digest, HubId, SecretKey, SignedAuthority, SignedManifest};

/// This hub.
pub struct Site {
    /// What the hub is called.
    pub name: HostName,
    /// Requests, reviews, grants.
    pub desk: Arc<Desk<SqlStore<Committed>>>,
    /// Tokens and roles.
    pub ledger: Arc<Ledger>,
    /// The policy in force, over people and hosts as they are.
    pub policies: Arc<Policies>,
    /// The time.
    pub clock: Arc<Clock>,
    /// For what cannot be recorded.
    pub log: Log,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Connections by address.
    pub seats: Arc<Seats>,
    /// How hosts call it, an https URL.
    pub url: String,
    /// What it signs as.
    pub hub: HubId,
    /// The fingerprint of its root, which a join token names.
    pub root: Digest,
    /// The certificates that hosts believe here.
    pub authority: SignedAuthority,
    /// The keys of this era, as the root signed them last.
    pub manifest: ArcSwap<SignedManifest>,
    /// When they were.
    pub renewed: Mutex<Time>,
    /// What signs views.
    pub view_key: SecretKey,
    /// What is known of hosts beside the database.
    pub hosts: Hosts,
    /// Whether what others commit is seen.
    pub sight: Sight,
    /// Hosts that listen.
    pub wakes: Arc<Wakes>,
    /// Tokens that opened nothing, by address.
    pub failed: Tries,
    /// Connections that found no place, by address.
    pub turned_away: Tries,
}

impl Site {
    /// Whether the root should sign the keys again: each day, of the thirty that a manifest is good for.
    pub fn is_manifest_old(&self) -> bool {
        let age = self.clock.time() - *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        age >= limits::MANIFEST_RENEWED
    }

    /// Has the root sign the keys again. Tried once an hour while the signer is away.
    pub fn renew_manifest(&self, signer: &Client) -> Result<(), HubError> {
        let now = self.clock.time();
        let again = now - limits::MANIFEST_RENEWED + limits::MANIFEST_AGAIN;
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = again;
        self.manifest.store(Arc::new(signer.manifest(vec![self.view_key.public()])?));
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(())
    }
}
