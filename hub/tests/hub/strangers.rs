//! Who is not known, and what anybody may ask.

use crate::room::{Hub, until};
use api::{ProblemCode, Scope};

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or(answer)
}

#[test]
fn a_token_that_is_none_or_over_or_revoked_opens_nothing_and_the_answer_says_what_to_do() {
    let hub = Hub::new();
    let short = hub.token("alice", &[Scope::Read], "1s");
    let revoked = hub.token("alice", &[Scope::Read], "1d");
    hub.client(&hub.admin).revoke_token(&revoked.token.id.to_string()).unwrap();
    until("it is over", || hub.client(&short.secret).status().is_err());
    let unknown = format!("jit_{}", "A".repeat(43));
    for (heads, why) in [
        (String::new(), "no token was shown"),
        ("authorization: Basic YTpi\r\n".to_owned(), "what was shown is no token of a hub"),
        (format!("authorization: Bearer {unknown}\r\n"), "the token that was shown is unknown here"),
        (format!("authorization: Bearer {}\r\n", short.secret), "of alice is over"),
        (format!("authorization: Bearer {}\r\n", revoked.secret), "of alice was revoked"),
    ] {
        let answer = hub.raw("GET /v1/status", &heads, "");
        assert_eq!(status(&answer), "401", "{answer}");
        assert!(answer.contains("content-type: application/problem+json"), "{answer}");
        assert!(answer.contains(why) && answer.contains("get a token from an administrator"), "{answer}");
    }
}

#[test]
fn who_tries_again_and_again_is_told_to_wait_and_shuts_nobody_else_out() {
    let hub = Hub::new();
    let tries: Vec<String> = (0..12).map(|_| status(&hub.raw("GET /v1/status", "", "")).to_owned()).collect();
    assert_eq!(tries.iter().filter(|status| *status == "401").count(), 10, "{tries:?}");
    assert_eq!(&tries[10..], ["429", "429"]);
    assert!(hub.client(&hub.admin).status().is_ok(), "a good token from the same address");
}

#[test]
fn anybody_may_ask_whether_it_lives_and_who_sees_everything_what_it_counts() {
    let hub = Hub::new();
    assert!(hub.raw("GET /healthz", "", "").ends_with("alive\n"));
    assert!(hub.raw("GET /readyz", "", "").ends_with("ready\n"));
    assert_eq!(status(&hub.raw("GET /metrics", "", "")), "401");
    let bearer = |token: &str| format!("authorization: bearer {token}\r\n");
    let auditor = hub.raw("GET /metrics", &bearer(&hub.admin), "");
    assert!(auditor.contains("\njit_hub_calls_total{status=\"4xx\"} 1\n"), "{auditor}");
    let alice = hub.token("alice", &Scope::ALL, "1d");
    assert_eq!(status(&hub.raw("GET /metrics", &bearer(&alice.secret), "")), "403");
    assert_eq!(status(&hub.raw("GET /v1/nonsense", &bearer(&hub.admin), "")), "404");
}

#[test]
fn a_hub_that_cannot_write_says_so_and_says_when_it_can_again() {
    let hub = Hub::new();
    let other = rusqlite::Connection::open(hub.path("state/hub.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = hub.client(&hub.admin).revoke_token(
        &hub.client(&hub.admin).tokens(&api::AskTokens::default()).unwrap()[0].token.id.to_string(),
    );
    let Err(api::ClientError::Refused(problem)) = refused else { panic!("{refused:?}") };
    assert_eq!(problem.code, ProblemCode::Unavailable);
    let not_ready = hub.raw("GET /readyz", "", "");
    assert!(status(&not_ready) == "503" && not_ready.ends_with("\r\n\r\nnot ready\n"), "{not_ready}");
    hub.logs("calls of who is not known cannot be answered: \"");
    assert_eq!(status(&hub.raw("GET /healthz", "", "")), "200", "it lives");
    other.execute_batch("ROLLBACK").unwrap();
    until("it is ready again", || status(&hub.raw("GET /readyz", "", "")) == "200");
}

#[test]
fn who_is_not_known_hears_that_something_does_not_work_and_the_log_what() {
    let hub = Hub::new();
    hub.sql("ALTER TABLE token RENAME TO secret_place");
    let bearer = format!("authorization: Bearer {}\r\n", hub.admin);
    let cookie = format!("cookie: __Host-jit=jitb_{}\r\n", "A".repeat(43));
    let body = format!("{{\"secret\":\"jitd_{}\"}}", "A".repeat(43));
    hub.sql("ALTER TABLE login RENAME TO other_place");
    for (call, heads, body) in
        [("GET /v1/status", &*bearer, ""), ("GET /web", &*cookie, ""), ("POST /v1/login/token", "", &*body)]
    {
        let answer = hub.raw(call, heads, body);
        assert_eq!(status(&answer), "503", "{answer}");
        assert!(answer.contains("this hub cannot answer now") && !answer.contains("such table"), "{answer}");
    }
    hub.logs("calls of who is not known cannot be answered: \"");
    hub.logs("no such table");
    assert_eq!(hub.logged("calls of who is not known cannot be answered"), 1, "once in a minute");
}
