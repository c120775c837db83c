//! `jitd.toml`: read whole and checked whole before anything is opened.

mod limits;
mod place;

pub use place::Place;

use access::{HostName, Login, Service, Span};
use serde::Deserialize;
use settings::{Settings, SettingsError, Wrong};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    /// Asking where somebody was refused.
    pub prompt: Prompt,
    /// The control socket.
    pub control: Control,
    /// Sessions and their end.
    pub sessions: Sessions,
    /// How this host goes by its hub, where it has one.
    pub hub: Hub,
    /// Who may do what beside their own affairs.
    pub roles: Roles,
    /// Where requests are reviewed.
    pub approvals: Approvals,
    /// Labels of this host, that rules can name.
    pub labels: BTreeMap<String, String>,
    /// Where the policy's files are.
    pub policy: PolicyFiles,
    /// The record.
    pub journal: Journal,
    /// What looks around the daemon.
    pub watch: Watch,
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
            prompt: Prompt::default(),
            control: Control::default(),
            sessions: Sessions::default(),
            hub: Hub::default(),
            roles: Roles::default(),
            approvals: Approvals::default(),
            labels: BTreeMap::new(),
            policy: PolicyFiles::default(),
            journal: Journal::default(),
            watch: Watch::default(),
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
    /// Whether approvers come in over ssh without a grant, so that somebody can approve.
    pub approvers_log_in: bool,
}

impl Default for Gate {
    fn default() -> Self {
        Self { socket: "/run/jitd/gate.sock".into(), approvers_log_in: true }
    }
}

/// `[prompt]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prompt {
    /// Whether who was refused can ask and wait right there.
    pub enabled: bool,
    /// How many ssh logins do so at once.
    pub ssh_seats: usize,
    /// How many of them are one person's.
    pub ssh_seats_per_person: usize,
    /// How many sudo and su do so at once.
    pub sudo_seats: usize,
    /// How many of them are one person's.
    pub sudo_seats_per_person: usize,
}

impl Default for Prompt {
    fn default() -> Self {
        Self {
            enabled: true,
            // sshd begins to turn away at 10 that are not in yet (MaxStartups 10:30:100).
            ssh_seats: 4,
            ssh_seats_per_person: 2,
            sudo_seats: 64,
            sudo_seats_per_person: 4,
        }
    }
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

/// `[sessions]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sessions {
    /// How long before its end a session is warned.
    pub warn: Vec<Span>,
    /// How long a session may take to end by itself once its grant is over.
    pub grace: Grace,
    /// The same where the grant was revoked.
    pub grace_revoked: Grace,
    /// Whether a person's user manager outlives their last login.
    pub keep_user_manager: bool,
}

impl Default for Sessions {
    fn default() -> Self {
        let minutes = |minutes: u32| Span::seconds(minutes * 60);
        Self {
            warn: [minutes(10), minutes(2)].into_iter().flatten().collect(),
            grace: Grace(Duration::from_secs(5)),
            grace_revoked: Grace(Duration::from_millis(400)),
            keep_user_manager: false,
        }
    }
}

/// A short time: `400ms`, `5s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Grace(pub Duration);

impl TryFrom<String> for Grace {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = |unit: &str| text.strip_suffix(unit)?.parse::<u32>().ok();
        let short = number("ms").map(|count| Duration::from_millis(count.into()));
        let time = short.or_else(|| number("s").map(|count| Duration::from_secs(count.into())));
        match time {
            Some(time) if time <= limits::GRACE => Ok(Self(time)),
            _ => Err(format!(
                "\"{text}\" is no short time: write for example 400ms or 5s, at most {}s",
                limits::GRACE.as_secs()
            )),
        }
    }
}

/// `[hub]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hub {
    /// For how long services open doors, and keep them open, after the hub was heard last. Those that are not named do
    /// for as long as a grant is good.
    pub max_staleness: BTreeMap<Service, Span>,
    /// Where what the hub signed lies as files, which are read in place of calling it.
    #[serde(rename = "static")]
    pub files: Option<Place>,
    /// How often they are looked at.
    pub every: Span,
    /// PEM file with the CA that issued the certificate of their web server; default: the system's CAs.
    pub ca: Option<PathBuf>,
}

impl Default for Hub {
    fn default() -> Self {
        let every = limits::FILES_EVERY;
        Self { max_staleness: BTreeMap::new(), files: None, every, ca: None }
    }
}

/// `[roles]`. Who reviews what is the policy's to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Roles {
    /// Who also revokes.
    pub operators: Members,
    /// Who sees everything.
    pub auditors: Members,
}

/// `[approvals]`. Without a hub all of them are given here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Approvals {
    /// Whether those of a hub's are also given on this host's control socket. They count for this host alone.
    pub here: bool,
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

/// `[policy]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyFiles {
    /// The rules. Read by `jit policy apply`, and looked at to say that it differs from what is in force.
    pub file: PathBuf,
    /// The people.
    pub people: PathBuf,
}

impl Default for PolicyFiles {
    fn default() -> Self {
        Self { file: "/etc/jitd/policy.toml".into(), people: "/etc/jitd/people.toml".into() }
    }
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

/// `[watch]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Watch {
    /// How long the service jit-watch may report nothing.
    pub late: Span,
}

impl Default for Watch {
    fn default() -> Self {
        // Two periods of its timer.
        Self { late: Span::seconds(20 * 60).unwrap_or(Span::SHORTEST) }
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

impl Config {
    /// The configuration in this file.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        settings::load(path)
    }

    /// The configuration in this text; `path` is for the errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, SettingsError> {
        settings::parse(text, path)
    }
}

impl Settings for Config {
    fn check(&self) -> Result<(), Wrong> {
        for (key, path) in [
            ("state", &self.state),
            ("accounts.passwd", &self.accounts.passwd),
            ("accounts.group", &self.accounts.group),
            ("policy.file", &self.policy.file),
            ("policy.people", &self.policy.people),
        ] {
            Wrong::unless_absolute(key, path)?;
        }
        if let Some(ca) = &self.hub.ca {
            Wrong::unless_absolute("hub.ca", ca)?;
        }
        if self.sessions.warn.len() > limits::WARNINGS {
            return Err(Wrong::new("sessions.warn", format!("write at most {} warnings", limits::WARNINGS)));
        }
        if self.journal.max_bytes < limits::JOURNAL_LEAST {
            let why =
                format!("the journal needs at least {} bytes (16 MiB) to be of use", limits::JOURNAL_LEAST);
            return Err(Wrong::new("journal.max_bytes", why));
        }
        for (key, seats) in [
            ("prompt.ssh_seats", self.prompt.ssh_seats),
            ("prompt.ssh_seats_per_person", self.prompt.ssh_seats_per_person),
            ("prompt.sudo_seats", self.prompt.sudo_seats),
            ("prompt.sudo_seats_per_person", self.prompt.sudo_seats_per_person),
        ] {
            if seats > limits::SEATS_MOST {
                let most = limits::SEATS_MOST;
                return Err(Wrong::new(
                    key,
                    format!("{seats} are more than the {most} that can wait at once"),
                ));
            }
        }
        Ok(())
    }
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
        let shipped = include_str!("../../../config/jitd.toml");
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
            error("[journal]\nkeep = \"5\"\n"),
            "jitd.toml:2: keep: duration \"5\" has a number without a unit: write for example 30m, 2h, 1h30m or 3d"
        );
        let least = limits::JOURNAL_LEAST;
        let shipped =
            include_str!("../../../config/jitd.toml").replace("#max_bytes = 2147483648", "max_bytes = 1");
        let line = shipped.lines().position(|line| line.starts_with("max_bytes")).unwrap() + 1;
        assert_eq!(
            error(&shipped),
            format!(
                "jitd.toml:{line}: journal.max_bytes: the journal needs at least {least} bytes (16 MiB) to be of use"
            )
        );
        assert!(error("[gate]\napprovers_log_in = \"maybe\"\n").starts_with(
            "jitd.toml:2: approvers_log_in: invalid type: string \"maybe\", expected a boolean"
        ));
        assert!(
            error("colour = 1\n").starts_with("jitd.toml:1: colour: unknown field `colour`, expected one of")
        );
        assert_eq!(
            error("[sessions]\ngrace = \"2h\"\n"),
            "jitd.toml:2: grace: \"2h\" is no short time: write for example 400ms or 5s, at most 60s"
        );
        assert!(
            error("[sessions]\nwarn = [\"1m\",\"1m\",\"1m\",\"1m\",\"1m\",\"1m\",\"1m\",\"1m\",\"1m\"]\n")
                .starts_with("jitd.toml:2: sessions.warn: write at most 8 warnings")
        );
        assert!(error("[gate\n").starts_with("jitd.toml:1: "));
        assert_eq!(
            error("[prompt]\nenabled = true\nsudo_seats = 1001\n"),
            "jitd.toml:3: prompt.sudo_seats: 1001 are more than the 1000 that can wait at once"
        );
        assert_eq!(
            error("[hub]\nstatic = \"http://files.example.org/jit\"\n"),
            "jitd.toml:2: static: \"http://files.example.org/jit\" is no place of files: write https://files.example.org/jit \
             or file:///srv/jit"
        );
        assert!(error("state = \"var\"\n").contains("state: var is not an absolute path"));
    }
}
