//! `pam_jit.so`: at every login and every sudo, one question to `jitd`, and its answer as a PAM code.
//!
//! Runs as root inside sshd, sudo and su, so it does as little as can be: it reads its arguments, asks over
//! a Unix socket within one deadline, and says at most one line. There is no runtime, no thread, no
//! network, no configuration file, no NSS and no environment in here. Whatever goes wrong refuses, unless
//! the administrator wrote otherwise on that very PAM line.
//!
//! Spare keys and root's own sudo are decided here, from the arguments and local accounts alone, so they
//! work when everything else is dead. See pam_jit(8).

#![allow(missing_docs)] // the functions that the macro below makes are pam(3)'s, and documented there

mod arguments;
mod ask;
mod call;
pub mod limits;
mod people;
mod prompt;
mod session;
mod sudo;
mod sys;
mod terminal;
mod told;

use arguments::Arguments;
use ask::NoAnswer;
use frame::{Mode, Notice, Offer, Phase, Question, Verdict};
use pam::constants::{PAM_ERROR_MSG, PamFlag, PamResultCode};
use pam::conv::Conv;
use pam::module::{PamHandle, PamHooks};
use prompt::{Prompt, Talk};
use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use told::Who;

struct Module;
pam::pam_hooks!(Module);

impl PamHooks for Module {
    fn acct_mgmt(pamh: &mut PamHandle, args: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        guarded(pamh, &args, Phase::Account)
    }

    fn sm_authenticate(pamh: &mut PamHandle, args: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        guarded(pamh, &args, Phase::Auth)
    }

    fn sm_open_session(pamh: &mut PamHandle, args: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        guarded(pamh, &args, Phase::Open)
    }

    fn sm_close_session(pamh: &mut PamHandle, args: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        // Nobody is kept in by a logout that could not be told; the daemon sees the process go.
        let _ = guarded(pamh, &args, Phase::Close);
        PamResultCode::PAM_SUCCESS
    }

    /// There are no credentials of ours; sshd ignores a failure here, others do not.
    fn sm_setcred(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        PamResultCode::PAM_SUCCESS
    }

    /// No password is ours to change: on a `password` line the module is a mistake, and says so.
    fn sm_chauthtok(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        PamResultCode::PAM_SERVICE_ERR
    }
}

/// What became of a call, before it is a PAM code.
enum Outcome {
    /// Let in.
    In,
    /// Refused by the daemon, with its line.
    Refused(String),
    /// No answer, and why.
    Unavailable(String),
    /// The caller broke it off or had no means left to ask, and how.
    BrokenOff(String),
    /// The PAM line or the application is wrong, or this module is.
    Broken(String),
}

impl From<NoAnswer> for Outcome {
    fn from(none: NoAnswer) -> Self {
        match none {
            NoAnswer::BrokenOff(why) => Self::BrokenOff(why),
            NoAnswer::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

/// A panic refuses with a message, and its text goes nowhere: it would reach the terminal under sudo.
fn guarded(pamh: &mut PamHandle, args: &[&CStr], phase: Phase) -> PamResultCode {
    static SILENT: Once = Once::new();
    SILENT.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let outcome = catch_unwind(AssertUnwindSafe(|| run(pamh, args, phase)))
        .unwrap_or_else(|_| Outcome::Broken("the module has a fault".to_owned()));
    finish(pamh, phase, outcome)
}

fn run(pamh: &mut PamHandle, args: &[&CStr], phase: Phase) -> Outcome {
    let arguments = match Arguments::parse(args) {
        Ok(arguments) => arguments,
        Err(why) => return Outcome::Broken(why),
    };
    let mut question = match call::question(pamh, phase) {
        Ok(question) => question,
        Err(why) => return Outcome::Broken(why),
    };
    // First of all: the kernel may have no random numbers yet, and these need none.
    if phase != Phase::Close
        && let Some(notice) = decided_here(&arguments, &question)
    {
        // It is decided: a fault on the way to the daemon must not take the last key away.
        let told = Question { phase: Phase::Notice, notice, ..question };
        if !catch_unwind(|| is_told(&arguments, &told)).unwrap_or(false) {
            untold(&told);
        }
        return Outcome::In;
    }
    let Some(nonce) = sys::random() else {
        return Outcome::Unavailable("the kernel gives no random numbers".to_owned());
    };
    question.nonce = nonce;
    if arguments.monitor {
        question.mode = Mode::Monitor;
    }
    // Not where the line lets in what no session carries then: it ends with the login around it at least.
    let is_carried = !arguments.monitor && !arguments.allow_unavailable;
    let switches = std::str::from_utf8(&question.service).is_ok_and(call::switches);
    if phase == Phase::Open && switches && is_carried {
        session::set_apart(&mut question);
    }
    let prompt = if arguments.monitor { None } else { Prompt::of(pamh, &question) };
    question.can_prompt = prompt.is_some();
    let timeout =
        if phase == Phase::Close { limits::NOTICE.min(arguments.timeout) } else { arguments.timeout };
    let outcome = match ask::ask(&arguments.socket, &question, timeout) {
        Ok(answer) if answer.verdict == Verdict::Allow => {
            if phase == Phase::Open {
                session::tell(pamh, &answer);
            }
            Outcome::In
        }
        Ok(answer) => match prompt {
            Some(prompt) if answer.offer != Offer::Nothing => {
                return Talk::about(&question, &arguments, prompt).go_on(answer);
            }
            _ => Outcome::Refused(String::from_utf8_lossy(&answer.line).into_owned()),
        },
        Err(why) => why.into(),
    };
    match outcome {
        // A logout lets nobody in.
        Outcome::Unavailable(_) if phase == Phase::Close => Outcome::In,
        Outcome::Unavailable(why) if arguments.allow_unavailable || arguments.monitor => {
            let (reason, allowed) = if arguments.monitor {
                ("monitor", "mode=monitor")
            } else {
                ("unavailable", "on_unavailable=allow")
            };
            let detail = format!("let in without an answer because of {allowed}: {why}");
            log(libc::LOG_ERR, &told::line("allow", reason, &Who::from(&question), &detail));
            Outcome::In
        }
        Outcome::Refused(_) if arguments.monitor => Outcome::In,
        outcome => outcome,
    }
}

/// What needs no daemon.
fn decided_here(arguments: &Arguments, question: &Question) -> Option<Notice> {
    if call::is_roots_own(question) {
        return Some(Notice::Exempt);
    }
    if arguments.spare_users.is_empty() && arguments.spare_groups.is_empty() {
        return None;
    }
    let name = std::str::from_utf8(&question.subject).ok()?;
    let account = people::account(name).ok()??;
    let spare = arguments.spare_users.iter().any(|spare| spare == name)
        || arguments.spare_groups.iter().any(|group| people::is_member(name, account, group));
    spare.then_some(Notice::SpareKey)
}

/// Tells the daemon what is decided here; whether it has it on record. One that cannot read a name has not, and says no.
fn is_told(arguments: &Arguments, question: &Question) -> bool {
    let Some(nonce) = sys::random() else { return false };
    let timeout = limits::NOTICE.min(arguments.timeout);
    let answer = ask::ask(&arguments.socket, &Question { nonce, ..question.clone() }, timeout);
    answer.is_ok_and(|answer| answer.verdict == Verdict::Allow)
}

/// Tells syslog what the daemon does not hear.
fn untold(question: &Question) {
    let (priority, what) = match question.notice {
        Notice::SpareKey => (libc::LOG_ALERT, "spare_key"),
        Notice::Exempt | Notice::None => (libc::LOG_NOTICE, "exempt"),
    };
    log(priority, &told::line("allow", what, &Who::from(question), "jitd could not be told"));
}

fn finish(pamh: &mut PamHandle, phase: Phase, outcome: Outcome) -> PamResultCode {
    // A logout refuses nobody, and its line in the log would say that it did.
    if phase == Phase::Close {
        return PamResultCode::PAM_SUCCESS;
    }
    let (code, line) = match outcome {
        Outcome::In => return PamResultCode::PAM_SUCCESS,
        Outcome::Refused(line) if line.is_empty() => {
            (PamResultCode::PAM_PERM_DENIED, "jit: refused.".to_owned())
        }
        Outcome::Refused(line) => (PamResultCode::PAM_PERM_DENIED, line),
        Outcome::Unavailable(why) => {
            refused(pamh, libc::LOG_ERR, "unavailable", &format!("jitd does not answer: {why}"));
            let line = format!(
                "jit: this host's access daemon does not answer ({why}), so nobody is let in. \
                 Ask its administrator to run: systemctl status jitd"
            );
            (PamResultCode::PAM_AUTHINFO_UNAVAIL, line)
        }
        // Nothing is wrong with the daemon, and whoever runs su can bring this about at will.
        Outcome::BrokenOff(why) => {
            refused(pamh, libc::LOG_NOTICE, "broken_off", &why);
            let line = format!("jit: broken off ({why}), so nobody is let in. Try again.");
            (PamResultCode::PAM_AUTHINFO_UNAVAIL, line)
        }
        Outcome::Broken(why) => {
            refused(pamh, libc::LOG_ERR, "bad_request", &format!("the PAM line is not right: {why}"));
            let line = format!(
                "jit: this host's access gate is set up wrongly ({why}), so nobody is let in. \
                 Ask its administrator to run: man pam_jit"
            );
            (PamResultCode::PAM_SERVICE_ERR, line)
        }
    };
    say(pamh, &line);
    match phase {
        // sshd would try again and say the same twice more.
        Phase::Auth => PamResultCode::PAM_MAXTRIES,
        // The only code at which sudo does not run the command all the same.
        Phase::Open => PamResultCode::PAM_PERM_DENIED,
        _ => code,
    }
}

/// Tells syslog of a refusal that the daemon does not hear of. It is refused already: a fault here must not
/// reach the application.
fn refused(pamh: &PamHandle, priority: libc::c_int, reason: &str, detail: &str) {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        log(priority, &told::line("deny", reason, &Who::of(pamh), detail));
    }));
}

/// One line of printable ASCII on the error channel, also where the application asked for silence: sudo
/// always does, and without a terminal other text would go into captured output.
fn say(pamh: &PamHandle, line: &str) {
    if let Ok(Some(conversation)) = pamh.get_item::<Conv<'_>>() {
        // Nobody listens: the code says enough.
        let _ = conversation.send(PAM_ERROR_MSG, &told::plain(line));
    }
}

fn log(priority: libc::c_int, what: &str) {
    let what: String =
        what.chars().map(|c| if c.is_control() { '?' } else { c }).take(limits::LINE).collect();
    sys::syslog(priority, &format!("pam_jit: {what}"));
}
