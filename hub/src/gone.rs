//! Who is no person of people.toml and can still do something at this hub. Roles, tokens, accounts elsewhere and in chats do without
//! it, for the first administrator comes before it; so whoever takes somebody out of it is told what is left of them.

use crate::inbox::uses;
use crate::ledger::Ledger;
use crate::policy::Policies;
use crate::{clock, limits, rows};
use access::{Now, Person, Time};
use api::GrantView;
use desk::{DeskError, InForce, Worlds};
use std::sync::Arc;
use workflow::{People, Policy, World};

/// The worlds of a hub, which also knows what people have there.
pub struct Fleet {
    /// The policy in force, over people and hosts as they are.
    pub policies: Arc<Policies>,
    /// What people have.
    pub ledger: Arc<Ledger>,
}

impl Worlds for Fleet {
    fn in_force(&self) -> &InForce {
        self.policies.in_force()
    }

    fn world(&self) -> World {
        self.policies.world()
    }

    fn world_of(&self, policy: Policy, listed: Option<People>) -> World {
        self.policies.world_of(policy, listed)
    }

    fn as_told(&self, views: Vec<GrantView>, now: Now) -> Result<Vec<GrantView>, DeskError> {
        uses::as_told(&self.ledger, views, now)
    }

    fn left(&self, people: &People, reader: &Person) -> Result<Option<String>, DeskError> {
        left(&self.ledger, people, reader, clock::wall())
    }
}

/// Who it is, what they have, and what takes it away; but `reader`, who knows of themself.
pub fn left(
    ledger: &Ledger,
    people: &People,
    reader: &Person,
    now: Time,
) -> Result<Option<String>, DeskError> {
    let mut all = ledger.read(|connection| rows::holders(connection, now))?;
    all.retain(|person, _| person != reader && people.get(person).is_none());
    if all.is_empty() {
        return Ok(None);
    }
    let mut said: Vec<String> =
        all.iter().take(limits::LEFT).map(|(person, held)| format!("{person} ({held})")).collect();
    if all.len() > limits::LEFT {
        said.push(format!("{} more", all.len() - limits::LEFT));
    }
    let (who, keep) = if all.len() == 1 { ("who is", "keeps") } else { ("who are", "keep") };
    Ok(Some(format!(
        "{}, {who} in no people.toml, {keep} what they have here: `jit role set PERSON` takes roles away, `jit token revoke ID` \
         each token of `jit token list`, the page People accounts, and the page Chats chat accounts",
        said.join(", ")
    )))
}
