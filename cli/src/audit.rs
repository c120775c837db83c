//! `jit audit tail` and `jit audit verify`.

use crate::output::Output;
use crate::{CliError, limits};
use api::{AskJournal, Client};
use journal::{LogId, Row, Verified, Verifier, Witness};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

pub fn tail(client: &Client, lines: u32, follow: bool, out: &mut Output) -> Result<(), CliError> {
    let mut query = AskJournal { after: None, limit: Some(lines) };
    loop {
        let page = client.journal(&query)?;
        for row in &page {
            out.say(&row.row, || row.line.clone())?;
        }
        if !follow {
            return Ok(());
        }
        query =
            AskJournal { after: page.last().map(|row| row.seq).or(query.after), limit: Some(limits::PAGE) };
        std::thread::sleep(limits::LOOK_AGAIN);
    }
}

pub fn verify(client: &Client, witness: Option<&Path>, out: &mut Output) -> Result<(), CliError> {
    let mut verifier: Option<Verifier> = None;
    let mut log = LogId([0; 16]);
    let mut after = 0;
    loop {
        let page = client.journal(&AskJournal { after: Some(after), limit: Some(limits::PAGE) })?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        for row in page {
            let row: Row = serde_json::from_value(row.row)
                .map_err(|why| CliError::Usage(format!("record {} is of another release: {why}", row.seq)))?;
            log = row.log;
            if verifier.is_none() {
                verifier = Some(Verifier::new(None, witness_of(log, witness)?));
            }
            verifier.iter_mut().try_for_each(|verifier| verifier.take(&row))?;
        }
        out.progress(&format!("verified {after} records"));
    }
    out.progress("");
    let verifier = match verifier {
        Some(verifier) => verifier,
        None => Verifier::new(None, witness_of(log, witness)?),
    };
    told(verifier.end(log)?, out)
}

pub fn verify_file(path: &Path, witness: Option<&Path>, out: &mut Output) -> Result<(), CliError> {
    let mut lines = BufReader::new(open(path)?);
    let mut verifier: Option<Verifier> = None;
    let mut log = LogId([0; 16]);
    let most = journal::limits::EXPORT_LINE as u64;
    for line in 1.. {
        let mut text = String::new();
        let read = lines.by_ref().take(most).read_line(&mut text);
        if read.map_err(|why| CliError::File { path: path.into(), why })? == 0 {
            break;
        }
        let row: Row = serde_json::from_str(&text).map_err(|why| CliError::Row {
            path: path.into(),
            line,
            why: why.to_string(),
        })?;
        log = row.log;
        if verifier.is_none() {
            verifier = Some(Verifier::new(None, witness_of(log, witness)?));
        }
        verifier.iter_mut().try_for_each(|verifier| verifier.take(&row))?;
    }
    match verifier {
        Some(verifier) => told(verifier.end(log)?, out),
        None => Err(CliError::Usage(format!("{} holds no rows", path.display()))),
    }
}

fn told(verified: Verified, out: &mut Output) -> Result<(), CliError> {
    let head = verified.head;
    let json = serde_json::json!({
        "log": head.log, "first": verified.first, "last": head.seq, "hash": head.hash,
        "witnessed": verified.witnessed,
    });
    out.say(&json, || {
        let witness = match verified.witnessed {
            0 => "No witness was asked; with --witness /var/log/auth.log a cut tail would be found too."
                .to_owned(),
            n => format!("{n} checkpoints of the witness agree."),
        };
        format!(
            "Whole: records {} to {} of log {}, none edited, moved or missing.\nHead {}.\n{witness}",
            verified.first, head.seq, head.log, head.hash
        )
    })
}

/// The checkpoints of `log` in a syslog file.
fn witness_of(log: LogId, path: Option<&Path>) -> Result<Witness, CliError> {
    let Some(path) = path else { return Ok(Witness::default()) };
    let failed = |why| CliError::File { path: path.into(), why };
    let mut bytes = Vec::new();
    open(path)?.take(limits::WITNESS).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Witness::of(log, String::from_utf8_lossy(&bytes).lines()))
}

fn open(path: &Path) -> Result<File, CliError> {
    File::open(path).map_err(|why| CliError::File { path: path.into(), why })
}
