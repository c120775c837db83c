//! How much grants were used, as the journals of hosts say: a host's word counts for itself alone.

use super::past::past_of;
use crate::ledger::mark;
use crate::limits;
use crate::outbox::{self, Kind};
use access::{Grant, GrantId, HostName, Time};
use api::{Change, Mark, Used};
use desk::{Committed, DeskError};
use store::{Sql, Tx};

/// Puts on record that hosts told how a grant that is over was used, and has its cards say so: what a host tells of the last
/// session comes after the end.
pub fn tell(tx: &mut Tx<'_, Committed>, host: &HostName, id: GrantId, now: Time) -> Result<(), DeskError> {
    let body: Option<String> =
        tx.connection().row("SELECT body FROM grants WHERE id = ?1 AND closed = 1", &[&id.bits()])?;
    let Some(body) = body else { return Ok(()) };
    let grant: Grant = serde_json::from_str(&body)
        .map_err(|why| DeskError::Store(format!("the row of grant {id} cannot be read: {why}")))?;
    if !grant.hosts.contains(host) {
        return Ok(());
    }
    let Used { sessions, seconds } = used(tx.connection(), &grant)?;
    let detail = format!("grant={id} host={host} sessions={sessions} used={seconds}s");
    let seq = mark(tx, Mark::GrantUsed, detail, now)?;
    let happened = (Kind::Change(Change::Expired), seq);
    outbox::rows::update_copies(tx.connection(), grant.request, happened, true, now)
}

/// How much a grant was used on all its hosts; times at which it was used on several count once.
pub fn used(sql: &dyn Sql, grant: &Grant) -> Result<Used, DeskError> {
    let of_grant = past_of(sql, grant.id, limits::USES)?;
    let millis = |time: Time| time.timestamp_millis();
    let spans: Vec<(i64, i64)> =
        of_grant.iter().filter_map(|past| Some((millis(past.opened), millis(past.ended?)))).collect();
    Ok(Used { sessions: u32::try_from(spans.len()).unwrap_or(u32::MAX), seconds: together(&spans) })
}

/// Seconds that at least one of these was open, the first to open first.
fn together(spans: &[(i64, i64)]) -> u64 {
    let (mut ms, mut until) = (0_i64, i64::MIN);
    for (opened, closed) in spans {
        let from = (*opened).max(until);
        ms = ms.saturating_add(closed.saturating_sub(from).max(0));
        until = until.max(*closed);
    }
    u64::try_from(ms / 1000).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_overlap_count_once() {
        assert_eq!(together(&[]), 0);
        assert_eq!(together(&[(0, 60_000), (30_000, 90_000), (40_000, 50_000), (100_000, 101_500)]), 91);
        assert_eq!(together(&[(10, 5), (i64::MIN, i64::MAX)]), u64::try_from(i64::MAX / 1000).unwrap());
    }
}
