//! Hosts that call no hub: what it signed lies in a folder, or on a real web server, and a real `jitd` reads it there.

use crate::host::{approve, ask_for, granted};
use crate::jitd::{ALICE, NAME, There, with_policy};
use crate::nginx::Nginx;
use crate::room::{Hub, text, until};
use access::HostName;
use api::Scope;
use frame::{Offer, Phase, Verdict};
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::Child;

/// `jit-hub publish --watch`. It ends with this.
struct Publisher(Child);

impl Publisher {
    fn into(folder: &Path, hub: &Hub) -> Self {
        let child = hub.command("publish").arg(folder).arg("--watch").spawn().unwrap();
        let file = folder.join(format!("{NAME}.json"));
        until("the file is there", || file.exists());
        Self(child)
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn folder(hub: &Hub) -> PathBuf {
    let folder = hub.path("files");
    std::fs::create_dir(&folder).unwrap();
    folder
}

/// `jit-hub publish`, once.
fn publish(hub: &Hub, files: &Path) {
    let done = hub.command("publish").arg(files).output().unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
}

/// A file in the place of another, whole.
fn put(file: &Path, bytes: &[u8]) {
    let beside = file.with_extension("put");
    std::fs::write(&beside, bytes).unwrap();
    std::fs::rename(&beside, file).unwrap();
}

#[test]
fn what_was_granted_opens_a_door_by_a_file_in_a_folder_and_no_call_to_the_hub() {
    let mut hub = with_policy();
    let files = folder(&hub);
    let there = There::joined(&hub, &format!("[hub]\nstatic = 'file://{}'\nevery = '1s'", files.display()));
    let publisher = Publisher::into(&files, &hub);
    until("it has read that there is nothing", || {
        !there.done(0, "status")["warnings"].to_string().contains("yet, so nobody")
    });
    assert_eq!(there.done(0, "status")["source"], "static");
    assert!(!there.lets_in());

    // Nothing is asked from here, and everything that asks says where it is.
    let url = hub.url();
    for command in [
        "request --service ssh --reason 'the import hangs'",
        "request --service ssh --break-glass --reason 'the import hangs'",
        "requests",
    ] {
        let refused = there.jit(ALICE, command);
        let why = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{command}: {why}");
        assert!(
            why.contains("calls no hub") && why.contains(&format!("jit login --hub {url}")),
            "{command}: {why}"
        );
    }
    let refused = there.asked(Phase::Account, true, "").0;
    assert_eq!((refused.verdict, &refused.offer), (Verdict::Deny, &Offer::Nothing));
    assert!(
        text(&refused.line).contains(&format!("jit request --host {NAME} --user alice --service ssh")),
        "{}",
        text(&refused.line)
    );
    assert_eq!(there.asked(Phase::Auth, true, "").0.offer, Offer::Nothing);

    let alice = hub.client(&hub.token("alice", &[Scope::Request], "1h").secret);
    let asked = alice.request(&ask_for(NAME)).unwrap().request.ask.id.to_string();
    let grant = approve(&hub, &asked).to_string();
    until("the grant is there", || there.lets_in());
    let allowed = there.asked(Phase::Account, false, "").0;
    assert_eq!(allowed.verdict, Verdict::Allow);
    let line = there.says("decision=allow");
    assert!(line.contains("source=static"), "{line}");
    let file = files.join(format!("{NAME}.json"));
    let opening = std::fs::read(&file).unwrap();
    let bob = hub.client(&hub.token("bob", &[Scope::Review], "1h").secret);
    bob.revoke(&grant, &api::EndGrant { reason: access::Text::parse("wrong host").ok() }).unwrap();
    until("the end is there", || !there.lets_in());

    // Whoever has the folder brings nothing back, and makes nothing up.
    drop(publisher);
    let ended = std::fs::read(&file).unwrap();
    put(&file, &opening);
    let told = there.says("a message was refused");
    assert!(told.contains("(replayed)") && told.contains("the hub's files"), "{told}");
    put(&file, &ended);
    there.says("the hub's files are good again");
    let half = &opening[..opening.len() / 2];
    put(&file, half);
    let told = there.says("a message was refused");
    assert!(told.contains("(malformed)"), "{told}");
    put(&file, &ended);
    there.says("the hub's files are good again");
    crate::host::joined(&hub, "db-2");
    publish(&hub, &files);
    let of_now = std::fs::read(&file).unwrap();
    let edited = |what: &str, with: &str| text(&of_now).replacen(what, with, 1).into_bytes();
    let mut flipped = of_now.clone();
    // Of the view's payload, far from its beginning: it reads as before, and says something else.
    let payload = text(&of_now).find("\"view\"").unwrap();
    let payload = payload + text(&of_now)[payload..].find("\"payload\":\"").unwrap();
    let at = payload + 200;
    flipped[at] = if flipped[at] == b'A' { b'B' } else { b'A' };
    for (what, wrong, code) in [
        ("an edited byte", flipped, "bad_signature"),
        ("of another host", std::fs::read(files.join("db-2.json")).unwrap(), "other_host"),
        ("a key twice", edited("\"bodies\":", "\"bodies\":[],\"bodies\":"), "malformed"),
        (
            "a body more",
            edited("\"bodies\":[", "\"bodies\":[{\"type\":\"x\",\"payload\":\"\",\"sigs\":[]},"),
            "",
        ),
    ] {
        assert_ne!(wrong, of_now, "{what}");
        put(&file, &wrong);
        let told = there.says("a message was refused");
        assert!(told.contains(code), "{what}: {told}");
        put(&file, &of_now);
        there.says("the hub's files are good again");
    }
    // Nor does whoever has the keys of before.
    let rotated = hub.command("keys").arg("rotate").output().unwrap();
    assert!(rotated.status.success(), "{}", text(&rotated.stderr));
    hub.signal(Signal::HUP);
    hub.says("jit-hub has read its certificate anew");
    granted(&hub, NAME);
    until("it goes by what the new keys signed", || {
        publish(&hub, &files);
        there.lets_in()
    });
    put(&file, &of_now);
    there.says("a message was refused");
    std::fs::remove_file(&file).unwrap();
    assert!(there.lets_in(), "what is known stays");
    assert!(hub.client(&hub.admin).hosts().unwrap().iter().all(|view| view.seen.is_none()), "no call came");
    hub.signal(Signal::TERM);
    assert!(hub.ends());
}

#[test]
fn a_host_reads_its_file_from_a_web_server_which_sends_it_when_it_changed() {
    let hub = with_policy();
    let files = folder(&hub);
    std::fs::set_permissions(hub.folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let lines = format!(
        "server {{ listen 443 ssl; ssl_certificate /etc/nginx/jit-hub.crt; ssl_certificate_key /etc/nginx/jit-hub.key; \
         location /jit/ {{ alias {}/; }} }}",
        files.display()
    );
    let nginx = Nginx::with(&lines, "");
    std::fs::write(hub.path("files-ca.crt"), &nginx.ca).unwrap();
    let more = format!(
        "[hub]\nstatic = '{}/jit/'\nevery = '1s'\nca = '{}'\nmax_staleness = {{ ssh = '20s' }}",
        nginx.url(),
        hub.path("files-ca.crt").display()
    );
    let there = There::joined(&hub, &more);
    // Before the first file there is nothing to go by.
    let told = there.says("the hub's files");
    assert!(told.contains("the web server answers 404"), "{told}");
    let publisher = Publisher::into(&files, &hub);
    granted(&hub, NAME);
    until("the grant is there", || there.lets_in());
    let fetched =
        |status: u16| nginx.log().matches(&format!("GET /jit/{NAME}.json HTTP/1.1\" {status} ")).count();
    until("it is told that nothing changed", || fetched(304) > 1);
    assert!(fetched(200) >= 1);

    // A file that nobody signs anew says less and less: a service that may not be so stale is shut.
    drop(publisher);
    until("what is known is too old", || !there.lets_in());
    let checked = text(&there.jit(ALICE, "check alice --service ssh --json").stdout);
    assert!(checked.contains("\"stale\""), "{checked}");
    publish(&hub, &files);
    until("it is as it was once the file is new", || there.lets_in());
}

#[test]
fn files_of_hosts_that_are_gone_are_taken_away_and_no_others() {
    let hub = with_policy();
    let files = folder(&hub);
    crate::host::joined(&hub, NAME);
    publish(&hub, &files);
    std::fs::write(files.join("other.json"), "{}").unwrap();
    std::fs::write(files.join("index.html"), "").unwrap();
    hub.client(&hub.admin).remove_host(&HostName::parse(NAME).unwrap()).unwrap();
    publish(&hub, &files);
    let mut left: Vec<String> = std::fs::read_dir(&files)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["db-1.json", "index.html", "other.json"]);
    let none = hub.command("publish").arg(hub.path("nowhere")).output().unwrap();
    assert!(text(&none.stderr).contains("is no folder: make it"), "{}", text(&none.stderr));
}

#[test]
fn a_daemon_that_is_to_read_files_and_belongs_to_no_hub_lets_nobody_in_and_says_why() {
    let hub = with_policy();
    let files = folder(&hub);
    let mut there = There::joined(&hub, &format!("[hub]\nstatic = 'file://{}'", files.display()));
    there.kill();
    std::fs::remove_file(there.inside("state/enrolment.json")).unwrap();
    there.start();
    let refused = there.asked(Phase::Account, false, "").0;
    assert_eq!(refused.verdict, Verdict::Deny);
    let asked = there.jit(ALICE, "request --service ssh --reason 'the import hangs'");
    assert!(text(&asked.stderr).contains("enrol it once"), "{}", text(&asked.stderr));
}
