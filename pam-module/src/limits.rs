//! Every bound of the module, with its unit and reason.

use std::time::Duration;

/// How long one question takes at most unless `timeout=` says otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(2);

/// The longest that `timeout=` can say: sshd's LoginGraceTime is 120 s and kills without a word.
pub const TIMEOUT_MOST: Duration = Duration::from_secs(10);

/// A process that nobody holds up has asked within this. Less than the 500 ms after which the daemon hangs up on who does not say
/// what they ask: a caller could stop their own su for so long, and have a line that lets in where no answer comes do so.
pub const ASKED: Duration = Duration::from_millis(300);

/// A question that the daemon has not read is put so often at most: a daemon that is killed is back within 100 ms, and a machine on
/// which a process waits thrice for its turn has other troubles.
pub const ASKS: u32 = 3;

/// Telling the daemon what the module decided alone takes at most this long: a spare key must work fast
/// when everything else is dead.
pub const NOTICE: Duration = Duration::from_millis(100);

/// Bytes of `/etc/passwd` and `/etc/group` that are read, each: 100,000 accounts.
pub const ACCOUNTS: u64 = 16 * 1024 * 1024;

/// Bytes of one file in `/proc`.
pub const PROC: u64 = 4096;

/// Bytes of a command line that are read: sudo's options are behind its first words.
pub const COMMAND_LINE: usize = 4096;

/// Names in one argument: a handful of spare keys is many.
pub const NAMES: usize = 32;

/// Characters of a line of the log: what every syslog daemon takes (RFC 5424, section 6.1, says 2048 bytes,
/// with its head).
pub const LINE: usize = 1900;

/// How often somebody can say anew what was not right: who has read three times what is wanted has to look
/// elsewhere.
pub const WISHES: usize = 3;

/// Somebody who is asked something has typed it within this; sudo gives as long for a password
/// (passwd_timeout in sudoers(5)).
pub const TYPING: Duration = Duration::from_secs(300);

/// Bytes that are taken of what is typed in one line: what a terminal gives in one (termios(3)).
pub const TYPED: usize = 4096;

/// Characters of the line that is written anew: in a terminal of 80 columns it stays one row.
pub const LIVE: usize = 79;

/// How often who waits looks whether the door would open by now.
pub const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A login by ssh, from its process on, waits at most so long: LoginGraceTime is 120 s and kills without a word.
pub const LOGIN: Duration = Duration::from_secs(110);

/// sudo and su wait at most so long for others to decide: who is still there then can start again.
pub const WAIT: Duration = Duration::from_secs(3600);

/// A daemon that answers nothing for so long is not just started anew.
pub const DEAF: Duration = Duration::from_secs(60);

/// Ticks of `/proc/PID/stat` in a second: USER_HZ, which is 100 on all that Debian runs on (proc(5)).
pub const TICKS: u64 = 100;
