//! What the same access was used for lately, beside a request for it.

use super::entering::Visitor;
use super::limits;
use super::page::{length, names, time};
use super::timeline::login_of;
use crate::inbox;
use crate::site::Site;
use access::GrantState;
use api::{AskGrants, GrantView, Used};
use chrono::TimeDelta;
use desk::{DeskError, Worlds as _};
use maud::{Markup, html};
use std::time::Duration;
use workflow::Ask;

/// A past grant of the same access, and what it was used for.
pub struct Recent {
    view: GrantView,
    used: Used,
}

/// Past grants of the same person on one of the same hosts, as far as the reader may see them.
pub fn of(site: &Site, visitor: &Visitor, ask: &Ask) -> Result<Vec<Recent>, DeskError> {
    let login = login_of(&site.policies.world(), &ask.person)?;
    let of_them = AskGrants { user: Some(login), host: None, all: true, after: None };
    let mut grants = site.desk.grants(&visitor.caller, &of_them, desk::limits::LIST)?;
    grants.retain(|view| {
        let same_host = view.grant.hosts.iter().any(|host| ask.hosts.contains(host));
        let same_service = view.grant.services.iter().any(|service| ask.services.contains(service));
        // A name of one who left can be another's by now.
        view.grant.person == ask.person && same_host && same_service && view.grant.request != ask.id
    });
    grants.truncate(limits::RECENT);
    site.ledger.read(|sql| {
        let recent = |view: GrantView| Ok(Recent { used: inbox::uses::used(sql, &view.grant)?, view });
        grants.into_iter().map(recent).collect()
    })
}

fn so_long(used: Used) -> TimeDelta {
    TimeDelta::from_std(Duration::from_secs(used.seconds)).unwrap_or(TimeDelta::MAX)
}

/// How long each was used, and of all the least and the most.
pub fn shown(grants: &[Recent]) -> Markup {
    let were_used = grants.iter().map(|recent| recent.used).filter(|used| used.sessions > 0);
    let lengths: Vec<TimeDelta> = were_used.map(so_long).collect();
    html! {
        @if grants.is_empty() { p { "None that you may see." } } @else {
            @if let (Some(least), Some(most)) = (lengths.iter().min(), lengths.iter().max()) {
                p {
                    "Used " (lengths.len()) @if lengths.len() == 1 { " time" } @else { " times" } ": "
                    @if least == most { (length(*least)) } @else { (length(*least)) " to " (length(*most)) }
                }
            }
            ul {
                @for Recent { view, used } in grants {
                    li {
                        (time(view.grant.approved_at)) ": "
                        a href={ "/web/grants/" (view.grant.id) } { (names(&view.grant.services)) " on " (names(&view.grant.hosts)) }
                        ", rule " (view.grant.rule)
                        @match used.sessions {
                            0 => ", no session of it has ended",
                            1 => { ", used for " (length(so_long(*used))) }
                            count => { ", used for " (length(so_long(*used))) " in " (count) " sessions" }
                        }
                        @if view.state == GrantState::Active { " so far" }
                    }
                }
            }
        }
    }
}
