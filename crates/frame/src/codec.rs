//! Fields in, fields out: the only place that counts bytes.

use crate::limits::{FRAME, HEADER};
use crate::{FrameError, OLDEST, VERSION};

/// Writes a frame field by field.
pub(crate) struct Put(Vec<u8>);

impl Put {
    pub(crate) fn new(magic: [u8; 4]) -> Self {
        let mut frame = Vec::with_capacity(512);
        frame.extend_from_slice(&magic);
        frame.push(VERSION);
        frame.extend_from_slice(&[0, 0]);
        Self(frame)
    }

    pub(crate) fn bytes(mut self, tag: u8, bytes: &[u8], most: usize) -> Result<Self, FrameError> {
        let length = u16::try_from(bytes.len()).map_err(|_| FrameError::Field(tag))?;
        if bytes.len() > most {
            return Err(FrameError::Field(tag));
        }
        self.0.push(tag);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
        Ok(self)
    }

    pub(crate) fn finish(mut self) -> Result<Vec<u8>, FrameError> {
        let body = u16::try_from(self.0.len() - HEADER).map_err(|_| FrameError::TooLarge)?;
        if let Some(length) = self.0.get_mut(5..HEADER) {
            length.copy_from_slice(&body.to_be_bytes());
        }
        Ok(self.0)
    }
}

/// Reads a frame field by field, in order.
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn of(frame: &'a [u8], magic: [u8; 4]) -> Result<Self, FrameError> {
        if frame.len() > FRAME {
            return Err(FrameError::TooLarge);
        }
        let (header, body) = frame.split_first_chunk::<HEADER>().ok_or(FrameError::Length)?;
        let [m0, m1, m2, m3, version, high, low] = *header;
        if [m0, m1, m2, m3] != magic {
            return Err(FrameError::Magic);
        }
        if !(OLDEST..=VERSION).contains(&version) {
            return Err(FrameError::Version(version));
        }
        if body.len() != usize::from(u16::from_be_bytes([high, low])) {
            return Err(FrameError::Length);
        }
        Ok(Self(body))
    }

    fn field(&mut self, tag: u8) -> Result<&'a [u8], FrameError> {
        let missing = FrameError::Field(tag);
        let (&[found, high, low], rest) = self.0.split_first_chunk::<3>().ok_or(missing)?;
        if found != tag {
            return Err(missing);
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (bytes, rest) = rest.split_at_checked(length).ok_or(missing)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(crate) fn bytes(&mut self, tag: u8, most: usize) -> Result<Vec<u8>, FrameError> {
        let bytes = self.field(tag)?;
        if bytes.len() > most {
            return Err(FrameError::Field(tag));
        }
        Ok(bytes.to_vec())
    }

    pub(crate) fn array<const N: usize>(&mut self, tag: u8) -> Result<[u8; N], FrameError> {
        self.field(tag)?.try_into().map_err(|_| FrameError::Field(tag))
    }

    pub(crate) fn byte(&mut self, tag: u8) -> Result<u8, FrameError> {
        let [byte] = self.array(tag)?;
        Ok(byte)
    }

    pub(crate) fn end(self) -> Result<(), FrameError> {
        match self.0.first() {
            None => Ok(()),
            Some(tag) => Err(FrameError::Unknown(*tag)),
        }
    }
}
