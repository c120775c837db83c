//! A proxy before the hub that holds back what does not end.

use super::apart::POLICY;
use super::ways::hears_of_everything;
use crate::fleet::again;
use hosts::fleet::{Fleet, HUB_AT};
use std::path::{Path, PathBuf};
use std::process::Command;
use testbed::{Host, Lan, Program};

/// Certificate files as an administrator has them made: of an authority that hosts trust, for the hub's name. Its folder.
fn certificate_files() -> (tempfile::TempDir, PathBuf) {
    testbed::install(&[("openssl", "openssl")]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let inside = |name: &str| folder.path().join(name);
    let new_key = [
        "req",
        "-x509",
        "-nodes",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-days",
        "30",
    ];
    let authority = ["-subj", "/CN=Authority of this test", "-addext", "keyUsage=critical,keyCertSign"];
    let mut made = Command::new("openssl");
    made.args(new_key).args(authority);
    testbed::run(made.arg("-keyout").arg(inside("ca.key")).arg("-out").arg(inside("ca.crt"))).unwrap();
    let names = format!("subjectAltName=DNS:hub-1,DNS:localhost,IP:{HUB_AT}");
    let leaf = ["-subj", "/CN=hub-1", "-addext", &names, "-addext", "basicConstraints=critical,CA:FALSE"];
    let mut made = Command::new("openssl");
    made.args(new_key).args(leaf).arg("-CA").arg(inside("ca.crt")).arg("-CAkey").arg(inside("ca.key"));
    testbed::run(made.arg("-keyout").arg(inside("tls.key")).arg("-out").arg(inside("tls.crt"))).unwrap();
    let ca = inside("ca.crt");
    (folder, ca)
}

/// nginx before the hub, with its certificate files; `more` stands beside what it says of the hub.
fn nginx(fleet: &Fleet, folder: &Path, more: &str) -> Program {
    let root = testbed::unpacked("nginx").unwrap().join("root");
    let at = folder.display();
    let config = format!(
        "daemon off; master_process off; user root; pid {at}/nginx.pid; error_log {at}/error.log;\nevents {{}}\nhttp {{\n\
         log_format short '$request $status $request_completion'; access_log {at}/access.log short;\n\
         client_body_temp_path {at}/body; proxy_temp_path {at}/proxy;\n\
         fastcgi_temp_path {at}/fastcgi; uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;\n\
         server {{\nlisten {own}:8443 ssl; ssl_certificate {at}/tls.crt; ssl_certificate_key {at}/tls.key;\n\
         client_max_body_size 32m;\nlocation / {{\nproxy_pass https://{HUB_AT}:8443; proxy_http_version 1.1;\n\
         proxy_ssl_verify on; proxy_ssl_trusted_certificate {at}/ca.crt; proxy_ssl_name hub-1;\n\
         proxy_buffering on; proxy_read_timeout 3600s; {more}\n}}\n}}\n}}\n",
        own = Lan::OWN
    );
    std::fs::write(folder.join("nginx.conf"), config).unwrap();
    let (program, config) = (root.join("usr/sbin/nginx"), folder.join("nginx.conf"));
    let (program, config) = (program.display().to_string(), config.display().to_string());
    fleet.lan.program(&program, &["-p", &folder.display().to_string(), "-c", &config]).unwrap()
}

#[test]
fn a_host_behind_a_proxy_that_holds_back_asks_for_single_answers() {
    let (files, ca) = certificate_files();
    let mut fleet = Fleet::of_a_hub(POLICY, Some(&ca), |hub| {
        std::fs::create_dir_all(hub.path("etc/jit-hub")).unwrap();
        for name in ["tls.crt", "tls.key"] {
            std::fs::copy(files.path().join(name), hub.path("etc/jit-hub").join(name)).unwrap();
        }
        hub.root("chgrp jit-hub /etc/jit-hub/tls.key && chmod 640 /etc/jit-hub/tls.key").ends_with(0);
        let config = format!(
            "names = [\"hub-1\", \"{HUB_AT}\"]\n[tls]\ncertificate = \"/etc/jit-hub/tls.crt\"\nkey = \"/etc/jit-hub/tls.key\"\n"
        );
        std::fs::write(hub.path("etc/jit-hub/hub.toml"), config).unwrap();
    });
    let proxy = nginx(&fleet, files.path(), "");
    let host = Host::gated("web-1").unwrap();
    fleet.lan.plug(&host, 11).unwrap();
    std::fs::create_dir_all(host.path("etc/ssl/certs")).unwrap();
    std::fs::copy(&ca, host.path("etc/ssl/certs/ca-certificates.crt")).unwrap();
    host.root(&format!("echo '{} hub-1' >> /etc/hosts", Lan::OWN)).ends_with(0);
    fleet.join(host, "prod");
    let [host] = fleet.hosts.as_slice() else { panic!("one host") };
    let alice = host.person("alice", &[]).unwrap();
    // As it is, it hands on what it is asked to hand on.
    let early = fleet.granted_to("alice", "--host web-1 --service ssh --for 1h");
    host.soon("the grant is there", || alice.ssh("true").code == 0);
    fleet.jit("bob", &format!("revoke {early} --reason 'wrong host'")).ends_with(0);
    host.soon("the end is there", || alice.ssh("true").err.contains("was revoked by bob"));

    drop(proxy);
    let _proxy = nginx(&fleet, files.path(), "proxy_ignore_headers X-Accel-Buffering;");
    hears_of_everything(&fleet, host);
    // The stream through it was given up for its silence, and single answers came instead.
    again("single answers come", || {
        let log = std::fs::read_to_string(files.path().join("access.log")).unwrap();
        let feeds: Vec<&str> = log.lines().filter(|line| line.contains("/feed ")).collect();
        let given_up = feeds.iter().position(|line| !line.ends_with("OK")).unwrap_or(feeds.len());
        let single: Vec<_> = feeds.iter().skip(given_up).filter(|line| line.starts_with("GET ")).collect();
        // And none of what the host has.
        [" 200 OK", " 304 OK"].iter().all(|end| single.iter().any(|line| line.ends_with(end)))
    });
}
