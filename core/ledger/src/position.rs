//! A place in the history of a database, as it leaves the process.

use crate::id::Lsn;
use core::fmt;
use core::str::FromStr;

/// Where a record lies, and in which history: a byte position may be written again after a torn end
/// or a failover, and then it is another epoch's. Within one incarnation the pair names one record
/// for ever. A document's version is the position of the record that wrote it.
///
/// Written as `epoch:lsn`, both decimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Position {
    /// The opening for writing that wrote it.
    pub epoch: u64,
    /// Its place in the log.
    pub lsn: Lsn,
}

impl Position {
    /// No position: of a document, that there is none.
    pub const NONE: Position = Position { epoch: 0, lsn: Lsn::NONE };

    /// Whether this names a position at all.
    #[must_use]
    pub fn is_some(self) -> bool {
        self != Position::NONE
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.lsn)
    }
}

/// A text that names no position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotAPosition;

impl fmt::Display for NotAPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a position is two numbers, epoch:lsn")
    }
}

impl core::error::Error for NotAPosition {}

impl FromStr for Position {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Position, NotAPosition> {
        let number = |text: &str| {
            let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if is_decimal { text.parse().map_err(|_| NotAPosition) } else { Err(NotAPosition) }
        };
        let (epoch, lsn) = text.split_once(':').ok_or(NotAPosition)?;
        Ok(Position { epoch: number(epoch)?, lsn: Lsn(number(lsn)?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    /// Prevents: a position that a caller kept as text names another record when it comes back.
    #[test]
    fn a_position_reads_as_it_was_written() {
        for (epoch, lsn) in [(0, 0), (1, 4096), (u64::MAX, u64::MAX)] {
            let position = Position { epoch, lsn: Lsn(lsn) };
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        for wrong in
            ["", "1", "1:", ":1", "+1:1", "1:1:1", "1:-1", "1: 1", "18446744073709551616:1"]
        {
            assert_eq!(wrong.parse::<Position>(), Err(NotAPosition), "{wrong}");
        }
    }
}
