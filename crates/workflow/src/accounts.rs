//! Accounts and groups of a system, as passwd(5) and group(5) write them.

use access::{Login, Person};
use std::collections::{BTreeSet, HashMap};

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

    /// Whether somebody has user id 0. Without, the text they are from was not whole.
    pub fn has_root(&self) -> bool {
        self.by_uid.contains_key(&0)
    }

    /// The user id of a login name.
    pub fn uid(&self, login: &Login) -> Option<u32> {
        self.by_login.get(login).map(|account| account.uid)
    }

    /// Whether there is any group.
    pub fn has_groups(&self) -> bool {
        !self.groups.is_empty()
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
    pub fn people(&self, groups: &[String], users: &[Login]) -> BTreeSet<Person> {
        let mut people = BTreeSet::new();
        let mut add = |login: &Login| {
            if let Some(account) = self.by_login.get(login)
                && account.uid != 0
                && let Some((person, _)) = self.person_of_uid(account.uid)
            {
                people.insert(person);
            }
        };
        users.iter().for_each(&mut add);
        for name in groups {
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
    pub fn missing<'a>(&'a self, groups: &'a [String]) -> impl Iterator<Item = &'a String> {
        groups.iter().filter(|name| !self.groups.contains_key(*name))
    }
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
        let groups = ["jit-approvers".to_owned(), "none".to_owned()];
        let people: Vec<_> =
            accounts.people(&groups, &[login("root")]).iter().map(ToString::to_string).collect();
        assert_eq!(people, ["alice", "bob", "carol"]);
        assert_eq!(accounts.missing(&groups).collect::<Vec<_>>(), ["none"]);
        let everybody = accounts.everybody();
        let alice = everybody.iter().find(|(person, ..)| person.as_str() == "alice").unwrap();
        let groups: Vec<_> = alice.2.iter().map(String::as_str).collect();
        assert_eq!((alice.1.len(), groups), (2, vec!["jit-approvers", "sudo"]));
        let carol = everybody.iter().find(|(person, ..)| person.as_str() == "carol").unwrap();
        assert!(carol.2.contains("jit-approvers"), "by her first group");
    }
}
