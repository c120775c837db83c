//! What rows and records mean, for a repair.

mod clock;

use crate::clock::Kept;
use access::{Grant, GrantId, Window};
use api::{
    Change, ChangeRecord, DecisionRecord, Mark, MarkRecord, PolicyApplied, Record, Session, SessionChange,
    SessionRecord,
};
use desk::PolicyVersion;
use journal::Row;
use store::{GrantSays, Repaired, Says, Taken, Use};
use workflow::Request;

/// The floor of time as the first record of a repaired log has it, for the repair after this one.
pub fn floor_in_words(repaired: &Repaired) -> String {
    let kept = repaired.clock.as_deref().and_then(|clock| serde_json::from_str::<Kept>(clock).ok());
    kept.map(|kept| format!(" {}{}", clock::FLOOR, kept.floor.timestamp_millis())).unwrap_or_default()
}

/// Reads bodies as this daemon writes them.
pub struct Bodies;

impl store::Judge for Bodies {
    fn holds(&self, table: &str, record: &str, body: &str) -> Option<u64> {
        let record = serde_json::from_str::<Record>(record).ok()?;
        match (table, record) {
            ("request", Record::Change(change)) => {
                let request: Request = serde_json::from_str(body).ok()?;
                (change.request.as_ref() == Some(&request)).then(|| request.ask.id.bits())
            }
            ("grants", Record::Change(change)) => {
                let grant: Grant = serde_json::from_str(body).ok()?;
                (change.grant.as_ref() == Some(&grant)).then(|| grant.id.bits())
            }
            ("policy", Record::Change(change)) => {
                let version: PolicyVersion = serde_json::from_str(body).ok()?;
                let told = change.policy.as_ref()?;
                (told.version == version.version && told.digest == digest_of(body))
                    .then(|| u64::from(version.version))
            }
            ("session", Record::Decision(decision)) => {
                let session: Session = serde_json::from_str(body).ok()?;
                (decision.session.as_ref() == Some(&session)).then(|| session.id.bits())
            }
            ("session", Record::Session(told)) => {
                let session: Session = serde_json::from_str(body).ok()?;
                (told.session == session).then(|| session.id.bits())
            }
            _ => None,
        }
    }

    fn grant(&self, body: &str) -> Option<GrantSays> {
        let grant: Grant = serde_json::from_str(body).ok()?;
        Some(GrantSays {
            ended: grant.ended.is_some(),
            by_use: matches!(grant.window, Window::FirstUse { .. }),
        })
    }

    fn says(&self, record: &str) -> Says {
        match serde_json::from_str::<Record>(record) {
            Ok(Record::Change(change)) => {
                let gone = change.change == Change::Withdrawn;
                let ended = change.grant.filter(|grant| gone || grant.ended.is_some());
                Says { ended: ended.map(|grant| grant.id.bits()), used: None }
            }
            Ok(Record::Decision(decision)) => Says { ended: None, used: used(&decision) },
            Ok(Record::Mark(mark)) if mark.mark == Mark::Carried => {
                Says { ended: None, used: claim_in(&mark.detail) }
            }
            Ok(Record::Session(_) | Record::Right(_) | Record::Mark(_)) | Err(_) => Says::default(),
        }
    }

    fn own(&self) -> store::Own {
        store::Own {
            meta: &[crate::source::ORIGIN],
            // Permits come again with the next view; that one was used must stay.
            tables: &[("served", "one"), ("known", "id"), ("ask", "n"), ("glass", "id")],
        }
    }

    fn stands(&self, table: &str, body: &str, grant: Option<&str>) -> bool {
        match table {
            "served" => serde_json::from_str::<sync::Served>(body).is_ok(),
            // What is to be honoured stands by the grant that its own record vouches for; a memory of one that is not
            // can only refuse.
            "known" => serde_json::from_str::<sync::Known>(body).is_ok_and(|known| {
                let same = |grant: &str| serde_json::from_str(grant).ok();
                known.held.is_none_or(|held| grant.and_then(same) == Some(held.grant))
            }),
            "ask" => serde_json::from_str::<api::HostAsk>(body).is_ok(),
            "glass" => true,
            _ => false,
        }
    }

    fn clock(
        &self,
        row: Option<&str>,
        records: &mut dyn Iterator<Item = &Row>,
    ) -> (Option<String>, Option<String>) {
        let (kept, wrong) = clock::judge(row, records);
        // Plain data always serialises.
        (kept.and_then(|kept| serde_json::to_string(&kept).ok()), wrong)
    }

    fn vouch(&self, taken: Taken<'_>) -> String {
        let at = kernel::wall();
        let change = |request, grant, policy| {
            let (change, actor, channel, comment) = (Change::Carried, None, None, None);
            let record =
                ChangeRecord { at, change, actor, channel, comment, request, grant, used: None, policy };
            Record::Change(Box::new(record))
        };
        let mark = |detail| Record::Mark(Box::new(MarkRecord { at, mark: Mark::Carried, detail }));
        let record = match taken {
            Taken::Row { table: "request", body } => change(serde_json::from_str(body).ok(), None, None),
            Taken::Row { table: "grants", body } => change(None, serde_json::from_str(body).ok(), None),
            Taken::Row { table: "policy", body } => {
                let version = serde_json::from_str::<PolicyVersion>(body).map(|version| version.version);
                let (version, digest) = (version.unwrap_or_default(), digest_of(body));
                change(None, None, Some(PolicyApplied { version, digest, diff: String::new() }))
            }
            Taken::Row { body, .. } => match serde_json::from_str::<Session>(body) {
                Ok(session) => Record::Session(Box::new(SessionRecord {
                    at,
                    change: SessionChange::Carried,
                    session,
                    actor: None,
                    comment: None,
                    end: None,
                    detail: String::new(),
                })),
                Err(why) => mark(format!("a row that is none: {why}")),
            },
            Taken::Claim(claim) => mark(words_of(claim)),
        };
        serde_json::to_string(&record).unwrap_or_default()
    }
}

/// The fingerprint of a policy's row as its record has it.
fn digest_of(body: &str) -> String {
    journal::Hash::of(body.as_bytes()).to_string()
}

/// The use that a decision made of a grant. The auth phase starts no clock, and tells the end as if none
/// would start.
fn used(decision: &DecisionRecord) -> Option<Use> {
    let uses = decision.reason.allows() && matches!(decision.phase.as_str(), "account" | "open");
    let (grant, expires) = (decision.grant.filter(|_| uses)?, decision.expires?);
    Some(Use {
        grant: grant.bits(),
        started_ms: decision.at.timestamp_millis(),
        ends_ms: expires.timestamp_millis(),
    })
}

fn words_of(claim: Use) -> String {
    let grant = GrantId::from_random(claim.grant);
    format!("claim grant={grant} started={} ends={}", claim.started_ms, claim.ends_ms)
}

fn claim_in(detail: &str) -> Option<Use> {
    let mut words = detail.strip_prefix("claim grant=")?.split(' ');
    let grant: GrantId = words.next()?.parse().ok()?;
    let mut number = |key| words.next()?.strip_prefix(key)?.parse::<i64>().ok();
    Some(Use { grant: grant.bits(), started_ms: number("started=")?, ends_ms: number("ends=")? })
}
