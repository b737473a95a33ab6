//! Hostile bytes for every decoder: what a stranger can send, and what a disk can give back.
//!
//! Each target is a function of some bytes that returns whatever they are; a panic, a hang or memory
//! taken on the word of a length field is a defect. Beyond that each asserts that bytes which were
//! accepted are the bytes that the value is written as, so that nothing is read in two ways.
//!
//! `fuzz_targets/` runs them under libFuzzer, `examples/mutate.rs` on a stable toolchain; `cargo
//! xtask fuzz` chooses. `seeds/` holds a few accepted inputs for each.
#![forbid(unsafe_code)]

pub mod document_block;
pub mod key_documents;
pub mod log_block;
pub mod log_judge;
pub mod wire_decode;

/// A target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its file and of its seeds' directory.
    pub name: &'static str,
    /// Its body.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "wire_decode", run: wire_decode::run },
    Target { name: "log_block", run: log_block::run },
    Target { name: "log_judge", run: log_judge::run },
    Target { name: "document_block", run: document_block::run },
    Target { name: "key_documents", run: key_documents::run },
];
