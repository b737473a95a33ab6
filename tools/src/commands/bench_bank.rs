//! `florin bench bank`: how fast a bank is over a ledger in this process; with `--https`, as an app of the bank sees it,
//! with TLS and the proof of a key in each request, load and bank on the same machine.
//!
//! - A read is what a page of one account needs: the login, the account, its balance; all of it asked of the ledger
//!   ([`reads`]).
//! - Transfers are offered at a rate, whether those before have ended or not. What one takes counts from when it was
//!   due until the ledger has told that it is completed, and the money has to be where it should in the end.

mod reads;

use super::demo::sealed;
use crate::bench::latency::Percentiles;
use crate::bench::process::Process;
use crate::bench::web::{App, Connections, Site};
use crate::exit::{Exit, Failure};
use crate::figure::Figure;
use crate::target::open_database_with;
use clap::Args;
use florin_adapter::accounts::{self, AccountType, BankCode, Opening};
use florin_adapter::audit::Caller;
use florin_adapter::clock::{MachineClock, TimeZone};
use florin_adapter::customers::{
    LoginKey, LoginSession, NewCustomer, Password, Registered, Sessions, Token, TotpSecret,
    register,
};
use florin_adapter::email::Email;
use florin_adapter::id::{Account, Customer, Id, Transaction};
use florin_adapter::money::{Currency, Money};
use florin_adapter::payments::{self, Destination, NewTransfer, Orderer, RequestKey, Worker};
use florin_adapter::{Bank, BankError, BankOptions, topics};
use florin_client::{Client, Subscription};
use florin_core::Options;
use florin_keys::FileKey;
use florin_ledger::stream::{ItemContent, ItemKind, ItemKinds};
use florin_ledger::{
    AccountId, Amount, CreateTransferStatus, StreamFilter, StreamStart, Transfer, TransferId,
};
use hyper::StatusCode;
use reads::Reads;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

const CURRENCY: Currency = Currency::Eur;
/// How the logins of the bench are said to be proved.
const AUTH_METHOD: &str = "none";
/// On each account that sends.
const DEPOSIT_CENTS: u64 = 100_000_000;
/// Logins that are begun with one write.
const LOGINS_AT_ONCE: usize = 200;
/// How long a token is asked with.
const TOKEN_FRESH_FOR: Duration = Duration::from_secs(300);
/// How often transfers are offered.
const TICK: Duration = Duration::from_millis(10);
/// How long the last transfers may take to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// Transfers that are being begun at the same time, at most: what is above is not offered.
const UNDER_WAY_MAX: usize = 20_000;

/// Measure a bank over a ledger in this process: balance reads, and transfers from order to completion
#[derive(Args, Debug)]
pub(crate) struct BenchBank {
    /// Customers, each with an account that sends and one that is paid
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    customers: u64,

    /// Logins of each customer, all of them read with in turn, beside that of their app
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=98))]
    logins: u32,

    /// Readers that ask at the same time
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    readers: u32,

    /// Transfers that are offered each second
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: u64,

    /// How long transfers are measured
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,

    /// How long reads are measured, before; over HTTPS the time in which proofs are signed for them is none of it
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    read_seconds: u64,

    /// Ask over HTTPS, as an app of the bank does, on so many connections; 0 asks the bank in this process
    #[arg(long, value_name = "CONNECTIONS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=900))]
    https: u32,

    /// Pay other customers instead of another account of one's own: more than twenty an hour are looked at by the staff,
    /// and not ended here
    #[arg(long)]
    to_others: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What was measured. Times in microseconds.
#[derive(Serialize)]
struct Report {
    reads_per_second: Option<Figure>,
    read: Option<Percentiles>,
    /// Processor time of a read: load, bank and ledger together, but for proofs that were signed before.
    read_cpu: Option<Figure>,
    /// When the proofs of reads were signed; `None` where there are none.
    read_proofs: Option<&'static str>,
    read_log_bytes: u64,
    transfers_offered: u64,
    transfers_begun: u64,
    transfers_completed: u64,
    offered_per_second: u64,
    completed_per_second: Option<Figure>,
    begun: Option<Percentiles>,
    completed: Option<Percentiles>,
    log_bytes_per_transfer: Option<Figure>,
    memory_peak_bytes: Option<u64>,
    cpu_seconds: Option<Figure>,
}

/// A customer of the run.
#[derive(Clone)]
struct Teller {
    token: Token,
    /// The login of an app of theirs.
    app_login: Arc<AppLogin>,
    sends: Id<Account>,
    is_paid: Id<Account>,
    customer: Id<Customer>,
}

/// A login in an app, with its newest token.
struct AppLogin {
    session: LoginSession,
    key: LoginKey,
    token: Mutex<(Instant, String)>,
}

impl AppLogin {
    fn new(bank: &Bank, session: LoginSession, key: LoginKey) -> AppLogin {
        let (token, _) = bank.tokens.issue(&session, &key, bank.clock.now());
        AppLogin { session, key, token: Mutex::new((Instant::now(), token)) }
    }

    /// A token that is good for a while still.
    fn token(&self, bank: &Bank) -> String {
        let mut token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if TOKEN_FRESH_FOR < token.0.elapsed() {
            let (fresh, _) = bank.tokens.issue(&self.session, &self.key, bank.clock.now());
            *token = (Instant::now(), fresh);
        }
        token.1.clone()
    }
}

impl BenchBank {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let directory = tempfile::tempdir()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let data = directory.path().join("ledger");
        let key = sealed(&data, &directory.path().join("ledger_key"))?;
        let options = Options { key: Some(key), ..Options::default() };
        let database = open_database_with(&data, options)?;
        let client = Client::embedded(database.clone());
        let measured = runtime.block_on(self.measure(client, directory.path()));
        runtime.shutdown_timeout(Duration::from_secs(5));
        let closed = database.close();
        let report = measured?;
        closed.map_err(|error| Failure::at_close(&error))?;
        self.say(&report)?;
        Ok(Exit::Done)
    }

    async fn measure(&self, client: Client, directory: &Path) -> Result<Report, Failure> {
        let mut site = Site::listen().await?;
        let bank = open(client, directory, &site.origin).await?;
        let app = App::new(&site.origin)?;
        let customers = self.tellers(&bank, &app).await?;
        let readers = Arc::new(self.logged_in(&bank, &customers).await?);
        let tellers = Arc::new(readers[..customers.len()].to_vec());
        let serving = site.serve(&bank);
        let door = match usize::try_from(self.https).unwrap_or_default() {
            0 => Door::Here(Arc::clone(&bank)),
            count => {
                let connections = site.connect(count).await?;
                Door::Https(Arc::clone(&bank), Box::new(connections), Box::new(app))
            }
        };
        let door = Arc::new(door);
        let process = Process::current();
        let before = position(&bank).await?;
        let lasting = Duration::from_secs(self.read_seconds);
        let reads = Reads::of(&door, &readers, self.readers, lasting).await?;
        let read_log_bytes = position(&bank).await?.saturating_sub(before);
        let (before, cpu_before) = (position(&bank).await?, process.cpu());
        let sent = self.transfer(&bank, &door, &tellers).await?;
        serving.abort();
        let log_bytes = position(&bank).await?.saturating_sub(before);
        check(&bank, &tellers, sent.completed.len()).await?;
        let cpu = process.cpu().zip(cpu_before).map(|(after, before)| after.saturating_sub(before));
        let count = |list: &Vec<Duration>| u64::try_from(list.len()).unwrap_or(u64::MAX);
        let completed = count(&sent.completed);
        let reads_count = count(&reads.latencies);
        Ok(Report {
            reads_per_second: Figure::per_second(reads_count, reads.elapsed),
            read: Percentiles::of(reads.latencies),
            read_cpu: Figure::ratio(reads.cpu.as_micros(), reads_count.into()),
            read_proofs: (self.https != 0).then_some("signed before the clock started"),
            read_log_bytes,
            transfers_offered: sent.offered,
            transfers_begun: count(&sent.begun),
            transfers_completed: completed,
            offered_per_second: self.rate,
            completed_per_second: Figure::per_second(completed, sent.elapsed),
            begun: Percentiles::of(sent.begun),
            completed: Percentiles::of(sent.completed),
            log_bytes_per_transfer: Figure::ratio(log_bytes.into(), completed.into()),
            memory_peak_bytes: process.memory_peak_bytes(),
            cpu_seconds: cpu.map(Figure::seconds),
        })
    }

    fn say(&self, report: &Report) -> Result<(), Failure> {
        let mut output = io::stdout().lock();
        let text = if self.json {
            serde_json::to_string(report)
        } else {
            serde_json::to_string_pretty(report)
        };
        writeln!(output, "{}", text.expect("figures can't fail"))?;
        Ok(output.flush()?)
    }

    async fn tellers(&self, bank: &Bank, app: &App) -> Result<Vec<Teller>, Failure> {
        let mut tellers = Vec::new();
        for number in 0..self.customers {
            tellers.push(teller(bank, number, app).await.map_err(failed)?);
        }
        if self.to_others {
            let mut paid: Vec<_> = tellers.iter().map(|teller| teller.is_paid).collect();
            paid.rotate_left(1);
            tellers.iter_mut().zip(paid).for_each(|(teller, paid)| teller.is_paid = paid);
        }
        Ok(tellers)
    }

    /// The customers, once for each of their logins, which begin only now: one that is idle for minutes is over.
    async fn logged_in(&self, bank: &Bank, tellers: &[Teller]) -> Result<Vec<Teller>, Failure> {
        let mut all = Vec::new();
        for _ in 0..self.logins {
            for some in tellers.chunks(LOGINS_AT_ONCE) {
                let mut writes = Vec::new();
                for teller in some {
                    let now = bank.clock.now();
                    let begun =
                        Sessions::begin(&bank.store, teller.customer, now, AUTH_METHOD, None, None);
                    let (token, _, documents) = begun.await.map_err(failed)?;
                    writes.extend(documents);
                    all.push(Teller { token, ..teller.clone() });
                }
                bank.store.client().write_documents(&writes).await.map_err(failed)?;
            }
        }
        Ok(all)
    }

    /// Offers transfers for a while, and waits until all of them have ended.
    async fn transfer(
        &self,
        bank: &Arc<Bank>,
        door: &Arc<Door>,
        tellers: &Arc<Vec<Teller>>,
    ) -> Result<Sent, Failure> {
        let filter = StreamFilter {
            kinds: ItemKinds::NONE.with(ItemKind::Event),
            topics: vec![topics::TRANSACTION_COMPLETED],
            ..StreamFilter::all()
        };
        let ends = bank.store.client().subscribe(StreamStart::End, filter).await;
        let mut ends = ends.map_err(failed)?;
        let mut worker = Worker::start(Arc::clone(bank)).await.map_err(failed)?;
        let working = tokio::spawn(async move { worker.run().await });
        let began = Instant::now();
        let mut run = Run { began, due: HashMap::new(), ended: HashMap::new(), sent: Sent::new() };
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut under_way = JoinSet::new();
        let mut places = tellers.iter().cycle();
        while began.elapsed() < Duration::from_secs(self.seconds) {
            tokio::select! {
                due = ticks.tick() => {
                    let due = due.into_std();
                    let so_far = u64::try_from((due - began.min(due)).as_millis()).unwrap_or(0);
                    let wanted = so_far.saturating_mul(self.rate) / 1_000;
                    while run.sent.offered < wanted {
                        run.sent.offered += 1;
                        let Some(teller) = places.next().filter(|_| under_way.len() < UNDER_WAY_MAX) else { continue };
                        let (door, teller) = (Arc::clone(door), teller.clone());
                        under_way.spawn(async move { (due, door.order(&teller).await) });
                    }
                }
                Some(begun) = under_way.join_next() => run.begun(begun.map_err(failed)?)?,
                batch = ends.next() => run.ended(&batch.map_err(failed)?),
            }
        }
        while let Some(begun) = under_way.join_next().await {
            run.begun(begun.map_err(failed)?)?;
        }
        let finished = timeout(PATIENCE, run.finish(&mut ends)).await;
        working.abort();
        finished.map_err(|_| Failure::unavailable("transfers did not end within a minute"))??;
        run.sent.elapsed = began.elapsed();
        Ok(run.sent)
    }
}

/// What became of what was offered.
struct Sent {
    offered: u64,
    begun: Vec<Duration>,
    completed: Vec<Duration>,
    elapsed: Duration,
}

impl Sent {
    fn new() -> Sent {
        Sent { offered: 0, begun: Vec::new(), completed: Vec::new(), elapsed: Duration::ZERO }
    }
}

/// A run of transfers.
struct Run {
    began: Instant,
    /// When those that have not ended were due.
    due: HashMap<u128, Instant>,
    /// When those ended whose order has not been answered yet.
    ended: HashMap<u128, Instant>,
    sent: Sent,
}

impl Run {
    fn begun(
        &mut self,
        (due, begun): (Instant, Result<Option<Id<Transaction>>, Failure>),
    ) -> Result<(), Failure> {
        let Some(transaction) = begun? else { return Ok(()) };
        self.sent.begun.push(due.elapsed());
        let number = transaction.number();
        match self.ended.remove(&number) {
            Some(ended) => self.sent.completed.push(ended.saturating_duration_since(due)),
            None => drop(self.due.insert(number, due)),
        }
        Ok(())
    }

    fn ended(&mut self, batch: &florin_client::StreamBatch) {
        let now = Instant::now();
        for item in batch.items() {
            let ItemContent::Event { value, .. } = item.content else { continue };
            let Some(number) = value.last_chunk::<16>().map(|it| u128::from_be_bytes(*it)) else {
                continue;
            };
            match self.due.remove(&number) {
                Some(due) => self.sent.completed.push(now - due.min(now)),
                None => drop(self.ended.insert(number, now.max(self.began))),
            }
        }
    }

    async fn finish(&mut self, ends: &mut Subscription) -> Result<(), Failure> {
        while !self.due.is_empty() {
            let batch = ends.next().await.map_err(failed)?;
            self.ended(&batch);
        }
        Ok(())
    }
}

async fn open(client: Client, directory: &Path, origin: &str) -> Result<Arc<Bank>, Failure> {
    let root = FileKey::generate(&directory.join("root_key")).map_err(failed)?;
    let options = BankOptions {
        origin: String::from(origin),
        name: String::from("Bench"),
        code: BankCode::DEMO,
        password_threads_count: 2,
        time_zone: TimeZone::UTC,
        step_up_above_cents: u64::MAX,
        requests_per_minute: u32::MAX,
        sends_sms: false,
        sms_per_hour: 0,
        sends_push: false,
        countries: None,
    };
    let bank = Bank::open(client, &root, Arc::new(MachineClock), options).await.map_err(failed)?;
    bank.open_own_accounts(None).await.map_err(failed)?;
    Ok(Arc::new(bank))
}

/// Makes a customer with two accounts, and lets them in.
async fn teller(bank: &Bank, number: u64, app: &App) -> Result<Teller, BankError> {
    let Bank { store, clock, passwords, options, .. } = bank;
    let caller = Caller::bank();
    let odd = |what: &dyn std::fmt::Display| BankError::Odd(what.to_string());
    let new = NewCustomer {
        first_name: String::from("Bench"),
        last_name: format!("Number {number}"),
        email: Email::parse(&format!("bench{number}@example.org")).map_err(|error| odd(&error))?,
        password: Password::new(format!("a horse, a battery, {number}"))
            .map_err(|error| odd(&error))?,
        totp: TotpSecret::generate(),
    };
    let registered = register(store, &**clock, passwords, &caller, new).await?;
    let Registered::New(customer) = registered else { return Err(odd(&"the address is taken")) };
    let mut opened = Vec::new();
    for _ in 0..2 {
        let account_type = AccountType::Checking;
        let opening = Opening { customer, account_type, currency: CURRENCY };
        opened.push(accounts::open(store, &**clock, &caller, options.code, opening).await?.account);
    }
    let deposit = Transfer {
        id: TransferId(Id::<Transaction>::at(clock.now()).number()),
        debit_account_id: accounts::chart::cash(CURRENCY).id,
        credit_account_id: AccountId(opened[0].number()),
        amount: Amount(DEPOSIT_CENTS.into()),
        ledger: CURRENCY.ledger(),
        code: accounts::chart::DEPOSIT,
        ..Transfer::default()
    };
    let results = store.client().create_transfers(&[deposit]).await?;
    if results.first().is_none_or(|result| result.status != CreateTransferStatus::Created) {
        return Err(odd(&"the deposit was refused"));
    }
    let (token, _, writes) =
        Sessions::begin(store, customer, clock.now(), AUTH_METHOD, None, None).await?;
    store.client().write_documents(&writes).await?;
    let thumbprint = Some(app.thumbprint.as_str());
    let (key, session, writes) =
        Sessions::begin(store, customer, clock.now(), AUTH_METHOD, thumbprint, None).await?;
    store.client().write_documents(&writes).await?;
    let app_login = Arc::new(AppLogin::new(bank, session, key.key()));
    Ok(Teller { token, app_login, sends: opened[0], is_paid: opened[1], customer })
}

/// How the bank is asked.
enum Door {
    /// In this process.
    Here(Arc<Bank>),
    /// As an app does.
    Https(Arc<Bank>, Box<Connections>, Box<App>),
}

impl Door {
    /// Orders a cent; `None` if the bank has too much to do.
    async fn order(&self, teller: &Teller) -> Result<Option<Id<Transaction>>, Failure> {
        match self {
            Door::Here(bank) => order(bank, teller).await.map_err(failed),
            Door::Https(bank, connections, app) => {
                let body = format!(
                    r#"{{"source_account_id":"{}","destination_account_id":"{}","amount_cents":1,"currency":"EUR","description":"bench"}}"#,
                    teller.sends, teller.is_paid
                );
                let path = "/v1/transactions/transfer";
                let token = teller.app_login.token(bank);
                let key = app.order_key();
                match connections.ask(|| app.request(path, &token, Some((&key, &body)))).await? {
                    (StatusCode::ACCEPTED, body) => {
                        let begun: Begun = serde_json::from_slice(&body).map_err(failed)?;
                        Ok(Some(begun.transaction_id))
                    }
                    (StatusCode::SERVICE_UNAVAILABLE, _) => Ok(None),
                    (status, body) => Err(failed(answer(status, &body))),
                }
            }
        }
    }
}

/// What the API says of a transfer that was begun.
#[derive(Deserialize)]
struct Begun {
    transaction_id: Id<Transaction>,
}

fn answer(status: StatusCode, body: &[u8]) -> String {
    format!("{status} {}", String::from_utf8_lossy(body))
}

/// Orders a cent; `None` if the bank has too much to do.
async fn order(bank: &Bank, teller: &Teller) -> Result<Option<Id<Transaction>>, BankError> {
    let found = Sessions::find(&bank.store, &*bank.clock, &teller.token).await?;
    let found = found.ok_or_else(|| BankError::Odd(String::from("the login is over")))?;
    let orderer = Orderer {
        caller: Caller::bank(),
        customer: teller.customer,
        authority: found.unchanged.into(),
        auth_method: found.session.auth_method,
        device_since: found.session.device_since,
    };
    let money = Money::positive(CURRENCY, 1).expect("a cent is money");
    let new = NewTransfer {
        source: teller.sends,
        destination: Destination::Account(teller.is_paid),
        money,
        description: String::from("bench"),
        request: RequestKey::generate(),
        challenge: None,
    };
    match payments::initiate(bank, &orderer, &new).await {
        Ok(begun) => Ok(Some(begun.transaction)),
        Err(payments::TransferRefused::Bank(BankError::Busy | BankError::Contended)) => Ok(None),
        Err(refused) => Err(BankError::Odd(refused.to_string())),
    }
}

/// That a cent is where it should be for each transfer that has ended.
async fn check(bank: &Bank, tellers: &[Teller], completed: usize) -> Result<(), Failure> {
    let ids: Vec<AccountId> =
        tellers.iter().map(|teller| AccountId(teller.is_paid.number())).collect();
    let mut arrived = 0;
    for page in ids.chunks(1_000) {
        let found = bank.store.client().lookup_accounts(page).await.map_err(failed)?;
        arrived +=
            found.into_iter().flatten().map(|account| account.credits_posted.0).sum::<u128>();
    }
    if arrived == u128::try_from(completed).unwrap_or(u128::MAX) {
        return Ok(());
    }
    Err(Failure::unavailable(format!(
        "{completed} transfers have ended, and {arrived} cents moved"
    )))
}

/// Where the log ends: it is one run of bytes.
async fn position(bank: &Bank) -> Result<u64, Failure> {
    let asked = bank.store.client().status().await.map_err(failed)?;
    Ok(asked.durable.0)
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::unavailable(format!("the bank can't be measured: {error}"))
}
