//! Accounts elsewhere that sign people in: each is bound to one person, once, by an administrator or by that person, and
//! found by issuer and subject alone.

use super::limits;
use crate::chats::binding::unlink_since;
use crate::ledger::{Ledger, revoked, right_record};
use crate::rows;
use crate::secret::Hash;
use crate::web::Browser;
use access::{Person, Text, Time, TokenId};
use api::{Identity, Right, Scope, Token, TokenView};
use desk::{Committed, DeskError};
use store::{Sql, Tx};

/// An account and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The account.
    pub identity: Identity,
    /// Whose.
    pub person: Person,
    /// Since when.
    pub at: Time,
    /// Who said so.
    pub by: Person,
    /// When it signed somebody in last.
    pub used: Option<Time>,
}

type Row = (String, String, String, i64, String, Option<i64>, u64);

const BOUND: &str = "SELECT issuer, subject, person, bound_ms, bound_by, used_ms, seq FROM identity";

fn read((issuer, subject, person, at, by, used, _): Row) -> Result<Bound, DeskError> {
    let wrong = |why: &dyn std::fmt::Display| {
        DeskError::Store(format!("the row of an account elsewhere cannot be read: {why}"))
    };
    Ok(Bound {
        identity: Identity {
            issuer: Text::parse(&issuer).map_err(|why| wrong(&why))?,
            subject: Text::parse(&subject).map_err(|why| wrong(&why))?,
        },
        person: Person::parse(&person).map_err(|why| wrong(&why))?,
        at: Time::from_timestamp_millis(at).ok_or_else(|| wrong(&"its time is none"))?,
        by: Person::parse(&by).map_err(|why| wrong(&why))?,
        used: used.and_then(Time::from_timestamp_millis),
    })
}

/// The accounts of this person, or everybody's.
pub fn identities(connection: &dyn Sql, person: Option<&Person>) -> Result<Vec<Bound>, DeskError> {
    let sql = format!("{BOUND} WHERE ?1 IS NULL OR person = ?1 ORDER BY person, issuer, subject LIMIT ?2");
    let rows: Vec<Row> = connection.rows(&sql, &[&person.map(Person::as_str), &api::limits::PAGE])?;
    rows.into_iter().map(read).collect()
}

/// Whose this account is.
fn bound(connection: &dyn Sql, identity: &Identity) -> Result<Option<Bound>, DeskError> {
    let sql = format!("{BOUND} WHERE issuer = ?1 AND subject = ?2");
    let row: Option<Row> = connection.row(&sql, &[&identity.issuer.as_str(), &identity.subject.as_str()])?;
    row.map(read).transpose()
}

/// What sign-ins by this provider are called, before what else there is to say of each.
fn name_of(issuer: &Text) -> String {
    format!("browser, signed in by {issuer} from ")
}

impl Ledger {
    /// Signs in whoever this account is bound to. None where it is bound to nobody.
    pub fn sign_in_by(
        &self,
        identity: Identity,
        browser: Browser,
        now: Time,
    ) -> Result<Option<Token>, DeskError> {
        // Who is not known costs the writer nothing.
        if self.read(|connection| bound(connection, &identity))?.is_none() {
            return Ok(None);
        }
        self.write(move |tx| {
            let Some(Bound { person, .. }) = bound(tx.connection(), &identity)? else { return Ok(None) };
            tx.connection().put(
                "UPDATE identity SET used_ms = ?3 WHERE issuer = ?1 AND subject = ?2",
                &[&identity.issuer.as_str(), &identity.subject.as_str(), &now.timestamp_millis()],
            )?;
            let name = name_of(&identity.issuer);
            browser.enters(tx, &name, person, Scope::ALL.into(), (now, None)).map(Some)
        })
    }

    /// Keeps an account that nobody is bound to and that was shown in a browser that is signed in, for what it is asked
    /// next.
    pub fn show_identity(
        &self,
        identity: Identity,
        shown: Hash,
        sign_in: TokenId,
        now: Time,
    ) -> Result<(), DeskError> {
        self.write(move |tx| {
            let (connection, now_ms) = (tx.connection(), now.timestamp_millis());
            connection.put("DELETE FROM identity_shown WHERE expires_ms <= ?1", &[&now_ms])?;
            connection.put("DELETE FROM identity_shown WHERE sign_in = ?1", &[&sign_in.bits()])?;
            let count: u64 = connection.one("SELECT count(*) FROM identity_shown", &[])?;
            if count >= limits::SHOWN {
                return Err(DeskError::Busy("too many accounts wait to be bound: try again in some minutes".to_owned()));
            }
            let expires = (now + limits::ELSEWHERE).timestamp_millis();
            connection.put(
                "INSERT INTO identity_shown (hash, issuer, subject, sign_in, expires_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
                &[&shown, &identity.issuer.as_str(), &identity.subject.as_str(), &sign_in.bits(), &expires],
            )?;
            Ok(())
        })
    }

    /// Binds an account that was shown in this very sign-in to its person.
    pub fn bind_shown(
        &self,
        shown: Hash,
        sign_in: TokenId,
        person: Person,
        now: Time,
    ) -> Result<Identity, DeskError> {
        self.write(move |tx| {
            let sql = "SELECT issuer, subject FROM identity_shown WHERE hash = ?1 AND sign_in = ?2 AND expires_ms > ?3";
            let found: Option<(String, String)> =
                tx.connection().row(sql, &[&shown, &sign_in.bits(), &now.timestamp_millis()])?;
            let Some((issuer, subject)) = found else {
                return Err(DeskError::Forbidden(
                    "no account was shown in this sign-in within the last minutes: sign in there again".to_owned(),
                ));
            };
            tx.connection().put("DELETE FROM identity_shown WHERE hash = ?1", &[&shown])?;
            let text = |text: &str| Text::parse(text).map_err(|why| DeskError::Store(why.to_string()));
            let identity = Identity { issuer: text(&issuer)?, subject: text(&subject)? };
            put(tx, identity, &person, &person, now)
        })
    }

    /// Binds an account to somebody.
    pub fn bind(
        &self,
        identity: Identity,
        person: Person,
        actor: Person,
        now: Time,
    ) -> Result<Identity, DeskError> {
        self.write(move |tx| put(tx, identity, &person, &actor, now))
    }

    /// Unbinds an account, and ends what its person was signed in with by that provider, and whatever they made for
    /// themselves, linked or bound since it was bound: whoever has the account could have done it. `own` alone where that is
    /// said.
    pub fn unbind(
        &self,
        identity: Identity,
        actor: Person,
        own: bool,
        now: Time,
    ) -> Result<Person, DeskError> {
        self.write(move |tx| {
            let found = bound(tx.connection(), &identity)?.filter(|bound| !own || bound.person == actor);
            let Some(Bound { person, at, .. }) = found else {
                return Err(DeskError::BadRequest(
                    "no such account is bound that you could unbind: load the page anew".to_owned(),
                ));
            };
            let name = name_of(&identity.issuer);
            for TokenView { token, .. } in rows::tokens(tx.connection(), Some(&person))? {
                let by_itself = token.made >= at && token.made_by.as_ref() == Some(&person);
                if token.is_good(now) && (by_itself || token.name.as_str().starts_with(&name)) {
                    revoked(tx, token, actor.clone(), now)?;
                }
            }
            unlink_since(tx, &person, at, &actor, now)?;
            for other in identities(tx.connection(), Some(&person))? {
                let since = other.at >= at && other.by == person;
                if since || other.identity == identity {
                    unbound(tx, other, &actor, now)?;
                }
            }
            Ok(person)
        })
    }
}

fn unbound(
    tx: &mut Tx<'_, Committed>,
    Bound { identity, person, .. }: Bound,
    actor: &Person,
    now: Time,
) -> Result<(), DeskError> {
    right_record(tx, now, Some(actor.clone()), person, Right::IdentityUnbound(identity.clone()))?;
    tx.connection().put(
        "DELETE FROM identity WHERE issuer = ?1 AND subject = ?2",
        &[&identity.issuer.as_str(), &identity.subject.as_str()],
    )?;
    Ok(())
}

fn put(
    tx: &mut Tx<'_, Committed>,
    identity: Identity,
    person: &Person,
    actor: &Person,
    now: Time,
) -> Result<Identity, DeskError> {
    if let Some(before) = bound(tx.connection(), &identity)? {
        return if before.person == *person {
            Ok(identity)
        } else {
            // To whom is not for everybody's eyes.
            Err(DeskError::BadRequest(
                "this account is somebody else's already: an administrator can unbind it under People"
                    .to_owned(),
            ))
        };
    }
    let sql = "SELECT count(*) FROM identity WHERE person = ?1";
    let count: u64 = tx.connection().one(sql, &[&person.as_str()])?;
    if count >= limits::IDENTITIES {
        return Err(DeskError::BadRequest(format!(
            "{person} has {count} accounts elsewhere, which is as many as one person can have: unbind one first"
        )));
    }
    let right = Right::IdentityBound(identity.clone());
    let seq = right_record(tx, now, Some(actor.clone()), person.clone(), right)?;
    tx.connection().put(
        "INSERT INTO identity (issuer, subject, person, bound_ms, bound_by, seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        &[
            &identity.issuer.as_str(),
            &identity.subject.as_str(),
            &person.as_str(),
            &now.timestamp_millis(),
            &actor.as_str(),
            &seq,
        ],
    )?;
    Ok(identity)
}
