//! A PAM stack of our lines alone, in a folder, and a program that goes through it.

use rexpect::session::{PtySession, spawn_command};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// Service files that call the built module.
pub struct Stack {
    folder: PathBuf,
}

/// What the program saw.
#[derive(Debug)]
pub struct Outcome {
    /// Phases in order: name, code, how long it took.
    pub phases: Vec<(String, i32, Duration)>,
    /// Messages in order: style, text.
    pub messages: Vec<(i32, String)>,
    /// What went past PAM to standard error, where a terminal would show it.
    pub spilled: String,
}

/// The style of `PAM_PROMPT_ECHO_ON`.
pub const PROMPT: i32 = 2;

/// The style of `PAM_ERROR_MSG`.
pub const ERROR_MSG: i32 = 3;

/// The style of `PAM_TEXT_INFO`.
const TEXT_INFO: i32 = 4;

/// Milliseconds that something on a terminal takes at most.
const TERMINAL_MS: u64 = 20_000;

impl Stack {
    /// A stack in `folder` whose lines carry these arguments, for every service that is asked for.
    pub fn new(folder: &Path, arguments: &str) -> Self {
        let module = testbed::repository().join("target/module/libpam_jit.so");
        let module = module.canonicalize().unwrap_or_else(|why| {
            panic!("{}: {why}: build it with `cargo build -p pam-module --profile module`", module.display())
        });
        let line = format!("{} {arguments}", module.display());
        for service in ["sshd", "sudo", "sudo-i", "su", "login"] {
            let text = format!(
                "auth [success=ok default=die] {line}\naccount [success=ok default=die] {line}\n\
                 session [success=ok default=bad] {line}\npassword required {line}\n"
            );
            std::fs::write(folder.join(service), text).unwrap();
        }
        Self { folder: folder.to_owned() }
    }

    /// The same stack, after a module that asks for a password first and keeps it for those behind.
    #[must_use]
    pub fn after_a_password(self) -> Self {
        let file = self.folder.join("sshd");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, format!("auth required pam_exec.so expose_authtok quiet /bin/true\n{text}"))
            .unwrap();
        self
    }

    /// Goes through a phase of a service on a terminal, called with these options.
    pub fn terminal(&self, options: &[&str], service: &str, phase: &str, items: &[&str]) -> PtySession {
        let mut command = Command::new(driver());
        command.args(options).arg("--").arg(&self.folder).args([service, "root", phase]).args(items);
        spawn_command(command, Some(TERMINAL_MS)).unwrap()
    }

    /// Goes through phases of a service.
    pub fn run(&self, service: &str, user: &str, phases: &str, items: &[&str]) -> Outcome {
        self.run_under(&[], service, user, phases, items)
    }

    /// The same under another program, like `strace`.
    pub fn run_under(
        &self,
        under: &[&str],
        service: &str,
        user: &str,
        phases: &str,
        items: &[&str],
    ) -> Outcome {
        let driver = driver();
        let mut line: Vec<&str> = under.to_vec();
        let (driver, folder) = (driver.to_str().unwrap(), self.folder.to_str().unwrap());
        line.extend([driver, folder, service, user, phases]);
        line.extend(items);
        let output = Command::new("timeout").arg("60").args(&line).output().unwrap();
        assert!(output.status.success(), "{line:?}: {output:?}");
        let spilled = String::from_utf8_lossy(&output.stderr).into_owned();
        let mut outcome = Outcome { phases: Vec::new(), messages: Vec::new(), spilled };
        for text in String::from_utf8_lossy(&output.stdout).lines() {
            let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
            if let Ok(style) = first.parse() {
                outcome.messages.push((style, rest.to_owned()));
                continue;
            }
            let (code, micros) = rest.split_once(' ').unwrap();
            let took = Duration::from_micros(micros.parse().unwrap());
            outcome.phases.push((first.to_owned(), code.parse().unwrap(), took));
        }
        outcome
    }
}

impl Outcome {
    /// The code of the only phase.
    #[track_caller]
    pub fn code(&self) -> i32 {
        match self.phases.as_slice() {
            [(_, code, _)] => *code,
            other => panic!("one phase, not {other:?}"),
        }
    }

    /// How long the only phase took.
    #[track_caller]
    pub fn took(&self) -> Duration {
        match self.phases.as_slice() {
            [(_, _, took)] => *took,
            other => panic!("one phase, not {other:?}"),
        }
    }

    /// What was asked, in order: each a prompt with echo.
    pub fn asked(&self) -> Vec<&str> {
        self.messages.iter().filter(|(style, _)| *style == PROMPT).map(|(_, text)| text.as_str()).collect()
    }

    /// The one line that was shown beside what was asked, which is an error message in printable ASCII.
    #[track_caller]
    pub fn line(&self) -> &str {
        assert_eq!(self.spilled, "", "nothing goes past PAM");
        let shown: Vec<_> =
            self.messages.iter().filter(|(style, _)| [ERROR_MSG, TEXT_INFO].contains(style)).collect();
        match shown.as_slice() {
            [(ERROR_MSG, line)] => {
                assert!(line.bytes().all(|c| (b' '..=b'~').contains(&c)), "printable ASCII: {line:?}");
                line
            }
            other => panic!("one error message, not {other:?}"),
        }
    }

    /// Nothing was shown.
    #[track_caller]
    pub fn is_quiet(&self) -> &Self {
        assert!(self.messages.is_empty() && self.spilled.is_empty(), "quiet, not {self:?}");
        self
    }
}

/// The compiled driver: see `driver.c`.
pub fn driver() -> &'static Path {
    static DRIVER: OnceLock<PathBuf> = OnceLock::new();
    DRIVER.get_or_init(|| compiled("driver.c", "pam-driver", &["-lpam"]))
}

/// The compiled library that takes the module's clock away: see `no_clock.c`.
pub fn no_clock() -> &'static Path {
    static NO_CLOCK: OnceLock<PathBuf> = OnceLock::new();
    NO_CLOCK.get_or_init(|| compiled("no_clock.c", "no-clock.so", &["-shared", "-fPIC"]))
}

fn compiled(source: &str, name: &str, how: &[&str]) -> PathBuf {
    testbed::install(&[("cc", "gcc"), ("/usr/include/security/pam_modules.h", "libpam0g-dev")]).unwrap();
    let made = testbed::repository().join("target").join(name);
    let fresh = made.with_extension(std::process::id().to_string());
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(source);
    testbed::run(
        Command::new("cc").args(["-O2", "-Wall", "-Werror", "-o"]).arg(&fresh).arg(source).args(how),
    )
    .unwrap();
    std::fs::rename(fresh, &made).unwrap();
    made
}
