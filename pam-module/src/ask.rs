//! One question over the gate's socket, against one deadline.

use crate::limits::{ASKED, ASKS};
use crate::people;
use frame::{Answer, Question, limits};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike as _};
use std::io::{Error, ErrorKind, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Why there is no answer.
pub enum NoAnswer {
    /// The caller broke the question off or held it up: whoever owns the process can do that at will, so
    /// no PAM line lets anybody in for it.
    BrokenOff(String),
    /// The daemon gave none.
    Unavailable(String),
}

impl NoAnswer {
    /// Why, in words.
    pub fn words(self) -> String {
        match self {
            Self::BrokenOff(why) | Self::Unavailable(why) => why,
        }
    }
}

impl From<String> for NoAnswer {
    fn from(why: String) -> Self {
        Self::Unavailable(why)
    }
}

/// The daemon's answer, or why there is none. Takes at most `timeout`, whatever the other side
/// does, and ends at once on a signal: a person's ^C must work.
pub fn ask(path: &Path, question: &Question, timeout: Duration) -> Result<Answer, NoAnswer> {
    let bytes = question.encode().map_err(|why| why.to_string())?;
    let mut begun = Instant::now();
    let deadline = begun + timeout;
    let (mut tries, mut was_held_up) = (1, false);
    let broken_off = |why: NoAnswer| NoAnswer::BrokenOff(why.words());
    let frame = loop {
        let mut stream =
            connected(path, deadline).map_err(|why| if was_held_up { broken_off(why) } else { why })?;
        let asked = write(&mut stream, &bytes, deadline);
        was_held_up |= begun.elapsed() > ASKED;
        match asked.and_then(|()| read(&mut stream, deadline)) {
            Ok(frame) => break frame,
            Err(why) if is_unread(&why) && tries < ASKS => {
                tries += 1;
                begun = Instant::now();
            }
            Err(why) if was_held_up => return Err(broken_off(no_answer(&why))),
            Err(why) => return Err(no_answer(&why)),
        }
    };
    let answer = Answer::decode(&frame).map_err(|why| why.to_string())?;
    answer.to(question).map_err(|why| why.to_string().into())
}

/// Whether the daemon hung up before it had read the whole question: it was killed; or on a busy machine this process had no
/// turn for so long that it waited no more; or it takes no such question. It decided nothing, so it can be asked again. That
/// is what Linux says where what was sent lies unread as the other side closes (`unix_release_sock` in net/unix/af_unix.c).
fn is_unread(why: &Error) -> bool {
    matches!(why.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}

fn connected(path: &Path, deadline: Instant) -> Result<UnixStream, NoAnswer> {
    let shown = path.display();
    let folder = path.parent().unwrap_or(Path::new("/"));
    let meta = std::fs::symlink_metadata(folder)
        .map_err(|why| refused(errno(&why), &format!("{}: {why}", folder.display())))?;
    if !meta.is_dir() || meta.uid() != 0 || meta.mode() & 0o022 != 0 {
        return Err(format!("{} is not a folder that only root can write to", folder.display()).into());
    }
    let failed = |why: Errno| refused(why, &format!("{shown}: {}", why.desc()));
    let fd: OwnedFd =
        socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).map_err(failed)?;
    // A blocking connect with a send timeout waits for a place in a full queue; a non-blocking one would
    // fail at once (unix(7)).
    let left = left(deadline).ok_or_else(held_up)?.as_micros();
    let left = TimeVal::microseconds(i64::try_from(left).unwrap_or(i64::MAX));
    setsockopt(&fd, sockopt::SendTimeout, &left).map_err(failed)?;
    let address = UnixAddr::new(path).map_err(failed)?;
    match connect(fd.as_raw_fd(), &address) {
        Ok(()) => {}
        Err(Errno::EAGAIN) => return Err(late()),
        Err(Errno::EINTR) => return Err(interrupted()),
        Err(why) => return Err(failed(why)),
    }
    // Under socket activation this is who listens: systemd, so root.
    let peer = getsockopt(&fd, sockopt::PeerCredentials).map_err(failed)?.uid();
    let jitd = || people::account("jitd").map_err(NoAnswer::BrokenOff);
    if peer != 0 && jitd()?.map(|account| account.uid) != Some(peer) {
        return Err(format!("{shown} belongs to user id {peer}, which is neither root nor jitd").into());
    }
    Ok(UnixStream::from(fd))
}

fn write(stream: &mut UnixStream, mut bytes: &[u8], deadline: Instant) -> Result<(), Error> {
    while !bytes.is_empty() {
        let left = left(deadline).ok_or(ErrorKind::TimedOut)?;
        stream.set_write_timeout(Some(left))?;
        match stream.write(bytes)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            written => bytes = bytes.get(written..).unwrap_or_default(),
        }
    }
    Ok(())
}

/// One whole frame and nothing after it.
fn read(stream: &mut UnixStream, deadline: Instant) -> Result<Vec<u8>, Error> {
    let mut header = [0; limits::HEADER];
    fill(stream, &mut header, deadline)?;
    let length = frame::frame_length(header).map_err(|why| Error::new(ErrorKind::InvalidData, why))?;
    let mut frame = vec![0; length];
    let (head, body) = frame.split_at_mut(limits::HEADER);
    head.copy_from_slice(&header);
    fill(stream, body, deadline)?;
    Ok(frame)
}

fn fill(stream: &mut UnixStream, mut into: &mut [u8], deadline: Instant) -> Result<(), Error> {
    while !into.is_empty() {
        match left(deadline) {
            Some(left) => stream.set_read_timeout(Some(left))?,
            // The deadline may have passed while the process was stopped: what has come meanwhile counts.
            None => stream.set_nonblocking(true)?,
        }
        match stream.read(into)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            read => into = into.get_mut(read..).unwrap_or_default(),
        }
    }
    Ok(())
}

/// What is left; less than a microsecond would mean no timeout at all.
fn left(deadline: Instant) -> Option<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    (left >= Duration::from_micros(1)).then_some(left)
}

fn late() -> NoAnswer {
    NoAnswer::Unavailable("jitd did not answer in time".to_owned())
}

fn interrupted() -> NoAnswer {
    NoAnswer::BrokenOff("interrupted".to_owned())
}

fn held_up() -> NoAnswer {
    NoAnswer::BrokenOff("the process was held up before it could ask".to_owned())
}

fn no_answer(why: &Error) -> NoAnswer {
    match why.kind() {
        _ if is_unread(why) => {
            NoAnswer::Unavailable("jitd hung up before it had read the question".to_owned())
        }
        ErrorKind::WouldBlock => late(),
        ErrorKind::Interrupted => interrupted(),
        ErrorKind::TimedOut => held_up(),
        ErrorKind::UnexpectedEof => NoAnswer::Unavailable("jitd hung up".to_owned()),
        _ => refused(errno(why), &why.to_string()),
    }
}

/// What the kernel refused. Too few files or too little memory is no sign of a daemon that is gone: whoever runs
/// su can see to that by limits of their own, or by taking all there is.
fn refused(why: Errno, what: &str) -> NoAnswer {
    match why {
        Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS => {
            NoAnswer::BrokenOff(what.to_owned())
        }
        _ => NoAnswer::Unavailable(what.to_owned()),
    }
}

fn errno(why: &Error) -> Errno {
    Errno::from_raw(why.raw_os_error().unwrap_or(0))
}
