//! A booted host: the image under an overlay, systemd as its first process, a network of its own.

use crate::cgroup::Groups;
use crate::image::{PACKAGE, image, overlay, with_jitd};
use crate::limits;
use crate::machine::{cache, package, run};
use crate::person::Person;
use crate::seen::Seen;
use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Instant;

/// The password of everybody on a throwaway host.
pub const PASSWORD: &str = "correct horse";

/// Stands in every throwaway host and nowhere else: a command meant for one does nothing elsewhere.
const THROWAWAY: &str = "/opt/throwaway-host";

/// The account that every PAM line of a throwaway host names as spare key.
pub const SPARE: &str = "rescue";

/// The units of the daemon.
const JITD: &str = "jitd-gate.socket jitd-control.socket jitd.service";

/// A host that is gone when this is dropped.
pub struct Host {
    name: String,
    folder: PathBuf,
    nspawn: Mutex<Child>,
    init: AtomicU32,
    /// Those of one that was booted. They go once all inside has ended.
    groups: Option<Groups>,
    keep: bool,
}

impl Host {
    /// Boots a host of the machine's own release: sshd, sudo and rsyslog run, nothing of ours is there.
    pub fn boot(name: &str) -> Result<Self> {
        Self::boot_over(name, None)
    }

    /// The same with what this layer adds to the image.
    fn boot_over(name: &str, layer: Option<&Path>) -> Result<Self> {
        let folder = image_under(name, layer)?;
        test_files(&folder.join("root"), name)?;
        run(Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(folder.join("key")))?;
        let groups = Groups::new()?;
        let (nspawn, init) = start(name, &folder, &groups)?;
        let host = Self::made(name, folder, nspawn, init, Some(groups));
        host.wait_until_booted()?;
        host.account("root", &[])?;
        Ok(host)
    }

    pub(crate) fn made(name: &str, folder: PathBuf, outer: Child, init: u32, groups: Option<Groups>) -> Self {
        Self {
            name: name.to_owned(),
            folder,
            nspawn: Mutex::new(outer),
            init: AtomicU32::new(init),
            groups,
            keep: false,
        }
    }

    /// A host with the built package, and the gate before ssh, sudo and su.
    pub fn gated(name: &str) -> Result<Self> {
        let host = Self::boot_over(name, Some(&with_jitd(&package("jitd")?)?))?;
        host.root("groupadd -f jit-approvers");
        host.person(SPARE, &["staff"])?;
        for service in ["sshd", "sudo", "sudo-i", "su", "su-l"] {
            host.gate(service, &format!("spare_user={SPARE}"))?;
        }
        Ok(host)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its first process, as this machine numbers it.
    pub fn init(&self) -> u32 {
        self.init.load(Ordering::Relaxed)
    }

    /// Cuts the power and starts the host again.
    pub fn reboot(&self) -> Result<()> {
        self.end();
        let groups = self.groups.as_ref().context("this host was not booted")?;
        let (nspawn, init) = start(&self.name, &self.folder, groups)?;
        *self.nspawn() = nspawn;
        self.init.store(init, Ordering::Relaxed);
        self.wait_until_booted()
    }

    fn nspawn(&self) -> MutexGuard<'_, Child> {
        self.nspawn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends everything inside with its first process.
    fn end(&self) {
        if let Some(init) = i32::try_from(self.init()).ok().and_then(Pid::from_raw) {
            // It may be gone already.
            let _ = kill_process(init, Signal::KILL);
        }
        let _ = self.nspawn().kill();
        let _ = self.nspawn().wait();
        let deadline = Instant::now() + limits::SOON;
        while Path::new(&format!("/proc/{}", self.init())).exists() && Instant::now() < deadline {
            std::thread::sleep(limits::LOOK_AGAIN);
        }
    }

    /// Its root folder.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.folder.join("root").join(inside.trim_start_matches('/'))
    }

    /// A folder outside of it, for what people here keep.
    pub fn scratch(&self) -> PathBuf {
        self.folder.join("scratch")
    }

    /// Leaves the host up when this is dropped, and says how to enter and how to end it.
    pub fn keep(&mut self) -> String {
        self.keep = true;
        // Without it the next run takes the host away.
        let _ = std::fs::write(self.folder.join(KEPT), "");
        std::mem::forget(self.groups.take());
        format!(
            "enter it:  nsenter -a -r -t {0} bash\nor as alice:  nsenter --net -t {0} ssh -i {1}/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null alice@127.0.0.1\nend it:    kill {2} && umount -l {1}/root && rm -rf {1}",
            self.init(),
            self.folder.display(),
            self.nspawn().id()
        )
    }

    /// Installs a package with dpkg.
    pub fn install(&self, package: &Path) -> Result<()> {
        std::fs::copy(package, self.path(PACKAGE))?;
        let done = self.root(&format!("dpkg -i {PACKAGE}"));
        ensure!(done.code == 0, "installing the package: {done:#?}");
        Ok(())
    }

    /// Installs packages of Debian, with the network of this machine.
    pub fn packages(&self, names: &str) -> Result<()> {
        let init = self.init().to_string();
        let script = format!(
            "[ -e {THROWAWAY} ] && apt-get -q update && apt-get -q install -y --no-install-recommends {names}"
        );
        run(Command::new("timeout")
            .arg(limits::INSTALL_S.to_string())
            .args(["nsenter", "--mount", "--uts", "--ipc", "--pid", "--root", "--wd", "-t", &init])
            .args(["/bin/sh", "-c", &script])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null()))
        .with_context(|| format!("installing {names} on {}", self.name))
    }

    /// Writes the PAM lines of the contract into one service file of the host.
    pub fn gate(&self, service: &str, arguments: &str) -> Result<()> {
        let file = self.path(&format!("etc/pam.d/{service}"));
        let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let account = format!("account [success=ok default=die] pam_jit.so {arguments}");
        let session =
            format!("session [success=ok module_unknown=ignore default=bad] pam_jit.so {arguments}");
        let text: Vec<&str> = text.lines().filter(|line| !line.contains("pam_jit.so")).collect();
        std::fs::write(&file, format!("{account}\n{}\n{session}\n", text.join("\n")))?;
        Ok(())
    }

    /// A person with an account, a key and a password. Members of `staff` need no password for sudo,
    /// those of `sudo` do.
    pub fn person(&self, name: &str, groups: &[&str]) -> Result<Person<'_>> {
        let made = self.root(&format!("id -u {name} || useradd -m -s /bin/bash {name}"));
        ensure!(made.code == 0, "adding {name}: {made:#?}");
        self.account(name, groups)?;
        Ok(Person { host: self, name: name.to_owned(), key: self.folder.join("key") })
    }

    pub(crate) fn account(&self, name: &str, groups: &[&str]) -> Result<()> {
        let key = std::fs::read_to_string(self.folder.join("key.pub"))?;
        for group in groups {
            let done = self.root(&format!("usermod -aG {group} {name}"));
            ensure!(done.code == 0, "putting {name} into {group}: {done:#?}");
        }
        let done = self.root(&format!(
            "echo '{name}:{PASSWORD}' | chpasswd && home=$(getent passwd {name} | cut -d: -f6) && mkdir -p $home/.ssh \
             && echo '{}' > $home/.ssh/authorized_keys && chown -R {name}: $home/.ssh && chmod 700 $home/.ssh",
            key.trim()
        ));
        ensure!(done.code == 0, "giving {name} a key and a password: {done:#?}");
        Ok(())
    }

    /// Runs a command as the host's root, to set up and to look; never to play a person's part.
    pub fn root(&self, command: &str) -> Seen {
        let init = self.init().to_string();
        let output = Command::new("timeout")
            .arg(limits::COMMAND_S.to_string())
            .args(["nsenter", "--all", "--root", "--wd", "-t", &init, "/bin/sh", "-c"])
            .arg(format!("[ -e {THROWAWAY} ] || exit 99\n{command}"))
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .output();
        match output {
            Ok(output) => {
                assert!(output.status.code() != Some(99), "{} is not a throwaway host", self.name);
                Seen::of(command, &output)
            }
            Err(why) => panic!("entering {}: {why}", self.name),
        }
    }

    /// Makes cron run its `@reboot` lines now: the others wait for a minute to begin.
    pub fn cron_runs(&self) {
        self.root("rm -f /run/crond.reboot; systemctl restart cron").ends_with(0);
    }

    /// Kills a process of this name with no help from inside. Whether there was one.
    pub fn kill(&self, name: &str) -> bool {
        let inside = std::fs::read_link(format!("/proc/{}/ns/pid", self.init())).ok();
        let found = std::fs::read_dir("/proc").into_iter().flatten().flatten().find_map(|entry| {
            let process = entry.path();
            let comm = std::fs::read_to_string(process.join("comm")).ok()?;
            let here = std::fs::read_link(process.join("ns/pid")).ok();
            (comm.trim_end() == name && here.is_some() && here == inside).then_some(())?;
            Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)
        });
        found.is_some_and(|process| kill_process(process, Signal::KILL).is_ok())
    }

    /// Connects to a Unix socket of the host, as root and with no help from inside.
    pub fn connect(&self, socket: &str) -> std::io::Result<UnixStream> {
        UnixStream::connect(format!("/proc/{}/root{socket}", self.init()))
    }

    /// The daemon's lines in the journal of systemd, oldest first.
    pub fn log_lines(&self) -> Vec<String> {
        self.root("journalctl -q -o cat -t jitd").out.lines().map(str::to_owned).collect()
    }

    /// The daemon's lines as rsyslogd wrote them.
    pub fn syslog_lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("var/log/auth.log")).unwrap_or_default();
        text.lines().filter(|line| line.contains("jitd[")).map(str::to_owned).collect()
    }

    /// Waits until `what` holds.
    #[track_caller]
    pub fn soon(&self, what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + limits::SOON;
        while !holds() {
            assert!(
                Instant::now() < deadline,
                "not within {} s on {}: {what}",
                limits::SOON.as_secs(),
                self.name
            );
            std::thread::sleep(limits::LOOK_AGAIN);
        }
    }

    /// Waits until the daemon says that it is up.
    #[track_caller]
    pub fn jitd_is_up(&self) {
        self.soon("jitd is up", || self.root("systemctl is-active jitd").out.trim() == "active");
    }

    /// Stops the daemon and its sockets for good: who calls while they stop has systemd start them again, which cancels the
    /// stop, or follows it.
    #[track_caller]
    pub fn jitd_stops(&self) {
        self.soon("jitd is stopped", || {
            let stopped =
                self.root(&format!("systemctl stop jitd.service && systemctl stop {JITD}")).code == 0;
            let up = self.root(&format!(
                "systemctl list-jobs --no-legend 'jitd*'; systemctl is-active -q {JITD} && echo up"
            ));
            stopped && up.out.trim().is_empty()
        });
    }

    /// Starts the daemon and its sockets, and waits until it says that it is up.
    #[track_caller]
    pub fn jitd_starts(&self) {
        self.root(&format!("systemctl start {JITD}")).ends_with(0);
        self.jitd_is_up();
    }

    fn wait_until_booted(&self) -> Result<()> {
        let deadline = Instant::now() + limits::BOOT;
        loop {
            let state = self.root("systemctl is-system-running; ss -ltnH sport = :22; ls /run/nologin");
            let up = state.out.starts_with("running") || state.out.starts_with("degraded");
            if up && state.out.contains(":22") && !state.out.contains("/run/nologin") {
                return Ok(());
            }
            if Instant::now() > deadline {
                let console = std::fs::read_to_string(self.folder.join("console")).unwrap_or_default();
                let failed =
                    self.root("systemctl --no-pager --failed; journalctl -b --no-pager -p warning -n 40").out;
                bail!(
                    "{} did not boot within {} s: {state:?}\n{console}\n{failed}",
                    self.name,
                    limits::BOOT.as_secs()
                );
            }
            std::thread::sleep(limits::LOOK_AGAIN);
        }
    }
}

/// In the folder of a host that is to outlive what made it.
const KEPT: &str = "kept";

/// A folder for a host of this name, with the image and this layer over it under an overlay at `root`.
pub(crate) fn image_under(name: &str, layer: Option<&Path>) -> Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    static SWEPT: Once = Once::new();
    let image = image()?;
    let hosts = cache()?.join("hosts");
    SWEPT.call_once(|| sweep(&hosts));
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = hosts.join(format!("{name}-{}-{count}", std::process::id()));
    for part in ["upper", "work", "root", "scratch"] {
        std::fs::create_dir_all(folder.join(part))?;
    }
    let lower: Vec<&Path> = layer.into_iter().chain([image.as_path()]).collect();
    let layers = overlay(&lower, &folder.join("upper"), &folder.join("work"));
    run(Command::new("mount").args(["-t", "overlay", "overlay", "-o", &layers]).arg(folder.join("root")))?;
    Ok(folder)
}

/// Takes away what runs left behind that were killed: hosts of processes that are gone.
fn sweep(hosts: &Path) {
    for entry in std::fs::read_dir(hosts).into_iter().flatten().flatten() {
        let (name, folder) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        let maker = name.rsplit('-').nth(1).and_then(|pid| pid.parse::<u32>().ok());
        let is_left = maker.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists());
        if is_left && !folder.join(KEPT).exists() {
            for pid in running_from(&folder) {
                // One that is gone by itself is as good.
                let _ = kill_process(pid, Signal::KILL);
            }
            let root = folder.join("root");
            let _ = Command::new("umount").arg("-l").arg(&root).output();
            // Not what is still mounted there.
            if std::fs::read_dir(&root).is_ok_and(|mut inside| inside.next().is_none()) {
                let _ = std::fs::remove_dir_all(&folder);
            }
        }
    }
}

/// What runs the host that lies in this folder: systemd-nspawn or unshare, as their words say.
fn running_from(folder: &Path) -> Vec<Pid> {
    let root = folder.join("root");
    let root = root.as_os_str().as_encoded_bytes();
    let is_of_it = |words: &[u8]| {
        (words.starts_with(b"systemd-nspawn\0") || words.starts_with(b"unshare\0"))
            && words.windows(root.len()).any(|part| part == root)
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let of_it = processes
        .filter(|entry| std::fs::read(entry.path().join("cmdline")).is_ok_and(|words| is_of_it(&words)));
    of_it.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// A server as people set it up: keys, and passwords through PAM. Which keys are agreed on by which sum has no part in what is
/// tried here, and the usual one (sntrup761) takes more of a processor than all else that a login does.
pub(crate) fn test_files(root: &Path, name: &str) -> Result<()> {
    std::fs::write(root.join(THROWAWAY.trim_start_matches('/')), "")?;
    std::fs::write(root.join("etc/hostname"), format!("{name}\n"))?;
    std::fs::write(root.join("etc/hosts"), format!("127.0.0.1 localhost {name}\n"))?;
    std::fs::write(root.join("etc/machine-id"), "")?;
    std::fs::write(
        root.join("etc/ssh/sshd_config.d/test.conf"),
        "KbdInteractiveAuthentication yes\nPasswordAuthentication yes\nPermitRootLogin yes\nMaxStartups 200\nMaxSessions 50\nUseDNS no\nKexAlgorithms curve25519-sha256\n",
    )?;
    std::fs::write(
        root.join("etc/sudoers.d/test"),
        "%staff ALL=(ALL:ALL) NOPASSWD: ALL\n%sudo ALL=(ALL:ALL) ALL\n",
    )?;
    Ok(())
}

/// systemd-nspawn, and the first process inside.
fn start(name: &str, folder: &Path, groups: &Groups) -> Result<(Child, u32)> {
    let console = File::create(folder.join("console"))?;
    let mut nspawn = groups
        .command("systemd-nspawn")
        .args(["-q", "-b", "-D"])
        .arg(folder.join("root"))
        .args(["--register=no", "--keep-unit", "--private-network", "--console=pipe"])
        // As on a machine of its own, reading the clock's state is allowed; setting it takes a right that no
        // host here has.
        .arg("--system-call-filter=adjtimex clock_adjtime")
        .arg(format!("--machine={name}"))
        .stdin(Stdio::null())
        .stdout(console.try_clone()?)
        .stderr(console)
        .spawn()
        .context("starting systemd-nspawn")?;
    let deadline = Instant::now() + limits::BOOT;
    loop {
        if let Some(init) = first_inside(nspawn.id()) {
            return Ok((nspawn, init));
        }
        if let Some(status) = nspawn.try_wait()? {
            let console = std::fs::read_to_string(folder.join("console")).unwrap_or_default();
            bail!("systemd-nspawn ended at once ({status}): {console}");
        }
        ensure!(
            Instant::now() < deadline,
            "systemd-nspawn started nothing within {} s",
            limits::BOOT.as_secs()
        );
        std::thread::sleep(limits::LOOK_AGAIN);
    }
}

/// The child that is process 1 of its own namespace.
fn first_inside(nspawn: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).ok()?;
    children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).find(|pid: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let inner = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or("");
        inner.split_ascii_whitespace().count() == 2 && inner.trim_end().ends_with("\t1")
    })
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        self.end();
        // What a failure here leaves behind is only files in the cache.
        let _ = Command::new("umount").arg("-l").arg(self.folder.join("root")).output();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
