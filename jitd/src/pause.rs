//! The pause between a start that failed and the next one.
//!
//! The service manager starts the daemon again a moment after it ends, as it must after a kill. What fails at
//! every start would then fill the log, several lines ten times a second; so whoever cannot start waits
//! here, where a better configuration ends the wait at once.

use crate::limits;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Instant;

/// A file as far as a change to it shows.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen(Option<(u64, u64, i64, i64)>);

impl Seen {
    /// The file now.
    pub fn at(path: &Path) -> Self {
        let meta = std::fs::metadata(path).ok();
        Self(meta.map(|meta| (meta.ino(), meta.len(), meta.ctime(), meta.ctime_nsec())))
    }
}

/// Waits until a new start is worth a try: the configuration is no longer as it was before the last one, or
/// the pause is over. Without a service manager, which would start it again, there is nothing to wait for.
pub fn before_the_next_start(config: &Path, before: &Seen, why: &str) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let status = format!("does not run: {}", why.replace('\n', " "));
    // It shows in `systemctl status`; nobody needs it to.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Status(&status)]);
    let over = Instant::now() + limits::START_AGAIN;
    while Instant::now() < over && Seen::at(config) == *before {
        std::thread::sleep(limits::START_LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_writing_a_file_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jitd.toml");
        let mut seen = vec![Seen::at(&path)];
        std::fs::write(&path, "one").unwrap();
        seen.push(Seen::at(&path));
        // As an editor does it: another file in its place.
        std::fs::write(folder.path().join("new"), "two").unwrap();
        std::fs::rename(folder.path().join("new"), &path).unwrap();
        seen.push(Seen::at(&path));
        std::fs::write(&path, "three").unwrap();
        seen.push(Seen::at(&path));
        assert!(seen.windows(2).all(|pair| pair[0] != pair[1]), "{seen:?}");
        assert_eq!(Seen::at(&path), seen[3], "looking changes nothing");
    }
}
