//! A clock that is set by hand, to see what a bank does in a month's time: holds expire, logins end, limits begin anew.
//!
//! - It exists only where the bank's directory was made for it, which a document of the ledger says that was written when
//!   the bank was new, and whose sealed part nobody writes without the bank's keys. Everywhere else there is no such
//!   operation.
//! - It goes forward, and never back: how far ahead it is of the machine's is in the ledger before it is so, and a bank
//!   that is opened again goes on from there.
//! - Ledger and adapter have one clock, so neither is ever off the other's.

use crate::audit::{self, Act, Action};
use crate::bank::Bank;
use crate::clock::SECOND;
use crate::error::BankError;
use crate::staff::{Clerk, Forbidden, Role};
use crate::store::{Found, Held, Kind, Row, Store};
use crate::tables;
use crate::timekeeping::time_of;
use crate::vault::Subject;
use florin_client::Client;
use florin_ledger::document::{DocumentCondition, WriteResult};
use florin_ledger::{DocumentKey, TableId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::sync::Arc;

/// Who sets it.
pub const SETTERS: [Role; 1] = [Role::Admin];
/// The year 2100: far from where the ledger's time ends.
const LATEST: Timestamp = Timestamp(4_102_444_800 * SECOND);
const KEY: &[u8] = b"clock";
const MARK: &str = "this bank's time is set by hand";
/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;

/// What moves a clock.
pub trait Hand: Send + Sync + Debug {
    /// Lets it be ahead of the machine's by so many nanoseconds, or by more if it is.
    fn reach(&self, ahead: u64);
}

/// A bank's clock, where it is set by hand.
#[derive(Debug)]
pub struct TestClock {
    hand: Arc<dyn Hand>,
}

/// Why a bank's clock is not set by hand: it has a bank whose time is the machine's, for ever. Nothing happened.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "this directory was made without --test-clock, and its bank has the machine's time: make another directory"
)]
pub struct MadeWithout;

/// Why the clock is not set. Nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum SetRefused {
    /// It takes another role.
    #[error("{0}")]
    Forbidden(#[from] Forbidden),
    /// There is no such clock.
    #[error("this bank's time is the machine's")]
    NoTestClock,
    /// It would go back.
    #[error("time never goes back")]
    Back,
    /// It is beyond what a bank is for.
    #[error("no later than the year 2100")]
    TooFar,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// That a bank's clock is set by hand.
enum TestClocks {}

#[derive(Clone, Serialize, Deserialize)]
struct TestClockOpen {
    /// How far it is ahead of the machine's.
    ahead_ns: u64,
}

impl Kind for TestClocks {
    const TABLE: TableId = tables::TEST_CLOCKS;
    type Open = TestClockOpen;
    type Profile = ();
    type Statutory = String;

    fn subject(_: &TestClockOpen) -> Subject {
        Subject::Bank
    }
}

/// Whether a ledger has no bank yet: only there a test clock is made.
///
/// # Errors
/// [`BankError`].
pub async fn has_no_bank(client: &Client) -> Result<bool, BankError> {
    let tree = DocumentKey { table: tables::KEYS, key: b"tree".to_vec() };
    Ok(client.documents(&[tree]).await?.pop().flatten().is_none())
}

impl TestClock {
    /// Lets the clock of a bank that is new be set by hand, for ever. Returns when that is durable.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn make(bank: &mut Bank, hand: Arc<dyn Hand>) -> Result<(), BankError> {
        let write = bank.store.write::<TestClocks>(KEY, &row(0), DocumentCondition::Absent).await?;
        match bank.store.client().write_documents(&[write]).await?.pop() {
            Some(WriteResult::Written(_)) => {}
            other => return Err(BankError::odd(&other)),
        }
        bank.test_clock = Some(TestClock { hand });
        Ok(())
    }

    /// Lets the clock of a bank go on from where it was set to, if it is one that is; whether it is.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn resume(bank: &mut Bank, hand: Arc<dyn Hand>) -> Result<bool, BankError> {
        let Some(found) = found(&bank.store).await? else { return Ok(false) };
        hand.reach(found.row.open.ahead_ns);
        time_of(bank.store.client()).await?;
        bank.test_clock = Some(TestClock { hand });
        Ok(true)
    }
}

/// Sets the clock of a bank. Returns what it says then, once ledger and adapter have it.
///
/// # Errors
/// [`SetRefused`].
pub async fn set(bank: &Bank, clerk: &Clerk, to: Timestamp) -> Result<Timestamp, SetRefused> {
    clerk.needs(&SETTERS)?;
    let Bank { store, clock, .. } = bank;
    let TestClock { hand } = bank.test_clock.as_ref().ok_or(SetRefused::NoTestClock)?;
    for _ in 0..TRIES_MAX {
        let found = found(store).await?.ok_or(SetRefused::NoTestClock)?;
        let now = clock.now();
        let forward = to.0.checked_sub(now.0).filter(|forward| *forward != 0);
        let forward = forward.ok_or(SetRefused::Back)?;
        if LATEST < to {
            return Err(SetRefused::TooFar);
        }
        let ahead = found.row.open.ahead_ns.saturating_add(forward);
        let act = Act {
            action: Action::Update,
            entity: "CLOCK",
            entity_id: String::from("bank"),
            subject: Subject::Bank,
            old: Some(serde_json::json!({"ahead_ns": found.row.open.ahead_ns})),
            new: Some(serde_json::json!({"ahead_ns": ahead})),
        };
        let mut commit = clerk.commit(store).await?;
        commit.documents = vec![
            store.write(KEY, &row(ahead), found.condition()).await?,
            audit::row(store, &**clock, clerk.caller(), act).await?,
        ];
        match store.commit(&commit).await {
            Ok(_) => {
                hand.reach(ahead);
                // The ledger looks at its clock when it is asked something: what is due is done by then.
                time_of(store.client()).await?;
                return Ok(clock.now());
            }
            Err(BankError::Unmet(unmet)) if clerk.has_lost(&commit, &unmet) => {
                return Err(Forbidden.into());
            }
            Err(error) if error.is_stale() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(BankError::Contended.into())
}

/// What says that a bank's clock is set by hand; damage, if not the bank said so.
async fn found(store: &Store) -> Result<Option<Found<TestClocks>>, BankError> {
    let found: Option<Found<TestClocks>> = store.get(KEY).await?;
    let is_marked =
        |found: &Found<TestClocks>| found.row.statutory.as_known().is_some_and(|mark| mark == MARK);
    match found {
        Some(found) if !is_marked(&found) => Err(BankError::Damaged(TestClocks::TABLE)),
        found => Ok(found),
    }
}

fn row(ahead_ns: u64) -> Row<TestClocks> {
    Row {
        open: TestClockOpen { ahead_ns },
        profile: Held::Absent,
        statutory: Held::Known(String::from(MARK)),
    }
}
