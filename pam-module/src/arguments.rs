//! The arguments on the PAM line. One that is not understood refuses everybody, so that a slip of the pen
//! is seen at once and never opens a door.

use crate::limits;
use std::ffi::CStr;
use std::path::PathBuf;
use std::time::Duration;

/// What the PAM line says.
pub struct Arguments {
    /// `socket=`
    pub socket: PathBuf,
    /// `timeout=`
    pub timeout: Duration,
    /// `spare_user=`, also repeated or with commas.
    pub spare_users: Vec<String>,
    /// `spare_group=`, likewise.
    pub spare_groups: Vec<String>,
    /// `on_unavailable=allow`
    pub allow_unavailable: bool,
    /// `mode=monitor`
    pub monitor: bool,
}

impl Arguments {
    /// The arguments, or which one is wrong and what would be right.
    pub fn parse(given: &[&CStr]) -> Result<Self, String> {
        let mut arguments = Self {
            socket: PathBuf::from("/run/jitd/gate.sock"),
            timeout: limits::TIMEOUT,
            spare_users: Vec::new(),
            spare_groups: Vec::new(),
            allow_unavailable: false,
            monitor: false,
        };
        for argument in given {
            let argument = argument.to_str().map_err(|_| "an argument is not text".to_owned())?;
            let wrong = |right: &str| Err(format!("argument \"{argument}\" is wrong: {right}"));
            let Some((key, value)) = argument.split_once('=') else {
                return wrong("every argument is KEY=VALUE");
            };
            match (key, value) {
                ("socket", path) if path.starts_with('/') => arguments.socket = path.into(),
                ("socket", _) => return wrong("socket= takes an absolute path"),
                ("timeout", text) => match seconds(text) {
                    Some(timeout) => arguments.timeout = timeout,
                    None => return wrong("timeout= takes 0.1 to 10 seconds"),
                },
                ("spare_user", names) if add(&mut arguments.spare_users, names) => {}
                ("spare_user", _) => return wrong("spare_user= takes 1 to 32 names with commas between"),
                ("spare_group", names) if add(&mut arguments.spare_groups, names) => {}
                ("spare_group", _) => return wrong("spare_group= takes 1 to 32 names with commas between"),
                ("on_unavailable", "deny") => arguments.allow_unavailable = false,
                ("on_unavailable", "allow") => arguments.allow_unavailable = true,
                ("on_unavailable", _) => return wrong("on_unavailable= takes deny or allow"),
                ("mode", "enforce") => arguments.monitor = false,
                ("mode", "monitor") => arguments.monitor = true,
                ("mode", _) => return wrong("mode= takes enforce or monitor"),
                _ => return wrong("there are socket timeout spare_user spare_group on_unavailable mode"),
            }
        }
        Ok(arguments)
    }
}

/// Seconds with at most one decimal.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, tenth) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.len() <= 2 && text.bytes().all(|c| c.is_ascii_digit());
    if !digits(whole) || tenth.len() != 1 || !digits(tenth) {
        return None;
    }
    let millis = whole.parse::<u64>().ok()? * 1000 + tenth.parse::<u64>().ok()? * 100;
    let timeout = Duration::from_millis(millis);
    (!timeout.is_zero() && timeout <= limits::TIMEOUT_MOST).then_some(timeout)
}

fn add(names: &mut Vec<String>, given: &str) -> bool {
    names.extend(given.split(',').map(str::to_owned));
    names.len() <= limits::NAMES && names.iter().all(|name| !name.is_empty())
}
