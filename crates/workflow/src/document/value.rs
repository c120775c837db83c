//! A value while it is read: what it says in the type that is wanted, or a mistake noted.

use super::{Document, Table};
use crate::limits;
use access::Span;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::str::FromStr;
use toml::de::DeValue;

/// The value of a key.
pub(crate) struct Value<'d> {
    pub(super) document: &'d Document<'d>,
    pub(super) whose: Rc<str>,
    pub(super) key: String,
    pub(super) at: usize,
    pub(super) value: &'d DeValue<'d>,
    /// Whether it stands in the defaults and not in the table that was asked.
    pub(crate) inherited: bool,
}

impl<'d> Value<'d> {
    /// Notes what is wrong with it and what would be right.
    pub(crate) fn wrong(&self, what: impl Display, fix: impl Display) {
        self.document.wrong(self.at, &self.whose, "", &self.key, what, fix);
    }

    fn is_not(&self, wanted: &str) {
        self.wrong(format!("is of type {}", self.value.type_str()), format!("write {wanted}"));
    }

    /// Whether it is text.
    pub(crate) fn is_text(&self) -> bool {
        self.value.is_str()
    }

    /// Text.
    pub(crate) fn text(&self) -> Option<&'d str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.is_not("text in quotes");
        }
        text
    }

    /// Text of a type that checks itself and says what is wrong.
    pub(crate) fn parse<T: FromStr<Err: Display>>(&self, fix: impl Display) -> Option<T> {
        self.text()?.parse().map_err(|error| self.wrong(error, fix)).ok()
    }

    /// A length of time.
    pub(crate) fn span(&self) -> Option<Span> {
        let error = match Span::parse(self.text()?) {
            Ok(span) => return Some(span),
            Err(error) => error.to_string(),
        };
        let (what, fix) = error.rsplit_once(": ").unwrap_or((&error, "write for example 2h"));
        self.wrong(what, fix);
        None
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let fix = match words.split_last() {
                Some((last, [])) => format!("write {last}"),
                Some((last, rest)) => format!("write {} or {last}", rest.join(", ")),
                None => String::new(),
            };
            self.wrong(format!("{} is not known", quoted(text)), fix);
        }
        found
    }

    /// True or false.
    pub(crate) fn flag(&self) -> Option<bool> {
        let flag = self.value.as_bool();
        if flag.is_none() {
            self.is_not("true or false");
        }
        flag
    }

    /// A whole number within bounds.
    pub(crate) fn number(&self, bounds: RangeInclusive<u64>) -> Option<u64> {
        let wanted = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        let Some(number) = self.value.as_integer() else {
            self.is_not(&wanted);
            return None;
        };
        let found = u64::from_str_radix(number.as_str(), number.radix()).ok();
        let fits = found.filter(|found| bounds.contains(found));
        if fits.is_none() {
            self.wrong(
                format!("{} is out of bounds", quoted(&number.to_string())),
                format!("write {wanted}"),
            );
        }
        fits
    }

    /// A date or an instant, in quotes or as TOML's own.
    pub(crate) fn moment(&self) -> Option<String> {
        match self.value {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Datetime(moment) => Some(moment.to_string()),
            _ => {
                self.is_not("a date, for example \"2027-01-31\"");
                None
            }
        }
    }

    /// The values of a list of at most so many, which are not none: an empty list would read as a
    /// restriction and be none.
    pub(crate) fn list(&self, most: usize) -> Vec<Value<'d>> {
        let list = self.list_or_none(most);
        if self.is_empty_list() {
            self.wrong("is empty, which restricts nothing", "name at least one, or leave the key out");
        }
        list
    }

    /// Whether it is a list of nothing.
    pub(crate) fn is_empty_list(&self) -> bool {
        self.value.as_array().is_some_and(|list| list.is_empty())
    }

    /// The same, possibly none.
    pub(crate) fn list_or_none(&self, most: usize) -> Vec<Value<'d>> {
        let Some(array) = self.value.as_array() else {
            self.is_not("a list in [ ]");
            return Vec::new();
        };
        if array.len() > most {
            self.wrong(format!("has {} entries", array.len()), format!("write {most} at most"));
            return Vec::new();
        }
        array
            .iter()
            .map(|found| Value {
                document: self.document,
                whose: Rc::clone(&self.whose),
                key: self.key.clone(),
                at: found.span().start,
                value: found.get_ref(),
                inherited: self.inherited,
            })
            .collect()
    }

    /// A table.
    pub(crate) fn table(&self) -> Option<Table<'d>> {
        if let DeValue::Table(own) = self.value {
            let prefix = format!("{}.", self.key);
            return Some(Table::new(self.document, Rc::clone(&self.whose), prefix, self.at, Some(own)));
        }
        self.is_not("a table in { }");
        None
    }

    /// A list of tables, or one table alone.
    pub(crate) fn tables(&self, most: usize) -> Vec<Table<'d>> {
        match self.value {
            DeValue::Table(_) => self.table().into_iter().collect(),
            _ => self.list_or_none(most).iter().filter_map(Value::table).collect(),
        }
    }
}

/// Somebody else's text, short and without what could fool a reader.
pub(crate) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(limits::QUOTED).collect();
    let dots = if short.len() < text.len() { "..." } else { "" };
    format!("\"{}{dots}\"", short.escape_debug())
}
