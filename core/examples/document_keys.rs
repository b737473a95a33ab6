//! Measures the index of document keys: `cargo run --release -p florin-core --example document_keys
//! [KEYS] [DIRECTORY]`. Decision 0006 quotes it. Times are of this thread on a processor, so that
//! what else the machine does counts less; where waiting for the disk matters, both are printed.

use florin_core::disk::Disk;
use florin_core::disk::os::OsDisk;
use florin_core::documents::{
    DocumentEntry, DocumentIndex, DocumentLookup, DocumentRuns, KeyOrder, KeyRange,
};
use florin_ledger::{Lsn, Timestamp};
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

const KEYS_COUNT: u64 = 10_000_000;
const LOOKUPS_COUNT: u64 = 200_000;
const SCANS_COUNT: u64 = 1_000;
const SCAN_KEYS: usize = 1_000;
const MERGE_STEP_KEYS: u64 = 65_536;
const TABLE: u16 = 16;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let keys_count = arguments.next().map_or(Ok(KEYS_COUNT), |count| count.parse())?;
    let directory = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = tempfile::tempdir_in(directory)?;
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::open(directory.path())?);
    yardstick();
    let index = filled(&disk, keys_count)?;
    sizes(&index);
    lookups(&index, keys_count)?;
    scans(&index)?;
    reopened(&disk, &index)?;
    yardstick();
    Ok(())
}

/// The key with a number: 32 bytes that look random, of one table.
fn key(number: u64) -> [u8; 34] {
    let mut key = [0; 34];
    key[..2].copy_from_slice(&TABLE.to_be_bytes());
    let mut state = number;
    for word in key[2..].as_chunks_mut::<8>().0 {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        *word = (mixed ^ (mixed >> 31)).to_le_bytes();
    }
    key
}

/// What other figures can be compared with: how fast the machine is just now.
fn yardstick() {
    let page = [7; 4_096];
    let watch = Watch::start();
    let mut sum = 0;
    for _ in 0..LOOKUPS_COUNT {
        sum ^= blake3::keyed_hash(&[9; 32], std::hint::black_box(&page)).as_bytes()[0];
    }
    std::hint::black_box(sum);
    watch.say("yardstick: BLAKE3 of 4 KiB", LOOKUPS_COUNT);
}

fn filled(disk: &Arc<dyn Disk>, keys_count: u64) -> Outcome<DocumentIndex> {
    let mut index = DocumentIndex::new(DocumentRuns::empty());
    let (mut inserting, mut writing, mut merging) = (Spent::NONE, Spent::NONE, Spent::NONE);
    let (mut inserted, mut merged) = (0, 0);
    let begun = Instant::now();
    while inserted < keys_count {
        let watch = Watch::start();
        while inserted < keys_count && !index.is_full(1, 34) {
            let lsn = Lsn(4_096 + inserted * 400);
            index.insert(&key(inserted), DocumentEntry { lsn, is_deleted: false });
            inserted += 1;
        }
        if inserted == keys_count {
            // The last keys stay in memory, as some always do.
            inserting.add(&watch);
            break;
        }
        let plan = index.freeze(Lsn(4_096 + inserted * 400));
        inserting.add(&watch);
        if let Some(plan) = plan {
            let watch = Watch::start();
            let run = plan.write(disk, plan.position())?;
            drop(plan);
            writing.add(&watch);
            let watch = Watch::start();
            index.install(run);
            inserting.add(&watch);
        }
        while let Some(plan) = index.merge_due() {
            let watch = Watch::start();
            let mut merge = plan.begin(disk, Timestamp(0))?;
            while !merge.step(MERGE_STEP_KEYS)? {}
            let run = merge.finish(plan.runs[0].position())?;
            merging.add(&watch);
            merged += plan.runs.iter().map(|run| run.entries_count()).sum::<u64>();
            index.replace(&plan.runs, run);
        }
    }
    say(format!("{inserted} keys in {:?} with everything", begun.elapsed()));
    inserting.say("insert, freeze and install", inserted);
    writing.say("write runs", inserted);
    merging.say("merge", merged);
    say(format!("each key written {:.2} times", ratio(inserted + merged, inserted)));
    Ok(index)
}

fn sizes(index: &DocumentIndex) {
    let runs = index.runs();
    let sizes: Vec<u64> = runs.runs().iter().map(|run| run.entries_count()).collect();
    let recent = index.entries_count() - runs.entries_count();
    say(format!("{recent} keys in memory, {} runs, newest first: {sizes:?}", sizes.len()));
    let memory = u64::try_from(runs.memory_bytes()).unwrap_or(u64::MAX);
    say(format!(
        "{:.2} bytes a key in files, {:.2} in memory",
        ratio(runs.file_bytes(), runs.entries_count()),
        ratio(memory, runs.entries_count())
    ));
}

fn lookups(index: &DocumentIndex, keys_count: u64) -> Outcome<()> {
    let step = (keys_count / LOOKUPS_COUNT).max(1) | 1;
    let present =
        || (0..LOOKUPS_COUNT).map(|number| key(number.wrapping_mul(step * 7) % keys_count));
    let absent = || (0..LOOKUPS_COUNT).map(|number| key(keys_count + 1 + number));
    let watch = Watch::start();
    let unknown = absent().filter(|key| index.lookup(key) != DocumentLookup::Absent).count();
    watch.say("lookup in memory, absent keys", LOOKUPS_COUNT);
    say(format!("  {unknown} of {LOOKUPS_COUNT} are left to the runs"));
    let watch = Watch::start();
    for key in absent() {
        if index.get(&key)?.is_some() {
            return Err("found a key that was never inserted".into());
        }
    }
    watch.say("get, absent keys", LOOKUPS_COUNT);
    // Once to have the blocks in the page cache.
    for _ in 0..2 {
        let watch = Watch::start();
        for key in present() {
            index.get(&key)?.ok_or("lost a key")?;
        }
        watch.say("get, present keys", LOOKUPS_COUNT);
    }
    Ok(())
}

fn scans(index: &DocumentIndex) -> Outcome<()> {
    for order in [KeyOrder::Rising, KeyOrder::Falling] {
        let range = KeyRange::prefix(&TABLE.to_be_bytes());
        let ranges: Vec<_> =
            (0..SCANS_COUNT).map(|number| range.after(&key(number), order)).collect();
        let watch = Watch::start();
        let scans: Vec<_> =
            ranges.into_iter().map(|range| index.scan(range, order, SCAN_KEYS)).collect();
        watch.say(&format!("scan {SCAN_KEYS} keys {order:?}, on the owner's thread"), SCANS_COUNT);
        let watch = Watch::start();
        for scan in scans {
            if scan.page()?.keys.is_empty() {
                return Err("a scan found nothing".into());
            }
        }
        watch.say(&format!("scan {SCAN_KEYS} keys {order:?}, reading runs"), SCANS_COUNT);
    }
    Ok(())
}

fn reopened(disk: &Arc<dyn Disk>, index: &DocumentIndex) -> Outcome<()> {
    let names: Vec<_> = index.runs().names().collect();
    let watch = Watch::start();
    let runs = DocumentRuns::open(&**disk, &names)?;
    watch.say("open, for each entry", runs.entries_count());
    Ok(())
}

/// Time on a processor and time on the wall.
#[derive(Clone, Copy)]
struct Spent {
    processor: Duration,
    wall: Duration,
}

struct Watch {
    processor: Duration,
    wall: Instant,
}

impl Watch {
    fn start() -> Watch {
        Watch { processor: processor(), wall: Instant::now() }
    }

    fn say(&self, what: &str, count: u64) {
        let mut spent = Spent::NONE;
        spent.add(self);
        spent.say(what, count);
    }
}

impl Spent {
    const NONE: Spent = Spent { processor: Duration::ZERO, wall: Duration::ZERO };

    fn add(&mut self, watch: &Watch) {
        self.processor += processor() - watch.processor;
        self.wall += watch.wall.elapsed();
    }

    fn say(self, what: &str, count: u64) {
        let each = |time: Duration| {
            let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            ratio(ns, count.max(1))
        };
        let (processor, wall) = (each(self.processor), each(self.wall));
        say(format!("{what}: {count} times, {processor:.0} ns each ({wall:.0} ns on the wall)"));
    }
}

/// What this thread has had of a processor, to the system's precision.
fn processor() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = told.split(' ').next().and_then(|ns| ns.parse().ok());
    Duration::from_nanos(ns.unwrap_or_default())
}

#[expect(clippy::float_arithmetic, reason = "figures for people")]
#[expect(clippy::as_conversions, reason = "figures for people")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[expect(clippy::print_stdout, reason = "this is what it is for")]
fn say(line: String) {
    println!("{line}");
}
