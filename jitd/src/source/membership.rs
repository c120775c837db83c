//! What the hub's root signs of this host, kept here for a hub whose database loses it.

use super::call::Unheard;
use super::enrolment::put;
use crate::limits;
use crate::site::Site;
use loglines::Level;
use std::path::Path;
use std::time::Instant;
use sync::SignedMembership;

const FILE: &str = "membership.json";

/// Asks for it now and then: labels change, and a hub that was put back lives anew.
#[derive(Default)]
pub struct Membership {
    /// The incarnation of the hub that said so last, and when.
    of: Option<(u64, Instant)>,
}

impl Membership {
    /// Has it as of about now, from a hub of this incarnation. One of a release that signs none is asked again as seldom.
    pub fn renew(&mut self, site: &Site, incarnation: u64) -> Result<(), Unheard> {
        let is_of_now =
            |(of, at): (u64, Instant)| of == incarnation && at.elapsed() < limits::MEMBERSHIP_EVERY;
        if self.of.is_some_and(is_of_now) {
            return Ok(());
        }
        let voice = site.source.voice().map_err(|why| Unheard::Away(why.to_string()))?;
        match voice.membership() {
            Ok(signed) => {
                let state = &site.config.load().state;
                let kept = serde_json::to_string(&signed)
                    .map_err(|why| why.to_string())
                    .and_then(|text| put(state, FILE, &text).map_err(|why| why.to_string()));
                if let Err(why) = kept {
                    let what = "keeping what the hub's root signs of this host, which only a hub that was put back asks for";
                    site.log.put(Level::Warning, format!("{what}: {why}"));
                }
            }
            Err(Unheard::Refused { problem, .. }) if problem.code == api::ProblemCode::NotFound => {}
            Err(why) => return Err(why),
        }
        self.of = Some((incarnation, Instant::now()));
        Ok(())
    }
}

/// What is kept of it; none where no hub ever signed it.
pub fn kept(state: &Path) -> Result<Option<SignedMembership>, String> {
    let path = state.join(FILE);
    let failed = |why: &dyn std::fmt::Display| format!("reading {}: {why}", path.display());
    match std::fs::read(&path) {
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(None),
        text => serde_json::from_slice(&text.map_err(|why| failed(&why))?).map_err(|why| failed(&why)),
    }
}
