//! The bytes: as they are, as they may be changed on their way, and as anybody may make them up.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // also in the functions that tests share

mod hub;

use access::{Ended, EndedHow, Grant, Time, Window};
use hub::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use sync::*;

const FIRST: Era = era(1, 1);

fn small() -> Vec<u8> {
    message(FIRST, 7, 10, &[signed(&grant(1, 1), 1)]).to_bytes()
}

#[test]
fn the_bytes_of_a_message_never_change() {
    let text = String::from_utf8(small()).unwrap();
    assert_eq!(text, include_str!("golden_message.json").trim(), "hosts in the field would refuse it");
    let message: Message = serde_json::from_str(&text).unwrap();
    let payloads = [&message.manifest.as_ref().unwrap().envelope, &message.view, &message.bodies[0]];
    let payloads = payloads.map(|envelope| str::from_utf8(envelope.payload()).unwrap()).join("\n");
    assert_eq!(payloads, include_str!("golden_payloads.txt").trim(), "hosts in the field would refuse them");
    let manifest = serde_json::to_string(&message.manifest).unwrap();
    let mut bytes = b"data: ".to_vec();
    Message { manifest: None, ..message }.write_with(&manifest, &mut bytes);
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        format!("data: {text}"),
        "with a manifest that is JSON already"
    );
}

#[test]
fn the_bytes_of_a_state_never_change() {
    let state = apply(&enrolled(), &small(), clock(12)).unwrap().state;
    let text = serde_json::to_string(&state).unwrap();
    assert_eq!(
        text,
        include_str!("golden_state.json").trim(),
        "a host that is updated would forget what it knows"
    );
}

#[test]
fn every_bit_of_a_message_counts() {
    let bytes = small();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let taken = apply(&enrolled(), &changed, clock(12));
        assert!(taken.is_err(), "bit {bit} of {}", String::from_utf8_lossy(&changed));
    }
}

#[test]
fn every_cut_of_a_message_is_refused() {
    let bytes = small();
    for end in 0..bytes.len() {
        assert_eq!(apply(&enrolled(), &bytes[..end], clock(12)).unwrap_err().code(), "malformed");
    }
}

#[test]
fn unknown_and_duplicate_keys_are_refused_wherever_they_are() {
    let text = String::from_utf8(small()).unwrap();
    assert!(apply(&enrolled(), text.as_bytes(), clock(12)).is_ok());
    let places: Vec<usize> = text.match_indices('{').map(|(at, _)| at + 1).collect();
    assert_eq!(
        places.len(),
        9,
        "the message, the signed manifest, its roots, and three envelopes with a signature each"
    );
    for at in places {
        let first = text[at..].split_inclusive([',', '}']).next().unwrap();
        let unknown = format!("{}\"extra\":1,{}", &text[..at], &text[at..]);
        let twice = format!("{}{}{}", &text[..at], first.replace('}', ","), &text[at..]);
        for (changed, says) in [(unknown, "unknown field `extra`"), (twice, "duplicate field")] {
            let why = apply(&enrolled(), changed.as_bytes(), clock(12)).unwrap_err();
            // Where the first value is an object itself, its copy does not read at all.
            let whole = first.matches('{').count() == 0;
            assert!(
                why.code() == "malformed" && (!whole || why.to_string().contains(says)),
                "{why}: {changed}"
            );
        }
    }
}

#[test]
fn a_payload_is_read_as_strictly_though_a_good_key_signed_it() {
    let good = serde_json::to_value(view(FIRST, 7, 10, &[])).unwrap();
    let text = good.to_string();
    let sealed = |payload: &str| {
        // What a key of the hub would sign, were it another version or gone mad.
        #[derive(serde::Serialize)]
        struct Raw<'a> {
            r#type: &'a str,
            payload: String,
            sigs: [serde_json::Value; 1],
        }
        let kind = "application/vnd.jit.view.v1+json";
        let signed = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
        let (id, sig) = (key(VIEW + 1).public().id(), key(VIEW + 1).sign(signed.as_bytes()));
        let raw = Raw {
            r#type: kind,
            payload: base64(payload),
            sigs: [serde_json::json!({"key": id, "sig": sig})],
        };
        let view: Envelope = serde_json::from_value(serde_json::to_value(raw).unwrap()).unwrap();
        Message { view, ..message(FIRST, 7, 10, &[]) }
    };
    assert!(apply(&enrolled(), &sealed(&text).to_bytes(), clock(12)).is_ok());
    for bad in [
        text.replacen('{', r#"{"extra":1,"#, 1),
        text.replacen('{', r#"{"revision":7,"#, 1),
        text.replace(r#""epoch":1"#, r#""epoch":1,"epoch":1"#),
        text.replace(r#""epoch":1"#, r#""epoch":1,"extra":1"#),
        text.replace('7', "-7"),
        text.replace("web-1", "Web 1"),
        format!("{text} {{}}"),
        String::new(),
        "[".repeat(100_000),
    ] {
        assert_ne!(bad, text);
        let why = apply(&enrolled(), &sealed(&bad).to_bytes(), clock(12)).unwrap_err();
        assert!(matches!(why, Rejected::Malformed { part: Part::View, .. }), "{why}");
        assert!(why.to_string().len() < 700 && !why.to_string().contains(char::is_control), "{why}");
    }
}

fn base64(text: &str) -> String {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    BASE64_STANDARD.encode(text)
}

/// Any time that can be written.
fn times() -> impl Strategy<Value = Time> {
    let all = Time::MIN_UTC.timestamp()..=Time::MAX_UTC.timestamp();
    let near = at(-100).timestamp()..=at(4000).timestamp();
    prop_oneof![3 => near, 1 => all].prop_map(|seconds| Time::from_timestamp(seconds, 0).unwrap())
}

fn grants() -> impl Strategy<Value = Grant> {
    (0..3_u64, 0..4_u32, [times(), times(), times(), times()], any::<[bool; 2]>()).prop_map(
        |(id, version, times, is)| {
            let [not_before, expires, claim_by, when] = times;
            let length = access::Span::SHORTEST;
            let window = if is[0] {
                Window::Approval { not_before, expires }
            } else {
                Window::FirstUse { not_before, claim_by, length, latest_end: expires }
            };
            let ended = is[1].then_some(Ended { how: EndedHow::Released, at: when, by: None, reason: None });
            Grant { window, ended, ..grant(id, version) }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(apply(&enrolled(), &bytes, clock(12)).unwrap_err().code(), "malformed");
    }

    #[test]
    fn pieces_of_good_messages_are_one_of_them_or_nothing(
        from in 0_usize..4000, to in 0_usize..4000, length in 0_usize..1500, second in any::<bool>(),
    ) {
        let other = message(FIRST, 8, 11, &[signed(&revoked(1, 2), 1)]).to_bytes();
        let (one, piece) = if second { (small(), other) } else { (other, small()) };
        let goods = [&one, &piece].map(|bytes| apply(&enrolled(), bytes, clock(12)).unwrap().state);
        let cut = |at: usize| at % piece.len();
        let (start, end) = (cut(from), (cut(from) + length).min(piece.len()));
        let place = to % one.len();
        let mut mixed = one.clone();
        mixed.splice(place..(place + end - start).min(one.len()), piece[start..end].iter().copied());
        if let Ok(applied) = apply(&enrolled(), &mixed, clock(12)) {
            prop_assert!(goods.contains(&applied.state));
        }
    }

    /// Both keys are stolen and sign anything that can be written down.
    #[test]
    fn no_signed_message_panics_and_every_state_survives_a_restart(
        messages in prop::collection::vec((prop::collection::vec(grants(), 0..3), any::<[u8; 2]>(), [times(), times()]), 1..4),
        own in times(),
    ) {
        let mut state = enrolled();
        for (grants, [epoch, revision], [issued_at, fresh_until]) in messages {
            let era = era(1, 1 + u64::from(epoch % 2));
            let key_epoch = 1 + epoch % 2;
            let signed: Vec<SignedGrant> = grants.iter().map(|grant| hub::signed(grant, key_epoch)).collect();
            let view = View { issued_at, fresh_until, ..view(era, revision.into(), 0, &signed) };
            let manifest = Some(manifest(era, 0).sign(&key(ROOT)));
            let message = Message::new(manifest, sealed(&view), &signed, &BTreeSet::new());
            let now = LocalTime { own, latest: at(0) };
            let Ok(applied) = apply(&state, &message.to_bytes(), now) else { continue };
            let text = serde_json::to_string(&applied.state).unwrap();
            prop_assert_eq!(serde_json::from_str::<State>(&text).unwrap(), applied.state.clone());
            prop_assert!(applied.state.watermark() >= state.watermark());
            prop_assert!(applied.state.staleness(own) >= Some(chrono::TimeDelta::zero()));
            let mut rows = state.grants.clone();
            for change in &applied.changes {
                let (Change::Put(id) | Change::Removed(id) | Change::Forgotten(id)) = change;
                rows.remove(id);
                rows.extend(applied.state.grants.get(id).map(|known| (*id, known.clone())));
                let held = applied.state.grants.get(id).map(|known| known.held.is_some());
                prop_assert_eq!(held, match change {
                    Change::Put(_) => Some(true),
                    Change::Removed(_) => Some(false),
                    Change::Forgotten(_) => None,
                });
            }
            prop_assert_eq!(&rows, &applied.state.grants, "rows that were not said to change");
            for (id, before) in &state.grants {
                let after = applied.state.grants.get(id);
                prop_assert!(after.is_none_or(|after| after.version >= before.version));
                prop_assert!(after.is_none_or(|after| before.ended.is_none() || after.ended.is_some()));
            }
            state = applied.state;
        }
    }
}
