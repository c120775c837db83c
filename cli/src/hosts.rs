//! `jit hosts` and `jit host`: the hosts of a hub.

use crate::arguments::Host;
use crate::output::Output;
use crate::requests::now;
use crate::{CliError, table, words};
use api::{Client, HostView, NewHostToken};
use comfy_table::Cell;

pub fn list(client: &Client, out: &mut Output) -> Result<(), CliError> {
    let hosts = client.hosts()?;
    let colour = out.colour();
    out.say(&hosts, || {
        if hosts.is_empty() {
            return "No host has joined this hub. Let one in:  jit host token --label env=prod".to_owned();
        }
        let mut table =
            table::table(&["HOST", "STATE", "LABELS", "JOINED", "HEARD", "REVISION", "JOURNAL", "RELEASE"]);
        for view in &hosts {
            let HostView { host, labels, joined, connected, seen, revision, version, journal, alarm } = view;
            let (code, state) = if *connected { ("active", "listens") } else { ("expired", "away") };
            let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let or = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            table.add_row(vec![
                Cell::new(host),
                table::state(code, state, colour),
                Cell::new(labels.join(" ")),
                Cell::new(words::when(*joined, now())),
                Cell::new(or(seen.map(|seen| words::when(seen, now())))),
                Cell::new(or(revision.map(|revision| revision.to_string()))),
                Cell::new(or(alarm
                    .as_ref()
                    .map(|_| "wrong")
                    .map(str::to_owned)
                    .or(journal.map(|seq| seq.to_string())))),
                Cell::new(or(version.as_ref().map(ToString::to_string))),
            ]);
        }
        let wrong = hosts.iter().filter_map(|view| Some((&view.host, view.alarm.as_ref()?)));
        let wrong: Vec<String> = wrong.map(|(host, why)| format!("\nThe journal of {host}: {why}")).collect();
        format!("{table}{}", wrong.concat())
    })
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
                    words::when(made.expires, now())
                )
            })
        }
        Host::Remove { host } => {
            let removed = client.remove_host(&host)?;
            out.say(&removed, || {
                format!("Host {} is none of this hub's any more: it hears of no new grants.", removed.host)
            })
        }
    }
}
