//! The two ways by which somebody gets to what proves a customer: a browser, with the bank's pages, and an app, with the
//! API. Each sends what it has, asks for nothing, and tells what it can see.

use crate::api_registration::{codes, secret};
use crate::app::{App, text};
use crate::branch::Branch;
use crate::browser::Browser;
use crate::factor_changes;
use crate::mailbox::token;
use crate::recovery_codes::{shown, step_up};
use axum::http::{Request, StatusCode};
use florin_adapter::customers::TotpSecret;
use serde_json::{Value, json};

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Pages,
    Programs,
}

/// A way in.
pub(crate) enum Door<'a> {
    Pages(Browser),
    Programs(Box<Programs<'a>>),
}

/// An app, with what it was told.
pub(crate) struct Programs<'a> {
    app: App<'a>,
    attempt: String,
    waiting: Option<TotpSecret>,
}

impl<'a> Door<'a> {
    pub(crate) fn of(branch: &'a Branch, kind: Kind) -> Door<'a> {
        match kind {
            Kind::Pages => Door::Pages(Browser::of(branch)),
            Kind::Programs => Door::Programs(Box::new(Programs {
                app: App::of(branch),
                attempt: String::new(),
                waiting: None,
            })),
        }
    }

    /// Whether it is logged in.
    pub(crate) async fn is_in(&mut self) -> bool {
        match self {
            Door::Pages(browser) => browser.gets("/accounts").await.status == StatusCode::OK,
            Door::Programs(it) => {
                it.goes_on().await;
                it.app.gets("/v1/accounts").await.status == StatusCode::OK
            }
        }
    }

    pub(crate) async fn types_password(&mut self, email: &str, password: &str) {
        match self {
            Door::Pages(browser) => {
                let csrf = csrf(browser, "/login").await;
                let (email, password) = (email.replace('@', "%40"), password.replace(' ', "+"));
                let form = format!("csrf={csrf}&email={email}&password={password}");
                browser.posts("/login", &form).await;
            }
            Door::Programs(it) => it.attempt = it.app.begins(email, password).await,
        }
    }

    pub(crate) async fn types_code(&mut self, code: &str) {
        match self {
            Door::Pages(browser) => {
                let csrf = csrf(browser, "/login/verify").await;
                browser.posts("/login/verify", &format!("csrf={csrf}&code={code}")).await;
            }
            Door::Programs(it) => {
                let answer = it.app.verifies(&it.attempt, code).await;
                it.takes(&answer.json);
            }
        }
    }

    pub(crate) async fn forgets(&mut self, email: &str) {
        match self {
            Door::Pages(browser) => {
                let csrf = csrf(browser, "/recover").await;
                let email = email.replace('@', "%40");
                browser.posts("/recover", &format!("csrf={csrf}&email={email}")).await;
            }
            Door::Programs(it) => {
                it.app.posts_open("/v1/recoveries", &json!({ "email": email })).await;
            }
        }
    }

    pub(crate) async fn chooses_password(&mut self, link: &str, password: &str, code: &str) {
        match self {
            Door::Pages(browser) => {
                let csrf = csrf(browser, link).await;
                let form = format!("{}&token={}", step_up(&csrf, password, code), token(link));
                browser.posts("/recover/confirm", &form).await;
            }
            Door::Programs(it) => {
                let body = json!({"token": token(link), "code": code, "new_password": password});
                it.app.posts_open("/v1/recoveries/finish", &body).await;
            }
        }
    }

    pub(crate) async fn begins_factor(&mut self, password: &str, code: &str) {
        let path = "/security/factor";
        match self {
            Door::Pages(browser) => {
                let csrf = csrf(browser, path).await;
                browser.posts(path, &step_up(&csrf, password, code)).await;
            }
            Door::Programs(it) => {
                let answer = it.changes("/v1/factor-changes", password, code, json!({})).await;
                if answer.get("authenticator").is_some() {
                    it.waiting = Some(secret(&answer));
                }
            }
        }
    }

    /// The secret of the app that waits, as far as it can see.
    pub(crate) async fn waiting(&mut self) -> Option<TotpSecret> {
        match self {
            Door::Pages(browser) => {
                let page = browser.gets("/security/factor/new").await;
                let is_shown = page.text.contains(r#"id="secret""#);
                is_shown.then(|| factor_changes::secret(&page))
            }
            Door::Programs(it) => it.waiting.clone(),
        }
    }

    /// Whether that was the first code.
    pub(crate) async fn finishes_factor(&mut self, code: &str) -> bool {
        let path = "/security/factor/new";
        match self {
            Door::Pages(browser) => {
                let csrf = csrf(browser, path).await;
                let page = browser.posts(path, &format!("csrf={csrf}&code={code}")).await;
                page.headers.get("location").is_some_and(|to| to == "/security?notice=factor")
            }
            Door::Programs(it) => {
                it.goes_on().await;
                let path = "/v1/factor-changes/finish";
                let answer = it.app.posts(path, &json!({ "code": code })).await;
                it.takes(&answer.json);
                answer.status == StatusCode::OK
            }
        }
    }

    /// The codes that it is told.
    pub(crate) async fn makes_codes(&mut self, password: &str, code: &str) -> Vec<String> {
        let path = "/security/codes";
        match self {
            Door::Pages(browser) => {
                let csrf = csrf(browser, path).await;
                shown(&browser.posts(path, &step_up(&csrf, password, code)).await)
            }
            Door::Programs(it) => {
                let path = "/v1/users/me/recovery-codes";
                let answer = it.changes(path, password, code, json!({})).await;
                if answer.get("tokens").is_some() { codes(&answer) } else { Vec::new() }
            }
        }
    }

    pub(crate) async fn begins_email(&mut self, password: &str, code: &str, email: &str) {
        let path = "/security/email";
        match self {
            Door::Pages(browser) => {
                let csrf = csrf(browser, path).await;
                let form = step_up(&csrf, password, code);
                let form = format!("{form}&email={}", email.replace('@', "%40"));
                browser.posts(path, &form).await;
            }
            Door::Programs(it) => {
                let rest = json!({ "email": email });
                it.changes("/v1/email-changes", password, code, rest).await;
            }
        }
    }

    /// Whether the address is theirs then.
    pub(crate) async fn confirms_email(&mut self, link: &str) -> bool {
        match self {
            Door::Pages(browser) => {
                let csrf = csrf(browser, link).await;
                let form = format!("csrf={csrf}&token={}", token(link));
                let page = browser.posts("/security/email/confirm", &form).await;
                page.status == StatusCode::SEE_OTHER
            }
            Door::Programs(it) => {
                let body = json!({"token": token(link)});
                let answer = it.app.posts_open("/v1/email-changes/confirm", &body).await;
                answer.status == StatusCode::NO_CONTENT
            }
        }
    }

    pub(crate) async fn logs_out(&mut self) {
        match self {
            Door::Pages(browser) => {
                let csrf = csrf(browser, "/accounts").await;
                browser.posts("/logout", &format!("csrf={csrf}")).await;
            }
            Door::Programs(it) => {
                it.goes_on().await;
                it.app.asks(Request::post("/v1/auth/logout"), String::new()).await;
            }
        }
    }
}

/// The token of a page's forms, if it shows one to this browser.
async fn csrf(browser: &mut Browser, path: &str) -> String {
    let page = browser.gets(path).await.text;
    let found =
        page.split_once(r#"name="csrf" value=""#).and_then(|(_, rest)| rest.split_once('"'));
    found.map_or(String::new(), |(token, _)| String::from(token))
}

impl Programs<'_> {
    /// Access tokens last ten minutes, and their login longer.
    async fn goes_on(&mut self) {
        let answer = self.app.refreshes(&self.app.refresh_token).await;
        self.takes(&answer.json);
    }

    /// Goes on with the tokens of an answer, if it has any.
    fn takes(&mut self, answer: &Value) {
        let tokens = answer.get("tokens").unwrap_or(answer);
        if tokens.get("access_token").is_some() {
            assert!(!text(tokens, "refresh_token").is_empty());
            self.app.takes(tokens);
        }
    }

    async fn changes(&mut self, path: &str, password: &str, code: &str, rest: Value) -> Value {
        self.goes_on().await;
        let mut body = rest;
        body["password"] = json!(password);
        body["code"] = json!(code);
        let answer = self.app.posts(path, &body).await.json;
        self.takes(&answer);
        answer
    }
}
