//! Failover by itself: whoever decides holds a lease in etcd, and a standby takes over when nobody does.
//!
//! - The lease chooses who tries. That nothing is lost and only one tells is the matter of promises, as when a person
//!   promotes ([`super::election`]).
//! - Whoever decides tells nothing past the lease's deadline, by its own clock.
//! - Before answers go without standbys that is on record in etcd; as long as it is, nobody else takes over. Where they
//!   may, taking over needs the promises of all nodes, as promoting does: so it is only for groups that wait.

use crate::exit::Failure;
use crate::node::election::elect;
use crate::node::feeding::Feeding;
use crate::node::peers::{Bank, Peers, View};
use clap::Args;
use florin_core::following::Promotion;
use florin_core::group::Term;
use florin_core::shipping::{Replication, SynchronyStanding};
use florin_core::{Database, Error};
use florin_lease::{
    Acquired, Coordination, CoordinationOptions, EtcdTls, Held, Holder, LeaseError, since_boot,
};
use florin_ledger::Lsn;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::block_in_place;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{error, info, warn};

/// The flags of a lease.
#[derive(Args, Debug)]
pub(crate) struct LeaseFlags {
    /// Let standbys of the group take over by themselves, by a lease in the etcd whose members listen here
    #[arg(long, value_name = "HOST:PORT,..", value_delimiter = ',', requires = "lease_group")]
    lease_etcd: Vec<String>,

    /// The group's name there, the same at all of its nodes
    #[arg(long, value_name = "NAME", requires = "lease_etcd")]
    lease_group: Option<String>,

    /// How long a primary may be silent before another takes over
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(2..=60))]
    lease_seconds: u32,

    /// Speak TLS to etcd, and believe members that the authorities in this PEM file have certified
    #[arg(long, value_name = "FILE", requires = "lease_etcd")]
    lease_tls_ca: Option<PathBuf>,

    /// The certificate that members of etcd ask for, PEM
    #[arg(long, value_name = "FILE", requires = "lease_tls_ca", requires = "lease_tls_key")]
    lease_tls_certificate: Option<PathBuf>,

    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "lease_tls_certificate")]
    lease_tls_key: Option<PathBuf>,
}

/// How often whoever decides looks whether the lease was renewed, or something has to be on record.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a lease that somebody has is waited for at once.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often what can't be done now is tried again.
const AGAIN_EVERY: Duration = Duration::from_millis(200);
/// Lives of a lease that somebody gets who is about to decide, or decides without one.
const PAUSE_LIVES: u32 = 3;

/// A node's part in the coordination.
#[derive(Debug)]
pub(crate) struct Lease {
    coordination: Coordination,
    seconds: u32,
}

impl LeaseFlags {
    /// The lease, if one is asked for.
    ///
    /// # Errors
    /// If a file can't be read, or something given can't be used.
    pub(crate) fn lease(&self) -> Result<Option<Lease>, Failure> {
        let Some(group) = &self.lease_group else { return Ok(None) };
        let read = |path: &Path| {
            fs::read(path).map_err(|error| {
                Failure::unavailable(format!("can't read {}: {error}", path.display()))
            })
        };
        let mut options = CoordinationOptions::default();
        if let Some(authorities) = &self.lease_tls_ca {
            let identity = self.lease_tls_certificate.as_deref().zip(self.lease_tls_key.as_deref());
            let identity_pem = match identity {
                None => None,
                Some((certificate, key)) => Some((read(certificate)?, read(key)?)),
            };
            let authorities_pem = read(authorities)?;
            options.tls = Some(EtcdTls { authorities_pem, identity_pem, server_name: None });
        }
        let coordination = Coordination::connect(&self.lease_etcd, group, &options)
            .map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Some(Lease { coordination, seconds: self.lease_seconds }))
    }
}

impl Lease {
    fn ttl(&self) -> Duration {
        Duration::from_secs(u64::from(self.seconds))
    }

    async fn acquire(&self, database: &Database) -> Result<Acquired, LeaseError> {
        self.coordination.acquire(&holder(database), self.ttl(), since_boot).await
    }

    /// Has a database that is about to decide tell nothing before it has the lease.
    ///
    /// # Errors
    /// If it can't be named.
    pub(crate) fn await_by(&self, database: &Database) -> Result<(), Error> {
        database.node_id()?;
        database.hold_lease(Arc::new(AtomicU64::new(0)), since_boot);
        Ok(())
    }

    /// Has the lease, or gets it, and lets the database tell as long as it is held. Never returns.
    pub(crate) async fn keep(&self, database: &Database, mut taken: Option<Held>) {
        loop {
            let mut held = match taken.take() {
                Some(held) => held,
                None => self.get(database).await,
            };
            // For whoever looks: it may have been taken before the term was known.
            if let Err(error) = held.announce(holder(database)).await {
                warn!("the lease could not be announced: {error}");
            }
            info!(node = format!("{:032x}", held.holder().node), "the lease is held");
            database.hold_lease(held.deadline(), since_boot);
            let why = self.hold(database, &held).await;
            warn!("the lease is lost, and nothing is told: {why}");
        }
    }

    /// Waits for it.
    async fn get(&self, database: &Database) -> Held {
        let mut ticks = interval(AGAIN_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.acquire(database).await {
                Ok(Acquired::Held(held)) => return held,
                Ok(Acquired::HeldBy(other)) => {
                    info!(holder = other.address, "somebody has the lease");
                    if let Err(error) = self.coordination.wait_until_free(PATIENCE).await {
                        warn!("the lease can't be looked at: {error}");
                    }
                }
                Err(error) => warn!("the lease can't be taken: {error}"),
            }
        }
    }

    /// Says why it is lost, once it is.
    async fn hold(&self, database: &Database, held: &Held) -> String {
        let mut lost = held.lost();
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_on_record = true;
        loop {
            tokio::select! {
                why = lost.wait_for(Option::is_some) => {
                    let why = why.ok().and_then(|why| why.clone());
                    return why.unwrap_or_else(|| String::from("nobody renews it"));
                }
                _ = ticks.tick() => {}
            }
            database.look_again();
            let kept = self.keep_record(database, held, &mut is_on_record).await;
            if let Err(error) = kept {
                error!(
                    "what goes without standbys can't be put on record, so nothing does: {error}"
                );
                ticks.reset_after(AGAIN_EVERY);
            }
        }
    }

    /// Has on record whether answers go without standbys. It may be there from before, so it is taken for being
    /// there at first.
    async fn keep_record(
        &self,
        database: &Database,
        held: &Held,
        is_on_record: &mut bool,
    ) -> Result<(), LeaseError> {
        let synchrony = database.replication().synchrony().clone();
        if database.wants_alone() {
            held.mark_alone(synchrony.released.0).await?;
            *is_on_record = true;
            // It may go so now, and `false` is only said to taking it back.
            let _ = database.allow_alone(true);
            warn!(from = synchrony.released.0, "answers go without standbys, on record in etcd");
        } else if *is_on_record && has_standbys(&synchrony) && database.allow_alone(false) {
            held.clear_alone().await?;
            *is_on_record = false;
        }
        Ok(())
    }

    /// Waits until nobody has the lease, and this standby has it and the others' promises: it decides then.
    pub(crate) async fn take_over(
        &self,
        database: &Database,
        peers: &Peers,
        feeding: &Feeding,
        standing: &Mutex<()>,
    ) -> (Promotion, Held) {
        let mut ticks = interval(AGAIN_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut said = String::new();
        let mut watch = Watch::new(database);
        loop {
            ticks.tick().await;
            let tried = self.try_to_take_over(database, peers, feeding, standing, &mut watch);
            let why = match tried.await {
                Ok(Attempt::Taken(promotion, held)) => return (promotion, held),
                Ok(Attempt::Not(why)) => why,
                Err(error) => format!("the lease can't be looked at: {error}"),
            };
            if why != said && !why.is_empty() {
                warn!("not taking over: {why}");
            }
            said = why;
        }
    }

    async fn try_to_take_over(
        &self,
        database: &Database,
        peers: &Peers,
        feeding: &Feeding,
        standing: &Mutex<()>,
        watch: &mut Watch,
    ) -> Result<Attempt, LeaseError> {
        let not = |why: String| Ok(Attempt::Not(why));
        let is_free = self.coordination.wait_until_free(PATIENCE).await?;
        let pause = self.ttl() * PAUSE_LIVES;
        // Somebody was promised a term a moment ago, and takes the lease in the next.
        if !is_free || !may_take_over(database) || watch.has_promised(database, pause) {
            return not(String::new());
        }
        let has_primary = has_primary(database, peers).await;
        if watch.has_seen(has_primary, pause) {
            return not(String::from("there is a primary, and it has no lease"));
        }
        let own = database.node().node;
        if let Some(alone) = self.coordination.alone().await?.filter(|alone| alone.node != own) {
            return not(format!(
                "node {:032x} told alone what it told from log position {} on: start it, or promote by force",
                alone.node, alone.position
            ));
        }
        let Acquired::Held(held) = self.acquire(database).await? else { return not(String::new()) };
        let elected = {
            let _one = standing.lock().await;
            elect(database, peers, feeding, false).await
        };
        match elected {
            Ok(promotion) => Ok(Attempt::Taken(promotion, held)),
            Err(error) => {
                held.release().await?;
                not(error.to_string())
            }
        }
    }
}

/// What came of wanting to take over.
enum Attempt {
    Taken(Promotion, Held),
    /// With the reason, empty if there is nothing to say.
    Not(String),
}

/// What etcd says of this node: for whoever looks, but for its number.
fn holder(database: &Database) -> Holder {
    let group = block_in_place(|| database.group()).ok().flatten().unwrap_or_default();
    let node = database.node();
    let address = group.node(node.node).map_or_else(String::new, |it| it.address.clone());
    Holder { node: node.node, term: node.term.0, address }
}

/// Whether standbys have all that was told, in a life before, too.
fn has_standbys(synchrony: &SynchronyStanding) -> bool {
    !synchrony.is_degraded && Lsn::NONE < synchrony.released
}

/// Whether the group asks for standbys: without them one that decides may have told what nobody else has.
fn may_take_over(database: &Database) -> bool {
    let group = block_in_place(|| database.group()).ok().flatten().unwrap_or_default();
    let is_well = match database.replication() {
        Replication::Standby(standing, _) => !standing.has_stopped && !database.node().must_compare,
        Replication::Primary(_) => false,
    };
    is_well && group.acknowledgements != 0 && group.node(database.node().node).is_some()
}

/// Whether a primary answers all the same: one that has no lease, or lost it a moment ago and takes it again.
async fn has_primary(database: &Database, peers: &Peers) -> bool {
    let group = block_in_place(|| database.group()).ok().flatten().unwrap_or_default();
    let own = database.node().node;
    let others = group.nodes.into_iter().filter(|it| it.node != own);
    let addresses: Vec<String> = others.map(|it| it.address).collect();
    peers.survey(Bank::of(database), &addresses).await.iter().any(View::is_primary)
}

/// What a standby sees while the lease is free.
struct Watch {
    promised: Term,
    since: Option<Instant>,
    primary_since: Option<Instant>,
}

impl Watch {
    fn new(database: &Database) -> Watch {
        Watch { promised: database.node().promised, since: None, primary_since: None }
    }

    /// Whether it promised a term to another within a time.
    fn has_promised(&mut self, database: &Database, within: Duration) -> bool {
        let node = database.node();
        if node.promised != self.promised {
            self.promised = node.promised;
            self.since = node.candidate.map(|_| Instant::now());
        }
        self.since.is_some_and(|since| since.elapsed() < within)
    }

    /// Whether there is a primary, and not for so long that it will hardly get the lease any more.
    fn has_seen(&mut self, has_primary: bool, within: Duration) -> bool {
        if !has_primary {
            self.primary_since = None;
            return false;
        }
        self.primary_since.get_or_insert_with(Instant::now).elapsed() < within
    }
}
