//! The one definition of the command line: parser, help, man pages and completions all come from it.

use crate::pam::Door;
use access::{HostName, Login, Person, Service, Span, Text, Time};
use api::Scope;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;

/// Just-in-time access: ask for it, approve it, see who has it.
///
/// Exit codes: 0 done; 1 refused or not allowed; 2 usage; 3 daemon or hub unreachable; 4 no such thing;
/// 5 conflict: somebody else decided first; 130 a wait was interrupted, the request stays open.
#[derive(Debug, Parser)]
#[command(name = "jit", version, max_term_width = 100)]
pub struct Arguments {
    /// Print JSON, for programs.
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// Talk to the daemon on this control socket. Default: the hub you are logged in to, else this machine's
    /// daemon on /run/jitd/control.sock.
    #[arg(long, global = true, value_name = "PATH", help_heading = "Global options")]
    pub socket: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask for access.
    Request(Request),
    /// List requests (default: pending).
    Requests(Requests),
    /// Show one request or grant in full.
    Show {
        /// Its id, or a unique prefix of it.
        id: String,
    },
    /// Approve a request, as asked or for less.
    Approve(Approve),
    /// Deny a request.
    Deny {
        /// Its id.
        id: String,
        /// Why; shown to the person.
        #[arg(long)]
        comment: Text,
    },
    /// Cancel your own request.
    Cancel {
        /// Its id.
        id: String,
    },
    /// List current and future grants.
    Grants {
        /// Only this person's.
        #[arg(long)]
        user: Option<Login>,
        /// Only on this host.
        #[arg(long)]
        host: Option<HostName>,
        /// Include grants that are over.
        #[arg(long)]
        all: bool,
    },
    /// Revoke a grant: your own, or others' as approver or operator.
    Revoke {
        /// Its id.
        grant: String,
        /// Why; shown to the person.
        #[arg(long)]
        reason: Text,
    },
    /// Give your own grant back early.
    Release {
        /// Its id.
        grant: String,
    },
    /// Ask for more time on a grant, without leaving the session.
    Extend(Extend),
    /// List sessions: who is logged in, by which grant, until when.
    Sessions {
        /// Only of this login name.
        #[arg(long)]
        user: Option<Login>,
        /// Only on this host.
        #[arg(long)]
        host: Option<HostName>,
    },
    /// End a session: your own, or others' as approver of its grant or operator. The grant stays.
    End {
        /// Its id.
        session: String,
        /// Why; shown to the person.
        #[arg(long)]
        reason: Text,
        /// On which host, if several report a session with that id.
        #[arg(long)]
        host: Option<HostName>,
    },
    /// Review requests as they come in, on one screen.
    ///
    /// Keys: up and down or j and k move, a approves, d denies, / searches, ? shows help, q quits. With --json, or if
    /// standard output is no terminal, prints one line of JSON for each change until interrupted.
    Watch,
    /// The rules: who may ask for what, for how long, and who must approve.
    #[command(subcommand)]
    Policy(Policy),
    /// Show what the gate would answer, and why. Changes nothing.
    ///
    /// Exits with 0 once there is an answer, even if that is a refusal: the answer begins with the verdict, which is
    /// "allowed" with --json. Other codes mean that there is no answer; 1: you may not ask about this person.
    Check(Check),
    /// Show the state of the gate, who you are to it, and your session.
    Status {
        /// Print only how long your session lasts, for a shell prompt: `12m left`.
        #[arg(long, conflicts_with = "monitor")]
        left: bool,
        /// Show who was let in by `mode=monitor` during the last 14 days and would have been refused, by service, and what
        /// grant would have covered it. For approvers, auditors, operators and root.
        #[arg(long)]
        monitor: bool,
    },
    /// The gate's lines in PAM's service files: which services it guards.
    #[command(subcommand)]
    Pam(Pam),
    /// Check everything around the daemon, and say how to fix what is wrong. Root only.
    ///
    /// Checks the module and the package's files, PAM lines, spare keys, sshd, sudoers, disk, sockets, clock and daemon.
    /// Exits with 1 if something is wrong. The service jit-watch runs it every ten minutes and when such files change, and
    /// reports to jitd, which logs what changed and shows it in `jit status`.
    Doctor {
        /// Also run each spare key through the account part of its doors, which is logged like any use of it. The
        /// service jit-watch does so once a day.
        #[arg(long)]
        spare_key: bool,
        /// Report to the daemon, as the service jit-watch does. Exits with 0 once the daemon has it, whatever was found.
        #[arg(long, conflicts_with = "spare_key")]
        report: bool,
    },
    /// The record of every decision and change.
    #[command(subcommand)]
    Audit(Audit),
    /// Log in to a hub; commands without --socket then use it.
    ///
    /// Opens a page of the hub in a browser on this machine, and prints its address; confirm the login there. With --device
    /// it can be a browser anywhere. The login is kept in ~/.config/jit/hub.toml, which you alone can read.
    Login(LogIn),
    /// Forget the hub. The token stays valid until it expires or is revoked: see `jit token`.
    Logout,
    /// A hub's tokens, by which people and programs authenticate.
    #[command(subcommand)]
    Token(Token),
    /// Make a link that signs a browser in to a hub's pages. It works once, within 15 minutes.
    ///
    /// Whoever opens it can do there what your token allows, until the token ends: give it to nobody.
    Web {
        /// Sign this person in (default: you). Only administrators make links for others.
        #[arg(long, value_name = "PERSON")]
        person: Option<Person>,
    },
    /// A hub's roles: who sees and does more than their own affairs.
    #[command(subcommand)]
    Role(Role),
    /// List a hub's hosts.
    Hosts {
        /// Only this host.
        #[arg(long, value_name = "NAME")]
        host: Option<HostName>,
        /// Only hosts that carry this label. Can be repeated: hosts must carry all of them.
        #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
        labels: Vec<(String, String)>,
    },
    /// Let a host join a hub, label it, or remove it.
    #[command(subcommand)]
    Host(Host),
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write the man pages of this command and of each subcommand into a folder.
    #[command(hide = true)]
    Man {
        /// The folder.
        folder: PathBuf,
    },
}

/// `jit request`
#[derive(Debug, Args)]
pub struct Request {
    /// Host (default: this machine; on a hub there is none). Can be repeated.
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<HostName>,
    /// All hosts that carry this label. Can be repeated: hosts must carry all of them.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label, conflicts_with = "hosts")]
    pub labels: Vec<(String, String)>,
    /// Services, separated by commas: ssh, sudo, su, or a PAM service name.
    #[arg(long, value_delimiter = ',', default_value = "ssh", value_name = "LIST")]
    pub service: Vec<Service>,
    /// Run as this user: a shared login for ssh, the user to become for sudo and su (default there: root).
    #[arg(long = "as", value_name = "USER")]
    pub run_as: Option<Login>,
    /// Duration, e.g. 30m, 2h or 1h30m (default: the rule's).
    #[arg(long = "for", value_name = "LENGTH")]
    pub length: Option<Span>,
    /// Start, e.g. 2026-11-24T18:00:00Z (default: at approval).
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub at: Option<Time>,
    /// Why; shown to approvers.
    #[arg(long, value_name = "TEXT")]
    pub reason: Text,
    /// The ticket this belongs to.
    #[arg(long, value_name = "ID")]
    pub ticket: Option<Text>,
    /// Ask for this user instead of yourself.
    #[arg(long, value_name = "NAME")]
    pub user: Option<Login>,
    /// Wait for the decision. If interrupted, the request stays open and the exit code is 130.
    #[arg(long)]
    pub wait: bool,
    /// Get in at once and alone, where the policy allows it; it is reviewed afterwards. A hub's token needs scope review for it.
    #[arg(long)]
    pub break_glass: bool,
}

fn instant(text: &str) -> Result<Time, String> {
    let time: Time = text.parse().map_err(|why| format!("{why}: write one like 2026-11-24T18:00:00Z"))?;
    if access::is_plausible(time) { Ok(time) } else { Err("it is too far away to reckon with".to_owned()) }
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE, like env=prod")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// `jit login`
#[derive(Debug, Args)]
pub struct LogIn {
    /// The hub's address, e.g. https://hub.example.org:8443.
    #[arg(long, value_name = "URL")]
    pub hub: String,
    /// Show a code to enter at /web/device in any browser, for a machine without one.
    #[arg(long, conflicts_with = "token_stdin")]
    pub device: bool,
    /// Read a token from standard input, instead of signing in through a browser.
    #[arg(long)]
    pub token_stdin: bool,
    /// What the login may be used for at most. It lasts 12 hours.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "read,request,review,operate",
        conflicts_with = "token_stdin",
        value_name = "LIST"
    )]
    pub scope: Vec<Scope>,
    /// PEM file with the CA that issued the hub's certificate; no other is trusted then (default: this machine's CAs).
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// `jit token`
#[derive(Debug, Subcommand)]
pub enum Token {
    /// List tokens: your own, or everybody's if you may see everything.
    List {
        /// Only this person's.
        #[arg(long, value_name = "PERSON")]
        person: Option<Person>,
    },
    /// Make a token. It is shown only this once.
    Make {
        /// What it is for, e.g. "laptop" or "backup job".
        name: Text,
        /// What it may be used for at most: read, request, review (and breaking glass), operate, admin. Yours at most, unless
        /// you are an administrator.
        #[arg(long, value_delimiter = ',', default_value = "read,request", value_name = "LIST")]
        scope: Vec<Scope>,
        /// Duration, at most 90d.
        #[arg(long = "for", default_value = "90d", value_name = "LENGTH")]
        length: Span,
        /// The person it is for (default: you). Only administrators make tokens for others.
        #[arg(long, value_name = "PERSON")]
        person: Option<Person>,
    },
    /// Revoke a token, at once.
    Revoke {
        /// Its id.
        token: String,
    },
}

/// `jit host`
#[derive(Debug, Subcommand)]
pub enum Host {
    /// Make a token by which new hosts join. It is shown only this once.
    Token {
        /// A label for the hosts that join by it. Can be repeated.
        #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
        labels: Vec<(String, String)>,
        /// How long it is valid.
        #[arg(long, default_value = "1h", value_name = "LENGTH")]
        ttl: Span,
        /// How many hosts can join by it.
        #[arg(long, default_value_t = 1, value_name = "N")]
        uses: u32,
    },
    /// Set a host's labels to exactly these. Grants by label follow: standing ones, and those whose rule says follow_labels.
    Label {
        /// Its name.
        host: HostName,
        /// Its labels; naming none removes all.
        #[arg(value_name = "KEY=VALUE", value_parser = label)]
        labels: Vec<(String, String)>,
    },
    /// Remove a host: it gets no new grants, and can join again with a new token. One that a backup lost is kept away by
    /// its name.
    Remove {
        /// Its name.
        host: HostName,
    },
}

/// `jit role`
#[derive(Debug, Subcommand)]
pub enum Role {
    /// List who has which role.
    List,
    /// Set a person's roles to exactly these.
    Set {
        /// Who.
        person: Person,
        /// auditor, operator, admin; naming none removes all.
        roles: Vec<api::Role>,
    },
}

/// `jit extend`
#[derive(Debug, Args)]
pub struct Extend {
    /// The grant's id (default: the grant of your session, else your only grant).
    pub grant: Option<String>,
    /// How much more time, e.g. 30m.
    #[arg(long = "for", value_name = "LENGTH")]
    pub length: Span,
    /// Why; shown to approvers.
    #[arg(long, value_name = "TEXT")]
    pub reason: Text,
    /// The ticket this belongs to.
    #[arg(long, value_name = "ID")]
    pub ticket: Option<Text>,
    /// Wait for the decision. If interrupted, the request stays open and the exit code is 130.
    #[arg(long)]
    pub wait: bool,
}

/// `jit policy`
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Show the policy in force, and who applied it when.
    Show,
    /// Put a policy in force. For root, and administrators of a hub.
    ///
    /// If grants would end by it or requests be denied, says how many and asks first, on a terminal.
    Apply(ApplyPolicy),
    /// Look for mistakes and surprises in a policy, without a daemon.
    ///
    /// Exits with 1 if the policy could not be put in force, with 2 if it cannot be read.
    Check(CheckPolicy),
    /// Explain what would become of a request: which rule covers it, who could approve, and why other rules do not apply.
    Explain(Box<Explain>),
    /// Run a file of test cases against a policy, without a daemon. Exits with 1 if one fails.
    Test(Try),
    /// Show what changes from one policy to another, and which past requests would have gone differently.
    Diff(Diff),
}

/// `jit policy apply`
#[derive(Debug, Args)]
pub struct ApplyPolicy {
    /// The rules (default: /etc/jitd/policy.toml, except on a hub).
    #[arg(value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// The people (default: `people.toml` beside the rules, if there is one).
    #[arg(long, value_name = "FILE")]
    pub people: Option<PathBuf>,
    /// Leave a hub without people: nobody can ask for anything then, and every grant ends.
    #[arg(long, conflicts_with = "people")]
    pub no_people: bool,
    /// Apply without asking.
    #[arg(long)]
    pub yes: bool,
}

/// `jit policy check`
#[derive(Debug, Args)]
pub struct CheckPolicy {
    /// The rules.
    #[arg(default_value = crate::policy::OWN, value_name = "FILE")]
    pub policy: PathBuf,
    /// The people (default: `people.toml` beside the rules, if there is one).
    #[arg(long, value_name = "FILE")]
    pub people: Option<PathBuf>,
    /// Take local accounts from the passwd and group files in this folder (default: /etc; none if you are logged in to a hub
    /// and there is a file of people).
    #[arg(long, value_name = "FOLDER")]
    pub accounts: Option<PathBuf>,
    /// Take no local accounts, like a hub.
    #[arg(long, conflicts_with = "accounts")]
    pub no_accounts: bool,
}

/// `jit policy explain`
#[derive(Debug, Args)]
pub struct Explain {
    /// Who asks (default: you).
    #[arg(long, value_name = "NAME")]
    pub user: Option<Login>,
    /// Host (default: this machine; on a hub there is none). Can be repeated.
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<HostName>,
    /// Services, separated by commas: ssh, sudo, su, or a PAM service name.
    #[arg(long, value_delimiter = ',', default_value = "ssh", value_name = "LIST")]
    pub service: Vec<Service>,
    /// Run as this user: a shared login for ssh, the user to become for sudo and su (default there: root).
    #[arg(long = "as", value_name = "USER")]
    pub run_as: Option<Login>,
    /// Duration (default: the rule's).
    #[arg(long = "for", value_name = "LENGTH")]
    pub length: Option<Span>,
    /// When they ask (default: now).
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub at: Option<Time>,
    /// Use the rules in this file, not those in force; no daemon is asked.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The people (default: `people.toml` beside the rules, if there is one).
    #[arg(long, value_name = "FILE", requires = "file")]
    pub people: Option<PathBuf>,
    /// Take local accounts from the passwd and group files in this folder.
    #[arg(long, value_name = "FOLDER", default_value = "/etc", requires = "file")]
    pub accounts: PathBuf,
    /// A label of the hosts. Can be repeated.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label, requires = "file")]
    pub labels: Vec<(String, String)>,
}

/// `jit policy test`
#[derive(Debug, Args)]
pub struct Try {
    /// The cases.
    #[arg(value_name = "CASES")]
    pub cases: PathBuf,
    /// The rules (default: the file that the cases name).
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The people (default: the file that the cases name, or `people.toml` beside the rules).
    #[arg(long, value_name = "FILE")]
    pub people: Option<PathBuf>,
    /// Take local accounts from the passwd and group files in this folder. Without it they count only if there is no
    /// file of people.
    #[arg(long, value_name = "FOLDER")]
    pub accounts: Option<PathBuf>,
}

/// `jit policy diff`
#[derive(Debug, Args)]
pub struct Diff {
    /// The old rules and the new. One file (default: /etc/jitd/policy.toml, except on a hub) is compared with the policy in
    /// force.
    #[arg(num_args = 0..=2, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The people of the new rules (default: `people.toml` beside them, if there is one).
    #[arg(long, value_name = "FILE")]
    pub people: Option<PathBuf>,
    /// The people of the old rules (default: `people.toml` beside them, if there is one).
    #[arg(long, value_name = "FILE")]
    pub old_people: Option<PathBuf>,
    /// Also show which requests of this period, e.g. 90d, would have gone differently. For auditors, operators and root.
    #[arg(long, value_name = "LENGTH")]
    pub replay: Option<Span>,
}

/// `jit requests`
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct Requests {
    /// Pending requests (the default).
    #[arg(long)]
    pub pending: bool,
    /// Your own.
    #[arg(long)]
    pub mine: bool,
    /// All that you may see.
    #[arg(long)]
    pub all: bool,
}

/// `jit approve`
#[derive(Debug, Args)]
pub struct Approve {
    /// The request's id.
    pub id: String,
    /// For at most this long.
    #[arg(long = "for", value_name = "LENGTH")]
    pub length: Option<Span>,
    /// Only on these hosts. Can be repeated.
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<HostName>,
    /// Only for these services.
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub service: Vec<Service>,
    /// A comment, shown to the person.
    #[arg(long, value_name = "TEXT")]
    pub comment: Option<Text>,
}

/// `jit check`
#[derive(Debug, Args)]
pub struct Check {
    /// Who wants in.
    pub user: Login,
    /// Through which service.
    #[arg(long, default_value = "ssh")]
    pub service: Service,
    /// On which host (default: this machine; on a hub there is none).
    #[arg(long, value_name = "NAME")]
    pub host: Option<HostName>,
    /// Run as this user.
    #[arg(long = "as", value_name = "USER")]
    pub run_as: Option<Login>,
    /// At what time (default: now).
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub at: Option<Time>,
}

/// `jit pam`
#[derive(Debug, Subcommand)]
pub enum Pam {
    /// Gate these services. Undone after ten minutes unless confirmed. Root only.
    ///
    /// Shows the changes and asks. Refuses if nobody could approve, if no spare key could log in, if a file is not
    /// understood, or if another line could skip the gate; the account part is run as it would be, as each spare key and for
    /// root's own sudo and su. Then a systemd timer is armed that restores the files, and the lines are written. To keep
    /// them, log in again from another terminal and run `jit pam confirm` there.
    Enable(EnablePam),
    /// Keep the lines; run inside a login or sudo that the gate let in since they were written. Root only.
    Confirm {
        /// Services (default: all that are not confirmed yet).
        #[arg(value_name = "SERVICE")]
        services: Vec<Door>,
    },
    /// Remove the lines that `jit pam enable` wrote, and nothing else. Root only.
    Disable {
        /// Services, by the names of their files in /etc/pam.d.
        #[arg(value_name = "SERVICE", required_unless_present = "all", conflicts_with = "all")]
        services: Vec<Door>,
        /// All services.
        #[arg(long)]
        all: bool,
        /// Also remove lines that call the module and were written by hand.
        #[arg(long)]
        force: bool,
    },
    /// List every door: gated or open, with its spare keys.
    ///
    /// A door is a PAM service file by which somebody logs in or becomes somebody else: sshd, login, su, sudo, polkit,
    /// cockpit, cron, at, systemd-user, display managers, and those of other packages.
    Status,
    /// Go through an account part, for `jit pam enable`.
    #[command(hide = true)]
    Drive {
        /// Service files.
        folder: PathBuf,
        /// The service.
        service: Door,
        /// Who.
        user: String,
        /// Their user id.
        uid: u32,
    },
}

/// `jit pam enable`
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools)] // each is a flag of its own
pub struct EnablePam {
    /// Services, by the names of their files in /etc/pam.d: sshd, sudo, su. sudo takes sudo-i along where it has a file.
    #[arg(value_name = "SERVICE", required = true)]
    pub services: Vec<Door>,
    /// A local account that is always let in, even when everything else is dead. Can be repeated.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub spare_user: Vec<Login>,
    /// A local group whose members are spare keys too. Can be repeated.
    #[arg(long, value_name = "GROUP", value_delimiter = ',', value_parser = group)]
    pub spare_group: Vec<String>,
    /// Let everybody in, and log who would have been refused.
    #[arg(long)]
    pub monitor: bool,
    /// In sshd, also ask those refused over keyboard-interactive why they want in, and let them wait.
    #[arg(long)]
    pub prompt: bool,
    /// Who gets in if the module is missing or is no library that loads: nobody, or everybody.
    ///
    /// This weighs a lock-out by a broken upgrade against a door that whoever can damage one file opens. Root can do so in
    /// other ways too, but this one leaves no line in the door's log; jit-watch reports it within moments.
    #[arg(long, value_enum, default_value_t = IfMissing::Refuse, value_name = "WHAT")]
    pub if_missing: IfMissing,
    /// Write without asking.
    #[arg(long)]
    pub yes: bool,
    /// Also gate a service that the gate is not made for, like login.
    #[arg(long)]
    pub force: bool,
}

/// Who gets in if the module is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum IfMissing {
    /// Nobody gets in; the console's login is the way back.
    Refuse,
    /// Everybody gets in without a grant, and nothing at the door logs it.
    Open,
}

fn group(text: &str) -> Result<String, String> {
    // Groups are named as accounts are.
    Login::parse(text).map(|name| name.to_string()).map_err(|why| why.to_string())
}

/// `jit audit`
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Show the last records, one line each.
    Tail {
        /// How many, at most 1000; `jit audit export` writes all.
        #[arg(short = 'n', long, default_value_t = 20, value_name = "COUNT",
            value_parser = clap::value_parser!(u32).range(1..=i64::from(api::limits::PAGE)))]
        lines: u32,
        /// Keep printing new records until interrupted.
        #[arg(short, long)]
        follow: bool,
    },
    /// Write the records to standard output, one JSON row per line, with the hash chain.
    ///
    /// Keep the copy on another machine, and verify it there with `jit audit verify --file FILE`.
    Export {
        /// Only records after this sequence number.
        #[arg(long, default_value_t = 0, value_name = "SEQ")]
        after: u64,
    },
    /// Verify that no record was edited, moved, removed or cut off.
    Verify {
        /// Verify this export (one JSON row per line) instead of the daemon's journal.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Compare with the checkpoint lines in this syslog file. Can be repeated.
        #[arg(long, value_name = "FILE")]
        witness: Vec<PathBuf>,
    },
}
