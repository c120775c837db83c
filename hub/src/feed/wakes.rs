//! Who waits for news: a change wakes the hosts that it is about, and no others.

use access::HostName;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// Streams by host.
#[derive(Default)]
pub struct Wakes {
    hosts: Mutex<HashMap<HostName, watch::Sender<u64>>>,
}

impl Wakes {
    /// What tells this host's streams of a change. The last value is the revision of the newest.
    pub fn of(&self, host: &HostName) -> watch::Receiver<u64> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.entry(host.clone()).or_insert_with(|| watch::channel(0).0).subscribe()
    }

    /// Something changed for these hosts.
    pub fn wake<'a>(&self, hosts: impl IntoIterator<Item = &'a HostName>, revision: u64) {
        let streams = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in hosts.into_iter().filter_map(|host| streams.get(host)) {
            // Whoever committed it tells at once, and whoever follows the journal tells again.
            stream.send_if_modified(|newest| {
                let newer = *newest < revision;
                *newest = revision.max(*newest);
                newer
            });
        }
    }

    /// This host may be another one now, or none.
    pub fn look_again(&self, host: &HostName) {
        let streams = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stream) = streams.get(host) {
            stream.send_modify(|_| ());
        }
    }

    /// Something changed for all of them.
    pub fn wake_all(&self) {
        let streams = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        streams.values().for_each(|stream| stream.send_modify(|_| ()));
    }

    /// Whether this host listens.
    pub fn listens(&self, host: &HostName) -> bool {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.get(host).is_some_and(|stream| stream.receiver_count() > 0)
    }

    /// A host that is none any more: its streams end.
    pub fn forget(&self, host: &HostName) {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner).remove(host);
    }
}
