//! Who calls at the gate's socket: one connection after the other, to whichever thread is free.
//!
//! A restart refuses nobody: a connection that was taken is answered before the process ends, and one that was not
//! stays in the queue of the socket, which is systemd's, for the next. So no thread waits in accept(2), which could
//! take one in the last moment.

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The socket, until the daemon stops.
pub struct Callers {
    listener: UnixListener,
    stop: OwnedFd,
    /// Whoever has it waits for the next one.
    turn: Mutex<()>,
}

impl Callers {
    /// Those who call at `listener`.
    pub fn at(listener: UnixListener) -> std::io::Result<Self> {
        listener.set_nonblocking(true)?;
        let stop = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { listener, stop, turn: Mutex::new(()) })
    }

    /// The next of them; nobody once the daemon stops.
    pub fn next(&self) -> Option<UnixStream> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let mut ready =
                [PollFd::new(&self.stop, PollFlags::IN), PollFd::new(&self.listener, PollFlags::IN)];
            let polled = poll(&mut ready, None);
            let [stop, _] = &ready;
            if polled.is_ok() && !stop.revents().is_empty() {
                return None;
            }
            match polled.map_err(std::io::Error::from).and_then(|_| self.listener.accept()) {
                Ok((stream, _)) => return Some(stream),
                // Out of descriptors or a caller that hung up: neither may spin.
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// Takes no more of them, whoever waits.
    pub fn end(&self) {
        // It counts to more than one.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    #[test]
    fn who_was_taken_is_answered_and_who_was_not_stays_for_the_next_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("gate.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let of_systemd = listener.try_clone().unwrap();
        let callers = Callers::at(listener).unwrap();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        while let Some(mut stream) = callers.next() {
                            stream.write_all(b"an answer").unwrap();
                        }
                    })
                })
                .collect();
            for _ in 0..100 {
                let mut answer = String::new();
                UnixStream::connect(&socket).unwrap().read_to_string(&mut answer).unwrap();
                assert_eq!(answer, "an answer");
            }
            callers.end();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        let waiting = UnixStream::connect(&socket).unwrap();
        assert!(callers.next().is_none());
        assert_eq!(waiting.peer_addr().unwrap().as_pathname(), Some(socket.as_path()));
        of_systemd.accept().expect("it is still there");
    }
}
