//! What people on a host ask for: taken once, however often it is said, and for that host alone.

use super::people::knock;
use crate::feed::Wrong;
use crate::site::Site;
use access::HostName;
use api::{HostAnswer, HostAsk, HostWish, NewRequest};
use desk::{AtTheDoor, DeskError, Key, Words};
use loglines::Level;

impl Site {
    /// What becomes of an ask, for good; an error where it is to be said again.
    pub(super) fn host_asks(
        &self,
        host: &HostName,
        ask: HostAsk,
        path: &str,
        body: &[u8],
    ) -> Result<HostAnswer, DeskError> {
        let key = Key::minted(ask.id, path, body);
        let is_glass = matches!(ask.wish, HostWish::Glass { .. });
        let asked = || self.asked_on(host, ask, &key);
        let is_new = |answer: &HostAnswer| matches!(answer, HostAnswer::Opened(opened) if !opened.existed);
        // Glass that is broken is heard of in any case: of permits there are few.
        match if is_glass { asked() } else { self.recorded(host, body, asked, is_new) } {
            Err(
                why @ (DeskError::Store(_)
                | DeskError::Away(_)
                | DeskError::Busy(_)
                | DeskError::Unsure(_)
                | DeskError::Overtaken
                | DeskError::NoPolicy),
            ) => Err(why),
            Err(why) => Ok(HostAnswer::Refused(why.problem())),
            Ok(answer) => Ok(answer),
        }
    }

    fn asked_on(&self, host: &HostName, ask: HostAsk, key: &Key) -> Result<HostAnswer, DeskError> {
        let HostAsk { login, source, wish, .. } = ask.clone();
        let opened = match wish {
            HostWish::Command { new, unsure } => {
                let new = self.for_it_alone(host, *new)?;
                let caller = self.on_host(&login, source, unsure.map_or(Ok(()), Err))?;
                self.desk.request(&caller, &new, key)?
            }
            HostWish::Login(knocks) => {
                let reason = knocks.reason.clone();
                let knock = knock(host, &login, source, &knocks);
                match self.desk.request_of_login(knock, reason, true, Some(key))? {
                    AtTheDoor::Opened(opened) => *opened,
                    AtTheDoor::Hint(hint) => return Ok(HostAnswer::Hint { ticket: hint.ticket }),
                    AtTheDoor::Silent => return Ok(HostAnswer::Silent),
                }
            }
            HostWish::Prompt { knock: knocks, length, ticket } => {
                let words = Words { reason: knocks.reason.clone(), length, ticket };
                self.desk.request_at_prompt(knock(host, &login, source, &knocks), &words, true, Some(key))?
            }
            HostWish::Glass { .. } => return self.was_broken(host, ask, key),
        };
        Ok(HostAnswer::Opened(Box::new(opened)))
    }

    /// What is asked, where it is for this host alone. A host that asks for others is not what it should be.
    fn for_it_alone(&self, host: &HostName, new: NewRequest) -> Result<NewRequest, DeskError> {
        if !new.labels.is_empty() || new.hosts.iter().any(|named| named != host) {
            let named: Vec<String> = new.hosts.iter().map(ToString::to_string).collect();
            let what = format!(
                "host {host} asks for others ({}), which it must not: was it taken over?",
                named.join(", ")
            );
            if self.hosts.is_told(host, Wrong::AsksForOthers, self.clock.time()) {
                self.log.put(Level::Err, what);
            }
            return Err(DeskError::Forbidden(format!(
                "the word of {host} counts for itself alone: ask at the hub"
            )));
        }
        Ok(NewRequest { hosts: [host.clone()].into(), ..new })
    }
}
