//! What a power cut leaves of a simulated disk.
//!
//! What was synced survives. Every write since then survives, vanishes or is torn, sector by
//! sector, and they reach the disk in any order. Changes of length likewise, but whole. Creations,
//! removals and renames survive one by one once their directory was synced, and perhaps before. A
//! sync that failed promises nothing: its writes stay in doubt whatever is synced later.

use crate::disk::simulated::Files;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a disk writes wholly or not at all.
const SECTOR_BYTES: usize = 512;

/// One entry of the journal.
pub(super) enum Operation {
    CreateDirectory { name: String },
    Create { name: String, inode: usize },
    Remove { name: String },
    Rename { from: String, to: String, inode: usize },
    SyncDirectory { name: String },
    Write { inode: usize, offset: u64, bytes: Stored },
    SetBytes { inode: usize, bytes: u64 },
    Sync { inode: usize, covered_count: usize },
    FailedSync { inode: usize },
    Flip { inode: usize, offset: usize, bit: u8 },
    Mark(u64),
}

/// The bytes of a write; zeros, of which logs are made, take no room.
pub(super) enum Stored {
    Zeros(usize),
    Bytes(Arc<[u8]>),
}

impl Stored {
    pub(super) fn of(bytes: &[u8]) -> Stored {
        let zeros = bytes.iter().all(|byte| *byte == 0);
        if zeros { Stored::Zeros(bytes.len()) } else { Stored::Bytes(bytes.into()) }
    }

    fn to_vec(&self) -> Vec<u8> {
        match self {
            Stored::Zeros(count) => vec![0; *count],
            Stored::Bytes(bytes) => bytes.to_vec(),
        }
    }
}

/// Writes into contents that grow as needed.
pub(super) fn write(contents: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let start = usize::try_from(offset).expect("files are in memory");
    let end = start + bytes.len();
    if contents.len() < end {
        contents.resize(end, 0);
    }
    contents[start..end].copy_from_slice(bytes);
}

/// Cuts or extends contents.
pub(super) fn set_bytes(contents: &mut Vec<u8>, bytes: u64) {
    contents.resize(usize::try_from(bytes).expect("files are in memory"), 0);
}

/// The part of a name before its last slash.
pub(super) fn directory_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// A file's bytes: those that are durable, and the changes that are not.
#[derive(Default)]
struct Inode<'a> {
    durable: Vec<u8>,
    pending: Vec<Change<'a>>,
}

struct Change<'a> {
    /// Where in the journal.
    index: usize,
    operation: &'a Operation,
    /// Whether a sync of it failed.
    in_doubt: bool,
}

/// The files and directories after a power cut.
pub(super) fn image(
    base: &(BTreeSet<String>, Files),
    journal: &[Operation],
    seed: u64,
) -> (BTreeSet<String>, Files) {
    let mut chance = Chance::new(seed);
    let mut directories = base.0.clone();
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut inodes: BTreeMap<usize, Inode<'_>> = BTreeMap::new();
    for (inode, (name, bytes)) in base.1.iter().enumerate() {
        names.insert(name.clone(), inode);
        inodes.insert(inode, Inode { durable: bytes.clone(), pending: Vec::new() });
    }
    let mut pending: Vec<&Operation> = Vec::new();
    for (index, operation) in journal.iter().enumerate() {
        match operation {
            Operation::CreateDirectory { .. }
            | Operation::Create { .. }
            | Operation::Remove { .. }
            | Operation::Rename { .. } => pending.push(operation),
            Operation::SyncDirectory { name } => {
                let (synced, rest) =
                    pending.into_iter().partition(|change| changed_directory(change) == name);
                pending = rest;
                let synced: Vec<&Operation> = synced;
                for change in synced {
                    change_names(&mut directories, &mut names, change);
                }
            }
            Operation::Mark(_) => {}
            Operation::Write { inode, .. }
            | Operation::SetBytes { inode, .. }
            | Operation::Sync { inode, .. }
            | Operation::FailedSync { inode }
            | Operation::Flip { inode, .. } => {
                inodes.entry(*inode).or_default().then(index, operation);
            }
        }
    }
    for change in pending {
        if chance.keeps() {
            change_names(&mut directories, &mut names, change);
        }
    }
    let mut files = Files::new();
    for (name, inode) in names {
        let directory = directory_of(&name);
        if directory.is_empty() || directories.contains(directory) {
            let inode = inodes.remove(&inode).unwrap_or_default();
            files.insert(name, inode.after_power_cut(&mut chance));
        }
    }
    (directories, files)
}

impl<'a> Inode<'a> {
    fn then(&mut self, index: usize, operation: &'a Operation) {
        match operation {
            Operation::Sync { covered_count, .. } => {
                for change in std::mem::take(&mut self.pending) {
                    if change.in_doubt || *covered_count <= change.index {
                        self.pending.push(change);
                    } else {
                        apply(&mut self.durable, change.operation);
                    }
                }
            }
            Operation::FailedSync { .. } => {
                for change in &mut self.pending {
                    change.in_doubt = true;
                }
            }
            Operation::Flip { .. } => apply(&mut self.durable, operation),
            _ => self.pending.push(Change { index, operation, in_doubt: false }),
        }
    }

    fn after_power_cut(mut self, chance: &mut Chance) -> Vec<u8> {
        chance.shuffle(&mut self.pending);
        for change in &self.pending {
            match (chance.fate(), change.operation) {
                (Fate::Lost, _) => {}
                (Fate::Torn, Operation::Write { offset, bytes, .. }) => {
                    let start = usize::try_from(*offset).expect("files are in memory");
                    write_torn(&mut self.durable, start, &bytes.to_vec(), chance);
                }
                (Fate::Kept | Fate::Torn, operation) => apply(&mut self.durable, operation),
            }
        }
        self.durable
    }
}

fn apply(contents: &mut Vec<u8>, operation: &Operation) {
    match operation {
        Operation::Write { offset, bytes, .. } => write(contents, *offset, &bytes.to_vec()),
        Operation::SetBytes { bytes, .. } => set_bytes(contents, *bytes),
        Operation::Flip { offset, bit, .. } => {
            if let Some(byte) = contents.get_mut(*offset) {
                *byte ^= 1 << bit;
            }
        }
        _ => {}
    }
}

fn write_torn(contents: &mut Vec<u8>, start: usize, bytes: &[u8], chance: &mut Chance) {
    let mut at = start;
    while at < start + bytes.len() {
        let sector_end = (at + 1).next_multiple_of(SECTOR_BYTES).min(start + bytes.len());
        if chance.keeps() {
            let offset = u64::try_from(at).expect("files are in memory");
            write(contents, offset, &bytes[at - start..sector_end - start]);
        }
        at = sector_end;
    }
}

fn changed_directory(operation: &Operation) -> &str {
    match operation {
        Operation::CreateDirectory { name }
        | Operation::Create { name, .. }
        | Operation::Remove { name }
        | Operation::Rename { to: name, .. } => directory_of(name),
        _ => "",
    }
}

fn change_names(
    directories: &mut BTreeSet<String>,
    names: &mut BTreeMap<String, usize>,
    operation: &Operation,
) {
    match operation {
        Operation::CreateDirectory { name } => {
            directories.insert(name.clone());
        }
        Operation::Create { name, inode } => {
            names.insert(name.clone(), *inode);
        }
        Operation::Remove { name } => {
            names.remove(name);
        }
        Operation::Rename { from, to, inode } => {
            names.remove(from);
            names.insert(to.clone(), *inode);
        }
        _ => {}
    }
}

enum Fate {
    Kept,
    Lost,
    Torn,
}

/// Chances from a seed: 0 loses everything, 1 keeps everything in order, others mix.
struct Chance {
    seed: u64,
    state: u64,
}

impl Chance {
    fn new(seed: u64) -> Chance {
        Chance { seed, state: seed }
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("a small number");
        usize::try_from(self.next() % bound).expect("a small number")
    }

    fn keeps(&mut self) -> bool {
        match self.seed {
            0 => false,
            1 => true,
            _ => self.below(2) == 1,
        }
    }

    fn fate(&mut self) -> Fate {
        match self.seed {
            0 => Fate::Lost,
            1 => Fate::Kept,
            _ => match self.below(3) {
                0 => Fate::Kept,
                1 => Fate::Lost,
                _ => Fate::Torn,
            },
        }
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        if 1 < self.seed {
            for last in (1..items.len()).rev() {
                items.swap(last, self.below(last + 1));
            }
        }
    }
}
