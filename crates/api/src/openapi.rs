//! The document of the API (OpenAPI 3.1), made of the types: `openapi.json` is what this makes, and a test says when it is
//! no longer. Daemons serve the file, and have none of this in them.

use crate::{
    AppliedPolicy, AskExplain, AskFeed, AskGrants, AskJournal, AskRequests, AskSessions, AskTokens,
    AskedLogin, CameBack, Check, CheckQuery, DoctorReport, EndGrant, EndSession, Foreseen, GrantView, Heard,
    HostAnswer, HostAsk, HostCall, HostOffer, HostState, HostToken, HostView, Join, JournalHas, JournalPart,
    JournalRow, Known, MadeLink, MadeToken, Monitored, NewExtension, NewHostToken, NewLabels, NewLink,
    NewLogin, NewPolicy, NewReplay, NewRequest, NewReview, NewToken, Nonced, OpenSessions, Opened,
    PolicyView, Problem, Removed, Replayed, RequestView, Reviewed, Roles, SIGNED, SessionView, StateHeard,
    Status, TakeLogin, TakenBack, TakenLogin, Token, TokenView, WatchReport,
};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// What may be said in a call, where an example says more than its type.
const EXAMPLES: &[(&str, &str)] = &[
    (
        "/v1/requests",
        r#"{"hosts":["db-7"],"services":["ssh","sudo"],"for":"1h","reason":"the import hangs","ticket":"OPS-7"}"#,
    ),
    (
        "/v1/requests/{id}/reviews",
        r#"{"verdict":"approve","digest":"","narrowing":{"length":"30m"},"comment":"half an hour will do"}"#,
    ),
    ("/v1/requests/{id}/cancel", "{}"),
    ("/v1/grants/{id}/revoke", r#"{"reason":"wrong host"}"#),
    ("/v1/grants/{id}/release", "{}"),
    ("/v1/grants/{id}/extend", r#"{"for":"10m","reason":"not done yet"}"#),
    ("/v1/sessions/{id}/end", r#"{"reason":"it is late"}"#),
    ("/v1/policy/explain", r#"{"hosts":["db-7"],"services":["ssh"],"for":"2h"}"#),
    ("/v1/tokens", r#"{"name":"laptop","scopes":["read","request"],"for":"30d"}"#),
    ("/v1/links", r#"{"person":"bob"}"#),
    ("/v1/login", r#"{"name":"db-7","scopes":["read","request"]}"#),
    ("/v1/login/token", r#"{"secret":"jitd_"}"#),
    ("/v1/roles", r#"{"person":"bob","roles":["auditor"]}"#),
    ("/v1/fleet/token", r#"{"labels":{"env":"prod"},"length":"1h","uses":2}"#),
    ("/v1/fleet/{host}/labels", r#"{"labels":{"env":"test"}}"#),
];

/// Writes that are done once however often they are said with the same key, and refused without one.
const KEYED: &[&str] = &[
    "/v1/requests",
    "/v1/requests/{id}/reviews",
    "/v1/requests/{id}/cancel",
    "/v1/grants/{id}/revoke",
    "/v1/grants/{id}/release",
    "/v1/grants/{id}/extend",
    "/v1/policy",
];

/// What is said of all calls.
const ABOUT: &str = "Just-in-time access: the same calls on the control socket of jitd and, for a fleet, on jit-hub. \
    What is written of requests, grants and the policy needs an Idempotency-Key, and is done once however often it is said with \
    the same one. Other calls look at none: what ends a session, revokes a token, gives roles or labels, removes a host or tells \
    of a machine comes to the same said twice, and each call to /v1/tokens, /v1/links, /v1/login and /v1/fleet/token makes one \
    more. A hub answers 6000 calls of one token within a minute, and refuses those that follow with 429.";

/// A body that says nothing.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Nothing {}

/// What a [`HostCall`] is answered by, each kind of it by one of these.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, clippy::large_enum_variant)] // a schema alone
enum ToACall {
    Requests(Vec<RequestView>),
    Request(RequestView),
    Grant(GrantView),
    Opened(Opened),
    Reviewed(Reviewed),
    Offer(HostOffer),
}

/// Whose call it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// A person's, on a hub or on a machine.
    Anyone,
    /// A person's, on a hub.
    OnHub,
    /// A person's, on a machine.
    OnHost,
    /// A host's, to its hub.
    Host,
    /// Anybody's, who need not be known.
    Stranger,
}

impl By {
    fn tags(self) -> &'static [&'static str] {
        match self {
            Self::Anyone => &["hub", "jitd"],
            Self::OnHub => &["hub"],
            Self::OnHost => &["jitd"],
            Self::Host => &["hosts of a hub"],
            Self::Stranger => &["anybody"],
        }
    }

    fn security(self) -> Value {
        match self {
            // On a control socket the kernel says who calls.
            Self::Anyone => json!([{ "token": [] }, {}]),
            Self::OnHub => json!([{ "token": [] }]),
            Self::Host => json!([{ "host": [] }]),
            Self::OnHost | Self::Stranger => json!([]),
        }
    }
}

/// The document as it grows.
struct Book {
    types: SchemaGenerator,
    paths: Map<String, Value>,
}

/// The document.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut book = Book { types: settings.into_generator(), paths: Map::new() };
    book.people();
    book.hubs();
    book.hosts();
    let problem = book.types.subschema_for::<Problem>();
    let mut schemas = plain_types(book.types.take_definitions(true));
    schemas.sort_keys();
    book.paths.sort_keys();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "jit",
            "version": "1",
            "description": ABOUT
        },
        "servers": [{ "url": "/" }],
        "paths": book.paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "Problem": {
                    "description": "It was refused, and why.",
                    "content": { (Problem::MEDIA_TYPE): { "schema": problem } }
                }
            },
            "parameters": {
                "Key": {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": true,
                    "description": "Said again with the same key, a call changes nothing and is answered the same.",
                    "schema": { "type": "string", "minLength": 1, "maxLength": crate::limits::KEY }
                }
            },
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer" },
                "host": {
                    "type": "apiKey", "in": "header", "name": SIGNED,
                    "description": "HOST NONCE SIGNATURE MACHINE, signed by the key that the host joined with, on the machine that it joined on."
                }
            }
        }
    })
}

impl Book {
    fn people(&mut self) {
        self.reads::<Status>(By::Anyone, "/v1/status", "How it does, and who one is to it");
        self.asks::<CheckQuery, Check>(By::Anyone, "/v1/check", "What the gate would say");
        self.asks::<AskRequests, Vec<RequestView>>(By::Anyone, "/v1/requests", "Requests");
        self.writes::<NewRequest, Opened>(By::Anyone, "/v1/requests", "Ask for access");
        self.reads::<RequestView>(By::Anyone, "/v1/requests/{id}", "One request");
        self.writes::<NewReview, Reviewed>(By::Anyone, "/v1/requests/{id}/reviews", "Approve or deny it");
        self.writes::<Nothing, RequestView>(By::Anyone, "/v1/requests/{id}/cancel", "Take it back");
        self.asks::<AskGrants, Vec<GrantView>>(By::Anyone, "/v1/grants", "Grants");
        self.reads::<GrantView>(By::Anyone, "/v1/grants/{id}", "One grant");
        self.writes::<EndGrant, GrantView>(By::Anyone, "/v1/grants/{id}/revoke", "End it for somebody");
        self.writes::<EndGrant, GrantView>(By::Anyone, "/v1/grants/{id}/release", "Give it back");
        self.writes::<NewExtension, Opened>(By::Anyone, "/v1/grants/{id}/extend", "Ask for more time on it");
        self.asks::<AskSessions, Vec<SessionView>>(By::Anyone, "/v1/sessions", "Sessions");
        self.writes::<EndSession, SessionView>(By::Anyone, "/v1/sessions/{id}/end", "End one");
        self.writes::<WatchReport, Nothing>(
            By::OnHost,
            "/v1/watch",
            "What of people runs on that no session carries",
        );
        self.writes::<DoctorReport, Nothing>(By::OnHost, "/v1/doctor", "What is wrong around the daemon");
        self.reads::<Monitored>(By::OnHost, "/v1/monitor", "What `mode=monitor` let in");
        self.writes::<Nothing, access::Time>(
            By::OnHost,
            "/v1/clock/accept",
            "Say that the wall clock is right",
        );
        self.reads::<PolicyView>(By::Anyone, "/v1/policy", "The policy in force");
        self.writes::<NewPolicy, AppliedPolicy>(By::Anyone, "/v1/policy", "Put one in force");
        self.writes::<AskExplain, workflow::Explained>(
            By::Anyone,
            "/v1/policy/explain",
            "What it makes of an ask",
        );
        self.writes::<NewPolicy, Foreseen>(
            By::Anyone,
            "/v1/policy/foresee",
            "What putting one in force would end",
        );
        self.writes::<NewReplay, Replayed>(
            By::Anyone,
            "/v1/policy/replay",
            "What another would have made of the past",
        );
        self.asks::<AskJournal, Vec<JournalRow>>(By::Anyone, "/v1/journal", "Records");
    }

    fn hubs(&mut self) {
        self.asks::<AskTokens, Vec<TokenView>>(By::OnHub, "/v1/tokens", "Tokens");
        self.writes::<NewToken, MadeToken>(
            By::OnHub,
            "/v1/tokens",
            "Make one, whose secret is told this once",
        );
        self.writes::<Nothing, Token>(By::OnHub, "/v1/tokens/{id}/revoke", "Take one back");
        self.writes::<NewLink, MadeLink>(
            By::OnHub,
            "/v1/links",
            "A link that signs in to the pages once, told this once",
        );
        self.writes::<NewLogin, AskedLogin>(By::Stranger, "/v1/login", "Ask to be let in without a browser");
        self.writes::<TakeLogin, TakenLogin>(By::Stranger, "/v1/login/token", "Take the token, this once");
        self.reads::<Vec<Roles>>(By::OnHub, "/v1/roles", "Who has which role");
        self.writes::<Roles, Roles>(By::OnHub, "/v1/roles", "Give somebody these roles and no others");
        self.reads::<Vec<HostView>>(By::OnHub, "/v1/fleet", "Hosts");
        self.reads::<Heard>(By::OnHub, "/v1/grants/{id}/hosts", "Which hosts go by it as it is");
        self.reads::<String>(By::OnHub, "/metrics", "Counts of the hub, for Prometheus");
        self.reads::<String>(By::Stranger, "/healthz", "Whether the hub lives");
        self.reads::<String>(By::Stranger, "/readyz", "Whether it works; 503 where it does not");
        self.reads::<Map<String, Value>>(By::Stranger, "/v1/openapi.json", "This document");
        self.writes::<NewHostToken, HostToken>(By::OnHub, "/v1/fleet/token", "A token that lets hosts in");
        self.writes::<NewLabels, HostView>(
            By::OnHub,
            "/v1/fleet/{host}/labels",
            "Give a host these labels and no others",
        );
        self.writes::<Nothing, Removed>(By::OnHub, "/v1/fleet/{host}/remove", "Take a host away");
    }

    fn hosts(&mut self) {
        self.reads::<sync::SignedAuthority>(By::Stranger, "/v1/authority", "Which certificates to believe");
        self.writes::<Join, HostView>(By::Stranger, "/v1/hosts", "Join");
        let about = "What the root signs of the host, for it to keep";
        self.reads::<sync::SignedMembership>(By::Host, "/v1/hosts/{host}/membership", about);
        let about = "Be known again by that, where the hub's database was put back";
        self.writes::<sync::SignedMembership, CameBack>(By::Stranger, "/v1/hosts/{host}/return", about);
        self.writes::<Nothing, Nonced>(
            By::Stranger,
            "/v1/hosts/{host}/nonce",
            "What to sign the next call with",
        );
        self.writes::<HostState, StateHeard>(By::Host, "/v1/hosts/{host}/state", "How it stands");
        self.writes::<AskFeed, String>(By::Host, "/v1/hosts/{host}/feed", "Listen");
        let about = "The same once; 304 where that is what `If-None-Match` names";
        self.reads::<String>(By::Host, "/v1/hosts/{host}/feed", about);
        self.writes::<Known, TakenBack>(By::Host, "/v1/hosts/{host}/known", "Give back what the hub lost");
        self.writes::<HostAsk, HostAnswer>(By::Host, "/v1/hosts/{host}/asks", "Ask for somebody there");
        self.writes::<HostCall, ToACall>(By::Host, "/v1/hosts/{host}/calls", "Call for somebody there");
        self.writes::<JournalPart, JournalHas>(By::Host, "/v1/hosts/{host}/journal", "Records of the host");
        self.writes::<OpenSessions, Nothing>(
            By::Host,
            "/v1/hosts/{host}/sessions",
            "Which sessions are open",
        );
    }

    fn reads<A: JsonSchema>(&mut self, by: By, path: &str, about: &str) {
        let answers = self.types.subschema_for::<A>();
        self.put("get", path, by, about, Vec::new(), None, &answers);
    }

    fn asks<Q: JsonSchema, A: JsonSchema>(&mut self, by: By, path: &str, about: &str) {
        let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let query = settings.into_generator().into_root_schema_for::<Q>();
        let required = query.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        let fields = query.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        let field = |(name, schema): (String, Value)| {
            let required = required.iter().any(|required| *required == name);
            json!({ "name": name, "in": "query", "required": required, "schema": plain(schema) })
        };
        let answers = self.types.subschema_for::<A>();
        self.put("get", path, by, about, fields.into_iter().map(field).collect(), None, &answers);
    }

    fn writes<B: JsonSchema, A: JsonSchema>(&mut self, by: By, path: &str, about: &str) {
        let (says, answers) = (self.types.subschema_for::<B>(), self.types.subschema_for::<A>());
        let key = KEYED.contains(&path).then(|| json!({ "$ref": "#/components/parameters/Key" }));
        self.put("post", path, by, about, key.into_iter().collect(), Some(&says), &answers);
    }

    #[allow(clippy::too_many_arguments)] // all that a call is
    fn put(
        &mut self,
        method: &str,
        path: &str,
        by: By,
        about: &str,
        mut parameters: Vec<Value>,
        says: Option<&Schema>,
        answers: &Schema,
    ) {
        for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            parameters.push(
                json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }),
            );
        }
        let media = match path {
            _ if path.ends_with("/feed") => "text/event-stream",
            "/metrics" | "/healthz" | "/readyz" => "text/plain",
            _ => "application/json",
        };
        let mut call = json!({
            "operationId": format!("{method}_{}", name_of(path)),
            "summary": about,
            "tags": by.tags(),
            "security": by.security(),
            "parameters": parameters,
            "responses": {
                "200": { "description": "It was done.", "content": { (media): { "schema": answers } } },
                "default": { "$ref": "#/components/responses/Problem" }
            }
        });
        if let (Some(says), Some(call)) = (says, call.as_object_mut()) {
            let mut said = json!({ "schema": says });
            let example = EXAMPLES
                .iter()
                .find(|(of, _)| *of == path)
                .and_then(|(_, text)| serde_json::from_str(text).ok());
            if let (Some(example), Some(said)) = (example, said.as_object_mut()) {
                said.insert("example".to_owned(), example);
            }
            // Hosts ask for a nonce with no word.
            let required = !path.ends_with("/nonce");
            let body = json!({ "required": required, "content": { "application/json": said } });
            call.insert("requestBody".to_owned(), body);
        }
        let calls = self.paths.entry(path).or_insert_with(|| json!({}));
        if let Some(calls) = calls.as_object_mut() {
            calls.insert(method.to_owned(), call);
        }
    }
}

/// Types as makers of clients go by them: of words there is one list, and what is within one of several forms has a name.
fn plain_types(schemas: Map<String, Value>) -> Map<String, Value> {
    let mut all = Map::new();
    for (name, mut schema) in schemas {
        list_words(&mut schema);
        let forms = schema.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten();
        let fields = forms.filter_map(|form| form.get_mut("properties")?.as_object_mut()).flatten();
        for (field, inner) in fields.filter(|(_, inner)| inner.get("properties").is_some()) {
            let (first, rest) = field.split_at(1);
            let own = format!("{name}{}{rest}", first.to_uppercase());
            let named = json!({ "$ref": format!("#/components/schemas/{own}") });
            all.insert(own, std::mem::replace(inner, named));
        }
        all.insert(name, schema);
    }
    all
}

/// Words that are forms of a type, each by itself, become one form, and what each means a line of what is said of that.
fn list_words(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    let Some(Value::Array(forms)) = fields.remove("oneOf") else { return };
    let (words, mut forms): (Vec<_>, Vec<_>) =
        forms.into_iter().partition(|form| form.get("const").is_some());
    let means = |form: &Value| {
        let means = form.get("description").and_then(Value::as_str).unwrap_or_default();
        format!("\n- `{}`: {means}", form["const"].as_str().unwrap_or_default())
    };
    let lines: String = words.iter().map(means).collect();
    let words: Vec<&Value> = words.iter().filter_map(|form| form.get("const")).collect();
    let list = json!({ "type": "string", "enum": words });
    if forms.is_empty() {
        fields.extend(list.as_object().cloned().unwrap_or_default());
    } else {
        if !words.is_empty() {
            forms.insert(0, list);
        }
        fields.insert("oneOf".to_owned(), json!(forms));
    }
    if let Some(Value::String(about)) = fields.get_mut("description") {
        about.push_str(&lines);
    }
}

/// The schema of something in a query, which is a word or is not there: never null, and no choice of schemas.
fn plain(mut schema: Value) -> Value {
    let is_null = |of: &Value| of.get("type").is_some_and(|kind| kind == "null");
    let chosen = list_of(&schema, "anyOf").and_then(|any| any.iter().find(|of| !is_null(of))).cloned();
    if let (Some(chosen), Some(fields)) = (chosen.as_ref().and_then(Value::as_object), schema.as_object_mut())
    {
        fields.remove("anyOf");
        fields.extend(chosen.clone());
    }
    let kind = list_of(&schema, "type").and_then(|kinds| kinds.iter().find(|kind| **kind != "null")).cloned();
    let words: Option<Vec<Value>> =
        list_of(&schema, "oneOf").and_then(|one| one.iter().map(|of| of.get("const").cloned()).collect());
    if let Some(fields) = schema.as_object_mut() {
        fields.extend(kind.map(|kind| ("type".to_owned(), kind)));
        if let Some(words) = words {
            fields.remove("oneOf");
            fields.extend([("type".to_owned(), json!("string")), ("enum".to_owned(), json!(words))]);
        }
    }
    schema
}

fn list_of<'a>(schema: &'a Value, key: &str) -> Option<&'a Vec<Value>> {
    schema.get(key).and_then(Value::as_array)
}

/// What a program may call a call: its path in words.
fn name_of(path: &str) -> String {
    let words = path.trim_start_matches("/v1").split(|letter: char| !letter.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_")
}
