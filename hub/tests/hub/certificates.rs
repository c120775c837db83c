//! Certificates of somebody else's, and their replacement while the hub serves.

use crate::room::Hub;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustix::process::Signal;
use std::path::Path;

/// Writes a certificate for localhost by an authority of its own, and gives back that authority's.
fn certify(folder: &Path) -> String {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap();
    let own = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()])
        .unwrap()
        .signed_by(&own, &Issuer::new(params, key))
        .unwrap();
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
    assert!(hub.connect(&first).is_ok() && hub.connect(&second).is_err(), "not before it is told");
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
