//! Asking for access.

use super::guard::{self, Answer, Call};
use super::limits;
use super::page::once;
use crate::site::Site;
use access::{HostName, Login, Service, Span, Text};
use api::{HostView, NewRequest};
use axum::extract::State;
use axum::response::Response;
use desk::DeskError;
use maud::html;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The form.
pub async fn show(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::shown(site, call, |site, visitor| {
        let hosts = site.host_views()?;
        let labels = labels(&hosts);
        Ok(Answer::Page(
            "Ask",
            html! {
                form method="post" action="/web/ask" {
                    (once(visitor)?)
                    label {
                        "Hosts by label"
                        select name="label" {
                            option value="" { "none, but by name" }
                            @for (label, count) in &labels {
                                option value=(label) { (label) " (" (count) @if *count == 1 { " host)" } @else { " hosts)" } }
                            }
                        }
                    }
                    label { "Hosts by name" input name="hosts" autocomplete="off" aria-describedby="hosts" list="known"; }
                    datalist #known { @for host in hosts.iter().take(limits::OFFERED) { option value=(host.host) {} } }
                    p.small #hosts { "One or more, with blanks between; or a label, not both." }
                    fieldset {
                        legend { "What for" }
                        @for (service, on) in [("ssh", true), ("sudo", false), ("su", false)] {
                            label.box { input type="checkbox" name="services" value=(service) checked[on]; (service) }
                        }
                        label { "Other PAM services" input name="services" autocomplete="off"; }
                    }
                    label { "As" input name="as" placeholder="yourself, or root" autocomplete="off"; }
                    label { "For how long" input name="length" placeholder="as the rule says, like 1h" autocomplete="off"; }
                    label { "Why" input name="reason" required autocomplete="off"; }
                    label { "Ticket" input name="ticket" autocomplete="off"; }
                    p.buttons { button.yes { "Ask" } }
                }
            },
        ))
    })
    .await
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
    guard::done(site, call, "/v1/requests".to_owned(), |site, visitor, call| {
        let form = &call.form;
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
        let opened = site.desk.request(&visitor.caller, &new, &form.key("/v1/requests")?)?;
        Ok(Answer::To(format!("/web/requests/{}", opened.request.ask.id)))
    })
    .await
}
