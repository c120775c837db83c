//! What can be typed to the bot: what can be in any chat, and where it tells of requests.

use super::Teams;
use super::activity::Activity;
use super::card::escape;
use crate::chats::limits;
use crate::chats::rows::Account;
use crate::chats::words::{self, Typed};
use crate::site::Site;
use api::Role;
use desk::DeskError;

/// What the bot alone can.
const MORE: &[(&str, &str)] = &[(
    "here, away",
    "every request is told in this chat or channel, or no more; for administrators of the hub",
)];

/// To what is not for everybody's eyes in a channel.
const ALONE: &str = "Say that to me alone, in a chat between the two of us, where nobody else reads it.";

/// The answer to what was typed. Blocks.
pub fn answered(site: &Site, teams: &Teams, activity: &Activity) -> String {
    let text = spoken(&activity.text);
    let (word, _) = words::split(&text);
    if matches!(word.as_str(), "here" | "away") {
        return listening(site, teams, activity, word == "here")
            .unwrap_or_else(|why| escape(&why.problem().detail));
    }
    let account = activity.account().unwrap_or_default();
    let alone = if activity.conversation.conversation_type == "personal" { Ok(()) } else { Err(ALONE) };
    let typed = Typed { text: &text, id: &activity.id, link: alone, lists: alone, more: MORE };
    words::answered(site, &teams.speaker(activity, &account), &typed).markdown(escape)
}

/// What was typed, without the name in front of it that it was said to.
pub fn spoken(text: &str) -> String {
    let mut text = text.get(..text.floor_char_boundary(limits::COMMAND)).unwrap_or_default().to_owned();
    while let (Some(begins), Some(ends)) = (text.find("<at>"), text.find("</at>")) {
        if begins > ends {
            break;
        }
        text.replace_range(begins..ends + "</at>".len(), " ");
    }
    text.replace("&nbsp;", " ").replace('\u{a0}', " ").trim().to_owned()
}

fn listening(site: &Site, teams: &Teams, activity: &Activity, here: bool) -> Result<String, DeskError> {
    let account = activity.account().unwrap_or_default();
    match teams.speaker(activity, &account).whose(site)? {
        Some(account) => listens(site, teams, &account, activity, here),
        None => Ok(words::nobodys(site).markdown(escape)),
    }
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
}
