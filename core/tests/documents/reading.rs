//! Prevents: a page that leaves a document out, or shows one twice; a history that is not what was.
//! Fault 62.

use crate::cabinet::{Cabinet, PLAIN, delete, put, text};
use florin_core::ErrorKind;
use florin_ledger::document::DocumentScan;
use florin_ledger::{DocumentKey, DocumentWrite, Position, TableId};

fn keys(
    cabinet: &Cabinet,
    prefix: &str,
    limit: u32,
    reversed: bool,
    keys_only: bool,
) -> Vec<String> {
    let mut scan = DocumentScan {
        table: PLAIN,
        prefix: prefix.as_bytes().to_vec(),
        limit,
        reversed,
        keys_only,
        after: None,
    };
    let mut found = Vec::new();
    loop {
        let page = cabinet.scan(&scan);
        assert!(page.items.len() <= usize::try_from(limit).unwrap());
        for document in page.items {
            assert_eq!(document.value.is_none(), keys_only);
            found.push(text(&document.key));
        }
        match page.next {
            None => return found,
            Some(next) => scan.after = Some(next),
        }
    }
}

#[test]
fn pages_in_both_directions_have_every_document_of_the_prefix_once() {
    let cabinet = Cabinet::new();
    let mut expected = Vec::new();
    for number in 0..50 {
        for name in ["ann", "anna", "bob"] {
            let key = format!("{name}/{number:02}");
            cabinet.put_any(&key, &"v".repeat(3_000));
            if name == "ann" && number % 3 != 0 {
                expected.push(key.clone());
            }
            if number % 3 == 0 {
                cabinet.write(delete(&key));
            }
        }
    }
    let other = DocumentWrite { table: TableId(PLAIN.0 + 1), ..put("ann/99", "another table") };
    cabinet.write(other);
    let check = |cabinet: &Cabinet| {
        for limit in [1, 7, 100] {
            for keys_only in [false, true] {
                assert_eq!(keys(cabinet, "ann/", limit, false, keys_only), expected);
                let mut reversed = keys(cabinet, "ann/", limit, true, keys_only);
                reversed.reverse();
                assert_eq!(reversed, expected);
            }
        }
        assert_eq!(keys(cabinet, "", 1_000, false, true).len(), 3 * expected.len());
        assert_eq!(keys(cabinet, "nobody", 10, false, false), [""; 0]);
    };
    check(&cabinet);
    let cabinet = cabinet.restart();
    check(&cabinet);
    let cabinet = cabinet.power_cut(11);
    check(&cabinet);
    let too_many = DocumentScan { table: PLAIN, limit: 0, ..DocumentScan::default() };
    let error = cabinet.database.scan_documents(&too_many).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

/// A page is bounded by the bytes of its values too, and goes on where it ended.
#[test]
fn a_page_of_large_documents_ends_early() {
    let cabinet = Cabinet::new();
    for number in 0..20 {
        cabinet.put_any(&format!("{number:02}"), &"v".repeat(60_000));
    }
    let scan = DocumentScan { table: PLAIN, limit: 100, ..DocumentScan::default() };
    let page = cabinet.scan(&scan);
    assert!(page.items.len() < 20 && page.next.is_some());
    assert_eq!(keys(&cabinet, "", 100, false, false).len(), 20);
}

#[test]
fn a_history_has_every_version_newest_first() {
    let cabinet = Cabinet::new();
    let mut versions = Vec::new();
    for number in 0..30 {
        versions.push(cabinet.put_any("counter", &number.to_string()));
    }
    let cabinet = cabinet.restart();
    versions.push(cabinet.put_any("counter", "30"));
    versions.reverse();
    let key = DocumentKey { table: PLAIN, key: b"counter".to_vec() };
    let history = |before, limit| cabinet.database.document_history(&key, before, limit);
    let all = history(Position::NONE, 100).unwrap();
    assert_eq!(all.iter().map(|it| it.version).collect::<Vec<_>>(), versions);
    let values: Vec<String> = all.iter().map(|it| text(it.value.as_deref().unwrap())).collect();
    assert_eq!(values, (0..31).rev().map(|it| it.to_string()).collect::<Vec<_>>());
    assert!(all.is_sorted_by(|a, b| b.timestamp < a.timestamp));
    let mut paged = Vec::new();
    let mut before = Position::NONE;
    loop {
        let page = history(before, 4).unwrap();
        let Some(last) = page.last() else { break };
        before = last.version;
        paged.extend(page);
    }
    assert_eq!(paged, all);
    let foreign = Position { epoch: versions[0].epoch + 1, ..versions[0] };
    assert_eq!(history(foreign, 4).unwrap_err().kind(), ErrorKind::Invalid);
    let other = cabinet.put_any("another", "document");
    assert_eq!(history(other, 4).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn reads_over_the_limit_are_refused_by_name() {
    let cabinet = Cabinet::new();
    let key = |bytes: usize| DocumentKey { table: PLAIN, key: vec![1; bytes] };
    for keys in [vec![key(257)], vec![key(0)], vec![key(1); 1_025]] {
        let error = cabinet.database.documents(&keys).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    let found = cabinet.database.documents(&vec![key(256); 1_024]).unwrap();
    assert!(found.iter().all(Option::is_none));
}
