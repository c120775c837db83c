//! The one line that a refused person reads: what was wrong, and what to do next.

use access::{Service, for_people};
use api::Opened;
use workflow::RequestState;

/// What can be done about a refusal.
pub enum Next {
    /// A request was opened, or one waits.
    Request(Box<Opened>),
    /// Ask for it.
    Ask(Service),
    /// A request was tried for them and refused, in these words.
    Refused(String),
    /// Nothing that the line could say.
    Nothing,
}

/// The line: printable ASCII, at most as long as a frame takes.
pub fn refusal(because: &str, next: &Next, now: access::Time) -> String {
    let mut line = format!("jit: {because}.");
    match next {
        Next::Request(opened) => {
            let request = &opened.request;
            let id = request.ask.id;
            let could = workflow::who_can(&request.could_approve);
            let left = match &request.state {
                RequestState::Pending { until } => for_people(*until - now),
                RequestState::Approved { by, .. } => {
                    line.push_str(&format!(" Request {id} was approved just now by {by}. Try again."));
                    return line;
                }
                _ => return line,
            };
            if opened.existed {
                line.push_str(&format!(
                    " Request {id} already waits, for another {left}: {could}. Then try again."
                ));
            } else {
                let length = request.ask.length;
                line.push_str(&format!(
                    " Request {id} for {length} was opened for you: {could}. Then try again."
                ));
            }
        }
        Next::Ask(service) => {
            line.push_str(&format!(" Ask for it: jit request --service {service} --reason TEXT"));
        }
        Next::Refused(why) => line.push_str(&format!(" No request was opened: {why}.")),
        Next::Nothing => {}
    }
    line.retain(|c| matches!(c, ' '..='~'));
    line.truncate(frame::limits::LINE);
    line
}

/// Why a decision could not be recorded, for the person at the door.
pub fn not_recorded() -> String {
    "jit: this host cannot record logins now, so it lets nobody in. Ask its administrator to see: journalctl -u jitd"
        .to_owned()
}
