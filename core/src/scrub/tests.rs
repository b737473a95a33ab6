//! Damage and wrong balances in an open database, which its scrubber must find, name and count; and
//! healthy databases, in which it must find nothing. A scrubber that misses damage is worse than
//! none, and one that cries wolf is switched off. Nothing here waits for time: the checks are
//! stepped by hand.

use super::trial_pass::TrialPass;
use super::{Check, Eyes, Finding, Findings, Next, Scrubber};
use crate::checkpoint::CheckpointStore;
use crate::clock::{Clock, FixedClock};
use crate::disk::simulated::SimulatedDisk;
use crate::disk::{Access, Disk};
use crate::event::Observer;
use crate::log::{LogReader, PreparerOptions, identify};
use crate::metrics::ScrubMetrics;
use crate::options::SEGMENT_BYTES_MIN;
use crate::{Database, Options};
use florin_ledger::{
    Account, AccountId, AccountReferences, AccountRow, Amount, Code, DocumentWrite, LedgerId, Lsn,
    Slot, TableId, Timestamp, Transfer, TransferFlags, TransferId,
};
use std::sync::Arc;
use std::time::Duration;

const ACCOUNTS: u128 = 40;

fn account(id: u128) -> Account {
    let ledger = LedgerId(if id.is_multiple_of(2) { 756 } else { 978 });
    Account { id: AccountId(id), ledger, code: Code(1), ..Account::default() }
}

/// Transfers between two accounts of one ledger, every third a hold.
fn transfers(first: u128, count: u128) -> Vec<Transfer> {
    let transfer = |id: u128| {
        let odd = id % 2;
        let account = |step: u128| AccountId((id / 2 * step) % (ACCOUNTS / 2 - 1) * 2 + 2 - odd);
        let mut transfer = Transfer {
            id: TransferId(id),
            debit_account_id: account(1),
            credit_account_id: AccountId(account(1).0 + 2),
            amount: Amount(id % 97 + 1),
            ledger: LedgerId(if odd == 0 { 756 } else { 978 }),
            code: Code(1),
            ..Transfer::default()
        };
        if id.is_multiple_of(3) {
            transfer.flags = TransferFlags::PENDING;
        }
        transfer
    };
    (first..first + count).map(transfer).collect()
}

fn document(number: u32) -> DocumentWrite {
    DocumentWrite {
        table: TableId(1_000),
        key: number.wrapping_mul(2_654_435_761).to_be_bytes().to_vec(),
        value: Some(vec![7; 40]),
        ..DocumentWrite::default()
    }
}

/// Posts and voids of the holds among some transfers.
fn resolutions(first: u128, count: u128) -> Vec<Transfer> {
    let holds = (first..first + count).filter(|id| id.is_multiple_of(3));
    let resolution = |id: u128| Transfer {
        id: TransferId(id + 1_000_000),
        pending_id: TransferId(id),
        amount: if id.is_multiple_of(2) { Amount::MAX } else { Amount::ZERO },
        flags: if id.is_multiple_of(2) {
            TransferFlags::POST_PENDING_TRANSFER
        } else {
            TransferFlags::VOID_PENDING_TRANSFER
        },
        ..Transfer::default()
    };
    holds.filter(|id| !id.is_multiple_of(5)).map(resolution).collect()
}

fn open(disk: &SimulatedDisk) -> Database {
    let preparer =
        PreparerOptions { slice_bytes: SEGMENT_BYTES_MIN, reserve_bytes: 4096, free_bytes_min: 0 };
    let options = Options { segment_bytes: SEGMENT_BYTES_MIN, preparer, ..Options::default() };
    let clock = Arc::new(FixedClock(Timestamp(1_000)));
    Database::open_on(Arc::new(disk.clone()), clock, options).unwrap()
}

fn open_with_accounts(disk: &SimulatedDisk) -> Database {
    let database = open(disk);
    let accounts: Vec<Account> = (1..=ACCOUNTS).map(account).collect();
    database.create_accounts(&accounts).unwrap();
    database
}

/// A scrubber over a database that a test steps by hand.
struct Stepped {
    scrubber: Scrubber,
    metrics: Arc<ScrubMetrics>,
    findings: Arc<Findings>,
    now: Duration,
}

impl Stepped {
    fn over(disk: &SimulatedDisk, database: &Database) -> Stepped {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let identity = identify(disk.as_ref()).unwrap().unwrap();
        let metrics = Arc::new(ScrubMetrics::default());
        let findings = Arc::new(Findings::new(metrics.clone(), Observer::default()));
        let clock: Arc<dyn Clock> = Arc::new(FixedClock(Timestamp(0)));
        let eyes = Eyes {
            log: LogReader::new(disk.clone(), identity),
            disk,
            durable: database.durable(),
            inbox: database.inbox(),
            findings: findings.clone(),
            metrics: metrics.clone(),
            clock,
        };
        Stepped { scrubber: Scrubber::new(eyes), metrics, findings, now: Duration::ZERO }
    }

    fn passes(&self) -> Vec<u64> {
        let figures = self.metrics.figures(Vec::new(), Duration::ZERO);
        figures.checks.iter().map(|check| check.passes).collect()
    }

    /// Steps until each check has had another whole pass; time passes when the scrubber sleeps.
    fn pass(&mut self, mut between: impl FnMut()) -> Vec<Finding> {
        let before = self.passes();
        let is_done = |passes: Vec<u64>| passes.iter().zip(&before).all(|(now, then)| then < now);
        for _ in 0..1_000_000 {
            if is_done(self.passes()) {
                return self.findings.all();
            }
            match self.scrubber.step(self.now) {
                Next::Pay(_) => {}
                Next::Sleep(wait) => self.now += wait,
                Next::End => unreachable!("the engine is there"),
            }
            self.now += Duration::from_millis(1);
            between();
        }
        unreachable!("passes do not end: {:?}", self.passes())
    }
}

/// Prevents: false alarms, above all from rows that were read at different moments of a busy engine.
#[test]
fn nothing_is_found_in_a_healthy_database_however_busy() {
    let disk = SimulatedDisk::new();
    let database = open_with_accounts(&disk);
    let mut stepped = Stepped::over(&disk, &database);
    // Rows are summed three at a time, so that most of what is posted meets some of them too late.
    stepped.scrubber.trial = TrialPass::in_pieces(3, 1);
    let mut first = 1;
    for _ in 0..3 {
        let found = stepped.pass(|| {
            database.create_transfers(&transfers(first, 200)).unwrap();
            database.create_transfers(&resolutions(first, 200)).unwrap();
            first += 200;
        });
        assert_eq!(found, []);
    }
    let figures = stepped.metrics.figures(Vec::new(), Duration::ZERO);
    let sums = figures.conservation.unwrap();
    assert_eq!(sums.unbalanced, []);
    assert_eq!(sums.ledgers.len(), 2);
    // With nobody posting any more, the sums are those that the engine adds up at once.
    stepped.pass(|| {});
    stepped.pass(|| {});
    let figures = stepped.metrics.figures(Vec::new(), Duration::ZERO);
    for (ledger, sums) in figures.conservation.unwrap().ledgers {
        let sums = sums.unwrap();
        assert_eq!(sums, database.trial_balance(ledger).unwrap());
        assert!(Amount::ZERO < sums.debits_posted && Amount::ZERO < sums.debits_pending);
    }
    database.close().unwrap();
}

/// Prevents: old history rots unseen until somebody needs it.
#[test]
fn a_flipped_bit_of_an_old_segment_is_found_and_named_and_what_follows_it_read_on() {
    let disk = SimulatedDisk::new();
    let database = open_with_accounts(&disk);
    let mut first = 1;
    while database.metrics().log.durable.0 < 3 * SEGMENT_BYTES_MIN {
        database.create_transfers(&transfers(first, 8_000)).unwrap();
        first += 8_000;
    }
    let mut stepped = Stepped::over(&disk, &database);
    assert_eq!(stepped.pass(|| {}), []);

    let offsets = [100_000, 100_000];
    for (segment, offset) in offsets.into_iter().enumerate() {
        disk.corrupt(&format!("log/{segment:020}"), offset, 3);
    }
    let found = stepped.pass(|| {});
    let of_log: Vec<_> = found.iter().filter(|found| found.check == Check::Log).collect();
    assert_eq!(of_log.len(), 2, "{found:?}");
    for (segment, finding) in of_log.iter().enumerate() {
        let base = u64::try_from(segment).unwrap() * SEGMENT_BYTES_MIN;
        let position = finding.position.unwrap().0;
        // Named by the block that the bit is in, which lies in one cell of 16 KiB.
        assert!((base + 100_000 - 16_384..=base + 100_000).contains(&position), "{finding:?}");
        assert!(finding.message.contains("is damaged: run `florin verify`"), "{finding:?}");
    }
    let figures = stepped.metrics.figures(Vec::new(), Duration::ZERO);
    let log = figures.checks[Check::Log.index()];
    assert_eq!((log.found, log.standing), (2, 2));

    // Repaired, it goes by itself.
    for (segment, offset) in offsets.into_iter().enumerate() {
        disk.corrupt(&format!("log/{segment:020}"), offset, 3);
    }
    assert_eq!(stepped.pass(|| {}), []);
    database.close().unwrap();
}

/// Prevents: an index rots unseen until a payment is looked for in it, or its merge fails.
#[test]
fn a_flipped_bit_of_any_run_is_found_whatever_its_keys() {
    let disk = SimulatedDisk::new();
    let database = open_with_accounts(&disk);
    database.create_transfers(&transfers(1, 8_000)).unwrap();
    let documents: Vec<DocumentWrite> = (0..8_000_u32).map(document).collect();
    for some in documents.chunks(1_000) {
        database.write_documents(some).unwrap();
    }
    database.close().unwrap();
    let database = open(&disk);
    let mut stepped = Stepped::over(&disk, &database);
    assert_eq!(stepped.pass(|| {}), []);

    let runs = disk.list("runs").unwrap();
    assert!(runs.iter().any(|name| name.starts_with("documents-")), "{runs:?}");
    assert!(runs.iter().any(|name| name.starts_with("transfer_ids-")), "{runs:?}");
    // The header, the first block and, where there are more, one that is read long after the opening.
    for (page, pages_min) in [(0, 0), (1, 0), (8, 16)] {
        let file = |run: &String| format!("runs/{run}");
        let bytes = |run: &String| disk.open(&file(run), Access::Read).unwrap().bytes().unwrap();
        let runs: Vec<_> = runs.iter().filter(|run| pages_min * 4_096 < bytes(run)).collect();
        assert!(runs.iter().any(|run| run.starts_with("documents-")), "{runs:?}");
        let flip = || runs.iter().for_each(|run| disk.corrupt(&file(run), page * 4_096 + 50, 3));
        flip();
        let found = stepped.pass(|| {});
        assert!(found.iter().all(|finding| finding.check == Check::Runs), "{found:?}");
        for run in &runs {
            let is_named = |finding: &Finding| finding.message.contains(run.as_str());
            assert!(found.iter().any(is_named), "{run} at page {page}: {found:?}");
        }
        flip();
        assert_eq!(stepped.pass(|| {}), [], "repaired");
    }
    database.close().unwrap();
}

/// Makes a checkpoint that says of one account that it has more than its postings give.
fn tamper_with_checkpoint(disk: &SimulatedDisk, slot: usize) {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut store = CheckpointStore::open(&disk).unwrap();
    let loading = store.load().unwrap().unwrap();
    let mut metadata = loading.metadata().clone();
    let mut rows: Vec<(AccountRow, AccountReferences)> = Vec::new();
    loading
        .rows(|_: Slot, row, references| {
            rows.push((row, references));
            Ok::<(), crate::checkpoint::CheckpointError>(())
        })
        .unwrap();
    rows[slot].0.balances.credits_posted.0 += 1;
    let mut writer = store.begin().unwrap();
    for (page, rows) in rows.chunks(florin_ledger::PAGE_ROWS).enumerate() {
        writer.put_page(u32::try_from(page).unwrap(), rows).unwrap();
    }
    metadata.rows_position = metadata.position.max(metadata.rows_position);
    writer.commit(metadata, Lsn(u64::MAX)).unwrap();
}

/// Prevents: a balance that went wrong on its way through a checkpoint is believed for ever. It is
/// found twice: by the account's own postings, and because money was made.
#[test]
fn a_wrong_balance_is_found_by_recounting_and_by_the_trial_balance() {
    let disk = SimulatedDisk::new();
    let database = open_with_accounts(&disk);
    database.create_transfers(&transfers(1, 8_000)).unwrap();
    database.close().unwrap();
    tamper_with_checkpoint(&disk, 6);

    let database = open(&disk);
    let mut stepped = Stepped::over(&disk, &database);
    let found = stepped.pass(|| {});
    let checks: Vec<_> = found.iter().map(|finding| finding.check).collect();
    assert_eq!(checks, [Check::Accounts, Check::TrialBalance], "{found:?}");
    assert!(found[0].message.starts_with("account 7 has balances"), "{found:?}");
    assert!(found[1].message.starts_with("ledger 978 does not balance"), "{found:?}");
    // The bank goes on: only its probe says what is wrong.
    database.create_transfers(&transfers(10_000, 10)).unwrap();
    database.close().unwrap();
}

/// Prevents: a scrubber that goes on asking an engine that is gone, so that nothing ends.
#[test]
fn it_ends_with_the_engine() {
    let disk = SimulatedDisk::new();
    let database = open_with_accounts(&disk);
    let mut stepped = Stepped::over(&disk, &database);
    database.close().unwrap();
    let mut steps = (0..Check::ALL.len()).map(|_| stepped.scrubber.step(Duration::ZERO));
    assert!(steps.any(|next| next == Next::End));
}

/// Prevents: a small, idle database is read over and over (fault 78).
#[test]
fn an_idle_scrubber_sleeps_between_its_passes() {
    let disk = SimulatedDisk::new();
    let database = open_with_accounts(&disk);
    let mut stepped = Stepped::over(&disk, &database);
    let (mut now, mut bytes) = (Duration::ZERO, 0);
    while now < Duration::from_secs(3_600) {
        match stepped.scrubber.step(now) {
            Next::Pay(paid) => bytes += paid,
            Next::Sleep(wait) => {
                assert!(Duration::from_secs(1) <= wait);
                now += wait;
            }
            Next::End => unreachable!("the engine is there"),
        }
    }
    assert_eq!(stepped.passes(), [60, 60, 60, 360]);
    assert!(bytes < 10 << 20, "{bytes} bytes in an hour");
    database.close().unwrap();
}

/// The thread itself, as an embedder gets it.
#[test]
fn an_open_database_scrubs_itself_and_closes() {
    let disk = SimulatedDisk::new();
    let preparer =
        PreparerOptions { slice_bytes: SEGMENT_BYTES_MIN, reserve_bytes: 4096, free_bytes_min: 0 };
    let options = Options {
        segment_bytes: SEGMENT_BYTES_MIN,
        preparer,
        scrub_bytes_per_second: u64::MAX,
        ..Options::default()
    };
    let clock = Arc::new(FixedClock(Timestamp(1_000)));
    let database = Database::open_on(Arc::new(disk), clock, options).unwrap();
    let accounts: Vec<Account> = (1..=ACCOUNTS).map(account).collect();
    database.create_accounts(&accounts).unwrap();
    let mut id = 1;
    // Work until it has been round once.
    while database.metrics().scrub.checks.iter().any(|check| check.passes == 0) {
        database.create_transfers(&transfers(id, 10)).unwrap();
        id += 10;
    }
    let metrics = database.metrics();
    assert_eq!(metrics.scrub.findings, []);
    assert!(metrics.health().troubles.is_empty(), "{:?}", metrics.health());
    database.close().unwrap();
}
