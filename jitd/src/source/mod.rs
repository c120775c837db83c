//! Where this host's grants come from: its own desk, or a hub.

mod asking;
mod call;
mod enrolment;
mod follow;
mod glass;
pub mod outbox;
mod outward;
mod reports;
mod routes;
pub mod rows;

pub use asking::{Asker, Told};
pub use enrolment::{Enrolment, enrol};
pub use follow::follow;
pub use outward::Outward;
pub use routes::routes;
pub use rows::ORIGIN;

use access::{HostName, Time};
use call::Voice;
use desk::DeskError;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use sync::Era;

/// The source of a running daemon.
pub struct Source {
    hub: Option<Hub>,
    /// Why what this host belongs to cannot be read. Then its own desk does not decide either.
    lost: Option<String>,
}

/// A hub that is followed.
struct Hub {
    enrolment: Enrolment,
    /// What is known of it.
    heard: Mutex<Heard>,
    /// What it is told.
    outward: Outward,
}

/// As of when the truth of a hub is known, and how far.
#[derive(Clone, Copy, Default)]
struct Heard {
    as_of: Option<Time>,
    watermark: Option<(Era, u64)>,
}

impl Source {
    /// A hub, where this host was enrolled at one; else its own desk.
    pub fn of(state: &Path) -> Self {
        match Enrolment::load(state) {
            Ok(enrolment) => Self {
                hub: enrolment.map(|enrolment| Hub {
                    enrolment,
                    heard: Mutex::default(),
                    outward: Outward::default(),
                }),
                lost: None,
            },
            Err(why) => Self { hub: None, lost: Some(why.to_string()) },
        }
    }

    /// What this host is called at its hub, where it has one.
    pub fn host(&self) -> Option<&HostName> {
        self.hub.as_ref().map(|hub| &hub.enrolment.host)
    }

    /// The name in records.
    pub const fn name(&self) -> &'static str {
        if self.hub.is_some() || self.lost.is_some() { "hub" } else { "local" }
    }

    /// The address of the hub, where there is one: requests are made there.
    pub fn hub(&self) -> Option<&str> {
        match &self.hub {
            Some(hub) => Some(&hub.enrolment.url),
            None => self.lost.as_ref().map(|_| "an address that cannot be read"),
        }
    }

    /// What is told to the hub.
    pub fn outward(&self) -> Result<&Outward, DeskError> {
        let hub = self.hub.as_ref().ok_or_else(|| {
            let why = self.lost.as_deref().unwrap_or("this host belongs to no hub");
            DeskError::Forbidden(why.to_owned())
        })?;
        Ok(&hub.outward)
    }

    /// This host as the hub hears it.
    fn voice(&self) -> Result<&Voice, DeskError> {
        self.outward()?.voice.get().ok_or_else(|| {
            let fix = "see `journalctl -u jitd`, and enrol this host anew with `jitd enrol TOKEN`";
            DeskError::Store(format!("this host cannot call its hub: {fix}"))
        })
    }

    fn hears(&self, watermark: Option<(Era, u64)>, as_of: Option<Time>) {
        let Some(hub) = &self.hub else { return };
        let heard = Heard { as_of, watermark };
        let before = std::mem::replace(&mut *hub.heard.lock().unwrap_or_else(PoisonError::into_inner), heard);
        if before.watermark != heard.watermark {
            hub.outward.wake();
        }
    }

    fn heard(&self) -> Heard {
        let heard = self.hub.as_ref().map(|hub| *hub.heard.lock().unwrap_or_else(PoisonError::into_inner));
        heard.unwrap_or_default()
    }

    /// What is gone by.
    fn watermark(&self) -> Option<(Era, u64)> {
        self.heard().watermark
    }

    /// How old what is known is, in seconds: nothing of one's own desk is. None where nothing was ever heard.
    pub fn staleness_s(&self, now: Time) -> Option<u64> {
        if self.hub().is_none() {
            return Some(0);
        }
        self.heard().as_of.map(|as_of| u64::try_from((now - as_of).num_seconds()).unwrap_or(0))
    }
}
