//! `jit hosts` and `jit host`: the hosts of a hub.

use crate::arguments::Host;
use crate::output::Output;
use crate::{CliError, table, words};
use access::HostName;
use api::{Client, ClientError, HostView, NewHostToken, NewLabels, ProblemCode};
use comfy_table::Cell;
use kernel::wall;
use std::collections::BTreeMap;

pub fn list(
    client: &Client,
    host: Option<&HostName>,
    labels: &[(String, String)],
    out: &mut Output,
) -> Result<(), CliError> {
    let mut hosts = client.hosts()?;
    let joined = !hosts.is_empty();
    hosts.retain(|view| {
        let carries = |(key, value): &(String, String)| view.labels.get(key) == Some(value);
        host.is_none_or(|host| view.host == *host) && labels.iter().all(carries)
    });
    let colour = out.colour();
    out.say(&hosts, || {
        if hosts.is_empty() && joined {
            return "No host of this hub is like that.".to_owned();
        }
        if hosts.is_empty() {
            return "No host has joined this hub. Let one in:  jit host token --label env=prod".to_owned();
        }
        let mut table = table::table(&[
            "HOST", "STATE", "LABELS", "HEARD", "AS OF", "REVISION", "CLOCK", "JOURNAL", "GATED", "RELEASE",
        ]);
        for view in &hosts {
            let HostView { host, labels, connected, seen, revision, version, alarm, .. } = view;
            let (code, state) = if *connected { ("active", "listens") } else { ("expired", "away") };
            let or = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            table.add_row(vec![
                Cell::new(host),
                table::state(code, state, colour),
                Cell::new(said(labels)),
                Cell::new(or(seen.map(|seen| words::when(seen, wall())))),
                Cell::new(or(view.as_of.map(|as_of| words::when(as_of, wall())))),
                Cell::new(or(revision.map(|revision| revision.to_string()))),
                Cell::new(or(view.ahead_ms.map(ahead))),
                Cell::new(or(match (alarm, view.waiting) {
                    (Some(_), _) => Some("wrong".to_owned()),
                    (None, waiting) => waiting.map(waits),
                })),
                Cell::new(or(view.gated.as_ref().map(|gated| match gated.as_slice() {
                    [] => "nothing".to_owned(),
                    some => some.join(" "),
                }))),
                Cell::new(or(version.as_ref().map(ToString::to_string))),
            ]);
        }
        let wrong = hosts.iter().filter_map(|view| Some((&view.host, view.alarm.as_ref()?)));
        let wrong: Vec<String> = wrong.map(|(host, why)| format!("\nThe journal of {host}: {why}")).collect();
        format!("{table}{}", wrong.concat())
    })
}

fn said(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

/// How far a clock is off, where that is worth a word.
fn ahead(ms: i64) -> String {
    match ms.abs() {
        0..2000 => "right".to_owned(),
        off => format!("{} s {}", off / 1000, if ms > 0 { "ahead" } else { "behind" }),
    }
}

/// Records that the hub does not have yet.
fn waits(records: u64) -> String {
    if records == 0 { "here".to_owned() } else { format!("{records} to come") }
}

pub fn host(client: &Client, host: Host, out: &mut Output) -> Result<(), CliError> {
    match host {
        Host::Token { labels, ttl, uses } => {
            let labels = labels.into_iter().collect();
            let made = client.host_token(&NewHostToken { labels, length: ttl, uses })?;
            out.say(&made, || {
                format!(
                    "{}\nGood until {}, and shown this once. On the new host, as root:\n  jitd enrol {0}\n  systemctl restart jitd",
                    made.token,
                    words::when(made.expires, wall())
                )
            })
        }
        Host::Label { host, labels } => {
            let labelled = client.label_host(&host, &NewLabels { labels: labels.into_iter().collect() })?;
            out.say(&labelled, || match said(&labelled.labels).as_str() {
                "" => format!("Host {} has no labels from now on.", labelled.host),
                labels => format!("Host {} has the labels {labels} from now on.", labelled.host),
            })
        }
        Host::Remove { host } => {
            let removed = client.remove_host(&host)?;
            if !removed.was {
                let why = format!(
                    "no host of this hub is called {host}: `jit hosts` lists them. One that joined before now, and that a backup lost, \
                     does not come back"
                );
                return Err(ClientError::Refused(ProblemCode::NotFound.because(why)).into());
            }
            out.say(&removed, || format!("Host {} was removed: it receives no new grants.", removed.host))
        }
    }
}
