//! A network between hosts: a bridge in a namespace of its own, and a cable to each host.

use crate::host::Host;
use crate::limits;
use crate::machine::run;
use crate::seen::Seen;
use anyhow::{Context as _, Result};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// A network that is gone when this is dropped.
pub struct Lan {
    /// Holds the namespace; it ends by itself after an hour.
    holder: Child,
}

impl Lan {
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
            "addr add 10.77.0.254/24 dev lan",
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
