//! The first frame of each side. The client names itself and the versions that it speaks; the
//! server answers with one of them and its limits, or refuses. Both layouts stay as they are in
//! every version, so that any two sides can at least tell each other what they are; what later
//! versions need to say before the first request (keys, challenges) is a feature bit and frames
//! between the hellos and the first request.
//!
//! ```text
//! client: offset  bytes  field
//!              0      8  magic "FLORINDB"
//!              8      2  lowest version that the client speaks
//!             10      2  highest version that the client speaks
//!             12      4  features wanted, one bit each; a server ignores those it does not know
//!             16      2  length of the name, at most 64
//!             18      6  reserved, zero
//!             24         name, UTF-8; what follows it is for later versions and ignored
//!
//! server: offset  bytes  field
//!              0      8  magic "FLORINDB"
//!              8      2  lowest version that the server speaks
//!             10      2  highest version that the server speaks
//!             12      2  version chosen: the highest that both speak; zero: refused
//!             14      1  kind of refusal; zero unless refused
//!             15      1  reserved, zero
//!             16      4  features granted, of those wanted
//!             20      4  bytes of a frame at most, after its length
//!             24      4  events, ids or items of one request at most
//!             28      4  requests without a reply at most; more are not read until some are answered
//!             32     16  incarnation of the database
//!             48      8  epoch of the database
//!             56      2  length of the message; zero unless refused
//!             58      6  reserved, zero
//!             64         message, UTF-8; what follows it is for later versions and ignored
//! ```
//! All little-endian.

use crate::error::{DecodeError, Reason};
use crate::limits::{MESSAGE_BYTES_MAX, NAME_BYTES_MAX};
use crate::refusal::RefusalKind;
use bytes::{BufMut, BytesMut};
use core::fmt;
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// What both hellos begin with.
pub const MAGIC: [u8; 8] = *b"FLORINDB";

/// A range of versions, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Versions {
    /// The lowest.
    pub min: u16,
    /// The highest.
    pub max: u16,
}

impl Versions {
    /// The versions that this code speaks.
    pub const SPOKEN: Versions = Versions { min: 1, max: 1 };

    /// The highest version of both ranges; `None` if there is none.
    #[must_use]
    pub fn highest_common(self, other: Versions) -> Option<u16> {
        let highest = self.max.min(other.max);
        (self.min.max(other.min) <= highest && 1 <= highest).then_some(highest)
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            write!(f, "version {}", self.min)
        } else {
            write!(f, "versions {} to {}", self.min, self.max)
        }
    }
}

/// What a client says first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientHello {
    /// What it speaks.
    pub versions: Versions,
    /// What it wants; see [`crate::proof::FEATURE_KEY`].
    pub features: u32,
    /// What it calls itself, for people who read logs. Cut to [`NAME_BYTES_MAX`] bytes.
    pub name: String,
}

/// What a server answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerHello {
    /// Requests may come.
    Welcome(Welcome),
    /// The server closes the connection.
    Refused(Farewell),
}

/// A server that takes requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Welcome {
    /// What it speaks.
    pub versions: Versions,
    /// What both speak from here on.
    pub version: u16,
    /// What it grants of what the client wants; see [`crate::proof::FEATURE_KEY`].
    pub features: u32,
    /// Bytes of a frame at most, after its length.
    pub frame_bytes_max: u32,
    /// Events, ids or items of one request at most.
    pub events_max: u32,
    /// Requests without a reply at most; more are not read until some are answered.
    pub requests_in_flight_max: u32,
    /// Names the database; a restored copy has another.
    pub incarnation: u128,
    /// Openings of the database for writing so far.
    pub epoch: u64,
}

/// A server that takes no requests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Farewell {
    /// What it speaks.
    pub versions: Versions,
    /// Why.
    pub kind: RefusalKind,
    /// Why, for people.
    pub message: String,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ClientHelloLayout {
    magic: [u8; 8],
    version_min: U16,
    version_max: U16,
    features: U32,
    name_bytes: U16,
    reserved: [u8; 6],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ServerHelloLayout {
    magic: [u8; 8],
    version_min: U16,
    version_max: U16,
    version: U16,
    refusal_kind: u8,
    reserved_1: u8,
    features: U32,
    frame_bytes_max: U32,
    events_max: U32,
    requests_in_flight_max: U32,
    incarnation: U128,
    epoch: U64,
    message_bytes: U16,
    reserved_2: [u8; 6],
}

const _: () = assert!(size_of::<ClientHelloLayout>() == 24);
const _: () = assert!(size_of::<ServerHelloLayout>() == 64);

impl ClientHello {
    /// Appends the payload of the frame.
    pub fn write(&self, out: &mut BytesMut) {
        let (name, name_bytes) = cut(&self.name, NAME_BYTES_MAX);
        let layout = ClientHelloLayout {
            magic: MAGIC,
            version_min: self.versions.min.into(),
            version_max: self.versions.max.into(),
            features: self.features.into(),
            name_bytes,
            reserved: [0; 6],
        };
        out.put_slice(layout.as_bytes());
        out.put_slice(name.as_bytes());
    }

    /// The hello of a payload.
    ///
    /// # Errors
    /// If the payload is no hello.
    pub fn decode(payload: &[u8]) -> Result<ClientHello, DecodeError> {
        let Ok((layout, rest)) = ClientHelloLayout::ref_from_prefix(payload) else {
            return Err(short_or_foreign(payload));
        };
        if layout.magic != MAGIC {
            return Err(DecodeError::new(0, Reason::NotFlorin));
        }
        if NAME_BYTES_MAX < usize::from(layout.name_bytes.get()) {
            return Err(DecodeError::new(16, Reason::TooLong));
        }
        if layout.reserved != [0; 6] {
            return Err(DecodeError::new(18, Reason::NotZero));
        }
        let name = text(rest, layout.name_bytes)
            .map_err(|error| error.after(size_of::<ClientHelloLayout>()))?;
        Ok(ClientHello {
            versions: Versions { min: layout.version_min.get(), max: layout.version_max.get() },
            features: layout.features.get(),
            name,
        })
    }
}

impl ServerHello {
    /// Appends the payload of the frame.
    pub fn write(&self, out: &mut BytesMut) {
        match self {
            ServerHello::Welcome(welcome) => out.put_slice(welcome.layout().as_bytes()),
            ServerHello::Refused(farewell) => {
                let (message, message_bytes) = cut(&farewell.message, MESSAGE_BYTES_MAX);
                out.put_slice(farewell.layout(message_bytes).as_bytes());
                out.put_slice(message.as_bytes());
            }
        }
    }

    /// The hello of a payload.
    ///
    /// # Errors
    /// If the payload is no hello.
    pub fn decode(payload: &[u8]) -> Result<ServerHello, DecodeError> {
        let Ok((layout, rest)) = ServerHelloLayout::ref_from_prefix(payload) else {
            return Err(short_or_foreign(payload));
        };
        if layout.magic != MAGIC {
            return Err(DecodeError::new(0, Reason::NotFlorin));
        }
        let versions = Versions { min: layout.version_min.get(), max: layout.version_max.get() };
        if layout.version != U16::ZERO {
            return Ok(ServerHello::Welcome(Welcome {
                versions,
                version: layout.version.get(),
                features: layout.features.get(),
                frame_bytes_max: layout.frame_bytes_max.get(),
                events_max: layout.events_max.get(),
                requests_in_flight_max: layout.requests_in_flight_max.get(),
                incarnation: layout.incarnation.get(),
                epoch: layout.epoch.get(),
            }));
        }
        let Some(kind) = RefusalKind::from_number(layout.refusal_kind) else {
            return Err(DecodeError::new(14, Reason::Unknown));
        };
        let message = text(rest, layout.message_bytes)
            .map_err(|error| error.after(size_of::<ServerHelloLayout>()))?;
        Ok(ServerHello::Refused(Farewell { versions, kind, message }))
    }
}

impl Welcome {
    fn layout(&self) -> ServerHelloLayout {
        ServerHelloLayout {
            magic: MAGIC,
            version_min: self.versions.min.into(),
            version_max: self.versions.max.into(),
            version: self.version.into(),
            features: self.features.into(),
            frame_bytes_max: self.frame_bytes_max.into(),
            events_max: self.events_max.into(),
            requests_in_flight_max: self.requests_in_flight_max.into(),
            incarnation: self.incarnation.into(),
            epoch: self.epoch.into(),
            ..zerocopy::FromZeros::new_zeroed()
        }
    }
}

impl Farewell {
    fn layout(&self, message_bytes: U16) -> ServerHelloLayout {
        ServerHelloLayout {
            magic: MAGIC,
            version_min: self.versions.min.into(),
            version_max: self.versions.max.into(),
            refusal_kind: self.kind.number(),
            message_bytes,
            ..zerocopy::FromZeros::new_zeroed()
        }
    }
}

/// A hello too short to have all its fields: whether it is one at all decides the answer.
fn short_or_foreign(payload: &[u8]) -> DecodeError {
    if payload.starts_with(&MAGIC) {
        DecodeError::new(payload.len(), Reason::TooShort)
    } else {
        DecodeError::new(0, Reason::NotFlorin)
    }
}

pub(crate) fn cut(text: &str, bytes_max: usize) -> (&str, U16) {
    let text = &text[..text.floor_char_boundary(bytes_max)];
    let bytes = u16::try_from(text.len()).expect("texts of a hello are shorter than 64 KiB");
    (text, bytes.into())
}

pub(crate) fn text(rest: &[u8], bytes: U16) -> Result<String, DecodeError> {
    let Some(text) = rest.get(..usize::from(bytes.get())) else {
        return Err(DecodeError::new(rest.len(), Reason::TooShort));
    };
    match core::str::from_utf8(text) {
        Ok(text) => Ok(String::from(text)),
        Err(error) => Err(DecodeError::new(error.valid_up_to(), Reason::NotUtf8)),
    }
}
