//! Which ledger a command works on: a data directory opened in this process, or a server.

use crate::credentials::Credentials;
use crate::exit::Failure;
use crate::inspect::{Log, ReadOnly};
use crate::key::KeyArguments;
use clap::Args;
use florin_client::{Client, ClientOptions, PublicKey, SecretKey};
use florin_core::clock::Clock;
use florin_core::disk::os::OsDisk;
use florin_core::tree::Proving;
use florin_core::{Database, Options};
use florin_keys::KeyEncryptionKey;
use florin_ledger::Timestamp;
use florin_proof::SigningKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long one request may take where its answer is worth the wait.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The two flags that name a ledger.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Target {
    /// Open this data directory in this process (made if it is new)
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,

    /// Speak to the server that listens here; of several, with commas between them, to the primary
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) connect: Option<String>,
}

/// A ledger that is named, how its server is known, and how its directory is opened.
#[derive(Args, Clone, Debug)]
pub(crate) struct Destination {
    #[command(flatten)]
    pub(crate) target: Target,

    #[command(flatten)]
    credentials: Credentials,

    #[command(flatten)]
    key: KeyArguments,
}

/// A ledger that answers. Close it: only that reports what went wrong at the end.
pub(crate) struct Ledger {
    pub(crate) client: Client,
    /// The key that was proved to the server, if there is one.
    pub(crate) asker: Option<PublicKey>,
    /// `None` when a server owns it.
    database: Option<Database>,
}

impl Destination {
    /// Another server, known and told who asks in the same way.
    pub(crate) fn at(&self, address: &str) -> Destination {
        let target = Target { data: None, connect: Some(String::from(address)) };
        Destination { target, ..self.clone() }
    }

    /// Opens the directory or connects to the server.
    ///
    /// # Errors
    /// If it can't be opened or reached; nothing was changed.
    pub(crate) fn open(
        &self,
        runtime: &Runtime,
        clock_start: Option<u64>,
    ) -> Result<Ledger, Failure> {
        match (&self.target.data, &self.target.connect) {
            (Some(path), _) => {
                // clap passes over what an argument requires that conflicts with another.
                self.credentials.check_absent()?;
                Ledger::open(runtime, path, clock_start, self.key.open()?)
            }
            (None, Some(address)) => {
                self.key.check_absent()?;
                let options = ClientOptions { deadline: PATIENCE, ..ClientOptions::default() };
                let options = self.credentials.apply(options)?;
                Ledger::connect(runtime, address, options)
            }
            (None, None) => Err(Failure::usage("name a ledger: --data DIR or --connect HOST:PORT")),
        }
    }

    /// The same for a directory that is named, with its tree of proofs, built to the end.
    ///
    /// # Errors
    /// As [`Destination::open`].
    pub(crate) fn open_proving(
        &self,
        runtime: &Runtime,
        signing_key: Option<SigningKey>,
    ) -> Result<Ledger, Failure> {
        self.credentials.check_absent()?;
        let path = self.target.data.as_ref().expect("a directory is named");
        let proving = Proving { signing_key, capture_bytes: 0, ..Proving::default() };
        let key = self.key.open()?;
        let _guard = runtime.enter();
        let options = Options { key, proving: Some(proving), ..Options::default() };
        let database = open_database_with(path, options)?;
        database.await_tree().map_err(|error| Failure::unavailable(error.to_string()))?;
        Ok(Ledger::of(database))
    }

    /// Asking about a ledger must not make one.
    ///
    /// # Errors
    /// If a directory is named that holds none.
    pub(crate) fn refuse_new(&self) -> Result<(), Failure> {
        let Some(path) = &self.target.data else { return Ok(()) };
        let unavailable =
            |error: String| Failure::unavailable(format!("can't open {}: {error}", path.display()));
        let directory = ReadOnly::open(path).map_err(|error| unavailable(error.to_string()))?;
        Log::open(directory, None).map(|_| ()).map_err(|error| unavailable(error.to_string()))
    }
}

impl Ledger {
    /// Opens a data directory in this process.
    pub(crate) fn open(
        runtime: &Runtime,
        path: &Path,
        clock_start: Option<u64>,
        key: Option<Arc<dyn KeyEncryptionKey>>,
    ) -> Result<Ledger, Failure> {
        let _guard = runtime.enter();
        Ok(Ledger::of(open_database(path, clock_start, key)?))
    }

    /// A database of this process.
    fn of(database: Database) -> Ledger {
        let client = Client::embedded(database.clone());
        Ledger { client, asker: None, database: Some(database) }
    }

    /// Connects to a server.
    pub(crate) fn connect(
        runtime: &Runtime,
        address: &str,
        options: ClientOptions,
    ) -> Result<Ledger, Failure> {
        let asker = options.key.as_ref().map(SecretKey::public);
        let client = runtime
            .block_on(Client::connect(address, options))
            .map_err(|error| Failure::unavailable(format!("can't reach {address}: {error}")))?;
        Ok(Ledger { client, asker, database: None })
    }

    /// The same, waiting longer for an answer: whoever asks has nothing better to do, and some
    /// questions read the whole log.
    pub(crate) fn patient(self) -> Ledger {
        Ledger { client: self.client.with_deadline(PATIENCE), ..self }
    }

    /// Closes a database of this process; a server's stays open.
    pub(crate) fn close(self) -> Result<(), Failure> {
        match self.database {
            Some(database) => database.close().map_err(|error| Failure::at_close(&error)),
            None => Ok(()),
        }
    }
}

/// Opens the database in a directory, with its clock fixed if a start is given, with its key if it
/// is encrypted.
pub(crate) fn open_database(
    path: &Path,
    clock_start: Option<u64>,
    key: Option<Arc<dyn KeyEncryptionKey>>,
) -> Result<Database, Failure> {
    let options = Options { clock_start: clock_start.map(Timestamp), key, ..Options::default() };
    open_database_with(path, options)
}

/// Opens the database in a directory.
pub(crate) fn open_database_with(path: &Path, options: Options) -> Result<Database, Failure> {
    Database::open(path, options)
        .map_err(|error| Failure::unavailable(format!("can't open {}: {error}", path.display())))
}

/// Opens the database in a directory, with a clock.
pub(crate) fn open_database_at(
    path: &Path,
    clock: Arc<dyn Clock>,
    options: Options,
) -> Result<Database, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::unavailable(format!("can't open {}: {error}", path.display()))
    };
    if !path.is_dir() {
        return Err(failed(&"there is no such directory: florin init --encrypt makes it"));
    }
    let disk = OsDisk::open(path).map_err(|error| failed(&error))?;
    Database::open_on(Arc::new(disk), clock, options).map_err(|error| failed(&error))
}

/// A runtime of one thread beside the caller's, so that connections stay alive while a command
/// waits for its terminal.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::unavailable(format!("can't start a thread: {error}")))
}
