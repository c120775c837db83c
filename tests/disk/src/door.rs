//! What the kernel asks, answered from the tree: each change is a step, and behind the cut nothing is answered.

use crate::limits;
use crate::tree::{Node, Owned, Tree, What};
use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes of a block, as statfs(2) and stat(2) speak of them.
const BLOCK: u32 = 4096;

/// fallocate(2): reserves, and leaves the length.
const KEEP_SIZE: i32 = 1;

pub struct State {
    pub tree: Tree,
    /// Writes, syncs and changes of names since the mount.
    pub steps: u64,
    pub cut_at: Option<u64>,
    pub is_cut: bool,
}

/// The state, and who waits for the cut.
pub struct Shared {
    state: Mutex<State>,
    pub cut: Condvar,
}

impl Shared {
    pub fn new(tree: Tree) -> Arc<Self> {
        let state = State { tree, steps: 0, cut_at: None, is_cut: false };
        Arc::new(Self { state: Mutex::new(state), cut: Condvar::new() })
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look<T>(&self, look: impl FnOnce(&Tree) -> Result<T, Errno>) -> Result<T, Errno> {
        let state = self.lock();
        if state.is_cut { Err(Errno::EIO) } else { look(&state.tree) }
    }

    /// One step. Where the power is cut at it, what it wrote may have reached the disk, and nobody hears so.
    fn step<T>(&self, change: impl FnOnce(&mut Tree) -> Result<T, Errno>) -> Result<T, Errno> {
        let mut state = self.lock();
        let is_last = Self::count(&mut state)?;
        let done = change(&mut state.tree);
        if is_last { Err(self.ends(&mut state)) } else { done }
    }

    /// The same of a sync, which has done nothing yet where the power is cut at it.
    fn sync(&self, sync: impl FnOnce(&mut Tree) -> Result<(), Errno>) -> Result<(), Errno> {
        let mut state = self.lock();
        if Self::count(&mut state)? { Err(self.ends(&mut state)) } else { sync(&mut state.tree) }
    }

    fn count(state: &mut State) -> Result<bool, Errno> {
        if state.is_cut {
            return Err(Errno::EIO);
        }
        state.steps += 1;
        Ok(state.cut_at == Some(state.steps))
    }

    fn ends(&self, state: &mut State) -> Errno {
        state.is_cut = true;
        self.cut.notify_all();
        Errno::EIO
    }
}

/// One connection to the kernel.
pub struct Door(pub Arc<Shared>);

fn attributes(at: u64, node: &Node) -> FileAttr {
    let (kind, size, links) = match &node.what {
        What::File(content) => (FileType::RegularFile, content.length() as u64, node.links),
        What::Folder(_) => (FileType::Directory, 0, 2),
    };
    // Its own clock: each change is a millisecond.
    let changed = UNIX_EPOCH + Duration::from_millis(node.changed);
    FileAttr {
        ino: INodeNo(at),
        size,
        blocks: size.div_ceil(512),
        atime: changed,
        mtime: changed,
        ctime: changed,
        crtime: changed,
        kind,
        perm: node.owned.mode,
        nlink: links,
        uid: node.owned.uid,
        gid: node.owned.gid,
        rdev: 0,
        blksize: BLOCK,
        flags: 0,
    }
}

fn entered(tree: &Tree, node: u64) -> Result<FileAttr, Errno> {
    Ok(attributes(node, tree.node(node)?))
}

#[allow(clippy::cast_possible_truncation)] // the bits of a mode are 12
fn owned(request: &Request, mode: u32) -> Owned {
    Owned { mode: (mode & 0o7777) as u16, uid: request.uid(), gid: request.gid() }
}

fn place(offset: u64) -> Result<usize, Errno> {
    usize::try_from(offset).map_err(|_| Errno::EFBIG)
}

fn done(result: Result<(), Errno>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(why) => reply.error(why),
    }
}

fn entry(result: Result<FileAttr, Errno>, reply: ReplyEntry) {
    match result {
        Ok(found) => reply.entry(&limits::BELIEVED, &found, Generation(0)),
        Err(why) => reply.error(why),
    }
}

/// How a file is opened: nothing changes behind the kernel's back, and a close waits for nothing.
///
/// Not so for the process that answers here. A fault in a file that it mapped would hold the lock of its memory while
/// it waits for an answer, for which that lock is needed: both would wait for ever, and nobody could end them. So it
/// reads and writes past the kernel's cache, and the kernel lets it map nothing that is shared.
fn opened(request: &Request) -> FopenFlags {
    let is_own = Path::new("/proc/self/task").join(request.pid().to_string()).exists();
    let cache = if is_own { FopenFlags::FOPEN_DIRECT_IO } else { FopenFlags::FOPEN_KEEP_CACHE };
    cache | FopenFlags::FOPEN_NOFLUSH
}

impl Filesystem for Door {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        entry(self.0.look(|tree| entered(tree, tree.named(parent.0, name)?)), reply);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.0.look(|tree| entered(tree, ino.0)) {
            Ok(found) => reply.attr(&limits::BELIEVED, &found),
            Err(why) => reply.error(why),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        #[allow(clippy::cast_possible_truncation)] // the bits of a mode are 12
        let set = |tree: &mut Tree| {
            if let Some(size) = size {
                tree.set_length(ino.0, place(size)?)?;
            }
            let before = tree.node(ino.0)?.owned;
            let owned = Owned {
                mode: mode.map_or(before.mode, |mode| (mode & 0o7777) as u16),
                uid: uid.unwrap_or(before.uid),
                gid: gid.unwrap_or(before.gid),
            };
            if owned != before {
                tree.set_owned(ino.0, owned)?;
            }
            entered(tree, ino.0)
        };
        // Times are not kept.
        let changes = size.is_some() || mode.is_some() || uid.is_some() || gid.is_some();
        let result = if changes { self.0.step(set) } else { self.0.look(|tree| entered(tree, ino.0)) };
        match result {
            Ok(found) => reply.attr(&limits::BELIEVED, &found),
            Err(why) => reply.error(why),
        }
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, reply: ReplyEntry) {
        let new = self.0.step(|tree| {
            let node = tree.make(parent.0, name, owned(request, mode), true)?;
            entered(tree, node)
        });
        entry(new, reply);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(self.0.step(|tree| tree.remove(parent.0, name, false)), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(self.0.step(|tree| tree.remove(parent.0, name, true)), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if !RenameFlags::RENAME_NOREPLACE.contains(flags) {
            return reply.error(Errno::EINVAL);
        }
        let replace = flags.is_empty();
        done(self.0.step(|tree| tree.rename((parent.0, name), (newparent.0, newname), replace)), reply);
    }

    fn link(&self, _: &Request, ino: INodeNo, newparent: INodeNo, newname: &OsStr, reply: ReplyEntry) {
        let linked = self.0.step(|tree| {
            tree.link(ino.0, newparent.0, newname)?;
            entered(tree, ino.0)
        });
        entry(linked, reply);
    }

    fn open(&self, request: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.0.look(|tree| tree.content(ino.0).map(drop)) {
            Ok(()) => reply.opened(FileHandle(0), opened(request)),
            Err(why) => reply.error(why),
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = |tree: &Tree| {
            let length = usize::try_from(size).map_err(|_| Errno::EINVAL)?;
            Ok(tree.content(ino.0)?.read(place(offset)?, length).to_vec())
        };
        match self.0.look(read) {
            Ok(bytes) => reply.data(&bytes),
            Err(why) => reply.error(why),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let write = |tree: &mut Tree| {
            tree.write(ino.0, place(offset)?, data)?;
            u32::try_from(data.len()).map_err(|_| Errno::EINVAL)
        };
        match self.0.step(write) {
            Ok(length) => reply.written(length),
            Err(why) => reply.error(why),
        }
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        done(self.0.sync(|tree| tree.sync_file(ino.0)), reply);
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        done(self.0.sync(|tree| tree.sync_folder(ino.0)), reply);
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.0.look(|tree| tree.folder(ino.0).map(drop)) {
            Ok(()) => reply.opened(FileHandle(0), FopenFlags::empty()),
            Err(why) => reply.error(why),
        }
    }

    fn readdir(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let listed = self.0.look(|tree| {
            let names = tree.folder(ino.0)?.names.iter();
            // A listing goes on behind the place that it came to, whatever was removed meanwhile.
            let mut rest: Vec<_> = names.filter(|(_, (_, place))| *place > offset).collect();
            rest.sort_by_key(|(_, (_, place))| *place);
            for (name, (node, place)) in rest {
                let kind = attributes(*node, tree.node(*node)?).kind;
                if reply.add(INodeNo(*node), *place, kind, name) {
                    break;
                }
            }
            Ok(())
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(why) => reply.error(why),
        }
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let free = limits::FREE / u64::from(BLOCK);
        let (nodes, name) = (limits::NODES as u64, u32::try_from(limits::NAME).unwrap_or(u32::MAX));
        reply.statfs(free, free, free, nodes, nodes, BLOCK, name, BLOCK);
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let new = self.0.step(|tree| {
            let node = tree.make(parent.0, name, owned(request, mode), false)?;
            entered(tree, node)
        });
        match new {
            Ok(found) => {
                reply.created(&limits::BELIEVED, &found, Generation(0), FileHandle(0), opened(request));
            }
            Err(why) => reply.error(why),
        }
    }

    fn fallocate(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let grown = match mode {
            0 => self.0.step(|tree| {
                let end = place(offset.checked_add(length).ok_or(Errno::EFBIG)?)?;
                if end > tree.content(ino.0)?.length() { tree.set_length(ino.0, end) } else { Ok(()) }
            }),
            KEEP_SIZE => Ok(()),
            _ => Err(Errno::EOPNOTSUPP),
        };
        done(grown, reply);
    }
}
