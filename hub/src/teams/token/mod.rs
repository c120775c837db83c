//! Who sends what comes in: the token on every call, looked at as Microsoft asks for
//! (Bot Framework, "Authenticate requests from the Bot Connector service to your bot").
//!
//! None of it can be switched off: what tests send is signed by a key of theirs, which the address of the metadata says.

mod keys;

pub use keys::Keys;

use super::activity::Activity;
use super::limits;
use super::settings::Settings;
use access::Time;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use keys::Key;
use serde::Deserialize;

/// Who Microsoft says it is.
const ISSUER: &str = "https://api.botframework.com";

/// What a token must be for.
const CHANNEL: &str = "msteams";

/// Why what came in is not believed, for the log and for who sent it: nothing of it is a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unbelieved {
    /// No `Authorization: Bearer`.
    #[error("no token was shown")]
    NoToken,
    /// Not to be read.
    #[error("the token is none: {0}")]
    Garbled(String),
    /// Another way to sign.
    #[error("the token is not signed by RS256")]
    Algorithm,
    /// A key that nobody says is Microsoft's.
    #[error("the token is signed by a key that {0} does not name")]
    UnknownKey(String),
    /// The keys are not to be had.
    #[error("{0}")]
    NoKeys(String),
    /// Its signature is not of that key.
    #[error("the signature is not of the key that the token names")]
    Signature,
    /// For another bot.
    #[error("the token is for another bot than teams.app_id")]
    Audience,
    /// By somebody else.
    #[error("the token is not issued by {ISSUER}")]
    Issuer,
    /// Over, or not good yet.
    #[error("the token is {0}, by more than {skew} s: is the clock of this machine right?", skew = limits::SKEW_S)]
    Time(&'static str),
    /// Its key is for other channels.
    #[error("the key that signed it is not endorsed for {CHANNEL}")]
    Endorsement,
    /// Not an activity.
    #[error("what came with the token is no activity: {0}")]
    NoActivity(String),
    /// From another channel.
    #[error("it is of channel {0:?} and not of {CHANNEL}")]
    Channel(String),
    /// The token is for another address to answer to.
    #[error("the token is for another serviceUrl than the activity says")]
    ServiceUrl,
    /// An address that is not to be answered to.
    #[error("its serviceUrl is not on a host of teams.service_hosts")]
    ServiceHost,
    /// Of somebody else's tenant.
    #[error("it is of another tenant than teams.tenant")]
    Tenant,
}

/// What is read of a token, beside what the library looks at.
#[derive(Deserialize)]
struct Claims {
    exp: i64,
    nbf: i64,
    #[serde(default)]
    serviceurl: Option<String>,
    #[serde(default, rename = "serviceUrl")]
    service_url: Option<String>,
}

/// The activity that was sent, if all is as it must be.
pub async fn believed(
    settings: &Settings,
    keys: &Keys,
    shown: Option<&str>,
    body: &[u8],
    now: Time,
) -> Result<Activity, Unbelieved> {
    let token = bearer(shown)?;
    let header = decode_header(token).map_err(|why| Unbelieved::Garbled(why.to_string()))?;
    if header.alg != Algorithm::RS256 {
        return Err(Unbelieved::Algorithm);
    }
    let kid = header.kid.ok_or_else(|| Unbelieved::Garbled("it names no key".to_owned()))?;
    let key = keys.find(&kid).await?;
    judged(settings, &key, token, body, now)
}

fn bearer(shown: Option<&str>) -> Result<&str, Unbelieved> {
    let (scheme, token) = shown.and_then(|shown| shown.split_once(' ')).ok_or(Unbelieved::NoToken)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(Unbelieved::NoToken);
    }
    if token.len() > limits::TOKEN {
        return Err(Unbelieved::Garbled("it is too long".to_owned()));
    }
    Ok(token)
}

/// All that a token and what came with it must be, given the key that it names.
fn judged(
    settings: &Settings,
    key: &Key,
    token: &str,
    body: &[u8],
    now: Time,
) -> Result<Activity, Unbelieved> {
    let claims = signed(settings, key, token)?;
    in_time(&claims, now)?;
    if !key.endorsements.iter().any(|channel| channel == CHANNEL) {
        return Err(Unbelieved::Endorsement);
    }
    let activity: Activity =
        serde_json::from_slice(body).map_err(|why| Unbelieved::NoActivity(why.to_string()))?;
    if activity.channel_id != CHANNEL {
        return Err(Unbelieved::Channel(activity.channel_id));
    }
    let said = claims.serviceurl.or(claims.service_url);
    if activity.service_url.is_empty() || said.as_deref() != Some(activity.service_url.as_str()) {
        return Err(Unbelieved::ServiceUrl);
    }
    if !settings.serves(&activity.service_url) {
        return Err(Unbelieved::ServiceHost);
    }
    if !activity.tenant().is_some_and(|tenant| tenant.eq_ignore_ascii_case(&settings.tenant)) {
        return Err(Unbelieved::Tenant);
    }
    Ok(activity)
}

fn in_time(claims: &Claims, now: Time) -> Result<(), Unbelieved> {
    let now = now.timestamp();
    if claims.exp.saturating_add(limits::SKEW_S) < now {
        return Err(Unbelieved::Time("over"));
    }
    if claims.nbf.saturating_sub(limits::SKEW_S) > now {
        return Err(Unbelieved::Time("not good yet"));
    }
    Ok(())
}

/// The claims, if they are signed by this key for this bot. Times are looked at by the caller, who knows the time.
fn signed(settings: &Settings, key: &Key, token: &str) -> Result<Claims, Unbelieved> {
    use jsonwebtoken::errors::ErrorKind;
    let mut wanted = Validation::new(Algorithm::RS256);
    wanted.set_audience(&[&settings.app_id]);
    wanted.set_issuer(&[ISSUER]);
    wanted.set_required_spec_claims(&["aud", "exp", "iss", "nbf"]);
    wanted.validate_exp = false;
    wanted.validate_nbf = false;
    match decode::<Claims>(token, &key.decoding, &wanted) {
        Ok(token) => Ok(token.claims),
        Err(why) => Err(match why.kind() {
            ErrorKind::InvalidSignature => Unbelieved::Signature,
            ErrorKind::InvalidAudience => Unbelieved::Audience,
            ErrorKind::InvalidIssuer => Unbelieved::Issuer,
            ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => Unbelieved::Algorithm,
            _ => Unbelieved::Garbled(why.to_string()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::DecodingKey;
    use proptest::prelude::*;

    fn settings() -> Settings {
        let id = "11111111-2222-3333-4444-555555555555";
        toml::from_str(&format!("tenant = \"{id}\"\napp_id = \"{id}\"\nsecret = \"/s\"")).unwrap()
    }

    #[test]
    fn a_head_without_a_token_is_no_token() {
        for shown in [None, Some(""), Some("Bearer"), Some("Bearer "), Some("Basic abc")] {
            assert_eq!(bearer(shown), Err(Unbelieved::NoToken), "{shown:?}");
        }
        assert_eq!(bearer(Some("bearer a.b.c")), Ok("a.b.c"));
        let long = format!("Bearer {}", "a".repeat(limits::TOKEN + 1));
        assert!(matches!(bearer(Some(&long)), Err(Unbelieved::Garbled(_))));
    }

    #[test]
    fn clocks_may_differ_by_five_minutes_and_no_second_more() {
        let is = |exp, nbf| {
            let claims = Claims { exp, nbf, serviceurl: None, service_url: None };
            in_time(&claims, Time::from_timestamp(1_800_000_000, 0).unwrap())
        };
        assert_eq!(is(1_799_999_700, 0), Ok(()));
        assert_eq!(is(1_799_999_699, 0), Err(Unbelieved::Time("over")));
        assert_eq!(is(1_800_000_001, 1_800_000_300), Ok(()));
        assert_eq!(is(1_800_000_001, 1_800_000_301), Err(Unbelieved::Time("not good yet")));
        assert!(is(i64::MAX, i64::MIN).is_ok() && is(i64::MIN, i64::MAX).is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_shown_and_sent_is_refused_and_stops_nothing(token in "[A-Za-z0-9_.=-]{0,200}", body in ".{0,80}") {
            let key = Key { decoding: DecodingKey::from_rsa_raw_components(&[0xc3; 256], &[1, 0, 1]), endorsements: vec![CHANNEL.to_owned()] };
            prop_assert!(judged(&settings(), &key, &token, body.as_bytes(), Time::UNIX_EPOCH).is_err());
            let _ = decode_header(&token);
        }
    }
}
