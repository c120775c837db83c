//! Where a hub's files are.

use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where files are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Place {
    /// Below this URL.
    Web(String),
    /// In this folder.
    Folder(PathBuf),
}

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some(folder) =
            text.strip_prefix("file://").map(Path::new).filter(|folder| folder.is_absolute())
        {
            return Ok(Self::Folder(folder.to_owned()));
        }
        let is_web = text.starts_with("https://") && url::Url::parse(&text).is_ok_and(|url| url.has_host());
        if is_web && !text.contains(['?', '#']) {
            return Ok(Self::Web(text.trim_end_matches('/').to_owned()));
        }
        Err(format!(
            "\"{text}\" is no place of files: write https://files.example.org/jit or file:///srv/jit"
        ))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Web(url) => f.write_str(url),
            Self::Folder(path) => write!(f, "file://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Result<Place, String> {
        Place::try_from(text.to_owned())
    }

    #[test]
    fn a_place_is_a_folder_or_a_web_server_by_tls_and_nothing_else() {
        assert_eq!(place("file:///srv/jit"), Ok(Place::Folder("/srv/jit".into())));
        assert_eq!(
            place("https://files.example.org/jit/"),
            Ok(Place::Web("https://files.example.org/jit".into()))
        );
        let wrong = [
            "",
            "/srv/jit",
            "file://srv/jit",
            "http://files.example.org",
            "https://",
            "https://a/b?c",
            "ftp://a/b",
        ];
        for text in wrong {
            assert!(
                place(text).unwrap_err().contains("write https://files.example.org/jit or file:///srv/jit"),
                "{text}"
            );
        }
    }
}
