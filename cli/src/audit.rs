//! `jit audit tail`, `jit audit export` and `jit audit verify`.

use crate::output::Output;
use crate::patience::{Patience, passes};
use crate::{CliError, limits};
use api::{AskJournal, Client, Mark, Record};
use journal::{Broken, LogId, Row, Verified, Verifier, Witness};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

pub fn tail(client: &Client, lines: u32, follow: bool, out: &mut Output) -> Result<(), CliError> {
    let mut query = AskJournal { after: None, limit: Some(lines) };
    let mut page = client.journal(&query)?;
    let mut patience = Patience::default();
    loop {
        for row in &page {
            out.say(&row.row, || row.line.clone())?;
        }
        if !follow {
            return Ok(());
        }
        query =
            AskJournal { after: page.last().map(|row| row.seq).or(query.after), limit: Some(limits::PAGE) };
        page = loop {
            std::thread::sleep(limits::LOOK_AGAIN);
            match client.journal(&query) {
                Ok(page) => break page,
                Err(why) if passes(&why) => {
                    if patience.is_whole() {
                        Output::aside(&format!("{why}. Trying again."));
                    }
                    let Some(rest) = patience.failed() else { return Err(why.into()) };
                    std::thread::sleep(rest);
                }
                Err(why) => return Err(why.into()),
            }
        };
        if patience.answered() {
            Output::aside(&format!("{} answers again.", client.door().name()));
        }
    }
}

/// Writes every record after this place, one JSON row a line, as [`verify_file`] reads them.
pub fn export(client: &Client, mut after: u64) -> Result<(), CliError> {
    loop {
        let page = client.journal(&AskJournal { after: Some(after), limit: Some(limits::PAGE) })?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.seq;
        for row in &page {
            Output::json(&row.row)?;
        }
    }
}

/// Verifies the daemon's journal.
pub fn verify(client: &Client, witnesses: &[PathBuf], out: &mut Output) -> Result<(), CliError> {
    let mut verifying = Verifying::against(witnesses)?;
    let mut after = 0;
    loop {
        let page = client.journal(&AskJournal { after: Some(after), limit: Some(limits::PAGE) })?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        for row in page {
            let row: Row = serde_json::from_value(row.row)
                .map_err(|why| CliError::Usage(format!("record {} is of another release: {why}", row.seq)))?;
            verifying.take(row)?;
        }
        out.progress(&format!("verified {after} records"));
    }
    out.progress("");
    verifying.end(out)
}

/// Verifies an export.
pub fn verify_file(path: &Path, witnesses: &[PathBuf], out: &mut Output) -> Result<(), CliError> {
    let mut verifying = Verifying::against(witnesses)?;
    let mut lines = BufReader::new(open(path)?);
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
        verifying.take(row)?;
    }
    if verifying.rows.is_none() {
        return Err(CliError::Usage(format!("{} holds no rows", path.display())));
    }
    verifying.end(out)
}

/// A journal on the way, and what syslog files witness of it.
struct Verifying<'a> {
    files: &'a [PathBuf],
    /// What is in them.
    lines: String,
    /// Once the first row told which log it is.
    rows: Option<Rows>,
}

struct Rows {
    verifier: Verifier,
    log: LogId,
    others: BTreeMap<LogId, u64>,
    /// The very first row of the log, where it was not pruned.
    opening: Option<Row>,
}

impl<'a> Verifying<'a> {
    fn against(files: &'a [PathBuf]) -> Result<Self, CliError> {
        let mut lines = String::new();
        for path in files {
            let failed = |why| CliError::File { path: path.into(), why };
            let mut bytes = Vec::new();
            open(path)?.take(limits::WITNESS + 1).read_to_end(&mut bytes).map_err(failed)?;
            if bytes.len() as u64 > limits::WITNESS {
                return Err(failed(std::io::Error::other(format!(
                    "it is longer than {} bytes: take the lines with \"checkpoint log=\" out of it",
                    limits::WITNESS
                ))));
            }
            lines.push_str(&String::from_utf8_lossy(&bytes));
            lines.push('\n');
        }
        Ok(Self { files, lines, rows: None })
    }

    fn take(&mut self, row: Row) -> Result<(), CliError> {
        let rows = self.rows.get_or_insert_with(|| Rows::of(row.log, &self.lines));
        rows.verifier.take(&row)?;
        if row.seq == 1 {
            rows.opening = Some(row);
        }
        Ok(())
    }

    fn end(self, out: &mut Output) -> Result<(), CliError> {
        let rows = self.rows.unwrap_or_else(|| Rows::of(LogId([0; 16]), &self.lines));
        let verified = rows.verifier.end(rows.log)?;
        if rows.opening.is_none() && !rows.others.is_empty() {
            return Err(CliError::NotDone(format!(
                "{} to {} are whole, but a witness saw another log there too, and whether log {} follows it is said in its \
                 record 1, which is not among these",
                verified.first, verified.head.seq, rows.log
            )));
        }
        let follows = rows.opening.as_ref().and_then(follows);
        for (before, seen) in rows.others {
            match follows {
                Some((log, end)) if log == before && seen <= end => {}
                Some((log, end)) if log == before => {
                    return Err(Broken::CutBefore { before, end, seen }.into());
                }
                _ => return Err(Broken::Replaced { log: rows.log, before, seen }.into()),
            }
        }
        if verified.witnessed == 0 && !self.files.is_empty() {
            let files: Vec<_> = self.files.iter().map(|file| file.display().to_string()).collect();
            return Err(CliError::NotDone(format!(
                "{} to {} of log {} are whole by themselves, but {} witnessed none of them: name the syslog files of the \
                 time as well, as with --witness /var/log/auth.log.1",
                verified.first,
                verified.head.seq,
                rows.log,
                files.join(" and ")
            )));
        }
        told(&verified, out)
    }
}

impl Rows {
    fn of(log: LogId, lines: &str) -> Self {
        let witness = Witness::of(log, lines.lines());
        let others = witness.others().clone();
        Self { verifier: Verifier::new(None, witness), log, others, opening: None }
    }
}

/// The log that one follows which begins with the record of a repair, and the last that this saw of it.
fn follows(opening: &Row) -> Option<(LogId, u64)> {
    let Ok(Record::Mark(mark)) = serde_json::from_str(&opening.body) else { return None };
    let said = |key: &str| mark.detail.split(' ').find_map(|word| word.strip_prefix(key));
    if mark.mark != Mark::Repaired {
        return None;
    }
    Some((said("old_log=")?.parse().ok()?, said("last_seen=")?.parse().ok()?))
}

fn told(verified: &Verified, out: &mut Output) -> Result<(), CliError> {
    let head = verified.head;
    let json = serde_json::json!({
        "log": head.log, "first": verified.first, "last": head.seq, "hash": head.hash,
        "witnessed": verified.witnessed,
    });
    out.say(&json, || {
        let witness = match verified.witnessed {
            0 => "No witness was asked; with --witness /var/log/auth.log a cut tail would be found too."
                .to_owned(),
            1 => "One checkpoint of the witness agrees.".to_owned(),
            n => format!("{n} checkpoints of the witness agree."),
        };
        format!(
            "Whole: records {} to {} of log {}, none edited, moved or missing.\nHead {}.\n{witness}",
            verified.first, head.seq, head.log, head.hash
        )
    })
}

fn open(path: &Path) -> Result<File, CliError> {
    File::open(path).map_err(|why| CliError::File { path: path.into(), why })
}
