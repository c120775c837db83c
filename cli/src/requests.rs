//! `jit request`, `requests`, `show`, `approve`, `deny`, `cancel`.

use crate::arguments::{Approve, Extend, Request, Requests};
use crate::output::Output;
use crate::wait::wait;
use crate::{CliError, grants, table, words};
use access::{GrantId, Login, RequestId, Text};
use api::{
    AskGrants, AskRequests, Client, NewExtension, NewRequest, NewReview, NewVerdict, Opened, RequestView,
    Which,
};
use kernel::wall;
use workflow::{Narrowing, RequestState};

/// An id of a request, or as much of it as was typed.
fn checked(id: &str) -> Result<&str, CliError> {
    RequestId::range(id).map(|_| id).map_err(|why| CliError::Usage(why.to_string()))
}

pub fn request(client: &Client, request: Request, out: &mut Output) -> Result<(), CliError> {
    let opened = client.request(&NewRequest {
        hosts: request.hosts.into_iter().collect(),
        labels: request.labels.into_iter().collect(),
        services: request.service.into_iter().collect(),
        run_as: request.run_as,
        length: request.length,
        at: request.at,
        reason: request.reason.clone(),
        ticket: request.ticket,
        user: request.user,
        break_glass: request.break_glass,
    })?;
    told(client, &opened, &request.reason, request.wait, out)
}

/// `here` is the daemon of this machine, if it runs one: it knows the session one is in, whichever hub is asked.
pub fn extend(
    client: &Client,
    here: Option<&Client>,
    extend: Extend,
    out: &mut Output,
) -> Result<(), CliError> {
    let id = match extend.grant {
        Some(id) => id,
        None => only_grant(client, here)?,
    };
    let body = NewExtension { length: extend.length, reason: extend.reason.clone(), ticket: extend.ticket };
    told(client, &client.extend(&id, &body)?, &extend.reason, extend.wait, out)
}

/// The grant that carries the session one is in, else the one grant of one's own that can be meant.
fn only_grant(client: &Client, here: Option<&Client>) -> Result<String, CliError> {
    let session = here.and_then(|here| here.status().ok()?.session);
    if let Some(grant) = session.and_then(|here| here.session.grant) {
        return Ok(grant.to_string());
    }
    let you = client.status()?.you;
    // Newer ones of others must not hide one's own.
    let user = Login::parse(you.as_str()).ok();
    let mut grants = client.all_grants(AskGrants { user, ..AskGrants::default() })?;
    grants.retain(|grant| grant.grant.person == you);
    match grants.as_slice() {
        [one] => Ok(one.grant.id.to_string()),
        [] => Err(CliError::Usage(format!(
            "you hold no grant. To ask for one: {}",
            words::how_to_ask(client.door())
        ))),
        some => {
            let ids: Vec<String> = some.iter().map(|grant| grant.grant.id.to_string()).collect();
            Err(CliError::Usage(format!("you hold several grants, so name one of them: {}", ids.join(", "))))
        }
    }
}

/// Says what became of an ask, and waits where that was asked for.
/// `reason` is what was written now.
fn told(
    client: &Client,
    opened: &Opened,
    reason: &Text,
    waits: bool,
    out: &mut Output,
) -> Result<(), CliError> {
    let id = opened.request.ask.id;
    if let Some(grant) = &opened.grant {
        return out.say(opened, || words::at_once(&opened.request, grant, wall()));
    }
    if !waits || !out.is_json() {
        out.say(opened, || {
            if let Some(why) = &opened.unsent {
                return format!(
                    "Request {id} is kept on this host, and will be sent when the hub is reachable: {why}.\nCheck it with  jit show {id}  ; cancel it with  jit cancel {id}"
                );
            }
            let what = words::asks(&opened.request);
            let how = if opened.existed { "already waits" } else { "is open" };
            let until = match &opened.request.state {
                RequestState::Pending { until } => words::when(*until, wall()),
                _ => String::new(),
            };
            let must = match opened.request.needs {
                0 | 1 => String::new(),
                several => format!(", and {several} must"),
            };
            let asked = &opened.request.ask.reason;
            let anew = if opened.existed && asked != reason {
                format!(
                    "\nIt says {:?}, not what you wrote now. To ask in your words, first take it back  jit cancel {id}",
                    asked.as_str()
                )
            } else {
                String::new()
            };
            format!(
                "Request {id} {how}: {what}.\nIt waits until {until}; {}{must}.{anew}\nNext: they run  jit approve {id}",
                workflow::who_can(&words::awaited(&opened.request))
            )
        })?;
    }
    if waits { wait(client, &opened.request, out) } else { Ok(()) }
}

pub fn list(client: &Client, which: &Requests, out: &mut Output) -> Result<(), CliError> {
    let which = match (which.mine, which.all) {
        (true, _) => Which::Mine,
        (_, true) => Which::All,
        _ => Which::Pending,
    };
    let requests = client.all_requests(AskRequests { which, limit: None, after: None })?;
    let colour = out.colour();
    out.say(&requests, || {
        if requests.is_empty() {
            return match which {
                Which::Pending => "No request waits.".to_owned(),
                Which::Mine => {
                    format!("You have asked for nothing yet: {}", words::how_to_ask(client.door()))
                }
                Which::All => "There are no requests.".to_owned(),
            };
        }
        let mut table = table::table(&["REQUEST", "STATE", "WHO", "WHAT", "ASKED", "WHY"]);
        for request in &requests {
            let ask = &request.ask;
            let ago = format!("{} ago", access::for_people(wall() - ask.asked_at));
            table.add_row(vec![
                comfy_table::Cell::new(ask.id),
                table::state(request.state.code(), &words::standing(request), colour),
                comfy_table::Cell::new(&ask.person),
                comfy_table::Cell::new(words::asks(request)),
                comfy_table::Cell::new(ago),
                comfy_table::Cell::new(&ask.reason),
            ]);
        }
        table.to_string()
    })
}

pub fn show(client: &Client, id: &str, out: &mut Output) -> Result<(), CliError> {
    if GrantId::range(id).is_ok() {
        let grant = client.show_grant(id)?;
        // What came to an end before its time may not have done so everywhere yet.
        let heard = grant.grant.ended.as_ref().and_then(|_| grants::heard_now(client, grant.grant.id));
        return out.say(&grant, || {
            let heard = heard.map(|heard| format!("\n{}", words::heard(&heard, wall())));
            format!("{}{}", words::grant(&grant, wall()), heard.unwrap_or_default())
        });
    }
    let request = client.show_request(checked(id)?)?;
    out.say(&request, || words::request(&request, wall()))
}

pub fn approve(client: &Client, approve: Approve, out: &mut Output) -> Result<(), CliError> {
    let request = client.show_request(checked(&approve.id)?)?;
    let some = |hosts: Vec<_>| if hosts.is_empty() { None } else { Some(hosts.into_iter().collect()) };
    let reviewed = client.review(
        &request.ask.id.to_string(),
        &NewReview {
            verdict: NewVerdict::Approve,
            digest: request.digest,
            narrowing: Narrowing {
                length: approve.length,
                hosts: some(approve.hosts),
                services: if approve.service.is_empty() {
                    None
                } else {
                    Some(approve.service.into_iter().collect())
                },
            },
            comment: approve.comment,
        },
    )?;
    out.say(&reviewed, || words::reviewed(&reviewed, wall()))
}

pub fn deny(client: &Client, id: &str, comment: Text, out: &mut Output) -> Result<(), CliError> {
    let request = client.show_request(checked(id)?)?;
    let review = NewReview {
        verdict: NewVerdict::Deny,
        digest: request.digest,
        narrowing: Narrowing::default(),
        comment: Some(comment),
    };
    let reviewed = client.review(&request.ask.id.to_string(), &review)?;
    out.say(&reviewed, || words::reviewed(&reviewed, wall()))
}

pub fn cancel(client: &Client, id: &str, out: &mut Output) -> Result<(), CliError> {
    let request: RequestView = client.cancel(checked(id)?)?;
    out.say(&request, || format!("Cancelled request {}.", request.ask.id))
}
