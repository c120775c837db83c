//! `jit policy explain`

use super::offline::Files;
use crate::arguments::Explain;
use crate::output::Output;
use crate::{CliError, words};
use access::{Now, Person};
use api::{AskExplain, Client};
use chrono::SecondsFormat;
use kernel::wall;
use std::collections::BTreeSet;
use workflow::{
    Explained, ExplainedRule, ExplainedStep, Facts, Hosts, How, Labels, Wish, explained, some_of,
};

pub fn explain(
    client: impl FnOnce() -> Result<Client, CliError>,
    asked: Explain,
    out: &mut Output,
) -> Result<(), CliError> {
    let said = match asked.file.clone() {
        Some(file) => offline(file, asked)?,
        None => client()?.explain(&AskExplain {
            user: asked.user,
            hosts: asked.hosts.into_iter().collect(),
            services: asked.service.into_iter().collect(),
            run_as: asked.run_as,
            length: asked.length,
            at: asked.at,
        })?,
    };
    out.say(&said, || picture(&said))
}

fn offline(policy: std::path::PathBuf, asked: Explain) -> Result<Explained, CliError> {
    let (Some(user), false) = (asked.user, asked.hosts.is_empty()) else {
        return Err(CliError::Usage(
            "with --file, say who and where: add --user NAME --host NAME".to_owned(),
        ));
    };
    let now = Now::exactly(wall());
    let labels: Labels = asked.labels.into_iter().collect();
    let labels = asked.hosts.iter().map(|host| (host.clone(), labels.clone())).collect();
    let files = Files { policy, people: asked.people, accounts: Some(asked.accounts) };
    let world = files.world(Hosts { labels, all: false }, now.trusted)?;
    let at = asked.at.map_or(now, |at| Now { trusted: at, ..now });
    let wish = Wish {
        user,
        hosts: asked.hosts.into_iter().collect(),
        services: asked.service.into_iter().collect(),
        run_as: asked.run_as,
        length: asked.length,
    };
    let ask = wish.ask(&world, at).ok_or_else(|| {
        CliError::NotMet(format!("nobody has the login name {}: name somebody of people.toml", wish.user))
    })?;
    Ok(explained(&world, &ask, &Facts::default(), at))
}

/// The steps from top to bottom, as they would be taken.
fn picture(said: &Explained) -> String {
    let becomes =
        if said.becomes.is_empty() { String::new() } else { format!(" as {}", words::list(&said.becomes)) };
    let length = said.length.map(|length| format!(" for {length}")).unwrap_or_default();
    let mut lines = vec![format!(
        "{} asks for {}{becomes} on {}{length}, at {}",
        said.person,
        words::list(&said.services),
        words::list(&said.hosts),
        said.at.to_rfc3339_opts(SecondsFormat::Secs, true)
    )];
    if let Some(rule) = &said.rule {
        of_rule(said, rule, &mut lines);
    } else {
        let why = said.outcome.why.as_deref().unwrap_or("no rule covers it");
        lines.push("   │".to_owned());
        lines.push(format!("   ╰─ refused at once: {why}"));
    }
    if !said.others.is_empty() {
        lines.push(String::new());
        lines.push("The other rules:".to_owned());
        let width = said.others.iter().map(|other| other.id.chars().count()).max().unwrap_or(0);
        let other = |other: &workflow::OtherRule| {
            format!("   {:width$}  line {:<4} {}", other.id, other.line, other.why)
        };
        lines.extend(said.others.iter().map(other));
    }
    lines.join("\n")
}

fn of_rule(said: &Explained, rule: &ExplainedRule, lines: &mut Vec<String>) {
    let mut add = |mark: &str, text: String| lines.push(format!("   {mark} {text}").trim_end().to_owned());
    add("│", format!("covered by rule \"{}\" (line {})", rule.id, rule.line));
    if !rule.wants.is_empty() {
        add("│", format!("must say {}", rule.wants.join(", ")));
    }
    if let Some(auto) = &rule.auto {
        let by_itself = said.outcome.how == How::ByItself;
        add("│", String::new());
        add("├─", format!("by itself: {}", if by_itself { "yes" } else { "no" }));
        auto.held.iter().for_each(|held| add("│    ✓", held.clone()));
        auto.missed.iter().for_each(|missed| add("│    ✗", missed.clone()));
    }
    if said.outcome.how != How::ByItself {
        let mut number = 0;
        for step in &rule.steps {
            add("│", String::new());
            if step.counts {
                number += 1;
                add("├─", format!("step {number}: {} of {}", step.need, step.from));
                add("│    could now:", who(&step.could));
            } else {
                add("├─", not_needed(step));
            }
        }
        for more in &rule.escalations {
            add("│", String::new());
            add("├─", format!("after {}: {} can fill any step too", more.after, more.to));
            add("│    could then:", who(&more.could));
        }
    }
    add("│", String::new());
    add("╰─", said.ends(rule));
    if let Some(glass) = &rule.break_glass {
        let by = who(&glass.review_by);
        let text = match (glass.may, &glass.blocked_by) {
            (true, None) => {
                format!(
                    "{} may, for {} at most; {by} looks at it within {}",
                    said.person, glass.longest, glass.within
                )
            }
            (true, Some(request)) => format!("not before somebody has looked at {request}"),
            (false, _) => format!("not by {}", said.person),
        };
        add("  break glass:", text);
    }
    if let Some(extend) = &rule.extend {
        let by = match extend.needs {
            _ if extend.by_itself => "while the rule itself approves all of it".to_owned(),
            0 => "nobody has to agree".to_owned(),
            some => format!("{some} must agree"),
        };
        let (count, longest, total) = (extend.count, extend.longest, extend.total);
        add("  longer:", format!("{count} times by {longest} at most, {total} in all; {by}"));
    }
    add("  in chats:", rule.chat.clone());
    if !rule.told.is_empty() {
        add("  told too:", words::list(&rule.told).replace(',', ", "));
    }
}

fn not_needed(step: &ExplainedStep) -> String {
    let when = step.when.as_deref().unwrap_or("never");
    format!("not needed: {} of {}, only for what is {when}", step.need, step.from)
}

fn who(people: &BTreeSet<Person>) -> String {
    let people: Vec<Person> = people.iter().cloned().collect();
    if people.is_empty() { "nobody".to_owned() } else { some_of(&people) }
}
