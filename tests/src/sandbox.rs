//! The fast kind of host: namespaces on the same image, sshd, rsyslogd and the daemon itself, no systemd.
//! It is up in half a second, for the many small cases where systemd has no part.

use crate::host::{Host, SPARE, image_under, test_files};
use crate::limits;
use crate::machine::{apart, repository, run};
use anyhow::{Context as _, Result, ensure};
use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// What runs as process 1: everything a login needs, and the daemon again whenever it ends.
const INIT: &str = r"#!/bin/sh
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /dev/pts /dev/shm /run/sshd /run/jitd /var/lib/jitd
mount -t devpts -o ptmxmode=666 devpts /dev/pts
ip link set lo up
rsyslogd
/usr/sbin/sshd
( while :; do /usr/sbin/jitd; sleep 0.1; done ) &
while :; do sleep 3600 & wait $!; done
";

const RSYSLOG: &str = r#"module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="/dev/log" CreatePath="on" RateLimit.Interval="0")
auth,authpriv.* /var/log/auth.log
"#;

impl Host {
    /// A sandbox with the gate before ssh, sudo and su; `arguments` stand on its PAM lines beside the spare
    /// key, `config` in its `jitd.toml`.
    pub fn sandbox(name: &str, arguments: &str, config: &str) -> Result<Self> {
        let folder = image_under(name, None)?;
        let root = folder.join("root");
        test_files(&root, name)?;
        std::fs::write(root.join("etc/rsyslog.conf"), RSYSLOG)?;
        std::fs::create_dir_all(root.join("etc/jitd"))?;
        std::fs::write(root.join("etc/jitd/jitd.toml"), config)?;
        let target = repository().join("target");
        let modules = std::fs::read_dir(root.join("usr/lib"))?
            .flatten()
            .map(|entry| entry.path().join("security"))
            .find(|folder| folder.join("pam_unix.so").exists())
            .context("the image has no folder of PAM modules")?;
        for (from, to) in [
            (target.join("release/jitd"), root.join("usr/sbin/jitd")),
            (target.join("release/jit"), root.join("usr/bin/jit")),
            (target.join("module/libpam_jit.so"), modules.join("pam_jit.so")),
        ] {
            std::fs::copy(&from, to)
                .with_context(|| format!("{}: build it with `cargo xtask dist`", from.display()))?;
        }
        let init = root.join("opt/init");
        std::fs::write(&init, INIT)?;
        std::fs::set_permissions(&init, std::fs::Permissions::from_mode(0o755))?;
        run(Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(folder.join("key")))?;
        let (unshare, init) = start(name, &folder)?;
        let host = Self::made(name, folder, unshare, init, None);
        host.account("root", &[])?;
        host.person(SPARE, &["staff"])?;
        host.root("groupadd -f jit-approvers").ends_with(0);
        for service in ["sshd", "sudo", "sudo-i", "su", "su-l"] {
            host.gate(service, &format!("spare_user={SPARE} {arguments}"))?;
        }
        host.soon("sshd listens", || host.root("ss -ltnH sport = :22").out.contains(":22"));
        Ok(host)
    }
}

fn start(name: &str, folder: &Path) -> Result<(Child, u32)> {
    let console = File::create(folder.join("console"))?;
    let root = folder.join("root");
    // A device folder of its own, with the few devices that a login needs.
    let script = format!(
        "set -e; hostname {name}; mount -t tmpfs -o mode=755 tmpfs {0}/dev; \
         for d in null zero full random urandom tty; do touch {0}/dev/$d; mount --bind /dev/$d {0}/dev/$d; done; \
         ln -s pts/ptmx {0}/dev/ptmx; ln -s /proc/self/fd {0}/dev/fd; exec chroot {0} /opt/init",
        root.display()
    );
    let mut unshare = apart()
        .args(["sh", "-c", &script])
        .stdin(Stdio::null())
        .stdout(console.try_clone()?)
        .stderr(console)
        .spawn()
        .context("starting unshare")?;
    let deadline = Instant::now() + limits::BOOT;
    loop {
        let children = format!("/proc/{0}/task/{0}/children", unshare.id());
        let child = std::fs::read_to_string(children)
            .ok()
            .and_then(|text| text.split_ascii_whitespace().next()?.parse().ok());
        if let Some(init) = child {
            // chroot(1) has run once its root is the new one.
            if std::fs::read_link(format!("/proc/{init}/root")).is_ok_and(|at| at == root) {
                return Ok((unshare, init));
            }
        }
        if let Some(status) = unshare.try_wait()? {
            anyhow::bail!("unshare ended ({status}): {}", std::fs::read_to_string(folder.join("console"))?);
        }
        ensure!(Instant::now() < deadline, "{name} did not start within {} s", limits::BOOT.as_secs());
        std::thread::sleep(limits::LOOK_AGAIN);
    }
}
