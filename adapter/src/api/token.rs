//! Access tokens of the bank's own apps: JWTs (RFC 9068), good for ten minutes, signed with ES256 by a key of
//! the bank's [key tree](crate::vault::KeyTree), bound to the key of the app (RFC 9449).
//!
//! A token says whose login it belongs to; whether that login is over is read from the ledger with every
//! request. That a token's signature is good is remembered until it expires.

use super::jws::{Algorithm, Compact, NotSigned, PublicKey};
use crate::clock::{MINUTE, SECOND, after};
use crate::customers::{LoginKey, LoginSession};
use crate::id::{Customer, Id, Login};
use crate::random;
use crate::vault::{KeyTree, Purpose};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use florin_ledger::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Seconds that a token is good for.
const LIFE_S: u64 = 10 * MINUTE / SECOND;
/// The name of the bank's own apps, as a client.
const FIRST_PARTY: &str = "first-party";
const KIND: &str = "at+jwt";
const CONTEXT: &str = "florin bank 1 key that signs tokens";
/// Tokens that are remembered; when there are more, those that have expired are forgotten, and then all.
const REMEMBERED_MAX: usize = 100_000;
/// An elliptic curve key in DER (RFC 5915), up to its 32 bytes and after them: P-256.
const DER_BEFORE: [u8; 7] = [0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20];
const DER_AFTER: [u8; 12] =
    [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// What a token says.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Claims {
    iss: String,
    pub(super) sub: Id<Customer>,
    aud: String,
    exp: u64,
    iat: u64,
    jti: String,
    client_id: String,
    /// The login.
    pub(super) sid: Id<Login>,
    /// Under which key the ledger has it.
    pub(super) login: LoginKey,
    pub(super) cnf: Confirmation,
}

impl Claims {
    /// From when on it says nothing any more.
    pub(super) fn expires(&self) -> Timestamp {
        after(Timestamp(0), self.exp.saturating_mul(SECOND))
    }
}

/// Whose token it is.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Confirmation {
    /// The thumbprint of the app's key.
    pub(super) jkt: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    typ: String,
    alg: String,
    kid: String,
}

/// Issues and verifies access tokens.
pub struct AccessTokens {
    key: EcdsaKeyPair,
    public: PublicKey,
    kid: String,
    issuer: String,
    remembered: Mutex<HashMap<[u8; 32], Arc<Claims>>>,
}

impl fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessTokens(..)")
    }
}

impl AccessTokens {
    /// The tokens of a bank that is found at an origin.
    #[must_use]
    pub fn new(tree: &KeyTree, issuer: &str) -> AccessTokens {
        let (_, secret) = tree.newest(Purpose::TokenSigning);
        let (key, public) = signing_key(&secret);
        let kid = public.thumbprint();
        AccessTokens {
            key,
            public,
            kid,
            issuer: String::from(issuer),
            remembered: Mutex::default(),
        }
    }

    /// A token of a login that is bound to an app's key, and for how many seconds it is good.
    #[must_use]
    pub fn issue(&self, login: &LoginSession, key: &LoginKey, now: Timestamp) -> (String, u64) {
        let now_s = now.0 / SECOND;
        // No token outlives its login.
        let exp = (now_s + LIFE_S).min(login.expires_at.0 / SECOND);
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: login.user_id,
            aud: self.audience(),
            exp,
            iat: now_s,
            jti: HEXLOWER.encode(&random::bytes::<16>()),
            client_id: String::from(FIRST_PARTY),
            sid: login.session_id,
            login: key.clone(),
            cnf: Confirmation { jkt: login.dpop_jkt.clone().unwrap_or_default() },
        };
        let header =
            Header { typ: String::from(KIND), alg: String::from("ES256"), kid: self.kid.clone() };
        let part = |json: Vec<u8>| BASE64URL_NOPAD.encode(&json);
        let header = part(serde_json::to_vec(&header).expect("it is plain"));
        let claims = part(serde_json::to_vec(&claims).expect("it is plain"));
        let signed = format!("{header}.{claims}");
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes());
        let signature = signature.expect("the key signs, as it did when it was made");
        let token = format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()));
        (token, exp.saturating_sub(now_s))
    }

    /// What a token says, if this bank has issued it and it has not expired.
    ///
    /// # Errors
    /// [`NotSigned`].
    pub(super) fn verify(&self, text: &str, now: Timestamp) -> Result<Arc<Claims>, NotSigned> {
        let hash = *blake3::hash(text.as_bytes()).as_bytes();
        let remembered = self.remembered().get(&hash).cloned();
        let is_new = remembered.is_none();
        let claims = match remembered {
            Some(claims) => claims,
            None => Arc::new(self.signed(text)?),
        };
        if claims.exp <= now.0 / SECOND {
            return Err(NotSigned);
        }
        if is_new {
            self.remember(hash, &claims, now);
        }
        Ok(claims)
    }

    fn signed(&self, text: &str) -> Result<Claims, NotSigned> {
        let token = Compact::parse(text)?;
        let Header { typ, alg, kid } = token.header()?;
        if typ != KIND || alg != "ES256" || kid != self.kid {
            return Err(NotSigned);
        }
        let claims: Claims = token.claims(Algorithm::Es256, &self.public)?;
        let is_ours = claims.iss == self.issuer && claims.aud == self.audience();
        if is_ours { Ok(claims) } else { Err(NotSigned) }
    }

    fn audience(&self) -> String {
        format!("{}/v1", self.issuer)
    }

    fn remember(&self, hash: [u8; 32], claims: &Arc<Claims>, now: Timestamp) {
        let mut remembered = self.remembered();
        if REMEMBERED_MAX <= remembered.len() {
            remembered.retain(|_, claims| now.0 / SECOND < claims.exp);
            if REMEMBERED_MAX <= remembered.len() {
                remembered.clear();
            }
        }
        remembered.insert(hash, Arc::clone(claims));
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Arc<Claims>>> {
        // Every change under the lock is whole.
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key that follows from a secret. One secret in four billion is no key of this curve: the next that
/// follows is taken then.
fn signing_key(secret: &[u8; 32]) -> (EcdsaKeyPair, PublicKey) {
    let mut scalar = blake3::derive_key(CONTEXT, secret);
    loop {
        let der = zeroize::Zeroizing::new([&DER_BEFORE[..], &scalar, &DER_AFTER].concat());
        let key = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der);
        if let Ok(key) = key {
            let point = key.public_key().as_ref();
            let (x, y) = point[1..].split_at(32);
            let part = |half: &[u8]| half.try_into().expect("a point has two halves");
            let public = PublicKey::P256 { x: part(x), y: part(y) };
            return (key, public);
        }
        scalar = blake3::derive_key(CONTEXT, &scalar);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: two adapters of a bank, one of which refuses what the other has issued.
    #[test]
    fn a_secret_leads_to_one_key_and_another_to_another() {
        let thumbprint = |byte| signing_key(&[byte; 32]).1.thumbprint();
        assert_eq!(thumbprint(1), thumbprint(1));
        assert_ne!(thumbprint(1), thumbprint(2));
    }
}
