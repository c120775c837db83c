//! A bad line: a cable that delays each frame by a while of its own, so that they overtake one another, and loses some.
//!
//! Between two ends of its own, for what a kernel can do to packets (netem) is not in every kernel.

use crate::limits;
use anyhow::{Context as _, Result, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tokio_tun::Tun;

/// A frame is delayed by up to so long: a way around the world and back, by satellite.
const DELAY: Duration = Duration::from_millis(200);

/// One frame in so many is lost.
const LOST: u64 = 50;

/// Frames that are on their way at once: a full window of a connection. More are lost, as by any line.
const ON_THE_WAY: usize = 4096;

/// Bytes of the longest frame.
const FRAME: usize = 2048;

/// A bad line. It is gone when this is dropped.
pub struct BadLine {
    counts: Arc<Counts>,
    stop: Option<oneshot::Sender<()>>,
    carries: Option<JoinHandle<()>>,
}

/// What it did, both ways together.
#[derive(Default)]
struct Counts {
    carried: AtomicU64,
    overtaken: AtomicU64,
    lost: AtomicU64,
}

impl BadLine {
    /// From a device of this name in one network to one in another. The same seed delays and loses the same frames, as
    /// far as the same are sent.
    pub(crate) fn between(near: (File, String), far: (File, String), seed: u64) -> Result<Self> {
        let counts = Arc::new(Counts::default());
        let (counting, (stop, stopped)) = (Arc::clone(&counts), oneshot::channel());
        let (tell, told) = sync_channel(1);
        let carries = std::thread::Builder::new()
            .name("bad line".into())
            .spawn(move || carry([near, far], seed, &counting, stopped, &tell))
            .context("starting the thread of a bad line")?;
        told.recv().map_err(|_| anyhow!("the thread of a bad line ended"))??;
        Ok(Self { counts, stop: Some(stop), carries: Some(carries) })
    }

    /// Frames that it carried, those of them that others had overtaken, and those that it lost.
    pub fn counts(&self) -> (u64, u64, u64) {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        (count(&self.counts.carried), count(&self.counts.overtaken), count(&self.counts.lost))
    }
}

impl Drop for BadLine {
    fn drop(&mut self) {
        // Its end wakes the thread.
        drop(self.stop.take());
        let _ = self.carries.take().map(JoinHandle::join);
    }
}

fn carry(
    ends: [(File, String); 2],
    seed: u64,
    counts: &Counts,
    stopped: oneshot::Receiver<()>,
    tell: &SyncSender<Result<()>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => return drop(tell.send(Err(why.into()))),
    };
    runtime.block_on(async {
        match ends.map(|(network, name)| device(&network, &name)) {
            [Ok(near), Ok(far)] => {
                let _ = tell.send(Ok(()));
                let (there, back) = (Way { seed, which: 0 }, Way { seed, which: 1 });
                tokio::select! {
                    () = there.carry(&near, &far, counts) => {}
                    () = back.carry(&far, &near, counts) => {}
                    _ = stopped => {}
                }
            }
            [Err(why), _] | [_, Err(why)] => drop(tell.send(Err(why))),
        }
    });
}

/// A device whose frames this process carries; this thread goes to its network for good.
fn device(network: &File, name: &str) -> Result<Tun> {
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
        .with_context(|| format!("going where {name} is to be"))?;
    let made = Tun::builder().name(name).tap().up().build().with_context(|| format!("making {name}"))?;
    made.into_iter().next().with_context(|| format!("making {name}: there is none"))
}

/// One direction.
struct Way {
    seed: u64,
    which: u8,
}

impl Way {
    /// How long this frame takes; none where it is lost.
    fn takes(&self, number: u64) -> Option<Duration> {
        let hash = Sha256::new()
            .chain_update(self.seed.to_be_bytes())
            .chain_update([self.which])
            .chain_update(number.to_be_bytes())
            .finalize();
        let mut random =
            hash.chunks_exact(8).filter_map(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
        let (lot, part) = (random.next()?, random.next()?);
        let micros = u64::try_from(DELAY.as_micros()).ok()?;
        (lot % LOST != 0).then(|| Duration::from_micros(part % micros))
    }

    /// Until a device is gone.
    async fn carry(&self, from: &Tun, to: &Tun, counts: &Counts) {
        // By when they arrive, then by when they were sent.
        let mut on_the_way: BTreeMap<(Instant, u64), Vec<u8>> = BTreeMap::new();
        let (mut number, mut latest, mut buffer) = (0_u64, 0, vec![0; FRAME]);
        loop {
            let next = on_the_way.keys().next().map(|(at, _)| *at);
            tokio::select! {
                read = from.recv(&mut buffer) => {
                    let Ok(length) = read else { return };
                    number += 1;
                    match self.takes(number).filter(|_| on_the_way.len() < ON_THE_WAY) {
                        Some(takes) => {
                            let frame = buffer.get(..length).unwrap_or_default().to_vec();
                            on_the_way.insert((Instant::now() + takes, number), frame);
                        }
                        None => drop(counts.lost.fetch_add(1, Ordering::Relaxed)),
                    }
                }
                () = sleep_until(next.unwrap_or_else(|| Instant::now() + limits::SOON)), if next.is_some() => {
                    let Some(((_, sent), frame)) = on_the_way.pop_first() else { continue };
                    // A device that is down loses it.
                    let _ = to.send(&frame).await;
                    counts.carried.fetch_add(1, Ordering::Relaxed);
                    if sent < latest {
                        counts.overtaken.fetch_add(1, Ordering::Relaxed);
                    }
                    latest = latest.max(sent);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame_has_a_delay_of_its_own_and_some_have_none() {
        let way = Way { seed: 7, which: 0 };
        let takes: Vec<_> = (0..5000).map(|number| way.takes(number)).collect();
        assert!(takes.iter().flatten().all(|takes| *takes < DELAY));
        let lost = takes.iter().filter(|takes| takes.is_none()).count();
        assert!((50..200).contains(&lost), "{lost} of 5000");
        let again: Vec<_> = (0..5000).map(|number| Way { seed: 7, which: 0 }.takes(number)).collect();
        assert_eq!(takes, again);
        assert_ne!(
            takes,
            (0..5000).map(|number| Way { seed: 7, which: 1 }.takes(number)).collect::<Vec<_>>()
        );
    }
}
