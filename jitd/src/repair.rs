//! What rows and records mean, for a repair.

use crate::clock::Kept;
use crate::rows;
use access::Grant;
use api::Record;
use serde_json::Value;
use workflow::Request;

/// Time never goes back by a repair: where the clock's row is lost, the last record's time is the floor.
pub fn keep_the_floor(options: &store::Options, repaired: &store::Repaired) -> Result<(), store::StoreError> {
    let last = repaired.last_body.as_ref().and_then(|body| serde_json::from_str::<Record>(body).ok());
    let (false, Some(last)) = (repaired.taken.contains_key("meta"), last) else { return Ok(()) };
    let kept =
        Kept { floor: last.at(), boot: String::new(), wall: last.at(), since_boot_ms: 0, confirmed: false };
    let kept = serde_json::to_string(&kept).unwrap_or_default();
    let connection = rusqlite::Connection::open(&options.path)?;
    store::set_meta(&connection, rows::CLOCK, &kept)
}

/// Reads bodies as this daemon writes them.
pub struct Bodies;

impl store::Judge for Bodies {
    fn holds(&self, table: &str, record: &str, body: &str) -> bool {
        let Ok(record) = serde_json::from_str::<Record>(record) else { return false };
        match (table, record) {
            ("request", Record::Change(change)) => {
                change.request.is_some() && change.request == serde_json::from_str::<Request>(body).ok()
            }
            ("grants", Record::Change(change)) => {
                change.grant.is_some() && change.grant == serde_json::from_str::<Grant>(body).ok()
            }
            ("session", Record::Decision(decision)) => {
                let session: Option<Value> = serde_json::from_str(body).ok();
                let id = session.as_ref().and_then(|session| session.get("id")).and_then(Value::as_str);
                id.is_some() && id == decision.session.map(|id| id.to_string()).as_deref()
            }
            // The first record of a repaired log vouches for what it took over.
            (_, Record::Mark(mark)) => mark.mark == api::Mark::Repaired,
            _ => false,
        }
    }

    fn ends(&self, record: &str, grant_body: &str) -> bool {
        let grant = serde_json::from_str::<Grant>(grant_body);
        match (serde_json::from_str::<Record>(record), grant) {
            (Ok(Record::Change(change)), Ok(grant)) => {
                change.grant.is_some_and(|changed| changed.id == grant.id && changed.ended.is_some())
            }
            _ => false,
        }
    }

    fn ended(&self, grant_body: &str) -> bool {
        serde_json::from_str::<Grant>(grant_body).is_ok_and(|grant| grant.ended.is_some())
    }
}
