//! A person at a browser: Chromium, driven by `tests/node/browser.mjs`.

use crate::host::Host;
use crate::machine::install;
use crate::node::Node;
use anyhow::Result;
use serde_json::{Value, json};
use std::path::Path;

/// One page at a time, until this is dropped.
pub struct Browser(Node);

/// How a page is looked at.
#[derive(Clone, Copy)]
pub struct Look {
    /// By night.
    pub dark: bool,
    /// Pixels.
    pub width: u32,
}

impl Browser {
    /// One on this machine.
    pub fn new() -> Result<Self> {
        install(&[("chromium", "chromium")])?;
        Node::run("browser.mjs", &[]).map(Self)
    }

    /// One on the network of a host.
    pub fn at(host: &Host) -> Result<Self> {
        install(&[("chromium", "chromium")])?;
        Node::run_at(host, "browser.mjs", &[]).map(Self)
    }

    /// Opens a page, to be looked at like this.
    #[track_caller]
    pub fn opens(&mut self, url: &str, look: Look) {
        self.does(&json!({"open": url, "dark": look.dark, "width": look.width}));
    }

    /// Clicks the button or link of this name.
    #[track_caller]
    pub fn clicks(&mut self, name: &str) {
        self.does(&json!({"click": name}));
    }

    /// Types this into the field, or chooses it there.
    #[track_caller]
    pub fn fills(&mut self, field: &str, value: &str) {
        self.does(&json!({"fill": field, "value": value}));
    }

    /// What the page says once these words are on it, every space as one.
    #[track_caller]
    pub fn reads(&mut self, words: &str) -> String {
        let said = self.does(&json!({"words": words}));
        said.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What this says, as JavaScript on the page.
    #[track_caller]
    pub fn finds(&mut self, what: &str) -> Value {
        self.does(&json!({"find": what}))
    }

    /// Takes a picture of the page.
    #[track_caller]
    pub fn takes_picture(&mut self, file: &Path) {
        self.does(&json!({"picture": file}));
    }

    #[track_caller]
    fn does(&mut self, what: &Value) -> Value {
        let answer = self.0.asks(what);
        assert!(answer.get("why").is_none(), "{what}: {answer}");
        answer.get("found").cloned().unwrap_or_default()
    }
}
