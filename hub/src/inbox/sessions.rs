//! Sessions on hosts: told by them, seen and ended here.

use super::rows::{self, There};
use crate::ledger::{Ledger, record};
use crate::limits;
use crate::site::Site;
use access::{GrantId, HostName, SessionId, Time};
use api::{
    AskSessions, EndAsked, EndSession, EndThere, OpenSessions, Record, Session, SessionChange, SessionRecord,
    SessionState, SessionView,
};
use desk::{Caller, DeskError, Worlds as _};
use std::collections::HashMap;
use store::Sql;

impl Site {
    /// All that is open on a host.
    pub(super) fn host_sessions(&self, host: HostName, open: OpenSessions) -> Result<(), DeskError> {
        let most = api::limits::PAGE as usize;
        if open.sessions.len() > most {
            return Err(DeskError::BadRequest(format!("one call tells of at most {most} sessions")));
        }
        let now = self.clock.time();
        let look = |connection: &dyn Sql| rows::session_news(connection, &host, &open.sessions, now);
        let news = self.ledger.read(look)?.count();
        if news == 0 {
            return Ok(());
        }
        self.may_say(&host, news as u64)?;
        self.ledger.put_sessions(host, open.sessions, now)
    }

    /// Sessions that the caller may see, the newest first.
    pub(crate) fn sessions(&self, caller: &Caller, ask: &AskSessions) -> Result<Vec<SessionView>, DeskError> {
        let most = api::limits::PAGE;
        let (mut seen, mut after, mut eyes) = (Vec::new(), None, Eyes::of(self, caller));
        // Others' sessions that the caller may not see must not hide those that they may.
        for _ in 0..limits::SESSION_PAGES {
            let of = ask.host.as_ref();
            let found =
                self.ledger.read(|connection| rows::sessions(connection, of, after.as_ref(), most))?;
            let Some(last) = found.last() else { break };
            after = Some(last.clone());
            seen.extend(
                found
                    .into_iter()
                    .filter(|there| ask.is_of(&there.view.session.subject) && eyes.see(there))
                    .map(view),
            );
            if seen.len() >= most as usize {
                break;
            }
        }
        seen.truncate(most as usize);
        Ok(seen)
    }

    /// Whether this grant is the caller's own.
    fn holds(&self, caller: &Caller, grant: GrantId) -> bool {
        let sql = "SELECT person FROM grants WHERE id = ?1";
        let person = self.ledger.read(|connection| Ok(connection.row::<String>(sql, &[&grant.bits()])?));
        person.is_ok_and(|person| person.is_some_and(|person| person == caller.person.as_str()))
    }

    /// Has a host end a session of its own. It hears of it at once, or when it is back.
    pub(crate) fn end_there(
        &self,
        caller: &Caller,
        id: &str,
        body: EndSession,
    ) -> Result<SessionView, DeskError> {
        let none = || DeskError::NotFound { what: "session", id: id.to_owned() };
        let (low, high) = SessionId::range(id).map_err(|why| DeskError::BadRequest(why.to_string()))?;
        let host = body.host.as_ref();
        let mut found = self.ledger.read(|connection| rows::sessions_within(connection, host, low, high))?;
        // Who agreed once may end what came of it, also with no say about what is asked now.
        let mut eyes = Eyes { decides: true, ..Eyes::of(self, caller) };
        found.retain(|there| eyes.see(there));
        let there = match (found.pop(), found.is_empty()) {
            (Some(there), true) => there,
            (None, _) => return Err(none()),
            (Some(last), _) => return Err(several(&last, &found, id)),
        };
        self.may_end(&there.view.session, caller)?;
        let (host, session) = (there.host.clone(), there.view.session.id);
        let end = EndThere { session, by: caller.person.clone(), reason: body.reason };
        if !self.ledger.end_there(there.clone(), end.clone(), self.clock.time())? {
            return Err(none());
        }
        self.wakes.look_again(&host);
        let heard = self.is_heard(&host);
        let there = There { ending: heard.then_some(end), ..there };
        Ok(view(there))
    }

    /// Its own person, who decides over its grant, and operators.
    pub(crate) fn may_end(&self, session: &Session, caller: &Caller) -> Result<(), DeskError> {
        if caller.names.contains(&session.subject) || caller.roles.revokes() {
            return Ok(());
        }
        let grant = session.grant.and_then(|id| self.desk.show_grant(caller, &id.to_string()).ok());
        let grant = grant.map(|view| view.grant);
        if grant.as_ref().is_some_and(|grant| grant.person == caller.person) {
            return Ok(());
        }
        if !grant.is_some_and(|grant| self.desk.approves(&self.policies.world(), &grant, &caller.person)) {
            let why = format!("session {} is for its person, its approvers and operators to end", session.id);
            return Err(DeskError::Forbidden(why));
        }
        caller.reviews.clone().map_err(|why| DeskError::NotThem("no session was ended", why))
    }
}

/// Which sessions somebody may see: one's own, those of grants that one could decide, or everything. Of many sessions by one
/// grant it is looked up once, and whoever decides nothing costs no more than whose it is.
struct Eyes<'a> {
    site: &'a Site,
    caller: &'a Caller,
    decides: bool,
    grants: HashMap<GrantId, bool>,
}

impl<'a> Eyes<'a> {
    fn of(site: &'a Site, caller: &'a Caller) -> Self {
        Self { site, caller, decides: site.sees_others(caller), grants: HashMap::new() }
    }

    fn see(&mut self, there: &There) -> bool {
        let Session { subject, grant, .. } = &there.view.session;
        if self.caller.roles.sees_all() || self.caller.names.contains(subject) {
            return true;
        }
        let (site, caller, decides) = (self.site, self.caller, self.decides);
        let look = |grant: GrantId| {
            if decides {
                site.desk.show_grant(caller, &grant.to_string()).is_ok()
            } else {
                site.holds(caller, grant)
            }
        };
        grant.is_some_and(|grant| *self.grants.entry(grant).or_insert_with(|| look(grant)))
    }
}

/// Why it is not known which of these is meant. An id is a host's word, and another host can say the same.
fn several(last: &There, others: &[There], id: &str) -> DeskError {
    let session = last.view.session.id;
    if others.iter().any(|there| there.view.session.id != session) {
        return DeskError::Ambiguous { what: "session", id: id.to_owned() };
    }
    let hosts: Vec<String> = others.iter().chain([last]).map(|there| there.host.to_string()).collect();
    DeskError::BadRequest(format!(
        "more than one host says that it has session {session}: {}; name the one that is meant",
        hosts.join(", ")
    ))
}

fn view(there: There) -> SessionView {
    let state = if there.ending.is_some() { SessionState::Ending } else { there.view.state };
    SessionView { host: Some(there.host), state, ..there.view }
}

impl Ledger {
    fn put_sessions(&self, host: HostName, open: Vec<SessionView>, now: Time) -> Result<(), DeskError> {
        self.write(move |tx| {
            let news = rows::session_news(tx.connection(), &host, &open, now)?;
            rows::put_sessions(tx.connection(), &host, news)
        })
    }

    fn end_there(&self, there: There, end: EndThere, at: Time) -> Result<bool, DeskError> {
        self.write(move |tx| {
            if !rows::end_session(tx.connection(), &there.host, &end)? {
                return Ok(false);
            }
            if there.ending.is_some() {
                return Ok(true);
            }
            let EndThere { by, reason, .. } = end;
            let asked = EndAsked { by: by.clone(), at, reason: reason.clone() };
            record(
                tx,
                Record::Session(Box::new(SessionRecord {
                    at,
                    change: SessionChange::Ending,
                    session: Session { end: Some(asked), ..there.view.session },
                    actor: Some(by),
                    comment: Some(reason),
                    end: None,
                    detail: format!("host={}", there.host),
                })),
            )?;
            Ok(true)
        })
    }
}
