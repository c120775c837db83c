//! Several hubs on one database, and a database that is gone for a while.

use crate::host::{Host, approve, ask_for, token};
use crate::receiver::Receiver;
use crate::room::{Hub, POLICY, until};
use access::{HostName, Person, Span, Text};
use api::{EndGrant, NewHostToken, NewPolicy, NewReview, NewToken, NewVerdict, Reviewed, Scope};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::io::BufRead as _;
use std::sync::Barrier;
use std::time::Duration;

pub fn ready(hub: &Hub) -> bool {
    hub.raw("GET /readyz", "", "").starts_with("HTTP/1.1 200")
}

#[test]
fn a_host_hears_from_one_hub_what_was_approved_at_another_and_leaves_both_when_it_is_removed_at_one() {
    let one = Hub::new();
    let other = one.beside();
    // The policy is known at one before it is asked for at the other.
    let people = "[alice]\ngroups = [\"dev\"]\n[bob]\ngroups = [\"leads\"]\n";
    let new = NewPolicy { policy: POLICY.to_owned(), people: Some(people.to_owned()), no_people: false };
    other.client(&other.admin).apply_policy(&new).unwrap();
    let joining = token(&other, 1);
    let mut host = Host::new("db-7", &joining);
    assert!(host.join(&other, &joining).starts_with("HTTP/1.1 200"));
    // A nonce of one hub is good at the other, once.
    let (path, body, nonce) = ("/v1/hosts/db-7/feed", host.ask(), host.nonce(&other));
    let mut stream = Host::listen_by(&one, path, &host.signed(nonce, path, &body), &body);
    host.hears(&mut stream);
    assert_eq!(host.state.grants().count(), 0);
    until("the other hub knows that it listens", || {
        let views = other.client(&other.admin).hosts().unwrap();
        let view = views.iter().find(|view| view.host == host.name).unwrap();
        view.connected && view.seen.is_some() && view.version.is_some()
    });

    let alice = one.client(&one.token("alice", &[Scope::Request], "1h").secret);
    until("one hub knows the host and the policy of the other", || alice.request(&ask_for("db-7")).is_ok());
    let requests =
        alice.requests(&api::AskRequests { which: api::Which::Mine, limit: None, after: None }).unwrap();
    let id = requests[0].ask.id.to_string();
    approve(&other, &id);
    // Woken by what the other committed.
    host.hears_until(&mut stream, |state| state.grants().count() == 1);
    other.client(&other.admin).remove_host(&HostName::parse("db-7").unwrap()).unwrap();
    crate::room::rest(&mut stream);
}

#[test]
fn what_a_killed_hub_had_acknowledged_is_known_to_the_other() {
    let mut one = Hub::with_policy();
    let other = one.beside();
    let mut told = Vec::new();
    for round in 0..3 {
        let (acknowledged, heard) = std::sync::mpsc::channel();
        let making: Vec<_> = [&one, &other]
            .into_iter()
            .enumerate()
            .map(|(which, hub)| {
                let (client, acknowledged) = (hub.client(&hub.admin), acknowledged.clone());
                let new = NewToken {
                    name: Text::parse("a test").unwrap(),
                    person: Some(Person::parse(&format!("person{round}{which}")).unwrap()),
                    scopes: [Scope::Read].into(),
                    length: Span::parse("1d").unwrap(),
                };
                std::thread::spawn(move || {
                    while let Ok(made) = client.make_token(&new) {
                        acknowledged.send((which, made.secret)).unwrap();
                    }
                })
            })
            .collect();
        drop(acknowledged);
        let mut of_one = 0;
        while of_one < 4 + round {
            let (which, secret) = heard.recv().unwrap();
            of_one += usize::from(which == 0);
            told.push(secret);
        }
        one.signal(Signal::KILL);
        assert!(!one.ends());
        // The other goes on until its person has as many tokens as one can have.
        making.into_iter().for_each(|thread| thread.join().unwrap());
        told.extend(heard.try_iter().map(|(_, secret)| secret));
        assert!(told.iter().all(|secret| other.client(secret).status().is_ok()));
        one.begin();
    }
    assert!(told.iter().all(|secret| one.client(secret).status().is_ok()));
}

#[test]
fn a_hub_that_does_not_see_the_database_is_not_ready_and_tells_no_host_that_it_is_up_to_date() {
    let hub = Hub::with_policy();
    let joining = token(&hub, 1);
    let mut host = Host::new("db-7", &joining);
    host.join(&hub, &joining);
    let mut stream = host.listen(&hub);
    // Who has heard of a grant is not woken for having joined any more.
    crate::host::granted(&hub, "db-7");
    host.hears_until(&mut stream, |state| state.grants().count() == 1);
    assert!(ready(&hub));
    hub.database.lock().unwrap().0.pause(true).unwrap();
    until("it is not ready", || !ready(&hub));
    let mut said = String::new();
    while !said.starts_with(':') {
        assert!(!said.contains("data: "), "nothing is fresh now: {said}");
        said.clear();
        assert!(stream.read_line(&mut said).unwrap() > 0);
    }
    hub.database.lock().unwrap().0.pause(false).unwrap();
    until("it is ready again", || ready(&hub));
    host.hears(&mut stream);
}

#[test]
fn a_database_that_was_killed_is_used_again_when_it_is_back() {
    let hub = Hub::with_policy();
    let made = hub.token("alice", &[Scope::Read], "1h").secret;
    hub.database.lock().unwrap().0.kill().unwrap();
    until("it is not ready", || !ready(&hub));
    let new = NewHostToken { labels: [].into(), length: Span::parse("1h").unwrap(), uses: 1 };
    assert!(hub.client(&hub.admin).host_token(&new).is_err());
    hub.database.lock().unwrap().0.begin().unwrap();
    until("it is ready again", || ready(&hub));
    assert!(hub.client(&made).status().is_ok());
    hub.client(&hub.admin).host_token(&new).unwrap();
}

#[test]
fn a_hub_with_other_keys_is_not_let_at_a_database_of_others() {
    let hub = Hub::new();
    let mut stranger = hub.beside();
    stranger.signal(Signal::TERM);
    assert!(stranger.ends());
    hub.sql("UPDATE meta SET value = 'another' WHERE key = 'root'");
    let refused = stranger.command("serve").output().unwrap();
    let said = crate::room::text(&refused.stderr);
    assert!(!refused.status.success() && said.contains("hubs that share one share their keys"), "{said}");
}

#[test]
fn two_hubs_on_one_database_tell_each_recipient_once_and_one_goes_on_where_the_other_was_killed() {
    let program = Receiver::new();
    let folder = tempfile::tempdir().unwrap();
    let secret = crate::outbox::secret(
        folder.path(),
        "siem.secret",
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD8TXvHgL3nX0=",
    );
    let lines =
        format!("[[webhook]]\nname = \"siem\"\nurl = \"http://{}/\"\nsecret = \"{secret}\"\n", program.at);
    let mut one = crate::outbox::hub(folder, &lines, POLICY, crate::room::PEOPLE);
    let other = one.beside();
    for round in 0..5 {
        let hub = if round % 2 == 0 { &one } else { &other };
        let id = crate::outbox::asks(hub, "the disk is full");
        crate::outbox::agrees(hub, &id);
    }
    until("it was told all of it", || program.calls().len() >= 10);
    one.signal(Signal::KILL);
    assert!(!one.ends());
    let id = crate::outbox::asks(&other, "the disk is full again");
    let different = || {
        let calls = program.calls();
        calls.iter().map(|call| call.head("webhook-id").to_owned()).collect::<BTreeSet<_>>()
    };
    until("it is told by the one that is left", || different().len() == 11);
    assert!(different().iter().any(|told| told.starts_with(&id)));
    // What the other had just told, and had not written down, comes once more.
    assert!(program.calls().len() <= 12, "{:?}", program.calls());
}

#[test]
fn a_host_that_a_hub_of_before_took_away_stays_away() {
    let hub = Hub::with_policy();
    let host = crate::host::joined(&hub, "db-7");
    let membership = host.membership(&hub);
    // All that a hub does which does not know of the table that says so.
    hub.sql("DELETE FROM host WHERE name = 'db-7'");
    let said = hub.raw("POST /v1/hosts/db-7/return", "", &membership);
    assert!(said.starts_with("HTTP/1.1 403") && said.contains("was taken away"), "{said}");
    // It joins anew as any host does.
    crate::host::joined(&hub, "db-7");
}

#[test]
fn two_who_answer_at_two_hubs_at_the_same_instant_decide_a_request_once() {
    let one = Hub::with_policy();
    let other = one.beside();
    crate::host::joined(&one, "db-7");
    let alice = one.client(&one.token("alice", &[Scope::Request], "1h").secret);
    let [bob, carol] = ["bob", "carol"].map(|who| one.token(who, &[Scope::Read, Scope::Review], "1h").secret);
    let (bob, carol) = (one.client(&bob), other.client(&carol));
    let (mut approved, mut denied) = (0, 0);
    for round in 0..20_u64 {
        let mut new = ask_for("db-7");
        new.reason = Text::parse(&format!("round {round}")).unwrap();
        let id = alice.request(&new).unwrap().request.ask.id.to_string();
        let digest = carol.show_request(&id).unwrap().digest;
        let says = |verdict| NewReview {
            verdict,
            digest: digest.clone(),
            narrowing: workflow::Narrowing::default(),
            comment: Text::parse("as I see it").ok(),
        };
        let at_once = Barrier::new(2);
        // At the same instant or some milliseconds apart, now the one and now the other first.
        let apart = Duration::from_millis(round / 2 % 4 * 5);
        let later = |is_later: bool| std::thread::sleep(if is_later { apart } else { Duration::ZERO });
        let (yes, no) = std::thread::scope(|scope| {
            let yes = scope.spawn(|| {
                at_once.wait();
                later(round % 2 == 0);
                bob.review(&id, &says(NewVerdict::Approve))
            });
            at_once.wait();
            later(round % 2 == 1);
            let no = carol.review(&id, &says(NewVerdict::Deny));
            (yes.join().unwrap(), no)
        });
        assert!(yes.is_ok() != no.is_ok(), "{round}: {yes:?} {no:?}");
        let late = yes.as_ref().err().or(no.as_ref().err()).unwrap().to_string();
        assert!(late.contains(if yes.is_ok() { "approved" } else { "denied" }), "{late}");
        let state = bob.show_request(&id).unwrap().state;
        assert_eq!(state.code(), if yes.is_ok() { "approved" } else { "denied" });
        (approved, denied) = (approved + usize::from(yes.is_ok()), denied + usize::from(no.is_ok()));
        if let Ok(Reviewed { grant: Some(view), .. }) = yes {
            bob.revoke(&view.grant.id.to_string(), &EndGrant { reason: Text::parse("next").ok() }).unwrap();
        }
    }
    assert!(approved > 0 && denied > 0, "each was first at times: {approved} and {denied}");
    let count = |what: &str| one.database.lock().unwrap().0.psql(what).unwrap();
    assert_eq!(count("SELECT count(*) FROM grants"), approved.to_string());
    assert_eq!(count("SELECT max(seq) = count(*) FROM journal"), "t");
}
