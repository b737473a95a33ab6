//! The tree of all accounts as of a position, as it is kept in memory: which account is where, and hashes of 32 of
//! them. Derived from the rows that the engine has and from what the log says was posted since, by the code that
//! reads a balance of the past; the engine is asked for a few thousand rows at a time and holds nothing still.

use crate::engine::ask::AccountPosition;
use crate::error::{Error, ErrorKind};
use crate::limits::{TREE_ROWS_HELD, TREE_ROWS_MAX};
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
    /// The tree of all accounts that there are, as of the position that the engine comes to meanwhile, and that.
    ///
    /// # Errors
    /// As any read.
    pub(super) fn now(reads: &Reads) -> Result<(AccountsThen, Lsn), Error> {
        // What takes long is done before the position is chosen: less will have been posted since.
        let mut order = Order::default();
        order.learn(reads, reads.accounts_so_far()?.1)?;
        let (position, accounts_count) = patiently(reads, || reads.accounts_so_far())?;
        order.learn(reads, accounts_count)?;
        Ok((AccountsThen::of(reads, position, order)?, position))
    }

    /// Derives the tree of so many accounts as of a position that is durable. O(accounts), and O(postings / 32) of
    /// each since then; 35 bytes of memory an account meanwhile.
    ///
    /// # Errors
    /// As any read.
    pub(super) fn derive(
        reads: &Reads,
        position: Lsn,
        accounts_count: u64,
    ) -> Result<AccountsThen, Error> {
        let mut order = Order::default();
        order.learn(reads, accounts_count)?;
        AccountsThen::of(reads, position, order)
    }

    fn of(reads: &Reads, position: Lsn, order: Order) -> Result<AccountsThen, Error> {
        // Not collected in place: that would keep the memory of the ids.
        let mut slots = Vec::with_capacity(order.0.len());
        slots.extend(order.0.into_iter().map(|(_, slot)| slot));
        let mut tree = AccountTree::default();
        for held in slots.chunks(TREE_ROWS_HELD) {
            // Asked for together, and only then taken back through the log: a row that is asked for later is newer.
            let mut rows = Vec::with_capacity(held.len());
            for some in held.chunks(TREE_ROWS_MAX) {
                rows.extend(patiently(reads, || reads.accounts_at(some.to_vec()))?);
            }
            for row in rows {
                tree.push(&reads.state_before(row, position)?.leaf(row.account.id));
            }
        }
        Ok(AccountsThen { position, slots, tree })
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
        let rows = reads.accounts_at(self.slots[indexes].to_vec())?;
        let state =
            |row: AccountPosition| Ok((row.account.id, reads.state_before(row, self.position)?));
        rows.into_iter().map(state).collect()
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
pub(super) fn patiently<T>(reads: &Reads, ask: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
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

/// Accounts in order of ids, which are big-endian.
#[derive(Default)]
struct Order(Vec<([u8; 16], Slot)>);

impl Order {
    /// Puts those in that are missing of the first so many.
    fn learn(&mut self, reads: &Reads, accounts_count: u64) -> Result<(), Error> {
        let count = u32::try_from(accounts_count).expect("slots are 32 bits");
        let known = u32::try_from(self.0.len()).expect("slots are 32 bits");
        let step = u32::try_from(TREE_ROWS_MAX).expect("a small number");
        for start in (known..count).step_by(TREE_ROWS_MAX) {
            let slots: Vec<Slot> = (start..count.min(start + step)).map(Slot).collect();
            let ids = patiently(reads, || reads.account_ids(slots.clone()))?;
            self.0.extend(ids.iter().map(|id| id.0.to_be_bytes()).zip(slots));
        }
        // Stable: what is in order already is only merged.
        self.0.sort();
        Ok(())
    }
}
