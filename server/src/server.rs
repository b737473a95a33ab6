//! The listener: who may connect, and how it ends.

use crate::connection::{self, Arrival, KnownKeys, Shared};
use crate::doors::{Admission, Transport};
use crate::error::ServerError;
use crate::key_changes::KeyChanges;
use crate::ledger::Ledger;
use crate::limits::{
    ACCEPT_PAUSE, KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_RETRIES, SHIP_ENDING_MAX,
};
use crate::metered::Metered;
use crate::metrics::{HandshakeFailure, ServerMetrics, Staged};
use crate::options::ServerOptions;
use crate::shipping::Ending;
use crate::table_keys::{Follower, TableKeys};
use crate::tls;
use florin_core::request::{Reply, Request, Status};
use florin_core::{Database, Error, ErrorKind};
use florin_wire::Binding;
use socket2::{SockRef, TcpKeepalive};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::debug;

const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(KEEPALIVE_IDLE)
    .with_interval(KEEPALIVE_INTERVAL)
    .with_retries(KEEPALIVE_RETRIES);

/// A server that listens. [`Server::serve`] makes it accept.
pub struct Server<L = Database> {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared<L>>,
    /// Keeps the keys as the ledger has them; `None` if it is not the ledger that knows them.
    follower: Option<Follower>,
}

impl<L: Ledger> Server<L> {
    /// Listens on an address; port 0 picks one.
    ///
    /// # Errors
    /// If the doors are not closed enough for the address, it can't be listened on, or the engine
    /// does not answer or can't read its clients' keys.
    pub async fn bind(
        address: SocketAddr,
        options: ServerOptions,
        ledger: L,
    ) -> Result<Server<L>, ServerError> {
        options.doors.check_address(address)?;
        let status = status(&ledger).await.map_err(ServerError::Engine)?;
        let listen = |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let metrics = Arc::<ServerMetrics>::default();
        let (keys, follower) = match &options.doors.admission {
            Admission::Everyone => {
                (KnownKeys { directory: None, changes: KeyChanges::new(None) }, None)
            }
            Admission::Directory(keys) => {
                let directory = Some(Arc::clone(keys));
                (KnownKeys { directory, changes: KeyChanges::new(None) }, None)
            }
            Admission::Documents => {
                let opened = TableKeys::open(&ledger, Arc::clone(&metrics)).await;
                let (keys, follower) = opened.map_err(ServerError::Engine)?;
                let changes = KeyChanges::new(Some(keys.clone()));
                (KnownKeys { directory: Some(Arc::new(keys)), changes }, Some(follower))
            }
        };
        let shared = Arc::new(Shared::new(ledger, options, &status, keys, metrics));
        Ok(Server { listener, address, shared, follower })
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

    /// Serves until `shutdown` completes; then stops accepting, answers what was accepted, ships what
    /// became of it to standbys, closes every connection and returns. The caller closes the database.
    ///
    /// # Panics
    /// If a connection panicked: that is a defect, and the caller decides whether to go on.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Server { listener, shared, follower, .. } = self;
        let (stop, stopping) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(ended) = connections.join_next() => ended.expect("a connection panicked"),
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let arrival = Arrival {
                            stranger: shared.lobby.enter(),
                            staged: Staged::accepted(Arc::clone(&shared.metrics)),
                            deadline: Instant::now() + shared.options.handshake_timeout,
                            peer: Some(peer),
                        };
                        debug!(connection = arrival.staged.number(), %peer, "connected");
                        let shared = Arc::clone(&shared);
                        connections.spawn(serve_stream(shared, stream, arrival, stopping.clone()));
                    }
                    // Out of descriptors, or the peer is gone already: trying again at once would
                    // burn a core.
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
            }
        }
        drop(listener);
        stop.send_replace(true);
        // Those that standbys follow over stay until all others were answered.
        while shared.shipping.count() < connections.len() {
            let Some(ended) = connections.join_next().await else { break };
            ended.expect("a connection panicked");
        }
        let last = ship_the_last(&shared, &mut connections);
        // Whoever does not acknowledge in time follows whatever comes next.
        let _ = timeout(SHIP_ENDING_MAX, last).await;
        shared.shipping.end(Ending::AtOnce);
        while let Some(ended) = connections.join_next().await {
            ended.expect("a connection panicked");
        }
        if let Some(follower) = follower {
            follower.end().await;
        }
    }
}

/// Ships up to the last frame that there will be, until every standby has acknowledged it.
async fn ship_the_last<L: Ledger>(shared: &Shared<L>, connections: &mut JoinSet<()>) {
    if connections.is_empty() {
        return;
    }
    let (sender, rests) = oneshot::channel();
    shared.ledger.rest(move || {
        // The receiver is gone when that took too long.
        let _ = sender.send(());
    });
    // An engine that is gone drops it.
    let _ = rests.await;
    shared.shipping.end(Ending::OnceAcknowledged);
    while let Some(ended) = connections.join_next().await {
        ended.expect("a connection panicked");
    }
}

async fn serve_stream<L: Ledger>(
    shared: Arc<Shared<L>>,
    stream: TcpStream,
    mut arrival: Arrival,
    mut stopping: watch::Receiver<bool>,
) {
    // A reply that waits for the acknowledgement of the one before it costs 40 ms; a peer whose
    // machine is gone keeps its place until the system asks for a sign of life. Without the options
    // the connection is slow, or stays, but is not wrong.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream).set_tcp_keepalive(&KEEPALIVE);
    let certificates = match &shared.options.doors.transport {
        Transport::InsecureLoopback => {
            let (reader, writer) = stream.into_split();
            let reader = Metered::new(reader, Arc::clone(&shared.metrics));
            let writer = Metered::new(writer, Arc::clone(&shared.metrics));
            return connection::serve(shared, reader, writer, arrival, Binding::None, stopping)
                .await;
        }
        Transport::Tls(certificates) => Arc::clone(certificates),
    };
    let accepted = tokio::select! {
        biased;
        _ = stopping.wait_for(|stop| *stop) => return,
        () = arrival.stranger.sent_away() => return shared.metrics.turn_away(),
        accepted = timeout_at(arrival.deadline, certificates.accept(stream)) => accepted,
    };
    // Whoever can't shake hands was told so by TLS.
    let Ok(Ok(stream)) = accepted else {
        return shared.metrics.handshake_failed(HandshakeFailure::Silent);
    };
    let Ok(binding) = tls::binding(&stream) else { return };
    let (reader, writer) = tokio::io::split(stream);
    let reader = Metered::new(reader, Arc::clone(&shared.metrics));
    let writer = Metered::new(writer, Arc::clone(&shared.metrics));
    connection::serve(shared, reader, writer, arrival, binding, stopping).await;
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
