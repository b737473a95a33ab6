//! Prevents: a checkpoint that is judged by bytes that are not those of the disk, and a disk that
//! changes while it is judged.

use super::{Overlay, PAGE};
use crate::checkpoint::{self, CheckpointError, CheckpointStore, Metadata};
use crate::disk::simulated::SimulatedDisk;
use crate::disk::{Access, Disk, DiskFile, PAGE_BYTES};
use florin_ledger::{
    Amount, Code, Hold, LedgerId, Lsn, Slot, Timestamp, Totals, TransferFlags, TransferId,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

const HOLD: Hold = Hold {
    id: TransferId(1),
    amount: Amount(1),
    user_data_128: 0,
    user_data_64: 0,
    lsn: Lsn(0),
    timestamp: Timestamp(1),
    debit_slot: Slot(0),
    credit_slot: Slot(1),
    timeout: 0,
    user_data_32: 0,
    ledger: LedgerId(1),
    code: Code(1),
    flags: TransferFlags::NONE,
};

const METADATA: Metadata = Metadata {
    incarnation: 1,
    position: Lsn(1 << 20),
    sequence: 1,
    chain: [0; 32],
    epoch: 1,
    life: None,
    rows_position: Lsn(1 << 20),
    totals: Totals {
        last_recorded: Timestamp(1),
        last_posting_timestamp: Timestamp(1),
        transfers_count: 20_000,
    },
    accounts_count: 0,
    documents_count: 0,
    expiries_passed: Timestamp::NONE,
    runs: Vec::new(),
};

const NAMES: [&str; 6] = ["a", "b", "log/a", "log/b", "new/a", "new/b"];
const BYTES_MAX: u64 = 4 * PAGE;

/// What is done to both disks. Handles are chosen among all that were ever opened.
#[derive(Clone, Debug)]
enum Step {
    Directory,
    Create(usize),
    Open(usize),
    Remove(usize),
    Rename(usize, usize),
    Write { handle: usize, offset: u64, bytes: Vec<u8> },
    SetBytes { handle: usize, bytes: u64 },
    Read { handle: usize, offset: u64, count: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..NAMES.len();
    let handle = any::<usize>();
    let offset = || prop_oneof![0..BYTES_MAX, (0..=4_u64).prop_map(|page| page * PAGE)];
    let bytes = (1..2 * PAGE_BYTES, 1..=u8::MAX).prop_map(|(count, byte)| vec![byte; count]);
    prop_oneof![
        1 => Just(Step::Directory),
        2 => name.clone().prop_map(Step::Create),
        4 => name.clone().prop_map(Step::Open),
        1 => name.clone().prop_map(Step::Remove),
        2 => (name.clone(), name).prop_map(|(from, to)| Step::Rename(from, to)),
        6 => (handle, offset(), bytes)
            .prop_map(|(handle, offset, bytes)| Step::Write { handle, offset, bytes }),
        3 => (handle, offset()).prop_map(|(handle, bytes)| Step::SetBytes { handle, bytes }),
        3 => (handle, offset(), 0..3 * PAGE_BYTES)
            .prop_map(|(handle, offset, count)| Step::Read { handle, offset, count }),
    ]
}

/// A disk, and the handles opened on it.
struct Side {
    disk: Arc<dyn Disk>,
    handles: Vec<Arc<dyn DiskFile>>,
}

/// An answer in a form that can be compared.
type Answer = Result<Vec<u8>, io::ErrorKind>;

impl Side {
    fn new(disk: impl Disk + 'static) -> Side {
        Side { disk: Arc::new(disk), handles: Vec::new() }
    }

    fn take(&mut self, step: &Step) -> Answer {
        let done = match step {
            Step::Directory => self.disk.create_directory("new"),
            Step::Create(name) => self.keep(self.disk.create(NAMES[*name], Access::Buffered)),
            Step::Open(name) => self.keep(self.disk.open(NAMES[*name], Access::Buffered)),
            Step::Remove(name) => self.disk.remove(NAMES[*name]),
            Step::Rename(from, to) => self.disk.rename(NAMES[*from], NAMES[*to]),
            Step::Write { handle, offset, bytes } => {
                self.on(*handle, |file| file.write_all_at(bytes, *offset))
            }
            Step::SetBytes { handle, bytes } => self.on(*handle, |file| file.set_bytes(*bytes)),
            Step::Read { handle, offset, count } => {
                let mut buffer = vec![0xee; *count];
                let read = self.on(*handle, |file| file.read_exact_at(&mut buffer, *offset));
                return read.map(|()| buffer).map_err(|error| error.kind());
            }
        };
        done.map(|()| Vec::new()).map_err(|error| error.kind())
    }

    fn keep(&mut self, opened: io::Result<Arc<dyn DiskFile>>) -> io::Result<()> {
        self.handles.push(opened?);
        Ok(())
    }

    fn on(
        &self,
        handle: usize,
        act: impl FnOnce(&dyn DiskFile) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.handles.len() {
            0 => Ok(()),
            count => act(&*self.handles[handle % count]),
        }
    }

    /// The files that have a name, then those of which there is only a handle.
    fn contents(&self) -> (BTreeMap<String, Vec<u8>>, Vec<Vec<u8>>) {
        let mut files = BTreeMap::new();
        for directory in ["", "log", "new"] {
            for name in self.disk.list(directory).unwrap_or_default() {
                let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
                files.insert(path.clone(), whole(&*self.disk.open(&path, Access::Read).unwrap()));
            }
        }
        (files, self.handles.iter().map(|file| whole(&**file)).collect())
    }
}

fn whole(file: &dyn DiskFile) -> Vec<u8> {
    let mut contents = vec![0xee; usize::try_from(file.bytes().unwrap()).unwrap()];
    file.read_exact_at(&mut contents, 0).unwrap();
    contents
}

/// A file that ends in the middle of a page, one that ends with a page, an empty one.
fn below() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    disk.create_directory("log").unwrap();
    for (name, count) in [("a", 2 * PAGE_BYTES + 77), ("log/a", PAGE_BYTES), ("log/b", 0)] {
        let file = disk.create(name, Access::Buffered).unwrap();
        let bytes: Vec<u8> = (1..=251).cycle().take(count).collect();
        file.write_all_at(&bytes, 0).unwrap();
    }
    disk
}

proptest! {
    #[test]
    fn an_overlay_answers_like_a_copy_and_changes_nothing_below(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let disk = below();
        let before = Side::new(disk.clone()).contents();
        let operations_count = disk.operations_count();
        let mut copy = Side::new(disk.copy());
        let mut overlay = Side::new(Overlay::new(Arc::new(disk.clone())));
        for step in &steps {
            prop_assert_eq!(overlay.take(step), copy.take(step), "{:?}", step);
        }
        prop_assert_eq!(overlay.contents(), copy.contents());
        prop_assert_eq!(disk.operations_count(), operations_count);
        prop_assert_eq!(Side::new(disk).contents(), before);
    }
}

/// Prevents: two handles of a file, one of which does not see what the other wrote.
#[test]
fn handles_of_a_file_share_its_changes_and_readers_cannot_write() {
    let overlay = Overlay::new(Arc::new(below()));
    let reading = overlay.open("a", Access::Read).unwrap();
    overlay.open("a", Access::Buffered).unwrap().write_all_at(&[0; 3], 1).unwrap();
    let mut bytes = [9; 5];
    reading.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, [1, 0, 0, 0, 5]);
    assert!(reading.write_all_at(&[0], 0).is_err() && reading.set_bytes(0).is_err());
}

/// Prevents: a write that is half there after an error of the disk below, with a length that
/// does not go with it.
#[test]
fn an_error_below_is_an_answer_and_leaves_a_file_that_can_be_read() {
    let disk = below();
    let overlay = Overlay::new(Arc::new(disk.clone()));
    let file = overlay.open("a", Access::Buffered).unwrap();
    let contents = whole(&*file);
    disk.fail_call(0);
    assert!(file.read_exact_at(&mut [0; 10], 0).is_err());
    disk.fail_call(0);
    assert!(file.write_all_at(&[0; 10], 0).is_err());
    assert_eq!(whole(&*file), contents);
}

/// Prevents: checking the checkpoint file of a large bank that brings all of it into memory.
#[test]
fn checking_and_loading_a_checkpoint_keeps_few_of_its_pages() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
    let mut store = CheckpointStore::open(&disk).unwrap();
    let mut writer = store.begin().unwrap();
    for lsn in 0..20_000 {
        writer.put_hold(Lsn(lsn), Some(&Hold { lsn: Lsn(lsn), ..HOLD })).unwrap();
    }
    writer.commit(METADATA, METADATA.rows_position).unwrap();
    drop(store);
    let overlay = Arc::new(Overlay::new(Arc::clone(&disk)));
    let above: Arc<dyn Disk> = overlay.clone();
    let store = CheckpointStore::open(&above).unwrap();
    let mut holds_count = 0;
    let loading = store.load().unwrap().unwrap();
    let counted = loading.holds(|_| {
        holds_count += 1;
        Ok::<(), CheckpointError>(())
    });
    counted.unwrap();
    drop(loading);
    drop(store);
    assert_eq!(holds_count, 20_000);
    let kept = overlay.source(&mut overlay.names(), checkpoint::FILE_NAME).unwrap();
    let kept = kept.changes.read().unwrap();
    let kept_bytes = PAGE * u64::try_from(kept.pages.len()).unwrap();
    assert!(kept_bytes < kept.bytes / 20, "{kept_bytes} of {}", kept.bytes);
}
