//! `jit pam`: the gate's lines in the service files of PAM, put in and taken out without locking anybody out.
//!
//! Nothing here needs the daemon but to learn whether somebody could approve, and who let one in.

mod confirm;
mod disable;
mod drill;
mod drive;
mod enable;
mod files;
mod libpam;
mod name;
mod spare;
mod sshd;
mod status;
mod undo;

pub use drill::{Keyed, drill, last as last_drill, spare_keys};
pub use name::Door;
pub use status::{Shown, half_gated, is_made_for};

use crate::CliError;
use crate::arguments::Pam;
use crate::hub::SOCKET;
use crate::output::Output;
use api::Client;
use std::path::Path;

pub fn pam(socket: Option<&Path>, pam: Pam, out: &mut Output) -> Result<(), CliError> {
    // It is this machine's gate, whichever hub one is logged in to.
    let client = || Client::on_socket(socket.unwrap_or(Path::new(SOCKET)));
    match pam {
        Pam::Enable(enable) => {
            root("enable")?;
            enable::enable(&client()?, &enable, out)
        }
        Pam::Confirm { services } => {
            root("confirm")?;
            confirm::confirm(&client()?, services, out)
        }
        Pam::Disable { services, force, .. } => {
            root("disable")?;
            disable::disable(services, force, out)
        }
        Pam::Status => status::status(out),
        Pam::Drive { folder, service, user, uid } => drive::drive(&folder, &service, &user, uid),
    }
}

fn root(what: &str) -> Result<(), CliError> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(CliError::NotDone(format!("only root changes who comes in: run it as `sudo jit pam {what}`")))
}

/// Every door that there is, as its files have it.
pub fn doors() -> Result<Vec<Shown>, CliError> {
    Ok(status::doors(&files::all()?))
}

/// The doors of a machine with these service files.
#[cfg(test)]
pub fn doors_of(folder: pamfile::Folder) -> Vec<Shown> {
    status::doors(&files::Files { folder, ..files::Files::default() })
}

/// What keeps sshd from asking the gate, with what puts it right, as root's login would be; else why that is not known.
pub fn sshd_goes_around() -> Result<Option<(String, String)>, String> {
    Ok(sshd::Sshd::for_user("root")?.and_then(|sshd| sshd.asks_the_gate().err()))
}
