//! What says that a call came from Slack: an HMAC-SHA256 of its time and its body, with the app's signing secret
//! (docs.slack.dev, "Verifying requests from Slack"). Nothing switches it off.

use crate::chats::limits::BELIEVED;
use access::Time;
use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The secret that the app and Slack have in common.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// One as Slack shows it.
    pub const fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The signature of a call, if it is by this secret and of now: the same words for the same call, however its hex is
    /// written.
    pub fn verified(&self, headers: &HeaderMap, body: &[u8], now: Time) -> Result<String, String> {
        let head = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let shown = head("x-slack-signature").ok_or("it shows no signature")?;
        let stamp = head("x-slack-request-timestamp").ok_or("it does not say when it was sent")?;
        let sent: i64 = stamp.parse().map_err(|_| format!("its time {stamp:?} is none"))?;
        if (i128::from(now.timestamp()) - i128::from(sent)).abs() > i128::from(BELIEVED.num_seconds()) {
            return Err("it was sent more than five minutes from now: is the clock right?".to_owned());
        }
        let hex = shown.strip_prefix("v0=").ok_or("its signature is of another version than v0")?;
        let signed = bytes(hex).ok_or("its signature is no hex")?;
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).map_err(|why| why.to_string())?;
        mac.update(format!("v0:{stamp}:").as_bytes());
        mac.update(body);
        mac.verify_slice(&signed)
            .map_err(|_| "its signature is not by the signing secret of this app: is that in the file which hub.toml names?")?;
        Ok(format!("{stamp} {}", hex.to_ascii_lowercase()))
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Slack's own page.
    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SIGNED: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    const SENT: i64 = 1_531_420_618;

    fn heads(signed: &str, sent: &str) -> HeaderMap {
        let mut heads = HeaderMap::new();
        heads.insert("x-slack-signature", signed.parse().unwrap());
        heads.insert("x-slack-request-timestamp", sent.parse().unwrap());
        heads
    }

    #[test]
    fn the_published_example_is_believed_and_nothing_that_differs_from_it() {
        let secret = Secret::new(Zeroizing::new(SECRET.to_owned()));
        let at = |seconds| Time::from_timestamp(SENT + seconds, 0).unwrap();
        let sent = SENT.to_string();
        for seconds in [-300, 0, 300] {
            secret.verified(&heads(SIGNED, &sent), BODY.as_bytes(), at(seconds)).unwrap();
        }
        let of = |signed: &str| secret.verified(&heads(signed, &sent), BODY.as_bytes(), at(0)).unwrap();
        assert_eq!(of(SIGNED), of(&format!("v0={}", SIGNED[3..].to_uppercase())), "it counts once");
        let other = SIGNED.replace("a211", "a212");
        for (heads, body, seconds, why) in [
            (heads(&other, &sent), BODY, 0, "not by the signing secret"),
            (heads(SIGNED, &(SENT + 1).to_string()), BODY, 0, "not by the signing secret"),
            (heads(SIGNED, &sent), &BODY[1..], 0, "not by the signing secret"),
            (heads(&SIGNED[..20], &sent), BODY, 0, "no hex"),
            (heads("v0=", &sent), BODY, 0, "not by the signing secret"),
            (heads("v1=a2", &sent), BODY, 0, "another version"),
            (heads(SIGNED, "now"), BODY, 0, "is none"),
            (heads(SIGNED, &i64::MIN.to_string()), BODY, 0, "five minutes"),
            (heads(SIGNED, &sent), BODY, 301, "five minutes"),
            (heads(SIGNED, &sent), BODY, -301, "five minutes"),
            (HeaderMap::new(), BODY, 0, "no signature"),
        ] {
            let said = secret.verified(&heads, body.as_bytes(), at(seconds)).unwrap_err();
            assert!(said.contains(why), "{why}: {said}");
        }
        let another = Secret::new(Zeroizing::new(SECRET.replace("8f", "8e")));
        assert!(another.verified(&heads(SIGNED, &sent), BODY.as_bytes(), at(0)).is_err());
    }
}
