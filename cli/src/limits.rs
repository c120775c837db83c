//! Every bound of the command, with its unit and reason.

use chrono::TimeDelta;
use std::time::Duration;

/// How often a waiting command looks again: a person notices half a second, the daemon does not.
pub const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Bytes of the file that says which hub one is logged in to, of a token, and of a certificate authority.
pub const HUB: u64 = 256 * 1024;

/// Rows fetched at once when a journal is verified.
pub const PAGE: u32 = 1000;

/// Bytes of a file of local accounts: a hundred thousand of them.
pub const ACCOUNTS: u64 = 16 * 1024 * 1024;

/// Bytes of an on-call schedule.
pub const SCHEDULE: u64 = workflow::limits::SCHEDULE as u64;

/// Bytes of a witness file that is read: a year of a busy host's checkpoints.
pub const WITNESS: u64 = 1024 * 1024 * 1024;

/// The longest rest between two tries of a call that nobody answers: a daemon that is back is noticed soon.
pub const REST: Duration = Duration::from_secs(5);

/// Tries of a call that nobody answers: about five minutes, longer than any restart or upgrade takes.
pub const TRIES: u32 = 60;

/// How often `jit watch` looks for what is new, which is also how often its countdowns move.
pub const LOOK: Duration = Duration::from_secs(1);

/// Requests whose end `jit watch` tells after one look; more at once nobody reads.
pub const TOLD_AT_ONCE: usize = 8;

/// The newest requests, decided or not, that `jit watch` looks through for programs each second: more than
/// people make in one.
pub const NEWEST: u32 = 50;

/// Lines that one key scrolls the details by.
pub const SCROLL: u16 = 5;

/// Things that happened last which `jit watch` shows: a refusal, and the news that explains it.
pub const TOLD: usize = 2;

/// After a revocation hosts are waited for so long: those that listen hear of it within the blink of an eye.
pub const CONFIRMED_WITHIN: Duration = Duration::from_secs(2);

/// How often it is looked whether they have.
pub const CONFIRMED_AGAIN: Duration = Duration::from_millis(100);

/// A change of PAM lines that nobody confirms is undone after this: time enough to come in anew, and a lock-out that
/// one can sit out.
pub const UNDO: Duration = Duration::from_secs(600);

/// An undo that failed, on a disk that is full say, is tried again after this, until it is done.
pub const UNDO_AGAIN: Duration = Duration::from_secs(10);

/// Going through one account part takes at most this: the slowest module of a directory that is gone gives up sooner.
pub const DRIVE: Duration = Duration::from_secs(30);

/// How often it is looked whether that has ended.
pub const DRIVE_LOOK: Duration = Duration::from_millis(5);

/// Bytes that are read of what modules said on the way.
pub const DRIVE_SAYS: u64 = 16 * 1024;

/// Seconds that another program takes at most, as timeout(1) reads them: systemctl of a busy machine.
pub const PROGRAM_S: &str = "30";

/// Processes above this one that are looked at: a login has a handful.
pub const ANCESTORS: usize = 64;

/// Bytes of `/proc/PID/stat`.
pub const STAT: u64 = 4096;

/// Bytes that must be free for the journal: a day of a busy host, in which somebody looks.
pub const ROOM: u64 = 200_000_000;

/// Spare keys go through their doors so often at least: what takes one away is noticed the day after.
pub const DRILL_EVERY: TimeDelta = TimeDelta::days(1);

/// And so soon after one failed: before the next report of a timer that comes by every ten minutes.
pub const DRILL_AGAIN: TimeDelta = TimeDelta::minutes(9);

/// Bytes of the file that keeps the last drill: some hundred doors and keys.
pub const DRILL: u64 = 64 * 1024;

/// Looks in a row where something changes during each of them; what changes then is found ten minutes later.
pub const LOOKS: u32 = 5;

/// A browser comes back to this command within this: as long as the hub has it wait.
pub const LOGIN: Duration = Duration::from_secs(600);

/// Who connects to it has said all of it within this, for one is heard at a time: browsers look for icons, and others on this
/// machine may knock.
pub const LOGIN_KNOCK: Duration = Duration::from_secs(1);

/// Bytes of the head of that.
pub const LOGIN_HEAD: usize = 8 * 1024;

/// How often it is looked whether one has come.
pub const LOGIN_LOOK: Duration = Duration::from_millis(100);

/// Questions whether somebody has said yes, at the pace that the hub asks for: as many as fit into the time that it
/// waits.
pub const LOGIN_QUESTIONS: u32 = 400;
