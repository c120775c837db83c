//! A program that is told things over HTTP: it keeps what it is told, and answers as the test wants.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// One call, as it came.
#[derive(Clone, Debug)]
pub struct Call {
    pub line: String,
    pub heads: Vec<(String, String)>,
    pub body: String,
}

impl Call {
    pub fn head(&self, name: &str) -> &str {
        let found = self.heads.iter().find(|(head, _)| head.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// An answer: status and reason, further heads, body.
pub type Answer = (&'static str, String, String);

/// See the module.
pub struct Receiver {
    pub at: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Receiver {
    /// One that takes everything.
    pub fn new() -> Self {
        Self::answering(|_| ("204 No Content", String::new(), String::new()))
    }

    /// One that answers like this. A call counts once it is answered.
    pub fn answering(answers: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let calls = Arc::<Mutex<Vec<Call>>>::default();
        let (kept, answers) = (Arc::downgrade(&calls), Arc::new(answers));
        std::thread::spawn(move || {
            while let (Ok((stream, _)), Some(kept)) = (listener.accept(), kept.upgrade()) {
                let answers = Arc::clone(&answers);
                // Whoever hangs up in the middle said nothing.
                std::thread::spawn(move || serve(&stream, &kept, &*answers));
            }
        });
        Self { at, calls }
    }

    /// All calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

fn serve(stream: &TcpStream, kept: &Mutex<Vec<Call>>, answers: &dyn Fn(&Call) -> Answer) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let mut heads = Vec::new();
        loop {
            let mut head = String::new();
            reader.read_line(&mut head).ok()?;
            let Some((name, value)) = head.trim_end().split_once(':') else { break };
            heads.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut call = Call { line: line.trim().to_owned(), heads, body: String::new() };
        let mut body = vec![0; call.head("content-length").parse().unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        call.body = String::from_utf8(body).unwrap();
        let (status, heads, said) = answers(&call);
        kept.lock().unwrap().push(call);
        let length = said.len();
        write!(&*stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{heads}\r\n{said}").ok()?;
    }
}
