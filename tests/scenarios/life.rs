//! x
#![allow(clippy::unwrap_used, clippy::print_stderr)]
#[test]
fn timing() {
    let t = std::time::Instant::now();
    let host = testbed::Host::boot("t").unwrap();
    eprintln!("boot {:?}", t.elapsed());
    eprintln!("{:#?}", host.root("systemd-analyze; systemd-analyze blame | head; systemd-analyze critical-chain; systemctl --failed").out);
    let t = std::time::Instant::now();
    host.install(&testbed::package().unwrap()).unwrap();
    eprintln!("install {:?}", t.elapsed());
    eprintln!("{}", host.root("systemd-analyze security jitd | tail -100").out);
    drop(host);
}
