//! What the door, the calls and the daemon share: one of each for the life of the process.

use crate::address::{Seats, Tries};
use crate::clock::Clock;
use crate::error::HubError;
use crate::feed::{Hosts, Signing, Wakes};
use crate::keys::ServerKeys;
use crate::ledger::Ledger;
use crate::limits;
use crate::metrics::Metrics;
use crate::policy::Policies;
use crate::sight::Sight;
use crate::signer::Client;
use crate::voice::Voice;
use access::{HostName, Time};
use arc_swap::ArcSwap;
use chrono::TimeDelta;
use desk::{Committed, Desk, SqlStore};
use loglines::Log;
use std::sync::{Arc, Mutex, PoisonError};
use sync::{Digest, HubId, SignedAuthority};
use tokio::sync::Semaphore;

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
    /// What views are signed by.
    pub voice: ArcSwap<Voice>,
    /// When that is looked at again.
    pub renew_at: Mutex<Time>,
    /// Where its key is.
    pub keys: ServerKeys,
    /// Who signs grants, and says which keys hosts believe.
    pub signer: Client,
    /// What is known of hosts beside the database.
    pub hosts: Hosts,
    /// Whether what others commit is seen.
    pub sight: Sight,
    /// Whether a host's word for a review counts.
    pub reviews_on_hosts: bool,
    /// Turns at reading what changed for hosts.
    pub looks: Semaphore,
    /// Hosts that listen.
    pub wakes: Arc<Wakes>,
    /// What tells the thread that has grants signed.
    pub signing: Signing,
    /// Why grants are not signed, while they are not.
    pub unsigned: Mutex<Option<String>>,
    /// What shows that the database lost commits, where a host does.
    pub lost: Mutex<Option<String>>,
    /// Tokens that opened nothing, by address.
    pub failed: Tries,
    /// Connections that found no place, by address.
    pub turned_away: Tries,
}

impl Site {
    /// Whether it is time for the root to sign the keys again.
    pub fn is_voice_old(&self) -> bool {
        self.clock.time() >= *self.renew_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What views are to be signed by, once all that it speaks of is signed.
    pub fn next_voice(&self) -> Result<Voice, HubError> {
        self.renew_in(limits::MANIFEST_AGAIN);
        Voice::renew(&self.keys, &self.signer, &self.root)
    }

    /// Signs views by this from now on.
    pub fn speak_by(&self, voice: Voice) {
        let era = voice.manifest.era;
        self.renew_in(limits::MANIFEST_RENEWED);
        if self.voice.swap(Arc::new(voice)).manifest.era != era {
            *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = None;
            self.wakes.keys();
        }
    }

    fn renew_in(&self, wait: TimeDelta) {
        *self.renew_at.lock().unwrap_or_else(PoisonError::into_inner) = self.clock.time() + wait;
    }

    /// Looks at once whether there are other keys.
    pub fn renew_voice_now(&self) {
        *self.renew_at.lock().unwrap_or_else(PoisonError::into_inner) = Time::MIN_UTC;
        self.signing.wake();
    }
}
