//! The bot as a way to reach people: a card of each request in every place that hears of it, changed in place, and a word to
//! those whom a decision is about, since a card that changes rings at nobody.

use super::answering::message;
use super::card::{self, Shown};
use super::connector::{Failed, Place};
use super::picture::Picture;
use super::rows;
use super::{Teams, limits};
use crate::inbox;
use crate::outbox::{Channel, Keeps, Kind, News, Outcome, Parcel, Passage, Rate, Rates, Truth};
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
    let Some(teams) = &site.teams else { return Vec::new() };
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

fn place(site: &Site, teams: &Teams, conversation: &str) -> Result<Place, Outcome> {
    match site.ledger.read(|sql| rows::place(sql, teams.tenant(), conversation)) {
        Ok(Some(heard)) => Ok(heard.place),
        Ok(None) => Err(Outcome::Never {
            why: "the bot is not in this chat or channel any more: add it there again".to_owned(),
        }),
        Err(why) => Err(Outcome::later(why.to_string())),
    }
}

fn failed(why: Failed) -> Outcome {
    match why {
        Failed::Later(after, why) => Outcome::Later { after, why },
        Failed::Gone(why) | Failed::TooLarge(why) | Failed::Never(why) => Outcome::Never { why },
    }
}

/// A request as it is, with what hosts say of its use.
fn picture(site: &Site, truth: &Truth) -> Result<Picture, DeskError> {
    let (request, grant) = (truth.request.clone(), truth.grant.clone());
    let used = match &grant {
        Some(view) => site.ledger.read(|sql| inbox::uses::used(sql, &view.grant))?,
        None => api::Used::default(),
    };
    Ok(Picture::of(request, grant, truth.rule.as_ref(), used, truth.now))
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

    fn rates(&self) -> Rates {
        RATES
    }

    fn deliver<'a>(&'a self, parcel: &'a Parcel, passage: &'a Passage) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let (site, teams) = (&self.site, &self.teams);
            // The database answers within a moment, and nothing else runs on this thread meanwhile.
            let place = match place(site, teams, &parcel.recipient) {
                Ok(place) => place,
                Err(outcome) => return outcome,
            };
            let Some(truth) = &parcel.truth else {
                let text = format!("There is more than can be told here one by one: see {}/web.", site.url);
                passage.enter().await;
                return match teams.connector.post(&place, &super::answering::text_message(&text)).await {
                    Ok(_) => Outcome::Sent { reference: None },
                    Err(why) => failed(why),
                };
            };
            let drawn =
                picture(site, truth).and_then(|picture| Ok((site.teams_viewers(teams, &picture)?, picture)));
            let (viewers, picture) = match drawn {
                Ok(drawn) => drawn,
                Err(why) => return Outcome::later(why.to_string()),
            };
            let shown = Shown { picture: &picture, url: &site.url, viewers: &viewers };
            let before = parcel.reference.as_deref().and_then(Reference::parse);
            let whole = self.send(&place, before.as_ref(), &shown, limits::CARD, passage, truth.now).await;
            match whole {
                Err(Failed::TooLarge(_)) => {
                    let less = self
                        .send(&place, before.as_ref(), &shown, limits::CARD_LEAST, passage, truth.now)
                        .await;
                    less.unwrap_or_else(failed)
                }
                done => done.unwrap_or_else(failed),
            }
        })
    }
}

impl Cards {
    async fn send(
        &self,
        place: &Place,
        before: Option<&Reference>,
        shown: &Shown<'_>,
        most: usize,
        passage: &Passage,
        now: Time,
    ) -> Result<Outcome, Failed> {
        let card = card::within(shown, most);
        if let Some(before) = before {
            match self.teams.connector.put(place, &before.id, &message(&card)).await {
                Ok(()) => return Ok(Outcome::Sent { reference: None }),
                // It may not have settled.
                Err(Failed::Gone(why)) if now - before.made < limits::SETTLES => {
                    return Ok(Outcome::Later { after: Some(Duration::from_secs(1)), why });
                }
                Err(Failed::Gone(_)) => {}
                Err(why) => return Err(why),
            }
        }
        passage.enter().await;
        let id = self.teams.connector.post(place, &announced(&card, shown.picture)).await?;
        Ok(Outcome::Sent { reference: Some(format!("{id} {}", now.timestamp_millis())) })
    }
}

/// A card that comes for the first time, loud where it must be.
fn announced(card: &Value, picture: &Picture) -> Value {
    let mut message = message(card);
    message["summary"] = card["fallbackText"].clone();
    if picture.request.ask.kind == workflow::Kind::BreakGlass {
        message["importance"] = json!("urgent");
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

    fn rates(&self) -> Rates {
        RATES
    }

    fn deliver<'a>(&'a self, parcel: &'a Parcel, passage: &'a Passage) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let (site, teams) = (&self.site, &self.teams);
            let place = match place(site, teams, &parcel.recipient) {
                Ok(place) => place,
                Err(outcome) => return outcome,
            };
            let text = match (&parcel.truth, parcel.kind) {
                (Some(truth), Kind::Change(_)) => match picture(site, truth) {
                    Ok(picture) => card::in_a_line(&picture, &truth.link),
                    Err(why) => return Outcome::later(why.to_string()),
                },
                // The cards say that already.
                _ => return Outcome::Moot,
            };
            passage.enter().await;
            match teams.connector.post(&place, &super::answering::text_message(&text)).await {
                Ok(_) => Outcome::Sent { reference: None },
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
