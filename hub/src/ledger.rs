//! The hub's side of the store: tokens and roles with their records, in one transaction each.

use crate::feed::rows::Standing;
use crate::feed::{self, Signing};
use crate::forgetting::{FIRST_USES, MADE, PERMITS, TOKENS, forget_told};
use crate::inbox;
use crate::outbox::Bell;
use crate::secret::{Hash, Kind};
use crate::signin::made;
use crate::{limits, rows, secret};
use access::{Grant, HostName, Person, Time, TokenId};
use api::{Join, MadeToken, Mark, MarkRecord, Record, Right, RightRecord, Role, Roles, Token, TokenView};
use desk::{Committed, DeskError};
use journal::Checkpoint;
use loglines::{Faults, Level, Log, Tells};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use store::{Observer, Reader, Room, Sql, StoreError, Tx, Writer};
use sync::{Digest, Envelope, Era, Membership, PublicKey, SignedManifest};

/// Changes who may do what, and says so in the journal.
pub struct Ledger {
    writer: Writer<Committed>,
    reader: Reader,
    seq: Arc<AtomicU64>,
}

impl Ledger {
    /// A ledger over `writer`, with connections of its own to read by.
    pub fn new(writer: Writer<Committed>, reader: Reader, seq: Arc<AtomicU64>) -> Self {
        Self { writer, reader, seq }
    }

    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx<'_, Committed>) -> Result<T, DeskError> + Send + 'static,
    ) -> Result<T, DeskError> {
        self.writer.run(limits::WRITE_WAIT, work)
    }

    /// Looks something up in what is committed.
    pub fn read<T>(&self, look: impl FnOnce(&dyn Sql) -> Result<T, DeskError>) -> Result<T, DeskError> {
        self.reader.read(look)
    }

    /// The journal has come to this record, by whomever.
    pub fn saw(&self, seq: u64) {
        self.seq.fetch_max(seq, Ordering::Relaxed);
    }

    /// What all hubs of this database have in common under this key: what was kept first.
    pub fn common(&self, key: &'static str, value: String) -> Result<String, DeskError> {
        self.write(move |tx| {
            if let Some(kept) = store::meta(tx.connection(), key)? {
                return Ok(kept);
            }
            store::set_meta(tx.connection(), key, &value)?;
            Ok(value)
        })
    }

    /// The place of the last record.
    pub fn seq(&self) -> u64 {
        self.seq.load(Ordering::Relaxed)
    }

    /// Whether the file takes writes. After one that failed this tries another, so that a disk that has room
    /// again is noticed without anybody's doing.
    pub fn works(&self) -> Result<(), DeskError> {
        if self.writer.works() {
            return Ok(());
        }
        self.write(|tx| Ok(store::set_meta(tx.connection(), "tried", &tx.seq().to_string())?))
    }

    /// Has `tell` called by the writer thread when its turn comes.
    pub fn beat(&self, tell: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
        self.writer.beat(tell)
    }

    /// Records something about the hub itself.
    pub fn mark(&self, mark: Mark, detail: String, at: Time) -> Result<(), DeskError> {
        self.write(move |tx| self::mark(tx, mark, detail, at).map(drop))
    }

    /// Makes a token, whose secret is told this once, by the one that was shown, which is a sign-in's or not.
    pub fn make_token(
        &self,
        token: Token,
        (shown, is_sign_in): (TokenId, bool),
    ) -> Result<MadeToken, DeskError> {
        let (secret, hash) = secret::make(Kind::Token).map_err(random)?;
        let token = self.put_made(token, hash, (shown, is_sign_in))?;
        Ok(MadeToken { secret, token })
    }

    /// Keeps a token or a link that was made by the token that was shown. It ends with that one, or else with the sign-in that
    /// that one goes back to.
    pub(crate) fn put_made(
        &self,
        token: Token,
        hash: Hash,
        (shown, with_it): (TokenId, bool),
    ) -> Result<Token, DeskError> {
        self.write(move |tx| {
            // Who makes one while theirs is revoked, and all that it made with it, is too late.
            let by = rows::token(tx.connection(), shown)?.filter(|by| by.token.is_good(token.made));
            if by.is_none() {
                return Err(DeskError::Forbidden(format!("token {shown} is revoked or over by now")));
            }
            let token = put_token(tx, token, &hash)?;
            let from = if with_it { Some(shown) } else { made::sign_in_of(tx.connection(), shown)? };
            if let Some(from) = from.filter(|_| token.made_by.as_ref() == Some(&token.person)) {
                made::keep(tx.connection(), &token, from)?;
            }
            Ok(token)
        })
    }

    /// Revokes a token, and with a sign-in what it made in its person's own name: whoever revokes one that is not theirs
    /// wants nothing of it to stay.
    pub fn revoke_token(&self, id: TokenId, actor: Person, at: Time) -> Result<Token, DeskError> {
        self.write(move |tx| {
            let token = ended(tx, id, actor.clone(), at)?;
            let mut left = made::good_of(tx.connection(), id, at)?;
            while let Some(made) = left.pop() {
                // It can be a link's sign-in, which made something in turn.
                left.extend(made::good_of(tx.connection(), made.id, at)?);
                revoked(tx, made, actor.clone(), at)?;
            }
            Ok(token)
        })
    }

    /// Signs out. What the sign-in made goes on, as a command that it let in does.
    pub fn sign_out(&self, id: TokenId, person: Person, at: Time) -> Result<Token, DeskError> {
        self.write(move |tx| ended(tx, id, person, at))
    }

    /// A person has these roles from now on, and no others.
    pub fn set_roles(&self, new: Roles, actor: Person, at: Time) -> Result<Roles, DeskError> {
        self.write(move |tx| {
            let Roles { person, roles } = new;
            let before = rows::roles_of(tx.connection(), &person)?;
            for role in Role::ALL {
                let given = roles.contains(&role);
                if given != before.contains(&role) {
                    put_role(tx, at, Some(actor.clone()), &person, role, given)?;
                }
            }
            let all = rows::roles(tx.connection())?;
            if !all.values().any(|roles| roles.contains(&Role::Admin)) {
                return Err(DeskError::BadRequest(format!(
                    "{person} is the last administrator: make somebody else one first"
                )));
            }
            Ok(Roles { person, roles })
        })
    }

    /// Writes down that a token was used. Nobody waits for it.
    pub fn used(&self, id: TokenId, now: Time) {
        // A use that is not written down is missed by nobody.
        let _ =
            self.writer.submit(move |tx| rows::used(tx.connection(), id, now), drop::<Result<(), DeskError>>);
    }

    /// Keeps a token that lets hosts in.
    pub fn put_join_token(
        &self,
        hash: Digest,
        labels: BTreeMap<String, String>,
        uses: u32,
        expires: Time,
        actor: Person,
        at: Time,
    ) -> Result<(), DeskError> {
        self.write(move |tx| {
            let detail = format!("by={actor} uses={uses} labels={}", said(&labels));
            let seq = mark(tx, Mark::HostTokenMade, detail, at)?;
            feed::rows::put_join_token(
                tx.connection(),
                &Digest::of(hash.as_bytes()),
                &labels,
                uses,
                expires,
                seq,
            )
        })
    }

    /// A host joins. One that is there already does with the same key alone.
    pub fn join(&self, join: Join, incarnation: u64, at: Time) -> Result<(), DeskError> {
        // What is kept opens nothing: who reads the database has no token by that.
        let join = Join { token: Digest::of(join.token.as_bytes()), ..join };
        // A token that never was one costs the writer nothing.
        if !self.read(|connection| feed::rows::is_join_token(connection, &join.token))? {
            return Err(no_join_token());
        }
        self.write(move |tx| {
            let before = feed::rows::host(tx.connection(), &join.host)?;
            if before.as_ref().is_some_and(|host| host.key == join.key && host.joined == join.token) {
                return Ok(());
            }
            let Some(labels) = feed::rows::use_join_token(tx.connection(), &join.token, at)? else {
                return Err(no_join_token());
            };
            if before.is_some_and(|host| host.key != join.key) {
                return Err(DeskError::Forbidden(format!(
                    "a host called {0} has joined with another key: where this is the same host set up anew, take the old one away \
                     with `jit host remove {0}`; else give this one another name",
                    join.host
                )));
            }
            let detail = format!("host={} key={}", join.host, join.key.id());
            let seq = mark(tx, Mark::HostJoined, detail, at)?;
            feed::rows::put_host(tx.connection(), &join, &labels, at, incarnation, seq)?;
            feed::rows::rise(tx.connection()).map(drop)
        })
    }

    /// A host that was lost is known again by what the root signed of it in an earlier incarnation. How it stood before.
    pub fn know_again(&self, of: Membership, at: Time) -> Result<Standing, DeskError> {
        self.write(move |tx| {
            let stood = feed::rows::standing(tx.connection(), &of)?;
            if stood == Standing::Lost {
                let detail = format!("host={} key={} labels={}", of.host, of.key.id(), said(&of.labels));
                let seq = mark(tx, Mark::HostCameBack, detail, at)?;
                let Membership { incarnation, host, machine, key, labels, token, joined_at, .. } = of;
                let join = Join { token, host, machine, key };
                feed::rows::put_host(tx.connection(), &join, &labels, joined_at, incarnation, seq)?;
                feed::rows::rise(tx.connection())?;
            }
            Ok(stood)
        })
    }

    /// A host has given back all that it knew of earlier incarnations.
    pub fn gave_back(&self, host: HostName, incarnation: u64, at: Time) -> Result<(), DeskError> {
        self.write(move |tx| {
            mark(tx, Mark::HostGaveBack, format!("host={host} incarnation={incarnation}"), at)?;
            feed::rows::gave_back(tx.connection(), &host, incarnation)
        })
    }

    /// A host has these labels from now on, and no others.
    pub fn label_host(
        &self,
        host: HostName,
        labels: BTreeMap<String, String>,
        actor: Person,
        at: Time,
    ) -> Result<(), DeskError> {
        self.write(move |tx| {
            if !feed::rows::label_host(tx.connection(), &host, &labels)? {
                return Err(feed::no_host(&host));
            }
            let detail = format!("host={host} by={actor} labels={}", said(&labels));
            mark(tx, Mark::HostLabelled, detail, at).map(drop)
        })
    }

    /// Takes a host away, and keeps one away that a backup lost. Whether there was one.
    pub fn remove_host(&self, host: HostName, actor: Person, at: Time) -> Result<bool, DeskError> {
        self.write(move |tx| {
            mark(tx, Mark::HostRemoved, format!("host={host} by={actor}"), at)?;
            inbox::rows::forget_sessions(tx.connection(), &host)?;
            feed::rows::remove_host(tx.connection(), &host, at)
        })
    }

    /// A hub signs by the keys of this era from now on.
    pub fn speak_in(&self, era: Era) -> Result<(), DeskError> {
        self.write(move |tx| feed::rows::put_era(tx.connection(), era))
    }

    /// All there is is signed by the keys of this era, and these are they.
    pub fn tell_keys(&self, era: Era, keys: SignedManifest) -> Result<(), DeskError> {
        self.write(move |tx| feed::rows::put_manifest(tx.connection(), era, &keys))
    }

    /// Keeps grants as they were signed, each with the key that did, and hides those from hosts that ended and could not be signed;
    /// at the next revision, which this is, where something changed.
    pub fn put_signed(
        &self,
        signed: Vec<(Grant, Envelope, PublicKey)>,
        hidden: Vec<Grant>,
    ) -> Result<Option<u64>, DeskError> {
        self.write(move |tx| put_signed(tx.connection(), &signed, &hidden))
    }

    /// Writes down what hosts said to this hub, and when it served.
    pub fn keep_seen(
        &self,
        seen: Vec<(HostName, feed::rows::Seen)>,
        hub: String,
        serves: Option<Time>,
    ) -> Result<(), DeskError> {
        self.write(move |tx| {
            if let Some(now) = serves {
                feed::rows::put_serving(tx.connection(), &hub, now)?;
            }
            seen.iter().try_for_each(|(host, seen)| feed::rows::put_seen(tx.connection(), host, seen, &hub))
        })
    }

    /// Takes away the oldest that hosts told, some at once: what was heard before this, and more where the
    /// database is too full. How full it was, and whether more are to go.
    pub fn make_room(&self, before: Option<Time>) -> Result<(Room, bool), DeskError> {
        self.write(move |tx| {
            let room = tx.room()?;
            let is_full = room.is_past(limits::HOSTS_SHARE);
            if before.is_none() && !is_full {
                return Ok((room, false));
            }
            let before = before.filter(|_| !is_full);
            Ok((room, forget_told(tx.connection(), before, limits::GO_AT_ONCE)?))
        })
    }

    /// Forgets what was signed and is over for so long that no host needs to know, or where a host is told of too much, when grants were first used that
    /// nobody has any more, and tokens that were over so long ago that nobody asks.
    pub fn forget(&self, now: Time) -> Result<(), DeskError> {
        let mut outcome = self.write(move |tx| inbox::rows::forget_logs(tx.connection()).map(drop));
        for (rows, before) in [
            (FIRST_USES, now - limits::ENDED_KEPT),
            (TOKENS, now - limits::TOKENS_KEPT),
            (MADE, now - limits::TOKENS_KEPT),
            (PERMITS, now - limits::PERMITS_KEPT),
        ] {
            let forget = move |sql: &dyn Sql, most| rows.forget(sql, Some(before), most);
            outcome = outcome.and(self.by_and_by(limits::GO_AT_ONCE, forget));
        }
        let signed = move |sql: &dyn Sql, most| feed::rows::forget_signed(sql, now, most);
        let outcome = outcome.and(self.by_and_by(limits::SIGNED_GO_AT_ONCE, signed));
        let give_way =
            |(host, count)| self.write(move |tx| feed::rows::give_way(tx.connection(), &host, count));
        let lists = self.read(|sql| feed::rows::long_lists(sql, limits::LISTED));
        outcome.and(lists?.into_iter().try_for_each(give_way))
    }

    /// Has at most so many rows forgotten at once, each time in a transaction of its own. What is left then is for the next time.
    fn by_and_by(
        &self,
        most: u32,
        forget: impl Fn(&dyn Sql, u32) -> Result<usize, DeskError> + Copy + Send + 'static,
    ) -> Result<(), DeskError> {
        for _ in 0..limits::FORGET_ROUNDS {
            if self.write(move |tx| forget(tx.connection(), most))? < most as usize {
                break;
            }
        }
        Ok(())
    }

    /// Opens again what a clock that was ahead of `now` had closed.
    pub fn reopen(&self, now: Time) -> Result<(), DeskError> {
        self.write(move |tx| desk::reopen(tx.connection(), now).map(drop))
    }

    /// Makes a person administrator, with a token for all that an administrator does.
    pub fn make_admin(&self, token: Token) -> Result<MadeToken, DeskError> {
        let (secret, hash) = secret::make(Kind::Token).map_err(random)?;
        let token = self.write(move |tx| {
            if !rows::roles_of(tx.connection(), &token.person)?.contains(&Role::Admin) {
                put_role(tx, token.made, None, &token.person, Role::Admin, true)?;
            }
            put_token(tx, token, &hash)
        })?;
        Ok(MadeToken { secret, token })
    }
}

/// [`Ledger::put_signed`], in a transaction in which more is done.
pub(crate) fn put_signed(
    connection: &dyn Sql,
    signed: &[(Grant, Envelope, PublicKey)],
    hidden: &[Grant],
) -> Result<Option<u64>, DeskError> {
    let mut changed = false;
    for (grant, envelope, key) in signed {
        changed |= feed::rows::put_signed(connection, grant, envelope, key)?;
    }
    for grant in hidden {
        changed |= feed::rows::hide(connection, grant)?;
    }
    if changed { feed::rows::rise(connection).map(Some) } else { Ok(None) }
}

/// Revokes a token. One that is revoked already stays as it is.
fn ended(tx: &mut Tx<'_, Committed>, id: TokenId, actor: Person, at: Time) -> Result<Token, DeskError> {
    let Some(TokenView { token, .. }) = rows::token(tx.connection(), id)? else {
        return Err(no_token(&id.to_string()));
    };
    if token.revoked.is_some() { Ok(token) } else { revoked(tx, token, actor, at) }
}

/// Revokes a token that is not yet.
pub(crate) fn revoked(
    tx: &mut Tx<'_, Committed>,
    token: Token,
    actor: Person,
    at: Time,
) -> Result<Token, DeskError> {
    let token = Token { revoked: Some(at), ..token };
    let right = Right::TokenRevoked(token.clone());
    let seq = right_record(tx, at, Some(actor), token.person.clone(), right)?;
    rows::put_token(tx.connection(), &token, None, seq)?;
    Ok(token)
}

fn said(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

pub(crate) fn put_token(
    tx: &mut Tx<'_, Committed>,
    mut token: Token,
    hash: &Hash,
) -> Result<Token, DeskError> {
    if rows::good_tokens(tx.connection(), &token.person, token.made)? >= limits::TOKENS_PER_PERSON {
        return Err(DeskError::BadRequest(format!(
            "{} has {} good tokens, which is as many as one person can have: revoke some",
            token.person,
            limits::TOKENS_PER_PERSON
        )));
    }
    while rows::token(tx.connection(), token.id)?.is_some() {
        token.id = new_id()?;
    }
    let right = Right::TokenMade(token.clone());
    let seq = right_record(tx, token.made, token.made_by.clone(), token.person.clone(), right)?;
    rows::put_token(tx.connection(), &token, Some(hash), seq)?;
    Ok(token)
}

fn put_role(
    tx: &mut Tx<'_, Committed>,
    at: Time,
    actor: Option<Person>,
    person: &Person,
    role: Role,
    given: bool,
) -> Result<(), DeskError> {
    let right = if given { Right::RoleGiven(role) } else { Right::RoleTaken(role) };
    let seq = right_record(tx, at, actor, person.clone(), right)?;
    if given {
        rows::give_role(tx.connection(), person, role, seq)
    } else {
        rows::take_role(tx.connection(), person, role)
    }
}

pub(crate) fn right_record(
    tx: &mut Tx<'_, Committed>,
    at: Time,
    actor: Option<Person>,
    person: Person,
    right: Right,
) -> Result<u64, DeskError> {
    record(tx, Record::Right(Box::new(RightRecord { at, actor, person, right })))
}

pub(crate) fn mark(
    tx: &mut Tx<'_, Committed>,
    mark: Mark,
    detail: String,
    at: Time,
) -> Result<u64, DeskError> {
    record(tx, Record::Mark(Box::new(MarkRecord { at, mark, detail })))
}

pub(crate) fn record(tx: &mut Tx<'_, Committed>, record: Record) -> Result<u64, DeskError> {
    let body = serde_json::to_string(&record).map_err(|why| DeskError::Store(why.to_string()))?;
    let seq = tx.record(body)?;
    tx.event(Committed::Record { seq, record: Box::new(record) });
    Ok(seq)
}

/// A new id for a token.
pub fn new_id() -> Result<TokenId, DeskError> {
    Ok(TokenId::from_random(getrandom::u64().map_err(random)?))
}

/// The kernel gives none.
pub fn random(why: getrandom::Error) -> DeskError {
    DeskError::Store(format!("the kernel gives no random numbers: {why}"))
}

/// No token of this id, or none for these eyes.
pub fn no_token(id: &str) -> DeskError {
    DeskError::NotFound { what: "token", id: id.to_owned() }
}

fn no_join_token() -> DeskError {
    DeskError::Forbidden(
        "this token lets nobody in: it is used up, over, or not of this hub; make another with `jit host token`"
            .to_owned(),
    )
}

/// Logs what is committed.
pub struct Keeper {
    log: Log,
    seq: Arc<AtomicU64>,
    signing: Signing,
    bell: Bell,
    faults: Faults,
}

impl Keeper {
    /// Tells the log, and keeps the place of the last record.
    pub fn new(log: Log, seq: Arc<AtomicU64>, (signing, bell): (Signing, Bell)) -> Self {
        Self { log, seq, signing, bell, faults: Faults::default() }
    }
}

/// As [`Keeper`] tells of it.
const WRITING: &str = "the journal";

impl Observer<Committed> for Keeper {
    /// Jobs look into the database alone; this logs, counts and rings.
    const HOLDS: bool = false;

    fn committed(&mut self, events: Vec<Committed>) {
        if !events.is_empty() && self.faults.take(WRITING, true, Instant::now()) == Tells::Works {
            self.log.put(Level::Notice, "the journal takes records again".to_owned());
        }
        for event in events {
            if matches!(event, Committed::Grant(_)) {
                self.signing.wake();
            }
            let Committed::Record { seq, record } = event else { continue };
            if matches!(*record, Record::Change(_)) {
                self.bell.ring();
            }
            let loud = match &*record {
                Record::Change(change) => change.change.is_loud(),
                Record::Mark(mark) => mark.mark == Mark::HostJournal,
                _ => false,
            };
            self.log.put(if loud { Level::Err } else { Level::Notice }, record.line(seq));
            self.seq.store(seq, Ordering::Relaxed);
        }
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) {
        self.log.checkpoint(checkpoint);
    }

    fn reopened(&mut self, connection: &dyn Sql) -> Result<(), StoreError> {
        self.seq.store(store::last_seq(connection)?, Ordering::Relaxed);
        Ok(())
    }

    fn failed(&mut self, error: &StoreError) {
        if self.faults.take(WRITING, false, Instant::now()) == Tells::Fails {
            self.log.put(Level::Err, format!("the journal takes no records, so nothing is granted: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::{clock, serve};
    use access::Text;
    use chrono::TimeDelta;
    use std::collections::BTreeSet;

    /// One on a file of its own, with a token of alice's.
    fn ledger() -> (tempfile::TempDir, Ledger, Token) {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { state: folder.path().into(), ..Config::default() };
        let log = Log::to(&folder.path().join("log"), "jit-hub").unwrap();
        let (ledger, ..) = serve::open(&config, &log, (Signing::new().0, Bell::new().0), true).unwrap();
        let first = ledger.make_admin(token(clock::wall())).unwrap().token;
        (folder, ledger, first)
    }

    /// One of alice's for an hour, made by herself.
    fn token(made: Time) -> Token {
        let alice = Person::parse("alice").unwrap();
        Token {
            id: new_id().unwrap(),
            person: alice.clone(),
            name: Text::parse("a test").unwrap(),
            scopes: BTreeSet::new(),
            made,
            made_by: Some(alice),
            expires: made + TimeDelta::hours(1),
            revoked: None,
        }
    }

    /// Whoever calls has shown it before, and it was good then: what counts is how it stands when the other one is made.
    #[test]
    fn who_makes_a_token_by_one_that_is_revoked_or_over_meanwhile_is_too_late() {
        let (_folder, ledger, by) = ledger();
        let made = ledger.make_token(token(by.made), (by.id, false)).unwrap().token;
        let other = ledger.make_token(token(by.made), (made.id, true)).unwrap().token;
        ledger.revoke_token(by.id, by.person.clone(), by.made).unwrap();
        ledger.sign_out(made.id, made.person.clone(), by.made).unwrap();
        for (at, shown) in [
            (by.made, (by.id, false)),
            (by.made, (made.id, true)),
            (other.expires, (other.id, false)),
            (by.made, (new_id().unwrap(), false)),
        ] {
            let late = ledger.make_token(token(at), shown).map(drop).unwrap_err();
            let words = format!("token {} is revoked or over by now", shown.0);
            assert!(matches!(&late, DeskError::Forbidden(why) if *why == words), "{late:?}");
        }
        assert_eq!(ledger.read(|sql| rows::tokens(sql, None)).unwrap().len(), 3, "nothing came of it");
    }

    #[test]
    fn what_a_sign_in_made_is_known_for_as_long_as_its_tokens_are() {
        let (_folder, ledger, sign_in) = ledger();
        let made = ledger.make_token(token(sign_in.made), (sign_in.id, true)).unwrap().token;
        let known = || ledger.read(|sql| made::sign_in_of(sql, made.id)).unwrap();
        let last = made.expires + limits::TOKENS_KEPT;
        ledger.forget(last).unwrap();
        assert_eq!(known(), Some(sign_in.id));
        let after = last + TimeDelta::milliseconds(1);
        ledger.forget(after).unwrap();
        assert_eq!(known(), None);
    }

    #[test]
    fn what_months_left_behind_goes_by_and_by_and_what_is_younger_stays() {
        let (_folder, ledger, token) = ledger();
        let (now, young) = (token.made, token.made.timestamp_millis());
        let at_once = u64::from(limits::GO_AT_ONCE) * limits::FORGET_ROUNDS as u64;
        ledger
            .write(move |tx| {
                let sql = "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?1) \
                           INSERT INTO first_use SELECT n, 'a', 1, CASE WHEN n > 2 THEN n ELSE ?2 END FROM number";
                Ok(tx.connection().execute(sql, &[&(at_once + 5), &young])?)
            })
            .unwrap();
        let left = || ledger.read(|sql| Ok(sql.one::<u64>("SELECT count(*) FROM first_use", &[])?)).unwrap();
        assert_eq!(left(), at_once + 5);
        for after in [5, 2, 2] {
            ledger.forget(now).unwrap();
            assert_eq!(left(), after);
        }
        assert_eq!(ledger.read(|sql| rows::tokens(sql, None)).unwrap().len(), 1, "nor is a good token old");
    }
}
