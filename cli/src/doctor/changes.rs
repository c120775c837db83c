//! Whether what was looked at changed meanwhile: while jit-watch runs, systemd does not start it once more.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What `jit-watch.path` watches of it, but for the module, whose folder is known.
const WATCHED: [&str; 7] = [
    "/etc/pam.d",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ssh/sshd_config",
    "/etc/ssh/sshd_config.d",
    "/etc/shadow",
    "/run/jitd",
];

/// Each file by what changes with it: device, number, and when its content, owner or mode was changed.
#[derive(Debug, PartialEq, Eq)]
pub struct Stamps(BTreeMap<PathBuf, (u64, u64, i64, i64)>);

pub fn stamps() -> Stamps {
    let module = super::module::file();
    Stamps::of(WATCHED.iter().map(Path::new).chain(module.as_deref()))
}

impl Stamps {
    fn of<'a>(paths: impl Iterator<Item = &'a Path>) -> Self {
        let mut stamps = BTreeMap::new();
        let mut take = |path: PathBuf| {
            if let Ok(meta) = path.symlink_metadata() {
                stamps.insert(path, (meta.dev(), meta.ino(), meta.ctime(), meta.ctime_nsec()));
            }
        };
        for path in paths {
            for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
                take(entry.path());
            }
            take(path.to_owned());
        }
        Self(stamps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn another_mode_another_content_and_another_file_are_changes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sshd");
        let stamps = || Stamps::of([folder.path()].into_iter());
        std::fs::write(&file, "a").unwrap();
        let mut before = stamps();
        assert_eq!(stamps(), before);
        let changes: [&dyn Fn(); 4] = [
            &|| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap(),
            &|| {
                std::fs::write(folder.path().join("x"), "b").unwrap();
                std::fs::rename(folder.path().join("x"), &file).unwrap();
            },
            &|| std::fs::write(folder.path().join("new"), "").unwrap(),
            &|| std::fs::remove_file(&file).unwrap(),
        ];
        for change in changes {
            change();
            let after = stamps();
            assert_ne!(after, before);
            before = after;
        }
    }
}
