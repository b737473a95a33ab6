//! Streams of one server: each subscription is a task that reads the log on threads that may block,
//! and sends a batch when its reader has room for one.
//!
//! - What a reader has not taken waits in the log, not in memory: a subscription holds at most two
//!   batches, one being written and the next being read, and never sends more than it was granted.
//! - A reader that takes nothing holds up nobody: its task waits for credit, while the connection
//!   goes on.
//! - Reads of streams have places of their own, so that history does not starve them, nor they it.

use crate::answer::{Responder, Written};
use crate::ledger::{Ledger, LogStream};
use crate::limits::{
    STREAM_BATCH_BYTES_MAX, STREAM_CREDIT_MAX, STREAM_CREDIT_MIN, STREAM_HEARTBEAT, STREAM_PAUSE,
    STREAM_READS_AT_ONCE_MAX, SUBSCRIPTIONS_MAX, SUBSCRIPTIONS_PER_CONNECTION_MAX,
};
use crate::metrics::ServerMetrics;
use crate::shipping::Consignee;
use crate::stream_positions::StreamPosition;
use florin_core::{Error, ErrorKind};
use florin_ledger::StreamCursor;
use florin_ledger::stream::{BATCH_HEAD_BYTES, BatchView};
use florin_wire::stream::{Credit, Subscribe, Unsubscribe};
use florin_wire::{Refusal, RefusalKind};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until};

/// What all streams of a server share.
#[derive(Debug)]
pub(crate) struct Streams {
    places: Arc<Semaphore>,
    reading: Arc<Semaphore>,
    /// Changes whenever more is durable.
    risen: watch::Receiver<u64>,
    incarnation: u128,
    metrics: Arc<ServerMetrics>,
}

impl Streams {
    pub(crate) fn new<L: Ledger>(
        ledger: &L,
        incarnation: u128,
        metrics: Arc<ServerMetrics>,
    ) -> Streams {
        let (sender, risen) = watch::channel(0_u64);
        ledger.on_durable(move || sender.send_modify(|count| *count = count.wrapping_add(1)));
        Streams {
            places: Arc::new(Semaphore::new(SUBSCRIPTIONS_MAX)),
            reading: Arc::new(Semaphore::new(STREAM_READS_AT_ONCE_MAX)),
            risen,
            incarnation,
            metrics,
        }
    }

    /// Changes whenever more is durable.
    pub(crate) fn risen(&self) -> watch::Receiver<u64> {
        self.risen.clone()
    }
}

/// The streams of one connection. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    feeds: HashMap<u64, Arc<Feed>>,
    consignee: Consignee,
    stopping: watch::Receiver<bool>,
}

impl Subscriptions {
    /// `follows` says whether a standby is shipped to over the connection.
    pub(crate) fn new(
        stopping: watch::Receiver<bool>,
        follows: watch::Sender<bool>,
    ) -> Subscriptions {
        let consignee = Consignee::new(follows);
        Subscriptions { feeds: HashMap::new(), consignee, stopping }
    }

    /// The standby that follows over this connection, if one does.
    pub(crate) fn consignee(&mut self) -> &mut Consignee {
        &mut self.consignee
    }

    /// Says when the connection ends.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.clone()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Begins a stream, or says why not. `id` is that of the request.
    pub(crate) fn begin<L: Ledger>(
        &mut self,
        streams: &Streams,
        ledger: &L,
        id: u64,
        subscribe: Subscribe,
        responder: Responder,
    ) {
        self.feeds.retain(|_, feed| !feed.has_ended.load(Ordering::Acquire));
        let place = match self.place(streams, id, &subscribe) {
            Ok(place) => place,
            Err(refusal) => return responder.refuse(refusal),
        };
        let feed = Arc::new(Feed::new(u64::from(subscribe.credit_bytes)));
        self.feeds.insert(id, Arc::clone(&feed));
        let pump = Pump {
            ledger: ledger.clone(),
            reading: Arc::clone(&streams.reading),
            risen: streams.risen.clone(),
            stopping: self.stopping.clone(),
            feed: EndsWith(feed),
            position: streams.metrics.streams().begin(),
            _place: place,
        };
        tokio::spawn(pump.run(subscribe, responder));
    }

    /// Lets a stream send more. One that has ended meanwhile needs nothing.
    pub(crate) fn credit(&self, credit: Credit) {
        if let Some(feed) = self.feeds.get(&credit.subscription) {
            feed.grant(u64::from(credit.bytes));
        }
    }

    /// Ends a stream, if it has not ended.
    pub(crate) fn end(&self, unsubscribe: Unsubscribe) {
        if let Some(feed) = self.feeds.get(&unsubscribe.subscription) {
            feed.end();
        }
    }

    fn place(
        &self,
        streams: &Streams,
        id: u64,
        subscribe: &Subscribe,
    ) -> Result<OwnedSemaphorePermit, Refusal> {
        let refuse = |kind, message| Err(Refusal::without_effect(kind, message));
        if self.feeds.contains_key(&id) {
            return refuse(
                RefusalKind::Invalid,
                format!("request {id} of this connection is a stream that has not ended"),
            );
        }
        if ![0, streams.incarnation].contains(&subscribe.incarnation) {
            return refuse(
                RefusalKind::Fork,
                format!(
                    "this is database {:032x}, the cursor is of {:032x}: if this is a copy of it, \
                     compare, then subscribe without naming a database",
                    streams.incarnation, subscribe.incarnation
                ),
            );
        }
        if u64::from(subscribe.credit_bytes) < STREAM_CREDIT_MIN {
            return refuse(
                RefusalKind::Invalid,
                format!(
                    "a stream begins with a credit of at least {STREAM_CREDIT_MIN} bytes, so that \
                     any item fits, not {}",
                    subscribe.credit_bytes
                ),
            );
        }
        if SUBSCRIPTIONS_PER_CONNECTION_MAX <= self.feeds.len() {
            return refuse(
                RefusalKind::Busy,
                format!("a connection has at most {SUBSCRIPTIONS_PER_CONNECTION_MAX} streams"),
            );
        }
        Arc::clone(&streams.places).try_acquire_owned().map_err(|_| {
            let message = format!("the server has {SUBSCRIPTIONS_MAX} streams already");
            Refusal::without_effect(RefusalKind::Busy, message)
        })
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        self.feeds.values().for_each(|feed| feed.end());
    }
}

/// What a stream may still send, shared by its task and its connection.
#[derive(Debug)]
struct Feed {
    state: Mutex<FeedState>,
    /// Told to the task, which alone waits.
    changed: Notify,
    has_ended: AtomicBool,
}

#[derive(Debug)]
struct FeedState {
    credit_bytes: u64,
    /// The reader wants no more.
    is_over: bool,
}

impl Feed {
    fn new(credit_bytes: u64) -> Feed {
        let credit_bytes = credit_bytes.min(STREAM_CREDIT_MAX);
        Feed {
            state: Mutex::new(FeedState { credit_bytes, is_over: false }),
            changed: Notify::new(),
            has_ended: AtomicBool::new(false),
        }
    }

    fn grant(&self, bytes: u64) {
        let mut state = self.lock();
        state.credit_bytes = state.credit_bytes.saturating_add(bytes).min(STREAM_CREDIT_MAX);
        drop(state);
        self.changed.notify_one();
    }

    fn end(&self) {
        self.lock().is_over = true;
        self.changed.notify_one();
    }

    /// What may be sent; `None` once nothing is wanted.
    fn credit_bytes(&self) -> Option<u64> {
        let state = self.lock();
        (!state.is_over).then_some(state.credit_bytes)
    }

    fn spend(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).expect("a batch is small");
        let mut state = self.lock();
        let left = state.credit_bytes.checked_sub(bytes);
        state.credit_bytes = left.expect("no more is read than may be sent");
    }

    fn lock(&self) -> MutexGuard<'_, FeedState> {
        // Every change under the lock is whole, so a panic elsewhere left nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A feed whose task is running; notes when it is not any more.
struct EndsWith(Arc<Feed>);

impl Drop for EndsWith {
    fn drop(&mut self) {
        self.0.has_ended.store(true, Ordering::Release);
    }
}

/// The task of one stream.
struct Pump<L> {
    ledger: L,
    reading: Arc<Semaphore>,
    risen: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    feed: EndsWith,
    position: StreamPosition,
    _place: OwnedSemaphorePermit,
}

/// Why a stream ends.
enum Ended {
    Unsubscribed,
    Stopping,
    Failed(Error),
}

impl<L: Ledger> Pump<L> {
    async fn run(mut self, subscribe: Subscribe, responder: Responder) {
        let mut writing = None;
        let ended = self.send_batches(subscribe, &responder, &mut writing).await;
        // As long as a batch is not written, the stream counts among those that there may be.
        if let Some(written) = writing {
            written.done().await;
        }
        match ended {
            Ended::Unsubscribed => responder.done(),
            Ended::Failed(error) => responder.fail(&error),
            Ended::Stopping => responder.refuse(Refusal::without_effect(
                RefusalKind::Stopped,
                "the server is stopping: go on from the last cursor when it is back",
            )),
        }
    }

    async fn send_batches(
        &mut self,
        subscribe: Subscribe,
        responder: &Responder,
        writing: &mut Option<Written>,
    ) -> Ended {
        let ledger = self.ledger.clone();
        let Subscribe { start, filter, .. } = subscribe;
        let opened = self.read(move || ledger.subscribe(start, filter)).await;
        let mut stream = match opened {
            Ok(stream) => stream,
            Err(error) => return Ended::Failed(error),
        };
        // The first batch goes out whatever it holds: it says that the stream has begun.
        let mut say_by = Instant::now();
        let mut needed_bytes = 0;
        let mut seen = StreamCursor::BEGIN;
        loop {
            if *self.stopping.borrow() {
                return Ended::Stopping;
            }
            let Some(credit_bytes) = self.feed.0.credit_bytes() else {
                return Ended::Unsubscribed;
            };
            if credit_bytes < needed_bytes && Instant::now() < say_by {
                self.wait_for_credit(say_by).await;
                continue;
            }
            self.risen.borrow_and_update();
            let bytes_max = usize::try_from(credit_bytes).unwrap_or(usize::MAX);
            let bytes_max = bytes_max.min(STREAM_BATCH_BYTES_MAX);
            let (again, batch) = self
                .read(move || {
                    let batch = stream.next(bytes_max);
                    (stream, batch)
                })
                .await;
            stream = again;
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) if error.kind() == ErrorKind::Busy => {
                    sleep(STREAM_PAUSE).await;
                    continue;
                }
                Err(error) => return Ended::Failed(error),
            };
            let view = BatchView::of_own(&batch).expect("an engine's batch is whole");
            let (items_count, end) = (view.items_count(), view.end());
            self.position.set(end.cursor.lsn);
            if items_count != 0 || say_by <= Instant::now() {
                self.feed.0.spend(batch.len() - BATCH_HEAD_BYTES);
                // While this one is written, the next is read.
                if let Some(written) = writing.replace(responder.batch(batch)) {
                    written.done().await;
                }
                say_by = Instant::now() + STREAM_HEARTBEAT;
            }
            // Nothing was taken although there is more: the next item needs more room.
            let is_stuck = items_count == 0 && !end.is_live && end.cursor == seen;
            needed_bytes = if is_stuck { STREAM_CREDIT_MIN } else { 1 };
            seen = end.cursor;
            if end.is_live {
                self.wait_for_more(say_by).await;
            }
        }
    }

    /// Reads the log, when there is a place to.
    async fn read<T: Send + 'static>(&self, read: impl FnOnce() -> T + Send + 'static) -> T {
        let reading = Arc::clone(&self.reading).acquire_owned().await;
        let reading = reading.expect("the places of streams are never closed");
        let read = tokio::task::spawn_blocking(move || {
            let read = read();
            drop(reading);
            read
        });
        read.await.expect("reading the log does not panic")
    }

    /// Or until the reader should hear that it is not forgotten: an empty batch costs no credit.
    async fn wait_for_credit(&mut self, heartbeat: Instant) {
        tokio::select! {
            biased;
            () = stopped(&mut self.stopping) => {}
            () = self.feed.0.changed.notified() => {}
            () = sleep_until(heartbeat) => {}
        }
    }

    /// Until more is durable, and a little longer: what becomes durable meanwhile goes along.
    async fn wait_for_more(&mut self, heartbeat: Instant) {
        tokio::select! {
            biased;
            () = stopped(&mut self.stopping) => return,
            () = self.feed.0.changed.notified() => return,
            () = sleep_until(heartbeat) => return,
            risen = self.risen.changed() => {
                if risen.is_err() {
                    // The engine is gone: reading says so.
                    sleep(STREAM_PAUSE).await;
                }
            }
        }
        tokio::select! {
            biased;
            () = stopped(&mut self.stopping) => {}
            () = sleep(STREAM_PAUSE) => {}
        }
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // Its sender is gone when the server is.
    let _ = stopping.wait_for(|stop| *stop).await;
}
