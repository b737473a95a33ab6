//! A bank to look at: customers with accounts and a year of plausible history, and a staff.
//!
//! The history is imported before the first live posting, so what a balance was on a day of that year agrees
//! with what is shown. The same amounts come out each time; passwords and keys do not.

use crate::accounts::{AccountType, Iban, Opened, Opening, chart, record_imported};
use crate::audit::Caller;
use crate::bank::Bank;
use crate::clock::{DAY, HOUR, MINUTE, after};
use crate::customers::{NewCustomer, Password, Registered, TotpSecret, register};
use crate::email::Email;
use crate::error::BankError;
use crate::id::{Account, Customer, Id, Transaction};
use crate::money::{Currency, Money};
use crate::payments::{Imported, imported_row};
use crate::staff::{self, MemberRefused, NewMember, Role};
use florin_ledger::document::WriteResult;
use florin_ledger::{
    AccountFlags, AccountId, Amount, CreateAccountStatus, CreateTransferStatus, Timestamp,
    Transfer, TransferFlags, TransferId,
};

const DAYS: u64 = 365;
const CURRENCY: Currency = Currency::Eur;
/// Transfers of one request.
const BATCH_TRANSFERS_MAX: usize = 8_190;
/// Documents of one request.
const WRITES_MAX: usize = 256;

/// Who is made: name, address, monthly income in cents.
const PEOPLE: [(&str, &str, &str, u64); 3] = [
    ("Ada", "Example", "ada@example.org", 325_000),
    ("Ben", "Example", "ben@example.org", 278_050),
    ("Cleo", "Example", "cleo@example.org", 412_075),
];

/// Who is on the staff, by role.
const STAFF: [&str; 4] = ["Sue Example", "Fred Example", "Otto Example", "Amy Example"];

/// What people buy, for how much at most, and every how many days.
const SPENDING: [(&str, u64, u64); 6] = [
    ("Groceries", 86_00, 4),
    ("Bakery", 9_50, 2),
    ("Restaurant", 62_00, 9),
    ("Train tickets", 49_00, 14),
    ("Pharmacy", 31_00, 23),
    ("Books", 27_00, 31),
];

/// A customer of the demonstration, with everything that it takes to be one.
pub struct DemoCustomer {
    /// What to log in with.
    pub email: String,
    /// What to log in with.
    pub password: String,
    /// What an authenticator app is fed with.
    pub totp_secret: String,
    /// Their accounts.
    pub accounts: Vec<String>,
}

/// A member of the staff of the demonstration, with everything that it takes to be one.
pub struct DemoMember {
    /// What to log in with.
    pub email: String,
    /// What to log in with.
    pub password: String,
    /// What an authenticator app is fed with.
    pub totp_secret: String,
    /// What they may do.
    pub roles: Vec<&'static str>,
}

/// Puts one member of each role on the staff.
///
/// # Errors
/// [`BankError`].
pub async fn hire(bank: &Bank) -> Result<Vec<DemoMember>, BankError> {
    let mut made = Vec::new();
    for (role, name) in Role::ALL.into_iter().zip(STAFF) {
        let password = staff::new_password();
        let totp = TotpSecret::generate();
        let email = format!("{role}@example.org");
        let new = NewMember {
            email: Email::parse(&email).map_err(|error| BankError::odd(&error))?,
            name: String::from(name),
            roles: [role].into_iter().collect(),
            password: Password::new(password.clone()).map_err(|error| BankError::odd(&error))?,
            totp: totp.clone(),
        };
        match staff::add(bank, &Caller::bank(), new).await {
            Ok(_) => {}
            Err(MemberRefused::Bank(error)) => return Err(error),
            Err(refused) => return Err(BankError::odd(&refused)),
        }
        let (totp_secret, roles) = (totp.base32(), vec![role.name()]);
        made.push(DemoMember { email, password, totp_secret, roles });
    }
    Ok(made)
}

/// Fills a new bank.
///
/// # Errors
/// [`BankError`].
pub async fn fill(bank: &Bank) -> Result<Vec<DemoCustomer>, BankError> {
    let start = Timestamp(bank.clock.now().0.saturating_sub((DAYS + 1) * DAY));
    bank.open_own_accounts(Some(start)).await?;
    let (mut made, mut history) = (Vec::new(), History::default());
    for (place, (first_name, last_name, email, income)) in (0_u64..).zip(PEOPLE) {
        let password = staff::new_password();
        let totp = TotpSecret::generate();
        let new = NewCustomer {
            first_name: String::from(first_name),
            last_name: String::from(last_name),
            email: Email::parse(email).map_err(|error| BankError::odd(&error))?,
            password: Password::new(password.clone()).map_err(|error| BankError::odd(&error))?,
            totp: totp.clone(),
        };
        let Bank { store, clock, passwords, .. } = bank;
        let registered = register(store, &**clock, passwords, &Caller::bank(), new).await?;
        let Registered::New(customer) = registered else {
            return Err(BankError::odd(&"the demonstration's addresses are taken"));
        };
        // Imported accounts come in order of time.
        let opened = after(start, (1 + 2 * place) * MINUTE);
        let checking = open(bank, customer, AccountType::Checking, opened).await?;
        let savings = open(bank, customer, AccountType::Savings, after(opened, MINUTE)).await?;
        history.live(customer, checking, savings, income, opened);
        made.push(DemoCustomer {
            email: String::from(email),
            password,
            totp_secret: totp.base32(),
            accounts: vec![checking.to_string(), savings.to_string()],
        });
    }
    history.import(bank).await?;
    Ok(made)
}

async fn open(
    bank: &Bank,
    customer: Id<Customer>,
    account_type: AccountType,
    opened: Timestamp,
) -> Result<Id<Account>, BankError> {
    let account = Id::<Account>::at(opened);
    let mut ledgers = chart::customers(account.number(), customer.number(), account_type, CURRENCY);
    ledgers.flags = ledgers.flags.with(AccountFlags::IMPORTED);
    ledgers.timestamp = opened;
    let results = bank.store.client().create_accounts(&[ledgers]).await?;
    if results.first().is_none_or(|result| result.status != CreateAccountStatus::Created) {
        return Err(BankError::odd(&results));
    }
    let opening = Opening { customer, account_type, currency: CURRENCY };
    let number = Iban::generate(bank.options.code);
    record_imported(bank, &opening, &Opened { account, number }, opened).await?;
    Ok(account)
}

/// A year of postings.
#[derive(Default)]
struct History {
    postings: Vec<Posting>,
    dice: Dice,
}

struct Posting {
    time: Timestamp,
    source: Option<Id<Account>>,
    destination: Option<Id<Account>>,
    cents: u64,
    description: &'static str,
    customer: Id<Customer>,
}

impl History {
    /// A year of one customer. Nobody spends what they do not have: a month brings more than it takes.
    fn live(
        &mut self,
        customer: Id<Customer>,
        checking: Id<Account>,
        savings: Id<Account>,
        income: u64,
        opened: Timestamp,
    ) {
        let (checking, savings) = (Some(checking), Some(savings));
        for day in 0..DAYS {
            let morning = after(opened, (day * 24 + 9) * HOUR);
            let at = |hour: u64| after(morning, hour * HOUR);
            let mut post = |time, source, destination, cents, description| {
                let posting = Posting { time, source, destination, cents, description, customer };
                self.postings.push(posting);
            };
            if day % 30 == 0 {
                post(at(0), None, checking, income, "Salary");
                post(at(1), checking, None, income * 35 / 100, "Rent");
                post(at(2), checking, savings, income / 10, "Savings");
            }
            for (hour, (what, most, every)) in (3..).zip(SPENDING) {
                if (day + hour) % every == 0 {
                    post(at(hour), checking, None, self.dice.between(most / 4, most), what);
                }
            }
        }
    }

    /// Imports everything, in order of time, each posting at a time of its own.
    async fn import(mut self, bank: &Bank) -> Result<(), BankError> {
        self.postings.sort_by_key(|posting| posting.time);
        let mut last = Timestamp(0);
        let (mut transfers, mut writes) = (Vec::new(), Vec::new());
        for posting in &mut self.postings {
            posting.time = posting.time.max(after(last, 1));
            last = posting.time;
            let transaction = Id::<Transaction>::at(posting.time);
            transfers.push(posting.transfer(transaction));
            let money = Money { currency: CURRENCY, cents: posting.cents.into() };
            let imported = Imported {
                transaction,
                source: posting.source,
                destination: posting.destination,
                money,
                description: String::from(posting.description),
                time: posting.time,
                customer: posting.customer,
            };
            writes.push(imported_row(bank, &imported).await?);
        }
        for batch in transfers.chunks(BATCH_TRANSFERS_MAX) {
            for result in bank.store.client().create_transfers(batch).await? {
                if result.status != CreateTransferStatus::Created {
                    return Err(BankError::odd(&result.status));
                }
            }
        }
        for batch in writes.chunks(WRITES_MAX) {
            for result in bank.store.client().write_documents(batch).await? {
                let WriteResult::Written(_) = result else { return Err(BankError::odd(&result)) };
            }
        }
        Ok(())
    }
}

impl Posting {
    fn transfer(&self, transaction: Id<Transaction>) -> Transfer {
        let cash = chart::cash(CURRENCY).id;
        let of = |account: Option<Id<Account>>| account.map_or(cash, |id| AccountId(id.number()));
        let code = match (self.source, self.destination) {
            (None, _) => chart::DEPOSIT,
            (_, None) => chart::WITHDRAWAL,
            _ => chart::TRANSFER,
        };
        Transfer {
            id: TransferId(transaction.number()),
            debit_account_id: of(self.source),
            credit_account_id: of(self.destination),
            amount: Amount(self.cents.into()),
            user_data_128: transaction.number(),
            ledger: CURRENCY.ledger(),
            code,
            flags: TransferFlags::IMPORTED,
            timestamp: self.time,
            ..Transfer::default()
        }
    }
}

/// Amounts that look like chance and are the same each time (a linear congruential generator, Knuth's
/// constants).
struct Dice(u64);

impl Default for Dice {
    fn default() -> Dice {
        Dice(1)
    }
}

impl Dice {
    fn between(&mut self, least: u64, most: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        least + (self.0 >> 33) % (most - least + 1)
    }
}
