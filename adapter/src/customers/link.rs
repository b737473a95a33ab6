//! Links that are good for one use: they come by mail, and whoever has one is taken for who owns the mailbox.
//!
//! A link names whom it is of, so that what it opens is found and lies with the rest of them; its secret is stored
//! as a hash. Loading the page of a link does nothing, since mailboxes load what they are sent; its form spends it.

use crate::id::{Customer, Id};
use crate::random;
use std::fmt;
use std::str::FromStr;

const SECRET_BYTES: usize = 32;
const ID_BYTES: usize = 16;

/// What a link carries, or the cookie that follows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    customer: Id<Customer>,
    secret: [u8; SECRET_BYTES],
}

impl Link {
    pub(super) fn generate(customer: Id<Customer>) -> Link {
        Link { customer, secret: random::bytes() }
    }

    /// Whom it is of.
    pub(super) fn customer(&self) -> Id<Customer> {
        self.customer
    }

    /// As it is stored: in hexadecimal, a hash of the secret.
    pub(super) fn hash(&self) -> String {
        blake3::hash(&self.secret).to_hex().to_string()
    }

    /// Whether a stored hash is of its secret. Takes as long wherever they differ.
    pub(super) fn is_of(&self, hash: &str) -> bool {
        blake3::Hash::from_hex(hash).is_ok_and(|hash| hash == blake3::hash(&self.secret))
    }

    /// What forms that belong to it are told apart by.
    #[must_use]
    pub fn form_secret(&self) -> [u8; SECRET_BYTES] {
        blake3::derive_key("florin bank 1 forms of a link", &self.secret)
    }
}

/// Nothing: it is a secret.
impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link(..)")
    }
}

/// As a link or a cookie carries it.
impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.customer.bytes()[..], &self.secret].concat();
        f.write_str(&data_encoding::BASE64URL_NOPAD.encode(&bytes))
    }
}

/// No link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotALink;

impl FromStr for Link {
    type Err = NotALink;

    fn from_str(text: &str) -> Result<Link, NotALink> {
        let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| NotALink)?;
        let (customer, secret) = bytes.split_first_chunk::<ID_BYTES>().ok_or(NotALink)?;
        let customer = Id::from_number(u128::from_be_bytes(*customer));
        Ok(Link { customer, secret: secret.try_into().map_err(|_| NotALink)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: a link that opens what is another's, or a panic over one that somebody made up.
    #[test]
    fn a_link_reads_as_it_was_written_and_opens_its_own_alone() {
        let link = Link::generate(Id::from_number(7));
        let text = link.to_string();
        assert!(text.parse::<Link>() == Ok(link.clone()));
        assert!(link.is_of(&link.hash()));
        assert!(!link.is_of(&Link::generate(Id::from_number(7)).hash()));
        assert!(!link.is_of("") && !link.is_of("x"));
        for length in 0..text.len() {
            assert!(text[..length].parse::<Link>().is_err(), "{length}");
        }
        assert!(format!("{text}AAAA").parse::<Link>().is_err());
    }
}
