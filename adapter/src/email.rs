//! E-mail addresses as identifiers: one person must not get in as two, nor two as one.

use std::fmt;

/// Bytes of an address at most (RFC 5321).
pub const EMAIL_BYTES_MAX: usize = 254;

/// An address as its owner wrote it, and the form by which it is found.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    written: String,
    normal: String,
}

/// Not an address that mail can be sent to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this is no e-mail address")]
pub struct NotAnEmail;

impl Email {
    /// Reads an address. Deliberately narrow: one `@`, no quotes, no spaces, a domain with a dot. Upper and
    /// lower case name the same address.
    ///
    /// # Errors
    /// [`NotAnEmail`].
    pub fn parse(text: &str) -> Result<Email, NotAnEmail> {
        let written = text.trim();
        let (local, domain) = written.split_once('@').ok_or(NotAnEmail)?;
        let is_local =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
        let is_domain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        let is_sound = written.len() <= EMAIL_BYTES_MAX
            && (1..=64).contains(&local.len())
            && local.bytes().all(is_local)
            && local.split('.').all(|part| !part.is_empty())
            && domain.bytes().all(is_domain)
            && domain.contains('.')
            && domain.split('.').all(is_label);
        if !is_sound {
            return Err(NotAnEmail);
        }
        Ok(Email { written: String::from(written), normal: written.to_ascii_lowercase() })
    }

    /// As its owner wrote it: what mail is sent to.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.written
    }

    /// What it is found by.
    #[must_use]
    pub fn normal(&self) -> &str {
        &self.normal
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
}

/// Nothing: addresses are nobody's to print.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: a second registration under the same address in other letters.
    #[test]
    fn letters_of_either_case_name_the_same_address() {
        let one = Email::parse(" Ada@Example.ORG ").unwrap();
        assert_eq!((one.written(), one.normal()), ("Ada@Example.ORG", "ada@example.org"));
    }

    #[test]
    fn what_mail_can_not_be_sent_to_is_refused() {
        for text in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@example",
            "a da@example.org",
            "ada@@example.org",
            "ada@example..org",
            "ada@-example.org",
            "\"ada\"@example.org",
            "ada@example.org\r\nBcc: x",
            "аda@example.org",
            ".ada@example.org",
            "a..b@example.org",
        ] {
            assert_eq!(Email::parse(text), Err(NotAnEmail), "{text:?}");
        }
        assert!(Email::parse(&format!("{}@example.org", "a".repeat(65))).is_err());
    }
}
