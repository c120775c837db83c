//! A search of the record: the hub's own, or that of a host as the hub has it.

use super::form::Form;
use super::guard::{self, Answer, Call};
use super::limits;
use super::page::{option, time};
use crate::inbox::rows::Kept;
use crate::site::Site;
use crate::{inbox, routes};
use access::{HostName, Time};
use api::{HostView, Record};
use axum::extract::State;
use axum::response::Response;
use desk::DeskError;
use maud::{Markup, html};
use std::sync::Arc;

/// What was found.
struct Found {
    lines: Vec<(u64, Option<Time>, String)>,
    /// Where to go on, if there is more.
    next: Option<u64>,
    looked_at: usize,
}

/// The search and what it finds.
pub async fn show(State(site): State<Arc<Site>>, call: Call) -> Response {
    guard::asked(site, call, |site, visitor, call| {
        routes::sees_all(&visitor.caller, "the journal is")?;
        let said = &call.query;
        let host = said.read("host", HostName::parse);
        let logs = match &host {
            Ok(Some(host)) => {
                site.ledger.read(|sql| inbox::rows::logs_of(sql, host, limits::LOGS_OFFERED))?
            }
            _ => Vec::new(),
        };
        let found = host.and_then(|host| found(site, said, host.as_ref(), &logs));
        let found = found.map(|found| lines(said, &found));
        Ok(Answer::found("Journal", form(said, &logs, &site.host_views()?), found))
    })
    .await
}

fn form(said: &Form, logs: &[Kept], hosts: &[HostView]) -> Markup {
    html! {
        form.across method="get" action="/web/journal" role="search" {
            label { "Words, all of which a line has" input name="words" value=[said.text("words")] autocomplete="off" placeholder="change=approved alice"; }
            label {
                "Whose, if not the hub's own"
                input name="host" list="known" autocomplete="off" value=[said.text("host")];
            }
            datalist #known { @for host in hosts.iter().take(limits::OFFERED) { option value=(host.host) {} } }
            @if logs.len() > 1 {
                label {
                    "Log"
                    select name="log" {
                        @for (place, log) in logs.iter().enumerate() {
                            (option(&log.name(), &label_of(place, log), said.text("log") == Some(&log.name())))
                        }
                    }
                }
            }
            p.buttons { button { "Search" } }
        }
    }
}

fn label_of(place: usize, log: &Kept) -> String {
    let which = if place == 0 { "the newest" } else { "an earlier one" };
    format!("{which}, heard until {} UTC, {} records", log.heard.format("%F %R"), log.size)
}

fn found(site: &Site, said: &Form, host: Option<&HostName>, logs: &[Kept]) -> Result<Found, DeskError> {
    let (search, before) = (said.search("words"), said.read("before", str::parse::<u64>)?);
    // One that the host does not have, as after another host was typed, is the newest.
    let log = logs.iter().find(|log| said.text("log") == Some(&log.name())).or(logs.first());
    let rows = site.ledger.read(|connection| match host {
        None => {
            let end = before.unwrap_or(u64::MAX).min(store::last_seq(connection)? + 1);
            let after = end.saturating_sub(1 + limits::SEARCHED);
            let rows = store::journal_after(connection, after, end.saturating_sub(1 + after))?;
            Ok(rows.into_iter().map(|row| (row.seq, row.body)).collect::<Vec<_>>())
        }
        Some(host) => match log {
            Some(log) => inbox::rows::records(connection, host, log, before, limits::SEARCHED),
            None => Ok(Vec::new()),
        },
    })?;
    let looked_at = rows.len();
    let (mut lines, mut next) = (Vec::new(), rows.first().map(|row| row.0).filter(|seq| *seq > 1));
    for (seq, body) in rows.into_iter().rev() {
        let (at, line) = match serde_json::from_str::<Record>(&body) {
            Ok(record) => (Some(record.at()), record.line(seq)),
            Err(_) => (None, format!("mark=unreadable detail=\"written by another release\" seq={seq}")),
        };
        if !search.finds(&line) {
            continue;
        }
        lines.push((seq, at, line));
        if lines.len() == limits::FOUND {
            next = Some(seq).filter(|seq| *seq > 1);
            break;
        }
    }
    Ok(Found { lines, next, looked_at })
}

fn lines(said: &Form, found: &Found) -> Markup {
    let onward = |before: u64| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for name in ["words", "host", "log"] {
            query.append_pair(name, said.text(name).unwrap_or_default());
        }
        format!("/web/journal?{}", query.append_pair("before", &before.to_string()).finish())
    };
    html! {
        p role="status" {
            @match found.lines.len() {
                0 => { "No line of the last " (found.looked_at) " has these words." }
                1 => "1 line, ",
                many => { (many) " lines, " }
            }
            @if !found.lines.is_empty() { "the newest first." }
        }
        ol.lines {
            @for (_, at, line) in &found.lines {
                li { @if let Some(at) = at { (time(*at)) " " } code { (line) } }
            }
        }
        @if let Some(before) = found.next { p { a href=(onward(before)) { "Older ones" } } }
    }
}
