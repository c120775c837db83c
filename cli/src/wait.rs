//! Waiting for a decision.

use crate::news::{news, sentence};
use crate::output::Output;
use crate::patience::{Patience, passes};
use crate::stop::on_stop;
use crate::{CliError, limits, words};
use access::Time;
use api::{Client, ClientError, GrantView, RequestView};
use kernel::wall;
use std::sync::mpsc;
use workflow::{Change, RequestState};

/// Looks again until the request is decided, which is at most until it expires.
pub fn wait(client: &Client, first: &RequestView, out: &mut Output) -> Result<(), CliError> {
    let id = first.ask.id;
    let (stop, stopped) = mpsc::channel();
    on_stop(move || {
        // Where nobody listens any more the wait is over.
        let _ = stop.send(());
    })?;
    let (mut before, mut patience) = (first.clone(), Patience::default());
    loop {
        let rest = match look(client, &before) {
            Ok((request, grant)) => {
                if patience.answered() {
                    out.note(&format!("{} answers again.", client.door().name()))?;
                }
                for change in news(Some(&before), &request) {
                    let words = sentence(change, Some(&before), &request);
                    match change {
                        Change::Approved | Change::Extended => {
                            out.note(&format!("Request {id} was {words}."))?;
                        }
                        // The error says it.
                        Change::Denied | Change::Cancelled | Change::Lapsed => {}
                        _ => out.note(&format!("{id}: {words}."))?,
                    }
                }
                if let Some(grant) = grant {
                    out.progress("");
                    return out.say(&grant, || words::grant(&grant, wall()));
                }
                if let Some(why) = refused(&request) {
                    out.progress("");
                    return Err(CliError::NotApproved(why));
                }
                out.progress(&waiting(&request, wall()));
                before = request;
                limits::LOOK_AGAIN
            }
            Err(why) if passes(&why) => {
                if patience.is_whole() {
                    out.note(&format!("Request {id} stays, but {why}. Trying again."))?;
                }
                let Some(rest) = patience.failed() else {
                    return Err(why.into());
                };
                rest
            }
            Err(why) => {
                out.progress("");
                return Err(why.into());
            }
        };
        if stopped.recv_timeout(rest).is_ok() {
            out.progress("");
            return Err(CliError::Interrupted(format!(
                "No longer waiting. Request {id} stays open: to look at it  jit show {id}  , to take it back  jit cancel {id}"
            )));
        }
    }
}

/// The request as it is now, with the grant if it yielded one.
fn look(client: &Client, request: &RequestView) -> Result<(RequestView, Option<GrantView>), ClientError> {
    let request = client.show_request(&request.ask.id.to_string())?;
    let grant = match &request.state {
        RequestState::Approved { grant, .. } => Some(client.show_grant(&grant.to_string())?),
        _ => None,
    };
    Ok((request, grant))
}

/// Why a request that was decided gives nothing.
fn refused(request: &RequestView) -> Option<String> {
    let id = request.ask.id;
    match &request.state {
        RequestState::Pending { .. } | RequestState::Approved { .. } => None,
        RequestState::Denied { .. } => {
            Some(format!("request {id} was {}", sentence(Change::Denied, None, request)))
        }
        RequestState::Cancelled { .. } => {
            Some(format!("request {id} was {}", sentence(Change::Cancelled, None, request)))
        }
        RequestState::Expired { .. } => Some(format!("nobody decided request {id} in time: ask again")),
    }
}

/// `waiting for bob or carol, 1 of 2, another 23m07s`
fn waiting(request: &RequestView, now: Time) -> String {
    let mut words = match words::awaited(request).as_slice() {
        [] => "waiting, but nobody can approve it now".to_owned(),
        some => format!("waiting for {}", workflow::some_of(some)),
    };
    if let Some(counted) = words::counted(request) {
        words.push_str(&format!(", {counted} agreed"));
    }
    if let RequestState::Pending { until } = &request.state {
        words.push_str(&format!(", another {}", words::countdown(*until - now)));
    }
    if let Some(at) = request.escalates {
        words.push_str(&format!("; others too in {}", words::countdown(at - now)));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{access, agrees, at, person};
    use workflow::Decider;

    #[test]
    fn the_line_says_for_whom_and_how_long() {
        let mut request = access();
        assert_eq!(
            waiting(&request, at(53)),
            "waiting for bob or carol, another 59m07s; others too in 29m07s"
        );
        request.needs = 2;
        request.escalates = None;
        agrees(&mut request, "bob", None);
        assert_eq!(waiting(&request, at(3_595)), "waiting for carol, 1 of 2 agreed, another 5s");
        request.could_approve.clear();
        request.needs = 0;
        assert_eq!(waiting(&request, at(0)), "waiting, but nobody can approve it now, another 1h00m");
    }

    #[test]
    fn every_end_without_a_grant_says_why() {
        let mut request = access();
        assert_eq!(refused(&request), None);
        let by = Decider::Policy { why: "rule \"team\" is gone".to_owned() };
        request.state = RequestState::Denied { at: at(9), by, comment: None };
        assert_eq!(
            refused(&request).unwrap(),
            "request R-7K2Q9-M4XTB was denied by the policy (rule \"team\" is gone)"
        );
        request.state = RequestState::Cancelled { at: at(9), by: person("alice") };
        assert_eq!(refused(&request).unwrap(), "request R-7K2Q9-M4XTB was taken back by alice");
        request.state = RequestState::Expired { at: at(9) };
        assert_eq!(refused(&request).unwrap(), "nobody decided request R-7K2Q9-M4XTB in time: ask again");
    }
}
