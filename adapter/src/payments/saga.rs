//! The second step of a transfer: it is judged, and the money moves, is given back, or waits for a person.
//!
//! The ids of the commit that ends a transfer follow from the transaction, so it takes effect once however often it is
//! tried. A posting that the ledger refuses is given back and FAILED; a hold that somebody else has settled ends as
//! they did; one that has expired is FAILED. Everything that decides is a condition of the commit: the account that
//! pays, the case, the hold.

use super::hold::{self, Round};
use super::parked::Parked;
use super::record::{
    Ended, InReview, PaidBefore, PaidOpen, Surroundings, TransactionOpen, TransactionSealed,
    TransactionStatus, Transactions, TransferOpen, TransfersOpen, paid_key, step, step_key,
};
use super::review::{CaseOpen, CaseStatus, Cases, CasesOpen, Waiting};
use crate::accounts::{AccountStatus, Accounts, chart};
use crate::audit::{self, Act, Action, Caller};
use crate::bank::Bank;
use crate::clock::{HOUR, MINUTE, after};
use crate::customers::is_new;
use crate::error::BankError;
use crate::id::{Account, Case, Customer, Id, Transaction};
use crate::risk::{Assessment, Features, Verdict, assess};
use crate::store::{Found, Held, Kind, Row, Store, key_of};
use crate::topics;
use crate::vault::Subject;
use florin_ledger::commit::{BrokenRule, Precondition, Topic, Unmet};
use florin_ledger::document::DocumentCondition;
use florin_ledger::query::AccountFilter;
use florin_ledger::{
    AccountId, Commit, CommitId, CommitOutcome, CreateTransferStatus, DocumentWrite, Timestamp,
    TransferFlags, TransferId,
};
use std::collections::BTreeMap;

const CONTEXT: &str = "florin bank 1 end of a transaction";
/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;
/// Transfers of the hour before that are counted, at most.
const RECENT_MAX: u32 = 100;
/// How long a payee is new: a small payment makes nobody known for a large one.
const NEW_FOR: u64 = 24 * HOUR;
/// That somebody was paid is written down once in this time.
const PAID_WRITTEN_EVERY: u64 = 24 * HOUR;

/// How a transfer goes on.
#[derive(Clone, PartialEq, Debug)]
enum End {
    /// The holds are posted.
    Post(Assessment),
    /// They are voided.
    Void(Option<Assessment>, String),
    /// They are placed anew, for a person to look at it.
    Review(Assessment),
    /// There are none any more.
    Settled(TransactionStatus, &'static str),
}

/// A transfer under way, with everything that decides about it.
struct UnderWay {
    open: Found<TransfersOpen>,
    source: Found<Accounts>,
    case: Option<Found<Cases>>,
    /// That the payee was paid before, unless both accounts are the customer's.
    paid: Option<Found<PaidBefore>>,
    /// That it was set aside.
    parked: Option<Found<Parked>>,
}

/// Ends a transfer, unless it has ended or waits for a person.
///
/// # Errors
/// [`BankError`].
pub async fn end(bank: &Bank, transaction: Id<Transaction>) -> Result<(), BankError> {
    go_on(bank, transaction, None, false).await
}

/// The same of a transfer that is likely from an account, which saves a question.
pub(super) async fn end_of_account(
    bank: &Bank,
    transaction: Id<Transaction>,
    account: Id<Account>,
) -> Result<(), BankError> {
    go_on(bank, transaction, Some(account), false).await
}

/// Ends a transfer of which the ledger has said that a hold has expired, whatever the adapter's clock says.
pub(super) async fn end_expired(
    bank: &Bank,
    transaction: Id<Transaction>,
) -> Result<(), BankError> {
    go_on(bank, transaction, None, true).await
}

async fn go_on(
    bank: &Bank,
    transaction: Id<Transaction>,
    account: Option<Id<Account>>,
    has_expired: bool,
) -> Result<(), BankError> {
    for _ in 0..TRIES_MAX {
        let Some(transfer) = UnderWay::find(&bank.store, transaction, account).await? else {
            return Ok(());
        };
        let is_late = has_expired || transfer.open.row.open.held_until.0 <= bank.clock.now().0;
        // A commit that finds no hold is a refusal on record: where that is likely, it is asked first.
        let outcome = if is_late { Ok(()) } else { settle(bank, &transfer).await };
        match outcome {
            Ok(()) if !is_late => return Ok(()),
            Ok(()) | Err(BankError::Unmet(Unmet::Hold { .. })) => {}
            Err(error) if error.is_stale() => continue,
            Err(error) => return Err(error),
        }
        let Some(settled) = settled(&bank.store, &transfer.open.row.open).await? else {
            // It is late, and pending all the same: the ledger's clock is behind.
            match settle(bank, &transfer).await {
                Err(error) if error.is_stale() => continue,
                settled => return settled,
            }
        };
        match bank.store.commit(&ending(bank, &transfer, &settled).await?).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_stale() => {}
            Err(error) => return Err(error),
        }
    }
    Err(BankError::Contended)
}

impl UnderWay {
    async fn find(
        store: &Store,
        transaction: Id<Transaction>,
        account: Option<Id<Account>>,
    ) -> Result<Option<UnderWay>, BankError> {
        let mut keys = vec![
            key_of::<TransfersOpen>(transaction.bytes()),
            key_of::<Parked>(transaction.bytes()),
        ];
        keys.extend(account.map(|account| key_of::<Accounts>(account.bytes())));
        let mut asked = store.client().documents(&keys).await?.into_iter();
        let mut next = || asked.next().flatten();
        let (open, parked, source) = (next(), next(), next());
        let Some(open) = store.found::<TransfersOpen>(open).await? else { return Ok(None) };
        let row = &open.row.open;
        let source = match source.filter(|_| account == Some(row.source_account_id)) {
            Some(source) => Some(store.opened(source).await?),
            None => store.get(&row.source_account_id.bytes()).await?,
        };
        let source = source.ok_or(BankError::Damaged(Accounts::TABLE))?;
        let case = match row.case_id {
            None => None,
            Some(case) => {
                let case = store.get(&case.bytes()).await?;
                Some(case.ok_or(BankError::Damaged(Cases::TABLE))?)
            }
        };
        let paid = if row.is_own {
            None
        } else {
            store.get(&paid_key(row.initiated_by, row.destination_account_id)).await?
        };
        let parked = store.found(parked).await?;
        Ok(Some(UnderWay { open, source, case, paid, parked }))
    }

    /// Who let it go on, if somebody had to.
    fn approver(&self) -> Option<Id<Customer>> {
        let case = self.case.as_ref().map(|case| &case.row.open);
        case.filter(|case| case.status == CaseStatus::Approved)?.decided_by
    }

    fn case_status(&self) -> Option<CaseStatus> {
        self.case.as_ref().map(|case| case.row.open.status)
    }
}

/// Judges a transfer, and posts or voids its holds, or opens a case.
async fn settle(bank: &Bank, transfer: &UnderWay) -> Result<(), BankError> {
    let Some(end) = judge(bank, transfer).await? else { return Ok(()) };
    match bank.store.commit(&ending(bank, transfer, &end).await?).await {
        Ok(_) => Ok(()),
        // The money can't go where it should, and goes back.
        Err(BankError::Refused(BrokenRule::Transfer { status, .. })) if end.is_post() => {
            let back = End::Void(end.assessment(), String::from(status.name()));
            let back = bank.store.commit(&ending(bank, transfer, &back).await?).await;
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

/// How a transfer goes on; `None` while it waits for a person.
async fn judge(bank: &Bank, transfer: &UnderWay) -> Result<Option<End>, BankError> {
    if transfer.source.row.open.status != AccountStatus::Active {
        return Ok(Some(End::Void(None, String::from("account_not_active"))));
    }
    let status = transfer.case_status();
    match status {
        Some(CaseStatus::Open) => return Ok(None),
        Some(CaseStatus::Rejected) => {
            return Ok(Some(End::Void(None, String::from("rejected"))));
        }
        Some(CaseStatus::Approved | CaseStatus::Ended) | None => {}
    }
    let assessment = assess(features(bank, transfer).await?);
    Ok(Some(match assessment.decision.verdict {
        Verdict::Deny => {
            let reason = assessment.decision.reason.clone();
            End::Void(Some(assessment), reason)
        }
        // Somebody has looked at it.
        Verdict::Review if status.is_none() => End::Review(assessment),
        Verdict::Review | Verdict::Allow => End::Post(assessment),
    }))
}

impl End {
    fn is_post(&self) -> bool {
        matches!(self, End::Post(_))
    }

    fn assessment(&self) -> Option<Assessment> {
        match self {
            End::Post(assessment) | End::Review(assessment) => Some(assessment.clone()),
            End::Void(assessment, _) => assessment.clone(),
            End::Settled(..) => None,
        }
    }

    /// What the ids of its commit follow from, beside the transaction.
    fn name(&self) -> &'static str {
        match self {
            End::Post(_) => "post",
            End::Void(..) => "void",
            End::Review(_) => "review",
            End::Settled(..) => "settled",
        }
    }
}

/// What is known of a transfer.
async fn features(bank: &Bank, transfer: &UnderWay) -> Result<Features, BankError> {
    let (open, now) = (&transfer.open.row.open, bank.clock.now());
    let (mut is_new_payee, mut recent) = (false, BTreeMap::new());
    // What moves between one's own accounts is judged by its amount alone.
    if !open.is_own {
        let known_since = transfer.paid.as_ref().map(|paid| paid.row.open.first_paid_at);
        is_new_payee = known_since.is_none_or(|since| now < after(since.into(), NEW_FOR));
        let filter = AccountFilter {
            timestamp_min: Timestamp(now.0.saturating_sub(HOUR)),
            credits: false,
            code: chart::TRANSFER,
            reversed: true,
            limit: RECENT_MAX,
            ..AccountFilter::new(AccountId(open.source_account_id.number()))
        };
        let holds = bank.store.client().account_transfers(&filter).await?.items;
        let holds = holds.iter().filter(|transfer| transfer.flags.contains(TransferFlags::PENDING));
        recent.extend(holds.map(|hold| (hold.user_data_128, hold.amount.0)));
        recent.remove(&open.transaction_id.number());
    }
    let surroundings = transfer.open.row.statutory.as_known().copied().unwrap_or_default();
    let Surroundings { device_since, country, is_new_country } = surroundings;
    let time = jiff::Timestamp::from_nanosecond(i128::from(now.0)).unwrap_or_default();
    let hour = time.to_zoned_datetime(bank.options.time_zone.clone()).hour();
    Ok(Features {
        amount_cents: open.amount_cents,
        is_own: open.is_own,
        is_new_payee,
        recent_count: u32::try_from(recent.len()).unwrap_or(u32::MAX),
        recent_cents: u64::try_from(recent.values().sum::<u128>()).unwrap_or(u64::MAX),
        hour: u8::try_from(hour).unwrap_or_default(),
        is_new_device: device_since.map(|since| is_new(since, now)),
        is_new_country,
        country,
    })
}

/// What became of the money of a transfer whose time is over, and why: nobody may have written it down yet. `None` if
/// it is held still.
pub(super) async fn standing(
    store: &Store,
    open: &TransferOpen,
) -> Result<Option<(TransactionStatus, &'static str)>, BankError> {
    match settled(store, open).await? {
        Some(End::Settled(status, reason)) => Ok(Some((status, reason))),
        _ => Ok(None),
    }
}

/// What became of a hold that is not pending; `None` if it is.
async fn settled(store: &Store, open: &TransferOpen) -> Result<Option<End>, BankError> {
    let hold = Round::of(open).money(open.transaction_id);
    let asked = Commit {
        id: audit::commit_id(),
        preconditions: vec![Precondition::HoldPending { transfer_id: hold }],
        ..Commit::default()
    };
    match store.client().dry_run(&asked).await? {
        CommitOutcome::Done(_) => return Ok(None),
        CommitOutcome::Unmet(Unmet::Hold { .. }) => {}
        other => return Err(BankError::odd(&other)),
    }
    // From when the transaction was begun, give or take what clocks differ.
    let begun = open.transaction_id.time();
    let filter = AccountFilter {
        user_data_128: open.transaction_id.number(),
        timestamp_min: Timestamp(begun.0.saturating_sub(MINUTE)),
        reversed: true,
        ..AccountFilter::new(AccountId(open.source_account_id.number()))
    };
    let found = store.client().account_transfers(&filter).await?.items;
    let by = found.iter().find(|transfer| transfer.pending_id == hold);
    Ok(Some(match by {
        Some(by) if by.flags.contains(TransferFlags::POST_PENDING_TRANSFER) => {
            End::Settled(TransactionStatus::Completed, "")
        }
        Some(_) => End::Settled(TransactionStatus::Failed, "voided"),
        None => End::Settled(TransactionStatus::Failed, "expired"),
    }))
}

/// The commit by which a transfer goes on.
async fn ending(bank: &Bank, transfer: &UnderWay, end: &End) -> Result<Commit, BankError> {
    let open = &transfer.open.row.open;
    let what = format!("{} {:?}", end.name(), Round::of(open));
    let caller = Caller { correlation: open.correlation_id.clone(), ..Caller::bank() };
    let id = CommitId(derived(open.transaction_id, &what));
    let mut commit = audit::commit_of(&bank.store, &caller, id).await?;
    // Sealed parts differ each time, and what is meant does not.
    commit.digest = digest(open.transaction_id, &what);
    let money = Round::of(open).money(open.transaction_id);
    if !matches!(end, End::Settled(..)) {
        commit.preconditions.push(Precondition::HoldPending { transfer_id: money });
        commit.preconditions.push(transfer.source.unchanged());
        commit.preconditions.extend(transfer.case.iter().map(Found::unchanged));
        let flags = match end {
            End::Post(_) => TransferFlags::POST_PENDING_TRANSFER,
            _ => TransferFlags::VOID_PENDING_TRANSFER,
        };
        let id_of = |leg: &str| TransferId(derived(open.transaction_id, &format!("{what} {leg}")));
        commit.transfers = hold::resolutions(open, flags, id_of);
    }
    match end {
        End::Review(assessment) => {
            review_of(bank, transfer, assessment, &caller, &mut commit).await?
        }
        _ => end_of(bank, transfer, end, &caller, &mut commit).await?,
    }
    Ok(commit)
}

/// What a case begins with.
async fn review_of(
    bank: &Bank,
    transfer: &UnderWay,
    assessment: &Assessment,
    caller: &Caller,
    commit: &mut Commit,
) -> Result<(), BankError> {
    let Bank { store, clock, .. } = bank;
    let open = &transfer.open.row.open;
    let (transaction, now) = (open.transaction_id, clock.now());
    // It follows from the transaction too: whoever tries again opens the same case.
    let case = Id::<Case>::from_number(transaction.number());
    commit.transfers.extend(hold::for_review(open));
    let row = Row::<Transactions> {
        open: TransactionOpen::InReview(InReview {
            case_id: case,
            requires_approval: true,
            created_at: now.into(),
            initiated_by: open.initiated_by,
        }),
        profile: Held::Absent,
        statutory: Held::Known(TransactionSealed {
            assessment: Some(assessment.clone()),
            ..TransactionSealed::default()
        }),
    };
    let held = Row::<TransfersOpen> {
        open: TransferOpen {
            case_id: Some(case),
            held_until: Round::Review.ends(now).into(),
            ..open.clone()
        },
        profile: Held::Absent,
        statutory: transfer.open.row.statutory.clone(),
    };
    let opened = Row::<Cases>::open(CaseOpen {
        case_id: case,
        transaction_id: transaction,
        source_account_id: open.source_account_id,
        initiated_by: open.initiated_by,
        reason: assessment.decision.reason.clone(),
        status: CaseStatus::Open,
        opened_at: now.into(),
        decided_by: None,
        decided_at: None,
    });
    let waiting = Row::<CasesOpen>::open(Waiting { case_id: case });
    let act = act(open, serde_json::json!({"status": "PENDING", "requires_approval": true}));
    let absent = DocumentCondition::Absent;
    commit.documents = vec![
        store.write(&step_key(transaction, step::IN_REVIEW), &row, absent).await?,
        store.write(&transfer.open.key, &held, transfer.open.condition()).await?,
        store.write(&case.bytes(), &opened, absent).await?,
        store.write(&case.bytes(), &waiting, absent).await?,
        audit::row(store, &**clock, caller, act).await?,
    ];
    let topic = topics::TRANSACTION_IN_REVIEW;
    commit.events.push(topics::event(topic, open.source_account_id, transaction));
    Ok(())
}

/// What is told of an end.
async fn end_of(
    bank: &Bank,
    transfer: &UnderWay,
    end: &End,
    caller: &Caller,
    commit: &mut Commit,
) -> Result<(), BankError> {
    let Bank { store, clock, .. } = bank;
    let open = &transfer.open.row.open;
    let transaction = open.transaction_id;
    let (status, reason) = match end {
        End::Post(_) | End::Review(_) => (TransactionStatus::Completed, ""),
        End::Void(_, reason) => (TransactionStatus::Failed, reason.as_str()),
        End::Settled(status, reason) => (*status, *reason),
    };
    let reason = (!reason.is_empty()).then(|| String::from(reason));
    let ended = Row::<Transactions> {
        open: TransactionOpen::Ended(Ended {
            status,
            processed_at: clock.now().into(),
            initiated_by: open.initiated_by,
            approved_by: transfer.approver(),
        }),
        profile: Held::Absent,
        statutory: Held::Known(TransactionSealed {
            assessment: end.assessment(),
            reason: reason.clone(),
            ..TransactionSealed::default()
        }),
    };
    let act = act(open, serde_json::json!({"status": status.name(), "reason": reason}));
    commit.documents = vec![
        store.write(&step_key(transaction, step::ENDED), &ended, DocumentCondition::Absent).await?,
        transfer.open.deletion(),
        audit::row(store, &**clock, caller, act).await?,
    ];
    let is_completed = status == TransactionStatus::Completed;
    if is_completed {
        commit.documents.extend(paid(bank, open, transfer.paid.as_ref()).await?);
    }
    // Nobody decides any more about what has ended.
    if let Some(case) =
        transfer.case.as_ref().filter(|case| case.row.open.status == CaseStatus::Open)
    {
        let waiting: Option<Found<CasesOpen>> = store.get(&case.key).await?;
        commit.documents.extend(waiting.map(|waiting| waiting.deletion()));
        let over = CaseOpen { status: CaseStatus::Ended, ..case.row.open.clone() };
        let over = Row::<Cases>::open(over);
        commit.documents.push(store.write(&case.key, &over, case.condition()).await?);
    }
    commit.documents.extend(transfer.parked.as_ref().map(Found::deletion));
    let mut tell = |topic: Topic, account| {
        commit.events.push(topics::event(topic, account, transaction));
    };
    if is_completed {
        tell(topics::TRANSACTION_COMPLETED, open.source_account_id);
        tell(topics::TRANSACTION_RECEIVED, open.destination_account_id);
    } else {
        tell(topics::TRANSACTION_FAILED, open.source_account_id);
    }
    Ok(())
}

fn act(open: &TransferOpen, new: serde_json::Value) -> Act {
    Act {
        action: Action::Transaction,
        entity: "TRANSACTION",
        entity_id: open.transaction_id.to_string(),
        subject: Subject::Customer(open.initiated_by),
        old: Some(serde_json::json!({"status": "PENDING"})),
        new: Some(new),
    }
}

/// Writes down that somebody was paid, once a day at most.
async fn paid(
    bank: &Bank,
    open: &TransferOpen,
    before: Option<&Found<PaidBefore>>,
) -> Result<Option<DocumentWrite>, BankError> {
    if open.is_own {
        return Ok(None);
    }
    let key = paid_key(open.initiated_by, open.destination_account_id);
    let (now, condition) = (bank.clock.now(), before.map(Found::condition));
    let first_paid_at = match before {
        None => now.into(),
        Some(found) if after(found.row.open.last_paid_at.into(), PAID_WRITTEN_EVERY) <= now => {
            found.row.open.first_paid_at
        }
        Some(_) => return Ok(None),
    };
    let row = Row::<PaidBefore>::open(PaidOpen { first_paid_at, last_paid_at: now.into() });
    let condition = condition.unwrap_or(DocumentCondition::Absent);
    bank.store.write(&key, &row, condition).await.map(Some)
}

fn digest(transaction: Id<Transaction>, what: &str) -> [u8; 32] {
    blake3::derive_key(CONTEXT, &[&transaction.bytes()[..], what.as_bytes()].concat())
}

/// An id that follows from a transaction; neither zero nor 2^128-1, which are none.
fn derived(transaction: Id<Transaction>, what: &str) -> u128 {
    let bytes = digest(transaction, what);
    let (half, _) = bytes.split_first_chunk::<16>().expect("it has 32 bytes");
    (u128::from_be_bytes(*half) >> 1) | 1
}
