//! Transfers that a person looks at before they go on.
//!
//! - Whatever judges a transfer risky holds its money anew, for days, and opens a case, in one commit.
//! - Somebody of the bank who did not order it decides, once; the worker of the payments then judges anew what has
//!   changed meanwhile, and posts or gives back.
//! - A case that nobody decides ends with its hold: the money is free, the transfer has failed.

use crate::audit::{self, Act, Action};
use crate::bank::Bank;
use crate::clock::UnixNs;
use crate::error::BankError;
use crate::id::{Account, Case, Customer, Id, Transaction};
use crate::staff::{Clerk, Forbidden, Role};
use crate::store::{Found, Kind, Row, Store};
use crate::tables;
use crate::topics;
use crate::vault::Subject;
use florin_ledger::TableId;
use florin_ledger::document::DocumentScan;
use serde::{Deserialize, Serialize};

/// Cases that are listed at once.
const PAGE: u32 = 100;
/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;

/// Who decides cases.
pub const REVIEWERS: [Role; 1] = [Role::Fraud];

/// What is decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CaseVerdict {
    /// The transfer may go on.
    Approve,
    /// It may not.
    Reject,
}

/// How a case stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CaseStatus {
    /// It waits.
    Open,
    /// The transfer may go on.
    Approved,
    /// It may not.
    Rejected,
    /// The transfer has ended before anybody decided.
    Ended,
}

/// Cases.
pub enum Cases {}

/// A case. What was judged is sealed with the transaction.
#[derive(Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct CaseOpen {
    pub case_id: Id<Case>,
    pub transaction_id: Id<Transaction>,
    pub source_account_id: Id<Account>,
    pub initiated_by: Id<Customer>,
    /// The rule that asked for it.
    pub reason: String,
    pub status: CaseStatus,
    pub opened_at: UnixNs,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<Id<Customer>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<UnixNs>,
}

impl Kind for Cases {
    const TABLE: TableId = tables::CASES;
    type Open = CaseOpen;
    type Profile = ();
    type Statutory = ();

    fn subject(_: &CaseOpen) -> Subject {
        Subject::Bank
    }
}

/// Cases that wait, by their id.
pub(super) enum CasesOpen {}

/// Nothing but the key.
#[derive(Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) case_id: Id<Case>,
}

impl Kind for CasesOpen {
    const TABLE: TableId = tables::CASES_OPEN;
    type Open = Waiting;
    type Profile = ();
    type Statutory = ();

    fn subject(_: &Waiting) -> Subject {
        Subject::Bank
    }
}

/// Why a case is not decided. Nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum DecideRefused {
    /// It takes another role.
    #[error("{0}")]
    Forbidden(#[from] Forbidden),
    /// There is none.
    #[error("there is no such case")]
    NoSuchCase,
    /// It was decided before, or its time is over.
    #[error("this case is decided")]
    Decided,
    /// Nobody decides about what they ordered.
    #[error("nobody decides about their own transfer")]
    Own,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// The cases that wait, oldest first.
///
/// # Errors
/// [`BankError`].
pub async fn waiting(store: &Store) -> Result<Vec<Found<Cases>>, BankError> {
    let scan = DocumentScan { limit: PAGE, ..DocumentScan::default() };
    let waiting = store.scan::<CasesOpen>(scan).await?.found;
    store.all(waiting.into_iter().map(|waiting| waiting.key)).await
}

/// Decides a case. Returns when that is durable; the transfer ends soon after.
///
/// # Errors
/// [`DecideRefused`].
pub async fn decide(
    bank: &Bank,
    clerk: &Clerk,
    case: Id<Case>,
    verdict: CaseVerdict,
) -> Result<(), DecideRefused> {
    clerk.needs(&REVIEWERS)?;
    let Bank { store, clock, .. } = bank;
    for _ in 0..TRIES_MAX {
        let found: Option<Found<Cases>> = store.get(&case.bytes()).await?;
        let found = found.ok_or(DecideRefused::NoSuchCase)?;
        let waiting: Option<Found<CasesOpen>> = store.get(&case.bytes()).await?;
        let waiting = waiting.ok_or(DecideRefused::Decided)?;
        let open = &found.row.open;
        if open.initiated_by == clerk.id() {
            return Err(DecideRefused::Own);
        }
        let status = match verdict {
            CaseVerdict::Approve => CaseStatus::Approved,
            CaseVerdict::Reject => CaseStatus::Rejected,
        };
        let decided = Row::<Cases>::open(CaseOpen {
            status,
            decided_by: Some(clerk.id()),
            decided_at: Some(clock.now().into()),
            ..open.clone()
        });
        let act = Act {
            action: Action::Update,
            entity: "CASE",
            entity_id: case.to_string(),
            subject: Subject::Customer(open.initiated_by),
            old: Some(serde_json::json!({"status": open.status})),
            new: Some(serde_json::json!({"status": status})),
        };
        let mut commit = clerk.commit(store).await?;
        commit.documents = vec![
            waiting.deletion(),
            store.write(&found.key, &decided, found.condition()).await?,
            audit::row(store, &**clock, clerk.caller(), act).await?,
        ];
        commit.documents.extend(clerk.kept());
        let (account, transaction) = (open.source_account_id, open.transaction_id);
        commit.events.push(topics::event(topics::CASE_DECIDED, account, transaction));
        match store.commit(&commit).await {
            Ok(_) => return Ok(()),
            Err(BankError::Unmet(unmet)) if clerk.has_lost(&commit, &unmet) => {
                return Err(Forbidden.into());
            }
            Err(error) if error.is_stale() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(BankError::Contended.into())
}
