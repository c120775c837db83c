//! Letting a command in (`jit login`): one on the machine of the browser, by a code that goes back to it, and one on a
//! machine without a browser, by a word that it shows.

use super::entering::Visitor;
use super::guard::{self, Answer, Call};
use super::oidc::is_fresh;
use super::page::{self, csrf, names, time};
use crate::signin::logins::{By, is_challenge};
use crate::site::Site;
use access::Text;
use api::Scope;
use axum::extract::State;
use axum::response::Response;
use desk::DeskError;
use maud::{Markup, html};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a command on this machine says that it wants.
struct Wants {
    port: u16,
    state: String,
    challenge: String,
    name: Text,
    scopes: BTreeSet<Scope>,
}

impl Wants {
    fn of(said: &super::form::Form) -> Result<Self, DeskError> {
        let bad =
            |what: &str| DeskError::BadRequest(format!("{what}: open the address as `jit login` printed it"));
        let port = said.read("port", str::parse::<u16>)?.filter(|port| *port >= 1024);
        let state = said.text("state").filter(|state| is_challenge(state));
        let challenge = said.text("challenge").filter(|challenge| is_challenge(challenge));
        Ok(Self {
            port: port.ok_or_else(|| bad("port"))?,
            state: state.ok_or_else(|| bad("state"))?.to_owned(),
            challenge: challenge.ok_or_else(|| bad("challenge"))?.to_owned(),
            name: said.read("name", Text::parse)?.ok_or_else(|| bad("name"))?,
            scopes: Some(said.words("scope", str::parse)?)
                .filter(|scopes: &BTreeSet<Scope>| !scopes.is_empty())
                .ok_or_else(|| bad("scope"))?,
        })
    }

    /// Where the command listens (RFC 8252, section 7.3).
    fn listens(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What goes back to it.
    fn back(&self, name: &str, value: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair(name, value).append_pair("state", &self.state);
        format!("{}/?{}", self.listens(), query.finish())
    }
}

/// What of it the reader's own sign-in is for.
fn given(visitor: &Visitor, asked: &BTreeSet<Scope>) -> BTreeSet<Scope> {
    asked.intersection(&visitor.token.scopes).copied().collect()
}

fn says(visitor: &Visitor, name: &Text, address: &str, scopes: &BTreeSet<Scope>) -> Markup {
    html! {
        p.lead { "A command wants to act as " strong { (visitor.caller.person) } ", for up to 12 hours." }
        dl {
            dt { "It calls itself" } dd { (name) }
            dt { "It asks from" } dd { (address) }
            dt { "It may" } dd { (names(given(visitor, scopes).iter().map(|scope| scope.code()))) }
        }
        p { "Say yes only if you ran " code { "jit login" } " yourself, just now. It is listed under Sign-ins, and ends there." }
    }
}

fn answers() -> Markup {
    html! {
        p.buttons {
            button.yes name="answer" value="yes" { "Let it in" }
            button.no name="answer" value="no" { "Refuse" }
        }
    }
}

/// For who signed in too long ago.
fn anew(site: &Site, visitor: &Visitor, call: &Call) -> Option<Markup> {
    is_fresh(site, visitor).err().map(|why| page::anew(site, &why.to_string(), &call.page))
}

/// A command on the machine of this browser asks.
pub async fn show(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::asked(site, call, |site, visitor, call| {
        let wants = Wants::of(&call.query)?;
        if let Some(anew) = anew(site, visitor, call) {
            return Ok(Answer::Page("Let a command in", anew));
        }
        let body = html! {
            (says(visitor, &wants.name, "the machine of this browser", &wants.scopes))
            form method="post" action="/web/login" {
                (csrf(visitor))
                @for (name, value) in [
                    ("port", wants.port.to_string()),
                    ("state", wants.state.clone()),
                    ("challenge", wants.challenge.clone()),
                    ("name", wants.name.to_string()),
                    ("scope", names(wants.scopes.iter().map(|scope| scope.code()))),
                ] {
                    input type="hidden" name=(name) value=(value);
                }
                (answers())
            }
        };
        Ok(Answer::PageFor("Let a command in", body, wants.listens()))
    })
    .await
}

/// What its person says goes back to the command.
pub async fn answer(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::done(site, call, "/v1/tokens".to_owned(), |site, visitor, call| {
        let wants = Wants::of(&call.form)?;
        if call.form.text("answer") != Some("yes") {
            return Ok(Answer::To(wants.back("error", "access_denied")));
        }
        is_fresh(site, visitor)?;
        let by = by(visitor, &wants.scopes)?;
        let code = site.let_in_beside(wants.name.clone(), wants.challenge.clone(), call.from, by)?;
        Ok(Answer::To(wants.back("code", &code)))
    })
    .await
}

fn by(visitor: &Visitor, asked: &BTreeSet<Scope>) -> Result<By, DeskError> {
    let scopes = given(visitor, asked);
    if scopes.is_empty() {
        return Err(DeskError::Forbidden(
            "your own sign-in is for nothing of what the command asks for".to_owned(),
        ));
    }
    Ok(By { person: visitor.caller.person.clone(), sign_in: visitor.token.id, scopes })
}

/// Where the word is typed that a machine without a browser shows.
pub async fn device(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::asked(site, call, |site, visitor, call| {
        let Some(said) = call.query.text("code") else {
            return Ok(Answer::Page("Let a machine in", asks(None)));
        };
        if let Some(anew) = anew(site, visitor, call) {
            return Ok(Answer::Page("Let a machine in", anew));
        }
        let Some((code, waiting)) = site.waiting_login(said, &visitor.caller.person)? else {
            let why = "no machine is waiting with this code: it expired, was answered, or was mistyped";
            return Ok(Answer::Page("Let a machine in", asks(Some(why))));
        };
        Ok(Answer::Page(
            "Let a machine in",
            html! {
                (says(visitor, &waiting.name, &waiting.address, &waiting.scopes))
                p { "It shows " strong { code { (code) } } ", and waits until " (time(waiting.expires)) "." }
                form method="post" action="/web/device" {
                    (csrf(visitor))
                    input type="hidden" name="code" value=(code);
                    (answers())
                }
            },
        ))
    })
    .await
}

fn asks(why: Option<&str>) -> Markup {
    html! {
        @if let Some(why) = why { p.problem role="alert" { (why) } }
        form method="get" action="/web/device" {
            label { "The word that " code { "jit login --device" } " shows"
                input name="code" required autocomplete="off" autocapitalize="characters" spellcheck="false" placeholder="BCDF-GHJK"; }
            p.buttons { button { "Look at it" } }
        }
    }
}

/// What its person says to a machine without a browser.
pub async fn answer_device(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::done(site, call, "/v1/tokens".to_owned(), |site, visitor, call| {
        let gone = || DeskError::BadRequest("no machine is waiting with this code any more".to_owned());
        let said = call.form.text("code").unwrap_or_default();
        let (code, waiting) = site.waiting_login(said, &visitor.caller.person)?.ok_or_else(gone)?;
        let yes = call.form.text("answer") == Some("yes");
        if yes {
            is_fresh(site, visitor)?;
        }
        if !site.ledger.answer_login(code, by(visitor, &waiting.scopes)?, yes, visitor.now)? {
            return Err(gone());
        }
        Ok(Answer::Page(
            "Let a machine in",
            html! {
                @if yes { p { strong { (waiting.name) } " is let in, and says so within moments." } }
                @else { p { strong { (waiting.name) } " was refused." } }
                p { "What opens the hub in your name is listed under " a href="/web/tokens" { "Sign-ins" } "." }
            },
        ))
    })
    .await
}
