//! A small HTTP server for whoever watches: figures for Prometheus, probes for an orchestrator, the
//! state for people and scripts. It only reads, and asks the engine nothing: everything it says
//! comes from counters, so it answers when the engine is busy or has stopped.
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | every figure, in Prometheus' text format 0.0.4 |
//! | `/live` | 200 while the process answers at all |
//! | `/ready` | 200 while writes are taken, else 503; the body names every trouble |
//! | `/status` | the state as JSON |
//!
//! Whatever else is [`Watched`] is shown in the same way, with figures and paths of its own.
//!
//! There is no authentication: the address is loopback unless an operator says otherwise. A
//! connection gets one answer and is closed; there is a bound for connections, for the bytes of a
//! request's head, and for the time that all of it takes.

mod exposition;
mod families;
mod probe;

pub use exposition::{Exposition, Seconds};

use crate::error::ServerError;
use crate::limits::{
    ACCEPT_PAUSE, OBSERVE_CONNECTIONS_MAX, OBSERVE_HEAD_BYTES_MAX, OBSERVE_TIMEOUT,
};
use crate::metrics::ServerMetrics;
use bytes::Bytes;
use florin_core::Database;
use http_body_util::Full;
pub use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Something that can be watched. It answers at once, from what it has counted.
pub trait Watched: fmt::Debug + Send + Sync + 'static {
    /// What is told at a path; `None` where there is nothing.
    fn told(&self, path: &str) -> Option<Told>;

    /// Which paths there are, in words.
    fn paths(&self) -> &'static str;
}

/// An answer to whoever watches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// Its status.
    pub status: StatusCode,
    /// What its text is.
    pub content_type: &'static str,
    /// What it says.
    pub text: String,
}

impl Told {
    /// Words.
    #[must_use]
    pub fn plain(status: StatusCode, text: String) -> Told {
        Told { status, content_type: "text/plain; charset=utf-8", text }
    }

    /// A page of figures.
    #[must_use]
    pub fn figures(page: Exposition) -> Told {
        let content_type = exposition::CONTENT_TYPE;
        Told { status: StatusCode::OK, content_type, text: page.into_text() }
    }
}

/// A listener for whoever watches. [`Observe::serve`] makes it answer.
#[derive(Debug)]
pub struct Observe {
    listener: TcpListener,
    address: SocketAddr,
    watched: Arc<dyn Watched>,
}

#[derive(Debug)]
struct Figures {
    database: Database,
    server: Arc<ServerMetrics>,
}

impl Observe {
    /// Listens on an address; port 0 picks one. Whoever reaches it can read every figure, the sums
    /// of ledgers included.
    ///
    /// # Errors
    /// If it can't be listened on.
    pub async fn bind(
        address: SocketAddr,
        database: Database,
        server: Arc<ServerMetrics>,
    ) -> Result<Observe, ServerError> {
        Observe::bind_to(address, Arc::new(Figures { database, server })).await
    }

    /// Listens on an address; port 0 picks one. Whoever reaches it can read all that is told.
    ///
    /// # Errors
    /// If it can't be listened on.
    pub async fn bind_to(
        address: SocketAddr,
        watched: Arc<dyn Watched>,
    ) -> Result<Observe, ServerError> {
        let listen = |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        Ok(Observe { listener, address, watched })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` completes; then closes every connection and returns.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(OBSERVE_CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        // Over the limit the connection is just closed: a scraper comes again.
                        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                            let watched = Arc::clone(&self.watched);
                            connections.spawn(async move {
                                // However it ends, the connection is over.
                                let _ = timeout(OBSERVE_TIMEOUT, answer(watched, stream)).await;
                                drop(place);
                            });
                        }
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
            }
        }
        connections.shutdown().await;
    }
}

/// Answers one request.
async fn answer(watched: Arc<dyn Watched>, stream: TcpStream) -> hyper::Result<()> {
    let service = service_fn(move |request| {
        let response = respond(&*watched, &request);
        async move { Ok::<_, Infallible>(response) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(OBSERVE_TIMEOUT)
        .max_buf_size(OBSERVE_HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn respond(watched: &dyn Watched, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let words = String::from("GET or HEAD\n");
        let mut response = body(Told::plain(StatusCode::METHOD_NOT_ALLOWED, words));
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let nothing = || Told::plain(StatusCode::NOT_FOUND, format!("there are {}\n", watched.paths()));
    body(watched.told(request.uri().path()).unwrap_or_else(nothing))
}

fn body(Told { status, content_type, text }: Told) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Watched for Figures {
    fn told(&self, path: &str) -> Option<Told> {
        let Figures { database, server } = self;
        Some(match path {
            "/metrics" => Told::figures(families::page(&database.metrics(), server)),
            "/live" => Told::plain(StatusCode::OK, String::from("live\n")),
            "/ready" => {
                let (takes_writes, body) = probe::ready(&database.metrics().health());
                let refused = StatusCode::SERVICE_UNAVAILABLE;
                Told::plain(if takes_writes { StatusCode::OK } else { refused }, body)
            }
            "/status" => Told {
                status: StatusCode::OK,
                content_type: "application/json",
                text: probe::status(&database.metrics()),
            },
            _ => return None,
        })
    }

    fn paths(&self) -> &'static str {
        "/metrics, /live, /ready and /status"
    }
}
