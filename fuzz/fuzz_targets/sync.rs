#![no_main]
//! No message makes a host panic, and none is believed that the root did not sign.

use access::HostName;
use sync::{Digest, HubId, LocalTime, State, Token, apply};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (Ok(name), Some(now)) =
        (HostName::parse("web-1"), chrono::DateTime::from_timestamp(1_800_000_000, 0))
    else {
        return;
    };
    let state = State::new(HubId::new(name.clone()), Digest::of(b"nobody's root"), name);
    assert!(apply(&state, bytes, LocalTime { own: now, latest: now }).is_err());
    if let Ok(token) = str::from_utf8(bytes).map_err(drop).and_then(|text| Token::parse(text).map_err(drop)) {
        assert!(Token::parse(&token.reveal()).is_ok_and(|again| again == token));
    }
});
