//! How many connections each address has.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The addresses that have connections.
#[derive(Clone, Default)]
pub(super) struct Visitors(Arc<Mutex<HashMap<IpAddr, u32>>>);

/// A connection of an address, until it is dropped.
pub(super) struct Visit {
    visitors: Visitors,
    address: IpAddr,
}

impl Visitors {
    /// A connection more; `None` if the address has `max` already.
    pub(super) fn enter(&self, address: IpAddr, max: u32) -> Option<Visit> {
        let address = network(address);
        let mut counts = self.counts();
        let count = counts.entry(address).or_default();
        if max <= *count {
            return None;
        }
        *count += 1;
        Some(Visit { visitors: self.clone(), address })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        // Every change under the lock is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one machine may have many addresses of: all of them are one.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut counts = self.visitors.counts();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: one machine that takes every place there is.
    #[test]
    fn an_address_has_its_share_and_gives_it_back() {
        let visitors = Visitors::default();
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let enter = |address| visitors.enter(address, 9);
        let mut visits: Vec<_> = (0..9).map(|_| enter(one)).collect();
        assert!(visits.iter().all(Option::is_some));
        assert!(enter("::ffff:192.0.2.1".parse().unwrap()).is_none(), "the same address");
        assert!(enter(other).is_some());
        let of_one_network =
            ["2001:db8::1", "2001:db8::ffff:1"].map(|it| network(it.parse().unwrap()));
        assert_eq!(of_one_network[0], of_one_network[1]);
        assert_ne!(of_one_network[0], network("2001:db8:0:1::1".parse().unwrap()));
        drop(visits.pop());
        assert!(enter(one).is_some());
        drop(visits);
        assert!(visitors.counts().is_empty());
    }
}
