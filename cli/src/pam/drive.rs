//! The account part of a service as it would be, gone through by a process of its own: modules may hang, and one
//! that stands for a person takes on their real user id, as sudo has it.

use super::libpam::{self, Call};
use super::name::Door;
use crate::output::Output;
use crate::{CliError, limits};
use pamfile::Folder;
use rustix::process::Uid;
use std::io::Read as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Service files in a folder for root alone, gone when this is dropped. What they include libpam takes from where it
/// always does: none of that is being changed.
pub struct Tried(PathBuf);

impl Tried {
    /// All of these, in a folder of root's.
    pub fn write(folder: &Folder, beneath: &Path) -> Result<Self, CliError> {
        let path = beneath.join(format!("try-{}", std::process::id()));
        let failed = |why| CliError::Doing { what: "making", path: path.clone(), why };
        std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
        let tried = Self(path.clone());
        for (name, text) in &folder.0 {
            std::fs::write(path.join(name), text).map_err(failed)?;
        }
        Ok(tried)
    }

    /// Whether this account gets through the account part of `door`; else what is said to it.
    pub fn lets_in(&self, door: &Door, user: &str, uid: u32) -> Result<(), String> {
        let wrong = |why: std::io::Error| format!("it could not be tried: {why}");
        let mut child = Command::new(std::env::current_exe().map_err(wrong)?)
            .args(["pam", "drive"])
            .arg(&self.0)
            .args([door.as_str(), user, &uid.to_string()])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(wrong)?;
        let deadline = Instant::now() + limits::DRIVE;
        let status = loop {
            if let Some(status) = child.try_wait().map_err(wrong)? {
                break status;
            }
            if Instant::now() > deadline {
                // It may have ended just now.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("it did not end within {} s", limits::DRIVE.as_secs()));
            }
            std::thread::sleep(limits::DRIVE_LOOK);
        };
        let mut said = String::new();
        if let Some(out) = child.stdout.take() {
            // What cannot be read is said by its code.
            let _ = out.take(limits::DRIVE_SAYS).read_to_string(&mut said);
        }
        match status.code() {
            Some(0) => Ok(()),
            Some(_) if !said.trim().is_empty() => Err(said.trim().to_owned()),
            _ => Err(format!("a module ended the process ({status})")),
        }
    }
}

impl Drop for Tried {
    fn drop(&mut self) {
        // A folder that stays is for root alone, and holds what everybody may read.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The process itself.
pub fn drive(folder: &Path, door: &Door, user: &str, uid: u32) -> Result<(), CliError> {
    let (switches, sshd) = (door.switches(), door.as_str() == "sshd");
    if switches {
        let root = Uid::from_raw(0);
        rustix::thread::set_thread_res_uid(Uid::from_raw(uid), root, root)
            .map_err(|why| CliError::NotDone(format!("taking on user id {uid}: {why}")))?;
    }
    let call = Call {
        folder,
        service: door.as_str(),
        // su is asked about whom one becomes, sudo about who asks.
        user: if door.is_su() { "root" } else { user },
        ruser: switches.then_some(user),
        rhost: sshd.then_some("127.0.0.1"),
        tty: sshd.then_some("ssh"),
    };
    if let Err(why) = libpam::account(&call) {
        Output::raw(format!("{}\n", crate::output::clean(&why)).as_bytes())?;
        return Err(CliError::NotDone("it did not let in".to_owned()));
    }
    Ok(())
}
