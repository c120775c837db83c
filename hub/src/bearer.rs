//! Who calls: whoever a token was made for, with the rights that both have.

use crate::address::Address;
use crate::secret::{Hash, Kind};
use crate::site::Site;
use crate::{limits, rows, secret};
use access::Login;
use api::{Problem, ProblemCode, Role, Scope, Token, TokenView};
use axum::http::{HeaderMap, Method, header};
use desk::{Caller, DeskError, Refused, Roles, Worlds as _};
use loglines::Level;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Instant;
use workflow::Channel;

impl Site {
    /// The caller that the head of a call shows a token of. Blocks.
    pub fn caller(&self, headers: &HeaderMap, from: IpAddr) -> Result<(Caller, Token), Refused> {
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(shown) = shown else {
            return Err(self.stranger(from, "no token was shown"));
        };
        let hash = shown.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some(hash) = hash.and_then(|(_, token)| secret::hash(Kind::Token, token.trim())) else {
            return Err(self.stranger(from, "what was shown is no token of a hub"));
        };
        let now = self.clock.time();
        let Some((found, roles)) = self.shown(&hash)? else {
            return Err(self.stranger(from, "the token that was shown is unknown here"));
        };
        let token = found.token;
        if !token.is_good(now) {
            let how = if token.revoked.is_some() { "was revoked" } else { "is over" };
            return Err(self.stranger(from, &format!("token {} of {} {how}", token.id, token.person)));
        }
        self.may_call_again(&token)?;
        if found.used.is_none_or(|used| (now - used).num_milliseconds() >= limits::USED_EVERY_MS) {
            self.ledger.used(token.id, now);
        }
        Ok((self.behind(&token, &roles, from)?, token))
    }

    /// Whether a token calls no more often than one may, so that no program keeps the hub from others.
    pub(crate) fn may_call_again(&self, token: &Token) -> Result<(), Refused> {
        let now = Instant::now();
        if self.calling.told(token.id, now) {
            return Ok(());
        }
        let why = format!(
            "token {} of {} made more than {} calls within a minute",
            token.id,
            token.person,
            limits::TOKEN_CALLS
        );
        if self.too_often.told(token.id, now) {
            self.log.put(Level::Warning, format!("refused: {why}"));
        }
        let fix = "wait a minute, and ask less often (`jit watch` shows what changes)";
        Err(Refused(ProblemCode::RateLimited.because(format!("{why}: {fix}"))))
    }

    /// The token of this hash, with the roles of its person.
    pub(crate) fn shown(&self, hash: &Hash) -> Result<Option<(TokenView, BTreeSet<Role>)>, DeskError> {
        self.ledger.read(|connection| {
            let Some(found) = rows::token_of(connection, hash)? else { return Ok(None) };
            let roles = rows::roles_of(connection, &found.token.person)?;
            Ok(Some((found, roles)))
        })
    }

    /// The person behind a token, as the policy knows them now.
    pub(crate) fn behind(
        &self,
        token: &Token,
        roles: &BTreeSet<Role>,
        from: IpAddr,
    ) -> Result<Caller, DeskError> {
        let world = self.policies.world();
        let own = || Login::parse(token.person.as_str()).map_err(|why| DeskError::Store(why.to_string()));
        let names = world.people.get(&token.person).map(|human| human.names.clone()).unwrap_or_default();
        let login = match names.get(token.person.as_str()).or_else(|| names.first()) {
            Some(login) => login.clone(),
            None => own()?,
        };
        let has = |scope| token.scopes.contains(&scope);
        let reviews = if has(Scope::Review) { Ok(()) } else { Err(lacks(token, &[Scope::Review])) };
        Ok(Caller {
            person: token.person.clone(),
            login,
            names,
            // What stands before the hub says nothing of who stands before it.
            source: Some(from.to_canonical()).filter(|from| !self.is_proxy(*from)),
            roles: Roles {
                auditor: has(Scope::Read) && !roles.is_empty(),
                operator: has(Scope::Operate)
                    && (roles.contains(&Role::Operator) || roles.contains(&Role::Admin)),
                admin: has(Scope::Admin) && roles.contains(&Role::Admin),
            },
            channel: Channel::Token,
            reviews,
        })
    }

    /// Nobody that is known. Whoever tries again and again is told so, and the log hears of the first tries alone.
    pub(crate) fn stranger(&self, from: IpAddr, why: &str) -> Refused {
        self.metrics.unknown();
        let address = Address::of(from);
        let is_told = self.failed.told(address, Instant::now());
        if is_told {
            self.log.put(Level::Warning, format!("refused {address}: {why}"));
        }
        if is_told || self.is_proxy(from) {
            let fix = "get a token from an administrator of this hub (jit token make), and log in with it (jit login)";
            return Refused(ProblemCode::Unauthorized.because(format!("{why}: {fix}")));
        }
        let most = limits::FAILED_TRIES;
        Refused(ProblemCode::RateLimited.because(format!(
            "{why}, and there were more than {most} such tries from {address} within a minute: wait a minute"
        )))
    }
}

/// Whether a token may be used for this call at all.
pub fn admits(token: &Token, method: &Method, path: &str) -> Result<(), Problem> {
    let needs = needs(method, path);
    if needs.is_empty() || needs.iter().any(|scope| token.scopes.contains(scope)) {
        return Ok(());
    }
    Err(ProblemCode::Forbidden.because(lacks(token, needs)))
}

fn lacks(token: &Token, needs: &[Scope]) -> String {
    fn codes<'a>(scopes: impl IntoIterator<Item = &'a Scope>) -> Vec<&'static str> {
        scopes.into_iter().map(|scope| scope.code()).collect()
    }
    let more: BTreeSet<Scope> = token.scopes.iter().chain(needs.first()).copied().collect();
    format!(
        "token {} has scopes {}; this call needs {}, which no token gives itself: log in anew with `jit login --hub URL \
         --scope {}`, or ask an administrator for a token that has it",
        token.id,
        codes(&token.scopes).join(", "),
        codes(needs).join(" or "),
        codes(&more).join(",")
    )
}

/// The scopes of which a call needs one; none where any token will do. A call that is not known here needs the
/// most.
fn needs(method: &Method, path: &str) -> &'static [Scope] {
    if method == Method::GET || method == Method::HEAD {
        return &[];
    }
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    match parts.as_slice() {
        ["v1", "requests"] | ["v1", "requests", _, "cancel"] | ["v1", "grants", _, "release" | "extend"] => {
            &[Scope::Request]
        }
        ["v1", "requests", _, "reviews"] | ["v1", "teams", _] => &[Scope::Review],
        ["v1", "sessions", _, "end"] => &[Scope::Operate, Scope::Review, Scope::Request],
        ["v1", "grants", _, "revoke"] => &[Scope::Operate, Scope::Review],
        // Questions, too large for a query; and what a token may make and revoke depends on which.
        ["v1", "policy", "explain" | "replay"]
        | ["v1", "links" | "tokens"]
        | ["v1", "tokens", _, "revoke"] => &[],
        _ => &[Scope::Admin],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_write_needs_its_scope_and_one_that_nobody_thought_of_needs_the_most() {
        for (path, scopes) in [
            ("/v1/requests", "request"),
            ("/v1/requests/R-1/reviews", "review"),
            ("/v1/teams/link", "review"),
            ("/v1/requests/R-1/cancel", "request"),
            ("/v1/grants/G-1/revoke", "operate review"),
            ("/v1/grants/G-1/release", "request"),
            ("/v1/grants/G-1/extend", "request"),
            ("/v1/sessions/S-1/end", "operate review request"),
            ("/v1/policy", "admin"),
            ("/v1/policy/foresee", "admin"),
            ("/v1/policy/explain", ""),
            ("/v1/policy/replay", ""),
            ("/v1/tokens", ""),
            ("/v1/links", ""),
            ("/v1/tokens/T-1/revoke", ""),
            ("/v1/roles", "admin"),
            ("/v1/fleet/db-7/labels", "admin"),
            ("/v1/requests/R-1/reviews/", "admin"),
            ("/v2/requests", "admin"),
            ("", "admin"),
        ] {
            let said: Vec<&str> = needs(&Method::POST, path).iter().map(|scope| scope.code()).collect();
            assert_eq!(said.join(" "), scopes, "{path}");
            assert!(needs(&Method::GET, path).is_empty(), "a GET decides nothing (W4)");
        }
        assert_eq!(needs(&Method::DELETE, "/v1/requests"), needs(&Method::POST, "/v1/requests"));
    }
}
