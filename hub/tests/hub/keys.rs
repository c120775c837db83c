//! Which keys hosts believe: what changes them, and what goes on without the process that signs.

use crate::host::{granted, joined};
use crate::room::{Hub, rest, text};
use api::EndGrant;
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::io::Write as _;

fn rotate(hub: &mut Hub, arguments: &[&str]) {
    let done = hub.command("keys").arg("rotate").args(arguments).output().unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    hub.signal(Signal::HUP);
    hub.says("jit-hub has read its certificate anew");
}

fn end() -> EndGrant {
    EndGrant { reason: access::Text::parse("wrong host").ok() }
}

#[test]
fn keys_are_rotated_while_a_host_listens_and_its_grants_stay() {
    let mut hub = Hub::with_policy();
    let mut host = joined(&hub, "db-7");
    granted(&hub, "db-7");
    let mut stream = host.listen(&hub);
    host.hears_until(&mut stream, |state| state.grants().count() == 1);
    let before = host.state.served.as_ref().unwrap().manifest.clone();
    rotate(&mut hub, &[]);
    host.hears_until(&mut stream, |state| {
        state.served.as_ref().is_some_and(|served| served.manifest.era > before.era)
    });
    let after = host.state.served.as_ref().unwrap().manifest.clone();
    assert_eq!(
        (after.grant_keys[0], after.grant_keys.len()),
        (before.grant_keys[0], 2),
        "the old one for a while"
    );
    assert_eq!((after.view_keys[0], after.view_keys.len()), (before.view_keys[0], 2));
    assert_eq!(host.state.grants().count(), 1);
    let held: BTreeSet<_> =
        host.state.grants.values().filter_map(|known| known.held.as_ref()).map(|held| held.signer).collect();
    assert_eq!(held, [after.grant_keys[1]].into(), "what the old one signed is signed anew");

    let shown = hub.command("keys").args(["status", "--json"]).output().unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["ring"]["grant"].as_array().unwrap().len(), 2, "{shown}");
    assert!(shown["ring"]["grant"][0]["until"].is_string() && shown["ring"]["grant"][1]["until"].is_null());
}

#[test]
fn a_stolen_key_is_believed_no_more_and_what_was_granted_stays() {
    let mut hub = Hub::with_policy();
    let mut host = joined(&hub, "db-7");
    granted(&hub, "db-7");
    let mut stream = host.listen(&hub);
    host.hears_until(&mut stream, |state| state.grants().count() == 1);
    let before = host.state.served.as_ref().unwrap().manifest.clone();
    rotate(&mut hub, &["all", "--stolen"]);
    let mut lost = false;
    while host.state.served.as_ref().unwrap().manifest.era == before.era {
        host.hears(&mut stream);
        lost |= host.state.grants().count() == 0;
    }
    let after = host.state.served.as_ref().unwrap().manifest.clone();
    assert!(!lost, "no moment without what was granted");
    assert!(
        after
            .grant_keys
            .iter()
            .chain(&after.view_keys)
            .all(|key| { !before.grant_keys.contains(key) && !before.view_keys.contains(key) })
    );
    // Both processes go on by the new keys when they are started anew.
    hub.stop_signing();
    hub.signal(Signal::TERM);
    assert!(hub.ends());
    hub.serve();
    let mut stream = host.listen(&hub);
    let heard = host.state.served.clone();
    host.hears_until(&mut stream, |state| state.served != heard);
    assert_eq!(host.state.grants().count(), 1);
}

#[test]
fn what_the_signer_refuses_is_asked_for_once_and_holds_nothing_else_up() {
    let mut hub = Hub::with_policy();
    let mut host = joined(&hub, "db-7");
    let refused = granted(&hub, "db-7");
    let mut stream = host.listen(&hub);
    host.hears_until(&mut stream, |state| state.grants().count() == 1);
    hub.sql("DELETE FROM request");
    rotate(&mut hub, &["grant", "--stolen"]);
    let words = format!("signer: refused: grant {refused} of request");
    hub.logs(&words);
    for _ in 0..3 {
        let later = granted(&hub, "db-7");
        host.hears_until(&mut stream, |state| state.grants().any(|grant| grant.id == later));
        hub.logs(&format!("signer: signed grant={later}"));
    }
    assert_eq!(hub.logged(&words), 1, "each of those was a look for what is to be signed");
    let warnings = hub.client(&hub.admin).status().unwrap().warnings;
    assert!(warnings.iter().any(|said| said.contains("it comes of no request")), "{warnings:?}");
    // One that is started anew may be of another release.
    hub.stop_signing();
    hub.sign();
    crate::room::until("the next signer is asked", || hub.logged(&words) > 1);
}

#[test]
fn a_question_that_the_signer_cannot_read_is_put_off_and_not_refused() {
    let hub = Hub::new();
    let mut signer = std::os::unix::net::UnixStream::connect(hub.path("signer.sock")).unwrap();
    signer.write_all(b"{\"grant\":{\"of\":\"another release\"}}\n").unwrap();
    let answer = rest(&mut signer);
    assert!(answer.starts_with("{\"later\":\"the question does not read: "), "{answer}");
}

#[test]
fn the_hub_starts_without_its_signer_and_tells_hosts_what_was_signed() {
    let mut hub = Hub::with_policy();
    let mut host = joined(&hub, "db-7");
    granted(&hub, "db-7");
    let mut stream = host.listen(&hub);
    host.hears_until(&mut stream, |state| state.grants().count() == 1);
    hub.stop_signing();
    hub.signal(Signal::TERM);
    assert!(hub.ends());
    hub.begin();
    let mut stream = host.listen(&hub);
    let heard = host.state.served.clone();
    host.hears_until(&mut stream, |state| state.served != heard);
    assert_eq!(host.state.grants().count(), 1);
    let status = hub.client(&hub.admin).status().unwrap();
    assert!(status.warnings.iter().any(|said| said.contains("jit-hub-signer")), "{:?}", status.warnings);
}

#[test]
fn what_is_revoked_while_the_signer_is_away_opens_nothing_and_is_signed_when_it_is_back() {
    let mut hub = Hub::with_policy();
    let mut host = joined(&hub, "db-7");
    let grant = granted(&hub, "db-7");
    let mut stream = host.listen(&hub);
    host.hears_until(&mut stream, |state| state.grants().count() == 1);
    hub.stop_signing();
    let bob = hub.client(&hub.token("bob", &[api::Scope::Review], "1h").secret);
    bob.revoke(&grant.to_string(), &end()).unwrap();
    host.hears_until(&mut stream, |state| state.grants().count() == 0);
    assert!(host.state.grants[&grant].ended.is_none(), "hidden, and not known for an end");
    hub.sign();
    host.hears_until(&mut stream, |state| state.grants[&grant].ended.is_some());
}

#[test]
fn a_hub_that_was_restored_alarms_and_is_given_back_what_hosts_know() {
    let mut hub = Hub::with_policy();
    let (mut host, other, gone) = (joined(&hub, "db-7"), joined(&hub, "db-8"), joined(&hub, "db-9"));
    let ended = granted(&hub, "db-7");
    let mut stream = host.listen(&hub);
    host.hears_until(&mut stream, |state| state.grants().count() == 1);
    let copy = hub.backup();
    let later = granted(&hub, "db-7");
    let bob = hub.client(&hub.token("bob", &[api::Scope::Review], "1h").secret);
    bob.revoke(&ended.to_string(), &end()).unwrap();
    host.hears_until(&mut stream, |state| {
        state.grants.contains_key(&later) && state.grants[&ended].ended.is_some()
    });
    hub.put_back(&copy);

    let mut stream = host.listen(&hub);
    let why = host.refuses(&mut stream);
    assert!(why.is_alarm() && why.code() == "revision_back", "{why}");
    let warned = |words: &str| {
        hub.client(&hub.admin).status().unwrap().warnings.iter().any(|said| said.contains(words))
    };
    assert!(
        warned("host db-7 says (unproven)") && !warned("it lost commits"),
        "its word alone proves nothing"
    );
    #[allow(clippy::disallowed_methods)] // a host has a clock of its own
    let clock = access::Time::from(std::time::SystemTime::now());
    let state = api::HostState {
        watermark: host.state.watermark(),
        as_of: None,
        clock,
        seq: 0,
        gated: Vec::new(),
        version: access::Text::parse("9.9.9").unwrap(),
    };
    for host in [&other, &gone] {
        host.is_heard::<serde_json::Value>(&hub, "state", &state);
    }
    assert!(warned("3 hosts say, each by itself") && warned("it lost commits"));
    hub.client(&hub.admin).remove_host(&access::HostName::parse("db-9").unwrap()).unwrap();
    assert!(warned("2 hosts say, each by itself"), "what a host said that is none any more is nobody's word");

    let early = host.give_back(&hub);
    assert!(early.contains("\"grants\":0,\"ended\":0"), "nobody asked for it: {early}");
    recover(&mut hub);
    let to_come = |hub: &Hub, words: &str| {
        let warnings = hub.client(&hub.admin).status().unwrap().warnings;
        warnings.iter().any(|said| said.starts_with(words))
    };
    assert!(to_come(&hub, "3 hosts have not given back yet"));
    let astray = host.give_back_to(&hub, Some(3));
    assert!(astray.starts_with("HTTP/1.1 503"), "{astray}");
    let taken = host.give_back_to(&hub, Some(2));
    assert!(taken.contains("\"grants\":2,\"ended\":0"), "the later one, and the end of the other: {taken}");
    let again = host.give_back(&hub);
    assert!(
        again.contains("\"grants\":0,\"ended\":0"),
        "a host that did not hear the answer goes on: {again}"
    );

    let mut stream = host.listen(&hub);
    host.hears_until(&mut stream, |state| state.watermark().is_some_and(|(era, _)| era.incarnation == 2));
    assert!(host.state.grants().any(|grant| grant.id == later && grant.ended.is_none()));
    assert!(host.state.grants[&ended].ended.is_some());
    let admin = hub.client(&hub.admin);
    assert_eq!(admin.show_grant(&later.to_string()).unwrap().grant.approved_by[0].as_str(), "bob");
    assert!(to_come(&hub, "2 hosts have not given back yet"), "those that did not connect since");
    // What was given back can be ended like any other.
    bob_revokes(&hub, later);
    host.hears_until(&mut stream, |state| state.grants[&later].ended.is_some());
}

#[test]
fn what_came_back_without_its_signature_gets_it_when_the_host_says_it_again() {
    let mut hub = Hub::with_policy();
    let mut host = joined(&hub, "db-7");
    let lost = granted(&hub, "db-7");
    let mut stream = host.listen(&hub);
    host.hears_until(&mut stream, |state| state.grants().count() == 1);
    recover(&mut hub);
    let forget = |tables: &[&str]| tables.iter().for_each(|table| hub.sql(&format!("DELETE FROM {table}")));
    forget(&["grants", "request", "signed", "signed_host"]);
    let bodies = host.state.gives().collect();
    let some = api::Known { incarnation: Some(2), bodies, ended: [].into(), last: false };
    let taken = || host.is_heard::<api::TakenBack>(&hub, "known", &some).grants;
    assert_eq!(taken(), 1);
    forget(&["signed", "signed_host"]);
    assert_eq!(taken(), 0);
    let mut stream = host.listen(&hub);
    host.hears_until(&mut stream, |state| state.watermark().is_some_and(|(era, _)| era.incarnation == 2));
    assert!(host.state.grants().any(|grant| grant.id == lost), "{:?}", host.state);
}

#[test]
fn a_host_that_the_database_lost_is_known_again_by_what_the_root_signed_of_it_and_no_other_is() {
    let mut hub = Hub::with_policy();
    let (_kept, gone) = (joined(&hub, "db-6"), joined(&hub, "db-8"));
    let of_gone = gone.membership(&hub);
    hub.client(&hub.admin).remove_host(&gone.name).unwrap();
    let copy = hub.backup();
    let mut host = joined(&hub, "db-7");
    let shows = |hub: &Hub, name: &str, membership: &str| {
        hub.raw(&format!("POST /v1/hosts/{name}/return"), "", membership)
    };
    let membership = host.membership(&hub);
    let refused = shows(&hub, "db-8", &of_gone);
    assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("was taken away"), "{refused}");
    let grant = granted(&hub, "db-7");
    let mut stream = host.listen(&hub);
    host.hears_until(&mut stream, |state| state.grants().count() == 1);

    hub.put_back(&copy);
    let lost = shows(&hub, "db-7", &membership);
    assert!(lost.starts_with("HTTP/1.1 403") && lost.contains("run `jit-hub recover` as root"), "{lost}");
    hub.logs("host db-7 shows that it joined this hub, whose database does not know it");
    recover(&mut hub);
    let thief = sync::SecretKey::from_random(&[9; 32]);
    let signed: sync::SignedMembership = serde_json::from_str(&membership).unwrap();
    let says = signed.verify(&host.state.hub, &host.state.root).unwrap();
    let by_thief = says.sign(signed.roots.clone(), &thief);
    for (what, name, shown, refuses) in [
        ("of another root", "db-7", serde_json::to_string(&by_thief).unwrap(), "403"),
        ("as of another host", "db-9", membership.clone(), "403"),
        ("of one that was taken away", "db-8", of_gone, "403"),
    ] {
        let said = shows(&hub, name, &shown);
        assert!(said.starts_with(&format!("HTTP/1.1 {refuses}")), "{what}: {said}");
    }
    assert!(!hub.client(&hub.admin).hosts().unwrap().iter().any(|view| view.host == host.name));
    for anew in [true, false] {
        let said = shows(&hub, "db-7", &membership);
        assert!(said.starts_with("HTTP/1.1 200") && said.contains(&format!("\"anew\":{anew}")), "{said}");
    }
    let known = hub.client(&hub.admin).hosts().unwrap().into_iter().find(|view| view.host == host.name);
    assert_eq!(known.unwrap().labels["env"], "prod");
    let taken = host.give_back_to(&hub, Some(2));
    assert!(taken.contains("\"grants\":1,\"ended\":0"), "{taken}");
    let mut stream = host.listen(&hub);
    host.hears_until(&mut stream, |state| state.watermark().is_some_and(|(era, _)| era.incarnation == 2));
    assert!(host.state.grants().any(|held| held.id == grant && held.ended.is_none()));
    hub.client(&hub.admin).remove_host(&host.name).unwrap();
    let refused = shows(&hub, "db-7", &membership);
    assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("was taken away"), "{refused}");
}

#[test]
fn a_lost_host_that_was_taken_away_or_is_another_by_now_stays_away() {
    let mut hub = Hub::with_policy();
    let _kept = joined(&hub, "db-6");
    let copy = hub.backup();
    let [gone, stolen, anew] = ["db-7", "db-8", "db-9"].map(|name| joined(&hub, name));
    let shows = |hub: &Hub, host: &crate::host::Host, membership: &str| {
        hub.raw(&format!("POST /v1/hosts/{}/return", host.name), "", membership)
    };
    let [of_gone, of_stolen, of_anew] = [&gone, &stolen, &anew].map(|host| host.membership(&hub));
    let admin = hub.client(&hub.admin);
    assert!(admin.remove_host(&gone.name).unwrap().was);
    // Asked for a moment too late it says no more than that it joined before.
    hub.put_back(&copy);
    let admin = hub.client(&hub.admin);
    let kept_away = admin.remove_host(&stolen.name).unwrap();
    assert!(!kept_away.was, "a backup lost it: {kept_away:?}");
    let other = crate::host::Host {
        key: sync::SecretKey::from_random(&[8; 32]),
        ..crate::host::Host::new("db-9", &crate::host::token(&hub, 1))
    };
    assert!(other.join(&hub, &crate::host::token(&hub, 1)).starts_with("HTTP/1.1 200"));
    recover(&mut hub);
    for (host, membership) in [(&stolen, &of_stolen), (&anew, &of_anew)] {
        let refused = shows(&hub, host, membership);
        assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("was taken away"), "{refused}");
    }
    let hosts = hub.client(&hub.admin).hosts().unwrap();
    let names: Vec<&str> = hosts.iter().map(|view| view.host.as_str()).collect();
    assert_eq!(names, ["db-1", "db-6", "db-9"]);
    // What nobody keeps away that a backup lost is as it was in the copy's future: this is what `recover` says to look for.
    assert!(shows(&hub, &gone, &of_gone).contains("\"anew\":true"));
}

/// The database begins a new life.
pub fn recover(hub: &mut Hub) {
    let done = hub.command("recover").output().unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    hub.signal(Signal::HUP);
    hub.says("jit-hub has read its certificate anew");
    crate::room::until("hosts are asked", || {
        let warnings = hub.client(&hub.admin).status().unwrap().warnings;
        warnings.iter().any(|said| said.contains("not given back yet"))
    });
}

fn bob_revokes(hub: &Hub, grant: access::GrantId) {
    let bob = hub.client(&hub.token("bob", &[api::Scope::Review], "1h").secret);
    bob.revoke(&grant.to_string(), &end()).unwrap();
}

#[test]
fn permits_are_made_anew_with_the_keys_and_none_of_a_stolen_key_is_told() {
    let mut hub = Hub::new();
    let mut host = joined(&hub, "db-7");
    let people = Some(crate::room::PEOPLE.to_owned());
    let new = api::NewPolicy { policy: crate::inbox::GLASS.to_owned(), people, no_people: false };
    hub.client(&hub.admin).apply_policy(&new).unwrap();
    let mut stream = host.listen(&hub);
    host.hears_until(&mut stream, |state| state.permits().count() == 1);
    let before = host.state.permits().next().unwrap().id;
    rotate(&mut hub, &["all", "--stolen"]);
    host.hears_until(&mut stream, |state| state.permits().any(|permit| permit.id != before));
    let signers: BTreeSet<_> =
        host.state.permits.values().filter_map(|known| known.held.as_ref()).map(|held| held.signer).collect();
    let manifest = &host.state.served.as_ref().unwrap().manifest;
    assert_eq!(signers, manifest.grant_keys.iter().copied().collect());
}
