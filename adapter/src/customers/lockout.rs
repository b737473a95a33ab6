//! A name that is locked after too many attempts: it is put on record, and whose it is hears of it by mail, once a lock
//! and as often as their mailbox takes letters that strangers cause.
//!
//! Strangers learn nothing of it: for a name that is nobody's, as much is read and written.

use super::record::{Customers, email_of};
use crate::audit::{self, Act, Caller};
use crate::clock::{Clock, UnixNs};
use crate::email::Email;
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::notify::{self, Addressee, Letter};
use crate::store::{Found, Store};

/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;

/// A lock.
pub(super) struct Lock<'a> {
    /// Whose name it is; nobody's id if it is nobody's.
    pub(super) owner: Id<Customer>,
    /// What was typed as the name, if it was an address.
    pub(super) typed: Option<&'a Email>,
    /// Until when it stands.
    pub(super) until: UnixNs,
}

impl Lock<'_> {
    /// Puts it on record and tells its owner. Returns when that is durable.
    pub(super) async fn tell(
        &self,
        store: &Store,
        clock: &dyn Clock,
        caller: &Caller,
        act: &Act,
    ) -> Result<(), BankError> {
        for _ in 0..TRIES_MAX {
            let record: Option<Found<Customers>> = store.get(&self.owner.bytes()).await?;
            let to = record.as_ref().and_then(email_of);
            let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
            let mut may_be_sent = true;
            if let Some(mailbox) = self.typed.or(to.as_ref()) {
                let (is_left, budget) = notify::take(store, mailbox, clock.now()).await?;
                may_be_sent = is_left;
                commit.documents.push(budget);
            }
            let addressee = Addressee { customer: self.owner, to: to.filter(|_| may_be_sent) };
            let letter = Letter::Locked { until: self.until };
            commit.documents.push(notify::put(store, clock.now(), &addressee, letter).await?);
            commit.documents.push(audit::row(store, clock, caller, act.clone()).await?);
            match store.commit(&commit).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_stale() => {}
                Err(error) => return Err(error),
            }
        }
        Err(BankError::Contended)
    }
}
