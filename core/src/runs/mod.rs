//! Lookups by key that outgrow memory: transfer ids, hold outcomes, imported timestamps.
//!
//! A key is a `u128`, its value a `u64`, and a pair once inserted never changes and never goes.
//! Recent pairs live in [`Recent`], in memory. From time to time they are frozen and written, in
//! order of their keys, to an immutable file, a [`Run`]; runs of similar size are merged into
//! larger ones in the background. A [`RunSet`] is what is on disk at one moment. An [`Index`] ties
//! the three together for the engine.
//!
//! Answers are exact: filters and ranges only save reading a run that can't hold the key.
//!
//! ```text
//! insert -> Recent --freeze--> Frozen --RunWriter--> Run --+
//!                                                          +-> RunSet --Merge--> RunSet
//!                                                    Run --+
//! ```
//!
//! Invariants:
//! - a run file has its name only when it is whole and durable, and never changes afterwards;
//! - a run's `position` says that it reflects the log before that position, which was durable
//!   before the file got its name;
//! - no two runs of a set hold the same key.
//!
//! A run is a file of 4 KiB pages; `docs/FORMAT.md` and [`page`], [`block`], [`filter`] and
//! [`footer`] draw them.

pub mod block;
pub mod filter;
pub mod footer;
mod frontier;
mod index;
mod merge;
mod name;
pub mod page;
pub(crate) mod pages;
mod recent;
mod run;
mod set;
mod sorted;
mod writer;

#[cfg(test)]
mod tests;

pub use frontier::Frontier;
pub use index::{Index, Lookup, MergePlan, RunPlan};
pub use merge::Merge;
pub use name::{DIRECTORY, RunKind, RunName};
pub use recent::{Frozen, Mark, Recent};
pub use run::{Damage, Entries, Run, RunError};
pub use set::{RunSet, orphans, remove};
pub use sorted::Sorted;
pub use writer::RunWriter;

/// A pair as it is stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Entry {
    /// Neither zero nor 2^128-1.
    pub key: u128,
    /// What it stands for: mostly a position in the log.
    pub value: u64,
}
