//! What a form says, each part of it as what it is.

use desk::{DeskError, Key};
use std::collections::BTreeSet;
use std::fmt::Display;

/// What says nothing.
pub static NOTHING: Form = Form { bytes: Vec::new(), fields: Vec::new() };

/// The fields of a form, as they were sent.
pub struct Form {
    bytes: Vec<u8>,
    fields: Vec<(String, String)>,
}

impl Form {
    /// The form that these bytes are (URL Standard, section 5.1).
    pub fn parse(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_owned(), fields: form_urlencoded::parse(bytes).into_owned().collect() }
    }

    /// What was said under this name, where it is more than blanks.
    pub fn text(&self, name: &str) -> Option<&str> {
        let said = self.fields.iter().find(|(field, _)| field == name)?;
        Some(said.1.trim()).filter(|value| !value.is_empty())
    }

    /// Whether the box of this name and value was ticked.
    pub fn ticks(&self, name: &str, value: &str) -> bool {
        self.fields.iter().any(|(field, said)| field == name && said == value)
    }

    /// Whether nothing was said at all.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// What is looked for under this name.
    pub fn search(&self, name: &str) -> Search {
        Search(self.text(name).unwrap_or_default().split_whitespace().map(str::to_lowercase).collect())
    }

    /// What was said under this name, as `parse` reads it.
    pub fn read<T, E: Display>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, DeskError> {
        let bad = |why: E| DeskError::BadRequest(format!("{name}: {why}"));
        self.text(name).map(|said| parse(said).map_err(bad)).transpose()
    }

    /// Every word under this name: boxes that were ticked, and lists with blanks or commas between.
    pub fn words<T: Ord, E: Display>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<BTreeSet<T>, DeskError> {
        let said = self.fields.iter().filter(|(field, _)| field == name);
        let words = said.flat_map(|(_, value)| value.split([' ', ',', '\n', '\r', '\t']));
        let bad = |why: E| DeskError::BadRequest(format!("{name}: {why}"));
        words.filter(|word| !word.is_empty()).map(|word| parse(word).map_err(bad)).collect()
    }

    /// What makes it happen once, however often the form is sent.
    pub fn key(&self, path: &str) -> Result<Key, DeskError> {
        let key = self.text("key").filter(|key| key.len() <= api::limits::KEY);
        let key =
            key.ok_or_else(|| DeskError::BadRequest("the form is not whole: load its page anew".to_owned()))?;
        Ok(Key::of(key, path, &self.bytes))
    }
}

/// Words, all of which a line has that is found, small or large.
pub struct Search(Vec<String>);

impl Search {
    /// Whether this line is found.
    pub fn finds(&self, line: &str) -> bool {
        let line = line.to_lowercase();
        self.0.iter().all(|word| line.contains(word.as_str()))
    }
}
