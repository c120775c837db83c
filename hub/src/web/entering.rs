//! Who reads a page: links that sign in once, and the sign-ins of browsers.
//!
//! Both are tokens of the hub, each of a kind of its own ([`Kind`]): listed, revoked, recorded and kept by their hash as
//! all are. A link is used up where it makes the sign-in, in one transaction.

use super::limits;
use crate::bearer;
use crate::ledger::{Ledger, new_id, put_token, random, revoked};
use crate::secret::{Hash, Kind};
use crate::signin::made;
use crate::site::Site;
use crate::{rows, secret};
use access::{Person, Text, Time, TokenId};
use api::{MadeLink, NewLink, Problem, ProblemCode, Scope, Token, TokenView};
use axum::http::{HeaderMap, Method, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use desk::{Caller, Committed, DeskError, Refused};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::net::IpAddr;
use store::Tx;
use workflow::Channel;

/// What a browser shows. The prefix has it kept for this host, over TLS and for every path (RFC 6265bis, 4.1.3.2).
const COOKIE: &str = "__Host-jit";

/// Who reads a page.
pub struct Visitor {
    /// The caller, as the desk knows them.
    pub caller: Caller,
    /// Their sign-in.
    pub token: Token,
    /// What their forms carry.
    pub csrf: String,
    /// The hub's time.
    pub now: Time,
}

impl Visitor {
    /// The first of these that their sign-in is not for.
    pub fn lacks(&self, scopes: impl IntoIterator<Item = Scope>) -> Option<Scope> {
        scopes.into_iter().find(|scope| !self.token.scopes.contains(scope))
    }

    /// Whether their sign-in is for what a form does, which is this call of the API.
    pub fn admits(&self, api: &str) -> Result<(), Problem> {
        bearer::admits(&self.token, &Method::POST, api)
    }
}

impl Site {
    /// Whose sign-in a browser shows; nobody's where it shows none that is good. Blocks.
    pub(super) fn visitor(
        &self,
        headers: &HeaderMap,
        from: IpAddr,
        is_use: bool,
    ) -> Result<Option<Visitor>, DeskError> {
        let Some((shown, hash)) = shown(headers) else { return Ok(None) };
        let now = self.clock.time();
        let Some((TokenView { token, used }, roles)) = self.shown(&hash)? else {
            // Tried too often, or nobody's.
            let refused = self.stranger(from, "no sign-in of this hub is like the one that was shown").0;
            let tries = refused.code == ProblemCode::RateLimited;
            return if tries { Err(DeskError::Busy(refused.detail)) } else { Ok(None) };
        };
        self.may_call_again(&token).map_err(|Refused(problem)| DeskError::Busy(problem.detail))?;
        let last = used.unwrap_or(token.made).max(token.made);
        if !token.is_good(now) || now - last >= limits::IDLE {
            return Ok(None);
        }
        if is_use && (now - last).num_milliseconds() >= crate::limits::USED_EVERY_MS {
            self.ledger.used(token.id, now);
        }
        let mut caller = self.behind(&token, &roles, from)?;
        caller.channel = Channel::Web;
        if caller.reviews.is_ok() && now - token.made >= limits::FRESH {
            let how = if self.provider.is_some() { BY_EITHER } else { BY_LINK };
            caller.reviews = Err(format!("{STALE}: {how}, and look at the request again"));
        }
        Ok(Some(Visitor { caller, token, csrf: csrf(&shown), now }))
    }

    /// Signs in by a link, which is used up; in place of the sign-in `before`. What to keep in the cookie.
    pub(super) fn sign_in(
        &self,
        link: &str,
        from: IpAddr,
        before: Option<TokenId>,
    ) -> Result<Option<String>, DeskError> {
        let Some(link) = secret::hash(Kind::Link, link) else { return Ok(None) };
        let (secret, hash) = secret::make(Kind::Browser).map_err(random)?;
        let browser = Browser { hash, from: self.place_of(from), before };
        Ok(self.ledger.sign_in(link, browser, self.clock.time())?.map(|_| secret))
    }

    /// The link that is shown, if it still signs somebody in.
    pub(super) fn link(&self, shown: &str) -> Result<Option<Token>, DeskError> {
        let Some(hash) = secret::hash(Kind::Link, shown) else { return Ok(None) };
        let found = self.ledger.read(|connection| rows::token_of(connection, &hash))?;
        Ok(found.map(|found| found.token).filter(|token| token.is_good(self.clock.time())))
    }
}

/// Why a review does not count, and what to do.
const STALE: &str = "deciding needs a sign-in from the last hour, and yours is older";
/// See [`STALE`].
const BY_LINK: &str = "make a new link with `jit web`, sign in by it";
/// See [`STALE`].
const BY_EITHER: &str = "sign in once more";

/// `POST /v1/links`: a link for oneself, for what the token that was shown is for; an administrator's for anybody.
pub fn link(site: &Site, caller: &Caller, shown: &Token, new: NewLink) -> Result<MadeLink, DeskError> {
    let person = new.person.unwrap_or_else(|| caller.person.clone());
    let made = site.clock.time();
    let scopes = if caller.roles.admin {
        Scope::ALL.into()
    } else if person != caller.person {
        return Err(DeskError::Forbidden(format!(
            "only an administrator makes links for others: leave out {person}"
        )));
    } else {
        shown.scopes.clone()
    };
    let by = (&caller.person, shown.id);
    site.ledger.make_link(&site.url, person, scopes, by, (made, shown.expires.min(made + limits::LINK)))
}

impl Ledger {
    /// A link of the hub at `url` that signs this person in once, for these scopes; by somebody who showed a token.
    pub fn make_link(
        &self,
        url: &str,
        person: Person,
        scopes: BTreeSet<Scope>,
        (by, shown): (&Person, TokenId),
        (made, expires): (Time, Time),
    ) -> Result<MadeLink, DeskError> {
        let name =
            Text::parse("link that signs in once").map_err(|why| DeskError::BadRequest(why.to_string()))?;
        let made_by = Some(by.clone());
        let token = Token { id: new_id()?, person, name, scopes, made, made_by, expires, revoked: None };
        let (secret, hash) = secret::make(Kind::Link).map_err(random)?;
        let token = self.put_made(token, hash, (shown, true))?;
        Ok(MadeLink { url: format!("{url}/web/in/{secret}"), token })
    }

    /// Uses a link up, for a sign-in of this browser, which lasts no longer than what made the link for oneself. None where it
    /// signs nobody in.
    fn sign_in(&self, link: Hash, browser: Browser, now: Time) -> Result<Option<Token>, DeskError> {
        self.write(move |tx| {
            let found = rows::token_of(tx.connection(), &link)?.map(|found| found.token);
            let Some(link) = found.filter(|link| link.is_good(now)) else { return Ok(None) };
            let (person, from) = (link.person.clone(), made::sign_in_of(tx.connection(), link.id)?);
            let Token { person, scopes, .. } = revoked(tx, link, person, now)?;
            let by = from.map(|id| rows::token(tx.connection(), id)).transpose()?.flatten();
            let until = by.map(|by| by.token.expires);
            let token = browser.enters(tx, "browser, signed in from ", person, scopes, (now, until))?;
            if let Some(from) = from {
                made::keep(tx.connection(), &token, from)?;
            }
            Ok(Some(token))
        })
    }
}

/// A browser that somebody signs in with.
pub struct Browser {
    /// Of what it keeps.
    pub hash: Hash,
    /// Where it is, as its person reads it.
    pub from: String,
    /// The sign-in that it has, which is over then.
    pub before: Option<TokenId>,
}

impl Browser {
    /// Is this person's from now on, and no longer than `until`; called so and by where it is.
    pub fn enters(
        self,
        tx: &mut Tx<'_, Committed>,
        name: &str,
        person: Person,
        scopes: BTreeSet<Scope>,
        (now, until): (Time, Option<Time>),
    ) -> Result<Token, DeskError> {
        let name = Text::parse(&format!("{name}{}", self.from))
            .map_err(|why| DeskError::BadRequest(why.to_string()))?;
        let before = self.before.map(|id| rows::token(tx.connection(), id)).transpose()?.flatten();
        if let Some(TokenView { token, .. }) = before.filter(|before| before.token.is_good(now)) {
            revoked(tx, token, person.clone(), now)?;
        }
        let made_by = Some(person.clone());
        let expires = until.into_iter().fold(now + limits::SIGN_IN, Time::min);
        let token = Token { id: new_id()?, person, name, scopes, made: now, made_by, expires, revoked: None };
        put_token(tx, token, &self.hash)
    }
}

/// The cookie of a sign-in, and its hash.
fn shown(headers: &HeaderMap) -> Option<(String, Hash)> {
    let shown = kept(headers, COOKIE)?;
    Some((shown.to_owned(), secret::hash(Kind::Browser, shown)?))
}

/// What a browser keeps under this name.
pub fn kept<'a>(headers: &'a HeaderMap, cookie: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == cookie).map(|(_, shown)| shown)
}

/// What the forms of a sign-in carry: made of the cookie, which another site neither reads nor guesses.
fn csrf(cookie: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!("forms of {cookie}")))
}

/// The head that has a browser keep this, or forget it.
pub fn cookie(secret: Option<&str>) -> String {
    keep(COOKIE, secret, limits::SIGN_IN)
}

/// The head that has a browser keep this under a name for so long, or forget it.
pub fn keep(cookie: &str, value: Option<&str>, length: TimeDelta) -> String {
    let (value, seconds) = value.map_or(("", 0), |value| (value, length.num_seconds()));
    format!("{cookie}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}")
}
