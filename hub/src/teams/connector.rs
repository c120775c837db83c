//! What the bot says: calls to the Bot Connector (Bot Framework, "Bot Connector REST API reference"), each with a token of
//! the bot's own, to addresses alone that came with a call that was believed.

use super::address::Base;
use super::http::{self, Http};
use super::limits;
use super::settings::Settings;
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// What a token for calls is for.
const SCOPE: &str = "https://api.botframework.com/.default";

/// A chat or a channel, and where it is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The serviceUrl.
    pub service: String,
    /// The conversation's id.
    pub conversation: String,
}

/// Why a call was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It may be later.
    Later(Option<Duration>, String),
    /// There is no such message, or not yet.
    Gone(String),
    /// It is too large.
    TooLarge(String),
    /// It never will.
    Never(String),
}

/// The other end.
pub struct Connector {
    settings: Settings,
    http: Http,
    token: tokio::sync::Mutex<Option<Result<Token, Denial>>>,
    pace: Pace,
}

struct Token {
    secret: Zeroizing<String>,
    until: Instant,
}

/// Why there was none: it is not asked again at once.
struct Denial {
    why: String,
    at: Instant,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

#[derive(Deserialize)]
struct Denied {
    error_description: String,
}

#[derive(Deserialize)]
struct Created {
    #[serde(default)]
    id: String,
}

impl Connector {
    /// For this bot.
    pub fn new(settings: Settings, http: Http) -> Self {
        Self { settings, http, token: tokio::sync::Mutex::default(), pace: Pace::default() }
    }

    /// Says something there that is changed no more.
    pub async fn say(&self, place: &Place, activity: &Value) -> Result<(), Failed> {
        self.call(Method::POST, place, &["activities"], activity).await.map(drop)
    }

    /// Says something there that changes later. What it is known by from then on.
    pub async fn post(&self, place: &Place, activity: &Value) -> Result<String, Failed> {
        let answer = self.call(Method::POST, place, &["activities"], activity).await?;
        let body = http::body(answer).await.map_err(|why| Failed::Later(None, why))?;
        let id = serde_json::from_slice::<Created>(&body).map(|created| created.id).unwrap_or_default();
        if id.is_empty() || id.len() > limits::NAME {
            // It was taken, and may never be shown: the next one answers clicks as this one would.
            return Err(Failed::Later(
                None,
                "it was taken without saying what it is known by, so it is said again".to_owned(),
            ));
        }
        Ok(id)
    }

    /// Puts something in place of what was said.
    pub async fn put(&self, place: &Place, id: &str, activity: &Value) -> Result<(), Failed> {
        self.call(Method::PUT, place, &["activities", id], activity).await.map(drop)
    }

    /// Whether a token for calls is to be had, and for how long it is good.
    pub async fn try_token(&self) -> Result<Duration, String> {
        let token = self.fetch_token().await?;
        Ok(token.until.saturating_duration_since(Instant::now()))
    }

    async fn call(
        &self,
        method: Method,
        place: &Place,
        below: &[&str],
        activity: &Value,
    ) -> Result<reqwest::Response, Failed> {
        // What it is kept by was believed once; the list may be another since.
        if !self.settings.serves(&place.service) {
            return Err(Failed::Never(format!(
                "{} is on no host of teams.service_hosts any more",
                place.service
            )));
        }
        let base = Base::parse(&place.service).map_err(Failed::Never)?;
        let at = base.below(&[&["v3", "conversations", place.conversation.as_str()][..], below].concat());
        if !self.pace.turn(&place.conversation).await {
            return Err(Failed::Later(
                Some(Duration::from_secs(1)),
                "too many calls to Teams at once".to_owned(),
            ));
        }
        let token = self.token().await.map_err(|why| Failed::Later(None, why))?;
        let call = self.http.request(method, at).bearer_auth(token.as_str()).json(activity);
        let answer = call
            .send()
            .await
            .map_err(|why| Failed::Later(None, format!("calling Teams: {}", http::chain(&why))))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        if answer.status() == StatusCode::UNAUTHORIZED {
            self.forget_token(&token).await;
        }
        Err(self.refused(answer).await)
    }

    async fn refused(&self, answer: reqwest::Response) -> Failed {
        let status = answer.status();
        let after =
            answer.headers().get("retry-after").and_then(|after| after.to_str().ok()?.trim().parse().ok());
        let after = after.map(|seconds| Duration::from_secs(seconds).min(limits::AGAIN_MOST));
        let body = http::body(answer).await.unwrap_or_default();
        let said = String::from_utf8_lossy(body.get(..body.len().min(300)).unwrap_or_default()).into_owned();
        let why = format!("Teams answered {status}: {said:?}");
        match status {
            StatusCode::UNAUTHORIZED => Failed::Later(None, format!("{why}; see `jit-hub teams check`")),
            StatusCode::TOO_MANY_REQUESTS => Failed::Later(after.or(Some(limits::AGAIN)), why),
            StatusCode::PRECONDITION_FAILED | StatusCode::REQUEST_TIMEOUT => Failed::Later(after, why),
            _ if status.is_server_error() => Failed::Later(after, why),
            StatusCode::NOT_FOUND => Failed::Gone(why),
            StatusCode::PAYLOAD_TOO_LARGE => Failed::TooLarge(why),
            StatusCode::FORBIDDEN if said.contains("MessageWritesBlocked") => Failed::Never(format!(
                "{why}: the bot was blocked or removed there: whoever wants to hear again unblocks or adds it"
            )),
            StatusCode::FORBIDDEN => Failed::Never(format!(
                "{why}: the bot is not in this chat or team any more: add it again to hear from it there"
            )),
            _ => Failed::Never(why),
        }
    }

    /// A token that is good for a while yet.
    async fn token(&self) -> Result<Zeroizing<String>, String> {
        let mut kept = self.token.lock().await;
        match kept.as_ref() {
            Some(Ok(token)) if Instant::now() < token.until => return Ok(token.secret.clone()),
            Some(Err(denial)) if denial.at.elapsed() < limits::TOKEN_AGAIN => return Err(denial.why.clone()),
            _ => {}
        }
        match self.fetch_token().await {
            Ok(token) => {
                let secret = token.secret.clone();
                *kept = Some(Ok(token));
                Ok(secret)
            }
            Err(why) => {
                *kept = Some(Err(Denial { why: why.clone(), at: Instant::now() }));
                Err(why)
            }
        }
    }

    /// A token that was not taken is not shown again.
    async fn forget_token(&self, shown: &str) {
        let mut kept = self.token.lock().await;
        if kept.as_ref().is_some_and(|kept| kept.as_ref().is_ok_and(|token| token.secret.as_str() == shown)) {
            *kept = None;
        }
    }

    async fn fetch_token(&self) -> Result<Token, String> {
        let (secret, at) = (self.settings.read_secret()?, Base::parse(&self.settings.tokens())?);
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.settings.app_id)
            .append_pair("client_secret", secret.as_str())
            .append_pair("scope", SCOPE)
            .finish();
        let doing = format!("asking {} for a token", at.authority());
        let call =
            self.http.post(at.url()).header("content-type", "application/x-www-form-urlencoded").body(form);
        let answer = call.send().await.map_err(|why| format!("{doing}: {}", http::chain(&why)))?;
        let status = answer.status();
        let body = http::body(answer).await.map_err(|why| format!("{doing}: {why}"))?;
        if !status.is_success() {
            let said: Option<Denied> = serde_json::from_slice(&body).ok();
            let said = said.map(|said| said.error_description).unwrap_or_default();
            let said: String = said.lines().next().unwrap_or_default().chars().take(300).collect();
            return Err(format!("{doing}: it answered {status} {said:?}"));
        }
        let granted: Granted =
            serde_json::from_slice(&body).map_err(|_| format!("{doing}: it answered no token"))?;
        let life = Duration::from_secs(granted.expires_in)
            .min(limits::TOKEN_LIFE)
            .saturating_sub(limits::TOKEN_EARLY);
        Ok(Token { secret: Zeroizing::new(granted.access_token), until: Instant::now() + life })
    }
}

/// How many calls were made in the second that is running.
#[derive(Default)]
struct Pace(Mutex<Second>);

#[derive(Default)]
struct Second {
    began: Option<Instant>,
    all: u32,
    by_place: HashMap<String, u32>,
}

impl Second {
    /// Takes a turn at `now`, or says for how long to wait.
    fn take(&mut self, place: &str, now: Instant) -> Result<(), Duration> {
        let second = Duration::from_secs(1);
        let is_over = self.began.is_none_or(|began| now.duration_since(began) >= second);
        if is_over || self.by_place.len() >= limits::COUNTED {
            *self = Self { began: Some(now), ..Self::default() };
        }
        let count = self.by_place.entry(place.to_owned()).or_default();
        if self.all >= limits::PER_SECOND || *count >= limits::PER_PLACE {
            return Err(self.began.map_or(second, |began| (began + second).saturating_duration_since(now)));
        }
        *count += 1;
        self.all += 1;
        Ok(())
    }
}

impl Pace {
    /// Waits for a turn; not for long.
    async fn turn(&self, place: &str) -> bool {
        for _ in 0..4 {
            let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take(place, Instant::now());
            match taken {
                Ok(()) => return true,
                Err(wait) => tokio::time::sleep(wait).await,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_many_calls_to_one_place_and_so_many_in_all() {
        let (mut second, start) = (Second::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        let to = |second: &mut Second, place: &str, ms| {
            (0..100).filter(|_| second.take(place, at(ms)).is_ok()).count()
        };
        assert_eq!(to(&mut second, "a", 0), 7);
        assert_eq!(to(&mut second, "b", 500), 7);
        let others: usize = (0..20).map(|n| to(&mut second, &n.to_string(), 600)).sum();
        assert_eq!(others, 36);
        assert_eq!(second.take("new", at(600)), Err(Duration::from_millis(400)));
        assert_eq!(to(&mut second, "a", 1000), 7);
    }
}
