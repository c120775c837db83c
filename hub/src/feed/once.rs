//! One answer at a time, for a host to which something on the way hands on no stream: the event that a stream would begin
//! with, and a mark by which the host is spared, the next time, what it has (RFC 9110, sections 8.8.3 and 13.1.2).

use super::rows::{self, Truth};
use super::stream::{look, message, write};
use crate::limits;
use crate::teller::Teller;
use access::{HostName, Time};
use chrono::TimeDelta;
use desk::DeskError;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;
use sync::{Digest, Entry, Era, whole_with};

/// What an answer was of. To the host it is a name and no more. What comes back is not signed: who changes it on the way has
/// the host told nothing for as long as it takes that for fresh, or lacks a body and asks for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    era: Era,
    revision: u64,
    /// All that was to be held.
    whole: Digest,
    told_at: Time,
}

impl Mark {
    fn of(host: &HostName, era: Era, truth: &Truth, told_at: Time) -> Self {
        let grants: Vec<Entry> = truth.grants.iter().map(|grant| grant.entry).collect();
        let permits: Vec<Entry> = truth.permits.iter().map(|permit| permit.signed.entry).collect();
        Self { era, revision: truth.revision, whole: whole_with(host, &grants, &permits), told_at }
    }

    /// Whether this says what the other said, and so soon after it that the host takes it for fresh until it asks again.
    fn repeats(&self, before: &Self) -> bool {
        let apart = self.told_at - before.told_at;
        self.era == before.era
            && self.whole == before.whole
            && (TimeDelta::zero()..TimeDelta::from_std(limits::KEEP_ALIVE).unwrap_or_default())
                .contains(&apart)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { era: Era { incarnation, epoch }, revision, whole, told_at } = self;
        write!(f, "\"{incarnation}-{epoch}-{revision}-{whole}-{}\"", told_at.timestamp_millis())
    }
}

impl FromStr for Mark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        // Compared as weak (RFC 9110, section 13.1.2): some proxies make them so.
        let bare = text
            .trim_start_matches("W/")
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
            .ok_or(())?;
        let parts: Vec<&str> = bare.splitn(5, '-').collect();
        let [incarnation, epoch, revision, whole, told_ms] = parts[..] else { return Err(()) };
        let number = |text: &str| text.parse::<u64>().map_err(drop);
        Ok(Self {
            era: Era { incarnation: number(incarnation)?, epoch: number(epoch)? },
            revision: number(revision)?,
            whole: whole.parse().map_err(drop)?,
            told_at: told_ms.parse().ok().and_then(Time::from_timestamp_millis).ok_or(())?,
        })
    }
}

/// What there is to tell a host that has what this mark is of, and the mark of that; none where it would be the same again.
pub async fn once(
    teller: &Arc<Teller>,
    host: HostName,
    joined: Digest,
    has: Option<Mark>,
) -> Result<Option<(Mark, Vec<u8>)>, DeskError> {
    // Before the look, as in a stream.
    let now = teller.clock.time();
    if !teller.sight.is_clear(Instant::now()) {
        return Err(DeskError::Away("the database is not seen".to_owned()));
    }
    let (truth, ending) = look(teller, &host, joined).await?;
    let voice = teller.voice.load_full();
    let mark = Mark::of(&host, voice.manifest.era, &truth, now);
    if ending.is_empty() && has.is_some_and(|has| mark.repeats(&has)) {
        return Ok(None);
    }
    // Signatures of before may be good no longer.
    let holds = match has.filter(|has| has.era == mark.era) {
        Some(has) => earlier(teller, &host, has.revision).await?,
        None => BTreeSet::new(),
    };
    let times = (now, now + limits::FRESH);
    let (message, _) = message(teller.hub.clone(), &voice, &host, &truth, &holds, times);
    let mut events = Vec::with_capacity(limits::EVENT);
    write(&mut events, &ending, &message, &voice)?;
    Ok(Some((mark, events)))
}

/// The bodies that a host has which was told of this revision.
async fn earlier(
    teller: &Arc<Teller>,
    host: &HostName,
    revision: u64,
) -> Result<BTreeSet<Digest>, DeskError> {
    let (reads, of) = (Arc::clone(teller), host.clone());
    let read = move || reads.read(|connection: &dyn store::Sql| rows::bodies(connection, &of, revision));
    let read = tokio::task::spawn_blocking(read).await;
    read.map_err(|_| DeskError::Away("the hub is stopping".to_owned()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back_and_repeats_what_it_said_for_as_long_as_that_is_fresh() {
        let at = |ms| Time::from_timestamp_millis(ms).unwrap();
        let era = Era { incarnation: 2, epoch: 3 };
        let mark = Mark { era, revision: 7, whole: Digest::of(b"all"), told_at: at(1_000) };
        assert_eq!(mark.to_string().parse(), Ok(mark));
        assert_eq!(format!("W/{mark}").parse(), Ok(mark));
        for wrong in ["", "\"\"", "*", "\"2-3-7\"", "\"2-3-7-all-1000\"", &mark.to_string().replace('"', "")]
        {
            assert_eq!(wrong.parse::<Mark>(), Err(()), "{wrong}");
        }
        let now = |ms| Mark { told_at: at(ms), ..mark };
        assert!(now(1_000).repeats(&mark) && now(20_999).repeats(&mark));
        assert!(!now(21_000).repeats(&mark) && !now(999).repeats(&mark), "too old, and of a time to come");
        let others =
            [Mark { era: Era { epoch: 4, ..era }, ..mark }, Mark { whole: Digest::of(b"less"), ..mark }];
        assert!(others.iter().all(|other| !other.repeats(&mark)));
        assert!(Mark { revision: 8, ..mark }.repeats(&mark), "something changed for others");
    }
}
