//! Keys, and the line of text that a person writes with them.

use access::limits::TEXT;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What a person does at the keyboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// One character.
    Char(char),
    /// Text put in from elsewhere: no key of it means anything.
    Pasted(String),
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Enter,
    /// To the next field.
    Tab,
    /// To the field before.
    BackTab,
    Backspace,
    /// All of the line is removed.
    Clear,
    Escape,
    /// ^C
    Interrupt,
}

impl Key {
    /// The key behind an event of the terminal, if it is one that means something.
    pub fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Paste(text) => Some(Self::Pasted(text.clone())),
            Event::Key(key) if key.kind != KeyEventKind::Release => Self::pressed(*key),
            _ => None,
        }
    }

    fn pressed(key: KeyEvent) -> Option<Self> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        Some(match key.code {
            KeyCode::Char('c') if control => Self::Interrupt,
            KeyCode::Char('u') if control => Self::Clear,
            KeyCode::Char('n') if control => Self::Down,
            KeyCode::Char('p') if control => Self::Up,
            KeyCode::Char(c) if !control && !key.modifiers.contains(KeyModifiers::ALT) => Self::Char(c),
            KeyCode::Up => Self::Up,
            KeyCode::Down => Self::Down,
            KeyCode::PageUp => Self::PageUp,
            KeyCode::PageDown => Self::PageDown,
            KeyCode::Home => Self::First,
            KeyCode::End => Self::Last,
            KeyCode::Enter => Self::Enter,
            KeyCode::Tab => Self::Tab,
            KeyCode::BackTab => Self::BackTab,
            KeyCode::Backspace => Self::Backspace,
            KeyCode::Esc => Self::Escape,
            _ => return None,
        })
    }
}

/// A line of text that is being written, at most as long as [`access::Text`] may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(String);

impl Line {
    /// What is written so far.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes a key; whether it was one that writes.
    pub fn take(&mut self, key: &Key) -> bool {
        match key {
            Key::Char(c) => self.push(*c),
            Key::Pasted(text) => text.chars().for_each(|c| self.push(if access::fools(c) { ' ' } else { c })),
            Key::Backspace => {
                self.0.pop();
            }
            Key::Clear => self.0.clear(),
            _ => return false,
        }
        true
    }

    fn push(&mut self, c: char) {
        if self.0.len() + c.len_utf8() <= TEXT {
            self.0.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode, modifiers: KeyModifiers) -> Option<Key> {
        Key::of(&Event::Key(KeyEvent::new(code, modifiers)))
    }

    #[test]
    fn a_chord_is_not_the_letter_in_it() {
        assert_eq!(key(KeyCode::Char('a'), KeyModifiers::NONE), Some(Key::Char('a')));
        assert_eq!(key(KeyCode::Char('?'), KeyModifiers::SHIFT), Some(Key::Char('?')));
        assert_eq!(key(KeyCode::Char('a'), KeyModifiers::CONTROL), None);
        assert_eq!(key(KeyCode::Char('a'), KeyModifiers::ALT), None);
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Key::Interrupt));
        let mut up = KeyEvent::new(KeyCode::Char('a'), KeyModifiers::NONE);
        up.kind = KeyEventKind::Release;
        assert_eq!(Key::of(&Event::Key(up)), None, "letting a key go is no second press");
    }

    #[test]
    fn a_line_takes_letters_and_pasted_text_and_is_bounded() {
        let mut line = Line::default();
        line.take(&Key::Char('\u{e4}'));
        line.take(&Key::Pasted("b\nc\x1b".to_owned()));
        assert_eq!(line.as_str(), "\u{e4}b c ");
        line.take(&Key::Backspace);
        assert!(!line.take(&Key::Enter));
        assert_eq!(line.as_str(), "\u{e4}b c");
        line.take(&Key::Pasted("x".repeat(TEXT)));
        assert_eq!(line.as_str().len(), TEXT);
        line.take(&Key::Clear);
        assert_eq!(line.as_str(), "");
    }
}
