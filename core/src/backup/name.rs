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
    let is_one = top.len() == 32 && top.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    if is_one { u128::from_str_radix(top, 16).ok() } else { None }
}

/// The incarnation that a manifest is of, by its name; `None` if it is no manifest's.
#[must_use]
pub fn manifest_incarnation(name: &str) -> Option<u128> {
    let (top, rest) = name.split_once('/')?;
    rest.strip_prefix("manifests/")?;
    incarnation(top)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all that is written");
        text
    })
}
