//! How sshd is set up, as it says itself (`sshd -T`).

use crate::limits;
use std::collections::BTreeMap;
use std::process::Command;

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
        let said = Command::new("timeout").arg(limits::SYSTEMCTL_S).args([sshd, "-T", "-C", &who]).output();
        let said = said.map_err(|why| format!("running sshd -T: {why}"))?;
        if !said.status.success() {
            let why = String::from_utf8_lossy(&said.stderr);
            return Err(format!("running sshd -T -C {who}: {}", why.trim()));
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

    /// Whether it asks PAM at all.
    pub fn uses_pam(&self) -> bool {
        self.says("usepam", "yes")
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
