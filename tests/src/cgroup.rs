//! Control groups of a host's own. systemd calls a unit over once its group is empty, and takes away groups that are: in
//! one tree two hosts with equal accounts wait for one another's processes, and take groups from under each other's feet.

use crate::limits;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// A group in each hierarchy that systemd tracks processes by, or limits their number.
pub(crate) struct Groups(Vec<PathBuf>);

impl Groups {
    /// Makes them below the groups of this process.
    pub(crate) fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let read = |path: &str| std::fs::read_to_string(path).with_context(|| format!("reading {path}"));
        let name = format!("throwaway-{}-{number}", std::process::id());
        let groups = own(&read("/proc/self/cgroup")?, &read("/proc/self/mountinfo")?);
        let groups: Vec<PathBuf> = groups.into_iter().map(|group| group.join(&name)).collect();
        for group in &groups {
            std::fs::create_dir(group).with_context(|| format!("making {}", group.display()))?;
        }
        Ok(Self(groups))
    }

    /// A command that enters them and becomes this program.
    pub(crate) fn command(&self, program: &str) -> Command {
        let enter = "while [ \"$1\" != -- ]; do echo $$ > \"$1/cgroup.procs\" || exit; shift; done; shift; exec \"$@\"";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", enter, "sh"]).args(&self.0).args(["--", program]);
        command
    }
}

impl Drop for Groups {
    /// Those whose processes have not ended in time are left.
    fn drop(&mut self) {
        let deadline = Instant::now() + limits::SOON;
        while !self.0.iter().all(|group| is_gone(group)) && Instant::now() < deadline {
            std::thread::sleep(limits::LOOK_AGAIN);
        }
    }
}

/// Takes a group away with those below it. Whether there is none left.
fn is_gone(group: &Path) -> bool {
    for entry in std::fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            is_gone(&entry.path());
        }
    }
    std::fs::remove_dir(group).is_ok() || !group.exists()
}

/// The folders of this process's groups (cgroups(7), `/proc/PID/cgroup`; proc(5), `/proc/PID/mountinfo`).
fn own(groups: &str, mounts: &str) -> Vec<PathBuf> {
    let mounted = |kind: &str, option: &str| {
        mounts.lines().find_map(|line| {
            let (place, what) = line.split_once(" - ")?;
            let mut what = what.split(' ');
            let is_it = what.next() == Some(kind) && what.nth(1)?.split(',').any(|has| has == option);
            let mut place = place.split(' ').skip(3);
            let (root, at) = (place.next()?, place.next()?);
            is_it.then(|| (root.to_owned(), PathBuf::from(at)))
        })
    };
    let folder = |line: &str| {
        let mut fields = line.splitn(3, ':');
        let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let (root, at) = match (number, controllers) {
            ("0", "") => mounted("cgroup2", "rw")?,
            (_, "name=systemd" | "pids") => mounted("cgroup", controllers)?,
            _ => return None,
        };
        let below = path.strip_prefix(root.trim_end_matches('/'))?;
        Some(at.join(below.trim_start_matches('/')))
    };
    groups.lines().filter_map(folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
        30 23 0:26 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n\
        31 23 0:27 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
        32 23 0:28 / /sys/fs/cgroup/systemd rw,relatime shared:9 - cgroup cgroup rw,xattr,name=systemd\n\
        33 23 0:29 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn groups_of_both_versions_are_found_where_they_are_mounted() {
        let folders = own("9:name=systemd:/\n8:pids:/a\n4:memory:/x\n0::/\n", HYBRID);
        assert_eq!(
            folders,
            ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/pids/a", "/sys/fs/cgroup/unified"].map(PathBuf::from)
        );
        let unified = "33 23 0:29 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(own("0::/user.slice\n", unified), [PathBuf::from("/sys/fs/cgroup/user.slice")]);
        let inside = "33 23 0:29 /box /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n";
        assert_eq!(own("0::/box/a\n", inside), [PathBuf::from("/sys/fs/cgroup/a")]);
    }
}
