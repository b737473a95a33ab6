//! Which country an address of the internet is in, by a file that whoever runs the bank names.
//!
//! ```text
//! # comments and empty lines are passed over
//! first,last,country
//! 192.0.2.0,192.0.2.255,DE
//! 2001:db8::,2001:db8:ffff:ffff:ffff:ffff:ffff:ffff,FR
//! ```
//! - Each line after the heading is the first and the last address of a range, and the country's two letters
//!   (ISO 3166-1 alpha-2). Both addresses are of one family, and no two ranges have an address in common.
//! - A file is good as a whole or not at all; what is wrong is told by its line.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Bytes of a file, at most.
const FILE_BYTES_MAX: usize = 128 << 20;
/// Ranges of a file, at most.
const RANGES_MAX: usize = 2_000_000;
const HEADING: &str = "first,last,country";

/// A country, by two letters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country([u8; 2]);

/// No country's letters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a country is two capital letters, such as DE")]
pub struct NotACountry;

impl FromStr for Country {
    type Err = NotACountry;

    fn from_str(text: &str) -> Result<Country, NotACountry> {
        let letters: [u8; 2] = text.as_bytes().try_into().map_err(|_| NotACountry)?;
        let is_sound = letters.iter().all(u8::is_ascii_uppercase);
        if is_sound { Ok(Country(letters)) } else { Err(NotACountry) }
    }
}

impl TryFrom<String> for Country {
    type Error = NotACountry;

    fn try_from(text: String) -> Result<Country, NotACountry> {
        text.parse()
    }
}

impl From<Country> for String {
    fn from(country: Country) -> String {
        country.to_string()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Country([first, second]) = *self;
        write!(f, "{}{}", char::from(first), char::from(second))
    }
}

/// Ranges of one family, in order.
type Ranges<A> = Vec<(A, A, Country)>;

/// The countries of addresses.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Countries {
    four: Ranges<Ipv4Addr>,
    six: Ranges<Ipv6Addr>,
}

/// How many ranges there are: they would fill pages.
impl fmt::Debug for Countries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Countries({} ranges)", self.four.len() + self.six.len())
    }
}

/// What is wrong with a file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CountriesError {
    /// It has more than anybody needs.
    #[error("the file has more than {FILE_BYTES_MAX} bytes or {RANGES_MAX} ranges")]
    TooLarge,
    /// It does not begin with its heading.
    #[error("the first line must be {HEADING}")]
    Heading,
    /// A line is no range, counted from 1.
    #[error(
        "line {0}: write the first address, the last, and the country, as in 192.0.2.0,192.0.2.255,DE"
    )]
    Line(usize),
    /// Two ranges have an address in common.
    #[error("two ranges have {0} in common")]
    Overlap(IpAddr),
}

impl Countries {
    /// Reads a file.
    ///
    /// # Errors
    /// [`CountriesError`].
    pub fn parse(text: &str) -> Result<Countries, CountriesError> {
        if FILE_BYTES_MAX < text.len() {
            return Err(CountriesError::TooLarge);
        }
        let lines = (1..).zip(text.lines().map(str::trim));
        let mut lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        if lines.next().is_none_or(|(_, line)| line != HEADING) {
            return Err(CountriesError::Heading);
        }
        let mut countries = Countries::default();
        for (count, (number, line)) in lines.enumerate() {
            if RANGES_MAX <= count {
                return Err(CountriesError::TooLarge);
            }
            countries.read(line).ok_or(CountriesError::Line(number))?;
        }
        in_order(&mut countries.four)?;
        in_order(&mut countries.six)?;
        Ok(countries)
    }

    fn read(&mut self, line: &str) -> Option<()> {
        let mut parts = line.split(',').map(str::trim);
        let (first, last) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let country = parts.next()?.parse().ok()?;
        match (first, last, parts.next()) {
            (IpAddr::V4(first), IpAddr::V4(last), None) if first <= last => {
                self.four.push((first, last, country));
            }
            (IpAddr::V6(first), IpAddr::V6(last), None) if first <= last => {
                self.six.push((first, last, country));
            }
            _ => return None,
        }
        Some(())
    }

    /// The country of an address, if the file says it.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Option<Country> {
        match address.to_canonical() {
            IpAddr::V4(address) => of(&self.four, address),
            IpAddr::V6(address) => of(&self.six, address),
        }
    }
}

fn in_order<A: Copy + Ord + Into<IpAddr>>(ranges: &mut Ranges<A>) -> Result<(), CountriesError> {
    ranges.sort_unstable_by_key(|(first, _, _)| *first);
    for pair in ranges.windows(2) {
        let [(_, last, _), (first, _, _)] = pair else { continue };
        if first <= last {
            return Err(CountriesError::Overlap((*first).into()));
        }
    }
    Ok(())
}

fn of<A: Copy + Ord>(ranges: &Ranges<A>, address: A) -> Option<Country> {
    let after = ranges.partition_point(|(first, _, _)| *first <= address);
    let (_, last, country) = ranges.get(after.checked_sub(1)?)?;
    (address <= *last).then_some(*country)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &str = "# made by hand\n\nfirst,last,country\n\
        198.51.100.7,198.51.100.7,FR\n192.0.2.0, 192.0.2.127, DE\n192.0.2.128,192.0.2.255,AT\n\
        2001:db8::,2001:db8:0:ffff:ffff:ffff:ffff:ffff,CH\n";

    fn of(countries: &Countries, address: &str) -> String {
        let country = countries.of(address.parse().unwrap());
        country.map_or(String::new(), |country| country.to_string())
    }

    /// Prevents: a customer who is taken for a stranger at the end of a range.
    #[test]
    fn an_address_is_in_the_range_that_has_it_and_in_no_other() {
        let countries = Countries::parse(FILE).unwrap();
        for (address, country) in [
            ("192.0.1.255", ""),
            ("192.0.2.0", "DE"),
            ("192.0.2.127", "DE"),
            ("192.0.2.128", "AT"),
            ("192.0.2.255", "AT"),
            ("192.0.3.0", ""),
            ("198.51.100.6", ""),
            ("198.51.100.7", "FR"),
            ("198.51.100.8", ""),
            ("::ffff:192.0.2.1", "DE"),
            ("2001:db8::1", "CH"),
            ("2001:db8:1::", ""),
            ("::1", ""),
        ] {
            assert_eq!(of(&countries, address), country, "{address}");
        }
        assert_eq!(Countries::default().of("192.0.2.1".parse().unwrap()), None);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_by_its_line() {
        for (text, error) in [
            ("", CountriesError::Heading),
            ("192.0.2.0,192.0.2.255,DE", CountriesError::Heading),
            ("first,last,country\n192.0.2.0,192.0.2.255", CountriesError::Line(2)),
            ("first,last,country\n\n192.0.2.0,192.0.2.255,DE,x", CountriesError::Line(3)),
            ("first,last,country\n192.0.2.9,192.0.2.1,DE", CountriesError::Line(2)),
            ("first,last,country\n192.0.2.1,::1,DE", CountriesError::Line(2)),
            ("first,last,country\n192.0.2.1,192.0.2.2,de", CountriesError::Line(2)),
            ("first,last,country\n192.0.2.1,192.0.2.2,DEU", CountriesError::Line(2)),
            ("first,last,country\n192.0.2.0/24,192.0.2.2,DE", CountriesError::Line(2)),
            (
                "first,last,country\n192.0.2.5,192.0.2.9,DE\n192.0.2.1,192.0.2.5,FR",
                CountriesError::Overlap("192.0.2.5".parse().unwrap()),
            ),
        ] {
            assert_eq!(Countries::parse(text), Err(error), "{text:?}");
        }
    }

    proptest! {
        /// As looking through every range would say.
        #[test]
        fn looking_up_is_looking_through(
            starts in proptest::collection::btree_set(0..60_u32, 1..12), address in 0..64_u32,
        ) {
            let starts: Vec<u32> = starts.into_iter().collect();
            let mut text = String::from(HEADING);
            let mut expected = None;
            for (place, start) in starts.iter().enumerate() {
                // Every third has a gap behind it.
                let next = starts.get(place + 1).copied().unwrap_or(64);
                let end = if place % 3 == 0 { *start } else { next - 1 };
                let country = if place % 2 == 0 { "DE" } else { "FR" };
                let (first, last) = (Ipv4Addr::from_bits(*start), Ipv4Addr::from_bits(end));
                text.push_str(&format!("\n{first},{last},{country}"));
                if (*start..=end).contains(&address) {
                    expected = Some(String::from(country));
                }
            }
            let countries = Countries::parse(&text).unwrap();
            let found = countries.of(IpAddr::V4(Ipv4Addr::from_bits(address)));
            prop_assert_eq!(found.map(String::from), expected);
        }
    }
}
