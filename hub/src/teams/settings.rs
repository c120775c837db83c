//! `[teams]` of `hub.toml`: which bot this is, and where Microsoft answers.

use super::address::Base;
use crate::secret_file;
use serde::Deserialize;
use settings::Wrong;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Where tokens for calls to Microsoft come from, for a tenant.
const TOKENS: &str = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token";

/// Where Microsoft says by which keys it signs what it sends.
const OPENID: &str = "https://login.botframework.com/v1/.well-known/openidconfiguration";

/// Who sends what comes from Teams.
const SERVICE: &str = "smba.trafficmanager.net";

/// The section.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The tenant whose people may talk to the bot, a GUID.
    pub tenant: String,
    /// The application (client) id of the bot, a GUID.
    pub app_id: String,
    /// The file of its client secret.
    pub secret: PathBuf,
    /// Where tokens for calls to Microsoft come from.
    #[serde(default)]
    pub token_url: Option<String>,
    /// The OpenID metadata of the Bot Connector.
    #[serde(default)]
    pub openid_url: Option<String>,
    /// Hosts, with a port where that is not the usual one, that the bot believes in and answers to.
    #[serde(default = "service_hosts")]
    pub service_hosts: Vec<String>,
}

fn service_hosts() -> Vec<String> {
    vec![SERVICE.to_owned()]
}

impl Settings {
    /// What types cannot tell.
    pub fn check(&self) -> Result<(), Wrong> {
        for (key, value) in [("teams.tenant", &self.tenant), ("teams.app_id", &self.app_id)] {
            if !is_guid(value) {
                let what = format!(
                    "{value:?} is no id: copy it from the overview of the app registration, where it is like \
                     11111111-2222-3333-4444-555555555555"
                );
                return Err(Wrong::new(key, what));
            }
        }
        Wrong::unless_absolute("teams.secret", &self.secret)?;
        for (key, url) in [("teams.token_url", self.tokens()), ("teams.openid_url", self.openid().to_owned())]
        {
            Base::parse(&url).map_err(|why| Wrong::new(key, why))?;
        }
        let hosts = |what: String| Wrong::new("teams.service_hosts", what);
        if self.service_hosts.is_empty() {
            return Err(hosts(format!("without any nothing is believed: write [\"{SERVICE}\"]")));
        }
        match self
            .service_hosts
            .iter()
            .find(|host| host.contains(['/', '*', '@', ' ']) || host.is_empty() || host.ends_with(":443"))
        {
            Some(wrong) => Err(hosts(format!(
                "{wrong:?} is no host: write it as {SERVICE}, without a scheme, path or usual port"
            ))),
            None => Ok(()),
        }
    }

    /// Where tokens for calls to Microsoft come from.
    pub fn tokens(&self) -> String {
        self.token_url.clone().unwrap_or_else(|| TOKENS.replace("{tenant}", &self.tenant))
    }

    /// The OpenID metadata of the Bot Connector.
    pub fn openid(&self) -> &str {
        self.openid_url.as_deref().unwrap_or(OPENID)
    }

    /// Whether the bot believes in what says that it comes from there, and may answer to it.
    pub fn serves(&self, service_url: &str) -> bool {
        let Ok(base) = Base::parse(service_url) else { return false };
        self.service_hosts.iter().any(|host| host.eq_ignore_ascii_case(base.authority()))
    }

    /// The client secret, from a file that nobody else can read.
    pub fn read_secret(&self) -> Result<Zeroizing<String>, String> {
        secret_file::read(&self.secret).map_err(|why| format!("teams.secret: {why}"))
    }
}

/// `[[teams_webhook]]`: an outgoing webhook of a team.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outgoing {
    /// What it is known by here, and called at.
    pub name: String,
    /// The tenant that its team is of, a GUID.
    pub tenant: String,
    /// The file of the key that Teams showed when it was made.
    pub key: PathBuf,
}

impl Outgoing {
    /// What types cannot tell of the one at this place of the file.
    pub fn check(&self, place: usize) -> Result<(), Wrong> {
        let Self { tenant, key, .. } = self;
        if !is_guid(tenant) {
            let what = format!(
                "{tenant:?} is no id: copy it from the overview of Microsoft Entra, where it is like \
                 11111111-2222-3333-4444-555555555555"
            );
            return Err(Wrong::new(format!("teams_webhook.{place}.tenant"), what));
        }
        Wrong::unless_absolute(format!("teams_webhook.{place}.key"), key)
    }
}

/// Whether this is a GUID as Microsoft writes them.
pub fn is_guid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "11111111-2222-3333-4444-555555555555";

    fn settings(more: &str) -> Result<(), String> {
        let text = format!("tenant = \"{ID}\"\napp_id = \"{ID}\"\nsecret = \"/s\"\n{more}");
        toml::from_str::<Settings>(&text)
            .map_err(|why| why.to_string())?
            .check()
            .map_err(|why| why.to_string())
    }

    #[test]
    fn what_is_written_is_looked_at_before_anything_is_asked() {
        settings("").unwrap();
        settings("token_url = \"http://127.0.0.1:9/t\"\nservice_hosts = [\"127.0.0.1:9\"]").unwrap();
        for (more, key) in [
            ("token_url = \"http://login.example.org/t\"", "teams.token_url"),
            ("openid_url = \"login.botframework.com\"", "teams.openid_url"),
            ("service_hosts = []", "teams.service_hosts"),
            ("service_hosts = [\"https://smba.trafficmanager.net\"]", "teams.service_hosts"),
            ("service_hosts = [\"*\"]", "teams.service_hosts"),
            ("service_hosts = [\"smba.trafficmanager.net:443\"]", "teams.service_hosts"),
        ] {
            let said = settings(more).unwrap_err();
            assert!(said.starts_with(key), "{more}: {said}");
        }
        let other = format!("tenant = \"contoso.com\"\napp_id = \"{ID}\"\nsecret = \"/s\"");
        let said = toml::from_str::<Settings>(&other).unwrap().check().unwrap_err().to_string();
        assert!(said.starts_with("teams.tenant"), "{said}");
    }
}
