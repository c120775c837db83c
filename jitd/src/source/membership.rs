//! What the hub's root signs of this host, kept here for a hub whose database loses it.

use super::enrolment::put;
use super::pace::part_of;
use super::{Enrolment, Hub};
use crate::limits;
use crate::site::Site;
use loglines::{Faults, Level, Tells};
use std::path::Path;
use std::time::Instant;
use sync::SignedMembership;

pub(super) const FILE: &str = "membership.json";

/// Asks for it now and then, as labels change.
#[derive(Default)]
pub struct Membership {
    /// When it is asked for next.
    next: Option<Instant>,
    faults: Faults,
}

impl Membership {
    /// Has it as of about now. Nothing waits for that: a host without it is one of the hub's all the same.
    pub fn renew(&mut self, site: &Site) {
        let Some(hub) = &site.source.hub else { return };
        let now = Instant::now();
        let state = &site.config.load().state;
        // One that is kept is good for a while yet, and hosts that were upgraded at once should not ask at once.
        let first = || match kept(state, hub) {
            Ok(Some(_)) => now + part_of(limits::MEMBERSHIP_EVERY),
            Ok(None) | Err(_) if Enrolment::is_new(state) => now,
            Ok(None) | Err(_) => now + part_of(limits::MEMBERSHIP_AGAIN),
        };
        if now < *self.next.get_or_insert_with(first) {
            return;
        }
        let outcome = asked(site, hub, state);
        let pause =
            if outcome.is_ok() { limits::MEMBERSHIP_EVERY } else { part_of(limits::MEMBERSHIP_AGAIN) };
        self.next = Some(now + pause);
        if let (Tells::Fails, Err(why)) = (self.faults.take("membership", outcome.is_ok(), now), outcome) {
            let what =
                "keeping what the hub's root signs of this host, which only a hub asks for that was put back";
            site.log.put(Level::Warning, format!("{what}: {why}"));
        }
    }
}

fn asked(site: &Site, hub: &Hub, state: &Path) -> Result<(), String> {
    let signed = site.source.voice().map_err(|why| why.to_string())?.membership()?;
    signed.verify(&hub.enrolment.hub, &hub.enrolment.root).map_err(|why| why.to_string())?;
    let text = serde_json::to_string(&signed).map_err(|why| why.to_string())?;
    put(state, FILE, &text).map_err(|why| why.to_string())
}

/// What is kept of it, where it is of this hub.
pub(super) fn kept(state: &Path, hub: &Hub) -> Result<Option<SignedMembership>, String> {
    let path = state.join(FILE);
    let failed = |why: &dyn std::fmt::Display| format!("reading {}: {why}", path.display());
    let text = match std::fs::read(&path) {
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|why| failed(&why))?,
    };
    let signed: SignedMembership = serde_json::from_slice(&text).map_err(|why| failed(&why))?;
    let says = signed.verify(&hub.enrolment.hub, &hub.enrolment.root);
    Ok(says.is_ok_and(|says| says.host == hub.enrolment.host).then_some(signed))
}
