//! The document of the API, held against a running hub: every call that it describes is made, and what was said and
//! answered is looked at by validators of other people's, in `openapi.py`.

use crate::host::{Host, granted};
use crate::jitd::{POLICY, with_policy};
use crate::python::python;
use crate::room::{Hub, PEOPLE, text, until};
use access::SessionId;
use api::Scope;
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::io::BufRead as _;
use std::path::Path;
use std::process::Command;

/// What the validators are, and all that they need: as `pip freeze` lists it.
const NEEDS: &str = include_str!("openapi.txt");

/// What makes a client of the document, and all that it and its client need.
const MAKER: &str = include_str!("generated.txt");

/// What the hub says its API is, and all that was said to it.
struct Book<'a> {
    hub: &'a Hub,
    document: Value,
    said: RefCell<Vec<Value>>,
}

/// What was answered.
struct Answer {
    status: u16,
    body: Value,
}

impl<'a> Book<'a> {
    fn of(hub: &'a Hub) -> Self {
        let answer = hub.raw("GET /v1/openapi.json", "", "");
        assert!(answer.starts_with("HTTP/1.1 200"), "anybody may read it: {answer}");
        let document = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        Self { hub, document, said: RefCell::default() }
    }

    /// Whether a call takes a key, as the document says.
    fn is_keyed(&self, call: &str) -> bool {
        let path = call.strip_prefix("POST ").unwrap_or_default().replace('/', "~1");
        let takes = self.document.pointer(&format!("/paths/{path}/post/parameters"));
        let is_key = |takes: &Value| takes["$ref"] == "#/components/parameters/Key";
        takes.and_then(Value::as_array).is_some_and(|takes| takes.iter().any(is_key))
    }

    /// The body that the document gives as an example of this call.
    fn example(&self, pattern: &str) -> Value {
        let at = format!(
            "/paths/{}/post/requestBody/content/application~1json/example",
            pattern.replace('/', "~1")
        );
        self.document.pointer(&at).unwrap_or_else(|| panic!("no example of {pattern}")).clone()
    }

    /// Makes a call, which is as the document says or `fits` it not.
    fn call(
        &self,
        call: &str,
        values: &[(&str, &str)],
        heads: &[(&str, String)],
        says: Option<&Value>,
        fits: bool,
    ) -> Answer {
        let (method, pattern) = call.split_once(' ').unwrap();
        let (mut path, mut in_path, mut query) = (pattern.to_owned(), Map::new(), Map::new());
        for (name, value) in values {
            if path.contains(&format!("{{{name}}}")) {
                path = path.replace(&format!("{{{name}}}"), value);
                in_path.insert((*name).to_owned(), json!(value));
            } else {
                query.insert((*name).to_owned(), json!(value));
            }
        }
        let said = says.map(|says| match says {
            Value::String(bytes) => bytes.clone(),
            other => other.to_string(),
        });
        let asked: Vec<String> =
            query.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap())).collect();
        let asked = if asked.is_empty() { String::new() } else { format!("?{}", asked.join("&")) };
        let lines: Vec<String> = heads.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = lines.concat();
        let answer =
            self.hub.raw(&format!("{method} {path}{asked}"), &head, said.as_deref().unwrap_or_default());
        let (top, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{call}: {answer}"));
        let mut lines = top.lines();
        let status: u16 = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let top: Map<String, Value> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), json!(value)))
            .collect();
        let body = if top.contains_key("transfer-encoding") { chunks(body) } else { body.to_owned() };
        let media = top["content-type"].as_str().unwrap().split(';').next().unwrap().to_owned();
        let heads: Map<String, Value> =
            heads.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        self.said.borrow_mut().push(json!({
            "method": method, "path": path, "pattern": pattern, "values": in_path, "query": query, "headers": heads,
            "body": said, "fits": fits, "status": status, "media": media, "answer_headers": top, "answer": body,
        }));
        Answer { status, body: serde_json::from_str(&body).unwrap_or(Value::String(body)) }
    }

    /// What nobody need be known for.
    fn asks(&self, call: &str, values: &[(&str, &str)], says: Option<&Value>) -> Value {
        Self::done(call, &self.call(call, values, &[], says, true))
    }

    /// What a host says, signed.
    fn hears(&self, host: &Host, what: &str, says: &Value) -> Value {
        let (call, path) =
            (format!("POST /v1/hosts/{{host}}/{what}"), format!("/v1/hosts/{}/{what}", host.name));
        let body = says.to_string();
        let signed = host.signed(host.nonce(self.hub), &path, &body);
        let signed = signed.trim().trim_start_matches("jit-host: ").to_owned();
        let says = Value::String(body);
        Self::done(
            &call,
            &self.call(&call, &[("host", host.name.as_str())], &[("jit-host", signed)], Some(&says), true),
        )
    }

    /// What a host looks at, signed.
    fn looks(&self, host: &Host, what: &str) -> Value {
        let (call, path) =
            (format!("GET /v1/hosts/{{host}}/{what}"), format!("/v1/hosts/{}/{what}", host.name));
        let signed = host.signed_for("GET", host.nonce(self.hub), &path, "");
        let signed = signed.trim().trim_start_matches("jit-host: ").to_owned();
        Self::done(
            &call,
            &self.call(&call, &[("host", host.name.as_str())], &[("jit-host", signed)], None, true),
        )
    }

    fn done(call: &str, answer: &Answer) -> Value {
        assert_eq!(answer.status, 200, "{call}: {}", answer.body);
        answer.body.clone()
    }

    /// Everything that was said, before the judges: which calls were answered well.
    fn judged(&self) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let (document, said) = (folder.path().join("openapi.json"), folder.path().join("said"));
        std::fs::write(&document, self.document.to_string()).unwrap();
        let lines: Vec<String> = self.said.borrow().iter().map(ToString::to_string).collect();
        std::fs::write(&said, lines.join("\n")).unwrap();
        let judge = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hub/openapi.py");
        let output =
            Command::new(python("openapi", NEEDS)).arg(judge).arg(&document).arg(&said).output().unwrap();
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// A body that came in chunks (RFC 9112, section 7.1).
fn chunks(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap();
        if length == 0 {
            break;
        }
        whole.push_str(&rest[..length]);
        body = &rest[length + 2..];
    }
    whole
}

/// Somebody who calls.
struct Client<'a> {
    book: &'a Book<'a>,
    token: String,
}

impl<'a> Client<'a> {
    fn of(book: &'a Book<'a>, token: &str) -> Self {
        Self { book, token: token.to_owned() }
    }

    fn answered(&self, call: &str, values: &[(&str, &str)], says: Option<&Value>, fits: bool) -> Answer {
        let mut heads = vec![("Authorization", format!("Bearer {}", self.token))];
        if self.book.is_keyed(call) {
            heads.push(("Idempotency-Key", format!("{:x}", getrandom::u64().unwrap())));
        }
        self.book.call(call, values, &heads, says, fits)
    }

    fn gets(&self, path: &str, values: &[(&str, &str)]) -> Value {
        let call = format!("GET {path}");
        Book::done(&call, &self.answered(&call, values, None, true))
    }

    fn posts(&self, path: &str, values: &[(&str, &str)], says: &Value) -> Value {
        let call = format!("POST {path}");
        Book::done(&call, &self.answered(&call, values, Some(says), true))
    }
}

#[test]
fn the_document_is_what_the_types_say() {
    let made = format!("{:#}\n", api::openapi::document());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/api/openapi.json");
    if std::env::var_os("JIT_WRITE_OPENAPI").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    assert!(
        std::fs::read_to_string(&file).unwrap() == made,
        "{} is of other types than there are: JIT_WRITE_OPENAPI=1 cargo test -p hub --test hub document",
        file.display()
    );
}

#[test]
fn what_needs_a_key_by_the_document_is_refused_without_one_and_nothing_else_is() {
    let hub = Hub::with_policy();
    let book = Book::of(&hub);
    let bearer = format!("authorization: Bearer {}\r\n", hub.admin);
    let mut keyed = 0;
    for (path, calls) in book.document["paths"].as_object().unwrap() {
        let is_of_people = calls["post"]["security"]
            .as_array()
            .is_some_and(|by| by.iter().any(|by| by.get("token").is_some()));
        if !is_of_people {
            continue;
        }
        let known = path.replace("{id}", "R-00000-00001").replace("{host}", "db-1");
        let answer = hub.raw(&format!("POST {known}"), &bearer, "{}");
        let needs = answer.contains("every write needs an Idempotency-Key");
        assert_eq!(needs, book.is_keyed(&format!("POST {path}")), "{path}: {answer}");
        keyed += usize::from(needs);
    }
    assert_eq!(keyed, 7);
    let about = book.document["info"]["description"].as_str().unwrap();
    assert!(
        about.contains("needs an Idempotency-Key") && about.contains("Other calls look at none"),
        "{about}"
    );
}

#[test]
#[allow(clippy::too_many_lines)] // all that can be said
fn every_call_is_answered_as_the_document_says() {
    let hub = with_policy();
    let book = Book::of(&hub);
    let admin = Client::of(&book, &hub.admin);
    let alice = Client::of(&book, &hub.token("alice", &[Scope::Request, Scope::Read], "1h").secret);
    let bob = Client::of(&book, &hub.token("bob", &[Scope::Review, Scope::Operate], "1h").secret);
    let nothing = json!({});
    for path in ["/healthz", "/readyz", "/v1/openapi.json", "/v1/authority"] {
        book.asks(&format!("GET {path}"), &[], None);
    }

    // Hosts come.
    let made = admin.posts("/v1/fleet/token", &[], &book.example("/v1/fleet/token"));
    let joining = sync::Token::parse(made["token"].as_str().unwrap()).unwrap();
    let mut host = Host::new("db-7", &joining);
    let joins =
        json!({ "token": joining.hash(), "host": "db-7", "machine": host.machine, "key": host.key.public() });
    book.asks("POST /v1/hosts", &[], Some(&joins));
    book.asks("POST /v1/hosts/{host}/nonce", &[("host", "db-7")], None);

    admin.posts("/v1/links", &[], &book.example("/v1/links"));
    let asked = book.asks("POST /v1/login", &[], Some(&book.example("/v1/login")));
    let waits = json!({ "secret": asked["secret"] });
    assert_eq!(book.asks("POST /v1/login/token", &[], Some(&waits))["state"], "waits");

    // Somebody asks, somebody agrees, and it is used, extended and given back.
    let opened = alice.posts("/v1/requests", &[], &book.example("/v1/requests"));
    let id = opened["request"]["ask"]["id"].as_str().unwrap();
    let waits = bob.gets("/v1/requests", &[("which", "pending"), ("limit", "5")]);
    assert_eq!(waits[0]["ask"]["id"], id);
    let seen = bob.gets("/v1/requests/{id}", &[("id", id)]);
    let mut yes = book.example("/v1/requests/{id}/reviews");
    yes["digest"] = seen["digest"].clone();
    let reviewed = bob.posts("/v1/requests/{id}/reviews", &[("id", id)], &yes);
    let grant = reviewed["grant"]["grant"]["id"].as_str().unwrap();
    let again = bob.answered("POST /v1/requests/{id}/reviews", &[("id", id)], Some(&yes), true);
    assert_eq!((again.status, again.body["code"].as_str()), (409, Some("conflict")));
    alice.gets("/v1/grants", &[("all", "true"), ("user", "alice")]);
    alice.gets("/v1/grants/{id}", &[("id", grant)]);
    let check = alice.gets("/v1/check", &[("user", "alice"), ("service", "ssh"), ("host", "db-7")]);
    assert_eq!(check["grant"].as_str(), Some(grant));
    admin.gets("/v1/grants/{id}/hosts", &[("id", grant)]);
    let extended = bob.answered(
        "POST /v1/grants/{id}/extend",
        &[("id", grant)],
        Some(&book.example("/v1/grants/{id}/extend")),
        true,
    );
    assert_eq!(extended.status, 403, "somebody else's: {}", extended.body);
    let extended =
        alice.posts("/v1/grants/{id}/extend", &[("id", grant)], &book.example("/v1/grants/{id}/extend"));
    let more = extended["request"]["ask"]["id"].as_str().unwrap();
    alice.posts("/v1/requests/{id}/cancel", &[("id", more)], &nothing);
    alice.posts("/v1/grants/{id}/release", &[("id", grant)], &nothing);
    let second = granted(&hub, "db-7").to_string();
    bob.posts("/v1/grants/{id}/revoke", &[("id", &second)], &book.example("/v1/grants/{id}/revoke"));
    alice.posts("/v1/policy/explain", &[], &book.example("/v1/policy/explain"));

    // A host listens and tells.
    #[allow(clippy::disallowed_methods)] // a host has a clock of its own
    let now = access::Time::from(std::time::SystemTime::now());
    let state = json!({
        "watermark": null, "clock": now, "seq": 7, "gated": ["sshd", "sudo"], "version": "9.9.9"
    });
    book.hears(&host, "state", &state);
    let ask = serde_json::from_str(&host.ask()).unwrap();
    std::thread::scope(|scope| {
        // The stream ends where its host listens to another one.
        scope.spawn(|| {
            until("the host listens", || {
                hub.client(&hub.admin).hosts().unwrap().iter().any(|view| view.connected)
            });
            host.listen(&hub).read_line(&mut String::new()).unwrap();
        });
        book.hears(&host, "feed", &ask);
    });
    let event = book.looks(&host, "feed");
    let data =
        event.as_str().unwrap().lines().find_map(|line| line.strip_prefix("data: ")).unwrap().to_owned();
    let heard = sync::apply(&host.state, data.as_bytes(), sync::LocalTime { own: now, latest: now });
    host.state = heard.unwrap().state;
    let known = json!({ "bodies": host.state.gives().collect::<Vec<_>>(), "ended": {}, "last": true });
    book.hears(&host, "known", &known);
    let membership = book.looks(&host, "membership");
    book.asks("POST /v1/hosts/{host}/return", &[("host", "db-7")], Some(&membership));
    let asked = json!({
        "id": "R-7K2Q9-M4XTB", "login": "alice", "asked_at": now,
        "wish": { "how": "command", "new": { "services": ["sudo"], "reason": "the import hangs" }, "unsure": null }
    });
    book.hears(&host, "asks", &asked);
    let call = json!({ "login": "alice", "key": "k1", "what": { "does": "requests", "which": "mine" } });
    assert!(!book.hears(&host, "calls", &call).as_array().unwrap().is_empty());
    let log = journal::LogId([7; 16]);
    let row = journal::Head::start(log)
        .next(journal::Stamp { boot: "b".into(), wall_ms: 1, boot_ms: 1 }, "{}".into());
    book.hears(&host, "journal", &json!({ "log": log, "rows": [row], "oldest": false }));
    let session = SessionId::from_random(2).to_string();
    let open = json!({ "sessions": [{
        "session": {
            "id": session, "grant": null, "boot": "b", "pid": 5, "start_ticks": 7, "audit_session": 3, "subject": "alice",
            "target": "alice", "service": "ssh", "tty": "ssh", "rhost": "", "reason": "granted", "opened": now
        },
        "state": "open"
    }] });
    book.hears(&host, "sessions", &open);
    assert_eq!(alice.gets("/v1/sessions", &[]).as_array().unwrap().len(), 1);
    admin.posts("/v1/sessions/{id}/end", &[("id", &session)], &book.example("/v1/sessions/{id}/end"));

    // Administrators look after it.
    for path in ["/v1/status", "/v1/policy", "/v1/tokens", "/v1/roles", "/v1/fleet", "/metrics"] {
        admin.gets(path, &[]);
    }
    let old = json!({ "policy": POLICY, "people": PEOPLE });
    admin.posts("/v1/policy", &[], &json!({ "policy": POLICY.replace("db-*", "*"), "people": PEOPLE }));
    admin.posts("/v1/policy/replay", &[], &json!({ "policy": POLICY, "people": PEOPLE, "days": 7 }));
    admin.posts("/v1/policy/replay", &[], &json!({ "policy": POLICY, "days": 7, "old": old }));
    admin.posts("/v1/policy/foresee", &[], &json!({ "policy": POLICY, "no_people": true }));
    admin.gets("/v1/journal", &[("after", "0"), ("limit", "100")]);
    let made = admin.posts("/v1/tokens", &[], &book.example("/v1/tokens"));
    admin.posts("/v1/tokens/{id}/revoke", &[("id", made["token"]["id"].as_str().unwrap())], &nothing);
    admin.posts("/v1/roles", &[], &book.example("/v1/roles"));
    let labels = "/v1/fleet/{host}/labels";
    admin.posts(labels, &[("host", "db-7")], &book.example(labels));
    admin.posts("/v1/fleet/{host}/remove", &[("host", "db-7")], &nothing);

    // What is refused, and what the document forbids.
    let stranger = Client::of(&book, "jit_nobody");
    assert_eq!(stranger.answered("GET /v1/status", &[], None, true).status, 401);
    assert_eq!(alice.answered("GET /v1/requests/{id}", &[("id", "R-00000-00000")], None, true).status, 404);
    assert_eq!(alice.answered("POST /v1/roles", &[], Some(&book.example("/v1/roles")), true).status, 403);
    let good = book.example("/v1/requests");
    for (name, value) in [
        ("hosts", json!("db-7")),
        ("services", json!(null)),
        ("reason", json!(7)),
        ("unknown", json!(true)),
        ("break_glass", json!("yes")),
    ] {
        let mut bad = good.clone();
        bad[name] = value;
        let refused = alice.answered("POST /v1/requests", &[], Some(&bad), false);
        assert_eq!(refused.status, 400, "{bad}: {}", refused.body);
    }

    let done = book.judged();
    let all: Vec<String> = book.document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, calls)| calls.as_object().unwrap().iter().map(move |call| (path, call)))
        .filter(|(_, (_, call))| call["tags"] != json!(["jitd"]))
        .map(|(path, (method, _))| format!("{} {path}", method.to_uppercase()))
        .collect();
    let missed: Vec<&String> = all.iter().filter(|call| !done.contains(call)).collect();
    assert!(missed.is_empty() && all.len() > 35, "never answered well: {missed:?} of {}", all.len());
}

#[test]
fn a_client_that_is_made_of_the_document_by_somebody_elses_program_does_the_main_job() {
    let hub = Hub::with_policy();
    crate::host::joined(&hub, "db-7");
    let folder = tempfile::tempdir().unwrap();
    let inside = |name: &str| folder.path().join(name);
    std::fs::write(inside("openapi.json"), Book::of(&hub).document.to_string()).unwrap();
    // It would make the code handsome, which nobody reads.
    std::fs::write(inside("maker.yml"), "post_hooks: []\n").unwrap();
    let python = python("generated", MAKER);
    let mut makes = Command::new(&python);
    makes.args(["-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning"]);
    makes.arg("--path").arg(inside("openapi.json")).arg("--config").arg(inside("maker.yml"));
    let made = makes.arg("--output-path").arg(inside("jit_api")).output().unwrap();
    assert!(made.status.success(), "{}{}", text(&made.stdout), text(&made.stderr));

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hub/generated.py");
    let mut does = Command::new(&python);
    does.arg(script).arg(hub.url()).arg(hub.path("state/ca.crt")).arg(&hub.admin);
    let done = does.env("PYTHONPATH", folder.path()).output().unwrap();
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
    let said: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((said["own"].as_str(), said["stranger"].as_str()), (Some("forbidden"), Some("unauthorized")));
    let grant = hub.client(&hub.admin).show_grant(said["grant"].as_str().unwrap()).unwrap();
    assert!(grant.grant.ended.is_some(), "{grant:?}");
}
