//! Prevents: a simulated disk that is kinder than a real one, so that what it tests proves nothing.

use crate::disk::os::OsDisk;
use crate::disk::simulated::SimulatedDisk;
use crate::disk::{Access, Disk};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const UNSYNCED_LOST: u64 = 0;

fn crashed(disk: &SimulatedDisk, seed: u64) -> SimulatedDisk {
    disk.crash_image(disk.operations_count(), seed)
}

/// A disk with a durable file of two sectors of ones.
fn disk_of_ones() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let file = disk.create("ones", Access::Buffered).unwrap();
    file.write_all_at(&[1; 1024], 0).unwrap();
    file.sync().unwrap();
    disk.sync_directory("").unwrap();
    disk
}

#[test]
fn what_was_not_synced_survives_vanishes_or_is_torn_by_sector() {
    let disk = disk_of_ones();
    let file = disk.open("ones", Access::Buffered).unwrap();
    file.write_all_at(&[2; 1024], 0).unwrap();
    let mut seen = Vec::new();
    for seed in 0..60 {
        let bytes = crashed(&disk, seed).contents("ones").unwrap();
        let sectors = (bytes[0], bytes[512]);
        assert_eq!(bytes[..512], [sectors.0; 512], "a sector is never torn");
        assert_eq!(bytes[512..], [sectors.1; 512]);
        seen.push(sectors);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [(1, 1), (1, 2), (2, 1), (2, 2)]);
    file.sync().unwrap();
    assert_eq!(crashed(&disk, UNSYNCED_LOST).contents("ones").unwrap(), [2; 1024]);
}

/// Fault 45: a synced file whose directory was not synced may be gone.
#[test]
fn a_name_is_durable_only_with_its_directory() {
    let disk = SimulatedDisk::new();
    disk.create_directory("log").unwrap();
    let file = disk.create("log/a", Access::Buffered).unwrap();
    file.write_all_at(&[1], 0).unwrap();
    file.sync().unwrap();
    disk.sync_directory("log").unwrap();
    assert_eq!(crashed(&disk, UNSYNCED_LOST).contents("log/a"), None, "its directory is lost");
    disk.sync_directory("").unwrap();
    assert_eq!(crashed(&disk, UNSYNCED_LOST).contents("log/a"), Some(vec![1]));
    disk.rename("log/a", "log/b").unwrap();
    assert_eq!(crashed(&disk, UNSYNCED_LOST).contents("log/b"), None);
    disk.sync_directory("log").unwrap();
    assert_eq!(crashed(&disk, UNSYNCED_LOST).contents("log/b"), Some(vec![1]));
    disk.remove("log/b").unwrap();
    assert_eq!(crashed(&disk, UNSYNCED_LOST).contents("log/b"), Some(vec![1]));
}

/// Asking again after a failed sync only seems to work.
#[test]
fn a_failed_sync_leaves_its_writes_in_doubt_for_ever() {
    let disk = disk_of_ones();
    let file = disk.open("ones", Access::Buffered).unwrap();
    file.write_all_at(&[2; 1024], 0).unwrap();
    disk.fail_call(0);
    assert!(file.sync().is_err());
    file.sync().unwrap();
    assert_eq!(crashed(&disk, UNSYNCED_LOST).contents("ones").unwrap(), [1; 1024]);
}

#[test]
fn a_held_sync_covers_only_what_was_written_before_it() {
    let disk = disk_of_ones();
    let file = disk.open("ones", Access::Buffered).unwrap();
    file.write_all_at(&[2; 512], 0).unwrap();
    disk.hold_syncs("on");
    std::thread::scope(|scope| {
        let sync = scope.spawn(|| file.sync());
        disk.wait_for_held_syncs(1);
        assert_eq!(crashed(&disk, UNSYNCED_LOST).contents("ones").unwrap(), [1; 1024]);
        file.write_all_at(&[3; 512], 512).unwrap();
        disk.release_syncs();
        sync.join().unwrap().unwrap();
    });
    let bytes = crashed(&disk, UNSYNCED_LOST).contents("ones").unwrap();
    assert_eq!((bytes[0], bytes[512]), (2, 1));
}

#[test]
fn a_full_disk_refuses_growth_and_nothing_else() {
    let disk = disk_of_ones();
    disk.set_capacity(Some(1024));
    let file = disk.open("ones", Access::Buffered).unwrap();
    let error = file.write_all_at(&[2; 1], 1024).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    file.write_all_at(&[2; 1024], 0).unwrap();
    file.set_bytes(512).unwrap();
    assert_eq!(disk.free_bytes().unwrap(), 512);
    file.write_all_at(&[2; 512], 512).unwrap();
}

#[test]
fn direct_writes_must_be_aligned_and_readers_cannot_write() {
    let disk = disk_of_ones();
    let direct = disk.open("ones", Access::Direct).unwrap();
    assert_eq!(direct.write_all_at(&[0; 100], 0).unwrap_err().kind(), ErrorKind::InvalidInput);
    let reading = disk.open("ones", Access::Read).unwrap();
    assert!(reading.write_all_at(&[0; 100], 0).is_err() && reading.set_bytes(0).is_err());
}

/// What the tests hold of the simulated disk must hold of the real one.
#[test]
fn both_disks_answer_alike() {
    let directory = tempfile::tempdir().unwrap();
    let os = OsDisk::open(&directory.path().join("bank")).unwrap();
    let simulated = SimulatedDisk::new();
    let disks: [&dyn Disk; 2] = [&os, &simulated];
    for disk in disks {
        disk.create_directory("log").unwrap();
        disk.create_directory("log").unwrap();
        let file = disk.create("log/b", Access::Buffered).unwrap();
        file.write_all_at(&[7; 10], 5).unwrap();
        assert_eq!(file.bytes().unwrap(), 15);
        let kind = |result: std::io::Result<()>| result.unwrap_err().kind();
        assert_eq!(
            kind(disk.create("log/b", Access::Buffered).map(|_| ())),
            ErrorKind::AlreadyExists
        );
        let reading = disk.create("log/c", Access::Read);
        assert_eq!(kind(reading.map(|_| ())), ErrorKind::InvalidInput);
        assert_eq!(kind(disk.open("log/c", Access::Read).map(|_| ())), ErrorKind::NotFound);
        assert_eq!(kind(disk.create("no/c", Access::Buffered).map(|_| ())), ErrorKind::NotFound);
        assert_eq!(kind(disk.remove("log/c")), ErrorKind::NotFound);
        assert_eq!(kind(disk.rename("log/c", "log/d")), ErrorKind::NotFound);
        assert_eq!(kind(disk.list("no").map(|_| ())), ErrorKind::NotFound);
        assert_eq!(kind(file.read_exact_at(&mut [0; 11], 5)), ErrorKind::UnexpectedEof);
        disk.create("log/a", Access::Buffered).unwrap();
        assert_eq!(disk.list("log").unwrap(), ["a", "b"]);
        assert_eq!(disk.list("").unwrap(), [""; 0]);
        disk.rename("log/b", "log/a").unwrap();
        assert_eq!(disk.list("log").unwrap(), ["a"]);
        let mut bytes = [0; 15];
        disk.open("log/a", Access::Read).unwrap().read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(bytes, [0, 0, 0, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]);
        file.set_bytes(20).unwrap();
        file.sync().unwrap();
        disk.sync_directory("log").unwrap();
        assert_eq!(disk.open("log/a", Access::Direct).unwrap().bytes().unwrap(), 20);
        assert!(0 < disk.free_bytes().unwrap());
    }
}

/// A bank's books must not be readable by every account of the machine.
#[test]
fn files_are_for_their_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bank");
    let disk = OsDisk::open(&path).unwrap();
    disk.create_directory("log").unwrap();
    disk.create("log/a", Access::Buffered).unwrap();
    for name in ["", "lock", "log", "log/a"] {
        let mode = path.join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
}

/// A file for direct writes is opened twice. If the process may open only one more, the file that
/// was made must not be in the way of the next try.
#[test]
fn a_file_that_could_not_be_opened_twice_can_be_made_again() {
    const THIS: &str = "disk::tests::a_file_that_could_not_be_opened_twice_can_be_made_again";
    const FEW_FILES: &str = "FLORIN_TEST_FEW_FILES";
    if std::env::var_os(FEW_FILES).is_none() {
        // A process of its own: the limit would harm the tests beside this one.
        let mut limited = Command::new("sh");
        limited.args(["-c", r#"ulimit -n 64 && exec "$0" --exact "$1" --test-threads 1"#]);
        limited.arg(std::env::current_exe().unwrap()).arg(THIS).env(FEW_FILES, "1");
        assert!(limited.status().unwrap().success());
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let disk = OsDisk::open(directory.path()).unwrap();
    disk.create_directory("log").unwrap();
    let mut taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(taken.len() < 64, "the process may open many files");
    taken.pop();
    assert!(disk.create("log/a", Access::Direct).is_err());
    drop(taken);
    assert_eq!(disk.list("log").unwrap(), [""; 0]);
    disk.create("log/a", Access::Direct).unwrap();
    // A file that was there before is never taken away.
    let again = disk.create("log/a", Access::Direct);
    assert_eq!(again.map(|_| ()).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(disk.list("log").unwrap(), ["a"]);
}

/// Prevents: what the system does not have in memory is taken for read, or is never fetched.
#[test]
fn what_is_not_cached_is_fetched_and_read_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let disk = OsDisk::open(&directory.path().join("bank")).unwrap();
    let file = disk.create("numbers", Access::Buffered).unwrap();
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    file.write_all_at(&bytes, 0).unwrap();
    file.sync().unwrap();
    file.forget_cached();
    let mut fetched = 0;
    for offset in (0..299_000).step_by(9_973) {
        let (mut buffer, place) = ([0; 1_000], u64::try_from(offset).unwrap());
        if !file.read_cached_at(&mut buffer, place).unwrap() {
            fetched += 1;
            file.read_exact_at(&mut buffer, place).unwrap();
        }
        assert_eq!(buffer, bytes[offset..offset + 1_000]);
        assert!(file.read_cached_at(&mut buffer, place).unwrap(), "it was read just now");
    }
    assert_ne!(fetched, 0, "not all of it was in memory");
    assert!(!file.read_cached_at(&mut [0; 1_000], 299_500).unwrap(), "the file ends before");
}
