//! Everything that the daemon has acknowledged.

use rusqlite::Connection;
use std::collections::BTreeMap;
use testbed::Host;

/// Each record, grant and request, as the daemon's file had them at some moment.
pub struct Acknowledged(BTreeMap<String, String>);

impl Acknowledged {
    /// As its file has them now.
    pub fn by(host: &Host) -> Self {
        // A copy, whatever is mounted there, of a moment at which the daemon does nothing.
        host.root(
            "rm -rf /var/tmp/look; mkdir /var/tmp/look; kill -STOP $(pidof jitd);
             cp /var/lib/jitd/jitd.db* /var/tmp/look/; copied=$?; kill -CONT $(pidof jitd); exit $copied",
        )
        .ends_with(0);
        let db = Connection::open(host.path("var/tmp/look/jitd.db")).unwrap();
        let mut rows = db
            .prepare(
                "SELECT 'record ' || seq, hex(hash) || ' ' || body FROM journal
                 UNION ALL SELECT 'grant ' || id, closed || ' ' || body FROM grants
                 UNION ALL SELECT 'request ' || id, state || ' ' || body FROM request
                 UNION ALL SELECT 'request ' || id, body FROM ask",
            )
            .unwrap();
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        Self(rows.map(Result::unwrap).collect())
    }

    /// Each of them is still there, to the letter.
    #[track_caller]
    pub fn is_still_there(&self, host: &Host) {
        let Self(after) = Self::by(host);
        for kind in ["record ", "grant ", "request "] {
            assert!(self.0.keys().any(|what| what.starts_with(kind)), "no {kind} to lose");
        }
        for (what, text) in &self.0 {
            assert_eq!(after.get(what), Some(text), "{what} is not as it was acknowledged");
        }
        assert!(after.len() > self.0.len(), "what came since is there too");
    }
}
