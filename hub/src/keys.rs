//! The keys that hosts believe, in files. The root and the key for grants are the signer's, the view key is the
//! server's.

use crate::certificate::put;
use crate::config::Config;
use crate::error::{HubError, os};
use crate::{clock, signer};
use signer::Ring;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use sync::{Authority, HubId, PublicKey, Roots, SecretKey, SignedAuthority, SignedManifest};

/// What the signer alone reads.
pub struct SignerKeys {
    folder: PathBuf,
}

impl SignerKeys {
    /// Those of this hub.
    pub fn of(config: &Config) -> Self {
        Self { folder: config.signer.state.clone() }
    }

    fn path_of_root(&self) -> PathBuf {
        self.folder.join("root.pem")
    }

    fn path_of_ring(&self) -> PathBuf {
        self.folder.join("ring.json")
    }

    fn path_of_grant(&self, key: &PublicKey) -> PathBuf {
        self.folder.join(format!("grant-{}.pem", key.id()))
    }

    /// The root's.
    pub fn root(&self) -> Result<SecretKey, HubError> {
        read(&self.path_of_root())
    }

    /// Whether it is the root that hosts believe, as far as `servers` know that.
    fn has_root_of(&self, servers: &ServerKeys, is_known: bool) -> Result<(), HubError> {
        let path = self.path_of_root();
        let why = if !is_there(&path)? {
            "is gone"
        } else if is_known && servers.authority()?.roots != Roots::one(self.root()?.public()) {
            "is another one"
        } else {
            return Ok(());
        };
        Err(HubError::Keys(format!(
            "the root key that hosts believe {why} in {}: put the signer's folder back from a backup",
            path.display()
        )))
    }

    /// Which keys hosts believe.
    pub fn ring(&self) -> Result<Ring, HubError> {
        json(&self.path_of_ring())
    }

    /// The one that signs grants.
    pub fn grant(&self, ring: &Ring) -> Result<SecretKey, HubError> {
        let empty = || HubError::Keys(format!("{} names no key for grants", self.path_of_ring().display()));
        let public = ring.signs().ok_or_else(empty)?;
        let path = self.path_of_grant(&public);
        let key = read(&path)?;
        if key.public() != public {
            return Err(HubError::Keys(format!("{} holds another key than its name says", path.display())));
        }
        Ok(key)
    }

    /// Keeps a key for grants, before it is named.
    pub fn put_grant(&self, key: &SecretKey) -> Result<(), HubError> {
        put(&self.path_of_grant(&key.public()), 0o600, &key.to_pem())
    }

    /// Keeps which keys hosts believe.
    pub fn put_ring(&self, ring: &Ring) -> Result<(), HubError> {
        put(&self.path_of_ring(), 0o600, &text(ring)?)
    }
}

/// What the server reads.
pub struct ServerKeys {
    folder: PathBuf,
}

impl ServerKeys {
    /// Those of this hub.
    pub fn of(config: &Config) -> Self {
        Self { folder: config.state.clone() }
    }

    fn path_of_view(&self) -> PathBuf {
        self.folder.join("view.pem")
    }

    /// Where the next one waits until hosts are told to believe it.
    fn path_of_next(&self) -> PathBuf {
        self.folder.join("view.next.pem")
    }

    fn path_of_authority(&self) -> PathBuf {
        self.folder.join("authority.json")
    }

    fn path_of_manifest(&self) -> PathBuf {
        self.folder.join("manifest.json")
    }

    /// The key that signs views, of those that hosts are told to believe: the next one from then on.
    pub fn view(&self, believed: &[PublicKey]) -> Result<SecretKey, HubError> {
        let (path, next) = (self.path_of_view(), self.path_of_next());
        let takes_next = || {
            if next.exists() && believed.contains(&read(&next)?.public()) {
                std::fs::rename(&next, &path).map_err(os(format!("renaming {}", next.display())))?;
            }
            Ok(())
        };
        // Another thread may have taken it meanwhile: who is told to read anew, and who finds out by itself.
        takes_next().or_else(|why: HubError| if next.exists() { Err(why) } else { Ok(()) })?;
        let key = read(&path)?;
        if believed.contains(&key.public()) {
            return Ok(key);
        }
        Err(HubError::Keys(format!(
            "hosts are not told to believe the key in {}; where this is a feed have its desk do so, as root there: \
             jit-hub keys admit {}",
            path.display(),
            key.public()
        )))
    }

    /// The key that signs views now.
    pub fn current(&self) -> Result<PublicKey, HubError> {
        read(&self.path_of_view()).map(|key| key.public())
    }

    /// Makes the next one.
    pub fn draw_next(&self) -> Result<PublicKey, HubError> {
        let key = draw()?;
        put(&self.path_of_next(), 0o600, &key.to_pem())?;
        Ok(key.public())
    }

    /// What hosts fetch before they trust anything here.
    pub fn authority(&self) -> Result<SignedAuthority, HubError> {
        json(&self.path_of_authority())
    }

    /// Which certificates hosts of this hub believe.
    pub fn believed(&self, hub: &HubId) -> Result<Authority, HubError> {
        let signed = self.authority()?;
        let path = self.path_of_authority();
        signed
            .verify(hub, &signed.roots.fingerprint())
            .map_err(|why| HubError::Keys(format!("{}: {why}", path.display())))
    }

    /// The manifest that was told last: it is good while the signer is away.
    pub fn manifest(&self) -> Result<SignedManifest, HubError> {
        json(&self.path_of_manifest())
    }

    /// Keeps it.
    pub fn put_manifest(&self, manifest: &SignedManifest) -> Result<(), HubError> {
        put(&self.path_of_manifest(), 0o644, &text(manifest)?)
    }
}

/// Makes the keys that are missing, and has the root sign which certificates hosts believe: those of the `authority`
/// in PEM, or of the authorities that their own system trusts. Whether hosts may have believed others before.
pub fn make(config: &Config, hub: HubId, authority: Option<String>) -> Result<bool, HubError> {
    let (signers, servers) = (SignerKeys::of(config), ServerKeys::of(config));
    let held = is_there(&servers.path_of_authority())?.then(|| servers.believed(&hub)).transpose()?;
    // A hub that never served was heard by nobody, also where its first `init` broke off.
    let is_new = held.is_none() && !is_there(&servers.path_of_manifest())?;
    if !is_new {
        signers.has_root_of(&servers, held.is_some())?;
    }
    for path in [signers.path_of_root(), servers.path_of_view()] {
        if !is_there(&path)? {
            put(&path, 0o600, &draw()?.to_pem())?;
        }
    }
    if !is_there(&signers.path_of_ring())? {
        let grant = draw()?;
        signers.put_grant(&grant)?;
        signers.put_ring(&Ring::first(grant.public(), servers.current()?, clock::wall()))?;
    }
    if held.as_ref().is_some_and(|held| held.certificate == authority) {
        return Ok(false);
    }
    let version = if is_new { 0 } else { later(held.map(|held| held.version)) };
    sign(&signers, &servers, &Authority { hub, certificate: authority, version })?;
    Ok(!is_new)
}

/// Has the root say which certificates hosts believe.
fn sign(signers: &SignerKeys, servers: &ServerKeys, authority: &Authority) -> Result<(), HubError> {
    let root = signers.root()?;
    let signed = authority.sign(Roots::one(root.public()), &root);
    put(&servers.path_of_authority(), 0o644, &text(&signed)?)
}

/// A version later than this one, and than those that a file which is gone or was put back from long ago has lost.
fn later(held: Option<u32>) -> u32 {
    let now = u32::try_from(clock::wall().timestamp()).unwrap_or(u32::MAX);
    now.max(held.map_or(0, |held| held.saturating_add(1)))
}

/// Whether there is such a file. What cannot be looked at is not called gone.
fn is_there(path: &Path) -> Result<bool, HubError> {
    path.try_exists().map_err(os(format!("looking for {}", path.display())))
}

/// A new key.
pub fn draw() -> Result<SecretKey, HubError> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).map_err(|why| HubError::Keys(format!("drawing a key: {why}")))?;
    Ok(SecretKey::from_random(&bytes))
}

fn text(value: &impl serde::Serialize) -> Result<String, HubError> {
    serde_json::to_string(value).map_err(|why| HubError::Keys(why.to_string()))
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, HubError> {
    let text = std::fs::read_to_string(path).map_err(os(format!("reading {}", path.display())))?;
    serde_json::from_str(&text)
        .map_err(|why| HubError::Keys(format!("{} does not read: {why}", path.display())))
}

fn read(path: &Path) -> Result<SecretKey, HubError> {
    let text = std::fs::read_to_string(path).map(zeroize::Zeroizing::new);
    let text = text.map_err(os(format!("reading the key {}", path.display())))?;
    SecretKey::from_pem(&text).map_err(|why| HubError::Keys(format!("{}: {why}", path.display())))
}

/// `jit-hub keys`
#[derive(clap::Subcommand)]
pub enum Command {
    /// Show the keys that hosts trust, since when and until when.
    Status {
        /// Print JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Make new keys. Hosts hear of them in their stream; none needs a restart. Run as root, where the signer and the
    /// server are.
    Rotate {
        /// The key that signs grants, the key that signs views, or both.
        #[arg(value_enum, default_value = "all")]
        which: Which,
        /// The old keys are in the wrong hands: hosts stop trusting them as soon as they hear of it.
        #[arg(long)]
        stolen: bool,
    },
    /// Have hosts trust another key for views, as `jit-hub init` prints it on the machine of a hub in role feed. Run as root,
    /// where the signer is.
    Admit {
        /// The key.
        key: PublicKey,
    },
    /// Have hosts stop trusting such a key, at once: its machine is gone, or in the wrong hands. Run as root, where the
    /// signer is.
    Withdraw {
        /// The key, or its short name as `jit-hub keys status` shows it.
        key: String,
    },
}

/// Which keys to rotate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Which {
    /// What signs grants.
    Grant,
    /// What signs views.
    View,
    /// Both.
    All,
}

/// Runs `jit-hub keys`.
pub fn run(config: &Config, command: &Command) -> Result<(), HubError> {
    let client = signer::Client::at(&config.signer.socket);
    match command {
        Command::Status { json } => show(config, &client.ring()?, *json),
        Command::Rotate { which, stolen } => {
            let servers = ServerKeys::of(config);
            let view = match which {
                Which::Grant => Vec::new(),
                Which::View | Which::All => vec![(servers.current()?, servers.draw_next()?)],
            };
            let grant = *which != Which::View;
            changed(config, &client.rotate(signer::Rotate { grant, view, stolen: *stolen })?)
        }
        Command::Admit { key } => changed(config, &client.admit(*key)?),
        Command::Withdraw { key } => {
            let named = |listed: &&signer::Listed| {
                listed.key.to_string() == *key || listed.key.id().to_string() == *key
            };
            let ring = client.ring()?;
            let listed = ring.view.iter().find(named).ok_or_else(|| {
                HubError::Keys(format!("hosts believe no view key {key}: `jit-hub keys status` lists them"))
            })?;
            changed(config, &client.withdraw(listed.key)?)
        }
    }
}

/// Shows the keys of now, and what is next.
fn changed(config: &Config, ring: &Ring) -> Result<(), HubError> {
    show(config, ring, false)?;
    crate::say(
        "\nHosts hear of it once the server has read it:  systemctl reload jit-hub\n\
         Make a backup of the signer's folder: what was saved before lacks the new keys.",
    );
    Ok(())
}

/// The one key of a hub in role `feed`, made where there is none.
pub fn of_a_feed(config: &Config) -> Result<PublicKey, HubError> {
    let servers = ServerKeys::of(config);
    if !servers.path_of_view().exists() {
        put(&servers.path_of_view(), 0o600, &draw()?.to_pem())?;
    }
    servers.current()
}

/// `jit-hub recover`: begins a new life of the database, in which hosts say first what they know of the one before, and has the
/// root say anew which certificates to believe.
pub fn recover(config: &Config) -> Result<(), HubError> {
    let (signers, servers) = (SignerKeys::of(config), ServerKeys::of(config));
    signers.has_root_of(&servers, true)?;
    let held = servers.believed(&crate::hub_id(config)?)?;
    let ring = signer::Client::at(&config.signer.socket).raise()?;
    // What was put back can be older than what hosts heard since.
    sign(&signers, &servers, &Authority { version: later(Some(held.version)), ..held })?;
    crate::say(&format!(
        "The database begins incarnation {}. Where the copy has an older policy or older people than were in force last, apply\n\
         those first, for what hosts give back is measured by them:  jit policy apply\n\
         Hosts give back what they know of the incarnation before when they connect, once the server has read it:\n  \
         systemctl reload jit-hub\n\
         `jit status` says how many have still to. Requests that the copy lacks are asked for anew, also to have more time on a grant\n\
         that comes back.\n\n\
         What hosts do not know is as in the copy: whoever or whatever lost its rights since then has them again. Look, and\n\
         take back anew what should not be there:\n  \
         jit policy show          people who left, rules that changed\n  \
         jit role list            roles that were taken away\n  \
         jit token list           tokens that were revoked, and sign-ins\n  \
         jit hosts                hosts that were removed: name to `jit host remove` also those that joined after the copy and\n  \
                                  are not listed\n\
         Bound accounts are under People and Chats at /web. Links and tokens for hosts that were used up count again until they end.",
        ring.era.incarnation
    ));
    Ok(())
}

fn show(config: &Config, ring: &Ring, json: bool) -> Result<(), HubError> {
    let root = ServerKeys::of(config).authority()?.roots.fingerprint();
    let mut out = std::io::stdout().lock();
    let failed = || os("writing to standard output");
    if json {
        let shown = serde_json::json!({ "root": root, "ring": ring });
        return writeln!(out, "{shown}").map_err(failed());
    }
    let mut lines = vec![format!("root {root}"), format!("era  {}", ring.era), String::new()];
    lines.push(format!("{:<6} {:<17} {:<21} UNTIL", "SIGNS", "KEY", "SINCE"));
    for (what, keys) in [("grants", &ring.grant), ("views", &ring.view)] {
        for signer::Listed { key, since, until } in keys {
            let since = since.format("%F %R UTC").to_string();
            let until = until.map_or_else(|| "-".to_owned(), |until| until.format("%F %R UTC").to_string());
            lines.push(format!("{what:<6} {:<17} {since:<21} {until}", key.id().to_string()));
        }
    }
    writeln!(out, "{}", lines.join("\n")).map_err(failed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn of_two_threads_that_take_the_next_key_at_once_both_have_it() {
        let folder = tempfile::tempdir().unwrap();
        let keys = ServerKeys { folder: folder.path().to_owned() };
        put(&keys.path_of_view(), 0o600, &draw().unwrap().to_pem()).unwrap();
        for _ in 0..200 {
            let next = keys.draw_next().unwrap();
            let at_once = Barrier::new(2);
            let both = || {
                at_once.wait();
                keys.view(&[next]).map(|key| key.public()).map_err(|why| why.to_string())
            };
            let taken = std::thread::scope(|scope| {
                let other = scope.spawn(both);
                [both(), other.join().unwrap()]
            });
            assert_eq!(taken, [Ok(next), Ok(next)]);
        }
    }
}
