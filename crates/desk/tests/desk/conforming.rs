//! The SQLite store does what every store must, and notices what somebody changed in its file.

use crate::room::Paper;
use access::{Grant, GrantId, Time};
use desk::conformance::Subject;
use desk::{Committed, SqlStore, Store};

impl Subject for Paper {
    type Store = SqlStore<Committed>;

    fn fresh() -> Self {
        Self::new(64 << 20)
    }
    fn tight() -> Self {
        Self::new(1 << 20)
    }
    fn store(&self) -> &Self::Store {
        &self.store
    }
    fn heard(&self) -> Vec<Committed> {
        self.heard.0.lock().unwrap().clone()
    }
    fn claims(&self, grant: &Grant, now: Time) {
        Self::claims(self, grant, now);
    }
    fn opens_session(&self, grant: GrantId, number: i64) {
        Self::opens_session(self, grant, number);
    }
}

desk::conformance!(Paper);

#[test]
fn a_row_that_somebody_changed_in_the_file_is_not_believed() {
    let room = crate::room::room();
    let (request, grant) = (room.asks("alice", "ssh"), room.granted("alice", "sudo"));
    let id = |bits: u64| vec![i64::try_from(bits).unwrap()];
    let change = |sql, bits| room.paper.sql(sql, id(bits));
    change(
        "UPDATE request SET body = replace(body, 'alice', 'mallory') WHERE id = ?1",
        request.ask.id.bits(),
    );
    change("UPDATE grants SET body = replace(body, 'sudo', 'sudo-i') WHERE id = ?1", grant.id.bits());
    let found = room.paper.store.read(|store| store.request(request.ask.id)).unwrap_err();
    assert!(
        found.to_string().contains(
            "was changed after it was written: on a host run `jitd repair`, on a hub `jit-hub restore"
        ),
        "{found}"
    );
    assert!(room.paper.store.read(|store| store.open_grants(None, 9)).is_err());
}
