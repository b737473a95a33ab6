//! Prevents: a table that forgets what it promised: an audit entry overwritten, a code used twice.

use crate::cabinet::{Cabinet, PLAIN, commit, delete, put};
use florin_core::ErrorKind;
use florin_core::commits::UniqueRequest;
use florin_ledger::commit::Unmet;
use florin_ledger::document::{DocumentScan, UniqueResult, WriteResult};
use florin_ledger::{Commit, CommitOutcome, DocumentWrite, TableId, TableOptions, Timestamp};

const AUDIT: TableId = TableId(20);
const CACHE: TableId = TableId(21);
const APPEND_ONLY: TableOptions =
    TableOptions { append_only: true, volatile: false, time_to_live: 0 };
const VOLATILE: TableOptions = TableOptions { append_only: false, volatile: true, time_to_live: 0 };

fn in_table(table: TableId, write: DocumentWrite) -> DocumentWrite {
    DocumentWrite { table, ..write }
}

fn is_written(result: WriteResult) -> bool {
    matches!(result, WriteResult::Written(_))
}

#[test]
fn what_is_in_an_append_only_table_stays() {
    let cabinet = Cabinet::new();
    assert!(is_written(cabinet.database.declare_table(AUDIT, APPEND_ONLY).unwrap()));
    let WriteResult::Written(version) = cabinet.write(in_table(AUDIT, put("entry", "1"))) else {
        panic!("the first is written")
    };
    let stays = |cabinet: &Cabinet| {
        let kept = WriteResult::AppendOnly(version);
        assert_eq!(cabinet.write(in_table(AUDIT, put("entry", "2"))), kept);
        assert_eq!(cabinet.write(in_table(AUDIT, delete("entry"))), kept);
        let documents = vec![put("note", "n"), in_table(AUDIT, put("entry", "3"))];
        let outcome = cabinet.commit(&Commit { documents, ..commit(1) });
        assert_eq!(outcome, CommitOutcome::Unmet(Unmet::AppendOnly { index: 1, version }));
        assert_eq!(cabinet.value("note"), None);
        let undeclared = cabinet.database.declare_table(AUDIT, TableOptions::default()).unwrap();
        assert!(matches!(undeclared, WriteResult::AppendOnly(_)), "for ever");
        assert_eq!(cabinet.database.tables().unwrap(), [(AUDIT, APPEND_ONLY)]);
    };
    stays(&cabinet);
    let cabinet = cabinet.restart();
    stays(&cabinet);
    let cabinet = cabinet.power_cut(1);
    stays(&cabinet);
    assert_eq!(cabinet.get(AUDIT, "entry").unwrap().value.as_deref(), Some(&b"1"[..]));
}

/// The primitive for whatever may happen once. Fault 18.
#[test]
fn only_the_first_is_the_first_until_it_is_forgotten() {
    let cabinet = Cabinet::new();
    let now = cabinet.now();
    let unique = |expires: u64| UniqueRequest {
        table: PLAIN,
        key: b"code 123".to_vec(),
        expires: Timestamp(expires),
    };
    let UniqueResult::Fresh(version) =
        cabinet.database.insert_unique(&unique(now + 1_000_000)).unwrap()
    else {
        panic!("nobody was before")
    };
    let seen = UniqueResult::Seen(version);
    assert_eq!(cabinet.database.insert_unique(&unique(now + 9_000_000)).unwrap(), seen);
    let cabinet = cabinet.power_cut(5);
    assert_eq!(cabinet.database.insert_unique(&unique(0)).unwrap(), seen);
    cabinet.wait_until(now + 1_000_000);
    let again = cabinet.database.insert_unique(&unique(0)).unwrap();
    assert!(matches!(again, UniqueResult::Fresh(_)), "{again:?}");
    let no_key = UniqueRequest { key: Vec::new(), ..unique(0) };
    let error = cabinet.database.insert_unique(&no_key).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn a_volatile_table_forgets_at_a_restart_and_says_since_when_it_remembers() {
    let cabinet = Cabinet::new();
    cabinet.database.declare_table(CACHE, VOLATILE).unwrap();
    let since = cabinet.database.status().unwrap().serving_since;
    let durable = cabinet.database.status().unwrap().applied;
    assert!(is_written(cabinet.write(in_table(CACHE, put("nonce", "1")))));
    let unique = UniqueRequest { table: CACHE, key: b"nonce".to_vec(), expires: Timestamp::NONE };
    assert!(matches!(cabinet.database.insert_unique(&unique).unwrap(), UniqueResult::Seen(_)));
    let document = cabinet.get(CACHE, "nonce").unwrap();
    assert_eq!(document.value.as_deref(), Some(&b"1"[..]));
    assert_eq!(cabinet.database.status().unwrap().applied, durable, "nothing is logged");
    let invalid = |error: florin_core::Error| assert_eq!(error.kind(), ErrorKind::Invalid);
    let in_a_commit = Commit { documents: vec![in_table(CACHE, put("a", "b"))], ..commit(1) };
    invalid(cabinet.database.commit(&in_a_commit).unwrap_err());
    let scan = DocumentScan { table: CACHE, limit: 1, ..DocumentScan::default() };
    invalid(cabinet.database.scan_documents(&scan).unwrap_err());
    invalid(cabinet.database.declare_table(CACHE, TableOptions::default()).unwrap_err());
    let cabinet = cabinet.restart();
    assert_eq!(cabinet.get(CACHE, "nonce"), None);
    assert!(since < cabinet.database.status().unwrap().serving_since);
    assert!(matches!(cabinet.database.insert_unique(&unique).unwrap(), UniqueResult::Fresh(_)));
}

#[test]
fn a_table_becomes_volatile_only_while_it_is_empty() {
    let cabinet = Cabinet::new();
    cabinet.put_any("kept", "in the log");
    let error = cabinet.database.declare_table(PLAIN, VOLATILE).unwrap_err();
    assert!(error.to_string().contains("holds documents"), "{error}");
    for system in [0, 3, 15, 65_535] {
        let error = cabinet.database.declare_table(TableId(system), APPEND_ONLY).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    for reserved in [TableId::DECLARATIONS, TableId::EXPIRIES] {
        let error = cabinet.database.write_documents(&[in_table(reserved, put("a", "b"))]);
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Invalid);
    }
}
