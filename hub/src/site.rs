//! What the door, the calls and the daemon share: one of each for the life of the process.

use crate::address::Tries;
use crate::certificate::Certificates;
use crate::chats::Chats;
use crate::error::HubError;
use crate::feed::Signing;
use crate::inbox::Allowance;
use crate::ledger::Ledger;
use crate::limits;
use crate::policy::Policies;
use crate::sight::Sight;
use crate::signer::Client;
use crate::signin::Provider;
use crate::teller::Teller;
use crate::voice::Voice;
use access::{HostName, Person, TokenId};
use desk::{Committed, Desk, SqlStore};
use std::sync::{Arc, Mutex};
use store::Room;
use tokio::sync::Semaphore;

/// This hub: what tells hosts, which it can be taken for, and what decides.
pub struct Site {
    /// What tells hosts.
    pub teller: Arc<Teller>,
    /// What the hub is called.
    pub name: HostName,
    /// Requests, reviews, grants.
    pub desk: Arc<Desk<SqlStore<Committed>>>,
    /// Tokens and roles.
    pub ledger: Arc<Ledger>,
    /// The policy in force, over people and hosts as they are.
    pub policies: Arc<Policies>,
    /// How hosts call it, an https URL.
    pub url: String,
    /// Who signs grants, and says which keys hosts believe.
    pub signer: Client,
    /// Whether hosts listen here; else they do to hubs in role `feed`.
    pub feeds: bool,
    /// Whether a host's word for a review counts.
    pub reviews_on_hosts: bool,
    /// What tells the thread that has grants signed.
    pub signing: Signing,
    /// The turn at having memberships signed.
    pub memberships: Semaphore,
    /// Why grants are not signed, while they are not.
    pub unsigned: Mutex<Option<String>>,
    /// The chats that it listens to.
    pub chats: Chats,
    /// Calls by each token, and those that are too many.
    pub calling: Tries<TokenId>,
    /// See [`Site::calling`].
    pub too_often: Tries<TokenId>,
    /// Tokens that opened nothing, by address.
    pub failed: Tries,
    /// What it shows to whoever calls.
    pub certificates: Arc<Certificates>,
    /// How full the database was when it was looked at last.
    pub room: Mutex<Option<Room>>,
    /// Days that records of hosts are kept.
    pub hosts_days: u16,
    /// How much of the record each host may still write.
    pub allowance: Allowance,
    /// What is recorded of what people ask for and do on each host.
    pub asks: Allowance,
    /// How much each host may still tell.
    pub says: Allowance,
    /// How many calls of people each host may still pass on.
    pub calls: Allowance,
    /// Where people sign in beside here.
    pub provider: Option<Provider>,
    /// Sign-ins there that came to nothing, by address.
    pub elsewhere: Tries,
    /// Commands that began to wait for a sign-in, by address.
    pub logins: Tries,
    /// Words of such commands that people typed and that none shows.
    pub words: Tries<Person>,
}

impl std::ops::Deref for Site {
    type Target = Teller;

    fn deref(&self) -> &Teller {
        &self.teller
    }
}

impl Site {
    /// What views are to be signed by, once all that it speaks of is signed.
    pub fn next_voice(&self) -> Result<Voice, HubError> {
        self.renew_in(limits::MANIFEST_AGAIN);
        Voice::renew(&self.keys, &self.signer, &self.root)?.dated_by(self.clock.time())
    }

    /// Whether other hubs write to the same database.
    pub fn shares_database(&self) -> bool {
        matches!(self.sight, Sight::Shared(_))
    }

    /// Looks at once whether there are other keys.
    pub fn renew_voice_now(&self) {
        self.doubt_voice();
        self.signing.wake();
    }
}
