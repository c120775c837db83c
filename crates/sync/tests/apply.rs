//! What a host believes, and what it does not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // also in the functions that tests share

mod hub;

use access::{Grant, GrantId, Time, Window};
use chrono::TimeDelta;
use hub::*;
use std::collections::BTreeSet;
use sync::*;

const FIRST: Era = era(1, 1);
const SECOND: Era = era(1, 2);

/// A host that holds the first versions of two grants, at revision 7, since 10 s.
fn served() -> State {
    apply(&enrolled(), &message(FIRST, 7, 10, &two()).to_bytes(), clock(12)).unwrap().state
}

fn two() -> [SignedGrant; 2] {
    [signed(&grant(1, 1), 1), signed(&grant(2, 1), 1)]
}

/// What the host is told without manifest and bodies.
fn news(view: &View) -> Message {
    Message::new(None, sealed(view), &[], &BTreeSet::new())
}

#[track_caller]
fn refused(state: &State, message: &Message, now: LocalTime) -> Rejected {
    apply(state, &message.to_bytes(), now).unwrap_err()
}

fn ids(state: &State) -> Vec<(u64, u32)> {
    state.grants().map(|grant| (grant.id.bits(), grant.version)).collect()
}

const fn id(bits: u64) -> GrantId {
    GrantId::from_random(bits)
}

#[test]
fn a_new_host_takes_the_truth_from_one_message() {
    let applied = apply(&enrolled(), &message(FIRST, 7, 10, &two()).to_bytes(), clock(12)).unwrap();
    assert_eq!(applied.state.grants().cloned().collect::<Vec<_>>(), [grant(1, 1), grant(2, 1)]);
    assert_eq!(applied.changes, [Change::Put(id(1)), Change::Put(id(2))]);
    assert_eq!(applied.state.watermark(), Some((FIRST, 7)));
    assert_eq!(applied.alarms, []);
    let again = serde_json::from_str(&serde_json::to_string(&applied.state).unwrap()).unwrap();
    assert_eq!(applied.state, again);
}

#[test]
fn only_bodies_that_the_host_does_not_hold_travel() {
    let grants = [signed(&grant(1, 1), 1), signed(&revoked(2, 2), 1), signed(&grant(3, 1), 1)];
    let view = sealed(&view(FIRST, 8, 20, &grants));
    let message = Message::new(None, view, &grants, &served().holds());
    assert_eq!(message.bodies, [grants[1].envelope.clone(), grants[2].envelope.clone()]);
    let applied = apply(&served(), &message.to_bytes(), clock(20)).unwrap();
    assert_eq!(applied.changes, [Change::Put(id(2)), Change::Put(id(3))]);
    assert_eq!(ids(&applied.state), [(1, 1), (2, 2), (3, 1)]);
}

#[test]
fn a_keep_alive_says_that_nothing_changed() {
    let applied = apply(&served(), &news(&view(FIRST, 7, 50, &two())).to_bytes(), clock(51)).unwrap();
    assert_eq!(applied.changes, []);
    assert_eq!(applied.state.staleness(at(60)), Some(TimeDelta::seconds(10)));
    assert_eq!(applied.state.served.as_ref().unwrap().fresh_until, at(140));
    assert_eq!(applied.state.signed_time(), Some(at(50)));
    let late = apply(&applied.state, &news(&view(FIRST, 7, 30, &two())).to_bytes(), clock(60)).unwrap();
    assert_eq!(late.state, applied.state, "an older one changes nothing");
}

#[test]
fn a_grant_that_is_not_listed_is_not_honoured_and_its_version_is_remembered_until_it_is_long_over() {
    let one = [signed(&grant(1, 1), 1)];
    let hidden = apply(&served(), &news(&view(FIRST, 8, 20, &one)).to_bytes(), clock(20)).unwrap();
    assert_eq!(hidden.changes, [Change::Removed(id(2))]);
    assert_eq!((ids(&hidden.state), hidden.state.grants.len()), (vec![(1, 1)], 2));
    assert!(!hidden.state.holds().contains(&two()[1].entry.digest), "its body is gone");

    let end = 3600 + 86_400;
    let before = apply(&hidden.state, &news(&view(FIRST, 9, end - 1, &one)).to_bytes(), clock(end)).unwrap();
    assert_eq!(before.changes, []);
    let after = apply(&hidden.state, &news(&view(FIRST, 9, end, &one)).to_bytes(), clock(end)).unwrap();
    assert_eq!(after.changes, [Change::Forgotten(id(2))]);
    let behind = apply(&hidden.state, &news(&view(FIRST, 9, end, &one)).to_bytes(), clock(end - 1)).unwrap();
    assert_eq!(behind.changes, [], "both clocks must agree that it is over");
}

#[test]
fn a_hidden_grant_comes_back_with_its_body_and_not_without() {
    let hidden =
        apply(&served(), &news(&view(FIRST, 8, 20, &two()[..1])).to_bytes(), clock(20)).unwrap().state;
    let view = view(FIRST, 9, 30, &two());
    let missing = refused(&hidden, &news(&view), clock(30));
    assert_eq!((missing.code(), missing.asks_for_all()), ("missing_body", true));
    let all = Message::new(None, sealed(&view), &two(), &BTreeSet::new());
    assert_eq!(ids(&apply(&hidden, &all.to_bytes(), clock(30)).unwrap().state), [(1, 1), (2, 1)]);
}

#[test]
fn a_lower_version_never_returns_whatever_the_order_of_messages() {
    let grants = [signed(&revoked(1, 2), 1)];
    let ended = apply(&served(), &message(FIRST, 8, 20, &grants).to_bytes(), clock(20)).unwrap().state;
    for state in [
        ended.clone(),
        apply(&ended, &message(FIRST, 9, 30, &[]).to_bytes(), clock(30)).unwrap().state,
        apply(&ended, &message(SECOND, 1, 30, &[]).to_bytes(), clock(30)).unwrap().state,
    ] {
        for (era, epoch) in [(state.watermark().unwrap().0, 1), (era(2, 3), 3)] {
            let epoch = if era == SECOND { 2 } else { epoch };
            let lower = message(era, 10, 40, &[signed(&grant(1, 1), epoch), signed(&grant(2, 1), epoch)]);
            let applied = apply(&state, &lower.to_bytes(), clock(40)).unwrap();
            assert_eq!(applied.alarms, [Alarm::LowerVersion { id: id(1), listed: 1, seen: 2 }]);
            assert_eq!(ids(&applied.state), [(2, 1)], "the rest is taken in");
        }
    }
}

#[test]
fn an_end_stays_though_a_higher_version_is_without_it() {
    let ended = apply(&served(), &message(FIRST, 8, 20, &[signed(&revoked(1, 2), 1)]).to_bytes(), clock(20));
    let back = message(FIRST, 9, 30, &[signed(&grant(1, 3), 1)]);
    let applied = apply(&ended.unwrap().state, &back.to_bytes(), clock(30)).unwrap();
    assert_eq!(applied.alarms, [Alarm::EndTakenBack { id: id(1), version: 3 }]);
    assert_eq!(applied.alarms[0].code(), "end_taken_back");
    assert_eq!(ids(&applied.state), []);
    let ended = message(FIRST, 10, 40, &[signed(&revoked(1, 3), 1)]);
    assert_eq!(apply(&applied.state, &ended.to_bytes(), clock(40)).unwrap().alarms, []);
}

#[test]
fn no_view_raises_a_version_that_no_grant_key_signed() {
    for version in [0, 2, u32::MAX] {
        let entry = Entry { version, ..two()[0].entry };
        let view = view(FIRST, 8, 20, &[SignedGrant { entry, ..two()[0].clone() }]);
        match apply(&served(), &news(&view).to_bytes(), clock(20)) {
            Err(why) => assert_eq!(why, Rejected::MissingBody { id: id(1) }),
            Ok(applied) => {
                assert_eq!((applied.state.grants.values().next().unwrap().version, version), (1, 0));
            }
        }
    }
}

#[test]
fn two_bodies_of_one_version_are_none() {
    let other = Grant { rule: "other".into(), ..grant(1, 1) };
    let applied =
        apply(&served(), &message(FIRST, 8, 20, &[signed(&other, 1)]).to_bytes(), clock(20)).unwrap();
    assert_eq!(applied.alarms, [Alarm::OtherBody { id: id(1), version: 1 }]);
    assert_eq!(ids(&applied.state), []);
}

#[test]
fn views_of_others_and_of_before_are_refused() {
    let other_host =
        View { host: name("web-2"), whole: whole(&name("web-2"), &[]), ..view(FIRST, 8, 20, &[]) };
    let other_hub = View { hub: HubId::new(name("evil")), ..view(FIRST, 8, 20, &[]) };
    let one = &two()[..1];
    for (view, code, alarm) in [
        (other_host, "other_host", true),
        (other_hub, "other_hub", true),
        (view(FIRST, 6, 10, one), "replayed", false),
        (view(FIRST, 6, 20, one), "revision_back", true),
        (view(FIRST, 7, 20, one), "forked", true),
        (View { whole: whole(&name("web-1"), &[]), ..view(FIRST, 8, 20, one) }, "not_whole", false),
    ] {
        let why = refused(&served(), &news(&view), clock(20));
        assert_eq!((why.code(), why.is_alarm()), (code, alarm), "{why}");
    }
    let by_first = |era, revision| {
        Message::new(None, view(era, revision, 20, one).sign(&key(VIEW + 1)), &[], &BTreeSet::new())
    };
    assert_eq!(refused(&served(), &by_first(SECOND, 8), clock(20)).code(), "epoch_ahead");
    assert_eq!(refused(&served(), &by_first(era(2, 1), 8), clock(20)).code(), "other_incarnation");
    assert_eq!(refused(&served(), &by_first(era(0, 1), 8), clock(20)).code(), "other_incarnation");
    let mut kept = manifest(SECOND, 20);
    kept.view_keys.push(key(VIEW + 1).public());
    let rotated = Message { manifest: Some(kept.sign(&key(ROOT))), ..by_first(FIRST, 8) };
    assert_eq!(refused(&served(), &rotated, clock(20)).code(), "epoch_back");
}

#[test]
fn a_view_that_does_not_hold_together_is_refused() {
    let good = view(FIRST, 8, 20, &two());
    let mut twice = good.clone();
    twice.grants = vec![good.grants[0], good.grants[0]];
    let mut swapped = good.clone();
    swapped.grants.reverse();
    let stale = View { fresh_until: good.issued_at, ..good.clone() };
    let for_ever =
        View { fresh_until: good.issued_at + TimeDelta::hours(24) + TimeDelta::seconds(1), ..good.clone() };
    let never = View { issued_at: Time::MIN_UTC, fresh_until: Time::MIN_UTC + TimeDelta::seconds(1), ..good };
    for view in [twice, swapped, stale, for_ever, never] {
        let view = View { whole: whole(&view.host, &view.grants), ..view };
        assert_eq!(refused(&served(), &news(&view), clock(20)).code(), "malformed", "{view:?}");
    }
}

#[test]
fn bodies_that_are_not_what_was_listed_are_refused() {
    let with = |listed: &[SignedGrant], bodies: &[SignedGrant]| {
        let view = sealed(&view(FIRST, 8, 20, listed));
        refused(&served(), &Message::new(None, view, bodies, &BTreeSet::new()), clock(20))
    };
    let third = signed(&grant(3, 1), 1);
    let unlisted = Rejected::Unlisted { id: id(3), version: 1 };
    assert_eq!(with(&[], std::slice::from_ref(&third)), unlisted);
    assert_eq!(with(std::slice::from_ref(&third), &[third.clone(), third.clone()]).code(), "malformed");
    assert_eq!(with(std::slice::from_ref(&third), &[]), Rejected::MissingBody { id: id(3) });
    let named = |entry| SignedGrant { entry, ..third.clone() };
    for entry in [
        Entry { id: id(4), ..third.entry },
        Entry { version: 2, ..third.entry },
        Entry { digest: Digest::of(b""), ..third.entry },
    ] {
        assert_eq!(with(&[named(entry)], &[named(entry)]), unlisted, "{entry:?}");
    }
    let both = [third.clone(), named(Entry { id: id(4), ..third.entry })];
    assert_eq!(with(&both, std::slice::from_ref(&third)), Rejected::MissingBody { id: id(4) });

    let elsewhere = signed(&Grant { hosts: [name("web-2")].into(), ..grant(3, 1) }, 1);
    assert_eq!(
        with(std::slice::from_ref(&elsewhere), std::slice::from_ref(&elsewhere)).code(),
        "grant_of_other_host"
    );
    let body = Body { hub: HubId::new(name("evil")), grant: grant(3, 1) };
    let foreign = SignedGrant::sign(&body, &key(GRANT + 1));
    assert_eq!(with(std::slice::from_ref(&foreign), std::slice::from_ref(&foreign)).code(), "other_hub");
    let window = Window::Approval { not_before: at(0), expires: Time::MAX_UTC };
    let endless = signed(&Grant { window, ..grant(3, 1) }, 1);
    assert_eq!(with(std::slice::from_ref(&endless), std::slice::from_ref(&endless)).code(), "malformed");
}

#[test]
fn no_key_signs_for_another_role() {
    let third = grant(3, 1);
    for seed in [VIEW + 1, ROOT, 99] {
        let minted = SignedGrant::sign(&Body { hub: hub(), grant: third.clone() }, &key(seed));
        let grants = [minted];
        let why = refused(&served(), &message(FIRST, 8, 20, &grants), clock(20));
        assert_eq!(
            (why.code(), matches!(why, Rejected::UnknownKey { part: Part::Body, .. })),
            ("unknown_key", true)
        );
    }
    for seed in [GRANT + 1, ROOT, 99] {
        let view = view(FIRST, 8, 20, &two()).sign(&key(seed));
        let why = refused(&served(), &Message::new(None, view, &[], &BTreeSet::new()), clock(20));
        assert!(matches!(why, Rejected::UnknownKey { part: Part::View, .. }), "{why}");
    }
    for seed in [GRANT + 1, VIEW + 1, 99] {
        let manifest = Some(manifest(SECOND, 20).sign(&key(seed)));
        let why = refused(&served(), &Message { manifest, ..message(SECOND, 8, 20, &[]) }, clock(20));
        assert_eq!(why, Rejected::BelowThreshold { signers: 0, threshold: 1 });
    }
    let key = SignedGrant::sign(&Body { hub: hub(), grant: third }, &key(GRANT + 1)).envelope;
    let swapped = Message { view: key, ..message(FIRST, 8, 20, &[]) };
    assert_eq!(refused(&served(), &swapped, clock(20)).code(), "malformed", "an envelope of another type");
}

#[test]
fn manifests_follow_each_other_by_the_root_alone() {
    let message = |manifest: &Manifest| {
        let view = sealed(&view(manifest.era, 8, 20, &[]));
        Message::new(Some(manifest.sign(&key(ROOT))), view, &[], &BTreeSet::new())
    };
    let code = |state: &State, manifest: &Manifest| {
        apply(state, &message(manifest).to_bytes(), clock(20)).map_or_else(|why| why.code(), |_| "applied")
    };
    let renewed = Manifest { issued_at: at(19), expires: at(19) + TimeDelta::days(30), ..manifest(FIRST, 0) };
    assert_eq!(code(&served(), &renewed), "applied");
    let state = apply(&served(), &message(&renewed).to_bytes(), clock(20)).unwrap().state;
    assert_eq!(code(&state, &manifest(FIRST, 0)), "applied", "a replica that has not heard of the renewal");
    let after = apply(&state, &message(&manifest(FIRST, 0)).to_bytes(), clock(20)).unwrap().state;
    assert_eq!(after.served.unwrap().manifest, renewed);

    let mut other_keys = renewed.clone();
    other_keys.view_keys.push(key(99).public());
    assert_eq!(code(&served(), &other_keys), "manifest_forked");
    assert_eq!(code(&served(), &manifest(SECOND, 20)), "applied");
    assert_eq!(code(&served(), &manifest(era(2, 1), 20)), "applied");
    let rotated = apply(&served(), &message(&manifest(SECOND, 20)).to_bytes(), clock(20)).unwrap().state;
    assert_eq!(code(&rotated, &manifest(FIRST, 0)), "manifest_back");
    assert_eq!(code(&rotated, &manifest(era(0, 9), 20)), "manifest_back");
    assert_eq!(code(&served(), &Manifest { hub: HubId::new(name("evil")), ..renewed }), "other_hub");
    let none = Message { manifest: None, ..message(&manifest(FIRST, 0)) };
    assert_eq!(refused(&enrolled(), &none, clock(20)), Rejected::NoManifest);
}

#[test]
fn keys_of_a_time_to_come_are_gone_by_only_while_there_are_no_others() {
    let renewed = |second| Manifest {
        issued_at: at(second),
        expires: at(second) + TimeDelta::days(30),
        ..manifest(FIRST, 0)
    };
    let after = |state: &State, given: &Manifest, now: i64| {
        let view = sealed(&view(FIRST, 8, 20, &[]));
        let message = Message::new(Some(given.sign(&key(ROOT))), view, &[], &BTreeSet::new());
        apply(state, &message.to_bytes(), clock(now)).unwrap().state
    };
    let signed = |state: &State| state.served.as_ref().unwrap().manifest.issued_at;
    assert_eq!(signed(&after(&served(), &renewed(620), 20)), at(620), "clocks ten minutes apart");
    assert_eq!(signed(&after(&served(), &renewed(621), 20)), at(0));
    let none_other = after(&enrolled(), &renewed(621), 20);
    assert_eq!((signed(&none_other), signed(&after(&none_other, &renewed(622), 20))), (at(621), at(621)));
    assert_eq!(signed(&after(&none_other, &renewed(19), 20)), at(19), "the signer's clock is right again");
    let month = 30 * 86_400;
    let behind = after(&served(), &renewed(month + 3600), month);
    assert_eq!(signed(&behind), at(month + 3600), "those of before are over");
}

#[test]
fn a_manifest_is_over_by_the_latest_clock() {
    let message = message(FIRST, 7, 10, &two());
    let expires = at(0) + TimeDelta::days(30);
    let late = LocalTime { own: at(12), latest: expires };
    let why = refused(&enrolled(), &message, late);
    assert_eq!(
        (why.is_alarm(), why.asks_for_all()),
        (false, true),
        "a host that was away asks for the renewed one"
    );
    assert_eq!(why, Rejected::ManifestExpired { expires });
    let in_time = LocalTime { latest: expires - TimeDelta::milliseconds(1), ..late };
    assert!(apply(&enrolled(), &message.to_bytes(), in_time).is_ok());
    let why = refused(&served(), &news(&view(FIRST, 7, 20, &two())), late);
    assert_eq!(why.code(), "manifest_expired", "held or given");
}

#[test]
fn a_manifest_that_does_not_hold_together_is_refused() {
    let good = manifest(FIRST, 0);
    let keys = |seeds: &[u8]| seeds.iter().map(|seed| key(*seed).public()).collect::<Vec<_>>();
    for (bad, why) in [
        (Manifest { view_keys: keys(&[GRANT + 1]), ..good.clone() }, "a key has two roles"),
        (Manifest { grant_keys: keys(&[ROOT]), ..good.clone() }, "a key has two roles"),
        (Manifest { grant_keys: keys(&[5, 5]), ..good.clone() }, "it lists a key twice"),
        (Manifest { grant_keys: vec![], ..good.clone() }, "it lists no grant key"),
        (Manifest { view_keys: vec![], ..good.clone() }, "it lists no view key"),
        (
            Manifest { view_keys: keys(&(30..47).collect::<Vec<_>>()), ..good.clone() },
            "it lists more than 16 keys",
        ),
        (Manifest { expires: good.issued_at, ..good.clone() }, "it is over before it begins"),
        (
            Manifest { expires: good.expires + TimeDelta::seconds(1), ..good.clone() },
            "it is good for more than 30",
        ),
        (Manifest { roots: Roots { keys: vec![], threshold: 0 }, ..good.clone() }, "it lists no root key"),
        (
            Manifest { roots: Roots { threshold: 0, ..good.roots.clone() }, ..good.clone() },
            "its threshold is not",
        ),
        (
            Manifest { roots: Roots { threshold: 2, ..good.roots.clone() }, ..good.clone() },
            "its threshold is not",
        ),
    ] {
        assert!(bad.check().unwrap_err().starts_with(why), "{:?}", bad.check());
        let manifest = SignedManifest { roots: good.roots.clone(), ..bad.sign(&key(ROOT)) };
        let message = Message { manifest: Some(manifest), ..message(FIRST, 7, 10, &[]) };
        assert!(refused(&enrolled(), &message, clock(12)).to_string().contains(why));
    }
}

#[test]
fn a_root_of_several_keys_needs_its_threshold_and_is_followed_by_another_only_if_both_sign() {
    let roots = Roots { keys: vec![key(2).public(), key(3).public(), key(4).public()], threshold: 2 };
    let any_order = Roots { keys: roots.keys.iter().rev().copied().collect(), threshold: 2 };
    assert_eq!(roots.fingerprint(), any_order.fingerprint());
    assert_ne!(roots.fingerprint(), Roots { threshold: 1, ..roots.clone() }.fingerprint());

    let pinned = State::new(hub(), roots.fingerprint(), name("web-1"));
    let by = |manifest: &Manifest, seeds: &[u8]| {
        let mut signed = manifest.sign(&key(seeds[0]));
        seeds.iter().for_each(|seed| signed.envelope.sign(&key(*seed)));
        Message { manifest: Some(signed), ..message(manifest.era, 7, 10, &[]) }
    };
    let first = Manifest { roots: roots.clone(), ..manifest(FIRST, 0) };
    let below = Rejected::BelowThreshold { signers: 1, threshold: 2 };
    assert_eq!(refused(&pinned, &by(&first, &[3]), clock(12)), below);
    assert_eq!(refused(&pinned, &by(&first, &[3, 3, 99]), clock(12)), below);
    let one = serde_json::to_string(&by(&first, &[3])).unwrap();
    let sig = one.split("\"sigs\":[").nth(1).unwrap().split(']').next().unwrap();
    let twice: Message = serde_json::from_str(&one.replacen(sig, &format!("{sig},{sig}"), 1)).unwrap();
    assert_eq!(refused(&pinned, &twice, clock(12)), below, "one signature, written twice");
    let state = apply(&pinned, &by(&first, &[4, 2]).to_bytes(), clock(12)).unwrap().state;

    let next = Manifest { roots: Roots::one(key(5).public()), ..manifest(SECOND, 10) };
    assert_eq!(
        refused(&state, &by(&next, &[5]), clock(12)),
        Rejected::BelowThreshold { signers: 0, threshold: 2 }
    );
    assert_eq!(
        refused(&state, &by(&next, &[2, 3]), clock(12)),
        Rejected::BelowThreshold { signers: 0, threshold: 1 }
    );
    let moved = apply(&state, &by(&next, &[2, 3, 5]).to_bytes(), clock(12)).unwrap().state;
    assert_eq!(moved.root, next.roots.fingerprint());
    let newer = State::new(hub(), next.roots.fingerprint(), name("web-1"));
    assert!(
        apply(&newer, &by(&next, &[2, 3, 5]).to_bytes(), clock(12)).is_ok(),
        "a host that joins since then"
    );
    assert_eq!(refused(&pinned, &by(&next, &[2, 3, 5]), clock(12)).code(), "other_root");
}

#[test]
fn a_new_epoch_resets_the_watermark_and_the_time_that_the_old_key_set() {
    let forged = View { fresh_until: at(11) + TimeDelta::hours(24), ..view(FIRST, u64::MAX, 11, &[]) };
    let forged = View { issued_at: at(600), fresh_until: at(600) + TimeDelta::hours(24), ..forged };
    let fooled = apply(&served(), &news(&forged).to_bytes(), clock(12)).unwrap();
    assert_eq!(fooled.alarms, []);
    assert_eq!(fooled.state.signed_time(), Some(at(600)), "ten minutes are what a thief gains");
    let true_again = message(FIRST, 8, 20, &two());
    assert_eq!(refused(&fooled.state, &true_again, clock(20)).code(), "revision_back");

    let grants = [signed(&grant(1, 1), 2), signed(&grant(2, 1), 2)];
    let rotated = apply(&fooled.state, &message(SECOND, 8, 20, &grants).to_bytes(), clock(20)).unwrap().state;
    assert_eq!(rotated.watermark(), Some((SECOND, 8)));
    assert_eq!(rotated.signed_time(), Some(at(20)));
    assert_eq!(rotated.served.as_ref().unwrap().fresh_until, at(110));
    assert_eq!(ids(&rotated), [(1, 1), (2, 1)]);
    let why = refused(&rotated, &news(&forged), clock(21));
    assert_eq!(why, Rejected::RotatedOut { part: Part::View, key: key(VIEW + 1).public().id() });
    assert!(why.is_alarm());
}

#[test]
fn signed_time_counts_within_ten_minutes_of_the_hosts_own_clock() {
    let at_clock = |signed: i64, own: i64| {
        let applied =
            apply(&served(), &news(&view(FIRST, 8, signed, &two())).to_bytes(), clock(own)).unwrap();
        (
            applied.state.signed_time().unwrap(),
            applied.alarms,
            applied.state.staleness(at(own)).unwrap().num_seconds(),
        )
    };
    assert_eq!(at_clock(1000, 400), (at(1000), vec![], 0));
    let ahead = Alarm::TimeAhead { signed: at(1001), own: at(400) };
    assert_eq!(at_clock(1001, 400), (at(10), vec![ahead], 0), "what it says is taken in, its time is not");
    assert_eq!(at_clock(400, 1000), (at(400), vec![], 600));
    assert_eq!(at_clock(400, 1001), (at(10), vec![], 601), "a message that was held back makes nobody fresh");
}

#[test]
fn the_roots_time_counts_whatever_the_host_thinks() {
    let week = 7 * 86_400;
    let manifest = Some(manifest(SECOND, week).sign(&key(ROOT)));
    let message = Message { manifest, ..message(SECOND, 1, week, &[]) };
    let applied = apply(&served(), &message.to_bytes(), clock(20)).unwrap();
    assert_eq!(applied.state.signed_time(), Some(at(week)));
    assert_eq!(applied.alarms.len(), 1, "and the clock is wrong");
}

#[test]
fn a_planned_rotation_keeps_bodies_and_a_theft_asks_for_new_signatures() {
    let planned = Manifest {
        grant_keys: vec![key(GRANT + 1).public(), key(GRANT + 2).public()],
        ..manifest(SECOND, 20)
    };
    let view = sealed(&view(SECOND, 8, 20, &two()));
    let message = |manifest: &Manifest, grants: &[SignedGrant]| {
        Message::new(Some(manifest.sign(&key(ROOT))), view.clone(), grants, &BTreeSet::new())
    };
    assert_eq!(apply(&served(), &message(&planned, &[]).to_bytes(), clock(20)).unwrap().changes, []);

    let theft = manifest(SECOND, 20);
    assert_eq!(refused(&served(), &message(&theft, &[]), clock(20)), Rejected::MissingBody { id: id(1) });
    let why = refused(&served(), &message(&theft, &two()), clock(20));
    assert_eq!(why, Rejected::RotatedOut { part: Part::Body, key: key(GRANT + 1).public().id() });
    let resigned = two().map(|mut grant| {
        grant.envelope.sign(&key(GRANT + 2));
        grant
    });
    let applied = apply(&served(), &message(&planned, &resigned).to_bytes(), clock(20)).unwrap();
    assert_eq!(ids(&applied.state), [(1, 1), (2, 1)]);
    let third = Manifest { grant_keys: theft.grant_keys, ..manifest(era(1, 3), 20) };
    let view = sealed(&hub::view(era(1, 3), 9, 20, &two()));
    let last = Message::new(Some(third.sign(&key(ROOT))), view, &[], &BTreeSet::new());
    assert!(
        apply(&applied.state, &last.to_bytes(), clock(20)).is_ok(),
        "the newest key that signed is remembered"
    );
}

#[test]
fn a_wrong_signature_by_a_good_key_is_an_alarm_and_one_by_a_stranger_is_nothing() {
    let mut message = message(FIRST, 7, 10, &two());
    message.view.sign(&key(99));
    assert!(apply(&enrolled(), &message.to_bytes(), clock(12)).is_ok());
    let text = String::from_utf8(message.to_bytes()).unwrap();
    let other = serde_json::to_string(&sealed(&view(FIRST, 8, 10, &[]))).unwrap();
    let sig = |text: &str| text.rsplit_once("\"sigs\":[{").unwrap().1.split('}').next().unwrap().to_owned();
    let view = serde_json::to_string(&sealed(&hub::view(FIRST, 7, 10, &two()))).unwrap();
    let changed = text.replace(&sig(&view), &sig(&other));
    assert_ne!(changed, text);
    let why = apply(&enrolled(), changed.as_bytes(), clock(12)).unwrap_err();
    assert_eq!(why, Rejected::BadSignature { part: Part::View, key: key(VIEW + 1).public().id() });
    assert!(why.is_alarm());
}

#[test]
fn a_hub_that_lost_commits_is_given_what_it_signed_as_it_signed_it() {
    let state = served();
    let keys = state.served.as_ref().unwrap().manifest.grant_keys.clone();
    let given: Vec<Envelope> = state.gives().collect();
    let verified = given.iter().map(|envelope| SignedGrant::verify(envelope, &state.hub, &keys).unwrap());
    let grants: Vec<Grant> = verified.map(|(grant, _)| grant).collect();
    assert!(!grants.is_empty() && grants == state.grants().cloned().collect::<Vec<_>>());
    assert_eq!(Digest::of(given[0].payload()), state.grants[&grants[0].id].digest);
    let others = [key(VIEW + 1).public()];
    let why = SignedGrant::verify(&given[0], &state.hub, &others).unwrap_err();
    assert_eq!(why.code(), "unknown_key");
}

#[test]
fn what_is_known_is_not_younger_by_a_clock_that_went_back() {
    assert_eq!(served().staleness(at(0)), Some(TimeDelta::zero()));
    assert_eq!(enrolled().staleness(at(0)), None);
}

#[test]
fn what_is_too_much_is_refused_before_it_is_read() {
    let huge = vec![b' '; limits::MESSAGE + 1];
    let why = apply(&enrolled(), &huge, clock(12)).unwrap_err();
    assert_eq!(why, Rejected::TooLarge { part: Part::Message, found: huge.len(), limit: limits::MESSAGE });
    let long = Grant { rule: "x".repeat(limits::GRANT).into(), ..grant(3, 1) };
    let why = refused(&served(), &message(FIRST, 8, 20, &[signed(&long, 1)]), clock(20));
    assert!(matches!(why, Rejected::TooLarge { part: Part::Body, limit: limits::GRANT, .. }), "{why}");
    let mut many = message(FIRST, 8, 20, &[]);
    (30..=46).for_each(|seed| many.view.sign(&key(seed)));
    assert!(matches!(
        refused(&served(), &many, clock(20)),
        Rejected::TooLarge { part: Part::View, found: 18, .. }
    ));
}

#[test]
fn a_grant_that_is_cut_short_is_remembered_as_long_as_its_longest_version() {
    let window = Window::Approval { not_before: at(0), expires: at(60) };
    let short = [signed(&Grant { window, ..revoked(1, 2) }, 1)];
    let state = apply(&served(), &message(FIRST, 8, 20, &short).to_bytes(), clock(20)).unwrap().state;
    assert_eq!(state.grants[&id(1)].until, at(3600) + limits::TOMBSTONE);
}

#[test]
fn what_a_host_remembers_is_bounded() {
    let mut state = served();
    let over = Known { held: None, ..state.grants[&id(1)].clone() };
    state.grants.extend((1000..).map(|bits| (id(bits), over.clone())).take(limits::KNOWN - 2));
    assert!(apply(&state, &news(&view(FIRST, 8, 20, &two())).to_bytes(), clock(20)).is_ok());
    let third = [signed(&grant(3, 1), 1)];
    let why = refused(&state, &message(FIRST, 8, 20, &third), clock(20));
    assert_eq!(why, Rejected::TooMany { found: limits::KNOWN + 1, limit: limits::KNOWN });

    let mut state = served();
    let ids = (0..u8::MAX).map(|seed| key(seed).public().id());
    state.served.iter_mut().for_each(|served| served.retired = ids.clone().take(limits::RETIRED).collect());
    let rotated = apply(&state, &message(SECOND, 1, 20, &[]).to_bytes(), clock(20)).unwrap().state;
    let retired = rotated.served.unwrap().retired;
    assert_eq!((retired.len(), retired.last()), (limits::RETIRED, Some(&key(VIEW + 1).public().id())));

    let many = |count: usize| {
        let bits = 1..=u64::try_from(count).unwrap();
        let entry = two()[0].entry;
        View { grants: bits.map(|bits| Entry { id: id(bits), ..entry }).collect(), ..view(FIRST, 8, 20, &[]) }
    };
    assert_eq!(many(limits::GRANTS).check(), Ok(()));
    assert!(many(limits::GRANTS + 1).check().unwrap_err().contains("10,000"));
    let bodies = vec![two()[0].envelope.clone(); limits::GRANTS + 1];
    let why = refused(&served(), &Message { bodies, ..message(FIRST, 8, 20, &[]) }, clock(20));
    assert!(matches!(why, Rejected::TooLarge { part: Part::Message, limit: limits::GRANTS, .. }), "{why}");
}

#[test]
fn every_refusal_says_what_is_wrong_and_what_to_do() {
    let (part, digest, keyid) = (Part::View, Digest::of(b""), key(1).public().id());
    let (found, held, era, id) = (6, 7, FIRST, id(1));
    let all = [
        Rejected::TooLarge { part, found: 9, limit: 8 },
        Rejected::Malformed { part, why: "expected `,` at line 1 column 7".into() },
        Rejected::UnknownKey { part, keys: vec![keyid, key(2).public().id()] },
        Rejected::RotatedOut { part, key: keyid },
        Rejected::BadSignature { part, key: keyid },
        Rejected::BelowThreshold { signers: 1, threshold: 2 },
        Rejected::OtherRoot { found: digest, pinned: digest },
        Rejected::NoManifest,
        Rejected::ManifestExpired { expires: at(0) },
        Rejected::ManifestBack { found: FIRST, held: SECOND },
        Rejected::ManifestForked { era },
        Rejected::OtherHub { part, found: HubId::new(name("evil")), held: hub() },
        Rejected::OtherHost { found: name("web-2"), held: name("web-1") },
        Rejected::OtherIncarnation { found, held },
        Rejected::EpochBack { found, held },
        Rejected::EpochAhead { found, held },
        Rejected::Replayed { found, held },
        Rejected::RevisionBack { found, held },
        Rejected::Forked { revision: 7 },
        Rejected::NotWhole { revision: 7 },
        Rejected::MissingBody { id },
        Rejected::Unlisted { id, version: 2 },
        Rejected::GrantOfOtherHost { id, host: name("web-1") },
        Rejected::TooMany { found: 9, limit: 8 },
    ];
    let kind = |of: &Rejected| match (of.asks_for_all(), of.is_alarm()) {
        (true, _) => "fetch all",
        (_, true) => "alarm",
        (_, false) => "wait",
    };
    let alarms = [
        Alarm::TimeAhead { signed: at(601), own: at(0) },
        Alarm::LowerVersion { id, listed: 1, seen: 2 },
        Alarm::OtherBody { id, version: 2 },
        Alarm::EndTakenBack { id, version: 2 },
    ];
    let mut said: Vec<String> = all.iter().map(|of| format!("{} ({}): {of}", of.code(), kind(of))).collect();
    said.extend(alarms.iter().map(|of| format!("{} (taken in, but): {of}", of.code())));
    assert_eq!(
        said.join("\n"),
        include_str!("golden_words.txt").trim(),
        "read them aloud before they change"
    );
}

#[test]
fn what_fits_is_what_hosts_take() {
    assert_eq!(sync::fits(&grant(1, 1)), Ok(()));
    let Window::Approval { not_before, .. } = grant(1, 1).window else { panic!() };
    let never = Window::Approval { not_before, expires: "9999-12-31T00:00:00Z".parse().unwrap() };
    assert!(sync::fits(&Grant { window: never, ..grant(1, 1) }).is_err());
    let hosts = (0..9000).map(|number| name(&format!("a-host-of-many-{number:05}"))).collect();
    assert!(sync::fits(&Grant { hosts, ..grant(1, 1) }).is_err());
}
