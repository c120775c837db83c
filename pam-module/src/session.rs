//! What the module does for a session that opens: an audit session of its own for a sudo or su, and what the
//! person's programs can know of the grant.

use crate::{call, sys};
use frame::{Answer, Question};
use pam::module::PamHandle;
use std::ffi::CString;

/// Gives this process an audit session of its own inside of the login it runs in, so that what it starts is told
/// from the rest of that login. Everything it starts inherits it, orphans included.
///
/// The kernel makes a new one when the audit login id is written, also with the id that it has
/// (`audit_set_loginuid`); that id stays, and so does who is answerable. Where it may not be written (audit
/// rules that are locked, a container without the right) the session is told by its process alone.
pub fn set_apart(question: &mut Question) {
    const UNSET: &str = "4294967295";
    let Some(login) = call::proc_self("loginuid").filter(|login| login.trim() != UNSET) else { return };
    if std::fs::write("/proc/self/loginuid", login.trim()).is_err() {
        return;
    }
    let now = call::audit_session().unwrap_or(u32::MAX);
    if now != question.audit_session {
        question.outer_session = question.audit_session;
        question.audit_session = now;
    }
}

/// Tells the person's programs by which grant they run, and until when it goes as things are: `JIT_GRANT`, and
/// `JIT_EXPIRES` in seconds after the Unix epoch.
pub fn tell(pamh: &mut PamHandle, answer: &Answer) {
    if answer.grant.is_empty() {
        return;
    }
    let grant = String::from_utf8_lossy(&answer.grant);
    for variable in [format!("JIT_GRANT={grant}"), format!("JIT_EXPIRES={}", answer.expires)] {
        if let Ok(variable) = CString::new(variable) {
            sys::set_pam_environment(pamh, &variable);
        }
    }
}
