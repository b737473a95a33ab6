//! Whole numbers in JSON, read from their text so that no digit is lost.

use serde_json::value::RawValue;

/// Digits of the largest number that any field holds.
const DIGITS_MAX: usize = 39;
/// Characters of a refused value that its message repeats.
const PREVIEW_CHARACTERS_MAX: usize = 48;

/// Reads a whole number from 0 to `max`, written as an integer or as a string of decimal digits.
pub(super) fn whole(raw: &RawValue, max: u128) -> Result<u128, String> {
    let text = raw.get();
    if text.starts_with('"') {
        let text: String =
            serde_json::from_str(text).map_err(|error| format!("unreadable string: {error}"))?;
        return digits(&text, max);
    }
    if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return digits(text, max);
    }
    Err(format!("expected a whole number or a string of digits, found {}", preview(text)))
}

fn digits(text: &str, max: u128) -> Result<u128, String> {
    if text.is_empty() {
        return Err(String::from("expected digits, found an empty string"));
    }
    if text.starts_with('-') {
        return Err(format!("{} is negative, and numbers here start at 0", preview(text)));
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{} is not a whole number written in digits", preview(text)));
    }
    let significant = text.trim_start_matches('0');
    let too_large = || format!("{} is above the largest value here, {max}", preview(text));
    if DIGITS_MAX < significant.len() {
        return Err(too_large());
    }
    if significant.is_empty() {
        return Ok(0);
    }
    match significant.parse::<u128>() {
        Ok(number) if number <= max => Ok(number),
        _ => Err(too_large()),
    }
}

/// The value, cut to what an error message can carry.
pub(super) fn preview(text: &str) -> String {
    let mut characters = text.chars();
    let start: String = characters.by_ref().take(PREVIEW_CHARACTERS_MAX).collect();
    if characters.next().is_none() { start } else { format!("{start}…") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str, max: u128) -> Result<u128, String> {
        let raw: &RawValue = serde_json::from_str(text).expect("the case is JSON");
        whole(raw, max)
    }

    /// Fault 11: a number too big for a double, or for the field, must never become another
    /// number or nothing.
    #[test]
    fn every_width_is_read_exactly() {
        let cases: &[(&str, u128, Option<u128>)] = &[
            ("0", u128::MAX, Some(0)),
            ("\"0\"", u128::MAX, Some(0)),
            ("\"007\"", u128::MAX, Some(7)),
            ("9007199254740991", u128::MAX, Some((1 << 53) - 1)),
            ("9007199254740993", u128::MAX, Some((1 << 53) + 1)),
            ("\"9007199254740993\"", u128::MAX, Some((1 << 53) + 1)),
            ("18446744073709551615", u128::from(u64::MAX), Some(u128::from(u64::MAX))),
            ("18446744073709551616", u128::from(u64::MAX), None),
            ("18446744073709551616", u128::MAX, Some(1 << 64)),
            ("340282366920938463463374607431768211455", u128::MAX, Some(u128::MAX)),
            ("\"340282366920938463463374607431768211455\"", u128::MAX, Some(u128::MAX)),
            ("340282366920938463463374607431768211456", u128::MAX, None),
            ("\"999999999999999999999999999999999999999\"", u128::MAX, None),
            ("65535", u128::from(u16::MAX), Some(65_535)),
            ("65536", u128::from(u16::MAX), None),
        ];
        for (text, max, expect) in cases {
            assert_eq!(read(text, *max).ok(), *expect, "{text} up to {max}");
        }
    }

    /// Fault 12: what is not a whole number is refused, even where its value would be whole.
    #[test]
    fn what_is_not_a_whole_number_is_refused() {
        let cases = [
            "-1",
            "-0",
            "1.0",
            "0.5",
            "1e3",
            "1E3",
            "\"-1\"",
            "\"+1\"",
            "\"1.0\"",
            "\"1e3\"",
            "\"\"",
            "\" 1\"",
            "\"1 \"",
            "\"0x10\"",
            "\"1_000\"",
            "\"١\"",
            "true",
            "false",
            "null",
            "[]",
            "[1]",
            "{}",
            "\"NaN\"",
        ];
        for text in cases {
            assert!(read(text, u128::MAX).is_err(), "{text} was read as a number");
        }
    }

    #[test]
    fn ten_thousand_digits_are_refused_in_a_short_message() {
        let error = read(&"9".repeat(10_000), u128::MAX).expect_err("it can't fit");
        assert!(error.len() < 200, "{} bytes", error.len());
        assert_eq!(read(&format!("\"{}5\"", "0".repeat(10_000)), 9), Ok(5));
    }

    proptest! {
        #[test]
        fn text_and_number_are_the_same(value: u128) {
            prop_assert_eq!(read(&value.to_string(), u128::MAX), Ok(value));
            prop_assert_eq!(read(&format!("\"{value}\""), u128::MAX), Ok(value));
        }

        #[test]
        fn a_smaller_field_takes_exactly_what_fits(value: u128, max: u64) {
            let fits = value <= u128::from(max);
            prop_assert_eq!(read(&value.to_string(), u128::from(max)).is_ok(), fits);
        }

        #[test]
        fn any_json_double_with_a_fraction_is_refused(whole: u64, fraction in 0_u32..1_000_000) {
            let text = format!("{whole}.{fraction:06}");
            prop_assert!(read(&text, u128::MAX).is_err());
        }
    }
}
