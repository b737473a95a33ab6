//! A branch of the bank: customers walk in, time passes when the test says so.

use florin_adapter::accounts::{self, AccountOpen, AccountType, Accounts, BankCode, Opening};
use florin_adapter::alerts::Announcer;
use florin_adapter::api::REQUESTS_PER_MINUTE;
use florin_adapter::audit::{AuditOpen, AuditTrail, Caller};
use florin_adapter::customers::{
    Attempt, FoundLogin, Holder, LoginAttempts, LoginError, LoginSession, NewCustomer, Password,
    Registered, Sessions, Token, TotpSecret, register,
};
use florin_adapter::email::Email;
use florin_adapter::id::{Account, Customer, Id, Transaction};
use florin_adapter::money::{Currency, Money};
use florin_adapter::payments::{
    self, Destination, Expiries, Initiated, NewTransfer, Orderer, RequestKey, TransferRefused,
    View, Worker,
};
use florin_adapter::staff::{self, Clerk, NewMember, Role};
use florin_adapter::store::Row;
use florin_adapter::{Bank, BankError, BankOptions, clock, web};
use florin_client::Client;
use florin_core::disk::Disk;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::log::PreparerOptions;
use florin_core::{Database, Options, sealing};
use florin_keys::{FileKey, KeyEncryptionKey};
use florin_ledger::commit::Precondition;
use florin_ledger::document::{DocumentScan, WriteResult};
use florin_ledger::{
    AccountId, Amount, CreateTransferStatus, Timestamp, Transfer, TransferFlags, TransferId,
};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use zeroize::Zeroizing;

/// Some day in 2026.
const START: u64 = 1_790_000_000 * clock::SECOND;
pub(crate) const ORIGIN: &str = "https://bank.example";

/// A clock for ledger and adapter alike, that only the test moves.
#[derive(Debug)]
pub(crate) struct HandClock {
    time: AtomicU64,
    planned: Mutex<Option<Planned>>,
    calls: AtomicUsize,
    /// How far adapters are behind the ledger.
    behind: AtomicU64,
    /// How far somebody of the bank has set it.
    ahead: AtomicU64,
}

impl florin_adapter::test_clock::Hand for HandClock {
    fn reach(&self, ahead: u64) {
        self.ahead.fetch_max(ahead, Ordering::SeqCst);
    }
}

/// Something that happens when adapters ask what time it is.
struct Planned {
    calls_left: usize,
    happens: Box<dyn FnOnce() + Send>,
    has_happened: Happened,
}

impl std::fmt::Debug for Planned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "after {} calls", self.calls_left)
    }
}

/// Whether what was planned has happened.
pub(crate) type Happened = Arc<AtomicBool>;

impl HandClock {
    fn at(time: u64) -> HandClock {
        HandClock {
            time: AtomicU64::new(time),
            planned: Mutex::default(),
            calls: AtomicUsize::new(0),
            behind: AtomicU64::new(0),
            ahead: AtomicU64::new(0),
        }
    }

    fn nanoseconds(&self) -> u64 {
        self.time.load(Ordering::SeqCst) + self.ahead.load(Ordering::SeqCst)
    }

    /// Forgets what it was set to, as the machine does.
    pub(crate) fn forgets(&self) {
        self.ahead.store(0, Ordering::SeqCst);
    }

    /// Sets adapters' clocks behind the ledger's.
    pub(crate) fn adapters_behind(&self, nanoseconds: u64) {
        self.behind.store(nanoseconds, Ordering::SeqCst);
    }

    /// Lets something happen, to its end, when adapters have asked so often.
    pub(crate) fn at_call(
        &self,
        calls: usize,
        happens: impl Future<Output = ()> + Send + 'static,
    ) -> Happened {
        let has_happened = Happened::default();
        let happens = Box::new(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let running = std::thread::spawn(move || runtime.unwrap().block_on(happens));
            running.join().unwrap();
        });
        let planned =
            Planned { calls_left: calls, happens, has_happened: Arc::clone(&has_happened) };
        *self.planned.lock().unwrap() = Some(planned);
        self.calls.store(0, Ordering::SeqCst);
        has_happened
    }

    /// Whether what was planned has happened, and how often adapters have asked since it was planned.
    pub(crate) fn has_happened(&self, happened: Happened) -> (bool, usize) {
        *self.planned.lock().unwrap() = None;
        (happened.load(Ordering::SeqCst), self.calls.swap(0, Ordering::SeqCst))
    }

    /// What is planned for now is taken out first: it may ask for the time too.
    fn called(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let mut planned = self.planned.lock().unwrap();
        match planned.as_mut() {
            None => {}
            Some(one) if one.calls_left != 0 => one.calls_left -= 1,
            Some(_) => {
                let one = planned.take();
                drop(planned);
                if let Some(Planned { happens, has_happened, .. }) = one {
                    happens();
                    has_happened.store(true, Ordering::SeqCst);
                }
            }
        }
    }
}

impl florin_core::clock::Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.nanoseconds())
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds() - START)
    }
}

impl clock::Clock for HandClock {
    fn now(&self) -> Timestamp {
        self.called();
        Timestamp(self.nanoseconds() - self.behind.load(Ordering::SeqCst))
    }
}

pub(crate) struct Branch {
    pub(crate) bank: Arc<Bank>,
    pub(crate) client: Client,
    pub(crate) clock: Arc<HandClock>,
    disk: SimulatedDisk,
    database: Database,
    keys: Arc<TempDir>,
}

/// A customer, with what only they know.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: Id<Customer>,
    pub(crate) email: &'static str,
    pub(crate) totp: TotpSecret,
}

pub(crate) const PASSWORD: &str = "a horse, a battery";

fn options(client_name: &str) -> BankOptions {
    BankOptions {
        origin: String::from(ORIGIN),
        name: String::from(client_name),
        code: BankCode::DEMO,
        password_threads_count: 2,
        time_zone: clock::TimeZone::UTC,
        step_up_above_cents: u64::MAX,
        requests_per_minute: REQUESTS_PER_MINUTE,
        sends_sms: true,
        sms_per_hour: 1_000,
        sends_push: true,
        countries: None,
    }
}

impl Branch {
    pub(crate) async fn open() -> Branch {
        let keys = Arc::new(tempfile::tempdir().unwrap());
        let disk = SimulatedDisk::new();
        let sealed = FileKey::generate(&keys.path().join("ledger")).unwrap();
        FileKey::generate(&keys.path().join("root")).unwrap();
        sealing::create(&disk, &sealed).unwrap();
        let clock = Arc::new(HandClock::at(START));
        Branch::over(disk, keys, clock).await
    }

    /// The same bank after its ledger was closed and opened again, with another adapter.
    pub(crate) async fn reopened(&self) -> Branch {
        self.database.close().unwrap();
        Branch::over(self.disk.clone(), Arc::clone(&self.keys), self.clock.clone()).await
    }

    /// The same bank, at another of its adapters.
    pub(crate) fn at(&self, bank: Bank) -> Branch {
        Branch {
            bank: Arc::new(bank),
            client: self.client.clone(),
            clock: self.clock.clone(),
            disk: self.disk.clone(),
            database: self.database.clone(),
            keys: Arc::clone(&self.keys),
        }
    }

    /// How often the ledger has asked something of its disk.
    pub(crate) fn operations_count(&self) -> usize {
        self.disk.operations_count()
    }

    /// The bank as it could be found after a power cut at some moment.
    pub(crate) async fn after_a_power_cut(&self, operations_count: usize) -> Branch {
        let disk = self.disk.crash_image(operations_count, 7);
        Branch::over(disk, Arc::clone(&self.keys), self.clock.clone()).await
    }

    /// No adapter gets an answer of it any more.
    pub(crate) fn closes_the_ledger(&self) {
        self.database.close().unwrap();
    }

    async fn over(disk: SimulatedDisk, keys: Arc<TempDir>, clock: Arc<HandClock>) -> Branch {
        let sealed = FileKey::open(&keys.path().join("ledger")).unwrap();
        let root = FileKey::open(&keys.path().join("root")).unwrap();
        let preparer =
            PreparerOptions { slice_bytes: 128 << 10, reserve_bytes: 32 << 10, free_bytes_min: 0 };
        let options_of_database = Options {
            segment_bytes: 16 << 20,
            preparer,
            key: Some(Arc::new(sealed)),
            ..Options::default()
        };
        let database =
            Database::open_on(Arc::new(disk.clone()), clock.clone(), options_of_database).unwrap();
        let client = Client::embedded(database.clone());
        let bank = Bank::open(client.clone(), &root, clock.clone(), options("Bank")).await.unwrap();
        bank.open_own_accounts(None).await.unwrap();
        Branch { bank: Arc::new(bank), client, clock, disk, database, keys }
    }

    /// What the ledger was asked to do, by kind, since it was opened.
    pub(crate) fn requests(&self) -> Vec<u64> {
        self.database.metrics().requests.by_kind.iter().map(|(_, count)| *count).collect()
    }

    /// Everything that is on the ledger's disk, file by file.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for directory in ["", "log/", "runs/", "keyring/"] {
            let names = self.disk.list(directory.trim_end_matches('/')).unwrap_or_default();
            let paths = names.into_iter().map(|name| format!("{directory}{name}"));
            files.extend(paths.filter_map(|path| Some((path.clone(), self.disk.contents(&path)?))));
        }
        files
    }

    /// Another adapter of the same bank, with other options.
    pub(crate) async fn with_options(&self, change: impl FnOnce(&mut BankOptions)) -> Arc<Bank> {
        let mut options = options("Bank");
        change(&mut options);
        let root = self.root();
        let bank = Bank::open(self.client.clone(), &root, self.clock.clone(), options).await;
        Arc::new(bank.unwrap())
    }

    /// Another adapter of the same bank, which was given some root key.
    pub(crate) async fn another(&self, root: &dyn KeyEncryptionKey) -> Result<Bank, BankError> {
        Bank::open(self.client.clone(), root, self.clock.clone(), options("Bank")).await
    }

    /// Another adapter of the same bank, whose clock is another.
    pub(crate) async fn another_at(&self, clock: Arc<dyn clock::Clock>) -> Bank {
        Bank::open(self.client.clone(), &self.root(), clock, options("Bank")).await.unwrap()
    }

    pub(crate) fn root(&self) -> FileKey {
        FileKey::open(&self.keys.path().join("root")).unwrap()
    }

    pub(crate) fn foreign_root(&self) -> FileKey {
        FileKey::generate(&self.keys.path().join("foreign")).unwrap()
    }

    pub(crate) fn pass(&self, nanoseconds: u64) {
        self.clock.time.fetch_add(nanoseconds, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(self.clock.nanoseconds())
    }

    pub(crate) async fn registers(&self, email: &'static str) -> Option<Person> {
        Branch::registers_at(&self.bank, email).await
    }

    /// Registers at one of several adapters.
    pub(crate) async fn registers_at(bank: &Bank, email: &'static str) -> Option<Person> {
        let totp = TotpSecret::generate();
        let new = NewCustomer {
            first_name: String::from("Ada"),
            last_name: String::from("Quill"),
            email: Email::parse(email).unwrap(),
            password: Password::new(String::from(PASSWORD)).unwrap(),
            totp: totp.clone(),
        };
        let Bank { store, clock, passwords, .. } = bank;
        let caller = Caller::bank();
        match register(store, &**clock, passwords, &caller, new).await.unwrap() {
            Registered::New(id) => Some(Person { id, email, totp }),
            Registered::KnownAddress => None,
        }
    }

    pub(crate) async fn customer(&self, email: &'static str) -> Person {
        self.registers(email).await.unwrap()
    }

    /// Somebody new on the staff.
    pub(crate) async fn hires(&self, email: &'static str, roles: &[Role]) -> Person {
        let totp = TotpSecret::generate();
        let new = NewMember {
            email: Email::parse(email).unwrap(),
            name: String::from("Sue Quill"),
            roles: roles.iter().copied().collect(),
            password: Password::new(String::from(PASSWORD)).unwrap(),
            totp: totp.clone(),
        };
        let id = staff::add(&self.bank, &Caller::bank(), new).await.unwrap();
        Person { id, email, totp }
    }

    /// A member of the staff who has just logged in.
    pub(crate) async fn clerk(&self, person: &Person) -> Clerk {
        let token = self.login(person).await;
        let Bank { store, clock, .. } = &*self.bank;
        let found = Sessions::find_user(store, &**clock, &token).await.unwrap().unwrap();
        Clerk::of(found, Caller::bank()).unwrap()
    }

    /// What is on record of who did what, oldest first.
    pub(crate) async fn audit_rows(&self) -> Vec<AuditOpen> {
        let scan = DocumentScan { limit: 1_000, ..DocumentScan::default() };
        let page = self.bank.store.scan::<AuditTrail>(scan).await.unwrap();
        page.found.into_iter().map(|found| found.row.open).collect()
    }

    /// Opens an account with some money on it.
    pub(crate) async fn account(&self, person: &Person, cents: u64) -> Id<Account> {
        let opening = Opening {
            customer: person.id,
            account_type: AccountType::Checking,
            currency: Currency::Eur,
        };
        let Bank { store, clock, options, .. } = &*self.bank;
        let caller = Caller::bank();
        let opened = accounts::open(store, &**clock, &caller, options.code, opening).await;
        let account = opened.unwrap().account;
        if cents != 0 {
            assert_eq!(self.deposits(account, cents).await, CreateTransferStatus::Created);
        }
        account
    }

    /// Changes what an account may send, past the staff.
    pub(crate) async fn limits(&self, account: Id<Account>, daily_cents: u64, monthly_cents: u64) {
        let store = &self.bank.store;
        let found = store.get::<Accounts>(&account.bytes()).await.unwrap().unwrap();
        let (key, condition) = (found.key.clone(), found.condition());
        let open = AccountOpen {
            daily_limit_cents: daily_cents,
            monthly_limit_cents: monthly_cents,
            ..found.row.open
        };
        let row = Row::<Accounts> { open, ..found.row };
        let write = store.write(&key, &row, condition).await.unwrap();
        let results = self.client.write_documents(&[write]).await.unwrap();
        assert!(matches!(results[0], WriteResult::Written(_)));
    }

    /// Money from the bank's cash, past the adapter.
    pub(crate) async fn deposits(&self, account: Id<Account>, cents: u64) -> CreateTransferStatus {
        let deposit = Transfer {
            id: TransferId(Id::<Transaction>::at(self.now()).number()),
            debit_account_id: accounts::chart::cash(Currency::Eur).id,
            credit_account_id: AccountId(account.number()),
            amount: Amount(cents.into()),
            ledger: Currency::Eur.ledger(),
            code: accounts::chart::DEPOSIT,
            ..Transfer::default()
        };
        self.client.create_transfers(&[deposit]).await.unwrap()[0].status
    }

    /// Posted and available.
    pub(crate) async fn balance(&self, account: Id<Account>) -> (u128, u128) {
        let found = self.client.lookup_accounts(&[AccountId(account.number())]).await.unwrap();
        let found = found[0].unwrap();
        let posted = found.credits_posted.0 - found.debits_posted.0;
        (posted, posted - found.debits_pending.0)
    }

    pub(crate) async fn sends(
        &self,
        person: &Person,
        source: Id<Account>,
        destination: Id<Account>,
        cents: u64,
    ) -> Result<Initiated, TransferRefused> {
        self.asks(person, self.order(source, destination, cents)).await
    }

    pub(crate) fn order(
        &self,
        source: Id<Account>,
        destination: Id<Account>,
        cents: u64,
    ) -> NewTransfer {
        NewTransfer {
            source,
            destination: Destination::Account(destination),
            money: Money::positive(Currency::Eur, cents).unwrap(),
            description: words(),
            request: RequestKey::generate(),
            challenge: None,
        }
    }

    pub(crate) async fn asks(
        &self,
        person: &Person,
        new: NewTransfer,
    ) -> Result<Initiated, TransferRefused> {
        self.orders(person, Vec::new(), new).await
    }

    /// The same, if something else holds too.
    pub(crate) async fn orders(
        &self,
        person: &Person,
        authority: Vec<Precondition>,
        new: NewTransfer,
    ) -> Result<Initiated, TransferRefused> {
        let orderer = Orderer { authority, ..orderer(person) };
        payments::initiate(&self.bank, &orderer, &new).await
    }

    /// Closes an account in the ledger, past the adapter.
    pub(crate) async fn closes_in_the_ledger(&self, account: Id<Account>) {
        let closing = Transfer {
            id: TransferId(Id::<Transaction>::at(self.now()).number()),
            debit_account_id: accounts::chart::cash(Currency::Eur).id,
            credit_account_id: AccountId(account.number()),
            ledger: Currency::Eur.ledger(),
            code: accounts::chart::CLOSING,
            flags: TransferFlags::PENDING.with(TransferFlags::CLOSING_CREDIT),
            ..Transfer::default()
        };
        let results = self.client.create_transfers(&[closing]).await.unwrap();
        assert_eq!(results[0].status, CreateTransferStatus::Created);
    }

    /// Ends every transfer that was begun.
    pub(crate) async fn works(&self) {
        let worker = Worker::start(Arc::clone(&self.bank)).await;
        worker.unwrap().step().await.unwrap();
    }

    /// Tells whoever asked for it of what happened next.
    pub(crate) async fn announces(&self) {
        let mut announcer = Announcer::start(Arc::clone(&self.bank)).await.unwrap();
        while !announcer.step().await.unwrap() {}
    }

    /// Ends every transfer whose hold has expired.
    pub(crate) async fn works_off_expiries(&self) {
        Expiries::start(Arc::clone(&self.bank)).await.unwrap().step().await.unwrap();
    }

    pub(crate) fn orderer(&self, person: &Person) -> Orderer {
        orderer(person)
    }

    pub(crate) async fn view(&self, person: &Person, transaction: Id<Transaction>) -> View {
        let Bank { store, clock, .. } = &*self.bank;
        payments::view(store, &**clock, person.id, transaction).await.unwrap().unwrap()
    }

    pub(crate) async fn begins(&self, email: &str, password: &str) -> Attempt {
        let Bank { store, clock, passwords, .. } = &*self.bank;
        let password = Zeroizing::new(String::from(password));
        let caller = Caller::bank();
        LoginAttempts::begin(store, &**clock, passwords, &caller, email, password).await.unwrap()
    }

    pub(crate) async fn finishes(
        &self,
        attempt: &Attempt,
        code: &str,
    ) -> Result<(Token, LoginSession), LoginError> {
        let Bank { store, clock, .. } = &*self.bank;
        LoginAttempts::finish(
            store,
            &**clock,
            &Caller::bank(),
            attempt,
            code,
            Holder::Browser(None, None),
        )
        .await
    }

    /// Whether somebody gets in.
    pub(crate) async fn lets_in(&self, email: &str, password: &str, code: &str) -> bool {
        let attempt = self.begins(email, password).await;
        match self.finishes(&attempt, code).await {
            Ok(_) => true,
            Err(LoginError::NoMatch) => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// A login, with a code that was not used yet.
    pub(crate) async fn login(&self, person: &Person) -> Token {
        self.pass(30 * clock::SECOND);
        let attempt = self.begins(person.email, PASSWORD).await;
        self.finishes(&attempt, &person.totp.code(self.now())).await.unwrap().0
    }

    pub(crate) async fn is_in(&self, token: &Token) -> bool {
        self.finds(token).await.is_some()
    }

    pub(crate) async fn finds(&self, token: &Token) -> Option<FoundLogin> {
        let Bank { store, clock, .. } = &*self.bank;
        Sessions::find(store, &**clock, token).await.unwrap()
    }

    pub(crate) async fn ends(&self, token: &Token) {
        self.client.write_documents(&Sessions::end(&token.key())).await.unwrap();
    }

    pub(crate) fn router(&self) -> axum::Router {
        web::router(Arc::clone(&self.bank))
    }
}

/// A customer, whatever their login.
pub(crate) fn orderer(person: &Person) -> Orderer {
    Orderer {
        caller: Caller::bank(),
        customer: person.id,
        authority: Vec::new(),
        auth_method: String::from("password+totp"),
        device_since: None,
    }
}

fn words() -> String {
    String::from("for the garden")
}
