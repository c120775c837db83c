//! `jitd.toml`: read whole and checked whole before anything is opened.

use crate::limits;
use access::{HostName, Login, Span};
use serde::Deserialize;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Where the file is unless told otherwise.
pub const DEFAULT_PATH: &str = "/etc/jitd/jitd.toml";

/// The configuration. Every key has a default that is right for one Debian server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// This host as grants name it; the kernel's host name in lower case if left out.
    pub host: Option<HostName>,
    /// Folder of the daemon's one database.
    pub state: PathBuf,
    /// The gate.
    pub gate: Gate,
    /// The control socket.
    pub control: Control,
    /// Who may do what beside their own affairs.
    pub roles: Roles,
    /// What a request may ask for.
    pub requests: Requests,
    /// The record.
    pub journal: Journal,
    /// Log lines.
    pub syslog: Syslog,
    /// Where accounts are looked up.
    pub accounts: AccountFiles,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: None,
            state: "/var/lib/jitd".into(),
            gate: Gate::default(),
            control: Control::default(),
            roles: Roles::default(),
            requests: Requests::default(),
            journal: Journal::default(),
            syslog: Syslog::default(),
            accounts: AccountFiles::default(),
        }
    }
}

/// `[gate]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gate {
    /// Its socket, where systemd does not pass one.
    pub socket: PathBuf,
    /// What a refused login does beside being refused.
    pub on_refusal: OnRefusal,
    /// Whether approvers come in over ssh without a grant, so that somebody can approve.
    pub approvers_log_in: bool,
}

impl Default for Gate {
    fn default() -> Self {
        Self { socket: "/run/jitd/gate.sock".into(), on_refusal: OnRefusal::Open, approvers_log_in: true }
    }
}

/// What a refused login does beside being refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnRefusal {
    /// Opens a request for the refused service with the default length, and says so.
    Open,
    /// Says which command asks for it.
    Hint,
    /// Says only why.
    Off,
}

/// `[control]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Control {
    /// The socket, where systemd does not pass one.
    pub socket: PathBuf,
}

impl Default for Control {
    fn default() -> Self {
        Self { socket: "/run/jitd/control.sock".into() }
    }
}

/// `[roles]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Roles {
    /// Who reviews requests.
    pub approvers: Members,
    /// Who also revokes.
    pub operators: Members,
    /// Who sees everything.
    pub auditors: Members,
}

impl Default for Roles {
    fn default() -> Self {
        let approvers = Members { groups: vec!["jit-approvers".to_owned()], users: Vec::new() };
        Self { approvers, operators: Members::default(), auditors: Members::default() }
    }
}

/// Some people: members of groups of this host, and single ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Members {
    /// Names of groups in `/etc/group`.
    pub groups: Vec<String>,
    /// Login names.
    pub users: Vec<Login>,
}

/// `[requests]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Requests {
    /// How long a request is for that does not say.
    pub default: Span,
    /// The longest it may ask for.
    pub max: Span,
    /// How long it waits for an approver.
    pub pending: Span,
    /// How far ahead it may start.
    pub ahead: Span,
    /// What starts the clock of a grant.
    pub clock: GrantClock,
    /// With `clock = "first-use"`: how long after its start it must be used first.
    pub claim_by: Span,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            default: hours(1),
            max: hours(8),
            pending: hours(24),
            ahead: hours(24 * 7),
            clock: GrantClock::Approval,
            claim_by: hours(8),
        }
    }
}

fn hours(hours: u32) -> Span {
    Span::seconds(hours * 3600).unwrap_or(Span::LONGEST)
}

/// What starts the clock of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrantClock {
    /// Its approval, or the start that was asked for.
    Approval,
    /// Its first use.
    FirstUse,
}

/// `[journal]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Journal {
    /// The database grows to at most so many bytes; the last quarter is never used for refusals.
    pub max_bytes: u64,
    /// Records older than this go, none of them after the last checkpoint in syslog.
    pub keep: Span,
}

impl Default for Journal {
    fn default() -> Self {
        Self { max_bytes: 2 * 1024 * 1024 * 1024, keep: Span::LONGEST }
    }
}

/// `[syslog]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Syslog {
    /// The socket of the local syslog daemon.
    pub socket: PathBuf,
}

impl Default for Syslog {
    fn default() -> Self {
        Self { socket: "/dev/log".into() }
    }
}

/// `[accounts]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountFiles {
    /// passwd(5).
    pub passwd: PathBuf,
    /// group(5).
    pub group: PathBuf,
}

impl Default for AccountFiles {
    fn default() -> Self {
        Self { passwd: "/etc/passwd".into(), group: "/etc/group".into() }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("reading {path}: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What happened.
        why: std::io::Error,
    },
    /// The file is larger than any configuration is.
    #[error("reading {path}: it is larger than {} bytes; is it the right file?", limits::CONFIG)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A line is wrong.
    #[error("{path}:{line}: {key}{what}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The key on that line, as `key: `, where there is one.
        key: String,
        /// What is wrong, and what would be right.
        what: String,
    },
}

impl Config {
    /// The configuration in this file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |why| ConfigError::Unreadable { path: path.into(), why };
        let mut text = String::new();
        std::fs::File::open(path)
            .map_err(unreadable)?
            .take(limits::CONFIG + 1)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
        if text.len() as u64 > limits::CONFIG {
            return Err(ConfigError::TooLarge { path: path.into() });
        }
        Self::parse(&text, path)
    }

    /// The configuration in this text; `path` is for the errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            wrong(text, path, at, error.message())
        })?;
        config.check().map_err(|wrongs| {
            // The key that is written in the file is the one to change, whichever of the two it is.
            let found = wrongs.iter().find_map(|(key, what)| Some((place_of(text, key)?, what)));
            let first = wrongs.first().map_or("", |(_, what)| what.as_str());
            found.map_or_else(|| wrong(text, path, 0, first), |(at, what)| wrong(text, path, at, what))
        })?;
        Ok(config)
    }

    /// What no single key can tell: keys that could be changed, and why.
    fn check(&self) -> Result<(), Vec<(&'static str, String)>> {
        let Requests { default, max, .. } = self.requests;
        if default > max {
            return Err(vec![
                ("requests.default", format!("{default} is longer than max = {max}: lower it, or raise max")),
                (
                    "requests.max",
                    format!("{max} is shorter than default = {default}: raise it, or lower default"),
                ),
            ]);
        }
        for (key, path) in [
            ("state", &self.state),
            ("accounts.passwd", &self.accounts.passwd),
            ("accounts.group", &self.accounts.group),
        ] {
            if !path.is_absolute() {
                let why = format!("{} is not an absolute path: start it with /", path.display());
                return Err(vec![(key, why)]);
            }
        }
        if self.journal.max_bytes < limits::JOURNAL_LEAST {
            let why =
                format!("the journal needs at least {} bytes (16 MiB) to be of use", limits::JOURNAL_LEAST);
            return Err(vec![("journal.max_bytes", why)]);
        }
        Ok(())
    }
}

/// Where a key stands in the file, as `table.key`.
fn place_of(text: &str, key: &str) -> Option<usize> {
    let table = toml::de::DeTable::parse(text).ok()?;
    let mut keys = key.split('.').peekable();
    let mut table = table.get_ref();
    loop {
        let (found, value) = table.get_key_value(keys.next()?)?;
        if keys.peek().is_none() {
            return Some(found.span().start);
        }
        table = value.get_ref().as_table()?;
    }
}

fn wrong(text: &str, path: &Path, at: usize, what: &str) -> ConfigError {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let on_it = text.lines().nth(line - 1).unwrap_or("");
    let key = match on_it.split_once('=') {
        Some((key, _)) => format!("{}: ", key.trim()),
        None => String::new(),
    };
    ConfigError::Line { path: path.into(), line, key, what: what.trim().replace('\n', "; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Config::parse(text, Path::new("jitd.toml")).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(Config::parse("", Path::new("x")).unwrap(), Config::default());
    }

    #[test]
    fn the_shipped_file_says_what_the_defaults_are() {
        let shipped = include_str!("../../config/jitd.toml");
        assert_eq!(Config::parse(shipped, Path::new("x")).unwrap(), Config::default());
        let set = |line: &'static str| match line.strip_prefix("#") {
            Some(set) if !set.starts_with([' ', '#']) && !set.is_empty() => set,
            _ => line,
        };
        let all_on = shipped.lines().map(set).collect::<Vec<_>>().join("\n");
        let mut config = Config::parse(&all_on, Path::new("x")).unwrap();
        assert!(config.host.take().is_some());
        assert_eq!(config, Config::default(), "a commented key shows its default");
    }

    #[test]
    fn an_error_names_file_line_key_and_fix() {
        assert_eq!(
            error("[requests]\nmax = \"5\"\n"),
            "jitd.toml:2: max: duration \"5\" has a number without a unit: write for example 30m, 2h, 1h30m or 3d"
        );
        assert_eq!(
            error("[requests]\ndefault = \"9h\"\n"),
            "jitd.toml:2: default: 9h is longer than max = 8h: lower it, or raise max"
        );
        assert_eq!(
            error("[requests]\nmax = \"30m\"\n"),
            "jitd.toml:2: max: 30m is shorter than default = 1h: raise it, or lower default"
        );
        let shipped = include_str!("../../config/jitd.toml").replace("#default = \"1h\"", "default = \"9h\"");
        let line = shipped.lines().position(|line| line.starts_with("default")).unwrap() + 1;
        assert!(error(&shipped).starts_with(&format!("jitd.toml:{line}: default: 9h is longer")));
        assert!(
            error("[gate]\non_refusal = \"maybe\"\n")
                .starts_with("jitd.toml:2: on_refusal: unknown variant `maybe`, expected one of")
        );
        assert!(
            error("colour = 1\n").starts_with("jitd.toml:1: colour: unknown field `colour`, expected one of")
        );
        assert!(error("[gate\n").starts_with("jitd.toml:1: "));
        assert!(error("state = \"var\"\n").contains("state: var is not an absolute path"));
    }
}
