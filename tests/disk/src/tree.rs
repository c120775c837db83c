//! Folders and files in both states: as programs see them, and as they would be found after the power was cut.

use crate::content::Content;
use crate::limits;
use crate::{Keep, Names};
use fuser::Errno;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};

/// The folder that is mounted.
pub const ROOT: u64 = 1;

/// Who may do what with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owned {
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
}

/// One file or folder.
pub struct Node {
    pub owned: Owned,
    kept_owned: Owned,
    pub links: u32,
    /// The tree's clock when it changed last.
    pub changed: u64,
    pub what: What,
}

pub enum What {
    File(Content),
    Folder(Folder),
}

/// The names of a folder, each with the node and the place that a listing goes on from.
#[derive(Default)]
pub struct Folder {
    pub names: BTreeMap<OsString, (u64, u64)>,
    kept: BTreeMap<OsString, u64>,
    /// What it is in itself.
    above: u64,
}

/// A change of names that happens whole or not at all: each name, in its folder, and what has it from now on.
struct Move(Vec<(u64, OsString, Option<u64>)>);

pub struct Tree {
    nodes: HashMap<u64, Node>,
    next: u64,
    clock: u64,
    /// Not synced, in order.
    moves: Vec<Move>,
    bytes: usize,
    model: Names,
}

type Done<T> = Result<T, Errno>;

impl Tree {
    pub fn new(model: Names) -> Self {
        let owned = Owned { mode: 0o755, uid: 0, gid: 0 };
        let root = Node {
            owned,
            kept_owned: owned,
            links: 1,
            changed: 0,
            what: What::Folder(Folder { above: ROOT, ..Folder::default() }),
        };
        let nodes = [(ROOT, root)].into();
        Self { nodes, next: ROOT + 1, clock: 0, moves: Vec::new(), bytes: 0, model }
    }

    pub fn node(&self, node: u64) -> Done<&Node> {
        self.nodes.get(&node).ok_or(Errno::ENOENT)
    }

    /// The node, which is about to change.
    fn changing(&mut self, node: u64) -> Done<&mut Node> {
        self.clock += 1;
        let found = self.nodes.get_mut(&node).ok_or(Errno::ENOENT)?;
        found.changed = self.clock;
        Ok(found)
    }

    pub fn folder(&self, node: u64) -> Done<&Folder> {
        match &self.node(node)?.what {
            What::Folder(folder) => Ok(folder),
            What::File(_) => Err(Errno::ENOTDIR),
        }
    }

    pub fn content(&self, node: u64) -> Done<&Content> {
        match &self.node(node)?.what {
            What::File(content) => Ok(content),
            What::Folder(_) => Err(Errno::EISDIR),
        }
    }

    pub fn named(&self, folder: u64, name: &OsStr) -> Done<u64> {
        let found = self.folder(folder)?.names.get(name);
        found.map(|(node, _)| *node).ok_or(Errno::ENOENT)
    }

    /// A new file or folder of this name.
    pub fn make(&mut self, folder: u64, name: &OsStr, owned: Owned, is_folder: bool) -> Done<u64> {
        self.is_free(folder, name)?;
        if self.nodes.len() >= limits::NODES {
            return Err(Errno::ENOSPC);
        }
        let node = self.next;
        self.next += 1;
        let what = if is_folder {
            What::Folder(Folder { above: folder, ..Folder::default() })
        } else {
            What::File(Content::default())
        };
        self.nodes.insert(node, Node { owned, kept_owned: owned, links: 0, changed: 0, what });
        self.moved(vec![(folder, name.to_owned(), Some(node))])?;
        Ok(node)
    }

    /// One name more for a file.
    pub fn link(&mut self, node: u64, folder: u64, name: &OsStr) -> Done<()> {
        self.content(node)?;
        self.is_free(folder, name)?;
        self.moved(vec![(folder, name.to_owned(), Some(node))])
    }

    /// The name goes, of a file or of an empty folder.
    pub fn remove(&mut self, folder: u64, name: &OsStr, is_folder: bool) -> Done<()> {
        let node = self.named(folder, name)?;
        match (&self.node(node)?.what, is_folder) {
            (What::Folder(folder), true) if !folder.names.is_empty() => return Err(Errno::ENOTEMPTY),
            (What::Folder(_), false) => return Err(Errno::EISDIR),
            (What::File(_), true) => return Err(Errno::ENOTDIR),
            _ => {}
        }
        self.moved(vec![(folder, name.to_owned(), None)])
    }

    pub fn rename(&mut self, from: (u64, &OsStr), to: (u64, &OsStr), replace: bool) -> Done<()> {
        let node = self.named(from.0, from.1)?;
        let is_folder = |node: u64| self.folder(node).is_ok();
        match self.named(to.0, to.1) {
            Ok(there) if there == node => return Ok(()),
            Ok(_) if !replace => return Err(Errno::EEXIST),
            Ok(there) if is_folder(there) != is_folder(node) => {
                return Err(if is_folder(there) { Errno::EISDIR } else { Errno::ENOTDIR });
            }
            Ok(there) if self.folder(there).is_ok_and(|folder| !folder.names.is_empty()) => {
                return Err(Errno::ENOTEMPTY);
            }
            Ok(_) => {}
            Err(_) => name_fits(to.1)?,
        }
        if let What::Folder(folder) = &mut self.changing(node)?.what {
            folder.above = to.0;
        }
        self.moved(vec![(from.0, from.1.to_owned(), None), (to.0, to.1.to_owned(), Some(node))])
    }

    pub fn write(&mut self, node: u64, at: usize, bytes: &[u8]) -> Done<()> {
        let length = self.content(node)?.length();
        let end = at.checked_add(bytes.len()).ok_or(Errno::EFBIG)?;
        self.grow(length, length.max(end))?;
        if let What::File(content) = &mut self.changing(node)?.what {
            content.write(at, bytes);
        }
        Ok(())
    }

    pub fn set_length(&mut self, node: u64, length: usize) -> Done<()> {
        let before = self.content(node)?.length();
        self.grow(before, length)?;
        if let What::File(content) = &mut self.changing(node)?.what {
            content.set_length(length);
        }
        Ok(())
    }

    pub fn set_owned(&mut self, node: u64, owned: Owned) -> Done<()> {
        self.changing(node)?.owned = owned;
        Ok(())
    }

    /// Keeps what a file holds; with [`Names::WithFile`] also the name that it was made by.
    pub fn sync_file(&mut self, node: u64) -> Done<()> {
        let found = self.nodes.get_mut(&node).ok_or(Errno::ENOENT)?;
        found.kept_owned = found.owned;
        if let What::File(content) = &mut found.what {
            content.sync();
        }
        if self.model == Names::WithFile {
            self.keep_new(node);
        }
        Ok(())
    }

    /// Keeps the names of a folder.
    pub fn sync_folder(&mut self, node: u64) -> Done<()> {
        let found = self.nodes.get_mut(&node).ok_or(Errno::ENOENT)?;
        found.kept_owned = found.owned;
        self.keep_moves(|change| change.0.iter().any(|(folder, ..)| *folder == node));
        if self.model == Names::WithFile {
            self.keep_new(node);
        }
        Ok(())
    }

    /// Keeps everything.
    pub fn sync_all(&mut self) {
        self.keep_moves(|_| true);
        for node in self.nodes.values_mut() {
            node.kept_owned = node.owned;
            if let What::File(content) = &mut node.what {
                content.sync();
            }
        }
    }

    /// The power was cut: what is left is all there is.
    pub fn cut(&mut self, keep: Keep) {
        match keep {
            Keep::Nothing => self.moves.clear(),
            Keep::All => self.sync_all(),
            Keep::Some(seed) => self.keep_some(seed),
        }
        self.moves.clear();
        let mut found = BTreeMap::from([(ROOT, 0)]);
        let mut folders = vec![ROOT];
        while let Some(at) = folders.pop() {
            let Some(Node { what: What::Folder(folder), .. }) = self.nodes.get(&at) else { continue };
            let kept: Vec<u64> = folder.kept.values().copied().collect();
            for node in kept {
                let links = found.entry(node).or_insert(0_u32);
                *links += 1;
                if let Some(Node { what: What::Folder(below), .. }) = self.nodes.get_mut(&node)
                    && *links == 1
                {
                    below.above = at;
                    folders.push(node);
                }
            }
        }
        self.nodes.retain(|node, _| found.contains_key(node));
        self.bytes = 0;
        for (at, node) in &mut self.nodes {
            node.owned = node.kept_owned;
            node.links = found.get(at).copied().unwrap_or(0).max(1);
            match &mut node.what {
                What::File(content) => {
                    content.cut(|| false);
                    self.bytes += content.length();
                }
                What::Folder(folder) => {
                    let places = folder.kept.iter().zip(1..);
                    folder.names =
                        places.map(|((name, node), place)| (name.clone(), (*node, place))).collect();
                    self.clock += folder.names.len() as u64;
                }
            }
        }
    }

    /// As disks do: the oldest changes of names, for a file system writes those down in order; and sectors in
    /// none.
    fn keep_some(&mut self, seed: u64) {
        let mut chance = fastrand::Rng::with_seed(seed);
        let until = chance.usize(0..=self.moves.len());
        let mut at = 0;
        self.keep_moves(|_| {
            at += 1;
            at <= until
        });
        let mut nodes: Vec<_> = self.nodes.iter_mut().collect();
        nodes.sort_by_key(|(at, _)| **at);
        for (_, node) in nodes {
            let likely = [0.1, 0.5, 0.9, 1.0].get(chance.usize(0..4)).copied().unwrap_or(0.5);
            if chance.bool() {
                node.kept_owned = node.owned;
            }
            if let What::File(content) = &mut node.what {
                content.cut(|| chance.f64() < likely);
            }
        }
    }

    fn is_free(&self, folder: u64, name: &OsStr) -> Done<()> {
        name_fits(name)?;
        if self.folder(folder)?.names.contains_key(name) { Err(Errno::EEXIST) } else { Ok(()) }
    }

    fn grow(&mut self, from: usize, to: usize) -> Done<()> {
        let bytes = (self.bytes - from).saturating_add(to);
        if bytes > limits::BYTES {
            return Err(Errno::ENOSPC);
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Makes a change of names that programs see from now on.
    fn moved(&mut self, names: Vec<(u64, OsString, Option<u64>)>) -> Done<()> {
        if self.moves.len() >= limits::MOVES {
            return Err(Errno::ENOSPC);
        }
        for (at, name, node) in &names {
            self.clock += 1;
            let place = self.clock;
            let What::Folder(folder) = &mut self.changing(*at)?.what else { return Err(Errno::ENOTDIR) };
            let gone = match node {
                Some(node) => folder.names.insert(name.clone(), (*node, place)),
                None => folder.names.remove(name),
            };
            if let Some((gone, _)) = gone {
                let gone = self.changing(gone)?;
                gone.links = gone.links.saturating_sub(1);
            }
            if let Some(node) = node {
                self.changing(*node)?.links += 1;
            }
        }
        self.moves.push(Move(names));
        Ok(())
    }

    /// Keeps the names by which this node and the folders above it were made.
    fn keep_new(&mut self, node: u64) {
        let mut made = BTreeSet::from([node]);
        let mut at = self.above(node);
        while let Some(folder) = at.filter(|folder| made.insert(*folder)) {
            at = self.above(folder);
        }
        self.keep_moves(
            |Move(names)| matches!(names.as_slice(), [(_, _, Some(node))] if made.contains(node)),
        );
    }

    /// The folder that a node is in, or was made in.
    fn above(&self, node: u64) -> Option<u64> {
        if let Ok(folder) = self.folder(node) {
            return Some(folder.above);
        }
        let made = |Move(names): &Move| match names.as_slice() {
            [(folder, _, Some(made))] if *made == node => Some(*folder),
            _ => None,
        };
        self.moves.iter().find_map(made)
    }

    /// Keeps these changes of names, and those before them that are of the same names.
    fn keep_moves(&mut self, wanted: impl FnMut(&Move) -> bool) {
        let mut kept: Vec<bool> = self.moves.iter().map(wanted).collect();
        let mut names = BTreeSet::new();
        // From the newest on: what one of them needs was there before it.
        for (Move(changes), kept) in self.moves.iter().zip(&mut kept).rev() {
            let is_needed = changes.iter().any(|(folder, name, _)| names.contains(&(*folder, name.clone())));
            if *kept || is_needed {
                *kept = true;
                names.extend(changes.iter().map(|(folder, name, _)| (*folder, name.clone())));
            }
        }
        let mut waiting = Vec::new();
        for (change, kept) in std::mem::take(&mut self.moves).into_iter().zip(kept) {
            if !kept {
                waiting.push(change);
                continue;
            }
            for (at, name, node) in change.0 {
                let Some(Node { what: What::Folder(folder), .. }) = self.nodes.get_mut(&at) else { continue };
                match node {
                    Some(node) => folder.kept.insert(name, node),
                    None => folder.kept.remove(&name),
                };
            }
        }
        self.moves = waiting;
    }
}

fn name_fits(name: &OsStr) -> Done<()> {
    if name.len() > limits::NAME { Err(Errno::ENAMETOOLONG) } else { Ok(()) }
}
