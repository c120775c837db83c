//! E-mail to people, by a real mail server of other people's, that is slow for some and refuses others.

use crate::outbox::{hub, secret};
use crate::python::python;
use crate::room::{Hub, text, until};
use access::Text;
use api::{EndGrant, NewRequest, NewReview, NewVerdict, Scope};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use workflow::Narrowing;

/// A mail server, and what it took.
struct Server {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Server {
    fn start(folder: &Path, mode: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hub/smtp.py");
        let mut child = Command::new(python("smtp", include_str!("smtp.txt")))
            .arg(script)
            .arg(folder)
            .arg(mode)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, folder: folder.to_owned(), port: line.trim().parse().unwrap() }
    }

    fn mails(&self) -> Vec<serde_json::Value> {
        let all = std::fs::read_to_string(self.folder.join("mails")).unwrap_or_default();
        // The last line may be in the middle of being written.
        all.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// How many mails with these words in the subject each address got.
    fn counted(&self, subject: &str) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for mail in self.mails().iter().filter(|mail| head(mail, "Subject").contains(subject)) {
            *counts.entry(mail["to"][0].as_str().unwrap().to_owned()).or_default() += 1;
        }
        counts
    }

    fn put(&self, name: &str) {
        std::fs::write(self.folder.join(name), "").unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A head of a mail, unfolded.
fn head(mail: &serde_json::Value, name: &str) -> String {
    let message = mail["message"].as_str().unwrap().replace("\r\n ", " ");
    let heads = message.split("\r\n\r\n").next().unwrap();
    let mut lines = heads.lines().filter_map(|line| line.split_once(": "));
    lines
        .find(|(head, _)| head.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.to_owned())
        .unwrap_or_default()
}

fn asks(hub: &Hub, alice: &str, hosts: &[&str], reason: &str) -> String {
    let new: NewRequest = serde_json::from_value(serde_json::json!({
        "hosts": hosts, "services": ["ssh"], "for": "1h", "reason": reason
    }))
    .unwrap();
    hub.client(alice).request(&new).unwrap().request.ask.id.to_string()
}

fn alice(hub: &Hub) -> String {
    hub.token("alice", &[Scope::Read, Scope::Request], "1h").secret
}

const POLICY: &str = r#"
[[rule]]
id = "production"
who = { groups = ["dev"] }
where = { hosts = ["db-*"] }
what = { services = ["ssh"] }
approve = [{ from = ["group:leads"] }]
tell = ["user:dora"]
"#;

#[test]
fn people_get_what_concerns_them_by_mail_with_a_link_that_decides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(folder.path().join("mail.crt"), made.cert.pem()).unwrap();
    std::fs::write(folder.path().join("mail.key"), made.signing_key.serialize_pem()).unwrap();
    let server = Server::start(folder.path(), "starttls");
    let password = secret(folder.path(), "mail.password", "mail-secret");
    let lines = format!(
        "[mail]\nserver = \"localhost\"\nport = {}\nuser = \"jit\"\npassword = \"{password}\"\nca = \"{}\"\n\
         from = \"jit <jit@example.org>\"\n",
        server.port,
        folder.path().join("mail.crt").display()
    );
    let people = "[alice]\ngroups = [\"dev\"]\nmail = \"alice@example.org\"\n[bob]\ngroups = [\"leads\"]\nmail = \"bob@example.org\"\n\
                  [carol]\ngroups = [\"leads\"]\n[dora]\nmail = \"dora@example.org\"\n";
    let hub = hub(folder, &lines, POLICY, people);
    let id = asks(&hub, &alice(&hub), &["db-1"], "<b>disk</b> & **stars** [x](https://evil.example)");
    until("bob and dora have mail", || server.mails().len() == 2);
    assert_eq!(
        server.counted("[jit] alice asks for ssh on db-1"),
        BTreeMap::from([("bob@example.org".to_owned(), 1), ("dora@example.org".to_owned(), 1)])
    );
    let mails = server.mails();
    let to_bob = mails.iter().find(|mail| mail["to"][0] == "bob@example.org").unwrap();
    assert_eq!((to_bob["tls"].as_bool(), to_bob["user"].as_str()), (Some(true), Some("jit")));
    assert_eq!(head(to_bob, "From"), "jit <jit@example.org>");
    assert_eq!(head(to_bob, "Auto-Submitted"), "auto-generated");
    assert!(head(to_bob, "Content-Type").starts_with("multipart/alternative"), "{to_bob}");
    let body = to_bob["message"].as_str().unwrap().replace("=\r\n", "").replace("=3D", "=");
    assert!(body.contains("Reason: <b>disk</b> & **stars**"), "{body}");
    assert!(body.contains("&lt;b&gt;disk&lt;/b&gt; &amp; **stars**"), "{body}");
    assert!(body.contains("You can agree or say no"), "{body}");
    // One link, in the text, as a target and as its words; in HTML there is no other.
    let targets: Vec<&str> = body.split("href=").skip(1).collect();
    assert!(targets.len() == 1 && targets[0].contains(&format!("/web/requests/{id}\"")), "{body}");
    // Who decided does not hear of it, and who asked does.
    let bob = hub.client(&hub.token("bob", &[Scope::Read, Scope::Review], "1h").secret);
    let digest = bob.show_request(&id).unwrap().digest;
    let yes =
        NewReview { verdict: NewVerdict::Approve, digest, narrowing: Narrowing::default(), comment: None };
    // Who is told sees what the link is of, and decides nothing; who is not does not.
    let dora = hub.client(&hub.token("dora", &[Scope::Read, Scope::Review], "1h").secret);
    assert!(!dora.show_request(&id).unwrap().yours_to_review);
    assert!(dora.review(&id, &yes).unwrap_err().to_string().contains("dora"));
    let grant = bob.review(&id, &yes).unwrap().grant.unwrap().grant.id.to_string();
    assert!(dora.show_request(&id).is_ok() && dora.show_grant(&grant).is_ok());
    assert!(dora.revoke(&grant, &EndGrant { reason: Text::parse("why not").ok() }).is_err());
    let erin = hub.client(&hub.token("erin", &[Scope::Read, Scope::Review], "1h").secret);
    assert!(erin.show_request(&id).is_err() && erin.show_grant(&grant).is_err());
    until("alice and dora have mail", || server.mails().len() == 4);
    let told = server.counted("[jit] alice may use ssh on db-1");
    assert_eq!(told.keys().collect::<Vec<_>>(), ["alice@example.org", "dora@example.org"]);
    let mails = server.mails();
    let to_alice = mails.iter().find(|mail| mail["to"][0] == "alice@example.org").unwrap();
    let thread = head(to_alice, "References");
    assert!(thread == head(to_bob, "References") && thread.contains(&id), "{thread}");
    assert!(to_alice["message"].as_str().unwrap().contains("agreed to by bob"), "{to_alice}");
}

#[test]
fn who_breaks_glass_is_heard_by_all_who_should_look_at_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), "plain");
    let policy = format!(
        "{POLICY}\nbreak_glass = {{ who = [\"user:alice\"], max = \"30m\", review_by = [\"group:leads\"] }}\n"
    );
    let hub =
        hub(folder, &plain(&server), &policy, &leads(["bob".to_owned(), "carol".to_owned()].into_iter()));
    let alice = hub.token("alice", &[Scope::Read, Scope::Request, Scope::Review], "1h").secret;
    let new: NewRequest = serde_json::from_value(serde_json::json!({
        "hosts": ["db-1"], "services": ["ssh"], "for": "10m", "reason": "the site is down", "break_glass": true
    }))
    .unwrap();
    hub.client(&alice).request(&new).unwrap();
    until("both have mail", || server.mails().len() == 2);
    let loud = server.counted("[jit] BREAK GLASS: alice let themselves in, ssh on db-1");
    assert_eq!(loud.keys().collect::<Vec<_>>(), ["bob@example.org", "carol@example.org"]);
    let mail = server.mails().remove(0);
    assert_eq!(head(&mail, "Importance"), "high");
    let body = mail["message"].as_str().unwrap().replace("=\r\n", "");
    assert!(body.contains("Say whether it was in order"), "{body}");
}

/// Many who can decide: `name` of each, all with mail there.
fn leads(names: impl Iterator<Item = String>) -> String {
    let lead = |name: String| format!("[{name}]\ngroups = [\"leads\"]\nmail = \"{name}@example.org\"\n");
    let alice = "[alice]\ngroups = [\"dev\"]\n[dora]\n".to_owned();
    std::iter::once(alice).chain(names.map(lead)).collect()
}

#[test]
fn of_two_hundred_who_can_decide_one_slow_and_one_refused_keep_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), "plain");
    server.put("busy");
    let lines = plain(&server);
    let names = (0..197).map(|n| format!("lead{n}")).chain(["slow", "no", "later"].map(str::to_owned));
    let hub = hub(folder, &lines, POLICY, &leads(names));
    let alice = alice(&hub);
    let id = asks(&hub, &alice, &["db-1"], "the disk is full");
    let begun = Instant::now();
    until("all others have mail while slow, later and no have none", || server.mails().len() >= 197);
    #[allow(clippy::print_stderr)] // a figure to read
    {
        eprintln!("197 recipients were served after {:?}", begun.elapsed());
    }
    let counted = server.counted("alice asks");
    assert_eq!(counted.len(), 197);
    assert!(!counted.contains_key("slow@example.org") && !counted.contains_key("later@example.org"));
    hub.logs("to \"no\": naming the recipient no@example.org: permanent error (550): no such person here");
    let listed = text(&hub.command("outbox").output().unwrap().stdout);
    let gone = listed.lines().find(|line| line.starts_with("mail to no: ")).unwrap();
    assert!(gone.contains(&format!("requested of {id}, 1 try, given up: ")), "{listed}");
    server.put("go");
    std::fs::remove_file(server.folder.join("busy")).unwrap();
    until("slow and later have it too", || server.mails().len() == 199);
    assert!(server.counted("alice asks").values().all(|count| *count == 1));
}

#[test]
fn what_is_to_be_told_outlives_every_kill_and_comes_twice_at_most_once_for_each() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), "plain");
    let names: Vec<String> = (0..12).map(|n| format!("lead{n}")).collect();
    let mut hub = hub(folder, &plain(&server), POLICY, &leads(names.clone().into_iter()));
    let alice = alice(&hub);
    for host in 2..=KILLED_AFTER.len() {
        hub.sql(&format!(
            "INSERT INTO host (name, labels, key, machine, joined, joined_ms, seq) VALUES ('db-{host}', '{{}}', '', '', x'', 0, 1)"
        ));
    }
    // The hub reads its hosts when it starts.
    hub.signal(Signal::TERM);
    assert!(hub.ends());
    hub.begin();
    for (host, &after) in (1..).zip(KILLED_AFTER) {
        let before = server.mails().len();
        asks(&hub, &alice, &[&format!("db-{host}")], "the disk is full");
        until("some have mail", || server.mails().len() >= before + after);
        hub.signal(Signal::KILL);
        assert!(!hub.ends());
        hub.begin();
        until("all have mail of this one", || different(&server) == host * names.len());
    }
    let (all, each) = (server.mails().len(), server.counted("alice asks"));
    assert!(
        all <= different(&server) + KILLED_AFTER.len(),
        "{all} mails after {} kills: {each:?}",
        KILLED_AFTER.len()
    );
    assert_eq!(each.len(), names.len());
}

/// How many of them have mail when the hub is killed. On a database that several share it waits each time until nobody can
/// be sending any more.
const KILLED_AFTER: &[usize] = if crate::database::SHARED { &[3] } else { &[0, 1, 3, 6, 9, 11] };

/// Mails that are not the same one once more.
fn different(server: &Server) -> usize {
    server
        .mails()
        .iter()
        .map(|mail| head(mail, "Message-ID"))
        .collect::<std::collections::BTreeSet<_>>()
        .len()
}

fn plain(server: &Server) -> String {
    format!(
        "[mail]\nserver = \"127.0.0.1\"\nport = {}\nsecurity = \"none\"\nfrom = \"jit@example.org\"\n",
        server.port
    )
}
