//! When what a customer is reached or proved by was changed last. For a day after, their money is looked after with more
//! care: nobody new can be paid, and nobody much, so that who has taken an account over is noticed before it is empty.
//!
//! The time is a document of its own. What decides about money reads it, and takes as a condition that it is unchanged,
//! so that no change comes in between.

use crate::clock::{Clock, HOUR, UnixNs, after};
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::store::{Found, Kind, Row, Store};
use crate::tables;
use crate::vault::Subject;
use florin_ledger::commit::Precondition;
use florin_ledger::document::DocumentCondition;
use florin_ledger::{DocumentWrite, Position, TableId};
use serde::{Deserialize, Serialize};

/// How long after a change.
const CAUTION: u64 = 24 * HOUR;

/// Changes of what customers are reached or proved by, the last of each, by customer.
pub(super) enum ContactChanges {}

/// When it was.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct ContactChange {
    user_id: Id<Customer>,
    contact_changed_at: UnixNs,
}

impl Kind for ContactChanges {
    const TABLE: TableId = tables::CONTACT_CHANGES;
    type Open = ContactChange;
    type Profile = ();
    type Statutory = ();

    fn subject(open: &ContactChange) -> Subject {
        Subject::Customer(open.user_id)
    }
}

/// The write that says that something was changed now.
pub(super) async fn changed_now(
    store: &Store,
    clock: &dyn Clock,
    customer: Id<Customer>,
) -> Result<DocumentWrite, BankError> {
    let contact_changed_at = clock.now().into();
    let row = Row::<ContactChanges>::open(ContactChange { user_id: customer, contact_changed_at });
    store.write(&customer.bytes(), &row, DocumentCondition::Any).await
}

/// Whether a customer's money is looked after with more care, and until when.
#[derive(Clone, Debug)]
pub(crate) struct Caution {
    /// The first moment at which it is over; `None` if it is.
    pub(crate) until: Option<UnixNs>,
    /// That nothing was changed since: for whatever is decided by it.
    pub(crate) unchanged: Precondition,
}

/// Looks at when something was changed last.
///
/// # Errors
/// [`BankError`].
pub(crate) async fn caution(
    store: &Store,
    clock: &dyn Clock,
    customer: Id<Customer>,
) -> Result<Caution, BankError> {
    let key = customer.bytes();
    let found: Option<Found<ContactChanges>> = store.get(&key).await?;
    let Some(found) = found else {
        let (table, version) = (ContactChanges::TABLE, Position::NONE);
        let unchanged = Precondition::Document { table, key: key.to_vec(), version };
        return Ok(Caution { until: None, unchanged });
    };
    let until: UnixNs = after(found.row.open.contact_changed_at.into(), CAUTION).into();
    let until = Some(until).filter(|until| clock.now().0 < until.0);
    Ok(Caution { until, unchanged: found.unchanged() })
}
