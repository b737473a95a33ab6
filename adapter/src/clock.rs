//! Where an adapter's time comes from.

use florin_ledger::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

/// A second, in the ledger's nanoseconds.
pub const SECOND: u64 = 1_000_000_000;
/// A minute.
pub const MINUTE: u64 = 60 * SECOND;
/// An hour.
pub const HOUR: u64 = 60 * MINUTE;
/// Twenty-four hours.
pub const DAY: u64 = 24 * HOUR;

/// Says what time it is.
pub trait Clock: Send + Sync + Debug {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's.
#[derive(Debug, Default)]
pub struct MachineClock;

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }
}

/// A time so much later; the end of time if there is none.
#[must_use]
pub fn after(time: Timestamp, nanoseconds: u64) -> Timestamp {
    Timestamp(time.0.saturating_add(nanoseconds).min(Timestamp::MAX.0))
}

/// Nanoseconds since 1970, as a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixNs(pub u64);

impl From<Timestamp> for UnixNs {
    fn from(time: Timestamp) -> UnixNs {
        UnixNs(time.0)
    }
}

impl From<UnixNs> for Timestamp {
    fn from(time: UnixNs) -> Timestamp {
        Timestamp(time.0)
    }
}

/// A time to the minute, as letters and pages write it in a sentence.
pub(crate) fn in_words(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(time.0)).unwrap_or_default();
    time.to_zoned_datetime(TimeZone::UTC).strftime("%-d %B %Y at %H:%M UTC").to_string()
}

/// A time to the minute that is not before it: from then on, something is over.
pub(crate) fn from_in_words(time: UnixNs) -> String {
    in_words(after(Timestamp(time.0), MINUTE - 1))
}

/// Where midnight is.
pub use jiff::tz::TimeZone;

/// No time zone that is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no such time zone: write one of the IANA database, such as Europe/Berlin or UTC")]
pub struct NoSuchTimeZone;

/// The time zone of a name of the IANA database.
///
/// # Errors
/// [`NoSuchTimeZone`].
pub fn time_zone(name: &str) -> Result<TimeZone, NoSuchTimeZone> {
    TimeZone::get(name).map_err(|_| NoSuchTimeZone)
}
