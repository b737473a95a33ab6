//! Which events of their money a customer is told of, and how.
//!
//! There is a document for who has asked for something, and none for who has not: whoever looks for whom to tell reads
//! that and nothing more. What is about security is no matter of preference, and not in it.

use crate::audit;
use crate::bank::Bank;
use crate::clock::{Clock, UnixNs};
use crate::customers::{changed, contact_of, tell};
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::notify::Letter;
use crate::payments::Orderer;
use crate::store::{Found, Held, Kind, Row, Store};
use crate::tables;
use crate::vault::Subject;
use florin_ledger::document::DocumentCondition;
use florin_ledger::{DocumentWrite, TableId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;

/// An event that a customer may be told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MoneyEvent {
    /// Money has come to an account.
    In,
    /// Money has gone from one.
    Out,
    /// Money should have gone from one.
    OutFailed,
}

/// The ways that somebody is told.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ways {
    /// By e-mail.
    pub email: bool,
    /// By a short message to the telephone number on record.
    pub sms: bool,
    /// By a notice on every registered device.
    pub push: bool,
}

impl Ways {
    /// Whether there is one.
    #[must_use]
    pub fn any(self) -> bool {
        self.email || self.sms || self.push
    }
}

/// What a customer is told of, and how.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wishes {
    /// Money has come to an account.
    pub money_in: Ways,
    /// Money has gone from an account.
    pub money_out: Ways,
    /// A payment from an account has failed.
    pub money_out_failed: Ways,
}

impl Wishes {
    /// The ways of an event.
    #[must_use]
    pub fn of(&self, event: MoneyEvent) -> Ways {
        match event {
            MoneyEvent::In => self.money_in,
            MoneyEvent::Out => self.money_out,
            MoneyEvent::OutFailed => self.money_out_failed,
        }
    }

    fn all(&self) -> [Ways; 3] {
        [self.money_in, self.money_out, self.money_out_failed]
    }

    fn any(&self) -> bool {
        self.all().into_iter().any(Ways::any)
    }
}

/// Why it stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum PreferencesRefused {
    /// There is no number that short messages could go to, or the bank sends none.
    #[error("short messages need a telephone number that you have confirmed")]
    NoSms,
    /// The bank sends no notices.
    #[error("this bank shows no notices on devices")]
    NoPush,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// What customers have asked to be told of, by customer.
pub enum Preferences {}

/// Since when something is asked for.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct PreferencesOpen {
    user_id: Id<Customer>,
    /// What happened before is not told.
    pub(super) asked_at: UnixNs,
}

impl Kind for Preferences {
    const TABLE: TableId = tables::NOTIFICATION_PREFERENCES;
    type Open = PreferencesOpen;
    type Profile = Wishes;
    type Statutory = ();

    fn subject(open: &PreferencesOpen) -> Subject {
        Subject::Customer(open.user_id)
    }
}

impl Preferences {
    /// What a customer has asked for.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn of(store: &Store, customer: Id<Customer>) -> Result<Wishes, BankError> {
        let found: Option<Found<Preferences>> = store.get(&customer.bytes()).await?;
        Ok(wishes(found.as_ref()))
    }

    /// Whether short messages, and notices, reach a customer.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn reach(bank: &Bank, customer: Id<Customer>) -> Result<(bool, bool), BankError> {
        let contact = contact_of(&bank.store, customer).await?;
        let has_number = contact.is_some_and(|contact| contact.phone.is_some());
        Ok((bank.options.sends_sms && has_number, bank.options.sends_push))
    }

    /// Tells a customer of something else from now on. They hear by mail that it was changed. Returns when that is
    /// durable.
    ///
    /// # Errors
    /// [`PreferencesRefused`].
    pub async fn set(
        bank: &Bank,
        orderer: &Orderer,
        wanted: Wishes,
    ) -> Result<(), PreferencesRefused> {
        let Bank { store, clock, .. } = bank;
        let Orderer { customer, caller, authority, .. } = orderer;
        let (has_sms, has_push) = Preferences::reach(bank, *customer).await?;
        for _ in 0..TRIES_MAX {
            let found: Option<Found<Preferences>> = store.get(&customer.bytes()).await?;
            let before = wishes(found.as_ref());
            if before == wanted {
                return Ok(());
            }
            // What somebody has already may stay, though it reaches them no more.
            let adds = |way: fn(Ways) -> bool| {
                before.all().into_iter().zip(wanted.all()).any(|(old, new)| way(new) && !way(old))
            };
            if !has_sms && adds(|ways| ways.sms) {
                return Err(PreferencesRefused::NoSms);
            }
            if !has_push && adds(|ways| ways.push) {
                return Err(PreferencesRefused::NoPush);
            }
            let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
            commit.preconditions = authority.clone();
            commit.documents.push(match &found {
                Some(found) if !wanted.any() => found.deletion(),
                _ => write(store, &**clock, *customer, found.as_ref(), wanted).await?,
            });
            let act = changed(*customer, "notifications");
            let (old, new) = (serde_json::json!(before), serde_json::json!(wanted));
            let act = audit::Act { old: Some(old), new: Some(new), ..act };
            commit.documents.push(audit::row(store, &**clock, caller, act).await?);
            let letter = Letter::NotificationsChanged;
            commit.documents.push(tell(store, &**clock, *customer, letter).await?);
            match store.commit(&commit).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_stale() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(BankError::Contended.into())
    }
}

pub(super) fn wishes(found: Option<&Found<Preferences>>) -> Wishes {
    found.and_then(|found| found.row.profile.as_known()).copied().unwrap_or_default()
}

async fn write(
    store: &Store,
    clock: &dyn Clock,
    customer: Id<Customer>,
    found: Option<&Found<Preferences>>,
    wanted: Wishes,
) -> Result<DocumentWrite, BankError> {
    let asked_at = found.map_or_else(|| clock.now().into(), |found| found.row.open.asked_at);
    let row = Row::<Preferences> {
        open: PreferencesOpen { user_id: customer, asked_at },
        profile: Held::Known(wanted),
        statutory: Held::Absent,
    };
    let condition = found.map_or(DocumentCondition::Absent, Found::condition);
    store.write(&customer.bytes(), &row, condition).await
}
