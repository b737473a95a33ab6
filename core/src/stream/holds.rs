//! Holds that a reader of the log has met lately: what settles one names it by its place, and most holds are
//! settled soon.

use florin_ledger::record::{Record, TransferRecord};
use florin_ledger::{Lsn, Timestamp, TransferFlags};

/// A bounded memory of holds by place: a newer one may drive out an older.
#[derive(Debug)]
pub(crate) struct RecentHolds {
    /// How many are kept at most.
    kept_max: usize,
    /// One place for every position modulo `kept_max`. Empty until there was a hold.
    kept: Vec<Option<(Lsn, TransferRecord, Timestamp)>>,
}

impl RecentHolds {
    /// None yet; so many, a power of two, will be kept at most, in some 170 bytes each.
    pub(crate) fn keeping(kept_max: usize) -> RecentHolds {
        assert!(kept_max.is_power_of_two());
        RecentHolds { kept_max, kept: Vec::new() }
    }

    /// Notes a record, if it places a hold.
    pub(crate) fn note(&mut self, lsn: Lsn, record: &Record, time: Timestamp) {
        if let Record::Transfer(hold) = record
            && hold.flags.contains(TransferFlags::PENDING)
        {
            self.kept.resize(self.kept_max, None);
            let place = self.place_of(lsn);
            self.kept[place] = Some((lsn, *hold, time));
        }
    }

    /// The hold at a position, and when it was recorded, if it was met lately.
    pub(crate) fn get(&self, lsn: Lsn) -> Option<(TransferRecord, Timestamp)> {
        let (at, hold, time) = (*self.kept.get(self.place_of(lsn))?)?;
        (at == lsn).then_some((hold, time))
    }

    /// Records are multiples of 8 bytes, and a hold has some hundred.
    fn place_of(&self, lsn: Lsn) -> usize {
        usize::try_from(lsn.0 / 64).expect("64 bits") & (self.kept_max - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::RecentHolds;
    use florin_ledger::record::{Record, TransferRecord};
    use florin_ledger::{Amount, Code, LedgerId, Lsn, Slot, Timestamp, TransferFlags, TransferId};

    fn transfer(id: u128, flags: TransferFlags) -> TransferRecord {
        TransferRecord {
            id: TransferId(id),
            amount: Amount(1),
            user_data_128: 0,
            user_data_64: 0,
            user_data_32: 0,
            debit_slot: Slot(0),
            credit_slot: Slot(1),
            debit_prev: Lsn::NONE,
            credit_prev: Lsn::NONE,
            pending: Lsn::NONE,
            timeout: 0,
            ledger: LedgerId(978),
            code: Code(1),
            flags,
            imported_timestamp: Timestamp::NONE,
        }
    }

    /// Prevents: a posting that names another hold, which lies at the same place of memory.
    #[test]
    fn a_hold_is_found_at_its_own_position_alone() {
        let mut holds = RecentHolds::keeping(128);
        assert_eq!(holds.get(Lsn(4_272)), None);
        let hold = transfer(1, TransferFlags::PENDING);
        holds.note(Lsn(4_272), &Record::Transfer(hold), Timestamp(5));
        holds.note(Lsn(8_272), &Record::Transfer(transfer(2, TransferFlags::NONE)), Timestamp(6));
        assert_eq!(holds.get(Lsn(4_272)), Some((hold, Timestamp(5))));
        assert_eq!(holds.get(Lsn(8_272)), None, "no hold");
        let aliased = Lsn(4_272 + 64 * 128);
        assert_eq!(holds.get(aliased), None);
        let newer = transfer(3, TransferFlags::PENDING);
        holds.note(aliased, &Record::Transfer(newer), Timestamp(7));
        assert_eq!(holds.get(aliased), Some((newer, Timestamp(7))));
        assert_eq!(holds.get(Lsn(4_272)), None, "driven out");
    }
}
