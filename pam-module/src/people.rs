//! `/etc/passwd` and `/etc/group`, read directly: NSS could hang, and a plug-in could lie.

use crate::limits;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};

/// One local account.
#[derive(Clone, Copy)]
pub struct Account {
    /// User id.
    pub uid: u32,
    gid: u32,
}

/// The local account of this name. A file that cannot be read says nothing about who is in it: whoever runs the
/// application may have brought that about, by a limit on open files.
pub fn account(name: &str) -> Result<Option<Account>, String> {
    find("/etc/passwd", |line| {
        let mut fields = fields(line, b':');
        (fields.next()? == name.as_bytes()).then_some(())?;
        Some(Account { uid: number(fields.nth(1)?)?, gid: number(fields.next()?)? })
    })
}

/// Whether any local account has this user id.
pub fn is_local(uid: u32) -> Result<bool, String> {
    Ok(name(uid)?.is_some())
}

/// The name of the first local account that has this user id, as getpwuid(3) gives it.
pub fn name(uid: u32) -> Result<Option<Vec<u8>>, String> {
    find("/etc/passwd", |line| {
        let mut fields = fields(line, b':');
        let name = fields.next()?;
        (number(fields.nth(1)?)? == uid).then(|| name.to_vec())
    })
}

/// Whether a local account is in the local group `group`, by its list or as its first group.
pub fn is_member(name: &str, account: Account, group: &str) -> bool {
    let member = find("/etc/group", |line| {
        let mut parts = fields(line, b':');
        (parts.next()? == group.as_bytes()).then_some(())?;
        let gid = number(parts.nth(1)?)?;
        let is_listed = |members| fields(members, b',').any(|member| member == name.as_bytes());
        let listed = parts.next().is_some_and(is_listed);
        Some(listed || gid == account.gid)
    });
    // A group that cannot be read has nobody in it.
    member == Ok(Some(true))
}

/// What stands between these. As bytes: nobody says in what encoding full names are.
fn fields(line: &[u8], between: u8) -> impl Iterator<Item = &[u8]> {
    line.split(move |byte| *byte == between)
}

fn number(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// What `take` makes of the first line that it takes.
fn find<T>(path: &str, take: impl Fn(&[u8]) -> Option<T>) -> Result<Option<T>, String> {
    let failed = |why: io::Error| format!("{path} cannot be read: {why}");
    let mut lines = BufReader::new(File::open(path).map_err(failed)?.take(limits::ACCOUNTS));
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Ok(None);
        }
        if let Some(taken) = take(line.strip_suffix(b"\n").unwrap_or(&line)) {
            return Ok(Some(taken));
        }
    }
}
