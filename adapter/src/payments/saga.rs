//! The second step of a transfer: it is judged, and the money moves or is given back.
//!
//! A [`Worker`] reads the events of the first step. The ids of the commit that ends a transfer follow from the
//! transaction, so it takes effect once however often it is tried; only then the worker's place in the stream
//! is kept. A posting that the ledger refuses is given back and FAILED; a hold that somebody else has settled ends
//! as they did; one that has expired is FAILED. Whatever else is in the way parks the transfer with the reason,
//! and the next goes on.
//!
//! There is one worker at a time: where several adapters serve a bank, the others' are fenced off and wait.
//! Within it transfers end one after the other.

use super::record::{
    Ended, FraudScore, TransactionOpen, TransactionSealed, TransactionStatus, Transactions,
    TransferOpen, TransfersOpen, step_key,
};
use super::risk::{self, Decision};
use super::transfer::hold_id;
use crate::accounts::chart;
use crate::audit::{self, Act, Action, Caller};
use crate::clock::Clock;
use crate::error::BankError;
use crate::id::{Id, Transaction};
use crate::money::Money;
use crate::store::{Found, Held, Row, Store};
use crate::topics;
use crate::vault::Subject;
use florin_client::Consumer;
use florin_ledger::commit::{BrokenRule, Precondition, Unmet};
use florin_ledger::document::{DocumentCondition, WriteResult};
use florin_ledger::query::AccountFilter;
use florin_ledger::stream::{ItemContent, ItemKind, ItemKinds};
use florin_ledger::{
    AccountId, Amount, Commit, CommitId, CommitOutcome, CreateTransferStatus, StreamFilter,
    StreamStart, Transfer, TransferFlags, TransferId,
};
use std::sync::Arc;
use tracing::error;

const NAME: &str = "payments";
const CONTEXT: &str = "florin bank 1 end of a transaction";
/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;

/// Ends transfers.
pub struct Worker {
    store: Store,
    clock: Arc<dyn Clock>,
    consumer: Consumer,
}

impl Worker {
    /// Goes on where the last worker was.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn start(store: Store, clock: Arc<dyn Clock>) -> Result<Worker, BankError> {
        let filter = StreamFilter {
            kinds: ItemKinds::NONE.with(ItemKind::Event),
            topics: vec![topics::TRANSACTION_INITIATED],
            ..StreamFilter::all()
        };
        let consumer = store.client().consumer(NAME, StreamStart::Begin, filter).await?;
        Ok(Worker { store, clock, consumer })
    }

    /// Ends transfers as they are begun, until it can't go on.
    ///
    /// # Errors
    /// [`BankError`]: start another.
    pub async fn run(&mut self) -> Result<std::convert::Infallible, BankError> {
        loop {
            self.step().await?;
        }
    }

    /// Ends the transfers that came next, if any did. Returns when they are ended for good.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn step(&mut self) -> Result<(), BankError> {
        let batch = self.consumer.next().await?;
        let begun: Result<Vec<_>, _> = batch.items().map(|item| begun(item.content)).collect();
        let begun = begun?;
        if begun.is_empty() {
            return Ok(());
        }
        for transaction in begun {
            self.end_or_park(transaction).await?;
        }
        self.consumer.save(batch.end().cursor).await?;
        Ok(())
    }

    async fn end_or_park(&self, transaction: Id<Transaction>) -> Result<(), BankError> {
        match end(&self.store, &*self.clock, transaction).await {
            Ok(()) => Ok(()),
            // The ledger can't be asked: whoever comes next tries again.
            Err(error @ (BankError::Ledger(_) | BankError::Busy | BankError::Contended)) => {
                Err(error)
            }
            Err(error) => {
                error!(%transaction, "parked: {error}");
                park(&self.store, transaction, &error.to_string()).await
            }
        }
    }
}

/// The transaction that was begun. What a newer version tells is not passed over: its own worker ends it.
fn begun(content: ItemContent<'_>) -> Result<Id<Transaction>, BankError> {
    let ItemContent::Event { value, .. } = content else { return Err(BankError::odd(&content)) };
    topics::transaction(value).ok_or_else(|| BankError::odd(&"an event of a newer version"))
}

/// How a transfer ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End<'a> {
    /// The hold is posted.
    Post(FraudScore),
    /// It is voided.
    Void(Option<FraudScore>, &'a str),
    /// There is no hold any more.
    Settled(TransactionStatus, Option<&'a str>),
}

/// Ends a transfer, unless it has ended.
///
/// # Errors
/// [`BankError`].
pub async fn end(
    store: &Store,
    clock: &dyn Clock,
    transaction: Id<Transaction>,
) -> Result<(), BankError> {
    for _ in 0..TRIES_MAX {
        let found: Option<Found<TransfersOpen>> = store.get(&transaction.bytes()).await?;
        let Some(open) = found else { return Ok(()) };
        let is_late = open.row.open.held_until.0 <= clock.now().0;
        // A commit that finds no hold is a refusal on record: where that is likely, it is asked first.
        let outcome = if is_late { Ok(()) } else { settle(store, clock, &open).await };
        match outcome {
            Ok(()) if !is_late => return Ok(()),
            Ok(()) | Err(BankError::Unmet(Unmet::Hold { .. })) => {}
            Err(error) if error.is_stale() => continue,
            Err(error) => return Err(error),
        }
        let Some(settled) = settled(store, &open).await? else {
            // It is late, and pending all the same: the ledger's clock is behind.
            match settle(store, clock, &open).await {
                Err(error) if error.is_stale() => continue,
                settled => return settled,
            }
        };
        match store.commit(&ending(store, clock, &open, settled).await?).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_stale() => {}
            Err(error) => return Err(error),
        }
    }
    Err(BankError::Contended)
}

/// Judges a transfer, and posts or voids its hold.
async fn settle(
    store: &Store,
    clock: &dyn Clock,
    open: &Found<TransfersOpen>,
) -> Result<(), BankError> {
    let TransferOpen { currency_code, amount_cents, .. } = open.row.open;
    let money = Money { currency: currency_code, cents: amount_cents.into() };
    let (end, score) = match risk::decide(money) {
        Decision::Allow(score) => (End::Post(score), score),
        Decision::Deny(score, reason) => (End::Void(Some(score), reason), score),
    };
    match store.commit(&ending(store, clock, open, end).await?).await {
        Ok(_) => Ok(()),
        // The money can't go where it should, and goes back.
        Err(BankError::Refused(BrokenRule::Transfer { status, .. })) if end == End::Post(score) => {
            let back = End::Void(Some(score), status.name());
            let back = store.commit(&ending(store, clock, open, back).await?).await;
            back.map(drop).map_err(expired_meanwhile)
        }
        Err(error) => Err(expired_meanwhile(error)),
    }
}

/// A hold that fell due in the very commit that would have settled it is one that is not pending.
fn expired_meanwhile(error: BankError) -> BankError {
    match error {
        BankError::Refused(BrokenRule::Transfer {
            status: CreateTransferStatus::PendingTransferExpired,
            index,
        }) => BankError::Unmet(Unmet::Hold { index }),
        error => error,
    }
}

/// What became of a hold that is not pending; `None` if it is.
async fn settled(
    store: &Store,
    open: &Found<TransfersOpen>,
) -> Result<Option<End<'static>>, BankError> {
    let TransferOpen { transaction_id, source_account_id, .. } = open.row.open;
    let filter = AccountFilter {
        user_data_128: transaction_id.number(),
        ..AccountFilter::new(AccountId(source_account_id.number()))
    };
    let hold = hold_id(transaction_id);
    let found = store.client().account_transfers(&filter).await?.items;
    let by = found.iter().find(|transfer| transfer.pending_id == hold);
    if let Some(by) = by {
        let is_posted = by.flags.contains(TransferFlags::POST_PENDING_TRANSFER);
        let completed = End::Settled(TransactionStatus::Completed, None);
        let voided = End::Settled(TransactionStatus::Failed, Some("voided"));
        return Ok(Some(if is_posted { completed } else { voided }));
    }
    let asked = Commit {
        id: audit::commit_id(),
        preconditions: vec![Precondition::HoldPending { transfer_id: hold }],
        ..Commit::default()
    };
    let is_pending = match store.client().dry_run(&asked).await? {
        CommitOutcome::Done(_) => true,
        CommitOutcome::Unmet(Unmet::Hold { .. }) => false,
        other => return Err(BankError::odd(&other)),
    };
    let expired = End::Settled(TransactionStatus::Failed, Some("expired"));
    Ok((!is_pending).then_some(expired))
}

/// The commit of an end.
async fn ending(
    store: &Store,
    clock: &dyn Clock,
    open: &Found<TransfersOpen>,
    end: End<'_>,
) -> Result<Commit, BankError> {
    let transaction = open.row.open.transaction_id;
    let (what, status, sealed) = match end {
        End::Post(score) => ("post", TransactionStatus::Completed, judged(Some(score), None)),
        End::Void(score, reason) => {
            ("void", TransactionStatus::Failed, judged(score, Some(reason)))
        }
        End::Settled(status, reason) => ("settled", status, judged(None, reason)),
    };
    let mut commit = told(store, clock, open, what, status, sealed).await?;
    let flags = match end {
        End::Post(_) => TransferFlags::POST_PENDING_TRANSFER,
        End::Void(..) => TransferFlags::VOID_PENDING_TRANSFER,
        End::Settled(..) => return Ok(commit),
    };
    let is_posted = flags == TransferFlags::POST_PENDING_TRANSFER;
    commit.preconditions.push(Precondition::HoldPending { transfer_id: hold_id(transaction) });
    commit.transfers.push(Transfer {
        id: TransferId(derived(transaction, what)),
        pending_id: hold_id(transaction),
        amount: if is_posted { Amount::MAX } else { Amount::ZERO },
        user_data_128: transaction.number(),
        code: chart::TRANSFER,
        flags,
        ..Transfer::default()
    });
    Ok(commit)
}

/// What is sealed of an end.
fn judged(fraud_score: Option<FraudScore>, reason: Option<&str>) -> TransactionSealed {
    TransactionSealed {
        fraud_score,
        rule_version: fraud_score.map(|_| risk::RULE_VERSION),
        reason: reason.map(String::from),
        ..TransactionSealed::default()
    }
}

/// The documents and events of an end.
async fn told(
    store: &Store,
    clock: &dyn Clock,
    open: &Found<TransfersOpen>,
    what: &str,
    status: TransactionStatus,
    sealed: TransactionSealed,
) -> Result<Commit, BankError> {
    let TransferOpen { transaction_id: transaction, initiated_by, .. } = open.row.open;
    let TransferOpen { source_account_id, destination_account_id, .. } = open.row.open;
    let correlation = open.row.open.correlation_id.clone();
    let caller = Caller { correlation, ..Caller::bank() };
    let act = Act {
        action: Action::Transaction,
        entity: "TRANSACTION",
        entity_id: transaction.to_string(),
        subject: Subject::Customer(initiated_by),
        old: Some(serde_json::json!({"status": "PENDING"})),
        new: Some(serde_json::json!({"status": status.name(), "reason": sealed.reason})),
    };
    let ended = Row::<Transactions> {
        open: TransactionOpen::Ended(Ended {
            transaction_id: transaction,
            status,
            processed_at: clock.now().into(),
            initiated_by,
        }),
        profile: Held::Absent,
        statutory: Held::Known(sealed),
    };
    let id = CommitId(derived(transaction, what));
    let mut commit = audit::commit_of(store, &caller, id).await?;
    // Sealed parts differ each time, and what is meant does not.
    commit.digest =
        blake3::derive_key(CONTEXT, &[&transaction.bytes()[..], what.as_bytes()].concat());
    commit.documents = vec![
        store.write(&step_key(transaction, 1), &ended, DocumentCondition::Absent).await?,
        open.deletion(),
        audit::row(store, clock, &caller, act).await?,
    ];
    let mut tell = |topic, account| commit.events.push(topics::event(topic, account, transaction));
    if status == TransactionStatus::Completed {
        tell(topics::TRANSACTION_COMPLETED, source_account_id);
        tell(topics::TRANSACTION_RECEIVED, destination_account_id);
    } else {
        tell(topics::TRANSACTION_FAILED, source_account_id);
    }
    Ok(commit)
}

/// An id that follows from a transaction.
fn derived(transaction: Id<Transaction>, what: &str) -> u128 {
    let bytes = blake3::derive_key(CONTEXT, &[&transaction.bytes()[..], what.as_bytes()].concat());
    let (half, _) = bytes.split_first_chunk::<16>().expect("it has 32 bytes");
    // Neither zero nor 2^128-1, which are no ids.
    (u128::from_be_bytes(*half) >> 1) | 1
}

/// Sets a transfer aside, for a person to look at.
async fn park(store: &Store, transaction: Id<Transaction>, reason: &str) -> Result<(), BankError> {
    for _ in 0..TRIES_MAX {
        let found: Option<Found<TransfersOpen>> = store.get(&transaction.bytes()).await?;
        let Some(found) = found else { return Ok(()) };
        let parked = TransferOpen { parked: Some(String::from(reason)), ..found.row.open.clone() };
        let row = Row::<TransfersOpen>::open(parked);
        let write = store.write(&found.key, &row, found.condition()).await?;
        match store.client().write_documents(&[write]).await?.first() {
            Some(WriteResult::Written(_)) => return Ok(()),
            Some(WriteResult::Stale(_)) => {}
            other => return Err(BankError::odd(&other)),
        }
    }
    Err(BankError::Contended)
}
