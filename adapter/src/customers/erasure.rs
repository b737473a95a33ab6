//! Forgetting a customer: what is not kept by law is made unreadable, wherever a copy of it lies.
//!
//! 1. A commit takes away what leads to them (their address, their credentials) and says that they are no customer any
//!    more. Every account is closed before, for good. No login or link of theirs is good for anything from then on, and
//!    none can be made.
//! 2. What is left of these, whom they noted and whom they paid is taken away, page by page, however much it is.
//! 3. The key of their profile is destroyed: what was sealed under it, in the log and in every copy of it, is
//!    noise from then on.
//!
//! If the second or third did not come about, the same again does it.

use super::contact::ContactChanges;
use super::credentials::{Credentials, FactorUses};
use super::email_change::EmailChanges;
use super::factor_change::FactorChanges;
use super::factor_recovery::FactorRecoveries;
use super::familiar::Familiar;
use super::phone_change::PhoneChanges;
use super::record::{CustomerEmails, CustomerOpen, Customers, email_of};
use super::recovery::Recoveries;
use super::recovery_code::RecoveryCodes;
use super::session::{LoginUses, Logins};
use crate::accounts::{AccountStatus, accounts_of};
use crate::alerts::{Devices, Preferences};
use crate::audit::{self, Act, Action, Caller};
use crate::bank::Bank;
use crate::clock::Clock;
use crate::entry;
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::staff::{Clerk, Forbidden, Matter, ProposalRefused, Wish, approval, propose};
use crate::store::{Found, Held, Kind, Row, Store};
use crate::tables;
use crate::vault::Subject;
use florin_ledger::document::DocumentScan;
use florin_ledger::{Commit, DocumentWrite, TableId};

/// What a customer has one document of, under their id.
const OF_ONE_CUSTOMER: [TableId; 11] = [
    Credentials::TABLE,
    FactorUses::TABLE,
    RecoveryCodes::TABLE,
    FactorChanges::TABLE,
    EmailChanges::TABLE,
    ContactChanges::TABLE,
    FactorRecoveries::TABLE,
    PhoneChanges::TABLE,
    Preferences::TABLE,
    Devices::TABLE,
    Familiar::TABLE,
];
/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;
/// What is taken away at once.
const PAGE: u32 = 500;
/// What is good for nothing once somebody is no customer any more: its keys begin with their id.
const LEFT: [TableId; 6] = [
    Logins::TABLE,
    LoginUses::TABLE,
    Recoveries::TABLE,
    tables::PAYEES,
    tables::PAYEE_NUMBERS,
    tables::PAID_BEFORE,
];

/// Why a customer is not erased. Nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum EraseRefused {
    /// There is no such customer.
    #[error("there is no such customer")]
    NoSuchCustomer,
    /// They have accounts that are not closed.
    #[error("close every account first")]
    OpenAccounts,
    /// Everything must be kept.
    #[error("a legal hold stands: nothing may be erased")]
    LegalHold,
    /// What is said of the proposal.
    #[error("{0}")]
    Proposal(ProposalRefused),
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

impl From<ProposalRefused> for EraseRefused {
    fn from(refused: ProposalRefused) -> EraseRefused {
        match refused {
            ProposalRefused::Bank(error) => error.into(),
            refused => EraseRefused::Proposal(refused),
        }
    }
}

/// Erases a customer. Returns when nothing opens their profile any more, but for what other adapters keep in
/// memory, a minute at most.
///
/// # Errors
/// [`EraseRefused`].
pub async fn erase(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    customer: Id<Customer>,
) -> Result<(), EraseRefused> {
    for _ in 0..TRIES_MAX {
        let commit = audit::commit_of(store, caller, audit::commit_id()).await?;
        let commit = forgetting(store, clock, caller, customer, commit).await?;
        if commit.documents.is_empty() {
            // They are forgotten, but for what is left.
            return Ok(clear(store, customer).await?);
        }
        match store.commit(&commit).await {
            Ok(_) => return Ok(clear(store, customer).await?),
            Err(error) if error.is_stale() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(BankError::Contended.into())
}

/// Asks for a customer to be erased, which another member of the staff must approve. Returns when that is durable.
///
/// # Errors
/// [`EraseRefused`].
pub async fn request_erasure(
    bank: &Bank,
    clerk: &Clerk,
    customer: Id<Customer>,
    reason: &str,
) -> Result<(), EraseRefused> {
    let matter = Matter::Erasure(customer);
    clerk.needs(matter.makers()).map_err(ProposalRefused::from)?;
    let found = erasable(&bank.store, customer).await?;
    let unchanged = vec![found.unchanged()];
    let wish =
        Wish { matter, user_id: customer, reason, name: None, unchanged, beside: Vec::new() };
    Ok(propose(bank, clerk, wish).await?)
}

/// Erases a customer whose erasure another has asked for. Returns as [`erase`] does.
///
/// # Errors
/// [`EraseRefused`].
pub async fn approve_erasure(
    bank: &Bank,
    clerk: &Clerk,
    customer: Id<Customer>,
) -> Result<(), EraseRefused> {
    let Bank { store, clock, .. } = bank;
    for _ in 0..TRIES_MAX {
        let commit = approval(bank, clerk, Matter::Erasure(customer)).await?.commit;
        let commit = forgetting(store, &**clock, clerk.caller(), customer, commit).await?;
        match store.commit(&commit).await {
            Ok(_) => return Ok(clear(store, customer).await?),
            Err(BankError::Unmet(unmet)) if clerk.has_lost(&commit, &unmet) => {
                return Err(ProposalRefused::Forbidden(Forbidden).into());
            }
            Err(error) if error.is_stale() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(BankError::Contended.into())
}

/// The customer, if nothing stands in the way but accounts.
async fn erasable(store: &Store, customer: Id<Customer>) -> Result<Found<Customers>, EraseRefused> {
    let found: Option<Found<Customers>> = store.get(&customer.bytes()).await?;
    let found = found.filter(|found| found.row.open.user_kind.is_customer());
    let found = found.ok_or(EraseRefused::NoSuchCustomer)?;
    if found.row.open.legal_hold { Err(EraseRefused::LegalHold) } else { Ok(found) }
}

/// A commit with what forgets a customer, as far as that is not done.
async fn forgetting(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    customer: Id<Customer>,
    mut commit: Commit,
) -> Result<Commit, EraseRefused> {
    let found = erasable(store, customer).await?;
    if found.row.open.erased_at.is_some() {
        return Ok(commit);
    }
    let accounts = accounts_of(store, customer).await?;
    if accounts.iter().any(|account| account.row.open.status != AccountStatus::Closed) {
        return Err(EraseRefused::OpenAccounts);
    }
    farewell(store, clock, caller, found, &mut commit).await?;
    Ok(commit)
}

/// Takes away what leads to a customer, by a commit.
async fn farewell(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    found: Found<Customers>,
    commit: &mut Commit,
) -> Result<(), BankError> {
    let customer = found.row.open.user_id;
    let act = Act {
        action: Action::Delete,
        entity: "USER",
        entity_id: customer.to_string(),
        subject: Subject::Customer(customer),
        old: None,
        new: None,
    };
    let gone =
        |table: TableId, key: Vec<u8>| DocumentWrite { table, key, ..DocumentWrite::default() };
    if let Some(email) = email_of(&found) {
        entry::take_away::<CustomerEmails>(store, &[], email.normal(), commit).await?;
    }
    // While what they were is known: afterwards nothing leads there.
    commit.documents.extend(Devices::forget_tokens(store, customer).await?);
    for table in OF_ONE_CUSTOMER {
        commit.documents.push(gone(table, customer.bytes().to_vec()));
    }
    commit.documents.push(audit::row(store, clock, caller, act).await?);
    let row = Row::<Customers> {
        open: CustomerOpen {
            is_active: false,
            erased_at: Some(clock.now().into()),
            updated_at: clock.now().into(),
            ..found.row.open.clone()
        },
        profile: Held::Erased,
        statutory: found.row.statutory.clone(),
    };
    commit.documents.push(store.write(&found.key, &row, found.condition()).await?);
    Ok(())
}

/// Takes away what is left of somebody who is no customer any more, and destroys their key.
async fn clear(store: &Store, customer: Id<Customer>) -> Result<(), BankError> {
    for table in LEFT {
        let mut after = None;
        loop {
            let scan = DocumentScan {
                table,
                prefix: customer.bytes().to_vec(),
                keys_only: true,
                limit: PAGE,
                after,
                ..DocumentScan::default()
            };
            let page = store.client().scan_documents(&scan).await?;
            let gone = |key| DocumentWrite { table, key, ..DocumentWrite::default() };
            let gone: Vec<_> = page.items.into_iter().map(|left| gone(left.key)).collect();
            if !gone.is_empty() {
                store.client().write_documents(&gone).await?;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    store.vault().erase(Subject::Customer(customer)).await
}
