//! `jit login` by a sign-in in a browser: beside it, and anywhere.

use crate::room::{Hub, jit, rest, until};
use crate::web::{Browser, OWN, Page, age, hub};
use api::{MadeToken, NewLogin, NewToken, Scope, TakeLogin, TakenLogin};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A command that waits, and the page that it says to open.
struct Waits {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
    page: String,
}

impl Waits {
    /// `jit login`, as somebody whose folder is called so.
    fn begin(hub: &Hub, who: &str, more: &[&str]) -> Self {
        let url = hub.url();
        std::fs::write(hub.path("ca.crt"), hub.ca()).unwrap();
        let ca = hub.path("ca.crt");
        let mut arguments = vec!["login", "--hub", url.as_str(), "--ca", ca.to_str().unwrap()];
        arguments.extend(more);
        let mut child = hub.begin_jit(who, &arguments);
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut page = String::new();
        said.read_line(&mut page).unwrap();
        Self { child, said, page: page.trim().to_owned() }
    }

    /// The path of its page.
    fn path<'a>(&'a self, hub: &Hub) -> &'a str {
        self.page.strip_prefix(&hub.url()).unwrap_or_else(|| panic!("{}", self.page))
    }

    /// What it said to its end, and how it ended.
    fn ends(mut self) -> (i32, String) {
        let mut all = String::new();
        self.said.read_to_string(&mut all).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut all).unwrap();
        (self.child.wait().unwrap().code().unwrap(), all)
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends the form of a page of such a command.
fn answers(browser: &Browser<'_>, page: &Page, answer: &str) -> Page {
    let names = ["csrf", "port", "state", "challenge", "name", "scope"];
    let mut fields: Vec<(&str, &str)> = names.iter().map(|name| (*name, page.field(name))).collect();
    fields.push(("answer", answer));
    browser.send("/web/login", OWN, &fields)
}

/// Goes where an answer leads, to the command beside the browser.
fn goes_back(answered: &Page) -> String {
    let at = answered.head("location").unwrap_or_else(|| panic!("{}", answered.0)).to_owned();
    let (port, path) = at.strip_prefix("http://127.0.0.1:").and_then(|rest| rest.split_once('/')).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port.parse::<u16>().unwrap())).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n").unwrap();
    rest(&mut stream)
}

#[test]
fn a_command_is_let_in_by_the_browser_beside_it_for_twelve_hours_and_is_listed() {
    let hub = hub();
    let alice = Browser::of(&hub, "alice");
    let waits = Waits::begin(&hub, "a", &[]);
    assert_eq!(
        Page(hub.raw(&format!("GET {}", waits.path(&hub)), "", "")).status(),
        "401",
        "signed in first"
    );
    let page = alice.get(waits.path(&hub));
    assert!(page.has("wants to act as <strong>alice</strong>") && page.has("jit on "), "{}", page.0);
    assert!(page.has("read, request, review, operate</dd>"), "{}", page.0);
    let port = page.field("port");
    let policy = page.head("content-security-policy").unwrap();
    assert!(policy.contains(&format!("form-action 'self' http://127.0.0.1:{port};")), "{policy}");
    // What others say to its port is not heard.
    for path in ["favicon.ico", "?code=jitd_x&state=x", "?error=x"] {
        let mut stream = TcpStream::connect(("127.0.0.1", port.parse::<u16>().unwrap())).unwrap();
        write!(stream, "GET /{path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        assert!(rest(&mut stream).starts_with("HTTP/1.1 404"), "{path}");
    }
    let answered = answers(&alice, &page, "yes");
    assert!(goes_back(&answered).contains("You can close this page"), "{}", answered.0);
    let (code, said) = waits.ends();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(" as alice (") && said.contains("Commands use this hub"), "{said}");
    assert!(hub.jit("a", &["requests"], "").status.success());

    let tokens = hub.client(&hub.admin).tokens(&api::AskTokens::default()).unwrap();
    let of = tokens.iter().find(|view| view.token.name.as_str().starts_with("jit on ")).unwrap();
    assert_eq!(of.token.person.as_str(), "alice");
    // It ends with the sign-in that let it in, which began a moment before it.
    let good_for = of.token.expires - of.token.made;
    assert!((11 * 60..12 * 60).contains(&good_for.num_minutes()), "{good_for}");
    assert!(!of.token.scopes.contains(&Scope::Admin));
    assert!(alice.get("/web/tokens").has(&of.token.id.to_string()));
    // Revoked, it opens nothing.
    let gone = alice.fill(&alice.get("/web/tokens"), &format!("/web/tokens/{}/revoke", of.token.id), &[]);
    assert_eq!(gone.status(), "303", "{}", gone.0);
    assert!(!hub.jit("a", &["requests"], "").status.success());
}

#[test]
fn a_browser_is_opened_by_a_file_of_ones_own_and_the_address_is_on_no_command_line() {
    let hub = hub();
    let script = hub.path("xdg-open");
    std::fs::write(&script, "#!/bin/sh\nstat -c %a \"$1\" > \"$SEEN.new\"\necho \"$*\" >> \"$SEEN.new\"\ncat \"$1\" >> \"$SEEN.new\"\nmv \"$SEEN.new\" \"$SEEN\"\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(hub.path("ca.crt"), hub.ca()).unwrap();
    let (seen, path) = (hub.path("seen"), std::env::var("PATH").unwrap());
    let mut child = Command::new(jit())
        .args(["login", "--hub", &hub.url(), "--ca", hub.path("ca.crt").to_str().unwrap()])
        .env("XDG_CONFIG_HOME", hub.path("a"))
        .env("XDG_RUNTIME_DIR", hub.folder.path())
        .env("PATH", format!("{}:{path}", hub.folder.path().display()))
        .env("SEEN", &seen)
        .env("DISPLAY", ":99")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut page = String::new();
    said.read_line(&mut page).unwrap();
    until("it is opened", || seen.exists());
    let opened = std::fs::read_to_string(&seen).unwrap();
    let [mode, command, rest @ ..] = &*opened.lines().collect::<Vec<_>>() else { panic!("{opened}") };
    assert_eq!(*mode, "600");
    assert!(command.ends_with("/jit.html") && !command.contains("state="), "{command}");
    assert!(rest.concat().contains(&format!("url={}\"", page.trim().replace('&', "&amp;"))), "{opened}");
    let alice = Browser::of(&hub, "alice");
    let asks = alice.get(page.trim().strip_prefix(&hub.url()).unwrap());
    goes_back(&answers(&alice, &asks, "yes"));
    assert!(child.wait().unwrap().success());
    assert!(!Path::new(command).exists(), "it is gone afterwards");
}

#[test]
fn who_refuses_lets_nobody_in_and_who_signed_in_long_ago_is_asked_again() {
    let hub = hub();
    let alice = Browser::of(&hub, "alice");
    let waits = Waits::begin(&hub, "a", &["--scope", "read,admin"]);
    let page = alice.get(waits.path(&hub));
    let refused = goes_back(&answers(&alice, &page, "no"));
    assert!(refused.contains("was refused"), "{refused}");
    let (code, said) = waits.ends();
    assert!(code == 1 && said.contains("refused in the browser"), "{code}: {said}");

    let waits = Waits::begin(&hub, "a", &[]);
    let page = alice.get(waits.path(&hub));
    age(&hub, "alice", "made", -61);
    let stale = answers(&alice, &page, "yes");
    assert!(stale.status() == "403" && stale.has("a sign-in from the last hour"), "{}", stale.0);
    assert!(alice.get(waits.path(&hub)).has("a sign-in from the last hour"));
    // What is not what the command printed is not shown as if it were.
    for (from, to) in
        [("port=", "port=2"), ("challenge=", "challenge=x"), ("state=", "st="), ("scope=", "scope=all,")]
    {
        let page = alice.get(&waits.path(&hub).replacen(from, to, 1));
        assert!(page.status() == "400" || from == "port=", "{to}: {}", page.0);
    }
}

#[test]
fn a_code_is_taken_once_by_whoever_has_its_verifier_and_ends_with_the_sign_in() {
    let hub = hub();
    let alice = Browser::of(&hub, "alice");
    let stranger = api::Client::stranger_on_hub(&hub.url(), Some(&hub.ca())).unwrap();
    // RFC 7636, appendix B.
    let (verifier, challenge) =
        ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    let code = || {
        let path = format!("/web/login?port=4711&state={challenge}&challenge={challenge}&name=x&scope=read");
        let answered = answers(&alice, &alice.get(&path), "yes");
        let at = answered.head("location").unwrap();
        at.split(['?', '&']).find_map(|part| part.strip_prefix("code=")).unwrap().to_owned()
    };
    let take = |secret: &str, verifier: Option<&str>| {
        stranger.take_login(&TakeLogin { secret: secret.to_owned(), verifier: verifier.map(str::to_owned) })
    };
    let nobody = |taken: Result<TakenLogin, api::ClientError>| {
        taken.unwrap_err().to_string().contains("nobody let this command in")
    };
    let stolen = code();
    assert!(nobody(take(&stolen, None)), "without the verifier");
    assert!(nobody(take(&stolen, Some(verifier))), "used up by the try");
    let good = code();
    let Ok(TakenLogin::Made(made)) = take(&good, Some(verifier)) else { panic!("it is good") };
    assert_eq!(made.token.scopes, [Scope::Read].into());
    assert!(nobody(take(&good, Some(verifier))), "once");
    // A token opens no page, and what is shown here opens nothing else.
    assert!(hub.client(&good).status().is_err() && nobody(take(&made.secret, Some(verifier))));
    let late = code();
    hub.sql("UPDATE login SET expires_ms = 1");
    assert!(nobody(take(&late, Some(verifier))), "too late");
    let left = code();
    alice.fill(&alice.get("/web"), "/web/out", &[]);
    assert!(nobody(take(&left, Some(verifier))), "its sign-in is over");
}

#[test]
fn a_machine_without_a_browser_is_let_in_by_the_word_that_it_shows() {
    let hub = hub();
    let alice = Browser::of(&hub, "alice");
    let waits = Waits::begin(&hub, "d", &["--device", "--json"]);
    let asked: serde_json::Value = serde_json::from_str(&waits.page).unwrap();
    let (page, word) = (asked["page"].as_str().unwrap(), asked["code"].as_str().unwrap());
    assert!(page.starts_with("https://localhost:") && page.ends_with("/web/device"), "{page}");
    assert!(alice.get("/web/device").has("name=\"code\""));
    // However it is written.
    let typed = word.to_lowercase().replace('-', "+");
    let found = alice.get(&format!("/web/device?code={typed}"));
    assert!(found.has("jit on ") && found.has("127.0.0.1") && found.has(word), "{}", found.0);
    let elsewhere =
        alice.send("/web/device", "origin: https://evil.example\r\n", &[("code", word), ("answer", "yes")]);
    assert_eq!(elsewhere.status(), "403");
    let done = alice.fill(&found, "/web/device", &[("code", word), ("answer", "yes")]);
    assert!(done.status() == "200" && done.has("is let in"), "{}", done.0);
    let again = alice.fill(&found, "/web/device", &[("code", word), ("answer", "no")]);
    assert!(again.status() == "400" && again.has("no machine is waiting"), "{}", again.0);
    let (code, said) = waits.ends();
    assert!(code == 0 && said.contains("\"you\":\"alice\""), "{said}");
    assert!(hub.jit("d", &["grants"], "").status.success());

    let waits = Waits::begin(&hub, "e", &["--device", "--json"]);
    let asked: serde_json::Value = serde_json::from_str(&waits.page).unwrap();
    let word = asked["code"].as_str().unwrap();
    let found = alice.get(&format!("/web/device?code={word}"));
    alice.fill(&found, "/web/device", &[("code", word), ("answer", "no")]);
    let (code, said) = waits.ends();
    assert!(code == 1 && said.contains("nobody let this command in"), "{said}");
}

#[test]
fn words_are_guessed_a_few_times_a_minute_and_machines_that_wait_are_few() {
    let hub = hub();
    let alice = Browser::of(&hub, "alice");
    let waits = Waits::begin(&hub, "d", &["--device", "--json"]);
    let asked: serde_json::Value = serde_json::from_str(&waits.page).unwrap();
    let word = asked["code"].as_str().unwrap();
    let tries: Vec<Page> = (0..12).map(|_| alice.get("/web/device?code=BCDF-GHJK")).collect();
    assert!(
        tries[0].status() == "200" && tries[0].has("no machine is waiting with this code"),
        "{}",
        tries[0].0
    );
    assert_eq!(tries[11].status(), "429", "{}", tries[11].0);
    // A word that is right is no hit by then: it was guessed.
    let guessed = alice.get(&format!("/web/device?code={word}"));
    assert!(guessed.status() == "429" && !guessed.has("jit on "), "{}", guessed.0);
    drop(waits);
    let bob = Browser::of(&hub, "bob").get("/web/device?code=BCDF-GHJK");
    assert!(bob.status() == "200" && bob.has("no machine is waiting"), "one guesses for oneself: {}", bob.0);

    let other = crate::web::hub();
    let stranger = api::Client::stranger_on_hub(&other.url(), Some(&other.ca())).unwrap();
    let ask = || {
        let name = access::Text::parse("x").unwrap();
        stranger.ask_login(&NewLogin { name, scopes: [Scope::Read].into() })
    };
    let asked: Vec<_> = (0..12).map(|_| ask()).collect();
    assert_eq!(asked.iter().filter(|asked| asked.is_ok()).count(), 10);
    assert!(asked[11].as_ref().unwrap_err().to_string().contains("wait a minute"));
    let secret = asked[0].as_ref().unwrap().secret.clone();
    until("nobody has said anything", || {
        matches!(
            stranger.take_login(&TakeLogin { secret: secret.clone(), verifier: None }),
            Ok(TakenLogin::Waits)
        )
    });
    let none = stranger.take_login(&TakeLogin { secret: "jit_x".to_owned(), verifier: None });
    assert!(none.unwrap_err().to_string().contains("nobody let this command in"));
}

#[test]
fn behind_what_brings_everybody_strangers_keep_nobody_out() {
    let hub = Hub::with("proxies = [\"127.0.0.1\"]");
    let stranger = api::Client::stranger_on_hub(&hub.url(), Some(&hub.ca())).unwrap();
    let wrong = || Page(hub.raw("GET /v1/status", "authorization: Bearer x\r\n", "")).status().to_owned();
    for _ in 0..12 {
        let name = access::Text::parse("x").unwrap();
        stranger.ask_login(&NewLogin { name, scopes: [Scope::Read].into() }).unwrap();
        assert_eq!(wrong(), "401", "which is not to wait");
    }
    // Those that wait for a word take no place of who is signed in.
    hub.sql(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 500) \
         INSERT INTO login (hash, code, name, scopes, address, expires_ms) \
         SELECT randomblob(32), 'x' || n, 'x', '[\"read\"]', '', 99999999999999 FROM n",
    );
    let name = access::Text::parse("x").unwrap();
    let full = stranger.ask_login(&NewLogin { name, scopes: [Scope::Read].into() }).unwrap_err();
    assert!(full.to_string().contains("too many commands wait"), "{full}");
    let alice = Browser::of(&hub, "alice");
    let waits = Waits::begin(&hub, "a", &[]);
    let answered = answers(&alice, &alice.get(waits.path(&hub)), "yes");
    assert!(goes_back(&answered).contains("You can close this page"), "{}", answered.0);
    assert_eq!(waits.ends().0, 0);
}

/// The token of a command that this browser lets in.
fn lets_in(browser: &Browser<'_>, hub: &Hub) -> MadeToken {
    // RFC 7636, appendix B.
    let (verifier, challenge) =
        ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    let path = format!("/web/login?port=4711&state={challenge}&challenge={challenge}&name=x&scope=read");
    let answered = answers(browser, &browser.get(&path), "yes");
    let at = answered.head("location").unwrap_or_else(|| panic!("{}", answered.0));
    let code = at.split(['?', '&']).find_map(|part| part.strip_prefix("code=")).unwrap();
    let stranger = api::Client::stranger_on_hub(&hub.url(), Some(&hub.ca())).unwrap();
    let take = TakeLogin { secret: code.to_owned(), verifier: Some(verifier.to_owned()) };
    match stranger.take_login(&take).unwrap() {
        TakenLogin::Made(made) => made,
        TakenLogin::Waits => panic!("it was let in"),
    }
}

#[test]
fn nobody_is_told_the_address_of_what_stands_before_the_hub_as_where_somebody_is() {
    for (lines, place) in
        [("", "127.0.0.1"), ("proxies = [\"127.0.0.1\"]", "not known: it came through a proxy")]
    {
        let hub = Hub::with(lines);
        let alice = Browser::of(&hub, "alice");
        let stranger = api::Client::stranger_on_hub(&hub.url(), Some(&hub.ca())).unwrap();
        let name = access::Text::parse("jit on db-1").unwrap();
        let asked = stranger.ask_login(&NewLogin { name, scopes: [Scope::Read].into() }).unwrap();
        let page = alice.get(&format!("/web/device?code={}", asked.code));
        assert!(page.has(&format!("<dt>It asks from</dt><dd>{place}</dd>")), "{}", page.0);
        assert!(alice.get("/web/tokens").has(&format!("browser, signed in from {place}")));
    }
}

#[test]
fn a_sign_in_that_is_revoked_takes_along_what_it_let_in_and_made_and_signing_out_does_not() {
    let hub = hub();
    let (alice, thief) = (Browser::of(&hub, "alice"), Browser::of(&hub, "alice"));
    let own = lets_in(&alice, &hub);
    let let_in = lets_in(&thief, &hub);
    let new = NewToken {
        name: access::Text::parse("by the command").unwrap(),
        person: None,
        scopes: [Scope::Read].into(),
        length: access::Span::parse("1h").unwrap(),
    };
    let by_command = hub.client(&let_in.secret).make_token(&new).unwrap();
    let fields = [("name", "by the page"), ("scopes", "read"), ("length", "1h")];
    let page = thief.fill(&thief.get("/web/tokens"), "/web/tokens", &fields);
    let by_page = page.0.split("<code>").nth(1).and_then(|rest| rest.split("</code>").next()).unwrap();
    let opens = |secret: &str| hub.client(secret).status().is_ok();
    for secret in [&own.secret, &let_in.secret, &by_command.secret, by_page] {
        assert!(opens(secret));
    }

    let listed = thief.get("/web/tokens");
    let card = listed.0.split("this one").nth(1).unwrap();
    let sign_in = card.split("<p class=\"small\">").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
    assert!(card.contains("It created 3 other entries here"), "{card}");
    let gone = alice.fill(&alice.get("/web/tokens"), &format!("/web/tokens/{sign_in}/revoke"), &[]);
    assert_eq!(gone.status(), "303", "{}", gone.0);
    assert_eq!(thief.get("/web").status(), "401");
    for secret in [&let_in.secret, &by_command.secret, by_page] {
        assert!(!opens(secret));
    }
    assert!(opens(&own.secret), "another sign-in let it in");
    let journal = hub.client(&hub.admin).journal(&api::AskJournal::default()).unwrap();
    for id in [sign_in.to_owned(), let_in.token.id.to_string(), by_command.token.id.to_string()] {
        let is_told = |line: &str| line.contains("change=token_revoked actor=alice") && line.contains(&id);
        assert!(journal.iter().any(|row| is_told(&row.line)), "{id}");
    }
    alice.fill(&alice.get("/web"), "/web/out", &[]);
    assert!(alice.get("/web").status() == "401" && opens(&own.secret), "which signing out leaves");
}
