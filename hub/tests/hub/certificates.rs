//! Certificates of somebody else's, and their replacement while the hub serves.

use crate::jitd::There;
use crate::room::{Hub, text, until};
use chrono::Datelike as _;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustix::process::Signal;
use std::path::Path;

/// Writes a certificate for localhost by an authority of its own, and gives back that authority's.
fn certify(folder: &Path) -> String {
    certify_for(folder, 90)
}

/// The same that is good for so many days.
fn certify_for(folder: &Path, days: i64) -> String {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap();
    let own = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let end = (crate::host::now() + chrono::TimeDelta::days(days)).date_naive();
    leaf.not_after = rcgen::date_time_ymd(
        end.year(),
        u8::try_from(end.month()).unwrap(),
        u8::try_from(end.day()).unwrap(),
    );
    let certificate = leaf.signed_by(&own, &Issuer::new(params, key)).unwrap();
    std::fs::write(folder.join("tls.key"), own.serialize_pem()).unwrap();
    std::fs::write(folder.join("tls.crt"), certificate.pem()).unwrap();
    authority.pem()
}

#[test]
fn new_certificates_are_shown_after_a_hangup_and_broken_ones_never() {
    let files = tempfile::tempdir().unwrap();
    let first = certify(files.path());
    let tls = |name: &str| files.path().join(name).display().to_string();
    let mut hub =
        Hub::set_up(&format!("[tls]\ncertificate = '{}'\nkey = '{}'", tls("tls.crt"), tls("tls.key")));
    hub.serve();
    assert!(hub.connect(&first).is_ok() && hub.connect(&hub.ca()).is_err());

    let second = certify(files.path());
    hub.signal(Signal::HUP);
    hub.says("has read its certificate anew");
    assert!(hub.connect(&second).is_ok() && hub.connect(&first).is_err());

    certify(files.path());
    std::fs::write(tls("tls.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    hub.signal(Signal::HUP);
    let said = hub.says("reloading: ");
    assert!(said.ends_with("the certificate of before stays in use"), "{said}");
    assert!(hub.connect(&second).is_ok());
}

#[test]
fn a_renewed_certificate_is_shown_by_itself_and_one_that_ends_soon_or_cannot_be_used_is_told_of() {
    let files = tempfile::tempdir().unwrap();
    let first = certify_for(files.path(), 13);
    let tls = |name: &str| files.path().join(name).display().to_string();
    let mut hub =
        Hub::set_up(&format!("[tls]\ncertificate = '{}'\nkey = '{}'", tls("tls.crt"), tls("tls.key")));
    hub.serve();
    let warned = |ca: &str, words: &str| {
        let client = api::Client::on_hub(&hub.url(), &hub.admin, Some(ca)).unwrap();
        client.status().unwrap().warnings.iter().any(|warning| warning.contains(words))
    };
    assert!(warned(&first, "and then nobody and no host believes this hub: renew it"));
    hub.logs("and then nobody and no host believes this hub");
    let second = certify_for(files.path(), 60);
    until("it shows the other one", || hub.connect(&second).is_ok());
    assert!(hub.connect(&first).is_err() && !warned(&second, "renew it"));
    hub.logs("the files of the certificate changed, and are shown now");
    std::fs::write(tls("tls.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    hub.logs("the certificate of before stays in use");
    assert!(warned(&second, "the certificate of before stays in use"));
}

#[test]
fn a_certificate_of_its_own_is_new_after_each_start_and_by_the_same_authority() {
    let mut hub = Hub::new();
    let ca = hub.ca();
    let shown = |hub: &Hub| hub.connect(&ca).unwrap().conn.peer_certificates().unwrap()[0].to_vec();
    let before = shown(&hub);
    assert_eq!(before, shown(&hub));
    hub.signal(Signal::TERM);
    assert!(hub.ends());
    hub.serve();
    assert_ne!(before, shown(&hub));
}

#[test]
fn hosts_believe_the_certificate_of_somebody_else_that_a_hub_is_given_later_and_its_own_again() {
    let files = tempfile::tempdir().unwrap();
    let tls = |name: &str| files.path().join(name).display().to_string();
    let other = certify(files.path());
    let mut hub = crate::jitd::with_policy();
    let mut there = There::joined(&hub, "");
    std::fs::write(there.inside("trusted.pem"), &other).unwrap();
    there.kill();
    there.start();
    let at = |hub: &Hub| hub.client(&hub.admin).hosts().unwrap().into_iter().find(|host| host.connected);
    until("the host listens", || at(&hub).is_some());

    let config = std::fs::read_to_string(hub.path("hub.toml")).unwrap();
    let lines = format!("[tls]\ncertificate = '{}'\nkey = '{}'\n", tls("tls.crt"), tls("tls.key"));
    std::fs::write(hub.path("hub.toml"), format!("{config}{lines}")).unwrap();
    let restart = |hub: &mut Hub| {
        hub.signal(rustix::process::Signal::TERM);
        assert!(hub.ends());
        hub.serve();
    };
    restart(&mut hub);
    hub.logs("the certificate that hub.toml has this hub show is not one that hosts believe: run `jit-hub init` as root");
    there.says("invalid peer certificate: UnknownIssuer (this host believes the hub's own authority alone)");
    let init = |hub: &Hub| text(&hub.command("init").output().unwrap().stderr);
    let said = init(&hub);
    assert!(said.contains("by authorities that their system trusts") && !said.contains("--ca"), "{said}");
    assert!(init(&hub).contains("nothing was changed"));
    restart(&mut hub);
    there
        .says("wants other certificates believed than before: those by authorities that this machine trusts");
    there.says("the hub is heard again");
    let version = |enrolment: &serde_json::Value| enrolment["version"].as_u64().unwrap();
    let enrolment = || -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(there.inside("state/enrolment.json")).unwrap()).unwrap()
    };
    assert!(enrolment()["certificate"].is_null());
    let first = version(&enrolment());
    let client = api::Client::on_hub(&hub.url(), &hub.admin, Some(&other)).unwrap();
    until("it is connected", || client.hosts().unwrap().iter().any(|host| host.connected));

    std::fs::write(hub.path("hub.toml"), config).unwrap();
    let said = init(&hub);
    assert!(said.contains("the authority in ") && said.contains("--ca ca.crt"), "{said}");
    restart(&mut hub);
    there.says("wants other certificates believed than before: those by its own authority");
    assert!(version(&enrolment()) > first);
    until("it is connected again", || at(&hub).is_some());
    there.kill();
    until("it is away", || at(&hub).is_none());
    there.start();
    until("it believes the same after a start", || at(&hub).is_some());
}

#[test]
fn a_hub_that_was_put_back_from_before_its_hosts_heard_otherwise_is_believed_again_once_it_recovers() {
    let mut hub = crate::jitd::with_policy();
    let mut there = There::joined(&hub, "");
    let at = |hub: &Hub| hub.client(&hub.admin).hosts().unwrap().into_iter().find(|host| host.connected);
    until("the host listens", || at(&hub).is_some());
    there.kill();
    // As if it had heard a later word, which the hub then lost.
    let path = there.inside("state/enrolment.json");
    let mut enrolment: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    enrolment["version"] = 1_700_000_000.into();
    enrolment["certificate"] = serde_json::Value::Null;
    std::fs::write(&path, enrolment.to_string()).unwrap();
    there.start();
    there.says("by an older word of its root than this host has heard (0, and 1700000000 is known)");

    let init = text(&hub.command("init").output().unwrap().stderr);
    assert!(init.contains("nothing was changed"), "{init}");
    let done = hub.command("recover").output().unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    hub.signal(Signal::HUP);
    there.says("wants other certificates believed than before: those by its own authority");
    until("it listens again", || at(&hub).is_some());
}

#[test]
fn a_certificate_for_another_name_than_hosts_call_is_told_before_anybody_calls() {
    let files = tempfile::tempdir().unwrap();
    certify(files.path());
    let tls = |name: &str| files.path().join(name).display().to_string();
    let mut hub = Hub::set_up("");
    let config = std::fs::read_to_string(hub.path("hub.toml")).unwrap();
    let lines = format!("[tls]\ncertificate = '{}'\nkey = '{}'\n", tls("tls.crt"), tls("tls.key"));
    let elsewhere = config.replacen("listen", "url = 'https://hub.example.org:8443'\nlisten", 1);
    std::fs::write(hub.path("hub.toml"), format!("{elsewhere}{lines}")).unwrap();
    let done = hub.command("init").output().unwrap();
    let said = text(&done.stderr);
    assert!(said.contains("hosts call it by that name"), "{said}");
    hub.serve();
    hub.logs("hosts call it by that name");
    hub.signal(Signal::TERM);
    assert!(hub.ends());
    std::fs::write(hub.path("hub.toml"), format!("{config}{lines}")).unwrap();
    hub.serve();
    assert_eq!(hub.logged("hosts call it by that name"), 1);
    assert_eq!(hub.logged("is not one that hosts believe"), 0);
}

#[test]
fn a_hub_whose_signers_folder_is_gone_makes_no_other_root() {
    let hub = Hub::set_up("");
    std::fs::remove_dir_all(hub.path("signer")).unwrap();
    let done = hub.command("init").output().unwrap();
    let said = text(&done.stderr);
    let why = "is gone in ";
    assert!(!done.status.success() && said.contains(why) && said.contains("from a backup"), "{said}");
    assert!(!hub.path("signer/root.pem").exists());
    // Nobody was told of any other, so a later try of a hub that never served begins with the first word.
    std::fs::remove_file(hub.path("state/authority.json")).unwrap();
    let said = text(&hub.command("init").output().unwrap().stderr);
    assert!(said.contains("nothing was changed") && hub.path("signer/root.pem").exists(), "{said}");
    let authority = std::fs::read_to_string(hub.path("state/authority.json")).unwrap();
    let signed: sync::SignedAuthority = serde_json::from_str(&authority).unwrap();
    let hub = sync::HubId::new(access::HostName::parse("localhost").unwrap());
    assert_eq!(signed.verify(&hub, &signed.roots.fingerprint()).unwrap().version, 0);
}
