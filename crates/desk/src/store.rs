//! What the desk needs of a store. One suite of tests runs on every store.

use crate::DeskError;
use access::{Claim, Grant, GrantId, HostName, Person, RequestId, Time};
use api::{ChangeRecord, Used};
use serde::{Deserialize, Serialize};
use workflow::Request;

/// Something that changed, for those who keep a view of the store in memory. Told in commit order,
/// after the commit and before anybody is told that it happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Committed {
    /// A request, as it is now.
    Request(Box<Request>),
    /// A grant, as it is now.
    Grant(Box<Grant>),
    /// A record of the journal.
    Record {
        /// Its place.
        seq: u64,
        /// The record.
        record: Box<api::Record>,
    },
}

/// Where requests, grants and the journal live.
pub trait Store: Clone + Send + Sync + 'static {
    /// Runs `work` and makes everything it did durable at once, or nothing. Blocks; returns after the
    /// commit.
    fn write<T, F>(&self, work: F) -> Result<T, DeskError>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Transaction) -> Result<T, DeskError> + Send + 'static;

    /// Runs `work` on what is committed. Blocks.
    fn read<T, F>(&self, work: F) -> Result<T, DeskError>
    where
        F: FnOnce(&dyn Queries) -> Result<T, DeskError>;
}

/// Which requests to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestFilter {
    /// Those that wait: for approvers, or to be looked at afterwards.
    Waiting,
    /// Those that this person asked for or would get.
    Of(Person),
    /// All.
    All,
}

/// What a grant is to one host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Its first use there.
    pub claim: Option<Claim>,
    /// Sessions under it that are open.
    pub sessions: u32,
    /// How much it was used.
    pub used: Used,
}

/// A policy that is or was in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyVersion {
    /// Counted from 0, the shipped one.
    pub version: u32,
    /// When it came into force.
    pub at: Time,
    /// Who applied it.
    pub by: Option<Person>,
    /// `policy.toml`.
    pub policy: String,
    /// `people.toml`.
    pub people: Option<String>,
}

impl PolicyVersion {
    /// The one that is in force until another is applied.
    pub fn shipped() -> Self {
        let policy = include_str!("../../../config/policy.toml").to_owned();
        Self { version: 0, at: Time::UNIX_EPOCH, by: None, policy, people: None }
    }

    /// What it says.
    pub fn texts(&self) -> workflow::Texts<'_> {
        (&self.policy, self.people.as_deref())
    }
}

/// Where a listing goes on: after the request that was asked at this time and has this id.
pub type After = Option<(Time, RequestId)>;

/// The same of grants: after the one that was approved at this time and has this id.
pub type GrantAfter = Option<(Time, GrantId)>;

/// How much one person asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Requests of theirs that wait.
    pub pending: u64,
    /// Requests they opened lately, whatever became of them.
    pub lately: u64,
}

/// What ended so long ago that it is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Old {
    /// Requests that came to nothing before this.
    pub nothing: Time,
    /// Grants whose time was over before this, with what they came of.
    pub grants: Time,
}

/// What can be looked up.
pub trait Queries {
    /// The request with this id.
    fn request(&self, id: RequestId) -> Result<Option<Request>, DeskError>;

    /// Ids from `low` to `high`, at most two: enough to know whether a short id is unique.
    fn request_ids(&self, low: RequestId, high: RequestId) -> Result<Vec<RequestId>, DeskError>;

    /// Requests, newest first.
    fn requests(&self, filter: &RequestFilter, after: After, limit: u32) -> Result<Vec<Request>, DeskError>;

    /// Requests asked at `since` or later, oldest first.
    fn asked_since(&self, since: Time, after: After, limit: u32) -> Result<Vec<Request>, DeskError>;

    /// Pending requests that would give this person access.
    fn pending_of(&self, person: &Person) -> Result<Vec<Request>, DeskError>;

    /// How much this person asks for, since this time.
    fn asked_by(&self, person: &Person, since: Time) -> Result<Asked, DeskError>;

    /// Grants of this person that are not over.
    fn held_by(&self, person: &Person) -> Result<u64, DeskError>;

    /// Requests to which something happens by time alone, at `now` or before; the first first.
    fn due(&self, now: Time, limit: u32) -> Result<Vec<Request>, DeskError>;

    /// How often `rule` let this person in by itself since then.
    fn automatic(&self, person: &Person, rule: &str, since: Time) -> Result<u32, DeskError>;

    /// This person's break glasses that nobody has looked at.
    fn unseen(&self, person: &Person) -> Result<Vec<RequestId>, DeskError>;

    /// The policy that was applied last, if one was.
    fn policy(&self) -> Result<Option<PolicyVersion>, DeskError>;

    /// Its version alone.
    fn policy_version(&self) -> Result<Option<u32>, DeskError>;

    /// The grant with this id.
    fn grant(&self, id: GrantId) -> Result<Option<Grant>, DeskError>;

    /// The grant with this id, unless it is closed.
    fn open_grant(&self, id: GrantId) -> Result<Option<Grant>, DeskError>;

    /// Whether a host gave this grant back, and nothing became of it since.
    fn came_back(&self, id: GrantId) -> Result<bool, DeskError>;

    /// Ids from `low` to `high`, at most two.
    fn grant_ids(&self, low: GrantId, high: GrantId) -> Result<Vec<GrantId>, DeskError>;

    /// Grants of `person`, or everybody's, on `host`, or anywhere; those that are closed only with `all`;
    /// newest first.
    fn grants(
        &self,
        person: Option<&Person>,
        host: Option<&HostName>,
        all: bool,
        after: GrantAfter,
        limit: u32,
    ) -> Result<Vec<Grant>, DeskError>;

    /// Whether `is` holds for one of this person's closed grants that were to end at `until`, however many they are.
    fn any_closed(
        &self,
        person: &Person,
        until: Time,
        is: &dyn Fn(&Grant) -> bool,
    ) -> Result<bool, DeskError>;

    /// Grants that are not closed, in the order of their ids after this one.
    fn open_grants(&self, after: Option<GrantId>, limit: u32) -> Result<Vec<Grant>, DeskError>;

    /// Grants not closed yet whose time is over at `now`, by their window or their claim.
    fn over(&self, now: Time, limit: u32) -> Result<Vec<Grant>, DeskError>;

    /// Requests that came to nothing and grants that are over since before `old`, at most so many of each; the first first.
    /// None that a session is under, or that somebody is to look at.
    fn old(&self, old: Old, limit: u32) -> Result<(Vec<RequestId>, Vec<Grant>), DeskError>;

    /// The first use of a grant on this host.
    fn claim(&self, grant: GrantId) -> Result<Option<Claim>, DeskError>;

    /// What a grant is to this host at `now`.
    fn usage(&self, grant: GrantId, now: Time) -> Result<Usage, DeskError>;

    /// What was answered to this person's write with this key: fingerprint of the call, and the answer.
    fn answered(&self, person: &Person, key: &str) -> Result<Option<(String, String)>, DeskError>;
}

/// What can be changed, all in one transaction.
pub trait Transaction: Queries {
    /// Stores a request, new or changed, after its record.
    fn put_request(&mut self, request: &Request) -> Result<(), DeskError>;

    /// Stores a grant, new or changed, after its record. `closed` says that it is over for good.
    fn put_grant(&mut self, grant: &Grant, closed: bool) -> Result<(), DeskError>;

    /// Takes a request away. The journal has what became of it.
    fn forget_request(&mut self, id: RequestId) -> Result<(), DeskError>;

    /// Takes a grant away with its first use, how much it was used, and the requests that it came of.
    fn forget_grant(&mut self, grant: &Grant) -> Result<(), DeskError>;

    /// Stores a policy, after its record.
    fn put_policy(&mut self, version: &PolicyVersion) -> Result<(), DeskError>;

    /// Appends a record of a change. One that anybody can bring about at will is refused where only the
    /// room kept for logins is left.
    fn record(&mut self, change: ChangeRecord) -> Result<(), DeskError>;

    /// Keeps the answer to a write with this key.
    fn answer(
        &mut self,
        person: &Person,
        key: &str,
        call: &str,
        answer: &str,
        now: Time,
    ) -> Result<(), DeskError>;
}
