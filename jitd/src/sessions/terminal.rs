//! Writing on the terminals of a session.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

/// Major device numbers of pseudo terminals and of virtual consoles (Linux, devices.txt).
const PTY: u32 = 136;
const CONSOLE: u32 = 4;

/// The file of a terminal's device number, as `/proc/PID/stat` has it: minor bits 0-7, major bits 8-19, the
/// rest of the minor above (proc(5)).
fn path(device: u32) -> Option<PathBuf> {
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xf_ff00);
    match (major, minor) {
        (PTY, minor) => Some(format!("/dev/pts/{minor}").into()),
        (CONSOLE, 1..=63) => Some(format!("/dev/tty{minor}").into()),
        _ => None,
    }
}

/// Shows a line on the terminal with this device number, on a row of its own, if it is this user's: in a namespace
/// of their own anybody can sit at a terminal that has the number of another's here. One that is held (`^S`),
/// closed, or does not want messages (mesg(1)) does not hear it, and nobody waits for it. Whether one did.
pub fn show(device: u32, owner: u32, line: &str) -> bool {
    let Some(path) = path(device) else { return false };
    let flags = libc::O_NOCTTY | libc::O_NONBLOCK;
    let Ok(mut terminal) = OpenOptions::new().write(true).custom_flags(flags).open(path) else {
        return false;
    };
    terminal.metadata().is_ok_and(|there| there.uid() == owner)
        && terminal.write_all(format!("\r\n{line}\r\n").as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers_are_files() {
        let shown = |device| path(device).map(|path| path.display().to_string());
        assert_eq!(shown(0x8803).as_deref(), Some("/dev/pts/3"));
        assert_eq!(shown(0x0010_8801).as_deref(), Some("/dev/pts/257"));
        assert_eq!(shown(0x0401).as_deref(), Some("/dev/tty1"));
        assert_eq!(shown(0x0440), None, "a serial line");
        assert_eq!(shown(0), None);
    }
}
