//! How much grants were used, as the journals of hosts say: a host's word counts for itself alone.

use super::past::{Use, first_use, past_of};
use crate::ledger::{Ledger, mark};
use crate::limits;
use crate::outbox::{self, Kind};
use access::{Claim, Grant, GrantState, HostName, Now, Time, Window};
use api::{Change, GrantView, Mark, Used};
use chrono::SecondsFormat;
use desk::{Committed, DeskError};
use store::{Sql, Tx};

/// Puts on record that a host told how a grant was used, where that changes what there is to say of it, and has its cards say
/// so: that a clock began which the first use starts, or what of a grant that is over comes after its end.
pub fn tell(tx: &mut Tx<'_, Committed>, host: &HostName, of: Use, now: Time) -> Result<(), DeskError> {
    let (id, is_over) = match of {
        Use::First(id) => (id, false),
        Use::Over(id) => (id, true),
    };
    let sql = "SELECT body FROM grants WHERE id = ?1 AND closed = ?2";
    let body: Option<String> = tx.connection().row(sql, &[&id.bits(), &is_over])?;
    let Some(body) = body else { return Ok(()) };
    let grant: Grant = serde_json::from_str(&body)
        .map_err(|why| DeskError::Store(format!("the row of grant {id} cannot be read: {why}")))?;
    if !grant.hosts.contains(host) {
        return Ok(());
    }
    let (detail, change) = if is_over {
        let Used { sessions, seconds } = used(tx.connection(), &grant)?;
        (format!("sessions={sessions} used={seconds}s"), Change::Expired)
    } else if matches!(grant.window, Window::FirstUse { .. })
        && let Some(since) = first_use(tx.connection(), id, host)?
    {
        (format!("since={}", since.to_rfc3339_opts(SecondsFormat::Secs, true)), Change::Approved)
    } else {
        return Ok(());
    };
    let seq = mark(tx, Mark::GrantUsed, format!("grant={id} host={host} {detail}"), now)?;
    outbox::rows::update_copies(tx.connection(), grant.request, (Kind::Change(change), seq), is_over, now)
}

/// A grant as its hosts tell of it, where each starts its clock by its first use: good until the last of them is through,
/// and until the latest that it can be where one has not begun and still may.
pub fn as_told(ledger: &Ledger, view: GrantView, now: Now) -> Result<GrantView, DeskError> {
    let grant = &view.grant;
    let Window::FirstUse { not_before, claim_by, .. } = grant.window else { return Ok(view) };
    if grant.ended.is_some() {
        return Ok(view);
    }
    let claims: Vec<Option<Claim>> = ledger.read(|sql| {
        // When it was is the host's word, which goes no further than what the grant lets it say.
        let claim = |used: Option<Time>| Claim::start(&grant.window, used?.max(not_before).min(claim_by));
        grant
            .hosts
            .iter()
            .map(|host| first_use(sql, grant.id, host).map(claim))
            .collect::<Result<_, DeskError>>()
    })?;
    let Some(last) = claims.iter().flatten().map(|claim| claim.ends).max() else { return Ok(view) };
    let may_begin = claims.contains(&None) && now.latest < claim_by;
    let ends = if may_begin { grant.window.latest_end() } else { last };
    let state = if now.latest < ends { GrantState::Active } else { GrantState::Expired };
    Ok(GrantView { state, ends, ..view })
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
