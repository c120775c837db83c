//! People, what they may beside their own affairs, and the accounts elsewhere that sign them in.

use super::entering::{self, Visitor};
use super::guard::{self, Answer, Call};
use super::limits;
use super::oidc::{is_admin, is_fresh};
use super::page::{csrf, names, place, time};
use super::tokens::bound_card;
use crate::signin::{Bound, Provider, identities};
use crate::site::Site;
use crate::{routes, rows};
use access::Person;
use api::{NewLink, Role, Roles};
use axum::extract::State;
use axum::response::Response;
use desk::{DeskError, Worlds as _};
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use workflow::Human;

/// Everybody.
pub async fn show(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::asked(site, call, page).await
}

/// Everybody, or who is looked for, and the forms.
pub fn page(site: &Site, visitor: &Visitor, call: &Call) -> Result<Answer, DeskError> {
    routes::sees_all(&visitor.caller, "who the people are is")?;
    let (roles, accounts) =
        site.ledger.read(|connection| Ok((rows::roles(connection)?, identities(connection, None)?)))?;
    let world = site.policies.world();
    let search = call.query.search("words");
    let line = |human: &Human| format!("{} {} {}", human.person, names(&human.names), names(&human.groups));
    let humans: Vec<&Human> = world.people.all().filter(|human| search.finds(&line(human))).collect();
    let unlisted = |person: &&Person| world.people.get(person).is_none() && search.finds(person.as_str());
    let unlisted: Vec<&Person> = roles.keys().filter(unlisted).collect();
    let all = world.people.all().count();
    Ok(Answer::Page(
        "People",
        html! {
            p {
                (all) @if all == 1 { " person is" } @else { " people are" } " in people.toml, which comes with the policy."
                @if humans.len() > limits::PEOPLE { " There are more than are shown: look for a name or a group." }
            }
            form.across method="get" action="/web/people" role="search" {
                label { "Name or group" input name="words" autocomplete="off" placeholder="alice" value=[call.query.text("words")]; }
                p.buttons { button { "Show" } }
            }
            @if visitor.caller.roles.admin { (forms(site, visitor, call)) }
            @if humans.is_empty() && unlisted.is_empty() { p { "Nobody is called so." } }
            ul.cards {
                @for human in humans.iter().take(limits::PEOPLE) { (card(visitor, call, &human.person, Some(human), &roles)) }
                @for person in unlisted { (card(visitor, call, person, None, &roles)) }
            }
            (accounts_of(visitor, &accounts))
        },
    ))
}

fn card(
    visitor: &Visitor,
    call: &Call,
    person: &Person,
    human: Option<&Human>,
    roles: &BTreeMap<Person, BTreeSet<Role>>,
) -> Markup {
    let none = BTreeSet::new();
    let roles = roles.get(person).unwrap_or(&none);
    let action = call.leads("/web/people/roles");
    let said = call.said(&action);
    let is_said = said.text("person") == Some(person.as_str());
    let ticked = |role: Role| if is_said { said.ticks("roles", role.code()) } else { roles.contains(&role) };
    html! {
        li {
            strong { (person) }
            @for role in roles { " " span.state { (role) } }
            p.small {
                @match human {
                    None => "not in people.toml",
                    Some(human) => {
                        "logs in as " (names(&human.names))
                        @if !human.groups.is_empty() { ", in " (names(&human.groups)) }
                        @if let Some(mail) = &human.mail { ", " (mail) }
                        @if let Some(manager) = &human.manager { ", reports to " (manager) }
                        @if let Some(away) = human.away.as_ref().filter(|away| away.until > visitor.now) {
                            ", away until " (time(away.until))
                            @if let Some(delegate) = &away.delegate { ", for them " (delegate) }
                        }
                    }
                }
                " · " a href=(place("/web/timeline", "person", person.as_str())) { "timeline" span.hidden { " of " (person) } }
                " · " a href=(place("/web/tokens", "person", person.as_str())) { "sign-ins" span.hidden { " of " (person) } }
            }
            @if visitor.caller.roles.admin {
                details open[is_said] {
                    summary { "Roles" span.hidden { " of " (person) } }
                    form method="post" action=(action) {
                        (csrf(visitor))
                        input type="hidden" name="person" value=(person);
                        fieldset {
                            legend { "Additional roles of " (person) }
                            @for role in Role::ALL {
                                label.box { input type="checkbox" name="roles" value=(role.code()) checked[ticked(role)]; (role) }
                            }
                        }
                        p.buttons { button { "Save roles" } }
                    }
                }
            }
        }
    }
}

fn forms(site: &Site, visitor: &Visitor, call: &Call) -> Markup {
    let (link, bind) = (call.leads("/web/people/link"), call.leads("/web/people/bind"));
    let (linked, bound) = (call.said(&link), call.said(&bind));
    let issuer = bound.text("issuer").or(site.provider.as_ref().map(Provider::issuer));
    html! {
        details open[!linked.is_empty()] {
            summary { "Sign somebody in by a link" }
            form method="post" action=(link) {
                (csrf(visitor))
                label { "Whom" input name="person" required autocomplete="off" value=[linked.text("person")]; }
                p.small { "The link works once, within 15 minutes, and whoever opens it is them." }
                p.buttons { button { "Make a link" } }
            }
        }
        details open[!bound.is_empty()] {
            summary { "Bind an account elsewhere to somebody" }
            form method="post" action=(bind) {
                (csrf(visitor))
                label { "Whom" input name="person" required autocomplete="off" value=[bound.text("person")]; }
                label { "Provider" input name="issuer" required autocomplete="off" value=[issuer]; }
                label { "Subject" input name="subject" required autocomplete="off" aria-describedby="subject" value=[bound.text("subject")]; }
                p.small #subject { "As the page says to whoever signs in with an account that is bound to nobody. Never a mail address." }
                p.buttons { button { "Bind it" } }
            }
        }
    }
}

fn accounts_of(visitor: &Visitor, accounts: &[Bound]) -> Markup {
    html! {
        @if visitor.caller.roles.admin { p { a href="/web/teams" { "Accounts in chats" } " are a page of their own." } }
        h2 { "Accounts elsewhere" }
        @if accounts.is_empty() { p { "None is bound to anybody." } }
        ul.cards { @for bound in accounts { (bound_card(visitor, bound)) } }
    }
}

/// Gives somebody these roles and no others.
pub async fn roles(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::written(site, call, "/v1/roles".to_owned(), page, |site, visitor, call| {
        is_admin(visitor)?;
        is_fresh(site, visitor)?;
        let person = whom(call)?;
        let roles = call.form.words("roles", str::parse)?;
        site.ledger.set_roles(Roles { person, roles }, visitor.caller.person.clone(), visitor.now)?;
        Ok(Answer::To(call.leads("/web/people")))
    })
    .await
}

fn whom(call: &Call) -> Result<Person, DeskError> {
    let person = call.form.read("person", Person::parse)?;
    person.ok_or_else(|| DeskError::BadRequest("person: say whom".to_owned()))
}

/// Makes a link for somebody, which is shown this once.
pub async fn link(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::written(site, call, "/v1/links".to_owned(), page, |site, visitor, call| {
        is_admin(visitor)?;
        is_fresh(site, visitor)?;
        let new = NewLink { person: Some(whom(call)?) };
        let made = entering::link(site, &visitor.caller, &visitor.token, new)?;
        Ok(Answer::Page(
            "A new link",
            html! {
                p { "It is shown this once. Whoever opens it first, until " (time(made.token.expires)) ", is signed in as "
                    strong { (made.token.person) } "." }
                p.secret { code { (made.url) } }
                p { a href="/web/people" { "People" } }
            },
        ))
    })
    .await
}
