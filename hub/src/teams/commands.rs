//! What can be typed to the bot.

use super::Teams;
use super::activity::Activity;
use super::binding::Code;
use super::card::escape;
use super::limits;
use super::rows::Account;
use crate::site::Site;
use access::{HostName, Login, Service, Span, Text};
use api::{AskGrants, NewRequest, RequestView, Role, Which};
use desk::{Caller, DeskError, Key};
use std::collections::{BTreeMap, BTreeSet};

/// What it answers to whoever does not know what to type.
const HELP: &str = "- **list**: what waits for you, and what you asked for\n\
- **request** ssh,sudo **on** db-1,db-2 **for** 2h **because** the disk is full; **as** USER and **ticket** X before because\n\
- **status**: what you hold now\n\
- **link** CODE: this account is yours; the hub shows the code on its page Teams\n\
- **here**, **away**: every request is told in this chat or channel, or no more; for administrators of the hub\n\
- **help**: this";

/// To what is not for everybody's eyes in a channel.
const ALONE: &str = "Say that to me alone, in a chat between the two of us, where nobody else reads it.";

/// The answer to what was typed. Blocks.
pub fn answered(site: &Site, teams: &Teams, activity: &Activity) -> String {
    done(site, teams, activity).unwrap_or_else(|why| escape(&why.problem().detail))
}

fn done(site: &Site, teams: &Teams, activity: &Activity) -> Result<String, DeskError> {
    let text = spoken(&activity.text);
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((&text, ""));
    let word = word.to_lowercase();
    if word == "link" {
        return link(site, activity, rest);
    }
    let Some(account) = site.teams_account(teams, activity)? else {
        return Ok(format!(
            "I do not know whose account this is. Sign in at {}/web/teams and link it there; then type **help**.",
            site.url
        ));
    };
    let caller = site.in_teams(&account.person)?;
    let alone = activity.conversation.conversation_type == "personal";
    match word.as_str() {
        "list" | "status" if !alone => Ok(ALONE.to_owned()),
        "list" => list(site, &caller),
        "status" => status(site, &caller),
        "request" => request(site, &caller, rest, activity),
        "here" | "away" => listens(site, teams, &account, activity, word == "here"),
        "help" | "" => Ok(HELP.to_owned()),
        other => Ok(format!(
            "I do not know **{}**.\n\n{HELP}",
            escape(&other.chars().take(40).collect::<String>())
        )),
    }
}

/// What was typed, without the bot's own name in front of it.
fn spoken(text: &str) -> String {
    let mut text = text.get(..text.floor_char_boundary(limits::COMMAND)).unwrap_or_default().to_owned();
    while let (Some(begins), Some(ends)) = (text.find("<at>"), text.find("</at>")) {
        if begins > ends {
            break;
        }
        text.replace_range(begins..ends + "</at>".len(), " ");
    }
    text.replace("&nbsp;", " ").replace('\u{a0}', " ").trim().to_owned()
}

fn link(site: &Site, activity: &Activity, code: &str) -> Result<String, DeskError> {
    if activity.conversation.conversation_type != "personal" {
        return Ok(ALONE.to_owned());
    }
    let said = Code::parse(code)
        .map(|code| site.ledger.claim_teams_code(code, activity, site.clock.time()))
        .transpose()?
        .flatten();
    Ok(match said {
        Some(person) => format!(
            "Thank you. Now confirm on the page that showed the code, {}/web/teams, that this account is **{}**'s.",
            site.url,
            escape(&person)
        ),
        None => format!(
            "This code is none that is good: make one at {}/web/teams, and say it within ten minutes.",
            site.url
        ),
    })
}

fn list(site: &Site, caller: &Caller) -> Result<String, DeskError> {
    let waiting = site.desk.requests(caller, Which::Pending, desk::limits::LIST)?;
    let own =
        |request: &&RequestView| request.ask.person == caller.person || request.ask.asked_by == caller.person;
    let yours: Vec<_> = waiting.iter().filter(|request| request.yours_to_review).collect();
    let asked: Vec<_> = waiting.iter().filter(own).collect();
    Ok(format!("{}\n\n{}", lines(site, "Waits for you", &yours), lines(site, "You asked for", &asked)))
}

fn lines(site: &Site, title: &str, requests: &[&RequestView]) -> String {
    if requests.is_empty() {
        return format!("**{title}**: nothing");
    }
    let line = |request: &&RequestView| {
        let (ask, id) = (&request.ask, request.ask.id);
        let said = escape(&format!("{}: {}", ask.person, crate::web::asks(ask)));
        format!("- [{id}]({}/web/requests/{id}) {said}", site.url)
    };
    let mut lines: Vec<String> = requests.iter().take(limits::LISTED).map(line).collect();
    if requests.len() > limits::LISTED {
        lines.push(format!("- and {} more at {}/web", requests.len() - limits::LISTED, site.url));
    }
    format!("**{title}**\n\n{}", lines.join("\n"))
}

fn status(site: &Site, caller: &Caller) -> Result<String, DeskError> {
    let grants = site.desk.grants(
        caller,
        &AskGrants { user: Some(caller.login.clone()), ..AskGrants::default() },
        desk::limits::LIST,
    )?;
    let line = |view: &api::GrantView| {
        let grant = &view.grant;
        let access = format!("{} on {}", crate::web::names(&grant.services), crate::web::names(&grant.hosts));
        format!(
            "- [{0}]({1}/web/grants/{0}) {2}: {3}, until {4}",
            grant.id,
            site.url,
            escape(&access),
            view.state.code(),
            view.ends.format("%F %R UTC")
        )
    };
    let mut lines: Vec<String> =
        grants.iter().filter(|view| view.grant.person == caller.person).map(line).collect();
    lines.truncate(limits::LISTED);
    if lines.is_empty() {
        return Ok("You hold no grant.".to_owned());
    }
    Ok(lines.join("\n"))
}

fn request(site: &Site, caller: &Caller, rest: &str, activity: &Activity) -> Result<String, DeskError> {
    let new = asked(rest).map_err(DeskError::BadRequest)?;
    let key = Key::of(
        &workflow::hex(activity.id.as_bytes()).chars().take(api::limits::KEY).collect::<String>(),
        "/v1/requests",
        rest.as_bytes(),
    );
    let opened = site.desk.request(caller, &new, &key)?;
    let id = opened.request.ask.id;
    let said = match (&opened.grant, opened.existed) {
        (Some(grant), _) => format!("Approved by the rule itself, until {}", grant.ends.format("%F %R UTC")),
        (None, true) => "You asked for that already, and it waits".to_owned(),
        (None, false) => "Asked".to_owned(),
    };
    Ok(format!(
        "{said}: [{id}]({}/web/requests/{id}). {}",
        site.url,
        escape(&workflow::who_can(&opened.request.could_approve))
    ))
}

/// `ssh,sudo on db-1,db-2 as deploy for 2h ticket OPS-1 because the disk is full`
fn asked(rest: &str) -> Result<NewRequest, String> {
    let usage = "write it like: request ssh,sudo on db-1 for 2h because the disk is full";
    let (before, reason) =
        rest.split_once(" because ").ok_or_else(|| format!("there is no reason: {usage}"))?;
    let mut words = before.split_whitespace();
    let services = words.next().ok_or_else(|| format!("it is for nothing: {usage}"))?;
    let mut said: BTreeMap<&str, &str> = BTreeMap::new();
    while let Some(word) = words.next() {
        let wrong = || format!("{word:?} is not understood there: {usage}");
        if !["on", "as", "for", "ticket"].contains(&word) {
            return Err(wrong());
        }
        let value = words.next().ok_or_else(|| format!("nothing follows {word:?}: {usage}"))?;
        if said.insert(word, value).is_some() {
            return Err(wrong());
        }
    }
    let wrong = |what: &str, why: &dyn std::fmt::Display| format!("{what}: {why}");
    let hosts = said.get("on").ok_or_else(|| format!("it says no host: {usage}"))?;
    Ok(NewRequest {
        hosts: list_of(hosts, HostName::parse).map_err(|why| wrong("on", &why))?,
        labels: BTreeMap::new(),
        services: list_of(services, Service::parse).map_err(|why| wrong("what", &why))?,
        run_as: said
            .get("as")
            .map(|login| Login::parse(login))
            .transpose()
            .map_err(|why| wrong("as", &why))?,
        length: said
            .get("for")
            .map(|length| Span::parse(length))
            .transpose()
            .map_err(|why| wrong("for", &why))?,
        at: None,
        reason: Text::parse(reason).map_err(|why| wrong("because", &why))?,
        ticket: said
            .get("ticket")
            .map(|ticket| Text::parse(ticket))
            .transpose()
            .map_err(|why| wrong("ticket", &why))?,
        user: None,
        break_glass: false,
    })
}

fn list_of<T: Ord, E>(text: &str, parse: impl Fn(&str) -> Result<T, E>) -> Result<BTreeSet<T>, E> {
    text.split(',').filter(|word| !word.is_empty()).map(parse).collect()
}

fn listens(
    site: &Site,
    teams: &Teams,
    account: &Account,
    activity: &Activity,
    listens: bool,
) -> Result<String, DeskError> {
    let roles = site.ledger.read(|sql| crate::rows::roles_of(sql, &account.person))?;
    if !roles.contains(&Role::Admin) {
        return Ok("That is for administrators of the hub: who is in a chat that hears of every request sees them all.".to_owned());
    }
    let (tenant, conversation, by, now) =
        (teams.tenant().to_owned(), activity.place().to_owned(), account.person.clone(), site.clock.time());
    let changed = site.ledger.set_teams_place(tenant, conversation, listens, by, now)?;
    Ok(match (listens, changed) {
        (true, true) => "Every request is told here from now on.",
        (true, false) => "Every request is told here already.",
        (false, true) => "Requests are told here no more. What was told stays up to date.",
        (false, false) => "Requests are not told here.",
    }
    .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bots_own_name_is_no_part_of_what_was_said() {
        for (typed, said) in [
            ("<at>jit</at> list", "list"),
            ("list", "list"),
            ("<at>jit</at>&nbsp;request ssh on db-1 because x", "request ssh on db-1 because x"),
            ("</at> <at>", "</at> <at>"),
            ("<at>a</at><at>b</at> help", "help"),
        ] {
            assert_eq!(spoken(typed), said);
        }
    }

    #[test]
    fn a_request_is_read_word_by_word_and_its_reason_as_it_is() {
        let new = asked(
            "ssh,sudo on db-1,db-2 for 2h as deploy ticket OPS-1 because it fails on startup for 2 hours",
        )
        .unwrap();
        assert_eq!((new.hosts.len(), new.services.len(), new.length), (2, 2, Span::parse("2h").ok()));
        assert_eq!(new.reason.as_str(), "it fails on startup for 2 hours");
        assert_eq!((new.run_as.unwrap().as_str(), new.ticket.unwrap().as_str()), ("deploy", "OPS-1"));
        for (wrong, why) in [
            ("ssh on db-1 for 2h", "no reason"),
            ("on db-1 because x", "not understood"),
            ("ssh because x", "no host"),
            ("ssh on because x", "nothing follows"),
            ("ssh on db-1 on db-2 because x", "not understood"),
            ("ssh on db-1 for ever because x", "for: "),
            ("ssh on db_1/ because x", "on: "),
        ] {
            let said = asked(wrong).unwrap_err();
            assert!(said.contains(why), "{wrong}: {said}");
        }
    }
}
