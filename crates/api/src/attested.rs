//! What a host says to its hub in a call that it signs: for people on it, whom it knows and the hub does not, and of
//! itself. Its word counts for that host alone.

use crate::{EndGrant, NewExtension, NewRequest, NewReview, Opened, Problem, SessionView, Which};
use access::{Grant, Login, Person, RequestId, Service, SessionId, Span, Text, Time};
use journal::{LogId, Row};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// `POST /v1/hosts/{host}/asks`: somebody on a host asks for access to it. Said again with the same bytes it changes
/// nothing and is answered the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HostAsk {
    /// Minted on the host, and the request's from there on.
    pub id: RequestId,
    /// Who asks, by the name that the host knows them by.
    pub login: Login,
    /// The client address they came from, where the host knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// The host's trusted time.
    pub asked_at: Time,
    /// What they want.
    pub wish: HostWish,
}

/// What somebody on a host wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "how", rename_all = "snake_case", deny_unknown_fields)]
pub enum HostWish {
    /// By `jit request`.
    Command {
        /// As they said it.
        new: Box<NewRequest>,
        /// Why the host is not sure that it is really them; breaking glass needs it to be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unsure: Option<String>,
    },
    /// A login was refused.
    Login(HostKnock),
    /// They say why at the prompt where they were refused.
    Prompt {
        /// The login.
        knock: HostKnock,
        /// For how long, if not by the rule's default.
        #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
        length: Option<Span>,
        /// The ticket it belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ticket: Option<Text>,
    },
    /// They have broken glass by a permit ([`sync::Permit`]) while the hub was away.
    Glass {
        /// The grant that the host made of the permit of the same id.
        grant: Box<Grant>,
        /// Why.
        reason: Text,
        /// The ticket it belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ticket: Option<Text>,
    },
}

/// A refused login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HostKnock {
    /// At which door.
    pub service: Service,
    /// Whom they would become, where that is known and not root.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub run_as: Option<Login>,
    /// Why: in their words, or in those of the host.
    pub reason: Text,
}

/// What became of a [`HostAsk`], for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum HostAnswer {
    /// It is open, or was decided at once, or an equal one waits.
    Opened(Box<Opened>),
    /// The rule wants it asked by command.
    Hint {
        /// What the ticket looks like, where one is wanted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ticket: Option<String>,
    },
    /// The rule wants nothing said to a refused login.
    Silent,
    /// Policy or hub refuse it.
    Refused(Problem),
}

/// `POST /v1/hosts/{host}/calls`: somebody on a host looks at what is theirs there, or changes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HostCall {
    /// Who, by the name that the host knows them by.
    pub login: Login,
    /// The client address they came from, where the host knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// Makes a write happen once.
    pub key: String,
    /// What.
    pub what: HostDoes,
}

/// What people on a host do at the hub by its word. All of it is about that host alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "does", rename_all = "snake_case", deny_unknown_fields)]
pub enum HostDoes {
    /// Lists requests; answered by `[RequestView]`.
    Requests {
        /// Which.
        which: Which,
    },
    /// Looks at one; answered by a [`crate::RequestView`].
    Request {
        /// Its id.
        id: String,
    },
    /// Takes one back; answered by a [`crate::RequestView`].
    Cancel {
        /// Its id.
        id: String,
    },
    /// Looks at a grant; answered by a [`crate::GrantView`].
    Grant {
        /// Its id.
        id: String,
    },
    /// Gives one back; answered by a [`crate::GrantView`].
    Release {
        /// Its id.
        id: String,
        /// What there is to say.
        body: EndGrant,
    },
    /// Asks for more time on one; answered by an [`Opened`].
    Extend {
        /// Its id.
        id: String,
        /// How much.
        body: NewExtension,
    },
    /// Reviews a request, where the host says that it is really them; answered by a [`crate::Reviewed`].
    Review {
        /// Its id.
        id: String,
        /// What they say.
        body: NewReview,
    },
    /// What a refused login could do at a prompt; answered by a [`HostOffer`].
    Offer(HostKnock),
}

/// What the person of a refused login could do at its prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "offer", rename_all = "snake_case")]
pub enum HostOffer {
    /// Say why they want it.
    Ask {
        /// For how long it will be, unless they say otherwise.
        #[serde(rename = "for")]
        length: Span,
        /// What the ticket looks like, where one is wanted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ticket: Option<String>,
    },
    /// Wait for what was asked already.
    Wait(Box<crate::RequestView>),
    /// Nothing that the login does not do by itself.
    Nothing,
}

/// `POST /v1/hosts/{host}/journal`: records of the host's journal, one after the other. Said again they change
/// nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct JournalPart {
    /// The log.
    pub log: LogId,
    /// Its records from some place on, without a gap.
    pub rows: Vec<Row>,
    /// Whether the host has nothing older of this log any more.
    pub oldest: bool,
}

/// What the hub has of a log, durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct JournalHas {
    /// The place of the last record: the next one is wanted.
    pub through: u64,
}

/// `POST /v1/hosts/{host}/sessions`: all that is open on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OpenSessions {
    /// At most [`crate::limits::PAGE`], the newest.
    pub sessions: Vec<SessionView>,
}

/// The data of an event `end` of the feed: somebody at the hub wants a session of this host ended.
///
/// No grant key signs it, for it mints nothing: who can put it into the stream, which is authenticated, could hide the
/// grant too, and ends no more by this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EndThere {
    /// The session.
    pub session: SessionId,
    /// Who.
    pub by: Person,
    /// Why; its person reads it.
    pub reason: Text,
}
