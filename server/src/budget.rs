//! The bytes that all connections together may occupy.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of bytes that is lent out; clones lend from the same.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<AtomicUsize>);

/// Bytes lent; dropping it gives them back.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Budget,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Budget {
        Budget(Arc::new(AtomicUsize::new(bytes)))
    }

    /// Lends bytes, or `None` if so many are not left.
    pub(crate) fn lend(&self, bytes: usize) -> Option<Share> {
        // Relaxed: the counter guards no other memory.
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes))
            .ok()?;
        Some(Share { budget: self.clone(), bytes })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;

    /// Bytes that are not given back would make a server refuse everything after a while.
    #[test]
    fn lends_what_is_left_and_takes_it_back() {
        let budget = Budget::new(100);
        let first = budget.lend(60).unwrap();
        assert!(budget.lend(41).is_none());
        let second = budget.lend(40).unwrap();
        drop(first);
        assert!(budget.lend(61).is_none());
        drop(second);
        assert!(budget.lend(100).is_some());
    }
}
