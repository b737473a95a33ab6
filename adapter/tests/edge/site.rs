//! A listener with a few pages, and peers that say exactly what they are told to.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use axum::routing::{get, post};
use florin_adapter::edge::{Endless, Limits, Listener, TlsFiles, server_config};
use futures_util::{Stream, StreamExt, stream};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::convert::Infallible;
use std::future::ready;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A request that is as it should be.
pub(crate) const GOOD: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A listener that serves until it is told to stop.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    /// How many requests were begun.
    pub(crate) executed: watch::Receiver<u64>,
    client: Arc<ClientConfig>,
    stop: watch::Sender<bool>,
}

type Executed = Arc<watch::Sender<u64>>;

fn begun(executed: &Executed) {
    executed.send_modify(|count| *count += 1);
}

fn tick() -> Result<Bytes, Infallible> {
    Ok(Bytes::from_static(b"tick\n"))
}

/// An answer without an end.
fn endless(body: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static) -> Response {
    let mut response = Response::new(Body::from_stream(body));
    response.extensions_mut().insert(Endless);
    response
}

fn router(executed: Executed) -> Router {
    Router::new()
        .route("/", get(async |State(executed): State<Executed>| begun(&executed)))
        .route(
            "/address",
            get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string()),
        )
        .route(
            "/hang",
            get(async |State(executed): State<Executed>| {
                begun(&executed);
                std::future::pending::<()>().await;
            }),
        )
        .route(
            "/endless",
            get(async || endless(stream::once(ready(tick())).chain(stream::pending()))),
        )
        .route("/flood", get(async || endless(stream::repeat_with(tick))))
        .route(
            "/form",
            post(async |State(executed): State<Executed>, body: Bytes| {
                begun(&executed);
                body.len().to_string()
            }),
        )
        .with_state(executed)
}

impl Site {
    pub(crate) async fn open(limits: Limits) -> Site {
        let (executed, told) = watch::channel(0);
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec![String::from("localhost")];
        let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let (chain, key) = (certificate.pem(), key.serialize_pem());
        let files = TlsFiles { certificates: chain.as_bytes(), key: key.as_bytes() };
        let tls = server_config(&files).unwrap();
        let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), tls).await.unwrap();
        let address = listener.address();
        let (stop, mut stopped) = watch::channel(false);
        let stopping = async move {
            if stopped.wait_for(|stopped| *stopped).await.is_err() {
                std::future::pending().await
            }
        };
        let serving = listener.with_limits(limits).serve(router(Arc::new(executed)), stopping);
        tokio::spawn(serving);
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Site { address, executed: told, client: Arc::new(client), stop }
    }

    /// Tells the listener to stop.
    pub(crate) fn stops(&self) {
        self.stop.send_replace(true);
    }

    pub(crate) async fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).await.unwrap();
        // A kernel that waits to send more at once waits by another clock.
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// A connection that agreed on a protocol.
    pub(crate) async fn tls(&self, protocol: &str) -> TlsStream<TcpStream> {
        let mut config = ClientConfig::clone(&self.client);
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, self.tcp().await).await.unwrap()
    }

    /// What is answered until the connection is closed.
    pub(crate) async fn says(&self, bytes: &[u8]) -> String {
        let mut stream = self.tls("http/1.1").await;
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
        rest(&mut stream).await
    }
}

/// What comes until the connection is closed.
pub(crate) async fn rest(stream: &mut TlsStream<TcpStream>) -> String {
    let mut answers = Vec::new();
    // Who is cut off without a farewell has read what there was.
    let _ = stream.read_to_end(&mut answers).await;
    String::from_utf8(answers).unwrap()
}
