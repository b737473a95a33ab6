//! What a customer logs in with and where from, as far as it is known: a stranger with a stolen password and a code has
//! another device, and may be in another country.
//!
//! - A device is the key of an app, or a browser that keeps a [mark](DeviceMark). What is kept is a hash of customer and
//!   device, so that two customers of one browser have nothing in common.
//! - All of it is one document of the customer, sealed under their profile: the devices and countries of their logins, and
//!   since when they are known. It is written with the login that changes it, and by no other.
//! - Of two logins at the same time one may be forgotten; the next login from there is a first one again.

use crate::clock::{DAY, UnixNs, after};
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::random;
use crate::risk::Country;
use crate::store::{Found, Held, Kind, Row, Store};
use crate::tables;
use crate::vault::Subject;
use florin_ledger::document::DocumentCondition;
use florin_ledger::{DocumentWrite, TableId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

const CONTEXT: &str = "florin bank 1 device of a customer";
/// How long something is new.
pub(crate) const NEW_FOR: u64 = DAY;
/// Devices, or countries, that are known at the same time.
const KNOWN_MAX: usize = 12;
/// That something was seen again is written once in this time.
const SEEN_WRITTEN_EVERY: u64 = 30 * DAY;
/// What was not seen for so long is not known any more: as long as browsers keep a mark.
const KNOWN_FOR: u64 = 400 * DAY;
const MARK_BYTES: usize = 32;

/// What a browser keeps to be known again. It logs nobody in.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceMark([u8; MARK_BYTES]);

impl DeviceMark {
    /// A new one.
    #[must_use]
    pub fn generate() -> DeviceMark {
        DeviceMark(random::bytes())
    }
}

/// Nothing: who has it looks like a customer.
impl fmt::Debug for DeviceMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceMark(..)")
    }
}

/// As a cookie carries it.
impl fmt::Display for DeviceMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::BASE64URL_NOPAD.encode(&self.0))
    }
}

/// No mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this is no mark of a device")]
pub struct NotAMark;

impl FromStr for DeviceMark {
    type Err = NotAMark;

    fn from_str(text: &str) -> Result<DeviceMark, NotAMark> {
        let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| NotAMark)?;
        bytes.try_into().map(DeviceMark).map_err(|_| NotAMark)
    }
}

/// What somebody logs in with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Device<'a> {
    /// A browser.
    Browser(&'a DeviceMark),
    /// An app that has the key with this thumbprint.
    App(&'a str),
}

impl Device<'_> {
    fn hash(self, customer: Id<Customer>) -> String {
        let (kind, name) = match self {
            Device::Browser(DeviceMark(mark)) => (0, &mark[..]),
            Device::App(thumbprint) => (1, thumbprint.as_bytes()),
        };
        let named = [&customer.bytes()[..], &[kind], name].concat();
        data_encoding::BASE64_NOPAD.encode(&blake3::derive_key(CONTEXT, &named)[..16])
    }
}

/// What is familiar of customers, by customer.
pub(super) enum Familiar {}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct FamiliarOpen {
    user_id: Id<Customer>,
}

/// Devices by hash, and countries.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct FamiliarSealed {
    devices: Vec<Known>,
    countries: Vec<Known>,
}

/// Something that is known.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Known {
    name: String,
    /// When it was seen first.
    since: UnixNs,
    /// When it was seen last, give or take a month.
    seen: UnixNs,
}

impl Kind for Familiar {
    const TABLE: TableId = tables::FAMILIAR;
    type Open = FamiliarOpen;
    type Profile = FamiliarSealed;
    type Statutory = ();

    fn subject(open: &FamiliarOpen) -> Subject {
        Subject::Customer(open.user_id)
    }
}

/// A login's device, and what its commit must write.
pub(super) struct Met {
    /// Since when the device is known; `None` if the login has none.
    pub(super) device_since: Option<UnixNs>,
    pub(super) write: Option<DocumentWrite>,
}

/// Looks at what somebody logs in with and where from, and gets to know it.
pub(super) async fn meet(
    store: &Store,
    now: Timestamp,
    customer: Id<Customer>,
    device: Option<Device<'_>>,
    country: Option<Country>,
) -> Result<Met, BankError> {
    let found: Option<Found<Familiar>> = store.get(&customer.bytes()).await?;
    let mut familiar = found.and_then(|found| found.row.profile.known()).unwrap_or_default();
    let device = device.map(|device| meet_one(&mut familiar.devices, now, device.hash(customer)));
    let country =
        country.map(|country| meet_one(&mut familiar.countries, now, country.to_string()));
    let is_changed = [&device, &country].into_iter().flatten().any(|(_, is_changed)| *is_changed);
    let mut write = None;
    if is_changed {
        let row = Row::<Familiar> {
            open: FamiliarOpen { user_id: customer },
            profile: Held::Known(familiar),
            statutory: Held::Absent,
        };
        // A login does not fail because another is changing it.
        write = Some(store.write(&customer.bytes(), &row, DocumentCondition::Any).await?);
    }
    Ok(Met { device_since: device.map(|(since, _)| since), write })
}

/// Since when something is known, from now on at the latest; and whether that must be written.
fn meet_one(known: &mut Vec<Known>, now: Timestamp, name: String) -> (UnixNs, bool) {
    known.retain(|it| now < after(it.seen.into(), KNOWN_FOR));
    if let Some(it) = known.iter_mut().find(|it| it.name == name) {
        let is_due = after(it.seen.into(), SEEN_WRITTEN_EVERY) <= now;
        if is_due {
            it.seen = now.into();
        }
        return (it.since, is_due);
    }
    known.sort_by_key(|it| it.seen);
    let surplus = (known.len() + 1).saturating_sub(KNOWN_MAX);
    known.drain(..surplus);
    known.push(Known { name, since: now.into(), seen: now.into() });
    (now.into(), true)
}

/// Whether something that is known since a time is new.
pub(crate) fn is_new(since: UnixNs, now: Timestamp) -> bool {
    now < after(since.into(), NEW_FOR)
}

/// Whether a country is new to a customer: none of their logins came from there a day ago or earlier.
///
/// # Errors
/// [`BankError`].
pub(crate) async fn is_new_country(
    store: &Store,
    now: Timestamp,
    customer: Id<Customer>,
    country: Country,
) -> Result<bool, BankError> {
    let found: Option<Found<Familiar>> = store.get(&customer.bytes()).await?;
    let familiar = found.and_then(|found| found.row.profile.known()).unwrap_or_default();
    let name = country.to_string();
    let known = familiar.countries.iter().find(|known| known.name == name);
    Ok(known.is_none_or(|known| is_new(known.since, now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: a customer whose old telephone is new again each month, or a list that grows for ever.
    #[test]
    fn what_was_met_is_known_and_the_longest_unseen_is_forgotten() {
        let (mut known, day) = (Vec::new(), |day: u64| Timestamp(day * DAY));
        let meet = |known: &mut Vec<Known>, at, name: &str| meet_one(known, at, String::from(name));
        assert_eq!(meet(&mut known, day(1), "old"), (day(1).into(), true));
        assert_eq!(meet(&mut known, day(2), "old"), (day(1).into(), false));
        assert_eq!(meet(&mut known, day(31), "old"), (day(1).into(), true), "seen again");
        for number in 0..KNOWN_MAX {
            meet(&mut known, day(32), &format!("new {number}"));
        }
        assert_eq!(known.len(), KNOWN_MAX);
        assert_eq!(meet(&mut known, day(33), "old"), (day(33).into(), true));
        assert_eq!(meet(&mut known, day(500), "old"), (day(500).into(), true), "after a year");
        assert_eq!(known.len(), 1);
        assert!(is_new(day(1).into(), Timestamp(2 * DAY - 1)) && !is_new(day(1).into(), day(2)));
    }

    #[test]
    fn a_mark_reads_as_it_was_written_and_is_another_for_each_customer() {
        let mark = DeviceMark::generate();
        assert!(mark.to_string().parse() == Ok(mark.clone()));
        assert!("".parse::<DeviceMark>().is_err() && "x".repeat(43).parse::<DeviceMark>().is_err());
        let [one, other] = [1, 2].map(|id| Device::Browser(&mark).hash(Id::from_number(id)));
        assert_ne!(one, other);
    }
}
