//! `hub.toml`: read whole and checked whole before anything is opened.

use crate::limits;
use crate::outbox;
use crate::teams;
use crate::teams::settings::{Outgoing, Settings as Teams};
use serde::Deserialize;
use settings::{Settings, SettingsError, Wrong};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Where the file is unless told otherwise.
pub const DEFAULT_PATH: &str = "/etc/jit-hub/hub.toml";

/// As it is shipped: every key, with its default or an example.
const SHIPPED: &str = include_str!("../../config/hub.toml");

/// The configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which part of a hub this is.
    pub role: Role,
    /// Where it answers.
    pub listen: SocketAddr,
    /// Names and addresses that its own certificate is for.
    pub names: Vec<String>,
    /// Folder of the database and of its own certificate authority.
    pub state: PathBuf,
    /// Addresses of what stands before it and brings the calls of many.
    pub proxies: Vec<IpAddr>,
    /// A certificate of somebody else's.
    pub tls: Option<Tls>,
    /// How hosts call it, where that is not the first of its names with the port it answers on.
    pub url: Option<String>,
    /// The process that signs.
    pub signer: Signer,
    /// Where the database is, if not in a file.
    pub database: Database,
    /// Reviews.
    pub approvals: Approvals,
    /// A provider of identities that people sign in by.
    pub signin: SignIn,
    /// Mail to people.
    pub mail: Option<outbox::config::Mail>,
    /// Messages in Slack.
    pub slack: Option<outbox::config::Slack>,
    /// Channels of Teams that are told what happens, by workflows.
    pub workflows: Vec<outbox::config::Workflows>,
    /// Programs that are told what happens.
    pub webhook: Vec<outbox::config::Webhook>,
    /// The bot in Microsoft Teams.
    pub teams: Option<Teams>,
    /// Outgoing webhooks of Teams, by which people ask and look.
    pub teams_webhook: Vec<Outgoing>,
    /// The record.
    pub journal: Journal,
    /// Log lines.
    pub syslog: Syslog,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            role: Role::All,
            listen: SocketAddr::from(([0; 16], 8443)),
            names: Vec::new(),
            state: "/var/lib/jit-hub".into(),
            proxies: Vec::new(),
            tls: None,
            url: None,
            signer: Signer::default(),
            database: Database::default(),
            approvals: Approvals::default(),
            signin: SignIn::default(),
            mail: None,
            slack: None,
            workflows: Vec::new(),
            webhook: Vec::new(),
            teams: None,
            teams_webhook: Vec::new(),
            journal: Journal::default(),
            syslog: Syslog::default(),
        }
    }
}

/// Which part of a hub a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// All of it.
    All,
    /// What people and hosts say is taken in, and granted by the signer; no host listens here.
    Desk,
    /// Hosts listen here, over a database that is only read, and nothing is ever granted.
    Feed,
}

/// `[tls]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate and those between it and its authority, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// `[signer]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Signer {
    /// Folder of the root and of the key that signs grants.
    pub state: PathBuf,
    /// Where it is asked.
    pub socket: PathBuf,
}

impl Default for Signer {
    fn default() -> Self {
        Self { state: "/var/lib/jit-hub-signer".into(), socket: "/run/jit-hub-signer/signer.sock".into() }
    }
}

/// `[database]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// A PostgreSQL server, as `postgres://user@host/name`. None: the file in the folder of state.
    pub url: Option<String>,
    /// PEM file with the CA that issued the server's certificate; default: the system's CAs.
    pub ca: Option<PathBuf>,
}

/// `[approvals]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Approvals {
    /// Whether a review counts that a host says was given on it. Whoever is root there can say so of anybody.
    pub on_hosts: bool,
}

/// `[signin]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SignIn {
    /// A provider of OpenID Connect, as it calls itself. None: people sign in by links alone.
    pub issuer: Option<String>,
    /// What this hub is called there.
    pub client: Option<String>,
    /// A file with the word that the hub is known by there.
    pub secret: Option<PathBuf>,
    /// PEM file with the CA that issued the provider's certificate; default: the system's CAs.
    pub ca: Option<PathBuf>,
}

/// `[journal]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Journal {
    /// The database grows to at most so many bytes.
    pub max_bytes: u64,
    /// Days that records of hosts are kept.
    pub hosts_days: u16,
}

impl Default for Journal {
    fn default() -> Self {
        Self { max_bytes: 16 * 1024 * 1024 * 1024, hosts_days: limits::HOSTS_DAYS }
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

impl Settings for Config {
    fn check(&self) -> Result<(), Wrong> {
        Wrong::unless_absolute("state", &self.state)?;
        if self.role != Role::All && self.database.url.is_none() {
            let what = "the file that this hub keeps everything in is one process's alone: leave role out, or bring the hub to a \
                        PostgreSQL server (`jit-hub migrate`) and name that in database.url";
            return Err(Wrong::new("role", what));
        }
        if let Some(url) = &self.url {
            origin(url).map_err(|what| Wrong::new("url", what))?;
        }
        if let Some(teams) = &self.teams {
            teams.check()?;
        }
        let names = self.teams_webhook.iter().map(|webhook| webhook.name.as_str());
        outbox::config::are_names("teams_webhook", names, teams::WEBHOOKS)?;
        self.teams_webhook.iter().enumerate().try_for_each(|(place, webhook)| webhook.check(place))?;
        let SignIn { issuer, client, secret, ca } = &self.signin;
        if issuer.is_none() && (client.is_some() || secret.is_some() || ca.is_some()) {
            let what = "name the provider that the other keys of [signin] are for";
            return Err(Wrong::new("signin.issuer", what));
        }
        if let Some(issuer) = issuer
            && !issuer.starts_with("https://")
        {
            return Err(Wrong::new("signin.issuer", format!("{issuer} does not begin with https://")));
        }
        if issuer.is_some() && (client.is_none() || secret.is_none()) {
            let what = "with an issuer, say client and secret too: what the hub is called there, and the file with its word";
            return Err(Wrong::new("signin", what));
        }
        if self.journal.max_bytes < limits::JOURNAL_LEAST {
            let least = limits::JOURNAL_LEAST;
            let what = format!("the journal needs at least {least} bytes (16 MiB) to be of use");
            return Err(Wrong::new("journal.max_bytes", what));
        }
        if !(1..=limits::HOSTS_DAYS_MOST).contains(&self.journal.hosts_days) {
            let (days, most) = (self.journal.hosts_days, limits::HOSTS_DAYS_MOST);
            return Err(Wrong::new("journal.hosts_days", format!("{days} is not from 1 to {most}")));
        }
        outbox::config::check(self)
    }
}

impl Config {
    /// The configuration in this file.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        settings::load(path)
    }

    /// The text of a new file: the shipped one, for these names and this folder.
    pub fn text(names: &[String], state: &Path) -> String {
        let is_elsewhere = state != Self::default().state;
        let signer = Self::default().in_folder(state).signer;
        let path = |key: &str, path: &Path| {
            is_elsewhere.then(|| format!("{key} = {:?}", path.display().to_string()))
        };
        let (mut text, mut section) = (String::new(), "");
        for line in SHIPPED.lines() {
            if line.starts_with('[') {
                section = line;
            }
            let set = match (section, line.split_once(" = ")) {
                ("", Some(("#names", _))) => Some(format!("names = {names:?}")),
                ("", Some(("#state", _))) => path("state", state),
                ("[signer]", Some(("#state", _))) => path("state", &signer.state),
                ("[signer]", Some(("#socket", _))) => path("socket", &signer.socket),
                _ => None,
            };
            text.push_str(set.as_deref().unwrap_or(line));
            text.push('\n');
        }
        text
    }

    /// The same in another folder, with the signer's folder and socket in it, where nothing else is said of them.
    pub fn in_folder(mut self, state: &Path) -> Self {
        let default = Signer::default();
        if self.signer.state == default.state {
            self.signer.state = state.join("signer");
        }
        if self.signer.socket == default.socket {
            self.signer.socket = state.join("signer.sock");
        }
        self.state = state.into();
        self
    }

    /// The database, where it is a file.
    pub fn file(&self) -> store::Options {
        store::Options {
            path: self.state.join("hub.db"),
            max_bytes: self.journal.max_bytes,
            tables: include_str!("tables.sql"),
        }
    }
}

/// The address of a hub as browsers say it of its pages (RFC 6454, section 6.2): every link begins with it.
pub fn origin(url: &str) -> Result<String, String> {
    let other = || {
        format!(
            "{url:?} is no address of a hub: write https://HOST or https://HOST:PORT, with nothing after it"
        )
    };
    let parsed = reqwest::Url::parse(url).map_err(|_| other())?;
    let is_alone = parsed.path() == "/" && parsed.query().is_none() && parsed.fragment().is_none();
    let names_nobody = parsed.username().is_empty() && parsed.password().is_none();
    if parsed.scheme() == "https" && is_alone && names_nobody {
        Ok(parsed.origin().ascii_serialization())
    } else {
        Err(other())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        settings::parse(text, Path::new("hub.toml")).map_err(|why| why.to_string())
    }

    #[test]
    fn the_shipped_file_says_what_the_defaults_are() {
        assert_eq!(parse("").unwrap(), Config::default());
        assert_eq!(parse(SHIPPED).unwrap(), Config::default());
        let set = |line: &'static str| match line.strip_prefix('#') {
            Some(set) if !set.starts_with([' ', '#']) && !set.is_empty() => set,
            _ => line,
        };
        let all_on = parse(&SHIPPED.lines().map(set).collect::<Vec<_>>().join("\n")).unwrap();
        assert!(!all_on.names.is_empty() && all_on.tls.is_some() && all_on.database.url.is_some());
        assert!(all_on.teams.is_some() && all_on.teams_webhook.len() == 1);
        assert!(
            all_on.mail.is_some()
                && all_on.slack.is_some()
                && all_on.workflows.len() == 1
                && all_on.webhook.len() == 1
        );
        assert!(all_on.signin.issuer.is_some());
        // In the sections that are off until they are written, what has a default is shown with it.
        let least = "[teams]\ntenant = \"11111111-2222-3333-4444-555555555555\"\n\
                     app_id = \"66666666-7777-8888-9999-000000000000\"\nsecret = \"/s\"\n\
                     [mail]\nserver = \"smtp.example.org\"\nfrom = \"jit@example.org\"\n[slack]\ntoken = \"/t\"\nchannel = \"C0123ABCD\"\n";
        let least = parse(least).unwrap();
        let mail = |config: &Config| config.mail.as_ref().map(|mail| (mail.port(), mail.security));
        let slack = |config: &Config| config.slack.as_ref().map(|slack| (slack.people, slack.api.clone()));
        let teams = |config: &Config| {
            let teams = config.teams.as_ref()?;
            Some((teams.tokens(), teams.openid().to_owned(), teams.service_hosts.clone()))
        };
        assert_eq!(mail(&all_on), mail(&least));
        assert_eq!(slack(&all_on), slack(&least));
        assert_eq!(teams(&all_on), teams(&least));
        let (database, signin) = (Database::default(), SignIn::default());
        let (mail, slack, workflows, webhook) = (None, None, Vec::new(), Vec::new());
        let all_off = Config {
            names: Vec::new(),
            tls: None,
            url: None,
            database,
            signin,
            mail,
            slack,
            workflows,
            webhook,
            teams: None,
            teams_webhook: Vec::new(),
            ..all_on
        };
        assert_eq!(all_off, Config::default());
    }

    #[test]
    fn a_new_file_holds_what_the_hub_was_set_up_with() {
        let names = ["hub-1".to_owned(), "10.0.0.1".to_owned()];
        let made = parse(&Config::text(&names, Path::new("/srv/hub"))).unwrap();
        assert_eq!((made.names.as_slice(), made.state.as_path()), (&names[..], Path::new("/srv/hub")));
        assert_eq!(made, made.clone().in_folder(Path::new("/srv/hub")), "it needs no --state from then on");
        assert_eq!(made.signer.socket, Path::new("/srv/hub/signer.sock"));
        let usual = parse(&Config::text(&names, Path::new("/var/lib/jit-hub"))).unwrap();
        assert_eq!(usual, Config { names: names.into(), ..Config::default() });
    }

    #[test]
    fn another_folder_moves_what_the_file_leaves_where_it_is_and_nothing_else() {
        let folder = Path::new("/srv/hub");
        let moved = parse("[signer]\nstate = \"/srv/signer\"\n").unwrap().in_folder(folder);
        assert_eq!((moved.state.as_path(), moved.signer.state.as_path()), (folder, Path::new("/srv/signer")));
        assert_eq!(moved.signer.socket, Path::new("/srv/hub/signer.sock"));
        let moved = parse("[signer]\nsocket = \"/run/s.sock\"\n").unwrap().in_folder(folder);
        assert_eq!(moved.signer.socket, Path::new("/run/s.sock"));
        assert_eq!(moved.signer.state, Path::new("/srv/hub/signer"));
    }

    #[test]
    fn a_url_is_what_browsers_say_of_the_pages_of_the_hub_or_is_refused() {
        for (written, said) in [
            ("https://hub.example.org", "https://hub.example.org"),
            ("https://Hub.Example.org:8443/", "https://hub.example.org:8443"),
            ("https://hub.example.org:443", "https://hub.example.org"),
            ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
        ] {
            let config = parse(&format!("url = \"{written}\"\n")).unwrap();
            assert_eq!(crate::serve::url(&config), said, "{written}");
        }
        for other in [
            "hub",
            "http://hub",
            "https://",
            "https://hub/jit",
            "https://hub//",
            "https://hub/?a",
            "https://a@hub",
        ] {
            let why = parse(&format!("url = \"{other}\"\n")).unwrap_err();
            assert!(why.contains("write https://HOST or https://HOST:PORT"), "{why}");
        }
        let by_name = Config { names: vec!["Hub-1".to_owned()], ..Config::default() };
        assert_eq!(crate::serve::url(&by_name), "https://hub-1:8443");
    }

    #[test]
    fn an_error_names_file_line_and_fix() {
        let id = "11111111-2222-3333-4444-555555555555";
        let ops = format!("[[teams_webhook]]\nname = \"ops\"\ntenant = \"{id}\"\nkey = \"/k\"\n");
        let slack = "[slack]\ntoken = \"/t\"\nchannel = \"C0\"\n";
        for (text, said) in [
            ("listen = \"8443\"\n", "hub.toml:1: listen: "),
            ("\ncolour = 1\n", "hub.toml:2: colour: unknown field `colour`"),
            ("state = \"var\"\n", "hub.toml:1: state: var is not an absolute path"),
            (
                "[signin]\nissuer = \"http://id\"\n",
                "hub.toml:2: signin.issuer: http://id does not begin with",
            ),
            (
                "[signin]\nissuer = \"https://id\"\n",
                "hub.toml:1: signin: with an issuer, say client and secret too",
            ),
            ("[signin]\nclient = \"jit\"\n", "hub.toml:1: signin.issuer: name the provider"),
            (&format!("{slack}team = \"T0\"\n"), "hub.toml:1: slack.signing_secret: it and team go together"),
            (
                &format!("{slack}team = \"contoso.slack.com\"\nsigning_secret = \"/s\"\n"),
                "hub.toml:4: slack.team: \"contoso.slack.com\" is no workspace's id",
            ),
            (
                &format!("{ops}{}", ops.replace("ops", "dev").replace(id, "contoso.com")),
                "hub.toml:7: teams_webhook.tenant: \"contoso.com\" is no id",
            ),
            (&format!("{ops}{ops}"), "hub.toml:6: teams_webhook.name: two are called \"ops\""),
            ("[journal]\nmax_bytes = 1\n", "hub.toml:2: journal.max_bytes: the journal needs at least"),
            ("[journal]\nhosts_days = 0\n", "hub.toml:2: journal.hosts_days: 0 is not from 1 to 3660"),
        ] {
            let why = parse(text).unwrap_err();
            assert!(why.starts_with(said), "{text}: {why}");
        }
    }
}
