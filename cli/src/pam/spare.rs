//! Spare keys: accounts that the module lets in by itself when everything else is dead. One that could not come in
//! all the same is none.

use super::files;
use super::sshd::Sshd;
use crate::{CliError, limits};
use access::Login;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Local accounts, groups and passwords, read directly: the module does as much.
pub struct Accounts {
    passwd: String,
    group: String,
    shadow: String,
}

/// One local account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its user id.
    pub uid: u32,
    gid: u32,
    home: PathBuf,
    shell: String,
}

/// What `/etc/shadow` says of a password (shadow(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Password {
    /// It can be typed.
    Usable,
    /// There is none.
    None,
    /// There is one, and somebody locked it.
    Locked,
}

impl Accounts {
    /// As they are now. Root alone reads the passwords.
    pub fn read() -> Result<Self, CliError> {
        // A name of somebody in another encoding than UTF-8 is no reason to know nobody: the module reads them so too.
        let read = |path: &str| -> Result<String, CliError> {
            let mut bytes = Vec::new();
            File::open(path)
                .and_then(|file| file.take(limits::ACCOUNTS).read_to_end(&mut bytes))
                .map_err(|why| CliError::File { path: path.into(), why })?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(Self { passwd: read("/etc/passwd")?, group: read("/etc/group")?, shadow: read("/etc/shadow")? })
    }

    fn all(&self) -> impl Iterator<Item = Account> + '_ {
        self.passwd.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            let home = fields.nth(1)?.into();
            Some(Account { name, uid, gid, home, shell: fields.next()?.to_owned() })
        })
    }

    /// The account of this name.
    pub fn account(&self, name: &str) -> Option<Account> {
        self.all().find(|account| account.name == name)
    }

    /// Accounts in this group, by its list or as their first group. None where there is no such group.
    pub fn members(&self, group: &str) -> Option<Vec<Account>> {
        let line = self.group.lines().find(|line| line.split(':').next() == Some(group))?;
        let mut fields = line.split(':').skip(2);
        let gid: u32 = fields.next()?.parse().ok()?;
        let listed: Vec<&str> = fields.next().unwrap_or_default().split(',').collect();
        let is = |account: &Account| account.gid == gid || listed.contains(&account.name.as_str());
        Some(self.all().filter(is).collect())
    }

    /// Groups that it is in.
    fn groups(&self, account: &Account) -> Vec<String> {
        let of = |line: &str| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let gid: u32 = fields.nth(1)?.parse().ok()?;
            let listed = fields.next()?.split(',').any(|member| member == account.name);
            (listed || gid == account.gid).then(|| name.to_owned())
        };
        self.group.lines().filter_map(of).collect()
    }

    fn password(&self, name: &str) -> Password {
        let line = self.shadow.lines().find(|line| line.split(':').next() == Some(name));
        let hash = line.and_then(|line| line.split(':').nth(1)).unwrap_or("*");
        match hash.strip_prefix('!') {
            Some(rest) if rest.trim_start_matches('!').len() > 1 => Password::Locked,
            // A password that is empty lets in nobody over ssh, and anybody on the console.
            _ if hash.len() > 1 && !hash.starts_with(['!', '*']) => Password::Usable,
            _ => Password::None,
        }
    }
}

/// The spare keys that lines are to name: each of these users, and for each group a member that could come in.
pub fn named(
    users: &[Login],
    groups: &[String],
    accounts: &Accounts,
    sshd: impl Fn(&str) -> Result<Option<Sshd>, String>,
) -> Result<Vec<Account>, CliError> {
    let no = |why: String| CliError::NotDone(why);
    if users.is_empty() && groups.is_empty() {
        return Err(no("name a spare key, a local account that comes in when everything else is dead, with \
                       --spare-user NAME or --spare-group GROUP: without one a dead daemon locks everybody out"
            .to_owned()));
    }
    // An sshd that does not say whom it lets in lets in nobody who is counted on.
    let could = |account: &Account| {
        sshd(&account.name).and_then(|sshd| comes_in(account, accounts, sshd.as_ref(), &files_on_disk()))
    };
    let mut all = Vec::new();
    for user in users {
        let name = user.as_str();
        let account = accounts
            .account(name)
            .ok_or_else(|| no(format!("spare key {name}: there is no such account in /etc/passwd")))?;
        could(&account).map_err(|why| no(format!("spare key {name}: {why}")))?;
        all.push(account);
    }
    for group in groups {
        let members = accounts
            .members(group)
            .ok_or_else(|| no(format!("spare key group {group}: there is no such group in /etc/group")))?;
        let mut why = format!("spare key group {group}: it has no members in /etc/passwd");
        let mut found = None;
        for member in members {
            match could(&member) {
                Ok(()) => found = Some(member),
                Err(not) => {
                    why = format!(
                        "spare key group {group}: none of its members could come in; {}: {not}",
                        member.name
                    );
                }
            }
        }
        all.push(found.ok_or_else(|| no(why))?);
    }
    Ok(all)
}

/// What is looked at on the disk.
struct Disk<'a> {
    /// The text of a file.
    text: &'a dyn Fn(&Path) -> Option<String>,
    /// Owner and mode.
    meta: &'a dyn Fn(&Path) -> Option<(u32, u32)>,
}

fn files_on_disk() -> Disk<'static> {
    Disk {
        text: &|path| files::read(path).ok(),
        meta: &|path| path.metadata().ok().map(|meta| (meta.uid(), meta.mode())),
    }
}

/// Whether somebody who holds the account's key or password could log in with it.
fn comes_in(
    account: &Account,
    accounts: &Accounts,
    sshd: Option<&Sshd>,
    disk: &Disk<'_>,
) -> Result<(), String> {
    let name = &account.name;
    let shell = Path::new(&account.shell);
    let ends_at_once = matches!(shell.file_name().and_then(|name| name.to_str()), Some("nologin" | "false"));
    if ends_at_once || (disk.meta)(shell).is_none_or(|(_, mode)| mode & 0o111 == 0) {
        return Err(format!(
            "its shell is {}, which lets nobody work: `usermod -s /bin/bash {name}`",
            account.shell
        ));
    }
    let password = accounts.password(name);
    if password == Password::Locked {
        return Err(format!("its password is locked: unlock it with `usermod -U {name}`"));
    }
    if let Some(keyword) = sshd.and_then(|sshd| sshd.admits(name, &accounts.groups(account)).err()) {
        return Err(format!("sshd does not admit it: see {keyword} in sshd_config"));
    }
    let (mut key, mut by_password) =
        (keys(account, sshd, disk), password == Password::Usable && sshd.is_none_or(Sshd::takes_passwords));
    if let Some((password, by_key)) = sshd.filter(|_| account.uid == 0).map(Sshd::root_by) {
        by_password &= password;
        if !by_key {
            key = Err("sshd does not let root in: see PermitRootLogin in sshd_config".to_owned());
        }
    }
    let methods = sshd.map(Sshd::methods).unwrap_or_default();
    let has = |method: &String| match method.as_str() {
        "publickey" => key.is_ok(),
        "password" | "keyboard-interactive" => by_password,
        _ => false,
    };
    if !methods.is_empty() && !methods.iter().any(|list| list.iter().all(has)) {
        let lists: Vec<String> = methods.iter().map(|list| list.join(",")).collect();
        return Err(format!(
            "sshd wants {} of it (AuthenticationMethods in sshd_config)",
            lists.join(" or ")
        ));
    }
    match key {
        Ok(()) => Ok(()),
        Err(_) if by_password => Ok(()),
        Err(why) => {
            let password = match password {
                Password::Usable => "sshd takes no passwords",
                Password::None | Password::Locked => "it has no password",
            };
            Err(format!("there is no way in: {why}, and {password}"))
        }
    }
}

/// Whether a public key of it lies where sshd looks and takes it.
fn keys(account: &Account, sshd: Option<&Sshd>, disk: &Disk<'_>) -> Result<(), String> {
    if sshd.is_some_and(|sshd| !sshd.takes_keys()) {
        return Err("sshd takes no public keys".to_owned());
    }
    let usual = [".ssh/authorized_keys".to_owned(), ".ssh/authorized_keys2".to_owned()];
    let named = sshd.map(Sshd::key_files).filter(|named| !named.is_empty());
    let mut why = "no file of keys is there".to_owned();
    for named in named.as_deref().unwrap_or(&usual) {
        let path = named
            .replace("%h", &account.home.display().to_string())
            .replace("%u", &account.name)
            .replace("%U", &account.uid.to_string())
            .replace("%%", "%");
        let path = account.home.join(path);
        let Some(text) = (disk.text)(&path) else { continue };
        let is_key = |line: &str| {
            let line = line.trim();
            let known = |word: &str| {
                ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"].iter().any(|kind| word.starts_with(kind))
            };
            !line.starts_with('#') && line.split_whitespace().any(known)
        };
        if !text.lines().any(is_key) {
            why = format!("{} holds no key", path.display());
            continue;
        }
        // sshd passes over what others could have written (StrictModes in sshd_config(5)).
        let trail = path.ancestors().take_while(|part| part.starts_with(&account.home));
        let loose = trail.into_iter().find(|part| {
            (disk.meta)(part).is_none_or(|(uid, mode)| mode & 0o022 != 0 || uid != 0 && uid != account.uid)
        });
        match loose {
            Some(part) if sshd.is_none_or(Sshd::is_strict) => {
                why = format!("others can write to {}, so sshd passes over its keys", part.display());
            }
            _ => return Ok(()),
        }
    }
    Err(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn accounts() -> Accounts {
        Accounts {
            passwd: "root:x:0:0::/root:/bin/bash\nrescue:x:7:7::/home/rescue:/bin/bash\nlocked:x:8:9::/h:/bin/sh\n\
                     keyed:x:10:9::/k:/bin/sh\nmail:x:11:9::/m:/usr/sbin/nologin\nbare:x:12:9::/b:/bin/sh\n"
                .to_owned(),
            group: "root:x:0:\nspare:x:9:rescue\nempty:x:99:\n".to_owned(),
            shadow: "root:*:1::::::\nrescue:$y$j9T$x:1::::::\nlocked:!$y$x:1::::::\nkeyed:!:1::::::\nmail:$y$x:1::::::\n\
                     bare:!!:1::::::\n"
                .to_owned(),
        }
    }

    /// Whether `name` could come in, where these files are there with these modes.
    fn could(name: &str, files: &[(&str, &str, u32)], sshd: &str) -> Result<(), String> {
        let there: BTreeMap<&Path, (&str, u32)> =
            files.iter().map(|(path, text, mode)| (Path::new(*path), (*text, *mode))).collect();
        let accounts = accounts();
        let account = accounts.account(name).unwrap();
        let text = |path: &Path| there.get(path).map(|(text, _)| (*text).to_owned());
        let meta = |path: &Path| match there.get(path) {
            Some((_, mode)) => Some((account.uid, *mode)),
            None => Some((0, 0o755)),
        };
        comes_in(&account, &accounts, Some(&Sshd::parse(sshd)), &Disk { text: &text, meta: &meta })
    }

    const KEY: &str = "# mine\nno-pty ssh-ed25519 AAAA me\n";
    const TAKES_ALL: &str = "passwordauthentication yes\npubkeyauthentication yes\nstrictmodes yes\nauthorizedkeysfile .ssh/authorized_keys\n";

    #[test]
    fn a_spare_key_has_a_shell_a_way_in_and_no_lock() {
        assert_eq!(could("rescue", &[], TAKES_ALL), Ok(()));
        assert_eq!(could("keyed", &[("/k/.ssh/authorized_keys", KEY, 0o600)], TAKES_ALL), Ok(()));
        let elsewhere = "pubkeyauthentication yes\nauthorizedkeysfile none /etc/keys/%u\n";
        assert_eq!(could("keyed", &[("/etc/keys/keyed", KEY, 0o600)], elsewhere), Ok(()));
        let why = |name, files: &[(&str, &str, u32)], sshd| could(name, files, sshd).unwrap_err();
        assert!(
            why("locked", &[("/h/.ssh/authorized_keys", KEY, 0o600)], TAKES_ALL)
                .contains("usermod -U locked")
        );
        assert!(why("mail", &[], TAKES_ALL).contains("its shell is /usr/sbin/nologin"));
        assert_eq!(
            why("bare", &[], TAKES_ALL),
            "there is no way in: no file of keys is there, and it has no password"
        );
        let keys_only = TAKES_ALL.replace("passwordauthentication yes", "passwordauthentication no");
        assert!(
            why("rescue", &[], &keys_only).contains("no file of keys is there, and sshd takes no passwords")
        );
        assert!(
            why("keyed", &[("/k/.ssh/authorized_keys", "# none\n", 0o600)], TAKES_ALL)
                .contains("holds no key")
        );
        assert!(
            why("keyed", &[("/k/.ssh/authorized_keys", KEY, 0o666)], TAKES_ALL)
                .contains("others can write to")
        );
        assert!(
            why("keyed", &[("/k/.ssh/authorized_keys", KEY, 0o600), ("/k", "", 0o777)], TAKES_ALL)
                .contains("others can write to /k,")
        );
        let others_alone = format!("{TAKES_ALL}allowgroups wheel\n");
        assert!(why("rescue", &[], &others_alone).contains("see AllowGroups in sshd_config"));
        assert_eq!(could("rescue", &[], &others_alone.replace("wheel", "spare")), Ok(()));
        let both = format!("{TAKES_ALL}authenticationmethods publickey,password\n");
        assert!(why("rescue", &[], &both).contains("sshd wants publickey,password of it"));
        let either =
            format!("{TAKES_ALL}authenticationmethods publickey,password keyboard-interactive:pam\n");
        assert_eq!(could("rescue", &[], &either), Ok(()));
        let key_of_root = [("/root/.ssh/authorized_keys", KEY, 0o600)];
        assert_eq!(could("root", &key_of_root, TAKES_ALL), Ok(()));
        let never = format!("{TAKES_ALL}permitrootlogin no\n");
        assert!(why("root", &key_of_root, &never).contains("PermitRootLogin"));
        let no_keys = "pubkeyauthentication no\n";
        assert!(
            why("keyed", &[("/k/.ssh/authorized_keys", KEY, 0o600)], no_keys)
                .contains("takes no public keys")
        );
    }

    #[test]
    fn each_user_counts_and_of_a_group_one_member() {
        let accounts = accounts();
        let named = |users: &[&str], groups: &[&str]| {
            let users: Vec<Login> = users.iter().map(|user| Login::parse(user).unwrap()).collect();
            let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
            named(&users, &groups, &accounts, |_| Ok(Some(Sshd::parse(TAKES_ALL))))
                .map(|found| found.into_iter().map(|account| account.name).collect::<Vec<_>>())
                .map_err(|why| why.to_string())
        };
        assert_eq!(named(&["rescue"], &["spare"]), Ok(vec!["rescue".to_owned(), "rescue".to_owned()]));
        for (users, groups, why) in [
            (&[][..], &[][..], "name a spare key"),
            (&["rescue", "ghost"], &[], "spare key ghost: there is no such account"),
            (&["rescue", "locked"], &[], "spare key locked: its password is locked"),
            (&[], &["nobody"], "spare key group nobody: there is no such group"),
            (&[], &["empty"], "spare key group empty: it has no members"),
            (&[], &["root"], "none of its members could come in; root: there is no way in"),
        ] {
            let refused = named(users, groups).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
