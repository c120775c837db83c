//! Whose account is whose. A page that somebody signed in to shows a code; the account says it to the bot; the page shows
//! which account that was, and its reader confirms. So neither a code that was seen nor an account that was stolen is enough
//! by itself.

use super::activity::Activity;
use super::limits;
use super::rows::{self, Account, Claim};
use crate::ledger::{Ledger, mark, random};
use access::{Person, Text, Time, TokenId};
use api::Mark;
use desk::{Committed, DeskError};
use sha2::{Digest as _, Sha256};
use store::Tx;

/// A code as it is shown and typed: fifty bits, readable aloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(TokenId);

impl Code {
    fn make() -> Result<Self, DeskError> {
        Ok(Self(TokenId::from_random(getrandom::u64().map_err(random)?)))
    }

    /// What somebody typed.
    pub fn parse(typed: &str) -> Option<Self> {
        let typed = typed.trim();
        let bare = typed.strip_prefix("T-").unwrap_or(typed);
        let (low, high) = TokenId::range(&format!("T-{bare}")).ok()?;
        (low == high).then_some(Self(low))
    }

    fn hash(self) -> [u8; 32] {
        Sha256::digest(format!("teams code {}", self.0)).into()
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.to_string().trim_start_matches("T-"))
    }
}

impl Ledger {
    /// A new code for this person.
    pub(crate) fn make_teams_code(&self, person: Person, now: Time) -> Result<Code, DeskError> {
        let code = Code::make()?;
        self.write(move |tx| {
            rows::put_code(tx.connection(), &code.hash(), &person, now + limits::CODE, now)
        })?;
        Ok(code)
    }

    /// An account says a code. Whose code it is.
    pub(crate) fn claim_teams_code(
        &self,
        code: Code,
        activity: &Activity,
        now: Time,
    ) -> Result<Option<String>, DeskError> {
        let Some(account) = activity.account() else { return Ok(None) };
        let claim = Claim {
            hash: code.hash(),
            account,
            name: shown(&activity.from.name),
            chat: activity.from.id.clone(),
        };
        // Whoever makes codes up costs the writer nothing.
        if !self.read(|sql| rows::is_code(sql, &claim.hash, now))? {
            return Ok(None);
        }
        self.write(move |tx| rows::claim(tx.connection(), &claim, now))
    }

    /// Its person confirms that an account which said a code is theirs.
    pub(crate) fn link_teams_account(
        &self,
        tenant: String,
        person: Person,
        hash: String,
        now: Time,
    ) -> Result<Account, DeskError> {
        self.write(move |tx| {
            let claims = rows::claims(tx.connection(), &person, now)?;
            let Some(claim) = claims.into_iter().find(|claim| workflow::hex(&claim.hash) == hash) else {
                return Err(DeskError::BadRequest(
                    "this code is over, or no account has said it: make another one".to_owned(),
                ));
            };
            if let Some(other) = rows::account_of(tx.connection(), &tenant, &claim.account)?
                && other.person != person
            {
                // To whom is not for everybody's eyes.
                return Err(DeskError::Forbidden(
                    "this account is somebody else's already: they or an administrator take it away first"
                        .to_owned(),
                ));
            }
            if rows::accounts(tx.connection(), &tenant, Some(&person))?.len() as u64 >= limits::ACCOUNTS {
                return Err(DeskError::BadRequest(format!(
                    "{person} has {} accounts, as many as one person can: take one away first",
                    limits::ACCOUNTS
                )));
            }
            let account = Account {
                account: claim.account,
                person,
                name: claim.name,
                chat: claim.chat,
                linked: Some(now),
            };
            let detail =
                format!("person={} account={} name={:?}", account.person, account.account, account.name);
            let seq = mark(tx, Mark::TeamsLinked, detail, now)?;
            rows::put_account(tx.connection(), &tenant, &account, now, seq)?;
            rows::drop_code(tx.connection(), &claim.hash)?;
            Ok(account)
        })
    }

    /// A place hears of every request from now on, or no more. Whether that is new.
    pub(crate) fn set_teams_place(
        &self,
        tenant: String,
        conversation: String,
        listens: bool,
        by: Person,
        now: Time,
    ) -> Result<bool, DeskError> {
        self.write(move |tx| {
            let changed = rows::set_listens(tx.connection(), &tenant, &conversation, listens)?;
            if changed {
                let detail = format!("conversation={conversation} listens={listens} by={by}");
                mark(tx, Mark::TeamsPlace, detail, now)?;
            }
            Ok(changed)
        })
    }

    /// An account is nobody's any more.
    pub(crate) fn unlink_teams_account(
        &self,
        tenant: String,
        account: String,
        by: Person,
        is_admin: bool,
        now: Time,
    ) -> Result<(), DeskError> {
        self.write(move |tx| {
            let found = rows::account_of(tx.connection(), &tenant, &account)?;
            let Some(found) = found.filter(|found| found.person == by || is_admin) else {
                return Err(DeskError::BadRequest(
                    "there is no such account that you could take away".to_owned(),
                ));
            };
            let detail = format!("person={} account={account} by={by}", found.person);
            mark(tx, Mark::TeamsUnlinked, detail, now)?;
            rows::drop_account(tx.connection(), &tenant, &account)
        })
    }
}

/// What a person linked since then is nobody's any more, and their codes are good for nothing: whoever had their sign-in
/// could have made them.
pub(crate) fn unlink_since(
    tx: &mut Tx<'_, Committed>,
    person: &Person,
    since: Time,
    by: &Person,
    now: Time,
) -> Result<(), DeskError> {
    for (tenant, account) in rows::linked_since(tx.connection(), person, since)? {
        let detail = format!("person={person} account={account} by={by}");
        mark(tx, Mark::TeamsUnlinked, detail, now)?;
        rows::drop_account(tx.connection(), &tenant, &account)?;
    }
    rows::drop_codes(tx.connection(), person)
}

/// A name as Teams says it, if it is fit to be shown.
fn shown(name: &str) -> String {
    Text::parse(name).map_or_else(|_| "an account without a name".to_owned(), |name| name.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = Code::make().unwrap();
        let shown = code.to_string();
        assert_eq!(shown.len(), 11);
        for typed in [
            shown.clone(),
            shown.to_lowercase(),
            format!(" {shown} "),
            format!("T-{shown}"),
            shown.replace('-', ""),
        ] {
            assert_eq!(Code::parse(&typed), Some(code), "{typed}");
        }
        for wrong in ["", "T-", &shown[..10], "hello", "R-00000-00001"] {
            assert_eq!(Code::parse(wrong), None, "{wrong}");
        }
    }
}
