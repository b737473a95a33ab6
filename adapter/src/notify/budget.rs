//! How many letters strangers may have sent to an address: whoever types another's address again and again fills
//! no mailbox.

use crate::clock::{HOUR, UnixNs, after};
use crate::email::Email;
use crate::error::BankError;
use crate::store::{Found, Kind, Row, Store};
use crate::tables;
use crate::vault::{Indexed, Subject};
use florin_ledger::document::DocumentCondition;
use florin_ledger::{DocumentWrite, TableId, Timestamp};
use serde::{Deserialize, Serialize};

/// Letters to one address in an hour.
const LETTERS_PER_HOUR: u32 = 5;

/// Budgets of addresses, by blind index.
enum MailBudgets {}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Budget {
    letters_count: u32,
    ends_at: UnixNs,
}

impl Kind for MailBudgets {
    const TABLE: TableId = tables::MAIL_BUDGETS;
    type Open = Budget;
    type Profile = ();
    type Statutory = ();

    fn subject(_: &Budget) -> Subject {
        Subject::Bank
    }
}

/// Takes one letter to an address: whether it may be sent, and what its commit must write. An address that has
/// none left is written too, so that it takes as long.
///
/// # Errors
/// [`BankError`].
pub(crate) async fn take(
    store: &Store,
    email: &Email,
    now: Timestamp,
) -> Result<(bool, DocumentWrite), BankError> {
    let key = store.vault().blind().of(Indexed::Mailbox, email.normal());
    let found: Option<Found<MailBudgets>> = store.get(&key).await?;
    let fresh = Budget { letters_count: 0, ends_at: after(now, HOUR).into() };
    let budget = found.as_ref().map(|found| found.row.open);
    let budget = budget.filter(|budget| now.0 < budget.ends_at.0).unwrap_or(fresh);
    let may_be_sent = budget.letters_count < LETTERS_PER_HOUR;
    let letters_count = budget.letters_count.saturating_add(1);
    let row = Row::<MailBudgets>::open(Budget { letters_count, ..budget });
    let condition = found.map_or(DocumentCondition::Absent, |found| found.condition());
    let write = store.write(&key, &row, condition).await?;
    Ok((may_be_sent, DocumentWrite { expires: budget.ends_at.into(), ..write }))
}
