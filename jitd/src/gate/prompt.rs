//! Asking and waiting right where somebody was refused, at a prompt of the module.
//!
//! What is said here lets nobody in: a module that hears that the door would open asks for the decision anew,
//! and that is the one on record.

use super::{Asked, Gate, reply};
use crate::line::{self, Form, Next};
use crate::process;
use crate::seats::{Caller, Door, Seat};
use access::{Decision, Now, Phase, Reason, Span, Text};
use desk::{AtThePrompt, DeskError, Words, Worlds as _};
use frame::{Answer, Mode, Offer};
use std::sync::PoisonError;

impl Gate {
    /// What a refused person can do: at a prompt where there is one and a place free at it, else as everybody.
    pub(super) fn offer_or_next(&self, asked: &Asked, refused: Reason) -> Next {
        if refused == Reason::Stale {
            // The grant is there, and another one would open as little until the source is heard again.
            return Next::Nothing;
        }
        match self.offer(asked, refused) {
            Some(offer) => offer,
            None => self.next(asked),
        }
    }

    /// What is asked at a prompt. Opens nothing: its person is about to say why.
    fn offer(&self, asked: &Asked, refused: Reason) -> Option<Next> {
        if !self.prompts(asked) || asked.question.phase == Phase::Open {
            return None;
        }
        let offer = self.offered(asked)?;
        let (next, request) = match offer {
            AtThePrompt::Nothing => return None,
            AtThePrompt::Ask { length, ticket } => (Next::Prompt(Form { length, ticket }), None),
            AtThePrompt::Wait(request) => {
                let id = request.ask.id;
                (Next::Wait(request), Some(id))
            }
        };
        let seat = self.seat(asked, refused)?;
        self.sit(asked, Seat { request, ..seat }).then_some(next)
    }

    /// What the desk lets be asked at a prompt.
    fn offered(&self, asked: &Asked) -> Option<AtThePrompt> {
        let words = asked.own_words().filter(|_| self.site.source.files().is_none())?;
        if self.site.source.has_hub() {
            return self.offer_of_the_hub(asked, words);
        }
        self.desk.offer(asked.knock(), words).ok()
    }

    /// Whether this question comes from a prompt that the configuration lets be one.
    fn prompts(&self, asked: &Asked) -> bool {
        asked.frame.can_prompt && asked.frame.mode == Mode::Enforce && self.site.config.load().prompt.enabled
    }

    fn seat(&self, asked: &Asked, refused: Reason) -> Option<Seat> {
        let world = self.site.policies.world();
        let person = world.people.of_login(&asked.question.subject)?.person.clone();
        let door = if asked.question.service.switches() { Door::Switch } else { Door::Login };
        Some(Seat { door, person, refused, request: None })
    }

    /// Gives the caller a place. A process of another machine's numbering has none.
    fn sit(&self, asked: &Asked, seat: Seat) -> bool {
        let process = asked.process();
        let sees = process::all_are_seen();
        let alive = |other: Caller| !sees || process::start_ticks(other.pid) == Some(other.start_ticks);
        if process.pid <= 0 || !alive(process) {
            return false;
        }
        let most = self.site.config.load().prompt;
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        seats.take(process, seat, &most, kernel::since_boot(), alive)
    }

    /// The caller waits no more.
    pub(super) fn leave(&self, asked: &Asked) -> Option<Seat> {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if seats.any_of(asked.call.pid) { seats.leave(asked.process()) } else { None }
    }

    /// Somebody says at the prompt why they want it.
    pub(super) fn ask(&self, asked: &Asked) -> Answer {
        let now = self.site.clock.now();
        let decision = self.site.memory.decide(&asked.question, now);
        if decision.allows() {
            return reply(&asked.frame, decision.reason, Some(&decision), String::new());
        }
        let refused = |line: String, offer: Offer| Self::not_yet(asked, &decision, line, offer);
        if !self.prompts(asked) {
            return refused(
                "jit: this host takes no requests at a prompt. Use jit request.".to_owned(),
                Offer::Nothing,
            );
        }
        let words = match words(&asked.frame.wish) {
            Ok(words) => words,
            Err(why) => return refused(format!("jit: {why}."), self.form(asked)),
        };
        let place = self.reserve(asked);
        let opened = if self.site.source.has_hub() {
            self.said_to_the_hub(asked, &words, place.is_some())
        } else {
            self.desk.request_at_prompt(asked.knock(), &words, place.is_some(), None)
        };
        self.settle(place, matches!(&opened, Ok(opened) if !opened.existed));
        match opened {
            Ok(opened) if opened.unsent.is_some() => {
                refused(format!("jit: {}", line::unsent(&opened.request)), Offer::Nothing)
            }
            Ok(opened) if opened.grant.is_some() && !self.site.source.has_hub() => {
                self.would_let_in(asked, &decision)
            }
            Ok(opened) => self.waits(asked, &decision, &opened.request, now),
            Err(DeskError::Refused(why)) => match line::typed_wrong(&why) {
                Some(wrong) => refused(format!("jit: {wrong}."), self.form(asked)),
                None => refused(format!("jit: no request was opened: {why}."), Offer::Nothing),
            },
            Err(why) => refused(format!("jit: no request was opened: {why}."), Offer::Nothing),
        }
    }

    /// Somebody who waits at the prompt looks whether the door would open by now.
    pub(super) fn wait(&self, asked: &Asked) -> Answer {
        let now = self.site.clock.now();
        let decision = self.site.memory.decide(&asked.question, now);
        if decision.allows() {
            return reply(&asked.frame, decision.reason, Some(&decision), String::new());
        }
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let waits_for = seats.of(asked.process(), kernel::since_boot()).and_then(|seat| seat.request);
        drop(seats);
        let Some(id) = waits_for else {
            // After a restart nobody has a place, and what they wait for is still there.
            let next = self.offer(asked, decision.reason).filter(|next| matches!(next, Next::Wait(_)));
            return Self::refusal(asked, &decision, &next.unwrap_or(Next::Nothing), &self.site.host, now);
        };
        let seen = if self.site.source.has_hub() {
            self.seen_at_the_hub(asked, id)
        } else {
            self.desk.request_seen_by(&asked.question.subject, id).map(Some)
        };
        match seen {
            Ok(None) => {
                let (line, offer) = line::unknown(id);
                Self::not_yet(asked, &decision, line, offer)
            }
            Ok(Some(request)) => {
                let (line, offer) = self.stands(&request, now);
                if offer == Offer::Nothing {
                    self.leave(asked);
                }
                Self::not_yet(asked, &decision, line, offer)
            }
            Err(why) => Self::not_yet(asked, &decision, format!("jit: {why}."), Offer::Nothing),
        }
    }

    /// A rule approved by itself.
    fn would_let_in(&self, asked: &Asked, before: &Decision) -> Answer {
        let now = self.site.clock.now();
        let decision = self.site.memory.decide(&asked.question, now);
        if decision.allows() {
            return reply(&asked.frame, decision.reason, Some(&decision), String::new());
        }
        let line = "jit: the request was approved, and does not open this door.";
        Self::not_yet(asked, before, line.to_owned(), Offer::Nothing)
    }

    /// A request waits, and so can who asked, if there is still a place.
    fn waits(&self, asked: &Asked, decision: &Decision, request: &api::RequestView, now: Now) -> Answer {
        let (line, offer) = self.stands(request, now);
        let seat = self.seat(asked, decision.reason);
        let seated = seat.is_some_and(|seat| self.sit(asked, Seat { request: Some(request.ask.id), ..seat }));
        if seated {
            return Self::not_yet(asked, decision, line, offer);
        }
        Self::not_yet(
            asked,
            decision,
            format!("{line} Too many wait at a prompt already, so come again then."),
            Offer::Nothing,
        )
    }

    /// How a request stands; one that the hub approved just now as one whose grant is on its way.
    fn stands(&self, request: &api::RequestView, now: Now) -> (String, Offer) {
        let comes = self.site.source.has_hub().then(|| line::on_its_way(request, now.trusted)).flatten();
        comes.unwrap_or_else(|| line::stands(request, now.trusted))
    }

    /// What can be asked once more.
    fn form(&self, asked: &Asked) -> Offer {
        match self.offered(asked) {
            Some(AtThePrompt::Ask { length, ticket }) => Form { length, ticket }.offer(),
            _ => Offer::Nothing,
        }
    }

    fn not_yet(asked: &Asked, decision: &Decision, line: String, offer: Offer) -> Answer {
        Answer { offer, ..reply(&asked.frame, decision.reason, Some(decision), line) }
    }
}

/// What was typed, if all of it can be read, or what is wrong.
fn words(wish: &frame::Wish) -> Result<Words, String> {
    let text = |what: &str, bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).map_err(|_| format!("the {what} is not UTF-8"))?;
        Text::parse(text).map_err(|why| format!("the {what} {why}"))
    };
    let length = String::from_utf8_lossy(&wish.length);
    Ok(Words {
        reason: text("reason", &wish.reason)?,
        length: if length.trim().is_empty() {
            None
        } else {
            Some(Span::parse(&length).map_err(|why| why.to_string())?)
        },
        ticket: if wish.ticket.is_empty() { None } else { Some(text("ticket", &wish.ticket)?) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(reason: &str, length: &str, ticket: &str) -> frame::Wish {
        frame::Wish { reason: reason.into(), length: length.into(), ticket: ticket.into() }
    }

    #[test]
    fn what_was_typed_is_read_or_what_is_wrong_with_it_is_said() {
        let read = words(&wish(" the disk is full ", "90m", "OPS-7")).unwrap();
        assert_eq!(read.reason.as_str(), "the disk is full");
        assert_eq!(read.length, Span::parse("1h30m").ok());
        assert_eq!(read.ticket.unwrap().as_str(), "OPS-7");
        let bare = words(&wish("the disk", " ", "")).unwrap();
        assert!(bare.length.is_none() && bare.ticket.is_none());
        for (typed, wrong) in [
            (wish(" ", "", ""), "the reason is empty: write at least a word"),
            (wish("x\u{1b}[2Jy", "", ""), "the reason has the character U+001B, which could hide"),
            (wish("x", "2 hours", ""), "duration \"2 hours\" has a unit other than"),
            (wish("x", "5", ""), "duration \"5\" has a number without a unit: write for example 30m"),
            (wish("x", "", "a\u{202e}b"), "the ticket has the character U+202E"),
        ] {
            let said = words(&typed).unwrap_err();
            assert!(said.starts_with(wrong), "{said}");
        }
        let latin = frame::Wish { reason: b"M\xfcll".to_vec(), ..wish("x", "", "") };
        assert_eq!(words(&latin).unwrap_err(), "the reason is not UTF-8");
    }
}
