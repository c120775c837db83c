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
/// 5 conflict, somebody else decided first; 130 a wait was interrupted, and the request stays.
#[derive(Debug, Parser)]
#[command(name = "jit", version, max_term_width = 100)]
pub struct Arguments {
    /// Answer in JSON, for programs.
    #[arg(long, global = true)]
    pub json: bool,
    /// Ask the daemon on this control socket. Left out: the hub that one is logged in to, else the daemon of
    /// this machine, on /run/jitd/control.sock.
    #[arg(long, global = true, value_name = "PATH")]
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
    /// List requests: those that wait, unless told otherwise.
    Requests(Requests),
    /// Show one request or grant in full.
    Show {
        /// Its id, or as much of it as is unique.
        id: String,
    },
    /// Approve a request, as it is or cut down.
    Approve(Approve),
    /// Deny a request.
    Deny {
        /// Its id.
        id: String,
        /// Why; the person reads it.
        #[arg(long)]
        comment: Text,
    },
    /// Take back a request of one's own.
    Cancel {
        /// Its id.
        id: String,
    },
    /// List grants that are good or will be.
    Grants {
        /// Of this person alone.
        #[arg(long)]
        user: Option<Login>,
        /// On this host alone.
        #[arg(long)]
        host: Option<HostName>,
        /// Also those that are over.
        #[arg(long)]
        all: bool,
    },
    /// Take a grant back, one's own or as approver or operator.
    Revoke {
        /// Its id.
        grant: String,
        /// Why; the person reads it.
        #[arg(long)]
        reason: Text,
    },
    /// Give a grant of one's own back early.
    Release {
        /// Its id.
        grant: String,
    },
    /// Ask for more time on a grant, without leaving the session.
    Extend(Extend),
    /// List sessions: who is in, by which grant, and until when.
    Sessions {
        /// Of this name alone.
        #[arg(long)]
        user: Option<Login>,
        /// On this host alone.
        #[arg(long)]
        host: Option<HostName>,
    },
    /// End a session, one's own or as approver of its grant or operator. The grant stays.
    End {
        /// Its id.
        session: String,
        /// Why; the person reads it.
        #[arg(long)]
        reason: Text,
        /// On which host, where more than one says that it has a session of that id.
        #[arg(long)]
        host: Option<HostName>,
    },
    /// Review requests as they come in, on one screen.
    ///
    /// Keys: up and down or j and k choose, a approves, d denies, / finds, ? helps, q quits. With --json,
    /// or where the output is no terminal, prints one line of JSON for each change until interrupted.
    Watch,
    /// The rules: who may ask for what, for how long, and who must agree.
    #[command(subcommand)]
    Policy(Policy),
    /// What would the gate say, and why? Changes nothing.
    ///
    /// Ends with 0 once it has an answer, also where that is a refusal: the verdict is the answer's first word, and
    /// "allowed" with --json. Other codes say that there is no answer: 1 that one may not ask about this person.
    Check(Check),
    /// How the gate is, who one is to it, and the session that one is in.
    Status {
        /// Only how long the session that one is in still goes on, for a shell's prompt: `12m left`.
        #[arg(long, conflicts_with = "monitor")]
        left: bool,
        /// Who was let in by `mode=monitor` during the last 14 days and would have been refused, by service, and what
        /// grant would have covered it. For approvers, auditors, operators and root.
        #[arg(long)]
        monitor: bool,
    },
    /// The gate's lines in the files of PAM: before which doors it stands.
    #[command(subcommand)]
    Pam(Pam),
    /// Look at everything around the daemon that must be right, and say what puts right what is not. Root alone.
    ///
    /// The module and the package's files, PAM lines, spare keys, sshd, sudoers, disk, sockets, clock, daemon. Exit code 1
    /// if something is wrong. The service jit-watch looks every ten minutes and when such files change, and tells jitd,
    /// which logs what changed and shows it in `jit status`.
    Doctor {
        /// Also have each spare key go through the account part of its doors, which is logged as each use is. The
        /// service jit-watch does so once a day.
        #[arg(long)]
        spare_key: bool,
        /// Tell the daemon, as the service jit-watch has it. Exit code 0 once it took that, whatever was found.
        #[arg(long, conflicts_with = "spare_key")]
        report: bool,
    },
    /// The record of every decision and change.
    #[command(subcommand)]
    Audit(Audit),
    /// Go to a hub from now on, with every command that names no --socket.
    ///
    /// A page of the hub opens in a browser on this machine, where one says yes; with --device in one anywhere. What is
    /// needed from then on is kept in ~/.config/jit/hub.toml, for oneself alone to read.
    Login(LogIn),
    /// Forget the hub. The token stays good until it is over or revoked: see `jit token`.
    Logout,
    /// Tokens of a hub: what programs and people show at its door.
    #[command(subcommand)]
    Token(Token),
    /// Make a link that signs in to the pages of a hub, in a browser. It works once, and for 15 minutes.
    ///
    /// Who opens it can do there what the token in use is for: hand it to nobody.
    Web {
        /// Sign this person in; administrators alone make a link for somebody else.
        #[arg(long, value_name = "PERSON")]
        person: Option<Person>,
    },
    /// Roles of a hub: who sees and does more than their own affairs.
    #[command(subcommand)]
    Role(Role),
    /// List the hosts of a hub.
    Hosts,
    /// Let a host into a hub, or take one away.
    #[command(subcommand)]
    Host(Host),
    /// Print completions for a shell.
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
    /// On this host; this machine if left out. Can be repeated.
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<HostName>,
    /// On all hosts that carry this label. Can be repeated: all of them count.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label, conflicts_with = "hosts")]
    pub labels: Vec<(String, String)>,
    /// For these services: ssh, sudo, su, or a PAM service name.
    #[arg(long, value_delimiter = ',', default_value = "ssh", value_name = "LIST")]
    pub service: Vec<Service>,
    /// As this user: a shared login for ssh, whom to become for sudo and su (root if left out).
    #[arg(long = "as", value_name = "USER")]
    pub run_as: Option<Login>,
    /// For so long, like 30m, 2h or 1h30m; the rule's default if left out.
    #[arg(long = "for", value_name = "LENGTH")]
    pub length: Option<Span>,
    /// From this time on, like 2026-11-24T18:00:00Z; from the approval if left out.
    #[arg(long, value_name = "TIME")]
    pub at: Option<Time>,
    /// Why. Approvers read it.
    #[arg(long, value_name = "TEXT")]
    pub reason: Text,
    /// The ticket it belongs to.
    #[arg(long, value_name = "ID")]
    pub ticket: Option<Text>,
    /// For this user, not for oneself.
    #[arg(long, value_name = "NAME")]
    pub user: Option<Login>,
    /// Wait until somebody decides. Interrupted, the request stays, and the exit code is 130.
    #[arg(long)]
    pub wait: bool,
    /// At once and alone, where the policy lets you; somebody looks at it afterwards.
    #[arg(long)]
    pub break_glass: bool,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE, like env=prod")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// `jit login`
#[derive(Debug, Args)]
pub struct LogIn {
    /// The hub's address, like https://hub.example.org:8443.
    #[arg(long, value_name = "URL")]
    pub hub: String,
    /// Show a word to type into the hub's page /web/device, in a browser anywhere: for a machine without one.
    #[arg(long, conflicts_with = "token_stdin")]
    pub device: bool,
    /// Read a token from standard input, in place of a sign-in in a browser.
    #[arg(long)]
    pub token_stdin: bool,
    /// What the token that one is let in with may be used for at most. It lasts 12 hours.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "read,request,review,operate",
        conflicts_with = "token_stdin",
        value_name = "LIST"
    )]
    pub scope: Vec<Scope>,
    /// PEM file with the CA that issued the hub's certificate: no other is believed then. Default: this machine's CAs.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// `jit token`
#[derive(Debug, Subcommand)]
pub enum Token {
    /// List tokens: one's own, or everybody's for who sees everything.
    List,
    /// Make a token. It is shown this once.
    Make {
        /// What it is for: "laptop", "backup job".
        name: Text,
        /// What it may be used for at most: read, request, review, operate, admin.
        #[arg(long, value_delimiter = ',', default_value = "read,request", value_name = "LIST")]
        scope: Vec<Scope>,
        /// For so long, at most 90d.
        #[arg(long = "for", default_value = "90d", value_name = "LENGTH")]
        length: Span,
        /// For this person; administrators alone make one for somebody else.
        #[arg(long, value_name = "PERSON")]
        person: Option<Person>,
    },
    /// Revoke a token: it opens nothing any more.
    Revoke {
        /// Its id.
        token: String,
    },
}

/// `jit host`
#[derive(Debug, Subcommand)]
pub enum Host {
    /// Make a token that lets new hosts in. It is shown this once.
    Token {
        /// A label of the hosts that join by it. Can be repeated.
        #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
        labels: Vec<(String, String)>,
        /// Good for so long.
        #[arg(long, default_value = "1h", value_name = "LENGTH")]
        ttl: Span,
        /// Lets so many hosts in.
        #[arg(long, default_value_t = 1, value_name = "N")]
        uses: u32,
    },
    /// Take a host away: it hears of no new grants, and may join again by a new token.
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
    /// Give a person exactly these roles.
    Set {
        /// Who.
        person: Person,
        /// auditor, operator, admin; none of them takes all away.
        roles: Vec<api::Role>,
    },
}

/// `jit extend`
#[derive(Debug, Args)]
pub struct Extend {
    /// The grant's id; if left out that of the session one is in, else one's only grant.
    pub grant: Option<String>,
    /// So much more, like 30m.
    #[arg(long = "for", value_name = "LENGTH")]
    pub length: Span,
    /// Why. Approvers read it.
    #[arg(long, value_name = "TEXT")]
    pub reason: Text,
    /// The ticket it belongs to.
    #[arg(long, value_name = "ID")]
    pub ticket: Option<Text>,
    /// Wait until somebody decides. Interrupted, the request stays, and the exit code is 130.
    #[arg(long)]
    pub wait: bool,
}

/// `jit policy`
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Show the policy in force, and who applied it when.
    Show,
    /// Put a policy in force. Root alone can, and administrators of a hub.
    Apply {
        /// The rules.
        #[arg(default_value = "/etc/jitd/policy.toml", value_name = "FILE")]
        policy: PathBuf,
        /// The people; `people.toml` beside the rules, if it is there.
        #[arg(long, value_name = "FILE")]
        people: Option<PathBuf>,
    },
    /// Look for mistakes and surprises in a policy, without a daemon.
    ///
    /// Exit code 1 if the policy could not come into force, 2 if it cannot be read.
    Check(CheckPolicy),
    /// Who asks what: which rule covers it, who could agree, and why the other rules do not count.
    Explain(Box<Explain>),
    /// Try a file of cases on a policy, without a daemon: exit code 1 if one is not met.
    Test(Try),
    /// What changes from one policy to another, and which past requests would have gone differently.
    Diff(Diff),
}

/// `jit policy check`
#[derive(Debug, Args)]
pub struct CheckPolicy {
    /// The rules.
    #[arg(default_value = "/etc/jitd/policy.toml", value_name = "FILE")]
    pub policy: PathBuf,
    /// The people; `people.toml` beside the rules, if it is there.
    #[arg(long, value_name = "FILE")]
    pub people: Option<PathBuf>,
    /// Take local accounts from the files passwd and group of this folder.
    #[arg(long, value_name = "FOLDER", default_value = "/etc")]
    pub accounts: PathBuf,
}

/// `jit policy explain`
#[derive(Debug, Args)]
pub struct Explain {
    /// Who asks; oneself if left out.
    #[arg(long, value_name = "NAME")]
    pub user: Option<Login>,
    /// On this host; this machine if left out. Can be repeated.
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<HostName>,
    /// For these services: ssh, sudo, su, or a PAM service name.
    #[arg(long, value_delimiter = ',', default_value = "ssh", value_name = "LIST")]
    pub service: Vec<Service>,
    /// As this user: a shared login for ssh, whom to become for sudo and su (root if left out).
    #[arg(long = "as", value_name = "USER")]
    pub run_as: Option<Login>,
    /// For so long; the rule's default if left out.
    #[arg(long = "for", value_name = "LENGTH")]
    pub length: Option<Span>,
    /// Asked at this time; now if left out.
    #[arg(long, value_name = "TIME")]
    pub at: Option<Time>,
    /// By the rules of this file, not those in force; no daemon is asked.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The people; `people.toml` beside the rules, if it is there.
    #[arg(long, value_name = "FILE", requires = "file")]
    pub people: Option<PathBuf>,
    /// Take local accounts from the files passwd and group of this folder.
    #[arg(long, value_name = "FOLDER", default_value = "/etc", requires = "file")]
    pub accounts: PathBuf,
    /// A label that the hosts carry. Can be repeated.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label, requires = "file")]
    pub labels: Vec<(String, String)>,
}

/// `jit policy test`
#[derive(Debug, Args)]
pub struct Try {
    /// The cases.
    #[arg(value_name = "CASES")]
    pub cases: PathBuf,
    /// The rules; the file that the cases name if left out.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The people; the file that the cases name, or `people.toml` beside the rules.
    #[arg(long, value_name = "FILE")]
    pub people: Option<PathBuf>,
    /// Take local accounts from the files passwd and group of this folder; without it they count only where
    /// there is no file of people.
    #[arg(long, value_name = "FOLDER")]
    pub accounts: Option<PathBuf>,
}

/// `jit policy diff`
#[derive(Debug, Args)]
pub struct Diff {
    /// The old rules and the new: one file is compared with what is in force, and without any it is
    /// /etc/jitd/policy.toml.
    #[arg(num_args = 0..=2, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The people of the new rules; `people.toml` beside them, if it is there.
    #[arg(long, value_name = "FILE")]
    pub people: Option<PathBuf>,
    /// The people of the old rules; `people.toml` beside them, if it is there.
    #[arg(long, value_name = "FILE")]
    pub old_people: Option<PathBuf>,
    /// Also which requests of so many days would have gone differently, like 90d. For auditors, operators
    /// and root.
    #[arg(long, value_name = "LENGTH")]
    pub replay: Option<Span>,
}

/// `jit requests`
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct Requests {
    /// Those that wait (the default).
    #[arg(long)]
    pub pending: bool,
    /// One's own.
    #[arg(long)]
    pub mine: bool,
    /// All that one may see.
    #[arg(long)]
    pub all: bool,
}

/// `jit approve`
#[derive(Debug, Args)]
pub struct Approve {
    /// The request's id.
    pub id: String,
    /// For at most so long.
    #[arg(long = "for", value_name = "LENGTH")]
    pub length: Option<Span>,
    /// Only on these hosts. Can be repeated.
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<HostName>,
    /// Only for these services.
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub service: Vec<Service>,
    /// A word to the person.
    #[arg(long, value_name = "TEXT")]
    pub comment: Option<Text>,
}

/// `jit check`
#[derive(Debug, Args)]
pub struct Check {
    /// Who.
    pub user: Login,
    /// At which door.
    #[arg(long, default_value = "ssh")]
    pub service: Service,
    /// On which host; this machine if left out.
    #[arg(long, value_name = "NAME")]
    pub host: Option<HostName>,
    /// As whom.
    #[arg(long = "as", value_name = "USER")]
    pub run_as: Option<Login>,
    /// At what time; now if left out.
    #[arg(long, value_name = "TIME")]
    pub at: Option<Time>,
}

/// `jit pam`
#[derive(Debug, Subcommand)]
pub enum Pam {
    /// Put the gate before services, until it is confirmed for ten minutes only. Root alone.
    ///
    /// Shows what would change and asks. Refuses where nobody could approve, where no spare key could come in, where
    /// a file is not understood, and where another line could skip the gate; the account part is gone through as it
    /// would be, as each spare key and for root's own sudo and su. Then a timer of systemd is armed that puts the
    /// file back as it was, and the lines are written. Come in anew from another terminal and run `jit pam confirm`
    /// there, and they stay.
    Enable(EnablePam),
    /// Keep the lines, from inside of a login or sudo that the gate let in since they were written. Root alone.
    Confirm {
        /// Services; all that wait if left out.
        #[arg(value_name = "SERVICE")]
        services: Vec<Door>,
    },
    /// Take out the lines that `jit pam enable` wrote, and nothing else. Root alone.
    Disable {
        /// Services, as their files in /etc/pam.d are named.
        #[arg(value_name = "SERVICE", required_unless_present = "all", conflicts_with = "all")]
        services: Vec<Door>,
        /// Of all services.
        #[arg(long)]
        all: bool,
        /// Also lines that call the module and were written by hand.
        #[arg(long)]
        force: bool,
    },
    /// Show every door: gated or open, with its spare keys.
    ///
    /// A door is a service file of PAM by which somebody comes in or becomes somebody else: sshd, login, su, sudo, polkit,
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
    /// Services, as their files in /etc/pam.d are named: sshd, sudo, sudo-i, su.
    #[arg(value_name = "SERVICE", required = true)]
    pub services: Vec<Door>,
    /// A local account that is let in when everything else is dead, and always. Can be repeated.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub spare_user: Vec<Login>,
    /// A local group whose members are. Can be repeated.
    #[arg(long, value_name = "GROUP", value_delimiter = ',', value_parser = group)]
    pub spare_group: Vec<String>,
    /// Let everybody in, and log who would not have been.
    #[arg(long)]
    pub monitor: bool,
    /// In sshd, also ask who is refused by keyboard-interactive why they want in, and let them wait.
    #[arg(long)]
    pub prompt: bool,
    /// What happens where the module is missing or damaged: nobody comes in, or everybody does.
    ///
    /// It weighs being locked out by a broken upgrade against a door that whoever can damage one file opens: root can do
    /// so in other ways too, but this one leaves no line in the log of the door. jit-watch tells of it within moments.
    #[arg(long, value_enum, default_value_t = IfMissing::Refuse, value_name = "WHAT")]
    pub if_missing: IfMissing,
    /// Write without asking.
    #[arg(long)]
    pub yes: bool,
    /// Also before a service that the gate is not made for, like login.
    #[arg(long)]
    pub force: bool,
}

/// What happens where the module is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum IfMissing {
    /// Nobody comes in; the console's login is the way back.
    Refuse,
    /// Everybody comes in without a grant, and nothing at the door logs it.
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
        /// So many, at most 1000: `jit audit export` writes all.
        #[arg(short = 'n', long, default_value_t = 20, value_name = "COUNT",
            value_parser = clap::value_parser!(u32).range(1..=i64::from(api::limits::PAGE)))]
        lines: u32,
        /// Go on with new ones until interrupted.
        #[arg(short, long)]
        follow: bool,
    },
    /// Write the records to standard output, one JSON row a line, chain and all.
    ///
    /// Keep it on another machine, where `jit audit verify --file FILE` verifies it.
    Export {
        /// Only those after this place.
        #[arg(long, default_value_t = 0, value_name = "SEQ")]
        after: u64,
    },
    /// Verify that no record was edited, moved, removed or cut off.
    Verify {
        /// Verify this export (one JSON row a line), not the daemon's journal.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Compare with the checkpoint lines in this syslog file. Can be repeated.
        #[arg(long, value_name = "FILE")]
        witness: Vec<PathBuf>,
    },
}
