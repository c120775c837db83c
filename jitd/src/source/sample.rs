//! A database for tests of this room.

use store::File;
use tempfile::TempDir;

/// One with the daemon's tables, for as long as its folder is there.
pub fn file() -> (TempDir, File) {
    let folder = tempfile::tempdir().unwrap();
    let tables = include_str!("../tables.sql");
    let options = store::Options { path: folder.path().join("x.db"), max_bytes: 64 << 20, tables };
    let stamp = journal::Stamp { boot: "b".into(), wall_ms: 1, boot_ms: 1 };
    let file = File::open(options, |_| (stamp, "{}".into())).unwrap();
    (folder, file)
}
