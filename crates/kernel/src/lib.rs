//! What the kernel says of time: the one place where the daemons read a clock.
//!
//! It has the only `unsafe` of both: no maintained crate offers a safe adjtimex(2) without taking the right to set the clock
//! along.
#![allow(unsafe_code)]

use access::Time;
use chrono::TimeDelta;

/// The wall clock, in whole milliseconds.
#[allow(clippy::disallowed_methods)] // the one place
pub fn wall() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    Time::from_timestamp_millis(millis).unwrap_or(Time::MAX_UTC)
}

/// Time since the machine started, sleep included: `CLOCK_BOOTTIME` of clock_gettime(2).
pub fn since_boot() -> TimeDelta {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    TimeDelta::milliseconds(now.tv_sec * 1000 + now.tv_nsec / 1_000_000)
}

/// What tells one start of the machine from another (proc(5), `random/boot_id`).
pub fn boot_id() -> std::io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// Whether a time service keeps the clock synchronised: adjtimex(2) answers and `STA_UNSYNC` is off.
pub fn synchronised() -> bool {
    // SAFETY: adjtimex(2) with modes = 0 only fills the structure it is given, which is plain integers
    // for which all zeroes is a valid value, and which lives until the call returns.
    let (answer, status) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        let answer = libc::adjtimex(&raw mut timex);
        (answer, timex.status)
    };
    answer >= 0 && answer != libc::TIME_ERROR && status & libc::STA_UNSYNC == 0
}
