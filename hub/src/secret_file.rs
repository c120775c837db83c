//! Secrets of the hub's at others: each in a file that nobody else may read, never in the configuration itself.

use crate::limits;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use zeroize::Zeroizing;

/// What is in this file, without the space around it.
pub fn read(path: &Path) -> Result<Zeroizing<String>, String> {
    let at = path.display();
    let cannot = |why: std::io::Error| format!("reading {at}: {why}");
    let file = std::fs::File::open(path).map_err(cannot)?;
    let mode = file.metadata().map_err(cannot)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "{at} has mode {mode:04o}, so others can read it: run `chmod 0600 {at}`, and have another made where they may \
             have"
        ));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(limits::SECRET).read_to_string(&mut text).map_err(cannot)?;
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(format!("{at} is empty: write the secret into it"));
    }
    Ok(Zeroizing::new(trimmed.to_owned()))
}
