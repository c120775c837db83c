//! What one file holds: as programs see it, and as it would be found after the power was cut.

use crate::limits::SECTOR;

/// What was written and not synced, in order.
enum Change {
    Bytes { at: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Change {
    fn make(&self, to: &mut Vec<u8>) {
        match self {
            Self::Bytes { at, bytes } => put(to, *at, bytes),
            Self::Length(length) => to.resize(*length, 0),
        }
    }
}

/// Both states of a file.
#[derive(Default)]
pub struct Content {
    now: Vec<u8>,
    kept: Vec<u8>,
    changes: Vec<Change>,
}

impl Content {
    pub fn length(&self) -> usize {
        self.now.len()
    }

    /// What is there of so many bytes from this place.
    pub fn read(&self, at: usize, length: usize) -> &[u8] {
        let end = at.saturating_add(length).min(self.now.len());
        self.now.get(at..end).unwrap_or_default()
    }

    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        put(&mut self.now, at, bytes);
        self.changes.push(Change::Bytes { at, bytes: bytes.to_vec() });
    }

    pub fn set_length(&mut self, length: usize) {
        if length != self.now.len() {
            self.now.resize(length, 0);
            self.changes.push(Change::Length(length));
        }
    }

    /// Keeps all of it.
    pub fn sync(&mut self) {
        for change in self.changes.drain(..) {
            change.make(&mut self.kept);
        }
    }

    /// The power was cut: of what was not synced those sectors are kept that `keeps` says.
    pub fn cut(&mut self, mut keeps: impl FnMut() -> bool) {
        for change in self.changes.drain(..) {
            match change {
                Change::Bytes { at, bytes } => {
                    let mut from = at;
                    let mut rest = bytes.as_slice();
                    while !rest.is_empty() {
                        let (piece, more) = rest.split_at(rest.len().min(SECTOR - from % SECTOR));
                        if keeps() {
                            put(&mut self.kept, from, piece);
                        }
                        (from, rest) = (from + piece.len(), more);
                    }
                }
                Change::Length(_) if keeps() => change.make(&mut self.kept),
                Change::Length(_) => {}
            }
        }
        self.now.clone_from(&self.kept);
    }
}

/// Zeros are between the end and what is put behind it.
fn put(to: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    if let Some(place) = to.get_mut(at..end) {
        place.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_synced_is_kept_by_the_sector_or_not_at_all() {
        let mut content = Content::default();
        content.write(0, &[1; 2000]);
        content.sync();
        content.write(100, &[2; 1000]);
        let mut turn = 0;
        content.cut(|| {
            turn += 1;
            turn == 2
        });
        let expected: Vec<u8> = [[1; 512].as_slice(), &[2; 512], &[1; 2000 - 1024]].concat();
        assert_eq!((turn, content.read(0, 5000)), (3, expected.as_slice()));
    }

    #[test]
    fn a_sector_that_is_kept_behind_one_that_is_not_has_zeros_before_it() {
        let mut content = Content::default();
        content.write(0, &[1; 1024]);
        let mut turn = 0;
        content.cut(|| {
            turn += 1;
            turn == 2
        });
        assert_eq!(content.read(0, 5000), [[0; 512], [1; 512]].concat());
    }

    #[test]
    fn a_file_that_became_shorter_is_as_long_as_before_until_that_is_synced() {
        let mut content = Content::default();
        content.write(0, &[1; 10]);
        content.sync();
        content.set_length(2);
        content.cut(|| false);
        assert_eq!(content.length(), 10);
        content.set_length(2);
        content.sync();
        content.cut(|| false);
        assert_eq!(content.length(), 2);
    }
}
