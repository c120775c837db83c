//! Commands that somebody lets in by the sign-in of their browser: by a code that goes back to the command beside it, or by
//! a word that is typed into a page (`jit login`).

use super::{limits, made};
use crate::address::Address;
use crate::ledger::{Ledger, new_id, put_token, random};
use crate::secret::{Hash, Kind};
use crate::site::Site;
use crate::{rows, secret};
use access::{Person, Text, Time, TokenId};
use api::{AskedLogin, MadeToken, NewLogin, Scope, TakeLogin, TakenLogin, Token};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use desk::DeskError;
use loglines::Level;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Instant;
use store::Sql;

/// One that waits for a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// What it calls itself.
    pub name: Text,
    /// What it asks to be for.
    pub scopes: BTreeSet<Scope>,
    /// Where it asks from.
    pub address: String,
    /// Until when.
    pub expires: Time,
}

/// Who lets a command in.
#[derive(Clone, Debug)]
pub struct By {
    /// The person.
    pub person: Person,
    /// By this sign-in.
    pub sign_in: TokenId,
    /// What the token will be for.
    pub scopes: BTreeSet<Scope>,
}

/// Letters that are not taken for each other and make no words (RFC 8628, section 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// A word to be typed: 34 bits, as `BCDF-GHJK`.
fn code() -> Result<String, DeskError> {
    let (mut left, mut code) = (getrandom::u64().map_err(random)?, String::new());
    for place in 0..8 {
        if place == 4 {
            code.push('-');
        }
        let letter = usize::try_from(left % 20).ok().and_then(|at| LETTERS.get(at)).copied();
        code.push(char::from(letter.unwrap_or(b'B')));
        left /= 20;
    }
    Ok(code)
}

/// The word that somebody typed, however they wrote it.
fn typed(text: &str) -> Option<String> {
    let letters: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let letters = letters.to_ascii_uppercase();
    let (first, last) = letters.split_at_checked(4)?;
    let is_code = letters.len() == 8 && letters.bytes().all(|letter| LETTERS.contains(&letter));
    is_code.then(|| format!("{first}-{last}"))
}

/// The challenge that is made of a verifier (RFC 7636, section 4.2).
fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

/// Whether this could be a challenge at all.
pub fn is_challenge(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
}

fn scopes_of(text: &str) -> Result<BTreeSet<Scope>, DeskError> {
    serde_json::from_str(text)
        .map_err(|why| DeskError::Store(format!("the row of a command that waits cannot be read: {why}")))
}

fn scopes_in(scopes: &BTreeSet<Scope>) -> Result<String, DeskError> {
    serde_json::to_string(scopes).map_err(|why| DeskError::Store(why.to_string()))
}

impl Site {
    /// `POST /v1/login`: a machine without a browser begins to wait.
    pub fn ask_login(&self, new: NewLogin, from: IpAddr) -> Result<AskedLogin, DeskError> {
        if !self.logins.told(Address::of(from), Instant::now()) && !self.is_proxy(from) {
            let most = limits::LOGIN_TRIES;
            return Err(DeskError::Busy(format!(
                "more than {most} commands of this address asked to be let in within a minute: wait a minute"
            )));
        }
        if new.scopes.is_empty() {
            return Err(DeskError::BadRequest(
                "a token without a scope opens nothing: name at least read".to_owned(),
            ));
        }
        let now = self.clock.time();
        let (secret, hash) = secret::make(Kind::Login).map_err(random)?;
        let address = self.place_of(from);
        let waiting = Waiting { name: new.name, scopes: new.scopes, address, expires: now + limits::LOGIN };
        let expires = waiting.expires;
        let code = self.ledger.ask_login(hash, waiting, now)?;
        let page = format!("{}/web/device", self.url);
        Ok(AskedLogin { code, page, secret, expires, every_s: limits::LOGIN_EVERY_S })
    }

    /// `POST /v1/login/token`: a command takes its token.
    pub fn take_login(&self, take: &TakeLogin) -> Result<TakenLogin, DeskError> {
        let Some(hash) = secret::hash(Kind::Login, &take.secret) else { return Err(nobody()) };
        let now = self.clock.time();
        let verifier = take.verifier.as_deref().map(challenge);
        // Who only looks whether somebody has said something costs the writer nothing.
        let found = self.ledger.read(|connection| waits(connection, &hash, now))?;
        if found.ok_or_else(nobody)? {
            return Ok(TakenLogin::Waits);
        }
        let (secret, hash_of_token) = secret::make(Kind::Token).map_err(random)?;
        let token = self.ledger.take_login(hash, verifier, hash_of_token, now)??;
        Ok(TakenLogin::Made(MadeToken { secret, token }))
    }

    /// The command that shows the word which this person typed, if one waits; the word as it is shown. A hit after too many
    /// misses is one that was guessed.
    pub fn waiting_login(&self, said: &str, person: &Person) -> Result<Option<(String, Waiting)>, DeskError> {
        let (now, at) = (self.clock.time(), Instant::now());
        if self.words.is_over(person, at) {
            let most = limits::WORD_TRIES;
            return Err(DeskError::Busy(format!(
                "no machine waits with {most} words that you typed within a minute: wait a minute"
            )));
        }
        let found = match typed(said) {
            Some(code) => {
                self.ledger.read(|connection| waiting(connection, &code, now))?.map(|found| (code, found))
            }
            None => None,
        };
        if found.is_none() && self.words.told(person.clone(), at) {
            self.log.put(Level::Warning, format!("{person} typed a word that no machine waits with"));
        }
        Ok(found)
    }

    /// What a browser gives to the command beside it, for a token of these scopes.
    pub fn let_in_beside(
        &self,
        name: Text,
        challenge: String,
        from: IpAddr,
        by: By,
    ) -> Result<String, DeskError> {
        let now = self.clock.time();
        let (secret, hash) = secret::make(Kind::Login).map_err(random)?;
        let address = self.place_of(from);
        self.ledger.let_in_beside(hash, challenge, name, address, by, now)?;
        Ok(secret)
    }
}

fn nobody() -> DeskError {
    DeskError::Forbidden(
        "nobody let this command in: it took too long, was let in already, or was refused; begin anew with `jit login`"
            .to_owned(),
    )
}

/// Whether one still waits for a word; none where there is no such one.
fn waits(connection: &dyn Sql, hash: &Hash, now: Time) -> Result<Option<bool>, DeskError> {
    let sql = "SELECT person IS NULL FROM login WHERE hash = ?1 AND expires_ms > ?2";
    let waits: Option<i64> = connection.row(sql, &[hash, &now.timestamp_millis()])?;
    Ok(waits.map(|waits| waits != 0))
}

fn waiting(connection: &dyn Sql, code: &str, now: Time) -> Result<Option<Waiting>, DeskError> {
    let sql = "SELECT name, scopes, address, expires_ms FROM login \
               WHERE code = ?1 AND person IS NULL AND expires_ms > ?2";
    let found: Option<(String, String, String, i64)> =
        connection.row(sql, &[&code, &now.timestamp_millis()])?;
    let Some((name, scopes, address, expires)) = found else { return Ok(None) };
    Ok(Some(Waiting {
        name: Text::parse(&name).map_err(|why| DeskError::Store(why.to_string()))?,
        scopes: scopes_of(&scopes)?,
        address,
        expires: Time::from_timestamp_millis(expires).unwrap_or_default(),
    }))
}

/// Those that wait for a word, which takes no account.
const WAITING: &str = "code IS NOT NULL";
/// Those that a browser that is signed in has answered.
const ANSWERED: &str = "code IS NULL";

/// Takes away those that are over, and says whether there is a place among `those`.
fn has_room(connection: &dyn Sql, those: &str, now: Time) -> Result<(), DeskError> {
    connection.put("DELETE FROM login WHERE expires_ms <= ?1", &[&now.timestamp_millis()])?;
    let count: u64 = connection.one(&format!("SELECT count(*) FROM login WHERE {those}"), &[])?;
    if count < limits::LOGINS {
        return Ok(());
    }
    Err(DeskError::Busy("too many commands wait to be let in: try again in some minutes".to_owned()))
}

impl Ledger {
    fn ask_login(&self, hash: Hash, waiting: Waiting, now: Time) -> Result<String, DeskError> {
        self.write(move |tx| {
            let connection = tx.connection();
            has_room(connection, WAITING, now)?;
            let mut tries = (0..limits::CODE_TRIES).map(|_| code());
            let free = |code: &String| -> Result<bool, DeskError> {
                let sql = "SELECT count(*) FROM login WHERE code = ?1";
                Ok(connection.one::<u64>(sql, &[code])? == 0)
            };
            let code = loop {
                let Some(code) = tries.next() else {
                    return Err(DeskError::Store("every word that was drawn is taken already".to_owned()));
                };
                let code = code?;
                if free(&code)? {
                    break code;
                }
            };
            connection.put(
                "INSERT INTO login (hash, code, name, scopes, address, expires_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                &[
                    &hash,
                    &code,
                    &waiting.name.as_str(),
                    &scopes_in(&waiting.scopes)?,
                    &waiting.address,
                    &waiting.expires.timestamp_millis(),
                ],
            )?;
            Ok(code)
        })
    }

    /// Somebody says yes or no to the command that shows this word. Whether one still waited.
    pub fn answer_login(&self, code: String, by: By, allowed: bool, now: Time) -> Result<bool, DeskError> {
        self.write(move |tx| {
            let scopes = scopes_in(&by.scopes)?;
            let done = tx.connection().execute(
                "UPDATE login SET person = ?2, sign_in = ?3, scopes = ?4, allowed = ?5 \
                 WHERE code = ?1 AND person IS NULL AND expires_ms > ?6",
                &[&code, &by.person.as_str(), &by.sign_in.bits(), &scopes, &allowed, &now.timestamp_millis()],
            )?;
            Ok(done == 1)
        })
    }

    fn let_in_beside(
        &self,
        hash: Hash,
        challenge: String,
        name: Text,
        address: String,
        by: By,
        now: Time,
    ) -> Result<(), DeskError> {
        self.write(move |tx| {
            has_room(tx.connection(), ANSWERED, now)?;
            tx.connection().put(
                "INSERT INTO login (hash, challenge, name, scopes, address, person, sign_in, allowed, expires_ms) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8)",
                &[
                    &hash,
                    &challenge,
                    &name.as_str(),
                    &scopes_in(&by.scopes)?,
                    &address,
                    &by.person.as_str(),
                    &by.sign_in.bits(),
                    &(now + limits::LOGIN_BACK).timestamp_millis(),
                ],
            )?;
            Ok(())
        })
    }

    /// The token that one is let in with. Once, whatever comes of it: who shows a code without what its challenge was
    /// made of has used it up.
    fn take_login(
        &self,
        hash: Hash,
        verifier: Option<String>,
        hash_of_token: Hash,
        now: Time,
    ) -> Result<Result<Token, DeskError>, DeskError> {
        type Row = (Option<String>, String, String, Option<String>, Option<u64>, i64);
        self.write(move |tx| {
            let sql = "SELECT challenge, name, scopes, person, sign_in, allowed FROM login \
                       WHERE hash = ?1 AND expires_ms > ?2 AND person IS NOT NULL";
            let found: Option<Row> = tx.connection().row(sql, &[&hash, &now.timestamp_millis()])?;
            let Some((challenge, name, scopes, Some(person), Some(sign_in), allowed)) = found else {
                return Ok(Err(nobody()));
            };
            tx.connection().put("DELETE FROM login WHERE hash = ?1", &[&hash])?;
            let signed_in = rows::token(tx.connection(), TokenId::from_random(sign_in))?;
            let signed_in = signed_in.filter(|found| found.token.is_good(now));
            let good = signed_in.filter(|_| allowed != 0 && challenge == verifier);
            let Some(signed_in) = good else {
                return Ok(Err(nobody()));
            };
            let wrong = |why: &dyn std::fmt::Display| DeskError::Store(why.to_string());
            let person = Person::parse(&person).map_err(|why| wrong(&why))?;
            let token = Token {
                id: new_id()?,
                name: Text::parse(&name).map_err(|why| wrong(&why))?,
                scopes: scopes_of(&scopes)?,
                made: now,
                made_by: Some(person.clone()),
                person,
                expires: (now + limits::LOGIN_TOKEN).min(signed_in.token.expires),
                revoked: None,
            };
            let token = put_token(tx, token, &hash_of_token)?;
            made::keep(tx.connection(), &token, signed_in.token.id)?;
            Ok(Ok(token))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_however_it_is_typed_and_others_are_none() {
        let drawn = code().unwrap();
        assert!(drawn.len() == 9 && typed(&drawn).as_ref() == Some(&drawn), "{drawn}");
        assert_eq!(typed(" bcdf ghjk ").as_deref(), Some("BCDF-GHJK"));
        for none in
            ["", "BCDF", "BCDF-GHJ", "BCDF-GHJKL", "BCDF-GHJA", "BCDF-GHJ1", "\u{e4}BCDFGHJK\u{e4}\u{e4}"]
        {
            let letters = none.chars().filter(char::is_ascii_alphanumeric).count();
            assert!(typed(none).is_none() || letters == 8, "{none}");
        }
        assert!(typed("BCDF-GHJA").is_none() && typed("BCDF-GHJ1").is_none());
    }

    #[test]
    fn a_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        let made = challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(made, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(is_challenge(&made) && !is_challenge("") && !is_challenge("E9Melhoa2Ow"));
    }
}
