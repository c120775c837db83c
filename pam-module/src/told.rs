//! What the module tells: people, in lines that do nothing to a terminal; and syslog, in `key=value` pairs as the
//! daemon's, what the daemon does not hear.

use crate::call;
use frame::{Pairs, Question};
use pam::module::PamHandle;

/// Whom a line is about, as far as the application says.
#[derive(Default)]
pub struct Who {
    /// Whose grant counts.
    pub user: String,
    /// Whom they become.
    pub target: String,
    /// The service of the PAM line.
    pub service: String,
    /// The client.
    pub rhost: String,
    /// The terminal.
    pub tty: String,
}

impl Who {
    /// As the application tells it, whatever it leaves out.
    pub fn of(pamh: &PamHandle) -> Self {
        let [user, invoker, service, rhost, tty] = call::names(pamh);
        let subject = if call::switches(&service) { invoker } else { user.clone() };
        Self { user: subject, target: user, service, rhost, tty }
    }
}

impl From<&Question> for Who {
    fn from(question: &Question) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            user: text(&question.subject),
            target: text(&question.target),
            service: text(&question.service),
            rhost: text(&question.rhost),
            tty: text(&question.tty),
        }
    }
}

/// One decision of the module as one line.
pub fn line(decision: &str, reason: &str, who: &Who, detail: &str) -> String {
    // As in grants: both ways into sudo are one service.
    let service = match who.service.as_str() {
        "sshd" => "ssh",
        "sudo-i" => "sudo",
        "su-l" => "su",
        other => other,
    };
    Pairs::default()
        .with("decision", decision)
        .with("reason", reason)
        .with("user", &who.user)
        .with("as", &who.target)
        .with("service", service)
        .with("rhost", &who.rhost)
        .with("tty", &who.tty)
        .with("detail", detail)
        .line()
}

/// Printable ASCII, at most a line of it.
pub fn plain(text: &str) -> String {
    text.chars().filter(|c| matches!(c, ' '..='~')).take(frame::limits::LINE).collect()
}
