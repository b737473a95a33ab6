//! Prevents: a panic, or a wrong answer, on bytes that nobody wrote.

use super::sample::any_record;
use crate::log::block::{BlockHeader, HeaderKey};
use crate::log::record::{decode, encode};
use crate::log::segment::SegmentHeader;
use florin_ledger::Lsn;
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
        let _ = BlockHeader::read(&bytes, Lsn(4096), &HeaderKey([1; 32]));
    }

    /// A record has one encoding: whatever is accepted would be written just so.
    #[test]
    fn accepted_bytes_are_what_would_be_written(
        number in 0_u64..1_000,
        tick in any::<u32>(),
        changes in vec((0_usize..120, any::<u8>()), 0..4),
    ) {
        let mut bytes = Vec::new();
        encode(&any_record(number), tick, &mut bytes);
        for (at, byte) in changes {
            if let Some(changed) = bytes.get_mut(at) {
                *changed = byte;
            }
        }
        if let Ok(decoded) = decode(&bytes) {
            let mut again = Vec::new();
            encode(&decoded.record, decoded.tick, &mut again);
            prop_assert_eq!(again.as_slice(), &bytes[..decoded.bytes]);
        }
    }

    #[test]
    fn any_page_is_answered(changes in vec((0_usize..4096, any::<u8>()), 0..50)) {
        let mut page = [0; 4096];
        for (at, byte) in changes {
            page[at] = byte;
        }
        let _ = SegmentHeader::decode(&page, 3);
    }

    #[test]
    fn a_record_cut_short_says_where(number in 0_u64..1_000, bytes in 0_usize..120) {
        let mut whole = Vec::new();
        encode(&any_record(number), 1, &mut whole);
        prop_assume!(bytes < whole.len());
        prop_assert!(decode(&whole[..bytes]).is_err());
    }
}
