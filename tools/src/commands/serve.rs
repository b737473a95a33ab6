//! `florin serve`: a data directory, served over TCP until it is told to stop.

use crate::doors::DoorFlags;
use crate::events;
use crate::exit::{Exit, Failure};
use crate::follow::{FollowFlags, SyncFlags};
use crate::key::KeyArguments;
use crate::signing_key::SigningKeyArguments;
use crate::target::open_database_with;
use clap::Args;
use florin_core::following;
use florin_core::tree::Proving;
use florin_core::{Database, Error, ErrorKind, Options};
use florin_ledger::Timestamp;
use florin_proof::SigningKey;
use florin_server::{Observe, Server, ServerError, ServerOptions};
use serde::Serialize;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tracing::warn;

/// What a server is, as it says of itself.
const PRIMARY: &str = "primary";
const STANDBY: &str = "standby";
/// How long a directory that was served may be in use afterwards.
const LET_GO_PATIENCE: Duration = Duration::from_secs(60);
/// How often it is tried meanwhile.
const LET_GO_PAUSE: Duration = Duration::from_millis(10);

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

    #[command(flatten)]
    log: events::Log,
    #[command(flatten)]
    doors: DoorFlags,

    #[command(flatten)]
    follow: FollowFlags,
    #[command(flatten)]
    sync: SyncFlags,

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

/// Why a server ended well.
#[derive(Debug)]
enum Served {
    /// It was told to stop.
    Stopped,
    /// It was a standby, and shall be the primary.
    Promoted,
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
        let mut places = Places { address, observe };
        if let Some(primary) = self.follow.primary()? {
            let (database, follower) = primary.open(&runtime, &self.data, self.options()?)?;
            let (served, feeding) = runtime.block_on(async {
                let feeding = primary.feed(follower);
                (self.serve(&mut places, database.clone(), STANDBY).await, feeding)
            });
            feeding.tell();
            // The feeder may wait for the engine, and the closed database ends that: so it comes first.
            let closed = database.close();
            drop(database);
            runtime.block_on(feeding.end());
            match after_closing(served?, closed)? {
                Served::Stopped => return Ok(Exit::Done),
                Served::Promoted => self.promote()?,
            }
        }
        let database = open_database_with(&self.data, self.options()?)?;
        let served = runtime.block_on(self.serve(&mut places, database.clone(), PRIMARY));
        let closed = database.close();
        served?;
        closed.map_err(|error| Failure::at_close(&error))?;
        Ok(Exit::Done)
    }

    /// Makes the standby's directory a primary's. Readers that were cut off may take a moment to let go of it.
    fn promote(&self) -> Result<(), Failure> {
        let until = Instant::now() + LET_GO_PATIENCE;
        loop {
            match following::promote(&self.data) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Unusable && Instant::now() < until => {
                    std::thread::sleep(LET_GO_PAUSE);
                }
                Err(error) => return Err(Failure::new(Exit::Stopped, error.to_string())),
            }
        }
    }

    fn options(&self) -> Result<Options, Failure> {
        Ok(Options {
            clock_start: self.clock_start.map(Timestamp),
            scrub_bytes_per_second: self.scrub_mib << 20,
            observer: events::observer(),
            key: self.key.open()?,
            proving: Some(Proving { signing_key: self.signing_key()?, ..Proving::default() }),
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

    async fn serve(
        &self,
        places: &mut Places,
        database: Database,
        role: &str,
    ) -> Result<Served, Failure> {
        let doorkeeper = self.doors.doors()?;
        let Places { address, observe } = *places;
        let signalled = shutdown_signal()?;
        let hangup = listen_for(SignalKind::hangup())?;
        let (sender, stopped) = oneshot::channel();
        // The receiver is gone when the server was told to stop before.
        database.on_stop(move |reason| drop(sender.send(reason)));
        let (sender, promoted) = oneshot::channel();
        database.on_promotion(move || {
            // The receiver is gone when the server was told to stop before.
            let _ = sender.send(());
        });
        let unavailable = |error: ServerError| Failure::unavailable(error.to_string());
        let mut options = ServerOptions::behind(doorkeeper.doors.clone());
        options.idle_timeout =
            self.idle_timeout.map(|seconds| Duration::from_secs(u64::from(seconds.get())));
        let server = Server::bind(address, options, database.clone()).await.map_err(unavailable)?;
        if role == PRIMARY {
            // Not before: what it takes to let standbys in must not wait for them.
            database.demand_standbys(self.sync.synchrony());
        }
        doorkeeper.warn_of_no_keys(&self.data, server.metrics().keys_active());
        let observe = match observe {
            Some(address) => {
                let bound = Observe::bind(address, database.clone(), server.metrics()).await;
                Some(bound.map_err(unavailable)?)
            }
            None => None,
        };
        // Where it listens again if it is promoted.
        *places =
            Places { address: server.address(), observe: observe.as_ref().map(Observe::address) };
        say_ready(places, role, self)?;
        // It shows how the server ends, too, and goes with the runtime.
        let observing = observe.map(|observe| tokio::spawn(observe.serve(std::future::pending())));
        let mut reason = None;
        let mut served = Served::Stopped;
        let shutdown = async {
            tokio::select! {
                () = signalled => {}
                stopped = stopped => reason = stopped.ok(),
                // Of a primary nobody asks it, and its sender is gone.
                Ok(()) = promoted => served = Served::Promoted,
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
}

/// Why a standby ended well, with how its database closed.
fn after_closing(served: Served, closed: Result<(), Error>) -> Result<Served, Failure> {
    match (served, closed) {
        (Served::Promoted, Err(error)) => {
            // Perhaps of long ago, and it was said that it is promoted. Everything is in the log: opening takes
            // longer.
            warn!("the standby closed without a last checkpoint: {error}");
            Ok(Served::Promoted)
        }
        (served, closed) => closed.map(|()| served).map_err(|error| Failure::at_close(&error)),
    }
}

/// Where it listens.
#[derive(Clone, Copy)]
struct Places {
    address: SocketAddr,
    observe: Option<SocketAddr>,
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
    let Places { address, observe } = *places;
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
        assert!(matches!(after_closing(Served::Promoted, failed()), Ok(Served::Promoted)));
        assert!(matches!(after_closing(Served::Promoted, Ok(())), Ok(Served::Promoted)));
        assert!(matches!(after_closing(Served::Stopped, Ok(())), Ok(Served::Stopped)));
        assert!(after_closing(Served::Stopped, failed()).is_err());
    }
}
