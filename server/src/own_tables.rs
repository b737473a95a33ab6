//! Which of the system's own tables a request writes documents of: looked at once, when it arrives, and
//! asked by everything that guards one of them.

use crate::ledger::Read;
use crate::question::Work;
use florin_core::request::Request;
use florin_ledger::TableId;
use florin_wire::{Refusal, RefusalKind};

/// A set of tables below [`TableId::FIRST_FREE`], the lowest bit for table 0.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct OwnTables(u16);

const _: () = assert!(TableId::FIRST_FREE.0 <= 16, "every table has its bit");

impl OwnTables {
    /// The tables that a request writes, or would write if it were not a dry run. Reads a commit whole.
    pub(crate) fn written_by(work: &Work) -> OwnTables {
        match work {
            Work::Submit(Request::Commit(commit) | Request::DryRun(commit))
            | Work::Read(Read::DryRunAsOf(commit, _)) => {
                commit.view().documents().map(|write| write.table).collect()
            }
            Work::Submit(Request::WriteDocuments(batch)) => {
                batch.writes().iter().map(|write| write.table).collect()
            }
            Work::Submit(Request::InsertUnique(unique)) => [unique.table].into_iter().collect(),
            _ => OwnTables::default(),
        }
    }

    /// The refusal that a request gets for what it writes, whoever asks; `None` if it gets none.
    ///
    /// What the keyring has on record can't be taken back: by a forged document a name would lose its
    /// key, or the keyring be missed where there was never one. The engine makes those documents itself. And a group
    /// that is written past its change is waited for by nobody, and balances that somebody else puts on record are not
    /// those of this ledger.
    pub(crate) fn refusal(self) -> Option<Refusal> {
        let message = if self.contains(TableId::DESTROYED_KEYS) {
            "table 4 is the keyring's own record: ask to destroy keys"
        } else if self.contains(TableId::GROUP) {
            "table 5 is the group's own record: ask to change the group"
        } else if self.contains(TableId::BALANCES) {
            "table 6 is the ledger's own record of balances: ask to capture them"
        } else {
            return None;
        };
        Some(Refusal::without_effect(RefusalKind::Invalid, message))
    }

    /// In order.
    pub(crate) fn iter(self) -> impl Iterator<Item = TableId> {
        (0..TableId::FIRST_FREE.0).map(TableId).filter(move |table| self.contains(*table))
    }

    /// Whether a request writes this table, which must be one of the system's.
    pub(crate) fn contains(self, table: TableId) -> bool {
        assert!(table < TableId::FIRST_FREE, "table {table} is not the system's");
        self.0 >> table.0 & 1 == 1
    }
}

impl FromIterator<TableId> for OwnTables {
    /// The system's among these tables.
    fn from_iter<I: IntoIterator<Item = TableId>>(tables: I) -> OwnTables {
        let own = tables.into_iter().filter(|table| *table < TableId::FIRST_FREE);
        OwnTables(own.fold(0, |set, table| set | 1 << table.0))
    }
}
