//! A server whose hints come to nobody, as where the connection that listens is one of a pooler's: each hub looks by itself.

use crate::host::{granted, joined};
use crate::room::Hub;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The socket of a server, in the folder that names it.
fn socket(folder: &Path) -> PathBuf {
    folder.join(".s.PGSQL.5432")
}

/// Passes all on that a server says, but for its notifications: type and length, and then as much
/// (PostgreSQL's documentation, "Message Formats"). Counts those.
fn passes_on(mut server: UnixStream, mut client: UnixStream, kept: &AtomicUsize) -> std::io::Result<()> {
    loop {
        let mut head = [0; 5];
        server.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let mut body = vec![0; u32::from_be_bytes(length) as usize - length.len()];
        server.read_exact(&mut body)?;
        if kind == b'A' {
            kept.fetch_add(1, Ordering::Relaxed);
        } else {
            client.write_all(&[&head[..], &body].concat())?;
        }
    }
}

/// Stands before the server of this folder, in another folder, for as long as the process lives.
fn before(server: &Path, folder: &Path) -> Arc<AtomicUsize> {
    let (listener, server) = (UnixListener::bind(socket(folder)).unwrap(), socket(server));
    let kept = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&kept);
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut server = UnixStream::connect(&server).unwrap();
            let (back, to, kept) =
                (server.try_clone().unwrap(), client.try_clone().unwrap(), Arc::clone(&counted));
            std::thread::spawn(move || passes_on(back, to, &kept));
            std::thread::spawn(move || std::io::copy(&mut client, &mut server));
        }
    });
    kept
}

#[test]
fn a_hub_that_no_hint_comes_to_looks_each_second_and_its_hosts_hear_of_what_others_commit() {
    let one = Hub::with_policy();
    let mut host = joined(&one, "db-7");
    let folder = tempfile::tempdir().unwrap();
    let url = one.database.lock().unwrap().0.url();
    let server = url.rsplit('=').next().unwrap();
    let kept = before(Path::new(server), folder.path());
    let config = std::fs::read_to_string(one.path("hub.toml")).unwrap();
    std::fs::write(one.path("hub.toml"), config.replace(server, folder.path().to_str().unwrap())).unwrap();
    let other = one.beside();

    let mut stream = host.listen(&other);
    host.hears(&mut stream);
    let begun = Instant::now();
    granted(&one, "db-7");
    host.hears_until(&mut stream, |state| state.grants().count() == 1);
    // Each host is told the whole truth again after 20 s, whatever its hub has seen.
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert!(kept.load(Ordering::Relaxed) > 0, "there were hints");
}
