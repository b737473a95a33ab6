//! The document that describes the API, as a page for people.

use super::problem::Code;
use askama::Template;
use serde_json::{Map, Value};

/// A piece of a sentence: words, or something that is written as it stands there.
pub(super) struct Piece {
    is_code: bool,
    text: String,
}

struct Member {
    name: String,
    kind: String,
    meaning: Vec<Piece>,
}

struct MemberList {
    title: &'static str,
    members: Vec<Member>,
}

struct Operation {
    id: String,
    method: String,
    path: String,
    summary: Vec<Piece>,
    is_closed: bool,
    lists: Vec<MemberList>,
}

struct Group {
    name: String,
    operations: Vec<Operation>,
}

struct ProblemRow {
    code: &'static str,
    status: u16,
    title: &'static str,
    meaning: Vec<Piece>,
}

#[derive(Template)]
#[template(path = "api.html")]
struct Handbook<'a> {
    bank: &'a str,
    csrf: &'static str,
    description: Vec<Piece>,
    groups: Vec<Group>,
    problems: Vec<ProblemRow>,
}

/// The page of a document.
///
/// # Errors
/// If it can't be rendered.
pub(super) fn page(bank: &str, document: &Value) -> Result<String, askama::Error> {
    let mut groups: Vec<Group> = Vec::new();
    for (path, operations) in members_of(&document["paths"]) {
        for (method, operation) in members_of(operations) {
            let name = text(&operation["tags"][0]);
            let operation = operation_of(document, method, path, operation);
            match groups.iter_mut().find(|group| group.name == name) {
                Some(group) => group.operations.push(operation),
                None => groups.push(Group { name, operations: vec![operation] }),
            }
        }
    }
    let problems = Code::ALL.iter().map(|code| ProblemRow {
        code: code.name(),
        status: code.status().as_u16(),
        title: code.title(),
        meaning: pieces(code.meaning()),
    });
    let description = pieces(&text(&document["info"]["description"]));
    Handbook { bank, csrf: "", description, groups, problems: problems.collect() }.render()
}

fn operation_of(document: &Value, method: &str, path: &str, operation: &Value) -> Operation {
    let words = [text(&operation["summary"]), text(&operation["description"])];
    let mut lists = Vec::new();
    let mut list = |title, members: Vec<Member>| {
        if !members.is_empty() {
            lists.push(MemberList { title, members });
        }
    };
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    list("Parameters", parameters.map(|parameter| parameter_of(document, parameter)).collect());
    let json = |content: &Value| content["application/json"]["schema"].clone();
    list("Body", schema_members(document, &json(&operation["requestBody"]["content"])));
    for (status, answer) in members_of(&operation["responses"]) {
        if status.starts_with('2') {
            list("Answer", schema_members(document, &json(&answer["content"])));
        }
    }
    let answers = members_of(&operation["responses"]);
    list("Problems", answers.flat_map(|(status, answer)| problems_of(status, answer)).collect());
    Operation {
        id: text(&operation["operationId"]),
        method: method.to_uppercase(),
        path: String::from(path),
        summary: pieces(&words.join(" ")),
        is_closed: operation.get("security").is_some(),
        lists,
    }
}

fn parameter_of(document: &Value, parameter: &Value) -> Member {
    let kind = kind_of(document, &parameter["schema"]);
    Member {
        name: text(&parameter["name"]),
        kind: format!("{kind}, in the {}", text(&parameter["in"])),
        meaning: pieces(&text(&parameter["description"])),
    }
}

/// What can be wrong with a status.
fn problems_of(status: &str, answer: &Value) -> Vec<Member> {
    let named = answer["x-codes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let codes = named.filter_map(|name| Code::ALL.iter().find(|code| code.name() == name));
    let member = |code: &Code| Member {
        name: String::from(code.name()),
        kind: String::from(status),
        meaning: pieces(code.title()),
    };
    codes.map(member).collect()
}

/// The members of an object, those of the objects in its lists too.
fn schema_members(document: &Value, schema: &Value) -> Vec<Member> {
    let schema = resolved(document, schema);
    let mut members = Vec::new();
    for (name, member) in members_of(&schema["properties"]) {
        let meaning = pieces(&text(&resolved(document, member)["description"]));
        members.push(Member { name: name.clone(), kind: kind_of(document, member), meaning });
        let inner = schema_members(document, &resolved(document, member)["items"]);
        members.extend(
            inner
                .into_iter()
                .map(|inner| Member { name: format!("{name}[].{}", inner.name), ..inner }),
        );
    }
    members
}

fn kind_of(document: &Value, schema: &Value) -> String {
    let schema = resolved(document, schema);
    match &schema["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        _ => String::new(),
    }
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str().and_then(|path| path.strip_prefix('#')) {
        Some(pointer) => document.pointer(pointer).unwrap_or(schema),
        None => schema,
    }
}

fn members_of(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn text(value: &Value) -> String {
    String::from(value.as_str().unwrap_or_default())
}

/// A sentence, taken apart at its backticks.
fn pieces(sentence: &str) -> Vec<Piece> {
    let parts = sentence.trim().split('`').enumerate();
    parts.map(|(place, text)| Piece { is_code: place % 2 == 1, text: String::from(text) }).collect()
}
