//! The balances of account after account, recomputed from the log: what was posted since the last
//! waypoint is taken back from the balances that the engine has, and must leave those that the
//! waypoint says; without a waypoint it must leave nothing. So a balance that went wrong in memory,
//! in a checkpoint or in recovery is found while the bank is open. What lies before the waypoint is
//! for `florin verify`.

use super::{Check, Eyes, Halt, Progress};
use crate::engine::ask::{Answer, Ask};
use crate::error::ErrorKind;
use crate::log::geometry::CELL_BYTES;
use crate::reads::recount;
use florin_ledger::Slot;

/// One pass after the other; the place is kept in memory only.
#[derive(Debug, Default)]
pub(super) struct AccountsPass {
    /// The account that is next.
    slot: u32,
}

/// Accounts recounted in one step.
const STEP_ACCOUNTS: usize = 4;

impl AccountsPass {
    pub(super) fn step(&mut self, eyes: &Eyes) -> Result<Progress, Halt> {
        let mut bytes = 0;
        for _ in 0..STEP_ACCOUNTS {
            let account = match eyes.ask(Ask::AccountAt(Slot(self.slot)))? {
                Answer::Account(account) => account,
                _ => unreachable!("an account is answered by an account"),
            };
            let Some(account) = account else {
                self.slot = 0;
                return Ok(Progress { bytes, is_pass_over: true });
            };
            // Whatever this position speaks of is durable by now.
            match recount(&eyes.log, eyes.durable.get(), account) {
                Ok(recount) => {
                    bytes += recount.postings_count * CELL_BYTES;
                    if let Some(difference) = recount.difference {
                        let position = Some(account.last_posting);
                        eyes.report(Check::Accounts, position, &difference);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Stopped => return Err(Halt::Stopped),
                Err(error) => {
                    let message = format!("account {}: {error}", account.account.id);
                    eyes.report(Check::Accounts, Some(account.last_posting), &message);
                }
            }
            self.slot += 1;
        }
        Ok(Progress { bytes, is_pass_over: false })
    }
}
