//! What rows and records mean, for a repair.

use access::Grant;
use api::Record;
use serde_json::Value;
use workflow::Request;

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
