//! What can be typed in a chat, for whoever's account typed it. What the bot of Teams alone can is its own.

use super::binding::Code;
use super::limits;
use super::says::{Answer, Line, Piece, plain, strong};
use super::speaker::Speaker;
use crate::site::Site;
use access::{HostName, Login, Service, Span, Text, TextError, Time};
use api::{AskGrants, NewRequest, RequestView, Which};
use desk::{Caller, DeskError, Key};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What was typed.
pub struct Typed<'a> {
    /// The words.
    pub text: &'a str,
    /// What nothing else that was typed there has.
    pub id: &'a str,
    /// Why a code is not taken here, where it is not.
    pub link: Result<(), &'static str>,
    /// Why it is not shown here what not everybody may see, where it is not.
    pub lists: Result<(), &'static str>,
    /// What can be typed here beside what can be everywhere: a word, and what it does.
    pub more: &'a [(&'a str, &'a str)],
}

/// What somebody typed in a chat, without the invisible characters by which it makes pictures of others (Unicode UTS #51).
pub fn typed(text: &str) -> Result<Text, TextError> {
    let is_seen = |c: &char| !matches!(c, '\u{200d}' | '\u{fe0e}' | '\u{fe0f}');
    Text::parse(&text.chars().filter(is_seen).collect::<String>())
}

/// The first word, and what follows it.
pub fn split(text: &str) -> (String, &str) {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word.to_lowercase(), rest)
}

/// The answer to what was typed. Blocks.
pub fn answered(site: &Site, speaker: &Speaker<'_>, typed: &Typed<'_>) -> Answer {
    done(site, speaker, typed).unwrap_or_else(|why| Answer::plain(why.problem().detail))
}

fn done(site: &Site, speaker: &Speaker<'_>, typed: &Typed<'_>) -> Result<Answer, DeskError> {
    let (word, rest) = split(typed.text);
    if word == "link" {
        return match typed.link {
            Ok(()) => link(site, speaker, rest),
            Err(why) => Ok(Answer::plain(why)),
        };
    }
    let Some(account) = speaker.whose(site)? else { return Ok(nobodys(site)) };
    let caller = speaker.caller(site, &account.person)?;
    match (word.as_str(), typed.lists) {
        ("list" | "status", Err(why)) => Ok(Answer::plain(why)),
        ("list", Ok(())) => list(site, &caller),
        ("status", Ok(())) => status(site, &caller),
        ("request", _) => request(site, &caller, rest, typed.id),
        ("help" | "", _) => Ok(help(typed)),
        (other, _) => {
            let other: String = other.chars().take(40).collect();
            let mut answer = Answer::text([plain("I do not know "), strong(other), plain(".")]);
            answer.0.extend(help(typed).0);
            Ok(answer)
        }
    }
}

/// To an account that is nobody's.
pub fn nobodys(site: &Site) -> Answer {
    Answer::plain(format!(
        "I do not know whose account this is. Sign in at {}/web/teams and link it there; then type help.",
        site.url
    ))
}

fn help(typed: &Typed<'_>) -> Answer {
    let item = |word: &str, what: &str| Line::Item(vec![strong(word), plain(format!(" {what}"))]);
    let mut lines = vec![
        item("list", "what waits for you, and what you asked for"),
        item(
            "request",
            "ssh,sudo on db-1,db-2 for 2h because the disk is full; as USER and ticket X before because",
        ),
        item("status", "what you hold now"),
        item("link", "CODE: this account is yours; the hub shows the code on its page of chats"),
    ];
    lines.extend(typed.more.iter().map(|(word, what)| item(word, what)));
    lines.push(item("help", "this"));
    Answer(lines)
}

fn link(site: &Site, speaker: &Speaker<'_>, code: &str) -> Result<Answer, DeskError> {
    let said = Code::parse(code)
        .map(|code| site.ledger.claim_chat_code(code, speaker, site.clock.time()))
        .transpose()?
        .flatten();
    let page = format!("{}/web/teams", site.url);
    Ok(match said {
        Some(person) => Answer::text([
            plain(format!(
                "Thank you. Now confirm on the page that showed the code, {page}, that this account is of "
            )),
            strong(person),
            plain("."),
        ]),
        None => Answer::plain(format!(
            "This code is not valid: make one at {page}, and send it within ten minutes."
        )),
    })
}

fn list(site: &Site, caller: &Caller) -> Result<Answer, DeskError> {
    let waiting = site.desk.requests(caller, Which::Pending, desk::limits::LIST)?;
    let own =
        |request: &&RequestView| request.ask.person == caller.person || request.ask.asked_by == caller.person;
    let yours: Vec<_> = waiting.iter().filter(|request| request.yours_to_review).collect();
    let asked: Vec<_> = waiting.iter().filter(own).collect();
    let mut all = lines(site, "Waiting for you", &yours);
    all.extend(lines(site, "You asked for", &asked));
    Ok(Answer(all))
}

fn lines(site: &Site, title: &str, requests: &[&RequestView]) -> Vec<Line> {
    if requests.is_empty() {
        return vec![Line::Text(vec![strong(title), plain(": nothing")])];
    }
    let mut lines = vec![Line::Text(vec![strong(title)])];
    lines.extend(requests.iter().take(limits::LISTED).map(|request| {
        let (ask, id) = (&request.ask, request.ask.id.to_string());
        let to = format!("{}/web/requests/{id}", site.url);
        let said = format!(" {}: {}", ask.person, crate::web::asks(ask));
        Line::Item(vec![Piece::Link { id, to }, plain(said)])
    }));
    if requests.len() > limits::LISTED {
        let more = format!("and {} more at {}/web", requests.len() - limits::LISTED, site.url);
        lines.push(Line::Item(vec![plain(more)]));
    }
    lines
}

fn status(site: &Site, caller: &Caller) -> Result<Answer, DeskError> {
    let grants = site.desk.grants(
        caller,
        &AskGrants { user: Some(caller.login.clone()), ..AskGrants::default() },
        desk::limits::LIST,
    )?;
    let line = |view: &api::GrantView| {
        let (grant, id) = (&view.grant, view.grant.id.to_string());
        let to = format!("{}/web/grants/{id}", site.url);
        let said = format!(
            " {} on {}: {}, until {}",
            crate::web::names(&grant.services),
            crate::web::names(&grant.hosts),
            view.state.code(),
            view.ends_in_words(site.clock.time(), minute)
        );
        Line::Item(vec![Piece::Link { id, to }, plain(said)])
    };
    let own = grants.iter().filter(|view| view.grant.person == caller.person);
    let lines: Vec<Line> = own.map(line).take(limits::LISTED).collect();
    Ok(if lines.is_empty() { Answer::plain("You hold no grant.") } else { Answer(lines) })
}

fn minute(at: Time) -> String {
    at.format("%F %R UTC").to_string()
}

fn request(site: &Site, caller: &Caller, rest: &str, id: &str) -> Result<Answer, DeskError> {
    let new = asked(rest).map_err(DeskError::BadRequest)?;
    let once = workflow::hex(&Sha256::digest(format!("{} {id}", caller.channel.code())));
    let opened = site.desk.request(caller, &new, &Key::of(&once, "/v1/requests", rest.as_bytes()))?;
    let id = opened.request.ask.id.to_string();
    let said = match (&opened.grant, opened.existed) {
        (Some(grant), _) => {
            format!("Approved by the rule itself, until {}", grant.ends_in_words(site.clock.time(), minute))
        }
        (None, true) => "You asked for that already, and it waits".to_owned(),
        (None, false) => "Asked".to_owned(),
    };
    let to = format!("{}/web/requests/{id}", site.url);
    let who = workflow::who_can(&opened.request.could_approve);
    Ok(Answer::text([plain(format!("{said}: ")), Piece::Link { id, to }, plain(format!(". {who}"))]))
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
        reason: typed(reason).map_err(|why| wrong("because", &why))?,
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

#[cfg(test)]
mod tests {
    use super::*;

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
