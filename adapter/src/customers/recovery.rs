//! A forgotten password: a letter with a link, and a second factor.
//!
//! - Whoever asks sees the same for every address, and the same is read and written: where it is nobody's, a recovery
//!   of the decoy ([`super::decoy`]), and a letter that goes nowhere.
//! - The link is good for a quarter of an hour and for one new password, and nothing without a code of the app that is
//!   enrolled, or a recovery code: who reads another's mail gets no further. Codes are counted ([`super::factor`]),
//!   whichever link they come with.
//! - A link that no letter carries is nobody's, so a customer has no more links than letters, however often somebody
//!   types their address, and one commit can end them all.
//! - With the new password every login is over, every other link too, an address that waits is forgotten, and a name
//!   that was locked is open again; the customer is told by mail. For a day their money is looked after with more care
//!   ([`super::contact`]).

use super::contact::changed_now;
use super::counter;
use super::credentials::{Credentials, CredentialsSealed};
use super::decoy;
use super::email_change::EmailChanges;
use super::factor::{self, Accepted, FactorRefused};
use super::link::Link;
use super::password::{Password, Passwords};
use super::phone_change::PhoneChanges;
use super::record::{CustomerEmails, Customers, email_of, tell};
use super::session::Sessions;
use super::step_up::{changed, rewritten};
use crate::audit::{self, Act, Action, Caller};
use crate::clock::{Clock, UnixNs, after};
use crate::email::Email;
use crate::entry::Entry;
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::notify::{self, Addressee, Letter, RECOVERY_LINK};
use crate::store::{Found, Kind, Row, Store};
use crate::tables;
use crate::vault::Subject;
use florin_ledger::commit::Precondition;
use florin_ledger::document::{DocumentCondition, DocumentScan};
use florin_ledger::{Commit, DocumentWrite, TableId};
use serde::{Deserialize, Serialize};

/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;
/// Recoveries of a customer that are looked for: as many letters as an address gets, and more.
const RECOVERIES_MAX: u32 = 100;

/// Why there is no new password.
#[derive(Debug, thiserror::Error)]
pub enum RecoverRefused {
    /// The link was used or is too old, the code is wrong or was used, or too many were tried. Which it is, is
    /// nobody's to know.
    #[error("the link or the code did not match")]
    NoMatch,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// Recoveries that wait, by whose they are and a hash of the link.
pub enum Recoveries {}

/// A recovery.
#[derive(Clone, Serialize, Deserialize)]
pub struct Recovery {
    user_id: Id<Customer>,
    link_hash: String,
    expires_at: UnixNs,
}

impl Kind for Recoveries {
    const TABLE: TableId = tables::RECOVERIES;
    type Open = Recovery;
    type Profile = ();
    type Statutory = ();

    fn subject(open: &Recovery) -> Subject {
        Subject::Customer(open.user_id)
    }
}

/// Rises by customer, so that a customer's lie together.
fn key(link: &Link) -> Vec<u8> {
    [&link.customer().bytes()[..], &link.hash().as_bytes()[..32]].concat()
}

impl Recoveries {
    /// Sends a link to whoever an address is of. Whatever the address is, this returns the same way.
    ///
    /// # Errors
    /// [`BankError`]; never because of the address.
    pub async fn begin(
        store: &Store,
        clock: &dyn Clock,
        caller: &Caller,
        email: &Email,
    ) -> Result<(), BankError> {
        for _ in 0..TRIES_MAX {
            let commit = mailed(store, clock, caller, email).await?;
            match store.commit(&commit).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_stale() => {}
                Err(error) => return Err(error),
            }
        }
        Err(BankError::Contended)
    }

    /// Spends a link and a code for a new password. Returns when that is durable.
    ///
    /// # Errors
    /// [`RecoverRefused`].
    pub async fn finish(
        store: &Store,
        clock: &dyn Clock,
        passwords: &Passwords,
        caller: &Caller,
        link: &Link,
        code: &str,
        password: Password,
    ) -> Result<(), RecoverRefused> {
        let found: Option<Found<Recoveries>> = store.get(&key(link)).await?;
        let found = found.filter(|found| clock.now().0 < found.row.open.expires_at.0);
        let found = found.filter(|found| link.is_of(&found.row.open.link_hash));
        let found = found.ok_or(RecoverRefused::NoMatch)?;
        let customer = link.customer();
        let record: Option<Found<Customers>> = store.get(&customer.bytes()).await?;
        let record = record.filter(is_recoverable);
        let record = record.ok_or(RecoverRefused::NoMatch)?;
        let accepted = Accepted::AppOrRecoveryCode;
        let proof = factor::prove(store, clock, caller, customer, code, accepted).await;
        let proof = proof.map_err(|refused| match refused {
            FactorRefused::NoMatch => RecoverRefused::NoMatch,
            FactorRefused::Bank(error) => error.into(),
        })?;
        let credentials: Option<Found<Credentials>> = store.get(&customer.bytes()).await?;
        let credentials = credentials.ok_or(RecoverRefused::NoMatch)?;
        let sealed = credentials.row.profile.as_known().cloned().ok_or(RecoverRefused::NoMatch)?;
        let sealed = CredentialsSealed { password: passwords.hash(password).await?, ..sealed };

        let caller = Caller { customer: Some(customer), ..caller.clone() };
        let mut commit = audit::commit_of(store, &caller, audit::commit_id()).await?;
        commit.preconditions = vec![found.unchanged(), record.unchanged()];
        proof.join(&mut commit);
        commit.documents.push(rewritten(store, &credentials, sealed).await?);
        commit.documents.extend(Recoveries::end_all(store, customer).await?);
        commit.documents.extend(Sessions::end_all(store, customer).await?);
        commit.documents.extend(unlocked(store, &record));
        commit.documents.push(EmailChanges::end(customer));
        commit.documents.push(PhoneChanges::end(customer));
        commit.documents.push(changed_now(store, clock, customer).await?);
        commit.documents.push(tell(store, clock, customer, Letter::PasswordChanged).await?);
        let act = changed(customer, "password");
        commit.documents.push(audit::row(store, clock, &caller, act).await?);
        match store.commit(&commit).await {
            Ok(_) => Ok(()),
            Err(BankError::Unmet(_)) => Err(RecoverRefused::NoMatch),
            Err(error) => Err(error.into()),
        }
    }

    /// What a commit must write for every link of a customer to lead nowhere.
    ///
    /// # Errors
    /// [`BankError`].
    pub(super) async fn end_all(
        store: &Store,
        customer: Id<Customer>,
    ) -> Result<Vec<DocumentWrite>, BankError> {
        let scan = DocumentScan {
            table: Self::TABLE,
            prefix: customer.bytes().to_vec(),
            keys_only: true,
            limit: RECOVERIES_MAX,
            ..DocumentScan::default()
        };
        let found = store.client().scan_documents(&scan).await?.items;
        let gone = |key| DocumentWrite { table: Self::TABLE, key, ..DocumentWrite::default() };
        Ok(found.into_iter().map(|document| gone(document.key)).collect())
    }
}

/// Whether somebody may come back by themselves: a member of the staff asks a colleague.
fn is_recoverable(record: &Found<Customers>) -> bool {
    record.row.open.is_active && record.row.open.user_kind.is_customer()
}

/// The writes that forget failed attempts to log in under a customer's address.
fn unlocked(store: &Store, record: &Found<Customers>) -> Vec<DocumentWrite> {
    let email = email_of(record);
    email.map_or_else(Vec::new, |email| counter::forget(store, email.normal()))
}

/// The commit that begins a recovery, with the letter of it.
async fn mailed(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    email: &Email,
) -> Result<Commit, BankError> {
    let now = clock.now();
    let known = Entry::<CustomerEmails>::find(store, &[], email.normal()).await?.into_found();
    let customer = known.map_or_else(decoy::id, |known| known.row.open.user_id);
    // Asked of the ledger each time, so that it takes as long for everybody.
    store.vault().forget(customer);
    let record: Option<Found<Customers>> = store.get(&customer.bytes()).await?;
    let unchanged: Vec<Precondition> = record.as_ref().map(Found::unchanged).into_iter().collect();
    let (may_be_sent, budget) = notify::take(store, email, now).await?;
    // As it is on record: what was typed may differ, and be another's mailbox.
    let to = record
        .filter(|record| is_recoverable(record) && may_be_sent)
        .and_then(|record| email_of(&record));
    let link = Link::generate(if to.is_some() { customer } else { decoy::id() });
    let expires = after(now, RECOVERY_LINK);
    let row = Row::<Recoveries>::open(Recovery {
        user_id: link.customer(),
        link_hash: link.hash(),
        expires_at: expires.into(),
    });
    let write = store.write(&key(&link), &row, DocumentCondition::Absent).await?;
    let letter = Letter::Recover { token: link.to_string() };
    let act = Act {
        action: Action::Create,
        entity: "RECOVERY",
        entity_id: String::from("unknown"),
        subject: Subject::Bank,
        old: None,
        new: None,
    };
    let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
    commit.preconditions = unchanged;
    commit.documents = vec![
        DocumentWrite { expires, ..write },
        budget,
        notify::put(store, now, &Addressee { customer, to }, letter).await?,
        audit::row(store, clock, caller, act).await?,
    ];
    Ok(commit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customers::session::LOGINS_READ_MAX;
    use florin_ledger::commit_bytes::COMMIT_PARTS_MAX;

    /// Prevents: a customer who has too many logins and links for one commit to end, and so no other password.
    #[test]
    fn one_commit_ends_every_login_and_every_link() {
        let parts = 2 * LOGINS_READ_MAX + RECOVERIES_MAX + 24;
        assert!(usize::try_from(parts).unwrap() <= COMMIT_PARTS_MAX);
    }
}
