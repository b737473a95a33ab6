//! Signed JSON (JWS, RFC 7515) in its compact form, and the keys that sign it: ES256, EdDSA (Ed25519) and PS256,
//! nothing else.
//!
//! - A header has the members that its kind of token has, each once, and no others: a key that is to be fetched
//!   (`jku`, `x5u`), looked up or swapped (`kid`, `x5c`), and extensions that change what is signed (`crit`,
//!   `b64`, `zip`) are refused before anything is done with them.
//! - The algorithm must be that of the key. Which key it is, the reader says, never the token alone.
//! - Nothing is larger than [`TEXT_BYTES_MAX`], and nothing is decoded that is not base 64 in its one form.

use super::json;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

/// Bytes of a token.
const TEXT_BYTES_MAX: usize = 4 << 10;
const P256_COORDINATE_BYTES: usize = 32;
const ED25519_KEY_BYTES: usize = 32;
/// Bytes of a modulus: 2,048 to 4,096 bits. Larger ones take long to verify.
const RSA_MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=512;

/// Not a token, not signed by its key, or not of the kind that it should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NotSigned;

/// How it is signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub(super) enum Algorithm {
    /// ECDSA with P-256 and SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// EdDSA with Ed25519.
    #[serde(rename = "EdDSA", alias = "Ed25519")]
    EdDsa,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
}

/// What `WWW-Authenticate` says that can be signed with.
pub(super) const ALGORITHMS: &str = "ES256 EdDSA PS256";

/// A token, taken apart; what it says is not known to be true.
pub(super) struct Compact<'a> {
    header: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
    signed: &'a [u8],
}

impl<'a> Compact<'a> {
    /// Takes a text apart.
    ///
    /// # Errors
    /// [`NotSigned`].
    pub(super) fn parse(text: &'a str) -> Result<Compact<'a>, NotSigned> {
        if TEXT_BYTES_MAX < text.len() {
            return Err(NotSigned);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(NotSigned)?;
        let (header, payload) = signed.split_once('.').ok_or(NotSigned)?;
        let decoded = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| NotSigned);
        Ok(Compact {
            header: decoded(header)?,
            payload: decoded(payload)?,
            signature: decoded(signature)?,
            signed: signed.as_bytes(),
        })
    }

    /// Its header.
    ///
    /// # Errors
    /// [`NotSigned`] if it has other members.
    pub(super) fn header<T: DeserializeOwned>(&self) -> Result<T, NotSigned> {
        json::read(&self.header).map_err(|_| NotSigned)
    }

    /// What it says, if a key has signed it.
    ///
    /// # Errors
    /// [`NotSigned`].
    pub(super) fn claims<T: DeserializeOwned>(
        &self,
        algorithm: Algorithm,
        key: &PublicKey,
    ) -> Result<T, NotSigned> {
        if key.algorithm() != algorithm {
            return Err(NotSigned);
        }
        key.verify(self.signed, &self.signature)?;
        json::read(&self.payload).map_err(|_| NotSigned)
    }
}

/// A key that signatures are verified with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum PublicKey {
    P256 { x: [u8; P256_COORDINATE_BYTES], y: [u8; P256_COORDINATE_BYTES] },
    Ed25519 { x: [u8; ED25519_KEY_BYTES] },
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl PublicKey {
    fn algorithm(&self) -> Algorithm {
        match self {
            PublicKey::P256 { .. } => Algorithm::Es256,
            PublicKey::Ed25519 { .. } => Algorithm::EdDsa,
            PublicKey::Rsa { .. } => Algorithm::Ps256,
        }
    }

    fn verify(&self, signed: &[u8], signature: &[u8]) -> Result<(), NotSigned> {
        let verified = match self {
            PublicKey::P256 { x, y } => {
                let point = [&[4][..], x, y].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
            }
            PublicKey::Ed25519 { x } => {
                UnparsedPublicKey::new(&ED25519, x).verify(signed, signature)
            }
            PublicKey::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PSS_2048_8192_SHA256, signed, signature)
            }
        };
        verified.map_err(|_| NotSigned)
    }

    /// Its thumbprint (RFC 7638), in base 64: what tokens are bound to.
    pub(super) fn thumbprint(&self) -> String {
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let canonical = match self {
            PublicKey::P256 { x, y } => {
                let (x, y) = (text(x), text(y));
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            PublicKey::Ed25519 { x } => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(x))
            }
            PublicKey::Rsa { n, e } => {
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(e), text(n))
            }
        };
        text(digest(&SHA256, canonical.as_bytes()).as_ref())
    }
}

/// A public key as a header carries it (RFC 7517). A private member is one that it does not have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Jwk {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    alg: Option<Algorithm>,
    // Said by some clients, and without meaning here: the key is where it is used.
    #[serde(rename = "use")]
    _used_for: Option<IgnoredAny>,
    #[serde(rename = "kid")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "key_ops")]
    _operations: Option<IgnoredAny>,
    #[serde(rename = "ext")]
    _is_extractable: Option<IgnoredAny>,
}

impl Jwk {
    /// The key.
    ///
    /// # Errors
    /// [`NotSigned`] if it is none that is taken.
    pub(super) fn key(&self) -> Result<PublicKey, NotSigned> {
        let decoded = |part: &Option<String>| {
            let part = part.as_deref().ok_or(NotSigned)?;
            BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| NotSigned)
        };
        let fixed = |part| decoded(part)?.try_into().map_err(|_| NotSigned);
        let (has_curve, has_modulus) = (self.x.is_some(), self.n.is_some() || self.e.is_some());
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("EC", Some("P-256")) if !has_modulus => {
                PublicKey::P256 { x: fixed(&self.x)?, y: fixed(&self.y)? }
            }
            ("OKP", Some("Ed25519")) if !has_modulus && self.y.is_none() => {
                PublicKey::Ed25519 { x: fixed(&self.x)? }
            }
            ("RSA", None) if !has_curve && self.y.is_none() => {
                let (n, e) = (decoded(&self.n)?, decoded(&self.e)?);
                // Written with zeros in front it would be the same key under another thumbprint.
                let is_sound = |number: &[u8]| number.first().is_some_and(|first| *first != 0);
                if !is_sound(&n) || !is_sound(&e) || !RSA_MODULUS_BYTES.contains(&n.len()) {
                    return Err(NotSigned);
                }
                PublicKey::Rsa { n, e }
            }
            _ => return Err(NotSigned),
        };
        if self.alg.is_some_and(|alg| alg != key.algorithm()) {
            return Err(NotSigned);
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key and the thumbprint of RFC 7638, section 3.1, and the key of RFC 8037's appendix A.3.
    #[test]
    fn thumbprints_are_those_of_the_standards() {
        let rsa: Jwk = json::read(
            br#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"PS256","kid":"2011-04-29"}"#,
        )
        .unwrap();
        assert_eq!(rsa.key().unwrap().thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        let edwards: Jwk = json::read(
            br#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        )
        .unwrap();
        assert_eq!(
            edwards.key().unwrap().thumbprint(),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }

    /// Rows 11 and 12 of the threat table, as far as keys are concerned.
    #[test]
    fn keys_that_could_be_taken_for_others_are_none() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        for text in [
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","d":"{x}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","alg":"ES256"}}"#),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}="}}"#),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","y":"{x}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","x":"{x}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"X25519","x":"{x}"}}"#),
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}"}}"#),
            format!(r#"{{"kty":"EC","crv":"secp256k1","x":"{x}","y":"{x}"}}"#),
            format!(r#"{{"kty":"oct","k":"{x}"}}"#),
            String::from(r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#),
            format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, "A".repeat(344)),
            format!(r#"{{"kty":"RSA","n":"_{}","e":"AQAB"}}"#, "A".repeat(1_400)),
        ] {
            let key = json::read::<Jwk>(text.as_bytes()).map_err(|_| NotSigned);
            assert_eq!(key.and_then(|key| key.key()), Err(NotSigned), "{text}");
        }
    }
}
