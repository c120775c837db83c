//! Sessions that were on hosts: learned from their journals as these come in, for people to look at. No decision is made by
//! them.

use access::{GrantId, HostName, Login, Reason, SessionId, Time};
use api::{DecisionRecord, EndCause, Record, Session, SessionChange, SessionRecord};
use desk::DeskError;
use std::collections::HashMap;
use store::{Bind, Sql};

/// A session as its host's journal tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// Where.
    pub host: HostName,
    /// Its id there.
    pub id: SessionId,
    /// The grant that carried it.
    pub grant: Option<GrantId>,
    /// Whose.
    pub subject: String,
    /// As whom.
    pub target: String,
    /// By which door.
    pub service: String,
    /// When it began.
    pub opened: Time,
    /// When it was over; none where that was not told.
    pub ended: Option<Time>,
    /// Why, where it did not end by itself.
    pub how: Option<String>,
}

/// What a record of a host tells of uses.
#[derive(Default)]
struct Told {
    /// A grant that was used, and since when.
    used: Option<(GrantId, Time)>,
    /// A session.
    session: Option<Was>,
}

/// A session, and what is known of its end.
struct Was {
    session: Session,
    ended: Option<Time>,
    how: Option<EndCause>,
}

impl Was {
    const fn open(session: Session) -> Self {
        Self { session, ended: None, how: None }
    }
}

fn told(body: &str) -> Told {
    // Most records tell of none, and are not read.
    let is_let_in = || body.contains("\"phase\":\"account\"") && body.contains("\"grant\":");
    if !body.contains("\"session\":{") && !is_let_in() {
        return Told::default();
    }
    match serde_json::from_str(body) {
        Ok(Record::Decision(record)) => {
            let DecisionRecord { at, reason, phase, grant, session, .. } = *record;
            // The account phase starts the clock, also where no session comes of it; the auth phase starts none.
            let starts = reason == Reason::Granted && (phase == "account" || session.is_some());
            Told { used: grant.filter(|_| starts).map(|grant| (grant, at)), session: session.map(Was::open) }
        }
        Ok(Record::Session(record)) => {
            let SessionRecord { at, change, session, end, .. } = *record;
            let since = if change == SessionChange::Moved { at } else { session.opened };
            let (ended, how) = match change {
                SessionChange::Closed => (Some(session.closed.unwrap_or(at)), None),
                SessionChange::Ended => (Some(at), end.map(|end| end.cause)),
                SessionChange::Moved | SessionChange::Ending | SessionChange::Carried => (None, None),
            };
            let used = session.grant.map(|grant| (grant, since));
            Told { used, session: Some(Was { session, ended, how }) }
        }
        _ => Told::default(),
    }
}

/// What a record means to the grant that it tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// It is the first use on its host.
    First(GrantId),
    /// A session that it carried is over.
    Over(GrantId),
}

/// Keeps what a record of this host, heard at `now`, tells of uses and sessions.
pub fn learn(
    connection: &dyn Sql,
    host: &HostName,
    body: &str,
    now: Time,
) -> Result<[Option<Use>; 2], DeskError> {
    let Told { used, session } = told(body);
    let first = match used {
        Some((grant, since)) if is_for(connection, grant, host)? => {
            keep_first(connection, grant, host, (since, now))?.then_some(Use::First(grant))
        }
        _ => None,
    };
    let over = match session {
        Some(was) => keep_session(connection, host, &was, now)?.map(Use::Over),
        None => None,
    };
    Ok([first, over])
}

/// Whether it is the first; of those that come later nothing is kept.
fn keep_first(
    connection: &dyn Sql,
    grant: GrantId,
    host: &HostName,
    (at, heard): (Time, Time),
) -> Result<bool, DeskError> {
    let sql = "INSERT INTO first_use (grant_id, host, at_ms, heard_ms) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT (grant_id, host) DO NOTHING";
    let (at, heard) = (at.timestamp_millis(), heard.timestamp_millis());
    Ok(connection.execute(sql, &[&grant.bits(), &host.as_str(), &at, &heard])? > 0)
}

/// The grant that carried it, once it is over.
fn keep_session(
    connection: &dyn Sql,
    host: &HostName,
    Was { session, ended, how }: &Was,
    now: Time,
) -> Result<Option<GrantId>, DeskError> {
    let grant = match session.grant {
        Some(grant) if is_for(connection, grant, host)? => Some(grant),
        _ => None,
    };
    connection.put(
        "INSERT INTO past_session (host, id, grant_id, subject, target, service, opened_ms, ended_ms, how, heard_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (host, id) DO UPDATE SET \
         grant_id = ?3, ended_ms = coalesce(?8, past_session.ended_ms), how = coalesce(?9, past_session.how), heard_ms = ?10",
        &[
            &host.as_str(),
            &session.id.bits(),
            &grant.map(GrantId::bits),
            &session.subject.as_str(),
            &session.target.as_str(),
            &session.service.as_str(),
            &session.opened.timestamp_millis(),
            &ended.map(|ended| ended.timestamp_millis()),
            &how.map(|how| how.code().to_owned()),
            &now.timestamp_millis(),
        ],
    )?;
    Ok(grant.filter(|_| ended.is_some()))
}

/// When hosts began to use this grant, as far as they have told.
pub fn first_uses(connection: &dyn Sql, grant: GrantId) -> Result<HashMap<String, Time>, DeskError> {
    let sql = "SELECT host, at_ms FROM first_use WHERE grant_id = ?1";
    let rows: Vec<(String, i64)> = connection.rows(sql, &[&grant.bits()])?;
    Ok(rows.into_iter().filter_map(|(host, at)| Some((host, Time::from_timestamp_millis(at)?))).collect())
}

/// Whether a grant is for this host: of others' it says nothing.
fn is_for(connection: &dyn Sql, grant: GrantId, host: &HostName) -> Result<bool, DeskError> {
    let hosts: Option<String> = connection.row("SELECT hosts FROM grants WHERE id = ?1", &[&grant.bits()])?;
    Ok(hosts.is_some_and(|hosts| hosts.split(' ').any(|one| one == host.as_str())))
}

type Row = (String, u64, Option<u64>, String, String, String, i64, Option<i64>, Option<String>);

const PAST: &str =
    "SELECT host, id, grant_id, subject, target, service, opened_ms, ended_ms, how FROM past_session";

fn read((host, id, grant, subject, target, service, opened, ended, how): Row) -> Result<Past, DeskError> {
    let wrong = |why: String| DeskError::Store(format!("the row of a past session cannot be read: {why}"));
    Ok(Past {
        host: HostName::parse(&host).map_err(|why| wrong(why.to_string()))?,
        id: SessionId::from_random(id),
        grant: grant.map(GrantId::from_random),
        subject,
        target,
        service,
        opened: Time::from_timestamp_millis(opened).ok_or_else(|| wrong("its time is none".to_owned()))?,
        ended: ended.and_then(Time::from_timestamp_millis),
        how,
    })
}

/// Sessions that began from `since` to `until`, on this host and of this login where they are named, the newest first.
pub fn past(
    connection: &dyn Sql,
    host: Option<&HostName>,
    subject: Option<&Login>,
    (since, until): (Time, Time),
    limit: u32,
) -> Result<Vec<Past>, DeskError> {
    let (since, until) = (since.timestamp_millis(), until.timestamp_millis());
    let (host, subject) = (host.map(HostName::as_str), subject.map(Login::as_str));
    let mut sql = format!("{PAST} WHERE opened_ms BETWEEN ?1 AND ?2");
    let mut values: Vec<&dyn Bind> = vec![&since, &until];
    for (column, value) in [("host", &host), ("subject", &subject)] {
        if let Some(value) = value {
            values.push(value);
            sql.push_str(&format!(" AND {column} = ?{}", values.len()));
        }
    }
    values.push(&limit);
    sql.push_str(&format!(" ORDER BY opened_ms DESC, id LIMIT ?{}", values.len()));
    let rows: Vec<Row> = connection.rows(&sql, &values)?;
    rows.into_iter().map(read).collect()
}

/// Sessions that this grant carried, the first first.
pub fn past_of(connection: &dyn Sql, grant: GrantId, limit: u32) -> Result<Vec<Past>, DeskError> {
    let sql = format!("{PAST} WHERE grant_id = ?1 ORDER BY opened_ms, id LIMIT ?2");
    let rows: Vec<Row> = connection.rows(&sql, &[&grant.bits(), &limit])?;
    rows.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::minute;

    /// What a host writes down of a decision.
    fn decided(reason: &str, phase: &str, grant: Option<GrantId>, session: Option<&Session>) -> String {
        let record = serde_json::json!({
            "at": minute(5), "reason": reason, "user": "alice", "as": "alice", "service": "ssh", "phase": phase,
            "host": "db-7", "rhost": "", "tty": "ssh", "grant": grant, "session": session, "source": "hub",
            "staleness_s": 0, "times": 1
        });
        let record: DecisionRecord = serde_json::from_value(record).unwrap();
        serde_json::to_string(&Record::Decision(Box::new(record))).unwrap()
    }

    fn session(grant: GrantId) -> Session {
        serde_json::from_value(serde_json::json!({
            "id": SessionId::from_random(7), "grant": grant, "boot": "b", "pid": 5, "start_ticks": 7,
            "audit_session": 3, "subject": "alice", "target": "alice", "service": "ssh", "tty": "ssh", "rhost": "",
            "reason": "granted", "opened": minute(4)
        }))
        .unwrap()
    }

    #[test]
    fn the_account_phase_begins_a_use_and_so_does_a_session_and_nothing_else() {
        let grant = GrantId::from_random(2);
        for (body, used, has_session) in [
            (decided("granted", "account", Some(grant), None), Some(5), false),
            (decided("granted", "auth", Some(grant), None), None, false),
            (decided("granted", "open", Some(grant), Some(&session(grant))), Some(5), true),
            (decided("no_grant", "account", None, None), None, false),
            (decided("monitor", "account", Some(grant), None), None, false),
        ] {
            let told = told(&body);
            assert_eq!(
                (told.used, told.session.is_some()),
                (used.map(|at| (grant, minute(at))), has_session),
                "{body}"
            );
        }
    }
}
