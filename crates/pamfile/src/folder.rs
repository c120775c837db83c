//! The service files of a machine, by name.

use std::collections::BTreeMap;

/// Where libpam looks for service files; the first folder that has one counts (pam.conf(5)).
const FOLDERS: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];

/// Texts of service files by name, those of the first folder before those of the second.
#[derive(Clone, Debug, Default)]
pub struct Folder(pub BTreeMap<String, String>);

impl Folder {
    /// Where libpam looks, the first one first.
    pub const PLACES: [&'static str; 2] = FOLDERS;

    /// The text of a service, or of a file that a line includes by its name or path.
    pub fn text(&self, file: &str) -> Option<&str> {
        let name =
            FOLDERS.iter().find_map(|folder| file.strip_prefix(folder)?.strip_prefix('/')).unwrap_or(file);
        self.0.get(name).map(String::as_str)
    }

    /// The same with another text for one service.
    #[must_use]
    pub fn with(&self, service: &str, text: &str) -> Self {
        let mut texts = self.0.clone();
        texts.insert(service.to_owned(), text.to_owned());
        Self(texts)
    }
}
