//! Recovery: the log alone, or a checkpoint and the rest of the log, must give the state that was
//! lost. Prevents a bank that opens with other balances than it closed with.

use crate::bank::{Bank, apply, digest};
use crate::events::{Step, day};
use florin_ledger::record::{FailedRecord, Record, WaypointRecord};
use florin_ledger::{
    Account, AccountId, AccountReferences, AccountRow, Code, CreateTransferStatus, Hold,
    Inconsistent, Ledger, LedgerId, Lsn, PAGE_ROWS, Slot, Timestamp, Totals, Transfer, TransferId,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_replay_of_the_log_is_the_ledger(steps in day(30)) {
        let mut bank = Bank::new();
        steps.iter().for_each(|step| run(&mut bank, step));
        let mut replayed = Ledger::new();
        bank.log.entries.iter().for_each(|entry| apply(&mut replayed, entry));
        prop_assert_eq!(digest(&replayed), digest(&bank.ledger));
    }

    /// A checkpoint is exact in holds and totals and fuzzy in rows: each page is copied at its own
    /// later moment.
    #[test]
    fn a_fuzzy_checkpoint_and_the_rest_of_the_log_is_the_ledger(
        steps in day(30),
        more in day(30),
        lags in prop::collection::vec(0..30_usize, 4),
    ) {
        let mut bank = Bank::new();
        let crowd: Vec<Account> = (100..170).map(account).collect();
        bank.create_accounts(&crowd);
        steps.iter().for_each(|step| run(&mut bank, step));
        let checkpoint = Checkpoint::begin(&mut bank);
        let mut pages = BTreeMap::new();
        for (age, step) in more.iter().enumerate() {
            checkpoint.copy_pages(&bank, &mut pages, |page| lags[page % lags.len()] == age);
            run(&mut bank, step);
        }
        checkpoint.copy_pages(&bank, &mut pages, |_| true);
        let mut recovered = checkpoint.restore(&pages);
        for entry in &bank.log.entries[checkpoint.entries_count..] {
            recovered.apply(entry.lsn, entry.time, &entry.record).expect("a log fits its rows");
        }
        recovered.check_balance().expect("debits equal credits");
        prop_assert_eq!(digest(&recovered), digest(&bank.ledger));
    }

    /// Checkpoints hold changes only; what did not change must come from the ones before.
    #[test]
    fn what_is_reported_as_changed_is_all_that_changed(steps in day(30)) {
        let mut bank = Bank::new();
        let mut rows: BTreeMap<u32, Vec<AccountRow>> = BTreeMap::new();
        let mut holds: BTreeMap<Lsn, Hold> = BTreeMap::new();
        for step in &steps {
            run(&mut bank, step);
            for page in bank.ledger.take_dirty_pages() {
                rows.insert(page, bank.ledger.page_rows(page).to_vec());
            }
            for (lsn, hold) in bank.ledger.take_changed_holds() {
                match hold {
                    Some(hold) => holds.insert(lsn, hold),
                    None => holds.remove(&lsn),
                };
            }
            let kept: Vec<AccountRow> = rows.values().flatten().copied().collect();
            let slots = (0..).map(Slot).map_while(|slot| bank.ledger.row(slot)).copied();
            prop_assert_eq!(kept, slots.collect::<Vec<_>>());
            prop_assert_eq!(holds.len(), usize::try_from(bank.ledger.holds_count()).expect("it fits"));
            for hold in holds.values() {
                prop_assert_eq!(bank.ledger.hold(hold.id), Some(hold));
            }
        }
    }
}

/// Holds and totals at one position, and how many accounts there were.
struct Checkpoint {
    holds: Vec<Hold>,
    totals: Totals,
    accounts_count: usize,
    entries_count: usize,
}

type Pages = BTreeMap<u32, (Vec<AccountRow>, Vec<AccountReferences>)>;

impl Checkpoint {
    fn begin(bank: &mut Bank) -> Checkpoint {
        let mut holds = BTreeMap::new();
        holds.extend(bank.ledger.take_changed_holds());
        Checkpoint {
            holds: holds.into_values().flatten().collect(),
            totals: bank.ledger.totals(),
            accounts_count: usize::try_from(bank.ledger.accounts_count()).expect("it fits"),
            entries_count: bank.log.entries.len(),
        }
    }

    fn copy_pages(&self, bank: &Bank, pages: &mut Pages, due: impl Fn(usize) -> bool) {
        for page in 0..self.accounts_count.div_ceil(PAGE_ROWS) {
            let number = u32::try_from(page).expect("it fits");
            if due(page) && !pages.contains_key(&number) {
                let rows = bank.ledger.page_rows(number).to_vec();
                pages.insert(number, (rows, bank.ledger.page_references(number).to_vec()));
            }
        }
    }

    /// Accounts opened since come with the log.
    fn restore(&self, pages: &Pages) -> Ledger {
        let mut ledger = Ledger::with_seed(3);
        let rows = pages.values().flat_map(|(rows, references)| rows.iter().zip(references));
        for (slot, (row, references)) in (0..).map(Slot).zip(rows.take(self.accounts_count)) {
            ledger.restore_row(slot, *row, *references).expect("slots in order");
        }
        for hold in &self.holds {
            ledger.restore_hold(*hold).expect("each hold once");
        }
        ledger.restore_totals(self.totals);
        assert_eq!(ledger.take_dirty_pages(), [], "what was restored is not dirty");
        assert_eq!(ledger.take_changed_holds(), [], "what was restored is not changed");
        ledger
    }
}

/// Prevents: a posting that reaches one account and not the other, and is acknowledged. Rows that have it
/// already pass it over, which here stands for whatever may go wrong.
#[test]
fn what_reaches_one_side_alone_shows_in_what_rows_changed_by() {
    let mut bank = Bank::new();
    bank.create_accounts(&[account(1), account(2)]);
    let rows = |bank: &Bank| [Slot(0), Slot(1)].map(|slot| *bank.ledger.row(slot).expect("open"));
    let ([debit, credit], totals) = (rows(&bank), bank.ledger.totals());
    let references = bank.ledger.page_references(0).to_vec();
    bank.create_transfers(&[transfer(10)]);
    assert!(bank.ledger.take_moved().is_balanced());
    let [debited, credited] = rows(&bank);
    let posting = *bank.log.entries.last().expect("it was posted");
    for (debit, credit, is_balanced) in [
        (debit, credit, true),
        (debited, credit, false),
        (debit, credited, false),
        (debited, credited, true),
    ] {
        let mut ledger = Ledger::with_seed(3);
        for (slot, row) in (0..).map(Slot).zip([debit, credit]) {
            let references = references[usize::try_from(slot.0).expect("it fits")];
            ledger.restore_row(slot, row, references).expect("slots in order");
        }
        ledger.restore_totals(totals);
        ledger.apply(posting.lsn, posting.time, &posting.record).expect("it fits");
        assert_eq!(ledger.take_moved().is_balanced(), is_balanced);
        assert!(ledger.take_moved().is_balanced(), "what was taken is gone");
    }
}

/// A log that contradicts itself must be found out, not applied.
#[test]
fn records_that_do_not_fit_are_named() {
    let mut bank = Bank::new();
    bank.create_accounts(&[account(1), account(2)]);
    bank.create_transfers(&[transfer(10), transfer(11)]);
    let ledger = &bank.ledger;
    let [.., older, newest] = &bank.log.entries[..] else { unreachable!() };
    let Record::Transfer(posted) = newest.record else { unreachable!() };
    let later = Timestamp(newest.time.0 + 1);
    let beyond = Lsn(newest.lsn.0 + 112);
    let refused = |time, record| ledger.clone().apply(beyond, time, &record);

    let same_time = refused(newest.time, newest.record);
    assert_eq!(same_time, Err(Inconsistent::Time { time: newest.time }));
    let twice = refused(later, newest.record);
    let (prev, newest_lsn) = (older.lsn, newest.lsn);
    assert_eq!(twice, Err(Inconsistent::Previous { slot: Slot(0), prev, newest: newest_lsn }));
    let mut next = posted;
    next.debit_prev = newest.lsn;
    next.credit_prev = newest.lsn;
    assert_eq!(refused(later, Record::Transfer(next)), Ok(()));
    next.amount.0 = u128::MAX;
    let slot = Slot(0);
    assert_eq!(refused(later, Record::Transfer(next)), Err(Inconsistent::Balance { slot }));
    next.debit_slot = Slot(9);
    let slot = Slot(9);
    assert_eq!(refused(later, Record::Transfer(next)), Err(Inconsistent::NoAccount { slot }));
    next.pending = newest.lsn;
    let hold = newest.lsn;
    assert_eq!(refused(later, Record::Transfer(next)), Err(Inconsistent::Hold { hold }));
    let row = ledger.row(Slot(0)).expect("it is there");
    let waypoint = Record::Waypoint(WaypointRecord {
        slot: Slot(0),
        postings_count: row.postings_count + 1,
        posting: row.last_posting,
        waypoint_prev: Lsn::NONE,
        balances: row.balances,
    });
    let slot = Slot(0);
    assert_eq!(refused(newest.time, waypoint), Err(Inconsistent::Waypoint { slot }));
    let status = CreateTransferStatus::ExceedsCredits;
    let failed = FailedRecord { id: TransferId(12), status };
    assert_eq!(refused(later, Record::Failed(failed)), Ok(()));
    let Record::Account(mut opened) = bank.log.entries[1].record else { unreachable!() };
    opened.slot = Slot(3);
    let slot = Slot(3);
    assert_eq!(refused(later, Record::Account(opened)), Err(Inconsistent::Account { slot }));
}

fn run(bank: &mut Bank, step: &Step) {
    match step {
        Step::Accounts(events) => drop(bank.create_accounts(events)),
        Step::Transfers(events) => drop(bank.create_transfers(events)),
        Step::Wait { nanoseconds } => bank.wait(*nanoseconds),
        Step::Expire { count_max } => {
            bank.expire_due(*count_max);
        }
    }
}

fn account(id: u128) -> Account {
    Account { id: AccountId(id), ledger: LedgerId(840), code: Code(1), ..Account::default() }
}

fn transfer(id: u128) -> Transfer {
    Transfer {
        id: TransferId(id),
        debit_account_id: AccountId(1),
        credit_account_id: AccountId(2),
        amount: florin_ledger::Amount(10),
        ledger: LedgerId(840),
        code: Code(1),
        ..Transfer::default()
    }
}
