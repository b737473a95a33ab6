//! Prevents: a checkpoint that is not what was captured, half there after a power cut, ahead of the
//! log, or without one to fall back on.

use super::{CheckpointError, CheckpointStore, FILE_NAME, Loading, Metadata, set_aside};
use crate::disk::simulated::SimulatedDisk;
use crate::disk::{Access, Disk};
use crate::error::{Error, ErrorKind};
use crate::runs::{self, Entry, RunKind, RunName, RunWriter};
use florin_ledger::record::{Balances, LifeRecord};
use florin_ledger::{
    AccountFlags, AccountId, AccountReferences, AccountRow, Amount, Code, Hold, LedgerId, Lsn,
    PAGE_ROWS, Slot, Timestamp, Totals, TransferFlags, TransferId,
};
use std::collections::BTreeMap;
use std::sync::Arc;

type Row = (AccountRow, AccountReferences);

/// What a checkpoint holds, in the plainest form.
#[derive(Clone, PartialEq, Debug, Default)]
struct State {
    rows: Vec<Row>,
    holds: BTreeMap<Lsn, Hold>,
}

/// Different in every field for every (slot, step).
fn row(slot: u32, step: u64) -> Row {
    let amount = |field: u64| Amount(u128::from(step * 10 + field) << 70 | u128::from(slot));
    let row = AccountRow {
        id: AccountId(u128::from(slot) << 90 | 1),
        balances: Balances {
            debits_pending: amount(1),
            debits_posted: amount(2),
            credits_pending: amount(3),
            credits_posted: amount(4),
        },
        last_posting: Lsn(step << 20 | 1),
        last_waypoint: Lsn(step << 20 | 2),
        postings_count: step << 20 | 3,
        timestamp: Timestamp(u64::from(slot) + 5),
        ledger: LedgerId(slot + 6),
        user_data_32: slot + 7,
        code: Code(8),
        flags: AccountFlags(9),
        flags_given: AccountFlags(10),
    };
    (row, AccountReferences::new(u128::MAX - u128::from(slot), u64::from(slot) << 33))
}

fn hold(lsn: u64) -> Hold {
    Hold {
        id: TransferId(u128::from(lsn) << 80 | 1),
        amount: Amount(u128::from(lsn) << 64 | 2),
        user_data_128: u128::from(lsn) << 65 | 3,
        user_data_64: lsn << 3 | 4,
        lsn: Lsn(lsn),
        timestamp: Timestamp(lsn + 5),
        debit_slot: Slot(6),
        credit_slot: Slot(7),
        timeout: 8,
        user_data_32: 9,
        ledger: LedgerId(10),
        code: Code(11),
        flags: TransferFlags(12),
    }
}

fn metadata(step: u64, state: &State, runs: &[RunName]) -> Metadata {
    Metadata {
        incarnation: 1 << 127 | 5,
        position: Lsn(step * 100),
        sequence: step * 3,
        chain: [u8::try_from(step % 200).unwrap(); 32],
        epoch: 7,
        life: Some(LifeRecord::birth(8).after(7, Lsn(4_096)).after(1 << 126 | 9, Lsn(9_000))),
        rows_position: Lsn(step * 100 + 50),
        totals: Totals {
            last_recorded: Timestamp(step + 1),
            last_posting_timestamp: Timestamp(step + 2),
            transfers_count: step + 3,
        },
        accounts_count: u64::try_from(state.rows.len()).unwrap(),
        documents_count: 0,
        expiries_passed: Timestamp::NONE,
        runs: runs.to_vec(),
    }
}

/// Changes the state as a step of work would, writes what changed, and commits.
fn advance(
    store: &mut CheckpointStore,
    state: &mut State,
    step: u64,
) -> Result<(), CheckpointError> {
    let mut writer = store.begin()?;
    let old_count = u32::try_from(state.rows.len()).unwrap();
    let new_count = old_count + 20;
    let touched = u32::try_from(step * 31 % 97).unwrap() % new_count;
    state.rows.extend((old_count..new_count).map(|slot| row(slot, step)));
    state.rows[usize::try_from(touched).unwrap()] = row(touched, step);
    let page_of = |slot: u32| slot / u32::try_from(PAGE_ROWS).unwrap();
    for page in (page_of(old_count)..=page_of(new_count - 1)).chain([page_of(touched)]) {
        let rows = state.rows.chunks(PAGE_ROWS).nth(usize::try_from(page).unwrap()).unwrap();
        writer.put_page(page, rows)?;
    }
    for lsn in [step * 10, step * 10 + 1] {
        state.holds.insert(Lsn(lsn), hold(lsn));
        writer.put_hold(Lsn(lsn), Some(&hold(lsn)))?;
    }
    let settled = Lsn(step.saturating_sub(2) * 10);
    state.holds.remove(&settled);
    writer.put_hold(settled, None)?;
    let metadata = metadata(step, state, &[]);
    writer.commit(metadata, Lsn(step * 100 + 50))
}

fn loaded(loading: &Loading) -> Result<State, CheckpointError> {
    let mut state = State::default();
    loading.rows(|slot, row, references| {
        assert_eq!(usize::try_from(slot.0), Ok(state.rows.len()));
        state.rows.push((row, references));
        Ok::<(), CheckpointError>(())
    })?;
    loading.holds(|hold| {
        state.holds.insert(hold.lsn, hold);
        Ok::<(), CheckpointError>(())
    })?;
    Ok(state)
}

fn check(store: &CheckpointStore, step: u64, state: &State) {
    assert_eq!(store.latest(), Some(&metadata(step, state, &[])));
    let loading = store.load().unwrap().unwrap();
    assert_eq!(loading.metadata(), store.latest().unwrap());
    assert_eq!(loaded(&loading).unwrap(), *state);
}

fn disk() -> (SimulatedDisk, Arc<dyn Disk>) {
    let simulated = SimulatedDisk::new();
    (simulated.clone(), Arc::new(simulated))
}

/// Checkpoints 1 to `steps`; the state after each, the empty one first.
fn history(disk: &Arc<dyn Disk>, steps: u64, mut done: impl FnMut(u64)) -> Vec<State> {
    let mut store = CheckpointStore::open(disk).unwrap();
    assert!(store.latest().is_none());
    assert!(store.load().unwrap().is_none());
    let mut states = vec![State::default()];
    for step in 1..=steps {
        let mut state = states.last().unwrap().clone();
        advance(&mut store, &mut state, step).unwrap();
        check(&store, step, &state);
        states.push(state);
        done(step);
    }
    states
}

#[test]
fn what_was_captured_comes_back() {
    let (_, disk) = disk();
    let states = history(&disk, 8, |_| {});
    let store = CheckpointStore::open(&disk).unwrap();
    check(&store, 8, &states[8]);
}

/// Prevents: a latest checkpoint that turns out to be ahead of the log, and nothing before it.
#[test]
fn the_checkpoint_before_can_be_loaded_whole() {
    for steps in 2..6 {
        let (_, disk) = disk();
        let mut states = history(&disk, steps, |_| {});
        let before = usize::try_from(steps - 1).unwrap();
        let mut store = CheckpointStore::open(&disk).unwrap();
        assert_eq!(store.previous(), Some(&metadata(steps - 1, &states[before], &[])));
        store.discard_latest().unwrap();
        check(&store, steps - 1, &states[before]);
        // It stays so after a restart, and work goes on from there.
        drop(store);
        let mut store = CheckpointStore::open(&disk).unwrap();
        check(&store, steps - 1, &states[before]);
        assert!(store.previous().is_none());
        advance(&mut store, &mut states[before], steps + 7).unwrap();
        check(&store, steps + 7, &states[before]);
        assert_eq!(store.previous().unwrap().position, Lsn((steps - 1) * 100));
    }
}

/// Prevents: power cuts after which accounts and holds are of two different checkpoints, or an
/// acknowledged one is gone.
#[test]
fn a_power_cut_leaves_one_checkpoint_whole() {
    let (simulated, disk) = disk();
    let states = history(&disk, 4, |step| simulated.mark(step));
    let mut seen = [0_u32; 5];
    for operations_count in (0..=simulated.operations_count()).step_by(3) {
        for seed in 0..4 {
            let image = simulated.crash_image(operations_count, seed);
            let done = image_of(&simulated, operations_count);
            let disk: Arc<dyn Disk> = Arc::new(image);
            let store = CheckpointStore::open(&disk).unwrap();
            let step = store.latest().map_or(0, |latest| latest.position.0 / 100);
            assert!(done == step || done + 1 == step, "{operations_count} {seed}: {done} {step}");
            let place = usize::try_from(step).unwrap();
            seen[place] += 1;
            if step != 0 {
                check(&store, step, &states[place]);
            }
            let before = store.previous().map_or(0, |previous| previous.position.0 / 100);
            assert_eq!(before, step.saturating_sub(1));
        }
    }
    assert!(seen.iter().all(|count| 0 < *count), "{seen:?}");
}

/// The last checkpoint that was acknowledged by then.
fn image_of(simulated: &SimulatedDisk, operations_count: usize) -> u64 {
    simulated.marks_before(operations_count).last().copied().unwrap_or(0)
}

/// Prevents: a full disk or a failing one that leaves no checkpoint to open with.
#[test]
fn every_failing_call_leaves_a_checkpoint_to_open_with() {
    let faults: [fn(&SimulatedDisk, u64); 2] =
        [SimulatedDisk::fail_call, SimulatedDisk::fill_after];
    for break_at in faults {
        let mut succeeded = false;
        for calls_count in (0..400).step_by(3) {
            let (simulated, disk) = disk();
            let mut states = history(&disk, 2, |_| {});
            let mut store = CheckpointStore::open(&disk).unwrap();
            break_at(&simulated, calls_count);
            let mut state = states[2].clone();
            succeeded = advance(&mut store, &mut state, 3).is_ok();
            drop(store);
            simulated.lift_faults();
            states.push(state);
            let store = CheckpointStore::open(&disk).unwrap();
            let step = store.latest().unwrap().position.0 / 100;
            assert!(step == 2 && !succeeded || step == 3, "{calls_count}: {step}");
            check(&store, step, &states[usize::try_from(step).unwrap()]);
            if succeeded {
                break;
            }
        }
        assert!(succeeded, "there are fewer calls than that");
    }
}

/// Prevents: a file altered on disk that is loaded all the same, or that stops the process.
#[test]
fn a_flipped_bit_is_reported_or_harmless() {
    let (simulated, disk) = disk();
    let states = history(&disk, 3, |_| {});
    let length = simulated.contents(FILE_NAME).unwrap().len();
    let mut reported_count = 0;
    for offset in (0..length).step_by(1_021) {
        let image = simulated.copy();
        image.corrupt(FILE_NAME, offset, u8::try_from(offset % 8).unwrap());
        let image: Arc<dyn Disk> = Arc::new(image);
        let read = CheckpointStore::open(&image).and_then(|store| {
            let loading = store.load()?.expect("a flipped bit does not take the checkpoint away");
            loaded(&loading)
        });
        match read {
            Ok(state) => assert_eq!(state, states[3], "{offset}"),
            Err(_) => reported_count += 1,
        }
    }
    assert!(0 < reported_count);
}

#[test]
fn a_file_that_is_not_a_checkpoint_is_set_aside() {
    let (_, disk) = disk();
    let file = disk.create(FILE_NAME, Access::Buffered).unwrap();
    file.write_all_at(&[7; 10_000], 0).unwrap();
    assert!(CheckpointStore::open(&disk).is_err());
    set_aside(&*disk).unwrap();
    let store = CheckpointStore::open(&disk).unwrap();
    assert!(store.latest().is_none());
    assert!(disk.list("").unwrap().contains(&"checkpoint.damaged".to_owned()));
}

/// A copy that stopped early, or a disk that filled: the log has everything, so this is damage to be
/// set aside, never the operating system's error that refuses to open.
#[test]
fn a_file_cut_short_is_damaged() {
    let (simulated, disk) = disk();
    history(&disk, 3, |_| {});
    let whole_bytes = simulated.contents(FILE_NAME).unwrap().len();
    for bytes in (0..8_192).chain((8_192..whole_bytes).step_by(whole_bytes / 50)) {
        let cut = simulated.copy();
        let file = cut.open(FILE_NAME, Access::Buffered).unwrap();
        file.set_bytes(u64::try_from(bytes).unwrap()).unwrap();
        let disk: Arc<dyn Disk> = Arc::new(cut);
        match CheckpointStore::open(&disk).map_err(Error::from) {
            Ok(store) => assert!(store.latest().is_none(), "{bytes} bytes are no checkpoint"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{bytes} bytes: {error}"),
        }
    }
}

/// Prevents: a file that grows with every checkpoint although the accounts are the same.
#[test]
fn the_file_stays_bounded() {
    let (simulated, disk) = disk();
    let mut states = history(&disk, 10, |_| {});
    let mut store = CheckpointStore::open(&disk).unwrap();
    let mut state = states.pop().unwrap();
    let rows = state.rows.clone();
    let mut bytes_at_100 = 0;
    for step in 11..=400 {
        state.rows.truncate(rows.len() - 20);
        let mut writer = store.begin().unwrap();
        for (page, rows) in (0..).zip(rows.chunks(PAGE_ROWS)) {
            writer.put_page(page, rows).unwrap();
        }
        let metadata = metadata(step, &State { rows: rows.clone(), ..State::default() }, &[]);
        writer.commit(metadata, Lsn(step * 100 + 50)).unwrap();
        if step == 100 {
            bytes_at_100 = simulated.contents(FILE_NAME).unwrap().len();
        }
    }
    assert!(simulated.contents(FILE_NAME).unwrap().len() <= bytes_at_100);
}

/// Prevents: state that a power cut takes out of the log but not out of the checkpoint.
#[test]
fn a_checkpoint_ahead_of_the_durable_log_is_refused() {
    let (_, disk) = disk();
    let mut store = CheckpointStore::open(&disk).unwrap();
    for (durable, is_refused) in [(149, true), (150, false)] {
        let writer = store.begin().unwrap();
        let metadata = metadata(1, &State::default(), &[]);
        let commit = std::panic::AssertUnwindSafe(|| writer.commit(metadata, Lsn(durable)));
        assert_eq!(std::panic::catch_unwind(commit).is_err(), is_refused, "{durable}");
        assert_eq!(store.latest().is_none(), is_refused);
    }
}

/// Prevents (fault 37): a manifest durable before its files, or files removed that a checkpoint
/// one could still go back to needs.
#[test]
fn runs_are_kept_as_long_as_a_checkpoint_names_them() {
    let (_, disk) = disk();
    let mut store = CheckpointStore::open(&disk).unwrap();
    let names = [1, 2, 3].map(|number| RunName { kind: RunKind::HoldOutcomes, number });
    let missing = store.begin().unwrap();
    let metadata_of = |step, runs: &[RunName]| metadata(step, &State::default(), runs);
    for name in [names[0], names[1]] {
        let mut writer = RunWriter::create(&disk, name, Lsn(1), 1).unwrap();
        writer.push(Entry { key: 1, value: 1 }).unwrap();
        writer.finish(Lsn(1)).unwrap();
    }
    let commit = || missing.commit(metadata_of(1, &names), Lsn(1_000));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(commit)).is_err());

    for (step, runs, kept) in [
        (1, &names[..1], &names[..1]),
        (2, &names[1..2], &names[..2]),
        (3, &names[1..2], &names[1..2]),
    ] {
        store.begin().unwrap().commit(metadata_of(step, runs), Lsn(1_000)).unwrap();
        assert_eq!(store.named_runs(), kept);
        let orphans = runs::orphans(&*disk, &store.named_runs()).unwrap();
        assert_eq!(orphans.len(), 2 - kept.len());
    }
    store.discard_latest().unwrap();
    assert_eq!(store.named_runs(), &names[1..2]);
}
