//! A file of one's own that leads a browser to a page, so that its address is on no command line.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The file, in a folder of its own, for as long as this lives.
pub struct Leading(PathBuf);

impl Leading {
    /// One that leads to this page, below `$XDG_RUNTIME_DIR` or where temporary files are.
    pub fn to(page: &str) -> std::io::Result<Self> {
        let runtime =
            std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
        Self::below(&runtime.unwrap_or_else(std::env::temp_dir), page)
    }

    fn below(folder: &Path, page: &str) -> std::io::Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(std::io::Error::other)?;
        let own = folder.join(format!("jit-login-{}", URL_SAFE_NO_PAD.encode(random)));
        DirBuilder::new().mode(0o700).create(&own)?;
        let leading = Self(own.join("jit.html"));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(leading.path())?;
        file.write_all(html(page).as_bytes())?;
        Ok(leading)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Leading {
    fn drop(&mut self) {
        // What is left of it leads to a page that nobody waits behind any more.
        let _ = std::fs::remove_file(&self.0);
        let _ = self.0.parent().map(std::fs::remove_dir);
    }
}

fn html(page: &str) -> String {
    let page = page.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<!DOCTYPE html><meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\"><title>jit login</title>\
         <meta http-equiv=\"refresh\" content=\"0; url={page}\"><a href=\"{page}\">To the hub</a>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_file_is_of_one_person_alone_and_goes_with_the_wait() {
        let folder = tempfile::tempdir().unwrap();
        let page = "https://hub/web/login?port=1&state=\"><script>";
        let leading = Leading::below(folder.path(), page).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(leading.path()), mode(leading.path().parent().unwrap())), (0o600, 0o700));
        let text = std::fs::read_to_string(leading.path()).unwrap();
        assert!(
            text.contains("url=https://hub/web/login?port=1&amp;state=&quot;&gt;&lt;script&gt;\""),
            "{text}"
        );
        drop(leading);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
