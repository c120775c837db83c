//! The early end of a grant.

use crate::Refusal;
use access::{Ended, EndedHow, Grant, GrantState, Now, Person, Text};

/// Somebody ends a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Taken back or given back.
    pub how: EndedHow,
    /// By whom.
    pub by: Person,
    /// Whether they are an operator, or an approver of this grant by the policy of this moment.
    pub has_right: bool,
    /// Why; a revocation needs it.
    pub reason: Option<Text>,
}

/// The grant, ended, as its next version.
pub fn end(grant: &Grant, end: End, now: Now) -> Result<Grant, Refusal> {
    match grant.state(None, now) {
        state @ (GrantState::Revoked | GrantState::Released) => {
            return Err(Refusal::AlreadyEnded { grant: grant.id, state });
        }
        _ if now.trusted >= grant.window.latest_end() => {
            return Err(Refusal::AlreadyEnded { grant: grant.id, state: GrantState::Expired });
        }
        _ => {}
    }
    let own = end.by == grant.person;
    let not_theirs = |what, can| Refusal::NotYourGrant { grant: grant.id, by: end.by.clone(), what, can };
    match end.how {
        EndedHow::Released if !own => {
            return Err(not_theirs("release", "only its holder can; others revoke it"));
        }
        EndedHow::Revoked if !own && !end.has_right && !grant.approved_by.contains(&end.by) => {
            return Err(not_theirs("revoke", "its holder, its approvers and operators can"));
        }
        EndedHow::Revoked if end.reason.is_none() => {
            return Err(Refusal::Senseless("a revocation needs a reason: say why".to_owned()));
        }
        _ => {}
    }
    Ok(Grant {
        version: grant.version + 1,
        ended: Some(Ended { how: end.how, at: now.trusted, by: Some(end.by), reason: end.reason }),
        ..grant.clone()
    })
}
