//! A way to reach people or programs. What is common to all of them (when, how often, what next) is the outbox's.

use super::doubt::Passage;
use super::news::News;
use super::truth::Truth;
use access::{Person, Time};
use desk::DeskError;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::time::Duration;
use workflow::{Change, World};

/// One way.
pub trait Channel: Send + Sync + 'static {
    /// What its rows are known by: never changes, and no other has it.
    fn name(&self) -> &str;

    /// What it keeps for each recipient.
    fn keeps(&self) -> Keeps;

    /// Who hears of this, in its own words: people, or places. With [`Keeps::Copies`] these get a copy where they have none
    /// yet; those that are there are changed whatever is said here.
    fn hears(&self, news: &News, world: &World) -> Vec<String>;

    /// Whether its recipients are people, whom [`super::limits::PER_PERSON`] is for.
    fn is_for_people(&self) -> bool;

    /// Whose eyes alone see what goes to this recipient: they are told of what they may see. None of a place that many read.
    /// Blocks.
    fn reader(&self, recipient: &str) -> Result<Option<Person>, DeskError>;

    /// How fast it may go.
    fn rates(&self) -> Rates;

    /// Sends one, as things are now. It is given [`super::limits::TRY`], and is then dropped. Before the first moment from
    /// which on it may have been taken although no answer came, it waits for [`Passage::enter`]; what can be sent twice
    /// without anybody noticing need not.
    fn deliver<'a>(&'a self, parcel: &'a Parcel, passage: &'a Passage) -> BoxFuture<'a, Outcome>;

    /// Puts in place of a copy that it is not its reader's to see any more. A letter cannot be taken back.
    fn withdraw<'a>(&'a self, _: &'a Parcel) -> BoxFuture<'a, Outcome> {
        async { Outcome::Withdrawn }.boxed()
    }
}

/// What stands in place of a copy then: nothing of what it was about.
pub const WITHDRAWN: &str = "This request is not yours to see any more.";

/// What a channel keeps for each recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// One copy of each request, changed in place.
    Copies,
    /// One letter for each thing that happens.
    Letters,
}

/// So many at once, and so many a second after that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// At once.
    pub burst: f64,
    /// A second.
    pub per_second: f64,
}

/// How fast a channel may go. None: as fast as it can.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// To one recipient.
    pub each: Option<Rate>,
    /// In all, of each hub.
    pub all: Option<Rate>,
}

impl Rates {
    /// What is left between two in the long run.
    pub fn between(self) -> Duration {
        let between = self.all.map(|all| Duration::try_from_secs_f64(1.0 / all.per_second));
        between.and_then(Result::ok).unwrap_or_default()
    }
}

/// What is to be sent.
pub struct Parcel {
    /// To whom, as [`Channel::hears`] said.
    pub recipient: String,
    /// The same however often it is tried, and nothing else has it.
    pub id: String,
    /// What it is about.
    pub kind: Kind,
    /// When that was written down to be sent; copies: when it was last.
    pub at: Time,
    /// What [`Outcome::Sent`] said last of a copy.
    pub reference: Option<String>,
    /// How things are now. None of what a limit held back, or is not its reader's to see.
    pub truth: Option<Truth>,
    /// The policy, people and hosts of this moment.
    pub world: World,
    /// Where people look at all that waits, signed in.
    pub pages: String,
}

/// What a parcel is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// This happened. Of a copy: what happened last.
    Change(Change),
    /// More happened than one person should hear of one by one.
    More,
}

impl Kind {
    /// As it stands in a row.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Change(change) => change.code(),
            Self::More => "more",
        }
    }

    /// What stands there.
    pub fn parse(code: &str) -> Option<Self> {
        if code == "more" {
            return Some(Self::More);
        }
        serde_json::from_value(code.into()).ok().map(Self::Change)
    }
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken.
    Sent {
        /// What a copy is found by again.
        reference: Option<String>,
    },
    /// There is nothing to say to them any more.
    Moot,
    /// It is not theirs to see, and nothing of it is there.
    Withdrawn,
    /// It may work later.
    Later {
        /// Not before this, if the other side said so.
        after: Option<Duration>,
        /// What was wrong.
        why: String,
    },
    /// It will never work.
    Never {
        /// What is wrong, and what to do about it.
        why: String,
    },
}

impl Outcome {
    /// It may work later, in the time that is right by default.
    pub fn later(why: impl Into<String>) -> Self {
        Self::Later { after: None, why: why.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_back_as_they_were_written() {
        let all =
            [Change::Requested, Change::BreakGlass, Change::LookedAt, Change::Expired].map(Kind::Change);
        for kind in all.into_iter().chain([Kind::More]) {
            assert_eq!(Kind::parse(kind.code()), Some(kind));
        }
        assert_eq!(Kind::parse("nothing"), None);
    }
}
