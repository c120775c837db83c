//! Accounts and groups of this host, read from the files themselves.
//!
//! Never through NSS: a directory service that hangs must not hang the gate, and a plug-in must not be
//! able to say who approves.

use crate::config::{AccountFiles, Members};
use crate::limits;
use access::{Login, Person};
use std::collections::{BTreeSet, HashMap};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// The accounts of one moment.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    by_login: HashMap<Login, Account>,
    by_uid: HashMap<u32, Vec<Login>>,
    groups: HashMap<String, Group>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Account {
    uid: u32,
    gid: u32,
}

#[derive(Debug, PartialEq, Eq)]
struct Group {
    gid: u32,
    members: Vec<String>,
}

impl Accounts {
    /// The accounts in texts of the form of passwd(5) and group(5). Lines that are none are passed over.
    pub fn parse(passwd: &str, group: &str) -> Self {
        let mut accounts = Self::default();
        for line in passwd.lines() {
            let mut fields = line.split(':');
            let (Some(name), Some(_), Some(uid), Some(gid)) =
                (fields.next(), fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            let (Ok(login), Ok(uid), Ok(gid)) = (Login::parse(name), uid.parse(), gid.parse()) else {
                continue;
            };
            // The first line of a name is the one that the C library finds.
            if accounts.by_login.contains_key(&login) {
                continue;
            }
            accounts.by_uid.entry(uid).or_default().push(login.clone());
            accounts.by_login.insert(login, Account { uid, gid });
        }
        for line in group.lines() {
            let mut fields = line.split(':');
            let (Some(name), Some(_), Some(gid), members) =
                (fields.next(), fields.next(), fields.next(), fields.next().unwrap_or(""))
            else {
                continue;
            };
            let Ok(gid) = gid.parse() else { continue };
            let members = members.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            accounts.groups.entry(name.to_owned()).or_insert(Group { gid, members });
        }
        accounts
    }

    /// The person behind a user id: the first name it has. All names of one user id are one person.
    pub fn person_of_uid(&self, uid: u32) -> Option<(Person, BTreeSet<Login>)> {
        let names = self.by_uid.get(&uid)?;
        let person = Person::parse(names.first()?.as_str()).ok()?;
        Some((person, names.iter().cloned().collect()))
    }

    /// The person behind a login name.
    pub fn person(&self, login: &Login) -> Option<(Person, BTreeSet<Login>)> {
        self.person_of_uid(self.by_login.get(login)?.uid)
    }

    /// The people that these groups and names mean at this moment, root aside: root reviews nothing.
    pub fn people(&self, members: &Members) -> BTreeSet<Person> {
        let mut people = BTreeSet::new();
        let mut add = |login: &Login| {
            if let Some(account) = self.by_login.get(login)
                && account.uid != 0
                && let Some((person, _)) = self.person_of_uid(account.uid)
            {
                people.insert(person);
            }
        };
        members.users.iter().for_each(&mut add);
        for name in &members.groups {
            let Some(group) = self.groups.get(name) else {
                continue;
            };
            group.members.iter().filter_map(|name| Login::parse(name).ok()).for_each(|login| add(&login));
            self.by_login
                .iter()
                .filter(|(_, account)| account.gid == group.gid)
                .for_each(|(login, _)| add(login));
        }
        people
    }

    /// Everybody, with all their login names and groups.
    pub fn everybody(&self) -> Vec<(Person, BTreeSet<Login>, BTreeSet<String>)> {
        let mut groups: HashMap<&Login, BTreeSet<String>> = HashMap::new();
        let by_gid: HashMap<u32, &String> =
            self.groups.iter().map(|(name, group)| (group.gid, name)).collect();
        for (login, account) in &self.by_login {
            groups.entry(login).or_default().extend(by_gid.get(&account.gid).map(ToString::to_string));
        }
        for (name, group) in &self.groups {
            for member in &group.members {
                if let Some((login, _)) = self.by_login.get_key_value(member.as_str()) {
                    groups.entry(login).or_default().insert(name.clone());
                }
            }
        }
        self.by_uid
            .keys()
            .filter_map(|uid| self.person_of_uid(*uid))
            .map(|(person, names)| {
                let theirs = names.iter().filter_map(|name| groups.get(name)).flatten().cloned().collect();
                (person, names, theirs)
            })
            .collect()
    }

    /// Groups that are named but not there.
    pub fn missing<'a>(&'a self, members: &'a Members) -> impl Iterator<Item = &'a String> {
        members.groups.iter().filter(|name| !self.groups.contains_key(*name))
    }
}

/// The files, read again when they change.
pub struct AccountBook {
    passwd: PathBuf,
    group: PathBuf,
    read: Mutex<(Stamps, Arc<Accounts>)>,
}

/// When the two files changed last, and how long they are; none while one cannot be looked at.
type Stamps = [Option<(SystemTime, u64, u64)>; 2];

impl AccountBook {
    /// The accounts in these files.
    pub fn open(files: &AccountFiles) -> Result<Self, AccountsError> {
        let accounts = Arc::new(read(&files.passwd, &files.group)?);
        let stamps = [stamp(&files.passwd), stamp(&files.group)];
        Ok(Self {
            passwd: files.passwd.clone(),
            group: files.group.clone(),
            read: Mutex::new((stamps, accounts)),
        })
    }

    /// The accounts as the files are now. While a file cannot be read (an editor replaces it just now),
    /// the accounts of before.
    pub fn now(&self) -> Arc<Accounts> {
        let stamps = [stamp(&self.passwd), stamp(&self.group)];
        let mut held = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if held.0 != stamps
            && let Ok(accounts) = read(&self.passwd, &self.group)
        {
            *held = (stamps, Arc::new(accounts));
        }
        Arc::clone(&held.1)
    }
}

/// A file of accounts that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("reading accounts from {path}: {why}")]
pub struct AccountsError {
    path: PathBuf,
    why: std::io::Error,
}

fn stamp(path: &Path) -> Option<(SystemTime, u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.ino(), meta.len()))
}

fn read(passwd: &Path, group: &Path) -> Result<Accounts, AccountsError> {
    let text = |path: &Path| {
        let wrong = |why| AccountsError { path: path.into(), why };
        let mut bytes = Vec::new();
        std::fs::File::open(path)
            .map_err(wrong)?
            .take(limits::ACCOUNTS + 1)
            .read_to_end(&mut bytes)
            .map_err(wrong)?;
        if bytes.len() as u64 > limits::ACCOUNTS {
            return Err(wrong(std::io::Error::other(format!(
                "it is larger than {} bytes",
                limits::ACCOUNTS
            ))));
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    Ok(Accounts::parse(&text(passwd)?, &text(group)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/sh\n\
        alice-adm:x:1000:1000::/home/alice:/bin/sh\nbob:x:1001:1001::/h:/bin/sh\ncarol:x:1002:50::/h:/bin/sh\n\
        +nis\nbroken\nalice:x:0:0::/:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nsudo:x:27:alice\njit-approvers:x:50:bob,alice-adm,root,ghost\n";

    fn login(name: &str) -> Login {
        Login::parse(name).unwrap()
    }

    #[test]
    fn two_names_of_one_user_id_are_one_person() {
        let accounts = Accounts::parse(PASSWD, GROUP);
        let (person, names) = accounts.person(&login("alice-adm")).unwrap();
        assert_eq!(person.as_str(), "alice");
        assert_eq!(names, BTreeSet::from([login("alice"), login("alice-adm")]));
        assert_eq!(accounts.person(&login("ghost")), None);
    }

    #[test]
    fn a_group_is_its_list_and_those_whose_first_group_it_is_and_never_root() {
        let accounts = Accounts::parse(PASSWD, GROUP);
        let members =
            Members { groups: vec!["jit-approvers".into(), "none".into()], users: vec![login("root")] };
        let people: Vec<_> = accounts.people(&members).iter().map(ToString::to_string).collect();
        assert_eq!(people, ["alice", "bob", "carol"]);
        assert_eq!(accounts.missing(&members).collect::<Vec<_>>(), ["none"]);
        let everybody = accounts.everybody();
        let alice = everybody.iter().find(|(person, ..)| person.as_str() == "alice").unwrap();
        let groups: Vec<_> = alice.2.iter().map(String::as_str).collect();
        assert_eq!((alice.1.len(), groups), (2, vec!["jit-approvers", "sudo"]));
        let carol = everybody.iter().find(|(person, ..)| person.as_str() == "carol").unwrap();
        assert!(carol.2.contains("jit-approvers"), "by her first group");
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_missing_one_keeps_what_was_known() {
        let folder = tempfile::tempdir().unwrap();
        let files = AccountFiles { passwd: folder.path().join("passwd"), group: folder.path().join("group") };
        std::fs::write(&files.passwd, PASSWD).unwrap();
        std::fs::write(&files.group, GROUP).unwrap();
        let book = AccountBook::open(&files).unwrap();
        std::fs::write(&files.passwd, "dave:x:7:7::/:/bin/sh\n").unwrap();
        assert!(book.now().person(&login("dave")).is_some() && book.now().person(&login("bob")).is_none());
        std::fs::remove_file(&files.passwd).unwrap();
        assert!(book.now().person(&login("dave")).is_some());
    }
}
