//! The pages of the hub, as a browser calls them: over TLS, with cookies and forms.

use crate::host::{Host, joined};
use crate::room::Hub;
use access::{Person, Time};
use api::{AskGrants, AskRequests, JournalPart, NewLink, NewPolicy, NewRequest, OpenSessions, Scope, Which};
use journal::{Head, LogId, Stamp};
use std::cell::RefCell;

pub const POLICY: &str = r#"
[[rule]]
id = "production"
who = { groups = ["dev"] }
where = { hosts = ["db-*"] }
what = { services = ["ssh", "sudo"] }
time = { max = "8h", extend = { count = 1 } }
approve = [{ from = ["group:leads"] }]
"#;

const PEOPLE: &str = "[alice]\ngroups = [\"dev\"]\n[dave]\ngroups = [\"dev\"]\n[bob]\ngroups = [\"leads\"]\n";

pub fn hub() -> Hub {
    let hub = Hub::new();
    let new = NewPolicy { policy: POLICY.to_owned(), people: Some(PEOPLE.to_owned()), no_people: false };
    assert_eq!(hub.client(&hub.admin).apply_policy(&new).unwrap().version, 1);
    hub
}

/// The path of a link for this person, made by the administrator.
pub fn link(hub: &Hub, person: &str) -> String {
    let new = NewLink { person: Some(Person::parse(person).unwrap()) };
    let made = hub.client(&hub.admin).make_link(&new).unwrap();
    let at = made.url.find("/web/in/").unwrap();
    assert!(made.url.starts_with("https://localhost:"), "{}", made.url);
    made.url[at..].to_owned()
}

pub struct Page(pub String);

impl Page {
    pub fn status(&self) -> &str {
        self.0.get(9..12).unwrap_or(&self.0)
    }

    pub fn head(&self, name: &str) -> Option<&str> {
        let heads = self.0.split("\r\n\r\n").next().unwrap();
        let mut lines = heads.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(head, _)| head.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn has(&self, words: &str) -> bool {
        self.0.contains(words)
    }

    /// What a form of it carries under this name.
    pub fn field(&self, name: &str) -> &str {
        let at =
            self.0.find(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{name}: {}", self.0));
        self.0[at..].split('"').nth(3).unwrap()
    }
}

pub const OWN: &str = "origin: https://localhost\r\nsec-fetch-site: same-origin\r\n";

/// A browser, that somebody signed in with.
pub struct Browser<'a> {
    hub: &'a Hub,
    cookie: RefCell<String>,
}

impl<'a> Browser<'a> {
    pub fn new(hub: &'a Hub) -> Self {
        Self { hub, cookie: RefCell::default() }
    }

    pub fn of(hub: &'a Hub, person: &str) -> Self {
        let browser = Self::new(hub);
        let link = link(hub, person);
        let page = browser.get(&link);
        assert!(page.has(&format!("Sign in as {person}")), "{}", page.0);
        assert_eq!(browser.enter(page.field("link")).head("location"), Some("/web"));
        browser
    }

    pub fn enter(&self, link: &str) -> Page {
        let page = self.send("/web/in", OWN, &[("link", link)]);
        if let Some(cookie) = page.head("set-cookie") {
            cookie.split(';').next().unwrap().clone_into(&mut self.cookie.borrow_mut());
        }
        page
    }

    fn cookie(&self) -> String {
        format!("cookie: theme=x; {}\r\n", self.cookie.borrow())
    }

    pub fn get(&self, path: &str) -> Page {
        self.get_from(path, "")
    }

    pub fn get_from(&self, path: &str, heads: &str) -> Page {
        Page(self.hub.raw(&format!("GET {path}"), &format!("{heads}{}", self.cookie()), ""))
    }

    pub fn send(&self, path: &str, heads: &str, fields: &[(&str, &str)]) -> Page {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let heads = format!("content-type: application/x-www-form-urlencoded\r\n{heads}{}", self.cookie());
        Page(self.hub.raw(&format!("POST {path}"), &heads, &body.finish()))
    }

    /// Sends the form of a page, as it is there, with these fields.
    pub fn fill(&self, page: &Page, path: &str, fields: &[(&str, &str)]) -> Page {
        let mut all = vec![("csrf", page.field("csrf"))];
        for name in ["key", "digest"] {
            if page.has(&format!("name=\"{name}\" value=")) {
                all.push((name, page.field(name)));
            }
        }
        all.extend(fields);
        self.send(path, OWN, &all)
    }

    /// Asks for ssh on db-1, and says where the request is.
    pub fn asks(&self, reason: &str) -> String {
        let fields =
            [("label", ""), ("hosts", "db-1"), ("services", "ssh"), ("length", "1h"), ("reason", reason)];
        let asked = self.fill(&self.get("/web/ask"), "/web/ask", &fields);
        assert_eq!(asked.status(), "303", "{}", asked.0);
        asked.head("location").unwrap().to_owned()
    }
}

/// Makes the sign-in of this person what it would be after a while.
pub fn age(hub: &Hub, person: &str, field: &str, minutes: i32) {
    hub.sql(&format!(
        "UPDATE token SET body = json_set(body, '$.{field}', strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '{minutes} minutes')) \
         WHERE person = '{person}' AND body LIKE '%browser, signed in%'"
    ));
}

#[test]
fn init_leaves_a_link_that_signs_the_first_browser_in_and_a_token_that_lets_the_first_host_in() {
    let mut hub = Hub::set_up("");
    hub.serve();
    let after = |words: &str| hub.said.split(words).nth(1).unwrap().lines().next().unwrap().to_owned();
    let (link, joining) = (after("/web/in/"), after("jitd enrol "));
    let browser = Browser::new(&hub);
    assert_eq!(browser.enter(&link).head("location"), Some("/web"));
    assert!(browser.get("/web/people").has("<span>admin</span>"));
    assert_eq!(Browser::new(&hub).enter(&link).status(), "401", "once");
    let joining = sync::Token::parse(&joining).unwrap();
    let joins = |name: &str| Host::new(name, &joining).join(&hub, &joining);
    assert!(joins("db-7").starts_with("HTTP/1.1 200") && !joins("db-8").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_link_signs_in_once_and_a_look_at_it_does_not_use_it_up() {
    let hub = hub();
    let link = link(&hub, "alice");
    let browser = Browser::new(&hub);
    assert_eq!(browser.get("/web").status(), "401");
    assert!(browser.get(&link).has("Sign in as alice") && browser.get(&link).has("Sign in as alice"));
    let secret = link.trim_start_matches("/web/in/");
    let elsewhere = browser.send("/web/in", "origin: https://evil.example\r\n", &[("link", secret)]);
    assert_eq!((elsewhere.status(), elsewhere.head("set-cookie")), ("403", None), "{}", elsewhere.0);
    let signed_in = browser.enter(secret);
    let cookie = signed_in.head("set-cookie").unwrap();
    for part in
        ["__Host-jit=jitb_", "; Path=/;", "; Secure", "; HttpOnly", "; SameSite=Lax", "; Max-Age=43200"]
    {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    let inbox = browser.get("/web");
    assert!(inbox.status() == "200" && inbox.has("<span>alice</span>"), "{}", inbox.0);
    assert_eq!(Browser::new(&hub).enter(secret).status(), "401", "once");
    assert!(Browser::new(&hub).get(&link).has("signs nobody in"));
    // What one door takes opens no other.
    let kept = browser.cookie.borrow().split_once('=').unwrap().1.to_owned();
    assert_eq!(
        Page(hub.raw("GET /v1/status", &format!("authorization: Bearer {kept}\r\n"), "")).status(),
        "401"
    );
    let shown = format!("cookie: __Host-jit={}\r\n", hub.admin);
    assert_eq!(Page(hub.raw("GET /web", &shown, "")).status(), "401");
    let journal = hub.client(&hub.admin).journal(&api::AskJournal::default()).unwrap();
    let lines = journal.iter().filter(|row| row.line.contains("browser") && row.line.contains("token_made"));
    assert_eq!(lines.count(), 1, "it is on record");
    assert!(!journal.iter().any(|row| row.line.contains(&kept) || row.line.contains(secret)));
}

#[test]
fn a_link_is_no_wider_than_the_token_that_makes_it_and_for_others_an_administrators() {
    let hub = hub();
    let narrow = hub.token("alice", &[Scope::Read], "2d");
    let client = hub.client(&narrow.secret);
    let other = client.make_link(&NewLink { person: Some(Person::parse("bob").unwrap()) });
    assert!(other.unwrap_err().to_string().contains("only an administrator"));
    let made = client.make_link(&NewLink { person: None }).unwrap();
    let browser = Browser::new(&hub);
    browser.enter(made.url.rsplit('/').next().unwrap());
    let fields = [("hosts", "db-1"), ("services", "ssh"), ("reason", "x")];
    let asked = browser.fill(&browser.get("/web/ask"), "/web/ask", &fields);
    assert!(asked.status() == "403" && asked.has("has scopes read; this call needs request"), "{}", asked.0);
}

#[test]
fn a_sign_in_by_a_link_of_ones_own_ends_with_the_token_that_made_the_link() {
    let hub = hub();
    let short = hub.token("alice", &[Scope::Read], "1h");
    let client = hub.client(&short.secret);
    let made = client.make_link(&NewLink { person: None }).unwrap();
    let browser = Browser::new(&hub);
    browser.enter(made.url.rsplit('/').next().unwrap());
    let all = client.tokens(&api::AskTokens::default()).unwrap();
    let sign_in = all.iter().find(|view| view.token.name.as_str().starts_with("browser")).unwrap();
    assert_eq!(sign_in.token.expires, short.token.expires);
    assert_eq!(browser.get("/web").status(), "200");
    client.revoke_token(&short.token.id.to_string()).unwrap();
    assert_eq!(browser.get("/web").status(), "401");
}

#[test]
fn a_form_without_its_word_or_from_elsewhere_does_nothing() {
    let hub = hub();
    let (alice, dave) = (Browser::of(&hub, "alice"), Browser::of(&hub, "dave"));
    let page = alice.get("/web/ask");
    let (csrf, key) = (page.field("csrf").to_owned(), page.field("key").to_owned());
    let others = dave.get("/web/ask").field("csrf").to_owned();
    let send = |heads: &str, csrf: &str| {
        let fields =
            [("csrf", csrf), ("key", &key), ("hosts", "db-1"), ("services", "ssh"), ("reason", "let me")];
        alice.send("/web/ask", heads, &fields)
    };
    for (heads, csrf, why) in [
        (OWN, "", "not one of this sign-in"),
        (OWN, others.as_str(), "not one of this sign-in"),
        ("", csrf.as_str(), "somewhere else"),
        ("origin: null\r\n", csrf.as_str(), "somewhere else"),
        ("origin: https://evil.example\r\n", csrf.as_str(), "somewhere else"),
        ("origin: https://localhost\r\nsec-fetch-site: cross-site\r\n", csrf.as_str(), "somewhere else"),
    ] {
        let refused = send(heads, csrf);
        assert!(refused.status() == "403" && refused.has(why), "{heads} {csrf}: {}", refused.0);
    }
    let all = || {
        hub.client(&hub.admin).requests(&AskRequests { which: Which::All, limit: None, after: None }).unwrap()
    };
    assert!(all().is_empty());
    let (first, again) = (send(OWN, &csrf), send(OWN, &csrf));
    assert_eq!((first.status(), first.head("location")), ("303", again.head("location")), "{}", first.0);
    assert_eq!(all().len(), 1, "sent twice it is asked once");
    assert_eq!(all()[0].ask.channel, workflow::Channel::Web);
    assert_eq!(alice.get("/web/requests/x/cancel").status(), "405", "a GET decides nothing");
}

#[test]
fn who_may_approves_by_a_form_for_less_and_the_grant_is_extended_and_given_back() {
    let hub = hub();
    let (alice, bob) = (Browser::of(&hub, "alice"), Browser::of(&hub, "bob"));
    let at = alice.asks("the import hangs");
    let inbox = bob.get("/web");
    assert!(
        inbox.has(&at) && inbox.has("the import hangs") && inbox.has("alice: ssh on db-1 for 1h"),
        "{}",
        inbox.0
    );
    let own = alice.get(&at);
    assert!(own.has("Take it back") && !own.has("Approve</button>"), "{}", own.0);
    let id = at.rsplit('/').next().unwrap();
    let digest = hub.client(&hub.admin).show_request(id).unwrap().digest;
    let forged = [("digest", digest.as_str()), ("verdict", "approve")];
    let refused = alice.fill(&own, &format!("{at}/review"), &forged);
    assert_eq!(refused.status(), "403", "nobody approves their own: {}", refused.0);
    let page = bob.get(&at);
    assert!(
        page.has("production")
            && page.has("0 of 1 agreed")
            && page.has("1 of group leads; can approve: bob<"),
        "{}",
        page.0
    );
    let fields = [("verdict", "approve"), ("length", "30m"), ("comment", "half an hour will do")];
    let approved = bob.fill(&page, &format!("{at}/review"), &fields);
    assert_eq!((approved.status(), approved.head("location")), ("303", Some(at.as_str())), "{}", approved.0);
    let after = bob.get(&at);
    assert!(
        after.has("half an hour will do") && after.has(" approved for at most 30m") && after.has("by bob"),
        "{}",
        after.0
    );

    let grants = hub.client(&hub.admin).grants(&AskGrants::default()).unwrap();
    let [view] = grants.as_slice() else { panic!("{grants:?}") };
    assert_eq!((view.ends - view.grant.window.not_before()).num_minutes(), 30);
    assert_eq!(view.grant.approved_by, [Person::parse("bob").unwrap()]);
    let grant = format!("/web/grants/{}", view.grant.id);
    assert!(alice.get("/web/grants").has(&grant));
    let page = alice.get(&grant);
    let more =
        alice.fill(&page, &format!("{grant}/extend"), &[("length", "10m"), ("reason", "not done yet")]);
    assert!(more.status() == "303" && bob.get("/web").has("10m more: ssh on db-1"), "{}", more.0);
    let given = alice.fill(&alice.get(&grant), &format!("{grant}/release"), &[]);
    assert_eq!(given.status(), "303", "{}", given.0);
    assert!(alice.get(&grant).has("released") && !alice.get("/web/grants").has(&grant));
    let page = bob.get(&alice.asks("once more"));
    assert!(page.has(&grant), "what they had of it lately: {}", page.0);
}

#[test]
fn others_requests_are_as_hidden_as_they_are_for_the_api() {
    let hub = hub();
    let at = Browser::of(&hub, "alice").asks("a secret matter");
    let dave = Browser::of(&hub, "dave");
    assert!(!dave.get("/web").has("a secret matter"));
    let page = dave.get(&at);
    assert!(page.status() == "404" && !page.has("a secret matter"), "{}", page.0);
    let id = at.rsplit('/').next().unwrap();
    let api = hub.token("dave", &Scope::ALL, "1d");
    let refused = hub.client(&api.secret).show_request(id).unwrap_err().to_string();
    assert!(page.has(&refused), "{refused}: {}", page.0);
    assert_eq!(dave.get("/web/requests/nonsense").status(), "400");
    assert_eq!(dave.get("/web/nonsense").status(), "404");
}

#[test]
fn who_signed_in_long_ago_is_asked_again_before_they_decide() {
    let hub = hub();
    let bob = Browser::of(&hub, "bob");
    let at = Browser::of(&hub, "alice").asks("the import hangs");
    let page = bob.get(&at);
    age(&hub, "bob", "made", -61);
    let refused = bob.fill(&page, &format!("{at}/review"), &[("verdict", "approve")]);
    assert!(refused.status() == "403" && refused.has("a sign-in from the last hour"), "{}", refused.0);
    let stale = bob.get(&at);
    assert!(stale.has("a sign-in from the last hour") && !stale.has("Approve</button>"), "{}", stale.0);
    // By another link, with the same browser.
    let before = bob.cookie();
    assert_eq!(bob.enter(link(&hub, "bob").trim_start_matches("/web/in/")).status(), "303");
    assert_eq!(Page(hub.raw("GET /web", &before, "")).status(), "401", "the sign-in of before is over");
    let approved = bob.fill(&bob.get(&at), &format!("{at}/review"), &[("verdict", "approve")]);
    assert_eq!(approved.status(), "303", "{}", approved.0);
}

#[test]
fn an_administrator_who_signed_in_long_ago_lets_nobody_in() {
    let hub = hub();
    let admin = Browser::of(&hub, "admin");
    let page = admin.get("/web/people");
    age(&hub, "admin", "made", -61);
    let account = [("person", "bob"), ("issuer", "https://login.example.org"), ("subject", "u-1")];
    for (path, fields) in [
        ("/web/people/link", &[("person", "bob")][..]),
        ("/web/people/roles", &[("person", "bob"), ("roles", "admin")][..]),
        ("/web/people/bind", &account[..]),
    ] {
        let refused = admin.fill(&page, path, fields);
        assert!(
            refused.status() == "403" && refused.has("a sign-in from the last hour"),
            "{path}: {}",
            refused.0
        );
    }
}

#[test]
fn what_people_write_is_text_on_every_page() {
    let hub = hub();
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";
    let (alice, bob) = (Browser::of(&hub, "alice"), Browser::of(&hub, "bob"));
    let at = alice.asks(evil);
    let page = bob.get(&at);
    bob.fill(&page, &format!("{at}/review"), &[("verdict", "deny"), ("comment", evil)]);
    let bad =
        alice.fill(&alice.get("/web/ask"), "/web/ask", &[("hosts", "<script>x</script>"), ("reason", evil)]);
    assert_eq!(bad.status(), "400", "{}", bad.0);
    let named = alice.get("/web/requests/%3Cscript%3Ealert(1)%3C%2Fscript%3E");
    for page in [bob.get("/web"), alice.get("/web"), page, alice.get(&at), bad, named] {
        assert!(!page.has("<script>") && !page.has("<img"), "{}", page.0);
    }
    assert!(alice.get(&at).has("&lt;script&gt;alert(1)&lt;/script&gt;&quot;"), "{}", alice.get(&at).0);
}

#[test]
fn every_answer_has_the_heads_that_keep_others_out() {
    let hub = hub();
    let alice = Browser::of(&hub, "alice");
    for path in ["/web", "/web/nonsense", "/web/hosts", "/web/style.css", "/web/in/x", "/"] {
        let page = alice.get(path);
        let policy = page.head("content-security-policy").unwrap_or_else(|| panic!("{path}: {}", page.0));
        assert!(
            policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.head("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.head("referrer-policy"), Some("same-origin"));
        assert_eq!(page.head("strict-transport-security"), Some("max-age=31536000"));
        let kept = if path == "/web/style.css" { "no-cache" } else { "no-store" };
        assert_eq!(page.head("cache-control"), Some(kept), "{path}");
        assert!(!page.has("<style") && !page.has(" style=") && !page.has(" onclick="), "{}", page.0);
    }
    let tag = alice.get("/web/live.js").head("etag").unwrap().to_owned();
    let again = Page(hub.raw("GET /web/live.js", &format!("if-none-match: {tag}\r\n"), ""));
    assert_eq!(again.status(), "304", "{}", again.0);
}

#[test]
fn a_sign_in_ends_by_itself_by_disuse_by_a_revocation_and_by_signing_out() {
    let hub = hub();
    let (alice, bob, dave) =
        (Browser::of(&hub, "alice"), Browser::of(&hub, "bob"), Browser::of(&hub, "dave"));
    age(&hub, "alice", "expires", -1);
    assert_eq!(alice.get("/web").status(), "401", "it is over");
    age(&hub, "bob", "made", -121);
    hub.sql("UPDATE token SET used_ms = NULL WHERE person = 'bob'");
    assert_eq!(bob.get("/web").status(), "401", "nobody used it");

    let tokens = hub.client(&hub.admin).tokens(&api::AskTokens::default()).unwrap();
    let signed_in = |person: &str| {
        let of = |view: &&api::TokenView| {
            view.token.person.as_str() == person
                && view.token.revoked.is_none()
                && view.token.name.as_str().starts_with("browser")
        };
        tokens.iter().find(of).unwrap().token.id
    };
    let listed = dave.get("/web/tokens");
    assert!(listed.has(&signed_in("dave").to_string()) && listed.has("this one"), "{}", listed.0);
    hub.client(&hub.admin).revoke_token(&signed_in("dave").to_string()).unwrap();
    assert_eq!(dave.get("/web").status(), "401", "it was revoked");

    let alice = Browser::of(&hub, "alice");
    let out = alice.fill(&alice.get("/web"), "/web/out", &[]);
    assert!(
        out.head("set-cookie").unwrap().starts_with("__Host-jit=; ") && out.status() == "303",
        "{}",
        out.0
    );
    assert_eq!(alice.get("/web").status(), "401", "the cookie that was kept is none any more");
}

#[test]
fn hosts_are_chosen_by_a_label_that_says_how_many_have_it() {
    let hub = hub();
    let alice = Browser::of(&hub, "alice");
    let page = alice.get("/web/ask");
    assert!(page.has("env=prod (1 host)"), "{}", page.0);
    let fields =
        [("label", "env=prod"), ("hosts", ""), ("services", "ssh"), ("services", "sudo"), ("reason", "look")];
    let asked = alice.fill(&page, "/web/ask", &fields);
    let at = asked.head("location").unwrap_or_else(|| panic!("{}", asked.0));
    let page = alice.get(at);
    assert!(page.has("ssh, sudo as root on db-1") && page.has("env=prod"), "{}", page.0);
    assert!(alice.get("/web/hosts").has("db-1") && alice.get("/web/sessions").has("None is open"));
    let taken = alice.fill(&page, &format!("{at}/cancel"), &[]);
    assert!(taken.status() == "303" && alice.get(at).has("cancelled"), "{}", taken.0);
    let new = r#"{"hosts": ["db-1"], "services": ["ssh"], "reason": "by the API"}"#;
    let new: NewRequest = serde_json::from_str(new).unwrap();
    let by_api = hub.token("alice", &[Scope::Request], "1d");
    hub.client(&by_api.secret).request(&new).unwrap();
    assert!(alice.get("/web").has("by the API"), "one desk");
}

/// A session as a host tells of it: so many minutes ago, and for how long.
pub struct Past<'a> {
    pub ago: i64,
    pub minutes: Option<i64>,
    pub grant: Option<&'a str>,
}

/// The journal of a host on which somebody was in, as it uploads it.
pub fn lived(hub: &Hub, host: &Host, login: &str, sessions: &[Past<'_>]) {
    #[allow(clippy::disallowed_methods)] // a host has a clock of its own
    let now = Time::from(std::time::SystemTime::now());
    let log = LogId(host.machine.as_bytes()[..16].try_into().unwrap());
    let (mut head, mut rows) = (Head::start(log), Vec::new());
    let mut tells = |body: serde_json::Value| {
        let stamp = Stamp { boot: "b".into(), wall_ms: now.timestamp_millis(), boot_ms: 5 };
        let row = head.next(stamp, body.to_string());
        head = Head::of(&row);
        rows.push(row);
    };
    for (number, past) in sessions.iter().enumerate() {
        let opened = now - chrono::TimeDelta::minutes(past.ago);
        let id = access::SessionId::from_random(
            u64::from(host.machine.as_bytes()[0]) * 100 + u64::try_from(number).unwrap(),
        );
        let session = serde_json::json!({
            "id": id, "grant": past.grant, "boot": "b", "pid": 5, "start_ticks": 7, "audit_session": 3, "subject": login,
            "target": login, "service": "ssh", "tty": "ssh", "rhost": "", "reason": "granted", "opened": opened
        });
        tells(serde_json::json!({
            "kind": "decision", "at": opened, "reason": "granted", "user": login, "as": login, "service": "ssh",
            "phase": "account", "host": host.name, "rhost": "203.0.113.5", "tty": "ssh", "grant": past.grant,
            "session": session, "source": "hub", "staleness_s": 0, "times": 1
        }));
        if let Some(minutes) = past.minutes {
            let at = opened + chrono::TimeDelta::minutes(minutes);
            tells(serde_json::json!({ "kind": "session", "at": at, "change": "closed", "session": session }));
        } else {
            let open: OpenSessions = serde_json::from_value(
                serde_json::json!({ "sessions": [{ "session": session, "state": "open" }] }),
            )
            .unwrap();
            let answer = host.says(hub, "sessions", &open);
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    }
    let last = head.seq;
    let part = JournalPart { log, rows, oldest: false };
    let has: api::JournalHas = host.is_heard(hub, "journal", &part);
    assert_eq!(has.through, last);
}

/// Alice asks for ssh on these hosts.
pub fn asked(hub: &Hub, hosts: &[&str]) -> api::RequestView {
    let new =
        serde_json::json!({"hosts": hosts, "services": ["ssh"], "for": "1h", "reason": "the import hangs"});
    let alice = hub.token("alice", &Scope::ALL, "1h").secret;
    hub.client(&alice).request(&serde_json::from_value(new).unwrap()).unwrap().request
}

pub fn approval(asked: &api::RequestView) -> api::NewReview {
    api::NewReview {
        verdict: api::NewVerdict::Approve,
        digest: asked.digest.clone(),
        narrowing: workflow::Narrowing::default(),
        comment: None,
    }
}

/// A grant of alice's for these hosts.
pub fn granted(hub: &Hub, hosts: &[&str]) -> String {
    let asked = asked(hub, hosts);
    let bob = hub.token("bob", &Scope::ALL, "1h").secret;
    let done = hub.client(&bob).review(&asked.ask.id.to_string(), &approval(&asked)).unwrap();
    done.grant.unwrap().grant.id.to_string()
}

/// A hub with a host db-7, on which alice held a grant that she used, and asks for the same again.
pub fn used() -> (Hub, String, String) {
    let hub = hub();
    let host = joined(&hub, "db-7");
    let grant = granted(&hub, &["db-7"]);
    let was = |ago, minutes| Past { ago, minutes: Some(minutes), grant: Some(grant.as_str()) };
    lived(&hub, &host, "alice", &[was(90, 25), was(60, 12)]);
    let alice = hub.token("alice", &Scope::ALL, "1h").secret;
    hub.client(&alice).release(&grant, &api::EndGrant { reason: None }).unwrap();
    let again = format!("/web/requests/{}", asked(&hub, &["db-7"]).ask.id);
    (hub, grant, again)
}

#[test]
fn people_have_roles_and_links_from_an_administrator_and_from_nobody_else() {
    let hub = hub();
    let (admin, alice) = (Browser::of(&hub, "admin"), Browser::of(&hub, "alice"));
    let page = admin.get("/web/people");
    assert!(page.has("logs in as alice, in dev") && page.has("not in people.toml"), "{}", page.0);
    let set = admin.fill(&page, "/web/people/roles", &[("person", "dave"), ("roles", "auditor")]);
    assert_eq!(set.status(), "303", "{}", set.0);
    let roles = hub.client(&hub.admin).roles().unwrap();
    assert!(roles.iter().any(|of| of.person.as_str() == "dave" && of.roles == [api::Role::Auditor].into()));
    let made = admin.fill(&page, "/web/people/link", &[("person", "dave")]);
    let link = made.0.split("/web/in/").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let dave = Browser::new(&hub);
    assert_eq!(dave.enter(&link).status(), "303");
    // An auditor sees people, and changes nothing.
    let page = dave.get("/web/people");
    assert!(page.status() == "200" && !page.has("Give these"), "{}", page.0);
    for (path, fields) in [
        ("/web/people/roles", [("person", "dave"), ("roles", "admin")]),
        ("/web/people/link", [("person", "bob"), ("roles", "")]),
    ] {
        for browser in [&dave, &alice] {
            let refused = browser.fill(&browser.get("/web"), path, &fields);
            assert_eq!(refused.status(), "403", "{path}: {}", refused.0);
        }
    }
    assert_eq!(alice.get("/web/people").status(), "403");
    assert_eq!(alice.get("/web/tokens?person=dave").status(), "403");
    assert!(dave.get("/web/tokens?person=alice").has("in the name of <strong>alice</strong>"));
    let last = admin.fill(&admin.get("/web/people"), "/web/people/roles", &[("person", "admin")]);
    assert!(last.status() == "400" && last.has("the last administrator"), "{}", last.0);
}

#[test]
fn a_token_is_made_on_a_page_for_no_more_and_no_longer_than_the_sign_in() {
    let hub = hub();
    let alice = Browser::of(&hub, "alice");
    let page = alice.get("/web/tokens");
    let made =
        alice.fill(&page, "/web/tokens", &[("name", "a program"), ("scopes", "read"), ("scopes", "request")]);
    let secret = made.0.split("<code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(secret.starts_with("jit_") && made.status() == "200", "{}", made.0);
    let status = hub.client(&secret).status().unwrap();
    assert_eq!(status.you.as_str(), "alice");
    let tokens = hub.client(&secret).tokens(&api::AskTokens::default()).unwrap();
    let of = &tokens.iter().find(|view| view.token.name.as_str() == "a program").unwrap().token;
    assert!(of.expires - of.made <= chrono::TimeDelta::hours(12) && of.scopes.len() == 2);
    assert!(!alice.get("/web/tokens").has(&secret), "it is shown once");
    let long = alice.fill(&page, "/web/tokens", &[("name", "x"), ("scopes", "read"), ("length", "13h")]);
    assert!(long.status() == "403" && long.has("cannot create one that lasts longer"), "{}", long.0);
    let none = alice.fill(&page, "/web/tokens", &[("name", "x")]);
    assert!(none.status() == "400" && none.has("opens nothing"), "{}", none.0);
    age(&hub, "alice", "made", -61);
    let stale = alice.fill(&page, "/web/tokens", &[("name", "x"), ("scopes", "read")]);
    assert!(stale.status() == "403" && stale.has("a sign-in from the last hour"), "{}", stale.0);
}
