//! The keys that Microsoft signs by, as it says itself; kept for a day.

use super::super::address::Base;
use super::super::http::{self, Http};
use super::super::limits;
use super::Unbelieved;
use arc_swap::ArcSwapOption;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Mutex;

/// One key.
#[derive(Clone)]
pub struct Key {
    /// What verifies by it.
    pub decoding: DecodingKey,
    /// Channels that it is for.
    pub endorsements: Vec<String>,
}

/// All of them, as they were read last.
struct Known {
    at: Instant,
    keys: HashMap<String, Key>,
}

/// The keys, read where they are wanted.
#[derive(Clone)]
pub struct Keys(Arc<Kept>);

struct Kept {
    http: Http,
    openid: String,
    known: ArcSwapOption<Known>,
    /// When they were asked for anew last; held while they are.
    asked: Mutex<Option<Instant>>,
}

#[derive(Deserialize)]
struct Metadata {
    jwks_uri: String,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    kty: String,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
    #[serde(default)]
    endorsements: Vec<String>,
}

impl Keys {
    /// Those that the metadata at this address names.
    pub fn at(openid: &str, http: Http) -> Self {
        let (openid, known, asked) = (openid.to_owned(), ArcSwapOption::empty(), Mutex::default());
        Self(Arc::new(Kept { http, openid, known, asked }))
    }

    /// The key of this name. They are read anew when they are a day old or do not have it, a minute apart at least; whoever
    /// shows one that is known does not wait for that.
    pub async fn find(&self, kid: &str) -> Result<Key, Unbelieved> {
        let kept = &self.0;
        let before = kept.known.load_full();
        let at = before.as_ref().map(|known| known.at);
        let key = |known: &Option<Arc<Known>>| known.as_ref()?.keys.get(kid).cloned();
        if let Some(key) = key(&before) {
            if at.is_some_and(|at| at.elapsed() >= limits::KEYS_LIFE) && kept.asked.try_lock().is_ok() {
                let kept = Arc::clone(kept);
                // Where they cannot be read anew those of before are still Microsoft's.
                tokio::spawn(async move { kept.read_anew(at).await });
            }
            return Ok(key);
        }
        let read = kept.read_anew(at).await;
        match (key(&kept.known.load_full()), read) {
            (Some(key), _) => Ok(key),
            (None, Err(why)) => Err(Unbelieved::NoKeys(why)),
            (None, Ok(())) => Err(Unbelieved::UnknownKey(kept.openid.clone())),
        }
    }

    /// What Microsoft says now, with how many keys of it are for Teams.
    pub async fn look(&self) -> Result<(usize, usize), String> {
        let keys = self.0.read().await?;
        let ours =
            keys.values().filter(|key| key.endorsements.iter().any(|channel| channel == super::CHANNEL));
        Ok((keys.len(), ours.count()))
    }
}

impl Kept {
    /// Reads them, unless somebody did since `before`, or tried just now.
    async fn read_anew(&self, before: Option<Instant>) -> Result<(), String> {
        let mut asked = self.asked.lock().await;
        let known = self.known.load_full();
        if known.as_ref().map(|known| known.at) != before {
            return Ok(());
        }
        if asked.is_some_and(|asked| asked.elapsed() < limits::KEYS_AGAIN) {
            return match known {
                Some(_) => Ok(()),
                None => Err(format!("the keys of {} could not be read just now", self.openid)),
            };
        }
        *asked = Some(Instant::now());
        let keys = self.read().await?;
        if before.is_none() {
            // The first look is no second one.
            *asked = None;
        }
        self.known.store(Some(Arc::new(Known { at: Instant::now(), keys })));
        Ok(())
    }

    async fn read(&self) -> Result<HashMap<String, Key>, String> {
        let at = Base::parse(&self.openid)?;
        let Metadata { jwks_uri } = self.get(at).await?;
        let at = Base::parse(&jwks_uri).map_err(|why| format!("the jwks_uri of {}: {why}", self.openid))?;
        let Set { keys } = self.get(at).await?;
        let keys = keys.into_iter().filter(|key| key.kty == "RSA").take(limits::KEYS);
        let read = |key: Listed| {
            let decoding = DecodingKey::from_rsa_components(&key.n?, &key.e?).ok()?;
            Some((key.kid?, Key { decoding, endorsements: key.endorsements }))
        };
        Ok(keys.filter_map(read).collect())
    }

    async fn get<T: for<'de> Deserialize<'de>>(&self, at: Base) -> Result<T, String> {
        let doing = format!("reading {}", at.url());
        let answer = self.http.get(at.url()).send().await;
        let answer = answer.map_err(|why| format!("{doing}: {}", http::chain(&why)))?;
        if !answer.status().is_success() {
            return Err(format!("{doing}: it answered {}", answer.status()));
        }
        let body = http::body(answer).await.map_err(|why| format!("{doing}: {why}"))?;
        serde_json::from_slice(&body)
            .map_err(|why| format!("{doing}: it answered something else than it should: {why}"))
    }
}
