//! The group: the nodes that hold a copy of one log, of which one decides.
//!
//! - **What is told, `acknowledgements` + 1 of the nodes have** durably, whoever decides counted. Whoever is
//!   promoted has the promises of `nodes` - `acknowledgements` of them, itself counted: one of those has it. It
//!   then goes on from the furthest of their logs.
//! - **A promise is durable before it is given**, and what was acknowledged before lies before the end that is
//!   told with it; what arrives later from a lower term is refused.
//! - **All copies of one term are beginnings of one log.** A node is of the term of the primary whose log its own is
//!   known to be a beginning of: of two copies that of the higher term has more, and in the same term the longer one.
//!   (As the *last normal view* of Viewstamped Replication, B. Liskov and J. Cowling, MIT-CSAIL-TR-2012-021; no
//!   record of the log is needed for it.)
//! - **The group is a document of the ledger** ([`Group`]), so every copy has it, and it changes through the log
//!   alone. Until nodes of the old group and of the new have the change, both are waited for.
//!
//! docs/decisions/0027 says why.

mod allegiance;
mod change;
mod document;
mod term;

pub(crate) use allegiance::{Allegiance, deposed};
pub use allegiance::{NodeStanding, Promised};
pub use change::CountedGroup;
pub use document::{Group, GroupNode};
pub use term::Term;
