//! How what is stored is written: [MessagePack](https://msgpack.org), each struct as a map by the names of its
//! fields, so that a field can be added and left out; ids as their sixteen bytes. Where documents are written at
//! every login or act, names are a letter each: they would be a tenth of the log.

use serde::de::{DeserializeOwned, Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::io::Cursor;

/// Bytes that are no packed value, or more than one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("what is stored can't be read")]
pub struct NotPacked;

/// Packs a value.
///
/// # Panics
/// If a value of it can't be told: a bug, since what is stored is plain.
#[must_use]
pub fn pack<T: Serialize>(value: &T) -> Vec<u8> {
    rmp_serde::to_vec_named(value).expect("what is stored is plain")
}

/// The value that bytes are, all of them.
///
/// # Errors
/// [`NotPacked`].
pub fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, NotPacked> {
    let mut unpacking = rmp_serde::Deserializer::new(Cursor::new(bytes));
    let value = T::deserialize(&mut unpacking).map_err(|_| NotPacked)?;
    let is_all = usize::try_from(unpacking.position()) == Ok(bytes.len());
    if is_all { Ok(value) } else { Err(NotPacked) }
}

/// Bytes that are packed as such, and not as a list of numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bytes(
    /// The bytes.
    pub Vec<u8>,
);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        struct Wanted;

        impl Visitor<'_> for Wanted {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }

        deserializer.deserialize_bytes(Wanted)
    }
}

/// Text, packed as what it says in half the bytes where it is pairs of hexadecimal digits.
pub(crate) mod hexadecimal {
    use data_encoding::HEXLOWER;
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serialize, Serializer};
    use std::fmt;

    pub(crate) fn serialize<S: Serializer>(
        text: impl AsRef<str>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match HEXLOWER.decode(text.as_ref().as_bytes()) {
            Ok(bytes) if !serializer.is_human_readable() => serializer.serialize_bytes(&bytes),
            _ => text.as_ref().serialize(serializer),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<String, D::Error> {
        struct Wanted;

        impl Visitor<'_> for Wanted {
            type Value = String;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, or the bytes that its digits say")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
                Ok(String::from(text))
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<String, E> {
                Ok(HEXLOWER.encode(bytes))
            }
        }

        deserializer.deserialize_any(Wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Account, Id};
    use proptest::prelude::*;

    #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
    #[serde(tag = "shape", rename_all = "snake_case")]
    enum Shape {
        Empty,
        Full { id: Id<Account>, other: Option<Id<Account>>, cents: u64, name: String },
    }

    fn shape() -> impl Strategy<Value = Shape> {
        let id = any::<u128>().prop_map(Id::from_number);
        let full = (id.clone(), proptest::option::of(id), any::<u64>(), ".*")
            .prop_map(|(id, other, cents, name)| Shape::Full { id, other, cents, name });
        prop_oneof![Just(Shape::Empty), full]
    }

    proptest! {
        /// Prevents: a document that is written and can't be read, or reads as another.
        #[test]
        fn what_is_packed_unpacks_to_the_same(
            shapes in proptest::collection::vec(shape(), 0..4),
            bytes in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
        ) {
            let value = (shapes, bytes.map(Bytes));
            prop_assert_eq!(unpack(&pack(&value)), Ok(value));
        }

        /// Prevents: a document of which a part is missing, or that something was added to, and nobody sees it.
        #[test]
        fn no_part_of_it_and_nothing_longer_unpacks(shape in shape(), more: u8) {
            let packed = pack(&shape);
            for length in 0..packed.len() {
                prop_assert_eq!(unpack::<Shape>(&packed[..length]), Err(NotPacked));
            }
            prop_assert_eq!(unpack::<Shape>(&[&packed[..], &[more]].concat()), Err(NotPacked));
        }

        /// Prevents: a panic, or memory by the gigabyte, over bytes that are none of ours; or what is read and can't be
        /// kept.
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(read) = unpack::<(Option<Bytes>, Option<u64>)>(&bytes) {
                prop_assert_eq!(unpack(&pack(&read)), Ok(read));
            }
            let _ = unpack::<(Shape, Option<Bytes>)>(&bytes);
        }
    }

    #[derive(PartialEq, Debug, Serialize, Deserialize)]
    struct Named {
        #[serde(with = "hexadecimal")]
        name: String,
    }

    proptest! {
        /// Prevents: a name that comes back as another, since it happens to be digits.
        #[test]
        fn text_comes_back_as_it_was_whether_it_is_digits_or_not(name in "([0-9a-fA-F]{0,32}|.*)") {
            let named = Named { name };
            prop_assert_eq!(unpack(&pack(&named)), Ok(named));
        }
    }

    #[test]
    fn an_id_takes_its_bytes_and_two_more() {
        assert_eq!(pack(&Id::<Account>::from_number(1)).len(), 18);
    }
}
