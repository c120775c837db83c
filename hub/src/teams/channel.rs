//! The bot as a way to reach people: a card of each request in every place that hears of it, changed in place, and a word to
//! those whom a decision is about, since a card that changes rings at nobody.

use super::answering::message;
use super::card::{self, Shown};
use super::connector::{Failed, Place};
use super::rows;
use super::{Teams, limits};
use crate::chats;
use crate::chats::picture::Picture;
use crate::inbox;
use crate::outbox::{Channel, Keeps, Kind, News, Outcome, Parcel, Passage, Rate, Rates, Truth, WITHDRAWN};
use crate::site::Site;
use access::{Person, Time};
use api::Change;
use desk::DeskError;
use futures_util::future::BoxFuture;
use loglines::Level;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use workflow::World;

/// So fast, below what the connector bounds, so that answers to what people say find room.
const RATES: Rates = Rates {
    each: Some(Rate { burst: 3.0, per_second: 4.0 }),
    all: Some(Rate { burst: 20.0, per_second: 40.0 }),
};

/// Cards.
pub struct Cards {
    site: Arc<Site>,
    teams: Arc<Teams>,
}

/// Words.
pub struct Spoken {
    site: Arc<Site>,
    teams: Arc<Teams>,
}

/// Both, of the bot of this hub, if it has one.
pub fn channels(site: &Arc<Site>) -> Vec<Arc<dyn Channel>> {
    let Some(teams) = &site.chats.teams else { return Vec::new() };
    vec![
        Arc::new(Cards { site: Arc::clone(site), teams: Arc::clone(teams) }),
        Arc::new(Spoken { site: Arc::clone(site), teams: Arc::clone(teams) }),
    ]
}

/// What a copy is found by: its id, and when it was made.
struct Reference {
    id: String,
    made: Time,
}

impl Reference {
    fn parse(text: &str) -> Option<Self> {
        let (id, made) = text.split_once(' ')?;
        Some(Self { id: id.to_owned(), made: Time::from_timestamp_millis(made.parse().ok()?)? })
    }
}

/// The chats of these people, told to the log where they are not to be had: the next thing that happens asks again.
fn chats(site: &Site, teams: &Teams, people: &BTreeSet<&Person>, listening: bool) -> Vec<String> {
    let found = site.ledger.read(|sql| {
        let mut places = if listening { rows::listening(sql, teams.tenant())? } else { Vec::new() };
        for person in people {
            places.extend(rows::chats_of(sql, teams.tenant(), person)?);
        }
        Ok::<_, DeskError>(places)
    });
    found.unwrap_or_else(|why| {
        site.log.put(Level::Err, format!("looking who hears of a request in Teams: {why}"));
        Vec::new()
    })
}

/// Whose chat this conversation is. None of a channel, of a group, and of a chat whose account is nobody's.
fn reader(site: &Site, teams: &Teams, conversation: &str) -> Result<Option<Person>, DeskError> {
    site.ledger.read(|sql| {
        let heard = rows::place(sql, teams.tenant(), conversation)?.filter(|heard| heard.kind == "personal");
        let Some(heard) = heard else { return Ok(None) };
        let account = chats::rows::account_of(sql, teams.tenant(), &heard.account)?;
        Ok(account.map(|account| account.person))
    })
}

/// What is looked up before something is sent.
struct Around {
    /// Where it goes.
    place: Place,
    /// How hosts say that the grant was used.
    used: api::Used,
    /// Accounts that are somebody's.
    accounts: Vec<chats::rows::Account>,
}

impl Around {
    /// Off the event loop, for a database can take its time.
    async fn look(site: &Arc<Site>, teams: &Arc<Teams>, parcel: &Parcel) -> Result<Self, Outcome> {
        let (site, teams, conversation) = (Arc::clone(site), Arc::clone(teams), parcel.recipient.clone());
        let grant =
            parcel.truth.as_ref().and_then(|truth| truth.grant.as_ref()).map(|view| view.grant.clone());
        let looked = tokio::task::spawn_blocking(move || {
            site.ledger.read(|sql| {
                let used = grant.map(|grant| inbox::uses::used(sql, &grant)).transpose()?.unwrap_or_default();
                let Some(heard) = rows::place(sql, teams.tenant(), &conversation)? else {
                    let why =
                        "the bot is not in this chat or channel any more: add it there again".to_owned();
                    return Ok(Err(Outcome::Never { why }));
                };
                // Whose account was taken away hears no more, not even what a card of theirs has become.
                if heard.kind == "personal"
                    && chats::rows::account_of(sql, teams.tenant(), &heard.account)?.is_none()
                {
                    return Ok(Err(Outcome::Moot));
                }
                let accounts = chats::rows::accounts(sql, teams.tenant(), None)?;
                Ok(Ok(Self { place: heard.place, used, accounts }))
            })
        });
        match looked.await {
            Ok(Ok(looked)) => looked,
            Ok(Err(why)) => Err(Outcome::later(DeskError::to_string(&why))),
            Err(_) => Err(Outcome::later("the hub is stopping")),
        }
    }

    /// A request as it is, with what hosts say of its use.
    fn picture(&self, truth: &Truth) -> Picture {
        let (request, grant) = (truth.request.clone(), truth.grant.clone());
        Picture::of(request, grant, truth.rule.as_ref(), self.used, truth.now)
    }
}

fn failed(why: Failed) -> Outcome {
    match why {
        Failed::Later(after, why) => Outcome::Later { after, why },
        Failed::Gone(why) | Failed::TooLarge(why) | Failed::Never(why) => Outcome::Never { why },
    }
}

impl Channel for Cards {
    fn name(&self) -> &'static str {
        "teams"
    }

    fn keeps(&self) -> Keeps {
        Keeps::Copies
    }

    fn hears(&self, news: &News, _: &World) -> Vec<String> {
        let people: BTreeSet<&Person> = news.deciders.iter().chain(&news.own).chain(&news.told).collect();
        chats(&self.site, &self.teams, &people, true)
    }

    fn is_for_people(&self) -> bool {
        true
    }

    fn reader(&self, recipient: &str) -> Result<Option<Person>, DeskError> {
        reader(&self.site, &self.teams, recipient)
    }

    fn rates(&self) -> Rates {
        RATES
    }

    fn deliver<'a>(&'a self, parcel: &'a Parcel, passage: &'a Passage) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let (site, teams) = (&self.site, &self.teams);
            let around = match Around::look(site, teams, parcel).await {
                Ok(around) => around,
                Err(outcome) => return outcome,
            };
            let place = &around.place;
            let Some(truth) = &parcel.truth else {
                let text = format!("There is more than can be told here one by one: see {}/web.", site.url);
                passage.enter().await;
                return match teams.connector.say(place, &super::answering::text_message(&text)).await {
                    Ok(()) => Outcome::Sent { reference: None },
                    Err(why) => failed(why),
                };
            };
            let picture = around.picture(truth);
            let viewers = picture.viewers(&around.accounts);
            let shown = Shown { picture: &picture, url: &site.url, viewers: &viewers };
            let before = parcel.reference.as_deref().and_then(Reference::parse);
            let card = card::card(&shown);
            match self.send(place, before.as_ref(), &card, &picture, Some(passage)).await {
                Err(Failed::TooLarge(_)) => {
                    let less = card::within(&shown, limits::CARD_LEAST);
                    self.send(place, before.as_ref(), &less, &picture, None).await.unwrap_or_else(failed)
                }
                done => done.unwrap_or_else(failed),
            }
        })
    }

    fn withdraw<'a>(&'a self, parcel: &'a Parcel) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let around = match Around::look(&self.site, &self.teams, parcel).await {
                Ok(around) => around,
                Err(outcome) => return outcome,
            };
            let Some(before) = parcel.reference.as_deref().and_then(Reference::parse) else {
                return Outcome::Withdrawn;
            };
            let (card, now) = (card::words(WITHDRAWN), self.site.clock.time());
            let done = self.replace(&around.place, &before, &card, now).await;
            done.map_or_else(failed, |_| Outcome::Withdrawn)
        })
    }
}

impl Cards {
    /// Puts a card in place of the one before. Whether that is still there.
    async fn replace(
        &self,
        place: &Place,
        before: &Reference,
        card: &Value,
        now: Time,
    ) -> Result<bool, Failed> {
        match self.teams.connector.put(place, &before.id, &message(card)).await {
            Ok(()) => Ok(true),
            // It may not have settled.
            Err(Failed::Gone(why)) if now - before.made < limits::SETTLES => {
                Err(Failed::Later(Some(Duration::from_secs(1)), why))
            }
            Err(Failed::Gone(_)) => Ok(false),
            Err(why) => Err(why),
        }
    }

    /// Puts a card in place of the one before, or posts it where there is none; through the passage, if that is not behind it.
    async fn send(
        &self,
        place: &Place,
        before: Option<&Reference>,
        card: &Value,
        picture: &Picture,
        passage: Option<&Passage>,
    ) -> Result<Outcome, Failed> {
        if let Some(before) = before
            && self.replace(place, before, card, picture.now).await?
        {
            return Ok(Outcome::Sent { reference: None });
        }
        if let Some(passage) = passage {
            passage.enter().await;
        }
        let id = self.teams.connector.post(place, &announced(card, picture)).await?;
        Ok(Outcome::Sent { reference: Some(format!("{id} {}", picture.now.timestamp_millis())) })
    }
}

/// A card that comes for the first time, loud where it must be.
fn announced(card: &Value, picture: &Picture) -> Value {
    let mut message = message(card);
    if let Some(fields) = message.as_object_mut() {
        let said = card.get("fallbackText").and_then(Value::as_str).unwrap_or_default();
        fields.insert("summary".to_owned(), card::plain(said).into());
        if picture.request.ask.kind == workflow::Kind::BreakGlass {
            // As `teamsNotifyUser` of Microsoft's SDK has it; `high` is the most that its schema has.
            fields.insert("importance".to_owned(), json!("high"));
            fields.insert("channelData".to_owned(), json!({ "notification": { "alert": true } }));
        }
    }
    message
}

impl Channel for Spoken {
    fn name(&self) -> &'static str {
        "teams-words"
    }

    fn keeps(&self) -> Keeps {
        Keeps::Letters
    }

    fn hears(&self, news: &News, _: &World) -> Vec<String> {
        let tells = matches!(
            news.what,
            Change::Approved
                | Change::Denied
                | Change::Extended
                | Change::Lapsed
                | Change::Revoked
                | Change::LookedAt
                | Change::Overdue
        );
        if !tells {
            return Vec::new();
        }
        let mut people: BTreeSet<&Person> = news.own.iter().collect();
        if news.what == Change::Overdue {
            people.extend(&news.deciders);
        }
        people.retain(|person| news.actor.as_ref() != Some(*person));
        chats(&self.site, &self.teams, &people, false)
    }

    fn is_for_people(&self) -> bool {
        true
    }

    fn reader(&self, recipient: &str) -> Result<Option<Person>, DeskError> {
        reader(&self.site, &self.teams, recipient)
    }

    fn rates(&self) -> Rates {
        RATES
    }

    fn deliver<'a>(&'a self, parcel: &'a Parcel, passage: &'a Passage) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let (site, teams) = (&self.site, &self.teams);
            let around = match Around::look(site, teams, parcel).await {
                Ok(around) => around,
                Err(outcome) => return outcome,
            };
            let text = match (&parcel.truth, parcel.kind) {
                (Some(truth), Kind::Change(_)) => card::in_a_line(&around.picture(truth), &truth.link),
                // The cards say that already.
                _ => return Outcome::Moot,
            };
            passage.enter().await;
            match teams.connector.say(&around.place, &super::answering::text_message(&text)).await {
                Ok(()) => Outcome::Sent { reference: None },
                Err(why) => failed(why),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_copy_is_found_by_is_read_back() {
        let read = Reference::parse("1700000000001 1800000000000").unwrap();
        assert_eq!((read.id.as_str(), read.made.timestamp()), ("1700000000001", 1_800_000_000));
        assert!(Reference::parse("1700000000001").is_none() && Reference::parse("1 x").is_none());
    }
}
