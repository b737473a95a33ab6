//! The bytes of version 1, as docs/PROTOCOL.md prints them. A change here breaks every client that
//! was ever released: it needs a new version of the protocol.
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

#[path = "golden_bytes/documents.rs"]
mod documents;
#[path = "golden_bytes/standbys.rs"]
mod standbys;

use bytes::BytesMut;
use florin_ledger::commit::Topic;
use florin_ledger::query::{AccountFilter, BalanceAt, Cursor, Page, QueryFilter, TrialBalance};
use florin_ledger::record::{Balances, RefusalReason};
use florin_ledger::stream::{
    BatchEnd, BatchWriter, BegunLife, ExpiredHold, ItemContent, ItemKind, ItemKinds, Refused,
    TableFilter,
};
use florin_ledger::{
    AccountId, AccountResult, Amount, Code, CommitId, CreateAccountStatus, CreateTransferStatus,
    EventResult, LedgerId, Lsn, Position, StreamCursor, StreamFilter, StreamItem, StreamStart,
    TableId, Timestamp, Transfer, TransferFlags, TransferId, TransferResult,
};
use florin_wire::cold::{self, AsOf, Await};
use florin_wire::frame::{HEADER_BYTES, LENGTH_BYTES, REPLY_HEADER_BYTES};
use florin_wire::keyring::{self, DestroyResult, HeldKey, KeyNames, KeyringStatus};
use florin_wire::stream::{Credit, Subscribe, Unsubscribe};
use florin_wire::{
    AddressRole, Binding, Challenge, ClientHello, CopiedKeyring, Effect, Farewell, KeyringPiece,
    LogPiece, Operation, Proof, PublicKey, Refusal, RefusalKind, ReplyHeader, RequestHeader, Role,
    Roles, SeedOffer, SeedPiece, ServerHello, Snapshot, Status, Transcript, Verdict, Versions,
    Welcome, array, frame, page,
};

/// Bytes as the document prints them: hex, spaces and line ends for the eye.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&String::from_iter(pair), 16).unwrap()).collect()
}

#[track_caller]
fn check(actual: &[u8], expected: &str) {
    assert_eq!(actual, hex(expected), "{}", actual.escape_ascii());
}

fn written(write: impl FnOnce(&mut BytesMut)) -> BytesMut {
    let mut out = BytesMut::new();
    write(&mut out);
    out
}

#[test]
fn client_hello() {
    let hello =
        ClientHello { versions: Versions { min: 1, max: 1 }, features: 0, name: "bank".into() };
    check(
        &written(|out| frame::write(out, &[], |out| hello.write(out))),
        "1c000000 464c4f52494e4442 0100 0100 00000000 0400 000000000000 62616e6b",
    );
}

#[test]
fn server_hello() {
    let welcome = ServerHello::Welcome(Welcome {
        versions: Versions { min: 1, max: 1 },
        version: 1,
        features: 0,
        frame_bytes_max: 1 << 20,
        events_max: 8_190,
        requests_in_flight_max: 256,
        incarnation: 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10,
        epoch: 3,
    });
    check(
        &written(|out| frame::write(out, &[], |out| welcome.write(out))),
        "40000000 464c4f52494e4442 0100 0100 0100 00 00 00000000 00001000 fe1f0000 00010000
         100f0e0d0c0b0a090807060504030201 0300000000000000 0000 000000000000",
    );
    let refused = ServerHello::Refused(Farewell {
        versions: Versions { min: 1, max: 1 },
        kind: RefusalKind::UnsupportedVersion,
        message: String::from("no"),
    });
    check(
        &written(|out| frame::write(out, &[], |out| refused.write(out))),
        "42000000 464c4f52494e4442 0100 0100 0000 0a 00 00000000 00000000 00000000 00000000
         00000000000000000000000000000000 0000000000000000 0200 000000000000 6e6f",
    );
}

/// The proof of a key is signed over these bytes: a client that writes others is let in nowhere.
#[test]
fn challenge_proof_verdict_and_transcript() {
    let challenge =
        Challenge { nonce: [0xc1; 32], address_role: AddressRole::Ledger, binding_number: 1 };
    let nonce = "c1".repeat(32);
    check(
        &written(|out| challenge.write(out)),
        &format!("{nonce} 01 01 0000000000000000000000000000"),
    );
    let proof = Proof { key: PublicKey([0xaa; 32]), signature: [0x55; 64] };
    check(&written(|out| proof.write(out)), &format!("{}{}", "aa".repeat(32), "55".repeat(64)));
    let admitted = Verdict::Admitted {
        name: String::from("bank"),
        roles: Roles::from_iter([Role::Read, Role::Audit]),
    };
    check(&written(|out| admitted.write(out)), "00 00 2100 0400 00000000000000000000 62616e6b");
    let refused =
        Verdict::Refused { kind: RefusalKind::Unauthenticated, message: String::from("no") };
    check(&written(|out| refused.write(out)), "0d 00 0000 0200 00000000000000000000 6e6f");

    let label = "464c4f52494e444220636c69656e742070726f6f662c2076657273696f6e2031";
    let fixed = "0300 0000 0200 0000 100f0e0d0c0b0a090807060504030201";
    let transcript = |binding| {
        let transcript = Transcript {
            version: 1,
            incarnation: 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10,
            client_hello: &[1, 2, 3],
            server_hello: &[4, 5],
            challenge: &challenge,
            binding: &binding,
        };
        transcript.to_bytes()
    };
    check(
        &transcript(Binding::Exporter([0xee; 32])),
        &format!("{label} 0100 01 01 {fixed} {nonce} {} 010203 0405", "ee".repeat(32)),
    );
    check(
        &transcript(Binding::None),
        &format!("{label} 0100 01 00 {fixed} {nonce} {} 010203 0405", "00".repeat(32)),
    );
}

#[test]
fn a_transfer_and_its_result() {
    let transfer = Transfer {
        id: TransferId(9),
        debit_account_id: AccountId(2),
        credit_account_id: AccountId(1),
        amount: Amount(500),
        timeout: 60,
        ledger: LedgerId(840),
        code: Code(1),
        flags: TransferFlags::PENDING,
        ..Transfer::default()
    };
    let header =
        RequestHeader { id: 7, operation: Operation::CreateTransfers.number(), deadline_ms: 5_000 };
    check(
        &written(|out| {
            frame::write(out, &header.to_bytes(), |out| array::write(&[transfer], out));
        }),
        "90000000 0700000000000000 0200 0000 88130000
         09000000000000000000000000000000 02000000000000000000000000000000
         01000000000000000000000000000000 f4010000000000000000000000000000
         00000000000000000000000000000000 00000000000000000000000000000000
         0000000000000000 00000000 3c000000 48030000 0100 0200 0000000000000000",
    );
    let result = EventResult {
        status: CreateTransferStatus::Created,
        timestamp: Timestamp(1_790_000_000_000_000_001),
    };
    let position = Position { epoch: 2, lsn: Lsn(4_272) };
    let header = ReplyHeader::answered(7, Operation::CreateTransfers).at(position).to_bytes();
    check(
        &written(|out| frame::write(out, &header, |out| array::write(&[result], out))),
        "30000000 0700000000000000 0200 00 00 00000000 b010000000000000 0200000000000000 00000000 00000000 0100f323845bd718",
    );
}

#[test]
fn results_and_ids() {
    let result: AccountResult =
        EventResult { status: CreateAccountStatus::Exists, timestamp: Timestamp(0x0102) };
    check(&array::to_bytes(&[result]), "12000000 00000000 0201000000000000");
    check(
        &array::to_bytes(&[AccountId(1), AccountId(u128::MAX - 1)]),
        "01000000000000000000000000000000 feffffffffffffffffffffffffffffff",
    );
}

#[test]
fn refusals_and_last_words() {
    let refusal = Refusal {
        kind: RefusalKind::Stopped,
        effect: Effect::Unknown,
        message: String::from("closed"),
    };
    let header = ReplyHeader::refused(7, 2).to_bytes();
    check(
        &written(|out| frame::write(out, &header, |out| cold::write(&refusal, out))),
        "30000000 0700000000000000 0200 01 00 00000000 0000000000000000 0000000000000000 07 01 0600000000000000 636c6f736564",
    );
    check(
        &ReplyHeader::last_word().to_bytes(),
        "0000000000000000 0000 02 00 00000000 0000000000000000 0000000000000000",
    );
}

#[test]
fn filters() {
    let account_filter = AccountFilter {
        account_id: AccountId(1),
        timestamp_min: Timestamp(2),
        timestamp_max: Timestamp(3),
        code: Code(4),
        user_data_128: 5,
        user_data_64: 6,
        user_data_32: 7,
        debits: true,
        credits: false,
        reversed: true,
        limit: 10,
        cursor: Some(Cursor(8)),
    };
    check(
        &cold::to_bytes(&account_filter),
        "01000000000000000000000000000000 0200000000000000 0300000000000000 0400
         05000000000000000000000000000000 0600000000000000 07000000 01 00 01 0a000000
         01 08000000000000000000000000000000",
    );
    let query_filter = QueryFilter {
        ledger: LedgerId(1),
        code: Code(2),
        user_data_128: 3,
        user_data_64: 4,
        user_data_32: 5,
        timestamp_min: Timestamp(6),
        timestamp_max: Timestamp(7),
        reversed: false,
        limit: 10,
        cursor: None,
        scan: true,
    };
    check(
        &cold::to_bytes(&query_filter),
        "01000000 0200 03000000000000000000000000000000 0400000000000000 05000000
         0600000000000000 0700000000000000 00 0a000000 00 01",
    );
}

#[test]
fn cold_answers() {
    check(
        &cold::to_bytes(&AsOf { account_id: AccountId(1), timestamp: Timestamp(2) }),
        "01000000000000000000000000000000 0200000000000000",
    );
    let position = Position { epoch: 3, lsn: Lsn(4096) };
    check(
        &cold::to_bytes(&Await { position, patience_ms: 1_000 }),
        "0300000000000000 0010000000000000 e8030000",
    );
    check(&cold::to_bytes(&LedgerId(840)), "48030000");
    check(&cold::to_bytes(&None::<BalanceAt>), "00");
    check(
        &cold::to_bytes(&TrialBalance {
            debits_posted: Amount(1),
            credits_posted: Amount(2),
            debits_pending: Amount(3),
            credits_pending: Amount(4),
            accounts_count: 5,
        }),
        "01000000000000000000000000000000 02000000000000000000000000000000
         03000000000000000000000000000000 04000000000000000000000000000000 0500000000000000",
    );
    check(
        &cold::to_bytes(&Status {
            incarnation: 1,
            epoch: 2,
            applied: Lsn(3),
            durable: Lsn(4),
            timestamp: Timestamp(5),
            accounts_count: 6,
            transfers_count: 7,
            holds_count: 8,
            documents_count: 10,
            serving_since: Timestamp(11),
            checkpoint: Lsn(9),
            disk_full: true,
        }),
        "01000000000000000000000000000000 0200000000000000 0300000000000000 0400000000000000
         0500000000000000 0600000000000000 0700000000000000 0800000000000000
         0a00000000000000 0b00000000000000 0900000000000000 01",
    );
}

#[test]
fn requests_of_streams() {
    let filter = StreamFilter {
        kinds: ItemKinds::NONE.with(ItemKind::Epoch).with(ItemKind::Event),
        tables: vec![TableFilter { table: TableId(0x1112), key_prefix: b"ab".to_vec() }],
        topics: vec![Topic(0x1314)],
        ledgers: vec![LedgerId(840)],
        accounts: vec![AccountId(1), AccountId(2)],
    };
    let cursor = StreamCursor { epoch: 3, lsn: Lsn(4), hash: [5; 32] };
    let start = StreamStart::After(cursor);
    let subscribe = Subscribe { incarnation: 6, start, filter, credit_bytes: 131_072 };
    check(
        &subscribe.to_bytes(),
        "06000000000000000000000000000000 0300000000000000 0400000000000000
         0505050505050505050505050505050505050505050505050505050505050505 0000000000000000
         00000200 02001000 02 00 0200 0100 0100 0100 000000000000
         01000000000000000000000000000000 02000000000000000000000000000000 48030000 1413
         1211 0200 6162",
    );
    check(
        &Credit { subscription: 7, bytes: 131_072 }.to_bytes(),
        "0700000000000000 00000200 00000000",
    );
    check(&Unsubscribe { subscription: 7 }.to_bytes(), "0700000000000000");
}

#[test]
fn keys_of_the_keyring() {
    let names = KeyNames(vec![b"ann".to_vec(), b"b".to_vec()]);
    check(&keyring::names_to_bytes(&names), "03 616e6e 01 62");
    let held = [HeldKey::Unknown, HeldKey::Key([7; 32].into()), HeldKey::Destroyed];
    let zeros = "00".repeat(32);
    let sevens = "07".repeat(32);
    let bytes = written(|out| keyring::write_held(&held, out));
    check(&bytes, &format!("00 {zeros} 01 {sevens} 02 {zeros}"));
    assert_eq!(keyring::decode_held(&bytes), Ok(held.to_vec()));
    check(&written(|out| keyring::write_results(DestroyResult::ALL, out)), "01 02 03");
    let status = KeyringStatus { keys_count: 5, destroyed_count: 6 };
    let bytes = written(|out| keyring::write_status(&status, out));
    check(&bytes, "0500000000000000 0600000000000000");
    // What a log line would show.
    assert_eq!(format!("{held:?} {names:?}"), "[Unknown, Key(secret), Destroyed] 2 names");
}

#[test]
fn what_copies_a_ledger() {
    let snapshot = Snapshot {
        birth: 1,
        incarnation: 2,
        epoch: 3,
        segment_bytes: 4,
        is_sealed: true,
        end: Lsn(5),
        sequence: 6,
        chain: [7; 32],
        time: Timestamp(8),
        wrapped_key: vec![9, 10],
    };
    let bytes = written(|out| snapshot.write(out));
    check(
        &bytes,
        "01000000000000000000000000000000 02000000000000000000000000000000 0300000000000000
         0400000000000000 01 00000000000000 0500000000000000 0600000000000000
         0707070707070707070707070707070707070707070707070707070707070707 0800000000000000 090a",
    );
    assert_eq!(Snapshot::decode(&bytes), Ok(snapshot));
    let piece = LogPiece { segment: 1, offset: 2, bytes: 3 };
    check(&piece.to_bytes(), "0100000000000000 02000000 03000000");
    assert_eq!(LogPiece::decode(&piece.to_bytes()), Ok(piece));
    let (eights, piece) = ("08".repeat(32), KeyringPiece { offset: 1, hash: [8; 32] });
    check(&piece.to_bytes(), &format!("0100000000000000 {eights}"));
    assert_eq!(KeyringPiece::decode(&piece.to_bytes()), Ok(piece));
    let copied = CopiedKeyring { bytes: 3, hash: [8; 32], piece: vec![1, 2, 3] };
    let bytes = written(|out| copied.write(out));
    check(&bytes, &format!("0300000000000000 {eights} 010203"));
    assert_eq!(CopiedKeyring::decode(&bytes), Ok(copied));
}

#[test]
fn seeding_a_standby() {
    let snapshot = Snapshot {
        birth: 1,
        incarnation: 2,
        epoch: 3,
        segment_bytes: 4,
        is_sealed: false,
        end: Lsn(5),
        sequence: 6,
        chain: [7; 32],
        time: Timestamp(8),
        wrapped_key: Vec::new(),
    };
    let moment = written(|out| snapshot.write(out));
    let offer = SeedOffer { snapshot, checkpoint: vec![9, 10] };
    let bytes = written(|out| offer.write(out));
    let hexadecimal: String = moment.iter().map(|byte| format!("{byte:02x}")).collect();
    check(&bytes, &format!("70000000 00000000 {hexadecimal} 090a"));
    assert_eq!(SeedOffer::decode(&bytes), Ok(offer));
    let piece = SeedPiece { id: 1, part: 2, from: 3 };
    check(&piece.to_bytes(), "0100000000000000 02000000 00000000 0300000000000000");
    assert_eq!(SeedPiece::decode(&piece.to_bytes()), Ok(piece));
}

#[test]
fn batches_of_streams() {
    let cursor = |lsn| StreamCursor { epoch: 1, lsn: Lsn(lsn), hash: [2; 32] };
    let item = |lsn, ends_commit, content| StreamItem {
        cursor: cursor(lsn),
        time: Timestamp(9),
        ends_commit,
        content,
    };
    let hold = ExpiredHold {
        hold_id: TransferId(1),
        debit_account_id: AccountId(2),
        credit_account_id: AccountId(3),
        amount: Amount(4),
        ledger: LedgerId(5),
        code: Code(6),
        hold_timestamp: Timestamp(7),
    };
    let status = CreateTransferStatus::ExceedsCredits;
    let (table, expires) = (TableId(16), Timestamp(8));
    let refusal = Refused {
        id: 8,
        digest: [9; 32],
        reason: RefusalReason::Transfer(status),
        index: 10,
        count: 11,
        actor: b"me",
    };
    let life = BegunLife { number: 3, restored_to: Lsn(0x9000), incarnation: 7, previous: 6 };
    let contents = [
        (
            ItemContent::Epoch { epoch: 3, tag: 4 },
            "38000000 01",
            "0300000000000000 0000000000000000 04000000000000000000000000000000",
        ),
        (
            ItemContent::Expiry(hold),
            "68000000 06",
            "01000000000000000000000000000000 02000000000000000000000000000000
          03000000000000000000000000000000 04000000000000000000000000000000 0700000000000000
          05000000 0600 0000",
        ),
        (
            ItemContent::Failed { id: TransferId(5), status },
            "30000000 07",
            "05000000000000000000000000000000 42000000 00000000",
        ),
        (
            ItemContent::Life(life),
            "48000000 0b",
            "0300000000000000 0090000000000000 07000000000000000000000000000000
          06000000000000000000000000000000",
        ),
        (
            ItemContent::Refusal(refusal),
            "5a000000 10",
            "08000000000000000000000000000000
             0909090909090909090909090909090909090909090909090909090909090909 0a000000 0b000000
             02 42 0200 00000000 6d65",
        ),
        (
            ItemContent::DocumentPut { table, key: b"k", value: b"vw", expires },
            "2b000000 11",
            "1000 0100 02000000 0800000000000000 6b 7677",
        ),
        (
            ItemContent::DocumentDeleted { table, key: b"k" },
            "29000000 12",
            "1000 0100 00000000 0000000000000000 6b",
        ),
        (
            ItemContent::Commit { id: CommitId(6), digest: [7; 32], actor: b"me" },
            "52000000 13",
            "06000000000000000000000000000000
             0707070707070707070707070707070707070707070707070707070707070707 0200 000000000000
             6d65",
        ),
        (
            ItemContent::Event { topic: Topic(3), key: b"k", value: b"vw" },
            "2b000000 14",
            "0300 0100 02000000 0000000000000000 6b 7677",
        ),
        (
            ItemContent::DocumentExpired { table, key: b"k", due: expires },
            "29000000 16",
            "1000 0100 00000000 0800000000000000 6b",
        ),
    ];
    for (content, head, body) in contents {
        let mut writer = BatchWriter::new(Vec::new(), 1_000);
        assert!(writer.push(&item(5, true, content)));
        let end =
            BatchEnd { cursor: cursor(6), time: Timestamp(10), durable: Lsn(11), is_live: true };
        let bytes = writer.finish(end);
        let item_hex = format!("{head} 01 0000 0500000000000000 0900000000000000 {body}");
        let section_bytes = u8::try_from(48 + hex(&item_hex).len()).unwrap();
        let hash = "02".repeat(32);
        check(
            &bytes,
            &format!(
                "0100000000000000 0600000000000000 {hash} 0a00000000000000 0b00000000000000
                 01000000 01000000
                 0100000000000000 {hash} {section_bytes:02x}000000 01000000 {item_hex}"
            ),
        );
    }
}

#[test]
fn pages() {
    let balance = BalanceAt {
        timestamp: Timestamp(1),
        balances: Balances {
            debits_pending: Amount(2),
            debits_posted: Amount(3),
            credits_pending: Amount(4),
            credits_posted: Amount(5),
        },
    };
    check(&cold::to_bytes(&Some(balance)), &format!("01 {BALANCE}"));
    let page = Page { items: vec![balance], next_cursor: Some(Cursor(6)) };
    check(
        &written(|out| page::write(&page, out)),
        &format!("06000000000000000000000000000000 01 000000000000000000000000000000 {BALANCE}"),
    );
}

const BALANCE: &str = "0100000000000000 02000000000000000000000000000000
    03000000000000000000000000000000 04000000000000000000000000000000
    05000000000000000000000000000000";

const DOCUMENT: &str = include_str!("../../docs/PROTOCOL.md");

/// Whoever writes a client starts from the document's example: it is checked like the code.
#[test]
fn the_documents_example_is_these_bytes() {
    let examples: Vec<_> = DOCUMENT
        .split("```hex\n")
        .skip(1)
        .map(|rest| hex(rest.split("```").next().unwrap()))
        .collect();
    assert_eq!(examples.len(), 5);
    let payload = |index: usize| &examples[index][LENGTH_BYTES..];
    let body = |index: usize| {
        let head = if index < 3 { HEADER_BYTES } else { REPLY_HEADER_BYTES };
        &payload(index)[head..]
    };
    for example in &examples {
        let length = frame::length_prefix(example.len() - LENGTH_BYTES);
        assert_eq!(example[..LENGTH_BYTES], length);
    }
    assert_eq!(ClientHello::decode(payload(0)).unwrap().name, "bank");
    assert!(matches!(ServerHello::decode(payload(1)), Ok(ServerHello::Welcome(_))));
    assert_eq!(RequestHeader::decode(payload(2)).unwrap().deadline_ms, 5_000);
    assert_eq!(array::decode::<Transfer>(body(2)).unwrap()[0].amount, Amount(500));
    let position = Position { epoch: 2, lsn: Lsn(4_272) };
    let header = ReplyHeader::answered(7, Operation::CreateTransfers).at(position);
    assert_eq!(ReplyHeader::decode(payload(3)).unwrap(), header);
    let results = array::decode::<TransferResult>(body(3)).unwrap();
    assert_eq!(results[0].timestamp, Timestamp(1_790_000_000_000_000_001));
    assert_eq!(cold::decode::<Refusal>(body(4)).unwrap().message, "closed");
}

/// A number that the document leaves out is a status that other clients can't read (fault 22).
#[test]
fn the_document_lists_every_number() {
    let lists = |line: &str| assert!(DOCUMENT.contains(line), "docs/PROTOCOL.md lacks {line:?}");
    for status in CreateAccountStatus::ALL {
        lists(&format!("\n{:>2} {}\n", status.number(), status.name()));
    }
    for status in CreateTransferStatus::ALL {
        lists(&format!("\n{:>2} {}\n", status.number(), status.name()));
    }
    for operation in Operation::ALL {
        lists(&format!("\n| {} | {} |", operation.number(), operation.name()));
    }
    for role in Role::ALL {
        lists(&format!("{} {}", role.bit(), role.name()));
        lists(&format!("\n| {} |", role.name()));
    }
    for kind in RefusalKind::ALL {
        lists(&format!("\n| {} | {} |", kind.number(), kind.name()));
    }
    for kind in ItemKind::ALL {
        lists(&format!("\n| {} | {} |", kind.number(), kind.name()));
    }
}
