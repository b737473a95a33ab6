//! `florin serve`: a data directory, served over TCP until it is told to stop.

use crate::doors::DoorFlags;
use crate::events;
use crate::exit::{Exit, Failure};
use crate::key::KeyArguments;
use crate::node::election::elect;
use crate::node::feeding::Feeding;
use crate::node::flags::{FollowFlags, SyncFlags};
use crate::node::going_back::{finish_going_back, go_back, let_go_of};
use crate::node::lease::{Lease, LeaseFlags};
use crate::node::peers::Peers;
use crate::node::seeding::Seeding;
use crate::node::seek::{give_way, seek, watch_for_successor};
use crate::signing_key::SigningKeyArguments;
use crate::target::open_database_with;
use clap::Args;
use florin_core::following::{self, Part, Promotion, PromotionAsked};
use florin_core::limits::CAPTURE_INTERVAL_BYTES;
use florin_core::tree::Proving;
use florin_core::{Database, Error, ErrorKind, Options};
use florin_lease::Held;
use florin_ledger::Timestamp;
use florin_proof::SigningKey;
use florin_server::{Observe, Server, ServerError, ServerOptions};
use serde::Serialize;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tracing::warn;

/// What a server is, as it says of itself.
const PRIMARY: &str = "primary";
const STANDBY: &str = "standby";

/// Serve a data directory over TCP until SIGINT or SIGTERM
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// The data directory (made if it is new)
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    #[command(flatten)]
    key: KeyArguments,

    #[command(flatten)]
    signing_key: SigningKeyArguments,

    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:3000")]
    listen: String,

    /// Where to show figures and probes over HTTP (/metrics, /live, /ready, /status); PORT alone is
    /// of 127.0.0.1. Whoever reaches it can read them. Without it nothing is shown
    #[arg(long, value_name = "[HOST:]PORT")]
    observe: Option<String>,

    /// MiB a second that the scrubber reads at most, looking for damage; 0 switches it off
    #[arg(long, value_name = "MIB", default_value_t = 8, value_parser = clap::value_parser!(u64).range(..=65_536))]
    scrub_mib: u64,
    /// MiB of log after which all balances are captured again, for proofs of them; 0: only when they are asked for
    #[arg(long, value_name = "MIB", default_value_t = CAPTURE_INTERVAL_BYTES >> 20, value_parser = clap::value_parser!(u64).range(..1 << 40))]
    capture_mib: u64,

    #[command(flatten)]
    log: events::Log,
    #[command(flatten)]
    doors: DoorFlags,

    #[command(flatten)]
    follow: FollowFlags,
    #[command(flatten)]
    sync: SyncFlags,
    #[command(flatten)]
    lease: LeaseFlags,

    /// End a connection that has asked nothing for so long
    #[arg(long, value_name = "SECONDS")]
    idle_timeout: Option<NonZeroU32>,

    /// Fix the clock: the first event takes the nanosecond after this, each later one the next
    #[arg(long, value_name = "NANOSECONDS")]
    clock_start: Option<u64>,

    /// Say where it listens as one JSON object
    #[arg(long)]
    json: bool,
}

/// What is printed once, when requests are answered from now on.
#[derive(Serialize)]
struct Ready<'a> {
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    observe: Option<String>,
    data: &'a str,
    process_id: u32,
    role: &'a str,
}

/// What a node does next.
#[derive(Debug)]
enum Next {
    Stop,
    /// Decide, with the lease if one was taken for it.
    Decide(Option<Held>),
    /// Follow the primary that is there, or whichever the group has; nowhere in particular if it is empty.
    Follow(String),
}

/// Why a server ended well.
#[derive(Debug)]
enum Served {
    /// It was told to stop.
    Stopped,
    /// It was a standby, and shall be the primary.
    Promoted(Promotion, Option<Held>),
    /// It was the primary, and has promised another.
    Deposed,
    /// It is a standby, and what the primary there never had is to be set aside.
    Parted(String),
}

impl Serve {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::unavailable(format!("can't start threads: {error}")))?;
        let address = runtime.block_on(resolve(&self.listen))?;
        self.doors
            .doors()?
            .doors
            .check_address(address)
            .map_err(|error| Failure::usage(error.to_string()))?;
        refuse_taken(address)?;
        let observe = self.observe_address(&runtime)?;
        self.log.begin()?;
        let peers = self.follow.peers()?;
        let lease = {
            let _guard = runtime.enter();
            self.lease.lease()?
        };
        let means = Means { runtime: &runtime, peers: &peers, lease: lease.as_ref() };
        let mut places = Places { address, observe, stop: None };
        let mut next = self.begin()?;
        loop {
            next = match next {
                Next::Stop => return Ok(Exit::Done),
                Next::Decide(held) => self.decide(&means, &mut places, held)?,
                Next::Follow(primary) => self.follow_primary(&means, &mut places, &primary)?,
            };
        }
    }

    /// What the directory's node does, as it was left and as an operator says.
    fn begin(&self) -> Result<Next, Failure> {
        let part = following::part_of(&self.data).map_err(|error| self.cant_open(&error))?;
        match (part, self.follow.address()) {
            // Whether a later one decides it asks when it is open.
            (None, None) | (Some(Part::Decides(_)), _) => Ok(Next::Decide(None)),
            (None, Some(named)) => Ok(Next::Follow(named.to_owned())),
            (Some(Part::Follows(last)), named) => {
                Ok(Next::Follow(named.map_or(last, str::to_owned)))
            }
            (Some(Part::Rewinds(last)), _) => {
                finish_going_back(&self.data, &self.options()?)?;
                Ok(Next::Follow(last))
            }
        }
    }

    /// Serves as the primary.
    fn decide(
        &self,
        means: &Means<'_>,
        places: &mut Places,
        held: Option<Held>,
    ) -> Result<Next, Failure> {
        let database = open_database_with(&self.data, self.options()?)?;
        if means.runtime.block_on(give_way(&database, means.peers, self.follow.address())) {
            database.close().map_err(|error| Failure::at_close(&error))?;
            return Ok(Next::Follow(String::new()));
        }
        let part = Serving::Primary(held);
        let served = means.runtime.block_on(self.serve(places, database.clone(), means, part));
        let closed = database.close();
        drop(database);
        match served? {
            Served::Deposed => {
                if let Err(error) = closed {
                    // Everything is in the log: opening takes longer.
                    warn!("the old primary closed without a last checkpoint: {error}");
                }
                Ok(Next::Follow(String::new()))
            }
            _ => closed.map(|()| Next::Stop).map_err(|error| Failure::at_close(&error)),
        }
    }

    /// Serves as a standby.
    fn follow_primary(
        &self,
        means: &Means<'_>,
        places: &mut Places,
        primary: &str,
    ) -> Result<Next, Failure> {
        let Means { runtime, peers, .. } = *means;
        let origin = || runtime.block_on(peers.origin(primary));
        let options = self.options()?;
        if self.follow.takes_checkpoint() && !primary.is_empty() {
            let (directory, bytes_per_second) = (&self.data, self.follow.seed_bytes_per_second());
            let options = &options;
            Seeding { directory, options, runtime, peers, bytes_per_second }.seed(primary)?;
        }
        let opened = let_go_of(|| Database::follow(&self.data, primary, origin, options.clone()));
        let (database, follower) = opened.map_err(|error| {
            let data = self.data.display();
            Failure::unavailable(format!("can't open {data} to follow: {error}"))
        })?;
        let (served, feeding) = runtime.block_on(async {
            let feeding = Feeding::begin(follower, primary.to_owned(), peers.options().clone());
            let part = Serving::Standby(&feeding);
            (self.serve(places, database.clone(), means, part).await, feeding)
        });
        feeding.tell();
        // The feeder may wait for the engine, and the closed database ends that: so it comes first.
        let closed = database.close();
        drop(database);
        runtime.block_on(feeding.end());
        match after_closing(served?, closed)? {
            Served::Promoted(promotion, held) => {
                match let_go_of(|| following::promote(&self.data, promotion)) {
                    Ok(()) => Ok(Next::Decide(held)),
                    Err(error) if error.kind() == ErrorKind::Fenced => {
                        warn!("another was promoted since: {error}");
                        Ok(Next::Follow(String::new()))
                    }
                    Err(error) => Err(Failure::new(Exit::Stopped, error.to_string())),
                }
            }
            Served::Parted(address) => {
                if let Err(failure) =
                    go_back(&self.data, &self.options()?, runtime, peers, &address)
                {
                    // Whoever decides may have changed again; what was begun is finished all the same.
                    warn!("{failure}");
                    return self.begin();
                }
                Ok(Next::Follow(address))
            }
            Served::Stopped | Served::Deposed => Ok(Next::Stop),
        }
    }

    fn cant_open(&self, error: &Error) -> Failure {
        Failure::unavailable(format!("can't open {}: {error}", self.data.display()))
    }

    fn options(&self) -> Result<Options, Failure> {
        Ok(Options {
            clock_start: self.clock_start.map(Timestamp),
            scrub_bytes_per_second: self.scrub_mib << 20,
            observer: events::observer(),
            key: self.key.open()?,
            proving: Some(Proving {
                signing_key: self.signing_key()?,
                capture_bytes: self.capture_mib << 20,
                ..Proving::default()
            }),
            ..Options::default()
        })
    }

    /// Without one it serves, and says so: a year without signatures can't be signed later.
    fn signing_key(&self) -> Result<Option<SigningKey>, Failure> {
        let key = self.signing_key.open(&self.data)?;
        if key.is_none() {
            let path = self.signing_key.path(&self.data);
            warn!(
                path = %path.display(),
                "there is no signing key: no heads, proofs or receipts are given before one is made with \
                 `florin proof key` and the server is started again"
            );
        }
        Ok(key)
    }

    fn observe_address(&self, runtime: &Runtime) -> Result<Option<SocketAddr>, Failure> {
        let Some(observe) = &self.observe else { return Ok(None) };
        let is_port_alone = observe.parse::<u16>().is_ok();
        let observe = if is_port_alone { format!("127.0.0.1:{observe}") } else { observe.clone() };
        let address = runtime.block_on(resolve(&observe))?;
        refuse_taken(address)?;
        Ok(Some(address))
    }

    /// Serves until it is told to stop or its part changes.
    async fn serve(
        &self,
        places: &mut Places,
        database: Database,
        means: &Means<'_>,
        part: Serving<'_>,
    ) -> Result<Served, Failure> {
        let doorkeeper = self.doors.doors()?;
        let Places { address, observe, .. } = *places;
        let mut stop = match &places.stop {
            Some(stop) => stop.clone(),
            None => listen_for_stop()?,
        };
        let told_to_stop = stop.clone();
        let hangup = listen_for(SignalKind::hangup())?;
        let (sender, stopped) = oneshot::channel();
        // The receiver is gone when the server was told to stop before.
        database.on_stop(move |reason| drop(sender.send(reason)));
        let (sender, deposed) = oneshot::channel();
        database.on_deposed(move || _ = sender.send(()));
        let (sender, mut asked) = mpsc::unbounded_channel();
        database.on_promotion(move |promotion| drop(sender.send(promotion)));
        let unavailable = |error: ServerError| Failure::unavailable(error.to_string());
        let mut options = ServerOptions::behind(doorkeeper.doors.clone());
        options.idle_timeout =
            self.idle_timeout.map(|seconds| Duration::from_secs(u64::from(seconds.get())));
        let server = Server::bind(address, options, database.clone()).await.map_err(unavailable)?;
        if let Serving::Primary(_) = part {
            if self.sync.is_given() && database.group().is_ok_and(|group| group.is_some()) {
                warn!(
                    "the group says how many standbys must have what is told, and not --sync-standbys"
                );
            }
            // Not before: what it takes to let standbys in must not wait for them.
            let led = database.lead(self.sync.synchrony());
            led.map_err(|error| Failure::unavailable(error.to_string()))?;
            // Nobody was told anything yet.
            if let Some(lease) = means.lease {
                let named = lease.await_by(&database);
                named.map_err(|error| Failure::unavailable(error.to_string()))?;
            }
        }
        doorkeeper.warn_of_no_keys(&self.data, server.metrics().keys_active());
        let observe = match observe {
            Some(address) => {
                let bound = Observe::bind(address, database.clone(), server.metrics()).await;
                Some(bound.map_err(unavailable)?)
            }
            None => None,
        };
        // Where it listens again when its part changes.
        *places = Places {
            address: server.address(),
            observe: observe.as_ref().map(Observe::address),
            stop: Some(told_to_stop),
        };
        let role = match part {
            Serving::Standby(_) => STANDBY,
            Serving::Primary(_) => PRIMARY,
        };
        say_ready(places, role, self)?;
        // It shows how the server ends, too, and goes with the runtime.
        let observing = observe.map(|observe| tokio::spawn(observe.serve(std::future::pending())));
        let mut reason = None;
        let mut served = Served::Stopped;
        let changed = async {
            match part {
                Serving::Standby(feeding) => {
                    self.follows(&database, means, feeding, &mut asked).await
                }
                Serving::Primary(held) => {
                    tokio::select! {
                        // Its sender is gone only with the database.
                        Ok(()) = deposed => {}
                        () = watch_for_successor(&database, means.peers) => {}
                        () = keep_lease(&database, means.lease, held) => {}
                    }
                    Served::Deposed
                }
            }
        };
        let shutdown = async {
            tokio::select! {
                // Its sender lives as long as the process.
                _ = stop.wait_for(|is_told| *is_told) => {}
                stopped = stopped => reason = stopped.ok(),
                changed = changed => served = changed,
            }
            // Standbys are told that it stops, and will acknowledge nothing more.
            database.give_up_on_standbys();
        };
        tokio::select! {
            () = server.serve(shutdown) => {}
            () = doorkeeper.keep(hangup) => {}
        }
        if let Some(observing) = observing {
            observing.abort();
        }
        match reason {
            Some(reason) => Err(Failure::new(Exit::Stopped, reason.to_string())),
            None => Ok(served),
        }
    }

    /// What a standby does beside serving, until its part changes.
    async fn follows(
        &self,
        database: &Database,
        means: &Means<'_>,
        feeding: &Feeding,
        asked: &mut mpsc::UnboundedReceiver<PromotionAsked>,
    ) -> Served {
        let (named, peers) = (self.follow.address(), means.peers);
        // One after the other: they would outbid each other.
        let standing = Mutex::new(());
        let promoted = async {
            while let Some(PromotionAsked { is_forced, answer }) = asked.recv().await {
                let _one = standing.lock().await;
                match elect(database, peers, feeding, is_forced).await {
                    Ok(promotion) => {
                        // Whoever asked may have gone; it is promoted all the same.
                        let _ = answer.send(Ok(promotion.term()));
                        return promotion;
                    }
                    Err(error) => {
                        warn!("not promoted: {error}");
                        let _ = answer.send(Err(error));
                    }
                }
            }
            std::future::pending().await
        };
        let taken_over = async {
            match means.lease {
                Some(lease) => lease.take_over(database, peers, feeding, &standing).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            promotion = promoted => Served::Promoted(promotion, None),
            (promotion, held) = taken_over => Served::Promoted(promotion, Some(held)),
            address = seek(database, peers, feeding, named) => Served::Parted(address),
        }
    }
}

/// What a node works with, whatever its part.
#[derive(Clone, Copy)]
struct Means<'a> {
    runtime: &'a Runtime,
    peers: &'a Peers,
    lease: Option<&'a Lease>,
}

/// As what it serves.
enum Serving<'a> {
    /// With the lease, if it has it already.
    Primary(Option<Held>),
    /// With what feeds it.
    Standby(&'a Feeding),
}

/// Never returns.
async fn keep_lease(database: &Database, lease: Option<&Lease>, held: Option<Held>) {
    match lease {
        Some(lease) => lease.keep(database, held).await,
        None => std::future::pending().await,
    }
}

/// Why a standby ended well, with how its database closed.
fn after_closing(served: Served, closed: Result<(), Error>) -> Result<Served, Failure> {
    match (served, closed) {
        (served @ (Served::Promoted(..) | Served::Parted(_)), Err(error)) => {
            // Perhaps of long ago, and it was said that it is promoted. Everything is in the log: opening takes
            // longer.
            warn!("the standby closed without a last checkpoint: {error}");
            Ok(served)
        }
        (served, closed) => closed.map(|()| served).map_err(|error| Failure::at_close(&error)),
    }
}

/// Where it listens, and for what.
struct Places {
    address: SocketAddr,
    observe: Option<SocketAddr>,
    /// Whether the process was told to stop: from the first serving on, also between two of them.
    stop: Option<watch::Receiver<bool>>,
}

async fn resolve(listen: &str) -> Result<SocketAddr, Failure> {
    let wrong = |why: String| Failure::usage(format!("can't listen on {listen}: {why}"));
    let mut addresses =
        tokio::net::lookup_host(listen).await.map_err(|error| wrong(error.to_string()))?;
    addresses.next().ok_or_else(|| wrong(String::from("the name has no address")))
}

/// A server that can't listen must not leave a new directory behind, nor a new epoch. The one that
/// listens in the end is bound to an open database, so this one is given back; whoever takes the
/// port in between is met by [`Server::bind`].
fn refuse_taken(address: SocketAddr) -> Result<(), Failure> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::unavailable(format!("can't listen on {address}: {error}"))),
    }
}

/// Tells when the process is asked to stop, from now on and for as long as it lives.
fn listen_for_stop() -> Result<watch::Receiver<bool>, Failure> {
    let signalled = shutdown_signal()?;
    let (sender, stop) = watch::channel(false);
    tokio::spawn(async move {
        signalled.await;
        sender.send_replace(true);
        sender.closed().await;
    });
    Ok(stop)
}

/// Completes when the process is asked to stop. Listens from now on, not from its first poll: a
/// signal that comes while the server starts must not kill it.
pub(super) fn shutdown_signal() -> Result<impl Future<Output = ()>, Failure> {
    let mut interrupt = listen_for(SignalKind::interrupt())?;
    let mut terminate = listen_for(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn listen_for(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::unavailable(format!("can't await signals: {error}")))
}

fn say_ready(places: &Places, role: &str, serve: &Serve) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    let Places { address, observe, .. } = *places;
    let data = &serve.data;
    if serve.json {
        let ready = Ready {
            address: address.to_string(),
            observe: observe.map(|observe| observe.to_string()),
            data: &data.to_string_lossy(),
            process_id: std::process::id(),
            role,
        };
        let line = serde_json::to_string(&ready).expect("strings and numbers can't fail");
        writeln!(output, "{line}")?;
    } else {
        let observe = observe.map(|observe| format!(", figures on http://{observe}/metrics"));
        let observe = observe.unwrap_or_default();
        let role = if role == PRIMARY { "" } else { " as a standby" };
        writeln!(output, "florin listens on {address}{role}, data in {}{observe}", data.display())?;
    }
    output.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: a standby that has answered that it is promoted, and ends since a checkpoint failed once.
    #[test]
    fn a_standby_that_could_make_no_checkpoint_is_promoted_all_the_same() {
        let failed = || Err(Error::new(ErrorKind::Io, "a checkpoint, last week"));
        let promoted = || Served::Promoted(Promotion::Forced, None);
        assert!(matches!(after_closing(promoted(), failed()), Ok(Served::Promoted(..))));
        assert!(matches!(after_closing(promoted(), Ok(())), Ok(Served::Promoted(..))));
        assert!(matches!(after_closing(Served::Stopped, Ok(())), Ok(Served::Stopped)));
        assert!(after_closing(Served::Stopped, failed()).is_err());
    }
}
