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
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        Some(Account { uid: fields.nth(1)?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    })
}

/// Whether any local account has this user id.
pub fn is_local(uid: u32) -> Result<bool, String> {
    let found = find("/etc/passwd", |line| (line.split(':').nth(2)?.parse() == Ok(uid)).then_some(()))?;
    Ok(found.is_some())
}

/// Whether a local account is in the local group `group`, by its list or as its first group.
pub fn is_member(name: &str, account: Account, group: &str) -> bool {
    let member = find("/etc/group", |line| {
        let mut fields = line.split(':');
        (fields.next()? == group).then_some(())?;
        let gid: u32 = fields.nth(1)?.parse().ok()?;
        let listed = fields.next().is_some_and(|members| members.split(',').any(|member| member == name));
        Some(listed || gid == account.gid)
    });
    // A group that cannot be read has nobody in it.
    member == Ok(Some(true))
}

/// What `take` makes of the first line that it takes.
fn find<T>(path: &str, take: impl Fn(&str) -> Option<T>) -> Result<Option<T>, String> {
    let failed = |why: io::Error| format!("{path} cannot be read: {why}");
    let mut lines = BufReader::new(File::open(path).map_err(failed)?.take(limits::ACCOUNTS));
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Ok(None);
        }
        let text = std::str::from_utf8(&line).unwrap_or_default();
        if let Some(taken) = take(text.trim_end_matches('\n')) {
            return Ok(Some(taken));
        }
    }
}
