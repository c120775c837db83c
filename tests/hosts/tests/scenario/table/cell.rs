//! A cell played: by whom, which way, and what they and the log saw.

use super::most;
use super::row::{Cell, Row, Verdict};
use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};
use testbed::{Host, Person};

/// How often a wait that is too long is looked at again: whatever else this machine does only adds to it.
const TRIES: u32 = 5;

/// A login takes no longer than this beside the gate's wait, however busy this machine is; sudo is measured closely.
const LOGIN: Duration = Duration::from_secs(30);

/// The module's own deadline.
const DEADLINE: Duration = Duration::from_secs(2);

/// The way in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Ssh,
    Sudo,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ssh => "ssh",
            Self::Sudo => "sudo",
        })
    }
}

/// Somebody who is inside already, by a connection whose next commands make no PAM call (ssh_config(5),
/// ControlMaster).
pub struct Seat<'a> {
    person: Person<'a>,
    control: String,
}

struct Played {
    verdict: Verdict,
    err: String,
    took: Duration,
}

impl<'a> Seat<'a> {
    pub fn of(host: &Host, person: Person<'a>) -> Self {
        let control =
            format!("ControlPath={}", host.scratch().join(format!("in-{}", person.name())).display());
        Self { person, control }
    }

    pub fn name(&self) -> &str {
        self.person.name()
    }

    /// Sits down, unless there already.
    #[track_caller]
    pub fn is_taken(&self) {
        if self.inside("true").code != 0 {
            let master = ["-o", "BatchMode=yes", "-o", "ControlMaster=yes", "-o", &self.control, "-f", "-N"];
            self.person.ssh_with(&master, "").is_in();
            self.inside("true").is_in();
        }
    }

    /// A command of theirs inside. Without the connection there is none: it makes no login.
    fn inside(&self, command: &str) -> testbed::Seen {
        let inside = ["-o", "BatchMode=yes", "-o", "ProxyCommand=false", "-o", &self.control];
        self.person.ssh_with(&inside, command)
    }

    /// Both ways are open.
    pub fn is_let_in(&self) -> bool {
        let seen = self.person.ssh("sudo -n id -un");
        let is_in = seen.code == 0 && seen.out.trim() == "root";
        if !is_in {
            eprintln!("  {} not yet: {:?}", self.name(), seen.err);
        }
        is_in
    }

    /// A login is refused.
    pub fn is_refused(&self) -> bool {
        self.person.ssh("true").code != 0
    }

    fn once(&self, way: Way) -> Played {
        let since = Instant::now();
        let (seen, became) = match way {
            Way::Ssh => (self.person.ssh("id -un"), self.name()),
            Way::Sudo => {
                let timed = "since=${EPOCHREALTIME/./}; sudo -n id -un; code=$?; \
                             echo took $((${EPOCHREALTIME/./} - since)) >&2; exit $code";
                (self.inside(timed), "root")
            }
        };
        let mut took = since.elapsed();
        let verdict = match (seen.code, seen.out.trim()) {
            (0, out) if out == became => Verdict::In,
            (code, "") if code != 0 => Verdict::Refused,
            _ => panic!("neither let in nor refused: {seen:#?}"),
        };
        let mut err = seen.err.clone();
        if way == Way::Sudo {
            let (shown, us) =
                seen.err.rsplit_once("took ").unwrap_or_else(|| panic!("not inside: {seen:#?}"));
            took = Duration::from_micros(us.trim().parse().unwrap());
            shown.clone_into(&mut err);
        }
        Played { verdict, err, took }
    }

    /// Plays a cell. What is not as it says.
    pub fn plays(&self, way: Way, cell: &Cell) -> Option<String> {
        let mut played = self.once(way);
        let most = match way {
            Way::Ssh => cell.wait() + LOGIN,
            Way::Sudo => most(cell.wait()),
        };
        for _ in 1..TRIES {
            if played.verdict != cell.verdict || played.took <= most {
                break;
            }
            played = self.once(way);
        }
        let ours = played.err.lines().filter(|line| line.contains("jit: ")).count();
        // A deadline is always waited out; what is less is the longest.
        let least = Some(cell.wait()).filter(|wait| *wait >= DEADLINE).unwrap_or_default();
        let of_gate = usize::from(cell.line.starts_with("jit: "));
        let right = played.verdict == cell.verdict
            && shows(&played.err, &cell.line)
            && ours == of_gate
            && (least..=most).contains(&played.took);
        let seen = format!("{:?} after {:?}: {:?}", played.verdict, played.took, played.err);
        eprintln!("  {} by {way}: {seen}", self.name());
        (!right).then_some(seen)
    }
}

/// The text has the parts of this line one after another.
fn shows(text: &str, line: &str) -> bool {
    line.split('…').try_fold(text, |rest, part| Some(rest.split_once(part)?.1)).is_some()
}

/// What the log does not say as the row does.
pub fn told(host: &Host, cursor: &str, row: &Row, seats: &[Seat<'_>]) -> Vec<String> {
    let mut wrong = Vec::new();
    let read = || host.root(&format!("journalctl -q -o cat --after-cursor='{cursor}' -g decision=")).out;
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        wrong.clear();
        let log = read();
        for ((_, ways), seat) in row.people().into_iter().zip(seats) {
            for (way, cell) in [(Way::Ssh, &ways.ssh), (Way::Sudo, &ways.sudo)] {
                let told = reasons(&log, seat.name(), way);
                let decision = if cell.verdict == Verdict::In { "allow" } else { "deny" };
                let right: BTreeSet<String> = Some(format!("{decision} {}", cell.code))
                    .filter(|_| !cell.code.is_empty())
                    .into_iter()
                    .collect();
                if told != right {
                    wrong.push(format!("{}: {} by {way}: the log says {told:?}", row.name, seat.name()));
                }
            }
        }
        if wrong.is_empty() || Instant::now() > deadline {
            return wrong;
        }
        std::thread::sleep(testbed::limits::LOOK_AGAIN);
    }
}

/// The decisions and reasons that these lines have for this person and this way.
fn reasons(log: &str, name: &str, way: Way) -> BTreeSet<String> {
    let lines = log.lines().filter(|line| {
        line.contains(&format!(" user={name} ")) && line.contains(&format!(" service={way} "))
    });
    let value = |line: &str, key: &str| {
        let (_, rest) = line.split_once(&format!("{key}="))?;
        Some(rest.split(' ').next()?.to_owned())
    };
    lines
        .filter_map(|line| Some(format!("{} {}", value(line, "decision")?, value(line, "reason")?)))
        .collect()
}
