//! How a command gets to a bank: its ledger, in this process or a server, and the bank's root key.

use crate::credentials::Credentials;
use crate::events;
use crate::exit::Failure;
use crate::key::{KeyArguments, RootKeyArguments};
use crate::target::open_database_with;
use clap::Args;
use florin_adapter::accounts::BankCode;
use florin_adapter::clock::{MachineClock, TimeZone};
use florin_adapter::{Bank, BankError, BankOptions};
use florin_client::{Client, ClientOptions};
use florin_core::{Database, Options};
use florin_keys::KeyEncryptionKey;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long tasks that are under way may take at the end.
const CLOSING_MAX: Duration = Duration::from_secs(5);

/// The flags that name a bank.
#[derive(Args, Clone, Debug)]
pub(super) struct Access {
    #[command(flatten)]
    ledger: BankLedger,

    #[command(flatten)]
    credentials: Credentials,

    #[command(flatten)]
    key: KeyArguments,

    #[command(flatten)]
    root: RootKeyArguments,
}

/// The two flags that name the bank's ledger.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
struct BankLedger {
    /// Open this data directory in this process; it must be encrypted
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Speak to the server that listens here
    #[arg(id = "connect", long = "ledger", value_name = "HOST:PORT")]
    connect: Option<String>,
}

/// What is in the way of opening a bank.
pub(super) fn unavailable(error: &BankError) -> Failure {
    Failure::unavailable(format!("can't open the bank: {error}"))
}

impl Access {
    /// Does something with the ledger, and closes it whatever came of that.
    ///
    /// # Errors
    /// If it can't be opened or closed, or what was done fails.
    pub(super) fn with_client<T>(
        &self,
        work: impl AsyncFnOnce(Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::unavailable(format!("can't start threads: {error}")))?;
        let database = self.database()?;
        let done = runtime.block_on(async {
            let client = match database.clone() {
                Some(database) => Client::embedded(database),
                None => self.client().await?,
            };
            work(client).await
        });
        // Tasks that still hold the database go first.
        runtime.shutdown_timeout(CLOSING_MAX);
        let closed = database.map_or(Ok(()), |database| database.close());
        let done = done?;
        closed.map_err(|error| Failure::at_close(&error))?;
        Ok(done)
    }

    /// The same with the bank, for a command that serves nobody.
    ///
    /// # Errors
    /// As above, and if the bank can't be opened.
    pub(super) fn with_bank<T>(
        &self,
        work: impl AsyncFnOnce(&Bank) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.with_client(async |client| {
            let options = BankOptions {
                origin: String::from("https://localhost"),
                name: String::from("Florin"),
                code: BankCode::DEMO,
                password_threads_count: 1,
                time_zone: TimeZone::UTC,
                step_up_above_cents: 0,
                requests_per_minute: 0,
                sends_sms: false,
                sms_per_hour: 0,
                sends_push: false,
            };
            work(&self.bank(client, options).await?).await
        })
    }

    /// The bank's root key.
    ///
    /// # Errors
    /// If none is named, or it can't be used.
    pub(super) fn root(&self) -> Result<Arc<dyn KeyEncryptionKey>, Failure> {
        self.root.required()
    }

    /// The bank of a ledger.
    ///
    /// # Errors
    /// If the root key is another one, or the ledger can't be asked.
    pub(super) async fn bank(&self, client: Client, options: BankOptions) -> Result<Bank, Failure> {
        let root = self.root.required()?;
        let bank = Bank::open(client, root.as_ref(), Arc::new(MachineClock), options).await;
        bank.map_err(|error| unavailable(&error))
    }

    /// The database, if it is opened in this process.
    fn database(&self) -> Result<Option<Database>, Failure> {
        let Some(data) = &self.ledger.data else {
            self.key.check_absent()?;
            return Ok(None);
        };
        self.credentials.check_absent()?;
        let options = Options {
            observer: events::observer(),
            key: Some(self.key.required()?),
            ..Options::default()
        };
        open_database_with(data, options).map(Some)
    }

    async fn client(&self) -> Result<Client, Failure> {
        let address = self.ledger.connect.as_deref().unwrap_or_default();
        let options = self.credentials.apply(ClientOptions::default())?;
        let failed = |error| Failure::unavailable(format!("can't reach {address}: {error}"));
        Client::connect(address, options).await.map_err(failed)
    }
}
