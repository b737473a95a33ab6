//! Commits, documents, and what became of them. A version that lost a bit on the way is stale for
//! ever, and a document that was cut without a word is lost.

use super::{check_array, check_cold, wide};
use bytes::BytesMut;
use florin_ledger::commit::{BrokenRule, CommitDone, CommitOutcome, CommitRefused, Unmet};
use florin_ledger::document::{
    Document, DocumentKey, DocumentPage, DocumentScan, UniqueResult, WriteResult,
};
use florin_ledger::{
    Amount, CreateAccountStatus, CreateTransferStatus, Lsn, Position, TableId, TableOptions,
    Timestamp,
};
use florin_wire::cold::{HistoryOf, Once};
use florin_wire::documents::{self, FOUND_BYTES_MAX, Found};
use florin_wire::{outcome, receipted};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn positions() -> impl Strategy<Value = Position> {
    any::<[u64; 2]>().prop_map(|[epoch, lsn]| Position { epoch, lsn: Lsn(lsn) })
}

fn keys() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 1..=256)
}

prop_compose! {
    fn stored_documents()(
        key in keys(),
        version in positions(),
        [timestamp, expires] in any::<[u64; 2]>(),
        value in proptest::option::of(vec(any::<u8>(), 0..99)),
    ) -> Document {
        let (timestamp, expires) = (Timestamp(timestamp), Timestamp(expires));
        Document { key, version, timestamp, expires, value }
    }
}

fn unmets() -> impl Strategy<Value = Unmet> {
    (0..6, any::<u32>(), positions(), proptest::option::of(wide())).prop_map(
        |(which, index, version, balance)| match which {
            0 => Unmet::TooLate(Timestamp(version.epoch)),
            1 => Unmet::Document { index, version },
            2 => Unmet::Balance { index, balance: balance.map(Amount) },
            3 => Unmet::Hold { index },
            4 => Unmet::Write { index, version },
            _ => Unmet::AppendOnly { index, version },
        },
    )
}

prop_compose! {
    fn dones()(
        position in positions(),
        timestamp: u64,
        [accounts, transfers] in [vec(any::<u64>(), 0..5), vec(any::<u64>(), 0..5)],
        documents in vec(positions(), 0..5),
        events in vec(positions(), 0..5),
    ) -> CommitDone {
        let timestamps = |numbers: Vec<u64>| numbers.into_iter().map(Timestamp).collect();
        CommitDone {
            position,
            timestamp: Timestamp(timestamp),
            accounts: timestamps(accounts),
            transfers: timestamps(transfers),
            documents,
            events,
        }
    }
}

fn outcomes() -> impl Strategy<Value = CommitOutcome> {
    let refused = |(position, timestamp, broken)| {
        CommitOutcome::Refused(CommitRefused { position, timestamp: Timestamp(timestamp), broken })
    };
    let broken = prop_oneof![
        (any::<u32>(), select(CreateAccountStatus::ALL))
            .prop_map(|(index, status)| BrokenRule::Account { index, status }),
        (any::<u32>(), select(CreateTransferStatus::ALL))
            .prop_map(|(index, status)| BrokenRule::Transfer { index, status }),
    ];
    prop_oneof![
        dones().prop_map(CommitOutcome::Done),
        (positions(), any::<u64>(), broken).prop_map(refused),
        unmets().prop_map(CommitOutcome::Unmet),
        positions().prop_map(CommitOutcome::ExistsWithDifferentDigest),
    ]
}

fn check_found(found: &Found) {
    let mut body = BytesMut::new();
    documents::write_found(found, &mut body);
    assert_eq!(&documents::decode_found(&body).unwrap(), found);
}

proptest! {
    #[test]
    fn commits_and_writes(
        outcome in outcomes(),
        positions in vec(positions(), 0..9),
        tables in vec(any::<(u16, bool, bool, u32)>(), 0..9),
    ) {
        prop_assert_eq!(outcome::decode(&outcome::to_bytes(&outcome)), Ok(outcome.clone()));
        let mut receipted = BytesMut::new();
        receipted::write(&outcome, b"signed", &mut receipted);
        prop_assert_eq!(receipted::decode(&receipted), Ok((outcome, &b"signed"[..])));
        check_array(&positions);
        let results = [WriteResult::Written, WriteResult::Stale, WriteResult::AppendOnly];
        let results = results.iter().flat_map(|result| positions.iter().copied().map(result));
        check_array(&results.chain([WriteResult::NoRoom]).collect::<Vec<_>>());
        let results = [UniqueResult::Fresh, UniqueResult::Seen];
        let results = results.iter().flat_map(|result| positions.iter().copied().map(result));
        check_array(&results.chain([UniqueResult::NoRoom]).collect::<Vec<_>>());
        let declared = |(table, append_only, volatile, time_to_live)| {
            (TableId(table), TableOptions { append_only, volatile, time_to_live })
        };
        check_array(&tables.into_iter().map(declared).collect::<Vec<_>>());
    }

    #[test]
    fn documents_and_their_keys(
        stored in vec(proptest::option::of(stored_documents()), 0..9),
        next in proptest::option::of(keys()),
        more: bool,
        table: u16,
        key in keys(),
        before in positions(),
        limit: u32,
        flags in any::<[bool; 2]>(),
    ) {
        check_found(&Found { documents: stored, more, next: next.clone() });
        let key = DocumentKey { table: TableId(table), key };
        let asked = vec![key.clone(); 3];
        let mut body = BytesMut::new();
        documents::write_keys(&asked, &mut body);
        prop_assert_eq!(documents::decode_keys(&body), Ok(asked));
        check_cold(&Once { key: key.clone(), expires: Timestamp(before.epoch) });
        check_cold(&DocumentScan {
            table: key.table,
            prefix: key.key.clone(),
            after: next,
            reversed: flags[0],
            keys_only: flags[1],
            limit,
        });
        check_cold(&HistoryOf { key, before, limit });
    }
}

fn large(key: u8, value_bytes: usize) -> Document {
    Document {
        key: vec![key],
        version: Position { epoch: 1, lsn: Lsn(4096) },
        timestamp: Timestamp(1),
        expires: Timestamp::NONE,
        value: Some(vec![key; value_bytes]),
    }
}

/// What was found and fits no frame would end the server; what was cut without saying so would be
/// taken for all there is.
#[test]
fn what_does_not_fit_is_cut_and_says_so() {
    let value_bytes = 64 << 10;
    let fit = FOUND_BYTES_MAX / documents::encoded_bytes(Some(&large(0, value_bytes)));
    let many: Vec<_> = (0..40).map(|key| large(key, value_bytes)).collect();
    let found = |count: usize| -> Vec<_> { many[..count].iter().cloned().map(Some).collect() };
    assert!(1 < fit && fit < many.len());

    let cut = Found::of_keys(found(40), 40);
    assert_eq!((cut.documents.len(), cut.more), (fit, true));
    check_found(&cut);
    assert!(!Found::of_keys(found(fit), fit).more);
    assert!(Found::of_keys(found(fit), fit + 1).more, "not all keys were looked for");

    let cut = Found::of_history(many.clone(), true);
    assert_eq!((cut.documents.len(), cut.more), (fit, true));
    assert!(!Found::of_history(many[..fit].to_vec(), true).more);
    assert!(Found::of_history(many[..fit].to_vec(), false).more);

    let mut page = DocumentPage { items: many, next: None };
    documents::fit_page(&mut page);
    assert_eq!(page.items.len(), fit);
    assert_eq!(page.next, page.items.last().map(|last| last.key.clone()));
    let small = page.clone();
    documents::fit_page(&mut page);
    assert_eq!(page, small);
    let read = Found::of_page(page);
    check_found(&read);
    assert_eq!(read.into_page(), Some(small));
    let lost = Found { documents: vec![None], more: false, next: None };
    assert_eq!(lost.into_page(), None, "a page has no gaps");
    let endless = Found { documents: vec![], more: true, next: None };
    assert_eq!(endless.into_page(), None, "more, and no word of where");
}
