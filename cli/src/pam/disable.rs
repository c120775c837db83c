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
    // One file that cannot be read keeps all of them as they are.
    let read: Vec<(Door, String)> = doors.into_iter().map(with_text).collect::<Result<_, _>>()?;
    let mut done = Vec::new();
    for (door, text) in read {
        let without = disabled(&text, force);
        // First the lines, then what would take them out: one of both is there at every moment.
        let replaced = if without.taken > 0 { files::replace(&door, &text, &without.text) } else { Ok(()) };
        if let Err(why) = replaced.and_then(|()| undo::cancel(&door)) {
            return Err(broken_off(&done, &why));
        }
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

/// A door and what its file says; nothing, where only a change of it waits.
fn with_text(door: Door) -> Result<(Door, String), CliError> {
    let path = files::path(&door);
    if path.exists() {
        let text = files::read(&path)?;
        return Ok((door, text));
    }
    match undo::pending(&door) {
        Some(_) => Ok((door, String::new())),
        None => Err(CliError::NotDone(format!("there is no {}", path.display()))),
    }
}

/// What stopped it, and which doors are open by then.
fn broken_off(done: &[Done], why: &CliError) -> CliError {
    let open: Vec<&str> = done.iter().filter(|one| one.taken > 0).map(|one| one.service.as_str()).collect();
    let said =
        if open.is_empty() { String::new() } else { format!("; no longer gated: {}", open.join(", ")) };
    CliError::NotDone(format!("{why}{said}"))
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
