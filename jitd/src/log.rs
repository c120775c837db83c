//! Lines to the local syslog daemon, from a thread of their own.
//!
//! A decision never waits for the log: lines go into a bounded queue, and when the syslog daemon does not
//! read for so long that the queue is full, further lines are counted. The count is told in the log and
//! in the journal once lines flow again; the journal itself has every record.

use crate::limits;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use syslog::{Facility, Formatter3164, Logger, LoggerBackend};

/// How loud a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Somebody must look.
    Err,
    /// Somebody should look.
    Warning,
    /// A refusal or a change.
    Notice,
    /// A matter of course.
    Info,
}

/// Takes lines for the log. Cheap to clone.
#[derive(Clone)]
pub struct Log {
    queue: SyncSender<(Level, String)>,
    dropped: Arc<AtomicU64>,
    waiting: Arc<AtomicU64>,
}

impl Log {
    /// A log that writes to the syslog daemon behind this socket, whenever there is one.
    pub fn to(socket: &Path) -> std::io::Result<Self> {
        let (queue, lines) = sync_channel(limits::LOG_QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let waiting = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            socket: socket.into(),
            lines,
            dropped: Arc::clone(&dropped),
            waiting: Arc::clone(&waiting),
            told: 0,
        };
        std::thread::Builder::new().name("log".into()).spawn(move || writer.run())?;
        Ok(Self { queue, dropped, waiting })
    }

    /// Queues a line; counts it when the queue is full. Never blocks.
    pub fn put(&self, level: Level, mut line: String) {
        line.retain(|c| !c.is_control());
        if line.len() > limits::LOG_LINE {
            line.truncate(line.floor_char_boundary(limits::LOG_LINE));
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.queue.try_send((level, line)).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until every line is out, at most [`limits::LOG_FLUSH`]: for a daemon that stops.
    pub fn flush(&self) {
        let deadline = Instant::now() + limits::LOG_FLUSH;
        while self.waiting.load(Ordering::Relaxed) > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lines that were dropped since the daemon started.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

struct Writer {
    socket: PathBuf,
    lines: Receiver<(Level, String)>,
    dropped: Arc<AtomicU64>,
    waiting: Arc<AtomicU64>,
    told: u64,
}

impl Writer {
    fn run(mut self) {
        let mut logger = None;
        while let Ok((level, line)) = self.lines.recv() {
            self.deliver(&mut logger, level, &line);
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            let dropped = self.dropped.load(Ordering::Relaxed);
            if dropped > self.told {
                let line = format!(
                    "mark=lines_dropped detail=\"{} log lines were dropped; the journal has them\"",
                    dropped - self.told
                );
                self.deliver(&mut logger, Level::Err, &line);
                self.told = dropped;
            }
        }
    }

    /// Tries until the line is out. A syslog daemon that is away is tried again ever more slowly; one
    /// that is stopped blocks this thread alone.
    fn deliver(&self, logger: &mut Option<Logger<LoggerBackend, Formatter3164>>, level: Level, line: &str) {
        let (mut wait, longest) = limits::LOG_RETRY;
        loop {
            if logger.is_none() {
                *logger = syslog::unix_custom(formatter(), &self.socket).ok();
            }
            if let Some(open) = logger {
                let sent = match level {
                    Level::Err => open.err(line),
                    Level::Warning => open.warning(line),
                    Level::Notice => open.notice(line),
                    Level::Info => open.info(line),
                };
                if sent.is_ok() {
                    return;
                }
                *logger = None;
            }
            std::thread::sleep(wait);
            wait = (wait * 2).min(longest);
        }
    }
}

fn formatter() -> Formatter3164 {
    Formatter3164 {
        facility: Facility::LOG_AUTHPRIV,
        hostname: None,
        process: "jitd".to_owned(),
        pid: std::process::id(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    fn receive(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 4096];
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_line_is_one_datagram_of_facility_authpriv_and_tag_jitd() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let socket = UnixDatagram::bind(&path).unwrap();
        let log = Log::to(&path).unwrap();
        log.put(Level::Notice, "decision=deny\nfaked=1".into());
        let line = receive(&socket);
        // authpriv (10) * 8 + notice (5)
        assert!(line.starts_with("<85>"), "{line}");
        assert!(line.ends_with(&format!("jitd[{}]: decision=denyfaked=1", std::process::id())), "{line}");
    }

    #[test]
    fn lines_of_the_time_without_a_syslog_daemon_arrive_when_it_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = Log::to(&path).unwrap();
        log.put(Level::Info, "one".into());
        log.put(Level::Info, "two".into());
        let socket = UnixDatagram::bind(&path).unwrap();
        assert!(receive(&socket).ends_with("one"));
        assert!(receive(&socket).ends_with("two"));
        drop(socket);
        std::fs::remove_file(&path).unwrap();
        log.put(Level::Info, "three".into());
        let socket = UnixDatagram::bind(&path).unwrap();
        assert!(receive(&socket).ends_with("three"));
    }

    #[test]
    fn a_stopped_syslog_daemon_costs_lines_and_never_time_and_the_loss_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let socket = UnixDatagram::bind(&path).unwrap();
        let log = Log::to(&path).unwrap();
        let many = limits::LOG_QUEUE * 2;
        for n in 0..many {
            log.put(Level::Info, format!("line {n}"));
        }
        assert!(log.dropped() > 0);
        let told = std::iter::repeat_with(|| receive(&socket))
            .take(many)
            .find(|line| line.contains("mark=lines_dropped"));
        assert!(told.is_some_and(|line| line.contains("log lines were dropped")));
    }
}
