//! Where a reader of the log is.

use crate::id::{Lsn, Timestamp};
use core::fmt;
use core::str::FromStr;

/// The last record that a reader has consumed, and all before it. The hash is that of the header of
/// the block that the record lies in; the header holds the hash of the block before, and so on to
/// the first. So two logs that agree on a cursor agree on everything up to that block's end.
///
/// It may also name the start of a block, where no record is: a reader that has looked at nothing
/// but a block without records stands there.
///
/// Written as `epoch:lsn:hash`, two decimal numbers and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StreamCursor {
    /// The opening for writing that wrote the record.
    pub epoch: u64,
    /// Where the record is.
    pub lsn: Lsn,
    /// BLAKE3 of the header of its block.
    pub hash: [u8; 32],
}

/// Bytes of the longest cursor as text.
pub const CURSOR_TEXT_BYTES_MAX: usize = 20 + 1 + 20 + 1 + 64;

impl StreamCursor {
    /// Before the first record of all.
    pub const BEGIN: StreamCursor = StreamCursor { epoch: 0, lsn: Lsn::NONE, hash: [0; 32] };
}

/// Where a stream begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamStart {
    /// With the first record of all.
    Begin,
    /// With what becomes durable from now on.
    End,
    /// With what follows the record that a reader consumed last.
    After(StreamCursor),
    /// With the first record of this time or later.
    Time(Timestamp),
}

impl fmt::Display for StreamCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.epoch, self.lsn)?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text that names no cursor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotACursor;

impl fmt::Display for NotACursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a cursor is epoch:lsn:hash, two decimal numbers and 64 lower-case hexadecimal digits",
        )
    }
}

impl core::error::Error for NotACursor {}

impl FromStr for StreamCursor {
    type Err = NotACursor;

    /// Takes exactly what is written: no sign, no space, no leading zero, no capital letter.
    fn from_str(text: &str) -> Result<StreamCursor, NotACursor> {
        let (epoch, rest) = text.split_once(':').ok_or(NotACursor)?;
        let (lsn, hash) = rest.split_once(':').ok_or(NotACursor)?;
        Ok(StreamCursor { epoch: number(epoch)?, lsn: Lsn(number(lsn)?), hash: digits(hash)? })
    }
}

fn number(text: &str) -> Result<u64, NotACursor> {
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_shortest = text.len() == 1 || !text.starts_with('0');
    if is_decimal && is_shortest { text.parse().map_err(|_| NotACursor) } else { Err(NotACursor) }
}

fn digits(text: &str) -> Result<[u8; 32], NotACursor> {
    let mut hash = [0; 32];
    if text.len() != 2 * hash.len() {
        return Err(NotACursor);
    }
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |at: usize| match pair.get(at) {
            Some(digit @ b'0'..=b'9') => Ok(digit - b'0'),
            Some(digit @ b'a'..=b'f') => Ok(digit - b'a' + 10),
            _ => Err(NotACursor),
        };
        *byte = digit(0)? << 4 | digit(1)?;
    }
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    /// Prevents: a cursor that a consumer kept as text leads to another record when it comes back.
    #[test]
    fn a_cursor_reads_as_it_was_written_and_only_so() {
        let cursor = StreamCursor { epoch: 3, lsn: Lsn(4_272), hash: [0xa5; 32] };
        let text = cursor.to_string();
        assert_eq!(text, ["3:4272:", &"a5".repeat(32)].concat());
        assert_eq!(text.parse(), Ok(cursor));
        let last = StreamCursor { epoch: u64::MAX, lsn: Lsn(u64::MAX), hash: [255; 32] };
        assert_eq!(last.to_string().len(), CURSOR_TEXT_BYTES_MAX);
        for cursor in [last, StreamCursor::BEGIN] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        let hash = "a5".repeat(32);
        for wrong in [
            "",
            "3:4272",
            "3:4272:",
            &["+3:4272:", &hash].concat(),
            &["03:4272:", &hash].concat(),
            &["3: 4272:", &hash].concat(),
            &["3::", &hash].concat(),
            &["18446744073709551616:1:", &hash].concat(),
            &["3:4272:", &hash, "0"].concat(),
            &["3:4272:", &hash.to_uppercase()].concat(),
            &["3:4272:", &hash.replace("a5", "g5")].concat(),
            &["3:4272:", &"é".repeat(32)].concat(),
        ] {
            assert_eq!(wrong.parse::<StreamCursor>(), Err(NotACursor), "{wrong}");
        }
    }
}
