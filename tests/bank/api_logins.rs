//! Logins of the bank's own apps. What would go wrong without: a token that is anybody's who has read it, or that
//! opens the bank after its customer has left.

use crate::app::{App, Key, text};
use crate::branch::{Branch, ORIGIN, PASSWORD};
use axum::http::{Request, header};
use data_encoding::BASE64URL_NOPAD;
use florin_adapter::clock::{HOUR, MINUTE, SECOND};
use florin_adapter::customers::{Sessions, Token};
use florin_adapter::id::{Account, Id};
use florin_adapter::staff::Role;
use serde_json::Value;

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
}

#[tokio::test]
async fn name_password_code_and_key_are_a_login() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    for key in [Key::p256(), Key::ed25519(), Key::rsa()] {
        let mut app = App::with(&branch, key);
        app.logs_in(&ada).await;
        let said = claims(&app.access_token);
        assert_eq!(said["iss"], ORIGIN);
        assert_eq!(said["aud"], format!("{ORIGIN}/v1"));
        assert_eq!(said["sub"], ada.id.to_string());
        assert_eq!(said["client_id"], "first-party");
        let now_s = branch.now().0 / SECOND;
        assert_eq!((said["iat"].as_u64(), said["exp"].as_u64()), (Some(now_s), Some(now_s + 600)));
        let me = app.gets("/v1/users/me").await.good();
        assert_eq!((&me["user_id"], &me["email"]), (&said["sub"], &"ada@example.org".into()));
    }
}

/// Row 36 of the threat table: who is a customer is nobody's to know.
#[tokio::test]
async fn whatever_is_typed_a_code_is_asked_for_and_what_was_wrong_is_not_told() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let app = App::of(&branch);
    branch.pass(30 * SECOND);
    let code = ada.totp.code(branch.now());
    for (email, password, code) in [
        ("ada@example.org", "wrong", code.as_str()),
        ("nobody@example.org", PASSWORD, &code),
        ("no address", PASSWORD, &code),
        ("ada@example.org", PASSWORD, "000000"),
        ("ada@example.org", PASSWORD, "no code"),
    ] {
        let attempt = app.begins(email, password).await;
        assert_eq!(attempt.len(), 43, "{email}");
        let answer = app.verifies(&attempt, code).await;
        assert_eq!(answer.code(), (401, "login_failed"), "{email} {password} {code}");
        let again = app.verifies(&attempt, &ada.totp.code(branch.now())).await;
        assert_eq!(again.code(), (401, "login_failed"), "an attempt is spent by one code");
    }
    assert_eq!(app.verifies("x", &code).await.code(), (401, "login_failed"));
}

/// Rows 31 and 55: in every adapter, at once.
#[tokio::test]
async fn a_token_is_worth_nothing_once_its_login_is_over() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let logged_out = App::logged_in(&branch, &ada).await;
    let idle = App::logged_in(&branch, &ada).await;
    let other = App::logged_in(&branch, &ada).await;
    assert_eq!(logged_out.asks(Request::post("/v1/auth/logout"), String::new()).await.status, 204);
    for path in ["/v1/users/me", "/v1/accounts"] {
        assert_eq!(logged_out.gets(path).await.code(), (401, "invalid_token"));
    }
    let refreshed = logged_out.refreshes(&logged_out.refresh_token).await;
    assert_eq!(refreshed.code(), (400, "invalid_grant"));
    branch.pass(3 * MINUTE);
    other.gets("/v1/users/me").await.good();
    branch.pass(2 * MINUTE);
    assert_eq!(idle.gets("/v1/users/me").await.code(), (401, "invalid_token"));
    assert_eq!(idle.refreshes(&idle.refresh_token).await.code(), (400, "invalid_grant"));
    other.gets("/v1/users/me").await.good();
    // What ends all logins of a customer, such as another password.
    let ended = Sessions::end_all(&branch.bank.store, ada.id).await.unwrap();
    branch.client.write_documents(&ended).await.unwrap();
    assert_eq!(other.gets("/v1/users/me").await.code(), (401, "invalid_token"));
}

/// Prevents: a token that goes on after its ten minutes, or a login after its twelve hours.
#[tokio::test]
async fn a_token_lasts_ten_minutes_and_is_made_anew_as_long_as_the_login_lasts() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let mut app = App::logged_in(&branch, &ada).await;
    for minutes in [4, 8] {
        branch.pass(4 * MINUTE);
        assert_eq!(app.gets("/v1/users/me").await.status, 200, "after {minutes} minutes");
    }
    branch.pass(2 * MINUTE);
    assert_eq!(app.gets("/v1/users/me").await.code(), (401, "invalid_token"));
    let login = claims(&app.access_token)["sid"].clone();
    let mut minutes = 10;
    while minutes < 12 * 60 - 4 {
        let answer = app.refreshes(&app.refresh_token).await.good();
        assert!(answer["expires_in"].as_u64().unwrap() <= 600);
        assert_eq!(text(&answer, "refresh_token"), app.refresh_token, "it is not changed");
        app.access_token = text(&answer, "access_token");
        assert_eq!(claims(&app.access_token)["sid"], login);
        branch.pass(4 * MINUTE);
        minutes += 4;
    }
    let last = app.refreshes(&app.refresh_token).await.good();
    let exp = claims(&text(&last, "access_token"))["exp"].as_u64().unwrap();
    assert!(exp * SECOND <= branch.now().0 + 4 * MINUTE, "no token outlives its login");
    let left = exp - branch.now().0 / SECOND;
    assert_eq!(last["expires_in"].as_u64(), Some(left), "and none says that it does");
    branch.pass(4 * MINUTE);
    assert_eq!(app.refreshes(&app.refresh_token).await.code(), (400, "invalid_grant"));
    assert!(12 * HOUR <= branch.now().0 - exp * SECOND + 12 * HOUR);
}

/// Rows 21 and 25: whoever has the tokens and not the key has nothing, and a browser has nothing of an app's.
#[tokio::test]
async fn tokens_are_good_with_their_key_alone() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let app = App::logged_in(&branch, &ada).await;
    let mut thief = App::of(&branch);
    thief.access_token = app.access_token.clone();
    assert_eq!(thief.gets("/v1/users/me").await.code(), (401, "invalid_dpop_proof"));
    assert_eq!(thief.refreshes(&app.refresh_token).await.code(), (400, "invalid_grant"));
    let bearer = Request::get("/v1/users/me")
        .header(header::AUTHORIZATION, format!("Bearer {}", app.access_token));
    assert_eq!(thief.sends(bearer, String::new()).await.code(), (401, "invalid_token"));
    let cookie = Request::get("/accounts")
        .header(header::COOKIE, format!("__Host-login={}", app.refresh_token));
    assert_eq!(thief.sends(cookie, String::new()).await.status, 303, "it is no browser's login");
    let browser: Token = branch.login(&ada).await;
    assert_eq!(app.refreshes(&browser.to_string()).await.code(), (400, "invalid_grant"));
    app.gets("/v1/users/me").await.good();
}

/// Rows 11 to 13: tokens that somebody else has made, or that are for something else.
#[tokio::test]
async fn a_token_that_this_bank_did_not_issue_opens_nothing() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let mut app = App::logged_in(&branch, &ada).await;
    let token = app.access_token.clone();
    let parts: Vec<&str> = token.split('.').collect();
    let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let none = encode(r#"{"typ":"at+jwt","alg":"none"}"#);
    let said = claims(&token).to_string();
    let forged = Key::p256();
    let header = |alg: &str| format!(r#"{{"typ":"at+jwt","alg":"{alg}","kid":"x"}}"#);
    let real = BASE64URL_NOPAD.decode(parts[0].as_bytes()).unwrap();
    let real = String::from_utf8(real).unwrap();
    let proof = app.proof("GET", "/v1/users/me", None);
    for token in [
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        format!("{}.{}.{}", parts[0], encode(&said.replace("600", "601")), parts[2]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{token}."),
        format!("{token}="),
        token.replace('.', " "),
        forged.sign_text(&header("ES256"), &said),
        forged.sign_text(&real, &said),
        forged.sign_text(&real.replace("at+jwt", "JWT"), &said),
        proof,
        "x".repeat(100_000),
        String::new(),
    ] {
        app.access_token = token;
        let answer = app.gets("/v1/users/me").await;
        assert_eq!(answer.code(), (401, "invalid_token"), "{:.60}", app.access_token);
        assert!(answer.header("www-authenticate").starts_with("DPoP error=\"invalid_token\""));
    }
    app.access_token = token;
    app.gets("/v1/users/me").await.good();
}

/// Row 60: whoever looks after customers has none of what is theirs.
#[tokio::test]
async fn a_member_of_the_staff_is_nobodys_customer() {
    let branch = Branch::open().await;
    let clerk = branch.hires("clerk@bank.example", &[Role::Support, Role::Admin]).await;
    let app = App::logged_in(&branch, &clerk).await;
    assert_eq!(app.gets("/v1/users/me").await.good()["email"], clerk.email);
    let document = florin_adapter::api::document(ORIGIN);
    let document: Value = serde_json::from_str(&document).unwrap();
    let mut refused = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let path = path.replace("{account_id}", &Id::<Account>::from_number(1).to_string());
        for (method, operation) in operations.as_object().unwrap() {
            let is_theirs = operation["tags"][0] == "Staff"
                || ["get_profile", "logout"].contains(&text(operation, "operationId").as_str());
            if is_theirs || operation.get("security").is_none() {
                continue;
            }
            let request = Request::builder().method(&*method.to_uppercase()).uri(&path);
            let answer = app.asks(request, String::new()).await;
            assert_eq!(answer.code(), (403, "not_a_customer"), "{method} {path}");
            refused += 1;
        }
    }
    assert!(8 <= refused, "{refused} operations were asked for");
    app.asks(Request::post("/v1/auth/logout"), String::new()).await.good();
    assert_eq!(app.gets("/v1/users/me").await.code(), (401, "invalid_token"));
}
