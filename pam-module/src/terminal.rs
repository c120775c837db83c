//! The terminal of whoever runs sudo or su: asked and shown directly, not through the application.
//!
//! What sudo does with a prompt of a module is not for a reason that others read: it may show its own words instead
//! (`-p`, `passprompt_override`), under which somebody types a password, or have a program answer that prints one
//! (`-A`), or standard input (`-S`). And what it shows may end up in captured output. The terminal has neither.

use crate::{limits, told};
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{FlushArg, InputFlags, LocalFlags, tcflush, tcgetattr};
use nix::unistd::{getpgrp, tcgetpgrp};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

/// The controlling terminal.
pub struct Terminal {
    file: File,
    /// What stands on the line that is written anew as things change.
    live: String,
}

/// Why a terminal gives no answer.
pub enum Away {
    /// ^C, another signal, or nobody is there any more.
    Stopped,
    /// Nothing was typed in time.
    Late,
}

impl Terminal {
    /// The terminal, if somebody can type on it line by line, and break off. A job in the background would be
    /// stopped for reading from it.
    pub fn open() -> Option<Self> {
        let mut how = OpenOptions::new();
        how.read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits());
        let file = how.open("/dev/tty").ok()?;
        let mode = tcgetattr(&file).ok()?;
        let by_line = mode.local_flags.contains(LocalFlags::ICANON | LocalFlags::ISIG)
            && mode.input_flags.contains(InputFlags::ICRNL);
        let in_front = tcgetpgrp(&file) == Ok(getpgrp());
        (by_line && in_front).then_some(Self { file, live: String::new() })
    }

    /// Shows lines.
    pub fn say(&mut self, text: &str) {
        let end = if self.live.is_empty() { "" } else { "\n" };
        self.live.clear();
        self.write(&format!("{end}{}\n", lines(text)));
    }

    /// Asks, and waits for a line. What was typed before the question is no answer to it.
    pub fn ask(&mut self, prompt: &str) -> Result<Vec<u8>, Away> {
        // Without it the worst is a wrong reason, which its person sees.
        let _ = tcflush(&self.file, FlushArg::TCIFLUSH);
        self.write(&lines(prompt));
        let by = Instant::now() + limits::TYPING;
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') && line.len() < limits::TYPED {
            if !self.readable(by)? {
                return Err(Away::Late);
            }
            match self.read()? {
                bytes if bytes.is_empty() => break,
                bytes => line.extend(bytes),
            }
        }
        Ok(line)
    }

    /// Shows one line in place of the one before, and waits: until the time is up, or somebody presses Enter.
    pub fn wait(&mut self, line: &str, how_long: Duration) -> Result<(), Away> {
        let line: String = told::plain(line).chars().take(limits::LIVE).collect();
        if line != self.live {
            // To the first column, and nothing to the right of it (ECMA-48, EL).
            self.write(&format!("\r\x1b[K{line}"));
            self.live = line;
        }
        if self.readable(Instant::now() + how_long)? {
            // Enter has moved the cursor on.
            if self.read()?.is_empty() {
                return Err(Away::Stopped);
            }
            self.live.clear();
        }
        Ok(())
    }

    /// Leaves the line that was written anew, so that others write below it.
    pub fn done(&mut self) {
        if !self.live.is_empty() {
            self.live.clear();
            self.write("\n");
        }
    }

    /// Whether there is something to read, once there is or the time is up.
    fn readable(&self, by: Instant) -> Result<bool, Away> {
        let left = by.saturating_duration_since(Instant::now());
        let mut polled = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
        match poll(&mut polled, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Ok(0) => Ok(false),
            Ok(_) if polled.iter().all(|one| one.revents() == Some(PollFlags::POLLIN)) => Ok(true),
            Ok(_) | Err(_) => Err(Away::Stopped),
        }
    }

    fn read(&mut self) -> Result<Vec<u8>, Away> {
        let mut bytes = vec![0; limits::TYPED];
        let read = self.file.read(&mut bytes).map_err(|_| Away::Stopped)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    fn write(&mut self, text: &str) {
        // Nobody sees it: the answer is the same.
        let _ = self.file.write_all(text.as_bytes());
    }
}

/// Lines that do nothing to a terminal but stand there.
fn lines(text: &str) -> String {
    text.split('\n').map(told::plain).collect::<Vec<_>>().join("\n")
}
