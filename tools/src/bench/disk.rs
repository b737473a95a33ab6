//! What the disk does: how long a durable write takes, and how much room a directory takes.

use super::latency::{Percentiles, rank};
use super::plan::mix;
use crate::figure::Figure;
use florin_core::disk::aligned::AlignedBuffer;
use florin_core::disk::os::OsDisk;
use florin_core::disk::{Access, Disk, DiskFile, PAGE_BYTES};
use serde::Serialize;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of the file that is written into; writes begin again at its start.
const FILE_BYTES: usize = 64 << 20;
/// Writes per size at most, and the time they may take.
const WRITES_MAX: usize = 1_000;
const TIME_MAX: Duration = Duration::from_secs(2);
/// Bytes that a transfer takes in the log, with its share of everything else.
const TRANSFER_BYTES: u64 = 128;
/// Bytes that one sync covers at most.
const SYNC_BYTES_MAX: u64 = 8 << 20;
/// Bytes of one mixed number.
const WORD_BYTES: usize = 8;
/// What `st_blocks` counts, whatever the file system's own blocks are.
const BLOCK_BYTES: u64 = 512;

/// How long it takes until a write of some size is durable, written as the log writes: past the
/// page cache where the file system can, into a file made and synced beforehand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SyncTimes {
    pub(crate) page: Vec<Duration>,
    /// As many bytes as one batch takes in the log.
    pub(crate) batch: Vec<Duration>,
    /// As many bytes as all batches in flight take: one sync may cover them.
    pub(crate) in_flight: Vec<Duration>,
}

/// The two figures that the report shows of a size.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct SyncFigures {
    pub(crate) p50: Figure,
    pub(crate) p99: Figure,
}

impl SyncFigures {
    pub(crate) fn of(times: &[Duration]) -> Option<SyncFigures> {
        let all = Percentiles::of(times.to_vec())?;
        Some(SyncFigures { p50: all.p50, p99: all.p99 })
    }
}

/// Measures the disk below a directory. What it writes is removed again.
///
/// # Errors
/// If the operating system refuses a file, a write or a sync.
pub(crate) fn measure(
    directory: &Path,
    batch_count: u64,
    in_flight_count: u64,
) -> io::Result<SyncTimes> {
    let probe = tempfile::Builder::new().prefix("bench-disk-").tempdir_in(directory)?;
    let disk = OsDisk::open(probe.path()).map_err(io::Error::other)?;
    let file = disk.create("probe", Access::Direct)?;
    let mut position = 0;
    while position < FILE_BYTES {
        let zeros = AlignedBuffer::zeroed(1 << 20);
        file.write_all_at(zeros.as_bytes(), offset(position))?;
        position += zeros.as_bytes().len();
    }
    file.sync()?;
    disk.sync_directory("")?;
    let batch_bytes = batch_count * TRANSFER_BYTES;
    let group_bytes = (batch_bytes * in_flight_count).min(SYNC_BYTES_MAX);
    Ok(SyncTimes {
        page: times(&file, PAGE_BYTES)?,
        batch: times(&file, whole_pages(batch_bytes.min(SYNC_BYTES_MAX)))?,
        in_flight: times(&file, whole_pages(group_bytes))?,
    })
}

/// Transfers per second if nothing but the disk took time: everything in flight shares each sync,
/// as group commit lets it.
pub(crate) fn limit(times: &SyncTimes, batch_count: u64, in_flight_count: u64) -> Option<Figure> {
    let mut sorted = times.in_flight.clone();
    sorted.sort_unstable();
    let transfers = (batch_count * in_flight_count).min(SYNC_BYTES_MAX / TRANSFER_BYTES);
    Figure::per_second(transfers, rank(&sorted, 500)?)
}

fn times(file: &Arc<dyn DiskFile>, bytes: usize) -> io::Result<Vec<Duration>> {
    let mut buffer = AlignedBuffer::zeroed(bytes);
    fill(buffer.as_mut_bytes());
    let mut times = Vec::new();
    let mut position = 0;
    let begun = Instant::now();
    while times.len() < WRITES_MAX && begun.elapsed() < TIME_MAX {
        if FILE_BYTES < position + bytes {
            position = 0;
        }
        renew(buffer.as_mut_bytes());
        let written = Instant::now();
        file.write_all_at(buffer.as_bytes(), offset(position))?;
        file.sync()?;
        times.push(written.elapsed());
        position += bytes;
    }
    Ok(times)
}

/// Bytes that can't be compressed, no two pages alike: a disk that is clever about zeros must not
/// look faster than it is with a ledger's bytes.
fn fill(bytes: &mut [u8]) {
    for (word, number) in bytes.chunks_exact_mut(WORD_BYTES).zip(0_u64..) {
        word.copy_from_slice(&mix(number).to_le_bytes());
    }
}

/// Makes every page one that was not written before: the word at its start counts on.
fn renew(bytes: &mut [u8]) {
    for page in bytes.chunks_exact_mut(PAGE_BYTES) {
        let (word, _) = page.split_first_chunk_mut::<WORD_BYTES>().expect("a page has a word");
        *word = u64::from_le_bytes(*word).wrapping_add(1).to_le_bytes();
    }
}

fn whole_pages(bytes: u64) -> usize {
    let bytes = usize::try_from(bytes).expect("at most the bytes of one sync");
    bytes.max(1).next_multiple_of(PAGE_BYTES)
}

fn offset(position: usize) -> u64 {
    u64::try_from(position).expect("a position in a file of 64 MiB")
}

/// Bytes that a directory and all below it take on the disk, as `du` counts them.
///
/// # Errors
/// If a directory can't be read; files that vanish meanwhile count nothing.
pub(crate) fn directory_bytes(directory: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    let mut waiting = vec![directory.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let metadata = match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                found => found?,
            };
            bytes += metadata.blocks() * BLOCK_BYTES;
            if metadata.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    #[test]
    fn every_size_is_measured_and_nothing_is_left_behind() {
        let directory = tempfile::tempdir().expect("a directory");
        let times = measure(directory.path(), 100, 2).expect("the disk can be measured");
        for times in [&times.page, &times.batch, &times.in_flight] {
            assert!(times.iter().all(|time| Duration::ZERO < *time));
            assert!(!times.is_empty());
        }
        assert!(limit(&times, 100, 2).is_some());
        assert_eq!(fs::read_dir(directory.path()).expect("it is there").count(), 0);
    }

    /// Keeps what was written.
    #[derive(Debug, Default)]
    struct Recorder(Mutex<Vec<Vec<u8>>>);

    impl DiskFile for Recorder {
        fn read_exact_at(&self, _buffer: &mut [u8], _offset: u64) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn write_all_at(&self, bytes: &[u8], _offset: u64) -> io::Result<()> {
            self.0.lock().expect("no writer panics").push(bytes.to_vec());
            Ok(())
        }

        fn sync(&self) -> io::Result<()> {
            Ok(())
        }

        fn bytes(&self) -> io::Result<u64> {
            Ok(0)
        }

        fn set_bytes(&self, _bytes: u64) -> io::Result<()> {
            Ok(())
        }
    }

    /// A disk that compresses, or that looks for pages it has already, must not look faster.
    #[test]
    fn every_page_written_is_mixed_and_new() {
        let recorder = Arc::new(Recorder::default());
        let file: Arc<dyn DiskFile> = recorder.clone();
        times(&file, 2 * PAGE_BYTES).expect("nothing fails");
        let written = recorder.0.lock().expect("no writer panicked");
        let pages: Vec<&[u8]> = written.iter().flat_map(|write| write.chunks(PAGE_BYTES)).collect();
        assert!(pages.iter().all(|page| 200 < page.iter().collect::<BTreeSet<_>>().len()));
        let distinct: BTreeSet<_> = pages.iter().collect();
        assert_eq!(distinct.len(), pages.len());
    }

    #[test]
    fn the_limit_counts_all_that_shares_a_sync() {
        let millisecond = vec![Duration::from_millis(1)];
        let times = SyncTimes { page: vec![], batch: vec![], in_flight: millisecond };
        let limit = |batch, in_flight| limit(&times, batch, in_flight).expect("measured");
        assert_eq!(limit(1, 64).to_string(), "64000");
        assert_eq!(limit(1_000, 2).to_string(), "2000000");
        assert_eq!(limit(8_190, 1_000).to_string(), "65536000");
    }

    #[test]
    fn files_in_directories_are_counted() {
        let directory = tempfile::tempdir().expect("a directory");
        let below = directory.path().join("a/b");
        fs::create_dir_all(&below).expect("made");
        let before = directory_bytes(directory.path()).expect("read");
        fs::write(below.join("file"), vec![1; 100_000]).expect("written");
        fs::File::open(below.join("file")).and_then(|file| file.sync_all()).expect("synced");
        let grown = directory_bytes(directory.path()).expect("read") - before;
        assert!((100_000..200_000).contains(&grown), "{grown}");
    }
}
