//! The certificate that the hub shows: files of somebody else's, or one by an authority of its own.
//!
//! The authority is made once and pinned by everybody who logs in. What it signs is never kept: each start makes
//! a new certificate, and so does a hub that runs on for long, so none is ever over and there is none to renew.
//!
//! Files of somebody else's are read again once they changed, and somebody is told before what is shown is over.

use crate::backup::{sync_folder, take_away};
use crate::config::{Config, Tls};
use crate::error::{HubError, os};
use crate::{clock, limits};
use access::Time;
use arc_swap::ArcSwap;
use chrono::{Datelike as _, TimeDelta};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

fn wrong<E: std::fmt::Display>(doing: impl Into<String>) -> impl FnOnce(E) -> HubError {
    let doing = doing.into();
    move |why| HubError::Certificate { doing, why: why.to_string() }
}

/// The hub's own certificate authority, in its state folder.
pub struct Authority {
    certificate: PathBuf,
    key: PathBuf,
}

impl Authority {
    /// That of this folder.
    pub fn of(state: &Path) -> Self {
        Self { certificate: state.join("ca.crt"), key: state.join("ca.key") }
    }

    /// What people pin, in PEM.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// What whoever calls the hub has to believe, in PEM, where that is this authority and not one that systems trust: who
    /// shows a certificate of somebody else's has one of those.
    pub fn shown(&self, config: &Config) -> Result<Option<String>, HubError> {
        if config.tls.is_some() { Ok(None) } else { text(&self.certificate).map(Some) }
    }

    /// Makes it where there is none. A key that an earlier try left alone gets its certificate.
    pub fn make(&self) -> Result<(), HubError> {
        if self.certificate.exists() {
            return Ok(());
        }
        let doing = "making the certificate authority";
        if !self.key.exists() {
            let key = KeyPair::generate().map_err(wrong(doing))?;
            put(&self.key, 0o600, &key.serialize_pem())?;
        }
        let certificate =
            params().and_then(|params| params.self_signed(&self.key()?).map_err(wrong(doing)))?;
        put(&self.certificate, 0o644, &certificate.pem())
    }

    fn key(&self) -> Result<KeyPair, HubError> {
        KeyPair::from_pem(&text(&self.key)?).map_err(wrong(format!("reading {}", self.key.display())))
    }

    /// A new certificate for these names, and this machine's own.
    fn sign(&self, names: &[String], now: Time) -> Result<CertifiedKey, HubError> {
        let doing = || format!("making a certificate for {}", names.join(", "));
        let own = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut all: Vec<String> = names.iter().cloned().chain(own).collect();
        all.sort();
        all.dedup();
        let mut params = CertificateParams::new(all).map_err(wrong(doing()))?;
        params.distinguished_name.push(DnType::CommonName, "jit-hub");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        lasts(&mut params, now, limits::CERTIFICATE_DAYS.0);
        let key = KeyPair::generate().map_err(wrong(doing()))?;
        let issuer = Issuer::new(self::params()?, self.key()?);
        let certificate = params.signed_by(&key, &issuer).map_err(wrong(doing()))?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        certified(vec![certificate.into()], key).map_err(wrong(doing()))
    }
}

/// What the authority's certificate says. It is the same each time but for its days, so that what is signed names
/// its signer.
fn params() -> Result<CertificateParams, HubError> {
    let mut params = CertificateParams::new([]).map_err(wrong("making the certificate authority"))?;
    params.distinguished_name.push(DnType::CommonName, "jit-hub authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    lasts(&mut params, clock::wall(), limits::AUTHORITY_DAYS);
    Ok(params)
}

/// Good from the day before, for clocks that are behind.
fn lasts(params: &mut CertificateParams, now: Time, days: i64) {
    let day = |after: i64| {
        let day = (now + TimeDelta::days(after)).date_naive();
        // Months and days of a month are under 32.
        let small = |number: u32| u8::try_from(number).unwrap_or(1);
        rcgen::date_time_ymd(day.year(), small(day.month()), small(day.day()))
    };
    params.not_before = day(-1);
    params.not_after = day(days);
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, rustls::Error> {
    let certified = CertifiedKey::from_der(chain, key, &provider())?;
    certified.keys_match()?;
    Ok(certified)
}

/// The one implementation of cryptography for TLS here.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The certificate of the moment.
#[derive(Debug)]
pub struct Certificates {
    names: Vec<String>,
    state: PathBuf,
    files: Option<Tls>,
    shown: ArcSwap<CertifiedKey>,
    made: ArcSwap<Time>,
    seen: Mutex<Seen>,
}

/// What was found where the files are.
#[derive(Debug, Default)]
struct Seen {
    /// What tells their contents from others: of each when it was written, how long it is, and which file it is.
    stamps: Vec<(i64, i64, u64, u64)>,
    /// Why they cannot be shown.
    why: Option<String>,
}

/// When files of a certificate were looked at.
fn stamps(files: Option<&Tls>) -> Vec<(i64, i64, u64, u64)> {
    let stamp = |path: &PathBuf| {
        std::fs::metadata(path).map_or((0, 0, 0, 0), |of| (of.mtime(), of.mtime_nsec(), of.len(), of.ino()))
    };
    files.iter().flat_map(|tls| [&tls.certificate, &tls.key]).map(stamp).collect()
}

impl Certificates {
    /// As this configuration says.
    pub fn open(config: &Config) -> Result<Self, HubError> {
        let (names, state, files) = (config.names.clone(), config.state.clone(), config.tls.clone());
        let now = clock::wall();
        let seen = Seen { stamps: stamps(files.as_ref()), why: None };
        let shown = read(&names, &state, files.as_ref(), now)?;
        Ok(Self {
            seen: Mutex::new(seen),
            names,
            state,
            files,
            shown: ArcSwap::from_pointee(shown),
            made: ArcSwap::from_pointee(now),
        })
    }

    /// Shows what the files hold now, or a new one. What cannot be read changes nothing.
    pub fn reload(&self) -> Result<(), HubError> {
        let now = clock::wall();
        let stamps = stamps(self.files.as_ref());
        let read = read(&self.names, &self.state, self.files.as_ref(), now);
        let why = read.as_ref().err().map(ToString::to_string);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen { stamps, why };
        self.shown.store(Arc::new(read?));
        self.made.store(Arc::new(now));
        Ok(())
    }

    /// Whether the files are others than when they were read last.
    pub fn is_changed(&self) -> bool {
        self.files.is_some()
            && self.seen.lock().unwrap_or_else(PoisonError::into_inner).stamps != stamps(self.files.as_ref())
    }

    /// When what is shown is over, as far as that can be read: the first of the chain that is.
    pub fn ends(&self) -> Option<Time> {
        self.first_over().map(|(_, ends)| ends)
    }

    fn first_over(&self) -> Option<(Time, Time)> {
        self.shown.load().cert.iter().filter_map(|der| validity(der)).min_by_key(|(_, ends)| *ends)
    }

    /// An error where somebody should see to the files, and why.
    pub fn is_good(&self) -> Result<(), String> {
        let Some(Tls { certificate, .. }) = &self.files else { return Ok(()) };
        let file = certificate.display();
        if let Some(why) = &self.seen.lock().unwrap_or_else(PoisonError::into_inner).why {
            return Err(format!(
                "{why}: {file} and its key changed, and the certificate of before stays in use"
            ));
        }
        match self.first_over() {
            Some((begins, ends))
                if ends - clock::wall() < limits::CERTIFICATE_TOLD.min((ends - begins) / 3) =>
            {
                Err(format!(
                    "the certificate in {file} is good until {} UTC, and then nobody and no host believes this hub: renew it",
                    ends.format("%F %R")
                ))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is time for a new one of our own.
    pub fn is_old(&self) -> bool {
        let age = clock::wall() - **self.made.load();
        self.files.is_none() && age.abs() >= TimeDelta::days(limits::CERTIFICATE_DAYS.1)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown.load_full())
    }
}

fn read(names: &[String], state: &Path, files: Option<&Tls>, now: Time) -> Result<CertifiedKey, HubError> {
    let Some(Tls { certificate, key }) = files else {
        return Authority::of(state).sign(names, now);
    };
    let doing = |path: &Path| format!("reading {}", path.display());
    let chain = CertificateDer::pem_slice_iter(text(certificate)?.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(wrong(doing(certificate)))?;
    let private = PrivateKeyDer::from_pem_slice(text(key)?.as_bytes()).map_err(wrong(doing(key)))?;
    certified(chain, private).map_err(wrong(format!(
        "using {} with {}",
        certificate.display(),
        key.display()
    )))
}

/// From when and until when a certificate is good.
fn validity(certificate: &[u8]) -> Option<(Time, Time)> {
    let validity = Certificate::from_der(certificate).ok()?.tbs_certificate.validity;
    let at = |since: Duration| Time::from_timestamp(i64::try_from(since.as_secs()).ok()?, 0);
    Some((at(validity.not_before.to_unix_duration())?, at(validity.not_after.to_unix_duration())?))
}

/// Whether a certificate of somebody else's is for the name that hosts call this `url` by.
pub fn is_for(config: &Config, url: &str) -> Result<(), HubError> {
    let Some(Tls { certificate, .. }) = &config.tls else { return Ok(()) };
    let doing = || format!("using {} for {url}", certificate.display());
    let name = reqwest::Url::parse(url).map_err(wrong(doing()))?;
    let name = name.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(name).map_err(wrong(doing()))?;
    let first = CertificateDer::from_pem_slice(text(certificate)?.as_bytes()).map_err(wrong(doing()))?;
    let parsed = ParsedCertificate::try_from(&first).map_err(wrong(doing()))?;
    verify_server_name(&parsed, &name).map_err(|why| HubError::Certificate {
        doing: doing(),
        why: format!("{why}: hosts call it by that name, which is the first of names, or url, in hub.toml, and believe no other, unless something \
             before it shows them one"),
    })
}

fn text(path: &Path) -> Result<String, HubError> {
    let failed = || os(format!("reading {}", path.display()));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed())?;
    file.take(limits::FILE).read_to_string(&mut text).map_err(failed())?;
    Ok(text)
}

/// A new file, whole or not at all; it is there from then on, whatever happens. What root makes is for whom the folder belongs
/// to, and a link that they put there is not followed.
pub fn put(path: &Path, mode: u32, text: &str) -> Result<(), HubError> {
    let failed = || os(format!("writing {}", path.display()));
    let beside = path.with_extension("new");
    take_away(&beside)?;
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside).map_err(failed())?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed())?;
    store::give_to_owner(&beside)?;
    std::fs::rename(&beside, path).map_err(failed())?;
    sync_folder(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read_before_and_after_2050() {
        for (year, text) in
            [(2026, "2026-12-24T00:00:00Z"), (2049, "2049-12-24T00:00:00Z"), (2051, "2051-12-24T00:00:00Z")]
        {
            let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, 12, 24);
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            assert_eq!(validity(certificate.der()).map(|(_, ends)| ends), text.parse().ok());
            for length in 0..certificate.der().len() {
                assert!(validity(&certificate.der()[..length]).is_none());
            }
        }
    }
}
