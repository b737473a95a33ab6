//! Prevents: a commit that means one thing to its caller and another to the engine; bytes from
//! outside that panic.

use florin_ledger::commit::{BalanceField, Event, Topic};
use florin_ledger::commit_bytes::{
    COMMIT_PARTS_MAX, CommitError, CommitFlaw, CommitView, encode_commit, encode_writes,
    parse_writes,
};
use florin_ledger::document::{DOCUMENT_VALUE_BYTES_MAX, DocumentCondition};
use florin_ledger::{
    Account, AccountId, Amount, Commit, CommitId, DocumentWrite, LedgerId, Lsn, Position,
    Precondition, TableId, Timestamp, Transfer, TransferId,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn position() -> impl Strategy<Value = Position> {
    any::<(u64, u64)>().prop_map(|(epoch, lsn)| Position { epoch, lsn: Lsn(lsn) })
}

fn precondition() -> impl Strategy<Value = Precondition> {
    prop_oneof![
        (any::<u16>(), vec(any::<u8>(), 1..257), position()).prop_map(|(table, key, version)| {
            Precondition::Document { table: TableId(table), key, version }
        }),
        (any::<u128>(), 0_usize..6, any::<(u128, u128)>()).prop_map(|(id, field, (min, max))| {
            Precondition::Balance {
                account_id: AccountId(id),
                field: BalanceField::ALL[field],
                min: Amount(min),
                max: Amount(max),
            }
        }),
        any::<u128>().prop_map(|id| Precondition::HoldPending { transfer_id: TransferId(id) }),
    ]
}

fn write() -> impl Strategy<Value = DocumentWrite> {
    let condition = prop_oneof![
        Just(DocumentCondition::Any),
        Just(DocumentCondition::Absent),
        position().prop_map(DocumentCondition::Version),
    ];
    let value = prop::option::of((vec(any::<u8>(), 0..200), 0..=Timestamp::MAX.0));
    (1..u16::MAX, vec(any::<u8>(), 1..257), value, condition).prop_map(
        |(table, key, value, condition)| {
            let (value, expires) = value.unzip();
            let expires = Timestamp(expires.unwrap_or(0));
            DocumentWrite { table: TableId(table), key, value, expires, condition }
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    (any::<u16>(), vec(any::<u8>(), 0..257), vec(any::<u8>(), 0..200))
        .prop_map(|(topic, key, value)| Event { topic: Topic(topic), key, value })
}

prop_compose! {
    fn commit()(
        id in 1..u128::MAX,
        digest in any::<[u8; 32]>(),
        actor in vec(any::<u8>(), 0..257),
        not_after in 0..=Timestamp::MAX.0,
        preconditions in vec(precondition(), 0..5),
        accounts in vec(1..u128::MAX, 0..4),
        transfers in vec(1..u128::MAX, 0..4),
        documents in vec(write(), 0..5),
        events in vec(event(), 0..5),
    ) -> Commit {
        let account = |id| Account { id: AccountId(id), ledger: LedgerId(840), ..Account::default() };
        let transfer = |id| Transfer { id: TransferId(id), amount: Amount(id), ..Transfer::default() };
        Commit {
            id: CommitId(id),
            digest,
            actor,
            not_after: Timestamp(not_after),
            preconditions,
            accounts: accounts.into_iter().map(account).collect(),
            transfers: transfers.into_iter().map(transfer).collect(),
            documents,
            events,
        }
    }
}

proptest! {
    #[test]
    fn a_commit_reads_as_it_was_written(commit in commit()) {
        let bytes = encode_commit(&commit);
        let view = CommitView::parse(&bytes);
        prop_assert_eq!(view.map(|view| view.to_commit()), Ok(commit));
    }

    /// One encoding only: the digest of the bytes is the digest of the meaning.
    #[test]
    fn accepted_bytes_are_what_would_be_written(
        commit in commit(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encode_commit(&commit);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        match CommitView::parse(&bytes) {
            Ok(view) => prop_assert_eq!(encode_commit(&view.to_commit()), bytes),
            Err(error) => prop_assert!(error.offset <= bytes.len()),
        }
    }

    #[test]
    fn a_commit_cut_short_or_gone_on_is_none(commit in commit(), cut in any::<prop::sample::Index>()) {
        let mut bytes = encode_commit(&commit);
        let cut = cut.index(bytes.len());
        prop_assert!(CommitView::parse(&bytes[..cut]).is_err());
        bytes.push(0);
        prop_assert!(CommitView::parse(&bytes).is_err());
    }

    #[test]
    fn writes_alone_read_as_they_were_written(writes in vec(write(), 0..10)) {
        let mut bytes = Vec::new();
        encode_writes(&writes, &mut bytes);
        let parsed = parse_writes(&bytes, writes.len()).unwrap();
        let read: Vec<DocumentWrite> = parsed.iter().map(|it| it.to_write()).collect();
        prop_assert_eq!(read, writes);
    }
}

/// A request over a limit must be refused whole, and say which limit.
#[test]
fn limits_are_named() {
    let check = |commit: &Commit, what: CommitFlaw| {
        let bytes = encode_commit(commit);
        let refused = CommitView::parse(&bytes);
        assert_eq!(refused.err().map(|error: CommitError| error.what), Some(what), "{what}");
    };
    let commit = Commit { id: CommitId(1), ..Commit::default() };
    assert!(CommitView::parse(&encode_commit(&commit)).is_ok(), "nothing is a commit too");
    check(&Commit::default(), CommitFlaw::Id);
    check(&Commit { id: CommitId(u128::MAX), ..commit.clone() }, CommitFlaw::Id);
    check(&Commit { actor: vec![0; 257], ..commit.clone() }, CommitFlaw::Actor);
    check(
        &Commit { transfers: vec![Transfer::default(); 8_191], ..commit.clone() },
        CommitFlaw::TooMany,
    );
    let accounts = vec![Account::default(); 4_096];
    let transfers = vec![Transfer::default(); 4_096];
    check(&Commit { accounts, transfers, ..commit.clone() }, CommitFlaw::TooMany);
    let too_late = Commit { not_after: Timestamp(u64::MAX), ..commit.clone() };
    check(&too_late, CommitFlaw::Field);
    let write = DocumentWrite {
        table: TableId(16),
        key: vec![1],
        value: Some(Vec::new()),
        ..DocumentWrite::default()
    };
    let with = |write: DocumentWrite| Commit { documents: vec![write], ..commit.clone() };
    assert!(CommitView::parse(&encode_commit(&with(write.clone()))).is_ok());
    check(&with(DocumentWrite { key: Vec::new(), ..write.clone() }), CommitFlaw::Key);
    check(&with(DocumentWrite { key: vec![0; 257], ..write.clone() }), CommitFlaw::Key);
    let long = vec![0; DOCUMENT_VALUE_BYTES_MAX + 1];
    check(&with(DocumentWrite { value: Some(long), ..write.clone() }), CommitFlaw::Value);
    check(&with(DocumentWrite { table: TableId::EXPIRIES, ..write.clone() }), CommitFlaw::Table);
    check(
        &with(DocumentWrite { table: TableId::DECLARATIONS, ..write.clone() }),
        CommitFlaw::Table,
    );
    let expiring_delete = DocumentWrite { value: None, expires: Timestamp(1), ..write.clone() };
    check(&with(expiring_delete), CommitFlaw::Field);
    let many = Commit { documents: vec![write; COMMIT_PARTS_MAX + 1], ..commit.clone() };
    check(&many, CommitFlaw::TooMany);
    let events = vec![Event { value: vec![0; 60_000], ..Event::default() }; 20];
    check(&Commit { events, ..commit }, CommitFlaw::TooMany);
}
