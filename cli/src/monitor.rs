//! `jit status --monitor`: who would have been refused, had the gate been on.

use crate::output::Output;
use crate::{CliError, table, words};
use access::Time;
use api::{Client, Monitored, WouldRefuse};
use comfy_table::Cell;
use kernel::wall;
use std::collections::BTreeMap;

pub fn monitor(client: &Client, out: &mut Output) -> Result<(), CliError> {
    let monitored = client.monitored()?;
    out.say(&monitored, || told(&monitored, wall()))
}

fn told(monitored: &Monitored, now: Time) -> String {
    let days = api::limits::MONITOR_DAYS;
    let mut lines = Vec::new();
    if monitored.doors.is_empty() {
        lines.push(
            "No door is in mode=monitor now: `jit pam enable SERVICE --monitor` writes one.".to_owned(),
        );
    } else {
        lines.push(format!("In mode=monitor now: {}.", monitored.doors.join(", ")));
    }
    if let Some(since) = monitored.known_since {
        lines.push(format!("The journal is known from {} on.", words::when(since, now)));
    }
    if monitored.refused.is_empty() {
        lines.push(format!("In the last {days} days everybody let in by mode=monitor held a grant."));
        return lines.join("\n");
    }
    lines.push(format!("Would have been refused during the last {days} days on {}:", monitored.host));
    let mut by_service: BTreeMap<&str, (u64, usize)> = BTreeMap::new();
    for one in &monitored.refused {
        let sum = by_service.entry(one.service.as_str()).or_default();
        *sum = (sum.0 + one.times, sum.1 + 1);
    }
    for (service, (times, who)) in by_service {
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        lines.push(format!(
            "  {service}: {times} time{}, by {who} login{}",
            plural(times),
            plural(who as u64)
        ));
    }
    lines.push(String::new());
    let mut table = table::table(&["SERVICE", "WHO", "AS", "TIMES", "LAST", "WHY", "WHAT WOULD COVER IT"]);
    for one in &monitored.refused {
        let WouldRefuse { service, user, run_as, times, last, why, .. } = one;
        table.add_row(vec![
            Cell::new(service),
            Cell::new(user),
            Cell::new(run_as),
            Cell::new(times),
            Cell::new(words::since(*last, now)),
            Cell::new(why),
            Cell::new(covers(one)),
        ]);
    }
    lines.push(table.to_string());
    if monitored.more > 0 {
        lines.push(format!("{} more decisions concern other logins that did not fit here.", monitored.more));
    }
    lines.join("\n")
}

/// The request, and what the policy makes of it.
fn covers(one: &WouldRefuse) -> String {
    if one.covered {
        return format!("covered by now; else {}", one.request);
    }
    let rule = one.rule.as_ref().map(|rule| format!("rule {rule}: ")).unwrap_or_default();
    format!("{} ({rule}{})", one.request, one.policy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::at;

    fn monitored(refused: &serde_json::Value) -> Monitored {
        serde_json::from_value(serde_json::json!({
            "host": "web-1", "since": at(0), "doors": ["sshd"], "refused": refused, "more": 0
        }))
        .unwrap()
    }

    #[test]
    fn each_line_says_who_how_often_and_what_would_cover_it() {
        let one = serde_json::json!([
            { "service": "ssh", "user": "alice", "person": "alice", "as": "alice", "times": 12, "first": at(0),
              "last": at(60), "from": "203.0.113.5", "why": "no_grant", "rule": "anybody",
              "request": "jit request --service ssh --reason TEXT", "policy": "bob can approve it", "covered": false },
            { "service": "ssh", "user": "carol", "as": "carol", "times": 1, "first": at(0), "last": at(60), "from": "",
              "why": "expired", "request": "jit request --service ssh --reason TEXT", "policy": "", "covered": true },
        ]);
        let words = told(&monitored(&one), at(120));
        for part in [
            "In mode=monitor now: sshd.",
            "during the last 14 days on web-1:\n  ssh: 13 times, by 2 logins",
            "jit request --service ssh --reason TEXT (rule anybody: bob can approve it)",
            "covered by now",
            "1m00s ago",
        ] {
            assert!(words.contains(part), "{part:?}: {words}");
        }
    }

    #[test]
    fn nobody_is_an_answer_too() {
        let nobody = Monitored { doors: Vec::new(), ..monitored(&serde_json::json!([])) };
        let words = told(&nobody, at(0));
        assert!(
            words.contains("No door is in mode=monitor")
                && words.contains("In the last 14 days everybody let in"),
            "{words}"
        );
    }
}
