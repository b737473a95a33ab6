//! JSON from outside, read strictly: what two readers could take for two things is refused.
//!
//! A text is taken if and only if 1. it is one JSON value of at most [`DEPTH_MAX`] levels; 2. no object names a
//! member twice; 3. every number is an integer within ±(2^53 − 1), which every reader knows exactly; 4. it has
//! the members of the type that it is read as, and, where that type says so, no others.
//!
//! What is wrong with it is said by the place of it (RFC 6901) and a code, never by repeating what was sent.

use super::problem::{Code, Problem};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde::de::value::StringDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde::{Serialize, forward_to_deserialize_any};
use std::cell::RefCell;
use std::fmt;

/// Levels of arrays and objects.
const DEPTH_MAX: usize = 8;
/// Members of all objects, and items of all arrays.
const ITEMS_MAX: usize = 256;
/// The largest integer that every reader of JSON knows exactly.
const INTEGER_MAX: i64 = (1 << 53) - 1;

/// What is wrong with a place of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum FlawCode {
    /// It is no JSON.
    Malformed,
    /// It has too many levels, or too many members.
    TooLarge,
    /// A member is named twice.
    DuplicateMember,
    /// Nothing here has this member.
    UnknownMember,
    /// A member is missing.
    MissingMember,
    /// It is a text where a number should be, or the like.
    WrongType,
    /// It is a number, and no integer that is exact in JSON.
    NotAnInteger,
    /// It has the right type and can't be what it should be.
    InvalidValue,
}

/// What is wrong with a body, and where.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Flaw {
    /// The place, as a JSON pointer.
    #[schema(example = "/amount_cents")]
    pub(super) pointer: String,
    /// What is wrong with it.
    pub(super) code: FlawCode,
}

impl Flaw {
    fn here(code: FlawCode) -> Flaw {
        Flaw { pointer: String::new(), code }
    }

    /// A flaw of a member of the body.
    pub(super) fn of(member: &str, code: FlawCode) -> Flaw {
        Flaw::here(code).under(member)
    }

    fn under(self, member: &str) -> Flaw {
        let member = member.replace('~', "~0").replace('/', "~1");
        Flaw { pointer: format!("/{member}{}", self.pointer), ..self }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at `{}`", self.code, self.pointer)
    }
}

impl std::error::Error for Flaw {}

/// What a type says of what it can't be read from.
impl de::Error for Flaw {
    fn custom<T: fmt::Display>(_: T) -> Flaw {
        Flaw::here(FlawCode::InvalidValue)
    }

    fn invalid_type(_: Unexpected<'_>, _: &dyn de::Expected) -> Flaw {
        Flaw::here(FlawCode::WrongType)
    }

    fn unknown_field(member: &str, _: &'static [&'static str]) -> Flaw {
        Flaw::of(member, FlawCode::UnknownMember)
    }

    fn missing_field(member: &'static str) -> Flaw {
        Flaw::of(member, FlawCode::MissingMember)
    }

    fn duplicate_field(member: &'static str) -> Flaw {
        Flaw::of(member, FlawCode::DuplicateMember)
    }
}

/// The value of a text.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, Flaw> {
    let reading = Reading { flaw: RefCell::new(None), items: RefCell::new(0) };
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let place = Place { reading: &reading, depth: 0, within: None };
    let value = place.deserialize(&mut deserializer).and_then(|value| {
        deserializer.end()?;
        Ok(value)
    });
    match value {
        Ok(value) => T::deserialize(value),
        Err(_) => Err(reading.flaw.into_inner().unwrap_or_else(|| Flaw::here(FlawCode::Malformed))),
    }
}

/// A value of which the rules above hold.
#[derive(Debug)]
enum Plain {
    Null,
    Bool(bool),
    Integer(i64),
    Text(String),
    List(Vec<Plain>),
    Object(Vec<(String, Plain)>),
}

struct Reading {
    flaw: RefCell<Option<Flaw>>,
    items: RefCell<usize>,
}

/// A place in the text that is being read. What it is called is put together only when something is wrong with it.
struct Place<'a> {
    reading: &'a Reading,
    depth: usize,
    within: Option<Member<'a>>,
}

/// A member of an object, or an item of an array, and what that is within.
#[derive(Clone, Copy)]
struct Member<'a> {
    name: &'a str,
    within: Option<&'a Member<'a>>,
}

impl Member<'_> {
    /// What is wrong with it, as the whole text knows it.
    fn flaw(&self, code: FlawCode) -> Flaw {
        let innermost = Flaw::of(self.name, code);
        let outwards = std::iter::successors(self.within, |member| member.within);
        outwards.fold(innermost, |flaw, member| flaw.under(member.name))
    }
}

impl<'a> Place<'a> {
    fn refuse<E: de::Error>(&self, code: FlawCode) -> E {
        self.refuse_for(self.within.map_or(Flaw::here(code), |member| member.flaw(code)))
    }

    fn refuse_for<E: de::Error>(&self, flaw: Flaw) -> E {
        *self.reading.flaw.borrow_mut() = Some(flaw);
        E::custom("refused")
    }

    fn member<'b>(&'b self, name: &'b str) -> Member<'b> {
        Member { name, within: self.within.as_ref() }
    }

    /// A place within this one.
    fn within<'b, E: de::Error>(&'b self, name: &'b str) -> Result<Place<'b>, E> {
        let depth = self.depth + 1;
        *self.reading.items.borrow_mut() += 1;
        if DEPTH_MAX < depth || ITEMS_MAX < *self.reading.items.borrow() {
            return Err(self.refuse(FlawCode::TooLarge));
        }
        Ok(Place { reading: self.reading, depth, within: Some(self.member(name)) })
    }

    fn integer<E: de::Error>(&self, number: Option<i64>) -> Result<Plain, E> {
        match number.filter(|number| (-INTEGER_MAX..=INTEGER_MAX).contains(number)) {
            Some(number) => Ok(Plain::Integer(number)),
            None => Err(self.refuse(FlawCode::NotAnInteger)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Plain;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Plain, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Plain;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Plain, E> {
        Ok(Plain::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Plain, E> {
        Ok(Plain::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Plain, E> {
        self.integer(Some(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Plain, E> {
        self.integer(i64::try_from(value).ok())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Plain, E> {
        self.integer(None)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Plain, E> {
        Ok(Plain::Text(String::from(value)))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Plain, E> {
        Ok(Plain::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Plain, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.within(&list.len().to_string())?)? {
            list.push(item);
        }
        Ok(Plain::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Plain, A::Error> {
        let mut object: Vec<(String, Plain)> = Vec::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.iter().any(|(known, _)| *known == name) {
                let flaw = self.member(&name).flaw(FlawCode::DuplicateMember);
                return Err(self.refuse_for(flaw));
            }
            let value = members.next_value_seed(self.within(&name)?)?;
            object.push((name, value));
        }
        Ok(Plain::Object(object))
    }
}

impl<'de> Deserializer<'de> for Plain {
    type Error = Flaw;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Flaw> {
        match self {
            Plain::Null => visitor.visit_unit(),
            Plain::Bool(value) => visitor.visit_bool(value),
            Plain::Integer(value) => visitor.visit_i64(value),
            Plain::Text(value) => visitor.visit_string(value),
            Plain::List(items) => visitor.visit_seq(Items { rest: items.into_iter(), place: 0 }),
            Plain::Object(members) => {
                visitor.visit_map(Members { rest: members.into_iter(), next: None })
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Flaw> {
        match self {
            Plain::Null => visitor.visit_none(),
            value => visitor.visit_some(value),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Flaw> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Flaw> {
        match self {
            Plain::Text(name) => visitor.visit_enum(name.into_deserializer()),
            _ => Err(Flaw::here(FlawCode::WrongType)),
        }
    }

    /// Never from a list: what is not named is not meant.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Flaw> {
        match self {
            Plain::Object(_) => self.deserialize_any(visitor),
            _ => Err(Flaw::here(FlawCode::WrongType)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items {
    rest: std::vec::IntoIter<Plain>,
    place: usize,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = Flaw;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Flaw> {
        let Some(item) = self.rest.next() else { return Ok(None) };
        let place = self.place.to_string();
        self.place += 1;
        seed.deserialize(item).map(Some).map_err(|flaw| flaw.under(&place))
    }
}

struct Members {
    rest: std::vec::IntoIter<(String, Plain)>,
    next: Option<(String, Plain)>,
}

impl<'de> MapAccess<'de> for Members {
    type Error = Flaw;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Flaw> {
        self.next = self.rest.next();
        let Some((name, _)) = &self.next else { return Ok(None) };
        let name: StringDeserializer<Flaw> = name.clone().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Flaw> {
        let (name, value) = self.next.take().expect("a value comes after its name");
        seed.deserialize(value).map_err(|flaw| flaw.under(&name))
    }
}

/// The body of a request.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Body<T>, Problem> {
        if !is_json(request.headers()) {
            return Err(Code::UnsupportedMediaType.into());
        }
        let body =
            Bytes::from_request(request, state).await.map_err(|rejection| {
                match rejection.into_response().status() {
                    StatusCode::PAYLOAD_TOO_LARGE => Problem::from(Code::BodyTooLarge),
                    _ => Problem::from(Code::InvalidRequest),
                }
            })?;
        read(&body).map(Body).map_err(Problem::flawed)
    }
}

/// Whether a request says that it carries JSON, and nothing else besides.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else { return false };
    if headers.contains_key(header::CONTENT_ENCODING) {
        return false;
    }
    let text = only.to_str().unwrap_or_default().to_ascii_lowercase();
    let (media, parameter) = text.split_once(';').unwrap_or((&text, ""));
    let parameter = parameter.trim();
    media.trim() == "application/json"
        && (parameter.is_empty() || ["charset=utf-8", "charset=\"utf-8\""].contains(&parameter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize, PartialEq, Debug)]
    #[serde(deny_unknown_fields)]
    struct Order {
        cents: u64,
        note: Option<String>,
        #[serde(default)]
        lines: Vec<Line>,
    }

    #[derive(Deserialize, PartialEq, Debug)]
    #[serde(deny_unknown_fields)]
    struct Line {
        name: String,
    }

    fn flaw(text: &str) -> (String, FlawCode) {
        let flaw = read::<Order>(text.as_bytes()).unwrap_err();
        (flaw.pointer, flaw.code)
    }

    /// Row 52 of the threat table: every way to say something else than one's reader thinks.
    #[test]
    fn what_two_readers_could_take_for_two_things_is_refused_with_its_place() {
        use FlawCode::*;
        let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
        let wide = format!("[{}1]", "1,".repeat(300));
        for (text, pointer, code) in [
            ("", "", Malformed),
            ("{", "", Malformed),
            (r#"{"cents":1} x"#, "", Malformed),
            (r#"{"cents":NaN}"#, "", Malformed),
            (r#"{"cents":Infinity}"#, "", Malformed),
            (r#"{"cents":01}"#, "", Malformed),
            (r#"{cents:1}"#, "", Malformed),
            (r#"{"cents":1,}"#, "", Malformed),
            ("{\"cents\":1,\"note\":\"\u{1}\"}", "", Malformed),
            (r#"{"cents":1,"note":"\ud800"}"#, "", Malformed),
            (r#"[]"#, "", WrongType),
            (r#"[1,null,[]]"#, "", WrongType),
            (r#"null"#, "", WrongType),
            (r#"{}"#, "/cents", MissingMember),
            (r#"{"cents":1,"cents":2}"#, "/cents", DuplicateMember),
            (r#"{"cents":1,"\u0063ents":2}"#, "/cents", DuplicateMember),
            (r#"{"cents":1,"is_staff":true}"#, "/is_staff", UnknownMember),
            (r#"{"cents":1,"Cents":1}"#, "/Cents", UnknownMember),
            (r#"{"cents":1.0}"#, "/cents", NotAnInteger),
            (r#"{"cents":1e2}"#, "/cents", NotAnInteger),
            (r#"{"cents":-0.0}"#, "/cents", NotAnInteger),
            (r#"{"cents":9007199254740992}"#, "/cents", NotAnInteger),
            (r#"{"cents":18446744073709551616}"#, "/cents", NotAnInteger),
            (r#"{"cents":-1}"#, "/cents", InvalidValue),
            (r#"{"cents":"1"}"#, "/cents", WrongType),
            (r#"{"cents":true}"#, "/cents", WrongType),
            (r#"{"cents":null}"#, "/cents", WrongType),
            (r#"{"cents":[1]}"#, "/cents", WrongType),
            (r#"{"cents":1,"note":1}"#, "/note", WrongType),
            (r#"{"cents":1,"lines":[{"name":"a"},{"name":2}]}"#, "/lines/1/name", WrongType),
            (r#"{"cents":1,"lines":[{"name":"a","a/b~c":2}]}"#, "/lines/0/a~1b~0c", UnknownMember),
            (r#"{"cents":1,"lines":[{"name":"a","name":"a"}]}"#, "/lines/0/name", DuplicateMember),
            (r#"{"cents":1,"a/b~c":[0,{"lines":[1.5]}]}"#, "/a~1b~0c/1/lines/0", NotAnInteger),
        ] {
            assert_eq!(flaw(text), (String::from(pointer), code), "{text}");
        }
        assert_eq!(flaw(&deep).1, TooLarge);
        assert_eq!(flaw(&wide), (String::new(), TooLarge));
    }

    #[test]
    fn what_is_plain_is_read() {
        let read = read::<Order>(
            br#" {"note":null,"cents":9007199254740991,"lines":[{"name":"\u00e4"}]} "#,
        );
        let lines = vec![Line { name: String::from("ä") }];
        assert_eq!(read, Ok(Order { cents: 9_007_199_254_740_991, note: None, lines }));
    }

    #[test]
    fn a_body_says_that_it_is_json() {
        let is = |values: &[&'static str]| {
            let values = values.iter().map(|value| header::HeaderValue::from_static(value));
            is_json(&values.map(|value| (header::CONTENT_TYPE, value)).collect())
        };
        assert!(is(&["application/json"]) && is(&["Application/JSON; charset=UTF-8"]));
        assert!(!is(&[]) && !is(&["text/plain"]) && !is(&["application/jsonp"]));
        assert!(!is(&["application/json; charset=utf-16"]) && !is(&["application/json; a=b"]));
        assert!(!is(&["application/json", "application/json"]));
    }
}
