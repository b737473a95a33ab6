//! Holds every answer that a test gets from the API against the document that describes it. Prevents: a problem that
//! no program was told of.

use crate::app::Answer;
use axum::http::Method;
use serde_json::Value;
use std::sync::LazyLock;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(&florin_adapter::api::document("https://bank.example")).unwrap()
});

/// Whether an operation may give this answer. What is no operation answers to nobody but its own tests.
pub(crate) fn check(method: &Method, path: &str, answer: &Answer) {
    let Some(operation) = operation(method, path) else { return };
    let name = &operation["operationId"];
    let described = &operation["responses"][answer.status.as_str()];
    assert!(
        described.is_object(),
        "{name} answers {}, undescribed: {}",
        answer.status,
        answer.json
    );
    if answer.status.is_success() {
        return;
    }
    let codes = described["x-codes"].as_array().unwrap();
    assert!(codes.contains(&answer.json["code"]), "{name} does not say {}", answer.json);
}

fn operation(method: &Method, path: &str) -> Option<&'static Value> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let (_, found) = paths.iter().find(|(pattern, _)| is_like(pattern, path))?;
    found.get(method.as_str().to_lowercase())
}

fn is_like(pattern: &str, path: &str) -> bool {
    let (pattern, path) = (pattern.split('/'), path.split('/'));
    pattern.clone().count() == path.clone().count()
        && pattern.zip(path).all(|(one, other)| one.starts_with('{') || one == other)
}
