//! The calls that the hub answers beside those of the desk.

use crate::feed;
use crate::gone;
use crate::inbox;
use crate::ledger::{new_id, no_token};
use crate::metrics::Levels;
use crate::outbox;
use crate::site::Site;
use crate::teller::Teller;
use crate::{clock, limits, rows, slack, teams, web};
use access::{Person, TokenId, Window};
use api::{
    AskJournal, AskTokens, AskedLogin, Check, CheckQuery, JournalRow, MadeLink, MadeToken, NewLink, NewLogin,
    NewToken, ProblemCode, Roles, Scope, Status, TakeLogin, TakenLogin, Token, TokenView, Which,
};
use axum::extract::{DefaultBodyLimit, Extension, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use chrono::TimeDelta;
use desk::{Answer, Caller, DeskError, Refused, Worlds as _, blocking};
use std::sync::{Arc, PoisonError};
use workflow::Channel;

type Shared = State<Arc<Site>>;

/// Everything behind the door: who calls is in the call's extensions.
pub fn inside(site: &Arc<Site>) -> Router {
    let own = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/check", get(check))
        .route("/v1/journal", get(journal))
        .route("/v1/tokens", get(tokens).post(make_token))
        .route("/v1/tokens/{id}/revoke", post(revoke_token))
        .route("/v1/links", post(make_link))
        .route("/v1/roles", get(roles).post(set_roles))
        .route("/metrics", get(metrics))
        .with_state(Arc::clone(site));
    desk::routes(Arc::clone(&site.desk))
        .merge(own)
        .merge(feed::for_people(site))
        .merge(inbox::for_people(site))
        .fallback(nothing)
        .layer(DefaultBodyLimit::max(api::limits::BODY))
}

/// What anybody may ask: whether the hub lives, and whether it works; and what hosts call.
pub fn outside(site: &Arc<Site>) -> Router {
    let listening = if site.feeds {
        feed::for_listeners(&site.teller)
    } else {
        feed::nonces(&site.teller).route("/v1/hosts/{host}/feed", any(to_a_feed))
    };
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/v1/openapi.json", get(desk::openapi))
        .route("/v1/login", post(ask_login))
        .route("/v1/login/token", post(take_login))
        .with_state(Arc::clone(site))
        .merge(listening)
        .merge(feed::for_hosts(site))
        .merge(inbox::for_hosts(site))
        .merge(teams::routes(site))
        .merge(slack::routes(site))
        .fallback(nothing)
        .layer(DefaultBodyLimit::max(api::limits::BODY))
}

/// All that a hub in role `feed` answers.
pub fn of_a_feed(teller: &Arc<Teller>) -> Router {
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(sees))
        .with_state(Arc::clone(teller))
        .merge(feed::for_listeners(teller))
        .fallback(to_a_desk)
        .layer(DefaultBodyLimit::max(api::limits::BODY))
}

/// See RFC 9110, section 15.5.20: what stands between must send it elsewhere.
async fn to_a_feed() -> Result<Json<()>, Refused> {
    Err(Refused(ProblemCode::Misdirected.because(
        "this hub is in role desk and tells hosts nothing: the way to it should send /v1/hosts/NAME/feed to one in role feed",
    )))
}

async fn to_a_desk() -> Result<Json<()>, Refused> {
    Err(Refused(ProblemCode::Misdirected.because(
        "this hub is in role feed and answers hosts that listen, and nothing else: the way to it should send other calls to \
         one in role desk",
    )))
}

async fn sees(State(teller): State<Arc<Teller>>) -> Response {
    let works = Arc::clone(&teller);
    readiness(&teller, move || works.sees()).await
}

async fn ready(State(site): Shared) -> Response {
    let works = Arc::clone(&site);
    readiness(&site.teller, move || works.works()).await
}

async fn readiness(
    teller: &Teller,
    works: impl FnOnce() -> Result<(), DeskError> + Send + 'static,
) -> Response {
    match tokio::task::spawn_blocking(works).await {
        Ok(Ok(())) => return "ready\n".into_response(),
        Ok(Err(why)) => teller.cannot(&why.to_string()),
        // It is stopping.
        Err(_) => {}
    }
    (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
}

async fn metrics(State(site): Shared, Extension(caller): Extension<Caller>) -> Result<Response, Refused> {
    let Json(text) = blocking(move || {
        sees_all(&caller, "counts of this hub are")?;
        let (pending, grants) = site.ledger.read(rows::counts)?;
        let works = site.ledger.works().is_ok();
        let (seq, lines_dropped) = (site.ledger.seq(), site.log.dropped());
        let outbox = site.ledger.read(outbox::rows::counts)?;
        let (room, certificate) = (site.room(), site.certificates.ends());
        let levels = Levels { pending, grants, seq, works, room, certificate, lines_dropped, outbox };
        Ok(site.metrics.text(&levels))
    })
    .await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

async fn journal(
    State(site): Shared,
    Extension(caller): Extension<Caller>,
    Query(query): Query<AskJournal>,
) -> Answer<Vec<JournalRow>> {
    blocking(move || {
        sees_all(&caller, "the journal is")?;
        let limit = query.limit.unwrap_or(desk::limits::LIST);
        site.ledger.read(|connection| desk::journal_page(connection, query.after, limit))
    })
    .await
}

pub(crate) fn sees_all(caller: &Caller, what: &str) -> Result<(), DeskError> {
    if caller.roles.sees_all() {
        return Ok(());
    }
    Err(DeskError::Forbidden(format!(
        "{what} for auditors, operators and administrators, by a token with scope read: ask an administrator"
    )))
}

async fn status(State(site): Shared, Extension(caller): Extension<Caller>) -> Answer<Status> {
    blocking(move || site.status(&caller)).await
}

impl Site {
    /// Whether it takes writes, and sees what other hubs write.
    fn works(&self) -> Result<(), DeskError> {
        self.ledger.works()?;
        self.sees()
    }

    fn status(&self, caller: &Caller) -> Result<Status, DeskError> {
        let now = desk::Clock::now(&*self.clock);
        let world = self.policies.world();
        let approvers = world.approvers(now);
        let mut warnings = Vec::new();
        if !self.policies.in_force().is_readable() {
            warnings.push(
                "the policy in force cannot be read by this release, so nobody can ask for anything: apply one with `jit policy apply`"
                    .to_owned(),
            );
        } else if world.people.all().next().is_none() {
            warnings.push(
                "nobody can ask for anything, for there are no people: write policy.toml and people.toml and run `jit policy apply`"
                    .to_owned(),
            );
        } else {
            let findings = workflow::findings(&world, now);
            let worth = findings.iter().filter(|finding| finding.weight > workflow::Weight::Note);
            warnings.extend(worth.map(ToString::to_string));
        }
        if self.policies.in_force().is_readable() && caller.roles.sees_all() {
            warnings.extend(gone::left(&self.ledger, &world.people, &caller.person, now.trusted)?);
        }
        let journal_ok = self.ledger.works().is_ok();
        if !journal_ok {
            warnings.push(
                "the journal takes no records, so nothing is granted: see `journalctl -u jit-hub`".to_owned(),
            );
        }
        warnings.extend(self.clock.strays().map(clock::strayed));
        warnings.extend(self.has_room().err());
        warnings.extend(self.certificates.is_good().err());
        if let Some(why) = &*self.unsigned.lock().unwrap_or_else(PoisonError::into_inner) {
            warnings.push(format!(
                "not everything is signed, so hosts do not hear of all that was granted: {why}; see `systemctl status jit-hub-signer`"
            ));
        }
        let lately = now.trusted - TimeDelta::days(1);
        let given_up = self.ledger.read(|connection| outbox::rows::given_up(connection, lately))?;
        if given_up > 0 {
            let times = if given_up == 1 { "once".to_owned() } else { format!("{given_up} times") };
            warnings.push(format!(
                "{times} within a day somebody could not be told what happened: `jit-hub outbox` on the hub says whom, and why"
            ));
        }
        warnings.extend(self.lost.told());
        let incarnation = self.voice.load().manifest.era.incarnation;
        let to_come =
            self.ledger.read(|connection| feed::rows::still_to_give_back(connection, incarnation))?;
        if to_come > 0 {
            let hosts = if to_come == 1 { "1 host has".to_owned() } else { format!("{to_come} hosts have") };
            warnings.push(format!(
                "{hosts} not given back yet what this database lost, which happens when they connect: see `jit hosts`"
            ));
        }
        if self.log.dropped() > 0 {
            warnings.push(format!(
                "{} log lines were dropped because the syslog daemon did not read: the journal has them",
                self.log.dropped()
            ));
        }
        let mut roles = caller.roles.names();
        if approvers.contains(&caller.person) && caller.reviews.is_ok() {
            roles.insert(0, "approver".to_owned());
        }
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: self.name.clone(),
            source: "hub".to_owned(),
            now: now.trusted,
            clock_confirmed: !now.provisional,
            clock: "the hub's own, which others go by".to_owned(),
            journal_seq: self.ledger.seq(),
            journal_ok,
            lines_dropped: self.log.dropped(),
            pending: self.desk.requests(caller, Which::Pending, api::limits::PAGE)?.len() as u64,
            grants: self.ledger.read(rows::counts)?.1,
            sessions: self.ledger.read(inbox::rows::count_sessions)?,
            gated: Vec::new(),
            somebody_decides: !approvers.is_empty(),
            warnings,
            session: None,
            left_over: Vec::new(),
            watch: None,
            you: caller.person.clone(),
            roles,
        })
    }

    /// Makes a token for oneself, no wider and no longer than the one that asks; an administrator's asks for any.
    pub(crate) fn make_token(
        &self,
        caller: &Caller,
        shown: &Token,
        new: NewToken,
    ) -> Result<MadeToken, DeskError> {
        let person = new.person.unwrap_or_else(|| caller.person.clone());
        let made = self.clock.time();
        let expires = made + new.length.delta();
        if new.scopes.is_empty() {
            return Err(DeskError::BadRequest(
                "a token without a scope opens nothing: name at least read".to_owned(),
            ));
        }
        if new.length.delta() > TimeDelta::days(limits::TOKEN_DAYS) {
            let most = limits::TOKEN_DAYS;
            return Err(DeskError::BadRequest(format!(
                "{} is too long: a token lasts at most {most}d",
                new.length
            )));
        }
        if !caller.roles.admin {
            let wider: Vec<&str> = new.scopes.difference(&shown.scopes).map(|scope| scope.code()).collect();
            if person != caller.person {
                return Err(DeskError::Forbidden(format!(
                    "only an administrator makes tokens for others: leave out {person}"
                )));
            }
            if !wider.is_empty() {
                let wider = wider.join(", ");
                return Err(DeskError::Forbidden(format!(
                    "token {} is not for {wider}, so it makes none that is: ask an administrator",
                    shown.id
                )));
            }
            if expires > shown.expires {
                return Err(DeskError::Forbidden(format!(
                    "token {} is good until {} and cannot create one that lasts longer: ask an administrator",
                    shown.id,
                    shown.expires.format("%F %R UTC")
                )));
            }
        }
        let (name, scopes, made_by) = (new.name, new.scopes, Some(caller.person.clone()));
        let token = Token { id: new_id()?, person, name, scopes, made, made_by, expires, revoked: None };
        self.ledger.make_token(token, (shown.id, caller.channel == Channel::Web))
    }

    /// One's own, or with scope admin anybody's.
    pub(crate) fn revoke_token(&self, caller: &Caller, shown: &Token, id: &str) -> Result<Token, DeskError> {
        let (low, high) = TokenId::range(id).map_err(|why| DeskError::BadRequest(why.to_string()))?;
        let found =
            self.ledger.read(|connection| match rows::token_ids(connection, low, high)?.as_slice() {
                [] => Err(no_token(id)),
                [one] => rows::token(connection, *one)?.ok_or_else(|| no_token(id)),
                _ => Err(DeskError::Ambiguous { what: "token", id: id.to_owned() }),
            })?;
        may_revoke(caller, shown, &found.token, id)?;
        self.ledger.revoke_token(found.token.id, caller.person.clone(), self.clock.time())
    }
}

/// Whether whoever shows a token may revoke another, which was named so.
pub(crate) fn may_revoke(caller: &Caller, shown: &Token, token: &Token, id: &str) -> Result<(), DeskError> {
    if caller.roles.admin {
        return Ok(());
    }
    if token.person != caller.person {
        return Err(no_token(id));
    }
    // Who found a narrow token must not shut its person out by it.
    if token.id != shown.id && !token.scopes.is_subset(&shown.scopes) {
        return Err(DeskError::Forbidden(format!(
            "token {} can do more than token {}, which was shown: use that one, or ask an administrator",
            token.id, shown.id
        )));
    }
    Ok(())
}

/// What the gate of a host would say that heard of everything.
async fn check(
    State(site): Shared,
    Extension(caller): Extension<Caller>,
    Query(query): Query<CheckQuery>,
) -> Answer<Check> {
    blocking(move || {
        let which = || DeskError::BadRequest("a hub is no host itself: name the host".to_owned());
        let host = query.host.as_ref().ok_or_else(which)?;
        if !site.policies.world().hosts.labels.contains_key(host) {
            return Err(feed::no_host(host));
        }
        let mut first_use = None;
        let mut check = site.desk.check(&caller, &query, host, |question, now| {
            let decision = site.desk.decide_for(host, question, now)?;
            let grant = decision.grant.as_ref().filter(|_| decision.allows());
            first_use =
                grant.filter(|grant| matches!(grant.window, Window::FirstUse { .. })).map(|grant| grant.id);
            Ok(decision)
        })?;
        if let Some(grant) = first_use {
            check.because.push_str(&format!(
                "; unless {grant} was used there so long ago that it is over, which {host} alone knows"
            ));
        }
        Ok(check)
    })
    .await
}

async fn tokens(
    State(site): Shared,
    Extension(caller): Extension<Caller>,
    Query(ask): Query<AskTokens>,
) -> Answer<Vec<TokenView>> {
    blocking(move || {
        if ask.person.as_ref().is_some_and(|person| *person != caller.person) {
            sees_all(&caller, "what opens the hub in others' names is")?;
        }
        let own = (!caller.roles.sees_all()).then_some(&caller.person);
        site.ledger.read(|connection| rows::tokens(connection, ask.person.as_ref().or(own)))
    })
    .await
}

async fn make_token(
    State(site): Shared,
    Extension(caller): Extension<Caller>,
    Extension(shown): Extension<Token>,
    body: Body<NewToken>,
) -> Answer<MadeToken> {
    blocking(move || site.make_token(&caller, &shown, body.0)).await
}

async fn revoke_token(
    State(site): Shared,
    Extension(caller): Extension<Caller>,
    Extension(shown): Extension<Token>,
    Path(id): Path<String>,
) -> Answer<Token> {
    blocking(move || site.revoke_token(&caller, &shown, &id)).await
}

async fn make_link(
    State(site): Shared,
    Extension(caller): Extension<Caller>,
    Extension(shown): Extension<Token>,
    body: Body<NewLink>,
) -> Answer<MadeLink> {
    blocking(move || web::link(&site, &caller, &shown, body.0)).await
}

async fn ask_login(
    State(site): Shared,
    Extension(web::From(from)): Extension<web::From>,
    body: Body<NewLogin>,
) -> Answer<AskedLogin> {
    blocking(move || site.ask_login(body.0, from)).await
}

async fn take_login(State(site): Shared, body: Body<TakeLogin>) -> Answer<TakenLogin> {
    blocking(move || site.take_login(&body.0)).await
}

async fn roles(State(site): Shared, Extension(caller): Extension<Caller>) -> Answer<Vec<Roles>> {
    blocking(move || {
        sees_all(&caller, "who has which role is")?;
        let all = site.ledger.read(rows::roles)?;
        Ok(all.into_iter().map(|(person, roles)| Roles { person, roles }).collect())
    })
    .await
}

async fn set_roles(
    State(site): Shared,
    Extension(caller): Extension<Caller>,
    body: Body<Roles>,
) -> Answer<Roles> {
    blocking(move || {
        if !caller.roles.admin {
            return Err(DeskError::Forbidden("only an administrator gives and takes roles".to_owned()));
        }
        site.ledger.set_roles(body.0, caller.person.clone(), site.clock.time())
    })
    .await
}

/// A body of JSON, refused in the words of this API.
struct Body<T>(T);

impl<S: Send + Sync, T: serde::de::DeserializeOwned> axum::extract::FromRequest<S> for Body<T> {
    type Rejection = Refused;

    async fn from_request(call: axum::extract::Request, state: &S) -> Result<Self, Refused> {
        let bad = |why: String| Refused(ProblemCode::BadRequest.because(why));
        let path = call.uri().path().to_owned();
        let bytes = axum::body::Bytes::from_request(call, state).await.map_err(|why| bad(why.to_string()))?;
        let read = serde_json::from_slice(&bytes);
        read.map(Self).map_err(|why| bad(format!("reading the body of {path}: {why}")))
    }
}

async fn nothing() -> Result<Json<()>, Refused> {
    Err(Refused(ProblemCode::NotFound.because("there is no such call in API v1")))
}

/// The first token of an administrator.
pub fn admin_token(person: Person, made: access::Time) -> Result<Token, DeskError> {
    let name = access::Text::parse("made by jit-hub").map_err(|why| DeskError::Store(why.to_string()))?;
    Ok(Token {
        id: new_id()?,
        person,
        name,
        scopes: Scope::ALL.into(),
        made,
        made_by: None,
        expires: made + TimeDelta::days(limits::TOKEN_DAYS),
        revoked: None,
    })
}
