//! The header `Idempotency-Key`: the name that a program gives to an order, so that the same, sent again, is the
//! same.
//!
//! It is taken as a structured text (`"key"`, as the draft standard has it) or bare; 1 to 255 visible characters. It
//! counts for one customer and one operation.

use super::problem::{Code, Problem};
use crate::payments::RequestKey;
use axum::http::{HeaderMap, HeaderName};

/// Says that an answer is that of the same order before.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const NAME: &str = "idempotency-key";
const CHARACTERS_MAX: usize = 255;

/// The key of an order.
///
/// # Errors
/// If there is none, or more than one, or what is none.
pub(super) fn key(headers: &HeaderMap, operation: &str) -> Result<RequestKey, Problem> {
    let mut values = headers.get_all(NAME).iter();
    let (first, second) = (values.next(), values.next());
    let first = first.ok_or(Code::IdempotencyKeyMissing)?;
    let text = first.to_str().ok().filter(|_| second.is_none()).and_then(unquoted);
    let text = text.ok_or_else(|| {
        Problem::from(Code::InvalidRequest)
            .because("`Idempotency-Key` comes once, with 1 to 255 visible characters.")
    })?;
    Ok(RequestKey::named(&format!("{operation} {text}")))
}

/// What a value stands for; `None` if it is no key.
fn unquoted(value: &str) -> Option<String> {
    let value = value.trim();
    let text = match value.strip_prefix('"') {
        None => String::from(value),
        Some(rest) => unescaped(rest.strip_suffix('"')?)?,
    };
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    (is_visible && (1..=CHARACTERS_MAX).contains(&text.len())).then_some(text)
}

/// A structured text without its backslashes.
fn unescaped(quoted: &str) -> Option<String> {
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => characters.next().filter(|escaped| ['\\', '"'].contains(escaped))?,
            '"' => return None,
            character => character,
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_quoted_or_bare() {
        for (value, key) in [
            ("abc", Some("abc")),
            (" abc ", Some("abc")),
            ("\"abc\"", Some("abc")),
            (r#""a\"b\\c""#, Some(r#"a"b\c"#)),
            ("", None),
            ("\"\"", None),
            ("\"abc", None),
            (r#""a"b""#, None),
            (r#""a\b""#, None),
            (r#""ab\""#, None),
            ("a b", None),
            ("a\u{7f}", None),
        ] {
            assert_eq!(unquoted(value).as_deref(), key, "{value}");
        }
        assert!(unquoted(&"x".repeat(255)).is_some() && unquoted(&"x".repeat(256)).is_none());
    }
}
