//! A database on a simulated disk that can be closed, cut off and opened again, and short ways to say
//! what tests write.

use crate::clock::HandClock;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::log::PreparerOptions;
use florin_core::{Database, Options};
use florin_ledger::commit::CommitDone;
use florin_ledger::document::{DocumentCondition, DocumentPage, DocumentScan, WriteResult};
use florin_ledger::{
    Account, AccountFlags, AccountId, Amount, Code, Commit, CommitId, CommitOutcome, Document,
    DocumentKey, DocumentWrite, LedgerId, Position, TableId, Timestamp, Transfer, TransferId,
};
use std::sync::Arc;

/// Where the clock of a test starts.
pub(crate) const START: u64 = 1_000_000;
/// A table that promises nothing.
pub(crate) const PLAIN: TableId = TableId(16);

pub(crate) struct Cabinet {
    pub(crate) disk: SimulatedDisk,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) database: Database,
}

/// Small segments and slices, and checkpoints every few requests.
fn options() -> Options {
    Options {
        segment_bytes: 8 << 20,
        preparer: PreparerOptions {
            slice_bytes: 128 << 10,
            reserve_bytes: 32 << 10,
            free_bytes_min: 0,
        },
        checkpoint_bytes: 16 << 10,
        ..Options::default()
    }
}

impl Cabinet {
    pub(crate) fn new() -> Cabinet {
        Cabinet::open(SimulatedDisk::new(), START)
    }

    fn open(disk: SimulatedDisk, now: u64) -> Cabinet {
        let clock = Arc::new(HandClock::at(now));
        let database = Database::open_on(Arc::new(disk.clone()), clock.clone(), options());
        Cabinet { disk, clock, database: database.unwrap() }
    }

    /// Closes the database in order and opens it again.
    pub(crate) fn restart(self) -> Cabinet {
        self.database.close().unwrap();
        Cabinet::open(self.disk, self.clock.nanoseconds())
    }

    /// The power fails and comes back: what was answered is there, of the rest anything may be.
    pub(crate) fn power_cut(self, seed: u64) -> Cabinet {
        let disk = self.disk.crash_image(self.disk.operations_count(), seed);
        Cabinet::open(disk, self.clock.nanoseconds())
    }

    /// Time passes; whatever is due by then has expired.
    pub(crate) fn wait_until(&self, instant: u64) {
        self.clock.pass_until(instant);
        self.database.status().unwrap();
    }

    /// The time of the last event.
    pub(crate) fn now(&self) -> u64 {
        self.database.status().unwrap().timestamp.0
    }

    pub(crate) fn commit(&self, commit: &Commit) -> CommitOutcome {
        self.database.commit(commit).unwrap()
    }

    /// A commit that must be done.
    pub(crate) fn done(&self, commit: &Commit) -> CommitDone {
        match self.commit(commit) {
            CommitOutcome::Done(done) => done,
            other => panic!("not done: {other:?}"),
        }
    }

    pub(crate) fn write(&self, write: DocumentWrite) -> WriteResult {
        self.database.write_documents(&[write]).unwrap()[0]
    }

    /// Puts a document, whatever there is, and says in which version.
    pub(crate) fn put_any(&self, key: &str, value: &str) -> Position {
        match self.write(put(key, value)) {
            WriteResult::Written(version) => version,
            other => panic!("not written: {other:?}"),
        }
    }

    pub(crate) fn get(&self, table: TableId, key: &str) -> Option<Document> {
        let key = DocumentKey { table, key: key.as_bytes().to_vec() };
        self.database.documents(&[key]).unwrap().remove(0)
    }

    /// The value of a document of the plain table, as text.
    pub(crate) fn value(&self, key: &str) -> Option<String> {
        self.get(PLAIN, key).map(|document| text(&document.value.unwrap()))
    }

    pub(crate) fn scan(&self, scan: &DocumentScan) -> DocumentPage {
        self.database.scan_documents(scan).unwrap()
    }

    pub(crate) fn account(&self, id: u128) -> Option<Account> {
        self.database.lookup_accounts(&[AccountId(id)]).unwrap()[0]
    }

    /// Opens accounts 1 (unlimited) and 2 (never overdrawn), in euros.
    pub(crate) fn open_accounts(&self) {
        let results = self.database.create_accounts(&[account(1), customer(2)]).unwrap();
        assert!(results.iter().all(|result| result.status.name() == "created"));
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn put(key: &str, value: &str) -> DocumentWrite {
    DocumentWrite {
        table: PLAIN,
        key: key.as_bytes().to_vec(),
        value: Some(value.as_bytes().to_vec()),
        ..DocumentWrite::default()
    }
}

pub(crate) fn delete(key: &str) -> DocumentWrite {
    DocumentWrite { value: None, ..put(key, "") }
}

pub(crate) fn put_if(key: &str, value: &str, condition: DocumentCondition) -> DocumentWrite {
    DocumentWrite { condition, ..put(key, value) }
}

pub(crate) fn put_until(key: &str, value: &str, expires: u64) -> DocumentWrite {
    DocumentWrite { expires: Timestamp(expires), ..put(key, value) }
}

pub(crate) fn commit(id: u128) -> Commit {
    Commit { id: CommitId(id), ..Commit::default() }
}

pub(crate) fn account(id: u128) -> Account {
    Account { id: AccountId(id), ledger: LedgerId(978), code: Code(1), ..Account::default() }
}

pub(crate) fn customer(id: u128) -> Account {
    Account { flags: AccountFlags::DEBITS_MUST_NOT_EXCEED_CREDITS, ..account(id) }
}

pub(crate) fn transfer(id: u128, debit: u128, credit: u128, amount: u128) -> Transfer {
    Transfer {
        id: TransferId(id),
        debit_account_id: AccountId(debit),
        credit_account_id: AccountId(credit),
        amount: Amount(amount),
        ledger: LedgerId(978),
        code: Code(1),
        ..Transfer::default()
    }
}
