//! How a command gets to a bank: its ledger, in this process or a server, and the bank's root key.

use crate::clock::BankClock;
use crate::credentials::Credentials;
use crate::events;
use crate::exit::{Exit, Failure};
use crate::key::{KeyArguments, RootKeyArguments};
use crate::target::open_database_at;
use clap::Args;
use florin_adapter::accounts::BankCode;
use florin_adapter::clock::TimeZone;
use florin_adapter::test_clock::{self, MadeWithout, TestClock};
use florin_adapter::{Bank, BankError, BankOptions};
use florin_client::{Client, ClientOptions};
use florin_core::{Database, Options};
use florin_keys::KeyEncryptionKey;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tracing::warn;

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

    /// Speak to the server that listens here; of several, with commas between them, to the primary
    #[arg(id = "connect", long = "ledger", value_name = "HOST:PORT")]
    connect: Option<String>,
}

/// Whose time a bank has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    /// The machine's, or set by hand if it was made so.
    AsItIs,
    /// Set by hand.
    SetByHand,
}

/// Opens the bank of a ledger that has this clock.
///
/// # Errors
/// If it can't be opened, or was made without a clock that is set by hand and that is wanted.
pub(crate) async fn open_at(
    client: Client,
    root: &dyn KeyEncryptionKey,
    clock: Arc<BankClock>,
    options: BankOptions,
    wanted: Wanted,
) -> Result<Bank, Failure> {
    let is_new = test_clock::has_no_bank(&client).await.map_err(|error| unavailable(&error))?;
    let bank = Bank::open(client, root, clock.clone(), options).await;
    let mut bank = bank.map_err(|error| unavailable(&error))?;
    let is_set_by_hand = match (is_new, wanted) {
        (true, Wanted::SetByHand) => TestClock::make(&mut bank, clock).await.map(|()| true),
        _ => TestClock::resume(&mut bank, clock).await,
    };
    let is_set_by_hand = is_set_by_hand.map_err(|error| unavailable(&error))?;
    if wanted == Wanted::SetByHand && !is_set_by_hand {
        return Err(Failure::new(Exit::Findings, MadeWithout.to_string()));
    }
    if is_set_by_hand {
        warn!("this bank's time is set by hand: it is for tests");
    }
    Ok(bank)
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
        self.with_clock(async |client, _| work(client).await)
    }

    /// The same, with the clock of who opened it.
    pub(super) fn with_clock<T>(
        &self,
        work: impl AsyncFnOnce(Client, Arc<BankClock>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let clock = Arc::new(BankClock::default());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::unavailable(format!("can't start threads: {error}")))?;
        let database = self.database(&clock)?;
        let done = runtime.block_on(async {
            let client = match database.clone() {
                Some(database) => Client::embedded(database),
                None => self.client().await?,
            };
            work(client, clock).await
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
        self.with_clock(async |client, clock| {
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
                countries: None,
            };
            work(&self.bank(client, clock, options, Wanted::AsItIs).await?).await
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
    pub(super) async fn bank(
        &self,
        client: Client,
        clock: Arc<BankClock>,
        options: BankOptions,
        wanted: Wanted,
    ) -> Result<Bank, Failure> {
        let root = self.root.required()?;
        if self.ledger.data.is_none() {
            if wanted == Wanted::SetByHand {
                return Err(Failure::usage(
                    "--test-clock needs --data: a server has its own clock",
                ));
            }
            let bank = Bank::open(client, root.as_ref(), clock, options).await;
            return bank.map_err(|error| unavailable(&error));
        }
        open_at(client, root.as_ref(), clock, options, wanted).await
    }

    /// The database, if it is opened in this process.
    fn database(&self, clock: &Arc<BankClock>) -> Result<Option<Database>, Failure> {
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
        open_database_at(data, clock.clone(), options).map(Some)
    }

    async fn client(&self) -> Result<Client, Failure> {
        let address = self.ledger.connect.as_deref().unwrap_or_default();
        let options = self.credentials.apply(ClientOptions::default())?;
        let failed = |error| Failure::unavailable(format!("can't reach {address}: {error}"));
        Client::connect(address, options).await.map_err(failed)
    }
}
