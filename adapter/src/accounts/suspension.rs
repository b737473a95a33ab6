//! Suspending an account: nothing of its owner's leaves it, what comes in is taken, and what is held comes back.
//!
//! The status is a condition of every hold, so of a transfer and a suspension at the same time one is first: a
//! hold that is there when the account is suspended is given back by whoever ends transfers, who is told by
//! [`topics::ACCOUNT_SUSPENDED`]; one that comes after it is refused.

use super::record::{AccountOpen, AccountStatus, Accounts};
use crate::audit::{self, Act, Action};
use crate::bank::Bank;
use crate::error::BankError;
use crate::id::{Account, Id};
use crate::line::{self, REASON_CHARACTERS_MAX};
use crate::staff::{Clerk, Forbidden, Role};
use crate::store::{Found, Row};
use crate::topics;
use crate::vault::Subject;

/// Who suspends accounts, and lifts it.
pub const SUSPENDERS: [Role; 2] = [Role::Operations, Role::Fraud];
/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;

/// Why an account is not suspended, nor its suspension lifted. Nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum SuspendRefused {
    /// It takes another role.
    #[error("{0}")]
    Forbidden(#[from] Forbidden),
    /// There is no such account.
    #[error("there is no such account")]
    NoSuchAccount,
    /// It is closed.
    #[error("this account is closed")]
    Closed,
    /// Nobody would know why.
    #[error("say why, in at most {REASON_CHARACTERS_MAX} characters, all of them visible")]
    Reason,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// Suspends an account. Returns when that is durable; one that is suspended stays so.
///
/// # Errors
/// [`SuspendRefused`].
pub async fn suspend(
    bank: &Bank,
    clerk: &Clerk,
    account: Id<Account>,
    reason: &str,
) -> Result<(), SuspendRefused> {
    change(bank, clerk, account, AccountStatus::Suspended, reason).await
}

/// Lifts a suspension. Returns when that is durable; an account that is not suspended stays so.
///
/// # Errors
/// [`SuspendRefused`].
pub async fn resume(
    bank: &Bank,
    clerk: &Clerk,
    account: Id<Account>,
    reason: &str,
) -> Result<(), SuspendRefused> {
    change(bank, clerk, account, AccountStatus::Active, reason).await
}

async fn change(
    bank: &Bank,
    clerk: &Clerk,
    account: Id<Account>,
    status: AccountStatus,
    reason: &str,
) -> Result<(), SuspendRefused> {
    clerk.needs(&SUSPENDERS)?;
    let reason = line::reason(reason).ok_or(SuspendRefused::Reason)?;
    let Bank { store, clock, .. } = bank;
    for _ in 0..TRIES_MAX {
        let found: Option<Found<Accounts>> = store.get(&account.bytes()).await?;
        let found = found.ok_or(SuspendRefused::NoSuchAccount)?;
        let before = found.row.open.status;
        if before == AccountStatus::Closed {
            return Err(SuspendRefused::Closed);
        }
        if before == status {
            return Ok(());
        }
        let act = Act {
            action: Action::Update,
            entity: "ACCOUNT",
            entity_id: account.to_string(),
            subject: Subject::Customer(found.row.open.user_id),
            old: Some(serde_json::json!({"status": before})),
            new: Some(serde_json::json!({"status": status, "reason": reason})),
        };
        let (key, condition) = (found.key.clone(), found.condition());
        let open = AccountOpen { status, ..found.row.open };
        let row = Row::<Accounts> { open, ..found.row };
        let topic = match status {
            AccountStatus::Suspended => topics::ACCOUNT_SUSPENDED,
            AccountStatus::Active | AccountStatus::Closed => topics::ACCOUNT_RESUMED,
        };
        let mut commit = clerk.commit(store).await?;
        commit.documents = vec![
            store.write(&key, &row, condition).await?,
            audit::row(store, &**clock, clerk.caller(), act).await?,
        ];
        commit.events.push(topics::account_event(topic, account));
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
