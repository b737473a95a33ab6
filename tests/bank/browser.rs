//! A browser, as far as the bank can tell.

use crate::branch::{Branch, ORIGIN, Person};
use crate::ear::Ear;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use florin_adapter::customers::Token;
use http_body_util::BodyExt;
use tower::ServiceExt;

/// What it shows.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// A browser: it keeps the cookies that it is given. A copy has them all, as who has stolen them.
#[derive(Clone)]
pub(crate) struct Browser {
    router: Router,
    cookies: Vec<(String, String)>,
}

impl Browser {
    pub(crate) fn of(branch: &Branch) -> Browser {
        Browser::at(branch.router())
    }

    /// A browser at one of several adapters.
    pub(crate) fn at(router: Router) -> Browser {
        Browser { router, cookies: Vec::new() }
    }

    /// A browser of a customer who is logged in.
    pub(crate) async fn logged_in(branch: &Branch, person: &Person) -> Browser {
        let mut browser = Browser::of(branch);
        let token = branch.login(person).await;
        browser.keeps("__Host-login", &token.to_string());
        browser
    }

    /// Keeps a cookie.
    pub(crate) fn keeps(&mut self, name: &str, value: &str) {
        self.cookies.retain(|(known, _)| known != name);
        self.cookies.push((String::from(name), String::from(value)));
    }

    pub(crate) async fn sends(
        &mut self,
        request: axum::http::request::Builder,
        body: String,
    ) -> Page {
        let request = request.header(header::COOKIE, self.cookie());
        let response =
            self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let (pair, _) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.keeps(name, value);
            self.cookies.retain(|(_, value)| !value.is_empty());
        }
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Page { status: parts.status, headers: parts.headers, text }
    }

    /// The login that it shows.
    pub(crate) fn login(&self) -> Token {
        let cookie = self.cookies.iter().find(|(name, _)| name == "__Host-login");
        cookie.unwrap().1.parse().unwrap()
    }

    /// The same browser, at another adapter.
    pub(crate) fn goes_to(&self, router: Router) -> Browser {
        Browser { router, cookies: self.cookies.clone() }
    }

    /// Listens after what it was told last, if anything.
    pub(crate) async fn listens(&mut self, last_id: &str) -> Ear {
        self.asks_to_listen("/live", last_id).await
    }

    pub(crate) async fn asks_to_listen(&mut self, path: &str, last_id: &str) -> Ear {
        let request = Request::get(path).header(header::COOKIE, self.cookie());
        let request = if last_id.is_empty() {
            request
        } else {
            request.header("last-event-id", last_id.as_bytes())
        };
        Ear::of(self.router.clone(), request.body(Body::empty()).unwrap()).await
    }

    fn cookie(&self) -> String {
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        cookies.collect::<Vec<_>>().join("; ")
    }

    pub(crate) async fn gets(&mut self, path: &str) -> Page {
        self.sends(Request::get(path), String::new()).await
    }

    pub(crate) async fn posts(&mut self, path: &str, body: &str) -> Page {
        self.sends(Request::post(path).header(header::ORIGIN, ORIGIN), String::from(body)).await
    }

    /// Where a redirect leads.
    pub(crate) async fn is_led_to(&mut self, path: &str, body: &str) -> String {
        let page = self.posts(path, body).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{path}: {}", page.text);
        String::from(page.headers[header::LOCATION].to_str().unwrap())
    }

    /// The token of a page's forms.
    pub(crate) async fn token(&mut self, path: &str) -> String {
        let page = self.gets(path).await.text;
        let (_, rest) = page.split_once(r#"name="csrf" value=""#).unwrap();
        String::from(rest.split_once('"').unwrap().0)
    }
}
