//! However a database is let go, its directory is free afterwards: a bank that can't open its ledger
//! again because its own process still holds the lock is down.
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use florin_core::log::PreparerOptions;
use florin_core::request::Request;
use florin_core::{Database, ErrorKind, Options};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

fn open(directory: &Path) -> Database {
    Database::open(directory, Options::default()).unwrap()
}

/// Opens as soon as the directory is free, which must be soon.
fn open_when_free(directory: &Path) -> Database {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match Database::open(directory, Options::default()) {
            Ok(database) => return database,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unusable, "{error}");
                assert!(Instant::now() < deadline, "the directory stays locked");
                std::thread::yield_now();
            }
        }
    }
}

#[test]
fn a_reply_may_hold_the_last_handle() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path());
    let (sender, receiver) = mpsc::channel();
    let held = database.clone();
    let (go, wait) = mpsc::channel::<()>();
    database.submit(Request::Status, move |reply| {
        wait.recv().unwrap();
        assert_eq!(held.close().unwrap_err().kind(), ErrorKind::Invalid);
        drop(held);
        sender.send(reply.is_ok()).unwrap();
    });
    drop(database);
    go.send(()).unwrap();
    assert!(receiver.recv().unwrap());
    open_when_free(directory.path()).close().unwrap();
}

#[test]
fn closing_twice_at_once_frees_the_directory_for_both() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                database.close().unwrap();
                // Whoever closed may open: another thread may have been quicker, but no lock of the
                // closed database is left.
                drop(Database::open(directory.path(), Options::default()));
            });
        }
    });
    open_when_free(directory.path()).close().unwrap();
}

#[test]
fn a_closed_database_answers_stopped_and_says_so_to_who_watches() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path());
    let (sender, receiver) = mpsc::channel();
    database.on_stop(move |reason| sender.send(reason.kind()).unwrap());
    assert!(receiver.try_recv().is_err());
    database.close().unwrap();
    assert_eq!(receiver.recv(), Ok(ErrorKind::Stopped));
    assert_eq!(database.status().unwrap_err().kind(), ErrorKind::Stopped);
    assert_eq!(database.lookup_transfers(&[]).unwrap_err().kind(), ErrorKind::Stopped);
    database.close().unwrap();
}

/// Prevents: options that nobody meant make the first write wait for ever.
#[test]
fn options_that_cannot_work_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let preparer = Options::default().preparer;
    let slice_bytes = preparer.slice_bytes;
    for (segment_bytes, preparer) in [
        (1 << 20, preparer),
        (8 << 20, PreparerOptions { slice_bytes: 0, ..preparer }),
        (8 << 20, PreparerOptions { slice_bytes: 64 << 20, ..preparer }),
        (8 << 20, PreparerOptions { reserve_bytes: slice_bytes, ..preparer }),
        ((8 << 20) + 1, preparer),
    ] {
        let options = Options { segment_bytes, preparer, ..Options::default() };
        let error = Database::open(directory.path(), options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    open(directory.path()).close().unwrap();
}
