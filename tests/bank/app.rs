//! An app of the bank: it has a key, and proves with every request that it does.

use crate::branch::{Branch, ORIGIN, PASSWORD, Person};
use crate::described;
use crate::ear::Ear;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PSS_SHA256,
    RsaKeyPair,
};
use axum::Router;
use axum::body::Body;
use axum::http::request::Builder;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use data_encoding::BASE64URL_NOPAD;
use florin_adapter::clock::SECOND;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use tower::ServiceExt;

/// What the bank answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

impl Answer {
    /// The code of a problem.
    pub(crate) fn code(&self) -> (u16, &str) {
        (self.status.as_u16(), self.json["code"].as_str().unwrap_or("none"))
    }

    /// What it says, if it went well.
    pub(crate) fn good(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.json);
        self.json
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Signs proofs.
pub(crate) enum Key {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl Key {
    pub(crate) fn p256() -> Key {
        Key::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn ed25519() -> Key {
        Key::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    pub(crate) fn rsa() -> Key {
        Key::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Key::P256(_) => "ES256",
            Key::Ed25519(_) => "EdDSA",
            Key::Rsa(_) => "PS256",
        }
    }

    pub(crate) fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        match self {
            Key::P256(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y)})
            }
            Key::Ed25519(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": text(key.public_key().as_ref())})
            }
            Key::Rsa(key) => {
                // A modulus of 2,048 bits after nine bytes of DER, and the exponent 65,537.
                let (n, e) = (&key.public_key().as_ref()[9..265], [1, 0, 1]);
                json!({"kty": "RSA", "n": text(n), "e": text(&e)})
            }
        }
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    pub(crate) fn sign_text(&self, header: &str, claims: &str) -> String {
        let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        let signed = format!("{}.{}", part(header), part(claims));
        let random = SystemRandom::new();
        let signature = match self {
            Key::P256(key) => key.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec(),
            Key::Ed25519(key) => key.sign(signed.as_bytes()).as_ref().to_vec(),
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PSS_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
                signature
            }
        };
        format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
    }
}

pub(crate) struct App<'a> {
    pub(crate) branch: &'a Branch,
    pub(crate) key: Key,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    /// Where it asks; another adapter of the same bank will do.
    pub(crate) router: Router,
    proofs_count: AtomicU64,
}

impl<'a> App<'a> {
    pub(crate) fn with(branch: &'a Branch, key: Key) -> App<'a> {
        App {
            branch,
            key,
            access_token: String::new(),
            refresh_token: String::new(),
            router: branch.router(),
            proofs_count: AtomicU64::new(0),
        }
    }

    /// The same app, with the same tokens, at a bank that was opened again.
    pub(crate) fn again<'b>(branch: &'b Branch, app: App<'_>) -> App<'b> {
        let App { key, access_token, refresh_token, proofs_count, .. } = app;
        App { access_token, refresh_token, proofs_count, ..App::with(branch, key) }
    }

    /// An app that nobody is logged in with.
    pub(crate) fn of(branch: &'a Branch) -> App<'a> {
        App::with(branch, Key::p256())
    }

    /// An app of a customer who is logged in.
    pub(crate) async fn logged_in(branch: &'a Branch, person: &Person) -> App<'a> {
        let mut app = App::of(branch);
        app.logs_in(person).await;
        app
    }

    pub(crate) async fn logs_in(&mut self, person: &Person) {
        self.branch.pass(30 * SECOND);
        let attempt = self.begins(person.email, PASSWORD).await;
        let answer = self.verifies(&attempt, &person.totp.code(self.branch.now())).await.good();
        self.takes(&answer);
    }

    pub(crate) async fn begins(&self, email: &str, password: &str) -> String {
        let body = json!({"email": email, "password": password});
        text(&self.posts_open("/v1/auth/login", &body).await.good(), "attempt")
    }

    pub(crate) async fn verifies(&self, attempt: &str, code: &str) -> Answer {
        let path = "/v1/auth/login/verify";
        let proof = self.proof("POST", path, None);
        let body = json!({"attempt": attempt, "code": code}).to_string();
        self.sends(json_request(path).header("DPoP", proof), body).await
    }

    pub(crate) async fn refreshes(&self, token: &str) -> Answer {
        let path = "/v1/auth/token/refresh";
        let proof = self.proof("POST", path, None);
        let body = json!({"refresh_token": token}).to_string();
        self.sends(json_request(path).header("DPoP", proof), body).await
    }

    /// What a proof of now says.
    pub(crate) fn claims(&self, method: &str, path: &str, token: Option<&str>) -> Value {
        let count = self.proofs_count.fetch_add(1, Ordering::SeqCst);
        let path = path.split('?').next().unwrap();
        let mut claims = json!({
            "jti": format!("proof {count}"),
            "htm": method,
            "htu": format!("{ORIGIN}{path}"),
            "iat": self.branch.now().0 / SECOND,
        });
        if let Some(token) = token {
            claims["ath"] = json!(token_hash(token));
        }
        claims
    }

    pub(crate) fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": self.key.algorithm(), "jwk": self.key.jwk()})
    }

    pub(crate) fn proof(&self, method: &str, path: &str, token: Option<&str>) -> String {
        self.key.sign(&self.header(), &self.claims(method, path, token))
    }

    /// Sends a request with the token and a proof.
    pub(crate) async fn asks(&self, request: Builder, body: String) -> Answer {
        self.sends(self.proved(request), body).await
    }

    /// Listens after what it was told last, if anything.
    pub(crate) async fn listens(&self, last_id: &str) -> Ear {
        let request = self.proved(Request::get("/v1/events"));
        let request = if last_id.is_empty() {
            request
        } else {
            request.header("last-event-id", last_id.as_bytes())
        };
        Ear::of(self.router.clone(), request.body(Body::empty()).unwrap()).await
    }

    fn proved(&self, request: Builder) -> Builder {
        let (method, path) = {
            let (method, uri) = (request.method_ref().unwrap(), request.uri_ref().unwrap());
            (method.to_string(), uri.path().to_owned())
        };
        let proof = self.proof(&method, &path, Some(&self.access_token));
        let token = format!("DPoP {}", self.access_token);
        request.header("DPoP", proof).header(header::AUTHORIZATION, token)
    }

    pub(crate) async fn gets(&self, path: &str) -> Answer {
        self.asks(Request::get(path), String::new()).await
    }

    pub(crate) async fn posts(&self, path: &str, body: &Value) -> Answer {
        self.asks(json_request(path), body.to_string()).await
    }

    pub(crate) async fn deletes(&self, path: &str) -> Answer {
        self.asks(Request::delete(path), String::new()).await
    }

    /// Sends an order under a name.
    pub(crate) async fn orders(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.asks(json_request(path).header("Idempotency-Key", key), body.to_string()).await
    }

    /// Goes on with other tokens.
    pub(crate) fn takes(&mut self, tokens: &Value) {
        self.access_token = text(tokens, "access_token");
        self.refresh_token = text(tokens, "refresh_token");
    }

    /// The same without a token.
    pub(crate) async fn posts_open(&self, path: &str, body: &Value) -> Answer {
        self.sends(json_request(path), body.to_string()).await
    }

    /// Sends a request, and holds the answer against what is described.
    pub(crate) async fn sends(&self, request: Builder, body: String) -> Answer {
        let request = request.body(Body::from(body)).unwrap();
        let (method, path) = (request.method().clone(), String::from(request.uri().path()));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let json = match bytes.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned())),
        };
        let answer = Answer { status: parts.status, headers: parts.headers, json };
        described::check(&method, &path, &answer);
        answer
    }
}

pub(crate) fn json_request(path: &str) -> Builder {
    Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
}

pub(crate) fn text(json: &Value, member: &str) -> String {
    String::from(json[member].as_str().unwrap_or_else(|| panic!("no {member} in {json}")))
}

/// The hash of an access token, as a proof carries it.
pub(crate) fn token_hash(token: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    BASE64URL_NOPAD.encode(hash.as_ref())
}
