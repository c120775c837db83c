//! Calls to others: https, no redirects, no proxies of the environment, bounded answers.

use super::channel::Outcome;
use super::limits;
use reqwest::{StatusCode, Url, redirect};
use std::path::Path;
use std::time::Duration;

/// An address that may be called: https, or of this machine.
pub fn address(text: &str) -> Result<Url, String> {
    let url =
        Url::parse(text).map_err(|why| format!("{text:?} is no address ({why}): write https://host/path"))?;
    let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" if url.host_str().is_some() => Ok(url),
        "http" if local => Ok(url),
        _ => Err(format!(
            "{text:?} is not https, so anybody between could read and change it: write https://host/path"
        )),
    }
}

/// What is wrong with an address of an Office 365 connector.
pub const CONNECTOR: &str = "it is of an Office 365 connector, which Microsoft has switched off: in Teams, make a workflow \
     \"Send webhook alerts to a channel\", and name the file that its address is in with [[workflows]]";

/// Whether a host is this one, or below it.
pub fn is_under(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// A client that believes those whom this machine trusts, or with `ca` that authority alone.
pub fn client(ca: Option<&Path>) -> Result<reqwest::Client, String> {
    // Somebody else has installed it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("jit-hub/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .timeout(limits::TRY);
    if let Some(ca) = ca {
        let wrong =
            |why: String| format!("reading {}: {why}; name a file of certificates in PEM", ca.display());
        let pem = std::fs::read(ca).map_err(|why| wrong(why.to_string()))?;
        let trusted = reqwest::Certificate::from_pem_bundle(&pem).map_err(|why| wrong(why.to_string()))?;
        if trusted.is_empty() {
            return Err(wrong("there is no certificate in it".to_owned()));
        }
        builder = builder.tls_certs_only(trusted);
    }
    builder.build().map_err(|why| chain(&why))
}

/// What an answer means where the other side has nothing to say but yes or no.
pub async fn outcome(answer: Result<reqwest::Response, reqwest::Error>) -> Outcome {
    let answer = match answer {
        Ok(answer) => answer,
        Err(why) => return Outcome::later(chain(&why.without_url())),
    };
    let (status, after) = (answer.status(), retry_after(&answer));
    if status.is_success() {
        return Outcome::Sent { reference: None };
    }
    let why = format!("it answered {status}: {:?}", beginning(answer).await);
    if status == StatusCode::GONE {
        return Outcome::Never { why: format!("{why}; take it out of hub.toml") };
    }
    Outcome::Later { after, why }
}

/// Head `retry-after`, in seconds (RFC 9110, section 10.2.3). A date is taken for a wish without a number.
pub fn retry_after(answer: &reqwest::Response) -> Option<Duration> {
    let seconds = answer.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The whole of an answer that is not too long.
pub async fn whole(mut answer: reqwest::Response) -> Result<String, Outcome> {
    let mut bytes = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(part)) if bytes.len() + part.len() <= limits::WHOLE_ANSWER => {
                bytes.extend_from_slice(&part);
            }
            Ok(Some(_)) => return Err(Outcome::later("the answer is longer than any should be")),
            Ok(None) => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(why) => return Err(Outcome::later(chain(&why.without_url()))),
        }
    }
}

/// As much of an answer as says why.
pub async fn beginning(mut answer: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(part)) = answer.chunk().await {
        bytes.extend_from_slice(&part);
        if bytes.len() >= limits::ANSWER {
            break;
        }
    }
    bytes.truncate(limits::ERROR / 2);
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

/// An error with what is behind it.
pub fn chain(why: &dyn std::error::Error) -> String {
    let (mut text, mut next) = (why.to_string(), why.source());
    while let Some(why) = next {
        text = format!("{text}: {why}");
        next = why.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_is_called_but_on_this_machine() {
        for good in
            ["https://siem.example.org/x", "http://127.0.0.1:9/x", "http://localhost/x", "http://[::1]:9/"]
        {
            assert!(address(good).is_ok(), "{good}");
        }
        for wrong in [
            "http://siem.example.org/x",
            "siem.example.org",
            "file:///etc/passwd",
            "http://127.0.0.1.example.org/",
        ] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
