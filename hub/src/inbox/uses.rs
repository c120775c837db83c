//! How much grants were used, as the journals of hosts say: a host's word counts for itself alone.

use super::past::{Use, first_uses, past_of};
use crate::ledger::{Ledger, mark};
use crate::limits;
use crate::outbox::{self, Kind};
use access::{Claim, Grant, GrantState, HostName, Now, Time, Window};
use api::{Change, GrantView, Mark, Used};
use chrono::SecondsFormat;
use desk::{Committed, DeskError};
use std::collections::HashMap;
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
        && let Some(since) = first_uses(tx.connection(), id)?.remove(host.as_str())
    {
        (format!("since={}", since.to_rfc3339_opts(SecondsFormat::Secs, true)), Change::Approved)
    } else {
        return Ok(());
    };
    let seq = mark(tx, Mark::GrantUsed, format!("grant={id} host={host} {detail}"), now)?;
    outbox::rows::update_copies(tx.connection(), grant.request, (Kind::Change(change), seq), is_over, now)
}

/// Grants as their hosts tell of them, where each starts its clock by its first use: good until the last of them is through,
/// and until the latest that it can be where one has not told. That is no word of whether it did begin.
pub fn as_told(ledger: &Ledger, views: Vec<GrantView>, now: Now) -> Result<Vec<GrantView>, DeskError> {
    let starts_by_use = |view: &GrantView| {
        let is_open = view.grant.ended.is_none() && view.state != GrantState::Scheduled;
        is_open && matches!(view.grant.window, Window::FirstUse { .. })
    };
    if !views.iter().any(starts_by_use) {
        return Ok(views);
    }
    ledger.read(|sql| {
        views
            .into_iter()
            .map(|view| match &view.grant.window {
                Window::FirstUse { .. } if starts_by_use(&view) => {
                    Ok(told(&first_uses(sql, view.grant.id)?, view, now))
                }
                _ => Ok(view),
            })
            .collect()
    })
}

fn told(uses: &HashMap<String, Time>, view: GrantView, now: Now) -> GrantView {
    let grant = &view.grant;
    let (window, latest) = (&grant.window, grant.window.latest_end());
    let Window::FirstUse { not_before, claim_by, .. } = *window else { return view };
    let ends = grant.hosts.iter().map(|host| {
        // When it was is the host's word, which goes no further than what the grant lets it say.
        let began = uses.get(host.as_str()).map(|at| (*at).max(not_before).min(claim_by));
        began.and_then(|at| Claim::start(window, at)).map_or(latest, |claim| claim.ends)
    });
    let ends = ends.max().unwrap_or(latest);
    let state = match now.latest {
        now if now >= ends => GrantState::Expired,
        _ if uses.is_empty() => GrantState::Unclaimed,
        _ => GrantState::Active,
    };
    GrantView { state, ends, ..view }
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
    use crate::sample::{self, minute};
    use access::Span;

    /// A grant for two hosts, that can be begun on each for two hours, for an hour.
    fn by_first_use() -> GrantView {
        let length = Span::parse("1h").unwrap();
        let (not_before, claim_by, latest_end) = (minute(0), minute(120), minute(180));
        let grant = sample::grant(Window::FirstUse { not_before, claim_by, length, latest_end });
        GrantView {
            grant,
            state: GrantState::Unclaimed,
            ends: latest_end,
            sessions: 0,
            used: Used::default(),
        }
    }

    #[test]
    fn a_grant_is_good_until_the_last_of_its_hosts_is_through_as_far_as_they_have_told() {
        let view = by_first_use();
        for (uses, now, state, ends, why) in [
            (&[][..], 119, GrantState::Unclaimed, 180, "nobody has told"),
            (&[], 120, GrantState::Unclaimed, 180, "one can have begun and not told yet"),
            (&[], 180, GrantState::Expired, 180, "none can go on"),
            (&[("a", 10)], 11, GrantState::Active, 180, "the other may still begin"),
            (&[("a", 10)], 130, GrantState::Active, 180, "or has, and did not tell yet"),
            (&[("a", 10), ("b", 30)], 89, GrantState::Active, 90, "both have"),
            (&[("a", 10), ("b", 30)], 90, GrantState::Expired, 90, "both are through"),
            (&[("a", -600_000), ("b", -9)], 59, GrantState::Active, 60, "not before it could"),
            (&[("a", 10), ("b", 600_000_000)], 170, GrantState::Active, 180, "not after it could"),
            (&[("a", 10), ("c", 10)], 11, GrantState::Active, 180, "no host of it"),
        ] {
            let uses = uses.iter().map(|(host, at)| ((*host).to_owned(), minute(*at))).collect();
            let seen = told(&uses, view.clone(), Now::exactly(minute(now)));
            assert_eq!((seen.state, seen.ends), (state, minute(ends)), "{why}");
        }
    }

    #[test]
    fn times_that_overlap_count_once() {
        assert_eq!(together(&[]), 0);
        assert_eq!(together(&[(0, 60_000), (30_000, 90_000), (40_000, 50_000), (100_000, 101_500)]), 91);
        assert_eq!(together(&[(10, 5), (i64::MIN, i64::MAX)]), u64::try_from(i64::MAX / 1000).unwrap());
    }
}
