//! Accounts in Microsoft Teams that are the reader's: made so here, and taken away.

use super::entering::Visitor;
use super::guard::{self, Answer, Call};
use super::oidc::is_admin;
use super::page::{csrf, time};
use crate::site::Site;
use crate::teams::rows::{self, Account, Claim};
use api::Scope;
use axum::extract::State;
use axum::response::Response;
use desk::DeskError;
use maud::{Markup, html};
use std::sync::Arc;

/// The accounts.
pub async fn show(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::shown(site, call, |site, visitor| {
        let Some(teams) = &site.teams else {
            return Ok(Answer::Page("Teams", html! { p { "This hub has no bot in Microsoft Teams." } }));
        };
        let (admin, person, now) = (visitor.caller.roles.admin, &visitor.caller.person, visitor.now);
        let (accounts, claims, places) = site.ledger.read(|sql| {
            let whose = (!admin).then_some(person);
            let places = if admin { rows::listening(sql, teams.tenant())? } else { Vec::new() };
            Ok((rows::accounts(sql, teams.tenant(), whose)?, rows::claims(sql, person, now)?, places))
        })?;
        let (own, others): (Vec<_>, Vec<_>) = accounts.iter().partition(|account| account.person == *person);
        Ok(Answer::Page(
            "Teams",
            html! {
                @if let Err(why) = &visitor.caller.reviews { p.problem { (why) } }
                @for claim in &claims { (claim_form(visitor, claim)) }
                p { "Whoever has an account below is you in Teams: they can approve what you can, as far as each rule lets a chat." }
                @if own.is_empty() { p { "No account is linked to you." } }
                ul.cards { @for account in &own { (account_card(visitor, account)) } }
                h2 { "Link another" }
                form method="post" action="/web/teams/code" {
                    (csrf(visitor))
                    p.buttons { button { "Make a code" } }
                }
                @if !others.is_empty() {
                    h2 { "Of others" }
                    ul.cards { @for account in &others { (account_card(visitor, account)) } }
                }
                @if admin {
                    h2 { "Where every request is told" }
                    @if places.is_empty() { p { "Nowhere: say " code { "here" } " to the bot in a channel that is to hear of them." } }
                    ul.cards { @for place in &places { (place_card(visitor, place)) } }
                }
            },
        ))
    })
    .await
}

fn claim_form(visitor: &Visitor, claim: &Claim) -> Markup {
    html! {
        form.problem method="post" action="/web/teams/link" {
            (csrf(visitor))
            input type="hidden" name="code" value=(workflow::hex(&claim.hash));
            p { "An account said your code: " strong { (claim.name) } ". Is that you? If not, let the code run out, and make no other." }
            p.small { "Its id in the directory: " code { (claim.account) } }
            p.buttons { button.yes { "Yes, that is mine" } }
        }
    }
}

fn account_card(visitor: &Visitor, account: &Account) -> Markup {
    html! {
        li {
            strong { (account.name) }
            @if account.person != visitor.caller.person { " is " (account.person) }
            p.small {
                code { (account.account) }
                @if let Some(linked) = account.linked { ", linked " (time(linked)) }
            }
            form method="post" action="/web/teams/unlink" {
                (csrf(visitor))
                input type="hidden" name="account" value=(account.account);
                p.buttons { button.no { "Take it away" span.hidden { " " (account.name) } } }
            }
        }
    }
}

fn place_card(visitor: &Visitor, place: &str) -> Markup {
    html! {
        li {
            code { (place) }
            form method="post" action="/web/teams/away" {
                (csrf(visitor))
                input type="hidden" name="place" value=(place);
                p.buttons { button.no { "Tell no more there" span.hidden { " in " (place) } } }
            }
        }
    }
}

/// Has a place hear of every request no more.
pub async fn away(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::done(site, call, "/v1/teams/away".to_owned(), |site, visitor, call| {
        is_admin(visitor)?;
        let Some(teams) = &site.teams else { return Err(none()) };
        let place = call.form.text("place").unwrap_or_default().to_owned();
        let by = visitor.caller.person.clone();
        site.ledger.set_teams_place(teams.tenant().to_owned(), place, false, by, visitor.now)?;
        Ok(Answer::To("/web/teams".to_owned()))
    })
    .await
}

/// Shows a new code, once.
pub async fn code(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::done(site, call, "/v1/teams/code".to_owned(), |site, visitor, _| {
        is_there(site, visitor)?;
        let code = site.ledger.make_teams_code(visitor.caller.person.clone(), visitor.now)?;
        Ok(Answer::Page(
            "Teams",
            html! {
                p { "In a chat with the bot, between the two of you, say within ten minutes:" }
                p.lead { code { "link " (code) } }
                p { "Then " a href="/web/teams" { "come back here" } ", and confirm that the account is yours." }
            },
        ))
    })
    .await
}

/// Confirms that an account is the reader's.
pub async fn link(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::done(site, call, "/v1/teams/link".to_owned(), |site, visitor, call| {
        let tenant = is_there(site, visitor)?;
        let hash = call.form.text("code").unwrap_or_default().to_owned();
        site.ledger.link_teams_account(tenant, visitor.caller.person.clone(), hash, visitor.now)?;
        Ok(Answer::To("/web/teams".to_owned()))
    })
    .await
}

/// Takes an account away.
pub async fn unlink(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::done(site, call, "/v1/teams/unlink".to_owned(), |site, visitor, call| {
        let Some(teams) = &site.teams else { return Err(none()) };
        let account = call.form.text("account").unwrap_or_default().to_owned();
        let (by, is_admin) = (visitor.caller.person.clone(), visitor.caller.roles.admin);
        site.ledger.unlink_teams_account(teams.tenant().to_owned(), account, by, is_admin, visitor.now)?;
        Ok(Answer::To("/web/teams".to_owned()))
    })
    .await
}

/// The tenant of the bot, for a visitor who could do here what an account can, and signed in lately: an account is as much.
fn is_there(site: &Site, visitor: &Visitor) -> Result<String, DeskError> {
    visitor.caller.reviews.clone().map_err(DeskError::NotThem)?;
    if let Some(lacks) = [Scope::Read, Scope::Request, Scope::Review]
        .iter()
        .find(|scope| !visitor.token.scopes.contains(scope))
    {
        return Err(DeskError::Forbidden(format!(
            "an account in Teams reads, asks and reviews, and this sign-in is not for {}: sign in with one that is for all of it",
            lacks.code()
        )));
    }
    site.teams.as_ref().map(|teams| teams.tenant().to_owned()).ok_or_else(none)
}

fn none() -> DeskError {
    DeskError::BadRequest("this hub has no bot in Microsoft Teams".to_owned())
}
