//! Refusals as they are counted: those that are decisions, and questions that cannot be one.

use crate::repeat::Refusal;
use access::{Login, Reason, Service};
use api::DecisionRecord;
use frame::{Mode, Notice, Pairs, Phase, Question};

/// What makes two decisions equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    user: Login,
    target: Login,
    service: Service,
    phase: String,
    reason: Reason,
    rhost: String,
    tty: String,
}

impl Refusal for DecisionRecord {
    type Kind = Kind;

    fn kind(&self) -> Kind {
        Kind {
            user: self.user.clone(),
            target: self.target.clone(),
            service: self.service.clone(),
            phase: self.phase.clone(),
            reason: self.reason,
            rhost: self.rhost.clone(),
            tty: self.tty.clone(),
        }
    }

    fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }
}

/// A question that makes no sense: a name in it is none, so it is told in the log and cannot be a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadQuestion {
    line: Pairs,
    times: u32,
}

impl BadQuestion {
    /// Of this question, and why.
    pub fn of(question: &Question, host: &str, why: &str) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let service = text(&question.service);
        // What the module has let in is let in, whatever can be read of it here.
        let reason = match (question.phase, question.notice, question.mode) {
            (Phase::Notice, Notice::SpareKey, _) => Reason::SpareKey,
            (Phase::Notice, Notice::Exempt | Notice::None, _) => Reason::Exempt,
            (_, _, Mode::Monitor) => Reason::Monitor,
            (_, _, Mode::Enforce) => Reason::BadRequest,
        };
        let verdict = if reason.allows() { "allow" } else { "deny" };
        let line = Pairs::default()
            .with("decision", verdict)
            .with("reason", reason.code())
            .with("user", &text(&question.subject))
            .with("as", &text(&question.target))
            .with("service", Service::of_pam(&service).as_ref().map_or(&service, |service| service.as_str()))
            .with("host", host)
            .with("rhost", &text(&question.rhost))
            .with("tty", &text(&question.tty))
            .with("detail", why);
        Self { line, times: 1 }
    }

    /// For the log.
    pub fn line(self) -> String {
        match self.times {
            1 => self.line.line(),
            times => self.line.with("times", &times.to_string()).line(),
        }
    }
}

impl Refusal for BadQuestion {
    type Kind = String;

    fn kind(&self) -> String {
        self.line.clone().line()
    }

    fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repeat::Repeats;
    use chrono::TimeDelta;

    #[test]
    fn a_question_that_makes_no_sense_is_one_line_that_says_whose_and_then_a_count() {
        let question = Question {
            nonce: [0; 16],
            phase: frame::Phase::Account,
            service: b"sshd".to_vec(),
            subject: b"a b\" decision=allow".to_vec(),
            target: b"alice".to_vec(),
            rhost: b"203.0.113.5".to_vec(),
            address: Vec::new(),
            tty: b"ssh".to_vec(),
            uid: 0,
            pid: 1,
            start_ticks: 0,
            audit_session: u32::MAX,
            mode: Mode::Enforce,
            notice: frame::Notice::None,
            outer_session: u32::MAX,
            can_prompt: false,
            wish: frame::Wish::default(),
        };
        let of = |mode| BadQuestion::of(&Question { mode, ..question.clone() }, "web-1", "it is none");
        let line = "user=\"a b\\\" decision=allow\" as=alice service=ssh host=web-1 rhost=203.0.113.5 tty=ssh detail=\"it is none\"";
        assert_eq!(of(Mode::Enforce).line(), format!("decision=deny reason=bad_request {line}"));
        assert_eq!(of(Mode::Monitor).line(), format!("decision=allow reason=monitor {line}"));
        for (notice, reason) in [(Notice::SpareKey, "spare_key"), (Notice::Exempt, "exempt")] {
            let told = Question { phase: Phase::Notice, notice, ..question.clone() };
            let told = BadQuestion::of(&told, "web-1", "it is none").line();
            assert_eq!(told, format!("decision=allow reason={reason} {line}"), "it was let in");
        }
        let mut repeats = Repeats::default();
        let told: Vec<_> =
            (0..100).flat_map(|_| repeats.take(of(Mode::Enforce), TimeDelta::zero())).collect();
        assert_eq!(told, [of(Mode::Enforce)]);
        let counts: Vec<String> = repeats.drain().into_iter().map(BadQuestion::line).collect();
        assert_eq!(counts, [format!("decision=deny reason=bad_request {line} times=99")]);
    }
}
