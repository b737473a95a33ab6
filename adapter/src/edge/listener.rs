//! The listener for browsers: TLS 1.3, HTTP/1.1 and HTTP/2, and bounds on how long anybody may take and how
//! many may be here ([`Limits`]).
//!
//! - A connection that has not shaken hands, or has not sent the head of a request, after five seconds is closed,
//!   and so is one on which nothing was asked for thirty; what HTTP it speaks was agreed on in the handshake.
//! - A connection lives ten minutes at most; what is under way then is answered, and what has no end ends.
//! - A peer that takes nothing of what it is sent for half a minute is let go.
//! - One address has a share of the places, so that it does not take all of them.
//! - Over HTTP/1.1 nothing is read that has two readings ([`super::framing`]).

use super::answer::Host;
use super::headers::REQUEST_MAX;
use super::limits::{
    CONNECTIONS_MAX, HEAD_BYTES_MAX, HEADERS_COUNT_MAX, Limits, STREAMS_MAX, STREAMS_RESET_MAX,
    WINDOW_BYTES,
};
use super::presence::Presence;
use super::stall::Taken;
use super::strict::Strict;
use super::visitors::Visitors;
use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::debug;

/// A peer that says nothing is asked for a sign of life after this, and closed if it gives none within the next.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);
const SIGN_OF_LIFE_MAX: Duration = Duration::from_secs(5);
/// A pause after an error of the operating system, such as too many open files.
const PAUSE: Duration = Duration::from_millis(50);
/// How long answers under way may take when the bank closes, or a connection's time is over.
const CLOSING_MAX: Duration = Duration::from_secs(20);
/// How long it may take to say goodbye where nothing is under way.
const FAREWELL_MAX: Duration = Duration::from_secs(1);
const _: () = assert!(REQUEST_MAX.as_secs() < CLOSING_MAX.as_secs());

/// A certificate and its key, as PEM.
pub struct TlsFiles<'a> {
    /// The chain, the server's own first.
    pub certificates: &'a [u8],
    /// The key.
    pub key: &'a [u8],
}

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// The certificate or its key can't be used.
    #[error("the certificate can't be used: {0}")]
    Certificate(String),
    /// The address can't be listened on.
    #[error("can't listen on {0}: {1}")]
    Address(SocketAddr, io::Error),
}

/// What TLS speaks: 1.3 alone.
///
/// # Errors
/// [`ListenerError::Certificate`].
pub fn server_config(files: &TlsFiles<'_>) -> Result<Arc<ServerConfig>, ListenerError> {
    let broken = |error: &dyn std::fmt::Display| ListenerError::Certificate(error.to_string());
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(files.certificates).collect();
    let chain = chain.map_err(|error| broken(&error))?;
    let key = PrivateKeyDer::from_pem_slice(files.key).map_err(|error| broken(&error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| broken(&error))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| broken(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Serves pages.
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
    tls: TlsAcceptor,
    limits: Limits,
}

impl Listener {
    /// Listens; port 0 picks a free one.
    ///
    /// # Errors
    /// [`ListenerError::Address`].
    pub async fn bind(
        address: SocketAddr,
        tls: Arc<ServerConfig>,
    ) -> Result<Listener, ListenerError> {
        let broken = |error| ListenerError::Address(address, error);
        let listener = TcpListener::bind(address).await.map_err(broken)?;
        let address = listener.local_addr().map_err(broken)?;
        let limits = Limits::default();
        Ok(Listener { listener, address, tls: TlsAcceptor::from(tls), limits })
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Listener {
        Listener { limits, ..self }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is told to stop, and the answers that are under way then.
    pub async fn serve(self, router: Router, stop: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let visitors = Visitors::default();
        let (closing, closed) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut stop = pin!(stop);
        loop {
            let accepting = async {
                let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
                let (stream, peer) = self.listener.accept().await?;
                // Without it the connection is slower, not wrong.
                let _ = stream.set_nodelay(true);
                Ok::<_, io::Error>((stream, peer, place))
            };
            let accepted = tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next() => continue,
                accepted = accepting => accepted,
            };
            match accepted {
                Ok((stream, peer, place)) => {
                    let limits = self.limits;
                    let visit = visitors.enter(peer.ip(), limits.connections_per_address);
                    let Some(visit) = visit else { continue };
                    let presence = Presence::new();
                    let host = Host { router: router.clone(), presence, peer, limits };
                    let (tls, closed) = (self.tls.clone(), closed.clone());
                    connections.spawn(async move {
                        serve_one(stream, tls, host, closed).await;
                        drop((place, visit));
                    });
                }
                Err(error) => {
                    debug!("can't accept a connection: {error}");
                    sleep(PAUSE).await;
                }
            }
        }
        // Nobody may be here any more to hear it.
        let _ = closing.send(true);
        let ending = async { while connections.join_next().await.is_some() {} };
        if timeout(CLOSING_MAX, ending).await.is_err() {
            debug!("connections were cut off at the end");
        }
    }
}

async fn serve_one<S>(stream: S, tls: TlsAcceptor, host: Host, mut closed: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Host { limits, peer, ref presence, .. } = host;
    let stream = Taken::new(stream, limits.stall);
    let Ok(Ok(stream)) = timeout(limits.handshake, tls.accept(stream)).await else { return };
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let answering = host.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answering.clone().answer(request.map(Body::new));
        async { Ok::<_, Infallible>(answer.await) }
    });
    let over = async {
        let closing_max = tokio::select! {
            _ = closed.wait_for(|closed| *closed) => CLOSING_MAX,
            () = sleep(limits.connection) => CLOSING_MAX,
            () = presence.idle(limits) => FAREWELL_MAX,
        };
        presence.leave();
        closing_max
    };
    let serving = async {
        if is_http2 {
            let connection = pin!(http2().serve_connection(TokioIo::new(stream), service));
            until(connection, over, |connection| connection.graceful_shutdown()).await
        } else {
            let stream = TokioIo::new(Strict::new(stream, limits.head));
            let connection = pin!(http1().serve_connection(stream, service));
            until(connection, over, |connection| connection.graceful_shutdown()).await
        }
    };
    tokio::select! {
        served = serving => if let Err(error) = served {
            debug!(%peer, "a connection ended: {error}");
        },
        () = presence.abused() => debug!(%peer, "a connection was cut: it takes back what it asks"),
    }
}

fn http2() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(SIGN_OF_LIFE)
        .keep_alive_timeout(SIGN_OF_LIFE_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(STREAMS_RESET_MAX)
        .max_local_error_reset_streams(STREAMS_RESET_MAX)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).expect("it is small"));
    builder
}

fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    // How long a head may take is watched before it gets here, where what is idle is told from what is slow.
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(2 * HEAD_BYTES_MAX)
        .max_headers(HEADERS_COUNT_MAX);
    builder
}

/// A connection until its end, or until its time is over and what is under way is answered; `over` says how
/// long that may take.
async fn until<C: Future<Output = hyper::Result<()>>>(
    mut connection: Pin<&mut C>,
    over: impl Future<Output = Duration>,
    end: impl FnOnce(Pin<&mut C>),
) -> hyper::Result<()> {
    let closing_max = tokio::select! {
        served = connection.as_mut() => return served,
        closing_max = over => closing_max,
    };
    end(connection.as_mut());
    timeout(closing_max, connection).await.unwrap_or(Ok(()))
}
