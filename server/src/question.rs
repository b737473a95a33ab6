//! A request as it arrives: what is asked, and what it may occupy until it is answered.

use crate::copies::CopyQuestion;
use crate::group::GroupQuestion;
use crate::keyring::KeyringQuestion;
use crate::ledger::Read;
use crate::own_tables::OwnTables;
use bytes::Bytes;
use florin_core::commits::{CommitRequest, UniqueRequest, WriteBatch};
use florin_core::request::{AccountBatch, BatchError, Request, TransferBatch};
use florin_ledger::commit_bytes::{CommitError, CommitFlaw, CommitView, parse_writes};
use florin_ledger::document::DOCUMENT_VALUE_BYTES_MAX;
use florin_ledger::query::PAGE_COUNT_MAX;
use florin_ledger::{DocumentKey, TableId, TableOptions};
use florin_wire::cold::{Await, Once};
use florin_wire::frame::HEADER_BYTES;
use florin_wire::group::{self, HandOver, HasPosition, Promise};
use florin_wire::keyring::{HELD_BYTES, KeyNames, decode_names};
use florin_wire::limits::{
    DOCUMENT_BYTES_MAX, DOCUMENT_KEYS_MAX, EVENTS_MAX, FRAME_BYTES_MAX, KEYRING_NAMES_MAX,
};
use florin_wire::replication::{Acknowledge, Follow};
use florin_wire::stream::{Credit, Subscribe, Unsubscribe};
use florin_wire::tree::{self, BalanceOf, ConsistencyOf, InclusionOf};
use florin_wire::{
    DecodeError, KeyringPiece, LogPiece, Operation, Reason, Refusal, RefusalKind, RequestHeader,
    SeedPiece, array, cold, documents,
};
use std::time::Duration;
use tokio::time::Instant;

/// A request that was read from a connection.
#[derive(Debug)]
pub(crate) struct Question {
    /// Chosen by the client.
    pub(crate) id: u64,
    /// As the client gave it, known or not.
    pub(crate) operation: u16,
    /// When nobody waits for the answer any more.
    pub(crate) deadline: Option<Instant>,
    /// Bytes of the request.
    pub(crate) payload_bytes: usize,
    /// Bytes of the request or of its largest reply, whichever is more.
    pub(crate) cost_bytes: usize,
    /// The system's own tables that it writes.
    pub(crate) own_tables: OwnTables,
    /// Whether the answer has a receipt with it. Only a commit's can.
    pub(crate) wants_receipt: bool,
    /// What to do.
    pub(crate) work: Work,
}

/// What a request asks for.
#[derive(Debug)]
pub(crate) enum Work {
    /// For the engine's queue.
    Submit(Request),
    /// For a thread that may block.
    Read(Read),
    /// Waits until the log has come so far.
    Await(Await),
    /// For a thread that may block, and the keyring.
    Keyring(KeyringQuestion),
    /// For a thread that may block, and who copies the ledger.
    Copy(CopyQuestion),
    /// For a thread that may block, and what nodes of a group ask each other.
    Group(GroupQuestion),
    /// Opens a stream.
    Subscribe(Box<Subscribe>),
    /// Lets a stream send more.
    Credit(Credit),
    /// Ends a stream.
    Unsubscribe(Unsubscribe),
    /// Ships the log to a standby.
    Follow(Box<Follow>),
    /// Says what a standby has.
    Acknowledge(Acknowledge),
    /// Well-formed, but nothing that can be done.
    Refuse(Refusal),
}

const EVENT_BYTES: usize = 128;
/// Bytes of the declaration of a table in an answer.
const TABLE_BYTES: usize = 8;
/// Tables that can be declared.
const TABLES_MAX: usize = 1 << 16;

impl Question {
    /// The request of a frame's payload. Batches stay where they lie in the payload.
    pub(crate) fn decode(payload: Bytes) -> Result<Question, DecodeError> {
        let header = RequestHeader::decode(&payload)?;
        let body = payload.slice(HEADER_BYTES..);
        let work = match Operation::from_number(header.operation) {
            Some(operation) => work(operation, body).map_err(|e| e.after(HEADER_BYTES))?,
            None => Work::Refuse(Refusal::without_effect(
                RefusalKind::UnsupportedOperation,
                format!("operation {} is none that this server knows", header.operation),
            )),
        };
        let deadline = (header.deadline_ms != 0)
            .then(|| Instant::now() + Duration::from_millis(u64::from(header.deadline_ms)));
        let payload_bytes = payload.len();
        let cost_bytes = payload_bytes.max(work.reply_bytes_max()).min(FRAME_BYTES_MAX);
        let RequestHeader { id, operation, .. } = header;
        let own_tables = OwnTables::written_by(&work);
        let wants_receipt = operation == Operation::CommitWithReceipt.number();
        Ok(Question {
            id,
            operation,
            deadline,
            payload_bytes,
            cost_bytes,
            own_tables,
            wants_receipt,
            work,
        })
    }
}

fn work(operation: Operation, body: Bytes) -> Result<Work, DecodeError> {
    Ok(match operation {
        Operation::CreateAccounts => match AccountBatch::from_layout(body) {
            Ok(batch) => Work::Submit(Request::CreateAccounts(batch)),
            Err(error) => refused_batch(error)?,
        },
        Operation::CreateTransfers => match TransferBatch::from_layout(body) {
            Ok(batch) => Work::Submit(Request::CreateTransfers(batch)),
            Err(error) => refused_batch(error)?,
        },
        Operation::LookupAccounts => {
            lookup(array::decode(&body)?, |ids| Work::Submit(Request::LookupAccounts(ids)))
        }
        Operation::LookupTransfers => {
            lookup(array::decode(&body)?, |ids| Work::Read(Read::LookupTransfers(ids)))
        }
        Operation::AccountTransfers => Work::Read(Read::AccountTransfers(cold::decode(&body)?)),
        Operation::AccountBalances => Work::Read(Read::AccountBalances(cold::decode(&body)?)),
        Operation::BalanceAsOf => Work::Read(Read::BalanceAsOf(cold::decode(&body)?)),
        Operation::QueryAccounts => Work::Read(Read::QueryAccounts(cold::decode(&body)?)),
        Operation::QueryTransfers => Work::Read(Read::QueryTransfers(cold::decode(&body)?)),
        Operation::TrialBalance => Work::Submit(Request::TrialBalance(cold::decode(&body)?)),
        Operation::Status
        | Operation::ListTables
        | Operation::KeyringStatus
        | Operation::Snapshot
        | Operation::OfferSeed
        | Operation::LogOrigin
        | Operation::ReplicationStatus
        | Operation::ReadGroup
        | Operation::CaptureBalances
            if !body.is_empty() =>
        {
            return Err(DecodeError::new(0, Reason::TooLong));
        }
        Operation::Status => Work::Submit(Request::Status),
        Operation::AwaitPosition => Work::Await(cold::decode(&body)?),
        Operation::Commit | Operation::CommitWithReceipt => commit(body, Request::Commit)?,
        Operation::DryRun => commit(body, Request::DryRun)?,
        Operation::DryRunAsOf => {
            let (at, commit) = documents::split_as_of(&body)?;
            let head_bytes = body.len() - commit.len();
            let as_of = |commit| Work::Read(Read::DryRunAsOf(commit, at));
            work_of_commit(commit, as_of).map_err(|error| error.after(head_bytes))?
        }
        Operation::GetDocuments => get(documents::decode_keys(&body)?),
        Operation::ScanDocuments => Work::Read(Read::ScanDocuments(cold::decode(&body)?)),
        Operation::DocumentHistory => Work::Read(Read::DocumentHistory(cold::decode(&body)?)),
        Operation::WriteDocuments => writes(&body)?,
        Operation::InsertUnique => {
            let Once { key: DocumentKey { table, key }, expires } = cold::decode(&body)?;
            Work::Submit(Request::InsertUnique(UniqueRequest { table, key, expires }))
        }
        Operation::DeclareTable => {
            let declared = array::decode_exactly::<(TableId, TableOptions)>(1, &body)?;
            let (table, options) = declared[0];
            Work::Submit(Request::DeclareTable(table, options))
        }
        Operation::ListTables => Work::Read(Read::Tables),
        Operation::Subscribe => Work::Subscribe(Box::new(Subscribe::decode(&body)?)),
        Operation::Credit => Work::Credit(Credit::decode(&body)?),
        Operation::Unsubscribe => Work::Unsubscribe(Unsubscribe::decode(&body)?),
        Operation::MakeKeys => keyring(decode_names(&body)?, KeyringQuestion::Make),
        Operation::ReadKeys => keyring(decode_names(&body)?, KeyringQuestion::Read),
        Operation::DestroyKeys => keyring(decode_names(&body)?, KeyringQuestion::Destroy),
        Operation::KeyringStatus => Work::Keyring(KeyringQuestion::Status),
        Operation::Snapshot => Work::Copy(CopyQuestion::Snapshot),
        Operation::ReadLog => Work::Copy(CopyQuestion::Log(LogPiece::decode(&body)?)),
        Operation::CopyKeyring => Work::Copy(CopyQuestion::Keyring(KeyringPiece::decode(&body)?)),
        Operation::OfferSeed => Work::Copy(CopyQuestion::Seed),
        Operation::ReadSeed => Work::Copy(CopyQuestion::SeedPiece(SeedPiece::decode(&body)?)),
        Operation::TreeHead => Work::Read(Read::TreeHead(tree::decode_head(&body)?)),
        Operation::ProveInclusion => Work::Read(Read::Inclusion(InclusionOf::decode(&body)?)),
        Operation::ProveConsistency => Work::Read(Read::Consistency(ConsistencyOf::decode(&body)?)),
        Operation::Receipt => Work::Read(Read::Receipt(tree::decode_subject(&body)?)),
        Operation::ProveBalance => Work::Read(Read::BalanceProof(BalanceOf::decode(&body)?)),
        Operation::CaptureBalances => Work::Read(Read::CaptureBalances),
        Operation::LogOrigin => Work::Read(Read::LogOrigin),
        Operation::FollowLog => Work::Follow(Box::new(Follow::decode(&body)?)),
        Operation::AcknowledgeLog => Work::Acknowledge(Acknowledge::decode(&body)?),
        Operation::ReplicationStatus => Work::Read(Read::Replication),
        Operation::Promote => Work::Group(GroupQuestion::Promote(group::decode_truth(&body)?)),
        Operation::Promise => Work::Group(GroupQuestion::Promise(Promise::decode(&body)?)),
        Operation::HasPosition => {
            Work::Group(GroupQuestion::HasPosition(HasPosition::decode(&body)?))
        }
        Operation::HandOver => Work::Group(GroupQuestion::HandOver(HandOver::decode(&body)?)),
        Operation::ReadGroup => Work::Group(GroupQuestion::Read),
        Operation::ChangeGroup => Work::Group(GroupQuestion::Change(body)),
    })
}

/// A commit is executed from the bytes of the payload.
fn commit(
    body: Bytes,
    request: impl FnOnce(CommitRequest) -> Request,
) -> Result<Work, DecodeError> {
    work_of_commit(body, |commit| Work::Submit(request(commit)))
}

fn work_of_commit(
    body: Bytes,
    work: impl FnOnce(CommitRequest) -> Work,
) -> Result<Work, DecodeError> {
    match CommitRequest::from_bytes(body.clone()) {
        Ok(commit) => Ok(work(commit)),
        Err(error) => match CommitView::parse(&body) {
            Err(flaw) => refused_parts(flaw),
            Ok(_) => {
                Ok(Work::Refuse(Refusal::without_effect(RefusalKind::Invalid, error.to_string())))
            }
        },
    }
}

fn writes(body: &Bytes) -> Result<Work, DecodeError> {
    let (count, writes) = documents::split_writes(body)?;
    match WriteBatch::from_bytes(writes.clone(), count) {
        Ok(batch) => Ok(Work::Submit(Request::WriteDocuments(batch))),
        Err(error) => match parse_writes(&writes, count) {
            Err(flaw) => {
                refused_parts(flaw).map_err(|error| error.after(body.len() - writes.len()))
            }
            Ok(_) => {
                Ok(Work::Refuse(Refusal::without_effect(RefusalKind::Invalid, error.to_string())))
            }
        },
    }
}

/// Parts that break a limit are refused with their whole request; bytes that are not what they say
/// they are mean that the peer has a defect.
fn refused_parts(flaw: CommitError) -> Result<Work, DecodeError> {
    match flaw.what {
        CommitFlaw::Length => Err(DecodeError::new(flaw.offset, Reason::TooShort)),
        what => {
            Ok(Work::Refuse(Refusal::without_effect(RefusalKind::of_flaw(what), flaw.to_string())))
        }
    }
}

fn get(keys: Vec<DocumentKey>) -> Work {
    if DOCUMENT_KEYS_MAX < keys.len() {
        return Work::Refuse(Refusal::without_effect(
            RefusalKind::TooLarge,
            format!(
                "a request takes at most {DOCUMENT_KEYS_MAX} keys, this one has {}: split it",
                keys.len()
            ),
        ));
    }
    Work::Read(Read::Documents(keys))
}

fn keyring(names: KeyNames, ask: impl FnOnce(KeyNames) -> KeyringQuestion) -> Work {
    if KEYRING_NAMES_MAX < names.len() {
        return Work::Refuse(Refusal::without_effect(
            RefusalKind::TooLarge,
            format!(
                "a request takes at most {KEYRING_NAMES_MAX} names, this one has {}: split it",
                names.len()
            ),
        ));
    }
    Work::Keyring(ask(names))
}

/// A batch of too many events is well-formed and refused whole; a ragged one is not well-formed.
fn refused_batch(error: BatchError) -> Result<Work, DecodeError> {
    match error {
        BatchError::TooLarge { .. } => {
            Ok(Work::Refuse(Refusal::without_effect(RefusalKind::TooLarge, error.to_string())))
        }
        BatchError::Ragged { bytes } => Err(DecodeError::new(
            bytes - bytes % EVENT_BYTES,
            Reason::Ragged { item_bytes: EVENT_BYTES },
        )),
    }
}

fn lookup<Id>(ids: Vec<Id>, ask: impl FnOnce(Vec<Id>) -> Work) -> Work {
    if EVENTS_MAX < ids.len() {
        return Work::Refuse(Refusal::without_effect(
            RefusalKind::TooLarge,
            format!(
                "a lookup takes at most {EVENTS_MAX} ids, this one has {}: split it",
                ids.len()
            ),
        ));
    }
    ask(ids)
}

impl Work {
    fn reply_bytes_max(&self) -> usize {
        let (items, item_bytes) = match self {
            Work::Submit(Request::LookupAccounts(ids)) => (ids.len(), EVENT_BYTES),
            Work::Read(Read::LookupTransfers(ids)) => (ids.len(), EVENT_BYTES),
            Work::Read(Read::AccountTransfers(filter) | Read::AccountBalances(filter)) => {
                (page_items(filter.limit), EVENT_BYTES)
            }
            Work::Read(Read::QueryAccounts(filter) | Read::QueryTransfers(filter)) => {
                (page_items(filter.limit), EVENT_BYTES)
            }
            Work::Read(Read::Documents(keys)) => (keys.len(), DOCUMENT_BYTES_MAX),
            Work::Read(Read::DocumentHistory(asked)) => {
                (page_items(asked.limit), DOCUMENT_BYTES_MAX)
            }
            Work::Read(Read::ScanDocuments(scan)) if scan.keys_only => {
                (page_items(scan.limit), DOCUMENT_BYTES_MAX - DOCUMENT_VALUE_BYTES_MAX)
            }
            Work::Read(Read::ScanDocuments(scan)) => (page_items(scan.limit), DOCUMENT_BYTES_MAX),
            Work::Read(Read::Tables) => (TABLES_MAX, TABLE_BYTES),
            // A document's record, and around it less than its key may have.
            Work::Read(Read::Inclusion(_) | Read::Receipt(_)) => (2, DOCUMENT_BYTES_MAX),
            // The record of a capture, and two places with 64 hashes each.
            Work::Read(Read::BalanceProof(_)) => (10, 1 << 10),
            // Two heads and 64 hashes.
            Work::Read(Read::TreeHead(_) | Read::Consistency(_)) => (4, 1 << 10),
            Work::Keyring(KeyringQuestion::Make(names) | KeyringQuestion::Read(names)) => {
                (names.len(), HELD_BYTES)
            }
            Work::Keyring(KeyringQuestion::Destroy(_) | KeyringQuestion::Status) => (0, 0),
            Work::Copy(
                CopyQuestion::Log(_) | CopyQuestion::Keyring(_) | CopyQuestion::SeedPiece(_),
            ) => (1, FRAME_BYTES_MAX),
            Work::Copy(CopyQuestion::Snapshot) => (0, 0),
            // It names runs, and those are a few hundred.
            Work::Copy(CopyQuestion::Seed) => (1, 64 << 10),
            // Sixteen nodes with an address each.
            Work::Group(_) => (16, 1 << 10),
            // Their replies are smaller than the request, or than what any request weighs. Of a
            // commit that is because a timestamp answers 128 bytes and a position at least 41, but
            // for events, whose positions are at most 16 KiB.
            Work::Submit(_)
            | Work::Read(
                Read::BalanceAsOf(_)
                | Read::DryRunAsOf(..)
                | Read::Reached(_)
                | Read::CaptureBalances
                | Read::LogOrigin
                | Read::Replication,
            )
            | Work::Await(_)
            | Work::Refuse(_) => (0, 0),
            // What a stream sends is bounded by its credit, what a standby is sent by its window.
            Work::Subscribe(_)
            | Work::Credit(_)
            | Work::Unsubscribe(_)
            | Work::Follow(_)
            | Work::Acknowledge(_) => (0, 0),
        };
        items * item_bytes
    }
}

fn page_items(limit: u32) -> usize {
    usize::try_from(limit.min(PAGE_COUNT_MAX)).expect("a page's items fit a usize")
}
