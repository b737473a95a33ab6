//! Bodies that are pages: a head, then an array.
//!
//! ```text
//! offset  bytes  field
//!      0     16  next_cursor; zero when there is none
//!     16      1  1 when there is a next page, 0 when this was the last
//!     17     15  reserved, zero
//!     32         array of items, see [`crate::array`]
//! ```

use crate::array::{self, Fixed};
use crate::error::{DecodeError, Reason};
use bytes::{BufMut, BytesMut};
use florin_ledger::query::{Cursor, Page};
use zerocopy::little_endian::U128;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes before the items.
pub const PAGE_HEAD_BYTES: usize = 32;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct PageHeadLayout {
    next_cursor: U128,
    has_next: u8,
    reserved: [u8; 15],
}

const _: () = assert!(size_of::<PageHeadLayout>() == PAGE_HEAD_BYTES);

/// Appends a page.
pub fn write<T: Fixed>(page: &Page<T>, out: &mut BytesMut) {
    let head = PageHeadLayout {
        next_cursor: page.next_cursor.map_or(0, |cursor| cursor.0).into(),
        has_next: u8::from(page.next_cursor.is_some()),
        reserved: [0; 15],
    };
    out.put_slice(head.as_bytes());
    array::write(&page.items, out);
}

/// The page of a body.
///
/// # Errors
/// If the head is short or says what it can't, or the items are not items.
pub fn decode<T: Fixed>(body: &[u8]) -> Result<Page<T>, DecodeError> {
    let Ok((head, items)) = PageHeadLayout::ref_from_prefix(body) else {
        return Err(DecodeError::new(body.len(), Reason::TooShort));
    };
    let next_cursor = match head.has_next {
        1 => Some(Cursor(head.next_cursor.get())),
        0 if head.next_cursor == U128::ZERO => None,
        0 => return Err(DecodeError::new(0, Reason::NotZero)),
        _ => return Err(DecodeError::new(16, Reason::Unknown)),
    };
    if head.reserved != [0; 15] {
        return Err(DecodeError::new(17, Reason::NotZero));
    }
    let items = array::decode(items).map_err(|error| error.after(PAGE_HEAD_BYTES))?;
    Ok(Page { items, next_cursor })
}
