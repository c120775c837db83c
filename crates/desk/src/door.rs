//! Asking at a refused door: by the login itself, and by its person at a prompt.

use crate::asking::{is_equal, person_of};
use crate::desk::{facts, random, visible_in};
use crate::{Caller, Desk, DeskError, Ground, Key, Queries, Roles, Store};
use access::{GrantId, HostName, Login, RequestId, Service, Span, Text};
use api::{Opened, RequestView};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use workflow::{Ask, Channel, Kind, OnRefusal, Refusal, Rule, Wants, World, open};

/// A login that was refused, as its door knows it.
#[derive(Clone, Copy, Debug)]
pub struct Knock<'a> {
    /// By which name.
    pub login: &'a Login,
    /// At which door.
    pub service: &'a Service,
    /// Whom they would become, where that is known and not root.
    pub run_as: Option<&'a Login>,
    /// From where.
    pub source: Option<IpAddr>,
    /// On which host; on this one where none is named.
    pub host: Option<&'a HostName>,
}

/// What somebody says at a prompt.
#[derive(Clone, Debug)]
pub struct Words {
    /// Why.
    pub reason: Text,
    /// For how long, if not by the rule's default.
    pub length: Option<Span>,
    /// The ticket it belongs to.
    pub ticket: Option<Text>,
}

/// What became of a refused login's wish.
#[derive(Debug)]
pub enum AtTheDoor {
    /// A request was opened for it, or an equal one waits.
    Opened(Box<Opened>),
    /// The rule wants it asked by command.
    Hint(Hint),
    /// The rule wants nothing said.
    Silent,
}

/// What a command that asks must say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// What the ticket looks like, where one is wanted.
    pub ticket: Option<String>,
}

/// What the person of a refused login could do, if they can be asked.
#[derive(Debug)]
pub enum AtThePrompt {
    /// Say why they want it.
    Ask {
        /// For how long it will be, unless they say otherwise.
        length: Span,
        /// What the ticket looks like, where one is wanted.
        ticket: Option<String>,
    },
    /// Wait for what was asked already.
    Wait(Box<RequestView>),
    /// Nothing that the login does not do by itself: the rule approves that on its own, or wants nothing said.
    Nothing,
}

impl<S: Store> Desk<S> {
    /// Points at an equal request that waits, or opens the one that a refused login stands for, where it
    /// may.
    pub fn request_of_login(
        &self,
        knock: Knock<'_>,
        reason: Text,
        may_open: bool,
        key: Option<&Key>,
    ) -> Result<AtTheDoor, DeskError> {
        let words = Words { reason, length: None, ticket: None };
        self.grounded(|ground| self.let_ask(ground, knock, words.clone(), may_open, key))
    }

    fn let_ask(
        &self,
        ground: &Ground,
        knock: Knock<'_>,
        words: Words,
        may_open: bool,
        key: Option<&Key>,
    ) -> Result<AtTheDoor, DeskError> {
        let (ask, rule, caller) = self.knocked(ground, knock, words)?;
        let hint = Hint { ticket: rule.wants.ticket_pattern() };
        match rule.on_refusal {
            OnRefusal::Off => return Ok(AtTheDoor::Silent),
            OnRefusal::Hint => return Ok(AtTheDoor::Hint(hint)),
            OnRefusal::Open if may_open => {}
            OnRefusal::Open => {
                let waits = self.store.read(|store| self.equal_one(ground, store, &ask, &rule, &caller))?;
                return Ok(waits
                    .map_or(AtTheDoor::Hint(hint), |request| AtTheDoor::Opened(Box::new(waiting(request)))));
            }
        }
        match self.open(ground, ask, rule, &caller, key) {
            Ok(opened) => Ok(AtTheDoor::Opened(Box::new(opened))),
            // What a login cannot say, its person can.
            Err(DeskError::Refused(Refusal::ReasonTooShort { .. } | Refusal::Ticket { .. })) => {
                Ok(AtTheDoor::Hint(hint))
            }
            Err(why) => Err(why),
        }
    }

    /// What the person of a refused login could do at a prompt. Opens nothing. `reason` is what the login
    /// would say by itself. What would be refused whatever they say is refused before they are asked.
    pub fn offer(&self, knock: Knock<'_>, reason: Text) -> Result<AtThePrompt, DeskError> {
        let ground = &self.worlds.ground();
        let words = Words { reason, length: None, ticket: None };
        let (ask, rule, caller) = self.knocked(ground, knock, words)?;
        if rule.on_refusal == OnRefusal::Off {
            return Ok(AtThePrompt::Nothing);
        }
        self.store.read(|store| {
            if let Some(waits) = self.equal_one(ground, store, &ask, &rule, &caller)? {
                return Ok(AtThePrompt::Wait(Box::new(waits)));
            }
            let facts = facts(store, &ask, Some(&rule), ask.asked_at)?;
            let would = |rule: &Rule| open(ask.clone(), rule, &facts, GrantId::from_random(0), ask.asked_at);
            match would(&rule) {
                Ok(stepped) if stepped.grant.is_some() && rule.on_refusal == OnRefusal::Open => {
                    return Ok(AtThePrompt::Nothing);
                }
                Ok(_) => {}
                // Whether more words would do.
                Err(Refusal::ReasonTooShort { .. } | Refusal::Ticket { .. }) => {
                    let wants = Wants { reason_min: 0, ticket: None, ..rule.wants.clone() };
                    would(&Rule { wants, ..rule.clone() })?;
                }
                Err(why) => return Err(why.into()),
            }
            Ok(AtThePrompt::Ask { length: rule.default, ticket: rule.wants.ticket_pattern() })
        })
    }

    /// Opens what somebody asks for at a prompt, where they may, or points at an equal request that waits.
    pub fn request_at_prompt(
        &self,
        knock: Knock<'_>,
        words: &Words,
        may_open: bool,
        key: Option<&Key>,
    ) -> Result<Opened, DeskError> {
        self.grounded(|ground| self.asked_at_prompt(ground, knock, words.clone(), may_open, key))
    }

    fn asked_at_prompt(
        &self,
        ground: &Ground,
        knock: Knock<'_>,
        words: Words,
        may_open: bool,
        key: Option<&Key>,
    ) -> Result<Opened, DeskError> {
        let (ask, rule, caller) = self.knocked(ground, knock, words)?;
        if rule.on_refusal == OnRefusal::Off {
            return Err(DeskError::Forbidden(format!("rule \"{}\" is asked by jit request alone", rule.id)));
        }
        if may_open {
            return self.open(ground, ask, rule, &caller, key);
        }
        let waits = self.store.read(|store| self.equal_one(ground, store, &ask, &rule, &caller))?;
        waits.map(waiting).ok_or_else(|| {
            DeskError::Busy("your refused logins opened as many requests as they can within an hour".into())
        })
    }

    /// A request as the person of a login may see it.
    pub fn request_seen_by(&self, login: &Login, id: RequestId) -> Result<RequestView, DeskError> {
        let caller = at_the_door(&self.worlds.world(), login, None)?;
        self.show_request(&caller, &id.to_string())
    }

    /// The ask that a refused login stands for, the rule that covers it, and who makes it.
    fn knocked(
        &self,
        ground: &Ground,
        knock: Knock<'_>,
        words: Words,
    ) -> Result<(Ask, Rule, Caller), DeskError> {
        let caller = at_the_door(&ground.world, knock.login, knock.source)?;
        let mut ask = Ask {
            id: RequestId::from_random(random()?),
            kind: Kind::Access,
            asked_by: caller.person.clone(),
            person: caller.person.clone(),
            names: caller.names.clone(),
            hosts: self.named(knock.host.cloned().into_iter().collect())?,
            labels: BTreeMap::new(),
            follows: false,
            before: None,
            services: BTreeSet::from([knock.service.clone()]),
            run_as: knock.run_as.cloned(),
            length: words.length.unwrap_or(Span::SHORTEST),
            starts: None,
            reason: words.reason,
            ticket: words.ticket,
            source: knock.source,
            channel: Channel::Login,
            asked_at: self.clock.now().trusted,
        };
        let rule = ground.rule(&ask, self.clock.now())?;
        if words.length.is_none() {
            ask.length = rule.default;
        }
        Ok((ask, rule, caller))
    }

    /// An equal request that waits.
    fn equal_one(
        &self,
        ground: &Ground,
        store: &dyn Queries,
        ask: &Ask,
        rule: &Rule,
        caller: &Caller,
    ) -> Result<Option<RequestView>, DeskError> {
        let waiting = store.pending_of(&ask.person)?;
        let equal = waiting.iter().find(|other| is_equal(other, ask, rule));
        let visible = |request| visible_in(&ground.world, self.clock.now(), request, caller);
        Ok(equal.and_then(visible))
    }
}

/// An equal request that waits already.
fn waiting(request: RequestView) -> Opened {
    Opened { request, grant: None, existed: true, unsent: None }
}

/// Whoever knocks under this name, with no rights but their own affairs.
fn at_the_door(world: &World, login: &Login, source: Option<IpAddr>) -> Result<Caller, DeskError> {
    let (person, names) = person_of(world, login)?;
    Ok(Caller {
        person,
        login: login.clone(),
        names,
        source,
        roles: Roles::default(),
        channel: Channel::Login,
        reviews: Err("a login cannot review".to_owned()),
    })
}
