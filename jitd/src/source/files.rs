//! What a hub signed for this host, as a file on a web server or in a folder: the same bytes as its stream, believed by the
//! same signatures. Whoever has the server can hide or delay, like a feed, and mint nothing.

use super::pace::part_of;
use crate::config::{Hub, Place};
use crate::limits;
use access::HostName;
use reqwest::StatusCode;
use reqwest::blocking::Client;
use reqwest::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use std::fmt;
use std::io::Read;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file of this host, and how it is read.
pub struct Files {
    place: Place,
    /// Its name there.
    name: String,
    every: Duration,
    ca: Option<PathBuf>,
}

/// What tells one state of the file from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// What the web server calls it (RFC 9110, section 8.8.3).
    Tag(HeaderValue),
    /// A file of a new name in its place has another number: the file system's, its time, and its bytes.
    File(u64, i64, i64, u64),
}

/// What was found.
#[derive(Debug)]
pub(super) enum Found {
    /// What was there before.
    Same,
    /// Something else, with its mark where there is one.
    Other(Vec<u8>, Option<Mark>),
}

impl Files {
    /// The one of this host.
    pub(super) fn of(place: &Place, host: &HostName, hub: &Hub) -> Self {
        let every = hub.every.delta().to_std().unwrap_or(limits::HUB_AGAIN.1);
        Self { place: place.clone(), name: format!("{host}.json"), every, ca: hub.ca.clone() }
    }

    /// What reads it.
    pub(super) fn reader(&self) -> Result<Reader<'_>, String> {
        let Place::Web(url) = &self.place else { return Ok(Reader { files: self, http: None }) };
        // Whoever was first has chosen the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = Client::builder();
        if let Some(path) = &self.ca {
            let doing = |why: String| format!("reading the authority in {}: {why}", path.display());
            let pem = std::fs::read(path).map_err(|why| doing(why.to_string()))?;
            let trusted =
                reqwest::Certificate::from_pem_bundle(&pem).map_err(|why| doing(why.to_string()))?;
            http = http.tls_certs_only(trusted);
        }
        let http = http
            .https_only(true)
            .connect_timeout(limits::HUB_CONNECT)
            .timeout(limits::HUB_SILENCE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|why| format!("preparing to read {url}: {why}"))?;
        Ok(Reader { files: self, http: Some(http) })
    }

    /// A pause until the next look: about as long as was said, and not for all hosts the same.
    pub(super) fn pause(&self) -> Duration {
        self.every * 4 / 5 + part_of(self.every * 2 / 5)
    }
}

impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.place, self.name)
    }
}

/// Reads the file of this host.
pub(super) struct Reader<'a> {
    files: &'a Files,
    /// For one on a web server.
    http: Option<Client>,
}

impl Reader<'_> {
    /// What is there, if that is not what was `before`.
    pub(super) fn look(&self, before: Option<&Mark>) -> Result<Found, String> {
        let doing = |why: String| format!("reading {}: {why}", self.files);
        match (&self.files.place, &self.http) {
            (Place::Folder(folder), _) => {
                in_folder(&folder.join(&self.files.name), before).map_err(|why| doing(why.to_string()))
            }
            (Place::Web(_), Some(http)) => self.on_web(http, before).map_err(doing),
            (Place::Web(_), None) => Err(doing("nothing reads web servers".to_owned())),
        }
    }

    fn on_web(&self, http: &Client, before: Option<&Mark>) -> Result<Found, String> {
        let mut call = http.get(self.files.to_string());
        if let Some(Mark::Tag(tag)) = before {
            call = call.header(IF_NONE_MATCH, tag);
        }
        let answer = call.send().map_err(|why| super::call::innermost(&why))?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if before.is_some() => return Ok(Found::Same),
            status => return Err(format!("the web server answers {status}")),
        }
        let mark = answer.headers().get(ETAG).cloned().map(Mark::Tag);
        Ok(Found::Other(capped(answer).map_err(|why| why.to_string())?, mark))
    }
}

fn in_folder(path: &Path, before: Option<&Mark>) -> std::io::Result<Found> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no file"));
    }
    let file = std::fs::File::open(path)?;
    let meta = file.metadata()?;
    let mark = Mark::File(meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.size());
    if before == Some(&mark) {
        return Ok(Found::Same);
    }
    Ok(Found::Other(capped(file)?, Some(mark)))
}

/// One byte more than a message can have is enough to know that it is none.
fn capped(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(sync::limits::MESSAGE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_once_another_is_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let (path, beside) = (folder.path().join("web-1.json"), folder.path().join("new"));
        let read = |before: Option<&Mark>| match in_folder(&path, before).unwrap() {
            Found::Same => None,
            Found::Other(bytes, mark) => Some((String::from_utf8(bytes).unwrap(), mark.unwrap())),
        };
        std::fs::write(&path, "one").unwrap();
        let (first, mark) = read(None).unwrap();
        assert_eq!((first.as_str(), read(Some(&mark))), ("one", None));
        std::fs::write(&beside, "two").unwrap();
        std::fs::rename(&beside, &path).unwrap();
        assert_eq!(read(Some(&mark)).unwrap().0, "two");
        assert!(in_folder(folder.path(), None).is_err(), "a folder is no file");
    }

    #[test]
    fn pauses_differ_and_are_about_as_long_as_was_said() {
        let hub = Hub::default();
        let files = Files::of(&Place::Folder("/srv/jit".into()), &HostName::parse("web-1").unwrap(), &hub);
        assert_eq!(files.to_string(), "file:///srv/jit/web-1.json");
        let pauses: Vec<Duration> = (0..50).map(|_| files.pause()).collect();
        let within = Duration::from_secs(48)..=Duration::from_secs(72);
        assert!(
            pauses.iter().all(|pause| within.contains(pause))
                && pauses.iter().any(|pause| *pause != pauses[0])
        );
    }
}
