//! The very card, as Microsoft's renderer draws it in a browser: nothing runs over its edge, and what people wrote is shown as
//! they wrote it. The pictures are kept beside the other files of the tests, for people to look at.

use super::double::{hub_of, linked};
use crate::room::{PEOPLE, POLICY};
use api::{NewRequest, Scope};
use std::path::{Path, PathBuf};
use testbed::{Browser, Look};

/// By how many pixels something in the chat is wider than it.
const OVER: &str = "Math.max(0, document.documentElement.scrollWidth - innerWidth, ...[...document.querySelectorAll('.message')].map((box) => \
                    Math.max(...[...box.querySelectorAll('*')].map((one) => Math.ceil(one.getBoundingClientRect().right))) \
                    - Math.ceil(box.getBoundingClientRect().right)))";

/// How many buttons a card has.
const BUTTONS: &str =
    "document.querySelector('.message:last-child').querySelectorAll('.ac-adaptiveCard button').length";

fn picture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("teams-pictures");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(format!("{name}.png"))
}

#[test]
fn the_card_is_drawn_as_people_wrote_it_light_dark_and_narrow() {
    let (hub, double) = hub_of(POLICY, PEOPLE);
    let bob = linked(&hub, &double, "bob");
    let client = hub.client(&hub.token("alice", &[Scope::Request, Scope::Read], "1d").secret);
    let asks = |reason: &str, services: &[&str]| {
        let new = NewRequest {
            hosts: [access::HostName::parse("db-1").unwrap()].into(),
            labels: std::collections::BTreeMap::default(),
            services: services.iter().map(|name| access::Service::parse(name).unwrap()).collect(),
            run_as: None,
            length: access::Span::parse("4h").ok(),
            at: None,
            reason: access::Text::parse(reason).unwrap(),
            ticket: access::Text::parse("OPS-4711").ok(),
            user: None,
            break_glass: false,
        };
        client.request(&new).unwrap().request.ask.id.to_string()
    };
    let written = "The disk of **db-1** is full: see [the graph](https://evil.example) & <b>look</b>, \u{5d1}\u{5d3}\u{5d9}\u{5e7}\u{5d4} \
                   \u{645}\u{631}\u{62d}\u{628}\u{627}, {{DATE(2026-01-01T00:00:00Z,SHORT)}}";
    let plain = written.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut browser = Browser::new().unwrap();
    let chat = double.chat(&bob.personal(), &bob);
    let mut looks = |name: &str, look: Look, says: &[&str], buttons: u64| {
        browser.opens(&chat, look);
        let words = browser.reads(says[0]);
        assert!(says.iter().all(|one| words.contains(one)), "{name}: {words}");
        assert_eq!(
            (browser.finds(OVER), browser.finds(BUTTONS)),
            (0.into(), buttons.into()),
            "{name}: {words}"
        );
        browser.takes_picture(&picture(name));
    };
    let (light, dark) = (Look { dark: false, width: 600 }, Look { dark: true, width: 600 });
    let narrow = Look { dark: true, width: 320 };
    double.card(&bob.personal(), &asks(written, &["ssh", "sudo"]));
    for (name, look) in [("light", light), ("dark", dark), ("narrow", narrow)] {
        looks(name, look, &["alice asks for ssh, sudo as root on db-1 for 4h", &plain], 3);
    }
    // Forty lines of it where the screen is narrow.
    let long = "The reason goes on and on, word by word, and nobody stops it. ".repeat(16);
    double.card(&bob.personal(), &asks(&long, &["ssh"]));
    looks("long", narrow, &[long.trim()], 3);
}

#[test]
fn a_click_in_the_chat_shows_at_once_what_came_of_it() {
    let (hub, double) = hub_of(POLICY, PEOPLE);
    let bob = linked(&hub, &double, "bob");
    let id = crate::outbox::asks(&hub, "the disk is full");
    double.card(&bob.personal(), &id);
    let mut browser = Browser::new().unwrap();
    browser.opens(&double.chat(&bob.personal(), &bob), Look { dark: false, width: 600 });
    browser.reads(&id);
    browser.fills("For how long", "30m");
    browser.fills("Comment", "half of it");
    browser.clicks("Approve");
    let words = browser.reads("Approved by bob. Active until");
    assert!(words.contains("bob approved for 30m, teams") && words.contains("half of it"), "{words}");
    assert_eq!((browser.finds(OVER), browser.finds(BUTTONS)), (0.into(), 1.into()), "{words}");
    browser.takes_picture(&picture("approved"));
}
