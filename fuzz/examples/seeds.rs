//! Writes the seeds of every target anew, after a format has changed: `cargo run --example seeds`
//! in this directory.
#![forbid(unsafe_code)]

use bytes::BytesMut;
use florin_core::disk::PAGE_BYTES;
use florin_core::documents::DocumentEntry;
use florin_core::documents::block::{BlockBuilder, LSN_MAX};
use florin_core::log::block::{BLOCK_HEADER_BYTES, BlockHeader, HeaderKey};
use florin_core::log::geometry::Geometry;
use florin_core::log::record;
use florin_core::log::segment::{Identity, SegmentHeader};
use florin_core::sealing::WrappedKey;
use florin_ledger::commit::{
    Commit, CommitDone, CommitId, CommitOutcome, Event, Precondition, Topic,
};
use florin_ledger::commit_bytes::encode_commit;
use florin_ledger::document::{
    Document, DocumentCondition, DocumentKey, DocumentScan, DocumentWrite, TableOptions,
    UniqueResult, WriteResult,
};
use florin_ledger::query::{AccountFilter, BalanceAt, Cursor, Page, QueryFilter, TrialBalance};
use florin_ledger::record::{
    AccountRecord, Balances, EpochRecord, ExpiryRecord, FailedRecord, Record, TransferRecord,
    WaypointRecord,
};
use florin_ledger::stream::{BatchEnd, BatchWriter, ItemContent, ItemKind, ItemKinds, TableFilter};
use florin_ledger::{
    Account, AccountFlags, AccountId, Amount, Code, CreateAccountStatus, CreateTransferStatus,
    EventResult, LedgerId, Lsn, Position, Slot, StreamCursor, StreamFilter, StreamItem,
    StreamStart, TableId, Timestamp, Transfer, TransferFlags, TransferId,
};
use florin_server::KeyDocument;
use florin_wire::array;
use florin_wire::cold::{self, Await, HistoryOf, Once};
use florin_wire::documents::{self, Found};
use florin_wire::frame::{ReplyHeader, RequestHeader};
use florin_wire::hello::{ClientHello, Farewell, ServerHello, Versions, Welcome};
use florin_wire::keyring::{self, DestroyResult, HeldKey, KeyNames, KeyringStatus};
use florin_wire::operation::Operation;
use florin_wire::outcome;
use florin_wire::page;
use florin_wire::proof::{AddressRole, Challenge, Proof, PublicKey, Verdict};
use florin_wire::role::{Role, Roles};
use florin_wire::snapshot::{CopiedKeyring, KeyringPiece, LogPiece, SeedPiece, Snapshot};
use florin_wire::stream::{Credit, Subscribe, Unsubscribe};
use florin_wire::{Effect, Refusal, RefusalKind, Status};
use std::io;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};

const INSTANT: Timestamp = Timestamp(1_790_000_000_000_000_001);
const DOLLARS: LedgerId = LedgerId(840);
const CODE: Code = Code(10);

fn main() -> io::Result<()> {
    wire()?;
    log()?;
    documents()?;
    keys()
}

fn save(target: &str, name: &str, choice: u8, body: &[u8]) -> io::Result<()> {
    let directory: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    std::fs::create_dir_all(&directory)?;
    std::fs::write(directory.join(name), [&[choice], body].concat())
}

fn wire() -> io::Result<()> {
    let save = |name: &str, choice, body: &[u8]| save("wire_decode", name, choice, body);
    let request = RequestHeader { id: 7, operation: 2, deadline_ms: 1000 };
    save("request_header", 0, &request.to_bytes())?;
    let reply = ReplyHeader::answered(7, Operation::CreateTransfers);
    save("reply_header", 1, &reply.to_bytes())?;
    hellos()?;
    proofs()?;
    let accounts = [account(1), account(2)];
    let transfers = [transfer(9)];
    save("accounts", 4, &array::to_bytes(&accounts))?;
    save("transfers", 5, &array::to_bytes(&transfers))?;
    save("account_ids", 6, &array::to_bytes(&[AccountId(1), AccountId(2)]))?;
    save("transfer_ids", 7, &array::to_bytes(&[TransferId(9)]))?;
    let created = EventResult { status: CreateAccountStatus::Created, timestamp: INSTANT };
    save("account_results", 8, &array::to_bytes(&[created]))?;
    let exists = EventResult { status: CreateTransferStatus::Exists, timestamp: INSTANT };
    save("transfer_results", 9, &array::to_bytes(&[exists]))?;
    save("looked_up_accounts", 10, &array::to_bytes(&[Some(account(1)), None]))?;
    save("looked_up_transfers", 11, &array::to_bytes(&[None, Some(transfer(9))]))?;
    let mut out = BytesMut::new();
    page::write(&Page { items: vec![account(1)], next_cursor: Some(Cursor(5)) }, &mut out);
    save("account_page", 12, &out.split())?;
    page::write(&Page { items: vec![transfer(9)], next_cursor: None }, &mut out);
    save("transfer_page", 13, &out.split())?;
    let balance = BalanceAt { timestamp: INSTANT, balances: balances() };
    page::write(&Page { items: vec![balance], next_cursor: None }, &mut out);
    save("balance_page", 14, &out.split())?;
    save("account_filter", 15, &cold::to_bytes(&AccountFilter::new(AccountId(1))))?;
    save("query_filter", 16, &cold::to_bytes(&QueryFilter::all()))?;
    save("trial_balance", 17, &cold::to_bytes(&TrialBalance::default()))?;
    save("status", 18, &cold::to_bytes(&status()))?;
    let refusal = Refusal {
        kind: RefusalKind::Busy,
        effect: Effect::None,
        message: "the queue is full".to_owned(),
    };
    save("refusal", 19, &cold::to_bytes(&refusal))?;
    commits()
}

fn commits() -> io::Result<()> {
    let save = |name: &str, choice, body: &[u8]| save("wire_decode", name, choice, body);
    let version = Position { epoch: 1, lsn: Lsn(4096) };
    let key = DocumentKey { table: TableId(16), key: b"payment/9".to_vec() };
    let write = DocumentWrite {
        table: key.table,
        key: key.key.clone(),
        value: Some(b"paid".to_vec()),
        condition: DocumentCondition::Version(version),
        ..DocumentWrite::default()
    };
    save("write_results", 20, &array::to_bytes(&[WriteResult::Written(version)]))?;
    save("unique_result", 21, &array::to_bytes(&[UniqueResult::Seen(version)]))?;
    let options = TableOptions { append_only: true, volatile: false, time_to_live: 60 };
    save("tables", 22, &array::to_bytes(&[(TableId(17), options)]))?;
    let scan = DocumentScan {
        table: key.table,
        prefix: b"payment/".to_vec(),
        after: Some(key.key.clone()),
        limit: 10,
        ..DocumentScan::default()
    };
    save("scan", 23, &cold::to_bytes(&scan))?;
    let history = HistoryOf { key: key.clone(), before: version, limit: 10 };
    save("history", 24, &cold::to_bytes(&history))?;
    save("once", 25, &cold::to_bytes(&Once { key: key.clone(), expires: INSTANT }))?;
    let mut out = BytesMut::new();
    documents::write_keys(&[key.clone()], &mut out);
    save("document_keys", 26, &out.split())?;
    let document = Document {
        key: key.key.clone(),
        version,
        timestamp: INSTANT,
        expires: Timestamp::NONE,
        value: Some(b"paid".to_vec()),
    };
    let found =
        Found { documents: vec![Some(document), None], more: true, next: Some(key.key.clone()) };
    documents::write_found(&found, &mut out);
    save("documents_found", 27, &out.split())?;
    let done = CommitDone {
        position: version,
        timestamp: INSTANT,
        transfers: vec![INSTANT],
        documents: vec![version],
        ..CommitDone::default()
    };
    save("outcome", 28, &outcome::to_bytes(&CommitOutcome::Done(done)))?;
    let commit = Commit {
        id: CommitId(5),
        actor: b"teller 7".to_vec(),
        preconditions: vec![
            Precondition::Document { table: key.table, key: key.key, version },
            Precondition::HoldPending { transfer_id: TransferId(9) },
        ],
        transfers: vec![transfer(10)],
        documents: vec![write.clone()],
        events: vec![Event { topic: Topic(1), key: b"1".to_vec(), value: b"paid in".to_vec() }],
        ..Commit::default()
    };
    save("commit", 29, &encode_commit(&commit))?;
    save("as_of", 41, &documents::as_of_to_bytes(version, &encode_commit(&commit)))?;
    save("writes", 30, &documents::writes_to_bytes(&[write]))?;
    save("await", 31, &cold::to_bytes(&Await { position: version, patience_ms: 1_000 }))?;
    streams()
}

fn streams() -> io::Result<()> {
    let save = |name: &str, choice, body: &[u8]| save("wire_decode", name, choice, body);
    let cursor = StreamCursor { epoch: 1, lsn: Lsn(4272), hash: [7; 32] };
    let filter = StreamFilter {
        kinds: ItemKinds::NONE.with(ItemKind::Transfer),
        tables: vec![TableFilter { table: TableId(16), key_prefix: b"pay".to_vec() }],
        topics: vec![Topic(3)],
        ledgers: vec![LedgerId(840)],
        accounts: vec![AccountId(1)],
    };
    let start = StreamStart::After(cursor);
    let subscribe = Subscribe { incarnation: 1, start, filter, credit_bytes: 1 << 20 };
    save("subscribe", 32, &subscribe.to_bytes())?;
    save("credit", 33, &Credit { subscription: 7, bytes: 1 << 20 }.to_bytes())?;
    save("unsubscribe", 34, &Unsubscribe { subscription: 7 }.to_bytes())?;
    let mut writer = BatchWriter::new(Vec::new(), usize::MAX);
    let contents = [
        ItemContent::Account(account(1)),
        ItemContent::Transfer(transfer(9)),
        ItemContent::Event { topic: Topic(3), key: b"key", value: b"value" },
    ];
    for content in contents {
        let item = StreamItem { cursor, time: INSTANT, ends_commit: true, content };
        assert!(writer.push(&item));
    }
    let end = BatchEnd { cursor, time: INSTANT, durable: Lsn(5000), is_live: true };
    save("stream_batch", 35, &writer.finish(end))?;
    save("stream_cursor", 36, cursor.to_string().as_bytes())?;
    keyrings()
}

fn keyrings() -> io::Result<()> {
    let save = |name: &str, choice, body: &[u8]| save("wire_decode", name, choice, body);
    let names = KeyNames(vec![b"customer/1".to_vec(), b"2".to_vec()]);
    save("key_names", 37, &keyring::names_to_bytes(&names))?;
    let mut out = BytesMut::new();
    let held = [HeldKey::Key([7; 32].into()), HeldKey::Destroyed, HeldKey::Unknown];
    keyring::write_held(&held, &mut out);
    save("keys_held", 38, &out.split())?;
    keyring::write_results(DestroyResult::ALL, &mut out);
    save("keys_destroyed", 39, &out.split())?;
    keyring::write_status(&KeyringStatus { keys_count: 3, destroyed_count: 1 }, &mut out);
    save("keyring_status", 40, &out)?;
    copies()
}

fn copies() -> io::Result<()> {
    let save = |name: &str, choice, body: &[u8]| save("wire_decode", name, choice, body);
    let snapshot = Snapshot {
        birth: 1,
        incarnation: 2,
        epoch: 3,
        segment_bytes: 64 << 20,
        is_sealed: true,
        end: Lsn(5_072),
        sequence: 6,
        chain: [7; 32],
        time: INSTANT,
        wrapped_key: vec![9; 40],
    };
    let mut out = BytesMut::new();
    snapshot.write(&mut out);
    save("snapshot", 42, &out.split())?;
    save("log_piece", 43, &LogPiece { segment: 1, offset: 2, bytes: 3 }.to_bytes())?;
    save("keyring_piece", 44, &KeyringPiece { offset: 1, hash: [8; 32] }.to_bytes())?;
    CopiedKeyring { bytes: 3, hash: [8; 32], piece: vec![1, 2, 3] }.write(&mut out);
    save("copied_keyring", 45, &out)?;
    save("seed_piece", 58, &SeedPiece { id: 1, part: 2, from: 3 }.to_bytes())
}

fn proofs() -> io::Result<()> {
    let save = |name: &str, choice, body: &[u8]| save("wire_decode", name, choice, body);
    let mut out = BytesMut::new();
    Challenge { nonce: [7; 32], address_role: AddressRole::Ledger, binding_number: 1 }
        .write(&mut out);
    save("challenge", 48, &out.split())?;
    Proof { key: PublicKey([1; 32]), signature: [2; 64] }.write(&mut out);
    save("proof", 49, &out.split())?;
    let roles = Roles::from_iter([Role::Read, Role::Write]);
    Verdict::Admitted { name: "bank".to_owned(), roles }.write(&mut out);
    save("verdict_admitted", 50, &out.split())?;
    let kind = RefusalKind::Unauthenticated;
    Verdict::Refused { kind, message: "no".to_owned() }.write(&mut out);
    save("verdict_refused", 50, &out.split())
}

fn hellos() -> io::Result<()> {
    let mut out = BytesMut::new();
    let client =
        ClientHello { versions: Versions::SPOKEN, features: 0, name: "florin exec".to_owned() };
    client.write(&mut out);
    save("wire_decode", "client_hello", 2, &out.split())?;
    let welcome = Welcome {
        versions: Versions::SPOKEN,
        version: 1,
        features: 0,
        frame_bytes_max: 1 << 20,
        events_max: 8190,
        requests_in_flight_max: 64,
        incarnation: 1,
        epoch: 1,
    };
    ServerHello::Welcome(welcome).write(&mut out);
    save("wire_decode", "welcome", 3, &out.split())?;
    let farewell = Farewell {
        versions: Versions::SPOKEN,
        kind: RefusalKind::Busy,
        message: "too many connections".to_owned(),
    };
    ServerHello::Refused(farewell).write(&mut out);
    save("wire_decode", "farewell", 3, &out.split())
}

fn log() -> io::Result<()> {
    let save = |name: &str, choice, body: &[u8]| save("log_block", name, choice, body);
    let mut body = Vec::new();
    for (tick, record) in (0..).zip(records()) {
        record::encode(&record, tick, &[], &mut body);
    }
    save("records", 0, &body)?;
    body.resize(body.len().next_multiple_of(16), 0);
    let mut block = [&[0; BLOCK_HEADER_BYTES][..], &body].concat();
    let header = BlockHeader {
        block_bytes: u32::try_from(block.len()).expect("a small block"),
        lsn: Lsn(4096),
        frame_lsn: Lsn(4096),
        sequence: 1,
        timestamp: INSTANT,
        epoch: 1,
        durable: Lsn(4096),
        index: 0,
        last: true,
        records_count: u32::try_from(records().len()).expect("a few records"),
        seal: [0; 16],
        body: *blake3::hash(&body).as_bytes(),
        chain: [0; 32],
    };
    header.write(&HeaderKey([7; 32]), &mut block);
    save("block", 1, &block)?;
    save("tagged_block", 2, &block)?;
    let geometry = Geometry::new(64 << 20).expect("the default");
    let segment = SegmentHeader {
        identity: Identity { incarnation: 1, geometry, is_sealed: true },
        number: 0,
        key: HeaderKey([7; 32]),
        salt: [3; 32],
    };
    save("segment_header", 3, &segment.encode())?;
    save("zeros", 4, &[0; PAGE_BYTES])?;
    // Only what the checksum covers, and the checksum: the rest of the page is zeros.
    save("checked_segment_header", 4, &segment.encode()[..144])?;
    let key = WrappedKey {
        incarnation: 1,
        check: [9; 32],
        id: "file:0011223344556677".to_owned(),
        wrapped: vec![5; 60],
    };
    save("wrapped_key", 5, &key.encoded())?;
    save("changed_wrapped_key", 6, &key.encoded())
}

/// Blocks of document keys without their tags, and without a choice in front.
fn documents() -> io::Result<()> {
    let directory: PathBuf =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join("document_block");
    std::fs::create_dir_all(&directory)?;
    let mut builder = BlockBuilder::default();
    let entry = |lsn, is_deleted| DocumentEntry { lsn: Lsn(lsn), is_deleted };
    let longest = [&[0, 17][..], &[7; 256]].concat();
    let keys: [(&[u8], DocumentEntry); 4] = [
        (&[0, 16], entry(4_096, false)),
        (b"\0\x10customer/1", entry(9_000, true)),
        (b"\0\x10customer/2", entry(8_000, false)),
        (&longest, entry(LSN_MAX.0, false)),
    ];
    for (key, entry) in keys {
        assert!(builder.push(key, entry), "a page holds four keys");
    }
    // The rest of the page is zeros.
    std::fs::write(directory.join("block"), &builder.finish()[16..400])?;
    assert!(builder.push(&[0, 16], entry(0, false)), "a page holds a key");
    std::fs::write(directory.join("one_key"), &builder.finish()[16..32])
}

fn keys() -> io::Result<()> {
    let directory: PathBuf =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join("key_documents");
    std::fs::create_dir_all(&directory)?;
    let operator = KeyDocument::operator("operator");
    let limited = KeyDocument {
        roles: vec![String::from("read"), String::from("write")],
        ledgers: Some([840, 978].into()),
        tables: Some([16].into()),
        requests_per_second: Some(NonZeroU32::MIN),
        bytes_per_second: Some(NonZeroU64::MIN),
        connections: Some(2),
        ..KeyDocument::operator("shop")
    };
    let revoked = KeyDocument { revoked: true, ..limited.clone() };
    let [operator, limited, revoked] = [operator, limited, revoked].map(|it| it.encode());
    std::fs::write(directory.join("limited"), &limited)?;
    std::fs::write(directory.join("table"), [&*operator, &limited, &revoked].join("\n"))?;
    std::fs::write(directory.join("flaws"), format!("{operator}\n!{limited}\n{operator}\n{{}}"))
}

fn account(id: u128) -> Account {
    let flags = AccountFlags::DEBITS_MUST_NOT_EXCEED_CREDITS;
    Account { id: AccountId(id), ledger: DOLLARS, code: CODE, flags, ..Account::default() }
}

fn transfer(id: u128) -> Transfer {
    Transfer {
        id: TransferId(id),
        debit_account_id: AccountId(2),
        credit_account_id: AccountId(1),
        amount: Amount(500),
        timeout: 60,
        ledger: DOLLARS,
        code: CODE,
        flags: TransferFlags::PENDING,
        timestamp: INSTANT,
        ..Transfer::default()
    }
}

fn balances() -> Balances {
    Balances { debits_pending: Amount(500), credits_posted: Amount(700), ..Balances::default() }
}

fn status() -> Status {
    Status {
        incarnation: 1,
        epoch: 1,
        applied: Lsn(8192),
        durable: Lsn(8192),
        timestamp: INSTANT,
        accounts_count: 2,
        transfers_count: 1,
        holds_count: 1,
        documents_count: 3,
        serving_since: INSTANT,
        checkpoint: Lsn(4096),
        disk_full: false,
    }
}

fn records() -> Vec<Record> {
    let account = AccountRecord {
        slot: Slot(0),
        id: AccountId(1),
        user_data_128: 0,
        user_data_64: 0,
        user_data_32: 0,
        ledger: DOLLARS,
        code: CODE,
        flags: AccountFlags::default(),
        imported_timestamp: Timestamp::NONE,
    };
    let transfer = TransferRecord {
        id: TransferId(9),
        amount: Amount(500),
        user_data_128: 0,
        user_data_64: 0,
        user_data_32: 0,
        debit_slot: Slot(1),
        credit_slot: Slot(0),
        debit_prev: Lsn(0),
        credit_prev: Lsn(0),
        pending: Lsn(0),
        timeout: 60,
        ledger: DOLLARS,
        code: CODE,
        flags: TransferFlags::PENDING,
        imported_timestamp: Timestamp::NONE,
    };
    let expiry = ExpiryRecord {
        hold: Lsn(4272),
        amount: Amount(500),
        debit_slot: Slot(1),
        credit_slot: Slot(0),
        debit_prev: Lsn(4272),
        credit_prev: Lsn(4272),
    };
    let status = CreateTransferStatus::ExceedsCredits;
    let waypoint = WaypointRecord {
        slot: Slot(0),
        postings_count: 32,
        posting: Lsn(4272),
        waypoint_prev: Lsn(0),
        balances: balances(),
    };
    vec![
        Record::Epoch(EpochRecord { epoch: 1, tag: 1 }),
        Record::Account(account),
        Record::Account(AccountRecord { imported_timestamp: INSTANT, ..account }),
        Record::Transfer(transfer),
        Record::Transfer(TransferRecord { imported_timestamp: INSTANT, ..transfer }),
        Record::Expiry(expiry),
        Record::Failed(FailedRecord { id: TransferId(10), status }),
        Record::Waypoint(waypoint),
    ]
}
