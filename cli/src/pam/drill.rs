//! The drill of the spare keys: each goes through the account part of each door that names it, by the real service
//! files, and what came of it is kept until the next one.

use super::drive::Tried;
use super::files;
use super::name::Door;
use super::spare::{self, Account, Accounts};
use super::sshd::Sshd;
use super::status::Shown;
use crate::{CliError, limits};
use access::{Login, Time};
use api::Drill;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::io::{ErrorKind, Read as _};
use std::path::PathBuf;

/// One account at one door.
struct Try {
    door: Door,
    account: Account,
}

impl Try {
    fn name(&self) -> String {
        format!("{} at {}", self.account.name, self.door)
    }
}

/// A door, with the accounts that it names as spare keys, or what stands against one of them.
pub struct Keyed<'a> {
    pub door: &'a Shown,
    pub keys: Result<Vec<Account>, CliError>,
}

/// These doors with their spare keys.
pub fn spare_keys(doors: &[Shown]) -> Result<Vec<Keyed<'_>>, CliError> {
    let accounts = Accounts::read()?;
    let said = RefCell::new(HashMap::new());
    let sshd =
        |user: &str| said.borrow_mut().entry(user.to_owned()).or_insert_with(|| Sshd::for_user(user)).clone();
    let login = |name: &String| Login::parse(name).map_err(|why| CliError::NotDone(why.to_string()));
    let keyed = doors.iter().map(|door| {
        let Shown { spare_users, spare_groups, .. } = door;
        let users = spare_users.iter().map(login).collect::<Result<Vec<_>, _>>();
        Keyed { door, keys: users.and_then(|users| spare::named(&users, spare_groups, &accounts, sshd)) }
    });
    Ok(keyed.collect())
}

/// Has every spare key of these doors go through them now. The module logs it as it does each use.
pub fn drill(doors: &[Keyed<'_>], now: Time) -> Result<Drill, CliError> {
    let mut drill = Drill { at: now, passed: Vec::new(), failed: Vec::new() };
    let tried = Tried::write(&files::folder()?, &files::drill_folder()?)?;
    for one in tries(doors) {
        match tried.lets_in(&one.door, &one.account.name, one.account.uid) {
            Ok(()) => drill.passed.push(one.name()),
            Err(why) => {
                // A door can say a lot.
                let end = why.floor_char_boundary(api::limits::FINDING);
                drill.failed.push(format!("{}: {}", one.name(), why.get(..end).unwrap_or_default()));
            }
        }
    }
    let text = serde_json::to_string(&drill).map_err(|why| CliError::NotDone(why.to_string()))?;
    files::write(&path()?, &text)?;
    Ok(drill)
}

/// The last drill, where another one is not due: after a day, after a while where one failed, and where doors or keys
/// are others.
pub fn last(doors: &[Keyed<'_>], now: Time) -> Result<Option<Drill>, CliError> {
    let path = path()?;
    let failed = |why| CliError::File { path: path.clone(), why };
    let mut text = String::new();
    match std::fs::File::open(&path) {
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
        opened => {
            opened.and_then(|file| file.take(limits::DRILL).read_to_string(&mut text)).map_err(failed)?
        }
    };
    // One of another release is none.
    let kept = serde_json::from_str(&text).ok();
    Ok(kept.filter(|kept| !is_due(kept, &tries(doors).iter().map(Try::name).collect(), now)))
}

fn is_due(kept: &Drill, wanted: &BTreeSet<String>, now: Time) -> bool {
    let again = if kept.failed.is_empty() { limits::DRILL_EVERY } else { limits::DRILL_AGAIN };
    let failed = kept.failed.iter().map(|failed| failed.split(": ").next().unwrap_or(failed).to_owned());
    let tried: BTreeSet<String> = kept.passed.iter().cloned().chain(failed).collect();
    // One that was in the future is none that is known.
    kept.at > now || now - kept.at >= again || tried != *wanted
}

/// Whom there is to try. A door whose keys could not come in at all is told of elsewhere.
fn tries(doors: &[Keyed<'_>]) -> Vec<Try> {
    let of = |Keyed { door, keys }: &Keyed<'_>| {
        let door: Option<Door> = door.service.parse().ok();
        let keys = keys.iter().flatten().cloned();
        keys.filter_map(|account| Some(Try { door: door.clone()?, account })).collect::<Vec<_>>()
    };
    let mut all: Vec<Try> = doors.iter().flat_map(of).collect();
    // Named as itself and as one of a group.
    all.dedup_by_key(|one| one.name());
    all
}

fn path() -> Result<PathBuf, CliError> {
    Ok(files::drill_folder()?.join("drill"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::at;

    #[test]
    fn a_drill_is_due_after_a_day_sooner_where_one_failed_and_at_once_for_other_doors() {
        let names = |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };
        let wanted: BTreeSet<String> = names(&["rescue at sshd", "rescue at sudo"]).into_iter().collect();
        let good =
            Drill { at: at(0), passed: names(&["rescue at sshd", "rescue at sudo"]), failed: Vec::new() };
        let day = limits::DRILL_EVERY.num_seconds();
        assert!(!is_due(&good, &wanted, at(day - 1)) && is_due(&good, &wanted, at(day)));
        assert!(is_due(&good, &wanted, at(-1)), "the clock was set back");
        let fewer: BTreeSet<String> = names(&["rescue at sshd"]).into_iter().collect();
        assert!(is_due(&good, &fewer, at(1)));
        let bad = Drill {
            passed: names(&["rescue at sshd"]),
            failed: names(&["rescue at sudo: it says no: never"]),
            ..good
        };
        let again = limits::DRILL_AGAIN.num_seconds();
        assert!(!is_due(&bad, &wanted, at(again - 1)) && is_due(&bad, &wanted, at(again)));
    }
}
