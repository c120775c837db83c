//! Lines to the local syslog daemon, from a thread of their own.
//!
//! A decision never waits for the log: lines go into a bounded queue, and when the syslog daemon does not
//! read for so long that the queue is full, further lines are counted. The count becomes a record of the
//! journal, and with it a line, once lines flow again; the journal itself has every record.
//!
//! A checkpoint is of use only where the syslog daemon has it: the thread says which was handed over last.

use crate::limits;
use journal::Checkpoint;
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
    // Room for all of them is made at once, so each is a pointer.
    queue: SyncSender<Box<Line>>,
    counts: Arc<Counts>,
}

struct Line {
    level: Level,
    text: String,
    /// The place of the checkpoint that the line is.
    checkpoint: Option<u64>,
}

#[derive(Default)]
struct Counts {
    /// Lines that are not out yet.
    waiting: AtomicU64,
    /// Lines that found the queue full.
    dropped: AtomicU64,
    /// What `dropped` was when a line went out last.
    dropped_before: AtomicU64,
    /// The place of the newest checkpoint that went out.
    witnessed: AtomicU64,
}

impl Log {
    /// A log of `daemon`, as lines are tagged, that writes to the syslog daemon behind this socket, whenever
    /// there is one.
    pub fn to(socket: &Path, daemon: &'static str) -> std::io::Result<Self> {
        let (queue, lines) = sync_channel(limits::QUEUE);
        let counts = Arc::new(Counts::default());
        let writer = Writer { socket: socket.into(), daemon, lines, counts: Arc::clone(&counts) };
        std::thread::Builder::new().name("log".into()).spawn(move || writer.run())?;
        Ok(Self { queue, counts })
    }

    /// Queues a line; counts it when the queue is full. Never blocks.
    pub fn put(&self, level: Level, mut text: String) {
        text.retain(|c| !c.is_control());
        if text.len() > limits::LINE {
            text.truncate(text.floor_char_boundary(limits::LINE));
        }
        self.queue(Line { level, text, checkpoint: None });
    }

    /// Queues the line of a checkpoint.
    pub fn checkpoint(&self, checkpoint: Checkpoint) {
        let line =
            Line { level: Level::Info, text: checkpoint.to_string(), checkpoint: Some(checkpoint.0.seq) };
        self.queue(line);
    }

    fn queue(&self, line: Line) {
        self.counts.waiting.fetch_add(1, Ordering::Relaxed);
        if self.queue.try_send(Box::new(line)).is_err() {
            self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The place of the newest checkpoint that the syslog daemon took; 0 where there is none yet.
    pub fn witnessed(&self) -> u64 {
        self.counts.witnessed.load(Ordering::Acquire)
    }

    /// Waits until every line is out, at most [`limits::FLUSH`]: for a daemon that stops.
    pub fn flush(&self) {
        let deadline = Instant::now() + limits::FLUSH;
        while self.counts.waiting.load(Ordering::Relaxed) > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lines that were dropped since the daemon started.
    pub fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }

    /// Those of them that lines have flowed after. While none do, to tell of the loss would only add to it.
    pub fn dropped_before(&self) -> u64 {
        self.counts.dropped_before.load(Ordering::Relaxed)
    }
}

struct Writer {
    socket: PathBuf,
    daemon: &'static str,
    lines: Receiver<Box<Line>>,
    counts: Arc<Counts>,
}

impl Writer {
    fn run(self) {
        let mut logger = None;
        while let Ok(line) = self.lines.recv() {
            self.deliver(&mut logger, line.level, &line.text);
            if let Some(seq) = line.checkpoint {
                self.counts.witnessed.store(seq, Ordering::Release);
            }
            let dropped = self.counts.dropped.load(Ordering::Relaxed);
            self.counts.dropped_before.store(dropped, Ordering::Relaxed);
            self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Tries until the line is out. A syslog daemon that is away is tried again ever more slowly; one
    /// that is stopped blocks this thread alone.
    fn deliver(&self, logger: &mut Option<Logger<LoggerBackend, Formatter3164>>, level: Level, line: &str) {
        let (mut wait, longest) = limits::RETRY;
        loop {
            if logger.is_none() {
                *logger = syslog::unix_custom(formatter(self.daemon), &self.socket).ok();
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

fn formatter(daemon: &str) -> Formatter3164 {
    Formatter3164 {
        facility: Facility::LOG_AUTHPRIV,
        hostname: None,
        process: daemon.to_owned(),
        pid: std::process::id(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Shutdown;
    use std::os::unix::net::UnixDatagram;

    fn receive(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 4096];
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    /// The syslog daemon is away. To close its socket would not do: a child that another test starts holds it open until it is
    /// another program, and what is sent meanwhile is lost with it.
    fn end(socket: &UnixDatagram, path: &Path) {
        socket.shutdown(Shutdown::Both).unwrap();
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_line_is_one_datagram_of_facility_authpriv_and_the_tag_of_its_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let socket = UnixDatagram::bind(&path).unwrap();
        let log = Log::to(&path, "jitd").unwrap();
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
        let log = Log::to(&path, "jitd").unwrap();
        log.put(Level::Info, "one".into());
        log.put(Level::Info, "two".into());
        let socket = UnixDatagram::bind(&path).unwrap();
        assert!(receive(&socket).ends_with("one"));
        assert!(receive(&socket).ends_with("two"));
        end(&socket, &path);
        log.put(Level::Info, "three".into());
        let socket = UnixDatagram::bind(&path).unwrap();
        assert!(receive(&socket).ends_with("three"));
    }

    #[test]
    fn a_stopped_syslog_daemon_costs_lines_and_never_time_and_the_loss_is_known_once_lines_flow() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = Log::to(&path, "jitd").unwrap();
        for n in 0..limits::QUEUE * 2 {
            log.put(Level::Info, format!("line {n}"));
        }
        let dropped = log.dropped();
        assert!(dropped > 0);
        assert_eq!(log.dropped_before(), 0, "nothing flows yet");
        let socket = UnixDatagram::bind(&path).unwrap();
        receive(&socket);
        // By the time that the second line comes, the first is counted.
        receive(&socket);
        assert_eq!(log.dropped_before(), dropped);
    }

    #[test]
    fn a_checkpoint_is_witnessed_once_the_syslog_daemon_has_it_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = Log::to(&path, "jitd").unwrap();
        let checkpoint =
            |seq| Checkpoint(journal::Head { log: journal::LogId([7; 16]), seq, hash: journal::Hash::NONE });
        log.checkpoint(checkpoint(256));
        log.put(Level::Info, "after".into());
        assert_eq!(log.witnessed(), 0);
        let socket = UnixDatagram::bind(&path).unwrap();
        assert!(receive(&socket).ends_with(&checkpoint(256).to_string()));
        receive(&socket);
        assert_eq!(log.witnessed(), 256);
        end(&socket, &path);
        // Until the thread has one in its hands and the queue is full.
        while log.counts.waiting.load(Ordering::Relaxed) <= limits::QUEUE as u64 {
            log.put(Level::Info, "a flood".into());
        }
        let dropped = log.dropped();
        log.checkpoint(checkpoint(512));
        assert_eq!(log.dropped(), dropped + 1, "its line found no room");
        let socket = UnixDatagram::bind(&path).unwrap();
        while log.counts.waiting.load(Ordering::Relaxed) > 1 {
            receive(&socket);
        }
        assert_eq!(log.witnessed(), 256, "what was dropped witnesses nothing");
    }
}
