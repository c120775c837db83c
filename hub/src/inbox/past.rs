//! Sessions that were on hosts: learned from their journals as these come in, for people to look at. No decision is made by
//! them.

use access::{GrantId, HostName, SessionId, Time};
use api::{EndCause, Record, Session, SessionChange};
use desk::DeskError;
use store::Sql;

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

/// What a record of a host tells of a session.
struct Told {
    session: Session,
    ended: Option<Time>,
    how: Option<EndCause>,
}

fn told(body: &str) -> Option<Told> {
    // Most records tell of none, and are not read.
    if !body.contains("\"session\":{") {
        return None;
    }
    match serde_json::from_str(body).ok()? {
        Record::Decision(record) => Some(Told { session: record.session?, ended: None, how: None }),
        Record::Session(record) => {
            let (at, session) = (record.at, record.session);
            Some(match record.change {
                SessionChange::Closed => {
                    Told { ended: Some(session.closed.unwrap_or(at)), session, how: None }
                }
                SessionChange::Ended => {
                    Told { ended: Some(at), how: record.end.map(|end| end.cause), session }
                }
                _ => Told { session, ended: None, how: None },
            })
        }
        _ => None,
    }
}

/// Keeps what a record of this host tells of a session.
pub fn learn(connection: &dyn Sql, host: &HostName, body: &str) -> Result<(), DeskError> {
    let Some(Told { session, ended, how }) = told(body) else { return Ok(()) };
    connection.execute(
        "INSERT INTO past_session (host, id, grant_id, subject, target, service, opened_ms, ended_ms, how) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (host, id) DO UPDATE SET \
         grant_id = ?3, ended_ms = coalesce(?8, past_session.ended_ms), how = coalesce(?9, past_session.how)",
        &[
            &host.as_str(),
            &session.id.bits(),
            &session.grant.map(GrantId::bits),
            &session.subject.as_str(),
            &session.target.as_str(),
            &session.service.as_str(),
            &session.opened.timestamp_millis(),
            &ended.map(|ended| ended.timestamp_millis()),
            &how.map(|how| how.code().to_owned()),
        ],
    )?;
    Ok(())
}

type Row =
    (String, u64, Option<u64>, String, String, String, i64, Option<i64>, Option<String>, Option<String>);

const PAST: &str =
    "SELECT host, id, grant_id, subject, target, service, opened_ms, ended_ms, how, how FROM past_session";

fn read((host, id, grant, subject, target, service, opened, ended, how, _): Row) -> Result<Past, DeskError> {
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

/// Sessions that began from `since` to `until`, on this host where one is named, the newest first.
pub fn past(
    connection: &dyn Sql,
    host: Option<&HostName>,
    (since, until): (Time, Time),
    limit: u32,
) -> Result<Vec<Past>, DeskError> {
    let (since, until) = (since.timestamp_millis(), until.timestamp_millis());
    let order = "ORDER BY opened_ms DESC, id";
    let rows: Vec<Row> = match host {
        Some(host) => connection.rows(
            &format!("{PAST} WHERE host = ?1 AND opened_ms BETWEEN ?2 AND ?3 {order} LIMIT ?4"),
            &[&host.as_str(), &since, &until, &limit],
        )?,
        None => connection.rows(
            &format!("{PAST} WHERE opened_ms BETWEEN ?1 AND ?2 {order} LIMIT ?3"),
            &[&since, &until, &limit],
        )?,
    };
    rows.into_iter().map(read).collect()
}

/// Sessions that this grant carried, the first first.
pub fn past_of(connection: &dyn Sql, grant: GrantId, limit: u32) -> Result<Vec<Past>, DeskError> {
    let sql = format!("{PAST} WHERE grant_id = ?1 ORDER BY opened_ms, id LIMIT ?2");
    let rows: Vec<Row> = connection.rows(&sql, &[&grant.bits(), &limit])?;
    rows.into_iter().map(read).collect()
}

/// Takes away those that began before this.
pub fn forget_past(connection: &dyn Sql, before: Time) -> Result<(), DeskError> {
    connection.execute("DELETE FROM past_session WHERE opened_ms < ?1", &[&before.timestamp_millis()])?;
    Ok(())
}
