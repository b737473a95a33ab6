//! The document that describes the API. What would go wrong without: programs are written against what is no more.

use crate::app::App;
use crate::branch::Branch;
use axum::http::Request;
use serde_json::Value;
use std::path::Path;

const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
const ORIGIN: &str = "https://localhost:8443";

/// Prevents: a change of the API that nobody sees in a review.
#[test]
fn the_document_in_the_repository_is_the_one_that_is_served() {
    let document = florin_adapter::api::document(ORIGIN);
    if std::env::var_os("FLORIN_WRITE_OPENAPI").is_some() {
        std::fs::write(Path::new(CHECKED_IN), &document).unwrap();
    }
    let kept = std::fs::read_to_string(CHECKED_IN).unwrap();
    assert!(
        kept == document,
        "the API has changed: run this test with FLORIN_WRITE_OPENAPI=1, and read the difference"
    );
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|path| path.as_object().unwrap().values());
    let mut names: Vec<_> = operations.map(|it| it["operationId"].as_str().unwrap()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "programs are made from these names");
}

#[tokio::test]
async fn document_and_page_are_served_to_anybody_and_the_page_loads_nothing() {
    let branch = Branch::open().await;
    let app = App::of(&branch);
    let document = app.sends(Request::get("/v1/openapi.json"), String::new()).await;
    assert_eq!(document.header("content-type"), "application/json");
    assert_eq!(document.json["servers"][0]["url"], "https://bank.example");
    let page = app.sends(Request::get("/v1/docs"), String::new()).await;
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    let html = page.json.as_str().unwrap();
    assert!(!html.contains("<script") && !html.contains("src="));
    for (path, _) in document.json["paths"].as_object().unwrap() {
        assert!(html.contains(path.as_str()), "{path}");
    }
    let codes = document.json["components"]["schemas"]["Code"]["enum"].as_array().unwrap();
    assert!(10 < codes.len());
    for code in codes {
        assert!(html.contains(&format!("id=\"{}\"", code.as_str().unwrap())), "{code}");
    }
}
