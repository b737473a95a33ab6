//! The tree of all accounts as of a position, as it is kept in memory: which account is where, and hashes of 32 of
//! them. Derived from the rows that the engine has and from what the log says was posted since, by the code that
//! reads a balance of the past; the engine is asked for a few thousand rows at a time and holds nothing still.

use crate::error::{Error, ErrorKind};
use crate::limits::TREE_ROWS_MAX;
use crate::reads::Reads;
use florin_ledger::{AccountId, Lsn, Slot};
use florin_proof::balance::Place;
use florin_proof::{AccountLeaf, AccountState, AccountTree};
use std::ops::Range;
use std::time::Duration;

/// Accounts that a search asks for at once.
const SEARCH_ACCOUNTS: usize = 256;
/// How often the engine is asked again whose queue is full, and how long it is left alone in between at most.
const ATTEMPTS_MAX: usize = 10_000;
const PAUSE: Duration = Duration::from_millis(1);

/// All accounts before a position, in order of ids. Five bytes of memory an account.
pub(super) struct AccountsThen {
    position: Lsn,
    slots: Vec<Slot>,
    pub(super) tree: AccountTree,
}

/// An account's place, or those of its neighbours if it was not open.
pub(super) struct Found {
    pub(super) places: Vec<Place>,
    pub(super) state: Option<AccountState>,
}

impl AccountsThen {
    /// Derives the tree of so many accounts as of a position that is durable. O(accounts), and O(postings / 32) of
    /// each since then; 25 bytes of memory an account meanwhile.
    ///
    /// # Errors
    /// As any read.
    pub(super) fn derive(
        reads: &Reads,
        position: Lsn,
        accounts_count: u64,
    ) -> Result<AccountsThen, Error> {
        let slots = in_order(reads, accounts_count)?;
        let mut then = AccountsThen { position, slots, tree: AccountTree::default() };
        for start in (0..then.slots.len()).step_by(TREE_ROWS_MAX) {
            let end = then.slots.len().min(start + TREE_ROWS_MAX);
            for (id, state) in patiently(reads, || then.states(reads, start..end))? {
                then.tree.push(&state.leaf(id));
            }
        }
        assert_eq!(then.tree.size(), accounts_count);
        Ok(then)
    }

    /// Where an account is, or who is beside it; `None` if what is read now is not what the tree was made of.
    ///
    /// # Errors
    /// As any read.
    pub(super) fn find(&self, reads: &Reads, id: AccountId) -> Result<Option<Found>, Error> {
        let found = self.search(reads, id)?;
        let indexes = match found {
            Ok(index) => index..index + 1,
            Err(next) => next.saturating_sub(1)..self.slots.len().min(next + 1),
        };
        let (mut places, mut state) = (Vec::new(), None);
        for index in indexes {
            let Some((place, of_place)) = self.place(reads, index)? else { return Ok(None) };
            places.push(place);
            state = Some(of_place);
        }
        let state = state.filter(|_| found.is_ok());
        Ok(Some(Found { places, state }))
    }

    fn place(&self, reads: &Reads, index: usize) -> Result<Option<(Place, AccountState)>, Error> {
        let index = u64::try_from(index).expect("a tree is in memory");
        let block = self.tree.block_of(index);
        let narrow = |index| usize::try_from(index).expect("a tree is in memory");
        let states = self.states(reads, narrow(block.start)..narrow(block.end))?;
        let leaves: Vec<AccountLeaf> = states.iter().map(|(id, state)| state.leaf(*id)).collect();
        let Some(path) = self.tree.path(index, &leaves) else { return Ok(None) };
        let within = narrow(index - block.start);
        Ok(Some((Place { index, leaf: leaves[within], path }, states[within].1)))
    }

    fn states(
        &self,
        reads: &Reads,
        indexes: Range<usize>,
    ) -> Result<Vec<(AccountId, AccountState)>, Error> {
        reads.states_before(self.slots[indexes].to_vec(), self.position)
    }

    /// The index of an account, or of the next one.
    fn search(&self, reads: &Reads, id: AccountId) -> Result<Result<usize, usize>, Error> {
        let (mut low, mut high) = (0, self.slots.len());
        loop {
            // Of the last step all are asked for, of others some from place to place.
            let step = (high - low).div_ceil(SEARCH_ACCOUNTS).max(1);
            let asked: Vec<usize> = (low..high).step_by(step).collect();
            if asked.is_empty() {
                return Ok(Err(low));
            }
            let slots = asked.iter().map(|index| self.slots[*index]).collect();
            let ids = reads.account_ids(slots)?;
            match ids.binary_search(&id) {
                Ok(at) => return Ok(Ok(asked[at])),
                Err(at) if step == 1 => return Ok(Err(low + at)),
                Err(at) => {
                    high = asked.get(at).copied().unwrap_or(high);
                    low = at.checked_sub(1).map_or(low, |before| asked[before] + 1);
                }
            }
        }
    }
}

/// Asks again while the engine's queue is full: what has come so far is not thrown away for it.
fn patiently<T>(reads: &Reads, ask: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 0..ATTEMPTS_MAX {
        match ask() {
            Err(error) if error.kind() == ErrorKind::Busy => {
                let durable = reads.durable();
                durable.wait_past(durable.get(), PAUSE);
            }
            answered => return answered,
        }
    }
    ask()
}

/// The slots of the first accounts, in order of ids.
fn in_order(reads: &Reads, accounts_count: u64) -> Result<Vec<Slot>, Error> {
    let count = u32::try_from(accounts_count).expect("slots are 32 bits");
    let step = u32::try_from(TREE_ROWS_MAX).expect("a small number");
    let mut accounts: Vec<([u8; 16], Slot)> = Vec::new();
    for start in (0..count).step_by(TREE_ROWS_MAX) {
        let slots: Vec<Slot> = (start..count.min(start + step)).map(Slot).collect();
        let ids = patiently(reads, || reads.account_ids(slots.clone()))?;
        accounts.extend(ids.iter().map(|id| id.0.to_be_bytes()).zip(slots));
    }
    accounts.sort_unstable();
    Ok(accounts.into_iter().map(|(_, slot)| slot).collect())
}
