//! E-mail, over SMTP: one letter for each thing that happens, plain and as HTML, with a link to a page that needs a sign-in.
//! Nothing in a mail decides anything.

use super::channel::{Channel, Keeps, Outcome, Parcel, Rates};
use super::config::{Mail as Config, Security};
use super::doubt::Passage;
use super::limits;
use super::news::News;
use super::says::{Said, said};
use access::Person;
use desk::DeskError;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as From, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};
use maud::html;
use sha2::{Digest as _, Sha256};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use workflow::{World, hex};

/// A mail server that takes what goes to people.
pub struct Mail {
    server: (String, u16),
    security: Security,
    tls: TlsParameters,
    hello: ClientId,
    credentials: Option<Credentials>,
    from: Mailbox,
    /// The part of message ids behind the `@`.
    domain: String,
    kept: Mutex<Vec<Kept>>,
}

/// A connection that waits for the next mail.
struct Kept {
    connection: AsyncSmtpConnection,
    mails: u32,
    since: Instant,
}

impl Mail {
    /// The one that the configuration names, on a hub of this name.
    pub fn new(config: &Config, hub: &str) -> Result<Self, String> {
        let wrong = |key: &str, why: &str| format!("mail.{key}: {why}");
        let from: Mailbox = config.from.parse().map_err(|why| {
            let fix = "write for example from = \"jit <jit@example.org>\"";
            wrong("from", &format!("{:?} is no mail address ({why}): {fix}", config.from))
        })?;
        let mut tls = TlsParameters::builder(config.server.clone());
        if let Some(ca) = &config.ca {
            let read = |why: String| wrong("ca", &format!("reading {}: {why}", ca.display()));
            let pem = std::fs::read(ca).map_err(|why| read(why.to_string()))?;
            let certificate = Certificate::from_pem(&pem).map_err(|why| read(why.to_string()))?;
            tls = tls.certificate_store(CertificateStore::None).add_root_certificate(certificate);
        }
        let credentials = match (&config.user, &config.password) {
            (Some(user), Some(file)) => {
                let password = crate::secret_file::read(file).map_err(|why| wrong("password", &why))?;
                Some(Credentials::new(user.clone(), password.to_string()))
            }
            _ => None,
        };
        Ok(Self {
            server: (config.server.clone(), config.port()),
            security: config.security,
            tls: tls.build().map_err(|why| wrong("server", &why.to_string()))?,
            hello: ClientId::Domain(hub.to_owned()),
            credentials,
            domain: from.email.domain().to_owned(),
            from,
            kept: Mutex::default(),
        })
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, String> {
        let said = |why: Error| chain(&why);
        let (name, port) = (self.server.0.as_str(), self.server.1);
        if self.security == Security::Tls {
            let (limit, tls) = (Some(limits::TRY), Some(self.tls.clone()));
            let opened = AsyncSmtpConnection::connect_tokio1((name, port), limit, &self.hello, tls, None);
            return self.known(opened.await.map_err(said)?).await.map_err(said);
        }
        let stream = tokio::net::TcpStream::connect((name, port)).await.map_err(|why| why.to_string())?;
        // Each of the short lines goes at once, and not once the one before is acknowledged.
        stream.set_nodelay(true).map_err(|why| why.to_string())?;
        let opened = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.hello);
        let mut connection = opened.await.map_err(said)?;
        if self.security == Security::Starttls {
            connection.starttls(self.tls.clone(), &self.hello).await.map_err(said)?;
        }
        self.known(connection).await.map_err(said)
    }

    /// The same once the server knows who this is.
    async fn known(&self, mut connection: AsyncSmtpConnection) -> Result<AsyncSmtpConnection, Error> {
        if let Some(credentials) = &self.credentials {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await?;
        }
        Ok(connection)
    }

    /// A connection that was used lately and still lives.
    async fn kept(&self) -> Option<Kept> {
        loop {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            let fresh = kept.since.elapsed() < limits::MAIL_KEPT.1 && kept.mails < limits::MAIL_EACH;
            if fresh && kept.connection.test_connected().await {
                return Some(kept);
            }
            kept.connection.abort().await;
        }
    }

    fn keep(&self, connection: AsyncSmtpConnection, mails: u32) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < limits::MAIL_KEPT.0 {
            kept.push(Kept { connection, mails, since: Instant::now() });
        }
    }

    async fn send(&self, parcel: &Parcel, passage: &Passage) -> Outcome {
        let (to, said) = match letter(parcel) {
            Ok(Some(letter)) => letter,
            Ok(None) => return Outcome::Moot,
            Err(why) => return Outcome::Never { why },
        };
        let message = match self.message(parcel, &to, &said) {
            Ok(message) => Content::of(&message.formatted()),
            Err(why) => return Outcome::Never { why: format!("writing the mail: {why}") },
        };
        let (mut connection, mails) = match self.kept().await {
            Some(kept) => (kept.connection, kept.mails),
            None => match self.connect().await {
                Ok(connection) => (connection, 0),
                Err(why) => {
                    let (name, port) = &self.server;
                    return Outcome::later(format!("calling {name}:{port}: {why}"));
                }
            },
        };
        match self.hand_over(&mut connection, to, &message, passage).await {
            Ok(()) => {
                self.keep(connection, mails + 1);
                Outcome::Sent { reference: None }
            }
            Err(outcome) => {
                connection.abort().await;
                outcome
            }
        }
    }

    async fn hand_over(
        &self,
        connection: &mut AsyncSmtpConnection,
        to: Address,
        message: &Content,
        passage: &Passage,
    ) -> Result<(), Outcome> {
        let later = |doing: &str, why: &Error| Outcome::later(format!("{doing}: {}", chain(why)));
        let from = From::new(Some(self.from.email.clone()), Vec::new());
        connection.command(from).await.map_err(|why| later("naming the sender", &why))?;
        let refused = |doing: &str, why: &Error| {
            if why.is_permanent() {
                return Outcome::Never { why: format!("{doing}: {}", chain(why)) };
            }
            later(doing, why)
        };
        let naming = format!("naming the recipient {to}");
        connection.command(Rcpt::new(to, Vec::new())).await.map_err(|why| refused(&naming, &why))?;
        connection.command(Data).await.map_err(|why| later("beginning the mail", &why))?;
        passage.enter().await;
        connection.command(message).await.map(drop).map_err(|why| refused("handing the mail over", &why))
    }

    fn message(&self, parcel: &Parcel, to: &Address, said: &Said) -> Result<Message, lettre::error::Error> {
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(format!("[jit] {}", said.title))
            .message_id(Some(message_id(&parcel.id, &parcel.recipient, &self.domain)));
        if let Some(truth) = &parcel.truth {
            // What is about one request stands together in a mailbox.
            message = message.references(format!("<{}@{}>", truth.request.ask.id, self.domain));
        }
        let mut message = message.multipart(MultiPart::alternative_plain_html(plain(said), as_html(said)))?;
        let mut head = |name: &'static str, value: &str| {
            let name = HeaderName::new_from_ascii_str(name);
            message.headers_mut().insert_raw(HeaderValue::new(name, value.to_owned()));
        };
        // RFC 3834: nobody's absence answers it.
        head("Auto-Submitted", "auto-generated");
        if said.is_loud {
            head("Importance", "high");
        }
        Ok(message)
    }
}

impl Channel for Mail {
    fn name(&self) -> &'static str {
        "mail"
    }

    fn keeps(&self) -> Keeps {
        Keeps::Letters
    }

    fn hears(&self, news: &News, world: &World) -> Vec<String> {
        let reached = |person: &&&Person| world.people.get(person).is_some_and(|human| human.mail.is_some());
        news.people().iter().filter(reached).map(ToString::to_string).collect()
    }

    fn is_for_people(&self) -> bool {
        true
    }

    fn reader(&self, recipient: &str) -> Result<Option<Person>, DeskError> {
        Person::parse(recipient).map(Some).map_err(|why| DeskError::Store(why.to_string()))
    }

    fn rates(&self) -> Rates {
        Rates::default()
    }

    fn deliver<'a>(&'a self, parcel: &'a Parcel, passage: &'a Passage) -> BoxFuture<'a, Outcome> {
        self.send(parcel, passage).boxed()
    }
}

/// What one letter to one person is known by, however often it is sent. A name can have what no id may (RFC 5322, section 3.6.4),
/// so a fingerprint stands for it.
fn message_id(letter: &str, recipient: &str, domain: &str) -> String {
    let whose: String = hex(&Sha256::digest(recipient)).chars().take(16).collect();
    format!("<{letter}.{whose}@{domain}>")
}

/// To which address, and what it says; nothing where it is not for them any more.
fn letter(parcel: &Parcel) -> Result<Option<(Address, Said)>, String> {
    let Ok(person) = Person::parse(&parcel.recipient) else { return Ok(None) };
    let Some(said) = said(parcel, Some(&person)) else { return Ok(None) };
    let mail = parcel.world.people.get(&person).and_then(|human| human.mail.as_ref());
    let mail =
        mail.ok_or_else(|| format!("{person} has no mail address any more: write one into people.toml"))?;
    let to = mail
        .parse()
        .map_err(|why| format!("{mail:?} is no mail address ({why}): correct it in people.toml"))?;
    Ok(Some((to, said)))
}

/// A mail as it goes over the line (RFC 5321, section 4.5.2), in one piece: in two the second waits until the first is
/// acknowledged.
struct Content(String);

impl Content {
    fn of(message: &[u8]) -> Self {
        let mut text = String::from_utf8_lossy(message).replace("\r\n.", "\r\n..");
        if text.starts_with('.') {
            text.insert(0, '.');
        }
        if !text.ends_with("\r\n") {
            text.push_str("\r\n");
        }
        text.push_str(".\r\n");
        Self(text)
    }
}

impl std::fmt::Display for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn plain(said: &Said) -> String {
    let mut text = format!("{}\n\n", said.title);
    for (name, value) in &said.facts {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text.push_str(&format!("\n{}, signed in:\n{}\n", said.next, said.link));
    text
}

fn as_html(said: &Said) -> String {
    html! {
        (maud::DOCTYPE)
        html {
            body style="font-family: sans-serif" {
                p { strong { (said.title) } }
                table {
                    @for (name, value) in &said.facts {
                        tr {
                            th style="text-align: left; vertical-align: top; padding-right: 1em" { (name) }
                            td { (value) }
                        }
                    }
                }
                p { (said.next) ", signed in: " a href=(said.link) { (said.link) } }
            }
        }
    }
    .into_string()
}

fn chain(why: &Error) -> String {
    super::http::chain(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_at_the_beginning_of_a_line_does_not_end_a_mail() {
        let over = |text: &str| Content::of(text.as_bytes()).0;
        assert_eq!(over("a\r\n.\r\n.b\r\n"), "a\r\n..\r\n..b\r\n.\r\n");
        assert_eq!(over(".\r\n"), "..\r\n.\r\n");
        assert_eq!(over("a"), "a\r\n.\r\n");
    }

    #[test]
    fn whatever_a_person_is_called_a_mail_has_an_id_of_its_own_that_mail_servers_take() {
        let id = |person| message_id("R-7K2Q9-M4XTB-5", person, "example.org");
        assert_eq!(id("alice"), "<R-7K2Q9-M4XTB-5.2bd806c97f0e00af@example.org>");
        let others = ["alice@corp", "CORP\\alice", "alice.", "al ice"].map(id);
        for (place, other) in others.iter().enumerate() {
            let local = other.trim_start_matches('<').strip_suffix("@example.org>").unwrap();
            let atoms = local.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
            assert!(atoms && !local.contains("..") && !others[..place].contains(other), "{other}");
        }
    }
}
