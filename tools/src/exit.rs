//! Exit codes, and the one error that a command ends with. Scripts may rely on the numbers.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done, and everything asked about holds |
//! | 1 | done, with findings: a line that can't be read, a request refused, a check that failed |
//! | 2 | the command line is wrong; nothing was touched |
//! | 3 | the data directory can't be opened, or the server can't be reached |
//! | 4 | stopped or interrupted before the end; what was acknowledged is durable |

use florin_client::{ClientError, RefusalKind};
use std::fmt;
use std::io;
use std::process::ExitCode;

/// How a command ends. The numbers never change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// Done, and everything asked about holds.
    Done = 0,
    /// Done, but something asked about does not hold.
    Findings = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The data directory can't be opened, or the server can't be reached.
    Unavailable = 3,
    /// Stopped before the end.
    Stopped = 4,
}

impl From<Exit> for u8 {
    fn from(exit: Exit) -> u8 {
        match exit {
            Exit::Done => 0,
            Exit::Findings => 1,
            Exit::Usage => 2,
            Exit::Unavailable => 3,
            Exit::Stopped => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(u8::from(exit))
    }
}

/// Why a command did not do what it was asked. The message is one line: lower case, values
/// included, and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    /// What the process ends with.
    pub(crate) exit: Exit,
    message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure { exit, message: message.into() }
    }

    /// The command line says something that can't be done.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, message)
    }

    /// Something that was needed could not be opened or reached.
    pub(crate) fn unavailable(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Unavailable, message)
    }

    /// A database that was open did not end well: its engine had stopped, or there is no last
    /// checkpoint. What was acknowledged is durable.
    pub(crate) fn at_close(error: &florin_core::Error) -> Failure {
        Failure::new(Exit::Stopped, error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        let exit = match &error {
            ClientError::NotSent { .. } => Exit::Unavailable,
            ClientError::Refused { kind: RefusalKind::Stopped, .. }
            | ClientError::Unknown { .. } => Exit::Stopped,
            ClientError::Refused { .. } => Exit::Findings,
        };
        Failure::new(exit, error.to_string())
    }
}

/// Errors of the terminal and of pipes: whoever reads our output has gone, or the disk that it
/// goes to is full.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::new(Exit::Stopped, format!("can't write the answer: {error}"))
    }
}
