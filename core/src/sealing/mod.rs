//! Encryption at rest: what is stored is sealed with AES-256-GCM under keys that follow from one
//! database key, and the database key is stored only as a key-encryption key has wrapped it.
//!
//! ```text
//! key-encryption key (file, token) --wraps--> database key, in the file `database_key`
//! database key + random salt of a place --HKDF--> sealing key of that place
//! sealing key + number that never comes twice in that place --AES-256-GCM--> sealed bytes
//! ```
//!
//! **No sealing key ever sees a number (nonce) twice**, because every *place* has a salt of 128 or
//! 256 random bits that was drawn for it alone, and numbers its own sealings upwards:
//!
//! - a *segment of the log*: the salt is drawn when its file is made, and an opening writes only
//!   into segments that it has made itself ([`crate::log::recovery::begin_writing`] removes those
//!   that were made ahead and goes on after the judged end in a new one). So what a crash, a fork
//!   or a restored copy writes over the same positions is under another salt. Within a segment the
//!   number is the block's position, and the writer stamps each block once: its position only
//!   rises, and the last page is written again with the bytes that were stamped, never stamped
//!   again. A segment whose making failed is given a new salt before any block is in it;
//! - a *run*: the salt is drawn when a writer begins its file, which nobody else writes; the number
//!   is the page's, and the writer puts each page once;
//! - the *checkpoint*: the salt is drawn at each opening of the checkpoint file and stored with
//!   each value beside its number, which counts on through checkpoints that are given up.
//!
//! What is left to whoever runs the machine: a snapshot of a *running* process, its memory
//! included, must not be resumed twice. Both would go on in the same segment. A copy of the disk
//! alone is harmless.
//!
//! **Checks come first.** Tags and hashes of blocks, pages and values cover what is stored, sealed
//! as it is, so they are checked without any key, and damage is told from a wrong key. A seal that
//! does not open although its checks are right was written by somebody else.
//!
//! **What shows without the key**: how many segments, runs and blocks there are, their sizes and
//! places; of each block its time, epoch, sequence, number of records and place in the chain; names
//! of runs; of each checkpoint its positions and counts; slots of accounts and positions of holds.
//! No id, amount, balance, name, reference or document.

mod database_key;
mod key;
mod open;
mod wrapped;

#[cfg(test)]
mod tests;

pub use database_key::DatabaseKey;
pub use key::{SEAL_BYTES, Seal, SealingKey};
pub use open::{create, rotate, unlock};
pub(crate) use open::{read as wrapped, unwrap, wrap, write as put};
pub use wrapped::{FILE_NAME, PARTIAL_NAME, WrappedKey};
