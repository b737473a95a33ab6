//! Standbys that follow: each a task that reads the log on threads that may block and sends batches, at most
//! so far ahead of what the standby has acknowledged.
//!
//! - An acknowledgement goes from the connection's reader straight to whoever waits for it. It takes no turn
//!   of the engine and no thread.
//! - Nothing is gathered by waiting: in synchronous mode answers wait for every round trip.
//! - A standby that acknowledges nothing holds at most a window of memory, and no other standby up.
//! - A server that stops answers what it accepted first. Then standbys are sent what is durable, up to the last
//!   frame, so that an answer is not lost with the primary, nor the last frame its own alone.

use crate::answer::{Responder, Written};
use crate::ledger::{Ledger, ShipmentAck};
use crate::limits::{
    FOLLOWERS_MAX, SHIP_BATCH_BYTES_MAX, SHIP_READS_AT_ONCE_MAX, SHIP_WINDOW_BYTES,
    STREAM_HEARTBEAT, STREAM_PAUSE,
};
use florin_core::group::Term;
use florin_core::log::FramePosition;
use florin_core::shipping::{BATCH_HEAD_BYTES, FollowFrom};
use florin_core::{Error, ErrorKind};
use florin_wire::replication::{Acknowledge, Follow};
use florin_wire::{Refusal, RefusalKind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until};

/// What all that follow share.
#[derive(Debug)]
pub(crate) struct Shipping {
    places: Arc<Semaphore>,
    reading: Arc<Semaphore>,
    /// Changes whenever more can be shipped.
    risen: watch::Receiver<u64>,
    ending: watch::Sender<Ending>,
}

/// When shipping ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    NotYet,
    /// Nothing more will be durable.
    OnceAcknowledged,
    AtOnce,
}

impl Shipping {
    pub(crate) fn new<L: Ledger>(ledger: &L) -> Shipping {
        let (sender, risen) = watch::channel(0_u64);
        ledger.on_synced(move || sender.send_modify(|count| *count = count.wrapping_add(1)));
        Shipping {
            places: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
            reading: Arc::new(Semaphore::new(SHIP_READS_AT_ONCE_MAX)),
            risen,
            ending: watch::Sender::new(Ending::NotYet),
        }
    }

    /// How many standbys are shipped to.
    pub(crate) fn count(&self) -> usize {
        FOLLOWERS_MAX.saturating_sub(self.places.available_permits())
    }

    pub(crate) fn end(&self, ending: Ending) {
        self.ending.send_replace(ending);
    }
}

/// The standby of one connection, if it is one. Dropping it ends that.
#[derive(Debug)]
pub(crate) struct Consignee {
    /// With the id of the request that follows.
    hold: Option<(u64, Arc<Hold>)>,
    /// Whether it is shipped to.
    follows: Arc<watch::Sender<bool>>,
}

/// What the task and the connection share.
#[derive(Default)]
struct Hold {
    /// Once the log has the standby's end.
    ack: Mutex<Option<Box<dyn ShipmentAck>>>,
    acknowledged: AtomicU64,
    /// What the standby acknowledged that nobody has: the connection makes no sense any more.
    is_wrong: AtomicBool,
    is_over: AtomicBool,
    changed: Notify,
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hold").field("acknowledged", &self.acknowledged).finish_non_exhaustive()
    }
}

impl Consignee {
    pub(crate) fn new(follows: watch::Sender<bool>) -> Consignee {
        Consignee { hold: None, follows: Arc::new(follows) }
    }

    /// Begins to ship, or says why not. `id` is that of the request.
    pub(crate) fn begin<L: Ledger>(
        &mut self,
        shipping: &Shipping,
        ledger: &L,
        id: u64,
        follow: Follow,
        name: Option<String>,
        responder: Responder,
    ) {
        let refuse = |kind, message: String| Refusal::without_effect(kind, message);
        if self.hold.as_ref().is_some_and(|(_, hold)| !hold.is_over.load(Ordering::Acquire)) {
            let message = String::from("this connection follows already");
            return responder.refuse(refuse(RefusalKind::Invalid, message));
        }
        let Ok(place) = Arc::clone(&shipping.places).try_acquire_owned() else {
            let message = format!("{FOLLOWERS_MAX} standbys follow already: follow one of them");
            return responder.refuse(refuse(RefusalKind::Busy, message));
        };
        let hold = Arc::new(Hold::default());
        hold.acknowledged.store(follow.lsn.0, Ordering::Release);
        self.hold = Some((id, Arc::clone(&hold)));
        self.follows.send_replace(true);
        let pump = Pump {
            ledger: ledger.clone(),
            reading: Arc::clone(&shipping.reading),
            risen: shipping.risen.clone(),
            ending: shipping.ending.subscribe(),
            hold: Ends(hold, Arc::clone(&self.follows)),
            _place: place,
        };
        tokio::spawn(pump.run(follow, name, responder));
    }

    /// The standby has so much.
    pub(crate) fn acknowledge(&self, acknowledge: Acknowledge) {
        let Acknowledge { following, lsn, counts } = acknowledge;
        let Some((_, hold)) = self.hold.as_ref().filter(|(id, _)| *id == following) else { return };
        let ack = hold.ack.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the log has its end it can have received nothing.
        let acknowledged = ack.as_ref().is_some_and(|ack| {
            let said = if counts { ack.acknowledge(lsn) } else { ack.receive(lsn) };
            said.is_ok()
        });
        drop(ack);
        if acknowledged {
            hold.acknowledged.fetch_max(lsn.0, Ordering::AcqRel);
        } else {
            hold.is_wrong.store(true, Ordering::Release);
        }
        hold.changed.notify_one();
    }
}

impl Drop for Consignee {
    fn drop(&mut self) {
        if let Some((_, hold)) = &self.hold {
            hold.is_over.store(true, Ordering::Release);
            hold.changed.notify_one();
        }
    }
}

/// A hold whose task is running; notes when it is not any more.
struct Ends(Arc<Hold>, Arc<watch::Sender<bool>>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Release);
        self.1.send_replace(false);
    }
}

/// The task that ships to one standby.
struct Pump<L> {
    ledger: L,
    reading: Arc<Semaphore>,
    risen: watch::Receiver<u64>,
    ending: watch::Receiver<Ending>,
    hold: Ends,
    _place: OwnedSemaphorePermit,
}

/// Why shipping ends.
enum Ended {
    Over,
    Stopping,
    Wrong,
    Failed(Error),
}

impl<L: Ledger> Pump<L> {
    async fn run(mut self, follow: Follow, name: Option<String>, responder: Responder) {
        let mut writing = None;
        let ended = self.ship(follow, name, &responder, &mut writing).await;
        // Whoever waits for this standby shall not wait for a batch that nobody reads.
        *self.hold.0.ack.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some(written) = writing {
            let written: Written = written;
            written.done().await;
        }
        match ended {
            Ended::Over => responder.done(),
            Ended::Failed(error) => responder.fail(&error),
            Ended::Wrong => responder.refuse(Refusal::without_effect(
                RefusalKind::Invalid,
                "the standby acknowledged what it was not sent: it is none of this log",
            )),
            Ended::Stopping => responder.refuse(Refusal::without_effect(
                RefusalKind::Stopped,
                "the primary is stopping: follow again when it is back",
            )),
        }
    }

    async fn ship(
        &mut self,
        follow: Follow,
        name: Option<String>,
        responder: &Responder,
        writing: &mut Option<Written>,
    ) -> Ended {
        let start = follow.lsn.0;
        let ledger = self.ledger.clone();
        let opened = self.read(move || {
            let position =
                FramePosition { lsn: follow.lsn, sequence: follow.sequence, chain: follow.chain };
            let from = FollowFrom {
                incarnation: follow.incarnation,
                life: follow.life,
                node: follow.node,
                position,
                promised: Term(follow.promised),
                must_compare: follow.must_compare,
            };
            ledger.ship(&from, &name.unwrap_or(follow.name))
        });
        let mut shipment = match opened.await {
            Ok(shipment) => shipment,
            Err(error) => return Ended::Failed(error),
        };
        *self.hold.0.ack.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(shipment.acknowledger());
        // The first batch goes out whatever it holds: it says that following has begun.
        let mut say_by = Instant::now();
        let mut shipped = start;
        loop {
            let ending = *self.ending.borrow_and_update();
            // Its sender is gone when the server is.
            if ending == Ending::AtOnce || self.ending.has_changed().is_err() {
                return Ended::Stopping;
            }
            if self.hold.0.is_over.load(Ordering::Acquire) {
                return Ended::Over;
            }
            if self.hold.0.is_wrong.load(Ordering::Acquire) {
                return Ended::Wrong;
            }
            let acknowledged = self.hold.0.acknowledged.load(Ordering::Acquire);
            // Of what was read already the rest goes out whatever the distance: positions leave out what lies
            // unused at the ends of segments, and it may be that rest which the standby has to acknowledge.
            let is_far_ahead = shipment.is_handed_out()
                && SHIP_WINDOW_BYTES <= shipped.saturating_sub(acknowledged);
            if is_far_ahead && Instant::now() < say_by {
                self.wait(say_by, false).await;
                continue;
            }
            self.risen.borrow_and_update();
            let bytes_max = if is_far_ahead { 0 } else { SHIP_BATCH_BYTES_MAX };
            let (again, batch) = self
                .read(move || {
                    let batch = shipment.next(bytes_max);
                    let batch = batch.map(|it| (it, shipment.is_live(), shipment.position()));
                    (shipment, batch)
                })
                .await;
            shipment = again;
            let (batch, is_live, position) = match batch {
                Ok(batch) => batch,
                Err(error) if error.kind() == ErrorKind::Busy => {
                    sleep(STREAM_PAUSE).await;
                    continue;
                }
                Err(error) => return Ended::Failed(error),
            };
            let bytes = batch.len() - BATCH_HEAD_BYTES;
            if bytes != 0 || say_by <= Instant::now() {
                shipped = position.0;
                if let Some(written) = writing.replace(responder.batch(batch)) {
                    written.done().await;
                }
                say_by = Instant::now() + STREAM_HEARTBEAT;
            }
            let acknowledged = self.hold.0.acknowledged.load(Ordering::Acquire);
            if ending == Ending::OnceAcknowledged && is_live && shipped <= acknowledged {
                return Ended::Stopping;
            }
            if is_live {
                self.wait(say_by, true).await;
            }
        }
    }

    /// Reads the log, when there is a place to.
    async fn read<T: Send + 'static>(&self, read: impl FnOnce() -> T + Send + 'static) -> T {
        let reading = Arc::clone(&self.reading).acquire_owned().await;
        let reading = reading.expect("the places of those who follow are never closed");
        let read = tokio::task::spawn_blocking(move || {
            let read = read();
            drop(reading);
            read
        });
        read.await.expect("reading the log does not panic")
    }

    /// Until something is heard, more can be shipped if that is waited for, or the standby should hear that
    /// it is not forgotten.
    async fn wait(&mut self, heartbeat: Instant, for_more: bool) {
        let hold = Arc::clone(&self.hold.0);
        let rise = async {
            if !for_more {
                return std::future::pending().await;
            }
            if self.risen.changed().await.is_err() {
                // The engine is gone: reading says so.
                sleep(STREAM_PAUSE).await;
            }
        };
        tokio::select! {
            biased;
            _ = self.ending.changed() => {}
            () = rise => {}
            () = hold.changed.notified() => {}
            () = sleep_until(heartbeat) => {}
        }
    }
}
