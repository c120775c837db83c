//! One host's stream: the whole truth when it changes, and the same again so that the host knows it is.

use super::rows;
use crate::inbox;
use crate::limits;
use crate::teller::Teller;
use crate::voice::Voice;
use access::{HostName, SessionId, Time};
use desk::DeskError;
use loglines::Level;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;
use sync::{Digest, Entry, Era, HubId, Message, SignedPermit, View, whole_with};
use tokio::sync::watch;

/// What one host is told.
pub struct Stream {
    teller: Arc<Teller>,
    host: HostName,
    /// The token it joined by: it is another host once it joined again.
    joined: Digest,
    wakes: watch::Receiver<u64>,
    /// The bodies it has been sent.
    holds: BTreeSet<Digest>,
    /// The era they were sent in: signatures of before may be good no longer.
    era: Era,
    /// What it was told last.
    truth: Option<rows::Truth>,
    /// Sessions that it was told to end.
    ended: BTreeSet<SessionId>,
}

impl Stream {
    /// The stream of this host, that holds these bodies.
    pub fn of(teller: &Arc<Teller>, host: HostName, joined: Digest, holds: BTreeSet<Digest>) -> Self {
        let wakes = teller.wakes.of(&host);
        let era = teller.voice.load().manifest.era;
        Self {
            teller: Arc::clone(teller),
            host,
            joined,
            wakes,
            holds,
            era,
            truth: None,
            ended: BTreeSet::new(),
        }
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
                stream.teller.log.put(Level::Warning, what);
                None
            }
            // The hub is stopping.
            Err(_) => None,
        }
    }

    fn event(&mut self, changed: bool) -> Result<String, DeskError> {
        if !changed && !self.teller.sight.is_clear(Instant::now()) {
            // What was told last may not be true any more: a comment, which keeps the stream and says nothing.
            return Ok(": the database is not seen\n\n".to_owned());
        }
        let (mut events, mut told) = (String::new(), BTreeSet::new());
        if changed {
            self.wakes.mark_unchanged();
            let look = |connection: &dyn store::Sql| {
                let host = rows::host(connection, &self.host)?.filter(|host| host.joined == self.joined);
                host.ok_or_else(|| super::hosts::no_host(&self.host))?;
                Ok((rows::truth(connection, &self.host)?, inbox::rows::ending(connection, &self.host)?))
            };
            let (truth, ending) = self.teller.read(look)?;
            for end in ending.into_iter().filter(|end| !self.ended.contains(&end.session)) {
                let data = serde_json::to_string(&end).map_err(|why| DeskError::Store(why.to_string()))?;
                events.push_str(&format!("event: end\ndata: {data}\n\n"));
                told.insert(end.session);
            }
            self.truth = Some(truth);
        }
        let Some(truth) = &self.truth else { return Err(DeskError::Store("nothing to tell".to_owned())) };
        let voice = self.teller.voice.load_full();
        if voice.manifest.era != self.era {
            self.era = voice.manifest.era;
            self.holds.clear();
        }
        let now = self.teller.clock.time();
        let (hub, times) = (self.teller.hub.clone(), (now, now + limits::FRESH));
        let (message, holds) = message(hub, &voice, &self.host, truth, &self.holds, times);
        self.holds = holds;
        // JSON has no line's end in it, which is the one thing that an event's data must not have.
        let json = String::from_utf8_lossy(&message.to_bytes()).into_owned();
        self.ended.append(&mut told);
        // What ends is told first: a view can be large.
        events.push_str(&format!("event: view\ndata: {json}\n\n"));
        Ok(events)
    }
}

/// The truth as this voice tells it, from one time until another, and what the host holds then. Permits that another key
/// signed are none until they are made anew.
pub fn message(
    hub: HubId,
    voice: &Voice,
    host: &HostName,
    truth: &rows::Truth,
    holds: &BTreeSet<Digest>,
    (issued_at, fresh_until): (Time, Time),
) -> (Message, BTreeSet<Digest>) {
    let is_good = |permit: &&inbox::rows::KeptPermit| voice.manifest.grant_keys.contains(&permit.key);
    let good: Vec<SignedPermit> =
        truth.permits.iter().filter(is_good).map(|permit| permit.signed.clone()).collect();
    let grants: Vec<Entry> = truth.grants.iter().map(|grant| grant.entry).collect();
    let permits: Vec<Entry> = good.iter().map(|permit| permit.entry).collect();
    let held = grants.iter().chain(&permits).map(|entry| entry.digest).collect();
    let view = View {
        hub,
        host: host.clone(),
        era: voice.manifest.era,
        revision: truth.revision,
        issued_at,
        fresh_until,
        whole: whole_with(host, &grants, &permits),
        grants,
        permits,
    };
    let message = Message::new(Some(voice.signed.clone()), view.sign(&voice.key), &truth.grants, holds);
    (message.with_permits(&good, holds), held)
}
