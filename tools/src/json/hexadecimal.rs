//! Bytes as hexadecimal digits: digests, keys, and what is not text.

/// Bytes that are text: UTF-8 without control characters, which would do more to a terminal or a log
/// than be read.
pub(crate) fn as_text(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control))
}

/// Two lower-case digits a byte.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of a text of hexadecimal digits; `None` if it is none.
pub(crate) fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let digits: Vec<u8> = text.as_bytes().iter().map(digit).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: a stored key that moves the cursor of whoever lists it.
    #[test]
    fn control_characters_are_no_text() {
        assert_eq!(as_text("zürich 7".as_bytes()), Some("zürich 7"));
        assert_eq!(as_text(b""), Some(""));
        for bytes in [&b"a\nb"[..], b"\x1b[2J", b"\x7f", "\u{85}".as_bytes(), b"\xff"] {
            assert_eq!(as_text(bytes), None, "{bytes:?}");
        }
    }

    /// Prevents: a key that is written as text and read back as another.
    #[test]
    fn bytes_read_as_they_were_written() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(from_hexadecimal(&hexadecimal(&bytes)), Some(bytes));
        assert_eq!(from_hexadecimal(""), Some(Vec::new()));
        assert_eq!(from_hexadecimal("0aF9"), Some(vec![0x0a, 0xf9]));
        for wrong in ["0", "0g", "+1", "é9"] {
            assert_eq!(from_hexadecimal(wrong), None, "{wrong}");
        }
    }
}
