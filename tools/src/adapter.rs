//! A bank that is open: its pages, and the worker that ends its transfers.

use crate::exit::Failure;
use florin_adapter::edge::{Listener, TlsFiles, server_config};
use florin_adapter::payments::Worker;
use florin_adapter::{Bank, BankError, web};
use florin_client::ConsumerError;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
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
    let working = tokio::spawn(work(Arc::clone(&bank)));
    listener.serve(web::router(bank), stop).await;
    working.abort();
}

/// Ends transfers as long as the bank is open.
async fn work(bank: Arc<Bank>) {
    loop {
        let Err(failure) = worked(&bank).await;
        // Another adapter's worker has gone on: that one does the work.
        let pause = if matches!(failure, BankError::Consumer(ConsumerError::Fenced { .. })) {
            FENCED_PAUSE
        } else {
            error!("payments: {failure}; starting again");
            WORKER_PAUSE
        };
        tokio::time::sleep(pause).await;
    }
}

async fn worked(bank: &Bank) -> Result<Infallible, BankError> {
    let mut worker = Worker::start(bank.store.clone(), Arc::clone(&bank.clock)).await?;
    worker.run().await
}
