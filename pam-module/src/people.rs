//! `/etc/passwd` and `/etc/group`, read directly: NSS could hang, and a plug-in could lie.

use crate::limits;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};

/// One local account.
#[derive(Clone, Copy)]
pub struct Account {
    /// User id.
    pub uid: u32,
    gid: u32,
}

/// The local account of this name.
pub fn account(name: &str) -> Option<Account> {
    find("/etc/passwd", |line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        Some(Account { uid: fields.nth(1)?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    })
}

/// Whether any local account has this user id.
pub fn is_local(uid: u32) -> bool {
    find("/etc/passwd", |line| (line.split(':').nth(2)?.parse() == Ok(uid)).then_some(())).is_some()
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
    member == Some(true)
}

/// What `take` makes of the first line that it takes.
fn find<T>(path: &str, take: impl Fn(&str) -> Option<T>) -> Option<T> {
    let mut lines = BufReader::new(File::open(path).ok()?.take(limits::ACCOUNTS));
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).ok()? == 0 {
            return None;
        }
        let text = std::str::from_utf8(&line).unwrap_or_default();
        if let Some(taken) = take(text.trim_end_matches('\n')) {
            return Some(taken);
        }
    }
}
