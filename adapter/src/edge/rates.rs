//! How often an address may try what is costly for the bank: passwords. Kept in the adapter, since it is there to
//! protect the adapter; what protects names is counted in the ledger ([`crate::customers`]).

use super::visitors::network;
use crate::clock::{MINUTE, SECOND};
use florin_ledger::Timestamp;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Passwords of one address in a minute. Many customers may be behind one.
const PASSWORDS_PER_MINUTE: u32 = 60;
/// Addresses that are counted at the same time; when there are more, those of the minute before are forgotten,
/// and then all.
const ADDRESSES_MAX: usize = 100_000;

/// What addresses have left of this minute.
#[derive(Debug, Default)]
pub struct Rates(Mutex<HashMap<IpAddr, Minute>>);

#[derive(Clone, Copy, Debug)]
struct Minute {
    number: u64,
    count: u32,
}

impl Rates {
    /// Takes one try of an address.
    ///
    /// # Errors
    /// In how many seconds it may try again.
    pub fn take(&self, address: IpAddr, now: Timestamp) -> Result<(), u64> {
        let number = now.0 / MINUTE;
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ADDRESSES_MAX <= minutes.len() {
            minutes.retain(|_, minute| minute.number == number);
            if ADDRESSES_MAX <= minutes.len() {
                minutes.clear();
            }
        }
        let fresh = Minute { number, count: 0 };
        let minute = minutes.entry(network(address)).or_insert(fresh);
        if minute.number != number {
            *minute = fresh;
        }
        if PASSWORDS_PER_MINUTE <= minute.count {
            return Err((MINUTE - now.0 % MINUTE).div_ceil(SECOND));
        }
        minute.count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row 34 of the threat table: one machine that tries many names.
    #[test]
    fn an_address_has_so_many_tries_in_a_minute_and_is_told_when_it_is_over() {
        let rates = Rates::default();
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let now = Timestamp(10 * MINUTE + 15 * SECOND);
        for _ in 0..PASSWORDS_PER_MINUTE {
            assert_eq!(rates.take(one, now), Ok(()));
        }
        assert_eq!(rates.take(one, now), Err(45));
        assert_eq!(rates.take("::ffff:192.0.2.1".parse().unwrap(), now), Err(45));
        assert_eq!(rates.take(other, now), Ok(()));
        assert_eq!(rates.take(one, Timestamp(11 * MINUTE)), Ok(()));
    }
}
