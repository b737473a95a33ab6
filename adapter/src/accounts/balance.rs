//! Balances, straight from the ledger.

use super::record::AccountOpen;
use crate::error::BankError;
use crate::money::Money;
use florin_client::Client;
use florin_ledger::AccountId;

/// What is on an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Balances {
    /// What was credited less what was debited.
    pub posted: Money,
    /// Of that, what holds reserve.
    pub pending: Money,
    /// What can be spent.
    pub available: Money,
}

/// The balances of accounts, in their order.
///
/// # Errors
/// [`BankError`].
pub async fn balances(
    client: &Client,
    accounts: &[&AccountOpen],
) -> Result<Vec<Balances>, BankError> {
    let ids: Vec<AccountId> =
        accounts.iter().map(|account| AccountId(account.account_id.number())).collect();
    let found = client.lookup_accounts(&ids).await?;
    accounts.iter().zip(found).map(|(account, found)| Balances::of(account, found)).collect()
}

impl Balances {
    /// Those of an account, by what the ledger has of it.
    pub(crate) fn of(
        account: &AccountOpen,
        found: Option<florin_ledger::Account>,
    ) -> Result<Balances, BankError> {
        let found = found.ok_or_else(|| BankError::odd(&"no account of this number"))?;
        let money = |cents| Money { currency: account.currency_code, cents };
        let posted = found.credits_posted.0.checked_sub(found.debits_posted.0);
        let posted = posted.ok_or_else(|| BankError::odd(&"a balance below zero"))?;
        let available = posted.checked_sub(found.debits_pending.0);
        let available = available.ok_or_else(|| BankError::odd(&"holds above a balance"))?;
        Ok(Balances {
            posted: money(posted),
            pending: money(found.debits_pending.0),
            available: money(available),
        })
    }
}
