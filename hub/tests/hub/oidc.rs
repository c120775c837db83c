//! Signing in at a provider of identities: the real `oidc-provider`, and what is refused of it when it says what no
//! provider may.

use crate::nginx::certify;
use crate::room::{Hub, rest};
use crate::web::{OWN, POLICY, Page, link};
use api::{NewLink, NewPolicy, Scope};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;

const PEOPLE: &str = "[alice]\ngroups = [\"dev\"]\n[bob]\ngroups = [\"leads\"]\n";

/// The provider.
pub struct Provider {
    _node: testbed::Node,
    port: u16,
    ca: String,
}

impl Provider {
    fn start(folder: &std::path::Path, hub: &str) -> Self {
        let ca = certify(folder);
        std::fs::write(folder.join("ca.crt"), &ca).unwrap();
        let secret = folder.join("secret");
        std::fs::write(&secret, "a word that both know, of many letters\n").unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        let mut node = testbed::Node::run("provider.mjs", &[folder.to_str().unwrap(), hub]).unwrap();
        let line = node.line().unwrap_or_default();
        let port = line.rsplit(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{line}"));
        Self { _node: node, port, ca }
    }

    /// As it calls itself.
    pub fn issuer(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// From now on whoever comes is this account there.
    pub fn is(&self, account: &str) {
        self.call(&format!("/test?account={account}"), &mut BTreeMap::new());
    }

    /// What it says next has this wrong.
    fn says_wrong(&self, what: &str) {
        self.call(&format!("/test?wrong={what}"), &mut BTreeMap::new());
    }

    fn call(&self, path: &str, jar: &mut BTreeMap<String, String>) -> Page {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let mut stream = Hub::over(&self.ca, stream).unwrap();
        let call = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost:{}\r\nconnection: close\r\n{}\r\n",
            self.port,
            cookies(jar)
        );
        stream.write_all(call.as_bytes()).unwrap();
        let page = Page(rest(&mut stream));
        keep(&page, jar);
        page
    }

    /// Signs in there, as a browser does that is sent to this address: where it is sent back to.
    fn signs_in(&self, at: &str) -> String {
        let (mut at, mut jar) = (at.to_owned(), BTreeMap::new());
        for _ in 0..6 {
            let Some(path) = at.strip_prefix(&self.issuer()) else { return at };
            let page = self.call(path, &mut jar);
            let next = page.head("location").unwrap_or_else(|| panic!("{path}: {}", page.0));
            at = if next.starts_with('/') { format!("{}{next}", self.issuer()) } else { next.to_owned() };
        }
        panic!("it leads nowhere: {at}")
    }
}

fn cookies(jar: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if pairs.is_empty() { String::new() } else { format!("cookie: {}\r\n", pairs.join("; ")) }
}

fn keep(page: &Page, jar: &mut BTreeMap<String, String>) {
    for line in page.0.split("\r\n\r\n").next().unwrap().lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        if !name.eq_ignore_ascii_case("set-cookie") {
            continue;
        }
        let (name, value) = value.split(';').next().unwrap().split_once('=').unwrap();
        if value.is_empty() {
            jar.remove(name);
        } else {
            jar.insert(name.to_owned(), value.to_owned());
        }
    }
}

/// A hub that people sign in to by a provider.
pub struct Room {
    pub hub: Hub,
    pub provider: Provider,
}

impl Room {
    pub fn new() -> Self {
        Self::with("")
    }

    /// The same with this at the head of its configuration.
    pub fn with(line: &str) -> Self {
        // Free now, and nobody else's in the moment until it is taken.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let provider = Provider::start(folder.path(), &format!("https://localhost:{port}"));
        let lines = format!(
            "{line}\n[signin]\nissuer = \"{}\"\nclient = \"jit-hub\"\nsecret = '{1}/secret'\nca = '{1}/ca.crt'",
            provider.issuer(),
            folder.path().display()
        );
        let mut hub = Hub::set_up(&lines);
        let path = hub.path("hub.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, config.replace("127.0.0.1:0", &format!("127.0.0.1:{port}"))).unwrap();
        hub.serve();
        let new = NewPolicy { policy: POLICY.to_owned(), people: Some(PEOPLE.to_owned()), no_people: false };
        hub.client(&hub.admin).apply_policy(&new).unwrap();
        Self { hub, provider }
    }

    fn lines(&self, words: &str) -> usize {
        let journal = self.hub.client(&self.hub.admin).journal(&api::AskJournal::default()).unwrap();
        journal.iter().filter(|row| row.line.contains(words)).count()
    }
}

/// A browser that keeps what it is given.
struct Tab<'a> {
    room: &'a Room,
    jar: RefCell<BTreeMap<String, String>>,
}

impl<'a> Tab<'a> {
    fn new(room: &'a Room) -> Self {
        Self { room, jar: RefCell::default() }
    }

    /// Signed in by a link of the administrator's.
    fn of(room: &'a Room, person: &str) -> Self {
        Self::by(room, &link(&room.hub, person))
    }

    /// Signed in by this link.
    fn by(room: &'a Room, link: &str) -> Self {
        let tab = Self::new(room);
        let page = tab.send("/web/in", &[("link", link.rsplit('/').next().unwrap())]);
        assert_eq!(page.status(), "303", "{}", page.0);
        tab
    }

    fn get(&self, path: &str) -> Page {
        let page = Page(self.room.hub.raw(&format!("GET {path}"), &cookies(&self.jar.borrow()), ""));
        keep(&page, &mut self.jar.borrow_mut());
        page
    }

    fn send(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let heads = format!(
            "content-type: application/x-www-form-urlencoded\r\n{OWN}{}",
            cookies(&self.jar.borrow())
        );
        let page = Page(self.room.hub.raw(&format!("POST {path}"), &heads, &body.finish()));
        keep(&page, &mut self.jar.borrow_mut());
        page
    }

    /// Goes away to sign in: what the browser is sent back to.
    fn away(&self, to: &str) -> String {
        let page = self.get(&format!("/web/oidc/start?to={to}"));
        assert_eq!(page.status(), "303", "{}", page.0);
        let at = page.head("location").unwrap().to_owned();
        self.room.provider.signs_in(&at).strip_prefix(&self.room.hub.url()).unwrap().to_owned()
    }

    /// Signs in there and comes back.
    fn signs_in(&self, to: &str) -> Page {
        let back = self.away(to);
        self.get(&back)
    }

    fn is(&self, person: &str) -> bool {
        let page = self.get("/web");
        page.status() == "200" && page.has(&format!("<span>{person}</span>"))
    }

    /// Binds the account that it signs in to there to whoever is signed in here.
    fn binds(&self) -> Page {
        let page = self.signs_in("/web/tokens");
        assert!(page.status() == "200" && page.has("Is this your account?"), "{}", page.0);
        self.send("/web/oidc/bind", &[("csrf", page.field("csrf")), ("shown", page.field("shown"))])
    }
}

#[test]
fn an_account_is_bound_once_by_its_person_and_signs_them_in_from_then_on() {
    let room = Room::new();
    room.provider.is("u-17");
    let alice = Tab::of(&room, "alice");
    let bound = alice.binds();
    assert_eq!((bound.status(), bound.head("location")), ("303", Some("/web/tokens")), "{}", bound.0);
    assert!(alice.get("/web/tokens").has("u-17"));
    assert_eq!(room.lines("change=identity_bound actor=alice person=alice"), 1);

    // Another browser, which comes to the page that it asked for.
    let other = Tab::new(&room);
    let page = other.get("/web/grants?x=1");
    assert!(page.status() == "401" && page.has("/web/oidc/start?to=%2Fweb%2Fgrants%3Fx%3D1"), "{}", page.0);
    let back = other.signs_in("%2Fweb%2Fgrants%3Fx%3D1");
    assert_eq!((back.status(), back.head("location")), ("303", Some("/web/grants?x=1")), "{}", back.0);
    assert!(other.is("alice"));
    let listed = alice.get("/web/tokens");
    assert!(
        listed.has(&format!("browser, signed in by {} from 127.0.0.1", room.provider.issuer())),
        "{}",
        listed.0
    );
    // Nobody is led away from here.
    let back = other.signs_in("https%3A%2F%2Fevil.example%2Fweb");
    assert_eq!(back.head("location"), Some("/web"));

    // It is alice's, and nobody else's.
    let bob = Tab::of(&room, "bob");
    let back = bob.signs_in("/web");
    assert_eq!(back.status(), "303", "{}", back.0);
    assert!(bob.is("alice") && !bob.is("bob"), "who signs in to it is alice");
    let admin = Tab::of(&room, "admin");
    let people = admin.get("/web/people");
    let issuer = room.provider.issuer();
    let again =
        [("csrf", people.field("csrf")), ("person", "bob"), ("issuer", issuer.as_str()), ("subject", "u-17")];
    let refused = admin.send("/web/people/bind", &again);
    assert!(refused.status() == "400" && refused.has("somebody else"), "{}", refused.0);

    // Unbound, it ends what it signed in and what that made, and signs nobody in.
    let page = other.get("/web/tokens");
    let made = other.send(
        "/web/tokens",
        &[("csrf", page.field("csrf")), ("name", "laptop"), ("scopes", "read"), ("length", "1h")],
    );
    let token = made.0.split("<code>").nth(1).and_then(|rest| rest.split("</code>").next()).unwrap();
    let bearer = format!("authorization: Bearer {token}\r\n");
    let status = || Page(room.hub.raw("GET /v1/status", &bearer, "")).status().to_owned();
    assert_eq!(status(), "200");
    // So does an account in a chat that it could have linked.
    room.hub.sql(
        "INSERT INTO teams_account (tenant, account, person, name, chat, linked_ms, seq) \
         VALUES ('t', 'a-17', 'alice', 'Alice', '29:a', 99999999999999, 1)",
    );
    let fields = [("csrf", people.field("csrf")), ("issuer", issuer.as_str()), ("subject", "u-17")];
    let gone = admin.send("/web/oidc/unbind", &fields);
    assert_eq!((gone.status(), gone.head("location")), ("303", Some("/web/people")), "{}", gone.0);
    assert!(!other.is("alice") && alice.is("alice"), "the sign-in by a link goes on");
    assert_eq!(status(), "401");
    assert_eq!(room.lines("change=identity_unbound actor=admin person=alice"), 1);
    assert_eq!(room.lines("person=alice at=t account=a-17 by=admin"), 1);
    assert_eq!(Tab::new(&room).signs_in("/web").status(), "403");
}

#[test]
fn an_account_that_was_stolen_takes_with_it_the_accounts_that_the_thief_bound() {
    let room = Room::new();
    let issuer = room.provider.issuer();
    let (alice, admin) = (Tab::of(&room, "alice"), Tab::of(&room, "admin"));
    for account in ["before", "stolen"] {
        room.provider.is(account);
        assert_eq!(alice.binds().status(), "303");
    }
    let thief = Tab::new(&room);
    assert_eq!(thief.signs_in("/web").status(), "303");
    room.provider.is("thief");
    assert_eq!(thief.binds().status(), "303");
    let people = admin.get("/web/people");
    let of_admin = [
        ("csrf", people.field("csrf")),
        ("person", "alice"),
        ("issuer", issuer.as_str()),
        ("subject", "by-admin"),
    ];
    assert_eq!(admin.send("/web/people/bind", &of_admin).status(), "303");

    let page = alice.get("/web/tokens");
    assert!(page.has("Unbinding one also ends"), "{}", page.0);
    let fields = [("csrf", page.field("csrf")), ("issuer", issuer.as_str()), ("subject", "stolen")];
    assert_eq!(alice.send("/web/oidc/unbind", &fields).status(), "303");
    assert!(!thief.is("alice") && alice.is("alice"));
    for (account, status) in [("stolen", "403"), ("thief", "403"), ("before", "303"), ("by-admin", "303")] {
        room.provider.is(account);
        assert_eq!(Tab::new(&room).signs_in("/web").status(), status, "{account}");
    }
    assert_eq!(room.lines("change=identity_unbound actor=alice person=alice"), 2);
}

#[test]
fn the_same_mail_address_under_another_subject_is_nobody() {
    let room = Room::new();
    room.provider.is("u-17");
    Tab::of(&room, "alice").binds();
    room.provider.is("u-18");
    let other = Tab::new(&room);
    let page = other.signs_in("/web");
    assert!(
        page.status() == "403" && page.has("u-18") && page.has("An administrator binds it"),
        "{}",
        page.0
    );
    assert!(!page.has("alice") && !other.is("alice"));
    room.hub.logs("\"u-18\" of ");
    // The administrator does, by what it says.
    let admin = Tab::of(&room, "admin");
    let (people, issuer) = (admin.get("/web/people"), room.provider.issuer());
    assert!(people.has(&format!("value=\"{issuer}\"")), "{}", people.0);
    let fields =
        [("csrf", people.field("csrf")), ("person", "bob"), ("issuer", issuer.as_str()), ("subject", "u-18")];
    assert_eq!(admin.send("/web/people/bind", &fields).status(), "303");
    assert_eq!(room.lines("change=identity_bound actor=admin person=bob"), 1);
    other.signs_in("/web");
    assert!(other.is("bob"));
    // Nobody but an administrator does that, and nobody by a form without its word.
    let alice = Tab::of(&room, "alice");
    let word = alice.get("/web").field("csrf").to_owned();
    let fields =
        [("csrf", word.as_str()), ("person", "alice"), ("issuer", issuer.as_str()), ("subject", "u-19")];
    assert_eq!(alice.send("/web/people/bind", &fields).status(), "403");
    assert_eq!(admin.send("/web/people/bind", &fields).status(), "403");
    // Nor takes somebody else's away.
    let fields = [("csrf", word.as_str()), ("issuer", issuer.as_str()), ("subject", "u-18")];
    assert_eq!(alice.send("/web/oidc/unbind", &fields).status(), "400");
    assert!(other.is("bob"));
}

#[test]
fn who_comes_back_with_nothing_again_and_again_is_asked_to_wait() {
    let room = Room::new();
    let tab = Tab::new(&room);
    let back = tab.away("/web").replacen("code=", "code=x", 1);
    let kept = tab.jar.borrow().clone();
    let tries: Vec<Page> =
        (0..31).map(|_| Tab { room: &room, jar: RefCell::new(kept.clone()) }.get(&back)).collect();
    assert!(tries[..30].iter().all(|page| page.has("does not take the code")), "{}", tries[29].0);
    assert!(tries[30].status() == "429" && tries[30].has("wait a minute"), "{}", tries[30].0);
    assert_eq!(tab.get("/web/oidc/start").status(), "303", "who goes away holds nobody up");
}

#[test]
fn behind_what_brings_everybody_who_comes_back_with_nothing_keeps_nobody_from_signing_in() {
    let room = Room::with("proxies = [\"127.0.0.1\"]");
    room.provider.is("u-17");
    Tab::of(&room, "alice").binds();
    let tab = Tab::new(&room);
    let back = tab.away("/web").replacen("code=", "code=x", 1);
    let kept = tab.jar.borrow().clone();
    for _ in 0..32 {
        let page = Tab { room: &room, jar: RefCell::new(kept.clone()) }.get(&back);
        assert!(page.status() == "403" && page.has("does not take the code"), "{}", page.0);
    }
    let alice = Tab::new(&room);
    assert_eq!(alice.signs_in("/web").status(), "303");
    assert!(alice.is("alice"));
}

#[test]
fn a_narrow_sign_in_binds_no_account_which_would_be_wider_and_takes_none_away() {
    let room = Room::new();
    let (issuer, of_admin) = (room.provider.issuer(), Tab::of(&room, "admin"));
    room.provider.is("u-17");
    assert_eq!(Tab::of(&room, "alice").binds().status(), "303");
    room.provider.is("u-18");
    assert_eq!(of_admin.binds().status(), "303");
    room.provider.is("thief");
    let reviewer = [Scope::Read, Scope::Request, Scope::Review];
    for (person, own, scopes, lacks) in [
        ("alice", "u-17", &[Scope::Read][..], "is not for request"),
        ("admin", "u-18", &[Scope::Read], "is not for request"),
        ("admin", "u-18", &reviewer, "is not for operate"),
    ] {
        let stolen = room.hub.token(person, scopes, "1d").secret;
        let link = room.hub.client(&stolen).make_link(&NewLink { person: None }).unwrap();
        let thief = Tab::by(&room, &link.url);
        let bound = thief.binds();
        assert!(bound.status() == "403" && bound.has(lacks), "{}", bound.0);
        let page = thief.get("/web/tokens");
        let fields = [("csrf", page.field("csrf")), ("issuer", issuer.as_str()), ("subject", own)];
        let unbound = thief.send("/web/oidc/unbind", &fields);
        assert!(unbound.status() == "403" && unbound.has(lacks), "{}", unbound.0);
    }
    assert_eq!(Tab::new(&room).signs_in("/web").status(), "403", "the account is nobody's");
    assert_eq!((room.lines("change=identity_bound"), room.lines("change=identity_unbound")), (2, 0));

    // For all that its person may do a link of their own is as good as an administrator's.
    let whole = room.hub.token("alice", &reviewer, "1d").secret;
    let link = room.hub.client(&whole).make_link(&NewLink { person: None }).unwrap();
    assert_eq!(Tab::by(&room, &link.url).binds().status(), "303");
}

#[test]
fn only_the_account_that_was_shown_in_this_sign_in_is_bound_and_only_once() {
    let room = Room::new();
    room.provider.is("u-17");
    let (alice, bob) = (Tab::of(&room, "alice"), Tab::of(&room, "bob"));
    let page = alice.signs_in("/web/tokens");
    let shown = page.field("shown").to_owned();
    let of_bob = bob.get("/web").field("csrf").to_owned();
    let stolen = bob.send("/web/oidc/bind", &[("csrf", &of_bob), ("shown", &shown)]);
    assert!(stolen.status() == "403" && stolen.has("no account was shown"), "{}", stolen.0);
    let own = [("csrf", page.field("csrf")), ("shown", shown.as_str())];
    assert_eq!(alice.send("/web/oidc/bind", &own).status(), "303");
    assert_eq!(alice.send("/web/oidc/bind", &own).status(), "403", "once");
    let forged =
        [("csrf", page.field("csrf")), ("shown", "jite_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")];
    assert_eq!(alice.send("/web/oidc/bind", &forged).status(), "403");
    // A look alone binds nothing.
    room.provider.is("u-18");
    bob.signs_in("/web/tokens");
    assert_eq!(room.lines("change=identity_bound"), 1);
    assert!(!bob.get("/web/tokens").has("u-18"));
}

#[test]
fn what_comes_back_counts_in_the_browser_that_went_away_and_once() {
    let room = Room::new();
    room.provider.is("u-17");
    Tab::of(&room, "alice").binds();
    let is_in = |tab: &Tab<'_>, back: &str, why: &str| {
        let page = tab.get(back);
        assert!(page.status().starts_with('4') && page.has(why), "{back}: {}", page.0);
        assert!(!tab.is("alice"), "{back}");
    };
    let tab = Tab::new(&room);
    let back = tab.away("/web");
    is_in(&Tab::new(&room), &back, "this browser did not go to sign in");
    // What another browser got, brought to this one.
    let other = Tab::new(&room);
    let others = other.away("/web");
    is_in(&tab, &others, "not what this browser went away with");
    // That way is over, whatever came of it.
    is_in(&tab, &back, "this browser did not go to sign in");
    for (from, to, why) in [
        ("state=", "state=x", "not what this browser went away with"),
        ("code=", "cod=", "has no code"),
        ("code=", "code=x", "does not take the code"),
        ("iss=https", "iss=http", "not of the provider that this browser went to"),
    ] {
        let tab = Tab::new(&room);
        let back = tab.away("/web");
        assert!(back.contains(from), "{back}");
        is_in(&tab, &back.replacen(from, to, 1), why);
    }
    // Used again with the cookie of before.
    let tab = Tab::new(&room);
    let back = tab.away("/web");
    let kept = tab.jar.borrow().clone();
    assert_eq!(tab.get(&back).status(), "303");
    let again = Tab { room: &room, jar: RefCell::new(kept) };
    is_in(&again, &back, "does not take the code");
    // The provider says that somebody did not want to.
    let tab = Tab::new(&room);
    let back = tab.away("/web");
    let state = back.split(['?', '&']).find(|part| part.starts_with("state=")).unwrap().to_owned();
    is_in(&tab, &format!("/web/oidc/back?error=access_denied&{state}"), "signed nobody in (access_denied)");
    // Of a way that was begun for another client.
    let tab = Tab::new(&room);
    let at = tab.get("/web/oidc/start").head("location").unwrap().to_owned();
    for part in [
        "code_challenge=",
        "nonce=",
        "max_age=300",
        "response_type=code",
        "scope=openid",
        "code_challenge_method=S256",
    ] {
        assert!(at.contains(part), "{part}: {at}");
    }
    let at = at.replace("client_id=jit-hub", "client_id=another");
    let back = room.provider.signs_in(&at);
    is_in(&tab, back.strip_prefix(&room.hub.url()).unwrap(), "does not take the code");
}

#[test]
fn a_word_that_is_wrong_in_one_thing_signs_nobody_in() {
    let room = Room::new();
    room.provider.is("u-17");
    Tab::of(&room, "alice").binds();
    let tried = Cell::new(0);
    for (wrong, why) in [
        ("nonce", "nonce"),
        ("no_nonce", "nonce"),
        ("audience", "audience"),
        ("audiences", "audience"),
        ("party", "it was given to another"),
        ("issuer", "issuer"),
        ("expired", "Expired"),
        ("old", "it is of "),
        ("signed_in_long_ago", "they signed in there at "),
        ("no_auth_time", "auth_time"),
        ("subject", "cannot be shown"),
        ("unsigned", "its signature"),
        ("shared_secret", "its signature"),
        ("key", "its signature"),
    ] {
        room.provider.says_wrong(wrong);
        let tab = Tab::new(&room);
        let page = tab.signs_in("/web");
        assert_eq!(page.status(), "403", "{wrong}: {}", page.0);
        assert!(page.has(why) && page.has("its word is not believed"), "{wrong}: {}", page.0);
        assert!(!tab.is("alice"), "{wrong}");
        tried.set(tried.get() + 1);
    }
    room.hub.logs("refused 127.0.0.1: \"nobody was signed in: ");
    // Signed anew with nothing wrong in it, it is believed: what was refused was the wrong.
    room.provider.says_wrong("nothing");
    let tab = Tab::new(&room);
    assert_eq!(tab.signs_in("/web").status(), "303");
    assert!(tab.is("alice") && tried.get() == 14);
}

#[test]
fn a_hub_starts_without_its_provider_and_says_so_to_who_signs_in_and_a_secret_that_others_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "x\n").unwrap();
    let lines = format!(
        "[signin]\nissuer = \"https://127.0.0.1:1\"\nclient = \"jit-hub\"\nsecret = '{}'",
        secret.display()
    );
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o640)).unwrap();
    let mut hub = Hub::set_up(&lines);
    hub.sign();
    let refused = hub.command("serve").output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("others can read it"), "{said}");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    hub.serve();
    let away = Page(hub.raw("GET /web/oidc/start", "", ""));
    assert!(
        away.status() == "503" && away.has("nobody was signed in: asking https://127.0.0.1:1"),
        "{}",
        away.0
    );
    let again = Page(hub.raw("GET /web/oidc/start", "", ""));
    assert!(again.status() == "503" && again.has("did not answer a moment ago"), "{}", again.0);
    assert!(Page(hub.raw("GET /web", "", "")).has("Sign in with https://127.0.0.1:1"));
    assert!(hub.client(&hub.admin).status().is_ok());
    // One without a provider has no such page.
    let plain = Hub::new();
    assert_eq!(Page(plain.raw("GET /web/oidc/start", "", "")).status(), "403");
    assert!(hub.token("alice", &[Scope::Read], "1h").secret.starts_with("jit_"));
}
