//! What the API says when it can't do what it was asked. What would go wrong without: a program that must guess
//! from words, an answer without the name that the bank knows the request by, a body that two readers take for two.

use crate::app::{App, json_request};
use crate::branch::{Branch, ORIGIN};
use axum::http::{Method, Request, StatusCode, header};
use serde_json::json;

/// Prevents: the router's own words, where a program expects a problem.
#[tokio::test]
async fn whatever_the_router_refuses_is_a_problem_with_the_names_of_the_request() {
    let branch = Branch::open().await;
    let app = App::of(&branch);
    let login = "/v1/auth/login";
    let post = || json_request(login);
    let patch = Request::builder().method(Method::PATCH).uri(login);
    for (request, body, status, code) in [
        (Request::get("/v1"), "", 404, "not_found"),
        (Request::get("/v1/"), "", 404, "not_found"),
        (Request::get("/v1/nowhere"), "", 404, "not_found"),
        (Request::get("/v1/auth/login/"), "", 404, "not_found"),
        (Request::get(login), "", 405, "method_not_allowed"),
        (patch, "", 405, "method_not_allowed"),
        (Request::post(login), "{}", 415, "unsupported_media_type"),
        (
            Request::post(login).header("content-type", "text/plain"),
            "{}",
            415,
            "unsupported_media_type",
        ),
        (post().header("content-encoding", "gzip"), "{}", 415, "unsupported_media_type"),
        (post(), "{", 400, "invalid_request"),
        (post(), &*" ".repeat(20_000), 413, "body_too_large"),
    ] {
        let path = request.uri_ref().unwrap().path().to_owned();
        let interaction = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
        let request = request.header("x-fapi-interaction-id", interaction);
        let answer = app.sends(request, String::from(body)).await;
        assert_eq!(answer.code(), (status, code), "{path}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.header("x-fapi-interaction-id"), interaction);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.json["status"], json!(status));
        assert_eq!(answer.json["instance"], json!(path));
        assert_eq!(answer.json["type"], json!(format!("{ORIGIN}/v1/docs#{code}")));
        assert_eq!(answer.json["correlation_id"], json!(answer.header("x-correlation-id")));
        assert_eq!(answer.json["correlation_id"].as_str().unwrap().len(), 32);
        assert!(!answer.json["title"].as_str().unwrap().is_empty());
        assert!(!answer.json["detail"].as_str().unwrap().is_empty());
    }
}

/// Row 52 of the threat table.
#[tokio::test]
async fn a_body_is_what_the_operation_takes_and_nothing_beside() {
    let branch = Branch::open().await;
    let app = App::of(&branch);
    for (body, pointer, code) in [
        (r#"{"email":"a@example.org"}"#, "/password", "missing_member"),
        (
            r#"{"email":"a@example.org","password":"x","is_staff":true}"#,
            "/is_staff",
            "unknown_member",
        ),
        (r#"{"email":"a@example.org","password":"x","email":"b"}"#, "/email", "duplicate_member"),
        (r#"{"email":["a@example.org"],"password":"x"}"#, "/email", "wrong_type"),
        (r#"{"email":"a@example.org","password":1.5}"#, "/password", "not_an_integer"),
        (
            r#"{"email":"a@example.org","password":99999999999999999999}"#,
            "/password",
            "not_an_integer",
        ),
        (r#"{"email":"a@example.org","password":NaN}"#, "", "malformed"),
        (r#"["a@example.org","x"]"#, "", "wrong_type"),
    ] {
        let answer = app.sends(json_request("/v1/auth/login"), String::from(body)).await;
        assert_eq!(answer.code(), (400, "invalid_request"), "{body}");
        assert_eq!(answer.json["errors"], json!([{"pointer": pointer, "code": code}]), "{body}");
        assert!(!answer.json.to_string().contains("example.org"), "nothing is repeated");
    }
}

/// Row 23: where secrets would be read by whoever reads logs.
#[tokio::test]
async fn a_secret_in_the_query_is_refused_before_anything_happens() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let app = App::logged_in(&branch, &ada).await;
    for name in ["access_token", "Access_Token", "refresh_token", "dpop", "password"] {
        let path = format!("/v1/auth/logout?{name}={}", app.access_token);
        let answer = app.asks(Request::post(&path), String::new()).await;
        assert_eq!(answer.code(), (400, "invalid_request"), "{name}");
        assert!(!answer.json.to_string().contains(&app.access_token));
    }
    let body = json!({"access_token": app.access_token});
    let answer = app.posts_open("/v1/auth/logout", &body).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.header(header::WWW_AUTHENTICATE.as_str()).starts_with("DPoP"));
    assert_eq!(app.gets("/v1/users/me").await.status, StatusCode::OK, "the login goes on");
}
