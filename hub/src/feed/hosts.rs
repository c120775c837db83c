//! Hosts: who lets them in, and whether a call is really one's.

use super::rows;
use crate::ledger::random;
use crate::limits;
use crate::site::Site;
use access::{HostName, Person, Time};
use api::{HostToken, HostView, Join, NewHostToken, ProblemCode};
use axum::http::HeaderMap;
use desk::{DeskError, Refused};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use sync::{Digest, Nonce, Request, Signature, Token};

/// What is known of hosts beside the database: gone with the process.
#[derive(Default)]
pub struct Hosts {
    nonces: Mutex<HashMap<Nonce, (HostName, Time)>>,
    seen: Mutex<HashMap<HostName, Seen>>,
}

/// What a host said last.
#[derive(Clone)]
struct Seen {
    at: Time,
    revision: u64,
    version: String,
}

impl Hosts {
    /// A nonce for the next call of this host.
    pub fn nonce(&self, host: HostName, now: Time) -> Result<Nonce, DeskError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(random)?;
        let nonce = Nonce::from_random(bytes);
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        if nonces.len() >= limits::NONCES {
            nonces.retain(|_, (_, until)| *until > now);
        }
        if nonces.len() >= limits::NONCES {
            return Err(DeskError::Store("too many hosts call at once: try again in a minute".to_owned()));
        }
        nonces.insert(nonce, (host, now + limits::NONCE_LIFE));
        Ok(nonce)
    }

    /// Uses a nonce up. Whether it was given to this host, lately.
    fn take(&self, nonce: Nonce, host: &HostName, now: Time) -> bool {
        let taken = self.nonces.lock().unwrap_or_else(PoisonError::into_inner).remove(&nonce);
        taken.is_some_and(|(of, until)| of == *host && until > now)
    }

    /// Notes what a host says of itself.
    pub fn heard(&self, host: HostName, at: Time, revision: u64, version: String) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(host, Seen { at, revision, version });
    }

    fn seen(&self, host: &HostName) -> Option<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }
}

impl Site {
    /// A word that lets new hosts in.
    pub fn host_token(&self, new: NewHostToken, actor: Person) -> Result<HostToken, DeskError> {
        if new.length.delta() > limits::JOIN_LONGEST {
            let most = limits::JOIN_LONGEST.num_days();
            return Err(DeskError::BadRequest(format!(
                "{} is too long: a token for hosts lasts at most {most}d",
                new.length
            )));
        }
        if !(1..=limits::JOIN_USES).contains(&new.uses) {
            return Err(DeskError::BadRequest(format!("a token lets 1 to {} hosts in", limits::JOIN_USES)));
        }
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(random)?;
        let token = Token::new(self.url.clone(), self.hub.clone(), self.root, secret)
            .map_err(|why| DeskError::BadRequest(why.to_string()))?;
        let (at, hash) = (self.clock.time(), token.hash());
        let expires = at + new.length.delta();
        self.ledger.put_join_token(hash, new.labels, new.uses, expires, actor, at)?;
        Ok(HostToken { token: token.reveal().to_string(), expires })
    }

    /// A new host joins, or one joins again. With the same token and key this changes nothing.
    pub fn join(&self, join: Join) -> Result<HostView, DeskError> {
        let at = self.clock.time();
        let joined = join.host.clone();
        self.ledger.join(join, at)?;
        self.hosts_changed()?;
        self.wakes.forget(&joined);
        self.host_views()?.into_iter().find(|view| view.host == joined).ok_or_else(|| no_host(&joined))
    }

    /// Takes a host away at once: its streams end, and it signs nothing any more.
    pub fn remove_host(&self, host: HostName, actor: Person) -> Result<HostName, DeskError> {
        self.ledger.remove_host(host.clone(), actor, self.clock.time())?;
        self.hosts_changed()?;
        self.wakes.forget(&host);
        Ok(host)
    }

    /// Who asks for access may name the hosts of this moment.
    fn hosts_changed(&self) -> Result<(), DeskError> {
        self.policies.set_hosts(self.ledger.read(crate::rows::hosts)?);
        Ok(())
    }

    /// All hosts, with what is known of them now.
    pub fn host_views(&self) -> Result<Vec<HostView>, DeskError> {
        let mut views = self.ledger.read(rows::hosts)?;
        for view in &mut views {
            view.connected = self.wakes.listens(&view.host);
            if let Some(seen) = self.hosts.seen(&view.host) {
                view.seen = Some(seen.at);
                view.revision = Some(seen.revision);
                view.version = Some(seen.version);
            }
        }
        Ok(views)
    }

    /// The host that signed this call.
    pub fn host_of(
        &self,
        headers: &HeaderMap,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<(HostName, rows::Host), Refused> {
        let stranger = |why: &str| {
            let fix = "enrol this host anew: `jit host token` where you work, `jitd enrol TOKEN` on it";
            Refused(ProblemCode::Unauthorized.because(format!("{why}: {fix}")))
        };
        let shown = headers.get(api::SIGNED).and_then(|value| value.to_str().ok());
        let mut parts = shown.unwrap_or_default().split(' ');
        let (host, nonce, signature) = (parts.next(), parts.next(), parts.next());
        let (Some(host), Some(nonce), Some(signature)) = (
            host.and_then(|host| HostName::parse(host).ok()),
            nonce.and_then(|nonce| nonce.parse::<Nonce>().ok()),
            signature.and_then(|signature| signature.parse::<Signature>().ok()),
        ) else {
            return Err(stranger("this call is not signed by a host"));
        };
        let found = self.ledger.read(|connection| rows::host(connection, &host))?;
        let Some(found) = found else {
            return Err(stranger(&format!("no host of this hub is called {host}")));
        };
        if !self.hosts.take(nonce, &host, self.clock.time()) {
            return Err(Refused(ProblemCode::Unauthorized.because(
                "the nonce of this call was not given to this host, was used, or is over: ask for another".to_owned(),
            )));
        }
        let request = Request { host: &host, method, path, body: Digest::of(body), nonce };
        if !request.is_signed(&found.key, &signature) {
            return Err(stranger(&format!("host {host} did not sign this call with the key it joined with")));
        }
        Ok((host, found))
    }
}

/// No host of this name.
pub fn no_host(host: &HostName) -> DeskError {
    DeskError::NotFound { what: "host", id: host.to_string(), list: "hosts" }
}
