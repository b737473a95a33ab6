//! Every sealing of a test process, so that a number used twice under one key is found wherever it
//! happens: in these tests, and in any other test of the crate that seals something.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// A sealing key's name, and the number.
type Sealing = ([u8; 32], u64);

static USED: Mutex<Option<HashSet<Sealing>>> = Mutex::new(None);

/// Notes a sealing.
///
/// # Panics
/// If the same key sealed something under the same number before.
pub(in crate::sealing) fn used(key: [u8; 32], number: u64) {
    let mut used = USED.lock().unwrap_or_else(PoisonError::into_inner);
    let is_new = used.get_or_insert_default().insert((key, number));
    drop(used);
    assert!(is_new, "number {number} was sealed under twice");
}
