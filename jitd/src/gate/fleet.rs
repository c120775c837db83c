//! What a refused person can do on a host whose desk is a hub's.

use super::{Asked, Gate};
use crate::limits;
use crate::source::{Asker, Told};
use access::{RequestId, Text};
use api::{HostAnswer, HostDoes, HostKnock, HostOffer, HostWish, Opened, ProblemCode, RequestView};
use desk::{AtTheDoor, AtThePrompt, DeskError, Hint, Refused, Words, Worlds as _};
use std::time::Duration;

impl Gate {
    fn asker(asked: &Asked) -> Asker {
        Asker { login: asked.question.subject.clone(), source: asked.question.address }
    }

    fn host_knock(asked: &Asked, reason: Text) -> HostKnock {
        let knock = asked.knock();
        HostKnock { service: knock.service.clone(), run_as: knock.run_as.cloned(), reason }
    }

    /// What of an answer's time is left for the hub: who waits is answered in any case.
    fn for_the_hub(asked: &Asked) -> Duration {
        limits::HUB_HASTY.min(asked.call.left())
    }

    /// What the hub makes of a refused login, or that it will hear of it.
    pub(super) fn asked_of_the_hub(&self, asked: &Asked, reason: Text) -> Result<AtTheDoor, DeskError> {
        let Some(_seat) = self.site.source.outward()?.place() else {
            return Ok(AtTheDoor::Hint(Hint::default()));
        };
        let Some(place) = self.reserve(asked) else { return Ok(AtTheDoor::Hint(Hint::default())) };
        let wish = HostWish::Login(Self::host_knock(asked, reason));
        let told = self.site.ask_hub(Self::asker(asked), wish, None, asked.call.by);
        // Each is a record here and a call there, whatever becomes of it.
        let asks = matches!(&told, Ok(Told::Answered(_)));
        self.settle(Some(place), asks);
        self.at_the_door(asked, told?)
    }

    fn at_the_door(&self, asked: &Asked, told: Told) -> Result<AtTheDoor, DeskError> {
        Ok(match told {
            Told::Answered(HostAnswer::Opened(opened)) => AtTheDoor::Opened(opened),
            Told::Answered(HostAnswer::Hint { ticket }) => AtTheDoor::Hint(Hint { ticket }),
            Told::Answered(HostAnswer::Silent) => AtTheDoor::Silent,
            Told::Answered(HostAnswer::Refused(problem)) => return Err(DeskError::NoRule(problem.detail)),
            Told::Unsent { kept, why } => {
                let world = self.site.policies.world();
                let login = &asked.question.subject;
                let human = world.people.of_login(login);
                let human = human.ok_or_else(|| DeskError::NoAccount(login.to_string()))?;
                let opened = self.site.unsent_opened(&kept, why, &human.person, &human.names);
                AtTheDoor::Opened(Box::new(opened))
            }
        })
    }

    /// What the hub would let somebody do at a prompt.
    pub(super) fn offer_of_the_hub(&self, asked: &Asked, reason: Text) -> Option<AtThePrompt> {
        let _seat = self.site.source.outward().ok()?.place()?;
        let does = HostDoes::Offer(Self::host_knock(asked, reason));
        let offer = self.site.call_hub(Self::asker(asked), "", does, Self::for_the_hub(asked)).ok()?;
        Some(match offer {
            HostOffer::Ask { length, ticket } => AtThePrompt::Ask { length, ticket },
            HostOffer::Wait(request) => AtThePrompt::Wait(request),
            HostOffer::Nothing => AtThePrompt::Nothing,
        })
    }

    /// What somebody says at a prompt, said to the hub.
    pub(super) fn said_to_the_hub(
        &self,
        asked: &Asked,
        words: &Words,
        may_open: bool,
    ) -> Result<Opened, DeskError> {
        if !may_open {
            return Err(DeskError::Busy(
                "your refused logins opened as many requests as they can within an hour".into(),
            ));
        }
        let busy = || DeskError::Busy("too many ask the hub by way of this host just now".into());
        let _seat = self.site.source.outward()?.place().ok_or_else(busy)?;
        let wish = HostWish::Prompt {
            knock: Self::host_knock(asked, words.reason.clone()),
            length: words.length,
            ticket: words.ticket.clone(),
        };
        let told = self.site.ask_hub(Self::asker(asked), wish, None, asked.call.by)?;
        match self.at_the_door(asked, told)? {
            AtTheDoor::Opened(opened) => Ok(*opened),
            AtTheDoor::Hint(_) | AtTheDoor::Silent => {
                Err(DeskError::Forbidden("the hub takes no request at a prompt here".to_owned()))
            }
        }
    }

    /// A request as its person sees it, at the hub; none where that cannot be asked just now.
    pub(super) fn seen_at_the_hub(
        &self,
        asked: &Asked,
        id: RequestId,
    ) -> Result<Option<RequestView>, DeskError> {
        let Some(_seat) = self.site.source.outward()?.place() else { return Ok(None) };
        let does = HostDoes::Request { id: id.to_string() };
        match self.site.call_hub(Self::asker(asked), "", does, Self::for_the_hub(asked)) {
            Ok(view) => Ok(Some(view)),
            Err(Refused(problem)) if problem.code == ProblemCode::Unavailable => Ok(None),
            Err(Refused(problem)) => Err(DeskError::NoRule(problem.detail)),
        }
    }
}
