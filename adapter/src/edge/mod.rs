//! The edge: what every request and every answer passes, whatever it is about.

mod answer;
mod endless;
mod framing;
mod headers;
mod limits;
mod listener;
mod pace;
mod presence;
mod rates;
mod refusals;
mod stall;
mod strict;
mod timely;
mod visitors;

pub use endless::Endless;
pub(crate) use headers::LIVE_POLICY;
pub use headers::{caller, headers};
pub use limits::Limits;
pub use listener::{Listener, ListenerError, TlsFiles, server_config};
pub use rates::Rates;
pub(crate) use refusals::Known;
pub use refusals::{Refusals, refusals};
pub use timely::timely;
