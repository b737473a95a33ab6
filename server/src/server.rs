//! The listener: who may connect, and how it ends.

use crate::connection::{self, Shared};
use crate::error::ServerError;
use crate::ledger::Ledger;
use crate::limits::{ACCEPT_PAUSE, REFUSALS_AT_ONCE_MAX};
use crate::metered::Metered;
use crate::metrics::ServerMetrics;
use crate::options::ServerOptions;
use florin_core::request::{Reply, Request, Status};
use florin_core::{Database, Error, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;

/// A server that listens. [`Server::serve`] makes it accept.
pub struct Server<L = Database> {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared<L>>,
}

/// Whether [`Server::bind`] would listen there: to be asked before anything is opened for it.
///
/// # Errors
/// [`ServerError::NotLoopback`]: there is no TLS.
pub fn check_address(address: SocketAddr) -> Result<(), ServerError> {
    if address.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    Err(ServerError::NotLoopback { address })
}

impl<L: Ledger> Server<L> {
    /// Listens on an address; port 0 picks one.
    ///
    /// # Errors
    /// If the address is not loopback (there is no TLS), it can't be listened on, or the engine
    /// does not answer.
    pub async fn bind(
        address: SocketAddr,
        options: ServerOptions,
        ledger: L,
    ) -> Result<Server<L>, ServerError> {
        check_address(address)?;
        let status = status(&ledger).await.map_err(ServerError::Engine)?;
        let listen = |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let shared = Arc::new(Shared::new(ledger, options, status.incarnation, status.epoch));
        Ok(Server { listener, address, shared })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it counts, now and while it serves.
    #[must_use]
    pub fn metrics(&self) -> Arc<ServerMetrics> {
        Arc::clone(&self.shared.metrics)
    }

    /// Serves until `shutdown` completes; then stops accepting, answers what was accepted, closes
    /// every connection and returns. The caller closes the database.
    ///
    /// # Panics
    /// If a connection panicked: that is a defect, and the caller decides whether to go on.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Server { listener, shared, .. } = self;
        let places = Arc::new(Semaphore::new(shared.options.connections_max));
        let refusals = Arc::new(Semaphore::new(REFUSALS_AT_ONCE_MAX));
        let (stop, stopping) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(ended) = connections.join_next() => ended.expect("a connection panicked"),
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let shared = Arc::clone(&shared);
                        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                            let stopping = stopping.clone();
                            connections.spawn(async move {
                                serve_stream(shared, stream, stopping).await;
                                drop(place);
                            });
                        } else if let Ok(place) = Arc::clone(&refusals).try_acquire_owned() {
                            let stopping = stopping.clone();
                            shared.metrics.turn_away();
                            connections.spawn(async move {
                                refuse_stream(&shared.options, stream, stopping).await;
                                drop(place);
                            });
                        }
                    }
                    // Out of descriptors, or the peer is gone already: trying again at once would
                    // burn a core.
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
            }
        }
        drop(listener);
        stop.send_replace(true);
        while let Some(ended) = connections.join_next().await {
            ended.expect("a connection panicked");
        }
    }
}

async fn serve_stream<L: Ledger>(
    shared: Arc<Shared<L>>,
    stream: TcpStream,
    stopping: watch::Receiver<bool>,
) {
    // A reply that waits for the acknowledgement of the one before it costs 40 ms. Without the
    // option the connection is slow, not wrong.
    let _ = stream.set_nodelay(true);
    let peer = stream.peer_addr().ok();
    let (reader, writer) = stream.into_split();
    let reader = Metered::new(reader, Arc::clone(&shared.metrics));
    let writer = Metered::new(writer, Arc::clone(&shared.metrics));
    connection::serve(shared, reader, writer, stopping, peer).await;
}

async fn refuse_stream(
    options: &ServerOptions,
    stream: TcpStream,
    stopping: watch::Receiver<bool>,
) {
    let (reader, writer) = stream.into_split();
    connection::refuse(options.clone(), reader, writer, stopping).await;
}

async fn status<L: Ledger>(ledger: &L) -> Result<Status, Error> {
    let (sender, receiver) = oneshot::channel();
    ledger.submit(Request::Status, move |result| {
        // The receiver waits below.
        let _ = sender.send(result);
    });
    match receiver.await {
        Ok(Ok(Reply::Status(status))) => Ok(status),
        Ok(Ok(_)) => unreachable!("an engine answers a question with its own reply"),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(Error::new(ErrorKind::Stopped, "the engine has stopped")),
    }
}
