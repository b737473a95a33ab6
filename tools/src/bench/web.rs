//! A bank asked over HTTPS: connections that stay open, and an app that proves each request with its key.

use crate::adapter;
use crate::certificates::certificates;
use crate::exit::Failure;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use florin_adapter::{Bank, web};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

/// What requests call the bank.
const HOST: &str = "localhost";

type Connection = SendRequest<Full<Bytes>>;

/// Where a bank listens, and an authority to trust.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) origin: String,
    authority: String,
    listener: Option<florin_adapter::edge::Listener>,
}

impl Site {
    /// Listens on this machine.
    pub(crate) async fn listen() -> Result<Site, Failure> {
        let certificates = certificates()?;
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (chain, key) = (certificates.chain.as_bytes(), certificates.key.as_bytes());
        let listener = adapter::listen(anywhere, chain, key).await?;
        let address = listener.address();
        let origin = format!("https://{HOST}:{}", address.port());
        Ok(Site { address, origin, authority: certificates.authority, listener: Some(listener) })
    }

    /// Serves a bank until the task is ended.
    pub(crate) fn serve(&mut self, bank: &Arc<Bank>) -> JoinHandle<()> {
        let listener = self.listener.take().expect("it is served once");
        tokio::spawn(listener.serve(web::router(Arc::clone(bank)), std::future::pending()))
    }

    /// Opens so many connections.
    pub(crate) async fn connect(&self, count: usize) -> Result<Connections, Failure> {
        let authority = CertificateDer::from_pem_slice(self.authority.as_bytes());
        let mut trusted = RootCertStore::empty();
        trusted.add(authority.map_err(failed)?).map_err(failed)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut tls = tls.map_err(failed)?.with_root_certificates(trusted).with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let connections = Connections {
            address: self.address,
            connector: TlsConnector::from(Arc::new(tls)),
            places: Semaphore::new(count),
            idle: Mutex::default(),
        };
        for _ in 0..count {
            let connection = connections.open().await?;
            connections.idle().push_back(connection);
        }
        Ok(connections)
    }
}

/// Connections, each with one request at a time; one that the bank has closed is opened again.
pub(crate) struct Connections {
    address: SocketAddr,
    connector: TlsConnector,
    places: Semaphore,
    /// The longest idle first.
    idle: Mutex<VecDeque<Connection>>,
}

impl Connections {
    async fn open(&self) -> Result<Connection, Failure> {
        let stream = TcpStream::connect(self.address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let name = ServerName::try_from(HOST).map_err(failed)?;
        let stream = self.connector.connect(name, stream).await.map_err(failed)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(failed)?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Asks on a connection that nobody uses, once there is one; once more if the bank has closed it meanwhile.
    pub(crate) async fn ask(
        &self,
        mut request: impl FnMut() -> Result<Request<Full<Bytes>>, Failure>,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let _place = self.places.acquire().await.expect("places are never closed");
        let idle = self.idle().pop_front();
        if let Some(mut connection) = idle
            && connection.ready().await.is_ok()
            && let Ok(answer) = self.ask_on(connection, request()?).await
        {
            return Ok(answer);
        }
        self.ask_on(self.open().await?, request()?).await.map_err(failed)
    }

    /// Asks on a connection; keeps it if it was answered.
    async fn ask_on(
        &self,
        mut connection: Connection,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), hyper::Error> {
        let answer = connection.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        self.idle().push_back(connection);
        Ok((status, body))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, VecDeque<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An app of the bank, with a key of its own.
pub(crate) struct App {
    key: EcdsaKeyPair,
    /// The header of its proofs, encoded.
    header: String,
    /// The thumbprint of its key (RFC 7638).
    pub(crate) thumbprint: String,
    origin: String,
    count: AtomicU64,
}

impl App {
    pub(crate) fn new(origin: &str) -> Result<App, Failure> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
        let (x, y) = key.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y));
        let jwk = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let header = format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{jwk}}}"#);
        Ok(App {
            header: BASE64URL_NOPAD.encode(header.as_bytes()),
            thumbprint: BASE64URL_NOPAD.encode(digest(&SHA256, jwk.as_bytes()).as_ref()),
            key,
            origin: String::from(origin),
            count: AtomicU64::new(0),
        })
    }

    /// A name for an order that may be sent twice.
    pub(crate) fn order_key(&self) -> String {
        format!("bench-{}-{}", self.thumbprint, self.count.fetch_add(1, Ordering::Relaxed))
    }

    /// A request with a token and a proof; an order with its key.
    pub(crate) fn request(
        &self,
        path: &str,
        token: &str,
        order: Option<(&str, &str)>,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let method = if order.is_some() { Method::POST } else { Method::GET };
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(failed)?.as_secs();
        let hash = BASE64URL_NOPAD.encode(digest(&SHA256, token.as_bytes()).as_ref());
        let claims = format!(
            r#"{{"jti":"{count}","htm":"{method}","htu":"{}{path}","iat":{now},"ath":"{hash}"}}"#,
            self.origin
        );
        let signed = format!("{}.{}", self.header, BASE64URL_NOPAD.encode(claims.as_bytes()));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).map_err(failed)?;
        let proof = format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()));
        let host = self.origin.trim_start_matches("https://");
        let mut request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(header::HOST, host)
            .header(header::AUTHORIZATION, format!("DPoP {token}"))
            .header("dpop", proof);
        let mut body = String::new();
        if let Some((key, text)) = order {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .header("idempotency-key", key);
            body = String::from(text);
        }
        request.body(Full::new(Bytes::from(body))).map_err(failed)
    }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::unavailable(format!("the bank can't be asked over HTTPS: {error}"))
}
