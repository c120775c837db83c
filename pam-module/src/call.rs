//! One PAM call as a question: who is its subject, and what the daemon must know of it.

use crate::people;
use crate::sudo::{Becomes, Called};
use crate::{limits, sys};
use frame::{Mode, Notice, Phase, Question};
use pam::items::{Item, RHost, RUser, Service, Tty, User};
use pam::module::PamHandle;
use std::io::Read as _;
use std::time::Duration;

/// The question, without nonce and mode, or in words why there is none.
pub fn question(pamh: &mut PamHandle, phase: Phase) -> Result<Question, String> {
    let service = item::<Service>(pamh, "service")?;
    let user = item::<User>(pamh, "user")?;
    if service.is_empty() || user.is_empty() {
        return Err("the application names no service or no user".to_owned());
    }
    let uid = nix::unistd::getuid().as_raw();
    let is_session = matches!(phase, Phase::Open | Phase::Close);
    let subject = if switches(&service) {
        let invoker = item::<RUser>(pamh, "remote user")?;
        check_invoker(&invoker, uid, is_session)?;
        invoker
    } else {
        user.clone()
    };
    let rhost = item::<RHost>(pamh, "remote host")?;
    // `SSH_CONNECTION`: client address, client port, server address, server port (sshd(8)). It is sshd's word until the
    // session's turn: by then pam_env(8) may have read ~/.pam_environment. Who switches came in before.
    let address = if switches(&service) {
        Vec::new()
    } else if !is_session {
        let connection = sys::pam_environment(pamh, c"SSH_CONNECTION").unwrap_or_default();
        connection.split(|byte| *byte == b' ').next().unwrap_or_default().to_vec()
    } else if is_like_an_address(&rhost) {
        rhost.clone().into_bytes()
    } else {
        Vec::new()
    };
    let mut question = Question {
        nonce: [0; 16],
        phase,
        service: cut(service.into_bytes(), frame::limits::NAME)?,
        subject: cut(subject.into_bytes(), frame::limits::NAME)?,
        target: cut(user.into_bytes(), frame::limits::NAME)?,
        rhost: shown(rhost, frame::limits::RHOST),
        address: cut(address, frame::limits::ADDRESS)?,
        tty: shown(item::<Tty>(pamh, "terminal")?, frame::limits::NAME),
        uid,
        pid: std::process::id(),
        // Only a session is known by its process; looking that up takes longer than the rest of a question.
        start_ticks: if is_session { start_ticks().unwrap_or(0) } else { 0 },
        audit_session: if is_session { audit_session().unwrap_or(u32::MAX) } else { u32::MAX },
        mode: Mode::Enforce,
        notice: Notice::None,
        outer_session: u32::MAX,
        can_prompt: false,
        wish: frame::Wish::default(),
    };
    if is_sudo(&question) && !is_roots_own(&question) {
        ask_about_whom_sudo_becomes(&mut question, is_session);
    }
    Ok(question)
}

/// Before its session sudo names who calls it, or whose password it takes; the daemon takes who calls it for nobody that is
/// known yet.
fn ask_about_whom_sudo_becomes(question: &mut Question, is_session: bool) {
    let line = command_line();
    let called = Called::read(&line, limits::COMMAND_LINE);
    match if is_session { called.in_session() } else { called.before_session() } {
        Some(Becomes::Root) => question.target = b"root".to_vec(),
        Some(Becomes::User(user)) => question.target = named(user),
        None if is_session => {}
        None => question.target.clone_from(&question.subject),
    }
}

/// An account by its name; root by an id (`#33`), whoever has that, or what is no name.
fn named(user: &[u8]) -> Vec<u8> {
    let is_name = (1..=frame::limits::NAME).contains(&user.len()) && !user.starts_with(b"#");
    if is_name { user.to_vec() } else { b"root".to_vec() }
}

/// Whether it can be an address; the daemon says whether it is one.
fn is_like_an_address(text: &str) -> bool {
    text.len() <= frame::limits::ADDRESS
        && text.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':'))
}

/// Services in which somebody who is in becomes somebody else: the subject is the invoker.
pub fn switches(service: &str) -> bool {
    matches!(service, "sudo" | "sudo-i" | "su" | "su-l")
}

/// Whether sudo asks, whose options say more than it tells.
pub fn is_sudo(question: &Question) -> bool {
    matches!(question.service.as_slice(), b"sudo" | b"sudo-i")
}

/// Whether the subject is root in its own sudo or su, which needs no grant: a refusal would break root's
/// cron.
pub fn is_roots_own(question: &Question) -> bool {
    question.uid == 0
        && question.subject == b"root"
        && std::str::from_utf8(&question.service).is_ok_and(switches)
}

/// What the application says of the invoker must fit the real user id, as far as local accounts tell.
/// A directory's user is in neither file, and then the application alone knows. `sudo -e` has become root
/// for good before it opens its session; whoever is root there needs no lie.
fn check_invoker(name: &str, uid: u32, is_session: bool) -> Result<(), String> {
    let fits = match people::account(name) {
        _ if is_session && uid == 0 => !name.is_empty(),
        Ok(Some(account)) => account.uid == uid,
        Ok(None) => !name.is_empty() && !people::is_local(uid)?,
        // Root's own sudo works through everything.
        Err(_) if uid == 0 && name == "root" => true,
        Err(why) => return Err(why),
    };
    if fits {
        Ok(())
    } else {
        Err(format!("the application says that \"{name}\" asks, but user id {uid} runs it"))
    }
}

/// User, invoker, service, client and terminal as the application has them; empty where it does not tell.
pub fn names(pamh: &PamHandle) -> [String; 5] {
    [
        item::<User>(pamh, "").unwrap_or_default(),
        item::<RUser>(pamh, "").unwrap_or_default(),
        item::<Service>(pamh, "").unwrap_or_default(),
        item::<RHost>(pamh, "").unwrap_or_default(),
        item::<Tty>(pamh, "").unwrap_or_default(),
    ]
}

/// A PAM item as text; empty where it is unset.
fn item<'a, T>(pamh: &'a PamHandle, what: &str) -> Result<String, String>
where
    T: Item<'a> + AsText,
{
    match pamh.get_item::<T>() {
        Ok(None) => Ok(String::new()),
        Ok(Some(item)) => item.text().map_err(|()| format!("the {what} is not UTF-8")),
        Err(_) => Err(format!("the application does not tell the {what}")),
    }
}

/// Items that are C strings.
trait AsText {
    fn text(&self) -> Result<String, ()>;
}

macro_rules! as_text {
    ($($item:ident)*) => {$(
        impl AsText for $item<'_> {
            fn text(&self) -> Result<String, ()> {
                String::from_utf8(self.0.to_bytes().to_vec()).map_err(|_| ())
            }
        }
    )*};
}
as_text!(RHost RUser Service Tty User);

/// What decides must fit whole.
fn cut(bytes: Vec<u8>, most: usize) -> Result<Vec<u8>, String> {
    if bytes.len() > most { Err(format!("a name is longer than {most} bytes")) } else { Ok(bytes) }
}

/// What is only recorded may be cut.
fn shown(text: String, most: usize) -> Vec<u8> {
    let mut bytes = text.into_bytes();
    bytes.truncate(most);
    bytes
}

/// A file of this process in `/proc`.
pub fn proc_self(name: &str) -> Option<String> {
    let mut text = String::new();
    std::fs::File::open(format!("/proc/self/{name}"))
        .ok()?
        .take(limits::PROC)
        .read_to_string(&mut text)
        .ok()?;
    Some(text)
}

/// `/proc/PID/stat` field 22 (proc(5)); field 2 is in parentheses and may hold anything.
fn start_ticks() -> Option<u64> {
    proc_self("stat")?.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// How this process was called, as far as that is read.
pub fn command_line() -> Vec<u8> {
    let mut line = Vec::new();
    if let Ok(file) = std::fs::File::open("/proc/self/cmdline") {
        // What is missing is missed by whoever reads it.
        let _ = file.take(limits::COMMAND_LINE as u64).read_to_end(&mut line);
    }
    line
}

/// How long this process has been there, also while the machine slept.
pub fn age() -> Option<Duration> {
    let mut uptime = String::new();
    std::fs::File::open("/proc/uptime").ok()?.take(limits::PROC).read_to_string(&mut uptime).ok()?;
    let up: u64 = uptime.split('.').next()?.parse().ok()?;
    Some(Duration::from_secs(up.saturating_sub(start_ticks()? / limits::TICKS)))
}

/// The audit session id of this process.
pub fn audit_session() -> Option<u32> {
    proc_self("sessionid")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_of_an_account_is_root() {
        assert_eq!(named(b"postgres"), b"postgres");
        for nobody in [&b""[..], &[b'a'; 1000], b"#", b"#0", b"#1", b"#-1", b"#x"] {
            assert_eq!(named(nobody), b"root", "{nobody:?}");
        }
    }
}
