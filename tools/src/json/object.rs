//! A JSON object whose every member is asked for by name, so that a member nobody asked for is
//! found and refused.

use super::hexadecimal::from_hexadecimal;
use super::number::{preview, whole};
use florin_ledger::Position;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Why a line can't be read: where, and what is wrong there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ReadError {
    path: String,
    message: String,
}

impl ReadError {
    pub(super) fn new(message: impl Into<String>) -> ReadError {
        ReadError { path: String::new(), message: message.into() }
    }

    /// The same error, seen from the object whose member `name` holds the fault.
    pub(super) fn in_member(mut self, name: &str) -> ReadError {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{name}{separator}{}", self.path);
        self
    }

    /// The same error, seen from the array whose element `index` (from 0) holds the fault.
    pub(super) fn in_element(self, index: usize) -> ReadError {
        self.in_member(&format!("[{index}]"))
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// An object being read: take each member that the shape knows, then [`Object::finish`].
pub(super) struct Object<'a> {
    members: Vec<Option<(String, &'a RawValue)>>,
    /// Every name asked for, to tell a caller what would have been understood.
    known: Vec<&'static str>,
}

impl<'a> Object<'a> {
    pub(super) fn read(raw: &'a RawValue) -> Result<Object<'a>, ReadError> {
        if !raw.get().starts_with('{') {
            return Err(ReadError::new(format!(
                "expected an object, found {}",
                preview(raw.get())
            )));
        }
        let Members(members) = serde_json::from_str(raw.get())
            .map_err(|error| ReadError::new(format!("unreadable object: {error}")))?;
        Ok(Object { members, known: Vec::new() })
    }

    /// The member of that name; `None` if it was left out or is `null`.
    pub(super) fn take(&mut self, name: &'static str) -> Option<&'a RawValue> {
        self.known.push(name);
        let place = self
            .members
            .iter_mut()
            .find(|member| member.as_ref().is_some_and(|(key, _)| key == name))?;
        place.take().map(|(_, raw)| raw).filter(|raw| raw.get() != "null")
    }

    /// Refuses whatever was not asked for: names that mean nothing, and names given twice.
    pub(super) fn finish(self) -> Result<(), ReadError> {
        let Some((name, _)) = self.members.into_iter().flatten().next() else {
            return Ok(());
        };
        if self.known.contains(&name.as_str()) {
            return Err(ReadError::new(format!("field {name} is given twice")));
        }
        let known = self.known.join(", ");
        Err(ReadError::new(format!("unknown field {}; known are {known}", preview(&name))))
    }

    pub(super) fn u128(&mut self, name: &'static str) -> Result<u128, ReadError> {
        self.number(name, u128::MAX)
    }

    pub(super) fn u64(&mut self, name: &'static str) -> Result<u64, ReadError> {
        let number = self.number(name, u128::from(u64::MAX))?;
        Ok(u64::try_from(number).expect("bounded by its maximum"))
    }

    pub(super) fn u32(&mut self, name: &'static str) -> Result<u32, ReadError> {
        let number = self.number(name, u128::from(u32::MAX))?;
        Ok(u32::try_from(number).expect("bounded by its maximum"))
    }

    pub(super) fn u16(&mut self, name: &'static str) -> Result<u16, ReadError> {
        let number = self.number(name, u128::from(u16::MAX))?;
        Ok(u16::try_from(number).expect("bounded by its maximum"))
    }

    /// `None` if it was left out.
    pub(super) fn bool(&mut self, name: &'static str) -> Result<Option<bool>, ReadError> {
        match self.take(name).map(RawValue::get) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => {
                Err(ReadError::new(format!("expected true or false, found {}", preview(other)))
                    .in_member(name))
            }
        }
    }

    /// The bits of an array of flag names, each of which `bit_of` must know.
    pub(super) fn flags<const N: usize>(
        &mut self,
        name: &'static str,
        known: [(u16, &'static str); N],
    ) -> Result<u16, ReadError> {
        let Some(raw) = self.take(name) else { return Ok(0) };
        let names: Vec<String> = serde_json::from_str(raw.get()).map_err(|_| {
            let message = format!("expected an array of names, found {}", preview(raw.get()));
            ReadError::new(message).in_member(name)
        })?;
        let mut bits = 0;
        for flag in names {
            let Some((bit, _)) = known.iter().find(|(_, known)| *known == flag) else {
                let known = known.map(|(_, known)| known).join(", ");
                let message = format!("unknown flag {}; known are {known}", preview(&flag));
                return Err(ReadError::new(message).in_member(name));
            };
            bits |= bit;
        }
        Ok(bits)
    }

    /// Bytes, as the text of one member or the hexadecimal digits of the other; `None` if both were
    /// left out.
    pub(super) fn bytes(
        &mut self,
        text_name: &'static str,
        digits_name: &'static str,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let (text, digits) = (self.take(text_name), self.take(digits_name));
        match (text, digits) {
            (None, None) => Ok(None),
            (Some(raw), None) => {
                let text = string(raw).map_err(|error| error.in_member(text_name))?;
                Ok(Some(text.into_bytes()))
            }
            (None, Some(raw)) => {
                let bytes = hexadecimal(raw).map_err(|error| error.in_member(digits_name))?;
                Ok(Some(bytes))
            }
            (Some(_), Some(_)) => {
                Err(ReadError::new(format!("give {text_name} or {digits_name}, not both")))
            }
        }
    }

    /// Bytes of a member that has them as hexadecimal digits; `None` if it was left out.
    pub(super) fn digits(&mut self, name: &'static str) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(raw) = self.take(name) else { return Ok(None) };
        hexadecimal(raw).map(Some).map_err(|error| error.in_member(name))
    }

    /// A position, `None` if it was left out.
    pub(super) fn position(&mut self, name: &'static str) -> Result<Option<Position>, ReadError> {
        let Some(raw) = self.take(name) else { return Ok(None) };
        let position = string(raw).and_then(|text| {
            text.parse().map_err(|error| ReadError::new(format!("{error}, not {}", preview(&text))))
        });
        position.map(Some).map_err(|error| error.in_member(name))
    }

    fn number(&mut self, name: &'static str, max: u128) -> Result<u128, ReadError> {
        let Some(raw) = self.take(name) else { return Ok(0) };
        whole(raw, max).map_err(|message| ReadError::new(message).in_member(name))
    }
}

fn string(raw: &RawValue) -> Result<String, ReadError> {
    if !raw.get().starts_with('"') {
        return Err(ReadError::new(format!("expected a string, found {}", preview(raw.get()))));
    }
    serde_json::from_str(raw.get())
        .map_err(|error| ReadError::new(format!("unreadable string: {error}")))
}

fn hexadecimal(raw: &RawValue) -> Result<Vec<u8>, ReadError> {
    let text = string(raw)?;
    from_hexadecimal(&text).ok_or_else(|| {
        ReadError::new(format!("expected pairs of hexadecimal digits, found {}", preview(&text)))
    })
}

/// The elements of an array, unread.
pub(super) fn elements(raw: &RawValue) -> Result<Vec<&RawValue>, ReadError> {
    if !raw.get().starts_with('[') {
        return Err(ReadError::new(format!("expected an array, found {}", preview(raw.get()))));
    }
    serde_json::from_str(raw.get())
        .map_err(|error| ReadError::new(format!("unreadable array: {error}")))
}

/// The members of an object as they come, repeated names and all: a map would keep one of them in
/// silence.
struct Members<'a>(Vec<Option<(String, &'a RawValue)>>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members<'a>, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(Some(member));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
