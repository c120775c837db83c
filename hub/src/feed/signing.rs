//! What was granted or ended goes to the signer, and signed to the hosts: at the next revision, in the order of
//! commits.

use super::{Wakes, rows};
use crate::ledger::Ledger;
use crate::signer::Client;
use crate::{clock, limits};
use access::Grant;
use loglines::{Faults, Level, Log, Tells};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Instant;
use sync::{Digest, Entry, SignedGrant};
use workflow::Request;

/// Tells the thread that signs that there is something.
#[derive(Clone)]
pub struct Signing(SyncSender<()>);

/// What the thread waits on.
pub struct Waiting(Receiver<()>);

impl Signing {
    /// A way to tell, and what hears it.
    pub fn new() -> (Self, Waiting) {
        let (tell, told) = sync_channel(1);
        (Self(tell), Waiting(told))
    }

    /// There is something to sign.
    pub fn wake(&self) {
        // A word that waits already says the same.
        let _ = self.0.try_send(());
    }
}

/// The thread that has grants signed.
pub struct Signs {
    /// The database.
    pub ledger: Arc<Ledger>,
    /// Whom to tell.
    pub wakes: Arc<Wakes>,
    /// Who signs.
    pub signer: Client,
    /// Where faults are told.
    pub log: Log,
}

impl Signs {
    /// Starts it. It ends after the last [`Signing`] is dropped.
    pub fn start(self, waiting: Waiting) -> std::io::Result<()> {
        std::thread::Builder::new().name("signing".into()).spawn(move || self.run(&waiting.0)).map(drop)
    }

    fn run(&self, told: &Receiver<()>) {
        let mut faults = Faults::default();
        loop {
            let outcome = self.round();
            match (faults.take("signing grants", outcome.is_ok(), Instant::now()), &outcome) {
                (Tells::Fails, Err(why)) => {
                    let what = "signing grants, of which no host hears meanwhile";
                    self.log.put(Level::Err, format!("{what}: {why}"));
                }
                (Tells::Works, _) => self.log.put(Level::Notice, "signing grants: works again".to_owned()),
                _ => {}
            }
            match told.recv_timeout(limits::SIGN_AGAIN) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Signs all there is to sign. One grant that the signer refuses does not hold others up.
    fn round(&self) -> Result<(), String> {
        let mut refused = None;
        let due = self
            .ledger
            .read(|connection| rows::unsigned(connection, clock::wall(), limits::SIGN_AT_ONCE))
            .map_err(|why| why.to_string())?;
        for unsigned in due {
            let signed = unsigned
                .map_err(|why| why.to_string())
                .and_then(|(grant, request)| self.sign(grant, request));
            if let Err(why) = signed {
                refused = Some(why);
            }
        }
        refused.map_or(Ok(()), Err)
    }

    fn sign(&self, grant: Grant, request: Request) -> Result<(), String> {
        let envelope = self.signer.grant(grant.clone(), request).map_err(|why| why.to_string())?;
        let entry = Entry { id: grant.id, version: grant.version, digest: Digest::of(envelope.payload()) };
        let (signed, hosts) = (SignedGrant { entry, envelope }, grant.hosts.clone());
        let revision = self.ledger.put_signed(grant, signed).map_err(|why| why.to_string())?;
        self.wakes.wake(&hosts, revision);
        Ok(())
    }
}
