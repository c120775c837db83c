//! A disk for tests that forgets what was not synced, as a real one does when its power is cut.
//!
//! It is a file system of the kernel's FUSE, made of memory, that keeps two states: what programs see, and what
//! would be found after a cut. fsync(2) and fdatasync(2) of a file keep its bytes, its length and its owner; a name
//! is kept by what [`Names`] says. The power can be cut at any moment, or at the n-th step: a write, a sync, a change
//! of names or of an owner. From then on every call fails, and [`Disk::restart`] mounts what is left, with none, some
//! or all of what was not synced ([`Keep`]).
//!
//! sync(2), syncfs(2) and sync_file_range(2) keep nothing, so that who trusts them is caught. What a program has in
//! memory mapped from a file is written when the kernel does so, or by msync(2).
//!
//! It is answered by threads of the process that makes it, which therefore can map no file of it as shared memory: so
//! a database on it is for other processes to open.
//!
//! The mount belongs to a mount namespace of the thread that makes the disk, and of what that thread starts: it
//! ends with them, however they end.
#![forbid(unsafe_code)]

mod content;
mod door;
pub mod limits;
mod tree;

use anyhow::{Context as _, Result, ensure};
use door::{Door, Shared};
use fuser::{BackgroundSession, Config, MountOption, SessionACL};
use nix::mount::{MntFlags, MsFlags};
use nix::sched::CloneFlags;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tree::Tree;

/// What keeps the name of a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// A sync of its folder and nothing else: all that fsync(2) promises.
    WithFolder,
    /// A sync of the file itself too, for the name that it was made by: so do ext4, XFS and btrfs. The name that a
    /// rename gave waits for a sync of the folder all the same.
    WithFile,
}

/// What is left of that which was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing of it.
    Nothing,
    /// Some sectors, in any order, and the first changes of names: by this seed.
    Some(u64),
    /// All of it, as if every process had been killed and the power were on.
    All,
}

/// A disk that is mounted.
pub struct Disk {
    at: PathBuf,
    model: Names,
    shared: Arc<Shared>,
    session: Option<BackgroundSession>,
}

impl Disk {
    /// An empty one, mounted over this folder for the calling thread and what it starts.
    pub fn new(at: &Path, model: Names) -> Result<Self> {
        alone()?;
        let at = at.canonicalize().with_context(|| format!("looking for {}", at.display()))?;
        let mut disk = Self { at, model, shared: Shared::new(Tree::new(model)), session: None };
        disk.mount()?;
        Ok(disk)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Keeps everything that is there, as if it had been left alone for a while.
    pub fn settle(&self) {
        self.shared.lock().tree.sync_all();
    }

    /// Steps since it was mounted.
    pub fn steps(&self) -> u64 {
        self.shared.lock().steps
    }

    /// The power will be cut at the n-th step from now.
    pub fn cut_at(&self, n: u64) {
        let mut state = self.shared.lock();
        state.cut_at = Some(state.steps + n);
    }

    /// Cuts the power.
    pub fn cut(&self) {
        self.shared.lock().is_cut = true;
        self.shared.cut.notify_all();
    }

    /// Whether the power is cut.
    pub fn is_cut(&self) -> bool {
        self.shared.lock().is_cut
    }

    /// Waits for the cut, at most so long; whether it came.
    pub fn wait_for_cut(&self, most: Duration) -> bool {
        let waits = self.shared.cut.wait_timeout_while(self.shared.lock(), most, |state| !state.is_cut);
        waits.unwrap_or_else(PoisonError::into_inner).0.is_cut
    }

    /// Cuts the power, where it is on, and mounts what is left. Nothing may have a file open on it any more.
    pub fn restart(&mut self, keep: Keep) -> Result<()> {
        self.unmount();
        // What still comes by the old mount finds no power.
        let mut tree = std::mem::replace(&mut self.shared.lock().tree, Tree::new(self.model));
        tree.cut(keep);
        self.shared = Shared::new(tree);
        self.mount()
    }

    fn mount(&mut self) -> Result<()> {
        let mut config = Config::default();
        // Who may do what is the kernel's to judge; a database server is another user than a test.
        config.acl = SessionACL::All;
        config.mount_options = vec![
            MountOption::FSName("jit-disk".to_owned()),
            MountOption::DefaultPermissions,
            MountOption::NoAtime,
        ];
        let session = fuser::spawn_mount(Door(Arc::clone(&self.shared)), &self.at, &config);
        self.session = Some(session.with_context(|| {
            format!("mounting a disk over {}: this takes root and /dev/fuse", self.at.display())
        })?);
        Ok(())
    }

    fn unmount(&mut self) {
        self.cut();
        if let Some(session) = self.session.take() {
            // Also where somebody is still in it: the thread behind it ends when they have gone.
            let _ = nix::mount::umount2(&self.at, MntFlags::MNT_DETACH);
            drop(session);
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.unmount();
    }
}

/// Gives this thread a mount namespace of its own, once.
fn alone() -> Result<()> {
    thread_local!(static ALONE: Cell<bool> = const { Cell::new(false) });
    if ALONE.get() {
        return Ok(());
    }
    ensure!(nix::unistd::geteuid().is_root(), "a mount namespace of its own takes root: run it with sudo -E");
    nix::sched::unshare(CloneFlags::CLONE_NEWNS).context("making a mount namespace")?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    nix::mount::mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
        .context("keeping mounts to this namespace")?;
    ALONE.set(true);
    Ok(())
}
