//! Memory that starts on a page and is a whole number of pages, as direct writes ask for.

use crate::disk::PAGE_BYTES;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4096))]
struct Page([u8; PAGE_BYTES]);

const _: () = assert!(size_of::<Page>() == PAGE_BYTES && align_of::<Page>() == PAGE_BYTES);

/// A growing buffer of whole pages, zero where nothing was written.
#[derive(Clone, Default)]
pub struct AlignedBuffer {
    pages: Vec<Page>,
}

impl std::fmt::Debug for AlignedBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AlignedBuffer").field("bytes", &self.as_bytes().len()).finish()
    }
}

impl AlignedBuffer {
    /// A buffer of `bytes`, rounded up to whole pages, all zero.
    #[must_use]
    pub fn zeroed(bytes: usize) -> AlignedBuffer {
        let mut buffer = AlignedBuffer::default();
        buffer.resize(bytes);
        buffer
    }

    /// Grows (with zeros) or cuts the buffer to `bytes`, rounded up to whole pages.
    pub fn resize(&mut self, bytes: usize) {
        self.pages.resize(bytes.div_ceil(PAGE_BYTES), Page([0; PAGE_BYTES]));
    }

    /// Drops whole pages from the front.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn drop_pages(&mut self, count: usize) {
        self.pages.drain(..count);
    }

    /// All its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.pages.as_slice().as_bytes()
    }

    /// All its bytes.
    pub fn as_mut_bytes(&mut self) -> &mut [u8] {
        self.pages.as_mut_slice().as_mut_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A direct write from memory that is not on a page boundary fails with EINVAL.
    #[test]
    fn bytes_start_on_a_page_and_stay_there_as_the_buffer_grows_and_shrinks() {
        let mut buffer = AlignedBuffer::zeroed(1);
        for bytes in [1, 4096, 4097, 100_000, 5_000] {
            buffer.resize(bytes);
            assert_eq!(buffer.as_bytes().len(), bytes.next_multiple_of(PAGE_BYTES));
            assert_eq!(buffer.as_bytes().as_ptr().addr() % PAGE_BYTES, 0);
        }
        buffer.as_mut_bytes()[4096] = 7;
        buffer.drop_pages(1);
        assert_eq!((buffer.as_bytes().len(), buffer.as_bytes()[0]), (4096, 7));
    }
}
