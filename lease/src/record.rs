//! What the keys of a group hold, as JSON.
//!
//! - `/florin/GROUP/primary`: `{"node": "..", "term": N, "address": ".."}`, attached to the holder's lease, so
//!   that it goes with it.
//! - `/florin/GROUP/alone`: `{"node": "..", "term": N, "position": N}`, attached to nothing: it outlives the
//!   holder that wrote it.
//!
//! A node is 32 hexadecimal digits. Fields that are not known here are passed over; anything else that is
//! found there is refused.

use crate::error::LeaseError;
use crate::limits::{ADDRESS_BYTES_MAX, GROUP_BYTES_MAX, VALUE_BYTES_MAX};
use serde::{Deserialize, Serialize};
use std::str;

/// Who holds the lease, or wants to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Names its data directory.
    pub node: u128,
    /// In which it decides.
    pub term: u64,
    /// Where it listens, at most 1,024 bytes.
    pub address: String,
}

/// Who began to confirm without its standbys: others may lack what it confirmed since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Alone {
    /// Names its data directory.
    pub node: u128,
    /// In which it decided.
    pub term: u64,
    /// The end of the log that its standbys have.
    pub position: u64,
}

#[derive(Serialize, Deserialize)]
struct HolderRecord {
    node: String,
    term: u64,
    address: String,
}

#[derive(Serialize, Deserialize)]
struct AloneRecord {
    node: String,
    term: u64,
    position: u64,
}

/// The keys of a group.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) primary: String,
    pub(crate) alone: String,
}

impl Keys {
    /// # Errors
    /// If the name does not fit a path.
    pub(crate) fn of(group: &str) -> Result<Keys, LeaseError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !(1..=GROUP_BYTES_MAX).contains(&group.len()) || !group.bytes().all(fits) {
            return Err(LeaseError::Invalid(format!(
                "`{group}` is no name of a group: give 1 to {GROUP_BYTES_MAX} letters, digits, `-`, `_`, `.`"
            )));
        }
        let key = |name: &str| format!("/florin/{group}/{name}");
        Ok(Keys { primary: key("primary"), alone: key("alone") })
    }
}

impl Holder {
    /// # Errors
    /// If the address is too long.
    pub(crate) fn to_value(&self) -> Result<Vec<u8>, LeaseError> {
        if ADDRESS_BYTES_MAX < self.address.len() {
            let bytes = self.address.len();
            let message = format!("an address has {bytes} bytes: give {ADDRESS_BYTES_MAX} at most");
            return Err(LeaseError::Invalid(message));
        }
        let (node, address) = (hexadecimal(self.node), self.address.clone());
        Ok(value(&HolderRecord { node, term: self.term, address }))
    }

    pub(crate) fn of_value(key: &str, value: &[u8]) -> Result<Holder, LeaseError> {
        let HolderRecord { node, term, address } = record(key, value)?;
        if ADDRESS_BYTES_MAX < address.len() {
            return Err(malformed(key, "its address is too long"));
        }
        Ok(Holder { node: number(key, &node)?, term, address })
    }
}

impl Alone {
    pub(crate) fn to_value(self) -> Vec<u8> {
        let Alone { node, term, position } = self;
        value(&AloneRecord { node: hexadecimal(node), term, position })
    }

    pub(crate) fn of_value(key: &str, value: &[u8]) -> Result<Alone, LeaseError> {
        let AloneRecord { node, term, position } = record(key, value)?;
        Ok(Alone { node: number(key, &node)?, term, position })
    }
}

fn value<R: Serialize>(record: &R) -> Vec<u8> {
    serde_json::to_vec(record).expect("texts and numbers become JSON")
}

fn record<'a, R: Deserialize<'a>>(key: &str, value: &'a [u8]) -> Result<R, LeaseError> {
    if VALUE_BYTES_MAX < value.len() {
        return Err(malformed(key, &format!("it has {} bytes", value.len())));
    }
    serde_json::from_slice(value).map_err(|error| malformed(key, &error.to_string()))
}

fn hexadecimal(node: u128) -> String {
    format!("{node:032x}")
}

fn number(key: &str, node: &str) -> Result<u128, LeaseError> {
    let is_whole = node.len() == 32 && node.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u128::from_str_radix(node, 16).ok().filter(|_| is_whole);
    number.ok_or_else(|| malformed(key, "its node is not 32 hexadecimal digits"))
}

fn malformed(key: &str, reason: &str) -> LeaseError {
    LeaseError::Malformed { key: String::from(key), reason: String::from(reason) }
}

#[cfg(test)]
mod tests {
    use super::{Alone, Holder, Keys};
    use crate::error::LeaseError;

    #[test]
    fn values_are_read_as_they_were_written() {
        let holder = Holder { node: 0xF10, term: u64::MAX, address: String::from("ledger-1:3000") };
        let value = holder.to_value().unwrap();
        let expect = r#"{"node":"00000000000000000000000000000f10","term":18446744073709551615,"address":"ledger-1:3000"}"#;
        assert_eq!(String::from_utf8(value.clone()).unwrap(), expect);
        assert_eq!(Holder::of_value("k", &value), Ok(holder.clone()));
        let alone = Alone { node: u128::MAX, term: 3, position: 1 << 60 };
        assert_eq!(Alone::of_value("k", &alone.to_value()), Ok(alone));
        let long = Holder { address: "a".repeat(1_025), ..holder };
        assert!(matches!(long.to_value(), Err(LeaseError::Invalid(_))));
    }

    /// What somebody else wrote there must stop a failover, and not the server.
    #[test]
    fn garbage_is_refused() {
        let node = "00000000000000000000000000000f10";
        let long = "a".repeat(1_025);
        for value in [
            String::new(),
            String::from("{}"),
            String::from("\u{0}\u{1}"),
            String::from("[1,2,3]"),
            format!(r#"{{"node":"{node}","term":-1,"address":"a"}}"#),
            format!(r#"{{"node":"{node}","term":1.5,"address":"a"}}"#),
            format!(r#"{{"node":"+{}","term":1,"address":"a"}}"#, &node[1..]),
            String::from(r#"{"node":"f10","term":1,"address":"a"}"#),
            format!(r#"{{"node":"{node}","term":1,"address":"{long}"}}"#),
            format!(r#"{{"node":"{node}","term":1,"address":"a","more":"{}"}}"#, "a".repeat(4_096)),
            "[".repeat(4_000),
        ] {
            let read = Holder::of_value("/florin/bank/primary", value.as_bytes());
            let Err(LeaseError::Malformed { key, .. }) = read else { panic!("{value}: {read:?}") };
            assert_eq!(key, "/florin/bank/primary");
        }
        let read = Alone::of_value("k", br#"{"node":"zz","term":1,"position":1}"#);
        assert!(matches!(read, Err(LeaseError::Malformed { .. })), "{read:?}");
        let of_later = format!(r#"{{"node":"{node}","term":1,"position":2,"since":"noon"}}"#);
        let alone = Alone { node: 0xF10, term: 1, position: 2 };
        assert_eq!(Alone::of_value("k", of_later.as_bytes()), Ok(alone));
    }

    #[test]
    fn a_group_is_one_part_of_a_path() {
        assert_eq!(Keys::of("bank-1").unwrap().primary, "/florin/bank-1/primary");
        for group in ["", "a/b", "a b", "ä", &"a".repeat(65)] {
            assert!(matches!(Keys::of(group), Err(LeaseError::Invalid(_))), "{group}");
        }
    }
}
