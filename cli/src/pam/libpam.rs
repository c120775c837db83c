//! Drives a PAM stack as an application does (pam_start_confdir(3)): the only unsafe code of the command.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, NulError, c_char, c_int, c_void};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Items and answers of pam(3), by their numbers in `security/_pam_types.h`.
const PAM_SUCCESS: c_int = 0;
const PAM_BUF_ERR: c_int = 5;
const PAM_CONV_ERR: c_int = 19;
const PAM_TTY: c_int = 3;
const PAM_RHOST: c_int = 4;
const PAM_RUSER: c_int = 8;
const PAM_PROMPTS: [c_int; 2] = [1, 2];

/// Messages in one call of a conversation (`PAM_MAX_NUM_MSG`).
const MOST: c_int = 32;

#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct Response {
    text: *mut c_char,
    unused: c_int,
}

type Talk = extern "C" fn(c_int, *mut *const Message, *mut *mut Response, *mut c_void) -> c_int;

#[repr(C)]
struct Conversation {
    talk: Talk,
    data: *mut c_void,
}

/// `pam_handle_t`
enum Handle {}

#[link(name = "pam")]
unsafe extern "C" {
    fn pam_start_confdir(
        service: *const c_char,
        user: *const c_char,
        conversation: *const Conversation,
        folder: *const c_char,
        handle: *mut *mut Handle,
    ) -> c_int;
    fn pam_set_item(handle: *mut Handle, item: c_int, value: *const c_void) -> c_int;
    fn pam_acct_mgmt(handle: *mut Handle, flags: c_int) -> c_int;
    fn pam_strerror(handle: *mut Handle, code: c_int) -> *const c_char;
    fn pam_end(handle: *mut Handle, code: c_int) -> c_int;
}

/// One call of an application for the account part.
pub struct Call<'a> {
    /// Service files, each by its name.
    pub folder: &'a Path,
    /// The service.
    pub service: &'a str,
    /// Whom it is about.
    pub user: &'a str,
    /// Who runs it, for sudo and su.
    pub ruser: Option<&'a str>,
    /// Where they come from, for sshd.
    pub rhost: Option<&'a str>,
    /// The terminal, as sshd has it.
    pub tty: Option<&'a str>,
}

/// What modules said. The conversation is called by this one thread alone.
static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Goes through the account part. Nothing if it lets in, else the words of libpam and of its modules.
pub fn account(call: &Call<'_>) -> Result<(), String> {
    let text = |text: &str| CString::new(text).map_err(|why: NulError| why.to_string());
    let (service, user) = (text(call.service)?, text(call.user)?);
    let folder = text(call.folder.to_str().ok_or("the folder's name is no text")?)?;
    let conversation = Conversation { talk, data: std::ptr::null_mut() };
    let mut handle = std::ptr::null_mut();
    // SAFETY: pam_start_confdir(3) copies its strings and the conversation, all of which live here, and sets the
    // handle where it succeeds.
    let code = unsafe {
        pam_start_confdir(
            service.as_ptr(),
            user.as_ptr(),
            &raw const conversation,
            folder.as_ptr(),
            &raw mut handle,
        )
    };
    if code != PAM_SUCCESS || handle.is_null() {
        return Err(format!("libpam could not be started (code {code})"));
    }
    let mut outcome = Ok(());
    for (item, value) in [(PAM_TTY, call.tty), (PAM_RHOST, call.rhost), (PAM_RUSER, call.ruser)] {
        let Some(value) = value else { continue };
        outcome = outcome.and_then(|()| {
            let value = text(value)?;
            // SAFETY: the handle is that of above; each of these items is a string, which libpam copies
            // (pam_set_item(3)).
            said(handle, unsafe { pam_set_item(handle, item, value.as_ptr().cast()) })
        });
    }
    let outcome = outcome.and_then(|()| {
        // SAFETY: the handle is that of above.
        said(handle, unsafe { pam_acct_mgmt(handle, 0) })
    });
    // SAFETY: the handle is that of above, and is not used any more.
    unsafe { pam_end(handle, PAM_SUCCESS) };
    outcome
}

/// Nothing for success, else what libpam and its modules say.
fn said(handle: *mut Handle, code: c_int) -> Result<(), String> {
    if code == PAM_SUCCESS {
        return Ok(());
    }
    // SAFETY: pam_strerror(3) gives a string that stays, or nothing, whatever the code.
    let words = unsafe {
        let words = pam_strerror(handle, code);
        if words.is_null() { "it failed".into() } else { CStr::from_ptr(words).to_string_lossy() }
    };
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner).clone();
    said.insert(0, format!("{words} (code {code})"));
    Err(said.join("; "))
}

/// Keeps what modules say, and answers no question: nobody is there.
extern "C" fn talk(
    count: c_int,
    messages: *mut *const Message,
    answers: *mut *mut Response,
    _: *mut c_void,
) -> c_int {
    if !(1..=MOST).contains(&count) || messages.is_null() || answers.is_null() {
        return PAM_CONV_ERR;
    }
    let count = usize::try_from(count).unwrap_or(0);
    for at in 0..count {
        // SAFETY: pam_conv(3): Linux-PAM passes an array of so many pointers, each to a message with a string.
        let (style, text) = unsafe {
            let message = *messages.add(at);
            if message.is_null() || (*message).text.is_null() {
                return PAM_CONV_ERR;
            }
            ((*message).style, CStr::from_ptr((*message).text).to_string_lossy().into_owned())
        };
        if PAM_PROMPTS.contains(&style) {
            return PAM_CONV_ERR;
        }
        SAID.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }
    // SAFETY: who asks frees the answers with free(3), also where they are empty.
    unsafe {
        let made = libc::calloc(count, size_of::<Response>());
        if made.is_null() {
            return PAM_BUF_ERR;
        }
        *answers = made.cast();
    }
    PAM_SUCCESS
}
