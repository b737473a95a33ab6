//! What prefetch brought into memory for one request.

use florin_ledger::{Hold, Lsn, PastHold, PastTransfer, Timestamp, TransferId};
use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};

/// Facts from before the request, by what its events name.
#[derive(Default)]
pub(super) struct Fetched {
    pub(super) transfers: HashMap<TransferId, PastTransfer, RandomState>,
    pub(super) holds: HashMap<TransferId, PastHold, RandomState>,
    /// Holds that are live when the request begins; it may settle one and then ask for it again.
    pub(super) live_holds: HashMap<TransferId, Hold, RandomState>,
    /// Of the timestamps that imported accounts claim, those that a transfer has.
    pub(super) transfer_times: HashSet<Timestamp, RandomState>,
}

impl Fetched {
    /// Forgets everything. Costs nothing when nothing was brought in.
    #[inline]
    pub(super) fn clear(&mut self) {
        if !self.transfers.is_empty() {
            self.transfers.clear();
        }
        if !self.holds.is_empty() {
            self.holds.clear();
        }
        if !self.live_holds.is_empty() {
            self.live_holds.clear();
        }
        if !self.transfer_times.is_empty() {
            self.transfer_times.clear();
        }
    }

    /// What is known of a transfer id from before the request.
    #[inline]
    pub(super) fn transfer(&self, id: TransferId) -> Option<PastTransfer> {
        if self.transfers.is_empty() { None } else { self.transfers.get(&id).copied() }
    }

    /// The id of a hold that was live when the request began, by its position. A search through all
    /// of them: only for a post or void that comes twice in one request.
    pub(super) fn live_hold_id(&self, lsn: Lsn) -> Option<TransferId> {
        self.live_holds.values().find(|hold| hold.lsn == lsn).map(|hold| hold.id)
    }
}
