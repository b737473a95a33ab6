//! Prevents: a panic, or a wrong answer, on bytes that nobody wrote.

use super::sample::{any_payload, any_record};
use crate::log::block::{BlockHeader, HeaderKey};
use crate::log::record::{bytes_at, decode, encode};
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
        encode(&any_record(number), tick, &[], &mut bytes);
        for (at, byte) in changes {
            if let Some(changed) = bytes.get_mut(at) {
                *changed = byte;
            }
        }
        if let Ok(decoded) = decode(&bytes) {
            let mut again = Vec::new();
            encode(&decoded.record, decoded.tick, decoded.payload, &mut again);
            prop_assert_eq!(again.as_slice(), &bytes[..decoded.bytes]);
        }
    }

    /// The same of records with a payload, however much of it is here.
    #[test]
    fn accepted_payloads_are_what_would_be_written(
        number in 0_u64..1_000,
        sizes in (1_u16..20, 0_u32..40),
        here in 0_usize..60,
        changes in vec((0_usize..160, any::<u8>()), 0..4),
    ) {
        let (record, payload) = any_payload(number, sizes.0, sizes.1);
        let mut bytes = Vec::new();
        encode(&record, 7, &payload[..here.min(payload.len())], &mut bytes);
        for (at, byte) in changes {
            if let Some(changed) = bytes.get_mut(at) {
                *changed = byte;
            }
        }
        if let Ok(decoded) = decode(&bytes) {
            let mut again = Vec::new();
            encode(&decoded.record, decoded.tick, decoded.payload, &mut again);
            prop_assert_eq!(again.as_slice(), &bytes[..decoded.bytes]);
            prop_assert_eq!(bytes_at(&bytes), Some(decoded.bytes));
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
        encode(&any_record(number), 1, &[], &mut whole);
        prop_assume!(bytes < whole.len());
        prop_assert!(decode(&whole[..bytes]).is_err());
    }
}
