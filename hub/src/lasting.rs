//! An answer that lasts: what a host listens to, for an hour. hyper keeps two buffers of 8 KB and the place of a call for as
//! long as it answers, which was most of what a host cost its hub. So it reads the call and writes the head of the answer,
//! and gives the connection up; the body is then all that comes, and is over when the connection is (RFC 9112, section 6.3).

use axum::body::Body;
use axum::http::Version;
use axum::http::response::Response;
use futures_util::StreamExt as _;
use futures_util::stream::empty;
use std::convert::Infallible;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf, split};

/// Marks an answer (as an extension of it) of which each part is whole by itself: that its end cannot be told from a
/// connection that broke off matters to nobody.
#[derive(Clone, Copy)]
pub struct Lasts;

/// What becomes of such an answer: the head, with nothing behind it that hyper would wait for, and the body.
pub fn parted(answer: Response<Body>) -> (Response<Body>, Body) {
    let (mut head, body) = answer.into_parts();
    // Of HTTP/1.1 hyper would frame the body, and write the end of it.
    head.version = Version::HTTP_10;
    let nothing = Body::from_stream(empty::<Result<Vec<u8>, Infallible>>());
    (Response::from_parts(head, nothing), body)
}

/// A connection that is an answer's until its end.
pub struct Lasting<S> {
    reads: ReadHalf<S>,
    writes: WriteHalf<S>,
    body: Body,
}

impl<S: AsyncRead + AsyncWrite> Lasting<S> {
    /// Of this connection, on which the head has been written.
    pub fn of(stream: S, body: Body) -> Self {
        let (reads, writes) = split(stream);
        Self { reads, writes, body }
    }

    /// Tells all of it, each piece when the one before has left, until it is over or the client went away.
    pub async fn tell(self) -> io::Result<()> {
        let Self { mut reads, mut writes, body } = self;
        let tells = async {
            let mut pieces = body.into_data_stream();
            while let Some(piece) = pieces.next().await {
                writes.write_all(&piece.map_err(io::Error::other)?).await?;
                writes.flush().await?;
            }
            writes.shutdown().await
        };
        tokio::select! {
            told = tells => told,
            // Its end, or more than it was to say, which nobody reads.
            said = reads.read_u8() => said.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::poll_immediate;
    use futures_util::stream::repeat_with;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn who_does_not_read_is_told_nothing_more_and_who_goes_away_or_talks_ends_it() {
        for talks in [false, true] {
            let (near, mut far) = tokio::io::duplex(20);
            let asked = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&asked);
            let pieces = repeat_with(move || {
                count.fetch_add(1, Ordering::Relaxed);
                Ok::<_, Infallible>("sixteen letters\n")
            });
            let mut tells = pin!(Lasting::of(near, Body::from_stream(pieces)).tell());
            let mut read = String::new();
            for pieces in 1..4 {
                for _ in 0..3 {
                    assert!(poll_immediate(tells.as_mut()).await.is_none());
                }
                assert_eq!(asked.load(Ordering::Relaxed), pieces + 1, "one is on its way, and one waits");
                let mut piece = [0; 16];
                far.read_exact(&mut piece).await.unwrap();
                read.push_str(std::str::from_utf8(&piece).unwrap());
            }
            assert_eq!(read, "sixteen letters\n".repeat(3));
            if talks {
                far.write_u8(b'x').await.unwrap();
                assert!(tells.await.is_ok());
            } else {
                drop(far);
                assert!(tells.await.is_err());
            }
        }
    }

    #[tokio::test]
    async fn the_end_of_the_body_is_that_of_the_connection() {
        let (near, mut far) = tokio::io::duplex(1024);
        let (head, body) = parted(Response::new(Body::from("all of it")));
        assert_eq!(head.version(), Version::HTTP_10);
        Lasting::of(near, body).tell().await.unwrap();
        let mut read = String::new();
        far.read_to_string(&mut read).await.unwrap();
        assert_eq!(read, "all of it");
    }
}
