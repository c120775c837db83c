//! The one line that a refused person reads: what was wrong, and what to do next.

use crate::limits;
use access::{HostName, Login, Service, Span, Time, for_people};
use api::{Opened, RequestView};
use frame::Offer;
use workflow::{Refusal, RequestState};

/// What can be done about a refusal.
pub enum Next {
    /// A request was opened, or one waits.
    Request(Box<Opened>),
    /// Ask for it, by a command.
    Ask(Command),
    /// Say why they want it, where they were refused.
    Prompt(Form),
    /// Wait where they were refused for what was asked already.
    Wait(Box<RequestView>),
    /// A request was tried for them and refused, in these words.
    Refused(String),
    /// Nothing that the line could say.
    Nothing,
}

/// What is asked of a person at a prompt.
pub struct Form {
    /// For how long it will be, unless they say otherwise.
    pub length: Span,
    /// What the ticket looks like, where one is wanted.
    pub ticket: Option<String>,
}

impl Form {
    /// As the module is told.
    pub fn offer(&self) -> Offer {
        let ticket = shown(self.ticket.clone().unwrap_or_default(), frame::limits::TICKET);
        Offer::Ask { length: self.length.to_string().into_bytes(), ticket: ticket.into_bytes() }
    }
}

impl Next {
    /// As the module is told.
    pub fn offer(&self) -> Offer {
        match self {
            Self::Prompt(form) => form.offer(),
            Self::Wait(request) => wait_for(request),
            Self::Request(_) | Self::Ask(_) | Self::Refused(_) | Self::Nothing => Offer::Nothing,
        }
    }
}

/// The command that asks for what was refused.
pub struct Command {
    /// Who was refused.
    pub user: Login,
    /// At which door.
    pub service: Service,
    /// At which host, where it is asked for elsewhere.
    pub host: Option<HostName>,
    /// Whom they would become, where that is known and not root.
    pub run_as: Option<Login>,
    /// What the ticket looks like, where one is wanted.
    pub ticket: Option<String>,
}

impl Command {
    /// In a sentence. Whoever was refused at the front door has nowhere to type it, so it is for those who are
    /// in too.
    fn sentence(&self) -> String {
        let Self { user, service, host, run_as, ticket } = self;
        let host = host.as_ref().map(|host| format!(" --host {host}")).unwrap_or_default();
        let (lead, whose) = match (service.switches(), user.as_str()) {
            (true, _) => ("Ask for it", String::new()),
            // A shared name is asked for by a person.
            (false, "root") => ("Ask for it, or let somebody who is in ask for you", " --as root".to_owned()),
            (false, user) => ("Ask for it, or let somebody who is in ask for you", format!(" --user {user}")),
        };
        let run_as = run_as.as_ref().map(|login| format!(" --as {login}")).unwrap_or_default();
        let (ticket, like) = match ticket {
            Some(like) => (" --ticket ID", format!(", with a ticket like {like}")),
            None => ("", String::new()),
        };
        format!("{lead}{like}: jit request{host}{whose} --service {service}{run_as}{ticket} --reason TEXT")
    }
}

/// The line, which is cut to what a frame takes where it is answered.
pub fn refusal(because: &str, next: &Next, now: Time) -> String {
    let mut line = format!("jit: {because}.");
    match next {
        Next::Request(opened) => {
            let request = &opened.request;
            let id = request.ask.id;
            if opened.unsent.is_some() {
                line.push_str(&format!(" {}", unsent(request)));
                return line;
            }
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
        Next::Prompt(_) => line.push_str(" Ask for it here: say why, or press Enter to leave."),
        Next::Wait(request) => match waiting(request, now) {
            Some(waiting) => line.push_str(&format!(" {waiting}.")),
            None => return line,
        },
        Next::Ask(command) => line.push_str(&format!(" {}", command.sentence())),
        Next::Refused(why) => line.push_str(&format!(" No request was opened: {why}.")),
        Next::Nothing => {}
    }
    line
}

/// How a request stands that somebody waits for at a prompt, and what the module is to do next.
pub fn stands(request: &RequestView, now: Time) -> (String, Offer) {
    let id = request.ask.id;
    if let Some(waiting) = waiting(request, now) {
        return (format!("jit: {waiting}."), wait_for(request));
    }
    let line = match &request.state {
        RequestState::Pending { .. } | RequestState::Expired { .. } => {
            format!("jit: nobody decided request {id} in time. Ask again.")
        }
        RequestState::Denied { by, comment, .. } => {
            let why = comment.as_ref().map(|comment| format!(": {comment}")).unwrap_or_default();
            format!("jit: request {id} was denied by {by}{why}")
        }
        RequestState::Cancelled { by, .. } => format!("jit: request {id} was taken back by {by}."),
        RequestState::Approved { by, .. } => {
            format!("jit: request {id} was approved by {by}, and does not open this door.")
        }
    };
    (line, Offer::Nothing)
}

/// What is kept for a hub that is away.
pub fn unsent(request: &RequestView) -> String {
    format!(
        "Request {} is kept on this host and sent when the hub is reachable. Then try again.",
        request.ask.id
    )
}

/// Of a request that was approved at the hub so shortly ago that the grant can be on its way here, what is said
/// meanwhile.
pub fn on_its_way(request: &RequestView, now: Time) -> Option<(String, Offer)> {
    let RequestState::Approved { at, by, .. } = &request.state else { return None };
    let line = format!("jit: {} was approved by {by}, and the grant is on its way.", request.ask.id);
    (now - *at < limits::ON_ITS_WAY).then(|| (line, wait_for(request)))
}

/// Of a request that cannot be looked up just now.
pub fn unknown(id: access::RequestId) -> (String, Offer) {
    let line = format!("jit: {id} waits, and the hub cannot be asked about it just now.");
    (line, Offer::Wait { request: id.to_string().into_bytes() })
}

/// `R-… waits for bob or carol, another 59 minutes`, as long as it does.
fn waiting(request: &RequestView, now: Time) -> Option<String> {
    let RequestState::Pending { until } = request.state else { return None };
    if now >= until {
        return None;
    }
    let (id, left) = (request.ask.id, for_people(until - now));
    Some(match request.could_approve.as_slice() {
        [] => format!("{id} waits, another {left}, and nobody can approve it now"),
        could => format!("{id} waits for {}, another {left}", workflow::some_of(could)),
    })
}

fn wait_for(request: &RequestView) -> Offer {
    Offer::Wait { request: request.ask.id.to_string().into_bytes() }
}

/// What is wrong with what somebody typed at a prompt, where other words would do.
pub fn typed_wrong(why: &Refusal) -> Option<String> {
    Some(match why {
        Refusal::ReasonTooShort { least, rule } => {
            format!("rule \"{rule}\" wants a reason of at least {least} characters")
        }
        Refusal::Ticket { pattern, rule } => {
            format!("rule \"{rule}\" wants a ticket that looks like {pattern}")
        }
        Refusal::TooLong { asked, longest, rule } => {
            format!("{asked} is longer than the {longest} that rule \"{rule}\" gives")
        }
        _ => return None,
    })
}

/// Printable ASCII, at most so much of it.
pub fn shown(mut text: String, most: usize) -> String {
    text.retain(|c| matches!(c, ' '..='~'));
    text.truncate(most);
    text
}

/// Why a decision could not be recorded, for the person at the door.
pub fn not_recorded() -> String {
    "jit: this host cannot record logins now, so it lets nobody in. Ask its administrator to run: journalctl -u jitd"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Read aloud: what was wrong, and what to do next.
    #[test]
    fn what_a_refused_person_can_do_next() {
        let now = access::Time::UNIX_EPOCH;
        let line = |next: &Next| refusal("alice holds no grant for ssh on db-1", next, now);
        let asks = |user: &str, service: &str, run_as: Option<&str>, ticket: Option<&str>| {
            line(&Next::Ask(Command {
                host: None,
                user: Login::parse(user).unwrap(),
                service: Service::parse(service).unwrap(),
                run_as: run_as.map(|login| Login::parse(login).unwrap()),
                ticket: ticket.map(str::to_owned),
            }))
        };
        let why = "jit: alice holds no grant for ssh on db-1.";
        for (line, next) in [
            (line(&Next::Nothing), ""),
            (
                asks("alice", "ssh", None, None),
                " Ask for it, or let somebody who is in ask for you: jit request --user alice --service ssh --reason TEXT",
            ),
            (
                asks("alice", "ssh", None, Some("OPS-[0-9]+")),
                " Ask for it, or let somebody who is in ask for you, with a ticket like OPS-[0-9]+: \
                 jit request --user alice --service ssh --ticket ID --reason TEXT",
            ),
            (
                asks("root", "ssh", None, None),
                " Ask for it, or let somebody who is in ask for you: jit request --as root --service ssh --reason TEXT",
            ),
            (asks("alice", "sudo", None, None), " Ask for it: jit request --service sudo --reason TEXT"),
            (
                asks("alice", "sudo", Some("postgres"), Some("[A-Z]+-[0-9]+")),
                " Ask for it, with a ticket like [A-Z]+-[0-9]+: \
                 jit request --service sudo --as postgres --ticket ID --reason TEXT",
            ),
            (
                line(&Next::Refused("no rule is for alice".to_owned())),
                " No request was opened: no rule is for alice.",
            ),
        ] {
            assert_eq!(line, format!("{why}{next}"));
            assert!(line.len() <= frame::limits::LINE);
        }
    }
}
