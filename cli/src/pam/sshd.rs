//! How sshd is set up, as it says itself (`sshd -T`).

use crate::program::ran;
use std::collections::BTreeMap;

/// Its keywords, in small letters, with all that is said of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sshd(BTreeMap<String, Vec<String>>);

impl Sshd {
    /// As it would be for this user. None where there is no sshd, else why it does not say.
    pub fn for_user(user: &str) -> Result<Option<Self>, String> {
        let who = format!("user={user},host=localhost,addr=127.0.0.1");
        let Some(sshd) = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"]
            .iter()
            .find(|path| std::path::Path::new(path).exists())
        else {
            return Ok(None);
        };
        let said = ran(sshd, ["-T", "-C", &who]).map_err(|why| format!("running sshd -T: {why}"))?;
        if !said.status.success() {
            let why = String::from_utf8_lossy(&said.stderr);
            // Where a socket starts it (Ubuntu) its folder is not there before the first login.
            let fix = if why.contains("Missing privilege separation directory") {
                ": make it, as its service does: install -d -m 755 /run/sshd"
            } else {
                ""
            };
            return Err(format!("running sshd -T -C {who}: {}{fix}", why.trim()));
        }
        Ok(Some(Self::parse(&String::from_utf8_lossy(&said.stdout))))
    }

    /// What `sshd -T` prints.
    pub fn parse(text: &str) -> Self {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in text.lines() {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            all.entry(key.to_ascii_lowercase()).or_default().push(value.to_owned());
        }
        Self(all)
    }

    fn says(&self, key: &str, value: &str) -> bool {
        self.0.get(key).is_some_and(|values| values.iter().any(|said| said == value))
    }

    /// Whether it asks PAM, by the service file of its own name; else what is wrong and what puts it right.
    pub fn asks_the_gate(&self) -> Result<(), (String, String)> {
        if !self.says("usepam", "yes") {
            let fix = "write \"UsePAM yes\" into sshd_config, and reload sshd";
            return Err((
                "sshd does not ask PAM, so the gate gates nothing there".to_owned(),
                fix.to_owned(),
            ));
        }
        match self.0.get("pamservicename").and_then(|names| names.first()).filter(|name| *name != "sshd") {
            None => Ok(()),
            Some(name) => Err((
                format!("sshd goes by /etc/pam.d/{name}, so the gate in /etc/pam.d/sshd gates nothing"),
                "take PAMServiceName out of sshd_config, and reload sshd".to_owned(),
            )),
        }
    }

    /// Whether a password lets in.
    pub fn takes_passwords(&self) -> bool {
        self.says("passwordauthentication", "yes") || self.says("kbdinteractiveauthentication", "yes")
    }

    /// Whether a key lets in.
    pub fn takes_keys(&self) -> bool {
        self.says("pubkeyauthentication", "yes")
    }

    /// Whether files that others can write to count for nothing.
    pub fn is_strict(&self) -> bool {
        !self.says("strictmodes", "no")
    }

    /// What it wants of a login, one list of methods or another (AuthenticationMethods); nothing where each will do.
    pub fn methods(&self) -> Vec<Vec<String>> {
        let lists = self.0.get("authenticationmethods").into_iter().flatten();
        let lists = lists.flat_map(|line| line.split_whitespace()).filter(|list| *list != "any");
        let method = |method: &str| method.split(':').next().unwrap_or(method).to_owned();
        lists.map(|list| list.split(',').map(method).collect()).collect()
    }

    /// Whether root comes in by a password, by a key, or not at all (PermitRootLogin).
    pub fn root_by(&self) -> (bool, bool) {
        let says = |value: &str| self.says("permitrootlogin", value);
        let never = says("no") || says("forced-commands-only");
        (!never && !says("prohibit-password") && !says("without-password"), !never)
    }

    /// Whether it admits this user of these groups at all (AllowUsers and its like); else by which keyword not.
    pub fn admits(&self, user: &str, groups: &[String]) -> Result<(), &'static str> {
        let listed =
            |key: &str| self.0.get(key).into_iter().flatten().flat_map(|line| line.split_whitespace());
        let one_of = |key: &str, names: &[&str]| {
            // From where is for each login to show: what is behind an @ is left out.
            let fits =
                |pattern: &str, name: &str| matches(pattern.split('@').next().unwrap_or(pattern), name);
            listed(key).any(|pattern| names.iter().any(|name| fits(pattern, name)))
        };
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        for (allow, deny, names) in
            [("allowusers", "denyusers", &[user][..]), ("allowgroups", "denygroups", &groups[..])]
        {
            if one_of(deny, names) {
                return Err(if deny == "denyusers" { "DenyUsers" } else { "DenyGroups" });
            }
            if listed(allow).next().is_some() && !one_of(allow, names) {
                return Err(if allow == "allowusers" { "AllowUsers" } else { "AllowGroups" });
            }
        }
        Ok(())
    }

    /// Files of keys, with their tokens.
    pub fn key_files(&self) -> Vec<String> {
        let files = self.0.get("authorizedkeysfile").into_iter().flatten();
        files
            .flat_map(|line| line.split_whitespace())
            .filter(|file| *file != "none")
            .map(str::to_owned)
            .collect()
    }
}

/// Whether a name fits a pattern of `*` and `?` (PATTERNS in ssh_config(5)).
fn matches(pattern: &str, name: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => name.is_empty(),
        Some('*') => name
            .char_indices()
            .map(|(at, _)| at)
            .chain([name.len()])
            .any(|at| name.get(at..).is_some_and(|name| matches(rest.as_str(), name))),
        Some(wanted) => {
            let mut name = name.chars();
            name.next().is_some_and(|c| wanted == '?' || wanted == c) && matches(rest.as_str(), name.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_comes_in_as_far_as_it_says() {
        let by = |value: &str| Sshd::parse(&format!("permitrootlogin {value}")).root_by();
        assert_eq!(by("yes"), (true, true));
        assert_eq!(by("without-password"), (false, true));
        assert_eq!((by("no"), by("forced-commands-only")), ((false, false), (false, false)));
    }

    #[test]
    fn an_sshd_without_pam_or_by_another_file_is_not_gated() {
        let asks = |text: &str| Sshd::parse(text).asks_the_gate().map_err(|(wrong, _)| wrong);
        assert_eq!(asks("usepam yes"), Ok(()));
        assert_eq!(asks("usepam yes\npamservicename sshd"), Ok(()));
        assert!(asks("usepam no").unwrap_err().starts_with("sshd does not ask PAM"));
        let elsewhere = asks("usepam yes\npamservicename bastion").unwrap_err();
        assert!(elsewhere.starts_with("sshd goes by /etc/pam.d/bastion"), "{elsewhere}");
    }

    #[test]
    fn who_is_not_admitted_is_told_by_which_keyword() {
        let admits =
            |text: &str| Sshd::parse(text).admits("rescue", &["rescue".to_owned(), "ops".to_owned()]);
        assert_eq!(admits("usepam yes"), Ok(()));
        for text in [
            "allowusers bob\nallowusers res*",
            "allowusers r?scue@10.0.0.1",
            "allowgroups wheel ops",
            "denyusers bob",
        ] {
            assert_eq!(admits(text), Ok(()), "{text}");
        }
        for (text, keyword) in [
            ("allowusers bob\nallowusers rescues", "AllowUsers"),
            ("allowgroups wheel", "AllowGroups"),
            ("denyusers *", "DenyUsers"),
            ("denygroups op?", "DenyGroups"),
        ] {
            assert_eq!(admits(text), Err(keyword), "{text}");
        }
    }
}
