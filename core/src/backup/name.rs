//! How objects are named. Names are made here alone, and read here alone.
//!
//! ```text
//! <incarnation, 32 hexadecimal digits>/<epoch, 20 digits>/<segment, 20 digits>/<hash, 64 hexadecimal digits>
//! <incarnation>/manifests/<end of the log, 20 digits>-<created, ns, 20 digits>-<hash>
//! ```
//! The hash is the BLAKE3 of what is stored. Manifests sort by how much of the log they have.

use florin_ledger::{Lsn, Timestamp};
use std::fmt::Write;

/// Where the manifests of an incarnation lie.
#[must_use]
pub fn manifests(incarnation: u128) -> String {
    format!("{incarnation:032x}/manifests/")
}

/// The object of a segment, or of the part of it that was durable.
#[must_use]
pub fn object(incarnation: u128, epoch: u64, number: u64, hash: &[u8; 32]) -> String {
    format!("{incarnation:032x}/{epoch:020}/{number:020}/{}", hexadecimal(hash))
}

/// A manifest.
#[must_use]
pub fn manifest(incarnation: u128, end: Lsn, created: Timestamp, hash: &[u8; 32]) -> String {
    let directory = manifests(incarnation);
    format!("{directory}{:020}-{:020}-{}", end.0, created.0, hexadecimal(hash))
}

/// The incarnation that the first part of a name is; `None` if it is none.
#[must_use]
pub fn incarnation(top: &str) -> Option<u128> {
    if is_digits(top, 32, 16) { u128::from_str_radix(top, 16).ok() } else { None }
}

/// The incarnation that a manifest is of, by its name; `None` if no manifest has such a name.
#[must_use]
pub fn manifest_incarnation(name: &str) -> Option<u128> {
    let (top, rest) = name.split_once('/')?;
    let mut parts = rest.strip_prefix("manifests/")?.split('-');
    let is_manifest = [(20, 10), (20, 10), (64, 16)]
        .into_iter()
        .all(|(count, radix)| parts.next().is_some_and(|part| is_digits(part, count, radix)));
    if is_manifest && parts.next().is_none() { incarnation(top) } else { None }
}

fn is_digits(text: &str, count: usize, radix: u32) -> bool {
    let is_one = |it: char| it.is_digit(radix) && !it.is_ascii_uppercase();
    text.len() == count && text.chars().all(is_one)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all that is written");
        text
    })
}
