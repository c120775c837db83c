//! Belonging to a hub: what a token pinned, in a file of this daemon's own.

use super::call::Caller;
use crate::config::Config;
use crate::daemon::{DaemonError, os, say};
use crate::limits;
use access::HostName;
use api::Join;
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::Path;
use sync::{Authority, Digest, HubId, SecretKey, Token};

/// The hub that this host belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// Where it is.
    pub url: String,
    /// What it signs as.
    pub hub: HubId,
    /// The fingerprint of its root.
    pub root: Digest,
    /// This host's name there.
    pub host: HostName,
    /// The certificate authority to believe there, in PEM; none: those that this machine trusts.
    pub certificate: Option<String>,
    /// The [`sync::Authority::version`] that said so. The first is left out, as releases before there were others read it.
    #[serde(default, skip_serializing_if = "sync::is_first")]
    pub version: u32,
}

const FILE: &str = "enrolment.json";
const KEY: &str = "host.pem";

/// What gives the daemon's unit a network, and where.
const DROP_IN: (&str, &str) =
    ("/etc/systemd/system/jitd.service.d/hub.conf", include_str!("../../../packaging/systemd/jitd-hub.conf"));

impl Enrolment {
    /// That of the daemon whose folder this is, if it was enrolled.
    pub fn load(state: &Path) -> Result<Option<Self>, DaemonError> {
        let path = state.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(os(format!("reading {}", path.display())))?,
        };
        let anew = "enrol this host anew with `jitd enrol TOKEN`";
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|why| DaemonError::Refused(format!("{} does not read: {why}; {anew}", path.display())))
    }

    /// Whether this host joined just now.
    pub(super) fn is_new(state: &Path) -> bool {
        let written = std::fs::metadata(state.join(FILE)).and_then(|file| file.modified());
        written.is_ok_and(|at| at.elapsed().is_ok_and(|since| since < limits::MEMBERSHIP_AGAIN))
    }

    /// The same with the certificates that the root wants believed by now; none where this host has heard of those. Nothing is
    /// sent but the question, and nothing believed but the root.
    pub fn renewed(&self) -> Result<Option<Self>, String> {
        self.with(authority(&self.url, &self.hub, &self.root)?)
    }

    fn with(&self, said: Authority) -> Result<Option<Self>, String> {
        let Authority { certificate, version, .. } = said;
        self.takes(version)?;
        Ok((version > self.version).then(|| Self { certificate, version, ..self.clone() }))
    }

    /// Why this `version` of what the root wants believed is not taken, where this host knows a later one.
    fn takes(&self, version: u32) -> Result<(), String> {
        if self.version <= version {
            return Ok(());
        }
        let Self { url, version: known, .. } = self;
        Err(format!(
            "{url} says which certificates to believe by an older word of its root than this host has heard ({version}, and {known} \
             is known): somebody repeats it, or the hub was put back from a backup, and then `jit-hub recover` there says it anew"
        ))
    }

    /// Takes the place of `before` in its file, unless this host was enrolled anew since.
    pub fn replace(&self, before: &Self, state: &Path) -> Result<(), DaemonError> {
        if Self::load(state)?.as_ref() != Some(before) {
            let why = "this host was enrolled anew since the daemon began: start it anew";
            return Err(DaemonError::Refused(why.to_owned()));
        }
        self.keep(state)
    }

    fn keep(&self, state: &Path) -> Result<(), DaemonError> {
        let text = serde_json::to_string_pretty(self).map_err(|why| DaemonError::Refused(why.to_string()))?;
        put(state, FILE, &text)
    }
}

/// Which certificates to believe of this hub at this address, by its root's word alone.
fn authority(url: &str, hub: &HubId, root: &Digest) -> Result<Authority, String> {
    let signed = Caller::stranger(url)?.authority()?;
    signed.verify(hub, root).map_err(|why| format!("{url} is not the hub {hub}: {why}"))
}

/// What this host signs its calls with.
pub fn key(state: &Path) -> Result<SecretKey, DaemonError> {
    let path = state.join(KEY);
    let text = std::fs::read_to_string(&path).map_err(os(format!("reading {}", path.display())))?;
    SecretKey::from_pem(&text).map_err(|why| DaemonError::Refused(format!("{}: {why}", path.display())))
}

/// What tells this machine from a copy of its disk (machine-id(5)).
pub fn machine() -> Result<Digest, DaemonError> {
    let id = std::fs::read("/etc/machine-id").map_err(os("reading /etc/machine-id"))?;
    Ok(Digest::of(&[b"jit machine v1\n".as_slice(), &id].concat()))
}

/// `jitd enrol TOKEN`: makes this host one of a hub's. Broken off anywhere it can be done again.
pub fn enrol(path: &Path, text: &str) -> Result<(), DaemonError> {
    let config = Config::load(path)?;
    let host = crate::daemon::host(&config)?;
    let refused = |why: String| DaemonError::Refused(why);
    let token = Token::parse(text).map_err(|why| refused(why.to_string()))?;
    let state = &config.state;
    let before = Enrolment::load(state)?;
    if let Some(before) = before.as_ref().filter(|before| before.hub != token.hub) {
        return Err(refused(format!(
            "this host belongs to hub {} already: take it away there with `jit host remove {}`, and remove {}",
            before.hub,
            before.host,
            state.join(FILE).display()
        )));
    }
    if !state.join(KEY).exists() {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|why| refused(format!("drawing a key: {why}")))?;
        put(state, KEY, &SecretKey::from_random(&bytes).to_pem())?;
    }
    let key = key(state)?;
    // Nothing is sent there before its certificate is known to be the one that the token's root signed.
    let Authority { certificate, version, .. } =
        authority(&token.url, &token.hub, &token.root).map_err(refused)?;
    if let Some(before) = before.filter(|before| before.root == token.root) {
        before.takes(version).map_err(refused)?;
    }
    let enrolment = Enrolment {
        url: token.url.clone(),
        hub: token.hub.clone(),
        root: token.root,
        host: host.clone(),
        certificate,
        version,
    };
    let caller = Caller::of(&enrolment).map_err(refused)?;
    let join = Join { token: token.hash(), host, machine: machine()?, key: key.public() };
    let joined = caller.join(&join).map_err(refused)?;
    // What was signed of it before is of another joining.
    match std::fs::remove_file(state.join(super::membership::FILE)) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
            return Err(os(format!("removing {} of before", super::membership::FILE))(why));
        }
        _ => {}
    }
    enrolment.keep(state)?;
    let labels: Vec<String> = joined.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    say(&format!(
        "This host is {} of hub {}{}{}.",
        joined.host,
        enrolment.hub,
        if labels.is_empty() { "" } else { ", with labels " },
        labels.join(" ")
    ));
    open_network()?;
    say("Its grants come from there once the daemon is started anew:  systemctl restart jitd");
    Ok(())
}

/// Lets the daemon's unit call the hub, where systemd keeps it from all networks.
fn open_network() -> Result<(), DaemonError> {
    if !Path::new("/run/systemd/system").is_dir() {
        return Ok(());
    }
    let (path, text) = DROP_IN;
    let failed = || os(format!("writing {path}"));
    if let Some(folder) = Path::new(path).parent() {
        std::fs::create_dir_all(folder).map_err(failed())?;
    }
    std::fs::write(path, text).map_err(failed())?;
    let reloaded = std::process::Command::new("systemctl").arg("daemon-reload").status();
    reloaded.map(drop).map_err(os("having systemd read its units anew"))
}

/// A file of the daemon's own in its folder, whole or not at all. The folder is the daemon's too, which may have been
/// taken over: nothing that lies there is followed or given away.
pub(super) fn put(state: &Path, name: &str, text: &str) -> Result<(), DaemonError> {
    let (path, beside) = (state.join(name), state.join(format!("{name}.new")));
    let failed = || os(format!("writing {}", path.display()));
    match std::fs::remove_file(&beside) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(failed()(why)),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.create_new(true).write(true).mode(0o600).open(&beside).map_err(failed())?;
    file.write_all(text.as_bytes()).map_err(failed())?;
    let folder = std::fs::File::open(state).map_err(failed())?;
    let (owner, made) = (folder.metadata().map_err(failed())?, file.metadata().map_err(failed())?);
    // The daemon itself may give nothing away, not even to itself.
    if (owner.uid(), owner.gid()) != (made.uid(), made.gid()) {
        fchown(&file, Some(owner.uid()), Some(owner.gid())).map_err(failed())?;
    }
    file.sync_all().map_err(failed())?;
    std::fs::rename(&beside, &path).map_err(failed())?;
    // What the hub binds this host's name to must outlast a power cut.
    folder.sync_all().map_err(failed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_believes_a_later_word_of_the_root_on_certificates_and_no_earlier_one() {
        let host = HostName::parse("web-1").unwrap();
        let hub = HubId::new(host.clone());
        let said = |certificate: Option<&str>, version| Authority {
            hub: hub.clone(),
            certificate: certificate.map(str::to_owned),
            version,
        };
        let held = Enrolment {
            url: "https://hub.example.org".into(),
            hub: hub.clone(),
            root: Digest::of(b"root"),
            host,
            certificate: None,
            version: 7,
        };
        assert_eq!(held.with(said(Some("PEM"), 7)), Ok(None));
        let why = held.with(said(Some("PEM"), 6)).unwrap_err();
        assert!(
            why.contains(
                "this host has heard (6, and 7 is known): somebody repeats it, or the hub was put back"
            ),
            "{why}"
        );
        let later = held.with(said(Some("PEM"), 9)).unwrap().unwrap();
        assert_eq!((later.certificate.as_deref(), later.version), (Some("PEM"), 9));
        let first = serde_json::to_value(Enrolment { version: 0, ..held }).unwrap();
        assert!(first.get("version").is_none(), "as releases before it read it: {first}");
    }
}
