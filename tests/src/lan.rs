//! A network between hosts: a bridge in a namespace of its own, and a cable to each host.

use crate::host::Host;
use crate::limits;
use crate::line::BadLine;
use crate::machine::run;
use crate::seen::Seen;
use anyhow::{Context as _, Result};
use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// A network that is gone when this is dropped.
pub struct Lan {
    /// Holds the namespace; it ends by itself after an hour.
    holder: Child,
}

impl Lan {
    /// The address from which a laptop calls, and where programs of this machine answer.
    pub const OWN: &str = "10.77.0.254";

    /// A network with nobody on it, and an address of its own, from which a laptop calls.
    pub fn new() -> Result<Self> {
        let holder = Command::new("unshare")
            .args(["--net", "sleep", "3600"])
            .stdin(Stdio::null())
            .spawn()
            .context("making a network namespace")?;
        let lan = Self { holder };
        let own = || std::fs::read_link(format!("/proc/{}/ns/net", lan.holder.id())).ok();
        let deadline = Instant::now() + limits::SOON;
        while own() == std::fs::read_link("/proc/self/ns/net").ok() && Instant::now() < deadline {
            std::thread::sleep(limits::LOOK_AGAIN);
        }
        for command in [
            "link set lo up",
            "link add lan type bridge",
            &format!("addr add {}/24 dev lan", Self::OWN),
            "link set lan up",
        ] {
            lan.ip(command)?;
        }
        Ok(lan)
    }

    /// Gives a host a cable and the address `10.77.0.{last}`.
    pub fn plug(&self, host: &Host, last: u8) -> Result<()> {
        let port = port(last);
        self.ip(&format!("link add {port} type veth peer name lan netns {}", host.init()))?;
        self.ip(&format!("link set {port} master lan up"))?;
        host.root(&format!("ip addr add 10.77.0.{last}/24 dev lan && ip link set lan up")).ends_with(0);
        Ok(())
    }

    /// The same by a line that delays, reorders and loses frames.
    pub fn plug_badly(&self, host: &Host, last: u8, seed: u64) -> Result<BadLine> {
        let network = |process: u32| {
            let path = format!("/proc/{process}/ns/net");
            File::open(&path).with_context(|| format!("opening {path}"))
        };
        let (here, there) = (network(self.holder.id())?, network(host.init())?);
        let line = BadLine::between((here, port(last)), (there, "lan".to_owned()), seed)?;
        self.ip(&format!("link set {} master lan up", port(last)))?;
        host.root(&format!("ip addr add 10.77.0.{last}/24 dev lan && ip link set lan up")).ends_with(0);
        Ok(line)
    }

    /// Whether answers of whoever is at [`Self::OWN`] get to this host: without, what it asks there is sent into a hole.
    pub fn answers(&self, last: u8, get_there: bool) -> Result<()> {
        self.ip(&format!("route {} blackhole 10.77.0.{last}/32", if get_there { "del" } else { "add" }))
    }

    /// A program of this machine that runs on that network, at [`Self::OWN`], until this is dropped.
    pub fn program(&self, program: &str, arguments: &[&str]) -> Result<Program> {
        let mut command = Command::new("nsenter");
        command.args([
            "--net",
            "-t",
            &self.holder.id().to_string(),
            "setpriv",
            "--pdeathsig",
            "KILL",
            program,
        ]);
        command.args(arguments).stdin(Stdio::null());
        Ok(Program(command.spawn().with_context(|| format!("starting {program}"))?))
    }

    /// Pulls the cable of a host, or puts it in again.
    pub fn pull(&self, last: u8, out: bool) -> Result<()> {
        self.ip(&format!("link set {} {}", port(last), if out { "down" } else { "up" }))
    }

    /// Runs a command of this machine on that network: somebody's laptop.
    pub fn laptop(&self, command: &str) -> Seen {
        let output = Command::new("timeout")
            .arg(limits::COMMAND_S.to_string())
            .args(["nsenter", "--net", "-t", &self.holder.id().to_string(), "/bin/sh", "-c", command])
            .stdin(Stdio::null())
            .output();
        match output {
            Ok(output) => Seen::of(command, &output),
            Err(why) => panic!("entering the network: {why}"),
        }
    }

    fn ip(&self, command: &str) -> Result<()> {
        let holder = self.holder.id().to_string();
        run(Command::new("nsenter").args(["--net", "-t", &holder, "ip"]).args(command.split(' ')))
    }
}

/// A program that runs until this is dropped.
pub struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn port(last: u8) -> String {
    format!("port{last}")
}

impl Drop for Lan {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
