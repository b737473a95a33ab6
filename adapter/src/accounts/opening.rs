//! Opening an account.

use super::chart;
use super::iban::{BankCode, Iban};
use super::record::{
    AccountNumbers, AccountOpen, AccountOwners, AccountSealed, AccountStatus, AccountType,
    Accounts, OwnerOpen, accounts_of, owner_key,
};
use super::request::{AnotherBefore, CameTo, Request};
use crate::audit::{self, Act, Action, Caller};
use crate::bank::Bank;
use crate::clock::Clock;
use crate::customers::Customers;
use crate::entry::Entry;
use crate::error::BankError;
use crate::id::{Account, Customer, Id};
use crate::money::Currency;
use crate::payments::{Orderer, RequestKey};
use crate::store::{Found, Held, Row, Store, is_one_of};
use crate::topics;
use crate::vault::Subject;
use florin_ledger::commit::Unmet;
use florin_ledger::document::DocumentCondition;
use florin_ledger::{Commit, Timestamp};

/// What a new account may send, unless somebody says otherwise.
const DAILY_LIMIT_CENTS: u64 = 500_000;
const MONTHLY_LIMIT_CENTS: u64 = 5_000_000;
/// Accounts that a customer has by their own order, at most.
const OPEN_ACCOUNTS_MAX: usize = 20;
/// Numbers that turn out to be taken.
const TRIES_MAX: usize = 8;

/// The account that is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// Whose.
    pub customer: Id<Customer>,
    /// What for.
    pub account_type: AccountType,
    /// In what currency.
    pub currency: Currency,
}

/// The account that was opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Its id.
    pub account: Id<Account>,
    /// Its number.
    pub number: Iban,
}

/// Opens an account, in the ledger too. Returns when that is durable.
///
/// # Errors
/// [`BankError::Erased`] if they are no customer any more; [`BankError`].
pub async fn open(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    bank: BankCode,
    opening: Opening,
) -> Result<Opened, BankError> {
    for _ in 0..TRIES_MAX {
        let account = Id::<Account>::at(clock.now());
        let number = Iban::generate(bank);
        let opened = Opened { account, number };
        let mut commit = commit(store, clock, caller, &opening, &opened, clock.now()).await?;
        let Opening { customer, account_type, currency } = opening;
        let ledgers = chart::customers(account.number(), customer.number(), account_type, currency);
        commit.accounts.push(ledgers);
        match store.commit(&commit).await {
            Ok(_) => return Ok(opened),
            // The number is taken, the customer changed meanwhile, or the bank's keys did.
            Err(error) if error.is_stale() => {}
            Err(error) => return Err(error),
        }
    }
    Err(BankError::Contended)
}

/// Why a customer gets no account. Nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum OpenRefused {
    /// They have as many as anybody has.
    #[error("you have {OPEN_ACCOUNTS_MAX} accounts; close one that you do not need")]
    TooMany,
    /// Something else was ordered by the same request.
    #[error("this page has sent something else before: look at your accounts, then send it")]
    AnotherBefore {
        /// The account that was opened then; `None` if that was refused.
        account: Option<Id<Account>>,
    },
    /// Their login is over, or they are no customer any more.
    #[error("log in again")]
    Over,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// What an order came to.
#[derive(Debug)]
pub struct Ordered {
    /// The account, or why there is none.
    pub outcome: Result<Id<Account>, OpenRefused>,
    /// Whether it is what the same order came to before.
    pub is_repeated: bool,
}

impl Ordered {
    fn first(outcome: Result<Id<Account>, OpenRefused>) -> Ordered {
        Ordered { outcome, is_repeated: false }
    }
}

/// An order of a customer for themselves.
#[derive(Clone, Copy, Debug)]
pub struct OpenOrder {
    /// What for.
    pub account_type: AccountType,
    /// In what currency.
    pub currency: Currency,
    /// The same for the same order, however often it comes.
    pub request: RequestKey,
}

impl OpenOrder {
    fn request(&self, by: &Orderer) -> Request {
        let OpenOrder { account_type, currency, request } = *self;
        Request::new("open", by.customer, request, &format!("{account_type:?} {currency}"))
    }
}

/// Opens an account that a customer orders for themselves. Returns when that is durable. The same request again
/// gets the same account, and no second one; one that was refused may be sent again.
///
/// # Errors
/// [`OpenRefused`].
pub async fn order(
    bank: &Bank,
    by: &Orderer,
    order: &OpenOrder,
) -> Result<Id<Account>, OpenRefused> {
    ordered(bank, by, order).await?.outcome
}

/// The same for a program: what was refused because there were too many stays so, as often as it comes.
///
/// # Errors
/// In the answer.
pub async fn order_once(bank: &Bank, by: &Orderer, order: &OpenOrder) -> Ordered {
    let ordered = async {
        for _ in 0..TRIES_MAX {
            let ordered = ordered(bank, by, order).await?;
            if ordered.is_repeated || !matches!(ordered.outcome, Err(OpenRefused::TooMany)) {
                return Ok(ordered);
            }
            match keep_refusal(bank, by, order).await {
                Ok(()) => return Ok(ordered),
                // Another was first: that one's answer it is.
                Err(BankError::Unmet(Unmet::Write { .. })) => {}
                Err(BankError::Unmet(_)) => return Err(OpenRefused::Over),
                Err(error) => return Err(error.into()),
            }
        }
        Err(BankError::Contended.into())
    };
    ordered.await.unwrap_or_else(|refused| Ordered::first(Err(refused)))
}

/// Keeps that there were too many, with an audit row.
async fn keep_refusal(bank: &Bank, by: &Orderer, order: &OpenOrder) -> Result<(), BankError> {
    let Bank { store, clock, .. } = bank;
    let act = Act {
        action: Action::Refused,
        entity: "USER",
        entity_id: by.customer.to_string(),
        subject: Subject::Customer(by.customer),
        old: None,
        new: Some(serde_json::json!({"refused": "too_many_accounts"})),
    };
    let came_to = CameTo { user_id: by.customer, account_id: None, transaction_id: None };
    let mut commit = audit::commit_of(store, &by.caller, audit::commit_id()).await?;
    commit.preconditions.clone_from(&by.authority);
    commit.documents = vec![
        order.request(by).kept(store, &**clock, came_to).await?,
        audit::row(store, &**clock, &by.caller, act).await?,
    ];
    store.commit(&commit).await.map(drop)
}

async fn ordered(bank: &Bank, by: &Orderer, order: &OpenOrder) -> Result<Ordered, OpenRefused> {
    let Bank { store, clock, .. } = bank;
    let OpenOrder { account_type, currency, .. } = *order;
    let opening = Opening { customer: by.customer, account_type, currency };
    let request = order.request(by);
    for _ in 0..TRIES_MAX {
        match request.before(store).await? {
            Some(Ok(came_to)) => {
                let outcome = came_to.account_id.ok_or(OpenRefused::TooMany);
                return Ok(Ordered { outcome, is_repeated: true });
            }
            Some(Err(AnotherBefore(came_to))) => {
                return Err(OpenRefused::AnotherBefore { account: came_to.account_id });
            }
            None => {}
        }
        let accounts = accounts_of(store, by.customer).await?;
        let is_open = |account: &&Found<Accounts>| account.row.open.status != AccountStatus::Closed;
        if OPEN_ACCOUNTS_MAX <= accounts.iter().filter(is_open).count() {
            return Ok(Ordered::first(Err(OpenRefused::TooMany)));
        }
        let account = Id::<Account>::at(clock.now());
        let opened = Opened { account, number: Iban::generate(bank.options.code) };
        let mut commit =
            commit(store, &**clock, &by.caller, &opening, &opened, clock.now()).await?;
        commit.preconditions.extend(by.authority.iter().cloned());
        let customer = by.customer.number();
        let ledgers = chart::customers(account.number(), customer, account_type, currency);
        commit.accounts.push(ledgers);
        let came_to =
            CameTo { user_id: by.customer, account_id: Some(account), transaction_id: None };
        commit.documents.push(request.kept(store, &**clock, came_to).await?);
        match store.commit(&commit).await {
            Ok(_) => return Ok(Ordered::first(Ok(account))),
            Err(BankError::Unmet(unmet)) if is_one_of(&commit, &unmet, &by.authority) => {
                return Err(OpenRefused::Over);
            }
            Err(error) if error.is_stale() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(BankError::Contended.into())
}

/// Keeps an account that was opened in the ledger by an import, as of a time in the past.
///
/// # Errors
/// [`BankError`].
pub(crate) async fn record_imported(
    bank: &Bank,
    opening: &Opening,
    opened: &Opened,
    time: Timestamp,
) -> Result<(), BankError> {
    let Bank { store, clock, .. } = bank;
    let commit = commit(store, &**clock, &Caller::bank(), opening, opened, time).await?;
    store.commit(&commit).await.map(drop)
}

/// The commit of an opening, without the ledger's account.
async fn commit(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    opening: &Opening,
    Opened { account, number }: &Opened,
    time: Timestamp,
) -> Result<Commit, BankError> {
    let Opening { customer, account_type, currency } = *opening;
    let account = *account;
    let owner: Option<Found<Customers>> = store.get(&customer.bytes()).await?;
    let is_customer = |owner: &Found<Customers>| {
        owner.row.open.is_active && owner.row.open.user_kind.is_customer()
    };
    let owner = owner.filter(is_customer).ok_or(BankError::Erased)?;
    let record = Row::<Accounts> {
        open: AccountOpen {
            account_id: account,
            user_id: customer,
            account_type,
            currency_code: currency,
            status: AccountStatus::Active,
            opened_at: time.into(),
            daily_limit_cents: DAILY_LIMIT_CENTS,
            monthly_limit_cents: MONTHLY_LIMIT_CENTS,
        },
        profile: Held::Absent,
        statutory: Held::Known(AccountSealed { account_number: number.clone() }),
    };
    let owned = Row::<AccountOwners>::open(OwnerOpen { account_id: account });
    let numbered = Row::<AccountNumbers>::open(OwnerOpen { account_id: account });
    let act = Act {
        action: Action::Create,
        entity: "ACCOUNT",
        entity_id: account.to_string(),
        subject: Subject::Customer(customer),
        old: None,
        new: None,
    };
    let absent = DocumentCondition::Absent;
    let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
    // Whoever is erased meanwhile gets no account.
    commit.preconditions.push(owner.unchanged());
    Entry::<AccountNumbers>::claim(store, &[], number.plain(), &numbered, &mut commit).await?;
    commit.documents.extend([
        store.write(&account.bytes(), &record, absent).await?,
        store.write(&owner_key(customer, account), &owned, absent).await?,
        audit::row(store, clock, caller, act).await?,
    ]);
    commit.events.push(topics::opened(account, customer));
    Ok(commit)
}
