//! The hub: the desk of a fleet, over HTTPS, on one database.
//!
//! `door` knows connections, `bearer` knows who calls, the desk knows the rules; the hub has none of its own.
#![forbid(unsafe_code)]

mod address;
mod backup;
mod bearer;
mod certificate;
mod chats;
mod chores;
mod clock;
mod config;
mod door;
mod error;
mod eyes;
mod feed;
mod feeder;
mod following;
mod forgetting;
mod gone;
mod inbox;
mod init;
mod keys;
mod lasting;
mod ledger;
mod limits;
mod metrics;
mod migrate;
mod outbox;
mod policy;
mod postgres;
mod publish;
mod room;
mod routes;
mod rows;
#[cfg(test)]
mod sample;
mod secret;
mod secret_file;
mod serve;
mod sight;
mod signer;
mod signin;
mod site;
mod slack;
mod teams;
mod teller;
mod view_key;
mod voice;
mod web;

use access::Person;
use clap::{Args, Parser, Subcommand};
use config::Config;
use error::HubError;
use std::path::PathBuf;
use std::process::ExitCode;

/// The central source of grants for many hosts.
#[derive(Parser)]
#[command(name = "jit-hub", version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH, global = true)]
    config: PathBuf,
    /// Folder of the database and of the certificate authority, instead of the one in the configuration. The signer's folder
    /// and socket are in it too, unless the configuration sets them.
    #[arg(long, value_name = "FOLDER", global = true)]
    state: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set up a hub: configuration, certificate authority, database, and a first administrator with a token, a link and a token
    /// for one host. Asks nothing, and changes nothing that exists, except which certificates hosts trust if [tls] was added
    /// or removed.
    Init(Init),
    /// Serve until told to stop.
    Serve,
    /// Sign what the server says was approved, after checking it; runs as a user and a process of its own.
    Signer,
    /// Show or replace the keys that hosts trust.
    #[command(subcommand)]
    Keys(keys::Command),
    /// After the database lost commits (a restore, a failover): have hosts give back what was signed for them. Run as root,
    /// where the signer is.
    Recover,
    /// Copy the database to an empty one on a PostgreSQL server, read it back, and say what to do next. The hub must be
    /// stopped.
    Migrate {
        /// Server and database: postgres://user@host/name.
        #[arg(long, value_name = "URL")]
        to: String,
        /// PEM file with the CA that issued the server's certificate; default: the system's CAs.
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
    },
    /// Copy the database to a new file, and check that the copy is whole. Works while the hub serves.
    Backup {
        /// The new file.
        file: PathBuf,
    },
    /// Put a backup in place. The hub must be stopped.
    Restore {
        /// The backup.
        file: PathBuf,
        /// Replace an existing database, which is kept aside.
        #[arg(long)]
        force: bool,
    },
    /// Write what each host must hold to a folder, as files that hosts read from there or from any web server ([hub]
    /// static in jitd.toml): the same signed bytes as in their streams.
    Publish {
        /// The folder.
        folder: PathBuf,
        /// Keep running: write changes within a second, and everything every 5 minutes. Without this, what is written is
        /// valid for a day.
        #[arg(long)]
        watch: bool,
    },
    /// The bot in Microsoft Teams.
    #[command(subcommand)]
    Teams(teams::Command),
    /// List notifications that are not delivered yet or were given up, with the reason. Works while the hub serves.
    Outbox,
    /// Make somebody administrator, with a new token, if every administrator's token is lost. The hub must be stopped.
    Admin {
        /// Who.
        person: Person,
    },
}

/// `jit-hub init`
#[derive(Args)]
struct Init {
    /// A name or address by which people and hosts reach it (default: the machine's name). Can be repeated.
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// The first administrator.
    #[arg(long, value_name = "PERSON", default_value = "admin")]
    admin: Person,
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let Arguments { config, state, command } = Arguments::parse();
    let load = || -> Result<Config, HubError> {
        let mut loaded = Config::load(&config)?;
        if let Some(state) = &state {
            loaded = loaded.in_folder(state);
        }
        Ok(loaded)
    };
    let done = match command {
        Command::Init(Init { names, admin }) => init::init(&config, state.as_deref(), names, &admin),
        Command::Serve => load().and_then(|config| serve::serve(&config)),
        Command::Signer => load().and_then(|config| signer::serve(&config, hub_id(&config)?)),
        Command::Keys(command) => load().and_then(|config| keys::run(&config, &command)),
        Command::Recover => load().and_then(|config| keys::recover(&config)),
        Command::Migrate { to, ca } => {
            load().and_then(|config| migrate::migrate(&config, &to, ca.as_deref()))
        }
        Command::Backup { file } => load().and_then(|config| backup::backup(&config, &file)),
        Command::Restore { file, force } => load().and_then(|config| backup::restore(&config, &file, force)),
        Command::Publish { folder, watch } => {
            load().and_then(|config| publish::publish(&config, &folder, watch))
        }
        Command::Teams(teams::Command::Manifest { file }) => {
            load().and_then(|config| teams::write_manifest(&config, &file))
        }
        Command::Teams(teams::Command::Check) => load().and_then(|config| teams::check(&config)),
        Command::Outbox => load().and_then(|config| outbox::list(&config)),
        Command::Admin { person } => load().and_then(|config| init::admin(&config, person)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            say(&format!("error: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// What a hub signs as: the first of its names that could be a host's.
fn hub_id(config: &Config) -> Result<sync::HubId, HubError> {
    serve::name(config).map(sync::HubId::new)
}

/// To whoever runs the command.
fn say(line: &str) {
    use std::io::Write as _;
    // Nobody reads: nothing to do about it.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The name of this machine.
fn machine() -> String {
    rustix::system::uname().nodename().to_string_lossy().to_lowercase()
}
