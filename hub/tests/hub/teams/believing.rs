//! What is believed of what comes in: each way in which it can be wrong is one test, and Microsoft's own validation is asked
//! about each.

use super::double::{Account, Double, hub_of};
use crate::room::{Hub, PEOPLE, POLICY};
use serde_json::{Value, json};

/// What comes with this token and is this activity is refused with these words, where the good one is taken.
fn refused(signed: &Value, more: &Value, words: &str, microsoft: &str) -> (Hub, Double) {
    let (hub, double) = hub_of(POLICY, PEOPLE);
    double.asks("place", &json!({"id": "a:bob", "type": "personal"}));
    let sent = |signed: &Value, more: &Value| {
        let mut all = json!({"type": "installationUpdate", "action": "add"});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        double.asks("send", &json!({"conversation": "a:bob", "from": Account::named("bob").of(), "more": all, "signed": signed}))
    };
    let good = sent(&json!({}), &json!({}));
    assert_eq!((&good["status"], &good["microsoft"]), (&json!(200), &json!("believed")), "{good}");
    let bad = sent(signed, more);
    assert_eq!(bad["status"], 403, "{bad}");
    assert!(bad["body"]["detail"].as_str().unwrap().contains(words), "{bad}");
    assert!(bad["microsoft"].as_str().unwrap().starts_with(microsoft), "{bad}");
    hub.logs("what came from Teams is not believed");
    (hub, double)
}

#[test]
fn a_token_for_another_bot_is_refused() {
    refused(
        &json!({"claims": {"aud": "00000000-0000-0000-0000-000000000000"}}),
        &json!({}),
        "for another bot",
        "refused",
    );
}

#[test]
fn a_token_of_another_issuer_is_refused() {
    refused(
        &json!({"claims": {"iss": "https://sts.windows.net/x/"}}),
        &json!({}),
        "not issued by",
        "refused",
    );
}

#[test]
fn a_token_that_is_not_signed_is_refused() {
    refused(&json!({"head": {"alg": "none"}}), &json!({}), "the token is none", "refused");
}

#[test]
fn a_token_signed_with_the_public_key_as_a_shared_secret_is_refused() {
    refused(
        &json!({"head": {"alg": "HS256"}, "secretOf": "main"}),
        &json!({}),
        "not signed by RS256",
        "refused",
    );
}

#[test]
fn a_token_that_is_over_by_more_than_five_minutes_is_refused() {
    refused(&json!({"fromNow": {"exp": -301}}), &json!({}), "the token is over", "refused");
}

#[test]
fn a_token_that_is_not_good_yet_is_refused() {
    refused(&json!({"fromNow": {"nbf": 86_400, "exp": 90_000}}), &json!({}), "not good yet", "refused");
}

#[test]
fn a_token_without_times_is_refused() {
    refused(&json!({"claims": {"exp": null}}), &json!({}), "the token is none", "");
}

#[test]
fn a_token_of_an_unknown_key_is_refused_and_has_keys_read_once_more_and_not_again() {
    let stranger = json!({"key": "stranger"});
    let (hub, double) = refused(&stranger, &json!({}), "does not name", "refused");
    // The hub's own looks end where the count stands; Microsoft's validation here makes looks of its own.
    let looks = |double: &Double| double.asks("state", &json!({}))["calls"].as_array().unwrap().len();
    assert_eq!(looks(&double), 0, "nothing was sent to anybody");
    let before = double.asks("state", &json!({}))["seen"]["openid"].as_u64().unwrap();
    for _ in 0..3 {
        let heads = format!("content-type: application/json\r\nauthorization: Bearer {}\r\n", unknown_kid());
        let answer = hub.raw("POST /teams/messages", &heads, "{}");
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("does not name"), "{answer}");
    }
    assert_eq!(
        double.asks("state", &json!({}))["seen"]["openid"].as_u64().unwrap(),
        before,
        "within a minute no more"
    );
}

/// A token with a head that names a key of nobody's.
fn unknown_kid() -> String {
    use base64::Engine as _;
    let coded = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", coded("{\"alg\":\"RS256\",\"kid\":\"nobody\"}"), coded("{}"), coded("x"))
}

#[test]
fn a_key_that_microsoft_began_to_use_is_learned_of_at_its_first_token() {
    let (_hub, double) = hub_of(POLICY, PEOPLE);
    double.asks("place", &json!({"id": "a:bob", "type": "personal"}));
    let sent = |key: &str| {
        let more = json!({"type": "installationUpdate", "action": "add"});
        double.asks("send", &json!({"conversation": "a:bob", "from": Account::named("bob").of(), "more": more, "signed": {"key": key}}))
    };
    assert_eq!(sent("main")["status"], 200);
    double.asks("publish", &json!({"kid": "stranger"}));
    assert_eq!(sent("stranger")["status"], 200);
}

#[test]
fn a_token_that_says_another_key_than_signed_it_is_refused() {
    refused(&json!({"key": "other", "head": {"kid": "main"}}), &json!({}), "the signature is not", "refused");
}

#[test]
fn a_key_that_is_not_endorsed_for_teams_is_refused() {
    refused(&json!({"key": "other"}), &json!({}), "not endorsed", "refused");
}

#[test]
fn a_token_for_another_service_url_is_refused() {
    refused(
        &json!({"claims": {"serviceurl": "https://smba.trafficmanager.net/emea/"}}),
        &json!({}),
        "another serviceUrl",
        "refused",
    );
}

#[test]
fn a_service_url_on_a_host_that_is_not_listed_is_refused() {
    let evil = "https://evil.example/emea/";
    // Microsoft's own validation leaves that to the bot.
    refused(
        &json!({"claims": {"serviceurl": evil}}),
        &json!({"serviceUrl": evil}),
        "teams.service_hosts",
        "believed",
    );
}

#[test]
fn another_tenant_is_refused() {
    let other = json!({"tenant": {"id": "99999999-2222-3333-4444-555555555555"}});
    let more = json!({"channelData": other, "conversation": {"id": "a:bob", "conversationType": "personal"}});
    refused(&json!({}), &more, "another tenant", "believed");
}

#[test]
fn what_is_of_another_channel_is_refused() {
    refused(&json!({}), &json!({"channelId": "webchat"}), "of channel", "");
}

#[test]
fn what_shows_no_token_is_refused_and_what_is_too_large_is_not_read() {
    let (hub, _double) = hub_of(POLICY, PEOPLE);
    let answer = hub.raw("POST /teams/messages", "content-type: application/json\r\n", "{}");
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("no token was shown"), "{answer}");
    let large = "x".repeat(300 * 1024);
    let answer = hub.raw("POST /teams/messages", "content-type: application/json\r\n", &large);
    assert!(answer.starts_with("HTTP/1.1 413"), "{}", answer.get(..200).unwrap_or(&answer));
    assert!(hub.raw("GET /teams/messages", "", "").starts_with("HTTP/1.1 405"));
}

#[test]
fn a_hub_without_a_bot_says_so_and_believes_nobody() {
    let hub = Hub::with_policy();
    let answer = hub.raw("POST /teams/messages", "content-type: application/json\r\n", "{}");
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("no bot"), "{answer}");
}
