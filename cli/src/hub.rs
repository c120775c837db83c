//! Which hub one is logged in to: `jit login`, `jit logout`, and where commands go.

use crate::arguments::LogIn;
use crate::output::Output;
use crate::{CliError, limits, login};
use api::{Client, Door, Status};
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The daemon of this machine.
pub const SOCKET: &str = "/run/jitd/control.sock";

/// `hub.toml`. Whoever can read it can do what the token can.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    url: String,
    token: String,
    /// The authority that the hub's certificate must be of, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca: Option<String>,
}

impl Kept {
    fn client(&self) -> Result<Client, CliError> {
        Ok(Client::on_hub(&self.url, &self.token, self.ca.as_deref())?)
    }
}

/// A client of the daemon on `socket`, or of the hub that one is logged in to, or of this machine's daemon.
pub fn client(socket: Option<&Path>) -> Result<Client, CliError> {
    if let Some(socket) = socket {
        return Ok(Client::on_socket(socket)?);
    }
    // Somebody without a home has logged in nowhere.
    let kept = path().map(|path| read(&path)).transpose()?.flatten();
    kept.map_or_else(|| Ok(Client::on_socket(Path::new(SOCKET))?), |kept| kept.client())
}

/// Whether commands go to a hub.
pub fn is_meant(socket: Option<&Path>) -> bool {
    client(socket).is_ok_and(|client| matches!(client.door(), Door::Hub(_)))
}

/// A client of the daemon of this machine, whichever hub one is logged in to.
pub fn here(socket: Option<&Path>) -> Result<Client, CliError> {
    Ok(Client::on_socket(socket.unwrap_or(Path::new(SOCKET)))?)
}

/// The file, in the folder of the XDG base directory specification.
fn path() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(folder.join("jit/hub.toml"))
}

fn wrong(path: &Path, why: impl std::fmt::Display) -> CliError {
    CliError::HubFile { path: path.into(), why: why.to_string() }
}

fn read(path: &Path) -> Result<Option<Kept>, CliError> {
    let mut text = String::new();
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        // Who became somebody else and kept their folders has logged in nowhere either.
        Err(why)
            if matches!(
                why.kind(),
                ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied
            ) =>
        {
            return Ok(None);
        }
        Err(why) => return Err(wrong(path, why)),
    };
    let mode = file.metadata().map_err(|why| wrong(path, why))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(wrong(
            path,
            "others can read it, and the token in it: run `chmod 600` on it, and have the token revoked if they may have",
        ));
    }
    file.take(limits::HUB).read_to_string(&mut text).map_err(|why| wrong(path, why))?;
    let kept = toml::from_str(&text);
    kept.map(Some).map_err(|why| wrong(path, format!("{}: log in anew with `jit login`", why.message())))
}

pub fn log_in(log_in: &LogIn, out: &mut Output) -> Result<(), CliError> {
    let path = path().ok_or_else(|| CliError::Usage("there is no HOME to keep a hub.toml in".to_owned()))?;
    let ca = log_in.ca.as_deref().map(|path| crate::policy::text(path, limits::HUB)).transpose()?;
    let url = log_in.hub.trim_end_matches('/').to_owned();
    let token = if log_in.token_stdin {
        pasted()?
    } else {
        let stranger = Client::stranger_on_hub(&url, ca.as_deref())?;
        login::let_in(&stranger, &url, log_in, out)?
    };
    let kept = Kept { url, token, ca };
    // What does not work now is not kept.
    let status = kept.client()?.status()?;
    write(&path, &kept)?;
    out.say(&status, || said(&status, &kept.url))
}

/// A token from standard input.
fn pasted() -> Result<String, CliError> {
    let mut token = String::new();
    std::io::stdin()
        .take(limits::HUB)
        .read_to_string(&mut token)
        .map_err(|why| CliError::File { path: "standard input".into(), why })?;
    Ok(token.trim().to_owned())
}

fn said(status: &Status, url: &str) -> String {
    let roles = if status.roles.is_empty() { "no role".to_owned() } else { status.roles.join(", ") };
    format!("Logged in to {url} as {} ({roles}). Commands use this hub until `jit logout`.", status.you)
}

fn write(path: &Path, kept: &Kept) -> Result<(), CliError> {
    let failed = |why: std::io::Error| wrong(path, why);
    let folder = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    std::fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(failed)?;
    let text = toml::to_string(kept).map_err(|why| wrong(path, why))?;
    let beside = path.with_extension("new");
    // One that is left of a broken off try may be anybody's to read.
    match std::fs::remove_file(&beside) {
        Err(why) if why.kind() != ErrorKind::NotFound => return Err(failed(why)),
        _ => {}
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}

pub fn log_out(out: &mut Output) -> Result<(), CliError> {
    let gone = match path().map(|path| (std::fs::remove_file(&path), path)) {
        None => false,
        Some((Ok(()), _)) => true,
        Some((Err(why), _)) if why.kind() == ErrorKind::NotFound => false,
        Some((Err(why), path)) => return Err(wrong(&path, why)),
    };
    out.say(&serde_json::json!({ "logged_out": gone }), || {
        let words = if gone {
            "Logged out: commands go to this machine's daemon."
        } else {
            "You are logged in to no hub."
        };
        words.to_owned()
    })
}
