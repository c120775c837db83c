//! Asking for access.

use super::entering::Visitor;
use super::form::Form;
use super::guard::{self, Answer, Call};
use super::limits;
use super::page::{anew, once};
use crate::site::Site;
use access::{HostName, Login, Service, Span, Text, Time};
use api::{HostView, NewRequest, Opened};
use axum::extract::State;
use axum::response::Response;
use desk::DeskError;
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

/// What is mostly asked for: each with a box.
const SERVICES: [&str; 3] = ["ssh", "sudo", "su"];

/// The form.
pub async fn show(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::shown(site, call, |site, visitor| filled(site, visitor, &Form::parse(b"services=ssh"))).await
}

/// The form with what was said in one.
fn filled(site: &Site, visitor: &Visitor, said: &Form) -> Result<Answer, DeskError> {
    if let Err(problem) = visitor.admits("/v1/requests") {
        return Ok(Answer::Page("Ask", html! { p.problem { (problem.detail) } }));
    }
    let hosts = site.host_views()?;
    let labels = labels(&hosts);
    let (boxes, others): (BTreeSet<String>, BTreeSet<String>) = said
        .words("services", |word| Ok::<_, Infallible>(word.to_owned()))?
        .into_iter()
        .partition(|service| SERVICES.contains(&&**service));
    let others = others.into_iter().collect::<Vec<_>>().join(" ");
    let form = html! {
        form method="post" action="/web/ask" {
            (once(visitor)?)
            label {
                "Hosts by label"
                select name="label" {
                    option value="" { "none, but by name" }
                    @for (label, count) in &labels {
                        option value=(label) selected[said.text("label") == Some(label)] {
                            (label) " (" (count) @if *count == 1 { " host)" } @else { " hosts)" }
                        }
                    }
                }
            }
            label { "Hosts by name" input name="hosts" autocomplete="off" aria-describedby="hosts" list="known" value=[said.text("hosts")]; }
            datalist #known { @for host in hosts.iter().take(limits::OFFERED) { option value=(host.host) {} } }
            p.small #hosts { "One or more, with blanks between; or a label, not both." }
            fieldset {
                legend { "What for" }
                @for service in SERVICES {
                    label.box { input type="checkbox" name="services" value=(service) checked[boxes.contains(service)]; (service) }
                }
                label { "Other PAM services" input name="services" autocomplete="off" value=[Some(others).filter(|others| !others.is_empty())]; }
            }
            label { "As" input name="as" placeholder="yourself, or root" autocomplete="off" value=[said.text("as")]; }
            label { "For how long" input name="length" placeholder="as the rule says, like 1h" autocomplete="off" value=[said.text("length")]; }
            label { "Why" input name="reason" required autocomplete="off" value=[said.text("reason")]; }
            label { "Ticket" input name="ticket" autocomplete="off" value=[said.text("ticket")]; }
            (rarer(said))
            (glass(site, visitor, said))
            p.buttons { button.yes { "Ask" } }
        }
    };
    Ok(Answer::Page("Ask", form))
}

/// What few asks say.
fn rarer(said: &Form) -> Markup {
    let is_said = ["from", "user", "labels"].iter().any(|name| said.text(name).is_some());
    html! {
        details open[is_said] {
            summary { "Later, for somebody else, or by more labels" }
            label { "From when, in UTC; from the approval on if left out" input name="from" placeholder="2026-11-24T18:00:00Z" autocomplete="off" value=[said.text("from")]; }
            label { "For whom, by login name" input name="user" placeholder="yourself" autocomplete="off" value=[said.text("user")]; }
            label { "More labels, all of which a host must have" input name="labels" placeholder="role=db" autocomplete="off" value=[said.text("labels")]; }
        }
    }
}

/// Letting oneself in, which needs a sign-in as a review does.
fn glass(site: &Site, visitor: &Visitor, said: &Form) -> Markup {
    let is_said = said.ticks("break_glass", "yes");
    html! {
        details open[is_said] {
            summary { "Break glass, in an emergency" }
            p.small #glass {
                "It lets you in at once and alone, where a rule names you for it. Others are told at once, and one of them must look "
                "at it afterwards."
            }
            @if let Err(why) = &visitor.caller.reviews { (anew(site, why, "/web/ask")) } @else {
                label.box {
                    input type="checkbox" name="break_glass" value="yes" aria-describedby="glass" checked[is_said];
                    "I cannot wait for anybody to agree: let me in now"
                }
            }
        }
    }
}

/// Each label that hosts have, as `key=value`, and how many have it.
fn labels(hosts: &[HostView]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (key, value) in hosts.iter().flat_map(|host| &host.labels) {
        *counts.entry(format!("{key}={value}")).or_default() += 1;
    }
    counts.into_iter().take(limits::LABELS).collect()
}

/// Asks.
pub async fn ask(State(site): State<Arc<Site>>, call: Call) -> Response {
    let again = |site: &Site, visitor: &Visitor, call: &Call| filled(site, visitor, &call.form);
    guard::written(site, call, "/v1/requests".to_owned(), again, |site, visitor, call| {
        let opened = asked(site, visitor, &call.form)?;
        Ok(Answer::To(format!("/web/requests/{}", opened.request.ask.id)))
    })
    .await
}

fn asked(site: &Site, visitor: &Visitor, form: &Form) -> Result<Opened, DeskError> {
    let reason = form.read("reason", Text::parse)?;
    let new = NewRequest {
        hosts: form.words("hosts", HostName::parse)?,
        labels: labels_of(form)?,
        services: form.words("services", Service::parse)?,
        run_as: form.read("as", Login::parse)?,
        length: form.read("length", Span::parse)?,
        at: form.read("from", |at| at.parse::<Time>().map_err(|_| "write it like 2026-11-24T18:00:00Z"))?,
        reason: reason
            .ok_or_else(|| DeskError::BadRequest("reason: approvers read it: write one".to_owned()))?,
        ticket: form.read("ticket", Text::parse)?,
        user: form.read("user", Login::parse)?,
        break_glass: form.ticks("break_glass", "yes"),
    };
    if new.services.is_empty() {
        return Err(DeskError::BadRequest("services: choose at least one".to_owned()));
    }
    site.desk.request(&visitor.caller, &new, &form.key("/v1/requests")?)
}

/// All labels that are asked for: the one that was chosen, and those that were written.
fn labels_of(form: &Form) -> Result<BTreeMap<String, String>, DeskError> {
    let pair = |label: &str| {
        let pair = label.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
        pair.ok_or("a label is KEY=VALUE, like env=prod")
    };
    let mut labels: BTreeMap<String, String> = form.read("label", pair)?.into_iter().collect();
    for (key, value) in form.words("labels", pair)? {
        if labels.insert(key.clone(), value.clone()).is_some_and(|other| other != value) {
            return Err(DeskError::BadRequest(format!("labels: no host has two values of {key}")));
        }
    }
    Ok(labels)
}
