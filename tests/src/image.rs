//! The root file system that hosts boot from: the machine's own release, made once and kept.

use crate::machine::{cache, install, repository, root_or_explain, run};
use crate::progress::Progress;
use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

const PACKAGES: &str = "systemd,systemd-sysv,dbus,openssh-server,openssh-client,openssh-sftp-server,sudo,rsyslog,\
                        libpam-systemd,iproute2,passwd,procps,cron,at,strace,tmux";

/// Where a host keeps the package of jitd that it was given.
pub const PACKAGE: &str = "/opt/jitd.deb";

/// The image, made by debootstrap if it is not there yet.
pub fn image() -> Result<PathBuf> {
    // To ask apt for its sources takes a good part of what a boot does.
    static MADE: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(image) = &*made {
        return Ok(image.clone());
    }
    let image = make()?;
    *made = Some(image.clone());
    Ok(image)
}

fn make() -> Result<PathBuf> {
    root_or_explain()?;
    install(&[
        ("debootstrap", "debootstrap"),
        ("systemd-nspawn", "systemd-container"),
        ("ssh", "openssh-client"),
        ("sftp", "openssh-client"),
        ("nsenter", "util-linux"),
    ])?;
    let release = release()?;
    let key = short(&Sha256::digest(format!("{release:?} {PACKAGES}")));
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

/// What this package of jitd adds to the image, as dpkg leaves it where no systemd runs: a layer to boot over the image, whose
/// units start as the host does. Made once a package; [`crate::Host::install`] is how it comes to a host that runs.
pub fn with_jitd(package: &Path) -> Result<PathBuf> {
    let image = image()?;
    let mut wanted = Sha256::new_with_prefix(image.as_os_str().as_encoded_bytes());
    wanted.update(std::fs::read(package).with_context(|| format!("reading {}", package.display()))?);
    let wanted = short(&wanted.finalize());
    let layer = repository().join("target/tmp/with-jitd");
    std::fs::create_dir_all(&layer)?;
    let lock = File::create(layer.join("lock"))?;
    lock.lock().context("waiting for another run that puts the package on the image")?;
    let (upper, made_of) = (layer.join(format!("upper-{wanted}")), layer.join("made"));
    if std::fs::read_to_string(&made_of).is_ok_and(|of| of == wanted) {
        return Ok(upper);
    }
    for entry in std::fs::read_dir(&layer)?.flatten().filter(|entry| entry.path().is_dir()) {
        std::fs::remove_dir_all(entry.path())?;
    }
    let (work, root) = (layer.join("work"), layer.join("root"));
    [&upper, &work, &root].into_iter().try_for_each(std::fs::create_dir_all)?;
    mount(&[&image], &upper, &work, &root)?;
    let installed = std::fs::copy(package, root.join(PACKAGE.trim_start_matches('/')))
        .context("bringing the package there")
        .and_then(|_| {
            run(Command::new("unshare")
                .args([
                    "--mount",
                    "--uts",
                    "--ipc",
                    "--net",
                    "--pid",
                    "--fork",
                    "--kill-child",
                    "--mount-proc",
                ])
                .arg(format!("--root={}", root.display()))
                .args(["dpkg", "-i", PACKAGE])
                .env_clear()
                .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
                .env("LC_ALL", "C.UTF-8")
                .stdin(Stdio::null()))
        });
    run(Command::new("umount").arg(&root))?;
    installed.context("installing the package on the image")?;
    // Half a layer has no such word.
    std::fs::write(&made_of, wanted)?;
    Ok(upper)
}

/// A name for what has this digest.
fn short(digest: &[u8]) -> String {
    digest.iter().take(6).fold(String::new(), |name, byte| format!("{name}{byte:02x}"))
}

/// Mounts an overlay: what is written goes to `upper`, over these folders, the first on top.
pub fn mount(lower: &[&Path], upper: &Path, work: &Path, at: &Path) -> Result<()> {
    let lower: Vec<String> = lower.iter().map(|folder| folder.display().to_string()).collect();
    let layers =
        format!("lowerdir={},upperdir={},workdir={}", lower.join(":"), upper.display(), work.display());
    run(Command::new("mount").args(["-t", "overlay", "overlay", "-o", &layers]).arg(at))
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
