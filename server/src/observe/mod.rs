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
//! There is no authentication: the address is loopback unless an operator says otherwise. A
//! connection gets one answer and is closed; there is a bound for connections, for the bytes of a
//! request's head, and for the time that all of it takes.

mod exposition;
mod families;
mod probe;

use crate::error::ServerError;
use crate::limits::{
    ACCEPT_PAUSE, OBSERVE_CONNECTIONS_MAX, OBSERVE_HEAD_BYTES_MAX, OBSERVE_TIMEOUT,
};
use crate::metrics::ServerMetrics;
use bytes::Bytes;
use florin_core::Database;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A listener for whoever watches. [`Observe::serve`] makes it answer.
#[derive(Debug)]
pub struct Observe {
    listener: TcpListener,
    address: SocketAddr,
    figures: Arc<Figures>,
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
        let listen = |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        Ok(Observe { listener, address, figures: Arc::new(Figures { database, server }) })
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
                            let figures = Arc::clone(&self.figures);
                            connections.spawn(async move {
                                // However it ends, the connection is over.
                                let _ = timeout(OBSERVE_TIMEOUT, answer(figures, stream)).await;
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
async fn answer(figures: Arc<Figures>, stream: TcpStream) -> hyper::Result<()> {
    let service = service_fn(move |request| {
        let response = figures.respond(&request);
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

impl Figures {
    fn respond(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n".to_owned());
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/metrics" => {
                let page = families::page(&self.database.metrics(), &self.server);
                body(StatusCode::OK, exposition::CONTENT_TYPE, page)
            }
            "/live" => plain(StatusCode::OK, String::from("live\n")),
            "/ready" => {
                let (takes_writes, body) = probe::ready(&self.database.metrics().health());
                let refused = StatusCode::SERVICE_UNAVAILABLE;
                plain(if takes_writes { StatusCode::OK } else { refused }, body)
            }
            "/status" => {
                let status = probe::status(&self.database.metrics());
                body(StatusCode::OK, "application/json", status)
            }
            _ => plain(
                StatusCode::NOT_FOUND,
                String::from("there are /metrics, /live, /ready and /status\n"),
            ),
        }
    }
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    body(status, "text/plain; charset=utf-8", text)
}

fn body(status: StatusCode, content_type: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
