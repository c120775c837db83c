//! A hub with a bot, and what Microsoft runs, as a double.

use crate::room::{Hub, PATIENCE};
use serde_json::json;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};
pub use testbed::teams::{APP, Account, TENANT};
use testbed::teams::{SECRET, Teams};

/// How soon is looked again for what is to come: each look is a call.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Tries until it is so.
pub fn soon(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Microsoft, and the file of the secret that the bot has there.
pub struct Double {
    teams: Teams,
    folder: tempfile::TempDir,
}

impl Deref for Double {
    type Target = Teams;

    fn deref(&self) -> &Teams {
        &self.teams
    }
}

impl Double {
    fn start() -> Self {
        let double = Self { teams: Teams::start().unwrap(), folder: tempfile::tempdir().unwrap() };
        std::fs::write(double.secret(), format!("{SECRET}\n")).unwrap();
        std::fs::set_permissions(double.secret(), std::fs::Permissions::from_mode(0o600)).unwrap();
        double
    }

    pub fn secret(&self) -> PathBuf {
        self.folder.path().join("secret")
    }
}

/// A hub with a bot, under [`crate::room::POLICY`] or another one.
pub fn hub_of(policy: &str, people: &str) -> (Hub, Double) {
    let double = Double::start();
    let mut hub = Hub::set_up(&double.lines(double.secret().to_str().unwrap()));
    hub.serve();
    let new = api::NewPolicy { policy: policy.to_owned(), people: Some(people.to_owned()), no_people: false };
    hub.client(&hub.admin).apply_policy(&new).unwrap();
    double.asks("hub", &json!({"url": hub.url(), "ca": hub.ca()}));
    (hub, double)
}

/// An account is this person's, as if both had said so, and has a chat with the bot.
pub fn linked(hub: &Hub, double: &Double, person: &str) -> Account {
    let account = Account::named(person);
    hub.sql(&format!(
        "INSERT INTO teams_account (tenant, account, person, name, chat, linked_ms, seq) \
         VALUES ('{TENANT}', '{}', '{person}', '{person}', '{}', 0, 1)",
        account.id, account.chat
    ));
    double.chats(&account);
    account
}
