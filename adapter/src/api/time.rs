//! Times as the API writes them: RFC 3339, in UTC, with microseconds.

use crate::clock::UnixNs;
use florin_ledger::Timestamp;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// A time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-09-21T14:13:20.000000Z")]
pub(super) struct Time(Timestamp);

impl From<Timestamp> for Time {
    fn from(time: Timestamp) -> Time {
        Time(time)
    }
}

impl From<UnixNs> for Time {
    fn from(time: UnixNs) -> Time {
        Time(time.into())
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Time(Timestamp(nanoseconds)) = self;
        let time = jiff::Timestamp::from_nanosecond(i128::from(*nanoseconds)).unwrap_or_default();
        serializer.collect_str(&format_args!("{time:.6}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_zone_and_six_places() {
        let text = |time| serde_json::to_string(&Time(Timestamp(time))).unwrap();
        assert_eq!(text(1_790_000_000_000_000_000), "\"2026-09-21T14:13:20.000000Z\"");
        assert_eq!(text(1_790_000_000_123_456_789), "\"2026-09-21T14:13:20.123456Z\"");
    }
}
