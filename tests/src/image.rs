//! The root file system that hosts boot from: the machine's own release, made once and kept.

use crate::machine::{cache, install, root_or_explain, run};
use crate::progress::Progress;
use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

const PACKAGES: &str = "systemd,systemd-sysv,dbus,openssh-server,openssh-client,openssh-sftp-server,sudo,rsyslog,\
                        libpam-systemd,iproute2,passwd,procps,cron,at,strace,tmux";

/// The image, made by debootstrap if it is not there yet.
pub fn image() -> Result<PathBuf> {
    root_or_explain()?;
    install(&[
        ("debootstrap", "debootstrap"),
        ("systemd-nspawn", "systemd-container"),
        ("ssh", "openssh-client"),
        ("sftp", "openssh-client"),
        ("nsenter", "util-linux"),
    ])?;
    let release = release()?;
    let wanted = Sha256::digest(format!("{release:?} {PACKAGES}"));
    let key = wanted.iter().take(6).fold(String::new(), |key, byte| format!("{key}{byte:02x}"));
    let images = cache()?.join("images");
    std::fs::create_dir_all(&images)?;
    let image = images.join(format!("{}-{key}", release.codename));

    // Two runs at once make one image.
    let lock = File::create(images.join("lock"))?;
    lock.lock().context("waiting for another run that makes the image")?;
    if image.exists() {
        return Ok(image);
    }
    let _progress = Progress::begin(&format!("making a root file system of {}", release.codename));
    let half = images.join(format!("{}-{key}.half", release.codename));
    if half.exists() {
        std::fs::remove_dir_all(&half)?;
    }
    run(Command::new("debootstrap")
        .args(["--variant=minbase", &format!("--components={}", release.components)])
        .arg(format!("--include={PACKAGES}"))
        .arg(&release.codename)
        .arg(&half)
        .arg(&release.mirror))
    .context("making the root file system: is the package mirror of this machine reachable?")?;
    // A half-made image has another name until it is whole.
    std::fs::rename(&half, &image)?;
    Ok(image)
}

#[derive(Debug)]
struct Release {
    codename: String,
    mirror: String,
    components: String,
}

/// The machine's own release and where its packages come from.
fn release() -> Result<Release> {
    let text = std::fs::read_to_string("/etc/os-release").context("reading /etc/os-release")?;
    let value = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .map(|value| value.trim_matches('"').to_owned())
    };
    let codename = value("VERSION_CODENAME")
        .context("/etc/os-release names no VERSION_CODENAME: this takes Debian or Ubuntu")?;
    let targets = Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"])
        .output()
        .context("asking apt-get for this machine's package sources")?;
    let targets = String::from_utf8_lossy(&targets.stdout).into_owned();
    let mirror = targets
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            Some((fields.next()?, fields.next()?, fields.next()?))
        })
        .find(|(_, release, component)| *release == codename && *component == "main")
        .map(|(mirror, _, _)| mirror.to_owned())
        .with_context(|| format!("apt knows no source of {codename} main"))?;
    let components = if value("ID").as_deref() == Some("ubuntu") { "main,universe" } else { "main" };
    Ok(Release { codename, mirror, components: components.to_owned() })
}
