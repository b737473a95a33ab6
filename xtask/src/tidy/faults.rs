//! The table of docs/TESTING.md that says which test would have caught which defect of others.
//!
//! A test claims a fault by naming it in the comment above it (`/// Fault 15: ..`); a file whose head
//! does so claims it for all of its tests. The table is derived from these comments alone.

use super::Violation;
use super::repository::{File, Repository};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

pub(super) const DOCUMENT: &str = "docs/TESTING.md";
pub(super) const HEADING: &str = "## Faults that happened to others";
const INTRODUCTION: &str = "Each was a real defect in a ledger, a replicated database or a backup \
tool. The tests named here would have caught it. The table is made from the comments above the \
tests (`/// Fault 15: ..`) by `cargo xtask tidy --update`.";

pub(super) fn check(repository: &Repository) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (number, place) in claims(repository) {
        if name(number).is_none() {
            let message = format!("fault {number} has no name in xtask/src/tidy/faults.rs");
            violations.push(Violation::new(&place.path, place.line, message));
        }
    }
    match updated(repository) {
        Ok(text) if repository.file(DOCUMENT).is_some_and(|file| file.text == text) => {}
        Ok(_) => {
            let message = "the table of faults is old: run `cargo xtask tidy --update`";
            violations.push(Violation::new(DOCUMENT, 1, message));
        }
        Err(message) => violations.push(Violation::new(DOCUMENT, 1, message)),
    }
    violations
}

/// The document with today's table.
///
/// # Errors
/// If the document, or its heading for the table, is missing.
pub(super) fn updated(repository: &Repository) -> Result<String, String> {
    let document = repository.file(DOCUMENT).ok_or_else(|| format!("{DOCUMENT} is missing"))?;
    let (before, _) = document
        .text
        .split_once(HEADING)
        .ok_or_else(|| format!("{DOCUMENT} has no `{HEADING}`: put it at the end"))?;
    let mut tests: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    for (number, place) in claims(repository) {
        tests.entry(number).or_default().insert(format!("`{}`", place.test));
    }
    let mut rows = String::new();
    for (number, tests) in tests {
        let tests: Vec<String> = tests.into_iter().collect();
        let name = name(number).unwrap_or_default();
        writeln!(rows, "| {number} | {name} | {} |", tests.join("<br>"))
            .expect("a string takes all that is written");
    }
    Ok(format!(
        "{before}{HEADING}\n\n{INTRODUCTION}\n\n| no | fault | tests |\n|---|---|---|\n{rows}"
    ))
}

/// Where a fault is named.
struct Place {
    path: String,
    line: usize,
    /// `path::name`, or the path alone.
    test: String,
}

fn claims(repository: &Repository) -> Vec<(u32, Place)> {
    // This file and its neighbours name faults to explain themselves.
    let is_source = |file: &&File| !file.path.starts_with("xtask/");
    repository.files.iter().filter(is_source).flat_map(claims_of).collect()
}

fn claims_of(file: &File) -> Vec<(u32, Place)> {
    let (head, comment) = match file.path.rsplit_once('.') {
        Some((_, "rs")) => ("//!", "///"),
        Some((_, "py")) => ("#", "#"),
        _ => return Vec::new(),
    };
    let lines: Vec<&str> = file.text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().map(|line| line.trim_start()).enumerate() {
        let test = match line {
            _ if line.starts_with(head) => file.path.clone(),
            _ if line.starts_with(comment) => match function_below(&lines[index..]) {
                Some(function) => format!("{}::{function}", file.path),
                None => file.path.clone(),
            },
            _ => continue,
        };
        for number in numbers(line) {
            let place = Place { path: file.path.clone(), line: index + 1, test: test.clone() };
            found.push((number, place));
        }
    }
    found
}

/// The function that the comment and attributes at the start of `lines` stand above.
fn function_below<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let mut rest = lines.iter().map(|line| line.trim_start());
    let line = rest.find(|line| !line.starts_with("//") && !line.starts_with('#'))?;
    let (_, signature) = line.split_once("fn ")?;
    signature.split(['(', '<']).next()
}

/// The numbers in `fault 1, 2 and 3`, wherever a line says so.
fn numbers(line: &str) -> Vec<u32> {
    let line = line.to_lowercase();
    let mut found = Vec::new();
    for (at, word) in line.match_indices("fault") {
        let is_inside_a_word = line[..at].ends_with(|before: char| before.is_alphanumeric());
        let after = if is_inside_a_word { "" } else { &line[at + word.len()..] };
        let Some(mut rest) = after.trim_start_matches('s').strip_prefix(' ') else { continue };
        loop {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let Ok(number) = rest[..digits].parse() else { break };
            found.push(number);
            let next = rest[digits..].trim_start_matches(", ").trim_start_matches(" and ");
            if next.len() == rest.len() - digits {
                break;
            }
            rest = next;
        }
    }
    found
}

fn name(number: u32) -> Option<&'static str> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    NAMES.get(index).copied()
}

/// The faults, from 1.
const NAMES: &[&str] = &[
    "a transaction is recorded, the balance is not",
    "holds are left out of the available balance",
    "debits waiting in a queue are left out of it",
    "an \"atomic\" bulk is applied in part when its items come in another order",
    "an account is opened without its balance",
    "created, then not found",
    "a slow worker deletes a newer backup's snapshot",
    "a leg's currency is coerced without a word",
    "transfers to oneself, of zero, of less than zero",
    "an explicit false or null is taken for an unknown field",
    "a big integer that can't be parsed becomes nothing",
    "amounts that are no integers",
    "a volume overflows",
    "amounts go through floating point",
    "the same key twice in one batch crashes",
    "a key used again with another body is an internal error",
    "two requests with one key both take effect",
    "a timeout and a repeated key together crash",
    "a restore forgets the keys",
    "a stored answer is lost when the log is archived",
    "keys made by the server merge different requests",
    "an outcome without a status",
    "the order of a map's iteration gets into the state",
    "which of two errors is answered changes from run to run",
    "replay cuts a damaged tail off without a word",
    "a log exists that nothing says was made",
    "the clock of a new leader goes back",
    "what was deleted comes back",
    "typed fields lose their type in replay",
    "a restore loses idempotency keys",
    "a restore loses that a transfer was reversed",
    "a restore loses typed fields",
    "a restore loses signing keys",
    "a restore reopens sealed periods",
    "a restore loses the cursors of streams",
    "backups stop without a word after a restore lost their high-water mark",
    "a manifest is written before its files",
    "an upload in parts fails past 5 GB",
    "an increment misses what was moved to cold storage",
    "an archive is confirmed without comparing checksums",
    "a joiner of a restored cluster replays from one onto an empty store",
    "a removed member joins again without a word",
    "a restored digest is that of the source",
    "validation of a restore succeeds in spite of errors",
    "a missing sync of a file or its directory",
    "the disk is full while staging",
    "a segment past 4 GiB",
    "the wrong generation is chosen",
    "a truncated log is archived as whole",
    "a test restore pollutes the archive",
    "failover to a node that lagged after synchronous mode degraded",
    "the old primary returns and wins",
    "a limit in the configuration keeps a killed server from opening again",
    "an option is ignored when opening again",
    "a proof accepts two histories",
    "the chain holds although stored bytes were changed",
    "a hash over text that is not canonical",
    "a checker that does not look everywhere",
    "technical fields in an audited hash differ between replicas",
    "replay changes an order before the audit sees it",
    "a client does not read what it wrote",
    "a cursor ignores the page size or the order",
    "a filter is injected into, or an unknown operator dropped",
    "filters recurse without bound",
    "a panic shows its insides to callers",
    "a bulk request skips the permission check of its items",
    "credentials travel without TLS",
    "the algorithm of a signed receipt is not pinned",
    "secrets are compared in varying time",
    "fetching keys is unbounded or blocks the start",
    "secrets in a printed configuration",
    "a consumer sees events twice or in another order after failover",
    "taking the sync out of the loop takes the batching too",
    "hashing under a global lock",
    "a hot account's lock",
    "an error in an index stops everything for a minute",
    "retries without jitter",
    "an idle process uses the processor",
    "pages by offset skip and repeat in busy lists",
    "interest is posted twice by two threads",
    "locks stay after the close of day",
    "month's end and the time zone of the business date",
    "a stop word matches a sanctions list",
    "a trace number that ends in zeros is refused",
    "an offset entry breaks a batch of returns",
];

#[cfg(test)]
mod tests {
    use super::super::expect_clean;
    use super::super::repository::Repository;
    use super::{DOCUMENT, HEADING, check, numbers, updated};

    #[test]
    fn the_table_is_today_s() {
        expect_clean(check);
    }

    #[test]
    fn faults_are_read_as_people_write_them() {
        assert_eq!(numbers("/// Fault 15: the same key twice."), [15]);
        assert_eq!(numbers("/// Fault 1: lost; fault 5: missing."), [1, 5]);
        assert_eq!(numbers("/// (FAULTS 27, 45 and 46)"), [27, 45, 46]);
        assert_eq!(numbers("/// By default 15, no fault."), [0; 0]);
    }

    #[test]
    fn a_claim_is_a_row_and_an_old_table_is_found() {
        let source = "//! Fault 9.\n/// Fault 4: half.\n#[test]\nfn whole() {}\n";
        let document = format!("# T\n\n{HEADING}\n");
        let files = [(DOCUMENT, document.as_str()), ("core/tests/a.rs", source)];
        let repository = Repository::of(&files);
        assert_eq!(check(&repository).len(), 1, "the table is empty");
        let text = updated(&repository).unwrap();
        assert!(text.contains("| `core/tests/a.rs::whole` |\n| 9 |"), "{text}");
        assert!(text.ends_with("| `core/tests/a.rs` |\n"), "{text}");
        let files = [(DOCUMENT, text.as_str()), ("core/tests/a.rs", source)];
        assert_eq!(check(&Repository::of(&files)), []);
        let unknown = [(DOCUMENT, text.as_str()), ("a.rs", "/// Fault 86.\nfn f() {}")];
        assert_eq!(check(&Repository::of(&unknown)).len(), 2, "no name, and another table");
    }
}
