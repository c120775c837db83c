//! Gates that answer as a test wants: well, badly, late or never.

use frame::{Answer, Offer, Question, Verdict};
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A gate on a socket in a folder that only root can write to.
pub struct Gate {
    path: PathBuf,
    asked: Receiver<Question>,
}

impl Gate {
    /// Answers every question with the bytes that `answer` makes of it, in one write.
    pub fn answering(folder: &Path, answer: impl Fn(&Question) -> Vec<u8> + Send + 'static) -> Self {
        Self::doing(folder, move |stream, question| {
            // The module may have given up already.
            let _ = stream.write_all(&answer(question));
        })
    }

    /// Does anything at all with a caller's connection, after its question is read.
    pub fn doing(folder: &Path, serve: impl Fn(&mut UnixStream, &Question) + Send + 'static) -> Self {
        let path = folder.join("gate.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let (tell, asked) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let Some(question) = read(&mut stream) else { continue };
                serve(&mut stream, &question);
                if tell.send(question).is_err() {
                    return;
                }
            }
        });
        Self { path, asked }
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.path
    }

    /// The next question it was asked.
    #[track_caller]
    pub fn asked(&self) -> Question {
        self.asked.recv_timeout(Duration::from_secs(10)).unwrap_or_else(|_| panic!("no question came"))
    }

    /// Whether nothing more was asked.
    pub fn heard_nothing(&self) -> bool {
        self.asked.recv_timeout(Duration::from_millis(200)).is_err()
    }
}

/// The question, unless the caller is as slow with it as the daemon waits for none.
fn read(stream: &mut UnixStream) -> Option<Question> {
    stream.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
    let mut header = [0; frame::limits::HEADER];
    stream.read_exact(&mut header).ok()?;
    let mut bytes = vec![0; frame::frame_length(header).ok()?];
    bytes.get_mut(..header.len())?.copy_from_slice(&header);
    stream.read_exact(bytes.get_mut(header.len()..)?).ok()?;
    Question::decode(&bytes).ok()
}

/// A right answer that lets in.
pub fn allow(question: &Question) -> Answer {
    Answer {
        nonce: question.nonce,
        subject: question.subject.clone(),
        service: question.service.clone(),
        verdict: Verdict::Allow,
        reason: b"granted".to_vec(),
        grant: b"G-00000-00001".to_vec(),
        expires: 1,
        line: Vec::new(),
        offer: Offer::Nothing,
    }
}

/// A right answer that refuses with this line.
pub fn deny(question: &Question, line: &str) -> Answer {
    Answer {
        verdict: Verdict::Deny,
        reason: b"no_grant".to_vec(),
        grant: Vec::new(),
        expires: 0,
        line: line.into(),
        ..allow(question)
    }
}

/// A refusal that has something to do at a prompt.
pub fn offer(question: &Question, line: &str, offer: Offer) -> Answer {
    Answer { offer, ..deny(question, line) }
}
