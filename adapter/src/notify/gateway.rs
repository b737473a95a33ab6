//! A gateway that takes short messages or notices over HTTPS.
//!
//! ```text
//! POST /path HTTP/1.1                        {"id": "ltr_..", "to": "+49..", "text": ".."}
//! Authorization: Bearer <token>              {"id": "ltr_..", "platform": "ios", "token": "..",
//! Idempotency-Key: ltr_..                     "title": "..", "text": ".."}
//! ```
//! - 2xx: it is taken. 404 and 410 of a notice: the app is not there any more. Whatever else is tried again later,
//!   with the same id: who gets an id twice sends one message.
//! - Nothing is said before the gateway has shown a certificate of an authority that this machine trusts, or of the one
//!   that the bank names. Redirects are not followed, and answers not read beyond their status.
//! - A try takes ten seconds at most. Silence, 429 and 5xx open a [breaker](super::breaker) (IN2); what a gateway
//!   refuses for reasons of the message does not.
//! - A connection for each message: there are few of them, and none that is kept can be stale.

use super::breaker::{Breaker, Heard};
use super::courier::{NotTaken, Notice, Push, ShortMessage, Sms, Taking};
use crate::clock::{Clock, SECOND};
use crate::id::{Id, Letter};
use axum::body::Body;
use axum::http::uri::{Authority, PathAndQuery, Scheme};
use axum::http::{HeaderValue, Request, StatusCode, Uri, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::Serialize;
use std::fmt;
use std::pin::pin;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tracing::{info, warn};

/// How long a try may take.
const TRY_MAX: Duration = Duration::from_secs(10);
const HTTPS_PORT: u16 = 443;

/// Where a gateway is: `https://HOST[:PORT]/PATH`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GatewayUrl {
    authority: Authority,
    path: PathAndQuery,
}

/// Why a gateway can't be used.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// No place of a gateway.
    #[error(
        "write https://HOST[:PORT]/PATH, without a name or a password; the token goes into a file"
    )]
    NoUrl,
    /// What must be a line of visible characters is none.
    #[error("the token is no line of visible characters")]
    NoToken,
    /// What certificates it is measured by can't be used.
    #[error("the authorities can't be used: {0}")]
    Authorities(String),
}

impl FromStr for GatewayUrl {
    type Err = GatewayError;

    fn from_str(text: &str) -> Result<GatewayUrl, GatewayError> {
        let parts = Uri::from_str(text).map_err(|_| GatewayError::NoUrl)?.into_parts();
        let is_https = parts.scheme == Some(Scheme::HTTPS);
        let authority = parts.authority.filter(|_| is_https).ok_or(GatewayError::NoUrl)?;
        let place = match authority.port_u16() {
            None => String::from(authority.host()),
            Some(port) => format!("{}:{port}", authority.host()),
        };
        // Nothing but a host and perhaps a port: no name, no password.
        let is_sound = authority.as_str() == place;
        let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        if is_sound && ServerName::try_from(host(&authority)).is_ok() {
            Ok(GatewayUrl { authority, path })
        } else {
            Err(GatewayError::NoUrl)
        }
    }
}

/// The host without the brackets of an address of IPv6.
fn host(authority: &Authority) -> &str {
    let host = authority.host();
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// A gateway.
pub struct Gateway {
    url: GatewayUrl,
    /// `Bearer <token>`; marked so that nobody prints it.
    authorization: HeaderValue,
    tls: TlsConnector,
    /// Locked for a look and no longer: never while anybody waits.
    breaker: Mutex<Breaker>,
    patience: Duration,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gateway({})", self.url.authority)
    }
}

#[derive(Serialize)]
struct SmsBody<'a> {
    id: Id<Letter>,
    to: &'a str,
    text: &'a str,
}

#[derive(Serialize)]
struct NoticeBody<'a> {
    id: Id<Letter>,
    platform: super::courier::Platform,
    token: &'a str,
    title: &'a str,
    text: &'a str,
}

impl Gateway {
    /// A gateway that takes a token. It is measured by the authorities that this machine trusts, or by those alone
    /// that are given as PEM. Nothing is asked yet.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub fn new(
        url: GatewayUrl,
        token: &str,
        authorities: Option<&[u8]>,
        clock: Arc<dyn Clock>,
    ) -> Result<Gateway, GatewayError> {
        let token = token.trim();
        let is_line = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        let authorization = HeaderValue::from_str(&format!("Bearer {token}")).ok();
        let mut authorization = authorization.filter(|_| is_line).ok_or(GatewayError::NoToken)?;
        authorization.set_sensitive(true);
        let tls = TlsConnector::from(Arc::new(client_config(authorities)?));
        let (breaker, patience) = (Mutex::new(Breaker::new()), TRY_MAX);
        Ok(Gateway { url, authorization, tls, breaker, patience, clock })
    }

    /// The same, with so much time for a try; less than ten seconds, or it is ten.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Gateway {
        Gateway { patience: patience.min(TRY_MAX), ..self }
    }

    fn is_asked(&self) -> bool {
        self.with_breaker(|breaker| breaker.would_admit(self.clock.now()))
    }

    fn with_breaker<T>(&self, look: impl FnOnce(&mut Breaker) -> T) -> T {
        // Whoever panicked has left a whole breaker: it is one value.
        look(&mut self.breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Posts a body under an id, if the breaker lets it through.
    async fn post(&self, id: Id<Letter>, body: Vec<u8>) -> Result<StatusCode, NotTaken> {
        let now = || NotTaken::Now(String::from("the gateway is not asked for a while"));
        if !self.with_breaker(|breaker| breaker.admit(self.clock.now())) {
            return Err(now());
        }
        let asked = timeout(self.patience, self.ask(id, body)).await;
        let asked = asked.unwrap_or_else(|_| Err(String::from("no answer in time")));
        let has_trouble = |status: &StatusCode| {
            status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
        };
        let is_well = asked.as_ref().is_ok_and(|status| !has_trouble(status));
        let heard = if is_well { Heard::Answer } else { Heard::Nothing };
        let was_open = !self.is_asked();
        let opened = self.with_breaker(|breaker| breaker.hear(self.clock.now(), heard));
        if let Some(length) = opened {
            let seconds = length / SECOND;
            warn!(gateway = %self.url.authority, seconds, "it is in trouble, and not asked for a while");
        } else if was_open && is_well {
            info!(gateway = %self.url.authority, "it answers again");
        }
        match asked {
            Ok(status) if has_trouble(&status) => Err(NotTaken::Now(format!("status {status}"))),
            Ok(status) => Ok(status),
            Err(reason) => Err(NotTaken::Now(reason)),
        }
    }

    async fn ask(&self, id: Id<Letter>, body: Vec<u8>) -> Result<StatusCode, String> {
        let GatewayUrl { authority, path } = &self.url;
        let host = host(authority);
        let name = ServerName::try_from(String::from(host)).map_err(|error| error.to_string())?;
        let port = authority.port_u16().unwrap_or(HTTPS_PORT);
        let stream = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
        let stream = self.tls.connect(name, stream).await.map_err(|error| error.to_string())?;
        let request = Request::post(path.as_str())
            .header(header::HOST, authority.as_str())
            .header(header::AUTHORIZATION, self.authorization.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "close")
            .header("idempotency-key", id.to_string())
            .body(Body::from(body))
            .map_err(|error| error.to_string())?;
        let begun = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = begun.map_err(|error| error.to_string())?;
        let mut answering = pin!(sender.send_request(request));
        // The connection goes with the request: whatever it would bring after the status is not read.
        let answer = tokio::select! {
            answer = &mut answering => answer,
            _ = connection => answering.await,
        };
        answer.map(|answer| answer.status()).map_err(|error| error.to_string())
    }
}

/// What TLS speaks: 1.3 alone, with certificates that are checked.
fn client_config(authorities: Option<&[u8]>) -> Result<ClientConfig, GatewayError> {
    let broken = |error: &dyn fmt::Display| GatewayError::Authorities(error.to_string());
    let certificates = match authorities {
        Some(pem) => CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>(),
        // One that can't be read is no reason not to trust the others.
        None => Ok(rustls_native_certs::load_native_certs().certs),
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates.map_err(|error| broken(&error))?);
    if roots.is_empty() {
        return Err(broken(&"there are none"));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| broken(&error))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn json<T: Serialize>(body: &T) -> Vec<u8> {
    serde_json::to_vec(body).expect("it is plain")
}

fn refused(status: StatusCode) -> NotTaken {
    NotTaken::Now(format!("refused with status {status}"))
}

impl Sms for Gateway {
    fn send<'a>(&'a self, message: &'a ShortMessage) -> Taking<'a> {
        Box::pin(async move {
            let ShortMessage { id, to, text } = message;
            let body = json(&SmsBody { id: *id, to: to.plain(), text });
            match self.post(*id, body).await? {
                status if status.is_success() => Ok(()),
                status => Err(refused(status)),
            }
        })
    }

    fn is_ready(&self) -> bool {
        self.is_asked()
    }
}

impl Push for Gateway {
    fn send<'a>(&'a self, notice: &'a Notice) -> Taking<'a> {
        Box::pin(async move {
            let Notice { id, platform, token, title, text } = notice;
            let body = json(&NoticeBody { id: *id, platform: *platform, token, title, text });
            match self.post(*id, body).await? {
                status if status.is_success() => Ok(()),
                StatusCode::NOT_FOUND | StatusCode::GONE => Err(NotTaken::Gone),
                status => Err(refused(status)),
            }
        })
    }

    fn is_ready(&self) -> bool {
        self.is_asked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: messages in the clear over a network, or a token on the command line.
    #[test]
    fn a_gateway_is_a_place_behind_tls() {
        for (text, authority, path) in [
            ("https://sms.example/send", "sms.example", "/send"),
            ("https://sms.example", "sms.example", "/"),
            ("https://localhost:8443/v1/send?from=bank", "localhost:8443", "/v1/send?from=bank"),
            ("https://[::1]:8443/", "[::1]:8443", "/"),
        ] {
            let url = text.parse::<GatewayUrl>().unwrap();
            assert_eq!((url.authority.as_str(), url.path.as_str()), (authority, path), "{text}");
        }
        for odd in [
            "",
            "sms.example",
            "http://sms.example/send",
            "https://",
            "https:///send",
            "https://bank:secret@sms.example/",
            "https://sms.example:port/",
            "ftp://sms.example/",
            "https://sms example/",
        ] {
            assert!(odd.parse::<GatewayUrl>().is_err(), "{odd}");
        }
    }
}
