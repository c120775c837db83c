//! Hubs that share a database share their keys, which are copied by hand.

use crate::host::{granted, joined};
use crate::replicas::ready;
use crate::room::{Hub, text, until};
use access::Text;
use api::{EndGrant, Scope};
use rustix::process::Signal;
use std::io::BufRead;

/// The views that a stream tells until this line, and the line, or until its end, which is in order (TLS tells).
fn told_until(stream: &mut impl BufRead, is_last: impl Fn(&str) -> bool) -> (Vec<String>, Option<String>) {
    let mut views = Vec::new();
    for line in stream.lines() {
        let line = line.unwrap();
        if line.starts_with("data: ") {
            views.push(line);
        } else if is_last(&line) {
            return (views, Some(line));
        }
    }
    (views, None)
}

#[test]
fn a_hub_whose_keys_are_behind_says_so_and_signs_nothing_until_it_is_given_them() {
    let mut one = Hub::with_policy();
    let mut other = one.apart();
    let mut host = joined(&one, "db-7");
    granted(&one, "db-7");
    let mut there_before = host.listen(&other);
    host.hears_until(&mut there_before, |state| state.grants().count() == 1);
    let before = host.state.served.as_ref().unwrap().manifest.clone();

    let rotated = one.command("keys").arg("rotate").output().unwrap();
    assert!(rotated.status.success(), "{}", text(&rotated.stderr));
    one.signal(Signal::HUP);
    one.says("jit-hub has read its certificate anew");
    let mut stream = host.listen(&one);
    host.hears_until(&mut stream, |state| {
        state.served.as_ref().is_some_and(|served| served.manifest.era > before.era)
    });
    let era = host.state.served.as_ref().unwrap().manifest.era;
    let warnings = |hub: &Hub| hub.client(&hub.admin).status().unwrap().warnings;
    let behind = format!("another hub speaks in era {era} by now: copy the signer's folder and view.pem");
    until("the other says that it is behind", || {
        warnings(&other).iter().any(|said| said.contains(&behind)) && !ready(&other)
    });
    assert!(ready(&one) && warnings(&one).is_empty(), "{:?}", warnings(&one));

    // There is nobody else to sign.
    one.stop_signing();
    one.signal(Signal::TERM);
    assert!(one.ends());
    let late = granted(&other, "db-7");
    // Who comes now is better off with another hub, and who was there hears nothing that it could take for true.
    let (told, last) = told_until(&mut host.listen(&other), |_| false);
    assert_eq!((told, last), (Vec::new(), None));
    let (told, _) = told_until(&mut there_before, |line| line.starts_with(": the database is not seen"));
    assert!(!told.iter().any(|view| view.contains(&late.to_string())), "{told:?}");
    let of_keys = |hub: &Hub| {
        let sql = "SELECT count(*), count(DISTINCT key), min(key) FROM signed";
        hub.database.lock().unwrap().0.psql(sql).unwrap()
    };
    let key = before.grant_keys.last().unwrap().to_string();
    let signed = of_keys(&other);
    assert!(signed.starts_with("1|1|") && !signed.ends_with(&key), "{signed}, and not by {key}");

    for (from, to) in [("signer/.", "signer"), ("state/view.pem", "state/view.pem")] {
        let copied = std::process::Command::new("cp")
            .arg("-a")
            .args([one.path(from), other.path(to)])
            .output()
            .unwrap();
        assert!(copied.status.success(), "{}", text(&copied.stderr));
    }
    other.stop_signing();
    other.sign();
    other.signal(Signal::HUP);
    other.says("jit-hub has read its certificate anew");
    until("it is no longer behind", || ready(&other) && warnings(&other).is_empty());
    let mut stream = host.listen(&other);
    host.hears_until(&mut stream, |state| state.grants.contains_key(&late));
    assert_eq!(host.state.grants().count(), 2);
    assert!(of_keys(&other).starts_with("2|1|"), "{}", of_keys(&other));
}

#[test]
fn a_database_that_is_put_back_as_the_guide_says_alarms_until_hosts_have_given_back_what_they_know() {
    let mut hub = Hub::with_policy();
    let mut host = joined(&hub, "db-7");
    let ended = granted(&hub, "db-7");
    let mut stream = host.listen(&hub);
    host.hears_until(&mut stream, |state| state.grants().count() == 1);
    let dump = hub.path("jit.dump");
    hub.database.lock().unwrap().0.dump(&dump).unwrap();
    let later = granted(&hub, "db-7");
    let reason = EndGrant { reason: Some(Text::parse("the wrong one").unwrap()) };
    let bob = hub.client(&hub.token("bob", &[Scope::Review], "1h").secret);
    bob.revoke(&ended.to_string(), &reason).unwrap();
    host.hears_until(&mut stream, |state| {
        state.grants.contains_key(&later) && state.grants[&ended].ended.is_some()
    });
    hub.signal(Signal::TERM);
    assert!(hub.ends());
    hub.database.lock().unwrap().0.restore(&dump).unwrap();
    hub.serve();

    let why = host.refuses(&mut host.listen(&hub));
    assert!(why.is_alarm() && why.code() == "revision_back", "{why}");
    let done = hub.command("recover").output().unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    hub.signal(Signal::HUP);
    hub.says("jit-hub has read its certificate anew");
    until("the host is asked", || {
        let warnings = hub.client(&hub.admin).status().unwrap().warnings;
        warnings.iter().any(|said| said.contains(" not given back yet"))
    });
    let taken = host.give_back(&hub);
    assert!(taken.contains("\"grants\":2,\"ended\":0"), "the later one, and the end of the other: {taken}");
    let mut stream = host.listen(&hub);
    host.hears_until(&mut stream, |state| state.watermark().is_some_and(|(era, _)| era.incarnation == 2));
    assert!(host.state.grants[&later].ended.is_none() && host.state.grants[&ended].ended.is_some());
}

#[test]
fn what_a_host_gives_back_is_not_taken_for_done_by_a_hub_that_another_one_is_ahead_of() {
    let mut one = Hub::with_policy();
    let other = one.apart();
    let mut host = joined(&one, "db-7");
    let lost = granted(&one, "db-7");
    let mut stream = host.listen(&one);
    host.hears_until(&mut stream, |state| state.grants().count() == 1);
    let done = one.command("recover").output().unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    one.signal(Signal::HUP);
    one.says("jit-hub has read its certificate anew");
    host.hears_until(&mut stream, |state| state.watermark().is_some_and(|(era, _)| era.incarnation == 2));
    for table in ["grants", "signed", "signed_host", "request"] {
        one.sql(&format!("DELETE FROM {table}"));
    }
    for incarnation in [None, Some(2)] {
        let astray = host.give_back_to(&other, incarnation);
        assert!(astray.starts_with("HTTP/1.1 503"), "{astray}");
    }
    assert!(host.give_back_to(&one, Some(2)).contains("\"grants\":1,\"ended\":0"));
    assert!(one.client(&one.admin).show_grant(&lost.to_string()).is_ok());
}
