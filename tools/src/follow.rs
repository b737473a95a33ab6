//! Whom a server follows, and who must follow it: flags, and the task that feeds a standby.

use crate::credentials::Credentials;
use crate::exit::Failure;
use crate::target::PATIENCE;
use clap::{Args, ValueEnum};
use florin_client::{Client, ClientOptions};
use florin_core::following::Follower;
use florin_core::shipping::{Missing, Synchrony};
use florin_core::{Database, Error, ErrorKind, Options};
use florin_server::limits::FOLLOWERS_MAX;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::error;

/// With more answers would wait for ever: no more have a place.
const SYNC_STANDBYS_MAX: i64 = 16;
const _: () = assert!(FOLLOWERS_MAX == 16);

/// The flags of a standby.
#[derive(Args, Debug)]
pub(crate) struct FollowFlags {
    /// Follow this primary as its standby: copy its log, serve reads, refuse writes. An empty directory
    /// becomes a copy from the log's beginning on
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "clock_start")]
    follow: Option<String>,

    /// Speak TLS to the primary, and believe it if the authorities in this PEM file have certified it
    #[arg(long, value_name = "FILE", requires = "follow")]
    follow_tls_ca: Option<PathBuf>,

    /// The name that the primary's certificate must have, if it is not the host of --follow
    #[arg(long, value_name = "NAME", requires = "follow_tls_ca")]
    follow_tls_server_name: Option<String>,

    /// Prove this private key to the primary; it needs the role replicate
    #[arg(long, value_name = "FILE", requires = "follow")]
    follow_key: Option<PathBuf>,

    /// What the primary calls this standby if it asks for no keys
    #[arg(long, value_name = "NAME", requires = "follow", default_value = "standby")]
    follow_name: String,
}

/// The flags of a primary.
#[derive(Args, Debug)]
pub(crate) struct SyncFlags {
    /// Answer only what this many standbys have, durably; as many as may follow a server at most
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

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum SyncMissing {
    Wait,
    Degrade,
}

impl SyncFlags {
    /// What is asked of standbys.
    pub(crate) fn synchrony(&self) -> Synchrony {
        let patience = Duration::from_secs(u64::from(self.sync_patience));
        Synchrony {
            standbys: self.sync_standbys.unwrap_or(0),
            missing: match self.sync_missing {
                SyncMissing::Wait => Missing::Wait,
                SyncMissing::Degrade => Missing::Degrade(patience),
            },
        }
    }
}

/// Whom a standby follows, and how it is known.
#[derive(Clone)]
pub(crate) struct Primary {
    address: String,
    options: ClientOptions,
}

impl FollowFlags {
    /// The primary that is named, if one is.
    ///
    /// # Errors
    /// If a file can't be read or used.
    pub(crate) fn primary(&self) -> Result<Option<Primary>, Failure> {
        let Some(address) = self.follow.clone() else { return Ok(None) };
        let credentials = Credentials::of(
            self.follow_tls_ca.clone(),
            self.follow_tls_server_name.clone(),
            self.follow_key.clone(),
        );
        let options = ClientOptions { name: self.follow_name.clone(), ..ClientOptions::default() };
        Ok(Some(Primary { address, options: credentials.apply(options)? }))
    }
}

impl Primary {
    /// Opens a directory as its standby's.
    ///
    /// # Errors
    /// If it can't be opened so.
    pub(crate) fn open(
        &self,
        runtime: &Runtime,
        directory: &Path,
        options: Options,
    ) -> Result<(Database, Follower), Failure> {
        let origin = || runtime.block_on(self.origin());
        Database::follow(directory, &self.address, origin, options).map_err(|error| {
            Failure::unavailable(format!("can't open {} to follow: {error}", directory.display()))
        })
    }

    async fn origin(&self) -> Result<Vec<u8>, Error> {
        let unreachable = |error: florin_client::ClientError| {
            let message =
                format!("the log's beginning can't be had from {}: {error}", self.address);
            Error::new(ErrorKind::Unusable, message)
        };
        let client = Client::connect(&self.address, self.options.clone()).await;
        let client = client.map_err(unreachable)?.with_deadline(PATIENCE);
        Ok(client.log_origin().await.map_err(unreachable)?.to_vec())
    }

    /// Feeds the standby until it is told to stop.
    pub(crate) fn feed(&self, follower: Follower) -> Feeding {
        let (stop, stopping) = watch::channel(false);
        let Primary { address, options } = self.clone();
        let told = stopping.clone();
        let task = tokio::spawn(async move {
            let ended = florin_client::follow(follower, &address, options, stopping).await;
            // One that is told to end may meet the closed database first.
            if let (Err(ended), false) = (ended, *told.borrow()) {
                error!("following ended: {ended}");
            }
        });
        Feeding { stop, task }
    }
}

/// A standby that is being fed.
pub(crate) struct Feeding {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Feeding {
    /// Tells it to end. It may wait for the engine to apply something, and only a close ends that wait.
    pub(crate) fn tell(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for its end, when it was told and the database is closed; then the directory is let go of.
    pub(crate) async fn end(self) {
        self.tell();
        if let Err(panic) = self.task.await {
            error!("following ended: {panic}");
        }
    }
}
