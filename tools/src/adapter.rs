//! A bank that is open: its pages, the worker that ends its transfers, who tells what happens, and the postman who
//! sends its letters.

use crate::exit::Failure;
use florin_adapter::activation::Standing;
use florin_adapter::alerts::Announcer;
use florin_adapter::customers::Registrations;
use florin_adapter::edge::{Listener, TlsFiles, server_config};
use florin_adapter::live::Follower;
use florin_adapter::notify::{Couriers, Postman, Sender};
use florin_adapter::payments::{Expiries, Worker};
use florin_adapter::{Bank, BankError, web};
use florin_client::ConsumerError;
use florin_server::Observe;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tracing::{error, warn};

/// A worker that can't go on is started again after this.
const WORKER_PAUSE: Duration = Duration::from_millis(200);

/// How often the postman looks whether a letter is due.
const POST_EVERY: Duration = Duration::from_millis(500);

/// How often registrations that nobody came back to are looked for.
const SWEPT_EVERY: Duration = Duration::from_secs(60);

/// How often figures are read of the ledger.
const LOOKED_EVERY: Duration = Duration::from_secs(30);

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

/// Serves a bank until it is told to stop. Letters that go a way without a courier wait; a copy that nobody has activated
/// does nothing but say so.
pub(crate) async fn serve(
    bank: Arc<Bank>,
    listener: Listener,
    couriers: Couriers,
    observe: Option<Observe>,
    stop: impl Future<Output = ()>,
) {
    let mut watching = JoinSet::new();
    if let Some(observe) = observe {
        watching.spawn(observe.serve(std::future::pending()));
        watching.spawn(look(Arc::clone(&bank)));
    }
    if bank.standing == Standing::Copy {
        warn!("this is a copy of a bank: it touches nobody until florin bank activate");
        listener.serve(web::router(bank), stop).await;
        return;
    }
    let mut working = JoinSet::new();
    working.spawn(work("payments", Arc::clone(&bank), async |bank| {
        Worker::start(bank).await?.run().await
    }));
    working.spawn(work("expired payments", Arc::clone(&bank), async |bank| {
        Expiries::start(bank).await?.run().await
    }));
    working.spawn(work("live events", Arc::clone(&bank), async |bank| {
        Follower::start(bank).await?.run().await
    }));
    working.spawn(work("announcements", Arc::clone(&bank), async |bank| {
        Announcer::start(bank).await?.run().await
    }));
    working.spawn(sweep(Arc::clone(&bank)));
    if couriers.mail.is_none() {
        warn!("mails wait in the ledger: there is neither --smtp nor --outbox");
    }
    if couriers.mail.is_some() || couriers.sms.is_some() || couriers.push.is_some() {
        working.spawn(deliver(Arc::clone(&bank), couriers));
    }
    listener.serve(web::router(bank), stop).await;
    working.shutdown().await;
}

/// Who writes a bank's letters.
pub(crate) fn sender(name: &str, origin: &str) -> Sender {
    Sender { bank: String::from(name), origin: String::from(origin) }
}

/// Sends letters as long as the bank is open.
async fn deliver(bank: Arc<Bank>, couriers: Couriers) {
    let sender = sender(&bank.options.name, &bank.options.origin);
    let postman = Postman::new(bank.store.clone(), Arc::clone(&bank.clock), couriers, sender);
    loop {
        if let Err(failure) = postman.step().await {
            error!("letters: {failure}; trying again");
        }
        tokio::time::sleep(POST_EVERY).await;
    }
}

/// Looks again and again at what figures tell of the ledger, as long as the bank is open.
async fn look(bank: Arc<Bank>) {
    loop {
        if let Err(failure) = bank.figures.look(&bank.store).await {
            warn!("figures of the ledger: {failure}; trying again");
        }
        tokio::time::sleep(LOOKED_EVERY).await;
    }
}

/// Forgets who did not become a customer in time, as long as the bank is open.
async fn sweep(bank: Arc<Bank>) {
    loop {
        if let Err(failure) = Registrations::sweep(&bank.store, &*bank.clock).await {
            error!("registrations: {failure}; trying again");
        }
        tokio::time::sleep(SWEPT_EVERY).await;
    }
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
