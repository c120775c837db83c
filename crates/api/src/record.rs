//! What the journal holds, and the one line each record is in syslog.

use crate::{EndCause, Right, RightRecord, Session, SessionRecord, Used, limits};
use access::{Grant, GrantId, Login, Person, Reason, RequestId, Service, Text, Time};
use chrono::SecondsFormat;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use workflow::{Change, Channel, Decider, Request, RequestState};

/// One record of the journal. The whole body of what changed is in it, so that the state can be proved
/// from the journal alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// A question was answered.
    Decision(Box<DecisionRecord>),
    /// A request or grant changed.
    Change(Box<ChangeRecord>),
    /// A session changed.
    Session(Box<SessionRecord>),
    /// A token or a role changed.
    Right(Box<RightRecord>),
    /// Something happened to the daemon itself.
    Mark(Box<MarkRecord>),
}

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DecisionRecord {
    /// Trusted time.
    pub at: Time,
    /// Why; whether follows from it.
    pub reason: Reason,
    /// With reason `monitor`: what it would have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would: Option<Reason>,
    /// Whose grant counted.
    pub user: Login,
    /// Whom they became, as far as known.
    #[serde(rename = "as")]
    pub target: Login,
    /// The door.
    pub service: Service,
    /// The PAM call.
    pub phase: String,
    /// This host.
    pub host: String,
    /// The client as sshd tells it: address, else PAM's remote host.
    pub rhost: String,
    /// The terminal.
    pub tty: String,
    /// The grant, for an allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// For an allow the request behind the grant; for a refusal the request it opened or pointed at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// Who approved the grant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<Person>,
    /// The rule that gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// When the grant ends here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// The session it opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// Where grants come from.
    pub source: String,
    /// Age of what the source said, in seconds; none where it never said anything.
    pub staleness_s: Option<u64>,
    /// How many equal questions in a row this record stands for.
    pub times: u32,
}

/// A change to a request or grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeRecord {
    /// Trusted time.
    pub at: Time,
    /// What happened.
    pub change: Change,
    /// Who did it; none where time did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Person>,
    /// How it came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// What they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Text>,
    /// The request afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// The grant afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
    /// How much the grant was used on this host, once it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Used>,
    /// The policy that is in force now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyApplied>,
}

/// A policy that came into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyApplied {
    /// Its version on this desk.
    pub version: u32,
    /// SHA-256 of its row's body, in hex.
    pub digest: String,
    /// What changed, line by line.
    pub diff: String,
}

/// Something about the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MarkRecord {
    /// Trusted time.
    pub at: Time,
    /// What.
    pub mark: Mark,
    /// Details, in `key=value` form or plain words.
    pub detail: String,
}

/// What can happen to the daemon, a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// A new log begins.
    Opened,
    /// A new log follows a damaged one.
    Repaired,
    /// The daemon started.
    Started,
    /// The configuration was read anew.
    Reloaded,
    /// The clock was confirmed.
    ClockConfirmed,
    /// Log lines could not be delivered and were counted instead.
    LinesDropped,
    /// Something of a person's runs on, or will, that no session carries.
    LeftOver,
    /// A first use was taken over from a damaged database.
    Carried,
    /// A hub made a token that lets hosts in.
    HostTokenMade,
    /// A host joined its hub.
    HostJoined,
    /// A host of a hub was given other labels.
    HostLabelled,
    /// A host was taken away from its hub.
    HostRemoved,
    /// A host that the hub's database had lost is known again by what the root signed of it.
    HostCameBack,
    /// A host gave back what the hub's database had lost.
    HostGaveBack,
    /// A host took in what its hub says must be held.
    ViewApplied,
    /// Somebody on a host of a hub asked for access to it, which the hub is to hear of.
    Asked,
    /// The hub answered.
    AskAnswered,
    /// What was asked was taken back, or grew too old, before the hub heard of it.
    AskDropped,
    /// Something is wrong with the journal of a host.
    HostJournal,
    /// A hub made or took back what lets a person break glass on a host while the hub is away.
    Permits,
    /// A host told when it began to use a grant whose clock starts so, or how one that is over was used.
    GrantUsed,
    /// Somebody confirmed that an account in Microsoft Teams is theirs.
    TeamsLinked,
    /// An account in Microsoft Teams is nobody's any more.
    TeamsUnlinked,
    /// A chat or channel in Microsoft Teams hears of every request from now on, or no more.
    TeamsPlace,
    /// Somebody confirmed that an account in Slack is theirs.
    SlackLinked,
    /// An account in Slack is nobody's any more.
    SlackUnlinked,
    /// Something around the daemon is not as it must be any more.
    Finding,
    /// It is right again.
    FindingGone,
    /// What looks for such things has not reported for too long.
    WatchLate,
    /// It reports again.
    WatchBack,
    /// Spare keys went through their doors to see that they do.
    SpareKeyDrill,
}

impl Mark {
    /// The name in logs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Repaired => "repaired",
            Self::Started => "started",
            Self::Reloaded => "reloaded",
            Self::ClockConfirmed => "clock_confirmed",
            Self::LinesDropped => "lines_dropped",
            Self::LeftOver => "left_over",
            Self::Carried => "carried",
            Self::HostTokenMade => "host_token_made",
            Self::HostJoined => "host_joined",
            Self::HostLabelled => "host_labelled",
            Self::HostRemoved => "host_removed",
            Self::HostCameBack => "host_came_back",
            Self::HostGaveBack => "host_gave_back",
            Self::ViewApplied => "view_applied",
            Self::Asked => "asked",
            Self::AskAnswered => "ask_answered",
            Self::AskDropped => "ask_dropped",
            Self::HostJournal => "host_journal",
            Self::Permits => "permits",
            Self::GrantUsed => "grant_used",
            Self::TeamsLinked => "teams_linked",
            Self::TeamsUnlinked => "teams_unlinked",
            Self::TeamsPlace => "teams_place",
            Self::SlackLinked => "slack_linked",
            Self::SlackUnlinked => "slack_unlinked",
            Self::Finding => "finding",
            Self::FindingGone => "finding_gone",
            Self::WatchLate => "watch_late",
            Self::WatchBack => "watch_back",
            Self::SpareKeyDrill => "spare_key_drill",
        }
    }
}

impl Record {
    /// When it happened.
    pub fn at(&self) -> Time {
        match self {
            Self::Decision(record) => record.at,
            Self::Change(record) => record.at,
            Self::Session(record) => record.at,
            Self::Right(record) => record.at,
            Self::Mark(record) => record.at,
        }
    }

    /// The line in syslog: `key=value` pairs, values quoted where they need it.
    pub fn line(&self, seq: u64) -> String {
        let mut line = Line::default();
        match self {
            Self::Decision(record) => decision(&mut line, record),
            Self::Change(record) => change(&mut line, record),
            Self::Session(record) => session(&mut line, record),
            Self::Right(record) => right(&mut line, record),
            Self::Mark(record) => {
                line.put("mark", record.mark.code());
                line.put("detail", &record.detail);
            }
        }
        line.put("seq", &seq.to_string());
        line.0
    }
}

fn decision(line: &mut Line, record: &DecisionRecord) {
    line.put("decision", if record.reason.allows() { "allow" } else { "deny" });
    line.put("reason", record.reason.code());
    if let Some(would) = record.would {
        line.put("would", would.code());
    }
    line.put("user", record.user.as_str());
    line.put("as", record.target.as_str());
    line.put("service", record.service.as_str());
    line.put("host", &record.host);
    line.put("rhost", &record.rhost);
    line.put("tty", &record.tty);
    line.put_some("grant", record.grant.as_ref());
    line.put_some("request", record.request.as_ref());
    if record.grant.is_some() {
        line.put_approvers(&record.approved_by, record.rule.as_deref().unwrap_or_default());
    }
    line.put_some("expires", record.expires.map(iso).as_ref());
    line.put("source", &record.source);
    match record.staleness_s {
        Some(seconds) => line.put("staleness", &format!("{seconds}s")),
        None => line.put("staleness", "unknown"),
    }
    line.put("phase", &record.phase);
    line.put_some("session", record.session.as_ref().map(|session| &session.id));
    if record.times > 1 {
        line.put("times", &record.times.to_string());
    }
}

fn change(line: &mut Line, record: &ChangeRecord) {
    line.put("change", record.change.code());
    line.put("actor", &actor(record));
    if let Some(channel) = record.channel {
        line.put("channel", channel.code());
    }
    if let Some(request) = &record.request {
        line.put("request", &request.ask.id.to_string());
    }
    if let Some(grant) = &record.grant {
        line.put("grant", &grant.id.to_string());
        line.put("person", grant.person.as_str());
        line.put("services", &joined(&grant.services));
        line.put("hosts", &joined(&grant.hosts));
        line.put_approvers(&grant.approved_by, &grant.rule);
        line.put("expires", &iso(grant.window.latest_end()));
    } else if let Some(request) = &record.request {
        line.put("person", request.ask.person.as_str());
        line.put("services", &joined(&request.ask.services));
        line.put("hosts", &joined(&request.ask.hosts));
    }
    let said = record.comment.as_ref().or_else(|| {
        let opened = matches!(record.change, Change::Requested);
        record.request.as_ref().filter(|_| opened).map(|request| &request.ask.reason)
    });
    line.put_some("comment", said);
    if let Some(saw) = saw(record) {
        line.put("saw", &saw);
    }
    if let Some(used) = &record.used {
        line.put("used", &format!("{}s", used.seconds));
        line.put("sessions", &used.sessions.to_string());
    }
    if let Some(policy) = &record.policy {
        line.put("version", &policy.version.to_string());
        line.put("digest", &policy.digest);
    }
}

fn session(line: &mut Line, record: &SessionRecord) {
    let session = &record.session;
    line.put("change", record.change.code());
    let nobody = match record.end.map(|end| end.cause) {
        Some(EndCause::Expired) => "clock",
        Some(EndCause::Revoked) => "policy",
        _ => "session",
    };
    line.put("actor", record.actor.as_ref().map_or(nobody, Person::as_str));
    line.put("session", &session.id.to_string());
    line.put("user", session.subject.as_str());
    line.put("as", session.target.as_str());
    line.put("service", session.service.as_str());
    line.put("rhost", &session.rhost);
    line.put("tty", &session.tty);
    line.put_some("grant", session.grant.as_ref());
    if let Some(end) = &record.end {
        line.put("cause", end.cause.code());
        line.put("overrun", &format!("{}.{:03}s", end.overrun_ms / 1000, end.overrun_ms % 1000));
        line.put("processes", &end.processes.to_string());
        line.put("killed", &end.killed.to_string());
    }
    line.put_some("comment", record.comment.as_ref());
    if !record.detail.is_empty() {
        line.put("detail", &record.detail);
    }
}

fn right(line: &mut Line, record: &RightRecord) {
    line.put("change", record.right.code());
    line.put("actor", record.actor.as_ref().map_or("jit-hub", Person::as_str));
    line.put("person", record.person.as_str());
    match &record.right {
        Right::TokenMade(token) | Right::TokenRevoked(token) => {
            line.put("token", &token.id.to_string());
            line.put("name", token.name.as_str());
            line.put("scopes", &joined(&token.scopes));
            line.put("expires", &iso(token.expires));
        }
        Right::RoleGiven(role) | Right::RoleTaken(role) => line.put("role", role.code()),
        Right::IdentityBound(identity) | Right::IdentityUnbound(identity) => {
            line.put("issuer", identity.issuer.as_str());
            line.put("subject", identity.subject.as_str());
        }
    }
}

/// What a rule saw that approved by itself.
fn saw(record: &ChangeRecord) -> Option<String> {
    match (record.change, &record.request.as_ref()?.state) {
        (Change::Approved | Change::Extended, RequestState::Approved { by: Decider::Rule { saw }, .. }) => {
            Some(saw.join("; "))
        }
        _ => None,
    }
}

/// Who did it: a person, the rule itself, the policy, or time; nobody where that is a host's word alone.
fn actor(record: &ChangeRecord) -> String {
    if let Some(person) = &record.actor {
        return person.to_string();
    }
    let decider = record.request.as_ref().and_then(|request| match &request.state {
        RequestState::Approved { by, .. } | RequestState::Denied { by, .. } => Some((by, &request.rule)),
        _ => None,
    });
    match (record.change, decider) {
        (Change::Approved | Change::Extended, Some((Decider::Rule { .. }, rule))) => format!("rule:{rule}"),
        (Change::Revoked | Change::Released, _) if record.channel == Some(Channel::Host) => {
            "nobody".to_owned()
        }
        (Change::Approved | Change::Extended | Change::Denied | Change::Revoked, _) => "policy".to_owned(),
        (Change::PolicyApplied, _) => "release".to_owned(),
        _ => "clock".to_owned(),
    }
}

/// An instant as logs have it.
fn iso(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Names with commas between; those that a line has no room for are counted: `a,b,+998`.
fn joined<'a, T: ToString + 'a>(names: impl IntoIterator<Item = &'a T>) -> String {
    let mut text = String::new();
    let mut more = 0u32;
    for name in names {
        let name = name.to_string();
        if more > 0 || !text.is_empty() && text.len() + name.len() > limits::LIST {
            more += 1;
        } else {
            let comma = if text.is_empty() { "" } else { "," };
            let _ = write!(text, "{comma}{name}");
        }
    }
    if more > 0 {
        let _ = write!(text, ",+{more}");
    }
    text
}

#[derive(Default)]
struct Line(String);

impl Line {
    fn put_some<T: ToString>(&mut self, key: &str, value: Option<&T>) {
        if let Some(value) = value {
            self.put(key, &value.to_string());
        }
    }

    /// Who approved a grant: people, or the rule itself.
    fn put_approvers(&mut self, people: &[Person], rule: &str) {
        if people.is_empty() {
            self.put("approved_by", &format!("rule:{rule}"));
        } else {
            self.put("approved_by", &joined(people));
        }
    }

    /// Bare where the value is plain; else quoted, with backslash, quote, controls and everything that
    /// is not printable ASCII escaped as `\u{..}`. So one record is one line, whatever is in it.
    fn put(&mut self, key: &str, value: &str) {
        let space = if self.0.is_empty() { "" } else { " " };
        let _ = write!(self.0, "{space}{key}=");
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.:,@+$/-".contains(c);
        if !value.is_empty() && value.chars().all(plain) {
            self.0.push_str(value);
            return;
        }
        self.0.push('"');
        let room = self.0.len() + limits::VALUE;
        for c in value.chars() {
            // The longest piece is `\u{10ffff}`; a cut value says so and is still whole for a parser.
            if self.0.len() + 10 > room {
                self.0.push_str("...");
                break;
            }
            match c {
                '"' | '\\' => {
                    let _ = write!(self.0, "\\{c}");
                }
                ' '..='~' => self.0.push(c),
                _ => {
                    let _ = write!(self.0, "\\u{{{:x}}}", u32::from(c));
                }
            }
        }
        self.0.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision() -> DecisionRecord {
        DecisionRecord {
            at: "2026-11-24T14:04:00Z".parse().unwrap(),
            reason: Reason::Granted,
            would: None,
            user: Login::parse("alice").unwrap(),
            target: Login::parse("alice").unwrap(),
            service: Service::parse("ssh").unwrap(),
            phase: "account".into(),
            host: "web-1".into(),
            rhost: "203.0.113.5".into(),
            tty: "ssh".into(),
            grant: Some(GrantId::from_random(1)),
            request: Some(RequestId::from_random(2)),
            approved_by: vec![Person::parse("bob").unwrap(), Person::parse("carol").unwrap()],
            rule: Some("ops".into()),
            expires: Some("2026-11-24T15:04:00.123Z".parse().unwrap()),
            session: None,
            source: "local".into(),
            staleness_s: Some(0),
            times: 1,
        }
    }

    #[test]
    fn a_decision_is_one_line_of_pairs() {
        assert_eq!(
            Record::Decision(Box::new(decision())).line(812),
            "decision=allow reason=granted user=alice as=alice service=ssh host=web-1 \
             rhost=203.0.113.5 tty=ssh grant=G-00000-00001 request=R-00000-00002 approved_by=bob,carol \
             expires=2026-11-24T15:04:00Z source=local staleness=0s phase=account seq=812"
        );
    }

    #[test]
    fn a_token_and_a_role_are_lines_that_say_who_can_do_what_from_now_on() {
        let token = crate::Token {
            id: access::TokenId::from_random(3),
            person: Person::parse("bob").unwrap(),
            name: Text::parse("bob's laptop").unwrap(),
            scopes: [crate::Scope::Review, crate::Scope::Read].into(),
            made: "2026-11-24T14:04:00Z".parse().unwrap(),
            made_by: None,
            expires: "2027-02-22T14:04:00Z".parse().unwrap(),
            revoked: None,
        };
        let record = |actor: Option<&str>, right| {
            let actor = actor.map(|name| Person::parse(name).unwrap());
            let person = Person::parse("bob").unwrap();
            Record::Right(Box::new(RightRecord { at: token.made, actor, person, right }))
        };
        assert_eq!(
            record(Some("alice"), Right::TokenMade(token.clone())).line(7),
            "change=token_made actor=alice person=bob token=T-00000-00003 name=\"bob's laptop\" \
             scopes=read,review expires=2027-02-22T14:04:00Z seq=7"
        );
        assert!(
            record(None, Right::TokenRevoked(token.clone())).line(8).starts_with("change=token_revoked ")
        );
        assert_eq!(
            record(None, Right::RoleGiven(crate::Role::Admin)).line(9),
            "change=role_given actor=jit-hub person=bob role=admin seq=9"
        );
        let last = record(None, Right::RoleTaken(crate::Role::Auditor));
        assert_eq!(last.line(10), "change=role_taken actor=jit-hub person=bob role=auditor seq=10");
        let json = serde_json::to_string(&last).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), last);
        let text = |text| Text::parse(text).unwrap();
        let identity = crate::Identity { issuer: text("https://id.example.org"), subject: text("a b=c") };
        assert_eq!(
            record(Some("alice"), Right::IdentityBound(identity.clone())).line(11),
            "change=identity_bound actor=alice person=bob issuer=https://id.example.org subject=\"a b=c\" seq=11"
        );
        assert!(
            record(None, Right::IdentityUnbound(identity)).line(12).starts_with("change=identity_unbound ")
        );
    }

    #[test]
    fn nothing_that_a_client_sends_can_break_the_line() {
        let mut record = decision();
        record.reason = Reason::NoGrant;
        record.rhost = "x\n1 decision=allow \"\\\u{202e}".into();
        record.tty = String::new();
        record.times = 3;
        let line = Record::Decision(Box::new(record)).line(1);
        assert!(line.contains(r#"rhost="x\u{a}1 decision=allow \"\\\u{202e}" tty="""#), "{line}");
        assert!(
            line.is_ascii() && !line.contains('\n') && line.ends_with("phase=account times=3 seq=1"),
            "{line}"
        );
    }

    #[test]
    fn a_long_value_is_cut_whole_and_the_line_keeps_its_end() {
        let mut line = Line::default();
        line.put("comment", &"\u{202e}".repeat(500));
        line.put("seq", "7");
        assert!(line.0.len() < limits::VALUE + 40 && line.0.ends_with("\\u{202e}...\" seq=7"), "{}", line.0);
        let hosts: Vec<String> = (0..256).map(|n| format!("host-{n:03}")).collect();
        let said = joined(&hosts);
        assert!(said.starts_with("host-000,host-001,") && said.ends_with(",+234"), "{said}");
        assert_eq!(joined(&["a".repeat(250)]).len(), 250, "one name is always said");
    }

    #[test]
    fn records_read_back_from_the_journal() {
        let record = Record::Decision(Box::new(decision()));
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record);
    }
}
