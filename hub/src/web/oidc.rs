//! Signing in at a provider of identities, and whose an account there is.
//!
//! A look at these pages binds nothing: an account is bound by a form, in the sign-in in which it was shown.

use super::entering::{Browser, Visitor, cookie, keep, kept};
use super::guard::{self, Answer, Call};
use super::page::{self, csrf};
use super::people;
use super::sign_in::with;
use crate::address::Address;
use crate::ledger::random;
use crate::rows;
use crate::secret::{self, Kind};
use crate::signin::{ELSEWHERE, Flow, Provider, ProviderError};
use crate::site::Site;
use access::{Person, Text};
use api::{Identity, Problem, ProblemCode, Role, Scope};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use desk::DeskError;
use loglines::Level;
use maud::{Markup, html};
use std::sync::Arc;
use std::time::Instant;

/// What a browser keeps while somebody is away to sign in.
const AWAY: &str = "__Host-jit-away";

fn provider(site: &Site) -> Result<&Provider, DeskError> {
    site.provider.as_ref().ok_or_else(|| {
        DeskError::Forbidden(
            "this hub has no provider to sign in by ([signin] in hub.toml): use a link of `jit web`"
                .to_owned(),
        )
    })
}

/// Sends a browser away to sign in.
pub async fn start(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::blocking(move || {
        let provider = provider(&site)?;
        let flow = Flow::begin(call.query.text("to").unwrap_or_default()).map_err(random)?;
        Ok(match provider.away(&flow) {
            Ok(url) => with(&keep(AWAY, Some(&flow.cookie()), ELSEWHERE), Redirect::to(&url).into_response()),
            Err(why) => failed(&site, &call, &why),
        })
    })
    .await
}

/// Takes a browser in that comes back: signs it in, or asks whose the account is.
pub async fn back(State(site): State<Arc<Site>>, call: Call) -> Response {
    let answered = guard::blocking(move || {
        let provider = provider(&site)?;
        if !site.is_proxy(call.from) && site.elsewhere.is_over(&Address::of(call.from), Instant::now()) {
            let why = "too many sign-ins from where you are failed within a minute: wait a minute";
            return Ok(page::refused(None, None, &ProblemCode::RateLimited.because(why.to_owned())));
        }
        Ok(match of_this_browser(provider, &call).map_err(|why| *why) {
            Err(problem) => page::refused(None, None, &problem),
            Ok((flow, code)) => match provider.back(&flow, code, site.clock.time()) {
                Ok(identity) => entered(&site, &call, &flow, &identity)?,
                Err(why) => failed(&site, &call, &why),
            },
        })
    })
    .await;
    // Whatever came of it, this way is gone once.
    with(&keep(AWAY, None, ELSEWHERE), answered)
}

/// The way that this browser went, and the code that it brings, where both belong together.
fn of_this_browser(provider: &Provider, call: &Call) -> Result<(Flow, String), Box<Problem>> {
    let bad = |why: &str| Box::new(ProblemCode::BadRequest.because(format!("{why}: begin anew at /web")));
    let flow = kept(&call.headers, AWAY).and_then(Flow::of);
    let flow = flow.ok_or_else(|| bad("this browser did not go to sign in within the last minutes"))?;
    if call.query.text("state") != Some(&flow.state()) {
        return Err(bad("what comes back is not what this browser went away with"));
    }
    // Of another provider it must not be taken (RFC 9207).
    if call.query.text("iss").is_some_and(|issuer| issuer != provider.issuer()) {
        return Err(bad("what comes back is not of the provider that this browser went to"));
    }
    if let Some(error) = call.query.text("error") {
        let said = Text::parse(error).map_or_else(|_| "something".to_owned(), |said| said.to_string());
        return Err(bad(&format!("{} signed nobody in ({said})", provider.issuer())));
    }
    let code = call.query.text("code").ok_or_else(|| bad("what comes back has no code"))?;
    Ok((flow, code.to_owned()))
}

fn failed(site: &Site, call: &Call, why: &ProviderError) -> Response {
    let code = match why {
        ProviderError::Away { .. } => ProblemCode::Unavailable,
        ProviderError::Refused { .. } => ProblemCode::Forbidden,
        ProviderError::Busy(_) => ProblemCode::RateLimited,
    };
    let problem = code.because(format!("nobody was signed in: {why}"));
    if matches!(why, ProviderError::Refused { .. }) {
        site.elsewhere.told(Address::of(call.from), Instant::now());
    }
    // Of many the log hears of the first.
    site.refuses(call.from, Some(&problem));
    page::refused(None, None, &problem)
}

/// Signs in whose account it is, or says what to do with one that is nobody's.
fn entered(site: &Site, call: &Call, flow: &Flow, identity: &Identity) -> Result<Response, DeskError> {
    let before = site.visitor(&call.headers, call.from, false)?;
    let (secret, hash) = secret::make(Kind::Browser).map_err(random)?;
    let now = site.clock.time();
    let replaced = before.as_ref().map(|visitor| visitor.token.id);
    let browser = Browser { hash, from: site.place_of(call.from), before: replaced };
    let signed_in = site.ledger.sign_in_by(identity.clone(), browser, now)?;
    if signed_in.is_some() {
        return Ok(with(&cookie(Some(&secret)), Redirect::to(&flow.to).into_response()));
    }
    let Some(visitor) = before else {
        // With a provider that is open to all anybody can be nobody.
        if site.elsewhere.told(Address::of(call.from), Instant::now()) {
            let (subject, issuer) = (identity.subject.as_str(), &identity.issuer);
            site.log.put(Level::Notice, format!("{subject:?} of {issuer} signed in and is bound to nobody"));
        }
        return Ok(page::page(None, StatusCode::FORBIDDEN, "Nobody's account yet", &nobodys(identity)));
    };
    let (secret, hash) = secret::make(Kind::Elsewhere).map_err(random)?;
    site.ledger.show_identity(identity.clone(), hash, visitor.token.id, now)?;
    let body = html! {
        (account(identity))
        p { "It is bound to nobody yet. If you bind it, anyone who signs in with it is signed in here as " strong { (visitor.caller.person) } "." }
        form method="post" action="/web/oidc/bind" {
            (csrf(&visitor))
            input type="hidden" name="shown" value=(secret);
            p.buttons {
                button.yes { "Bind it to " (visitor.caller.person) }
                a.button href="/web/tokens" { "Leave it" }
            }
        }
    };
    Ok(page::page(Some(&visitor), StatusCode::OK, "Is this your account?", &body))
}

fn account(identity: &Identity) -> Markup {
    html! {
        dl {
            dt { "Provider" } dd { code { (identity.issuer) } }
            dt { "Subject" } dd { code { (identity.subject) } }
        }
    }
}

fn nobodys(identity: &Identity) -> Markup {
    html! {
        p { "You signed in to this account, and this hub does not know whose it is:" }
        (account(identity))
        p { "An administrator binds it to you under People, by the words above. Or sign in here by a link of " code { "jit web" }
            ", and bind it yourself under Sign-ins." }
        p { "Accounts are not found by their mail address: an address can be given to somebody else." }
    }
}

/// Binds the account that was shown in this sign-in to its person.
pub async fn bind(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::done(site, call, "/v1/tokens".to_owned(), |site, visitor, call| {
        // It opens the door from then on, as a review would open one.
        is_fresh(site, visitor)?;
        is_for_all(site, visitor)?;
        let shown = call.form.text("shown").and_then(|shown| secret::hash(Kind::Elsewhere, shown));
        let shown = shown
            .ok_or_else(|| DeskError::BadRequest("the form is not whole: sign in there again".to_owned()))?;
        site.ledger.bind_shown(shown, visitor.token.id, visitor.caller.person.clone(), visitor.now)?;
        Ok(Answer::To("/web/tokens".to_owned()))
    })
    .await
}

/// Binds an account to anybody, for an administrator.
pub async fn bind_to(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::written(site, call, "/v1/roles".to_owned(), people::page, |site, visitor, call| {
        is_admin(visitor)?;
        is_fresh(site, visitor)?;
        let form = &call.form;
        let missing = |what: &str| DeskError::BadRequest(format!("{what}: write it"));
        let identity = Identity {
            issuer: form.read("issuer", Text::parse)?.ok_or_else(|| missing("issuer"))?,
            subject: form.read("subject", Text::parse)?.ok_or_else(|| missing("subject"))?,
        };
        let person = form.read("person", Person::parse)?.ok_or_else(|| missing("person"))?;
        site.ledger.bind(identity, person, visitor.caller.person.clone(), visitor.now)?;
        Ok(Answer::To(call.leads("/web/people")))
    })
    .await
}

/// Unbinds one: one's own, an administrator anybody's.
pub async fn unbind(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::done(site, call, "/v1/tokens".to_owned(), |site, visitor, call| {
        let form = &call.form;
        let missing = || DeskError::BadRequest("the form is not whole: load its page anew".to_owned());
        let identity = Identity {
            issuer: form.read("issuer", Text::parse)?.ok_or_else(missing)?,
            subject: form.read("subject", Text::parse)?.ok_or_else(missing)?,
        };
        let own = !visitor.caller.roles.admin;
        if own {
            is_for_all(site, visitor)?;
        }
        let whose = site.ledger.unbind(identity, visitor.caller.person.clone(), own, visitor.now)?;
        let own = whose == visitor.caller.person;
        Ok(Answer::To(if own { "/web/tokens" } else { "/web/people" }.to_owned()))
    })
    .await
}

/// Who makes what opens the door has signed in within the hour, as whoever decides.
pub fn is_fresh(site: &Site, visitor: &Visitor) -> Result<(), DeskError> {
    if visitor.now - visitor.token.made < super::limits::FRESH {
        return Ok(());
    }
    let how = if site.provider.is_some() {
        "sign in once more"
    } else {
        "make a new link with `jit web`, and sign in by it"
    };
    Err(DeskError::Forbidden(format!("this needs a sign-in from the last hour, and yours is older: {how}")))
}

/// Whether this sign-in is for all that its person may do: an account at the provider is, so that a narrow one neither
/// widens itself by binding one, nor shuts its person out by taking one away.
fn is_for_all(site: &Site, visitor: &Visitor) -> Result<(), DeskError> {
    let roles = site.ledger.read(|connection| rows::roles_of(connection, &visitor.caller.person))?;
    let uses = |scope: &Scope| match scope {
        Scope::Read | Scope::Request | Scope::Review => true,
        Scope::Operate => roles.contains(&Role::Operator) || roles.contains(&Role::Admin),
        Scope::Admin => roles.contains(&Role::Admin),
    };
    visitor.lacks(Scope::ALL.into_iter().filter(uses)).map_or(Ok(()), |lacks| {
        Err(DeskError::Forbidden(format!(
            "an account at the provider signs in for all that its person may do, and this sign-in is not for {}: sign in with \
             one that is for all of it, or ask an administrator, who does this under People",
            lacks.code()
        )))
    })
}

/// Whether the reader is an administrator.
pub fn is_admin(visitor: &Visitor) -> Result<(), DeskError> {
    if visitor.caller.roles.admin {
        return Ok(());
    }
    Err(DeskError::Forbidden("this is for administrators".to_owned()))
}

/// What takes an account away from its person.
pub fn unbind_form(visitor: &Visitor, identity: &Identity) -> Markup {
    html! {
        form method="post" action="/web/oidc/unbind" {
            (csrf(visitor))
            input type="hidden" name="issuer" value=(identity.issuer);
            input type="hidden" name="subject" value=(identity.subject);
            p.buttons { button.no { "Unbind" span.hidden { " " (identity.subject) } } }
        }
    }
}
