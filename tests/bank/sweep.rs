//! Every route there is, found in the source: a page that somebody adds is swept too, whether they think of it
//! or not. What would go wrong without: the one page that can be framed, or that leads wherever a link says.

use crate::branch::Branch;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use std::fs;
use std::path::{Path, PathBuf};
use tower::ServiceExt;

/// A route as its router has it.
#[derive(Debug)]
struct Route {
    path: String,
    methods: Vec<Method>,
}

impl Route {
    /// Its path for some account, transaction or whatever it names, with a query that would lead elsewhere.
    fn target(&self) -> String {
        let mut path = String::new();
        for part in self.path.split('/').skip(1) {
            path.push('/');
            path.push_str(match part {
                "{account}" => "acc_00000000000000000000000000",
                "{transaction}" => "txn_00000000000000000000000000",
                named if named.starts_with('{') => "1",
                plain => plain,
            });
        }
        format!(
            "{path}?next=https://evil.example/&return_to=//evil.example&redirect_uri=evil.example"
        )
    }
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let found = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    found.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// All of them.
fn routes() -> Vec<Route> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../adapter/src");
    let mut routes = Vec::new();
    for file in sources(&source) {
        let prefix = if file.starts_with(source.join("api")) { "/v1" } else { "" };
        let text = fs::read_to_string(&file).unwrap();
        for route in text.split(".route(").skip(1) {
            let mut depth = 1_usize;
            let end = route.find(|character| {
                depth = match character {
                    '(' => depth + 1,
                    ')' => depth - 1,
                    _ => depth,
                };
                depth == 0
            });
            let (path, handlers) = route[..end.unwrap()].split_once(',').unwrap();
            let path = format!("{prefix}{}", path.trim().trim_matches('"'));
            let has = |name: &str| {
                handlers.split(|c: char| !c.is_alphanumeric()).any(|word| word == name)
            };
            let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
            let methods: Vec<_> = methods
                .into_iter()
                .filter(|method| has(&method.as_str().to_ascii_lowercase()))
                .collect();
            assert!(!methods.is_empty(), "{path}: {handlers}");
            routes.push(Route { path, methods });
        }
    }
    assert!(routes.iter().any(|route| route.path == "/transactions/{transaction}"), "{routes:?}");
    assert!(10 <= routes.len(), "{routes:?}");
    routes
}

/// Whoever asks: a stranger, and somebody who is logged in.
async fn cookies(branch: &Branch) -> [Option<String>; 2] {
    let ada = branch.customer("ada@example.org").await;
    [None, Some(format!("__Host-login={}", branch.login(&ada).await))]
}

async fn asks(
    branch: &Branch,
    cookie: Option<&String>,
    request: axum::http::request::Builder,
    body: &str,
) -> Response<Body> {
    let request = match cookie {
        Some(cookie) => request.header(header::COOKIE, cookie),
        None => request,
    };
    let request = request
        .header(header::HOST, "evil.example")
        .header("x-forwarded-host", "evil.example")
        .body(Body::from(String::from(body)))
        .unwrap();
    branch.router().oneshot(request).await.unwrap()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// Rows 27 and 29, 19 and 20 of the threat table, whatever is asked by whomever.
fn is_sound(response: &Response<Body>, what: &str) {
    let headers = response.headers();
    let status = response.status();
    assert!(!status.is_server_error() || status == StatusCode::SERVICE_UNAVAILABLE, "{what}");
    let shares = headers.keys().any(|name| name.as_str().starts_with("access-control-"));
    assert!(!shares, "{what} lets other sites read it: {headers:?}");
    assert_eq!(text(headers, "x-content-type-options"), "nosniff", "{what}");
    if text(headers, "content-type").starts_with("text/html") {
        let policy = text(headers, "content-security-policy");
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{what}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{what}: {policy}");
        assert_eq!(text(headers, "x-frame-options"), "DENY", "{what}");
        assert_eq!(text(headers, "referrer-policy"), "same-origin", "{what}");
        assert_eq!(text(headers, "cache-control"), "no-store", "{what}");
    }
    if status.is_redirection() {
        let location = text(headers, "location");
        assert_eq!(status, StatusCode::SEE_OTHER, "{what} repeats a form");
        assert!(location.starts_with('/') && !location.starts_with("//"), "{what}: {location}");
        assert!(!location.contains("evil"), "{what} leads where it is told: {location}");
    }
}

/// Rows 19, 20, 27 and 29 of the threat table.
#[tokio::test]
async fn every_answer_is_for_the_banks_own_pages_alone() {
    let branch = Branch::open().await;
    let cookies = cookies(&branch).await;
    for route in routes() {
        for cookie in &cookies {
            for method in &route.methods {
                let what = format!("{method} {} {}", route.path, cookie.is_some());
                let request = Request::builder().method(method).uri(route.target());
                is_sound(&asks(&branch, cookie.as_ref(), request, "").await, &what);
            }
            let preflight = Request::builder()
                .method(Method::OPTIONS)
                .uri(route.target())
                .header(header::ORIGIN, "https://evil.example")
                .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
            let answer = asks(&branch, cookie.as_ref(), preflight, "").await;
            let what = format!("a preflight of {}", route.path);
            is_sound(&answer, &what);
            let refused = [StatusCode::FORBIDDEN, StatusCode::METHOD_NOT_ALLOWED];
            // What is in banks alone that were made for it is in no other.
            let is_nowhere =
                route.path == "/v1/staff/test-clock" && answer.status() == StatusCode::NOT_FOUND;
            let is_refused = refused.contains(&answer.status()) || is_nowhere;
            assert!(is_refused, "{what}: {}", answer.status());
        }
    }
}

/// Row 26.
#[tokio::test]
async fn no_form_is_taken_that_no_page_of_the_bank_has() {
    let branch = Branch::open().await;
    let cookies = cookies(&branch).await;
    let pages = routes().into_iter().filter(|route| !route.path.starts_with("/v1"));
    for route in pages.filter(|route| route.methods.contains(&Method::POST)) {
        for cookie in &cookies {
            for origin in [crate::branch::ORIGIN, "https://evil.example", "null"] {
                let request = Request::post(route.target()).header(header::ORIGIN, origin);
                let body = "csrf=&email=a&password=b&code=1&amount=1";
                let answer = asks(&branch, cookie.as_ref(), request, body).await;
                let what = format!("{} from {origin}, {}", route.path, cookie.is_some());
                // Who must log in first is led there, whatever they sent.
                let is_led = answer.status() == StatusCode::SEE_OTHER
                    && text(answer.headers(), "location").ends_with("/login");
                let is_refused = answer.status() == StatusCode::FORBIDDEN;
                assert!(is_refused || is_led, "{what}: {}", answer.status());
            }
        }
    }
}
