//! What a disk gives back in the place of a segment header, a block, a record or a wrapped database
//! key.
//!
//! The first byte chooses. Checksums and tags are made right first where they would reject
//! everything else: damage that they do not catch must still be an answer.

use florin_core::log::block::{BLOCK_HEADER_BYTES, BLOCK_MAGIC, BlockHeader, HeaderKey};
use florin_core::log::record;
use florin_core::log::segment::{HeaderState, SegmentHeader};
use florin_core::sealing::WrappedKey;
use florin_ledger::Lsn;

const KEY: HeaderKey = HeaderKey([7; 32]);
const PAGE_BYTES: usize = 4096;

/// Decodes the bytes.
///
/// # Panics
/// If a decoder accepts what is not written so.
pub fn run(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else { return };
    match choice {
        0 => records(body),
        1 => drop(BlockHeader::read(body, Lsn(0), &KEY)),
        2 => tagged_block(body),
        3 => segment_header(body, false),
        4 => segment_header(body, true),
        5 => wrapped_key(body, false),
        6 => wrapped_key(body, true),
        _ => {}
    }
}

/// Records back to back, as in a block.
fn records(mut body: &[u8]) {
    while let Ok(decoded) = record::decode(body) {
        let mut written = Vec::new();
        record::encode(&decoded.record, decoded.tick, decoded.payload, &mut written);
        assert_eq!(written.len(), decoded.bytes);
        assert!(body.starts_with(&written), "{decoded:?}");
        body = &body[decoded.bytes..];
    }
}

/// A block whose magic and tag are right, whatever else it says.
fn tagged_block(body: &[u8]) {
    let mut block = body.to_vec();
    block.resize(block.len().max(BLOCK_HEADER_BYTES), 0);
    block[..4].copy_from_slice(&BLOCK_MAGIC);
    let lsn = u64::from_le_bytes(block[8..16].try_into().expect("eight bytes"));
    let tag = blake3::keyed_hash(&KEY.0, &block[..160]);
    block[160..176].copy_from_slice(&tag.as_bytes()[..16]);
    let Ok(header) = BlockHeader::read(&block, Lsn(lsn), &KEY) else { return };
    let body = header.body_of(&block).expect("a header that was accepted fits its bytes");
    if header.body_is_whole(body) {
        records(body);
    }
    let length = BLOCK_HEADER_BYTES + body.len();
    let mut again = block[..length].to_vec();
    header.write(&KEY, &mut again);
    assert_eq!(again, block[..length]);
}

fn segment_header(body: &[u8], with_checksum: bool) {
    let mut page = [0; PAGE_BYTES];
    let length = body.len().min(PAGE_BYTES);
    page[..length].copy_from_slice(&body[..length]);
    if with_checksum {
        let checksum = blake3::hash(&page[..112]);
        page[112..144].copy_from_slice(checksum.as_bytes());
    }
    let number = u64::from_le_bytes(page[32..40].try_into().expect("eight bytes"));
    if let Ok(HeaderState::Whole(header)) = SegmentHeader::decode(&page, number) {
        assert_eq!(header.encode(), page);
    }
}

fn wrapped_key(body: &[u8], with_checksum: bool) {
    let mut file = body.to_vec();
    if with_checksum && 96 <= file.len() {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&file[..64]);
        hasher.update(&file[96..]);
        file[64..96].copy_from_slice(hasher.finalize().as_bytes());
    }
    if let Ok(key) = WrappedKey::decoded(&file) {
        assert_eq!(key.encoded(), file);
    }
}
