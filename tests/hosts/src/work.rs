//! What people do in sessions, each kind of it holding a file of its own open, so that a look from outside tells
//! whether anything of it is left.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use testbed::{Client, Host, PASSWORD, Person, Terminal};

/// Holds a file open under its own name, and heeds neither hangups nor interrupts.
const HOLD: &str =
    "#!/bin/bash\nexec 9<\"/var/tmp/hold/$1\"\ntrap '' HUP INT\nwhile :; do sleep 1000; done\n";

/// Where the files are.
const FOLDER: &str = "/var/tmp/hold";

/// One of each kind of work, by one person.
pub struct Work<'a> {
    host: &'a Host,
    terminals: Vec<(&'static str, Terminal)>,
    clients: Vec<(&'static str, Client)>,
    kinds: Vec<&'static str>,
}

impl<'a> Work<'a> {
    /// Puts what it takes on the host, with somebody of the same name who works for the system and not in a
    /// session.
    pub fn prepare(host: &Host, person: &str) {
        std::fs::create_dir_all(host.path(FOLDER)).unwrap();
        let hold = host.path("usr/local/bin/hold");
        std::fs::write(&hold, HOLD).unwrap();
        let names = "bystander shell command master second sudo-tty sudo sudo-i su setsid nohup tmux user-unit stubborn";
        host.root(&format!(
            "chmod 755 /usr/local/bin/hold; cd {FOLDER}; touch {names}; truncate -s 100M sftp; chmod 644 $(echo {names}); \
             systemd-run --quiet --uid={person} --unit=bystander /usr/local/bin/hold bystander"
        ))
        .ends_with(0);
    }

    /// Begins all of it; returns once each holds its file.
    pub fn begin(host: &'a Host, person: &Person<'a>) -> Self {
        let master = host.scratch().join("master");
        let path = format!("ControlPath={}", master.display());
        let mut work = Self { host, terminals: Vec::new(), clients: Vec::new(), kinds: Vec::new() };
        work.types(person, "shell", &[("exec 9<$H/shell", None)]);
        work.types(person, "setsid", &[("setsid hold setsid </dev/null >/dev/null 2>&1 & disown", None)]);
        work.types(person, "nohup", &[("nohup hold nohup >/dev/null 2>&1 & disown", None)]);
        work.types(person, "tmux", &[("tmux new -d 'hold tmux'", None)]);
        work.types(person, "sudo-tty", &[("sudo hold sudo-tty", None)]);
        work.types(person, "sudo-i", &[("sudo -i", Some("root@")), ("hold sudo-i", None)]);
        work.types(person, "su", &[("su -c 'hold su'", Some("Password:")), (PASSWORD, None)]);
        work.types(person, "user-unit", &[("systemd-run --user --quiet hold user-unit", None)]);
        work.runs("command", person.stays(&[], "hold command"));
        work.runs(
            "stubborn",
            person.stays(
                &[],
                "trap '' TERM HUP; exec 9<$H/stubborn; while :; do sleep 1; done"
                    .replace("$H", FOLDER)
                    .as_str(),
            ),
        );
        work.runs("sudo", person.stays(&[], "sudo -n hold sudo"));
        work.runs("sftp", person.sftp_stays(&format!("{FOLDER}/sftp")));
        work.runs(
            "forward",
            person.stays(&["-N", "-L", "4022:127.0.0.1:22", "-o", "ExitOnForwardFailure=yes"], ""),
        );
        work.runs("master", person.stays(&["-M", "-o", &path], "hold master"));
        host.soon("the master connection is there", || master.exists());
        work.runs("second", person.stays(&["-o", &path], "hold second"));
        work.wait_until_begun();
        work
    }

    fn types(&mut self, person: &Person<'_>, kind: &'static str, lines: &[(&str, Option<&str>)]) {
        let mut terminal = person.terminal("");
        terminal.exp_string("$ ").unwrap();
        for (line, then) in lines {
            terminal.send_line(&line.replace("$H", FOLDER)).unwrap();
            if let Some(then) = then {
                terminal.exp_string(then).unwrap();
            }
        }
        self.terminals.push((kind, terminal));
        self.kinds.push(kind);
    }

    fn runs(&mut self, kind: &'static str, client: Client) {
        self.clients.push((kind, client));
        self.kinds.push(kind);
    }

    fn wait_until_begun(&mut self) {
        let want: Vec<&str> = self.kinds.iter().copied().filter(|kind| *kind != "forward").collect();
        self.host.soon("each work has begun", || {
            let held = holders(self.host);
            want.iter().all(|kind| held.contains_key(*kind))
        });
        self.host.soon("the forward listens", || {
            self.host
                .root("ss -ltnH sport = :4022; ss -tnH state established dport = :22 | wc -l")
                .out
                .contains(":4022")
        });
    }

    /// Waits until nothing of it is left, from `since` on; how long each kind took. What should go on does.
    #[track_caller]
    pub fn is_over(mut self, since: Instant, within: Duration) -> BTreeMap<&'static str, Duration> {
        let mut over: BTreeMap<&'static str, Duration> = BTreeMap::new();
        while over.len() < self.kinds.len() {
            let held = holders(self.host);
            let took = since.elapsed();
            for kind in &self.kinds {
                let client = self.clients.iter_mut().find(|(of, _)| of == kind);
                let gone = client.is_none_or(|(_, client)| client.is_over());
                if gone && !held.contains_key(*kind) && !over.contains_key(kind) {
                    over.insert(kind, took);
                }
            }
            let left: Vec<_> = self.kinds.iter().filter(|kind| !over.contains_key(*kind)).collect();
            assert!(took < within, "after {took:?} there is left of it: {left:?}, held by {held:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
        for (kind, terminal) in &mut self.terminals {
            assert!(terminal.exp_eof().is_ok(), "the connection of {kind} is closed");
        }
        assert!(holders(self.host).contains_key("bystander"), "who is in no session goes on");
        let connected = self.host.root("ss -tnH state established dport = :22 | wc -l").out;
        assert_eq!(connected.trim(), "0", "every connection is closed");
        over
    }
}

/// Who holds which file of [`Work`], as seen from outside of the host.
pub fn holders(host: &Host) -> BTreeMap<String, Vec<String>> {
    let inside = std::fs::read_link(format!("/proc/{}/ns/pid", host.init())).ok();
    let mut held: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let process = entry.path();
        if inside.is_none() || std::fs::read_link(process.join("ns/pid")).ok() != inside {
            continue;
        }
        for open in std::fs::read_dir(process.join("fd")).into_iter().flatten().flatten() {
            let Ok(file) = std::fs::read_link(open.path()) else { continue };
            if let Ok(name) = Path::new(&file).strip_prefix(FOLDER) {
                let comm = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
                let who = format!("{} {}", entry.file_name().to_string_lossy(), comm.trim());
                held.entry(name.to_string_lossy().into_owned()).or_default().push(who);
            }
        }
    }
    held
}
