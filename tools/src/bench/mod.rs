//! Measuring a ledger: what is sent is planned by pure arithmetic ([`plan`]), driven by as little
//! work as possible ([`drive`]), and set beside what the machine allows ([`disk`], [`machine`]).

pub(crate) mod disk;
pub(crate) mod documents;
pub(crate) mod drive;
pub(crate) mod latency;
pub(crate) mod machine;
pub(crate) mod plan;
pub(crate) mod process;
pub(crate) mod report;
pub(crate) mod server;
pub(crate) mod web;
