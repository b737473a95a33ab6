//! What an engine's errors are to a client.

use florin_core::{Error, ErrorKind};
use florin_wire::{Effect, Operation, Refusal, RefusalKind};

/// The refusal that tells a client of an engine's error.
pub(crate) fn of_error(error: &Error, operation: u16) -> Refusal {
    let kind = match error.kind() {
        ErrorKind::Invalid => RefusalKind::Invalid,
        ErrorKind::Busy => RefusalKind::Busy,
        ErrorKind::DiskFull => RefusalKind::DiskFull,
        ErrorKind::ClockJumped => RefusalKind::ClockJumped,
        ErrorKind::Stopped => RefusalKind::Stopped,
        ErrorKind::Unusable | ErrorKind::Corrupt => RefusalKind::Corrupt,
        ErrorKind::Io => RefusalKind::Io,
        ErrorKind::Gone => RefusalKind::Gone,
        ErrorKind::Fork => RefusalKind::Fork,
        ErrorKind::NotYet => RefusalKind::NotYet,
        ErrorKind::Standby => RefusalKind::Standby,
        ErrorKind::Fenced => RefusalKind::Fenced,
    };
    Refusal { kind, effect: effect(error.kind(), operation), message: error.to_string() }
}

/// The refusal of a request whose answer the engine threw away.
pub(crate) fn of_silence(operation: u16) -> Refusal {
    Refusal {
        kind: RefusalKind::Stopped,
        effect: effect(ErrorKind::Stopped, operation),
        message: String::from("the engine stopped before it answered: see the server's own error"),
    }
}

/// Only what promises that nothing happened is believed; and a read changes nothing anyway.
fn effect(kind: ErrorKind, operation: u16) -> Effect {
    let writes = Operation::from_number(operation).is_some_and(Operation::writes);
    match kind {
        ErrorKind::Invalid
        | ErrorKind::Busy
        | ErrorKind::DiskFull
        | ErrorKind::ClockJumped
        | ErrorKind::Unusable
        | ErrorKind::Gone
        | ErrorKind::Fork
        | ErrorKind::NotYet
        | ErrorKind::Standby
        | ErrorKind::Fenced => Effect::None,
        ErrorKind::Stopped | ErrorKind::Corrupt | ErrorKind::Io if writes => Effect::Unknown,
        ErrorKind::Stopped | ErrorKind::Corrupt | ErrorKind::Io => Effect::None,
    }
}
