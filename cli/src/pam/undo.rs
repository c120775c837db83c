//! What takes a change back by itself unless it is confirmed.
//!
//! A timer and a service of systemd, written for this one change. The service runs no program of ours, only those
//! that every system has: it works with the package broken, half removed or of another machine's libc. The file as
//! it was is put back to the letter; where somebody else has changed it since, each line that was put in gives way to
//! the one that was there before, or goes.
//! The timer goes by the wall clock, over a restart of the machine, and also by the time since it was started, so
//! that a clock set back delays it by one start of the machine at most.

use super::files;
use super::name::Door;
use crate::program::ran;
use crate::{CliError, limits};
use access::Time;
use chrono::SecondsFormat;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Where an administrator's units lie (systemd.unit(5)).
const UNITS: &str = "/etc/systemd/system";

/// When a timer that outlives a restart went off last (systemd.timer(5)).
const STAMPS: &str = "/var/lib/systemd/timers";

/// A change that is not confirmed yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// When the lines were written, by the daemon's clock, which that of its sessions is too.
    pub enabled: Time,
    /// When they are taken out again, by the wall clock.
    pub undo: Time,
}

/// The change of this service that waits to be confirmed.
pub fn pending(door: &Door) -> Option<Pending> {
    serde_json::from_str(&files::read(&files::own(door, "json")).ok()?).ok()
}

fn unit(door: &Door, kind: &str) -> String {
    format!("jit-pam-undo@{door}.{kind}")
}

fn unit_path(door: &Door, kind: &str) -> PathBuf {
    Path::new(UNITS).join(unit(door, kind))
}

/// What has the timer start with the machine.
fn wanted(door: &Door) -> PathBuf {
    Path::new(UNITS).join("timers.target.wants").join(unit(door, "timer"))
}

/// Everything that belongs to an undo.
fn parts(door: &Door) -> Vec<PathBuf> {
    vec![
        wanted(door),
        unit_path(door, "timer"),
        unit_path(door, "service"),
        Path::new(STAMPS).join(format!("stamp-{}", unit(door, "timer"))),
        files::own(door, "json"),
        files::own(door, "before"),
        files::own(door, "after"),
        files::own(door, "sed"),
    ]
}

fn timer(door: &Door, undo: Time) -> String {
    let at = undo.format("%Y-%m-%d %H:%M:%S UTC");
    let after = limits::UNDO.as_secs();
    format!(
        "[Unit]\n\
         Description=Takes pam_jit.so out of {path} unless `jit pam confirm {door}` comes first\n\
         # Not after the clock is synchronised, which may never be.\n\
         DefaultDependencies=no\n\
         After=sysinit.target\n\
         Before=timers.target shutdown.target\n\
         Conflicts=shutdown.target\n\
         \n\
         [Timer]\n\
         OnCalendar={at}\n\
         Persistent=true\n\
         OnActiveSec={after}s\n\
         AccuracySec=1s\n\
         \n\
         [Install]\n\
         WantedBy=timers.target\n",
        path = files::path(door).display(),
    )
}

fn service(door: &Door) -> String {
    let path = files::path(door);
    let (script, path) = (takes_out(door, &path), path.display());
    let before = files::own(door, "before");
    let before = before.display();
    let parts: Vec<String> = parts(door).iter().map(|part| part.display().to_string()).collect();
    format!(
        "[Unit]\n\
         Description=Takes pam_jit.so out of {path} again\n\
         RequiresMountsFor={before} {path}\n\
         # A disk that is full or read only is tried again until it is not.\n\
         StartLimitIntervalSec=0\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         Restart=on-failure\n\
         RestartSec={again}s\n\
         ExecStart=/bin/sh -ec '{script}'\n\
         ExecStartPost=-/usr/bin/logger -t jit -p authpriv.err \"change=pam_undone service={door}: nobody confirmed the gate's lines in time, so they were taken out again\"\n\
         # Waited for: a timer that is not dead yet has failed for good once anybody has systemd reload without its file.\n\
         ExecStartPost=-/bin/systemctl stop {timer}\n\
         ExecStartPost=-/bin/rm -f {parts}\n\
         ExecStartPost=-/bin/systemctl --no-block daemon-reload\n",
        parts = parts.join(" "),
        timer = unit(door, "timer"),
        again = limits::UNDO_AGAIN.as_secs(),
    )
}

/// The script that takes the lines out of the file at `path`; one that is gone, with its package, has none.
fn takes_out(door: &Door, path: &Path) -> String {
    let own = |what| files::own(door, what).display().to_string();
    let (before, after, edits) = (own("before"), own("after"), own("sed"));
    let beside = path.with_file_name(format!(".{door}.jit"));
    let (beside, path) = (beside.display(), path.display());
    format!(
        "if ! test -e {path}; then exit 0; \
         elif cmp -s {after} {path}; then cp -p {before} {beside}; sync {beside}; mv -f {beside} {path}; \
         elif ! cmp -s {before} {path}; then sed -i -f {edits} {path}; fi; sync /etc/pam.d"
    )
}

/// What sed(1) does to a file that somebody else has changed since: a line of ours that was put in becomes the one of
/// its part that was there before, or goes.
fn edits(before: &str, after: &str) -> String {
    let ours = |text: &str| -> Vec<String> {
        let marked = text.lines().map(str::trim_end).filter(|line| line.ends_with(pamfile::MARK));
        marked.map(str::to_owned).collect()
    };
    let (old, new) = (ours(before), ours(after));
    let part = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let mut edits = String::new();
    for line in new.iter().filter(|line| !old.contains(line)) {
        let was = old.iter().find(|was| !new.contains(was) && part(was) == part(line));
        let does = was.map_or("d".to_owned(), |was| format!("c\\\n{}", was.replace('\\', "\\\\")));
        edits.push_str(&format!("/^{}[[:space:]]*$/{does}\n", to_the_letter(line)));
    }
    edits
}

/// A pattern of sed(1) that this text alone fits.
fn to_the_letter(text: &str) -> String {
    let special = |c| matches!(c, '\\' | '.' | '*' | '[' | ']' | '^' | '$' | '/');
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// Arms it: from when this is done on, `after` becomes `before` again at the time that `pending` says.
pub fn arm(door: &Door, before: &str, after: &str, pending: &Pending) -> Result<(), CliError> {
    if !Path::new("/run/systemd/system").is_dir() {
        return Err(CliError::NotDone(
            "systemd does not run this machine, so nothing could take the lines out again by itself: write those of \
             pam_jit(8) by hand, with a root shell open"
                .to_owned(),
        ));
    }
    files::own_folder()?;
    cancel(door)?;
    let path = files::path(door);
    files::copy(&path, before, &files::own(door, "before"))?;
    files::copy(&path, after, &files::own(door, "after"))?;
    files::write(&files::own(door, "sed"), &edits(before, after))?;
    files::write(&unit_path(door, "service"), &service(door))?;
    files::write(&unit_path(door, "timer"), &timer(door, pending.undo))?;
    let kept = serde_json::to_string(pending).map_err(|why| CliError::Output(why.into()))?;
    files::write(&files::own(door, "json"), &kept)?;
    let armed = systemctl(&["daemon-reload"])
        .and_then(|()| systemctl(&["enable", "--quiet", "--now", &unit(door, "timer")]))
        .and_then(|()| systemctl(&["is-active", "--quiet", &unit(door, "timer")]))
        .and_then(|()| {
            // systemctl(1) does not: lines that outlive a power cut must not outlive what takes them out.
            let wanted = wanted(door);
            files::sync_folder(&wanted).map_err(|why| CliError::Doing { what: "keeping", path: wanted, why })
        });
    if armed.is_err() {
        // Nothing was written yet: what could not be armed has nothing to undo.
        let _ = cancel(door);
    }
    armed
}

/// Disarms it, and forgets the file as it was.
pub fn cancel(door: &Door) -> Result<(), CliError> {
    let there = unit_path(door, "timer").exists();
    if there && Path::new("/run/systemd/system").is_dir() {
        systemctl(&["disable", "--quiet", "--now", &unit(door, "timer")])?;
        // One that failed waits to be tried again.
        systemctl(&["stop", &unit(door, "service")])?;
    }
    // A power cut must not bring back what undoes a change that is confirmed.
    for part in parts(door) {
        files::remove_for_good(&part).map_err(|why| CliError::Doing {
            what: "removing",
            path: part.clone(),
            why,
        })?;
    }
    if there && Path::new("/run/systemd/system").is_dir() { systemctl(&["daemon-reload"]) } else { Ok(()) }
}

fn systemctl(arguments: &[&str]) -> Result<(), CliError> {
    let shown = || format!("running systemctl {}", arguments.join(" "));
    match ran("systemctl", arguments) {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stderr);
            Err(CliError::NotDone(format!("{}: it failed ({}): {}", shown(), done.status, said.trim())))
        }
        Err(why) => Err(CliError::NotDone(format!("{}: {why}", shown()))),
    }
}

/// As people read it: `2026-11-26T00:13:00Z`.
pub fn at(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    /// What sed makes of `file`, by these edits.
    fn edited(file: &str, edits: &str) -> String {
        let mut sed = Command::new("sed");
        let mut sed = sed.arg(edits).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        sed.stdin.take().unwrap().write_all(file.as_bytes()).unwrap();
        String::from_utf8(sed.wait_with_output().unwrap().stdout).unwrap()
    }

    #[test]
    fn in_a_file_that_others_changed_our_lines_give_way_to_what_was_there_before() {
        let line = |spare: &str| {
            format!("account [success=ok default=die] pam_jit.so spare_user={spare} {}", pamfile::MARK)
        };
        let rest = "@include common-account\n";
        let (none, one, two) = (
            rest.to_owned(),
            format!("{}\n{rest}", line("rescue")),
            format!("{}\n{rest}", line("other.one")),
        );
        let changed = |file: &str| format!("# mine\n{file}# and this\n");
        assert_eq!(
            edited(&changed(&one), &edits(&none, &one)),
            changed(&none),
            "a door that was open is again"
        );
        assert_eq!(edited(&changed(&two), &edits(&one, &two)), changed(&one), "one that was gated stays so");
        let spaces = changed(&one).replace(pamfile::MARK, &format!("{} \t", pamfile::MARK));
        assert_eq!(edited(&spaces, &edits(&none, &one)), changed(&none));
        let alike = changed(&one).replace("account [success=ok", "account xsuccess=ok");
        assert_eq!(edited(&alike, &edits(&none, &one)), alike, "only to the letter");
    }

    #[test]
    fn what_is_gone_with_its_package_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let runs = |path: &Path| {
            let door: Door = "sudo-i".parse().unwrap();
            Command::new("/bin/sh").arg("-ec").arg(takes_out(&door, path)).output().unwrap().status.success()
        };
        let path = folder.path().join("sudo-i");
        assert!(runs(&path) && !path.exists());
        std::fs::write(&path, "there are no edits of it").unwrap();
        assert!(!runs(&path), "what is there is tried again until it is undone");
    }

    #[test]
    fn the_undo_runs_programs_that_every_system_has_and_takes_itself_away() {
        let door: Door = "sudo-i".parse().unwrap();
        let service = service(&door);
        for line in service.lines().filter(|line| line.starts_with("Exec")) {
            let program = line.split('=').nth(1).unwrap().trim_start_matches('-').split(' ').next().unwrap();
            assert!(["/bin/sh", "/usr/bin/logger", "/bin/rm", "/bin/systemctl"].contains(&program), "{line}");
        }
        for part in parts(&door) {
            assert!(service.contains(&format!(" {}", part.display())), "{}", part.display());
        }
        let at = crate::sample::at(600);
        let timer = timer(&door, at);
        assert!(
            timer.contains("OnCalendar=2026-11-24 14:10:00 UTC\nPersistent=true\nOnActiveSec=600s\n"),
            "{timer}"
        );
    }
}
