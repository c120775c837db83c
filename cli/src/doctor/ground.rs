//! What the daemon stands on: room on the disk, its sockets, the clock's synchronisation.

use super::{Look, found};
use crate::limits;
use crate::program::ran;
use rustix::fs::statvfs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

pub fn look() -> Vec<Look> {
    let mut looks = found("disk", disk().into_iter().collect());
    looks.extend(found("sockets", sockets()));
    looks.extend(found("clock", clock().into_iter().collect()));
    looks
}

/// The daemon's folder, as its configuration has it.
fn state() -> String {
    let text = std::fs::read_to_string("/etc/jitd/jitd.toml").unwrap_or_default();
    // One that cannot be read is for the daemon to tell.
    let config: toml::Table = text.parse().unwrap_or_default();
    config.get("state").and_then(toml::Value::as_str).unwrap_or("/var/lib/jitd").to_owned()
}

fn disk() -> Option<(String, String)> {
    let folder = state();
    let disk = match statvfs(&*folder) {
        Ok(disk) => disk,
        Err(why) => return Some((format!("{folder}: {why}"), "systemctl restart jitd makes it".to_owned())),
    };
    let room = disk.f_bavail.saturating_mul(disk.f_frsize);
    (room < limits::ROOM).then(|| {
        (
            // The same words each time: see api::Finding.
            format!(
                "less than {} MB are free under {folder}: once it is full nobody is let in",
                limits::ROOM / 1_000_000
            ),
            "make room, or have the journal keep less: see [journal] in jitd.toml(5)".to_owned(),
        )
    })
}

fn sockets() -> Vec<(String, String)> {
    let fix = || {
        "systemd-tmpfiles --create jitd.conf; systemctl restart jitd-gate.socket jitd-control.socket"
            .to_owned()
    };
    let mut wrong = Vec::new();
    match Path::new("/run/jitd").symlink_metadata() {
        Ok(meta) if meta.is_dir() && meta.uid() == 0 && meta.mode() & 0o022 == 0 => {}
        Ok(_) => wrong.push(("/run/jitd is not a folder that only root can write to".to_owned(), fix())),
        Err(why) => wrong.push((format!("/run/jitd: {why}"), fix())),
    }
    for (path, mode) in [("/run/jitd/gate.sock", 0o600), ("/run/jitd/control.sock", 0o666)] {
        match Path::new(path).symlink_metadata() {
            Err(why) => wrong.push((format!("{path}: {why}"), fix())),
            Ok(meta) if !meta.file_type().is_socket() => wrong.push((format!("{path} is no socket"), fix())),
            Ok(meta) if (meta.uid(), meta.mode() & 0o777) != (0, mode) => {
                let (uid, has) = (meta.uid(), meta.mode() & 0o777);
                wrong.push((
                    format!("{path} has mode {has:03o} and owner {uid}, not {mode:03o} and 0"),
                    fix(),
                ));
            }
            Ok(_) => {}
        }
    }
    wrong
}

/// As the kernel says it, by timedatectl(1); where that is not there, the daemon's word has to do.
fn clock() -> Option<(String, String)> {
    let said = ran("timedatectl", ["show", "--property=NTPSynchronized", "--value"]).ok()?;
    (String::from_utf8_lossy(&said.stdout).trim() == "no").then(|| {
        (
            "the kernel's clock is not synchronised: grants begin and end by it".to_owned(),
            "start a time service: systemctl enable --now systemd-timesyncd".to_owned(),
        )
    })
}
