//! A ledger that is backed up from the command line: a directory that nobody has open, or a server's.

use crate::credentials::Credentials;
use crate::exit::Failure;
use crate::target::{Ledger, runtime};
use clap::Args;
use florin_client::{
    Client, ClientError, ClientOptions, LogPiece, PIECE_BYTES_MAX, RefusalKind, SeedOffer,
    SeedPiece,
};
use florin_core::backup::Source;
use florin_core::disk::Disk;
use florin_core::disk::os::OsDisk;
use florin_core::keyring::copy::KeyringCopy;
use florin_core::log::FramePosition;
use florin_core::seeding::{Offered, SeedSource};
use florin_core::snapshot::{Snapshot, StillLog};
use florin_core::{Error, ErrorKind, sealing};
use florin_keys::KeyEncryptionKey;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

/// Pieces that are asked for at the same time.
const AT_ONCE: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);

/// Which ledger is backed up.
#[derive(Args, Clone, Debug)]
pub(crate) struct SourceArguments {
    /// The data directory, which no process has open
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "connect",
        conflicts_with = "connect"
    )]
    data: Option<PathBuf>,

    /// The server that has it open; its key needs the role replicate
    #[arg(long, value_name = "HOST:PORT")]
    connect: Option<String>,

    #[command(flatten)]
    credentials: Credentials,
}

/// The ledger.
pub(crate) enum AnySource {
    Still(Box<StillLog>, Arc<OsDisk>),
    Served(Served),
}

/// A server's.
pub(crate) struct Served {
    handle: Handle,
    client: Client,
    /// If nobody else runs it.
    _runtime: Option<Runtime>,
}

impl SourceArguments {
    /// Opens it. A directory that is encrypted is read with its key if that is given: then what its records
    /// say is judged, too.
    pub(crate) fn open(&self, key: Option<&dyn KeyEncryptionKey>) -> Result<AnySource, Failure> {
        if let Some(address) = &self.connect {
            return AnySource::served(address, &self.credentials);
        }
        self.credentials.check_absent()?;
        let data = self.data.as_ref().ok_or_else(|| Failure::usage("name a ledger"))?;
        if !data.is_dir() {
            return Err(Failure::unavailable(format!("there is no directory {}", data.display())));
        }
        let failed = |error: Error| Failure::unavailable(format!("{}: {error}", data.display()));
        let disk = Arc::new(OsDisk::open(data).map_err(failed)?);
        let mut any: Arc<dyn Disk> = disk.clone();
        // The key of a database that is not encrypted is that of its backups.
        if key.is_some() && data.join(sealing::FILE_NAME).exists() {
            any = sealing::unlock(any, key).map_err(failed)?;
        }
        let log = StillLog::open(&any);
        Ok(AnySource::Still(Box::new(log.map_err(failed)?), disk))
    }
}

impl AnySource {
    /// A server's, which must know the key that is proved.
    pub(crate) fn served(address: &str, credentials: &Credentials) -> Result<AnySource, Failure> {
        let runtime = runtime()?;
        let options = ClientOptions { deadline: PATIENCE, ..ClientOptions::default() };
        let options = credentials.apply(options)?;
        let client = Ledger::connect(&runtime, address, options)?.client;
        let handle = runtime.handle().clone();
        Ok(AnySource::Served(Served { handle, client, _runtime: Some(runtime) }))
    }

    /// A copy of the keyring; `None` if there is none.
    pub(crate) fn keyring(&self) -> Result<Option<KeyringCopy>, Failure> {
        let failed = |error: Error| Failure::unavailable(error.to_string());
        match self {
            AnySource::Still(log, disk) => {
                KeyringCopy::read(disk.as_ref(), log.snapshot().birth).map_err(failed)
            }
            AnySource::Served(Served { handle, client, .. }) => {
                let copied = handle.block_on(client.copy_keyring())?;
                copied.map(|bytes| KeyringCopy::from_bytes(&bytes)).transpose().map_err(failed)
            }
        }
    }
}

/// Says that the process is to end.
pub(crate) struct Stopping {
    interrupted: Signal,
    terminated: Signal,
}

impl AnySource {
    /// Hears of SIGINT and SIGTERM from now on.
    pub(crate) fn stopping(&self) -> Result<Stopping, Failure> {
        let AnySource::Served(Served { handle, .. }) = self else {
            return Err(Failure::usage("only the log of a server goes on: name it with --connect"));
        };
        let _guard = handle.enter();
        let hears = |kind| {
            signal(kind)
                .map_err(|error| Failure::unavailable(format!("can't hear signals: {error}")))
        };
        Ok(Stopping {
            interrupted: hears(SignalKind::interrupt())?,
            terminated: hears(SignalKind::terminate())?,
        })
    }

    /// Whether the process is to end, now or within a time.
    pub(crate) fn is_stopped_within(&self, stopping: &mut Stopping, pause: Duration) -> bool {
        let AnySource::Served(Served { handle, .. }) = self else { return true };
        let Stopping { interrupted, terminated } = stopping;
        handle.block_on(async {
            let stopped = async {
                tokio::select! {
                    _ = interrupted.recv() => {}
                    _ = terminated.recv() => {}
                }
            };
            timeout(pause, stopped).await.is_ok()
        })
    }
}

impl Source for AnySource {
    fn snapshot(&self) -> Result<Snapshot, Error> {
        match self {
            AnySource::Still(log, _) => Source::snapshot(log.as_ref()),
            AnySource::Served(served) => Source::snapshot(served),
        }
    }

    fn segment(&self, number: u64, bytes: usize) -> Result<Vec<u8>, Error> {
        match self {
            AnySource::Still(log, _) => log.segment(number, bytes),
            AnySource::Served(served) => served.segment(number, bytes),
        }
    }
}

impl Served {
    /// One that a runtime elsewhere talks to.
    pub(crate) fn over(handle: Handle, client: Client) -> Served {
        Served { handle, client, _runtime: None }
    }
}

/// A snapshot as it was told.
fn snapshot(taken: florin_client::Snapshot) -> Snapshot {
    Snapshot {
        birth: taken.birth,
        incarnation: taken.incarnation,
        epoch: taken.epoch,
        segment_bytes: taken.segment_bytes,
        is_sealed: taken.is_sealed,
        end: FramePosition { lsn: taken.end, sequence: taken.sequence, chain: taken.chain },
        time: taken.time,
        wrapped_key: taken.wrapped_key,
    }
}

impl SeedSource for Served {
    fn offer(&self) -> Result<Option<(Snapshot, Offered)>, Error> {
        let offer = match self.handle.block_on(self.client.offer_seed()) {
            // An older version.
            Err(ClientError::Refused { kind: RefusalKind::UnsupportedOperation, .. }) => None,
            offer => offer.map_err(of_a_checkpoint)?,
        };
        let Some(SeedOffer { snapshot: taken, checkpoint }) = offer else { return Ok(None) };
        Ok(Some((snapshot(taken), Offered::from_bytes(&checkpoint)?)))
    }

    fn piece(&self, id: u64, part: u32, from: u64) -> Result<Vec<u8>, Error> {
        self.handle
            .block_on(self.client.read_seed(SeedPiece { id, part, from }))
            .map_err(of_a_checkpoint)
    }
}

impl Source for Served {
    fn snapshot(&self) -> Result<Snapshot, Error> {
        Ok(snapshot(self.handle.block_on(self.client.snapshot()).map_err(told)?))
    }

    /// Several pieces are on their way at the same time.
    fn segment(&self, number: u64, bytes: usize) -> Result<Vec<u8>, Error> {
        self.handle.block_on(async {
            let mut content = Vec::with_capacity(bytes);
            let mut offsets = (0..bytes).step_by(PIECE_BYTES_MAX);
            let ask = |offset: usize| {
                let client = self.client.clone();
                let asked = (bytes - offset).min(PIECE_BYTES_MAX);
                let piece = LogPiece {
                    segment: number,
                    offset: u32::try_from(offset).expect("a segment is short"),
                    bytes: u32::try_from(asked).expect("a piece is small"),
                };
                let answer = tokio::spawn(async move { client.read_log(piece).await });
                (asked, answer)
            };
            let mut asked = std::collections::VecDeque::new();
            asked.extend(offsets.by_ref().take(AT_ONCE).map(ask));
            while let Some((wanted, answer)) = asked.pop_front() {
                let piece = answer.await.map_err(|error| {
                    Error::new(ErrorKind::Io, format!("reading the log: {error}"))
                })?;
                let piece = piece.map_err(told)?;
                content.extend_from_slice(&piece);
                if piece.len() < wanted {
                    break;
                }
                asked.extend(offsets.next().map(ask));
            }
            Ok(content)
        })
    }
}

/// What a server says of a checkpoint: one that it can't read is of no use, and the log is there.
fn of_a_checkpoint(error: ClientError) -> Error {
    match &error {
        ClientError::Refused { kind: RefusalKind::Io | RefusalKind::Invalid, .. } => {
            Error::new(ErrorKind::Corrupt, error.to_string())
        }
        _ => told(error),
    }
}

/// What a server says, by what is to be done.
fn told(error: ClientError) -> Error {
    let kind = match &error {
        ClientError::Refused { kind: RefusalKind::Corrupt, .. } => ErrorKind::Corrupt,
        ClientError::Refused { kind: RefusalKind::Busy, .. } => ErrorKind::Busy,
        _ => ErrorKind::Io,
    };
    Error::new(kind, error.to_string())
}
