//! Whether an adapter knows what time it is.
//!
//! Logins, codes, holds and limits end at times. An adapter whose clock is not the ledger's would end them too
//! early, or let them live too long, so off, or set back, by more than two seconds it issues nothing: it answers
//! reads, and 503 to everything else.
//!
//! - Its time never goes back: after a machine's clock was set back, the latest time stands still until the
//!   machine has caught up.
//! - It is compared with the ledger's before something is issued, once a second at most. The ledger's time is
//!   what it would say of a commit now; asking writes nothing.

use crate::clock::{Clock, SECOND, after};
use crate::error::BankError;
use crate::tables;
use florin_client::Client;
use florin_ledger::document::DocumentCondition;
use florin_ledger::{Commit, CommitId, CommitOutcome, DocumentWrite, Timestamp};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::error;

/// How far an adapter's time may be from the ledger's.
const OFF_MAX: u64 = 2 * SECOND;
/// How long a comparison holds.
const COMPARED_FOR: u64 = SECOND;

/// A clock that never goes back.
#[derive(Debug)]
pub struct Steady {
    inner: Arc<dyn Clock>,
    latest: AtomicU64,
}

impl Steady {
    /// The same clock, kept from going back.
    #[must_use]
    pub fn new(inner: Arc<dyn Clock>) -> Steady {
        Steady { inner, latest: AtomicU64::new(0) }
    }

    /// How far the clock has gone back, in nanoseconds.
    #[must_use]
    pub fn behind(&self) -> u64 {
        let now = self.inner.now().0;
        self.latest.fetch_max(now, Ordering::SeqCst).saturating_sub(now)
    }
}

impl Clock for Steady {
    fn now(&self) -> Timestamp {
        let now = self.inner.now().0;
        Timestamp(self.latest.fetch_max(now, Ordering::SeqCst).max(now))
    }
}

/// Why an adapter issues nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Untimely {
    /// The machine's clock was set back.
    #[error("the clock was set back by {} ms", .0 / 1_000_000)]
    SetBack(u64),
    /// The machine's clock is not the ledger's.
    #[error("the clock is {} ms off the ledger's", .0 / 1_000_000)]
    Off(u64),
}

/// Compares the time of an adapter with the ledger's.
#[derive(Debug)]
pub struct Timekeeping {
    clock: Arc<Steady>,
    /// When they were compared last, and what came of it.
    compared: Mutex<Option<(Timestamp, Result<(), Untimely>)>>,
}

impl Timekeeping {
    /// Keeps watch over a clock.
    #[must_use]
    pub fn new(clock: Arc<Steady>) -> Timekeeping {
        Timekeeping { clock, compared: Mutex::new(None) }
    }

    /// Whether something may be issued now.
    ///
    /// # Errors
    /// [`BankError`] if the ledger can't be asked; within, why nothing may be issued.
    pub async fn check(&self, client: &Client) -> Result<Result<(), Untimely>, BankError> {
        let behind = self.clock.behind();
        if OFF_MAX < behind {
            return Ok(self.keep(Err(Untimely::SetBack(behind))));
        }
        let now = self.clock.now();
        let compared = *self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, verdict)) = compared
            && now < after(at, COMPARED_FOR)
            && verdict.is_ok()
        {
            return Ok(verdict);
        }
        let ledger = time_of(client).await?;
        // The answer took its time: only what lies outside of it is off.
        let off = now.0.saturating_sub(ledger.0).max(ledger.0.saturating_sub(self.clock.now().0));
        Ok(self.keep(if OFF_MAX < off { Err(Untimely::Off(off)) } else { Ok(()) }))
    }

    fn keep(&self, verdict: Result<(), Untimely>) -> Result<(), Untimely> {
        let mut compared = self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        let was_sound = compared.is_none_or(|(_, before)| before.is_ok());
        if let Err(untimely) = verdict
            && was_sound
        {
            error!("nothing is issued: {untimely}");
        }
        *compared = Some((self.clock.now(), verdict));
        verdict
    }
}

/// The ledger's time: when it would decide a commit.
pub(crate) async fn time_of(client: &Client) -> Result<Timestamp, BankError> {
    let write = DocumentWrite {
        table: tables::ACTORS,
        key: vec![0],
        value: Some(b"{}".to_vec()),
        condition: DocumentCondition::Absent,
        ..DocumentWrite::default()
    };
    let commit = Commit { id: CommitId(1), documents: vec![write], ..Commit::default() };
    match client.dry_run(&commit).await? {
        CommitOutcome::Done(done) => Ok(done.timestamp),
        other => Err(BankError::odd(&other)),
    }
}
