//! What a stranger sends to a server, and a server to a client.
//!
//! The first byte chooses what the rest is taken for.

use bytes::{BufMut, Bytes, BytesMut};
use florin_ledger::commit_bytes::{CommitView, encode_commit, parse_writes};
use florin_ledger::document::{DocumentScan, TableId, TableOptions, UniqueResult, WriteResult};
use florin_ledger::query::{AccountFilter, BalanceAt, QueryFilter, TrialBalance};
use florin_ledger::stream::{BatchView, BatchWriter};
use florin_ledger::{
    Account, AccountId, AccountResult, StreamCursor, Transfer, TransferId, TransferResult,
};
use florin_wire::array::{self, Fixed};
use florin_wire::cold::{self, Await, Cold, HistoryOf, Once};
use florin_wire::documents;
use florin_wire::error::DecodeError;
use florin_wire::frame::{ReplyHeader, RequestHeader};
use florin_wire::group::{self, HandOver, HasPosition, Promise, Promised};
use florin_wire::hello::{ClientHello, ServerHello};
use florin_wire::keyring;
use florin_wire::outcome;
use florin_wire::page;
use florin_wire::proof::{Challenge, Proof, Verdict};
use florin_wire::replication::{Acknowledge, Follow, ReplicationStatus};
use florin_wire::snapshot::{
    CopiedKeyring, KeyringPiece, LogPiece, SeedOffer, SeedPiece, Snapshot,
};
use florin_wire::stream::{Credit, Subscribe, Unsubscribe};
use florin_wire::{Refusal, Status};

/// Decodes the bytes.
///
/// # Panics
/// If a decoder accepts what is not written so, or names an offset that is not there.
pub fn run(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else { return };
    match choice {
        0 => start(body, RequestHeader::decode, |header, out| out.put_slice(&header.to_bytes())),
        1 => start(body, ReplyHeader::decode, |header, out| out.put_slice(&header.to_bytes())),
        2 => start(body, ClientHello::decode, ClientHello::write),
        3 => understood(body, ServerHello::decode, ServerHello::write),
        4 => array_of::<Account>(body),
        5 => array_of::<Transfer>(body),
        6 => array_of::<AccountId>(body),
        7 => array_of::<TransferId>(body),
        8 => array_of::<AccountResult>(body),
        9 => array_of::<TransferResult>(body),
        10 => array_of::<Option<Account>>(body),
        11 => array_of::<Option<Transfer>>(body),
        12 => page_of::<Account>(body),
        13 => page_of::<Transfer>(body),
        14 => page_of::<BalanceAt>(body),
        15 => cold_one::<AccountFilter>(body),
        16 => cold_one::<QueryFilter>(body),
        17 => cold_one::<TrialBalance>(body),
        18 => cold_one::<Status>(body),
        19 => cold_one::<Refusal>(body),
        20 => array_of::<WriteResult>(body),
        21 => array_of::<UniqueResult>(body),
        22 => array_of::<(TableId, TableOptions)>(body),
        23 => cold_one::<DocumentScan>(body),
        24 => cold_one::<HistoryOf>(body),
        25 => cold_one::<Once>(body),
        26 => whole(body, documents::decode_keys, |keys, out| documents::write_keys(keys, out)),
        27 => whole(body, documents::decode_found, documents::write_found),
        28 => whole(body, outcome::decode, outcome::write),
        29 => commit(body),
        30 => writes(body),
        31 => cold_one::<Await>(body),
        32 => whole(body, Subscribe::decode, |value, out| out.put_slice(&value.to_bytes())),
        33 => whole(body, Credit::decode, |value, out| out.put_slice(&value.to_bytes())),
        34 => whole(body, Unsubscribe::decode, |value, out| out.put_slice(&value.to_bytes())),
        35 => batch(body),
        36 => cursor(body),
        37 => whole(body, keyring::decode_names, keyring::write_names),
        38 => whole(body, keyring::decode_held, |held, out| keyring::write_held(held, out)),
        39 => whole(body, keyring::decode_results, |results, out| {
            keyring::write_results(results, out);
        }),
        40 => whole(body, keyring::decode_status, keyring::write_status),
        41 => as_of(body),
        42 => whole(body, Snapshot::decode, Snapshot::write),
        43 => whole(body, LogPiece::decode, |piece, out| out.put_slice(&piece.to_bytes())),
        44 => whole(body, KeyringPiece::decode, |piece, out| out.put_slice(&piece.to_bytes())),
        45 => whole(body, CopiedKeyring::decode, CopiedKeyring::write),
        46 => whole(body, Follow::decode, |value, out| out.put_slice(&value.to_bytes())),
        47 => whole(body, Acknowledge::decode, |value, out| out.put_slice(&value.to_bytes())),
        51 => whole(body, ReplicationStatus::decode, ReplicationStatus::write),
        52 => whole(body, Promise::decode, |value, out| out.put_slice(&value.to_bytes())),
        53 => whole(body, Promised::decode, Promised::write),
        54 => whole(body, HasPosition::decode, |value, out| out.put_slice(&value.to_bytes())),
        55 => whole(body, HandOver::decode, |value, out| out.put_slice(&value.to_bytes())),
        56 => whole(body, group::decode_truth, |value, out| {
            out.put_slice(&group::truth_to_bytes(*value));
        }),
        57 => whole(body, SeedOffer::decode, SeedOffer::write),
        58 => whole(body, SeedPiece::decode, |piece, out| out.put_slice(&piece.to_bytes())),
        48 => understood(body, Challenge::decode, Challenge::write),
        49 => whole(body, Proof::decode, Proof::write),
        50 => understood(body, Verdict::decode, Verdict::write),
        _ => {}
    }
}

fn as_of(body: &[u8]) {
    if let Ok((at, rest)) = documents::split_as_of(&Bytes::copy_from_slice(body)) {
        assert_eq!(documents::as_of_to_bytes(at, &rest), body);
        commit(&rest);
    }
}

fn batch(body: &[u8]) {
    match BatchView::new(body) {
        Ok(view) => {
            let mut writer = BatchWriter::new(Vec::new(), usize::MAX);
            assert!(view.items().all(|item| writer.push(&item)));
            assert_eq!(writer.finish(view.end()), body);
        }
        Err(error) => assert!(error.offset <= body.len()),
    }
}

fn commit(body: &[u8]) {
    match CommitView::parse(body) {
        Ok(view) => assert_eq!(encode_commit(&view.to_commit()), body),
        Err(error) => assert!(error.offset <= body.len()),
    }
}

fn cursor(body: &[u8]) {
    let Ok(text) = std::str::from_utf8(body) else { return };
    if let Ok(cursor) = text.parse::<StreamCursor>() {
        assert_eq!(cursor.to_string(), text);
    }
}

fn writes(body: &[u8]) {
    let Ok((count, rest)) = documents::split_writes(&Bytes::copy_from_slice(body)) else { return };
    match parse_writes(&rest, count) {
        Ok(writes) => {
            let writes: Vec<_> = writes.iter().map(|write| write.to_write()).collect();
            assert_eq!(documents::writes_to_bytes(&writes), body);
        }
        Err(error) => assert!(error.offset <= rest.len()),
    }
}

/// A value that may be followed by anything.
fn start<T>(
    body: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, DecodeError>,
    write: impl Fn(&T, &mut BytesMut),
) {
    match decode(body) {
        Ok(value) => {
            let mut written = BytesMut::new();
            write(&value, &mut written);
            assert!(body.starts_with(&written));
        }
        Err(error) => assert!(error.offset <= body.len()),
    }
}

/// Clients ignore what a later server may say in reserved fields, so only what they understood is
/// compared, after another round.
fn understood<T>(
    body: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, DecodeError>,
    write: impl Fn(&T, &mut BytesMut),
) {
    match decode(body) {
        Ok(value) => {
            let mut written = BytesMut::new();
            write(&value, &mut written);
            whole(&written, decode, write);
        }
        Err(error) => assert!(error.offset <= body.len()),
    }
}

/// A value that is a whole body.
fn whole<T>(
    body: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, DecodeError>,
    write: impl Fn(&T, &mut BytesMut),
) {
    match decode(body) {
        Ok(value) => {
            let mut written = BytesMut::new();
            write(&value, &mut written);
            assert_eq!(written, body);
        }
        Err(error) => assert!(error.offset <= body.len()),
    }
}

fn array_of<T: Fixed>(body: &[u8]) {
    whole(body, array::decode::<T>, |items, out| array::write(items, out));
}

fn page_of<T: Fixed>(body: &[u8]) {
    whole(body, page::decode::<T>, page::write);
}

fn cold_one<T: Cold>(body: &[u8]) {
    whole(body, cold::decode::<T>, cold::write);
}
