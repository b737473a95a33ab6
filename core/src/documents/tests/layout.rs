//! Prevents: a change of stored bytes that nobody meant. The bytes here are put together by hand from
//! docs/FORMAT.md.

use super::{Model, deletion, name, put, write};
use crate::disk::simulated::SimulatedDisk;
use crate::disk::{Disk, PAGE_BYTES};
use std::sync::Arc;

/// The payload of a page: what is given, then zeros.
fn payload(parts: &[&[u8]]) -> Vec<u8> {
    let mut payload = parts.concat();
    payload.resize(PAGE_BYTES - 16, 0);
    payload
}

#[test]
fn a_run_has_the_bytes_that_are_drawn() {
    let simulated = SimulatedDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(simulated.clone());
    let long = [&[0, 7][..], &[b'a'; 200]].concat();
    let entries = [
        (vec![0, 7], put(1)),
        (b"\0\x07ab".to_vec(), deletion(300)),
        (b"\0\x07ac".to_vec(), put(299)),
        (long.clone(), put(299)),
    ];
    let model: Model = entries.into_iter().collect();
    write(&disk, 2, &model).unwrap();
    let bytes = simulated.contents(&name(2).path()).unwrap();
    let (pages, rest) = bytes.as_chunks::<PAGE_BYTES>();
    assert!(rest.is_empty());
    let payloads: Vec<&[u8]> = pages.iter().map(|page| &page[16..]).collect();
    assert_eq!(payloads.len(), 5, "header, block, index, filter, footer");

    let number = 2_u64.to_le_bytes();
    assert_eq!(payloads[0], payload(&[b"florinRU", &[1, 0, 0, 0, 4, 0, 0, 0], &number]));
    // Keys in order: 0007, 0007 'a'*200, 0007 'ab', 0007 'ac'.
    let block: [&[u8]; 5] = [
        &[4, 0],
        // Shares nothing; 2 bytes; lsn + 1: zig-zag 2, put: 4.
        &[0, 2, 0, 7, 4],
        // Shares 2; 200 = 0xc8 bytes; lsn + 298: zig-zag 596, put: 1192 = 9 * 128 + 40.
        &[&[2, 0xc8, 1][..], &[b'a'; 200], &[0xa8, 9]].concat(),
        // Shares 3; 1 byte; lsn + 1: zig-zag 2, deleted: 5.
        &[3, 1, b'b', 5],
        // Shares 3; 1 byte; lsn - 1: zig-zag 1, put: 2.
        &[3, 1, b'c', 2],
    ];
    assert_eq!(payloads[1], payload(&block));
    // One separator, the first key; page 1: zig-zag 2, put: 4.
    assert_eq!(payloads[2], payload(&[&[1, 0, 0, 2, 0, 7, 4]]));
    let counts = [4_u64, 1, 1, 1, 1_000, 2_000].map(u64::to_le_bytes);
    let largest = b"\0\x07ac";
    assert_eq!(payloads[4], payload(&[b"florinDF", counts.as_flattened(), &[4, 0], largest]));

    let key = blake3::hash(payloads[0]);
    assert_eq!(pages[0][..16], key.as_bytes()[..16]);
    for (number, page) in (0_u128..).zip(pages).skip(1) {
        let mut tagged = number.to_le_bytes().to_vec();
        tagged.extend_from_slice(&page[16..]);
        let tag = blake3::keyed_hash(key.as_bytes(), &tagged);
        assert_eq!(page[..16], tag.as_bytes()[..16], "page {number}");
    }
}

/// Prevents: separators longer than they must be, which is memory, or too short to part two blocks.
#[test]
fn separators_are_as_short_as_they_can_be() {
    let simulated = SimulatedDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(simulated.clone());
    // The longest keys: fifteen of them fill a block.
    let key = |first: u8, rest: u8| [&[0, 7, first][..], &[rest; 255]].concat();
    let keys = (0..16).map(|number| key(9, number)).chain([key(40, 0)]);
    let keys: Vec<Vec<u8>> = keys.collect();
    let model: Model = keys.iter().map(|key| (key.clone(), put(1))).collect();
    let run = write(&disk, 1, &model).unwrap();
    assert_eq!(run.blocks_count(), 2);
    let bytes = simulated.contents(&name(1).path()).unwrap();
    let index = &bytes[3 * PAGE_BYTES + 16..];
    let first = &keys[0];
    // The second block begins with 0007 09 and 15s: what parts it from 14s is one byte.
    let expected = [&[2, 0, 0, 0x82, 2][..], first, &[4, 3, 1, 15, 4]];
    assert_eq!(index[..expected.concat().len()], expected.concat());
    for key in &keys {
        assert_eq!(run.get(key).unwrap(), Some(put(1)));
    }
}
