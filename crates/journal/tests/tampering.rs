//! Whatever is done to a journal is found.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // also in the functions that tests share

use journal::{Broken, Checkpoint, Hash, Head, LogId, Row, Stamp, Verified, Verifier, Witness};
use proptest::prelude::*;

const LOG: LogId = LogId([7; 16]);

fn journal(length: u64) -> Vec<Row> {
    let mut head = Head::start(LOG);
    (0..length)
        .map(|n| {
            let stamp = Stamp { boot: "b".into(), wall_ms: 1000 + i64::try_from(n).unwrap(), boot_ms: 5 };
            let row = head.next(stamp, format!("{{\"n\":{n}}}"));
            head = Head::of(&row);
            row
        })
        .collect()
}

fn verify(rows: &[Row], witness: Witness) -> Result<Verified, Broken> {
    let mut verifier = Verifier::new(Some(Head::start(LOG)), witness);
    rows.iter().try_for_each(|row| verifier.take(row))?;
    verifier.end(LOG)
}

fn witness(rows: &[Row], at: &[usize]) -> Witness {
    let lines: Vec<String> =
        at.iter().map(|n| format!("<86>Nov 24 jitd[1]: {}", Checkpoint(Head::of(&rows[*n])))).collect();
    Witness::of(LOG, lines.iter().map(String::as_str))
}

#[test]
fn an_untouched_journal_verifies_and_says_what_was_seen() {
    let rows = journal(5);
    let verified = verify(&rows, witness(&rows, &[1, 4])).unwrap();
    assert_eq!(verified, Verified { first: 1, head: Head::of(&rows[4]), witnessed: 2 });
}

#[test]
fn the_hash_of_a_row_never_changes() {
    assert_eq!(
        journal(2)[1].hash.to_string(),
        include_str!("golden_hash.txt").trim(),
        "journals in the field would no longer verify"
    );
}

#[test]
fn a_cut_tail_a_rollback_and_a_fork_are_found_by_a_witness() {
    let rows = journal(9);
    assert_eq!(verify(&rows[..6], witness(&rows, &[8])), Err(Broken::Cut { end: 6, seen: 9 }));
    let mut forked = rows[..4].to_vec();
    let mut head = Head::of(&rows[3]);
    for n in 0..5 {
        let row = head.next(rows[4].stamp.clone(), format!("other {n}"));
        head = Head::of(&row);
        forked.push(row);
    }
    assert!(verify(&forked, Witness::default()).is_ok(), "by itself a rewritten tail looks whole");
    assert_eq!(verify(&forked, witness(&rows, &[6])), Err(Broken::Forked(7)));
    let mut two_heads = witness(&rows, &[8]);
    two_heads.saw(Head { log: LOG, seq: 9, hash: Hash::of(b"other") });
    assert_eq!(verify(&rows, two_heads), Err(Broken::Forked(9)));
}

#[test]
fn a_pruned_journal_verifies_from_where_it_starts_and_no_log_starts_in_mid_air() {
    let rows = journal(9);
    let mut verifier = Verifier::new(None, witness(&rows, &[1, 8]));
    rows[4..].iter().try_for_each(|row| verifier.take(row)).unwrap();
    assert_eq!(verifier.end(LOG).unwrap(), Verified { first: 5, head: Head::of(&rows[8]), witnessed: 1 });
    let first = Head { log: LOG, seq: 0, hash: Hash::of(b"x") }.next(rows[0].stamp.clone(), "{}".into());
    assert_eq!(Verifier::new(None, Witness::default()).take(&first), Err(Broken::Unlinked(1)));
}

#[test]
fn an_export_line_reads_back_and_an_unknown_key_does_not() {
    let row = &journal(1)[0];
    let line = serde_json::to_string(row).unwrap();
    assert_eq!(&serde_json::from_str::<Row>(&line).unwrap(), row);
    assert!(serde_json::from_str::<Row>(&line.replacen('{', "{\"x\":1,", 1)).is_err());
}

#[test]
fn checkpoint_lines_of_other_logs_and_garbage_witness_nothing() {
    let rows = journal(3);
    let line = Checkpoint(Head::of(&rows[2])).to_string();
    assert_eq!(Checkpoint::parse(&line), Some(Checkpoint(Head::of(&rows[2]))));
    for bad in [
        "",
        "checkpoint log=",
        "checkpoint log=00 seq=1 hash=00",
        &line.replace("seq=", "seq=-"),
        &line.to_uppercase(),
        &format!("jitd[7]: change=requested reason=\"{line} \""),
        &format!("jitd[7]: change=requested reason=\"{line}"),
        &format!("{line} x"),
    ] {
        assert_eq!(Checkpoint::parse(bad), None, "{bad}");
    }
    assert!(Checkpoint::parse(&format!("<86>1 2026-11-26T10:00:00Z web-1 jitd 71 - - {line}")).is_some());
    assert!(Witness::of(LogId([8; 16]), [line.as_str()]).is_empty());
}

#[test]
fn logs_that_went_before_on_the_same_host_are_seen_and_those_of_others_are_not() {
    let rows = journal(3);
    let line = |at: &str, log: u8, row: usize| {
        let head = Head { log: LogId([log; 16]), ..Head::of(&rows[row]) };
        format!("{at} {}", Checkpoint(head))
    };
    let others = |lines: &[String]| -> Vec<(u8, u64)> {
        let witness = Witness::of(LOG, lines.iter().map(String::as_str));
        witness.others().iter().map(|(log, seq)| (log.0[0], *seq)).collect()
    };
    for at in
        ["2026-11-26T10:00:00+00:00 HOST PROGRAM[71]:", "<86>1 2026-11-26T10:00:00Z HOST PROGRAM 71 - -"]
    {
        let of = |host: &str, program: &str, log, row| {
            line(&at.replace("HOST", host).replace("PROGRAM", program), log, row)
        };
        let own = of("web-1", "jitd", LOG.0[0], 2);
        let (first, last) = (of("web-1", "jitd", 8, 0), of("web-1", "jitd", 8, 1));
        let older = of("web-1", "jitd", 6, 2);
        // In whatever order files are named, and whatever is said of it later.
        for order in [[&first, &last, &older, &own], [&own, &last, &first, &older]] {
            assert_eq!(others(&order.map(String::clone)), [(6, 3), (8, 2)], "{at}");
        }
        assert_eq!(
            others(&[of("web-2", "jitd", 8, 0), of("web-1", "jit-hub", 9, 0), own.clone()]),
            [],
            "{at}"
        );
        assert_eq!(others(&[first, last]), [], "nobody here wrote of this log: {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_edit_of_any_column_is_found(at in 0usize..20, column in 0..7, flip: u8) {
        let flip = flip.max(1);
        let mut rows = journal(20);
        let row = &mut rows[at];
        match column {
            0 => row.stamp.boot.push('x'),
            1 => row.stamp.wall_ms ^= i64::from(flip),
            2 => row.stamp.boot_ms ^= i64::from(flip),
            3 => row.body.push(' '),
            4 => row.prev.0[3] ^= flip,
            5 => row.hash.0[3] ^= flip,
            _ => row.log.0[3] ^= flip,
        }
        prop_assert!(verify(&rows, Witness::default()).is_err());
    }

    #[test]
    fn every_row_removed_doubled_or_moved_is_found(at in 0usize..19, away in 1usize..19, how in 0..3) {
        let to = (at + away) % 19;
        let mut rows = journal(20);
        let moved = rows[at].clone();
        match how {
            0 => { rows.remove(at); }
            1 => rows.insert(to, moved),
            _ => { rows.remove(at); rows.insert(to, moved); }
        }
        prop_assert!(verify(&rows, Witness::default()).is_err());
    }
}
