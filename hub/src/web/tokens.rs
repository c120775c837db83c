//! Sign-ins, links and tokens: what opens the hub in somebody's name; and accounts elsewhere that sign in.

use super::entering::Visitor;
use super::guard::{self, Answer, Call};
use super::oidc::{is_fresh, unbind_form};
use super::page::{csrf, elsewhere, names, place, time};
use crate::signin::{Bound, identities, made};
use crate::site::Site;
use crate::{routes, rows};
use access::{Person, Span, Text};
use api::{NewToken, Scope, TokenView};
use axum::extract::{Path, State};
use axum::response::Response;
use desk::DeskError;
use maud::{Markup, html};
use std::sync::Arc;

/// Those that are good: the reader's own, and of others for who sees everything.
pub async fn show(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::asked(site, call, page).await
}

fn page(site: &Site, visitor: &Visitor, call: &Call) -> Result<Answer, DeskError> {
    let named = call.query.read("person", Person::parse)?;
    let person = named.as_ref().unwrap_or(&visitor.caller.person);
    let own = *person == visitor.caller.person;
    if !own {
        routes::sees_all(&visitor.caller, "what opens the hub in others' names is")?;
    }
    let (all, made, accounts) = site.ledger.read(|connection| {
        let mut all = rows::tokens(connection, Some(person))?;
        all.retain(|view| view.token.is_good(visitor.now));
        let made = made::counts(connection, all.iter().map(|view| &view.token))?;
        Ok((all, made, identities(connection, Some(person))?))
    })?;
    Ok(Answer::Page(
        "Sign-ins",
        html! {
            @if own { p { "What opens the hub in your name: browsers that are signed in, and tokens." } }
            @else { p { "What opens the hub in the name of " strong { (person) } "." } }
            ul.cards { @for view in &all { (card(visitor, call, view, made.get(&view.token.id).copied())) } }
            @if own || !accounts.is_empty() { (elsewhere_too(site, visitor, &accounts, own)) }
            @if own { (make_form(visitor, call)) }
        },
    ))
}

fn card(visitor: &Visitor, call: &Call, view: &TokenView, made: Option<u32>) -> Markup {
    let token = &view.token;
    let id = token.id.to_string();
    html! {
        li {
            strong { (token.name) }
            @if token.id == visitor.token.id { " " span.state { "this one" } }
            p.small {
                (token.id) ", for " (names(token.scopes.iter().map(|scope| scope.code()))) ", made " (time(token.made))
                ", ends " (time(token.expires))
                @if let Some(used) = view.used { ", used " (time(used)) }
            }
            @if let Some(made) = made {
                p.small { "It created " (made) " other entries here. Revoking it revokes them too; signing out does not." }
            }
            @if routes::may_revoke(&visitor.caller, &visitor.token, token, &id).is_ok() {
                form method="post" action=(call.leads(&format!("/web/tokens/{id}/revoke"))) {
                    (csrf(visitor))
                    p.buttons { button.no { "Revoke" span.hidden { " " (id) } } }
                }
            }
        }
    }
}

/// Accounts at a provider that sign this person in.
fn elsewhere_too(site: &Site, visitor: &Visitor, accounts: &[Bound], own: bool) -> Markup {
    html! {
        h2 { "Accounts elsewhere" }
        @if site.chats.are_there() { p { a href="/web/teams" { "Accounts in chats" } " are a page of their own." } }
        @if accounts.is_empty() { p { "None signs you in." } }
        @else { p { "Unbinding one also ends what it signed in, and all that was made, linked or bound in your own name since it was bound." } }
        ul.cards { @for bound in accounts { (bound_card(visitor, bound)) } }
        @if let Some(provider) = site.provider.as_ref().filter(|_| own) {
            p { "Sign in to an account of yours that is bound to nobody, and you are asked whether it is to sign you in here." }
            p.buttons { (elsewhere(provider, "/web/tokens")) }
        }
    }
}

/// One account and what to do about it.
pub fn bound_card(visitor: &Visitor, bound: &Bound) -> Markup {
    html! {
        li {
            code { (bound.identity.subject) } " of " (bound.identity.issuer)
            p.small {
                (bound.person) ", since " (time(bound.at)) " by " (bound.by)
                @if let Some(used) = bound.used { ", used " (time(used)) }
            }
            @if visitor.caller.roles.admin || bound.person == visitor.caller.person { (unbind_form(visitor, &bound.identity)) }
        }
    }
}

fn make_form(visitor: &Visitor, call: &Call) -> Markup {
    let said = call.said("/web/tokens");
    let ticked = |scope: Scope| {
        if said.is_empty() { scope == Scope::Read } else { said.ticks("scopes", scope.code()) }
    };
    html! {
        h2 { "Make a token" }
        p { "For a program, or a command that is not let in by " code { "jit login" } ". Unless you are an administrator, it cannot have more scopes or last longer than this sign-in." }
        form method="post" action="/web/tokens" {
            (csrf(visitor))
            label { "What it is for" input name="name" required autocomplete="off" placeholder="laptop" value=[said.text("name")]; }
            fieldset {
                legend { "What it may" }
                @for scope in Scope::ALL {
                    @if visitor.token.scopes.contains(&scope) {
                        label.box { input type="checkbox" name="scopes" value=(scope.code()) checked[ticked(scope)]; (scope.code()) }
                    }
                }
            }
            label { "For how long" input name="length" autocomplete="off" placeholder="until this sign-in ends" value=[said.text("length")]; }
            p.buttons { button { "Make it" } }
        }
    }
}

/// Makes one, which is shown this once.
pub async fn make(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::written(site, call, "/v1/tokens".to_owned(), page, |site, visitor, call| {
        is_fresh(site, visitor)?;
        let form = &call.form;
        let left = (visitor.token.expires - visitor.now).num_minutes();
        let length = match form.read("length", Span::parse)? {
            Some(length) => length,
            None => Span::parse(&format!("{left}m")).map_err(|why| DeskError::BadRequest(why.to_string()))?,
        };
        let name = form.read("name", Text::parse)?;
        let name = name.ok_or_else(|| DeskError::BadRequest("name: say what it is for".to_owned()))?;
        let new = NewToken { name, person: None, scopes: form.words("scopes", str::parse)?, length };
        let made = site.make_token(&visitor.caller, &visitor.token, new)?;
        Ok(Answer::Page(
            "A new token",
            html! {
                p { "It is shown this once. Whoever has it acts as " strong { (made.token.person) } "." }
                p.secret { code { (made.secret) } }
                p.small { (made.token.id) ", for " (names(made.token.scopes.iter().map(|scope| scope.code()))) ", ends " (time(made.token.expires)) }
                p { a href="/web/tokens" { "All that opens the hub in your name" } }
            },
        ))
    })
    .await
}

/// Revokes one.
pub async fn revoke(State(site): State<Arc<Site>>, Path(id): Path<String>, call: Call) -> Response {
    guard::written(site, call, format!("/v1/tokens/{id}/revoke"), page, move |site, visitor, _| {
        let gone = site.revoke_token(&visitor.caller, &visitor.token, &id)?;
        let own = gone.person == visitor.caller.person;
        Ok(Answer::To(if own {
            "/web/tokens".to_owned()
        } else {
            place("/web/tokens", "person", gone.person.as_str())
        }))
    })
    .await
}
