//! The app package: what Teams must know of the bot, and two pictures, in one file. The same configuration makes the same
//! bytes.

use crate::config::Config;
use crate::error::{HubError, os};
use serde_json::{Value, json};
use std::io::{Cursor, Write as _};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

const COLOUR: &[u8] = include_bytes!("color.png");
const OUTLINE: &[u8] = include_bytes!("outline.png");

/// Writes the package of this hub's bot into a new file.
pub fn write(config: &Config, file: &Path) -> Result<(), HubError> {
    let settings = config.teams.as_ref().ok_or_else(super::check::no_bot)?;
    let package = package(&manifest(&settings.app_id, &crate::serve::url(config)))
        .map_err(|why| HubError::Teams(format!("making the app package: {why}")))?;
    let doing = || os(format!("writing {}", file.display()));
    let mut new = std::fs::File::create_new(file).map_err(doing())?;
    new.write_all(&package).and_then(|()| new.sync_all()).map_err(doing())?;
    crate::say(&format!(
        "{} is the app package: upload it in the Teams admin centre, as docs/teams.md says",
        file.display()
    ));
    Ok(())
}

/// Its manifest (Microsoft Teams, "App manifest reference", version 1.17).
fn manifest(app_id: &str, url: &str) -> Value {
    let host =
        reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let command = |title: &str, description: &str| json!({"title": title, "description": description});
    json!({
        "$schema": "https://developer.microsoft.com/en-us/json-schemas/teams/v1.17/MicrosoftTeams.schema.json",
        "manifestVersion": "1.17",
        "version": env!("CARGO_PKG_VERSION"),
        // The bot's own id, so that a package made anew is the same app.
        "id": app_id,
        "developer": {
            "name": "jit",
            "websiteUrl": url,
            "privacyUrl": format!("{url}/web"),
            "termsOfUseUrl": format!("{url}/web")
        },
        "name": {"short": "jit", "full": "jit: access for a while"},
        "description": {
            "short": "Ask for access to Linux hosts, and approve it.",
            "full": "Requests for access come as cards: approve, deny or shorten them here. Each is worth what the policy of your hub says."
        },
        "icons": {"color": "color.png", "outline": "outline.png"},
        "accentColor": "#0B57B0",
        "bots": [{
            "botId": app_id,
            "scopes": ["personal", "team", "groupChat"],
            "supportsFiles": false,
            "isNotificationOnly": false,
            "commandLists": [{
                "scopes": ["personal", "team", "groupChat"],
                "commands": [
                    command("list", "What waits for you, and what you asked for"),
                    command("request", "Ask: ssh on db-1 for 2h because ..."),
                    command("status", "What you hold now"),
                    command("help", "What can be typed")
                ]
            }]
        }],
        "validDomains": [host]
    })
}

fn package(manifest: &Value) -> Result<Vec<u8>, String> {
    let text = serde_json::to_vec_pretty(manifest).map_err(|why| why.to_string())?;
    let mut package = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    for (name, bytes) in [("manifest.json", text.as_slice()), ("color.png", COLOUR), ("outline.png", OUTLINE)]
    {
        package.start_file(name, stored).map_err(|why| why.to_string())?;
        package.write_all(bytes).map_err(|why| why.to_string())?;
    }
    Ok(package.finish().map_err(|why| why.to_string())?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "11111111-2222-3333-4444-555555555555";

    #[test]
    fn the_same_bot_is_the_same_package_and_the_same_app() {
        let made = || package(&manifest(ID, "https://hub.example.org:8443")).unwrap();
        assert_eq!(made(), made());
        let manifest = manifest(ID, "https://hub.example.org:8443");
        assert_eq!((&manifest["id"], &manifest["bots"][0]["botId"]), (&json!(ID), &json!(ID)));
        assert_eq!(manifest["validDomains"], json!(["hub.example.org"]));
    }

    #[test]
    fn texts_are_as_short_as_teams_takes_them() {
        let manifest = manifest(ID, "https://hub.example.org");
        for (at, most) in [
            ("/name/short", 30),
            ("/name/full", 100),
            ("/description/short", 80),
            ("/description/full", 4000),
        ] {
            assert!(manifest.pointer(at).unwrap().as_str().unwrap().len() <= most, "{at}");
        }
        for command in manifest["bots"][0]["commandLists"][0]["commands"].as_array().unwrap() {
            assert!(
                command["title"].as_str().unwrap().len() <= 32
                    && command["description"].as_str().unwrap().len() <= 128
            );
        }
    }

    #[test]
    fn the_pictures_are_of_the_sizes_that_teams_wants() {
        for (picture, side) in [(COLOUR, 192u32), (OUTLINE, 32)] {
            assert_eq!(picture.get(..8).unwrap(), b"\x89PNG\r\n\x1a\n");
            assert_eq!(picture.get(16..24).unwrap(), [side.to_be_bytes(), side.to_be_bytes()].concat());
        }
    }
}
