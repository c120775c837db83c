//! A terminal whose whole screen a program draws: what stands on it, not the bytes that change it.

use crate::limits;
use crate::person::{Person, Terminal};
use std::time::Instant;

/// Its rows and columns.
const SIZE: (u16, u16) = (30, 100);

/// A screen that a person sits before.
pub struct Screen {
    terminal: Terminal,
    seen: vt100::Parser,
}

impl Person<'_> {
    /// `ssh NAME@host COMMAND`, before a screen.
    pub fn screen(&self, command: &str) -> Screen {
        let (rows, columns) = SIZE;
        // The terminal here has no size of its own.
        let terminal = self.terminal(&format!("stty rows {rows} cols {columns}; exec {command}"));
        Screen { terminal, seen: vt100::Parser::new(rows, columns, 0) }
    }
}

impl Screen {
    /// What stands on it soon.
    #[track_caller]
    pub fn shows(&mut self, words: &str) {
        let deadline = Instant::now() + limits::SOON;
        loop {
            // rexpect hands bytes over, each as a character.
            while let Some(byte) = self.terminal.try_read() {
                self.seen.process(&[u8::try_from(u32::from(byte)).unwrap_or(b'?')]);
            }
            let screen = self.seen.screen().contents();
            if screen.contains(words) {
                return;
            }
            assert!(Instant::now() < deadline, "the screen should show {words:?}:\n{screen}");
            std::thread::sleep(limits::LOOK_AGAIN);
        }
    }

    /// Types.
    #[track_caller]
    pub fn types(&mut self, keys: &str) {
        if let Err(why) = self.terminal.send(keys).and_then(|_| self.terminal.flush()) {
            panic!("typing {keys:?}: {why}");
        }
    }

    /// The program ends.
    #[track_caller]
    pub fn ends(&mut self) {
        if let Err(why) = self.terminal.exp_eof() {
            panic!("it should have ended: {why}\n{}", self.seen.screen().contents());
        }
    }
}
