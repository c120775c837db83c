//! The two files that pages use.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

/// `style.css`
pub async fn style(headers: HeaderMap) -> Response {
    file(&headers, "text/css; charset=utf-8", include_str!("style.css"))
}

/// `live.js`, without which pages work, and stay as they were.
pub async fn live(headers: HeaderMap) -> Response {
    file(&headers, "text/javascript; charset=utf-8", include_str!("live.js"))
}

/// A file, or nothing where the browser has it.
fn file(headers: &HeaderMap, media: &'static str, text: &'static str) -> Response {
    let tag = format!("\"{}\"", workflow::hex(&Sha256::digest(text)));
    let has = headers.get(header::IF_NONE_MATCH).is_some_and(|has| has.as_bytes() == tag.as_bytes());
    let heads = [
        (header::CONTENT_TYPE, media.to_owned()),
        (header::ETAG, tag),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    if has { (StatusCode::NOT_MODIFIED, heads).into_response() } else { (heads, text).into_response() }
}
