//! Takes fixed layouts off the front of bytes that nobody has checked.

use crate::error::{Flaw, ProofError};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// What is left of some bytes, and how far it has come.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes, offset: 0 }
    }

    /// Where the next byte lies.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// A layout.
    pub(crate) fn take<T>(&mut self) -> Result<&'a T, ProofError>
    where
        T: FromBytes + Immutable + KnownLayout + Unaligned,
    {
        let end = self.offset + self.rest.len();
        let (layout, rest) =
            T::ref_from_prefix(self.rest).map_err(|_| ProofError::new(end, Flaw::TooShort))?;
        self.offset += size_of::<T>();
        self.rest = rest;
        Ok(layout)
    }

    /// So many bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], ProofError> {
        let end = self.offset + self.rest.len();
        let split = self.rest.split_at_checked(count);
        let (bytes, rest) = split.ok_or(ProofError::new(end, Flaw::TooShort))?;
        self.offset += count;
        self.rest = rest;
        Ok(bytes)
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Result<(), ProofError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(ProofError::new(self.offset, Flaw::TooLong))
    }
}
