//! Florin's TCP server: sockets, admission, deadlines, answers.
//!
//! Every connection has a reader and a writer. The reader decodes a request where it lies in the
//! socket's buffer and hands it to the engine; the engine calls back when the answer may leave;
//! the writer turns answers into bytes and writes all that are ready at once. Nothing queues
//! without a bound: a request has a place in its connection and in the server until its answer is
//! written, and a stream sends what its reader has granted.
//!
//! Reading order: [`server`] accepts, [`connection`] is one peer's life, [`question`] what it
//! asks, [`answer`] what it is told, `streams` what it is told without asking again, [`ledger`] who
//! knows the answer. [`metrics`] counts, and [`observe`] shows the figures to whoever watches.
#![forbid(unsafe_code)]

mod answer;
mod budget;
mod connection;
mod error;
mod frames;
pub mod ledger;
pub mod limits;
mod metered;
pub mod metrics;
pub mod observe;
mod options;
mod question;
mod reads;
mod refusal;
mod server;
mod streams;
mod writer;

pub use error::ServerError;
pub use ledger::Ledger;
pub use metrics::ServerMetrics;
pub use observe::Observe;
pub use options::ServerOptions;
pub use server::{Server, check_address};
