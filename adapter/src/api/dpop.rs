//! Proofs that whoever sends a request has the key that a token is bound to (DPoP, RFC 9449).
//!
//! A request carries a proof if and only if 1. it has one header `DPoP`; 2. that is a token of the type
//! `dpop+jwt`, signed by the public key in its header; 3. it is for the request's method and URL; 4. it was made
//! at most [`PAST_MAX_S`] ago and is at most [`FUTURE_MAX_S`] early; 5. with an access token, it has that one's hash, and
//! its key is the one that the token is bound to; 6. nobody has used it before ([`super::replay`]).

use super::jws::{Algorithm, Compact, Jwk, NotSigned};
use aws_lc_rs::digest::{SHA256, digest};
use axum::http::HeaderMap;
use data_encoding::BASE64URL_NOPAD;
use florin_ledger::Timestamp;
use serde::Deserialize;

use crate::clock::SECOND;

/// Seconds for which a proof is good.
pub(super) const PAST_MAX_S: u64 = 60;
/// Seconds that a clock may be ahead.
const FUTURE_MAX_S: u64 = 30;
/// Bytes of a proof's id.
const ID_BYTES_MAX: usize = 256;
const KIND: &str = "dpop+jwt";
const NAME: &str = "dpop";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    typ: String,
    alg: Algorithm,
    jwk: Jwk,
}

/// What a proof says; it may say more, of which nobody here knows anything.
#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: u64,
    ath: Option<String>,
}

/// What a proof must be for.
pub(super) struct Wanted<'a> {
    /// The method.
    pub(super) method: &'a str,
    /// The URL, without its query.
    pub(super) url: &'a str,
    /// The access token that comes with it.
    pub(super) token: Option<&'a str>,
}

/// A proof that holds, unless it was used before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Proof {
    /// The thumbprint of the key.
    pub(super) thumbprint: String,
    /// What this proof is told from all others by.
    pub(super) id: [u8; 16],
    /// When it was made, in seconds.
    pub(super) made_s: u64,
}

impl Proof {
    /// The proof of a request.
    ///
    /// # Errors
    /// [`NotSigned`].
    pub(super) fn of(
        headers: &HeaderMap,
        wanted: &Wanted<'_>,
        now: Timestamp,
    ) -> Result<Proof, NotSigned> {
        let mut proofs = headers.get_all(NAME).iter();
        let (Some(only), None) = (proofs.next(), proofs.next()) else { return Err(NotSigned) };
        let token = Compact::parse(only.to_str().map_err(|_| NotSigned)?)?;
        let Header { typ, alg, jwk } = token.header()?;
        let key = jwk.key()?;
        let claims: Claims = token.claims(alg, &key)?;
        let now_s = now.0 / SECOND;
        let is_in_time = now_s <= claims.iat.saturating_add(PAST_MAX_S)
            && claims.iat <= now_s.saturating_add(FUTURE_MAX_S);
        let ath = wanted
            .token
            .map(|token| BASE64URL_NOPAD.encode(digest(&SHA256, token.as_bytes()).as_ref()));
        let holds = typ == KIND
            && (1..=ID_BYTES_MAX).contains(&claims.jti.len())
            && claims.htm == wanted.method
            && Address::of(&claims.htu).is_some_and(|url| Address::of(wanted.url) == Some(url))
            && (ath.is_none() || claims.ath == ath)
            && is_in_time;
        if !holds {
            return Err(NotSigned);
        }
        let thumbprint = key.thumbprint();
        let id = blake3::derive_key(
            "florin bank 1 id of a proof",
            format!("{thumbprint} {}", claims.jti).as_bytes(),
        );
        let (id, _) = id.split_first_chunk().expect("it has 32 bytes");
        Ok(Proof { thumbprint, id: *id, made_s: claims.iat })
    }
}

/// A URL as far as a proof must name it: without query and fragment, whoever writes it in which case.
#[derive(PartialEq, Eq)]
struct Address {
    scheme: String,
    host: String,
    path: String,
}

impl Address {
    fn of(url: &str) -> Option<Address> {
        let url = url.split(['?', '#']).next()?;
        let (scheme, rest) = url.split_once("://")?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let scheme = scheme.to_ascii_lowercase();
        let host = host.to_ascii_lowercase();
        let host = match scheme.as_str() {
            "https" => host.strip_suffix(":443").unwrap_or(&host),
            _ => return None,
        };
        let is_sound = !host.is_empty() && !host.contains('@');
        let path = if path.is_empty() { "/" } else { path };
        is_sound.then(|| Address { scheme, host: String::from(host), path: String::from(path) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row 22 of the threat table: a proof for one place is none for another, however it is written.
    #[test]
    fn an_address_is_the_same_however_it_is_written_and_no_other() {
        let is_same = |one: &str, other: &str| {
            let (one, other) = (Address::of(one), Address::of(other));
            one.is_some() && one == other
        };
        for (one, other, expected) in [
            ("https://a.example/v1/x", "HTTPS://A.Example/v1/x", true),
            ("https://a.example/v1/x", "https://a.example:443/v1/x", true),
            ("https://a.example/v1/x", "https://a.example/v1/x?y=z#w", true),
            ("https://a.example", "https://a.example/", true),
            ("https://a.example/v1/x", "https://a.example/v1/X", false),
            ("https://a.example/v1/x", "https://a.example/v1/x/", false),
            ("https://a.example/v1/x", "https://a.example:8443/v1/x", false),
            ("https://a.example/v1/x", "https://b.example/v1/x", false),
            ("https://a.example/v1/x", "http://a.example/v1/x", false),
            ("https://a.example/v1/x", "https://a.example/v1/%78", false),
            ("https://a.example/v1/x", "https://a.example@b.example/v1/x", false),
            ("https://a.example/v1/x", "/v1/x", false),
        ] {
            assert_eq!(is_same(one, other), expected, "{one} {other}");
        }
    }
}
