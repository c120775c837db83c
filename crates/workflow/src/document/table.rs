//! A table while it is read: which keys were asked for, and the table whose values it inherits.

use super::{Document, Value, quoted};
use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::rc::Rc;
use toml::de::{DeTable, DeValue};

/// A table, or the place where one could be.
pub(crate) struct Table<'d> {
    document: &'d Document<'d>,
    whose: Rc<str>,
    /// `time.`, before a key of it in errors.
    prefix: String,
    /// Where it starts.
    at: usize,
    own: Option<&'d DeTable<'d>>,
    inherited: Option<&'d DeTable<'d>>,
    asked: RefCell<Vec<&'static str>>,
    any: Cell<bool>,
}

impl<'d> Table<'d> {
    pub(super) fn root(document: &'d Document<'d>, own: &'d DeTable<'d>) -> Self {
        Self::new(document, Rc::from(""), String::new(), 0, Some(own))
    }

    pub(super) fn new(
        document: &'d Document<'d>,
        whose: Rc<str>,
        prefix: String,
        at: usize,
        own: Option<&'d DeTable<'d>>,
    ) -> Self {
        Self {
            document,
            whose,
            prefix,
            at,
            own,
            inherited: None,
            asked: RefCell::default(),
            any: Cell::new(false),
        }
    }

    /// This table as that of `whose`.
    pub(crate) fn named(mut self, whose: &str) -> Self {
        self.whose = Rc::from(whose);
        self.prefix.clear();
        self
    }

    /// This table, taking from `defaults` what it does not set itself.
    pub(crate) fn over(mut self, defaults: Option<&Table<'d>>) -> Self {
        self.inherited = defaults.and_then(|defaults| defaults.own);
        self
    }

    /// The line it starts on.
    pub(crate) fn line(&self) -> usize {
        self.document.line(self.at)
    }

    /// Whether nothing is written in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.own.is_none_or(toml::map::Map::is_empty)
    }

    /// The value of a key: its own, else the inherited one.
    pub(crate) fn get(&self, key: &'static str) -> Option<Value<'d>> {
        self.asked.borrow_mut().push(key);
        let own = self.own.and_then(|own| own.get(key)).map(|found| (found, false));
        let (found, inherited) =
            own.or_else(|| self.inherited.and_then(|defaults| defaults.get(key)).map(|found| (found, true)))?;
        Some(Value {
            document: self.document,
            whose: if inherited { Rc::from("[defaults]") } else { Rc::clone(&self.whose) },
            key: format!("{}{key}", self.prefix),
            at: found.span().start,
            value: found.get_ref(),
            inherited,
        })
    }

    /// The value of a key that must be there.
    pub(crate) fn need(&self, key: &'static str, fix: impl Display) -> Option<Value<'d>> {
        let found = self.get(key);
        if found.is_none() {
            self.lacks(key, "is missing", fix);
        }
        found
    }

    /// The table under a key, merged key by key with the inherited one; an empty one, if neither is written.
    pub(crate) fn table(&self, key: &'static str) -> Table<'d> {
        let own = self.own.and_then(|own| own.get(key)).and_then(|_| self.get(key)?.table());
        self.asked.borrow_mut().push(key);
        let mut table = own.unwrap_or_else(|| {
            let prefix = format!("{}{key}.", self.prefix);
            Table::new(self.document, Rc::clone(&self.whose), prefix, self.at, None)
        });
        table.inherited =
            self.inherited.and_then(|defaults| defaults.get(key)).and_then(|found| match found.get_ref() {
                DeValue::Table(defaults) => Some(defaults),
                _ => None,
            });
        table
    }

    /// Whether a key is written here.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.own.is_some_and(|own| own.contains_key(key))
    }

    /// Every key of it with its value, for tables whose keys are names.
    pub(crate) fn entries(&self) -> Vec<(String, Value<'d>)> {
        let entry =
            |(name, found): (&'d toml::Spanned<toml::de::DeString<'d>>, &'d toml::Spanned<DeValue<'d>>)| {
                let value = Value {
                    document: self.document,
                    whose: Rc::clone(&self.whose),
                    key: format!("{}{}", self.prefix, quoted(name.get_ref()).trim_matches('"')),
                    at: name.span().start,
                    value: found.get_ref(),
                    inherited: false,
                };
                (name.get_ref().to_string(), value)
            };
        self.own.into_iter().flatten().map(entry).collect()
    }

    /// A mistake of a key that is not there, or of the table as a whole (an empty key).
    pub(crate) fn lacks(&self, key: &str, what: impl Display, fix: impl Display) {
        let prefix = if key.is_empty() { self.prefix.trim_end_matches('.') } else { &self.prefix };
        self.document.wrong(self.at, &self.whose, prefix, key, what, fix);
    }

    /// Takes every key as asked for: they are names.
    pub(crate) fn known(&self) {
        self.any.set(true);
    }

    /// Notes every key that nobody asked for.
    pub(crate) fn done(&self) {
        if self.any.get() {
            return;
        }
        let mut asked = self.asked.borrow().clone();
        asked.sort_unstable();
        asked.dedup();
        for (name, value) in self.entries() {
            if !asked.contains(&name.as_str()) {
                value.wrong("is not a key here", format!("remove it, or write one of {}", asked.join(", ")));
            }
        }
    }

    /// Notes every key but these, which `what` has alone.
    pub(crate) fn only(&self, keys: &[&'static str], what: &str) {
        for (name, value) in self.entries() {
            if !keys.contains(&name.as_str()) {
                let last = keys.last().copied().unwrap_or_default();
                let rest = keys.iter().take(keys.len().saturating_sub(1)).copied().collect::<Vec<_>>();
                let keys = format!("{} and {last}", rest.join(", "));
                value.wrong(format!("means nothing in {what}, which has {keys} alone"), "remove it");
            }
        }
    }
}
