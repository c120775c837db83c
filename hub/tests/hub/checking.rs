//! `jit check` away from the host: what its gate would say, by what the hub knows.

use crate::host::{granted, joined};
use crate::room::Hub;
use access::{HostName, Login, Reason, Service};
use api::{CheckQuery, Client, EndGrant, ProblemCode, Scope};

fn on(host: &str, user: &str, service: &str) -> CheckQuery {
    CheckQuery {
        user: Login::parse(user).unwrap(),
        service: Service::parse(service).unwrap(),
        host: Some(HostName::parse(host).unwrap()),
        run_as: None,
        at: None,
    }
}

fn code(client: &Client, query: &CheckQuery) -> Option<ProblemCode> {
    match client.check(query).unwrap_err() {
        api::ClientError::Refused(problem) => Some(problem.code),
        _ => None,
    }
}

#[test]
fn what_a_gate_would_say_is_told_where_it_is_asked_and_to_whom_it_concerns() {
    let hub = Hub::with_policy();
    let _hosts = ["db-7", "db-8"].map(|name| joined(&hub, name));
    let client = |person: &str| hub.client(&hub.token(person, &[Scope::Request, Scope::Review], "1h").secret);
    let (alice, bob) = (client("alice"), client("bob"));

    let none = alice.check(&on("db-7", "alice", "ssh")).unwrap();
    assert_eq!((none.allowed, none.reason), (false, Reason::NoGrant));
    assert_eq!(none.next.as_deref(), Some("jit request --host db-7 --service ssh --reason TEXT"));

    let grant = granted(&hub, "db-7");
    let yes = alice.check(&on("db-7", "alice", "ssh")).unwrap();
    assert_eq!((yes.allowed, yes.reason, yes.grant), (true, Reason::Granted, Some(grant)));
    let late = CheckQuery { at: yes.ends, ..on("db-7", "alice", "ssh") };
    assert_eq!(alice.check(&late).unwrap().reason, Reason::Expired);
    assert_eq!(alice.check(&on("db-8", "alice", "ssh")).unwrap().reason, Reason::WrongHost);
    assert_eq!(bob.check(&on("db-7", "alice", "sudo")).unwrap().reason, Reason::WrongService);
    assert_eq!(bob.check(&on("db-7", "root", "sudo")).unwrap().reason, Reason::Exempt);

    alice.release(&grant.to_string(), &EndGrant { reason: None }).unwrap();
    let over = alice.check(&on("db-7", "alice", "ssh")).unwrap();
    assert_eq!((over.reason, over.grant), (Reason::Released, Some(grant)));
    assert!(over.because.contains("was released by alice"), "{}", over.because);

    assert_eq!(code(&alice, &on("db-7", "bob", "ssh")), Some(ProblemCode::Forbidden), "it is bob's affair");
    assert_eq!(code(&alice, &on("db-9", "alice", "ssh")), Some(ProblemCode::NotFound));
    let nowhere = CheckQuery { host: None, ..on("db-7", "alice", "ssh") };
    assert_eq!(code(&alice, &nowhere), Some(ProblemCode::BadRequest));
}
