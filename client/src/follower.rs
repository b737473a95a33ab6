//! A standby in this process, fed by a server: connects, takes what comes, acknowledges what is durable,
//! and begins again whenever something ends it.
//!
//! - Frames are checked, written and synced on a thread that may block, one batch after the other; the
//!   connection reads ahead meanwhile, at most a window that the server keeps.
//! - Whatever goes wrong with the connection is tried again, with pauses that grow and are random. A primary
//!   that has another history is asked again, too, slowly: an operator may bring back the right one. Only a
//!   database that has stopped ends it.

use crate::backoff;
use crate::connection::{Connection, Feed};
use crate::failure::Failure;
use crate::link::Link;
use crate::options::ClientOptions;
use bytes::Bytes;
use florin_core::following::Follower;
use florin_core::{Error, ErrorKind};
use florin_ledger::Lsn;
use florin_wire::replication::{Acknowledge, Follow};
use florin_wire::{Operation, RefusalKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// Pause after a refusal that only a person ends, as a rule.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);

/// Whom a standby follows, and what it hears of that.
#[derive(Debug)]
pub struct Course {
    /// Where the primary is, empty as long as nobody knows; when another is named, that one is followed from then
    /// on.
    pub primary: watch::Receiver<String>,
    /// Is told when a server says that the standby's log is none of its own, or of a later term.
    pub parted: watch::Sender<Option<Parted>>,
    /// When nobody shall be followed any more.
    pub stop: watch::Receiver<bool>,
}

/// A server whose log is not that of a standby, as it said itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parted {
    /// Where it is.
    pub address: String,
    /// What it refused as.
    pub kind: RefusalKind,
}

/// Feeds a standby until its course says stop, or its database takes nothing more; then it returns why. When it
/// returns, it has let go of the directory; one that is dropped may take a moment more.
///
/// # Errors
/// Why the database takes nothing more.
pub async fn follow(
    follower: Follower,
    options: ClientOptions,
    mut course: Course,
) -> Result<(), Error> {
    let mut feeder = Feeder { follower: Some(follower), name: options.name.clone() };
    loop {
        let address = course.primary.borrow_and_update().clone();
        feeder.follower().turn_to(&address);
        if address.is_empty() {
            feeder.follower().disconnected("no primary is known");
            tokio::select! {
                biased;
                () = told(&mut course.stop) => return Ok(()),
                () = redirected(&mut course.primary) => continue,
            }
        }
        // One that is bound to the database that it found first: another one would be refused all the same.
        let link = Link::new(&address, options.clone());
        let mut attempt = 0;
        loop {
            let interruption = feeder.feed(&link, &mut attempt, &mut course).await;
            let (reason, pause) = match interruption {
                Interruption::Told => return Ok(()),
                Interruption::Ended(error) => return Err(error),
                Interruption::Redirected => break,
                Interruption::Refused(reason, kind) => {
                    let parted = kind.map(|kind| Parted { address: address.clone(), kind });
                    course.parted.send_replace(parted);
                    (reason, REFUSED_PAUSE)
                }
                Interruption::Lost(reason) => (reason, backoff::pause(attempt)),
            };
            attempt = attempt.saturating_add(1);
            feeder.follower().disconnected(&reason);
            tokio::select! {
                biased;
                () = told(&mut course.stop) => return Ok(()),
                () = redirected(&mut course.primary) => break,
                () = sleep(pause) => {}
            }
        }
    }
}

/// Another primary is named; never if nobody is left who could.
async fn redirected(primary: &mut watch::Receiver<String>) {
    if primary.changed().await.is_err() {
        std::future::pending().await
    }
}

/// Whoever would tell it is gone: then it shall stop, too.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

struct Feeder {
    /// Not here while a thread works with it.
    follower: Option<Follower>,
    name: String,
}

/// Why nothing comes any more.
enum Interruption {
    /// Whoever asked for it wants no more.
    Told,
    /// Another primary is named.
    Redirected,
    /// The connection, or the server behind it.
    Lost(String),
    /// What one of the two said of the other's log; the server's with its kind.
    Refused(String, Option<RefusalKind>),
    /// The database here.
    Ended(Error),
}

impl Feeder {
    async fn feed(&mut self, link: &Link, attempt: &mut u32, course: &mut Course) -> Interruption {
        let connection = tokio::select! {
            biased;
            () = told(&mut course.stop) => return Interruption::Told,
            () = redirected(&mut course.primary) => return Interruption::Redirected,
            connection = link.connection() => connection,
        };
        let connection = match connection {
            Ok(connection) => connection,
            Err(failure) => return interruption(failure),
        };
        let from = match self.follower().begin() {
            Ok(from) => from,
            Err(error) => return Interruption::Ended(error),
        };
        let follow = Follow {
            incarnation: from.incarnation,
            life: from.life,
            node: from.node,
            lsn: from.position.lsn,
            sequence: from.position.sequence,
            chain: from.position.chain,
            promised: from.promised.0,
            must_compare: from.must_compare,
            name: self.name.clone(),
        };
        let feed = tokio::select! {
            biased;
            () = told(&mut course.stop) => return Interruption::Told,
            () = redirected(&mut course.primary) => return Interruption::Redirected,
            feed = connection.subscribe(Operation::FollowLog, follow.to_bytes()) => feed,
        };
        let interruption = match feed {
            Ok(feed) => self.take_batches(&connection, feed, attempt, course).await,
            Err(failure) => interruption(failure),
        };
        // What is still on its way would come to whoever follows next over this connection.
        connection.end(String::from("following ended"));
        interruption
    }

    async fn take_batches(
        &mut self,
        connection: &Arc<Connection>,
        mut feed: Feed,
        attempt: &mut u32,
        course: &mut Course,
    ) -> Interruption {
        loop {
            let batch = tokio::select! {
                biased;
                () = told(&mut course.stop) => return Interruption::Told,
                () = redirected(&mut course.primary) => return Interruption::Redirected,
                batch = feed.next() => batch,
            };
            let Some(batch) = batch else {
                return match feed.ended().await {
                    Ok(_) => Interruption::Lost(String::from("the primary ended it")),
                    Err(failure) => interruption(failure),
                };
            };
            let lsn = match self.take(batch).await {
                Ok(lsn) => lsn,
                Err(error) if error.kind() == ErrorKind::Stopped => {
                    return Interruption::Ended(error);
                }
                Err(error) if error.kind() == ErrorKind::Fenced => {
                    return Interruption::Lost(error.to_string());
                }
                Err(error) => return Interruption::Refused(error.to_string(), None),
            };
            *attempt = 0;
            self.follower().connected();
            let counts = self.follower().may_acknowledge();
            let acknowledge = Acknowledge { following: feed.id(), lsn, counts };
            // Without a place now, the next batch's says more; there is one every second.
            let _ = connection.tell(Operation::AcknowledgeLog, acknowledge.to_bytes(), &mut feed);
        }
    }

    /// Takes a batch, on a thread that may block; returns up to where it is durable.
    async fn take(&mut self, batch: Bytes) -> Result<Lsn, Error> {
        let mut follower = self.follower.take().expect("one batch after the other");
        let taking = tokio::task::spawn_blocking(move || {
            let taken = follower.take(&batch).map(|position| position.lsn);
            (follower, taken)
        });
        // One that panicked has told the database already, and is gone.
        let (follower, taken) = taking.await.map_err(|panic| {
            Error::new(ErrorKind::Stopped, format!("taking what the primary sent failed: {panic}"))
        })?;
        self.follower = Some(follower);
        taken
    }

    fn follower(&mut self) -> &mut Follower {
        self.follower.as_mut().expect("it is here between two batches")
    }
}

fn interruption(failure: Failure) -> Interruption {
    match failure {
        Failure::NotSent(message) | Failure::Lost(message) => Interruption::Lost(message),
        Failure::Hopeless(message) => Interruption::Refused(message, None),
        Failure::Refused(refusal) => {
            let reason = format!("the primary refused ({}): {}", refusal.kind, refusal.message);
            match refusal.kind {
                // Of a node that is becoming the primary, or ceases to be.
                RefusalKind::Stopped | RefusalKind::Busy | RefusalKind::Fenced => {
                    Interruption::Lost(reason)
                }
                kind => Interruption::Refused(reason, Some(kind)),
            }
        }
    }
}
