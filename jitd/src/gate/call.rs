//! One connection to the gate, from its question to its answer.

use frame::Answer;
use loglines::{Level, Log};
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Who waits for an answer. It is given once: whoever comes first gives it.
pub struct Call {
    /// The process that asks, as the kernel numbers it here.
    pub pid: i32,
    /// When it must be answered: every wait for its sake counts.
    pub by: Instant,
    stream: Mutex<Option<UnixStream>>,
}

impl Call {
    /// The call of this process.
    pub fn of(pid: i32, by: Instant, stream: UnixStream) -> Self {
        Self { pid, by, stream: Mutex::new(Some(stream)) }
    }

    /// How long there is to answer it.
    pub fn left(&self) -> Duration {
        self.by.saturating_duration_since(Instant::now())
    }

    /// Answers it, unless it is answered. Whether this did.
    pub fn end(&self, answer: &Answer, log: &Log) -> bool {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut stream) = stream else { return false };
        match answer.encode() {
            // A caller that is gone has been refused by its own deadline.
            Ok(bytes) => drop(stream.write_all(&bytes)),
            Err(why) => log.put(Level::Err, format!("gate: an answer cannot be written: {why}")),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn a_call_has_one_answer_whoever_gives_it() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::to(&folder.path().join("log"), "jitd").unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let call = Call::of(1, Instant::now(), ours);
        let question = frame::Question::at_sshd(frame::Phase::Account, "alice");
        let answer = |reason| crate::gate::reply(&question, reason, None, String::new());
        let (first, second) = (answer(access::Reason::JournalFailed), answer(access::Reason::Granted));
        assert_eq!([call.end(&first, &log), call.end(&second, &log)], [true, false]);
        let mut read = Vec::new();
        theirs.read_to_end(&mut read).unwrap();
        assert_eq!(read, first.encode().unwrap());
    }
}
