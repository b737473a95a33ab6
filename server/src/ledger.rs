//! What the server asks of an engine. [`Database`] is the one that ships; tests bring their own.

use crate::copies::{self, CopyAnswer, CopyQuestion, Held};
use crate::documents;
use crate::group::{self, GroupQuestion};
use crate::keyring::{self, KeyringAnswer, KeyringQuestion};
use crate::replication;
use bytes::Bytes;
use florin_core::commits::CommitRequest;
use florin_core::proof::Capture;
use florin_core::request::{Reply, Request};
use florin_core::shipping::{Acknowledger, FollowFrom, Shipment};
use florin_core::stream::{StreamBatch, Subscription};
use florin_core::{Database, Error, ErrorKind};
use florin_ledger::document::DocumentScan;
use florin_ledger::query::{
    AccountFilter, AccountPage, BalanceAt, BalancePage, QueryFilter, TransferPage,
};
use florin_ledger::{
    CommitOutcome, DocumentKey, Lsn, Position, StreamFilter, StreamStart, Subject, TableId,
    TableOptions, Transfer, TransferId,
};
use florin_wire::cold::{AsOf, HistoryOf};
use florin_wire::documents::fit_page;
use florin_wire::replication::ReplicationStatus;
use florin_wire::tree::{BalanceOf, Captured, ConsistencyOf, InclusionOf};
use std::time::Duration;

/// An engine that a server serves; clones are handles to the same one.
pub trait Ledger: Clone + Send + Sync + 'static {
    /// Hands over a request without blocking. `reply` is called at most once, from any thread; an
    /// engine that drops it instead has stopped.
    fn submit(&self, request: Request, reply: impl FnOnce(Result<Reply, Error>) + Send + 'static);

    /// Answers a question about history. Blocks; called on threads that may.
    ///
    /// # Errors
    /// Those of the engine.
    fn read(&self, read: &Read) -> Result<Found, Error>;

    /// Asks the keyring; `by` is who asks, on record if it destroys a key. Blocks; called on threads
    /// that may.
    ///
    /// # Errors
    /// Those of the keyring.
    fn ask_keyring(&self, question: &KeyringQuestion, by: &str) -> Result<KeyringAnswer, Error>;

    /// Asks what is asked by who copies the ledger; `held` is the server's. Blocks; called on threads that
    /// may.
    ///
    /// # Errors
    /// Those of the engine.
    fn copy(&self, question: CopyQuestion, held: &Held) -> Result<CopyAnswer, Error>;

    /// A reader of the log.
    type Stream: LogStream;

    /// Reads the log from a position on. Blocks; called on threads that may.
    ///
    /// # Errors
    /// Those of the engine.
    fn subscribe(&self, start: StreamStart, filter: StreamFilter) -> Result<Self::Stream, Error>;

    /// Calls `risen` whenever more is durable, from any thread.
    fn on_durable(&self, risen: impl Fn() + Send + Sync + 'static);

    /// Everything before this is durable. Cheap.
    fn durable_end(&self) -> Lsn;

    /// The last place before that: what is read from now on is not older.
    fn position(&self) -> Position;

    /// Calls `changed` whenever documents of [`TableId::CLIENT_KEYS`] have changed, from any thread:
    /// what is read from then on says so.
    fn on_client_keys(&self, changed: impl Fn() + Send + Sync + 'static);

    /// Ships the log to a standby. Blocks; called on threads that may.
    ///
    /// # Errors
    /// Those of the engine. One that ships nothing says so.
    fn ship(&self, from: &FollowFrom, name: &str) -> Result<Box<dyn LogShipment>, Error> {
        let _ = (from, name);
        Err(Error::new(ErrorKind::Invalid, "this server has no log to follow"))
    }

    /// Answers what nodes of a group ask; gives the body of the answer. Blocks; called on threads that may.
    ///
    /// # Errors
    /// Those of the engine. One that has no group says so.
    fn ask_group(&self, question: &GroupQuestion) -> Result<Bytes, Error> {
        let _ = question;
        Err(Error::new(ErrorKind::Invalid, "this server is of no group"))
    }

    /// That receipts can be given.
    ///
    /// # Errors
    /// Why not.
    fn check_receipts(&self) -> Result<(), Error> {
        Err(Error::new(ErrorKind::Invalid, "this server gives no receipts"))
    }

    /// The bytes of the receipt of an outcome that was told; none if there is none. Blocks; called on threads that
    /// may.
    fn receipt_of(&self, outcome: &CommitOutcome) -> Vec<u8> {
        let _ = outcome;
        Vec::new()
    }

    /// Calls `risen` whenever more can be shipped, from any thread.
    fn on_synced(&self, risen: impl Fn() + Send + Sync + 'static) {
        self.on_durable(risen);
    }

    /// Decides nothing more, and calls `done` once nothing more will be durable, from any thread.
    fn rest(&self, done: impl FnOnce() + Send + 'static) {
        done();
    }
}

/// What one standby is sent.
pub trait LogShipment: Send {
    /// The next batch of at most so many bytes behind its head, see [`florin_core::shipping`]; with 0 nothing
    /// is read for it. Blocks.
    ///
    /// # Errors
    /// Those of the engine.
    fn next(&mut self, bytes_max: usize) -> Result<Vec<u8>, Error>;

    /// Whether everything that is durable was handed out.
    fn is_live(&self) -> bool;

    /// Whether everything that was read for it was handed out.
    fn is_handed_out(&self) -> bool;

    /// The end of the last frame that was read for it.
    fn position(&self) -> Lsn;

    /// What the standby acknowledges through.
    fn acknowledger(&self) -> Box<dyn ShipmentAck>;
}

/// What a standby acknowledges through.
pub trait ShipmentAck: Send {
    /// It has everything before a position, durably. Waits for nothing.
    ///
    /// # Errors
    /// If nobody has that.
    fn acknowledge(&self, position: Lsn) -> Result<(), Error>;

    /// The same, and nothing is told that rests on it.
    ///
    /// # Errors
    /// If nobody has that.
    fn receive(&self, position: Lsn) -> Result<(), Error>;
}

impl LogShipment for Shipment {
    fn next(&mut self, bytes_max: usize) -> Result<Vec<u8>, Error> {
        Shipment::next(self, bytes_max)
    }

    fn is_live(&self) -> bool {
        Shipment::is_live(self)
    }

    fn is_handed_out(&self) -> bool {
        Shipment::is_handed_out(self)
    }

    fn position(&self) -> Lsn {
        Shipment::position(self)
    }

    fn acknowledger(&self) -> Box<dyn ShipmentAck> {
        Box::new(Shipment::acknowledger(self))
    }
}

impl ShipmentAck for Acknowledger {
    fn acknowledge(&self, position: Lsn) -> Result<(), Error> {
        Acknowledger::acknowledge(self, position)
    }

    fn receive(&self, position: Lsn) -> Result<(), Error> {
        Acknowledger::receive(self, position)
    }
}

/// A reader of the log.
pub trait LogStream: Send + 'static {
    /// The next batch of at most so many bytes behind its head, see [`florin_ledger::stream`];
    /// empty if nothing more is durable. Blocks; called on threads that may.
    ///
    /// # Errors
    /// Those of the engine; after [`florin_core::ErrorKind::Busy`] it may be asked again.
    fn next(&mut self, bytes_max: usize) -> Result<Vec<u8>, Error>;
}

/// A question about history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Read {
    /// Transfers by id.
    LookupTransfers(Vec<TransferId>),
    /// A page of an account's transfers.
    AccountTransfers(AccountFilter),
    /// A page of an account's balances.
    AccountBalances(AccountFilter),
    /// An account's balances at an instant.
    BalanceAsOf(AsOf),
    /// A page of accounts.
    QueryAccounts(QueryFilter),
    /// A page of transfers.
    QueryTransfers(QueryFilter),
    /// Documents by key.
    Documents(Vec<DocumentKey>),
    /// A page of documents.
    ScanDocuments(DocumentScan),
    /// Versions of a document.
    DocumentHistory(HistoryOf),
    /// The tables that were declared.
    Tables,
    /// What would have become of a commit, right after the record at a position.
    DryRunAsOf(CommitRequest, Position),
    /// Whether a position is reached; otherwise the error says why not. Does not wait.
    Reached(Position),
    /// The signed head of the tree of so many leaves, or of the newest.
    TreeHead(Option<u64>),
    /// That a record is in a tree.
    Inclusion(InclusionOf),
    /// That a tree is the beginning of another.
    Consistency(ConsistencyOf),
    /// That a record is in the log.
    Receipt(Subject),
    /// What an account was.
    BalanceProof(BalanceOf),
    /// That all balances are put on record. Writes, and is a read in that it takes long and a place.
    CaptureBalances,
    /// The header of the log's first segment.
    LogOrigin,
    /// How replication stands.
    Replication,
}

impl Read {
    /// Whether it is answered from the tree of proofs, which may be behind. A receipt needs no tree.
    pub(crate) fn is_of_tree(&self) -> bool {
        matches!(
            self,
            Read::TreeHead(_) | Read::Inclusion(_) | Read::Consistency(_) | Read::BalanceProof(_)
        )
    }
}

/// The answer to a [`Read`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// One entry per id.
    Transfers(Vec<Option<Transfer>>),
    /// A page.
    TransferPage(TransferPage),
    /// A page.
    BalancePage(BalancePage),
    /// `None` if the account was not open.
    Balance(Option<BalanceAt>),
    /// A page.
    AccountPage(AccountPage),
    /// Documents, as many as fit a reply.
    Documents(florin_wire::documents::Found),
    /// In order.
    Tables(Vec<(TableId, TableOptions)>),
    /// What would have become of it.
    Outcome(CommitOutcome),
    /// The position is reached.
    Reached,
    /// A file of `florin-proof`.
    Proof(Vec<u8>),
    /// Bytes as they are stored.
    Stored(Vec<u8>),
    /// How replication stands.
    Replication(ReplicationStatus),
}

impl LogStream for Subscription {
    fn next(&mut self, bytes_max: usize) -> Result<Vec<u8>, Error> {
        Subscription::next(self, bytes_max, Duration::ZERO).map(StreamBatch::into_bytes)
    }
}

impl Ledger for Database {
    type Stream = Subscription;

    fn subscribe(&self, start: StreamStart, filter: StreamFilter) -> Result<Subscription, Error> {
        Database::subscribe(self, start, filter)
    }

    fn on_durable(&self, risen: impl Fn() + Send + Sync + 'static) {
        Database::on_durable(self, risen);
    }

    fn durable_end(&self) -> Lsn {
        Database::durable_end(self)
    }

    fn position(&self) -> Position {
        Database::position(self)
    }

    fn on_client_keys(&self, changed: impl Fn() + Send + Sync + 'static) {
        Database::on_client_keys(self, changed);
    }

    fn submit(&self, request: Request, reply: impl FnOnce(Result<Reply, Error>) + Send + 'static) {
        Database::submit(self, request, reply);
    }

    fn ship(&self, from: &FollowFrom, name: &str) -> Result<Box<dyn LogShipment>, Error> {
        Ok(Box::new(Database::ship(self, from, name)?))
    }

    fn ask_group(&self, question: &GroupQuestion) -> Result<Bytes, Error> {
        group::ask(self, question)
    }

    fn check_receipts(&self) -> Result<(), Error> {
        Database::check_receipts(self)
    }

    fn receipt_of(&self, outcome: &CommitOutcome) -> Vec<u8> {
        Database::receipt_of(self, outcome).map(|receipt| receipt.to_bytes()).unwrap_or_default()
    }

    fn on_synced(&self, risen: impl Fn() + Send + Sync + 'static) {
        Database::on_synced(self, risen);
    }

    fn rest(&self, done: impl FnOnce() + Send + 'static) {
        Database::rest(self, done);
    }

    fn ask_keyring(&self, question: &KeyringQuestion, by: &str) -> Result<KeyringAnswer, Error> {
        keyring::ask(self, question, by)
    }

    fn copy(&self, question: CopyQuestion, held: &Held) -> Result<CopyAnswer, Error> {
        copies::ask(self, question, held)
    }

    fn read(&self, read: &Read) -> Result<Found, Error> {
        Ok(match read {
            Read::LookupTransfers(ids) => Found::Transfers(self.lookup_transfers(ids)?),
            Read::AccountTransfers(filter) => Found::TransferPage(self.account_transfers(filter)?),
            Read::AccountBalances(filter) => Found::BalancePage(self.account_balances(filter)?),
            Read::BalanceAsOf(asked) => {
                Found::Balance(self.balance_as_of(asked.account_id, asked.timestamp)?)
            }
            Read::QueryAccounts(filter) => Found::AccountPage(self.query_accounts(filter)?),
            Read::QueryTransfers(filter) => Found::TransferPage(self.query_transfers(filter)?),
            Read::Documents(keys) => Found::Documents(documents::get(self, keys)?),
            Read::ScanDocuments(scan) => {
                let mut page = self.scan_documents(scan)?;
                fit_page(&mut page);
                Found::Documents(florin_wire::documents::Found::of_page(page))
            }
            Read::DocumentHistory(asked) => Found::Documents(documents::history(self, asked)?),
            Read::Tables => Found::Tables(self.tables()?),
            Read::DryRunAsOf(commit, at) => Found::Outcome(self.dry_run_as_of(commit, *at)?),
            Read::Reached(position) => {
                self.wait_for(*position, Duration::ZERO)?;
                Found::Reached
            }
            Read::TreeHead(size) => Found::Proof(self.tree_head(*size)?.to_bytes().to_vec()),
            Read::Inclusion(InclusionOf { subject, size }) => {
                Found::Proof(self.prove_inclusion(subject, *size)?.to_bytes())
            }
            Read::Consistency(ConsistencyOf { first, second }) => {
                Found::Proof(self.prove_consistency(*first, *second)?.to_bytes())
            }
            Read::Receipt(subject) => Found::Proof(self.receipt(subject)?.to_bytes()),
            Read::BalanceProof(BalanceOf { account, at }) => {
                Found::Proof(self.prove_balance(*account, *at)?.to_bytes())
            }
            Read::CaptureBalances => {
                let Capture { position, accounts, root } = self.capture_balances()?;
                let captured = Captured { position, accounts, root: root.0 };
                Found::Stored(captured.to_bytes().to_vec())
            }
            Read::LogOrigin => Found::Stored(self.origin()?),
            Read::Replication => {
                let names = (self.incarnation()?, self.life());
                Found::Replication(replication::status(&self.replication(), &self.node(), names))
            }
        })
    }
}
