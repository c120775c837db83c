//! What a gate would say, tried without a login.

use crate::desk::asked_about;
use crate::{Caller, Desk, DeskError, Store, limits};
use access::{Decision, HostName, Local, Now, Phase, Question, Reason, View};
use api::{Check, CheckQuery, Which};

impl<S: Store> Desk<S> {
    /// What the gate of `host` would say, where it would decide by `decide`.
    pub fn check(
        &self,
        caller: &Caller,
        query: &CheckQuery,
        host: &HostName,
        decide: impl FnOnce(&Question, Now) -> Result<Decision, DeskError>,
    ) -> Result<Check, DeskError> {
        let own = caller.names.contains(&query.user);
        let approver = self.worlds.world().say_of(&caller.person, self.clock.now()).is_some();
        if !own && !caller.roles.sees_all() && !approver {
            let whose = format!("what {} may do is for them, approvers and auditors to see", query.user);
            return Err(DeskError::Forbidden(whose));
        }
        if query.user.as_str() == "root" && query.service.switches() {
            return Ok(Check {
                allowed: true,
                reason: Reason::Exempt,
                because: "root's own sudo and su need no grant".to_owned(),
                grant: None,
                ends: None,
                pending: None,
                next: None,
            });
        }
        let root = || access::Login::parse("root").ok().filter(|_| query.service.switches());
        let question = Question {
            subject: query.user.clone(),
            service: query.service.clone(),
            target: query.run_as.clone().or_else(root),
            phase: Phase::Auth,
            address: None,
            inside: Vec::new(),
        };
        let now = match asked_about(query.at)? {
            Some(at) => Now { trusted: at, latest: at, ..self.clock.now() },
            None => self.clock.now(),
        };
        let decision = decide(&question, now)?;
        let pending = self
            .requests(caller, Which::Pending, api::limits::PAGE)?
            .into_iter()
            .map(|request| request.ask)
            .filter(|ask| ask.names.contains(&query.user))
            .find(|ask| ask.services.contains(&query.service) && ask.hosts.contains(host))
            .map(|ask| ask.id);
        let there = query.host.as_ref().map(|host| format!(" --host {host}")).unwrap_or_default();
        let next = match (decision.allows(), pending) {
            (true, _) => None,
            (false, Some(id)) => Some(format!("jit show {id}")),
            (false, None) => Some(format!("jit request{there} --service {} --reason TEXT", query.service)),
        };
        Ok(Check {
            allowed: decision.allows(),
            reason: decision.reason,
            because: access::explain(&decision, &question, host.as_str(), now.trusted),
            grant: decision.grant.as_ref().map(|grant| grant.id),
            ends: decision.ends,
            pending,
            next,
        })
    }

    /// What a gate would decide that holds what there is for `host` here, and was heard from just now. When it saw
    /// a first-use grant used first it alone knows.
    pub fn decide_for(&self, host: &HostName, question: &Question, now: Now) -> Result<Decision, DeskError> {
        let world = self.worlds.world();
        let person = world.people.of_login(&question.subject).map(|human| human.person.clone());
        let mut view = View::of(host.clone());
        self.store.read(|store| {
            let mut after = None;
            for _ in 0..limits::PAGES_LOOKED_THROUGH {
                let open = store.grants(None, Some(host), false, after, limits::LIST)?;
                let Some(last) = open.last() else { break };
                after = Some((last.approved_at, last.id));
                open.into_iter().for_each(|grant| view.put(grant));
            }
            // What is over, or is for other hosts, can be the nearest miss.
            if let Some(person) = &person {
                store
                    .grants(Some(person), None, true, None, limits::LIST)?
                    .into_iter()
                    .for_each(|grant| view.put(grant));
            }
            Ok(())
        })?;
        Ok(access::decide(&view, &Local::default(), question, now))
    }
}
