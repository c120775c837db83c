//! The gate: questions from `pam_jit.so`, each answered by one of a few threads.
//!
//! An allow is decided twice: once to know that it is one, and again where it is written, in order with
//! everything else that is committed, together with its record. So a revocation that comes first in the
//! journal is honoured, and two first uses start one clock.

mod asked;
mod call;
mod callers;
mod fleet;
mod overdue;
mod prompt;

pub use overdue::Overdue;

use crate::clients::Clients;
use crate::ledger::{self, Entry, LedgerError};
use crate::line::{self, Command, Next};
use crate::memory::Changed;
use crate::process::{self, NO_SESSION};
use crate::refusal::BadQuestion;
use crate::repeat::Repeats;
use crate::seats::Seats;
use crate::site::Site;
use crate::throttle::Throttle;
use crate::{limits, peer};
use access::{Decision, HostName, Now, Person, Phase, Reason, SessionId};
use api::{DecisionRecord, Record, Session};
use asked::{Asked, as_address};
use call::Call;
use callers::Callers;
use chrono::TimeDelta;
use desk::{AtTheDoor, Desk, Hint, SqlStore, Worlds as _};
use frame::{Answer, Mode, Notice, Pairs, Verdict};
use loglines::Level;
use std::io::Read as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

/// Everything a question needs.
pub struct Gate {
    /// What it answers for.
    pub site: Arc<Site>,
    /// The same desk with less patience: a refused person waits for the request that it opens.
    pub desk: Arc<Desk<SqlStore<Changed>>>,
    /// Counts equal refusals.
    pub repeats: Mutex<Repeats<DecisionRecord>>,
    /// Counts equal questions that make no sense.
    pub nonsense: Mutex<Repeats<BadQuestion>>,
    /// Counts requests opened by refused logins.
    pub throttle: Mutex<Throttle>,
    /// Who waits at a prompt.
    pub seats: Mutex<Seats>,
    /// Where those come from whose session is still to open.
    pub clients: Mutex<Clients>,
    /// Who waits for a record that is being written.
    pub overdue: Overdue<Unwritten>,
}

/// An allow whose record is being written.
pub struct Unwritten {
    asked: Arc<Asked>,
    decision: Decision,
    now: Now,
}

/// The gate's threads.
pub struct Serving {
    gate: Arc<Gate>,
    callers: Arc<Callers>,
    threads: Vec<JoinHandle<()>>,
    late: JoinHandle<()>,
}

impl Serving {
    /// Takes no further connection, and waits until those that were taken are answered.
    pub fn end(self) {
        self.callers.end();
        let by = Instant::now() + limits::ANSWER_WAIT;
        for thread in self.threads {
            while !thread.is_finished() && Instant::now() < by {
                std::thread::sleep(limits::STOP_LOOK);
            }
            // One that still hangs does so with the disk, and somebody else has answered its call. A panic of theirs has
            // ended the process.
            drop(thread.is_finished().then(|| thread.join()));
        }
        self.gate.overdue.end();
        let _ = self.late.join();
    }
}

impl Gate {
    /// Answers questions on `listener`, on threads of their own, until that is ended.
    pub fn serve(self: &Arc<Self>, listener: UnixListener) -> std::io::Result<Serving> {
        let callers = Arc::new(Callers::at(listener)?);
        let mut threads = Vec::new();
        for n in 0..limits::GATE_THREADS {
            let (gate, watch) = (Arc::clone(self), callers.watch()?);
            let thread = std::thread::Builder::new().name(format!("gate-{n}")).stack_size(limits::GATE_STACK);
            threads.push(thread.spawn(move || {
                while let Some(stream) = watch.next() {
                    gate.connection(stream);
                }
            })?);
        }
        let gate = Arc::clone(self);
        let late = std::thread::Builder::new().name("late".into()).stack_size(limits::GATE_STACK);
        let late = late.spawn(move || {
            while let Some(Unwritten { asked, decision, now }) = gate.overdue.wait() {
                gate.not_recorded(&asked, &decision, now, &store::StoreError::Late.into());
            }
        })?;
        Ok(Serving { gate: Arc::clone(self), callers, threads, late })
    }

    fn connection(&self, mut stream: UnixStream) {
        let by = Instant::now() + limits::ANSWER_WAIT;
        // The socket's mode keeps others out; this holds even where somebody changed it.
        let caller = match peer::credentials(&stream) {
            Ok((0, pid)) => pid,
            Ok((uid, pid)) => {
                return self.site.log.put(
                    Level::Warning,
                    format!("gate: user id {uid} (process {pid}) asked and was not answered: only root may"),
                );
            }
            Err(why) => {
                return self
                    .site
                    .log
                    .put(Level::Warning, format!("gate: a caller cannot be identified: {why}"));
            }
        };
        let question = match read_question(&mut stream) {
            Ok(question) => question,
            Err(why) => {
                return self.site.log.put(Level::Warning, format!("gate: a question cannot be read: {why}"));
            }
        };
        let call = Arc::new(Call::of(caller, by, stream));
        let answer = self.answer(question, Arc::clone(&call));
        call.end(&answer, &self.site.log);
    }

    fn answer(&self, frame: frame::Question, call: Arc<Call>) -> Answer {
        let mut asked = match Asked::parse(frame, call) {
            Ok(asked) => asked,
            Err(wrong) => {
                let (frame, why) = *wrong;
                let bad = BadQuestion::of(&frame, self.site.host.as_str(), &why);
                let mut nonsense = self.nonsense.lock().unwrap_or_else(PoisonError::into_inner);
                let told = nonsense.take(bad, kernel::since_boot());
                drop(nonsense);
                self.tell(told);
                let line = format!("jit: {why}. Ask this host's administrator to see: journalctl -u jitd");
                return reply(&frame, Reason::BadRequest, None, line);
            }
        };
        if asked.question.service.switches() {
            // A pinned grant goes by where the login came from that sudo is run in.
            let around = self.login_around(&asked);
            asked.question.inside = self.site.memory.grants_around(around.as_ref().map(|around| around.id));
            asked.question.address = around.and_then(|session| session.address);
        } else if asked.frame.phase == frame::Phase::Open && asked.question.address.is_none() {
            asked.comes_from(self.clients().of(
                asked.call.pid,
                &asked.question.subject,
                kernel::since_boot(),
            ));
        }
        if asked.frame.phase == frame::Phase::Open && self.is_in_what_ended(&asked) {
            return self.refuse_in_what_ended(&asked);
        }
        match asked.frame.phase {
            frame::Phase::Close => self.close(&asked),
            frame::Phase::Notice => self.notice(&asked),
            frame::Phase::Account | frame::Phase::Auth | frame::Phase::Open => self.decide(&Arc::new(asked)),
            frame::Phase::Ask => self.ask(&asked),
            frame::Phase::Wait => self.wait(&asked),
        }
    }

    /// Whether this is a sudo inside of a login that is being ended or was: it has an audit session of its own by
    /// now, and would outlive that.
    fn is_in_what_ended(&self, asked: &Asked) -> bool {
        let over = self.site.over.lock().unwrap_or_else(PoisonError::into_inner);
        asked.frame.outer_session != NO_SESSION && over.contains(&asked.frame.outer_session)
    }

    fn refuse_in_what_ended(&self, asked: &Asked) -> Answer {
        let decision = Decision { reason: Reason::Unavailable, grant: None, ends: None, claim: None };
        let record = self.record(asked, &decision, self.site.clock.now());
        if asked.frame.mode == Mode::Monitor {
            return self.let_in_all_the_same(asked, record);
        }
        self.count(record);
        let line = "jit: the login that this is run in is over.".to_owned();
        reply(&asked.frame, decision.reason, None, line)
    }

    /// Somebody comes in without a grant where all do: each time is told, not counted.
    fn let_in_all_the_same(&self, asked: &Asked, record: DecisionRecord) -> Answer {
        self.keep_address(asked);
        let would = Some(record.reason);
        let record = DecisionRecord { reason: Reason::Monitor, would, ..record };
        self.site.record_later(Record::Decision(Box::new(record)));
        reply(&asked.frame, Reason::Monitor, None, String::new())
    }

    /// Keeps where this login comes from until its session opens, where sshd will not say it again. Before the answer: the
    /// session may ask as soon as that is out.
    fn keep_address(&self, asked: &Asked) {
        if asked.frame.phase != frame::Phase::Account {
            return;
        }
        if let Some(address) = asked.question.address.filter(|_| as_address(&asked.frame.rhost).is_none()) {
            let subject = asked.question.subject.clone();
            self.clients().came(asked.call.pid, subject, address, kernel::since_boot());
        }
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session that a sudo is run in.
    fn login_around(&self, asked: &Asked) -> Option<Arc<Session>> {
        let outer = match asked.frame.outer_session {
            NO_SESSION => process::audit_session(asked.call.pid),
            outer => Some(outer),
        };
        self.site.memory.session_of_audit(self.site.clock.boot(), outer)
    }

    /// The session that opens where this question is answered with yes. It has an audit session of its own
    /// unless the process shares that with the session around it, or with what started it.
    fn session(&self, asked: &Asked) -> Result<Session, LedgerError> {
        let Asked { frame, question, .. } = asked;
        // Who logs in is inside of nothing, whatever sshd was started from.
        let outer = self.login_around(asked).filter(|_| question.service.switches());
        let of_parent = process::parent(asked.call.pid).and_then(process::audit_session);
        let shared = outer.as_ref().is_some_and(|outer| outer.audit_session == frame.audit_session)
            || of_parent == Some(frame.audit_session);
        Ok(Session {
            id: SessionId::from_random(ledger::random()?),
            grant: None,
            boot: self.site.clock.boot().to_owned(),
            pid: frame.pid,
            start_ticks: frame.start_ticks,
            audit_session: if shared { NO_SESSION } else { frame.audit_session },
            inside: outer.as_ref().map(|outer| outer.id),
            subject: question.subject.clone(),
            target: asked.target.clone(),
            service: question.service.clone(),
            tty: asked.tty.clone(),
            rhost: asked.rhost.clone(),
            address: question.address,
            reason: Reason::Granted,
            monitored: frame.mode == Mode::Monitor,
            opened: access::Time::UNIX_EPOCH,
            closed: None,
            end: None,
        })
    }

    fn decide(&self, asked: &Arc<Asked>) -> Answer {
        self.site.refresh_approvers();
        let now = self.site.clock.now();
        let decision = self.site.memory.decide(&asked.question, now);
        // Whatever the answer is, whoever waited at a prompt for it does no more.
        let waited = self.leave(asked);
        if decision.allows() {
            return self.allow(asked, &decision, now);
        }
        let monitored = asked.frame.mode == Mode::Monitor;
        let next = if monitored { Next::Nothing } else { self.offer_or_next(asked, decision.reason) };
        if let Next::Request(opened) = &next
            && opened.grant.is_some()
        {
            // The rule approved by itself: whom it lets in need not knock twice.
            let now = self.site.clock.now();
            let decision = self.site.memory.decide(&asked.question, now);
            if decision.allows() {
                return self.allow(asked, &decision, now);
            }
        }
        if !asked.frame.can_prompt && waited.is_some_and(|seat| seat.refused == decision.reason) {
            // The same refusal, which was put on record when the prompt was offered.
            return Self::refusal(asked, &decision, &next, &self.site.host, now);
        }
        self.refuse(asked, &decision, &next, now)
    }

    fn allow(&self, asked: &Arc<Asked>, decision: &Decision, now: Now) -> Answer {
        self.keep_address(asked);
        match self.record_allow(asked, decision, now) {
            Ok(Allowed::Still(decision)) => allowed(&asked.frame, &decision),
            Ok(Allowed::NoLonger(decision, now)) => self.refuse(asked, &decision, &self.next(asked), now),
            Err(why) => self.not_recorded(asked, decision, now, &why),
        }
    }

    /// Answers somebody with a grant whom the journal does not let in.
    fn not_recorded(&self, asked: &Asked, decision: &Decision, now: Now, why: &LedgerError) -> Answer {
        let record = self.record(asked, decision, now);
        let record = if asked.frame.mode == Mode::Monitor {
            // The module lets in all the same.
            DecisionRecord { reason: Reason::Monitor, would: Some(Reason::JournalFailed), ..record }
        } else {
            DecisionRecord { reason: Reason::JournalFailed, ..record }
        };
        let answer = reply(&asked.frame, Reason::JournalFailed, None, line::not_recorded());
        // Told by whoever answers: it may have been written in the last moment.
        if asked.call.end(&answer, &self.site.log) {
            let line = Record::Decision(Box::new(record)).line(0);
            self.site.log.put(Level::Err, format!("{line} {}", detail(&why.to_string())));
        }
        answer
    }

    /// Decides again in the writer's turn and makes the record durable, upon which the answer is given.
    fn record_allow(
        &self,
        asked: &Arc<Asked>,
        decision: &Decision,
        now: Now,
    ) -> Result<Allowed, LedgerError> {
        let session = match asked.question.phase {
            Phase::Open => Some(self.session(asked)?),
            Phase::Account | Phase::Auth => None,
        };
        let (question, clock) = (asked.question.clone(), Arc::clone(&self.site.clock));
        let template = self.template(asked);
        let watched = || {
            self.overdue
                .watch(asked.call.by, Unwritten { asked: Arc::clone(asked), decision: decision.clone(), now })
        };
        let (told, log) = (Arc::clone(asked), self.site.log.clone());
        let tell = move |done: &Result<Allowed, LedgerError>| {
            if let Ok(Allowed::Still(decision)) = done {
                told.call.end(&allowed(&told.frame, decision), &log);
            }
        };
        let work = move |entry: &mut Entry<'_, '_>| {
            let now = clock.now();
            let decision = entry.memory().decide(&question, now);
            if !decision.allows() {
                return Ok(Allowed::NoLonger(decision, now));
            }
            let mut record = filled(template, &decision, now);
            let session = session.map(|session| Session {
                grant: decision.grant.as_ref().map(|grant| grant.id),
                reason: decision.reason,
                opened: now.trusted,
                ..session
            });
            record.session.clone_from(&session);
            entry.record(Record::Decision(Box::new(record)))?;
            if let (Some(grant), Some(claim)) = (&decision.grant, decision.claim) {
                entry.claim(grant.id, claim)?;
            }
            if let Some(session) = session {
                entry.open(session)?;
            }
            Ok(Allowed::Still(decision))
        };
        self.site.ledger.append_at_once(asked.call.left(), watched, work, tell)
    }

    fn refuse(&self, asked: &Asked, decision: &Decision, next: &Next, now: Now) -> Answer {
        let mut record = self.record(asked, decision, now);
        if asked.frame.mode == Mode::Monitor {
            return self.let_in_all_the_same(asked, record);
        }
        if let Next::Request(opened) = next {
            record.request = Some(opened.request.ask.id);
        }
        self.count(record);
        Self::refusal(asked, decision, next, &self.site.host, now)
    }

    /// A refusal as it is answered.
    fn refusal(asked: &Asked, decision: &Decision, next: &Next, host: &HostName, now: Now) -> Answer {
        let because = access::explain(decision, &asked.question, host.as_str(), now.trusted);
        let line = line::refusal(&because, next, now.trusted);
        Answer { offer: next.offer(), ..reply(&asked.frame, decision.reason, Some(decision), line) }
    }

    /// What a refused person can do, having done it for them where the policy says so.
    fn next(&self, asked: &Asked) -> Next {
        let knock = asked.knock();
        let hint = |hint: Hint| {
            let (user, service) = (knock.login.clone(), knock.service.clone());
            let host = self.site.source.has_hub().then(|| self.site.host.clone());
            Next::Ask(Command { user, service, host, run_as: knock.run_as.cloned(), ticket: hint.ticket })
        };
        // By then account has let in, so what is missing is whom to become, and that is asked for by name.
        if asked.question.phase == Phase::Open {
            return hint(Hint::default());
        }
        let Some(reason) = asked.own_words().filter(|_| self.site.source.files().is_none()) else {
            return hint(Hint::default());
        };
        let next = if self.site.source.has_hub() {
            self.asked_of_the_hub(asked, reason)
        } else {
            let place = self.reserve(asked);
            let next = self.desk.request_of_login(knock, reason, place.is_some(), None);
            let opened = matches!(&next, Ok(AtTheDoor::Opened(opened)) if !opened.existed);
            self.settle(place, opened);
            next
        };
        match next {
            Ok(AtTheDoor::Opened(opened)) => Next::Request(opened),
            Ok(AtTheDoor::Silent) => Next::Nothing,
            Ok(AtTheDoor::Hint(wants)) => hint(wants),
            // What may yet come of it is found by whoever asks again.
            Err(desk::DeskError::Store(_) | desk::DeskError::Unsure(_)) => hint(Hint::default()),
            Err(desk::DeskError::NoRule(why)) => Next::Refused(why),
            Err(why) => Next::Refused(why.to_string()),
        }
    }

    /// A place among the requests that the refused logins of one person may open, by whichever name they
    /// knock, where there is one and time enough to use it.
    fn reserve(&self, asked: &Asked) -> Option<(Person, TimeDelta)> {
        let world = self.site.policies.world();
        let person = world.people.of_login(&asked.question.subject).map(|human| human.person.clone())?;
        let now = kernel::since_boot();
        let free = asked.call.left() >= limits::LOGIN_REQUEST_WAIT && self.throttle().reserve(&person, now);
        free.then_some((person, now))
    }

    /// Gives a reserved place back unless it `opened` a request.
    fn settle(&self, place: Option<(Person, TimeDelta)>, opened: bool) {
        if let Some((person, now)) = place.filter(|_| !opened) {
            self.throttle().give_back(&person, now);
        }
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The module decided alone and tells it.
    fn notice(&self, asked: &Asked) -> Answer {
        let reason = match asked.frame.notice {
            Notice::SpareKey => Reason::SpareKey,
            Notice::Exempt | Notice::None => Reason::Exempt,
        };
        let decision = Decision { reason, grant: None, ends: None, claim: None };
        let record = self.record(asked, &decision, self.site.clock.now());
        self.site.record_later(Record::Decision(Box::new(record)));
        reply(&asked.frame, reason, None, String::new())
    }

    fn close(&self, asked: &Asked) -> Answer {
        let Asked { frame, .. } = asked;
        let session = self.site.memory.session_of(self.site.clock.boot(), frame.pid, frame.start_ticks);
        // One that is being ended is written down once nothing of it is left.
        if let Some(session) = session.filter(|session| !self.site.is_ending(session.id)) {
            self.site.ledger.close(&session, self.site.clock.now().trusted, "closed");
        }
        reply(&asked.frame, Reason::Exempt, None, String::new())
    }

    fn count(&self, record: DecisionRecord) {
        let due =
            self.repeats.lock().unwrap_or_else(PoisonError::into_inner).take(record, kernel::since_boot());
        due.into_iter().for_each(|record| self.site.record_later(Record::Decision(Box::new(record))));
    }

    /// Writes out counts whose window is over; all of them when the daemon stops.
    pub fn write_counts(&self, all: bool) {
        let mut repeats = self.repeats.lock().unwrap_or_else(PoisonError::into_inner);
        let due = if all { repeats.drain() } else { repeats.due(kernel::since_boot()) };
        drop(repeats);
        due.into_iter().for_each(|record| self.site.record_later(Record::Decision(Box::new(record))));
        let mut nonsense = self.nonsense.lock().unwrap_or_else(PoisonError::into_inner);
        let due = if all { nonsense.drain() } else { nonsense.due(kernel::since_boot()) };
        drop(nonsense);
        self.tell(due);
    }

    fn tell(&self, bad: Vec<BadQuestion>) {
        bad.into_iter().for_each(|bad| self.site.log.put(Level::Err, bad.line()));
    }

    fn record(&self, asked: &Asked, decision: &Decision, now: Now) -> DecisionRecord {
        filled(self.template(asked), decision, now)
    }

    /// The record of a question before its answer.
    fn template(&self, asked: &Asked) -> DecisionRecord {
        let source = self.site.source.name().to_owned();
        let staleness_s = self.site.source.staleness_s(self.site.clock.now().trusted);
        DecisionRecord { source, staleness_s, ..asked.template(&self.site.host) }
    }
}

/// What became of an allow where it was written.
enum Allowed {
    /// It is recorded.
    Still(Decision),
    /// Something that was committed first changed the answer.
    NoLonger(Decision, Now),
}

/// What a line says besides.
fn detail(what: &str) -> String {
    Pairs::default().with("detail", what).line()
}

/// A record with its answer. A grant that did not carry it is named by the line, not by the record.
fn filled(template: DecisionRecord, decision: &Decision, now: Now) -> DecisionRecord {
    let carries = decision.grant.as_ref().filter(|_| decision.allows());
    DecisionRecord {
        at: now.trusted,
        reason: decision.reason,
        grant: carries.map(|grant| grant.id),
        request: carries.map(|grant| grant.request),
        approved_by: carries.map(|grant| grant.approved_by.clone()).unwrap_or_default(),
        rule: carries.map(|grant| grant.rule.to_string()),
        expires: carries.and(decision.ends),
        ..template
    }
}

/// The answer to who is let in.
fn allowed(question: &frame::Question, decision: &Decision) -> Answer {
    reply(question, decision.reason, Some(decision), String::new())
}

/// An answer, its line cut to what a frame takes: whatever is in it, it is no reason to answer nothing.
fn reply(question: &frame::Question, reason: Reason, decision: Option<&Decision>, line: String) -> Answer {
    let carries = decision.filter(|decision| decision.allows());
    Answer {
        nonce: question.nonce,
        subject: question.subject.clone(),
        service: question.service.clone(),
        verdict: if reason.allows() { Verdict::Allow } else { Verdict::Deny },
        reason: reason.code().into(),
        grant: carries
            .and_then(|d| d.grant.as_ref())
            .map(|grant| grant.id.to_string().into_bytes())
            .unwrap_or_default(),
        expires: carries.and_then(|d| d.ends).map_or(0, |ends| ends.timestamp()),
        line: line::shown(line, frame::limits::LINE).into_bytes(),
        offer: frame::Offer::Nothing,
    }
}

/// One whole frame, within one deadline however slowly it comes.
fn read_question(stream: &mut UnixStream) -> Result<frame::Question, String> {
    let deadline = Instant::now() + limits::QUESTION_WAIT;
    let mut header = [0; frame::limits::HEADER];
    read_by(stream, &mut header, deadline)?;
    let length = frame::frame_length(header).map_err(|why| why.to_string())?;
    let mut bytes = vec![0; length];
    let (head, body) = bytes.split_at_mut(frame::limits::HEADER);
    head.copy_from_slice(&header);
    read_by(stream, body, deadline)?;
    frame::Question::decode(&bytes).map_err(|why| why.to_string())
}

fn read_by(stream: &mut UnixStream, mut into: &mut [u8], deadline: Instant) -> Result<(), String> {
    while !into.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err("it did not come in time".to_owned());
        }
        stream.set_read_timeout(Some(left)).map_err(|why| why.to_string())?;
        match stream.read(into) {
            Ok(0) => return Err("the caller hung up".to_owned()),
            Ok(read) => into = into.get_mut(read..).unwrap_or_default(),
            Err(why) if why.kind() == std::io::ErrorKind::Interrupted => {}
            Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(why) => return Err(why.to_string()),
        }
    }
    Ok(())
}
