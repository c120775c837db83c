//! What was granted or ended goes to the signer, and signed to the hosts: at the next revision, in the order of
//! commits.

use super::rows;
use crate::clock::Clock;
use crate::error::HubError;
use crate::following::behind;
use crate::limits;
use crate::sight::Sight;
use crate::signer::Process;
use crate::site::Site;
use access::{GrantId, HostName, Time};
use chrono::TimeDelta;
use loglines::{Faults, Level, Tells};
use std::collections::{BTreeSet, HashMap};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};
use std::time::Instant;
use store::Sql;
use sync::{Era, Manifest, PublicKey};

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
    /// The hub.
    site: Arc<Site>,
    /// When the root signed the keys that others of this database were told of last.
    told: Option<Time>,
    /// What the signer does not sign.
    declined: Declined,
    /// Which one that is of.
    process: Option<Process>,
}

impl Signs {
    /// The one of this hub.
    pub fn of(site: Arc<Site>) -> Self {
        Self { site, told: None, declined: Declined::default(), process: None }
    }

    /// Starts it. It ends after the last [`Signing`] is dropped.
    pub fn start(self, waiting: Waiting) -> std::io::Result<()> {
        std::thread::Builder::new().name("signing".into()).spawn(move || self.run(&waiting.0)).map(drop)
    }

    fn run(mut self, told: &Receiver<()>) {
        let mut faults = Faults::default();
        loop {
            let outcome = self.round();
            match (faults.take("signing grants", outcome.is_ok(), Instant::now()), &outcome) {
                (Tells::Fails, Err(why)) => {
                    let what = "signing grants, of which no host hears meanwhile";
                    self.site.log.put(Level::Err, format!("{what}: {why}"));
                }
                (Tells::Works, _) => {
                    self.site.log.put(Level::Notice, "signing grants: works again".to_owned());
                }
                _ => {}
            }
            *self.site.unsigned.lock().unwrap_or_else(PoisonError::into_inner) = outcome.err();
            match told.recv_timeout(limits::SIGN_AGAIN) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Signs all there is to sign; where keys changed by the new one, before hosts hear of the change.
    fn round(&mut self) -> Result<(), String> {
        let process = self.site.signer.process();
        if process != self.process {
            // It may be of another release, that says otherwise.
            (self.process, self.declined) = (process, Declined::default());
        }
        let next = if self.site.is_voice_old() { Some(self.site.next_voice()) } else { None };
        let (next, away) = match next {
            Some(Err(why)) => (None, Some(why.to_string())),
            Some(Ok(voice)) => (Some(voice), None),
            None => (None, None),
        };
        let held = self.site.voice.load_full();
        let manifest = next.as_ref().map_or(&held.manifest, |voice| &voice.manifest);
        let (era, is_shared) = (manifest.era, matches!(self.site.sight, Sight::Shared(_)));
        if is_shared {
            // Two hubs that sign by keys of two eras would sign over each other for ever.
            self.speak_in(era)?;
        }
        let ended = self.pass(manifest, true);
        let live = self.pass(manifest, false);
        if let Some(voice) = next {
            let signed = voice.signed.clone();
            self.site.speak_by(voice);
            self.site.keys.put_manifest(&signed).map_err(|why| why.to_string())?;
        }
        if is_shared {
            self.tell_keys()?;
        }
        away.map_or(Ok(()), Err).and(ended).and(live)
    }

    /// Says in which era this hub signs, before it does; or why it must not, for others are in a later one.
    fn speak_in(&self, era: Era) -> Result<(), String> {
        let spoken = self.site.ledger.read(|sql| rows::era(sql)).map_err(|why| why.to_string())?;
        match spoken {
            Some(later) if later > era => Err(behind(later)),
            Some(spoken) if spoken == era => Ok(()),
            _ => self.site.ledger.speak_in(era).map_err(|why| why.to_string()),
        }
    }

    /// Writes down the keys that this hub speaks by, for others to tell hosts.
    fn tell_keys(&mut self) -> Result<(), String> {
        let voice = self.site.voice.load_full();
        let signed = Some(voice.manifest.issued_at);
        if self.told == signed {
            return Ok(());
        }
        let told = self.site.ledger.tell_keys(voice.manifest.era, voice.signed.clone());
        told.map_err(|why| why.to_string())?;
        self.told = signed;
        Ok(())
    }

    /// All that ended, or all that did not, page by page. One that the signer refuses does not hold others up.
    fn pass(&mut self, manifest: &Manifest, ended: bool) -> Result<(), String> {
        let (mut after, mut refused) = (begins(&self.site.clock, ended), None);
        let key = *manifest.grant_keys.last().ok_or("the manifest names no key for grants")?;
        loop {
            let look = |connection: &dyn Sql| rows::unsigned(connection, &key, ended, after);
            let page = self.site.ledger.read(look).map_err(|why| why.to_string())?;
            let Some(last) = page.last() else { break };
            after = last.0;
            let outcome = self.page(page, key, ended);
            match outcome {
                Err(why @ (HubError::Signer(_) | HubError::Unsigned(_))) => refused = Some(why.to_string()),
                outcome => outcome.map_err(|why| why.to_string())?,
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// What could be signed of these is written down at once. An end that cannot be signed is hidden from hosts, which
    /// is as good, but that it is not known for an end.
    fn page(
        &mut self,
        page: Vec<(rows::Place, rows::Unsigned)>,
        key: PublicKey,
        ended: bool,
    ) -> Result<(), HubError> {
        let (mut signed, mut hidden, mut wrong) = (Vec::new(), Vec::new(), Ok(()));
        for ((_, id), unsigned) in page {
            let rows::ToSign { grant, requests, before } = match unsigned {
                Ok(read) => read,
                Err(why) => {
                    wrong = Err(HubError::Signer(format!("grant {id}: {why}")));
                    continue;
                }
            };
            let which = (id, grant.version, key);
            let answer = match self.declined.why(which, Instant::now()) {
                Some(why) => Err(HubError::Unsigned(why.to_owned())),
                None => self.site.signer.grant(grant.clone(), requests, before),
            };
            match answer {
                Ok(envelope) => signed.push((grant, envelope, key)),
                Err(why) => {
                    if let HubError::Unsigned(why) = &why {
                        self.declined.put(which, why, Instant::now());
                    }
                    if ended {
                        hidden.push(grant);
                    }
                    let away = !matches!(why, HubError::Signer(_) | HubError::Unsigned(_));
                    wrong = Err(why);
                    if away && !ended {
                        break;
                    }
                }
            }
        }
        let hosts: BTreeSet<HostName> = signed
            .iter()
            .map(|(grant, ..)| grant)
            .chain(&hidden)
            .flat_map(|grant| grant.hosts.to_vec())
            .collect();
        if !hosts.is_empty()
            && let Some(revision) = self.site.ledger.put_signed(signed, hidden)?
        {
            self.site.wakes.wake(&hosts, revision);
        }
        wrong
    }
}

/// Where a pass begins: after what is over on every host. That is told by the hub's own time, as which grants are good is:
/// by a wall clock that jumped ahead all that is revoked would be over.
fn begins(clock: &Clock, ended: bool) -> rows::Place {
    // A host whose clock is behind lets in by a grant for so much longer.
    let behind = if ended { sync::limits::SKEW } else { TimeDelta::zero() };
    ((clock.time() - behind).timestamp_millis(), GrantId::from_random(u64::MAX))
}

/// A version of a grant, and the key that was to sign it.
type Which = (GrantId, u32, PublicKey);

/// What the signer looked at and refused to sign, for as long as it is not asked again.
#[derive(Default)]
struct Declined(HashMap<Which, (Instant, String)>);

impl Declined {
    /// Why this is not signed, where that is known.
    fn why(&self, which: Which, now: Instant) -> Option<&str> {
        let (at, why) = self.0.get(&which)?;
        (now.duration_since(*at) < limits::REFUSED_FOR).then_some(why)
    }

    /// It was refused. What is known stays as it is.
    fn put(&mut self, which: Which, why: &str, now: Instant) {
        if self.why(which, now).is_some() {
            return;
        }
        if self.0.len() >= limits::REFUSED {
            let (.., key) = which;
            self.0.retain(|(.., by), (at, _)| *by == key && now.duration_since(*at) < limits::REFUSED_FOR);
        }
        if self.0.len() < limits::REFUSED {
            self.0.insert(which, (now, why.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::wall;
    use std::time::Duration;

    #[test]
    fn what_ended_is_signed_while_the_wall_clock_is_hours_ahead_and_where_hosts_clocks_are_behind() {
        let (ahead, runs) = (TimeDelta::hours(3), TimeDelta::hours(2));
        let clock = Clock::behind(ahead);
        let over_in = |left: TimeDelta| (clock.time() + left).timestamp_millis();
        for ended in [true, false] {
            assert!(begins(&clock, ended).0 < over_in(runs), "whatever the wall clock says: {}", wall());
            assert!(begins(&clock, ended).0 >= over_in(-sync::limits::SKEW - TimeDelta::minutes(1)));
        }
        let some_hosts_still_open = over_in(-TimeDelta::minutes(9));
        assert!(begins(&clock, true).0 < some_hosts_still_open);
        assert!(begins(&clock, false).0 > some_hosts_still_open);
    }

    #[test]
    fn what_was_refused_is_asked_for_again_by_another_key_in_another_version_and_after_a_while() {
        let (began, mut declined) = (Instant::now(), Declined::default());
        let [key, other] = [5, 6].map(|byte| sync::SecretKey::from_random(&[byte; 32]).public());
        let grant = GrantId::from_random;
        let soon = began + Duration::from_secs(5);
        declined.put((grant(1), 1, key), "it comes of no request", began);
        assert_eq!(declined.why((grant(1), 1, key), soon), Some("it comes of no request"));
        declined.put((grant(1), 1, key), "it comes of no request", soon);
        for (which, at) in [
            ((grant(1), 1, other), soon),
            ((grant(1), 2, key), soon),
            ((grant(2), 1, key), soon),
            ((grant(1), 1, key), began + limits::REFUSED_FOR),
        ] {
            assert_eq!(declined.why(which, at), None);
        }
        for id in 2..limits::REFUSED as u64 + 100 {
            declined.put((grant(id), 1, key), "x", began);
        }
        assert_eq!(declined.0.len(), limits::REFUSED);
        declined.put((grant(1), 1, other), "x", began);
        assert_eq!(
            declined.why((grant(1), 1, other), soon),
            Some("x"),
            "what the key before refused is over"
        );
    }
}
