//! The root file system that hosts boot from: the machine's own release, made once and kept.

use crate::machine::{apart, cache, install, repository, root_or_explain, run};
use crate::progress::Progress;
use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
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

/// What this package of jitd adds to the image, as dpkg leaves it where no systemd runs and there is no /proc: a layer to boot over
/// the image, whose units start as the host does. Made once a package; [`crate::Host::install`] is how it comes to a host that
/// runs.
pub fn with_jitd(package: &Path) -> Result<PathBuf> {
    let image = image()?;
    let made = std::fs::metadata(image.join("var/lib/dpkg/status")).context("looking at the image")?;
    let mut wanted =
        Sha256::new_with_prefix(format!("{} {} {}", image.display(), made.ino(), made.mtime_nsec()));
    wanted.update(std::fs::read(package).with_context(|| format!("reading {}", package.display()))?);
    let layers = repository().join("target/tmp/with-jitd");
    std::fs::create_dir_all(&layers)?;
    let layer = layers.join(short(&wanted.finalize()));
    let lock = File::create(layers.join("lock"))?;
    lock.lock().context("waiting for another run that puts the package on the image")?;
    if layer.exists() {
        return Ok(layer);
    }
    let mounted = std::fs::read_to_string("/proc/self/mountinfo").context("looking what is mounted")?;
    for entry in std::fs::read_dir(&layers)?.flatten() {
        // Hosts of another run may stand on it.
        let path = entry.path();
        if path.is_dir() && !mounted.contains(&path.display().to_string()) {
            std::fs::remove_dir_all(&path).with_context(|| format!("removing {}", path.display()))?;
        }
    }
    let (half, work, root) = (layers.join("half"), layers.join("work"), layers.join("root"));
    [&half, &work, &root].into_iter().try_for_each(std::fs::create_dir_all)?;
    // Mounts end with the process that they were made for, however that ends.
    let install = format!(
        r#"mount -t overlay overlay -o "$1" "$2" && cp "$3" "$2{PACKAGE}" && exec chroot "$2" dpkg -i {PACKAGE}"#
    );
    run(apart()
        .args(["sh", "-c", &install, "sh"])
        .arg(overlay(&[&image], &half, &work))
        .args([root.as_path(), package])
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null()))
    .context("installing the package on the image")?;
    // A half-made layer has another name until it is whole.
    std::fs::rename(&half, &layer)?;
    Ok(layer)
}

/// What mount(8) is told of an overlay: what is written goes to `upper`, over these folders, the first on top.
pub fn overlay(lower: &[&Path], upper: &Path, work: &Path) -> String {
    let lower: Vec<String> = lower.iter().map(|folder| folder.display().to_string()).collect();
    format!("lowerdir={},upperdir={},workdir={}", lower.join(":"), upper.display(), work.display())
}

/// A name for what has this digest.
fn short(digest: &[u8]) -> String {
    digest.iter().take(6).fold(String::new(), |name, byte| format!("{name}{byte:02x}"))
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
