//! Review in Microsoft Teams, from a refused login to the end of the grant: a hub and a host, a browser, and a double of what
//! Microsoft runs.

use hosts::fleet::{Fleet, LOOK};
use testbed::{Browser, Host};

const POLICY: &str = "[[rule]]\nid = \"prod\"\nwho = { users = [\"alice\"] }\nwhere = { labels = { env = \"prod\" } }\n\
                      what = { services = [\"ssh\"] }\napprove = [{ from = [\"user:bob\"] }]\nteams = \"full\"\n";

#[test]
fn a_refused_login_comes_as_a_card_whose_click_opens_the_host_and_the_card_tells_of_it_to_the_end() {
    let (fleet, teams) = Fleet::with_a_bot(POLICY, &[("web-1", 11, "prod")]);
    let host = &fleet.hosts[0];
    let alice = Host::person(host, "alice", &[]).unwrap();
    let mut browser = Browser::at(&fleet.hub).unwrap();
    let bob = fleet.links(&teams, &mut browser, "bob");

    let asked = alice.ssh("true");
    asked.is_refused_with("holds no grant for ssh");
    browser.opens(&teams.chat(&bob.personal(), &bob), LOOK);
    browser.reads(&asked.id("R-"));
    let pictures = testbed::repository().join("target/tmp/chat");
    std::fs::create_dir_all(&pictures).unwrap();
    browser.takes_picture(&pictures.join("asked.png"));
    browser.clicks("Approve");
    browser.reads("Approved by bob. Active until");
    host.soon("the host has heard of it", || alice.ssh("true").code == 0);
    browser.takes_picture(&pictures.join("approved.png"));

    let granted = fleet.jit("alice", "grants");
    fleet.jit("bob", &format!("revoke {} --reason 'wrong host'", granted.id("G-"))).ends_with(0);
    alice.ssh("true").is_refused_with("was revoked by bob");
    let words = browser.reads("Revoked by bob");
    assert!(words.contains("wrong host"), "{words}");
    browser.reads(" session");
    browser.takes_picture(&pictures.join("ended.png"));
}
