//! Changing what an account may send in a day and in a month. It takes effect with the next transfer.

use super::record::{AccountOpen, Accounts};
use crate::audit::{self, Act, Action};
use crate::bank::Bank;
use crate::error::BankError;
use crate::id::{Account, Id};
use crate::money::CENTS_MAX;
use crate::staff::{Clerk, Forbidden, Role};
use crate::store::{Found, Row};
use crate::topics;
use crate::vault::Subject;

/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;

/// Who changes limits.
pub const LIMITERS: [Role; 1] = [Role::Operations];

/// What an account may send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendingLimits {
    /// From midnight to midnight.
    pub daily_cents: u64,
    /// From the first to the last.
    pub monthly_cents: u64,
}

/// Why limits are not changed. Nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum LimitRefused {
    /// It takes another role.
    #[error("{0}")]
    Forbidden(#[from] Forbidden),
    /// There is no such account.
    #[error("there is no such account")]
    NoSuchAccount,
    /// They are more than any amount.
    #[error("a limit is at most {CENTS_MAX} cents")]
    TooLarge,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// Changes what an account may send. Returns when that is durable.
///
/// # Errors
/// [`LimitRefused`].
pub async fn limit(
    bank: &Bank,
    clerk: &Clerk,
    account: Id<Account>,
    limits: SendingLimits,
) -> Result<(), LimitRefused> {
    clerk.needs(&LIMITERS)?;
    let Bank { store, clock, .. } = bank;
    if CENTS_MAX < limits.daily_cents.max(limits.monthly_cents) {
        return Err(LimitRefused::TooLarge);
    }
    for _ in 0..TRIES_MAX {
        let found: Option<Found<Accounts>> = store.get(&account.bytes()).await?;
        let found = found.ok_or(LimitRefused::NoSuchAccount)?;
        let open = AccountOpen {
            daily_limit_cents: limits.daily_cents,
            monthly_limit_cents: limits.monthly_cents,
            ..found.row.open.clone()
        };
        let values = |open: &AccountOpen| {
            serde_json::json!({
                "daily_limit_cents": open.daily_limit_cents,
                "monthly_limit_cents": open.monthly_limit_cents,
            })
        };
        let act = Act {
            action: Action::Update,
            entity: "ACCOUNT",
            entity_id: account.to_string(),
            subject: Subject::Customer(open.user_id),
            old: Some(values(&found.row.open)),
            new: Some(values(&open)),
        };
        let mut commit = clerk.commit(store).await?;
        let (key, condition) = (found.key.clone(), found.condition());
        let row = Row::<Accounts> { open, ..found.row };
        commit.documents = vec![
            store.write(&key, &row, condition).await?,
            audit::row(store, &**clock, clerk.caller(), act).await?,
        ];
        commit.events.push(topics::account_event(topics::ACCOUNT_LIMITS_CHANGED, account));
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
