//! A question, and what its words mean.

use super::call::Call;
use crate::process;
use crate::seats::Caller;
use access::{HostName, Login, Phase, Question, Reason, Service, Text};
use api::DecisionRecord;
use desk::Knock;
use std::net::IpAddr;
use std::sync::Arc;

/// A question with everything that came along for the record.
pub struct Asked {
    pub(super) frame: frame::Question,
    pub(super) question: Question,
    pub(super) target: Login,
    pub(super) rhost: String,
    pub(super) tty: String,
    pub(super) call: Arc<Call>,
}

impl Asked {
    /// The caller as it is known over time.
    pub(super) fn process(&self) -> Caller {
        let pid = self.call.pid;
        Caller { pid, start_ticks: process::start_ticks(pid).unwrap_or(0) }
    }

    pub(super) fn parse(
        frame: frame::Question,
        call: Arc<Call>,
    ) -> Result<Self, Box<(frame::Question, String)>> {
        match Self::read(&frame) {
            Ok((question, target, rhost, tty)) => Ok(Self { frame, question, target, rhost, tty, call }),
            Err(why) => Err(Box::new((frame, why))),
        }
    }

    pub(super) fn read(frame: &frame::Question) -> Result<(Question, Login, String, String), String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let login = |bytes: &[u8]| Login::parse(&text(bytes)).map_err(|why| why.to_string());
        let service = Service::of_pam(&text(&frame.service)).map_err(|why| why.to_string())?;
        let target = login(&frame.target)?;
        let phase = match frame.phase {
            // Who waits starts no clock by that.
            frame::Phase::Auth | frame::Phase::Wait => Phase::Auth,
            frame::Phase::Open => Phase::Open,
            _ => Phase::Account,
        };
        // Before its session phase sudo tells PAM only the invoker, not whom they want to become; where that is known
        // from its command line and matters by then, the module names somebody else.
        let known = phase == Phase::Open || service.as_str() != "sudo" || frame.target != frame.subject;
        let address = match frame.phase {
            _ if service.switches() => None,
            // What PAM's environment says by now the person may have written, into ~/.pam_environment.
            frame::Phase::Open | frame::Phase::Close => as_address(&frame.rhost),
            _ => as_address(&frame.address),
        };
        let rhost = address.map_or_else(|| text(&frame.rhost), |address| address.to_string());
        let question = Question {
            subject: login(&frame.subject)?,
            service,
            target: known.then(|| target.clone()),
            phase,
            address,
            inside: Vec::new(),
        };
        Ok((question, target, rhost, text(&frame.tty)))
    }

    /// Where the client is, where that is known from elsewhere.
    pub(super) fn comes_from(&mut self, address: Option<IpAddr>) {
        if let Some(address) = address {
            self.question.address = Some(address);
            self.rhost = address.to_string();
        }
    }

    /// The login as the desk takes it.
    pub(super) fn knock(&self) -> Knock<'_> {
        let Question { subject, service, target, address, .. } = &self.question;
        // Before its session sudo may not say whom it would become.
        let run_as = target.as_ref().filter(|target| service.switches() && target.as_str() != "root");
        Knock { login: subject, service, run_as, source: *address, host: None }
    }

    /// What a refused login gives as its reason by itself.
    pub(super) fn own_words(&self) -> Option<Text> {
        let service = &self.question.service;
        let words = match self.question.address {
            Some(address) => format!("refused {service} login from {address}"),
            None => format!("refused {service} on this host"),
        };
        Text::parse(&words).ok()
    }

    /// The record of this question, before its answer.
    pub(super) fn template(&self, host: &HostName) -> DecisionRecord {
        DecisionRecord {
            at: access::Time::UNIX_EPOCH,
            reason: Reason::NoGrant,
            would: None,
            user: self.question.subject.clone(),
            target: self.target.clone(),
            service: self.question.service.clone(),
            phase: match self.frame.phase {
                frame::Phase::Account => "account",
                frame::Phase::Auth => "auth",
                frame::Phase::Open => "open",
                frame::Phase::Close => "close",
                frame::Phase::Notice => "notice",
                frame::Phase::Ask => "ask",
                frame::Phase::Wait => "wait",
            }
            .to_owned(),
            host: host.to_string(),
            rhost: self.rhost.clone(),
            tty: self.tty.clone(),
            grant: None,
            request: None,
            approved_by: Vec::new(),
            rule: None,
            expires: None,
            session: None,
            source: "local".to_owned(),
            staleness_s: Some(0),
            times: 1,
        }
    }
}

/// An address as text, where it is one.
pub(super) fn as_address(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    #[test]
    fn whom_sudo_becomes_is_known_before_its_session_where_the_module_names_somebody_else() {
        let read = |service: &str, phase, target: &str| {
            let asked = frame::Question::at_sshd(phase, "alice");
            let frame = frame::Question { service: service.into(), target: target.into(), ..asked };
            let (stream, _) = UnixStream::pair().unwrap();
            let asked = Asked::parse(frame, Arc::new(Call::of(1, Instant::now(), stream)))
                .map_err(|wrong| wrong.1)
                .unwrap();
            let run_as = asked.knock().run_as.map(ToString::to_string);
            (asked.question.target.map(|target| target.to_string()), run_as)
        };
        let some = |name: &str| Some(name.to_owned());
        for phase in [frame::Phase::Account, frame::Phase::Auth, frame::Phase::Ask, frame::Phase::Wait] {
            for service in ["sudo", "sudo-i"] {
                assert_eq!(read(service, phase, "alice"), (None, None), "nobody yet");
                assert_eq!(read(service, phase, "bob"), (some("bob"), some("bob")), "sudo -e -u bob");
                assert_eq!(read(service, phase, "root"), (some("root"), None), "sudo -e, or with a group");
            }
        }
        assert_eq!(read("sudo", frame::Phase::Open, "alice"), (some("alice"), some("alice")));
        assert_eq!(read("su", frame::Phase::Account, "root"), (some("root"), None));
    }
}
