//! Where this host's grants come from: its own desk, a hub, or files that a hub signed.

mod asking;
mod call;
mod enrolment;
mod files;
mod follow;
mod glass;
mod mark;
mod membership;
pub mod outbox;
mod outward;
mod pace;
mod reports;
mod routes;
pub mod rows;
#[cfg(test)]
mod sample;

pub use asking::{Asker, Told};
pub use enrolment::{Enrolment, enrol};
pub use follow::follow;
pub use outward::Outward;
pub use routes::routes;
pub use rows::ORIGIN;

use crate::config::Config;
use crate::limits;
use access::{HostName, Time};
use call::Voice;
use desk::DeskError;
use files::Files;
use std::sync::{Arc, Mutex, PoisonError};
use sync::{Era, State};

/// Why there is none to call.
const NO_HUB: &str = "this host belongs to no hub";

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
    /// Whether anybody could decide a request, as it said last.
    decides: Mutex<Option<bool>>,
    /// What it is told.
    outward: Outward,
    /// Where what it signed is read in place of calling it.
    files: Option<Files>,
}

/// As of when the truth of a hub is known, and how far.
#[derive(Clone, Copy, Default)]
struct Heard {
    as_of: Option<Time>,
    watermark: Option<(Era, u64)>,
    fresh_until: Option<Time>,
}

impl Heard {
    fn era(&self) -> Option<Era> {
        self.watermark.map(|(era, _)| era)
    }
}

impl Source {
    /// A hub, where this host was enrolled at one; else its own desk.
    pub fn of(config: &Config) -> Self {
        let lost = |why| Self { hub: None, lost: Some(why) };
        let files = config.hub.files.as_ref();
        match (Enrolment::load(&config.state), files) {
            (Ok(Some(enrolment)), files) => {
                let files = files.map(|place| Files::of(place, &enrolment.host, &config.hub));
                let (heard, decides, outward) = Default::default();
                Self { hub: Some(Hub { enrolment, heard, decides, outward, files }), lost: None }
            }
            (Ok(None), None) => Self { hub: None, lost: None },
            (Ok(None), Some(place)) => lost(format!(
                "[hub] static names {place}, and this host belongs to no hub whose signatures it could believe: enrol it once, \
                 where it reaches the hub, with `jitd enrol TOKEN`"
            )),
            (Err(why), _) => lost(why.to_string()),
        }
    }

    /// Where what the hub signed is read in place of calling it.
    pub fn files(&self) -> Option<&Files> {
        self.hub.as_ref()?.files.as_ref()
    }

    /// Whether the hub can be told and asked anything from here, or why it cannot and what to do.
    pub fn calls(&self) -> Result<(), DeskError> {
        let (Some(Hub { enrolment: Enrolment { url, host, .. }, .. }), Some(files)) =
            (&self.hub, self.files())
        else {
            return Ok(());
        };
        Err(DeskError::Forbidden(format!(
            "this host reads what it is granted at {files} and calls no hub: do that where you work, after \
             `jit login --hub {url}`, naming the host with --host {host}"
        )))
    }

    /// What this host is called at its hub, where it has one.
    pub fn host(&self) -> Option<&HostName> {
        self.hub.as_ref().map(|hub| &hub.enrolment.host)
    }

    /// The name in records.
    pub fn name(&self) -> &'static str {
        match (&self.hub, &self.lost) {
            (Some(Hub { files: Some(_), .. }), _) => "static",
            (Some(_), _) | (_, Some(_)) => "hub",
            (None, None) => "local",
        }
    }

    /// Whether this host belongs to a hub: requests are made there.
    pub const fn has_hub(&self) -> bool {
        self.hub.is_some() || self.lost.is_some()
    }

    /// The address of the hub; where it cannot be read, why.
    pub fn url(&self) -> Result<&str, &str> {
        match &self.hub {
            Some(hub) => Ok(&hub.enrolment.url),
            None => Err(self.lost.as_deref().unwrap_or(NO_HUB)),
        }
    }

    /// What is told to the hub.
    pub fn outward(&self) -> Result<&Outward, DeskError> {
        let hub = self.hub.as_ref().ok_or_else(|| {
            let why = self.lost.as_deref().unwrap_or(NO_HUB);
            DeskError::Forbidden(why.to_owned())
        })?;
        Ok(&hub.outward)
    }

    /// This host as the hub hears it.
    fn voice(&self) -> Result<Arc<Voice>, DeskError> {
        self.calls()?;
        self.outward()?.voice.load_full().ok_or_else(|| {
            let fix = "see `journalctl -u jitd`, and enrol this host anew with `jitd enrol TOKEN`";
            DeskError::Away(format!("this host cannot call its hub: {fix}"))
        })
    }

    fn hears(&self, state: &State, as_of: Option<Time>) {
        let Some(hub) = &self.hub else { return };
        let fresh_until = state.served.as_ref().map(|served| served.fresh_until);
        let heard = Heard { as_of, watermark: state.watermark(), fresh_until };
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

    /// Whether what is known is what there is, as far as one can know: of files it is as long as they say.
    pub fn is_fresh(&self, now: Time) -> bool {
        match self.files() {
            Some(_) => self.heard().fresh_until.is_some_and(|until| now < until),
            None => self.staleness_s(now).is_some_and(|stale| stale <= limits::STALE_TOLD_S),
        }
    }

    /// The hub says whether anybody could decide a request.
    fn hears_who_decides(&self, said: Option<bool>) {
        let Some(hub) = &self.hub else { return };
        *hub.decides.lock().unwrap_or_else(PoisonError::into_inner) = said;
    }

    /// Whether anybody could decide a request at the hub, as far as one can know here.
    pub fn somebody_decides(&self, now: Time) -> bool {
        let said = |hub: &Hub| *hub.decides.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_fresh(now) && self.hub.as_ref().and_then(said).unwrap_or(true)
    }

    /// How old what is known is, in seconds: nothing of one's own desk is. None where nothing was ever heard.
    pub fn staleness_s(&self, now: Time) -> Option<u64> {
        if !self.has_hub() {
            return Some(0);
        }
        self.heard().as_of.map(|as_of| u64::try_from((now - as_of).num_seconds()).unwrap_or(0))
    }
}
