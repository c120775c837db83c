//! Who waits for news: a change wakes the hosts that it is about, and no others.

use access::HostName;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// What the streams of one host are told by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Rises with all that makes a look at the database worth it.
    pub looks: u64,
    /// The stream that the host listens to, of those that it ever began here.
    pub stream: u64,
    /// The revision of the newest change.
    revision: u64,
    /// Rises with the keys.
    keys: u64,
}

/// Streams by host.
#[derive(Default)]
pub struct Wakes {
    hosts: Mutex<HashMap<HostName, watch::Sender<Told>>>,
}

impl Wakes {
    /// What tells a new stream of this host of changes, and the stream's number. Earlier ones of the host end: it listens
    /// once, and does not know that it is still thought to listen where its network was cut.
    pub fn of(&self, host: &HostName) -> (watch::Receiver<Told>, u64) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let streams = hosts.entry(host.clone()).or_insert_with(|| watch::channel(Told::default()).0);
        streams.send_modify(|told| told.stream += 1);
        let told = streams.subscribe();
        let number = told.borrow().stream;
        (told, number)
    }

    /// Something changed for these hosts.
    pub fn wake<'a>(&self, hosts: impl IntoIterator<Item = &'a HostName>, revision: u64) {
        let streams = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in hosts.into_iter().filter_map(|host| streams.get(host)) {
            // Whoever committed it tells at once, and whoever follows the journal tells again.
            stream.send_if_modified(|told| {
                let newer = told.revision < revision;
                told.looks += u64::from(newer);
                told.revision = revision.max(told.revision);
                newer
            });
        }
    }

    /// This host may be another one now, or none.
    pub fn look_again(&self, host: &HostName) {
        let streams = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stream) = streams.get(host) {
            stream.send_modify(|told| told.looks += 1);
        }
    }

    /// Any of them may have news, and revisions may have gone back.
    pub fn look_again_all(&self) {
        let streams = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in streams.values() {
            stream.send_modify(|told| (told.looks, told.revision) = (told.looks + 1, 0));
        }
    }

    /// There are other keys, by which all of them are told what they know.
    pub fn keys(&self) {
        let streams = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        streams.values().for_each(|stream| stream.send_modify(|told| told.keys += 1));
    }

    /// How many streams of this host there still are.
    pub fn streams(&self, host: &HostName) -> usize {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.get(host).map_or(0, watch::Sender::receiver_count)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_woken_by_what_is_new_and_its_latest_stream_is_the_one_that_counts() {
        let (wakes, host) = (Wakes::default(), HostName::parse("db-7").unwrap());
        let (mut told, first) = wakes.of(&host);
        let mut looks = |what: &dyn Fn()| {
            let before = told.borrow_and_update().looks;
            what();
            (told.has_changed().unwrap(), told.borrow().looks - before)
        };
        assert_eq!(looks(&|| wakes.wake([&host], 7)), (true, 1));
        assert_eq!(looks(&|| wakes.wake([&host], 7)), (false, 0), "told again by who follows the journal");
        assert_eq!(looks(&|| wakes.look_again(&host)), (true, 1), "whatever the revision");
        assert_eq!(looks(&|| wakes.look_again_all()), (true, 1));
        assert_eq!(looks(&|| wakes.wake([&host], 3)), (true, 1), "the database lost some");
        assert_eq!(looks(&|| wakes.keys()), (true, 0), "the same truth in other words");
        let (second, number) = wakes.of(&host);
        assert!(number > first && second.borrow().stream == number && told.borrow().stream == number);
        wakes.forget(&host);
        assert!(told.has_changed().is_err() && !wakes.listens(&host));
    }
}
