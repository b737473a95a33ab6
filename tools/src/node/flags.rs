//! What an operator says of a node: whom it follows, how it reaches the others, and who must follow it.

use crate::credentials::Credentials;
use crate::exit::Failure;
use crate::node::peers::Peers;
use clap::{Args, ValueEnum};
use florin_client::ClientOptions;
use florin_core::shipping::{Missing, Synchrony};
use florin_server::limits::FOLLOWERS_MAX;
use std::path::PathBuf;
use std::time::Duration;

/// With more answers would wait for ever: no more have a place.
const SYNC_STANDBYS_MAX: i64 = 16;
const _: () = assert!(FOLLOWERS_MAX == 16);

/// The flags of a node.
#[derive(Args, Debug)]
pub(crate) struct FollowFlags {
    /// Follow this primary as its standby: copy its log, serve reads, refuse writes. An empty directory
    /// is given its log and its newest checkpoint. A node of a group finds the primary by itself, and this one
    /// is where it asks first
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "clock_start")]
    follow: Option<String>,

    /// Believe no checkpoint of the primary: an empty directory applies its log from the first record on
    #[arg(long)]
    apply_all: bool,

    /// MiB a second that an empty directory is given at most; 0: as fast as it goes
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(..=4_095))]
    seed_mib: u64,

    /// Speak TLS to the other nodes, and believe them if the authorities in this PEM file have certified them
    #[arg(long, value_name = "FILE")]
    follow_tls_ca: Option<PathBuf>,

    /// The name that the other nodes' certificates must have, if it is not the host of their address
    #[arg(long, value_name = "NAME", requires = "follow_tls_ca")]
    follow_tls_server_name: Option<String>,

    /// Prove this private key to the other nodes; it needs the role replicate
    #[arg(long, value_name = "FILE")]
    follow_key: Option<PathBuf>,

    /// What the others call this node if they ask for no keys
    #[arg(long, value_name = "NAME", default_value = "standby")]
    follow_name: String,
}

/// The flags of a primary.
#[derive(Args, Debug)]
pub(crate) struct SyncFlags {
    /// Answer only what this many standbys have, durably; as many as may follow a server at most. A group says so
    /// itself (florin group)
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=SYNC_STANDBYS_MAX))]
    sync_standbys: Option<u32>,

    /// What happens while fewer acknowledge: answers wait, or after --sync-patience go without
    #[arg(
        long,
        value_name = "WHAT",
        default_value = "wait",
        value_enum,
        requires = "sync_standbys"
    )]
    sync_missing: SyncMissing,

    /// How long standbys may be missing before answers go without them
    #[arg(long, value_name = "SECONDS", default_value_t = 5, requires = "sync_standbys")]
    sync_patience: u32,
}

/// What happens while too few standbys acknowledge.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub(crate) enum SyncMissing {
    Wait,
    Degrade,
}

impl SyncMissing {
    /// With the patience that it may have.
    pub(crate) fn missing(self, patience_seconds: u32) -> Missing {
        match self {
            SyncMissing::Wait => Missing::Wait,
            SyncMissing::Degrade => {
                Missing::Degrade(Duration::from_secs(u64::from(patience_seconds)))
            }
        }
    }
}

impl SyncFlags {
    /// Whether standbys are asked for here.
    pub(crate) fn is_given(&self) -> bool {
        self.sync_standbys.is_some()
    }

    /// What is asked of standbys.
    pub(crate) fn synchrony(&self) -> Synchrony {
        Synchrony {
            standbys: self.sync_standbys.unwrap_or(0),
            missing: self.sync_missing.missing(self.sync_patience),
            nodes: None,
        }
    }
}

impl FollowFlags {
    /// Where to ask first, if that is given.
    pub(crate) fn address(&self) -> Option<&str> {
        self.follow.as_deref()
    }

    /// Whether an empty directory may be given a checkpoint.
    pub(crate) fn takes_checkpoint(&self) -> bool {
        !self.apply_all
    }

    /// Bytes a second that it is given at most; 0: as fast as it goes.
    pub(crate) fn seed_bytes_per_second(&self) -> u64 {
        self.seed_mib << 20
    }

    /// How the other nodes are reached.
    ///
    /// # Errors
    /// If a file can't be read or used.
    pub(crate) fn peers(&self) -> Result<Peers, Failure> {
        let credentials = Credentials::of(
            self.follow_tls_ca.clone(),
            self.follow_tls_server_name.clone(),
            self.follow_key.clone(),
        );
        let options = ClientOptions { name: self.follow_name.clone(), ..ClientOptions::default() };
        Ok(Peers::new(credentials.apply(options)?))
    }
}
