//! `jit`: the one command for people. It speaks API v1 to the daemon and turns answers into tables and
//! sentences; what is allowed is decided elsewhere.

pub mod arguments;
mod audit;
mod check;
mod doctor;
mod error;
mod grants;
mod hosts;
mod hub;
mod leading;
pub mod limits;
mod login;
mod monitor;
mod news;
mod output;
mod pam;
mod patience;
mod policy;
mod program;
mod requests;
#[cfg(test)]
mod sample;
mod sessions;
mod stop;
mod table;
mod tokens;
mod wait;
mod watch;
mod words;

use arguments::{Arguments, Command};
use clap::{CommandFactory as _, Parser as _};
use error::CliError;
use output::Output;
use std::process::ExitCode;

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let mut out = Output::new(arguments.json);
    match dispatch(arguments, &mut out) {
        Ok(()) | Err(CliError::ReaderGone) => ExitCode::SUCCESS,
        Err(why @ CliError::Interrupted(_)) => {
            Output::aside(&why.to_string());
            ExitCode::from(why.exit())
        }
        Err(why) => {
            Output::error(&why.to_string());
            ExitCode::from(why.exit())
        }
    }
}

fn dispatch(arguments: Arguments, out: &mut Output) -> Result<(), CliError> {
    let client = || hub::client(arguments.socket.as_deref());
    match arguments.command {
        Command::Request(request) => requests::request(&client()?, request, out),
        Command::Requests(which) => requests::list(&client()?, &which, out),
        Command::Show { id } => requests::show(&client()?, &id, out),
        Command::Approve(approve) => requests::approve(&client()?, approve, out),
        Command::Deny { id, comment } => requests::deny(&client()?, &id, comment, out),
        Command::Cancel { id } => requests::cancel(&client()?, &id, out),
        Command::Grants { user, host, all } => grants::list(&client()?, user, host, all, out),
        Command::Revoke { grant, reason } => grants::revoke(&client()?, &grant, reason, out),
        Command::Release { grant } => grants::release(&client()?, &grant, out),
        Command::Extend(extend) => {
            let here = hub::here(arguments.socket.as_deref()).ok();
            requests::extend(&client()?, here.as_ref(), extend, out)
        }
        Command::Watch => watch::watch(client()?, out),
        Command::Policy(arguments::Policy::Show) => policy::show(&client()?, out),
        Command::Policy(arguments::Policy::Apply(asked)) => policy::apply(&client()?, &asked, out),
        Command::Policy(arguments::Policy::Check(asked)) => {
            policy::check(&policy::Files::of(asked, hub::is_meant(arguments.socket.as_deref())), out)
        }
        Command::Policy(arguments::Policy::Explain(asked)) => policy::explain(client, *asked, out),
        Command::Policy(arguments::Policy::Test(asked)) => policy::test(asked, out),
        Command::Policy(arguments::Policy::Diff(asked)) => policy::diff(client, &asked, out),
        Command::Check(check) => check::check(&client()?, check, out),
        // It is this machine's gate and session, whichever hub one is logged in to.
        Command::Status { monitor: true, .. } => {
            monitor::monitor(&hub::here(arguments.socket.as_deref())?, out)
        }
        Command::Status { left: true, .. } => check::left(&hub::here(arguments.socket.as_deref())?, out),
        Command::Status { .. } => check::status(&client()?, out),
        Command::Sessions { user, host } => sessions::list(&client()?, &api::AskSessions { user, host }, out),
        Command::End { session, reason, host } => {
            sessions::end(&client()?, &session, &api::EndSession { reason, host }, out)
        }
        Command::Audit(arguments::Audit::Tail { lines, follow }) => {
            audit::tail(&client()?, lines, follow, out)
        }
        Command::Audit(arguments::Audit::Export { after }) => audit::export(&client()?, after),
        Command::Audit(arguments::Audit::Verify { file: Some(file), witness }) => {
            audit::verify_file(&file, &witness, out)
        }
        Command::Audit(arguments::Audit::Verify { file: None, witness }) => {
            audit::verify(&client()?, &witness, out)
        }
        Command::Pam(pam) => pam::pam(arguments.socket.as_deref(), pam, out),
        Command::Doctor { report: true, .. } => {
            doctor::doctor(arguments.socket.as_deref(), doctor::Asked::Daemon, out)
        }
        Command::Doctor { spare_key, .. } => {
            doctor::doctor(arguments.socket.as_deref(), doctor::Asked::Person { spare_key }, out)
        }
        Command::Login(log_in) => hub::log_in(&log_in, out),
        Command::Logout => hub::log_out(out),
        Command::Token(token) => tokens::token(&client()?, token, out),
        Command::Web { person } => tokens::web(&client()?, person, out),
        Command::Role(role) => tokens::role(&client()?, role, out),
        Command::Hosts { host, labels } => hosts::list(&client()?, host.as_ref(), &labels, out),
        Command::Host(host) => hosts::host(&client()?, host, out),
        Command::Completions { shell } => {
            let mut bytes = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "jit", &mut bytes);
            Output::raw(&bytes)
        }
        Command::Man { folder } => clap_mangen::generate_to(Arguments::command(), &folder)
            .map_err(|why| CliError::Doing { what: "writing man pages into", path: folder, why }),
    }
}
