//! What one side writes the other reads, to the last bit: an amount that lost its upper half on
//! the way, or a filter whose fields were swapped, would be posted and answered all the same
//! (fault 11).
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

#[path = "round_trip/documents.rs"]
mod documents;

use bytes::BytesMut;
use florin_ledger::commit::Topic;
use florin_ledger::query::{AccountFilter, BalanceAt, Cursor, Page, QueryFilter, TrialBalance};
use florin_ledger::record::Balances;
use florin_ledger::stream::{ItemKind, ItemKinds, TableFilter};
use florin_ledger::{
    Account, AccountFlags, AccountId, AccountResult, Amount, Code, CreateAccountStatus,
    CreateTransferStatus, EventResult, LedgerId, Lsn, Position, StreamCursor, StreamFilter,
    StreamStart, TableId, Timestamp, Transfer, TransferFlags, TransferId, TransferResult,
};
use florin_wire::array::{self, Fixed};
use florin_wire::cold::{self, AsOf, Await, Cold};
use florin_wire::limits::FRAME_BYTES_MAX;
use florin_wire::stream::{Credit, Subscribe, Unsubscribe};
use florin_wire::{
    AddressRole, Challenge, ClientHello, Effect, Farewell, Operation, Outcome, Proof, PublicKey,
    Refusal, RefusalKind, ReplyHeader, RequestHeader, Roles, ServerHello, Status, Verdict,
    Versions, Welcome, page,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Extremes are as likely as anything: those are where bits get lost.
fn wide() -> impl Strategy<Value = u128> {
    prop_oneof![Just(0), Just(u128::MAX), Just(1 << 64), any::<u128>()]
}

prop_compose! {
    fn accounts()(
        words in [wide(), wide(), wide(), wide(), wide(), wide()],
        halves in any::<[u64; 2]>(),
        quarters in any::<[u32; 3]>(),
        eighths in any::<[u16; 2]>(),
    ) -> Account {
        Account {
            id: AccountId(words[0]),
            debits_pending: Amount(words[1]),
            debits_posted: Amount(words[2]),
            credits_pending: Amount(words[3]),
            credits_posted: Amount(words[4]),
            user_data_128: words[5],
            user_data_64: halves[0],
            user_data_32: quarters[0],
            reserved: quarters[1],
            ledger: LedgerId(quarters[2]),
            code: Code(eighths[0]),
            flags: AccountFlags(eighths[1]),
            timestamp: Timestamp(halves[1]),
        }
    }
}

prop_compose! {
    fn transfers()(
        words in [wide(), wide(), wide(), wide(), wide(), wide()],
        halves in any::<[u64; 2]>(),
        quarters in any::<[u32; 3]>(),
        eighths in any::<[u16; 2]>(),
    ) -> Transfer {
        Transfer {
            id: TransferId(words[0]),
            debit_account_id: AccountId(words[1]),
            credit_account_id: AccountId(words[2]),
            amount: Amount(words[3]),
            pending_id: TransferId(words[4]),
            user_data_128: words[5],
            user_data_64: halves[0],
            user_data_32: quarters[0],
            timeout: quarters[1],
            ledger: LedgerId(quarters[2]),
            code: Code(eighths[0]),
            flags: TransferFlags(eighths[1]),
            timestamp: Timestamp(halves[1]),
        }
    }
}

prop_compose! {
    fn balances()(words in [wide(), wide(), wide(), wide()], timestamp: u64) -> BalanceAt {
        BalanceAt {
            timestamp: Timestamp(timestamp),
            balances: Balances {
                debits_pending: Amount(words[0]),
                debits_posted: Amount(words[1]),
                credits_pending: Amount(words[2]),
                credits_posted: Amount(words[3]),
            },
        }
    }
}

prop_compose! {
    fn account_results()(
        status in select(CreateAccountStatus::ALL), timestamp: u64,
    ) -> AccountResult {
        EventResult { status, timestamp: Timestamp(timestamp) }
    }
}

prop_compose! {
    fn transfer_results()(
        status in select(CreateTransferStatus::ALL), timestamp: u64,
    ) -> TransferResult {
        EventResult { status, timestamp: Timestamp(timestamp) }
    }
}

prop_compose! {
    fn account_filters()(
        words in [wide(), wide()],
        halves in any::<[u64; 3]>(),
        quarters in any::<[u32; 2]>(),
        code: u16,
        flags in any::<[bool; 3]>(),
        cursor in proptest::option::of(wide()),
    ) -> AccountFilter {
        AccountFilter {
            account_id: AccountId(words[0]),
            timestamp_min: Timestamp(halves[0]),
            timestamp_max: Timestamp(halves[1]),
            code: Code(code),
            user_data_128: words[1],
            user_data_64: halves[2],
            user_data_32: quarters[0],
            debits: flags[0],
            credits: flags[1],
            reversed: flags[2],
            limit: quarters[1],
            cursor: cursor.map(Cursor),
        }
    }
}

prop_compose! {
    fn query_filters()(
        word in wide(),
        halves in any::<[u64; 3]>(),
        quarters in any::<[u32; 3]>(),
        code: u16,
        flags in any::<[bool; 2]>(),
        cursor in proptest::option::of(wide()),
    ) -> QueryFilter {
        QueryFilter {
            ledger: LedgerId(quarters[0]),
            code: Code(code),
            user_data_128: word,
            user_data_64: halves[0],
            user_data_32: quarters[1],
            timestamp_min: Timestamp(halves[1]),
            timestamp_max: Timestamp(halves[2]),
            reversed: flags[0],
            limit: quarters[2],
            cursor: cursor.map(Cursor),
            scan: flags[1],
        }
    }
}

prop_compose! {
    fn statuses()(incarnation in wide(), words in any::<[u64; 10]>(), disk_full: bool) -> Status {
        Status {
            incarnation,
            epoch: words[0],
            applied: Lsn(words[1]),
            durable: Lsn(words[2]),
            timestamp: Timestamp(words[3]),
            accounts_count: words[4],
            transfers_count: words[5],
            holds_count: words[6],
            checkpoint: Lsn(words[7]),
            documents_count: words[8],
            serving_since: Timestamp(words[9]),
            disk_full,
        }
    }
}

prop_compose! {
    fn refusals()(
        kind in select(RefusalKind::ALL),
        effect in select(vec![Effect::None, Effect::Unknown]),
        message in ".{0,200}",
    ) -> Refusal {
        Refusal { kind, effect, message }
    }
}

fn check_array<T: Fixed + PartialEq + core::fmt::Debug>(items: &[T]) {
    let body = array::to_bytes(items);
    assert_eq!(array::decode::<T>(&body).unwrap(), items);
    assert_eq!(array::decode_exactly::<T>(items.len(), &body).unwrap(), items);
    assert!(array::decode_exactly::<T>(items.len() + 1, &body).is_err());
}

fn check_page<T: Fixed + PartialEq + core::fmt::Debug>(items: Vec<T>, cursor: Option<u128>) {
    let page = Page { items, next_cursor: cursor.map(Cursor) };
    let mut body = BytesMut::new();
    page::write(&page, &mut body);
    assert_eq!(page::decode::<T>(&body).unwrap(), page);
}

fn check_cold<T: Cold + PartialEq + core::fmt::Debug>(value: &T) {
    assert_eq!(&cold::decode::<T>(&cold::to_bytes(value)).unwrap(), value);
}

proptest! {
    #[test]
    fn arrays(
        accounts in vec(accounts(), 0..9),
        transfers in vec(transfers(), 0..9),
        account_results in vec(account_results(), 0..9),
        transfer_results in vec(transfer_results(), 0..9),
        balances in vec(balances(), 0..9),
        ids in vec(wide(), 0..9),
    ) {
        check_array(&accounts);
        check_array(&transfers);
        check_array(&account_results);
        check_array(&transfer_results);
        check_array(&balances);
        check_array(&ids.iter().map(|id| AccountId(*id)).collect::<Vec<_>>());
        check_array(&ids.iter().map(|id| TransferId(*id)).collect::<Vec<_>>());
    }

    /// None and an account of zeros are one on the wire; no stored account is all zeros.
    #[test]
    fn arrays_with_gaps(accounts in vec(proptest::option::of(accounts()), 0..9)) {
        let there = |account: &Option<Account>| *account != Some(Account::default());
        let accounts: Vec<_> = accounts.into_iter().filter(there).collect();
        check_array(&accounts);
    }

    #[test]
    fn pages(
        accounts in vec(accounts(), 0..9),
        transfers in vec(transfers(), 0..9),
        balances in vec(balances(), 0..9),
        cursor in proptest::option::of(wide()),
    ) {
        check_page(accounts, cursor);
        check_page(transfers, cursor);
        check_page(balances, cursor);
    }

    #[test]
    fn cold_bodies(
        account_filter in account_filters(),
        query_filter in query_filters(),
        balance in proptest::option::of(balances()),
        status in statuses(),
        refusal in refusals(),
        sums in [wide(), wide(), wide(), wide()],
        accounts_count: u64,
        ledger: u32,
    ) {
        check_cold(&account_filter);
        check_cold(&query_filter);
        check_cold(&balance);
        check_cold(&status);
        check_cold(&refusal);
        check_cold(&LedgerId(ledger));
        check_cold(&AsOf { account_id: AccountId(sums[0]), timestamp: Timestamp(accounts_count) });
        let position = Position { epoch: accounts_count, lsn: Lsn(!accounts_count) };
        check_cold(&Await { position, patience_ms: ledger });
        check_cold(&TrialBalance {
            debits_posted: Amount(sums[0]),
            credits_posted: Amount(sums[1]),
            debits_pending: Amount(sums[2]),
            credits_pending: Amount(sums[3]),
            accounts_count,
        });
    }

    #[test]
    fn headers(id in 1_u64.., operation: u16, deadline_ms: u32, epoch: u64, lsn: u64) {
        let request = RequestHeader { id, operation, deadline_ms };
        prop_assert_eq!(RequestHeader::decode(&request.to_bytes()), Ok(request));
        let position = Position { epoch, lsn: Lsn(lsn) };
        for outcome in [Outcome::Answered, Outcome::Refused, Outcome::LastWord] {
            let reply = ReplyHeader { id, operation, outcome, position };
            prop_assert_eq!(ReplyHeader::decode(&reply.to_bytes()), Ok(reply));
        }
    }

    #[test]
    fn challenges_proofs_and_verdicts(
        nonce: [u8; 32],
        key: [u8; 32],
        (left, right) in any::<([u8; 32], [u8; 32])>(),
        binding_number in 0..2_u8,
        roles: u16,
        kind in select(RefusalKind::ALL),
        text in "[a-z]{0,64}",
        later in vec(any::<u8>(), 0..9),
    ) {
        let challenge = Challenge { nonce, address_role: AddressRole::Ledger, binding_number };
        let mut payload = BytesMut::new();
        challenge.write(&mut payload);
        payload.extend_from_slice(&later);
        prop_assert_eq!(Challenge::decode(&payload), Ok(challenge));

        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&left);
        signature[32..].copy_from_slice(&right);
        let proof = Proof { key: PublicKey(key), signature };
        let mut payload = BytesMut::new();
        proof.write(&mut payload);
        prop_assert_eq!(Proof::decode(&payload), Ok(proof));
        prop_assert_eq!(proof.key.to_string().parse(), Ok(proof.key));

        let verdicts = [
            Verdict::Admitted { name: text.clone(), roles: Roles::from_bits(roles) },
            Verdict::Refused { kind, message: text },
        ];
        for verdict in verdicts {
            let mut payload = BytesMut::new();
            verdict.write(&mut payload);
            payload.extend_from_slice(&later);
            prop_assert_eq!(Verdict::decode(&payload), Ok(verdict));
        }
    }

    #[test]
    fn hellos(
        [min, max, version] in any::<[u16; 3]>(),
        [features, frame_bytes_max, events_max, requests_in_flight_max] in any::<[u32; 4]>(),
        incarnation in wide(),
        epoch: u64,
        name in "[a-z]{0,64}",
        kind in select(RefusalKind::ALL),
        later in vec(any::<u8>(), 0..9),
    ) {
        let versions = Versions { min, max };
        let client = ClientHello { versions, features, name: name.clone() };
        let mut payload = BytesMut::new();
        client.write(&mut payload);
        payload.extend_from_slice(&later);
        prop_assert_eq!(ClientHello::decode(&payload), Ok(client));

        let version = version.max(1);
        let servers = [
            ServerHello::Welcome(Welcome {
                versions, version, features, frame_bytes_max, events_max, requests_in_flight_max,
                incarnation, epoch,
            }),
            ServerHello::Refused(Farewell { versions, kind, message: name }),
        ];
        for server in servers {
            let mut payload = BytesMut::new();
            server.write(&mut payload);
            payload.extend_from_slice(&later);
            prop_assert_eq!(ServerHello::decode(&payload), Ok(server));
        }
    }
}

/// A message or name that is too long is cut between characters, not through one.
#[test]
fn long_texts_are_cut() {
    let message = "é".repeat(2_000);
    let refusal = Refusal::without_effect(RefusalKind::Busy, message.clone());
    let decoded: Refusal = cold::decode(&cold::to_bytes(&refusal)).unwrap();
    assert_eq!(decoded.message, "é".repeat(512));

    let mut payload = BytesMut::new();
    ClientHello { versions: Versions::SPOKEN, features: 0, name: format!("x{message}") }
        .write(&mut payload);
    assert_eq!(ClientHello::decode(&payload).unwrap().name, format!("x{}", "é".repeat(31)));
}

/// Numbers on the wire name one thing each, both ways.
#[test]
fn numbers_name_one_thing() {
    for operation in Operation::ALL {
        assert_eq!(Operation::from_number(operation.number()), Some(*operation));
    }
    for kind in RefusalKind::ALL {
        assert_eq!(RefusalKind::from_number(kind.number()), Some(*kind));
    }
    assert_eq!(Operation::from_number(0), None);
    assert_eq!(RefusalKind::from_number(0), None);
}

/// Both sides must come to the same version from either end.
#[test]
fn the_highest_common_version_is_chosen() {
    let cases = [
        ((1, 1), (1, 1), Some(1)),
        ((1, 3), (2, 5), Some(3)),
        ((2, 5), (1, 3), Some(3)),
        ((1, 1), (2, 3), None),
        ((2, 3), (1, 1), None),
        ((0, 0), (0, 0), None),
        ((3, 1), (1, 3), None),
    ];
    for ((a_min, a_max), (b_min, b_max), expected) in cases {
        let a = Versions { min: a_min, max: a_max };
        let b = Versions { min: b_min, max: b_max };
        assert_eq!(a.highest_common(b), expected, "{a} and {b}");
        assert_eq!(b.highest_common(a), expected, "{b} and {a}");
    }
}

prop_compose! {
    fn subscriptions()(
        words in (wide(), vec(wide(), 0..4)),
        start in 0..4,
        halves in any::<[u64; 3]>(),
        hash in any::<[u8; 32]>(),
        credit_bytes in any::<u32>(),
        kinds in proptest::sample::subsequence(ItemKind::ALL.to_vec(), 0..4),
        ledgers in vec(any::<u32>(), 0..4),
        topics in vec(any::<u16>(), 0..4),
        tables in vec((any::<u16>(), vec(any::<u8>(), 0..9)), 0..4),
    ) -> Subscribe {
        let cursor = StreamCursor { epoch: halves[0], lsn: Lsn(halves[1]), hash };
        let start = match start {
            0 => StreamStart::Begin,
            1 => StreamStart::End,
            2 => StreamStart::After(cursor),
            _ => StreamStart::Time(Timestamp(halves[2])),
        };
        let table = |(table, key_prefix)| TableFilter { table: TableId(table), key_prefix };
        let filter = StreamFilter {
            kinds: kinds.into_iter().collect(),
            tables: tables.into_iter().map(table).collect(),
            topics: topics.into_iter().map(Topic).collect(),
            ledgers: ledgers.into_iter().map(LedgerId).collect(),
            accounts: words.1.into_iter().map(AccountId).collect(),
        };
        Subscribe { incarnation: words.0, start, filter, credit_bytes }
    }
}

proptest! {
    /// Prevents: a consumer begins elsewhere than it asked to, or gets what it did not ask for.
    #[test]
    fn requests_of_streams(subscribe in subscriptions(), id in any::<u64>(), bytes in any::<u32>()) {
        prop_assert_eq!(Subscribe::decode(&subscribe.to_bytes()), Ok(subscribe));
        let credit = Credit { subscription: id, bytes };
        prop_assert_eq!(Credit::decode(&credit.to_bytes()), Ok(credit));
        let unsubscribe = Unsubscribe { subscription: id };
        prop_assert_eq!(Unsubscribe::decode(&unsubscribe.to_bytes()), Ok(unsubscribe));
    }
}

#[test]
fn the_largest_filter_that_may_be_asked_for_fits_a_frame() {
    let filter = StreamFilter {
        kinds: ItemKinds::NONE,
        tables: vec![TableFilter { table: TableId(1), key_prefix: vec![7; 256] }; 64],
        topics: vec![Topic(2); 64],
        ledgers: vec![LedgerId(3); 256],
        accounts: vec![AccountId(4); 1_024],
    };
    filter.check().unwrap();
    let start = StreamStart::Begin;
    let subscribe = Subscribe { incarnation: 0, start, filter, credit_bytes: 1 };
    let body = subscribe.to_bytes();
    assert!(body.len() < FRAME_BYTES_MAX);
    assert_eq!(Subscribe::decode(&body), Ok(subscribe));
}
