//! The client that calls Microsoft.

use super::limits;
use crate::certificate::provider;
use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;

/// It.
pub type Http = reqwest::Client;

/// A client that believes the authorities that this machine trusts, and follows nobody elsewhere.
pub fn client() -> Result<Http, String> {
    let mut roots = rustls::RootCertStore::empty();
    // What cannot be read of them is missed where a certificate is not believed.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|why| format!("setting up TLS: {why}"))?
        .with_root_certificates(Arc::new(roots))
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(limits::CONNECT)
        .timeout(limits::CALL)
        .user_agent(concat!("jit-hub/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|why| format!("setting up the client that calls Microsoft: {}", chain(&why)))
}

/// The body of an answer, if it is of a size that one can have.
pub async fn body(mut answer: reqwest::Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(|why| chain(&why))? {
        if body.len() + part.len() > limits::ANSWER {
            return Err(format!("the answer has more than {} bytes", limits::ANSWER));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// What went wrong, with what that came of. Without the address, which can be a secret.
pub fn chain(why: &reqwest::Error) -> String {
    let mut said = match (why.is_timeout(), why.is_connect()) {
        (true, _) => "no answer in time".to_owned(),
        (_, true) => "no connection".to_owned(),
        _ => "the call failed".to_owned(),
    };
    let mut source = why.source();
    while let Some(why) = source {
        let _ = write!(said, ": {why}");
        source = why.source();
    }
    said
}
