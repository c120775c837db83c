//! `jit pam disable`: takes out exactly what was put in.

use super::name::Door;
use super::{files, undo};
use crate::CliError;
use crate::output::Output;
use pamfile::disabled;
use serde::Serialize;

/// What became of one file.
#[derive(Serialize)]
struct Done {
    service: String,
    taken: usize,
    /// Lines that call the module and stay.
    left: Vec<String>,
}

/// Of these services, or of every one that has lines of ours.
pub fn disable(doors: Vec<Door>, force: bool, out: &mut Output) -> Result<(), CliError> {
    let _turn = files::turn()?;
    let named = !doors.is_empty();
    let doors = if named { with_those_along(doors) } else { all()? };
    let mut done = Vec::new();
    for door in doors {
        let path = files::path(&door);
        if !path.exists() && undo::pending(&door).is_none() {
            return Err(CliError::NotDone(format!("there is no {}", path.display())));
        }
        let text = if path.exists() { files::read(&path)? } else { String::new() };
        let without = disabled(&text, force);
        // First the lines, then what would take them out: one of both is there at every moment.
        if without.taken > 0 {
            files::replace(&door, &text, &without.text)?;
        }
        undo::cancel(&door)?;
        let left = without.by_hand.iter().map(|(line, text)| format!("line {line}: {text}")).collect();
        done.push(Done { service: door.to_string(), taken: without.taken, left });
    }
    let changed = done.iter().any(|one| one.taken > 0 || !one.left.is_empty());
    out.say(&done, || {
        if !changed {
            return "No line of the gate was there.".to_owned();
        }
        done.iter()
            .filter(|one| named || one.taken > 0 || !one.left.is_empty())
            .map(told)
            .collect::<Vec<_>>()
            .join("\n")
    })?;
    match done.iter().find(|one| !one.left.is_empty()) {
        Some(one) => Err(CliError::NotDone(format!(
            "{} still calls pam_jit.so by a line that was written by hand: take it out, or use --force",
            one.service
        ))),
        None => Ok(()),
    }
}

/// These services, and what `jit pam enable` wrote along with them.
fn with_those_along(mut doors: Vec<Door>) -> Vec<Door> {
    let along: Vec<Door> = doors.iter().filter_map(Door::along).collect();
    for door in along {
        // What cannot be read is told where it is named.
        let text = files::read(&files::path(&door)).unwrap_or_default();
        let is_ours = disabled(&text, false).taken > 0 || undo::pending(&door).is_some();
        if is_ours && !doors.contains(&door) {
            doors.push(door);
        }
    }
    doors
}

/// Every service that has a line of ours, or a change that waits.
fn all() -> Result<Vec<Door>, CliError> {
    let folder = files::folder()?;
    let doors = folder.0.iter().filter_map(|(name, text)| {
        let door: Door = name.parse().ok()?;
        let there = files::path(&door).is_file();
        let ours = disabled(text, true).taken > 0 || undo::pending(&door).is_some();
        (there && ours).then_some(door)
    });
    Ok(doors.collect())
}

fn told(one: &Done) -> String {
    let taken = match one.taken {
        0 => format!("{}: no line of `jit pam enable` was there.", one.service),
        1 => format!("{}: 1 line taken out.", one.service),
        lines => format!("{}: {lines} lines taken out.", one.service),
    };
    let left = one.left.iter().map(|line| format!("\n  stays: {line}"));
    format!("{taken}{}", left.collect::<String>())
}
