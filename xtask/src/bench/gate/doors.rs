//! `ssh host true` and `sudo -n true` whole, with the gate before them and without.

use crate::bench::part;
use anyhow::{Context as _, Result};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use testbed::{Host, Person, Progress};

/// Rounds with and without, and calls of each in a round.
const ROUNDS: u32 = 20;
const LOGINS: u32 = 3;
const SUDOS: u32 = 10;

/// How long each took, shortest first.
#[derive(Default)]
struct Took {
    with: Vec<Duration>,
    without: Vec<Duration>,
}

/// Both doors.
pub struct Doors {
    ssh: Took,
    sudo: Took,
}

/// A service file of PAM with the lines of the gate, and without.
struct Service {
    file: PathBuf,
    with: String,
    without: String,
}

impl Service {
    fn of(host: &Host, name: &str) -> Result<Self> {
        let file = host.path(&format!("etc/pam.d/{name}"));
        let with = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let without = with
            .lines()
            .filter(|line| !line.contains("pam_jit.so"))
            .fold(String::new(), |text, line| text + line + "\n");
        Ok(Self { file, with, without })
    }

    fn is_gated(&self, gated: bool) -> Result<()> {
        let text = if gated { &self.with } else { &self.without };
        std::fs::write(&self.file, text).with_context(|| format!("writing {}", self.file.display()))
    }
}

impl Doors {
    /// Measures them as this person goes through.
    pub fn of(host: &Host, person: &Person<'_>) -> Result<Self> {
        let _progress = Progress::begin("ssh and sudo, whole");
        let ssh = Took::by(&Service::of(host, "sshd")?, || {
            let logins = (0..LOGINS).map(|_| {
                let since = Instant::now();
                person.ssh("true").is_in();
                since.elapsed()
            });
            Ok(logins.collect())
        })?;
        let timed = format!(
            "for i in $(seq {SUDOS}); do since=${{EPOCHREALTIME/./}}; sudo -n true || exit; echo $((${{EPOCHREALTIME/./}} - since)); done"
        );
        let sudo = Took::by(&Service::of(host, "sudo")?, || {
            let seen = person.ssh(&timed);
            let lines = seen.is_in().out.lines();
            lines.map(|line| Ok(Duration::from_micros(line.parse()?))).collect()
        })?;
        Ok(Self { ssh, sudo })
    }

    /// In words.
    pub fn told(&self) -> String {
        let row = |what: &str, took: &Took| {
            let [with, without] = [&took.with, &took.without]
                .map(|took| [50, 99].map(|percent| part(took, percent).as_secs_f64() * 1000.0));
            format!(
                "| {what} | {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} |\n",
                took.with.len(),
                with[0],
                with[1],
                without[0],
                without[1],
                with[0] - without[0]
            )
        };
        format!(
            "\n| whole, milliseconds | of each | with the gate p50 | p99 | without p50 | p99 | it adds, p50 |\n\
             |---|---:|---:|---:|---:|---:|---:|\n{}{}\n",
            row("`ssh host true`, the client's own start included", &self.ssh),
            row("`sudo -n true`", &self.sudo)
        )
    }
}

impl Took {
    fn by(service: &Service, calls: impl Fn() -> Result<Vec<Duration>>) -> Result<Self> {
        let mut took = Self::default();
        for round in 0..ROUNDS {
            // Which goes first takes turns.
            for gated in [round % 2 == 0, round % 2 != 0] {
                service.is_gated(gated)?;
                let more = calls()?;
                if gated { &mut took.with } else { &mut took.without }.extend(more);
            }
        }
        service.is_gated(true)?;
        took.with.sort();
        took.without.sort();
        Ok(took)
    }
}
