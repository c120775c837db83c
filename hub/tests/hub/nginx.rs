//! The nginx of the machine, on a port that the kernel chose.
#![allow(dead_code)] // not every test does all of it

use crate::room::until;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A certificate for localhost by an authority of its own; the authority's.
pub fn certify(folder: &Path) -> String {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap();
    let own = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&own, &Issuer::new(params, key)).unwrap();
    std::fs::write(folder.join("jit-hub.key"), own.serialize_pem()).unwrap();
    std::fs::write(folder.join("jit-hub.crt"), certificate.pem()).unwrap();
    authority.pem()
}

pub struct Nginx {
    child: Child,
    folder: tempfile::TempDir,
    /// Whose certificate it shows.
    pub ca: String,
    port: u16,
}

impl Nginx {
    /// One with these lines in its block for http, of which `/etc/nginx/` is a folder of its own and 443 its port.
    /// `jit-hub.crt` and its key are there, and `jit-hubs.crt` with this in it.
    pub fn with(lines: &str, hubs: &str) -> Self {
        testbed::install(&[("/usr/sbin/nginx", "nginx-light")]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ca = certify(folder.path());
        std::fs::write(folder.path().join("jit-hubs.crt"), hubs).unwrap();
        // Free now, and nobody else's in the moment until it is taken.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let inside = folder.path().display();
        let lines = lines
            .replace("/etc/nginx/", &format!("{inside}/"))
            .replace("listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl"));
        let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {inside}/{what};\n"))
            .concat();
        let config = format!(
            "user root;\ndaemon off;\nmaster_process off;\npid {inside}/pid;\nerror_log {inside}/error;\nevents {{}}\n\
             http {{\naccess_log {inside}/access;\n{paths}{lines}\n}}\n"
        );
        let path = folder.path().join("nginx.conf");
        std::fs::write(&path, config).unwrap();
        let mut command = Command::new("/usr/sbin/nginx");
        command.arg("-c").arg(&path).arg("-p").arg(folder.path());
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        let nginx = Self { child, folder, ca, port };
        until("nginx answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        nginx
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// What was called, as it logs that.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("access")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
