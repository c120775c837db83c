//! Where the server is, and how it is reached.

use super::link::Link;
use crate::certificate::provider;
use crate::error::{HubError, os};
use crate::limits;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::path::Path;
use std::sync::Arc;
use store::StoreError;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A server, or several of which one takes writes at a time. Cheap to clone.
#[derive(Clone)]
pub struct Place {
    config: Arc<tokio_postgres::Config>,
    tls: MakeRustlsConnect,
    said: Arc<str>,
}

impl Place {
    /// The one of this URL. Its certificate is by the authorities in this file, or by those that the system trusts.
    pub fn of(url: &str, ca: Option<&Path>) -> Result<Self, HubError> {
        let wrong = |why: String| HubError::Database(format!("database.url: {why}"));
        // Its own words would have the password in them.
        let mut config: tokio_postgres::Config = url.parse().map_err(|why: tokio_postgres::Error| {
            let why = std::error::Error::source(&why).map_or_else(|| why.to_string(), ToString::to_string);
            wrong(format!("{why}; write it as postgres://user@host:5432/name"))
        })?;
        if config.get_hosts().is_empty() {
            return Err(wrong("it names no host: write it as postgres://user@host:5432/name".to_owned()));
        }
        let is_here = |host: &Host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => {
                name == "localhost" || name.parse().is_ok_and(|at: std::net::IpAddr| at.is_loopback())
            }
        };
        if config.get_ssl_mode() == SslMode::Prefer {
            // What may fall back is no protection: over a wire it is TLS, unless the URL itself says otherwise.
            let here = config.get_hosts().iter().all(is_here);
            config.ssl_mode(if here { SslMode::Disable } else { SslMode::Require });
        }
        if config.get_target_session_attrs() == TargetSessionAttrs::Any {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        config
            .connect_timeout(limits::DATABASE_CONNECT)
            .tcp_user_timeout(limits::DATABASE_WAIT)
            .keepalives_idle(limits::DATABASE_WAIT)
            .application_name("jit-hub");
        let said = config.get_hosts().iter().map(|host| match host {
            Host::Unix(path) => path.display().to_string(),
            Host::Tcp(name) => name.clone(),
        });
        let said = format!("PostgreSQL on {}", said.collect::<Vec<_>>().join(", "));
        let tls = tls(ca, config.get_ssl_mode() != SslMode::Disable)?;
        Ok(Self { config: Arc::new(config), tls, said: said.into() })
    }

    /// A new connection.
    pub fn connect(&self) -> Result<Link, StoreError> {
        Link::to(&self.config, self.tls.clone(), Arc::clone(&self.said))
    }

    /// The same for reading alone.
    pub fn connect_to_read(&self) -> Result<Link, StoreError> {
        let link = self.connect()?;
        store::Sql::batch(&link, "SET default_transaction_read_only = on")?;
        Ok(link)
    }

    /// As people read it.
    pub fn said(&self) -> &str {
        &self.said
    }
}

fn tls(ca: Option<&Path>, needed: bool) -> Result<MakeRustlsConnect, HubError> {
    let mut roots = rustls::RootCertStore::empty();
    let certificate = |doing: String, why: String| HubError::Certificate { doing, why };
    if let Some(path) = ca {
        let doing = format!("reading {}", path.display());
        let text = std::fs::read(path).map_err(os(doing.clone()))?;
        for found in CertificateDer::pem_slice_iter(&text) {
            let found = found.map_err(|why| certificate(doing.clone(), why.to_string()))?;
            roots.add(found).map_err(|why| certificate(doing.clone(), why.to_string()))?;
        }
    } else if needed {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|why| certificate("preparing TLS for the database".to_owned(), why.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> SslMode {
        Place::of(url, None).unwrap().config.get_ssl_mode()
    }

    #[test]
    fn over_a_wire_it_is_tls_unless_the_url_itself_says_otherwise() {
        assert_eq!(mode("postgres://hub@db.example.org/hub"), SslMode::Require);
        assert_eq!(mode("postgres://hub@db.example.org,127.0.0.1/hub"), SslMode::Require);
        assert_eq!(mode("postgres://hub@db.example.org/hub?sslmode=disable"), SslMode::Disable);
        assert_eq!(mode("postgres://hub@127.0.0.1/hub"), SslMode::Disable);
        assert_eq!(mode("postgres://hub@/hub?host=/run/postgresql"), SslMode::Disable);
        assert_eq!(mode("postgres://hub@127.0.0.1/hub?sslmode=require"), SslMode::Require);
    }

    #[test]
    fn a_wrong_url_is_told_without_its_password() {
        for url in ["postgres://hub:secret@host:port/hub", "postgres:///hub", "mysql://hub:secret@host/hub"] {
            let told = Place::of(url, None).map(drop).unwrap_err().to_string();
            assert!(told.starts_with("database.url: ") && !told.contains("secret"), "{told}");
        }
    }
}
