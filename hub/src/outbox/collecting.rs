//! From the journal to rows: each record that is committed is looked at once, and what it means is written down together
//! with how far the outbox has come. So no news is lost, whenever the hub is killed, and none is there twice.

use super::channel::{Channel, Keeps, Kind};
use super::limits;
use super::news::News;
use super::rows::{self, Key, New};
use super::truth::Truth;
use crate::site::Site;
use access::Time;
use api::Record;
use desk::DeskError;
use std::sync::Arc;

/// Makes rows of records.
pub struct Collecting {
    /// All up to this record means nothing that is not written down.
    seen: u64,
}

/// What one record means.
struct Meaning {
    news: News,
    letters: Vec<New>,
}

impl Collecting {
    /// Goes on where some hub of this database was. The first one begins with what happens from now on.
    pub fn begin(site: &Site) -> Result<Self, DeskError> {
        let seen = site.ledger.write(|tx| {
            let (sql, last) = (tx.connection(), tx.seq());
            match rows::cursor(sql)? {
                // The database was put back to what it was.
                Some(seen) if seen <= last => Ok(seen),
                _ => rows::set_cursor(sql, last).map(|()| last),
            }
        })?;
        Ok(Self { seen })
    }

    /// Looks at what was committed since. Whether there may be more.
    pub fn look(&mut self, site: &Site, channels: &[Arc<dyn Channel>]) -> Result<bool, DeskError> {
        let (kept, records) = site.ledger.read(|sql| {
            let kept = rows::cursor(sql)?.unwrap_or_default();
            // A journal that went back lost commits, and has others under their numbers.
            let seen = if self.seen > store::last_seq(sql)? { kept } else { self.seen.max(kept) };
            Ok((kept, store::journal_after(sql, seen, limits::RECORDS)?))
        })?;
        let Some(last) = records.last().map(|row| row.seq) else { return Ok(false) };
        let more = records.len() as u64 >= limits::RECORDS;
        let mut meanings = Vec::new();
        for row in &records {
            // One of a newer release means nothing here.
            let Ok(Record::Change(change)) = serde_json::from_str(&row.body) else { continue };
            let Some(about) = News::about(&change) else { continue };
            let truth = match Truth::of(site, about) {
                Ok(truth) => truth,
                // It is not kept any more.
                Err(DeskError::NotFound { .. }) => continue,
                Err(why) => return Err(why),
            };
            let news = News::of(row.seq, &change, &truth);
            let letters = meant(&news, &truth, channels);
            meanings.push(Meaning { news, letters });
        }
        if meanings.is_empty() && last < kept + limits::PASSED_OVER {
            self.seen = last;
            return Ok(more);
        }
        let now = site.clock.time();
        let written = site.ledger.write(move |tx| {
            let sql = tx.connection();
            // Another hub has looked at them meanwhile.
            if rows::cursor(sql)?.unwrap_or_default() != kept {
                return Ok(false);
            }
            meanings.iter().try_for_each(|meaning| write(sql, meaning, now))?;
            rows::set_cursor(sql, last)?;
            Ok(true)
        })?;
        if written {
            self.seen = last;
        }
        Ok(more || !written)
    }
}

/// The rows that news come to.
fn meant(news: &News, truth: &Truth, channels: &[Arc<dyn Channel>]) -> Vec<New> {
    let mut all = Vec::new();
    for channel in channels {
        let copies = channel.keeps() == Keeps::Copies;
        if copies && !news.opens() {
            continue;
        }
        let event = if copies { 0 } else { news.seq };
        for recipient in channel.hears(news, &truth.world) {
            all.push(New {
                key: Key { channel: channel.name().to_owned(), recipient, about: Some(news.about), event },
                kind: Kind::Change(news.what),
                seq: news.seq,
                until: if copies { news.at + limits::ALARM_GOOD } else { news.until },
                closed: news.closes,
                knock: news.knock,
                is_limited: channel.is_for_people() && !news.is_loud(),
            });
        }
    }
    all
}

fn write(sql: &dyn store::Sql, Meaning { news, letters }: &Meaning, now: Time) -> Result<(), DeskError> {
    // What is too old to be told is not even written down.
    if now >= news.until + limits::NEWS_GOOD {
        return Ok(());
    }
    for new in letters {
        rows::put(sql, new, now)?;
    }
    if let Some(original) = news.also {
        rows::extends(sql, original, news.about)?;
    }
    let happened = (Kind::Change(news.what), news.seq);
    rows::update_copies(sql, news.about, happened, news.closes, now)?;
    match news.also {
        Some(original) => rows::update_copies(sql, original, happened, news.closes, now),
        None => Ok(()),
    }
}
