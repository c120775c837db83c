//! Asking for access.

use super::entering::Visitor;
use super::form::Form;
use super::guard::{self, Answer, Call};
use super::limits;
use super::page::once;
use crate::site::Site;
use access::{HostName, Login, Service, Span, Text};
use api::{HostView, NewRequest, Opened};
use axum::extract::State;
use axum::response::Response;
use desk::DeskError;
use maud::html;
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
            p.buttons { button.yes { "Ask" } }
        }
    };
    Ok(Answer::Page("Ask", form))
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
    let label = form.read("label", |label| {
        let pair = label.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
        pair.ok_or("a label is KEY=VALUE, like env=prod")
    })?;
    let reason = form.read("reason", Text::parse)?;
    let new = NewRequest {
        hosts: form.words("hosts", HostName::parse)?,
        labels: label.into_iter().collect(),
        services: form.words("services", Service::parse)?,
        run_as: form.read("as", Login::parse)?,
        length: form.read("length", Span::parse)?,
        at: None,
        reason: reason
            .ok_or_else(|| DeskError::BadRequest("reason: approvers read it: write one".to_owned()))?,
        ticket: form.read("ticket", Text::parse)?,
        user: None,
        break_glass: false,
    };
    if new.services.is_empty() {
        return Err(DeskError::BadRequest("services: choose at least one".to_owned()));
    }
    site.desk.request(&visitor.caller, &new, &form.key("/v1/requests")?)
}
