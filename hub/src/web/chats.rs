//! Accounts in chats that are the reader's: made so here, and taken away.

use super::entering::Visitor;
use super::guard::{self, Answer, Call};
use super::oidc::is_admin;
use super::page::{csrf, time};
use crate::chats;
use crate::chats::rows::{self, Account, Claim};
use crate::site::Site;
use api::Scope;
use axum::extract::State;
use axum::response::Response;
use desk::DeskError;
use maud::{Markup, html};
use std::sync::Arc;

/// The accounts.
pub async fn show(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::shown(site, call, |site, visitor| {
        let (admin, person, now) = (visitor.caller.roles.admin, &visitor.caller.person, visitor.now);
        let (accounts, claims, places) = site.ledger.read(|sql| {
            let whose = (!admin).then_some(person);
            let places = match &site.chats.teams {
                Some(teams) if admin => crate::teams::rows::listening(sql, teams.tenant())?,
                _ => Vec::new(),
            };
            Ok((rows::all_accounts(sql, whose)?, rows::claims(sql, person, now)?, places))
        })?;
        // What was linked when there was one can be taken away all the same.
        if !site.chats.are_there() && accounts.is_empty() {
            return Ok(Answer::Page("Chats", html! { p { "This hub listens to no chat." } }));
        }
        let (own, others): (Vec<_>, Vec<_>) = accounts.iter().partition(|account| account.person == *person);
        Ok(Answer::Page(
            "Chats",
            html! {
                @if let Err(why) = &visitor.caller.reviews { p.problem { (why) } }
                @for claim in &claims { (claim_form(visitor, claim)) }
                p { "Anyone using an account below acts as you in that chat: they can ask in your name, and approve what you can as far as each rule lets a chat. What comes by a webhook alone approves nothing." }
                @if own.is_empty() { p { "No account is linked to you." } }
                ul.cards { @for account in &own { (account_card(visitor, account)) } }
                @if site.chats.are_there() {
                    h2 { "Link another" }
                    form method="post" action="/web/teams/code" {
                        (csrf(visitor))
                        p.buttons { button { "Make a code" } }
                    }
                } @else { p { "This hub listens to no chat now." } }
                @if !others.is_empty() {
                    h2 { "Of others" }
                    ul.cards { @for account in &others { (account_card(visitor, account)) } }
                }
                @if admin && site.chats.teams.is_some() {
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
            p.small { (chats::named(&claim.tenant)) ", its id there: " code { (claim.account) } }
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
                (chats::named(&account.tenant)) ", " code { (account.account) }
                @if let Some(linked) = account.linked { ", linked " (time(linked)) }
            }
            form method="post" action="/web/teams/unlink" {
                (csrf(visitor))
                input type="hidden" name="tenant" value=(account.tenant);
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
                p.buttons { button.no { "Stop announcing here" span.hidden { " in " (place) } } }
            }
        }
    }
}

/// Has a place hear of every request no more.
pub async fn away(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::done(site, call, "/v1/teams/away".to_owned(), |site, visitor, call| {
        is_admin(visitor)?;
        let Some(teams) = &site.chats.teams else {
            return Err(DeskError::BadRequest("this hub has no bot in Microsoft Teams".to_owned()));
        };
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
        let code = site.ledger.make_chat_code(visitor.caller.person.clone(), visitor.now)?;
        Ok(Answer::Page(
            "Chats",
            html! {
                p { "Say within ten minutes, in a chat between the bot and you, or behind " code { "@jit" } " or " code { "/jit" } ":" }
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
        is_there(site, visitor)?;
        let hash = call.form.text("code").unwrap_or_default().to_owned();
        site.ledger.link_chat_account(visitor.caller.person.clone(), hash, visitor.now)?;
        Ok(Answer::To("/web/teams".to_owned()))
    })
    .await
}

/// Takes an account away.
pub async fn unlink(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::done(site, call, "/v1/teams/unlink".to_owned(), |site, visitor, call| {
        let text = |name| call.form.text(name).unwrap_or_default().to_owned();
        let (tenant, account) = (text("tenant"), text("account"));
        let (by, is_admin) = (visitor.caller.person.clone(), visitor.caller.roles.admin);
        site.ledger.unlink_chat_account(tenant, account, by, is_admin, visitor.now)?;
        Ok(Answer::To("/web/teams".to_owned()))
    })
    .await
}

/// Whether there is a chat, for a visitor who could do here what an account can, and signed in lately: an account is as much.
fn is_there(site: &Site, visitor: &Visitor) -> Result<(), DeskError> {
    visitor.caller.reviews.clone().map_err(|why| DeskError::NotThem("no account can be linked", why))?;
    if let Some(lacks) = visitor.lacks([Scope::Read, Scope::Request, Scope::Review]) {
        return Err(DeskError::Forbidden(format!(
            "an account in a chat reads, asks and reviews, and this sign-in is not for {}: sign in with one that is for all of it",
            lacks.code()
        )));
    }
    if site.chats.are_there() {
        return Ok(());
    }
    Err(DeskError::BadRequest(
        "this hub listens to no chat: an administrator names one in hub.toml first ([teams], [[teams_webhook]], or \
         [slack] with signing_secret)"
            .to_owned(),
    ))
}
