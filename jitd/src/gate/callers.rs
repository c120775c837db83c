//! Who calls at the gate's socket: each connection wakes one thread that is free.
//!
//! A restart refuses nobody: a connection that was taken is answered before the process ends, and one that was not
//! stays in the queue of the socket, which is systemd's, for the next. So no thread waits in accept(2), which could
//! take one in the last moment.

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use std::io::ErrorKind;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::Duration;

/// The socket, until the daemon stops.
pub struct Callers {
    listener: UnixListener,
    stop: OwnedFd,
}

/// Where one thread waits for them.
pub struct Watch {
    callers: Arc<Callers>,
    ready: OwnedFd,
}

/// What a watch is told of.
const CALLER: EventData = EventData::new_u64(0);
const STOP: EventData = EventData::new_u64(1);

impl Callers {
    /// Those who call at `listener`.
    pub fn at(listener: UnixListener) -> std::io::Result<Self> {
        listener.set_nonblocking(true)?;
        let stop = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { listener, stop })
    }

    /// A place to wait at, for one thread. A connection wakes one of those that wait and no other (`EPOLLEXCLUSIVE`,
    /// epoll_ctl(2)), the same first each time: what it works with is at hand then, and what the others would is not used.
    pub fn watch(self: &Arc<Self>) -> std::io::Result<Watch> {
        let ready = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&ready, &self.listener, CALLER, EventFlags::IN | EventFlags::EXCLUSIVE)?;
        epoll::add(&ready, &self.stop, STOP, EventFlags::IN)?;
        Ok(Watch { callers: Arc::clone(self), ready })
    }

    /// Takes no more of them, whoever waits.
    pub fn end(&self) {
        // It counts to more than one.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
    }
}

impl Watch {
    /// The next of them; nobody once the daemon stops.
    pub fn next(&self) -> Option<UnixStream> {
        let mut told = [const { MaybeUninit::uninit() }; 2];
        loop {
            let accepted = match epoll::wait(&self.ready, &mut told, None) {
                Ok((told, _)) if told.iter().any(|event| { event.data } == STOP) => return None,
                Ok(_) => self.callers.listener.accept(),
                Err(why) => Err(why.into()),
            };
            match accepted {
                Ok((stream, _)) => return Some(stream),
                // Another thread was faster.
                Err(why) if why.kind() == ErrorKind::WouldBlock => {}
                // Out of descriptors or a caller that hung up: neither may spin.
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
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
        let callers = Arc::new(Callers::at(listener).unwrap());
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let watch = callers.watch().unwrap();
                        while let Some(mut stream) = watch.next() {
                            stream.write_all(b"an answer").unwrap();
                        }
                    })
                })
                .collect();
            let ask = || {
                for _ in 0..100 {
                    let mut answer = String::new();
                    UnixStream::connect(&socket).unwrap().read_to_string(&mut answer).unwrap();
                    assert_eq!(answer, "an answer");
                }
            };
            // More at once than there are threads.
            let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            asking.into_iter().for_each(|asking| asking.join().unwrap());
            callers.end();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        let waiting = UnixStream::connect(&socket).unwrap();
        assert!(callers.watch().unwrap().next().is_none());
        assert_eq!(waiting.peer_addr().unwrap().as_pathname(), Some(socket.as_path()));
        of_systemd.accept().expect("it is still there");
    }
}
