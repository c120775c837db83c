//! `jit-hub publish`: what each host must hold, signed like its stream, as a file for any web server or folder. It reads
//! the database and has a key for views, and so can do no more than a feed.

use crate::config::{Config, Role};
use crate::error::{HubError, os};
use crate::feed::{message, rows};
use crate::following::behind;
use crate::keys::ServerKeys;
use crate::postgres::Pool;
use crate::voice::Voice;
use crate::{clock, feeder, limits, say, serve, teller};
use access::{HostName, Time};
use chrono::TimeDelta;
use desk::DeskError;
use loglines::{Faults, Level, Log, Tells};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;
use store::Reader;
use sync::{Digest, Era, Message};

/// How a file of a host ends.
const ENDING: &str = "json";

/// Writes a file for each host into this folder; with `watch` again whenever one changes, until it is told to stop.
pub fn publish(config: &Config, folder: &Path, watch: bool) -> Result<(), HubError> {
    let good_for = if watch { limits::PUBLISHED_FRESH } else { sync::limits::FRESH };
    let mut publisher = Publisher::open(config, folder, good_for)?;
    let written = publisher.round()?;
    say(&format!("{} has the files of {written} hosts", folder.display()));
    if !watch {
        return Ok(());
    }
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let log = Log::to(&config.syslog.socket, "jit-hub").map_err(os("starting the log's thread"))?;
    let mut faults = Faults::default();
    loop {
        std::thread::sleep(limits::LOOK);
        let done = publisher.round();
        match (faults.take("publishing", done.is_ok(), Instant::now()), done) {
            (Tells::Fails, Err(why)) => {
                let what = "hosts that read files hear of nothing new meanwhile";
                log.put(Level::Err, format!("publishing into {}: {why}; {what}", folder.display()));
            }
            (Tells::Works, _) => log.put(Level::Notice, "publishing works again".to_owned()),
            _ => {}
        }
    }
}

/// What writes files.
struct Publisher {
    reader: Reader,
    keys: ServerKeys,
    /// The fingerprint of the root, and whether keys are told by desks in the database.
    root: Digest,
    told: bool,
    folder: PathBuf,
    good_for: TimeDelta,
    /// What was looked at last, and when all files were written.
    seen: Option<(Seen, Time)>,
}

/// What tells that some file should be another.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    revision: u64,
    hosts: u64,
    era: Era,
}

impl Publisher {
    fn open(config: &Config, folder: &Path, good_for: TimeDelta) -> Result<Self, HubError> {
        if !folder.is_dir() {
            return Err(HubError::Database(format!(
                "{} is no folder: make it, for the user that publishes to write and the web server to read",
                folder.display()
            )));
        }
        serve::is_set_up(config)?;
        let (keys, told) = (ServerKeys::of(config), config.role == Role::Feed);
        let reader = match &config.database.url {
            Some(_) => Reader::over(Pool::of(feeder::place(config)?)),
            None => Reader::from(store::read_only(&config.file().path)?),
        };
        let root = if told {
            reader.read(feeder::reads_alone)?;
            reader.read(|sql| feeder::common(sql, "root"))?
        } else {
            keys.authority()?.roots.fingerprint()
        };
        Ok(Self { reader, keys, root, told, folder: folder.to_owned(), good_for, seen: None })
    }

    /// What views are signed by: the keys that a hub has spoken by already.
    fn voice(&self) -> Result<Voice, HubError> {
        if self.told {
            return self.reader.read(|sql| teller::told(sql, &self.keys, &self.root));
        }
        Voice::of(self.keys.manifest()?, &self.keys, &self.root, false)
    }

    /// Writes what changed, and all of it now and then, so that it stays fresh. How many files.
    fn round(&mut self) -> Result<usize, HubError> {
        let (now, voice) = (clock::wall(), self.voice()?);
        if now >= voice.manifest.expires {
            return Err(HubError::Keys(
                "the keys that hosts believe are over: start jit-hub and its signer".to_owned(),
            ));
        }
        let era = voice.manifest.era;
        if let Some(later) = self.reader.read(rows::era)?.filter(|later| *later > era) {
            return Err(HubError::Keys(behind(later)));
        }
        let (revision, hosts) =
            self.reader.read(|sql| Ok::<_, DeskError>((rows::revision(sql)?, rows::count(sql)?)))?;
        let seen = Seen { revision, hosts, era };
        let (before, all_at) = match self.seen {
            Some((before, all_at)) => (Some(before), all_at),
            None => (None, now),
        };
        let is_old = now - all_at >= limits::PUBLISHED_EVERY || now < all_at;
        let all = is_old
            || before.is_none_or(|before| {
                (before.hosts, before.era) != (hosts, era) || revision < before.revision
            });
        let which: BTreeSet<HostName> = match before.filter(|_| !all) {
            Some(before) if before == seen => return Ok(0),
            // What else raised it is told to all before long.
            Some(before) => {
                self.reader.read(|sql| rows::hosts_since(sql, before.revision))?.into_iter().collect()
            }
            None => self.reader.read(rows::names)?,
        };
        let names = if all { which.clone() } else { self.reader.read(rows::names)? };
        // One host that cannot be written for keeps no other from its file, and is tried again at the next look.
        let mut failed = Ok(());
        for host in which.intersection(&names) {
            failed = failed.and(self.write(host, &voice, now));
        }
        if all {
            self.clear(&names)?;
        }
        failed?;
        self.seen = Some((seen, if all { now } else { all_at }));
        Ok(which.len())
    }

    /// Writes the file of one host, whole or not at all. One that a power cut takes is written again, and no host believes
    /// half of it.
    fn write(&self, host: &HostName, voice: &Voice, now: Time) -> Result<(), HubError> {
        let truth = self.reader.read(|sql| rows::truth(sql, host))?;
        let hub = voice.manifest.hub.clone();
        let (message, _) = message(hub, voice, host, &truth, &BTreeSet::new(), (now, now + self.good_for));
        let mut bytes = Vec::new();
        message.write_with(&voice.told, &mut bytes);
        if bytes.len() > sync::limits::MESSAGE {
            return Err(HubError::Database(format!(
                "what host {host} must hold is {} bytes, and it takes {} at most",
                bytes.len(),
                sync::limits::MESSAGE
            )));
        }
        let (path, beside) = (self.path(host), self.folder.join(format!(".{host}.new")));
        let failed = || os(format!("writing {}", path.display()));
        // What is there was left by one that broke off, or put there by somebody else to be written through.
        match std::fs::remove_file(&beside) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(failed()(why)),
            _ => {}
        }
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o644).open(&beside).map_err(failed())?;
        file.write_all(&bytes).map_err(failed())?;
        std::fs::rename(&beside, &path).map_err(failed())
    }

    fn path(&self, host: &HostName) -> PathBuf {
        self.folder.join(format!("{host}.{ENDING}"))
    }

    /// Takes the files of hosts away that are none any more; nothing else that lies there.
    fn clear(&self, names: &BTreeSet<HostName>) -> Result<(), HubError> {
        let failed = || os(format!("reading the folder {}", self.folder.display()));
        for entry in std::fs::read_dir(&self.folder).map_err(failed())? {
            let path = entry.map_err(failed())?.path();
            let name =
                path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| HostName::parse(stem).ok());
            let Some(host) = name.filter(|name| path == self.path(name) && !names.contains(name)) else {
                continue;
            };
            if is_ours(&path) {
                std::fs::remove_file(&path).map_err(os(format!("removing the file of host {host}")))?;
            }
        }
        Ok(())
    }
}

/// Whether a file is one that was published.
fn is_ours(path: &Path) -> bool {
    let Ok(file) = std::fs::File::open(path) else { return false };
    let mut bytes = Vec::new();
    let read = file.take(sync::limits::MESSAGE as u64 + 1).read_to_end(&mut bytes);
    read.is_ok() && serde_json::from_slice::<Message>(&bytes).is_ok()
}
