//! Rows that are over for long enough, and all that goes with each.

use super::Look;
use crate::store::{Old, Queries as _};
use crate::{DeskError, limits};
use access::{Grant, RequestId, Time};
use store::Sql;
use workflow::{Kind, Request};

/// What may go, the first first.
pub fn old(look: &Look<'_>, old: Old, limit: u32) -> Result<(Vec<RequestId>, Vec<Grant>), DeskError> {
    let requests = first(
        limit,
        |(at, id)| {
            look.rows(
                "SELECT body, digest FROM request WHERE asked_ms < ?1 AND (asked_ms, id) > (?2, ?3) \
                 AND state IN ('denied', 'cancelled', 'expired') ORDER BY asked_ms, id LIMIT ?4",
                &[&old.nothing.timestamp_millis(), &at, &id, &limit],
            )
        },
        |request: &Request| (request.ask.asked_at, request.ask.id.bits()),
        |request| Ok(request.state.ended().is_some_and(|at| at < old.nothing)),
    )?;
    let grants = first(
        limit,
        |(at, id)| {
            // By the index over when they began, which is before they were over.
            look.rows(
                "SELECT body, digest FROM grants WHERE at_ms < ?1 AND (at_ms, id) > (?2, ?3) \
                 AND closed = 1 AND latest_ms < ?1 \
                 AND NOT EXISTS (SELECT 1 FROM session WHERE grant_id = grants.id) ORDER BY at_ms, id LIMIT ?4",
                &[&old.grants.timestamp_millis(), &at, &id, &limit],
            )
        },
        |grant: &Grant| (grant.approved_at, grant.id.bits()),
        |grant| {
            let unseen =
                || look.request(grant.request).map(|request| request.is_some_and(|of| of.is_unseen()));
            Ok(!grant.break_glass || !unseen()?)
        },
    )?;
    Ok((requests.into_iter().map(|request| request.ask.id).collect(), grants))
}

/// The first that may `go`, at most `limit`. Those that may not hide none that come after them, but for those that are very
/// many.
fn first<T>(
    limit: u32,
    read: impl Fn((i64, u64)) -> Result<Vec<T>, DeskError>,
    place: impl Fn(&T) -> (Time, u64),
    goes: impl Fn(&T) -> Result<bool, DeskError>,
) -> Result<Vec<T>, DeskError> {
    let (mut all, mut after) = (Vec::new(), (i64::MIN, 0));
    for _ in 0..limits::PAGES_LOOKED_THROUGH {
        let page = read(after)?;
        let is_end = page.len() < limit as usize;
        for one in page {
            let (at, id) = place(&one);
            after = (at.timestamp_millis(), id);
            if all.len() < limit as usize && goes(&one)? {
                all.push(one);
            }
        }
        if is_end || all.len() >= limit as usize {
            break;
        }
    }
    Ok(all)
}

pub fn request(connection: &dyn Sql, id: RequestId) -> Result<(), DeskError> {
    connection.put("DELETE FROM request WHERE id = ?1", &[&id.bits()])?;
    Ok(())
}

pub fn grant(connection: &dyn Sql, grant: &Grant) -> Result<(), DeskError> {
    if grant.extended > 0 {
        let extended: Vec<Request> = Look(connection).rows(
            "SELECT body, digest FROM request WHERE person = ?1 AND asked_ms >= ?2 AND state = 'approved'",
            &[&grant.person.as_str(), &grant.approved_at.timestamp_millis()],
        )?;
        let its = extended.iter().filter(|request| request.ask.kind == Kind::Extend { grant: grant.id });
        its.map(|of| of.ask.id).try_for_each(|id| request(connection, id))?;
    }
    request(connection, grant.request)?;
    for sql in [
        "DELETE FROM claim WHERE grant_id = ?1",
        "DELETE FROM used WHERE grant_id = ?1",
        "DELETE FROM grants WHERE id = ?1",
    ] {
        connection.put(sql, &[&grant.id.bits()])?;
    }
    Ok(())
}
