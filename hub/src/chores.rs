//! What time alone makes due at a hub.

use crate::certificate::Certificates;
use crate::inbox::Permits;
use crate::serve::notify;
use crate::sight::Sight;
use crate::site::Site;
use crate::{clock, limits};
use access::Time;
use chrono::TimeDelta;
use desk::{DeskError, Looks, Worlds as _};
use loglines::{Level, Log, Outcomes};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

/// Makes a new certificate of our own in time, and shows what the files of another hold where they changed: these are looked
/// at once in a while, after `looked`. Tells of what is wrong.
pub fn certificates(certificates: &Certificates, looked: &mut Instant, log: &Log, outcomes: &Outcomes) {
    if certificates.is_old() {
        outcomes.told("making a new certificate", certificates.reload());
    }
    if looked.elapsed() < limits::CERTIFICATE_LOOK {
        return;
    }
    *looked = Instant::now();
    if certificates.is_changed() && certificates.reload().is_ok() {
        log.put(Level::Notice, "the files of the certificate changed, and are shown now".to_owned());
    }
    outcomes.told("looking at the certificate", certificates.is_good());
}

/// Keeps permits in line until the other end is dropped: a fleet's take longer than the watchdog waits for [`by_time`].
pub fn permits(site: &Site, ended: &Receiver<()>) {
    let (outcomes, mut permits) = (Outcomes::of(site.log.clone()), Permits::default());
    loop {
        outcomes.told("making permits for when this hub is away", permits.round(site));
        if ended.recv_timeout(limits::PERMITS_EVERY) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// Brings requests and grants in line with policy, people and hosts as they are, until the other end is dropped: what could
/// not be followed to its end is followed again, and so is what another hub applied that stopped before it had.
pub fn policy(site: &Site, ended: &Receiver<()>) {
    let (outcomes, mut looks) = (Outcomes::of(site.log.clone()), Looks::within(limits::FOLLOWS_WITHIN));
    loop {
        outcomes.told("following the policy", follow(site, &mut looks));
        if ended.recv_timeout(limits::TICK) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

fn follow(site: &Site, looks: &mut Looks) -> Result<(), DeskError> {
    if !site.policies.in_force().is_readable() || site.clock.strays().is_some() {
        return Ok(());
    }
    let ground = site.policies.ground();
    if looks.are_to_be_followed(&ground.world) {
        site.desk.reconcile_with(&ground)?;
        looks.followed(ground.world);
    }
    Ok(())
}

/// Everything else, once a second until the other end is dropped.
pub fn by_time(site: &Site, certificates: &Certificates, ended: &Receiver<()>) {
    let now = Instant::now();
    let mut chores = Chores {
        site,
        certificates,
        outcomes: Outcomes::of(site.log.clone()),
        begun: now,
        forgotten: now,
        shown: now,
        looked: None,
        said: None,
        strayed: true,
        beaten: Arc::default(),
    };
    while ended.recv_timeout(limits::TICK) == Err(RecvTimeoutError::Timeout) {
        chores.round();
    }
}

struct Chores<'a> {
    site: &'a Site,
    certificates: &'a Certificates,
    outcomes: Outcomes,
    begun: Instant,
    /// When was last forgotten what was long ago.
    forgotten: Instant,
    /// When the certificate was looked at last.
    shown: Instant,
    /// When was last looked how full the database is, unless more is to go at once.
    looked: Option<Instant>,
    /// When this hub said last that it serves.
    said: Option<Time>,
    /// A clock that jumped, or was not seen before, may have closed what is still good.
    strayed: bool,
    /// The writer has been asked for a sign of life.
    beaten: Arc<AtomicBool>,
}

impl Chores<'_> {
    fn round(&mut self) {
        let now = self.site.clock.time();
        let strays = self.site.clock.strays();
        self.outcomes.told("reading the clock", strays.map_or(Ok(()), |by| Err(clock::strayed(by))));
        self.open_again(now, strays);
        // What goes by its age never comes back: a clock says what is old that a time service keeps, and not one that the
        // machine has just started with.
        let is_sure =
            strays.is_none() && self.begun.elapsed() >= limits::FORGET_EVERY && kernel::synchronised();
        if is_sure && self.forgotten.elapsed() >= limits::FORGET_EVERY {
            self.forgotten = Instant::now();
            self.outcomes.told("forgetting what was long ago", self.forget(now));
        }
        if self.looked.is_none_or(|at| at.elapsed() >= limits::ROOM_EVERY) {
            let made = self.site.make_room(is_sure);
            self.looked = if matches!(made, Ok(true)) { None } else { Some(Instant::now()) };
            self.outcomes.told("taking away old records of hosts", made);
            self.outcomes.told("looking how full the database is", self.site.has_room());
        }
        self.say_what_was_heard(now);
        if strays.is_none() {
            self.outcomes.told("closing what is over", self.site.desk.tick());
        }
        certificates(self.certificates, &mut self.shown, &self.site.log, &self.outcomes);
        self.beat();
    }

    /// Opens again what a clock had closed that was ahead until now, or until this start.
    fn open_again(&mut self, now: Time, strays: Option<TimeDelta>) {
        if self.strayed && strays.is_none() {
            let opened = self.site.ledger.reopen(now);
            self.strayed = opened.is_err();
            self.outcomes.told("opening again what a wrong clock closed", opened);
        }
        self.strayed |= strays.is_some();
    }

    fn forget(&self, now: Time) -> Result<(), DeskError> {
        self.site.ledger.forget(now)?;
        let before = now - limits::ENDED_KEPT;
        for _ in 0..limits::FORGET_ROUNDS {
            if !self.site.desk.forget(desk::Old { nothing: before, grants: before })? {
                break;
            }
        }
        Ok(())
    }

    /// Writes down which hosts were heard of, and that this hub serves.
    fn say_what_was_heard(&mut self, now: Time) {
        // Who has the database alone needs not say that it serves.
        let is_shared = matches!(self.site.sight, Sight::Shared(_));
        let serves = is_shared && self.said.is_none_or(|at| (now - at).abs() >= limits::SERVING_EVERY);
        let kept = self.site.keep_seen(serves);
        if serves && kept.is_ok() {
            self.said = Some(now);
        }
        self.outcomes.told("writing down which hosts were heard of", kept);
    }

    /// Feeds the service manager's watchdog each time the writer thread has come by.
    fn beat(&self) {
        if self.beaten.swap(true, Ordering::Relaxed) {
            return;
        }
        let answered = Arc::clone(&self.beaten);
        let submitted = self.site.ledger.beat(move || {
            notify(&[sd_notify::NotifyState::Watchdog]);
            answered.store(false, Ordering::Relaxed);
        });
        if submitted.is_err() {
            // The queue is full: asked again at the next round.
            self.beaten.store(false, Ordering::Relaxed);
        }
    }
}
