//! Every bound of this crate, with its unit and reason.

use std::ops::RangeInclusive;

/// Bytes of a login name: `LOGIN_NAME_MAX` of Linux (limits.h(0p)).
pub const LOGIN: usize = 256;

/// Bytes of a host name: RFC 1035, section 2.3.4, without the trailing dot.
pub const HOST: usize = 253;

/// Bytes of a service name: a file name in `/etc/pam.d`, and nobody types a longer one.
pub const SERVICE: usize = 64;

/// Bytes of a text a person wrote: a long paragraph, and it still fits a syslog line and a chat card.
pub const TEXT: usize = 1000;

/// Grants one login name can hold at once on one host. A decision looks at all of them, so this keeps
/// the decision in microseconds whatever the desk is asked to do.
pub const GRANTS_PER_LOGIN: usize = 1000;

/// Hosts named by one request or grant: more than an approver reads is no longer looked at.
pub const HOSTS: usize = 256;

/// Services, logins and run-as names in one grant, each.
pub const NAMES: usize = 32;

/// Years a time can be in: those that RFC 3339 writes with four digits, with room to reckon on both sides.
pub const YEARS: RangeInclusive<i32> = 1970..=9998;
