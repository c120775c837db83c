//! The terminal while it is ours.

use crate::CliError;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use ratatui::crossterm::execute;
use std::io::stdout;

/// A terminal that is given back as it was, however this ends: ratatui's panic hook does it where a
/// thread panics, dropping does it everywhere else.
pub struct Screen(pub DefaultTerminal);

impl Screen {
    /// Takes the terminal. Text that is pasted comes as one piece, so that no letter of it is a command.
    pub fn new() -> Result<Self, CliError> {
        let screen = Self(ratatui::try_init().map_err(CliError::Terminal)?);
        execute!(stdout(), EnableBracketedPaste).map_err(CliError::Terminal)?;
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let _ = execute!(stdout(), DisableBracketedPaste);
            hook(panic);
        }));
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = execute!(stdout(), DisableBracketedPaste);
        ratatui::restore();
    }
}
