//! A bank that is open: its pages, and the worker that ends its transfers.

use crate::exit::Failure;
use florin_adapter::edge::{Listener, TlsFiles, server_config};
use florin_adapter::payments::{Expiries, Worker};
use florin_adapter::{Bank, BankError, web};
use florin_client::ConsumerError;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tracing::error;

/// A worker that can't go on is started again after this.
const WORKER_PAUSE: Duration = Duration::from_millis(200);

/// One that was fenced off looks again after this whether the other is gone.
const FENCED_PAUSE: Duration = Duration::from_secs(5);

/// Listens for browsers; port 0 picks a free one.
///
/// # Errors
/// If the certificate can't be used, or the address is taken.
pub(crate) async fn listen(
    address: SocketAddr,
    certificates: &[u8],
    key: &[u8],
) -> Result<Listener, Failure> {
    let unavailable =
        |error: florin_adapter::edge::ListenerError| Failure::unavailable(error.to_string());
    let tls = server_config(&TlsFiles { certificates, key }).map_err(unavailable)?;
    Listener::bind(address, tls).await.map_err(unavailable)
}

/// Serves a bank until it is told to stop.
pub(crate) async fn serve(bank: Arc<Bank>, listener: Listener, stop: impl Future<Output = ()>) {
    let mut working = JoinSet::new();
    working.spawn(work("payments", Arc::clone(&bank), async |bank| {
        Worker::start(bank).await?.run().await
    }));
    working.spawn(work("expired payments", Arc::clone(&bank), async |bank| {
        Expiries::start(bank).await?.run().await
    }));
    listener.serve(web::router(bank), stop).await;
    working.shutdown().await;
}

/// Does something as long as the bank is open.
async fn work<W>(name: &'static str, bank: Arc<Bank>, worked: W)
where
    W: AsyncFn(Arc<Bank>) -> Result<Infallible, BankError>,
{
    loop {
        let Err(failure) = worked(Arc::clone(&bank)).await;
        // Another adapter's worker has gone on: that one does the work.
        let pause = if matches!(failure, BankError::Consumer(ConsumerError::Fenced { .. })) {
            FENCED_PAUSE
        } else {
            error!("{name}: {failure}; starting again");
            WORKER_PAUSE
        };
        tokio::time::sleep(pause).await;
    }
}
