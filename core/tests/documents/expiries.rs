//! Prevents: a document that outlives its time, or is gone before; one whose expiry is forgotten by a
//! restart, a checkpoint or a merge.

use crate::cabinet::{Cabinet, PLAIN, commit, delete, put, put_until};
use florin_ledger::document::{DocumentCondition, DocumentScan, WriteResult};
use florin_ledger::{
    Commit, DocumentKey, DocumentWrite, Position, TableId, TableOptions, Timestamp,
};

#[test]
fn a_document_expires_exactly_when_it_is_due() {
    let cabinet = Cabinet::new();
    let due = cabinet.now() + 1_000_000;
    cabinet.write(put_until("code", "123", due));
    cabinet.wait_until(due - 1);
    let code = cabinet.get(PLAIN, "code").unwrap();
    assert_eq!((code.expires, code.value.as_deref()), (Timestamp(due), Some(&b"123"[..])));
    assert_eq!(cabinet.database.status().unwrap().documents_count, 1);
    cabinet.wait_until(due);
    assert_eq!(cabinet.get(PLAIN, "code"), None);
    assert_eq!(cabinet.database.status().unwrap().documents_count, 0);
    let absent = DocumentWrite { condition: DocumentCondition::Absent, ..put("code", "456") };
    assert!(matches!(cabinet.write(absent), WriteResult::Written(_)));
}

/// The record of an expiry says what it ended, and when it was due.
#[test]
fn an_expiry_is_in_the_history() {
    let cabinet = Cabinet::new();
    let due = cabinet.now() + 1_000_000;
    cabinet.write(put_until("code", "123", due));
    cabinet.wait_until(due + 5);
    cabinet.put_any("code", "456");
    let key = DocumentKey { table: PLAIN, key: b"code".to_vec() };
    let history = cabinet.database.document_history(&key, Position::NONE, 10).unwrap();
    let values: Vec<_> = history.iter().map(|version| version.value.as_deref()).collect();
    assert_eq!(values, [Some(&b"456"[..]), None, Some(&b"123"[..])]);
    assert!(Timestamp(due) <= history[1].timestamp);
}

/// What was written again has the new time, or none; the old one must not take it away.
#[test]
fn an_expiry_that_was_overtaken_ends_nothing() {
    let cabinet = Cabinet::new();
    let due = cabinet.now() + 1_000_000;
    for key in ["longer", "for ever", "deleted"] {
        cabinet.write(put_until(key, "1", due));
    }
    cabinet.write(put_until("longer", "2", due + 1_000));
    cabinet.write(put("for ever", "2"));
    cabinet.write(delete("deleted"));
    cabinet.write(put("deleted", "and back"));
    let cabinet = cabinet.restart();
    cabinet.wait_until(due + 999);
    assert_eq!(cabinet.value("longer").as_deref(), Some("2"));
    assert_eq!(cabinet.value("for ever").as_deref(), Some("2"));
    assert_eq!(cabinet.value("deleted").as_deref(), Some("and back"));
    cabinet.wait_until(due + 1_000);
    assert_eq!(cabinet.value("longer"), None);
}

/// A table's own time to live; and a time that has passed already is the next nanosecond.
#[test]
fn a_table_gives_its_documents_a_time() {
    let cabinet = Cabinet::new();
    let table = TableId(30);
    let options = TableOptions { time_to_live: 2, ..TableOptions::default() };
    cabinet.database.declare_table(table, options).unwrap();
    cabinet.write(DocumentWrite { table, ..put("session", "1") });
    let written = cabinet.get(table, "session").unwrap();
    assert_eq!(written.expires.0, written.timestamp.0 + 2_000_000_000);
    let own = DocumentWrite { table, ..put_until("own", "1", written.timestamp.0 + 5_000_000) };
    cabinet.write(own);
    cabinet.write(put_until("late already", "1", 5));
    cabinet.wait_until(written.timestamp.0 + 6_000_000);
    assert_eq!((cabinet.get(table, "own"), cabinet.value("late already")), (None, None));
    cabinet.wait_until(written.expires.0);
    assert_eq!(cabinet.get(table, "session"), None);
}

/// Thousands due at once, of which memory keeps only some, across restarts and power cuts.
#[test]
fn thousands_expire_in_order_wherever_they_are_kept() {
    const COUNT: usize = 12_000;
    let mut cabinet = Cabinet::new();
    let start = cabinet.now() + 1_000_000_000;
    // Each expiry takes a nanosecond of its own: far enough apart that none makes the next one due.
    let due = |turn: u64| start + turn * 1_000_000;
    let writes: Vec<DocumentWrite> = (0..COUNT)
        .map(|number| {
            // Written in another order than they are due in.
            let turn = number * 7_919 % COUNT;
            put_until(&format!("code {turn:05}"), "x", due(u64::try_from(turn).unwrap()))
        })
        .collect();
    for batch in writes.chunks(1_000) {
        cabinet.database.write_documents(batch).unwrap();
    }
    let left = |cabinet: &Cabinet| {
        let scan = DocumentScan { table: PLAIN, limit: 1, ..DocumentScan::default() };
        let first = cabinet.scan(&scan).items.pop().map(|first| first.key);
        (cabinet.database.status().unwrap().documents_count, first)
    };
    for (round, turn) in [0, 1, 4_000, 8_191, 11_999].into_iter().enumerate() {
        cabinet.wait_until(due(turn));
        cabinet.database.commit(&commit(u128::try_from(round).unwrap() + 1)).unwrap();
        let expected = u64::try_from(COUNT).unwrap() - turn - 1;
        let first = format!("code {:05}", turn + 1).into_bytes();
        let first = Some(first).filter(|_| expected != 0);
        assert_eq!(left(&cabinet), (expected, first.clone()));
        cabinet = if round % 2 == 0 { cabinet.restart() } else { cabinet.power_cut(turn) };
        assert_eq!(left(&cabinet), (expected, first));
    }
}

/// What is due at or before a commit's time is gone before the commit is judged.
#[test]
fn a_commit_meets_nothing_that_is_due() {
    let cabinet = Cabinet::new();
    let due = cabinet.now() + 1_000_000;
    cabinet.write(put_until("lock", "ann", due));
    cabinet.clock.pass_until(due);
    let condition = DocumentCondition::Absent;
    let lock = DocumentWrite { condition, ..put("lock", "bob") };
    cabinet.done(&Commit { documents: vec![lock], ..commit(1) });
    assert_eq!(cabinet.value("lock").as_deref(), Some("bob"));
}
