//! How full the database is, so that somebody hears of it before nobody can ask for anything.

use crate::limits;
use crate::site::Site;
use access::Time;
use chrono::TimeDelta;
use desk::DeskError;
use std::sync::PoisonError;
use store::Room;

/// How full it is, what follows from that, and what to do.
pub fn in_words(room: Room, follows: &str) -> String {
    let mib = |bytes: u64| bytes / 1024 / 1024;
    let holds = format!("the database of the hub holds {} of {} MiB", mib(room.used), mib(room.most));
    let holds = match room.left {
        Some(left) if !room.is_past((3, 4)) && !room.is_there() => {
            format!("{holds}, and its disk has {} MiB left", mib(left))
        }
        _ => holds,
    };
    format!(
        "{holds}, and {follows}: give it more in hub.toml (journal.max_bytes, and the disk for it), or keep records of hosts for \
         fewer days (journal.hosts_days), and run `systemctl restart jit-hub`"
    )
}

impl Site {
    /// Takes away records of hosts that are to go, some at once: for want of room, and with a clock that `is_sure` those
    /// that are too old. Whether there are more.
    pub fn make_room(&self, is_sure: bool) -> Result<bool, DeskError> {
        let (room, more) = self.ledger.make_room(is_sure.then(|| self.hosts_before()))?;
        *self.room.lock().unwrap_or_else(PoisonError::into_inner) = Some(room);
        Ok(more)
    }

    /// Records of hosts that were heard before this are not kept.
    pub fn hosts_before(&self) -> Time {
        self.clock.time() - TimeDelta::days(self.hosts_days.into())
    }

    /// How full the database was when it was looked at last.
    pub fn room(&self) -> Option<Room> {
        *self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error where somebody should see to how full it is: why, and what to do.
    pub fn has_room(&self) -> Result<(), String> {
        let Some(room) = self.room().filter(|room| room.is_past(limits::WARN_SHARE) || !room.is_there())
        else {
            return Ok(());
        };
        let follows = if room.is_there() {
            "from five eighths on the oldest records of hosts go, however young they are, from three quarters on no request is taken"
        } else {
            "takes no requests and no records of hosts any more"
        };
        Err(in_words(room, follows))
    }
}
