//! Every bound of the testbed, with its unit and reason.

use std::time::Duration;

/// A host has booted within this; one takes two seconds on an idle machine.
pub const BOOT: Duration = Duration::from_secs(90);

/// Seconds that one command of a person takes at most. A hung door must not hang the run.
pub const COMMAND_S: u64 = 60;

/// Seconds that packages take at most to come from the mirror and be installed; a minute is usual.
pub const INSTALL_S: u64 = 600;

/// Something that happens by itself has happened within this.
pub const SOON: Duration = Duration::from_secs(20);

/// How often a condition is looked at.
pub const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A database server answers within this after its start, also one that was killed and has to read its log.
pub const START: Duration = Duration::from_secs(60);

/// Somebody who writes to a bot has an answer within this, also while other tests have the machine.
pub const ANSWER: Duration = Duration::from_secs(60);
