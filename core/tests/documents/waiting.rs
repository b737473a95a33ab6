//! Reads while the log waits for the disk. What would go wrong without: a read of what a power cut takes back, or every
//! read as slow as the disk.

use crate::cabinet::{Cabinet, PLAIN, delete, put, text};
use florin_core::Error;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::request::Request;
use florin_ledger::{Document, DocumentKey, TableOptions};
use std::sync::mpsc::{self, Receiver};

type Read = Receiver<Result<Vec<Option<Document>>, Error>>;

/// Turns of the other threads that are watched while nothing may happen.
const WATCHED: usize = 5_000;

/// Syncs of the log wait as long as this lives.
struct HeldSyncs(SimulatedDisk);

impl Drop for HeldSyncs {
    fn drop(&mut self) {
        self.0.release_syncs();
    }
}

/// Asks for documents without waiting.
fn asks(cabinet: &Cabinet, keys: &[&str]) -> Read {
    let key = |key: &&str| DocumentKey { table: PLAIN, key: key.as_bytes().to_vec() };
    let (sender, read) = mpsc::channel();
    cabinet.database.find_documents(keys.iter().map(key).collect(), move |found| {
        let all = found.map(|found| found.in_memory().expect("all of them are in memory"));
        drop(sender.send(all));
    });
    read
}

fn values(read: &Read) -> Vec<Option<String>> {
    let documents = read.recv().unwrap().unwrap();
    documents.into_iter().map(|it| it.map(|it| text(&it.value.unwrap()))).collect()
}

/// Fault 61: a read is ahead of the log, or behind what its reader wrote.
#[test]
fn what_is_durable_is_read_at_once_and_what_is_not_when_it_is() {
    let cabinet = Cabinet::new();
    for key in ["kept", "written", "deleted"] {
        cabinet.put_any(key, "before");
    }
    cabinet.disk.hold_syncs("log/");
    let held = HeldSyncs(cabinet.disk.clone());
    let (sender, answers) = mpsc::channel();
    for write in [put("written", "after"), delete("deleted"), put("new", "after")] {
        let sender = sender.clone();
        let batch = florin_core::commits::WriteBatch::new(&[write]).unwrap();
        cabinet
            .database
            .submit(Request::WriteDocuments(batch), move |reply| drop(sender.send(reply)));
        cabinet.disk.wait_for_held_syncs(1);
    }
    let waiting = ["written", "deleted", "new"].map(|key| asks(&cabinet, &["kept", key]));
    // The log waits, and these do not.
    let before = [Some(String::from("before")), None];
    assert_eq!(values(&asks(&cabinet, &["kept", "nothing"])), before);
    for _ in 0..WATCHED {
        std::thread::yield_now();
        assert!(answers.try_recv().is_err());
        assert!(waiting.iter().all(|read| read.try_recv().is_err()), "a read is ahead of the log");
    }
    assert_eq!(values(&asks(&cabinet, &["kept", "nothing"])), before);
    drop(held);
    for answer in answers.iter().take(3) {
        answer.unwrap();
    }
    let after = Some(String::from("after"));
    let expected = [after.clone(), None, after];
    for (read, expected) in waiting.iter().zip(expected) {
        assert_eq!(values(read), [Some(String::from("before")), expected]);
    }
}

/// Fault 61, too: a table that is volatile only by a declaration that a power cut takes back.
#[test]
fn a_table_is_as_durable_as_its_declaration() {
    let cabinet = Cabinet::new();
    cabinet.put_any("gone", "before");
    cabinet.write(delete("gone"));
    cabinet.disk.hold_syncs("log/");
    let held = HeldSyncs(cabinet.disk.clone());
    let (sender, declared) = mpsc::channel();
    let options = TableOptions { volatile: true, ..TableOptions::default() };
    cabinet.database.submit(Request::DeclareTable(PLAIN, options), move |reply| {
        drop(sender.send(reply));
    });
    cabinet.disk.wait_for_held_syncs(1);
    let read = asks(&cabinet, &["gone"]);
    for _ in 0..WATCHED {
        std::thread::yield_now();
        assert!(read.try_recv().is_err(), "a read is ahead of the log");
    }
    drop(held);
    declared.recv().unwrap().unwrap();
    assert_eq!(values(&read), [None]);
}

/// Prevents: what was kept of a document that was read before is given for what it is now; or nothing is kept.
#[test]
fn a_document_that_was_read_before_is_the_newest_each_time() {
    let mut cabinet = Cabinet::new();
    for round in 0..20 {
        for key in ["a", "b"] {
            cabinet.put_any(key, &format!("{key}{round}"));
        }
        if round % 4 == 3 {
            // Nothing is in memory then: the keys are in a run.
            cabinet = cabinet.restart();
        }
        let now = ["a", "b"].map(|key| Some(format!("{key}{round}")));
        assert_eq!(["a", "b"].map(|key| cabinet.value(key)), now);
        // The second time it is read from memory.
        assert_eq!(values(&asks(&cabinet, &["a", "b"])), now);
        if round % 5 == 4 {
            cabinet.write(delete("a"));
            assert_eq!(cabinet.value("a"), None);
        }
    }
}
