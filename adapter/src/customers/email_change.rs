//! Another e-mail address.
//!
//! - It takes password and app to ask, and a link that comes to the new address to confirm it: nobody gives an account
//!   an address that they do not read, and nobody takes one over with an open browser.
//! - The address on record hears of it at once, and again when it is done; a new password in between puts an end to it.
//! - Whether the new address is somebody's already is told to nobody but its owner: as much is read and written, and the
//!   link that nobody gets leads nowhere. That an address is one customer's is an absence in the commit that takes it,
//!   which frees the old one too.
//! - With the new address every login is over, and every link of a letter to the old one.

use super::contact::changed_now;
use super::counter;
use super::decoy;
use super::factor::Accepted;
use super::factor_recovery::FactorRecoveries;
use super::link::Link;
use super::password::Passwords;
use super::record::{CustomerEmails, CustomerOpen, Customers, EmailOpen, Profile, email_of, tell};
use super::recovery::Recoveries;
use super::session::{Sessions, Token};
use super::step_up::{ChangeRefused, Proved, StepUp, changed, committed};
use crate::audit::{self, Caller};
use crate::clock::{Clock, UnixNs, after};
use crate::email::Email;
use crate::entry::{Claim, Entry};
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::notify::{self, Addressee, EMAIL_LINK, Letter};
use crate::store::{Found, Held, Kind, Row, Store};
use crate::tables;
use crate::vault::Subject;
use florin_ledger::document::DocumentCondition;
use florin_ledger::{Commit, DocumentWrite, TableId};
use serde::{Deserialize, Serialize};

/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;

/// Why no link is sent.
#[derive(Debug, thiserror::Error)]
pub enum NewEmailRefused {
    /// It is the address that they have.
    #[error("this is your address already")]
    Same,
    /// They have not proved themselves, or it could not be tried.
    #[error("{0}")]
    Change(#[from] ChangeRefused),
}

impl From<BankError> for NewEmailRefused {
    fn from(error: BankError) -> NewEmailRefused {
        NewEmailRefused::Change(error.into())
    }
}

/// Why an address is not changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmRefused {
    /// The link was used, is too old, or never led anywhere. Which it is, is nobody's to know.
    #[error("this link was used, or is too old")]
    NoSuchLink,
    /// Somebody else has become the customer of this address meanwhile.
    #[error("this address is a customer's by now")]
    KnownAddress,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// Addresses that wait to be confirmed, by customer.
pub enum EmailChanges {}

/// Whose it is to be.
#[derive(Clone, Serialize, Deserialize)]
pub struct EmailChange {
    user_id: Id<Customer>,
    link_hash: String,
    expires_at: UnixNs,
}

/// The address.
#[derive(Clone, Serialize, Deserialize)]
pub struct EmailChangeSealed {
    /// 1: it was nobody's.
    is_new: u8,
    email: String,
}

impl Kind for EmailChanges {
    const TABLE: TableId = tables::EMAIL_CHANGES;
    type Open = EmailChange;
    type Profile = EmailChangeSealed;
    type Statutory = ();

    fn subject(open: &EmailChange) -> Subject {
        Subject::Customer(open.user_id)
    }
}

impl EmailChanges {
    /// Sends a link to an address, for a login that proves itself again. Whosever the address is, this returns the same
    /// way: with the token under which the login goes on.
    ///
    /// # Errors
    /// [`NewEmailRefused`]; never because the address is another's.
    pub async fn begin(
        store: &Store,
        clock: &dyn Clock,
        passwords: &Passwords,
        caller: &Caller,
        step_up: StepUp<'_>,
        email: &Email,
    ) -> Result<Token, NewEmailRefused> {
        let customer = step_up.login.user_id;
        let record: Option<Found<Customers>> = store.get(&customer.bytes()).await?;
        let present = record.as_ref().and_then(email_of).ok_or(ChangeRefused::Meanwhile)?;
        if present.normal() == email.normal() {
            return Err(NewEmailRefused::Same);
        }
        let proved = step_up.prove(store, clock, passwords, caller, Accepted::App).await?;
        let Proved { mut commit, token, .. } = proved;
        mailed(store, clock, customer, email, &mut commit).await?;
        let letter = Letter::EmailChangeAsked;
        commit.documents.push(tell(store, clock, customer, letter).await?);
        let act = changed(customer, "new e-mail address waits");
        commit.documents.push(audit::row(store, clock, caller, act).await?);
        committed(store, &commit).await?;
        Ok(token)
    }

    /// Spends the link of a letter: the address is the customer's. Returns when that is durable.
    ///
    /// # Errors
    /// [`ConfirmRefused`].
    pub async fn confirm(
        store: &Store,
        clock: &dyn Clock,
        caller: &Caller,
        link: &Link,
    ) -> Result<(), ConfirmRefused> {
        let customer = link.customer();
        let caller = Caller { customer: Some(customer), ..caller.clone() };
        for _ in 0..TRIES_MAX {
            let (found, email) = find(store, clock, link).await?;
            let record: Option<Found<Customers>> = store.get(&customer.bytes()).await?;
            let record = record.filter(|record| record.row.open.is_active);
            let record = record.ok_or(ConfirmRefused::NoSuchLink)?;
            let mut commit = audit::commit_of(store, &caller, audit::commit_id()).await?;
            let claim = taken(store, clock, &record, &email, &mut commit).await?;
            commit.documents.extend([found.deletion(), FactorRecoveries::end(customer)]);
            commit.documents.extend(Sessions::end_all(store, customer).await?);
            commit.documents.extend(Recoveries::end_all(store, customer).await?);
            let act = changed(customer, "e-mail address");
            commit.documents.push(audit::row(store, clock, &caller, act).await?);
            match store.commit(&commit).await {
                Ok(_) => return Ok(()),
                Err(BankError::Unmet(unmet)) if claim.is_taken(&commit, &unmet) => {
                    return Err(ConfirmRefused::KnownAddress);
                }
                // The link was used meanwhile, which is found next; or the old address is found by another key now.
                Err(error) if error.is_stale() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(BankError::Contended.into())
    }

    /// The write that forgets an address that waits.
    pub(super) fn end(customer: Id<Customer>) -> DocumentWrite {
        let (table, key) = (Self::TABLE, customer.bytes().to_vec());
        DocumentWrite { table, key, ..DocumentWrite::default() }
    }
}

/// Adds to a commit what sends a link to an address, or a warning to who owns it.
async fn mailed(
    store: &Store,
    clock: &dyn Clock,
    customer: Id<Customer>,
    email: &Email,
    commit: &mut Commit,
) -> Result<(), BankError> {
    let now = clock.now();
    let known = Entry::<CustomerEmails>::find(store, &[], email.normal()).await?.into_found();
    let owner = known.as_ref().map_or_else(decoy::id, |known| known.row.open.user_id);
    // Asked of the ledger each time, so that it takes as long for everybody.
    store.vault().forget(owner);
    let owners: Option<Found<Customers>> = store.get(&owner.bytes()).await?;
    let (may_be_sent, budget) = notify::take(store, email, now).await?;
    let link = Link::generate(customer);
    let (letter, addressee) = if known.is_some() {
        // As it is on record: what was typed may differ, and be another's mailbox.
        let to = owners.as_ref().and_then(email_of);
        (Letter::AddressIsWanted, Addressee { customer: owner, to })
    } else {
        let letter = Letter::ConfirmNewAddress { token: link.to_string() };
        (letter, Addressee { customer, to: Some(email.clone()) })
    };
    let addressee = Addressee { to: addressee.to.filter(|_| may_be_sent), ..addressee };
    let expires = after(now, EMAIL_LINK);
    let row = Row::<EmailChanges> {
        open: EmailChange { user_id: customer, link_hash: link.hash(), expires_at: expires.into() },
        profile: Held::Known(EmailChangeSealed {
            is_new: u8::from(known.is_none()),
            email: String::from(email.written()),
        }),
        statutory: Held::Absent,
    };
    // One that was asked for before is forgotten, and its link with it.
    let write = store.write(&customer.bytes(), &row, DocumentCondition::Any).await?;
    commit.documents.push(DocumentWrite { expires, ..write });
    commit.documents.push(budget);
    commit.documents.push(notify::put(store, now, &addressee, letter).await?);
    Ok(())
}

/// The change of a link, and the address.
async fn find(
    store: &Store,
    clock: &dyn Clock,
    link: &Link,
) -> Result<(Found<EmailChanges>, Email), ConfirmRefused> {
    let found: Option<Found<EmailChanges>> = store.get(&link.customer().bytes()).await?;
    let found = found.filter(|found| {
        let open = &found.row.open;
        link.is_of(&open.link_hash) && clock.now().0 < open.expires_at.0
    });
    let found = found.ok_or(ConfirmRefused::NoSuchLink)?;
    let sealed = found.row.profile.as_known().filter(|sealed| sealed.is_new == 1);
    let email = &sealed.ok_or(ConfirmRefused::NoSuchLink)?.email;
    let email = Email::parse(email).map_err(|_| BankError::Damaged(EmailChanges::TABLE))?;
    Ok((found, email))
}

/// Lets a commit make an address a customer's in the place of another. What is returned tells whether it is somebody
/// else's.
async fn taken(
    store: &Store,
    clock: &dyn Clock,
    record: &Found<Customers>,
    email: &Email,
    commit: &mut Commit,
) -> Result<Claim, ConfirmRefused> {
    let customer = record.row.open.user_id;
    let profile = record.row.profile.as_known().cloned().ok_or(ConfirmRefused::NoSuchLink)?;
    let old = email_of(record).filter(|old| old.normal() != email.normal());
    let old = old.ok_or(ConfirmRefused::NoSuchLink)?;
    let freed = Entry::<CustomerEmails>::find(store, &[], old.normal()).await?.into_found();
    let freed = freed.ok_or(BankError::Damaged(CustomerEmails::TABLE))?;
    let index = Row::<CustomerEmails>::open(EmailOpen { user_id: customer });
    let row = Row::<Customers> {
        open: CustomerOpen { updated_at: clock.now().into(), ..record.row.open.clone() },
        profile: Held::Known(Profile { email: String::from(email.written()), ..profile }),
        statutory: record.row.statutory.clone(),
    };
    // What was tried under the old name says nothing any more, and what was tried under the new one was nobody's.
    let names = [old.normal(), email.normal()].map(|name| counter::forget(store, name));
    let to_the_old = Addressee { customer, to: Some(old) };
    let claim = Entry::<CustomerEmails>::claim(store, &[], email.normal(), &index, commit).await?;
    commit.documents.extend([
        freed.deletion(),
        store.write(&record.key, &row, record.condition()).await?,
        notify::put(store, clock.now(), &to_the_old, Letter::EmailChanged).await?,
        changed_now(store, clock, customer).await?,
    ]);
    commit.documents.extend(names.into_iter().flatten());
    Ok(claim)
}
