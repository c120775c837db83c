//! One host's stream: the whole truth when it changes, and the same again so that the host knows it is.

use super::rows;
use crate::limits;
use crate::site::Site;
use access::{HostName, Time};
use desk::DeskError;
use loglines::Level;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;
use sync::{Digest, Entry, Era, Message, SignedGrant, View, whole};
use tokio::sync::watch;

/// What one host is told.
pub struct Stream {
    site: Arc<Site>,
    host: HostName,
    /// The token it joined by: it is another host once it joined again.
    joined: Digest,
    wakes: watch::Receiver<u64>,
    /// The bodies it has been sent.
    holds: BTreeSet<Digest>,
    /// What it was told last.
    truth: Option<Truth>,
}

/// What a host must hold, as of a revision.
struct Truth {
    revision: u64,
    whole: Digest,
    grants: Vec<SignedGrant>,
}

impl Stream {
    /// The stream of this host, that holds these bodies.
    pub fn of(site: &Arc<Site>, host: HostName, joined: Digest, holds: BTreeSet<Digest>) -> Self {
        let wakes = site.wakes.of(&host);
        Self { site: Arc::clone(site), host, joined, wakes, holds, truth: None }
    }

    /// The next event, when there is one; none when the stream is over.
    pub async fn next(mut self) -> Option<(String, Self)> {
        let changed = match &self.truth {
            None => true,
            Some(_) => match tokio::time::timeout(limits::KEEP_ALIVE, self.wakes.changed()).await {
                Ok(Ok(())) => true,
                // The host was removed, or joined anew.
                Ok(Err(_)) => return None,
                Err(_) => false,
            },
        };
        let told = tokio::task::spawn_blocking(move || {
            let event = self.event(changed);
            (event, self)
        });
        match told.await {
            Ok((Ok(event), stream)) => Some((event, stream)),
            // The host comes again, and hears why not then.
            Ok((Err(why), stream)) => {
                let what = format!("telling {} what it must hold: {why}", stream.host);
                stream.site.log.put(Level::Warning, what);
                None
            }
            // The hub is stopping.
            Err(_) => None,
        }
    }

    fn event(&mut self, changed: bool) -> Result<String, DeskError> {
        if !changed && !self.site.sight.is_clear(Instant::now()) {
            // What was told last may not be true any more: a comment, which keeps the stream and says nothing.
            return Ok(": the database is not seen\n\n".to_owned());
        }
        if changed {
            self.wakes.mark_unchanged();
            let look = |connection: &dyn store::Sql| {
                let host = rows::host(connection, &self.host)?.filter(|host| host.joined == self.joined);
                host.ok_or_else(|| super::hosts::no_host(&self.host))?;
                rows::truth(connection, &self.host)
            };
            let (revision, grants) = self.site.ledger.read(look)?;
            let entries: Vec<Entry> = grants.iter().map(|grant| grant.entry).collect();
            let whole = whole(&self.host, &entries);
            self.truth = Some(Truth { revision, whole, grants });
        }
        let Some(truth) = &self.truth else { return Err(DeskError::Store("nothing to tell".to_owned())) };
        let message = message(&self.site, &self.host, truth, &self.holds, self.site.clock.time());
        self.holds = truth.grants.iter().map(|grant| grant.entry.digest).collect();
        // JSON has no line's end in it, which is the one thing that an event's data must not have.
        let json = String::from_utf8_lossy(&message.to_bytes()).into_owned();
        Ok(format!("event: view\ndata: {json}\n\n"))
    }
}

fn message(site: &Site, host: &HostName, truth: &Truth, holds: &BTreeSet<Digest>, now: Time) -> Message {
    let manifest = site.manifest.load();
    let view = View {
        hub: site.hub.clone(),
        host: host.clone(),
        era: Era { incarnation: 1, epoch: 1 },
        revision: truth.revision,
        issued_at: now,
        fresh_until: now + limits::FRESH,
        whole: truth.whole,
        grants: truth.grants.iter().map(|grant| grant.entry).collect(),
    };
    Message::new(Some((**manifest).clone()), view.sign(&site.view_key), &truth.grants, holds)
}
