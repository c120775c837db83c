//! One host's stream: the whole truth when it changes, and the same again so that the host knows it is.

use super::{Told, Wrong, rows};
use crate::inbox;
use crate::limits;
use crate::teller::Teller;
use crate::voice::Voice;
use access::{HostName, SessionId, Time};
use api::EndThere;
use desk::DeskError;
use loglines::Level;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;
use sync::{Digest, Entry, Era, HubId, Message, SignedGrant, SignedPermit, View, whole_with};
use tokio::sync::watch;

/// What one host is told.
pub struct Stream {
    teller: Arc<Teller>,
    host: HostName,
    /// The token it joined by: it is another host once it joined again.
    joined: Digest,
    wakes: watch::Receiver<Told>,
    /// Which of the host's streams it is.
    number: u64,
    /// [`Told::looks`] at the last look.
    looked: u64,
    /// The bodies it has been sent.
    holds: BTreeSet<Digest>,
    /// The era they were sent in: signatures of before may be good no longer.
    era: Era,
    /// What it was told last.
    truth: Option<rows::Truth>,
    /// Sessions that it was told to end.
    ended: BTreeSet<SessionId>,
    /// Since when what others commit is not seen.
    blind: Option<Instant>,
}

impl Stream {
    /// The stream of this host, that holds these bodies.
    pub fn of(teller: &Arc<Teller>, host: HostName, joined: Digest, holds: BTreeSet<Digest>) -> Self {
        let (wakes, number) = teller.wakes.of(&host);
        let (teller, era) = (Arc::clone(teller), teller.voice.load().manifest.era);
        let (looked, truth, ended, blind) = (0, None, BTreeSet::new(), None);
        Self { teller, host, joined, wakes, number, looked, holds, era, truth, ended, blind }
    }

    /// The next event, when there is one; none when the stream is over.
    pub async fn next(mut self) -> Option<(Vec<u8>, Self)> {
        if self.truth.is_some() {
            let woken = tokio::time::timeout(limits::KEEP_ALIVE, self.wakes.changed()).await;
            // The host was removed, or joined anew; or it listens to another stream.
            if matches!(woken, Ok(Err(_))) || self.wakes.borrow().stream != self.number {
                return None;
            }
        }
        match self.event().await {
            Ok(event) => Some((event?, self)),
            // The host comes again, and hears why not then.
            Err(why) => {
                let what = format!("telling {} what it must hold: {why}", self.host);
                self.teller.log.put(Level::Warning, what);
                None
            }
        }
    }

    /// What there is to tell; none where the host is better off with another hub.
    async fn event(&mut self) -> Result<Option<Vec<u8>>, DeskError> {
        // Before any look: whoever stands still between the two calls nothing fresh by what was true before.
        let now = self.teller.clock.time();
        if !self.teller.sight.is_clear(Instant::now()) {
            let since = *self.blind.get_or_insert_with(Instant::now);
            if self.truth.is_none() || since.elapsed() > limits::BLIND_STREAM {
                return Ok(None);
            }
            // What was told last may not be true any more: a comment, which keeps the stream and says nothing.
            return Ok(Some(b": the database is not seen\n\n".to_vec()));
        }
        self.blind = None;
        // Before the look: what comes after it wakes the stream once more.
        let looks = self.wakes.borrow_and_update().looks;
        let mut ends = Vec::new();
        if self.truth.is_none() || looks != self.looked {
            let (truth, ending) = look(&self.teller, &self.host, self.joined).await?;
            ends = ending.into_iter().filter(|end| self.ended.insert(end.session)).collect();
            (self.truth, self.looked) = (Some(truth), looks);
        }
        let Some(truth) = &self.truth else { return Err(DeskError::Store("nothing to tell".to_owned())) };
        let voice = self.teller.voice.load_full();
        if voice.manifest.era != self.era {
            self.era = voice.manifest.era;
            self.holds.clear();
        }
        let (hub, times) = (self.teller.hub.clone(), (now, now + limits::FRESH));
        let (message, holds) = message(hub, &voice, &self.host, truth, &self.holds, times);
        self.holds = holds;
        let mut events = Vec::with_capacity(limits::EVENT);
        write(&mut events, &ends, &message, &voice)?;
        Ok(Some(events))
    }
}

/// Reads what a host must hold, and what is to end there.
pub async fn look(
    teller: &Arc<Teller>,
    host: &HostName,
    joined: Digest,
) -> Result<(rows::Truth, Vec<EndThere>), DeskError> {
    let stopping = || DeskError::Away("the hub is stopping".to_owned());
    let _turn = teller.looks.acquire().await.map_err(|_| stopping())?;
    let (reads, of) = (Arc::clone(teller), host.clone());
    let found = tokio::task::spawn_blocking(move || {
        reads.read(|connection: &dyn store::Sql| {
            let known = rows::host(connection, &of)?.filter(|known| known.joined == joined);
            known.ok_or_else(|| super::hosts::no_host(&of))?;
            Ok((rows::truth(connection, &of)?, inbox::rows::ending(connection, &of)?))
        })
    });
    let (truth, ending) = found.await.map_err(|_| stopping())??;
    let is_full = truth.grants.len() >= sync::limits::GRANTS;
    if is_full && teller.hosts.is_told(host, Wrong::Grants, teller.clock.time()) {
        let what = format!(
            "{host} is told of {} grants, as many as a host takes: it may not hear of others until some of them end",
            sync::limits::GRANTS
        );
        teller.log.put(Level::Warning, what);
    }
    Ok((truth, ending))
}

/// Writes what is to end, which is told first, for a view can be large; and the truth.
pub fn write(
    events: &mut Vec<u8>,
    ends: &[EndThere],
    message: &Message,
    voice: &Voice,
) -> Result<(), DeskError> {
    for end in ends {
        let data = serde_json::to_string(end).map_err(|why| DeskError::Store(why.to_string()))?;
        events.extend_from_slice(format!("event: end\ndata: {data}\n\n").as_bytes());
    }
    events.extend_from_slice(b"event: view\ndata: ");
    // JSON has no line's end in it, which is the one thing that an event's data must not have.
    message.write_with(&voice.told, events);
    events.extend_from_slice(b"\n\n");
    Ok(())
}

/// The truth as this voice tells it, from one time until another, without its manifest, and what the host holds then. What
/// another key signed is left out until it is signed anew.
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
    // One that could not be signed anew would have hosts refuse all of it.
    let is_believed = |grant: &&SignedGrant| grant.envelope.names_one_of(&voice.manifest.grant_keys);
    let believed: Cow<'_, [SignedGrant]> = if truth.grants.iter().all(|grant| is_believed(&grant)) {
        Cow::Borrowed(&truth.grants)
    } else {
        Cow::Owned(truth.grants.iter().filter(is_believed).cloned().collect())
    };
    let grants: Vec<Entry> = believed.iter().map(|grant| grant.entry).collect();
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
    let message = Message::new(None, voice.key.sign(&view), &believed, holds);
    (message.with_permits(&good, holds), held)
}
