//! The edge: what every request and every answer passes, whatever it is about.

mod answer;
mod framing;
mod headers;
mod limits;
mod listener;
mod pace;
mod presence;
mod rates;
mod refusals;
mod strict;
mod timely;
mod visitors;

pub use headers::{caller, headers};
pub use limits::Limits;
pub use listener::{Listener, ListenerError, TlsFiles, server_config};
pub use rates::Rates;
pub(crate) use refusals::Known;
pub use refusals::{Refusals, refusals};
pub use timely::timely;
