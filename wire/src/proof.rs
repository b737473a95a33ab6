//! What stands between the hellos and the first request if both sides want the feature
//! [`FEATURE_KEY`]: the server's challenge, the client's proof that it holds a key, the server's
//! verdict. Bytes only: client and server bring the signatures and the randomness.
//!
//! ```text
//! challenge: offset  bytes  field
//!                 0     32  challenge, random, used once
//!                32      1  role of the address that the client connected to
//!                33      1  binding: 0 no TLS, 1 the exporter of TLS
//!                34     14  reserved, zero; ignored, as all that follows
//!
//! proof:     offset  bytes  field
//!                 0     32  public key
//!                32     64  signature over the transcript
//!
//! verdict:   offset  bytes  field
//!                 0      1  why not, a kind of refusal; zero: admitted
//!                 1      1  reserved, zero; ignored
//!                 2      2  roles of the key, one bit each
//!                 4      2  length of the text
//!                 6     10  reserved, zero; ignored
//!                16         text, UTF-8: name of the key, or the refusal's message
//!
//! transcript: offset bytes  field
//!                 0     32  "FLORINDB client proof, version 1"
//!                32      2  version chosen
//!                34      1  role of the address
//!                35      1  binding
//!                36      4  length of the client's hello
//!                40      4  length of the server's hello
//!                44     16  incarnation
//!                60     32  challenge
//!                92     32  exporter; zero without TLS
//!               124         client's hello, server's hello, as they travelled
//! ```
//! All little-endian. Every field of the transcript has a fixed place or a length before it, so no
//! two connections that differ give the same bytes.

use crate::error::{DecodeError, Reason};
use crate::hello::{cut, text};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::refusal::RefusalKind;
use crate::role::Roles;
use bytes::{BufMut, BytesMut};
use core::fmt;
use core::str::FromStr;
use zerocopy::little_endian::{U16, U32, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The feature of hellos that announces challenge, proof and verdict.
pub const FEATURE_KEY: u32 = 1;
/// The label of the TLS exporter; its context is empty.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-florin-client-proof";
/// Bytes of keying material that the exporter gives.
pub const EXPORTER_BYTES: usize = 32;

/// What every transcript begins with, so that a signature made for it means nothing elsewhere.
const LABEL: [u8; 32] = *b"FLORINDB client proof, version 1";

/// An ed25519 public key: how clients are known. Not checked to be one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// What listens at the address that a client connected to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddressRole {
    /// Requests to the ledger.
    Ledger,
}

/// What ties a proof to its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Binding {
    /// Nothing but the challenge: there is no TLS.
    None,
    /// The keying material of the TLS connection, which no two connections share.
    Exporter([u8; EXPORTER_BYTES]),
}

/// What the server wants to see signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Challenge {
    /// Random, and never used again.
    pub nonce: [u8; 32],
    /// What the client connected to.
    pub address_role: AddressRole,
    /// Whether TLS binds the proof.
    pub binding_number: u8,
}

/// What the client shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Proof {
    /// Who it says it is.
    pub key: PublicKey,
    /// Over the transcript.
    pub signature: [u8; 64],
}

/// What the server makes of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Requests may follow.
    Admitted {
        /// The key's name.
        name: String,
        /// What it may ask for.
        roles: Roles,
    },
    /// The server closes the connection.
    Refused {
        /// Why.
        kind: RefusalKind,
        /// Why, for people.
        message: String,
    },
}

/// What both sides have seen of a connection; [`Transcript::to_bytes`] is what is signed.
#[derive(Clone, Copy, Debug)]
pub struct Transcript<'a> {
    /// The version that the server chose.
    pub version: u16,
    /// The database that the server named.
    pub incarnation: u128,
    /// The payload of the client's hello.
    pub client_hello: &'a [u8],
    /// The payload of the server's hello.
    pub server_hello: &'a [u8],
    /// The server's challenge.
    pub challenge: &'a Challenge,
    /// Of this side's own connection, whatever the challenge says.
    pub binding: &'a Binding,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ChallengeLayout {
    nonce: [u8; 32],
    address_role: u8,
    binding: u8,
    reserved: [u8; 14],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ProofLayout {
    key: [u8; 32],
    signature: [u8; 64],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct VerdictLayout {
    refusal_kind: u8,
    reserved_1: u8,
    roles: U16,
    text_bytes: U16,
    reserved_2: [u8; 10],
}

#[derive(Clone, Copy, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct TranscriptLayout {
    label: [u8; 32],
    version: U16,
    address_role: u8,
    binding: u8,
    client_hello_bytes: U32,
    server_hello_bytes: U32,
    incarnation: U128,
    nonce: [u8; 32],
    exporter: [u8; EXPORTER_BYTES],
}

const _: () = assert!(size_of::<ChallengeLayout>() == 48);
const _: () = assert!(size_of::<ProofLayout>() == 96);
const _: () = assert!(size_of::<VerdictLayout>() == 16);
const _: () = assert!(size_of::<TranscriptLayout>() == 124);

impl AddressRole {
    /// The number that the wire uses; it never changes.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            AddressRole::Ledger => 1,
        }
    }

    /// The role of a number, `None` for a number that none has.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<AddressRole> {
        match number {
            1 => Some(AddressRole::Ledger),
            _ => None,
        }
    }
}

impl Binding {
    /// The number that the wire uses; it never changes.
    #[must_use]
    pub const fn number(&self) -> u8 {
        match self {
            Binding::None => 0,
            Binding::Exporter(_) => 1,
        }
    }

    fn exporter(&self) -> [u8; EXPORTER_BYTES] {
        match self {
            Binding::None => [0; EXPORTER_BYTES],
            Binding::Exporter(bytes) => *bytes,
        }
    }
}

impl Challenge {
    /// Appends the payload of the frame.
    pub fn write(&self, out: &mut BytesMut) {
        let layout = ChallengeLayout {
            nonce: self.nonce,
            address_role: self.address_role.number(),
            binding: self.binding_number,
            reserved: [0; 14],
        };
        out.put_slice(layout.as_bytes());
    }

    /// The challenge of a payload.
    ///
    /// # Errors
    /// If the payload is none.
    pub fn decode(payload: &[u8]) -> Result<Challenge, DecodeError> {
        let Ok((layout, _)) = ChallengeLayout::ref_from_prefix(payload) else {
            return Err(DecodeError::new(payload.len(), Reason::TooShort));
        };
        let Some(address_role) = AddressRole::from_number(layout.address_role) else {
            return Err(DecodeError::new(32, Reason::Unknown));
        };
        if 1 < layout.binding {
            return Err(DecodeError::new(33, Reason::Unknown));
        }
        Ok(Challenge { nonce: layout.nonce, address_role, binding_number: layout.binding })
    }
}

impl Proof {
    /// Appends the payload of the frame.
    pub fn write(&self, out: &mut BytesMut) {
        let layout = ProofLayout { key: self.key.0, signature: self.signature };
        out.put_slice(layout.as_bytes());
    }

    /// The proof of a payload.
    ///
    /// # Errors
    /// If the payload is longer or shorter than one.
    pub fn decode(payload: &[u8]) -> Result<Proof, DecodeError> {
        let Ok((layout, rest)) = ProofLayout::ref_from_prefix(payload) else {
            return Err(DecodeError::new(payload.len(), Reason::TooShort));
        };
        if !rest.is_empty() {
            return Err(DecodeError::new(size_of::<ProofLayout>(), Reason::TooLong));
        }
        Ok(Proof { key: PublicKey(layout.key), signature: layout.signature })
    }
}

impl Verdict {
    /// Appends the payload of the frame.
    pub fn write(&self, out: &mut BytesMut) {
        let (kind, roles, text) = match self {
            Verdict::Admitted { name, roles } => (0, roles.bits(), name),
            Verdict::Refused { kind, message } => (kind.number(), 0, message),
        };
        let (text, text_bytes) = cut(text, MESSAGE_BYTES_MAX);
        let layout = VerdictLayout {
            refusal_kind: kind,
            reserved_1: 0,
            roles: roles.into(),
            text_bytes,
            reserved_2: [0; 10],
        };
        out.put_slice(layout.as_bytes());
        out.put_slice(text.as_bytes());
    }

    /// The verdict of a payload.
    ///
    /// # Errors
    /// If the payload is none.
    pub fn decode(payload: &[u8]) -> Result<Verdict, DecodeError> {
        let Ok((layout, rest)) = VerdictLayout::ref_from_prefix(payload) else {
            return Err(DecodeError::new(payload.len(), Reason::TooShort));
        };
        let text = text(rest, layout.text_bytes)
            .map_err(|error| error.after(size_of::<VerdictLayout>()))?;
        if layout.refusal_kind == 0 {
            let roles = Roles::from_bits(layout.roles.get());
            return Ok(Verdict::Admitted { name: text, roles });
        }
        let Some(kind) = RefusalKind::from_number(layout.refusal_kind) else {
            return Err(DecodeError::new(0, Reason::Unknown));
        };
        Ok(Verdict::Refused { kind, message: text })
    }
}

impl Transcript<'_> {
    /// What is signed.
    #[must_use]
    pub fn to_bytes(&self) -> BytesMut {
        let length = |hello: &[u8]| u32::try_from(hello.len()).expect("a hello is a short frame");
        let layout = TranscriptLayout {
            label: LABEL,
            version: self.version.into(),
            address_role: self.challenge.address_role.number(),
            binding: self.binding.number(),
            client_hello_bytes: length(self.client_hello).into(),
            server_hello_bytes: length(self.server_hello).into(),
            incarnation: self.incarnation.into(),
            nonce: self.challenge.nonce,
            exporter: self.binding.exporter(),
        };
        let mut out = BytesMut::with_capacity(
            size_of::<TranscriptLayout>() + self.client_hello.len() + self.server_hello.len(),
        );
        out.put_slice(layout.as_bytes());
        out.put_slice(self.client_hello);
        out.put_slice(self.server_hello);
        out
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// A text that is not 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotAPublicKey;

impl fmt::Display for NotAPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a public key is 64 hexadecimal digits, as `florin keys generate` prints them")
    }
}

impl core::error::Error for NotAPublicKey {}

impl FromStr for PublicKey {
    type Err = NotAPublicKey;

    fn from_str(text: &str) -> Result<PublicKey, NotAPublicKey> {
        let mut key = [0; 32];
        if text.len() != 2 * key.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotAPublicKey);
        }
        for (byte, at) in key.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| NotAPublicKey)?;
        }
        Ok(PublicKey(key))
    }
}
