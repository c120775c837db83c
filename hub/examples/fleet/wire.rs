//! HTTP/1.1 over TLS 1.3, as little of it as the hub speaks.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What clients believe: this authority alone. No session is resumed, as after a restart.
pub fn connector(ca: &str) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    TlsConnector::from(Arc::new(config))
}

/// One connection.
pub struct Wire {
    stream: TlsStream<TcpStream>,
    read: Vec<u8>,
}

impl Wire {
    /// To this hub, from this address of the loopback.
    pub async fn connect(tls: &TlsConnector, to: SocketAddr, from: Ipv4Addr) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((from, 0)))?;
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        let stream = tls.connect(ServerName::try_from("localhost").unwrap(), stream).await?;
        Ok(Self { stream, read: Vec::new() })
    }

    /// One call and the whole answer to it.
    pub async fn call(&mut self, call: &str, heads: &str, body: &str) -> Result<Vec<u8>> {
        let length = self.begin(call, heads, body).await?;
        let length = length.ok_or_else(|| wrong("an answer without a length"))?;
        while self.read.len() < length {
            self.more().await?;
        }
        Ok(self.read.drain(..length).collect())
    }

    /// One call and the head of the answer to it; the length of its body, where it has one.
    pub async fn begin(&mut self, call: &str, heads: &str, body: &str) -> Result<Option<usize>> {
        let length = body.len();
        let call =
            format!("{call} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n{heads}\r\n{body}");
        self.stream.write_all(call.as_bytes()).await?;
        let end = loop {
            if let Some(at) = find(&self.read, b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8_lossy(&self.read[..end]).to_ascii_lowercase();
        self.read.drain(..end);
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        // Of 1.0 is what ends with its connection, a stream.
        if head.starts_with("http/1.1 200 ") || head.starts_with("http/1.0 200 ") {
            return Ok(length);
        }
        while self.read.len() < length.unwrap_or(0) {
            self.more().await?;
        }
        Err(wrong(&format!("{call}: {head}{}", String::from_utf8_lossy(&self.read))))
    }

    /// The data of the next event of a stream of them, whatever is around it.
    pub async fn event(&mut self) -> Result<Vec<u8>> {
        loop {
            let end = self.line().await?;
            let data = self.read[..end].strip_prefix(b"data: ").map(|data| data.trim_ascii_end().to_vec());
            self.read.drain(..end);
            if let Some(data) = data {
                if self.read.len() <= 4 {
                    // The end of an event. Fifteen thousand buffers would be all that this program is.
                    self.read = self.read.as_slice().to_vec();
                }
                return Ok(data);
            }
        }
    }

    async fn line(&mut self) -> Result<usize> {
        loop {
            if let Some(at) = self.read.iter().position(|byte| *byte == b'\n') {
                return Ok(at + 1);
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Result<()> {
        let mut some = [0; 4096];
        match self.stream.read(&mut some).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            read => {
                self.read.extend_from_slice(&some[..read]);
                Ok(())
            }
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn wrong(why: &str) -> Error {
    Error::new(ErrorKind::InvalidData, why.to_owned())
}
