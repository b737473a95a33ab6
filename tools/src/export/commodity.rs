//! How ledgers, amounts and accounts are written in plain-text accounting.

use florin_adapter::money::Currency;
use florin_ledger::{Account, AccountFlags, LedgerId};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What the units of a ledger are called, and how many of them are a whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Commodity {
    /// Capital letters, digits and the signs that beancount takes, at least two, at most 24.
    pub(crate) name: String,
    /// Decimal places.
    pub(crate) places: u8,
}

/// The commodity of each ledger.
#[derive(Clone, Debug)]
pub(crate) struct Commodities(BTreeMap<LedgerId, Commodity>);

const PLACES_MAX: u8 = 18;

impl Commodities {
    /// Those that are named, and the bank's own currencies.
    pub(crate) fn new(named: &[(LedgerId, Commodity)]) -> Commodities {
        let own = Currency::ALL.iter().map(|currency| {
            let commodity =
                Commodity { name: String::from(currency.code()), places: currency.places() };
            (currency.ledger(), commodity)
        });
        Commodities(own.chain(named.iter().cloned()).collect())
    }

    /// That of a ledger; one that nobody named counts its smallest units.
    pub(crate) fn of(&self, ledger: LedgerId) -> Commodity {
        let unnamed = || Commodity { name: format!("L{}", ledger.0), places: 0 };
        self.0.get(&ledger).cloned().unwrap_or_else(unnamed)
    }
}

/// `978=EUR:2`.
///
/// # Errors
/// What it must look like.
pub(crate) fn parse(text: &str) -> Result<(LedgerId, Commodity), String> {
    let wrong = || {
        format!(
            "a ledger, its currency and decimal places up to {PLACES_MAX}, as 978=EUR:2; currencies are 2 to 24 \
             capital letters, digits and . _ - with a letter first"
        )
    };
    let (ledger, rest) = text.split_once('=').ok_or_else(wrong)?;
    let (name, places) = rest.split_once(':').unwrap_or((rest, "0"));
    let ledger: u32 = ledger.parse().map_err(|_| wrong())?;
    let places: u8 = places.parse().ok().filter(|it| *it <= PLACES_MAX).ok_or_else(wrong)?;
    let is_inner = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let is_name = (2..=24).contains(&bytes.len())
        && bytes[0].is_ascii_uppercase()
        && is_inner(bytes[bytes.len() - 1])
        && bytes.iter().all(|byte| is_inner(*byte) || b"._-".contains(byte));
    if ledger == 0 || !is_name {
        return Err(wrong());
    }
    Ok((LedgerId(ledger), Commodity { name: String::from(name), places }))
}

/// The name of an account: what it is to the bank by its limit, then ledger, code and id. It reads the same
/// in all programs.
pub(crate) fn account_name(account: &Account) -> String {
    let kind = if account.flags.contains(AccountFlags::DEBITS_MUST_NOT_EXCEED_CREDITS) {
        "Liabilities"
    } else if account.flags.contains(AccountFlags::CREDITS_MUST_NOT_EXCEED_DEBITS) {
        "Assets"
    } else {
        "Equity"
    };
    format!("{kind}:{}:{}:{}", account.ledger.0, account.code.0, account.id.0)
}

/// A number of smallest units, with a point before so many places. Debits are positive, credits negative.
pub(crate) fn decimal(is_negative: bool, units: u128, places: u8) -> String {
    let digits = units.to_string();
    let places = usize::from(places);
    let padded = format!("{digits:0>width$}", width = places + 1);
    let (whole, part) = padded.split_at(padded.len() - places);
    let mut text = String::new();
    if is_negative && units != 0 {
        text.push('-');
    }
    text.push_str(whole);
    if 0 < places {
        write!(text, ".{part}").expect("a string takes all");
    }
    text
}

/// What an account has, debits less credits: whether it is negative, and how much.
pub(crate) fn net(account: &Account) -> (bool, u128) {
    let (debits, credits) = (account.debits_posted.0, account.credits_posted.0);
    (debits < credits, debits.abs_diff(credits))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: an amount that is off by a power of ten, or that the programs read as another.
    #[test]
    fn amounts_have_their_point_where_it_belongs() {
        for (is_negative, units, places, text) in [
            (false, 0, 2, "0.00"),
            (true, 0, 2, "0.00"),
            (true, 5, 2, "-0.05"),
            (false, 12_345, 2, "123.45"),
            (false, 7, 0, "7"),
            (true, u128::MAX, 3, "-340282366920938463463374607431768211.455"),
        ] {
            assert_eq!(decimal(is_negative, units, places), text);
        }
    }

    /// Prevents: a currency that a program refuses, after an hour of exporting.
    #[test]
    fn what_is_no_currency_is_refused() {
        let euro = Commodity { name: String::from("EUR"), places: 2 };
        assert_eq!(parse("978=EUR:2"), Ok((LedgerId(978), euro)));
        assert_eq!(parse("7=POINTS").map(|(_, it)| it.places), Ok(0));
        for wrong in [
            "978",
            "978=",
            "978=E",
            "978=eur:2",
            "978=EUR:19",
            "0=EUR:2",
            "978=9EUR",
            "978=EU-:2",
            "x=EUR",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
