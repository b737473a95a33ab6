//! The edge: what every request and every answer passes, whatever it is about.

mod headers;
mod listener;
mod rates;
mod visitors;

pub use headers::{caller, headers};
pub use listener::{Listener, ListenerError, TlsFiles, server_config};
pub use rates::Rates;
