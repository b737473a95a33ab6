//! Letters that are to be sent.
//!
//! ```text
//! key: 8 bytes of when it is due, in nanoseconds, and 16 of its id
//! ```
//! So the first document is the one that is due first, and whoever looks for work reads nothing else.

use super::courier::Platform;
use super::letter::Letter;
use crate::clock::{UnixNs, after};
use crate::email::Email;
use crate::error::BankError;
use crate::id::{self, Customer, Device, Id};
use crate::phone::PhoneNumber;
use crate::store::{Held, Kind, Row, Store};
use crate::tables;
use crate::vault::Subject;
use florin_ledger::document::DocumentCondition;
use florin_ledger::{DocumentWrite, TableId, Timestamp};
use serde::{Deserialize, Serialize};

/// Letters that are to be sent.
pub enum Outbox {}

/// What anybody may know of a letter.
#[derive(Clone, Serialize, Deserialize)]
pub struct LetterOpen {
    pub(super) letter_id: Id<id::Letter>,
    /// Whose keys seal it; the bank's if nobody's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) user_id: Option<Id<Customer>>,
    pub(super) written_at: UnixNs,
    /// It is of no use from then on.
    pub(super) useless_at: UnixNs,
    #[serde(default, skip_serializing_if = "Way::is_email")]
    pub(super) way: Way,
    /// How often somebody tried to send it.
    pub(super) tries_count: u32,
}

/// What it says.
#[derive(Clone, Serialize, Deserialize)]
pub struct LetterSealed {
    /// To whom; nobody: it is not sent, and exists so that it takes as long for nobody as for somebody.
    pub(super) to: Option<String>,
    pub(super) letter: Letter,
}

/// The way that a letter goes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    /// By e-mail.
    #[default]
    Email,
    /// As a short message.
    Sms,
    /// To an app, which shows it.
    Push {
        /// Whose service brings it.
        platform: Platform,
        /// The device, which is forgotten if nobody is there any more.
        device_id: Id<Device>,
    },
}

impl Way {
    fn is_email(&self) -> bool {
        *self == Way::Email
    }
}

impl Kind for Outbox {
    const TABLE: TableId = tables::OUTBOX;
    type Open = LetterOpen;
    type Profile = LetterSealed;
    type Statutory = ();

    fn subject(open: &LetterOpen) -> Subject {
        open.user_id.map_or(Subject::Bank, Subject::Customer)
    }
}

/// Whom a letter is to.
pub(crate) struct Addressee {
    /// Under whose keys it is sealed.
    pub(crate) customer: Id<Customer>,
    /// Where it goes; `None`: nowhere.
    pub(crate) to: Option<Email>,
}

/// Where something goes that is no mail.
#[derive(Clone)]
pub(crate) enum Place {
    /// A telephone; `None`: it goes nowhere, and takes as long.
    Phone(Option<PhoneNumber>),
    /// An app on a device.
    App {
        /// What its service knows it by.
        token: String,
        /// Whose service that is.
        platform: Platform,
        /// The device.
        device_id: Id<Device>,
    },
}

pub(super) fn key(due: Timestamp, letter: Id<id::Letter>) -> Vec<u8> {
    [&due.0.to_be_bytes()[..], &letter.bytes()].concat()
}

/// When the letter of a key is due; `None` if it is no key.
pub(super) fn due(key: &[u8]) -> Option<Timestamp> {
    let (due, _) = key.split_first_chunk::<8>()?;
    Some(Timestamp(u64::from_be_bytes(*due)))
}

/// What a commit must write for a letter to be sent about it.
///
/// # Errors
/// [`BankError`].
pub(crate) async fn put(
    store: &Store,
    now: Timestamp,
    addressee: &Addressee,
    letter: Letter,
) -> Result<DocumentWrite, BankError> {
    let to = addressee.to.as_ref().map(|to| String::from(to.written()));
    written(store, now, addressee.customer, Way::Email, LetterSealed { to, letter }).await
}

/// The same for what goes another way.
///
/// # Errors
/// [`BankError`].
pub(crate) async fn put_by(
    store: &Store,
    now: Timestamp,
    customer: Id<Customer>,
    place: Place,
    letter: Letter,
) -> Result<DocumentWrite, BankError> {
    let (to, way) = match place {
        Place::Phone(number) => (number.map(String::from), Way::Sms),
        Place::App { token, platform, device_id } => {
            (Some(token), Way::Push { platform, device_id })
        }
    };
    written(store, now, customer, way, LetterSealed { to, letter }).await
}

async fn written(
    store: &Store,
    now: Timestamp,
    customer: Id<Customer>,
    way: Way,
    sealed: LetterSealed,
) -> Result<DocumentWrite, BankError> {
    let id = Id::at(now);
    let row = Row::<Outbox> {
        open: LetterOpen {
            letter_id: id,
            user_id: Some(customer),
            written_at: now.into(),
            useless_at: after(now, sealed.letter.lifetime()).into(),
            way,
            tries_count: 0,
        },
        profile: Held::Known(sealed),
        statutory: Held::Absent,
    };
    store.write(&key(now, id), &row, DocumentCondition::Absent).await
}
