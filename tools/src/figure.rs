//! A measured number with three decimals, computed in integers and written as a JSON number.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::fmt;
use std::time::Duration;

const THOUSANDTHS: u128 = 1_000;
const NANOSECONDS_PER_SECOND: u128 = 1_000_000_000;

/// A number of thousandths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Figure {
    thousandths: u128,
}

impl Figure {
    /// `numerator / denominator`, rounded to the nearest thousandth; `None` if nothing divides.
    pub(crate) fn ratio(numerator: u128, denominator: u128) -> Option<Figure> {
        let half = denominator / 2;
        let thousandths =
            numerator.checked_mul(THOUSANDTHS)?.checked_add(half)?.checked_div(denominator)?;
        Some(Figure { thousandths })
    }

    /// How many a second; `None` if no time passed.
    pub(crate) fn per_second(count: u64, elapsed: Duration) -> Option<Figure> {
        Figure::ratio(u128::from(count) * NANOSECONDS_PER_SECOND, elapsed.as_nanos())
    }

    pub(crate) fn seconds(elapsed: Duration) -> Figure {
        Figure { thousandths: (elapsed.as_nanos() + 500_000) / 1_000_000 }
    }

    pub(crate) fn microseconds(elapsed: Duration) -> Figure {
        Figure { thousandths: elapsed.as_nanos() }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.thousandths / THOUSANDTHS;
        let decimals = format!("{:03}", self.thousandths % THOUSANDTHS);
        match decimals.trim_end_matches('0') {
            "" => write!(f, "{whole}"),
            decimals => write!(f, "{whole}.{decimals}"),
        }
    }
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = RawValue::from_string(self.to_string()).expect("digits are a JSON number");
        number.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rounded_and_written_without_trailing_zeros() {
        let cases = [
            (0, 1, "0"),
            (1, 2, "0.5"),
            (2, 3, "0.667"),
            (1, 3, "0.333"),
            (1_283_400, 10_000, "128.34"),
            (7, 1, "7"),
            (1, 1_000, "0.001"),
            (1, 2_001, "0"),
        ];
        for (numerator, denominator, expect) in cases {
            let figure = Figure::ratio(numerator, denominator).expect("it divides");
            assert_eq!(figure.to_string(), expect, "{numerator}/{denominator}");
            assert_eq!(serde_json::to_string(&figure).expect("a number"), expect);
        }
        assert_eq!(Figure::ratio(1, 0), None);
    }

    #[test]
    fn rates_and_times_keep_their_units() {
        let rate = Figure::per_second(10_000_000, Duration::from_millis(2_500));
        assert_eq!(rate.expect("time passed").to_string(), "4000000");
        assert_eq!(Figure::per_second(1, Duration::ZERO), None);
        assert_eq!(Figure::seconds(Duration::from_micros(1_234_567)).to_string(), "1.235");
        assert_eq!(Figure::microseconds(Duration::from_nanos(126_500)).to_string(), "126.5");
    }
}
