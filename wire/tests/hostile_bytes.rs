//! Whatever a peer sends, decoding ends in a value or in an error that names an offset within the
//! bytes: a panic would stop a bank, and an allocation by a length that nobody checked would stop
//! it more quietly. What decodes is canonical: written again it gives the same bytes.

use bytes::{Bytes, BytesMut};
use florin_ledger::commit_bytes::parse_writes;
use florin_ledger::document::{DocumentScan, UniqueResult, WriteResult};
use florin_ledger::query::{AccountFilter, BalanceAt, QueryFilter, TrialBalance};
use florin_ledger::{
    Account, AccountId, AccountResult, LedgerId, Position, TableId, TableOptions, Timestamp,
    Transfer, TransferId, TransferResult,
};
use florin_wire::array::{self, Fixed};
use florin_wire::cold::{self, AsOf, Await, Cold, HistoryOf, Once};
use florin_wire::group::{self, HandOver, HasPosition, Promise, Promised};
use florin_wire::keyring::{self, HeldKey};
use florin_wire::replication::{Acknowledge, Follow, ReplicationStatus};
use florin_wire::snapshot::{
    CopiedKeyring, KeyringPiece, LogPiece, SeedOffer, SeedPiece, Snapshot,
};
use florin_wire::stream::{Credit, Subscribe, Unsubscribe};
use florin_wire::{
    Challenge, ClientHello, DecodeError, Proof, PublicKey, Reason, Refusal, RefusalKind,
    ReplyHeader, RequestHeader, ServerHello, Status, Verdict, Versions, documents, outcome, page,
    receipted,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn check<T>(bytes: &[u8], decoded: Result<T, DecodeError>, write: impl FnOnce(&T, &mut BytesMut)) {
    match decoded {
        Ok(value) => {
            let mut again = BytesMut::new();
            write(&value, &mut again);
            // Hellos and headers don't reach to the end of what they are decoded from.
            assert!(bytes.starts_with(&again), "not canonical");
        }
        Err(error) => assert!(error.offset <= bytes.len(), "{error} of {} bytes", bytes.len()),
    }
}

fn check_array<T: Fixed>(bytes: &[u8]) {
    check(bytes, array::decode::<T>(bytes), |items, out| array::write(items, out));
}

fn check_page<T: Fixed>(bytes: &[u8]) {
    check(bytes, page::decode::<T>(bytes), |page, out| page::write(page, out));
}

fn check_cold<T: Cold>(bytes: &[u8]) {
    check(bytes, cold::decode::<T>(bytes), |value, out| cold::write(value, out));
}

/// A number of writes that is not theirs, or that nobody could hold, is an error.
fn check_as_of(bytes: &[u8]) {
    let body = Bytes::copy_from_slice(bytes);
    match documents::split_as_of(&body) {
        Ok((at, commit)) => assert_eq!(documents::as_of_to_bytes(at, &commit), body),
        Err(error) => assert!(error.offset <= bytes.len()),
    }
}

fn check_writes(bytes: &[u8]) {
    let Ok((count, rest)) = documents::split_writes(&Bytes::copy_from_slice(bytes)) else { return };
    let Ok(writes) = parse_writes(&rest, count) else { return };
    let writes: Vec<_> = writes.iter().map(|write| write.to_write()).collect();
    assert_eq!(documents::writes_to_bytes(&writes), bytes, "not canonical");
}

fn check_all(bytes: &[u8]) {
    check(bytes, Subscribe::decode(bytes), |value, out| out.extend_from_slice(&value.to_bytes()));
    check(bytes, Credit::decode(bytes), |value, out| out.extend_from_slice(&value.to_bytes()));
    check(bytes, Follow::decode(bytes), |value, out| out.extend_from_slice(&value.to_bytes()));
    check(bytes, Acknowledge::decode(bytes), |value, out| out.extend_from_slice(&value.to_bytes()));
    check(bytes, ReplicationStatus::decode(bytes), |value, out| value.write(out));
    check(bytes, Promise::decode(bytes), |value, out| out.extend_from_slice(&value.to_bytes()));
    check(bytes, Promised::decode(bytes), |value, out| value.write(out));
    check(bytes, HasPosition::decode(bytes), |value, out| out.extend_from_slice(&value.to_bytes()));
    check(bytes, HandOver::decode(bytes), |value, out| out.extend_from_slice(&value.to_bytes()));
    check(bytes, group::decode_term(bytes), |term, out| {
        out.extend_from_slice(&group::term_to_bytes(*term));
    });
    check(bytes, group::decode_truth(bytes), |value, out| {
        out.extend_from_slice(&group::truth_to_bytes(*value));
    });
    check(bytes, Unsubscribe::decode(bytes), |value, out| out.extend_from_slice(&value.to_bytes()));
    check(bytes, keyring::decode_names(bytes), keyring::write_names);
    check(bytes, keyring::decode_held(bytes), |held, out| keyring::write_held(held, out));
    check(bytes, keyring::decode_results(bytes), |it, out| keyring::write_results(it, out));
    check(bytes, keyring::decode_status(bytes), keyring::write_status);
    check(bytes, Snapshot::decode(bytes), Snapshot::write);
    check(bytes, LogPiece::decode(bytes), |it, out| out.extend_from_slice(&it.to_bytes()));
    check(bytes, KeyringPiece::decode(bytes), |it, out| out.extend_from_slice(&it.to_bytes()));
    check(bytes, CopiedKeyring::decode(bytes), CopiedKeyring::write);
    check(bytes, SeedOffer::decode(bytes), SeedOffer::write);
    check(bytes, SeedPiece::decode(bytes), |it, out| out.extend_from_slice(&it.to_bytes()));
    check_array::<Account>(bytes);
    check_array::<Option<Account>>(bytes);
    check_array::<Transfer>(bytes);
    check_array::<Option<Transfer>>(bytes);
    check_array::<AccountId>(bytes);
    check_array::<TransferId>(bytes);
    check_array::<AccountResult>(bytes);
    check_array::<TransferResult>(bytes);
    check_array::<BalanceAt>(bytes);
    check_page::<Account>(bytes);
    check_page::<Transfer>(bytes);
    check_page::<BalanceAt>(bytes);
    check_cold::<AccountFilter>(bytes);
    check_cold::<QueryFilter>(bytes);
    check_cold::<AsOf>(bytes);
    check_cold::<Option<BalanceAt>>(bytes);
    check_cold::<LedgerId>(bytes);
    check_cold::<TrialBalance>(bytes);
    check_cold::<Status>(bytes);
    check_cold::<Refusal>(bytes);
    check_array::<Timestamp>(bytes);
    check_array::<Position>(bytes);
    check_array::<WriteResult>(bytes);
    check_array::<UniqueResult>(bytes);
    check_array::<(TableId, TableOptions)>(bytes);
    check_cold::<DocumentScan>(bytes);
    check_cold::<HistoryOf>(bytes);
    check_cold::<Await>(bytes);
    check_cold::<Once>(bytes);
    check(bytes, documents::decode_keys(bytes), |keys, out| documents::write_keys(keys, out));
    check(bytes, documents::decode_found(bytes), documents::write_found);
    check(bytes, outcome::decode(bytes), outcome::write);
    check(bytes, receipted::decode(bytes), |(outcome, receipt), out| {
        receipted::write(outcome, receipt, out);
    });
    check_as_of(bytes);
    check_writes(bytes);
    check(bytes, RequestHeader::decode(bytes), |header, out| {
        out.extend_from_slice(&header.to_bytes());
    });
    check(bytes, ReplyHeader::decode(bytes), |header, out| {
        out.extend_from_slice(&header.to_bytes());
    });
    check(bytes, ClientHello::decode(bytes), ClientHello::write);
    check(bytes, Proof::decode(bytes), Proof::write);
    // Reserved bytes of challenges and verdicts are for later versions, as those of welcomes are.
    if let Err(error) = Challenge::decode(bytes) {
        assert!(error.offset <= bytes.len());
    }
    if let Err(error) = Verdict::decode(bytes) {
        assert!(error.offset <= bytes.len());
    }
    // A welcome's reserved bytes are for later versions, so it is not written again here.
    if let Err(error) = ServerHello::decode(bytes) {
        assert!(error.offset <= bytes.len());
    }
}

proptest! {
    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 0..400)) {
        check_all(&bytes);
    }

    /// Mostly zeros and small numbers: the shape of real bodies.
    #[test]
    fn plausible_bytes(bytes in vec(prop_oneof![8 => Just(0), 4 => 0..3_u8, 1 => any::<u8>()], 0..400)) {
        check_all(&bytes);
    }

    /// One byte off from what is right.
    #[test]
    fn mutated_bytes(at in 0_usize..200, to: u8, cut in 0_usize..200) {
        let mut hello = BytesMut::new();
        ClientHello { versions: Versions::SPOKEN, features: 7, name: String::from("bank") }
            .write(&mut hello);
        let mut proof = BytesMut::new();
        Proof { key: PublicKey([1; 32]), signature: [2; 64] }.write(&mut proof);
        let refusal = cold::to_bytes(&Refusal::without_effect(RefusalKind::Busy, "full"));
        let filter = cold::to_bytes(&AccountFilter::new(AccountId(u128::MAX)));
        let header = ReplyHeader::refused(3, 2).to_bytes();
        for valid in [&hello[..], &proof[..], &refusal[..], &filter[..], &header[..]] {
            let mut bytes = valid.to_vec();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = to;
            }
            bytes.truncate(valid.len().saturating_sub(cut % 4));
            check_all(&bytes);
        }
    }
}

/// What is found in a body must not be taken for more than it is: a client that believed a count,
/// a length or a reserved byte would hand its caller another bank's document, or none.
#[test]
fn what_was_found_and_decided_is_read_strictly() {
    let error = |offset, reason| DecodeError::new(offset, reason);
    let mut found = vec![0; 48];
    assert_eq!(documents::decode_found(&found).unwrap().documents, [None]);
    found[9] = 1;
    assert_eq!(documents::decode_found(&found).unwrap_err(), error(9, Reason::NotZero));
    found[9] = 0;
    found[16] = 1;
    assert_eq!(documents::decode_found(&found).unwrap_err(), error(8, Reason::NotZero));
    found[8] = 3;
    assert_eq!(documents::decode_found(&found).unwrap_err(), error(8, Reason::Unknown));
    found[8] = 1;
    found[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(documents::decode_found(&found).unwrap_err(), error(48, Reason::TooShort));
    found[8] = 2;
    assert_eq!(documents::decode_found(&found).unwrap_err(), error(12, Reason::NotZero));
    assert_eq!(documents::decode_found(&[2; 8]).unwrap_err(), error(0, Reason::Unknown));

    let mut decided = vec![0; 64];
    decided[48..52].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(outcome::decode(&decided).unwrap_err(), error(64, Reason::TooShort));
    decided[48..52].fill(0);
    decided[32] = 1;
    assert_eq!(outcome::decode(&decided).unwrap_err(), error(32, Reason::NotZero));
    decided[0] = 4;
    assert_eq!(outcome::decode(&decided).unwrap_err(), error(0, Reason::Unknown));
    decided[0] = 2;
    assert_eq!(outcome::decode(&decided).unwrap_err(), error(1, Reason::Unknown));
    let mut receipted = [&[64, 0, 0, 0, 0, 0, 0, 0][..], &[0; 64], b"signed"].concat();
    assert!(receipted::decode(&receipted).is_ok_and(|(_, receipt)| receipt == b"signed"));
    receipted[0] = 71;
    assert_eq!(receipted::decode(&receipted).unwrap_err(), error(78, Reason::TooShort));
    receipted[0] = 65;
    assert_eq!(receipted::decode(&receipted).unwrap_err(), error(72, Reason::TooLong));
    receipted[4] = 1;
    assert_eq!(receipted::decode(&receipted).unwrap_err(), error(4, Reason::NotZero));
    decided[0] = 1;
    decided[1] = 2;
    decided[2] = 200;
    assert_eq!(outcome::decode(&decided).unwrap_err(), error(2, Reason::Unknown));
}

/// A key where there is none, or none where there is one, is what nothing would be unsealed with.
#[test]
fn what_the_keyring_answers_is_read_strictly() {
    let error = |offset, reason| DecodeError::new(offset, reason);
    let mut held = vec![0; 66];
    assert_eq!(keyring::decode_held(&held), Ok(vec![HeldKey::Unknown; 2]));
    held[40] = 1;
    assert_eq!(keyring::decode_held(&held).unwrap_err(), error(34, Reason::NotZero));
    held[33] = 2;
    assert_eq!(keyring::decode_held(&held).unwrap_err(), error(34, Reason::NotZero));
    held[33] = 3;
    assert_eq!(keyring::decode_held(&held).unwrap_err(), error(33, Reason::Unknown));
    assert_eq!(
        keyring::decode_held(&held[..40]).unwrap_err(),
        error(33, Reason::Ragged { item_bytes: 33 })
    );
    assert_eq!(keyring::decode_results(&[1, 0]).unwrap_err(), error(1, Reason::Unknown));
    assert_eq!(keyring::decode_names(b"\x02a").unwrap_err(), error(2, Reason::TooShort));
    assert_eq!(keyring::decode_status(&[0; 15]).unwrap_err(), error(15, Reason::TooShort));
    assert_eq!(keyring::decode_status(&[0; 17]).unwrap_err(), error(16, Reason::TooLong));
}

/// A text that claims to be longer than the body, by a little or by the whole address space.
#[test]
fn lengths_are_checked_before_they_are_believed() {
    let valid = cold::to_bytes(&Refusal::without_effect(RefusalKind::Busy, "full"));
    for claimed in [5_u64, 4_000, 5_000, u64::from(u32::MAX), u64::MAX] {
        let mut bytes = valid.to_vec();
        bytes[2..10].copy_from_slice(&claimed.to_le_bytes());
        assert!(cold::decode::<Refusal>(&bytes).is_err(), "{claimed}");
    }
}

/// The offset is what someone who writes a client has to find the mistake.
#[test]
fn errors_name_the_byte() {
    let error = |offset, reason| DecodeError::new(offset, reason);
    let mut results = vec![0; 48];
    results[16] = 200;
    assert_eq!(
        array::decode::<TransferResult>(&results).unwrap_err(),
        error(16, Reason::Unknown),
        "a status that names nothing is an error, never a missing result (fault 22)"
    );
    results[16] = 0;
    results[36] = 1;
    assert_eq!(array::decode::<TransferResult>(&results).unwrap_err(), error(36, Reason::NotZero));
    assert_eq!(
        array::decode::<Transfer>(&[0; 300]).unwrap_err(),
        error(256, Reason::Ragged { item_bytes: 128 })
    );

    let mut header = RequestHeader { id: 1, operation: 2, deadline_ms: 3 }.to_bytes();
    assert_eq!(RequestHeader::decode(&header[..15]).unwrap_err(), error(15, Reason::TooShort));
    header[10] = 1;
    assert_eq!(RequestHeader::decode(&header).unwrap_err(), error(10, Reason::NotZero));

    let mut filter = cold::to_bytes(&AccountFilter::new(AccountId(1))).to_vec();
    assert_eq!(
        cold::decode::<AccountFilter>(&filter[..40]).unwrap_err(),
        error(40, Reason::TooShort)
    );
    filter.push(0);
    assert_eq!(
        cold::decode::<AccountFilter>(&filter).unwrap_err(),
        error(filter.len() - 1, Reason::TooLong)
    );
    filter.pop();
    filter[62] = 2;
    assert_eq!(cold::decode::<AccountFilter>(&filter).unwrap_err(), error(62, Reason::Unknown));

    assert_eq!(
        ClientHello::decode(b"GET / HTTP/1.1\r\n\r\n").unwrap_err(),
        error(0, Reason::NotFlorin)
    );
    assert_eq!(ClientHello::decode(b"FLORINDB").unwrap_err(), error(8, Reason::TooShort));

    assert_eq!(Proof::decode(&[0; 95]).unwrap_err(), error(95, Reason::TooShort));
    assert_eq!(Proof::decode(&[0; 97]).unwrap_err(), error(96, Reason::TooLong));
    let mut challenge = [0; 48];
    assert_eq!(Challenge::decode(&challenge[..47]).unwrap_err(), error(47, Reason::TooShort));
    assert_eq!(Challenge::decode(&challenge).unwrap_err(), error(32, Reason::Unknown));
    challenge[32] = 1;
    challenge[33] = 2;
    assert_eq!(Challenge::decode(&challenge).unwrap_err(), error(33, Reason::Unknown));
    let mut verdict = [0; 16];
    verdict[4] = 1;
    assert_eq!(Verdict::decode(&verdict).unwrap_err(), error(16, Reason::TooShort));
    verdict[0] = 200;
    verdict[4] = 0;
    assert_eq!(Verdict::decode(&verdict).unwrap_err(), error(0, Reason::Unknown));
}

proptest! {
    /// What is nearly a subscription: the counts are right or a little wrong.
    #[test]
    fn subscriptions_of_a_stranger(
        mut head in vec(0..4_u8, 96),
        rest in vec(any::<u8>(), 0..200),
        reserved in any::<bool>(),
    ) {
        if !reserved {
            head[81] = 0;
            head[90..96].fill(0);
        }
        for high in [77, 78, 79, 83, 85, 87, 89] {
            head[high] = 0;
        }
        head.extend(rest);
        check_all(&head);
    }
}
