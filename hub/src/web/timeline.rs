//! Who held what where, and was in, over some days: a picture, and the same in a table under it.

use super::entering::Visitor;
use super::form::Form;
use super::guard::{self, Answer, Call};
use super::limits;
use super::page::{option, time};
use super::picture::{Bar, Lane, Picture, Shape};
use crate::inbox::{self, Past};
use crate::site::Site;
use access::{GrantId, HostName, Login, Person, SessionId, Time};
use api::{AskGrants, AskSessions, GrantView};
use axum::extract::State;
use axum::response::Response;
use chrono::TimeDelta;
use desk::{DeskError, Worlds as _};
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use workflow::World;

/// How many days there are to choose from.
const DAYS: [i64; 5] = [1, 3, 7, 30, limits::TIMELINE_DAYS];

/// What is looked at.
struct Look {
    host: Option<HostName>,
    person: Option<Person>,
    days: i64,
    since: Time,
    now: Time,
}

/// The picture.
pub async fn show(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::asked(site, call, |site, visitor, call| {
        let found = Look::of(&call.query, visitor.now).and_then(|look| {
            let (lanes, more) = lanes(site, visitor, &look)?;
            Ok(html! {
                (pictured(&look, &lanes))
                @if more { p { "There is more than is shown: name a host or a person, or fewer days." } }
            })
        });
        Ok(Answer::found("Timeline", form(&call.query), found))
    })
    .await
}

impl Look {
    fn of(said: &Form, now: Time) -> Result<Self, DeskError> {
        let days = days(said)?;
        Ok(Self {
            host: said.read("host", HostName::parse)?,
            person: said.read("person", Person::parse)?,
            days,
            since: now - TimeDelta::days(days),
            now,
        })
    }
}

fn days(said: &Form) -> Result<i64, DeskError> {
    Ok(said.read("days", str::parse::<i64>)?.unwrap_or(7).clamp(1, limits::TIMELINE_DAYS))
}

fn form(said: &Form) -> Markup {
    let chosen = days(said).ok();
    html! {
        form.across method="get" action="/web/timeline" {
            label { "Host" input name="host" autocomplete="off" placeholder="any" value=[said.text("host")]; }
            label { "Person" input name="person" autocomplete="off" placeholder="any that you may see" value=[said.text("person")]; }
            label {
                "Days"
                select name="days" {
                    @for days in DAYS { (option(&days.to_string(), &days.to_string(), Some(days) == chosen)) }
                }
            }
            p.buttons { button { "Show" } }
        }
    }
}

fn pictured(look: &Look, lanes: &[Lane]) -> Markup {
    if lanes.is_empty() {
        return html! { p { "Nothing that you may see in these days." } };
    }
    let last = lanes.iter().flat_map(|lane| &lane.bars).map(|bar| bar.to).max().unwrap_or(look.now);
    // What is to come has at most a quarter of the picture.
    let until = last.clamp(look.now, look.now + TimeDelta::days(look.days) / 3);
    let picture = Picture { since: look.since, now: look.now, until, lanes };
    html! {
        // It scrolls on a narrow screen, also by the keyboard.
        div.wide tabindex="0" role="group" aria-label="Timeline, which scrolls sideways" { (picture.drawn()) }
        p.legend.small {
            span.key.held {} " holds a grant  " span.key.over {} " a grant that is over  " span.key.early {} " taken or given back  "
            span.key.inside {} " is in"
        }
        h2 { "The same in words" }
        div.wide tabindex="0" role="group" aria-label="Table, which scrolls sideways" {
            table {
                thead { tr { th scope="col" { "Host" } th scope="col" { "Person" } th scope="col" { "What" } th scope="col" { "From" } th scope="col" { "To" } } }
                tbody {
                    @for lane in lanes {
                        @for bar in &lane.bars {
                            tr {
                                td { (lane.host) }
                                td { (lane.person) }
                                td { @match &bar.grant { Some(grant) => { a href={ "/web/grants/" (grant) } { (bar.what) } } None => (bar.what) } }
                                td { (time(bar.from)) }
                                td { (time(bar.to)) @if bar.goes_on { ", goes on" } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What there is, by host and person, and whether there is more.
fn lanes(site: &Site, visitor: &Visitor, look: &Look) -> Result<(Vec<Lane>, bool), DeskError> {
    let world = site.policies.world();
    let user = look.person.as_ref().map(|person| login_of(&world, person)).transpose()?;
    let of = AskGrants { user, host: look.host.clone(), all: true, after: None };
    let grants = site.desk.grants(&visitor.caller, &of, desk::limits::LIST)?;
    let mut more = grants.len() >= desk::limits::LIST as usize;
    let seen: BTreeSet<GrantId> = grants.iter().map(|view| view.grant.id).collect();
    let mut lanes: BTreeMap<(HostName, Person), Vec<Bar>> = BTreeMap::new();
    for view in grants.iter().filter(|view| view.ends >= look.since) {
        for host in view.grant.hosts.iter().filter(|host| look.host.as_ref().is_none_or(|only| only == *host))
        {
            let key = (host.clone(), view.grant.person.clone());
            lanes.entry(key).or_default().push(granted(view, look));
        }
    }
    // Whoever came in just before is in at its beginning.
    let span = (look.since - TimeDelta::days(1), look.now);
    // Whose: of a person's names each, so that what others did pushes nothing of theirs out.
    let all = visitor.caller.roles.sees_all() && look.person.is_none();
    let person = look.person.as_ref().unwrap_or(&visitor.caller.person);
    let names = world.people.get(person).map(|human| human.names.clone());
    let names = names.map_or_else(|| login_of(&world, person).map(|login| [login].into()), Ok)?;
    let whose: Vec<Option<Login>> = if all { vec![None] } else { names.into_iter().map(Some).collect() };
    let mut past = BTreeMap::new();
    site.ledger.read(|connection| {
        let most = limits::TIMELINE_SESSIONS;
        for name in &whose {
            let found = inbox::past(connection, look.host.as_ref(), name.as_ref(), span, most)?;
            more |= found.len() >= most as usize;
            past.extend(found.into_iter().map(|past| ((past.host.clone(), past.id), past)));
        }
        for grant in seen.iter().filter(|_| !all) {
            let found = inbox::past_of(connection, *grant, limits::USES)?;
            past.extend(found.into_iter().map(|past| ((past.host.clone(), past.id), past)));
        }
        Ok(())
    })?;
    let on_host = AskSessions { user: None, host: look.host.clone() };
    let open: BTreeSet<SessionId> =
        site.sessions(&visitor.caller, &on_host)?.into_iter().map(|view| view.session.id).collect();
    for past in past.into_values() {
        let Some(person) = person_of(&world, &past.subject) else { continue };
        let is_seen = visitor.caller.roles.sees_all()
            || visitor.caller.person == person
            || past.grant.is_some_and(|grant| seen.contains(&grant));
        let to = past.ended.unwrap_or(if open.contains(&past.id) { look.now } else { past.opened });
        let is_elsewhere = look.host.as_ref().is_some_and(|only| *only != past.host);
        if !is_seen
            || is_elsewhere
            || to < look.since
            || look.person.as_ref().is_some_and(|only| *only != person)
        {
            continue;
        }
        let bar = was_in(&past, to, look);
        lanes.entry((past.host, person)).or_default().push(bar);
    }
    more |= lanes.len() > limits::TIMELINE_ROWS;
    let lanes = lanes.into_iter().take(limits::TIMELINE_ROWS).map(|((host, person), mut bars)| {
        bars.sort_by_key(|bar| (bar.from, bar.shape));
        Lane { host, person, bars }
    });
    Ok((lanes.collect(), more))
}

fn granted(view: &GrantView, look: &Look) -> Bar {
    let grant = &view.grant;
    let over = grant.ended.as_ref().map(|ended| ended.at);
    let shape = match over {
        Some(at) if at < view.ends => Shape::Early,
        _ if view.ends <= look.now => Shape::Over,
        _ => Shape::Held,
    };
    let to = over.map_or(view.ends, |at| at.min(view.ends));
    let services: Vec<String> = grant.services.iter().map(ToString::to_string).collect();
    Bar {
        shape,
        from: grant.window.not_before(),
        to,
        what: format!("grant for {}, {}", services.join(", "), view.state.code()),
        grant: Some(grant.id),
        goes_on: false,
    }
}

fn was_in(past: &Past, to: Time, look: &Look) -> Bar {
    let how = past.how.as_deref().map(|how| format!(", ended: {how}")).unwrap_or_default();
    let unknown = if past.ended.is_none() && to < look.now { ", its end is not known" } else { "" };
    Bar {
        shape: Shape::In,
        from: past.opened,
        to,
        what: format!("{} as {}{how}{unknown}", past.service, past.target),
        grant: past.grant,
        goes_on: past.ended.is_none() && to == look.now,
    }
}

/// A login name by which a person's grants are found, also once they left.
pub(super) fn login_of(world: &World, person: &Person) -> Result<Login, DeskError> {
    let human = world.people.get(person).and_then(|human| human.names.first().cloned());
    human.map_or_else(
        || Login::parse(person.as_str()).map_err(|why| DeskError::BadRequest(why.to_string())),
        Ok,
    )
}

/// Who has this login. One of nobody's is somebody of that name.
fn person_of(world: &World, subject: &str) -> Option<Person> {
    let human = Login::parse(subject).ok().and_then(|login| world.people.of_login(&login).cloned());
    human.map(|human| human.person).or_else(|| Person::parse(subject).ok())
}
