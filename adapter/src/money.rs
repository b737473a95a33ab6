//! Money as customers see it: an amount in the smallest unit of a currency, and how it is written.
//! Only integers are calculated with; the point between euros and cents is a matter of writing.

use florin_ledger::{Amount, LedgerId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The largest amount that is taken from outside: every integer up to it is exact in JSON, whoever
/// reads it.
pub const CENTS_MAX: u64 = (1 << 53) - 1;

/// A currency that the bank keeps accounts in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// Euro.
    Eur,
    /// Pound sterling.
    Gbp,
    /// United States dollar.
    Usd,
    /// Yen.
    Jpy,
}

impl Currency {
    /// All currencies.
    pub const ALL: [Currency; 4] = [Currency::Eur, Currency::Gbp, Currency::Usd, Currency::Jpy];

    /// The code of ISO 4217.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Currency::Eur => "EUR",
            Currency::Gbp => "GBP",
            Currency::Usd => "USD",
            Currency::Jpy => "JPY",
        }
    }

    /// The ledger that accounts of this currency are on: the number of ISO 4217.
    #[must_use]
    pub fn ledger(self) -> LedgerId {
        LedgerId(match self {
            Currency::Eur => 978,
            Currency::Gbp => 826,
            Currency::Usd => 840,
            Currency::Jpy => 392,
        })
    }

    /// Decimal places of ISO 4217.
    #[must_use]
    pub fn places(self) -> u8 {
        match self {
            Currency::Eur | Currency::Gbp | Currency::Usd => 2,
            Currency::Jpy => 0,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Currency::Eur => "€",
            Currency::Gbp => "£",
            Currency::Usd => "$",
            Currency::Jpy => "¥",
        }
    }

    /// What somebody typed, as an amount: digits, and after a point as many as the currency has. A
    /// comma between thousands is left out, any other is refused.
    ///
    /// # Errors
    /// [`NotAnAmount`]; zero and what is above [`CENTS_MAX`] are none either.
    pub fn amount(self, text: &str) -> Result<Money, NotAnAmount> {
        let not_an_amount = NotAnAmount { currency: self };
        let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
        let places = usize::from(self.places());
        let is_full = !text.contains('.') || (places != 0 && fraction.len() == places);
        let digits = ungrouped(whole).filter(|_| is_full).ok_or(not_an_amount)?;
        let unit = 10_u64.pow(self.places().into());
        let number = |digits: &str| digits.parse::<u64>().map_err(|_| not_an_amount);
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(fraction) {
            return Err(not_an_amount);
        }
        let fraction = if fraction.is_empty() { 0 } else { number(fraction)? };
        let whole = number(&digits)?.checked_mul(unit).ok_or(not_an_amount)?;
        let cents = whole.checked_add(fraction).ok_or(not_an_amount)?;
        Money::positive(self, cents).ok_or(not_an_amount)
    }
}

/// Digits without the commas between thousands; `None` if there is something else.
fn ungrouped(whole: &str) -> Option<String> {
    let mut groups = whole.split(',');
    let first = groups.next()?;
    let mut digits = String::from(first);
    let is_grouped = whole.contains(',');
    for group in groups {
        if group.len() != 3 {
            return None;
        }
        digits.push_str(group);
    }
    let is_sound = digits.bytes().all(|byte| byte.is_ascii_digit())
        && (1..=16).contains(&digits.len())
        && (!is_grouped || (1..=3).contains(&first.len()));
    is_sound.then_some(digits)
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = NoSuchCurrency;

    fn from_str(code: &str) -> Result<Currency, NoSuchCurrency> {
        Currency::ALL.into_iter().find(|currency| currency.code() == code).ok_or(NoSuchCurrency)
    }
}

/// The bank has no accounts in this currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the bank keeps no accounts in this currency")]
pub struct NoSuchCurrency;

/// A text that is no amount of a currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an amount in {currency} is written like {}", Money { currency: *currency, cents: 123_456 }.plain())]
pub struct NotAnAmount {
    currency: Currency,
}

/// An amount of a currency, in its smallest unit; may be zero or, as a balance, above what is taken from
/// outside.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Money {
    /// The currency.
    pub currency: Currency,
    /// The amount, in the currency's smallest unit.
    pub cents: u128,
}

impl Money {
    /// An amount that can be moved; `None` if it is zero or above [`CENTS_MAX`].
    #[must_use]
    pub fn positive(currency: Currency, cents: u64) -> Option<Money> {
        (1..=CENTS_MAX).contains(&cents).then_some(Money { currency, cents: cents.into() })
    }

    /// The ledger's amount.
    #[must_use]
    pub fn amount(self) -> Amount {
        Amount(self.cents)
    }

    /// As a form takes it: without sign and commas.
    #[must_use]
    pub fn plain(self) -> String {
        let unit = 10_u128.pow(self.currency.places().into());
        let places = usize::from(self.currency.places());
        match places {
            0 => self.cents.to_string(),
            _ => format!("{}.{:0places$}", self.cents / unit, self.cents % unit),
        }
    }
}

/// As a person reads it: `€1,234.56`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = self.plain();
        let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
        f.write_str(self.currency.sign())?;
        for (place, digit) in whole.chars().enumerate() {
            if place != 0 && (whole.len() - place).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        if fraction.is_empty() { Ok(()) } else { write!(f, ".{fraction}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Prevents: ten euros that become a thousand because of how they were typed.
    #[test]
    fn what_is_typed_is_read_as_it_looks_or_not_at_all() {
        use Currency::{Eur, Jpy};
        for (currency, text, cents) in [
            (Eur, "12.34", Some(1_234)),
            (Eur, " 12 ", Some(1_200)),
            (Eur, "1,234.56", Some(123_456)),
            (Eur, "1,234,567.00", Some(123_456_700)),
            (Eur, "0.01", Some(1)),
            (Jpy, "1200", Some(1_200)),
            (Eur, "90071992547409.91", Some(9_007_199_254_740_991)),
            (Eur, "90071992547409.92", None),
            (Eur, "12.3", None),
            (Eur, "12.345", None),
            (Eur, "12.", None),
            (Eur, "12,34", None),
            (Eur, "1234,567.00", None),
            (Eur, ",123.00", None),
            (Eur, "0", None),
            (Eur, "0.00", None),
            (Eur, "-1.00", None),
            (Eur, "+1.00", None),
            (Eur, "1.+1", None),
            (Eur, "1e3", None),
            (Eur, "", None),
            (Eur, ".50", None),
            (Eur, "١٢.٣٤", None),
            (Jpy, "12.00", None),
            (Jpy, "12.", None),
        ] {
            let read = currency.amount(text).ok().map(|money| money.cents);
            assert_eq!(read, cents, "{text:?} in {currency}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(cents in 1..=CENTS_MAX, place in 0..4_usize) {
            let money = Money::positive(Currency::ALL[place], cents).unwrap();
            prop_assert_eq!(money.currency.amount(&money.plain()), Ok(money));
            let shown = money.to_string();
            let shown = shown.trim_start_matches(money.currency.sign());
            prop_assert_eq!(money.currency.amount(shown), Ok(money));
        }
    }
}
