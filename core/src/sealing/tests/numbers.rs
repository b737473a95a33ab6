//! Every sealing of a test process, so that a number used twice under one key is found wherever it
//! happens.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// A sealing key's name, and the number.
type Sealing = ([u8; 32], u64);

/// What was used, and how often something was used again.
static USED: Mutex<(Option<HashSet<Sealing>>, u64)> = Mutex::new((None, 0));

/// Notes a sealing.
pub(in crate::sealing) fn used(key: [u8; 32], number: u64) {
    let mut used = USED.lock().unwrap_or_else(PoisonError::into_inner);
    if !used.0.get_or_insert_default().insert((key, number)) {
        used.1 += 1;
    }
}

/// How many sealings there were, under how many keys, and how often a number came again.
pub(super) fn counts() -> (usize, usize, u64) {
    let used = USED.lock().unwrap_or_else(PoisonError::into_inner);
    let sealings = used.0.iter().flatten();
    let keys: HashSet<[u8; 32]> = sealings.clone().map(|(key, _)| *key).collect();
    (sealings.count(), keys.len(), used.1)
}
