//! `jit status --monitor`: whom `mode=monitor` let in who would have been refused, and what would have covered it.
//!
//! The journal has it, and no index of its own: the newest records are read backwards, so many at a time, until one is
//! older than the days that are asked about. Between two reads others have the connection.

use crate::doors::Doors;
use crate::limits;
use crate::site::Site;
use access::{Login, Phase, Question, Reason, Service, Time};
use api::{DecisionRecord, Monitored, Record, WouldRefuse};
use chrono::TimeDelta;
use desk::{Caller, DeskError, Worlds as _};
use std::collections::{BTreeMap, HashMap};
use store::{Sql, StoreError};
use workflow::How;

/// Decisions that would have been refusals, by service, login and whom they became.
#[derive(Debug, Default)]
struct Found {
    groups: BTreeMap<(Service, Login, Login), Group>,
    /// Groups that there was no room for.
    more: u64,
    /// Sessions that were told of, and whose login comes next in a journal that is read backwards.
    opened: HashMap<Door, (u32, Time)>,
}

/// A session begins, as records have it.
const OPEN: &str = "open";

/// Whom sudo becomes unless told otherwise.
const ROOT: &str = "root";

/// The optional auth line, whose account line is asked too.
const AUTH: &str = "auth";

/// What one login and the session that follows have in common.
type Door = (Login, Service, String, String);

#[derive(Debug)]
struct Group {
    times: u64,
    first: Time,
    last: Time,
    from: String,
    why: Reason,
}

impl Found {
    /// Takes a decision that is older than all before it.
    fn take(&mut self, decision: DecisionRecord) {
        let Some(why) = decision.would.filter(|_| decision.phase != AUTH) else { return };
        let (at, times) = (decision.at, decision.times);
        let (user, service) = (decision.user, decision.service);
        let door = (user.clone(), service.clone(), decision.rhost.clone(), decision.tty);
        // One login is two decisions, and only the later one knows whom sudo becomes.
        if decision.phase == OPEN {
            if self.opened.len() >= limits::MONITOR_DOORS {
                self.opened.clear();
            }
            let opened = self.opened.entry(door).or_insert((0, at));
            *opened = (opened.0 + 1, at);
        } else if let Some((count, opened)) = self.opened.get_mut(&door)
            && *count > 0
            && *opened - at <= limits::MONITOR_PAIR
        {
            *count -= 1;
            return;
        }
        // Before its session sudo mostly does not say whom it would become, but names who asks; mostly that is root, as in a
        // request that names nobody.
        let known = decision.phase == OPEN || service.as_str() != "sudo" || decision.target != user;
        let target = if known { decision.target } else { Login::parse(ROOT).unwrap_or(decision.target) };
        let key = (service, user, target);
        if !self.groups.contains_key(&key) && self.groups.len() >= api::limits::MONITORED {
            self.more += 1;
            return;
        }
        let group = self.groups.entry(key).or_insert(Group {
            times: 0,
            first: at,
            last: at,
            from: decision.rhost,
            why,
        });
        group.times += u64::from(times);
        group.first = at;
    }
}

/// One read: the place before it, what in it was let in by `mode=monitor`, newest first, and when the oldest record in
/// it was.
struct Read {
    before: u64,
    decisions: Vec<DecisionRecord>,
    oldest: Option<Time>,
}

/// Reads the records up to this place.
fn read(connection: &dyn Sql, upto: u64) -> Result<Read, StoreError> {
    let before = upto.saturating_sub(limits::MONITOR_READ);
    // What a decision begins with is short and holds no text of people's; a record that only looks like one is no
    // decision below.
    let bodies: Vec<String> = connection.rows(
        "SELECT body FROM journal WHERE seq > ?1 AND seq <= ?2 \
         AND instr(substr(body, 1, 120), '\"reason\":\"monitor\"') > 0 ORDER BY seq DESC",
        &[&before, &upto],
    )?;
    let decisions = bodies.iter().filter_map(|body| match serde_json::from_str(body) {
        Ok(Record::Decision(decision)) if decision.reason == Reason::Monitor => Some(*decision),
        _ => None,
    });
    let oldest: Option<String> = connection.row(
        "SELECT body FROM journal WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT 1",
        &[&before, &upto],
    )?;
    let oldest = oldest.and_then(|body| serde_json::from_str::<Record>(&body).ok()).map(|record| record.at());
    Ok(Read { before, decisions: decisions.collect(), oldest })
}

/// All since this time, and how far back that is known where it is not all. `look` reads up to a place.
fn found(
    last: u64,
    since: Time,
    mut look: impl FnMut(u64) -> Result<Read, StoreError>,
) -> Result<(Found, Option<Time>), StoreError> {
    let (mut found, mut upto, mut known) = (Found::default(), last, None);
    while upto > 0 && last - upto < limits::MONITOR_RECORDS {
        let read = look(upto)?;
        // Older records are gone, or there never were any.
        let Some(oldest) = read.oldest else { break };
        let here = read.decisions.into_iter().filter(|decision| decision.at >= since);
        here.for_each(|decision| found.take(decision));
        if oldest < since {
            return Ok((found, None));
        }
        (known, upto) = (Some(oldest), read.before);
    }
    Ok((found, known))
}

impl Site {
    /// Who would have been refused.
    pub fn monitored(&self, caller: &Caller) -> Result<Monitored, DeskError> {
        let now = self.clock.now();
        let world = self.policies.world();
        if !caller.roles.sees_all() && !world.say_of(&caller.person, now).is_some() {
            return Err(DeskError::Forbidden(
                "who would have been refused is for approvers, auditors, operators and root to see"
                    .to_owned(),
            ));
        }
        let since = now.trusted - TimeDelta::days(api::limits::MONITOR_DAYS);
        let last = self.ledger.read(|connection| store::last_seq(connection))?;
        let (found, known_since) =
            found(last, since, |upto| self.ledger.read(|connection| read(connection, upto)))?;
        let mut refused: Vec<WouldRefuse> = found
            .groups
            .into_iter()
            .map(|(key, group)| self.would_refuse(caller, &world, key, group))
            .collect();
        refused.sort_by(|a, b| (&a.service, b.times, &a.user).cmp(&(&b.service, a.times, &b.user)));
        let doors = Doors::look().monitored;
        Ok(Monitored { host: self.host.clone(), since, known_since, doors, refused, more: found.more })
    }

    fn would_refuse(
        &self,
        caller: &Caller,
        world: &workflow::World,
        (service, user, run_as): (Service, Login, Login),
        Group { times, first, last, from, why }: Group,
    ) -> WouldRefuse {
        let person = world.people.of_login(&user).map(|human| human.person.clone());
        let switches = service.switches();
        let target = switches.then(|| run_as.clone());
        let question = Question {
            subject: user.clone(),
            service: service.clone(),
            target: target.clone(),
            phase: Phase::Auth,
            address: None,
            inside: Vec::new(),
        };
        let covered = self.memory.decide(&question, self.clock.now()).allows();
        // Over ssh nobody becomes anybody: a login that is nobody's own is asked for by its name.
        let shared = !switches && (person.is_none() || user.as_str() == ROOT);
        let as_whom =
            if shared { Some(&user) } else { target.as_ref().filter(|target| target.as_str() != ROOT) };
        let as_whom = as_whom.map(|whom| format!(" --as {whom}")).unwrap_or_default();
        let request = format!("jit request --service {service}{as_whom} --reason TEXT");
        let (rule, policy) = if shared {
            (None, format!("whoever uses it asks for it: jit policy explain --service {service} --as {user}"))
        } else {
            self.by_policy(caller, &user, &service, target.filter(|target| target.as_str() != ROOT))
        };
        WouldRefuse {
            service,
            user,
            person,
            run_as,
            times,
            first,
            last,
            from,
            why,
            request,
            rule,
            policy,
            covered,
        }
    }

    /// The rule that would give it, and what it makes of the request.
    fn by_policy(
        &self,
        caller: &Caller,
        user: &Login,
        service: &Service,
        run_as: Option<Login>,
    ) -> (Option<String>, String) {
        if self.source.has_hub() {
            return (None, "its hub decides: see jit policy explain there".to_owned());
        }
        let ask = api::AskExplain {
            user: Some(user.clone()),
            hosts: [self.host.clone()].into(),
            services: [service.clone()].into(),
            run_as,
            length: None,
            at: None,
        };
        let explained = match self.desk.explain(caller, ask) {
            Ok(explained) => explained,
            Err(why) => return (None, why.to_string()),
        };
        let could: Vec<access::Person> = explained.could().into_iter().collect();
        let words = match explained.outcome.how {
            How::ByItself => "the rule itself approves it".to_owned(),
            How::ByPeople => workflow::who_can(&could),
            How::Refused => explained.outcome.why.unwrap_or_else(|| "the policy refuses it".to_owned()),
        };
        (explained.outcome.rule, words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn decision(seconds: i64, user: &str, service: &str, target: &str, phase: &str) -> DecisionRecord {
        DecisionRecord {
            at: at(seconds),
            reason: Reason::Monitor,
            would: Some(Reason::NoGrant),
            user: Login::parse(user).unwrap(),
            target: Login::parse(target).unwrap(),
            service: Service::parse(service).unwrap(),
            phase: phase.to_owned(),
            host: "web-1".into(),
            rhost: "203.0.113.5".into(),
            tty: "ssh".into(),
            grant: None,
            request: None,
            approved_by: Vec::new(),
            rule: None,
            expires: None,
            session: None,
            source: "local".into(),
            staleness_s: Some(0),
            times: 1,
        }
    }

    fn told(found: &Found) -> Vec<(String, u64)> {
        found.groups.iter().map(|((s, u, t), group)| (format!("{s} {u} {t}"), group.times)).collect()
    }

    #[test]
    fn a_login_and_its_session_are_one_and_the_session_knows_whom_sudo_becomes() {
        let mut journal = vec![
            decision(1, "alice", "ssh", "alice", "account"),
            decision(2, "alice", "ssh", "alice", "account"),
            decision(3, "alice", "ssh", "alice", "open"),
            decision(4, "alice", "ssh", "alice", "open"),
            // Turned round at its password, and hours later one whose login a grant let in.
            decision(10, "alice", "ssh", "alice", "account"),
            decision(20_000, "alice", "ssh", "alice", "open"),
            decision(30_000, "alice", "sudo", "alice", "account"),
            decision(30_001, "alice", "sudo", "bob", "open"),
            decision(30_002, "alice", "sudo", "alice", "account"),
            // It edits, and asks for whom at once; it ends before its session.
            decision(30_100, "alice", "sudo", "carol", "account"),
        ];
        let mut found = Found::default();
        while let Some(decision) = journal.pop() {
            found.take(decision);
        }
        assert_eq!(
            told(&found),
            [
                ("ssh alice alice".into(), 4),
                ("sudo alice bob".into(), 1),
                ("sudo alice carol".into(), 1),
                ("sudo alice root".into(), 1)
            ]
        );
        let ssh = found.groups.values().next().unwrap();
        assert_eq!((ssh.first, ssh.last), (at(3), at(20_000)));
    }

    #[test]
    fn a_hundred_thousand_records_are_read_to_the_days_asked_about_and_no_further() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        let options = store::Options { path: path.clone(), max_bytes: 1 << 30, tables: "" };
        drop(store::File::open(options, |_| (crate::ledger::stamps("b".into())(), "{}".into())).unwrap());
        let mut connection = rusqlite::Connection::open(&path).unwrap();
        let tx = connection.transaction().unwrap();
        let mut insert = tx
            .prepare("INSERT INTO journal (seq, boot, wall_ms, boot_ms, body, prev, hash) VALUES (?1, 'b', 0, 0, ?2, x'', x'')")
            .unwrap();
        let granted = |n| DecisionRecord {
            reason: Reason::Granted,
            would: None,
            // What people type looks like nothing else.
            tty: "\"reason\":\"monitor\"".into(),
            ..decision(n, "bob", "ssh", "bob", "account")
        };
        for n in 2..=100_001u32 {
            let second = i64::from(n);
            let record = match n % 10 {
                0 => decision(second, "alice", "ssh", "alice", "account"),
                1 => decision(second, &format!("u{}", n % 3000), "sudo", "root", "account"),
                _ => granted(second),
            };
            let body = serde_json::to_string(&Record::Decision(Box::new(record))).unwrap();
            insert.execute((n, body)).unwrap();
        }
        drop(insert);
        tx.commit().unwrap();
        let mut looks = 0;
        let mut all = |since| {
            looks = 0;
            found(100_001, since, |upto| {
                looks += 1;
                read(&connection, upto)
            })
            .unwrap()
        };
        let (some, known) = all(at(90_002));
        assert_eq!((some.groups.len(), known), (301, None), "{some:?}");
        assert_eq!(told(&some)[0], ("ssh alice alice".into(), 1000));
        let (whole, known) = all(at(-1));
        assert_eq!(told(&whole)[0], ("ssh alice alice".into(), 10_000));
        assert_eq!(known, Some(at(2)), "the first record is no decision, and what it is nobody knows");
        assert_eq!(looks, 100_001u64.div_ceil(limits::MONITOR_READ));
        assert_eq!(some.more + whole.more, 0);
    }

    #[test]
    fn names_that_are_made_up_take_no_room_without_end() {
        let mut found = Found::default();
        for n in 0..api::limits::MONITORED + 7 {
            found.take(decision(1, &format!("u{n}"), "ssh", "root", "account"));
        }
        assert_eq!((found.groups.len(), found.more), (api::limits::MONITORED, 7));
        for n in 0..2 * limits::MONITOR_DOORS {
            found.take(decision(1, &format!("u{n}"), "ssh", "root", "open"));
        }
        assert!(found.opened.len() <= limits::MONITOR_DOORS);
    }
}
