//! The keys that hosts believe. The root and the grant key are the signer's, the view key is the server's.

use crate::certificate::put;
use crate::config::Config;
use crate::error::{HubError, os};
use getrandom::fill;
use std::path::{Path, PathBuf};
use sync::{Authority, HubId, Roots, SecretKey, SignedAuthority};

/// Where the keys of a hub are.
pub struct Keys {
    root: PathBuf,
    grant: PathBuf,
    view: PathBuf,
    authority: PathBuf,
}

impl Keys {
    /// Those of this hub.
    pub fn of(config: &Config) -> Self {
        let signer = &config.signer.state;
        Self {
            root: signer.join("root.pem"),
            grant: signer.join("grant.pem"),
            view: config.state.join("view.pem"),
            authority: config.state.join("authority.json"),
        }
    }

    /// Makes those that are missing, and has the root sign which certificates hosts believe: those of the
    /// `authority` in PEM, or of the authorities that their own system trusts.
    pub fn make(&self, hub: HubId, authority: Option<String>) -> Result<(), HubError> {
        for path in [&self.root, &self.grant, &self.view] {
            if !path.exists() {
                let mut bytes = [0; 32];
                fill(&mut bytes).map_err(|why| HubError::Keys(format!("drawing a key: {why}")))?;
                put(path, 0o600, &SecretKey::from_random(&bytes).to_pem())?;
            }
        }
        if !self.authority.exists() {
            let root = read(&self.root)?;
            let authority = Authority { hub, certificate: authority };
            let signed = authority.sign(Roots::one(root.public()), &root);
            let text = serde_json::to_string(&signed).map_err(|why| HubError::Keys(why.to_string()))?;
            put(&self.authority, 0o644, &text)?;
        }
        Ok(())
    }

    /// The root's, for the signer alone.
    pub fn root(&self) -> Result<SecretKey, HubError> {
        read(&self.root)
    }

    /// The one that signs grants, for the signer alone.
    pub fn grant(&self) -> Result<SecretKey, HubError> {
        read(&self.grant)
    }

    /// The one that signs views.
    pub fn view(&self) -> Result<SecretKey, HubError> {
        read(&self.view)
    }

    /// What hosts fetch before they trust anything here.
    pub fn authority(&self) -> Result<SignedAuthority, HubError> {
        let path = &self.authority;
        let text = std::fs::read_to_string(path).map_err(os(format!("reading {}", path.display())))?;
        serde_json::from_str(&text)
            .map_err(|why| HubError::Keys(format!("{} does not read: {why}", path.display())))
    }
}

fn read(path: &Path) -> Result<SecretKey, HubError> {
    let text = std::fs::read_to_string(path).map_err(os(format!("reading the key {}", path.display())))?;
    SecretKey::from_pem(&text).map_err(|why| HubError::Keys(format!("{}: {why}", path.display())))
}
