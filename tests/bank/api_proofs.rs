//! Row 22 of the threat table: proofs of possession (RFC 9449), one by one as the conformance suite breaks them.
//! What would go wrong without: a token that was read somewhere is as good as its app.

use crate::app::{App, Key, json_request, token_hash};
use crate::branch::Branch;
use axum::http::{Request, header};
use data_encoding::BASE64URL_NOPAD;
use florin_adapter::clock::{MINUTE, SECOND};
use florin_adapter::staff::Role;
use serde_json::{Value, json};

const PATH: &str = "/v1/users/me";

/// A request for a profile with some headers `DPoP`.
async fn status(app: &App<'_>, proofs: &[String]) -> (u16, String) {
    let mut request =
        Request::get(PATH).header(header::AUTHORIZATION, format!("dPoP {}", app.access_token));
    for proof in proofs {
        request = request.header("DPOP", proof);
    }
    let answer = app.sends(request, String::new()).await;
    if answer.status == 401 {
        let challenge = answer.header("www-authenticate");
        assert!(challenge.starts_with("DPoP error=\"invalid_dpop_proof\""), "{challenge}");
    }
    let (status, code) = answer.code();
    (status, String::from(code))
}

fn changed(claims: &Value, member: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[member] = value;
    claims
}

fn without(claims: &Value, member: &str) -> Value {
    let mut claims = claims.clone();
    claims.as_object_mut().unwrap().remove(member);
    claims
}

#[tokio::test]
async fn a_proof_is_for_one_request_of_one_key_at_one_time() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let app = App::logged_in(&branch, &ada).await;
    let refused = (401, String::from("invalid_dpop_proof"));
    let good = || app.claims("GET", PATH, Some(&app.access_token));
    let header = app.header();
    let now_s = branch.now().0 / SECOND;

    assert_eq!(status(&app, &[]).await, refused, "none");
    let (one, other) = (app.key.sign(&header, &good()), app.key.sign(&header, &good()));
    assert_eq!(status(&app, &[one.clone(), other]).await, refused, "two");
    assert_eq!(status(&app, &[one.clone(), one]).await, refused, "the same twice");
    assert_eq!(status(&app, &[String::from("x")]).await, refused, "none at all");

    for (what, header) in [
        ("no type", without(&header, "typ")),
        ("another type", changed(&header, "typ", json!("JWT"))),
        ("no algorithm", without(&header, "alg")),
        ("no key", without(&header, "jwk")),
        ("alg none", changed(&header, "alg", json!("none"))),
        ("alg None", changed(&header, "alg", json!("nOnE"))),
        ("RS256", changed(&header, "alg", json!("RS256"))),
        ("HS256", changed(&header, "alg", json!("HS256"))),
        ("ES384", changed(&header, "alg", json!("ES384"))),
        ("another key's algorithm", changed(&header, "alg", json!("EdDSA"))),
        ("a private key", changed(&header, "jwk", changed(&header["jwk"], "d", json!("AAAA")))),
        ("another's key", changed(&header, "jwk", Key::p256().jwk())),
        ("kid", changed(&header, "kid", json!("../../etc/passwd"))),
        ("jku", changed(&header, "jku", json!("https://evil.example/keys"))),
        ("x5u", changed(&header, "x5u", json!("https://evil.example/keys"))),
        ("x5c", changed(&header, "x5c", json!(["AAAA"]))),
        ("crit", changed(&header, "crit", json!(["b64"]))),
        ("b64", changed(&header, "b64", json!(false))),
        ("zip", changed(&header, "zip", json!("DEF"))),
    ] {
        let proof = app.key.sign(&header, &good());
        assert_eq!(status(&app, &[proof]).await, refused, "{what}");
    }
    let twice = header.to_string().replace("\"alg\"", "\"alg\":\"ES256\",\"alg\"");
    let proof = app.key.sign_text(&twice, &good().to_string());
    assert_eq!(status(&app, &[proof]).await, refused, "alg twice");

    for (what, claims) in [
        ("no id", without(&good(), "jti")),
        ("an empty id", changed(&good(), "jti", json!(""))),
        ("a long id", changed(&good(), "jti", json!("x".repeat(257)))),
        ("no method", without(&good(), "htm")),
        ("no URL", without(&good(), "htu")),
        ("no time", without(&good(), "iat")),
        ("no hash", without(&good(), "ath")),
        ("another method", changed(&good(), "htm", json!("POST"))),
        ("another case of it", changed(&good(), "htm", json!("get"))),
        ("another URL", changed(&good(), "htu", json!("https://bank.example/v1/accounts"))),
        ("another bank", changed(&good(), "htu", json!("https://evil.example/v1/users/me"))),
        ("an hour ago", changed(&good(), "iat", json!(now_s - 3_600))),
        ("a minute ago", changed(&good(), "iat", json!(now_s - 61))),
        ("in an hour", changed(&good(), "iat", json!(now_s + 3_600))),
        ("in a minute", changed(&good(), "iat", json!(now_s + 61))),
        ("no integer", changed(&good(), "iat", json!(1.5))),
        ("a text", changed(&good(), "iat", json!(now_s.to_string()))),
        ("another token's hash", changed(&good(), "ath", json!(token_hash("x")))),
    ] {
        let proof = app.key.sign(&header, &claims);
        assert_eq!(status(&app, &[proof]).await, refused, "{what}");
    }

    let other = Key::p256();
    let theirs = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": other.jwk()});
    assert_eq!(status(&app, &[other.sign(&theirs, &good())]).await, refused, "another key");
    let proof = app.key.sign(&header, &good());
    let (signed, signature) = proof.rsplit_once('.').unwrap();
    let mut bytes = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    bytes[9] ^= 1;
    let broken = format!("{signed}.{}", BASE64URL_NOPAD.encode(&bytes));
    assert_eq!(status(&app, &[broken]).await, refused, "a broken signature");
    let swapped = app.claims("POST", PATH, Some(&app.access_token)).to_string();
    let swapped = BASE64URL_NOPAD.encode(swapped.as_bytes());
    let parts: Vec<_> = proof.split('.').collect();
    let swapped = format!("{}.{swapped}.{}", parts[0], parts[2]);
    assert_eq!(status(&app, &[swapped]).await, refused, "other claims");

    let served = (200, String::from("none"));
    let url = |url: &str| changed(&good(), "htu", json!(url));
    for (what, claims) in [
        ("as it is", good()),
        ("more claims", changed(&good(), "nonce", json!("x"))),
        ("with a query", url("https://bank.example/v1/users/me?x=y#z")),
        ("in capitals", url("HTTPS://BANK.EXAMPLE/v1/users/me")),
        ("with its port", url("https://bank.example:443/v1/users/me")),
        ("a little early", changed(&good(), "iat", json!(now_s + 10))),
        ("a little late", changed(&good(), "iat", json!(now_s - 25))),
    ] {
        let proof = app.key.sign(&header, &claims);
        assert_eq!(status(&app, std::slice::from_ref(&proof)).await, served, "{what}");
        assert_eq!(status(&app, &[proof]).await, refused, "{what}, a second time");
    }
}

/// Prevents: a proof that was used at one adapter and is good at another, or at the same one a hundred times at
/// once.
#[tokio::test]
async fn a_proof_is_used_once_whichever_adapter_it_is_shown_to() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let app = App::logged_in(&branch, &ada).await;
    let another = branch.another(&branch.root()).await.unwrap();
    let another = florin_adapter::web::router(std::sync::Arc::new(another));
    let proof = app.proof("GET", PATH, Some(&app.access_token));
    let mut asking = tokio::task::JoinSet::new();
    for place in 0..64 {
        let router = if place % 2 == 0 { branch.router() } else { another.clone() };
        let request = Request::get(PATH)
            .header(header::AUTHORIZATION, format!("DPoP {}", app.access_token))
            .header("DPoP", &proof)
            .body(axum::body::Body::empty())
            .unwrap();
        asking.spawn(async move {
            tower::ServiceExt::oneshot(router, request).await.unwrap().status().as_u16()
        });
    }
    let answered = asking.join_all().await;
    assert_eq!(answered.iter().filter(|status| **status == 200).count(), 1, "{answered:?}");
    assert!(answered.iter().all(|status| [200, 401, 429].contains(status)), "{answered:?}");
}

/// Prevents: the same, where the proof gets new tokens.
#[tokio::test]
async fn a_proof_refreshes_once() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let app = App::logged_in(&branch, &ada).await;
    let path = "/v1/auth/token/refresh";
    let proof = app.proof("POST", path, None);
    let body = json!({"refresh_token": app.refresh_token}).to_string();
    let request = || json_request(path).header("DPoP", &proof);
    assert_eq!(app.sends(request(), body.clone()).await.status, 200);
    assert_eq!(app.sends(request(), body).await.code(), (401, "invalid_dpop_proof"));
}

/// Prevents: a proof from before the ledger was opened, of which nobody knows any more whether it was used.
#[tokio::test]
async fn what_was_made_before_the_memory_began_is_refused() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let app = App::logged_in(&branch, &ada).await;
    let proof = app.proof("GET", PATH, Some(&app.access_token));
    assert_eq!(status(&app, std::slice::from_ref(&proof)).await.0, 200);
    branch.pass(2 * SECOND);
    let reopened = branch.reopened().await;
    let again = App::again(&reopened, app);
    let refused = (401, String::from("invalid_dpop_proof"));
    assert_eq!(status(&again, &[proof]).await, refused, "it was used");
    let now_s = reopened.now().0 / SECOND;
    for (made_s, expected) in [(now_s - 1, 401), (now_s, 200)] {
        let claims = again.claims("GET", PATH, Some(&again.access_token));
        let proof = again.key.sign(&again.header(), &changed(&claims, "iat", json!(made_s)));
        assert_eq!(status(&again, &[proof]).await.0, expected, "{made_s}");
    }
}

/// Prevents: an account that is told, or said not to be there, to whoever has heard a request and sends it again: accounts
/// are read while their proof is used up. And requests without an account that cost nobody anything.
#[tokio::test]
async fn an_account_is_told_once_for_a_proof_and_so_is_that_there_is_none() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let (hers, his) = (branch.account(&ada, 100).await, branch.account(&ben, 100).await);
    let app = App::logged_in(&branch, &ada).await;
    branch.pass(MINUTE - branch.now().0 % MINUTE);
    let asks = async |path: &str, proof: &str| {
        let token = format!("DPoP {}", app.access_token);
        let request = Request::get(path).header(header::AUTHORIZATION, token).header("DPoP", proof);
        app.sends(request, String::new()).await
    };
    let mut left = 300;
    for (account, expected) in
        [(hers.to_string(), 200), (his.to_string(), 404), (String::from("none"), 404)]
    {
        let path = format!("/v1/accounts/{account}");
        let proof = app.proof("GET", &path, Some(&app.access_token));
        let first = asks(&path, &proof).await;
        left -= 1;
        let told_left = first.header("x-ratelimit-remaining").to_owned();
        assert_eq!((first.status.as_u16(), told_left), (expected, left.to_string()), "{path}");
        let again = asks(&path, &proof).await;
        left -= 1;
        assert_eq!(again.code(), (401, "invalid_dpop_proof"), "{path}");
    }
    let path = format!("/v1/accounts/{hers}");
    for place in 0..left {
        assert_eq!(app.gets(&path).await.status, 200, "{place}");
    }
    assert_eq!(app.gets(&path).await.code(), (429, "rate_limited"));
}

/// Prevents: a member of the staff who is told of a customer's account as if they were one, or asks for it for nothing.
#[tokio::test]
async fn a_proof_of_who_is_no_customer_is_used_up_too() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let hers = branch.account(&ada, 100).await;
    let clerk = branch.hires("cleo@example.org", &[Role::Support]).await;
    let app = App::logged_in(&branch, &clerk).await;
    let path = format!("/v1/accounts/{hers}");
    let proof = app.proof("GET", &path, Some(&app.access_token));
    for refused in [(403, "not_a_customer"), (401, "invalid_dpop_proof")] {
        let token = format!("DPoP {}", app.access_token);
        let request =
            Request::get(&path).header(header::AUTHORIZATION, token).header("DPoP", &proof);
        assert_eq!(app.sends(request, String::new()).await.code(), refused);
    }
}
