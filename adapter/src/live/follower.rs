//! Reads the ledger's log for all who listen at an adapter.
//!
//! - There is one at a time, and nobody listens without it: when it is dropped, all streams end.
//! - It goes on from where it was when a connection to the ledger is lost. Only when the log does not have that place
//!   any more another begins at the log's present end, and whoever comes back is told to read again.
//! - Once a second it looks after the logins that nobody seems to have used for too long.

use super::SILENCE_MAX;
use crate::bank::Bank;
use crate::clock::{SECOND, after};
use crate::customers::Sessions;
use crate::error::BankError;
use florin_client::{ClientError, Subscription};
use florin_ledger::stream::{ItemKind, ItemKinds};
use florin_ledger::{StreamFilter, StreamStart, Timestamp};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::time::timeout;

/// Tells those who listen what the log says.
pub struct Follower {
    bank: Arc<Bank>,
    subscription: Subscription,
    /// When logins were looked after last.
    looked: Timestamp,
}

impl Follower {
    /// Begins at the present end of the log.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn start(bank: Arc<Bank>) -> Result<Follower, BankError> {
        // A list of topics or tables would leave the other kind out.
        let kinds = ItemKinds::NONE.with(ItemKind::Event).with(ItemKind::DocumentDeleted);
        let filter = StreamFilter { kinds, ..StreamFilter::all() };
        let subscription = bank.store.client().subscribe(StreamStart::End, filter).await?;
        bank.live.follow_from(subscription.cursor());
        let looked = bank.clock.now();
        Ok(Follower { bank, subscription, looked })
    }

    /// Follows the log until it can't.
    ///
    /// # Errors
    /// [`BankError`]: start another.
    pub async fn run(&mut self) -> Result<Infallible, BankError> {
        loop {
            match timeout(SILENCE_MAX, self.subscription.next()).await {
                Ok(Ok(batch)) => self.bank.live.hear(&batch)?,
                // The next call tries again, from the same place.
                Err(_) | Ok(Err(ClientError::NotSent { .. })) => self.bank.live.fall_silent(),
                Ok(Err(error)) => return Err(error.into()),
            }
            self.look_after_logins().await?;
        }
    }

    async fn look_after_logins(&mut self) -> Result<(), BankError> {
        let Bank { live, store, clock, .. } = &*self.bank;
        let now = clock.now();
        if now < after(self.looked, SECOND) {
            return Ok(());
        }
        self.looked = now;
        let logins = live.due(now);
        if logins.is_empty() {
            return Ok(());
        }
        let looking = Sessions::good_until(store, &**clock, &logins);
        let Ok(good_until) = timeout(SILENCE_MAX, looking).await else {
            live.fall_silent();
            return Ok(());
        };
        for (login, good_until) in logins.iter().zip(good_until?) {
            live.looked_at(login, good_until);
        }
        Ok(())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.bank.live.fall_silent();
    }
}
