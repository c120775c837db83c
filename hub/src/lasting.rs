//! An answer that lasts: what a host listens to, for an hour. hyper keeps two buffers of 8 KB for each connection, which
//! were most of what a host cost its hub. So it reads the call, and what is left is written here: a head, and then one piece
//! after the other (RFC 9112, sections 4 and 7.1).

use access::Time;
use axum::body::{Body, Bytes};
use axum::http::response::{Parts, Response};
use axum::http::{Version, header};
use futures_util::StreamExt as _;
use hyper::body::Buf;
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A connection, of which little is carried about.
pub type Stream = Box<TlsStream<TcpStream>>;

/// An answer that its connection is given up to, which ends with it.
pub struct Lasting {
    /// The answer, whose length nobody knows.
    pub answer: Response<Body>,
    /// How the call was made.
    pub version: Version,
}

impl Lasting {
    /// Tells all of it, until it is over or the client went away. What it does not need for an hour is gone before it
    /// begins.
    pub fn tell(self, mut stream: Stream, now: Time) -> impl Future<Output = io::Result<()>> + Send {
        let pieces = Pieces { are_framed: self.version >= Version::HTTP_11 };
        let (head, body) = self.answer.into_parts();
        let (head, mut told) = (pieces.head(&head, now), body.into_data_stream());
        async move {
            stream.write_all_buf(&mut Bytes::from(head)).await?;
            stream.flush().await?;
            loop {
                let piece = tokio::select! {
                    piece = told.next() => piece,
                    // Its end, or more than it was to say, which nobody reads.
                    said = stream.read_u8() => return said.map(drop),
                };
                let Some(piece) = piece else { break };
                pieces.put(&mut stream, piece.map_err(io::Error::other)?).await?;
            }
            pieces.end(&mut stream).await
        }
    }
}

/// How pieces are written.
struct Pieces {
    /// With their sizes, where the client knows of that; else the answer is over when the connection is.
    are_framed: bool,
}

impl Pieces {
    fn head(&self, head: &Parts, now: Time) -> Vec<u8> {
        let reason = head.status.canonical_reason().unwrap_or_default();
        let mut text = format!("HTTP/1.1 {} {reason}\r\n", head.status.as_str()).into_bytes();
        let date = now.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let framed = self.are_framed.then_some((header::TRANSFER_ENCODING.as_str(), b"chunked".as_slice()));
        let own = [Some((header::DATE.as_str(), date.as_bytes())), framed];
        let given = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        for (name, value) in given.chain(own.into_iter().flatten()) {
            text.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        text.extend(b"\r\n");
        text
    }

    /// At once, and as one record of TLS where it fits.
    async fn put(&self, to: &mut (impl AsyncWrite + Unpin), piece: Bytes) -> io::Result<()> {
        if piece.is_empty() {
            // Framed it would be the end.
            return Ok(());
        }
        if self.are_framed {
            let size = format!("{:x}\r\n", piece.len());
            to.write_all_buf(&mut Buf::chain(size.as_bytes(), piece).chain(b"\r\n".as_slice())).await?;
        } else {
            to.write_all(&piece).await?;
        }
        to.flush().await
    }

    async fn end(&self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        if self.are_framed {
            to.write_all(b"0\r\n\r\n").await?;
        }
        to.shutdown().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn written(version: Version) -> String {
        let pieces = Pieces { are_framed: version >= Version::HTTP_11 };
        let answer = Response::builder().header(header::CONNECTION, "close").body(()).unwrap();
        let mut all = pieces.head(&answer.into_parts().0, Time::from_timestamp(784_111_777, 0).unwrap());
        for piece in ["an event of one piece\n", "", "another\n"] {
            pieces.put(&mut all, Bytes::from_static(piece.as_bytes())).await.unwrap();
        }
        pieces.end(&mut all).await.unwrap();
        String::from_utf8(all).unwrap()
    }

    #[tokio::test]
    async fn pieces_are_framed_for_who_knows_of_that_and_an_empty_one_does_not_end_them() {
        // The date is the example of RFC 9110, section 5.6.7.
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        assert_eq!(
            written(Version::HTTP_11).await,
            format!(
                "{head}transfer-encoding: chunked\r\n\r\n16\r\nan event of one piece\n\r\n8\r\nanother\n\r\n0\r\n\r\n"
            )
        );
        assert_eq!(written(Version::HTTP_10).await, format!("{head}\r\nan event of one piece\nanother\n"));
    }
}
