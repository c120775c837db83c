//! The host daemon of the just-in-time access gate: answers `pam_jit.so`, runs the desk of this machine,
//! records and logs each decision.

mod accounts;
mod budget;
mod clients;
mod clock;
mod control;
mod daemon;
mod doors;
mod examined;
mod gate;
mod ledger;
mod limits;
mod line;
mod memory;
mod monitored;
mod pause;
mod peer;
mod policy;
mod process;
mod pruning;
mod refusal;
mod repair;
mod repeat;
mod rows;
mod schedules;
mod seats;
mod sessions;
mod site;
mod source;
mod throttle;
mod watch;

use clap::{Parser, Subcommand};
use jitd_config as config;
use std::path::PathBuf;
use std::process::ExitCode;

/// Decides, at every ssh login and every sudo on this host, whether there is a grant for it.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH, global = true)]
    config: PathBuf,
    /// Check the configuration, say what is wrong with it, and exit.
    #[arg(long)]
    check_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Build a new database from every row of a damaged one that verifies. The daemon must be stopped.
    Repair,
    /// Look for jobs that people left for later, where the daemon's own user may not, and report them to it. Root only;
    /// the service jit-watch runs it.
    Watch,
    /// Join this host to a hub, with a token from `jit host token`; `-` reads it from standard input. Root only.
    Enrol {
        /// The token.
        token: String,
    },
    /// This host's clock.
    #[command(subcommand)]
    Clock(ClockCommand),
}

#[derive(Subcommand)]
enum ClockCommand {
    /// Declare the wall clock right as it is now: it becomes the gate's time. Root only.
    Accept,
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let before = pause::Seen::at(&arguments.config);
    let serves = arguments.command.is_none() && !arguments.check_config;
    let done = match arguments.command {
        None if arguments.check_config => daemon::check_config(&arguments.config),
        None => daemon::run(&arguments.config),
        Some(Command::Repair) => daemon::repair(&arguments.config),
        Some(Command::Enrol { token }) => enrol(&arguments.config, &token),
        Some(Command::Watch) => watch::watch(&arguments.config),
        Some(Command::Clock(ClockCommand::Accept)) => daemon::accept_clock(&arguments.config),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            daemon::say(&format!("error: {why}"));
            if serves {
                pause::before_the_next_start(&arguments.config, &before, &why.to_string());
            }
            ExitCode::FAILURE
        }
    }
}

fn enrol(config: &std::path::Path, token: &str) -> Result<(), daemon::DaemonError> {
    if token != "-" {
        return source::enrol(config, token);
    }
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    read.map_err(daemon::os("reading the token from standard input"))?;
    source::enrol(config, &line)
}
