//! Whose money an order moves, and to whom: everything that it names, read at once.

use super::limits::Limits;
use super::order::{Destination, NewTransfer, Orderer, TransferRefused};
use super::payee::{self, PayeeType, Payees};
use super::record::Requests;
use crate::accounts::{Accounts, find_by_number};
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::store::{Found, Store, key_of};
use florin_ledger::commit::Precondition;

/// What an order names, as it was found.
pub(super) struct Seen {
    /// What the same request came to before.
    pub(super) request: Option<Found<Requests>>,
    source: Option<Found<Accounts>>,
    limits: Option<Found<Limits>>,
    destination: Option<Found<Accounts>>,
    payee: Option<Found<Payees>>,
}

/// The accounts of an order.
pub(super) struct Parties {
    pub(super) source: Found<Accounts>,
    pub(super) destination: Found<Accounts>,
    /// What the limits of the source count for; `None` if it never sent anything.
    pub(super) limits: Option<Found<Limits>>,
    /// The payee that was named, still is.
    pub(super) payee: Option<Precondition>,
}

impl Seen {
    /// Reads what an order names; `request` is the key of what it came to.
    pub(super) async fn of(
        store: &Store,
        by: &Orderer,
        new: &NewTransfer,
        request: &[u8],
    ) -> Result<Seen, BankError> {
        let whom = match new.destination {
            Destination::Account(account) => key_of::<Accounts>(account.bytes()),
            Destination::Payee(payee) => key_of::<Payees>(payee::key_of(by.customer, payee)),
        };
        let source = key_of::<Accounts>(new.source.bytes());
        let limits = key_of::<Limits>(new.source.bytes());
        let asked = [key_of::<Requests>(request), source, limits, whom];
        let [request, source, limits, whom] = store.ask(asked).await?;
        let (destination, payee) = match new.destination {
            Destination::Account(_) => (store.found(whom).await?, None),
            Destination::Payee(_) => (None, store.found(whom).await?),
        };
        let (request, source) = (store.found(request).await?, store.found(source).await?);
        Ok(Seen { request, source, limits: store.found(limits).await?, destination, payee })
    }

    /// The accounts: the customer's own, and that of whom they pay.
    pub(super) async fn parties(
        self,
        store: &Store,
        customer: Id<Customer>,
        new: &NewTransfer,
    ) -> Result<Parties, TransferRefused> {
        let Seen { source, limits, destination, payee, .. } = self;
        let source = source.filter(|found| found.row.open.user_id == customer);
        let (destination, payee) = match new.destination {
            Destination::Account(_) => (destination, None),
            Destination::Payee(_) => {
                let payee = payee.ok_or(TransferRefused::NoSuchPayee)?;
                (account_of(store, &payee).await?, Some(payee.unchanged()))
            }
        };
        let parties = source.zip(destination).ok_or(TransferRefused::NoSuchAccount)?;
        Ok(Parties { source: parties.0, destination: parties.1, limits, payee })
    }
}

/// The account of a payee, if there is one in this bank.
async fn account_of(
    store: &Store,
    payee: &Found<Payees>,
) -> Result<Option<Found<Accounts>>, TransferRefused> {
    let sealed = payee.row.profile.as_known().ok_or(TransferRefused::NoSuchPayee)?;
    match find_by_number(store, &sealed.account_number).await? {
        Some(account) => Ok(store.get(&account.bytes()).await?),
        None if payee.row.open.beneficiary_type == PayeeType::Internal => Ok(None),
        None => Err(TransferRefused::RailUnavailable),
    }
}
