//! The policy in force, and what it would make of an ask.

use super::entering::Visitor;
use super::guard::{self, Answer, Call};
use super::page::{names, time};
use crate::site::Site;
use access::{HostName, Login, Service, Span};
use api::{AskExplain, PolicyView};
use axum::extract::State;
use axum::response::Response;
use desk::DeskError;
use maud::{Markup, html};
use std::collections::BTreeSet;
use std::sync::Arc;
use workflow::{Explained, ExplainedRule, ExplainedStep, How};

/// The policy, a question about it, and the answer.
pub async fn show(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::asked(site, call, |site, visitor, call| {
        let policy = site.desk.policy(&visitor.caller)?;
        // What is wrong with the question is an answer to it.
        let answer = asked(call)
            .and_then(|asked| asked.map(|asked| site.desk.explain(&visitor.caller, asked)).transpose());
        Ok(Answer::Page(
            "Policy",
            html! {
                (question(visitor, call))
                @match &answer {
                    Ok(None) => {}
                    Ok(Some(said)) => (explained(said)),
                    Err(why) => { p.problem role="alert" { (why) } }
                }
                (in_force(&policy))
            },
        ))
    })
    .await
}

fn asked(call: &Call) -> Result<Option<AskExplain>, DeskError> {
    let said = &call.query;
    let services: BTreeSet<Service> = said.words("services", Service::parse)?;
    if services.is_empty() {
        return Ok(None);
    }
    Ok(Some(AskExplain {
        user: said.read("user", Login::parse)?,
        hosts: said.words("hosts", HostName::parse)?,
        services,
        run_as: said.read("as", Login::parse)?,
        length: said.read("length", Span::parse)?,
        at: None,
    }))
}

fn question(visitor: &Visitor, call: &Call) -> Markup {
    let said = |name: &str| call.query.text(name).unwrap_or_default();
    html! {
        h2 #explain { "What would it say?" }
        p.small { "A question: nothing is asked for by it." }
        form.across method="get" action="/web/policy" {
            label { "Who, by login name" input name="user" value=(said("user")) placeholder=(visitor.caller.login) autocomplete="off"; }
            label { "On which hosts" input name="hosts" required value=(said("hosts")) autocomplete="off"; }
            label { "What for" input name="services" required value={ @if call.query.text("services").is_none() { "ssh" } @else { (said("services")) } } autocomplete="off"; }
            label { "As" input name="as" value=(said("as")) autocomplete="off"; }
            label { "For how long" input name="length" value=(said("length")) placeholder="as the rule says" autocomplete="off"; }
            p.buttons { button { "Explain" } }
        }
    }
}

/// The steps from top to bottom, as they would be taken.
fn explained(said: &Explained) -> Markup {
    let becomes =
        if said.becomes.is_empty() { String::new() } else { format!(" as {}", names(&said.becomes)) };
    let length = said.length.map(|length| format!(" for {length}")).unwrap_or_default();
    html! {
        section.answer aria-label="The answer" {
            p.lead {
                (said.person) " asks for " (names(&said.services)) (becomes) " on " (names(&said.hosts)) (length) ", at " (time(said.at))
            }
            @match &said.rule {
                Some(rule) => (covered(said, rule)),
                None => { p.problem { "Refused at once: " (said.outcome.why.as_deref().unwrap_or("no rule covers it")) } }
            }
            @if !said.others.is_empty() {
                details {
                    summary { "The other rules" }
                    dl { @for other in &said.others { dt { (other.id) " (line " (other.line) ")" } dd { (other.why) } } }
                }
            }
        }
    }
}

fn covered(said: &Explained, rule: &ExplainedRule) -> Markup {
    html! {
        p { "Rule " strong { (rule.id) } ", on line " (rule.line) "." }
        @if !rule.wants.is_empty() { p { "They must say " (names(&rule.wants)) "." } }
        ol.steps {
            @if let Some(auto) = &rule.auto {
                li {
                    "By itself: " @if said.outcome.how == How::ByItself { "yes" } @else { "no" }
                    ul {
                        @for held in &auto.held { li { "holds: " (held) } }
                        @for missed in &auto.missed { li { "does not hold: " (missed) } }
                    }
                }
            }
            @if said.outcome.how != How::ByItself {
                @for step in &rule.steps { (step_item(step)) }
                @for more in &rule.escalations {
                    li { "After " (more.after) " " (more.to) " can fill any step too: " (people(&more.could)) }
                }
            }
            li { "It is " (said.ends(rule)) }
        }
        dl {
            @if let Some(glass) = &rule.break_glass {
                dt { "Break glass" }
                dd {
                    @match (glass.may, &glass.blocked_by) {
                        (true, None) => { (said.person) " may, for " (glass.longest) " at most; " (people(&glass.review_by)) " looks at it within " (glass.within) }
                        (true, Some(request)) => { "not before somebody has looked at " (request) }
                        (false, _) => { "not by " (said.person) }
                    }
                }
            }
            @if let Some(extend) = &rule.extend {
                dt { "Longer" }
                dd {
                    (extend.count) @if extend.count == 1 { " time by " } @else { " times by " } (extend.longest) " at most, " (extend.total) " in all; "
                    @if extend.by_itself { "while the rule itself approves all of it" }
                    @else if extend.needs == 0 { "nobody has to agree" } @else { (extend.needs) " must agree" }
                }
            }
            dt { "In chats" } dd { (rule.chat) }
            @if !rule.told.is_empty() { dt { "Told too" } dd { (names(&rule.told)) } }
        }
    }
}

fn step_item(step: &ExplainedStep) -> Markup {
    html! {
        li {
            @if step.counts { (step.need) " of " (step.from) "; could now: " (people(&step.could)) }
            @else { "not needed: " (step.need) " of " (step.from) ", only for what is " (step.when.as_deref().unwrap_or("never")) }
        }
    }
}

fn people(people: &BTreeSet<access::Person>) -> String {
    if people.is_empty() { "nobody".to_owned() } else { names(people) }
}

fn in_force(policy: &PolicyView) -> Markup {
    html! {
        h2 { "In force" }
        p {
            "Version " (policy.version)
            @if policy.version > 0 { ", since " (time(policy.at)) }
            @if let Some(by) = &policy.by { ", applied by " (by) }
            ". It is changed with " code { "jit policy apply" } "."
        }
        // A long line scrolls, also by the keyboard.
        pre tabindex="0" aria-label="policy.toml" { code { (policy.policy) } }
        @if let Some(people) = &policy.people {
            h3 { "people.toml" }
            pre tabindex="0" aria-label="people.toml" { code { (people) } }
        }
    }
}
