//! The rules of the house that no compiler and no lint checks.
//!
//! Each check is a function from a [`Repository`] to the places that break its rule. It stands in a
//! file of its own with two kinds of tests: one runs it over this checkout, the others show on a few
//! lines of text that it fails when it should. A message says what to do, not only what is wrong.

mod repository;
mod source;

mod comments;
mod coverage;
mod discipline;
mod documents;
mod faults;
mod fuzzing;
mod imports;
mod layouts;
mod length;
mod licences;
mod lints;
mod manifests;
mod names;
mod places;

use repository::Repository;
use std::fmt;

/// A place that breaks a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Violation {
    path: String,
    /// From 1; 1 too where the whole file is meant.
    line: usize,
    /// What is wrong and what to do.
    message: String,
}

impl Violation {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Violation {
        Violation { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

type Check = fn(&Repository) -> Vec<Violation>;

const CHECKS: &[Check] = &[
    comments::check,
    coverage::check,
    discipline::check,
    documents::check,
    faults::check,
    fuzzing::check,
    imports::check,
    layouts::check,
    length::check,
    licences::check,
    lints::check,
    manifests::check,
    names::check,
    places::check,
];

/// Runs every check over this checkout.
///
/// # Errors
/// A list of the places that break a rule.
pub(crate) fn run() -> Result<(), String> {
    let repository = Repository::read()?;
    let violations: Vec<Violation> = CHECKS.iter().flat_map(|check| check(&repository)).collect();
    if violations.is_empty() {
        println!("tidy: {} files, {} checks", repository.paths.len(), CHECKS.len());
        return Ok(());
    }
    Err(format!("{} places to tidy up{}", violations.len(), listing(&violations)))
}

/// Writes what documents derive from the source: the hashes of the byte layouts, the table of faults.
///
/// # Errors
/// If a document has no place for its part, or can't be written.
pub(crate) fn update() -> Result<(), String> {
    let repository = Repository::read()?;
    let parts: [(&str, Derive); 2] =
        [(faults::DOCUMENT, faults::updated), (layouts::DOCUMENT, layouts::updated)];
    for (document, derive) in parts {
        let text = derive(&repository)?;
        std::fs::write(repository.root.join(document), text)
            .map_err(|error| format!("can't write {document}: {error}"))?;
    }
    Ok(())
}

type Derive = fn(&Repository) -> Result<String, String>;

fn listing(violations: &[Violation]) -> String {
    violations.iter().map(|violation| format!("\n  {violation}")).collect()
}

/// Fails with a list if this checkout breaks a rule.
#[cfg(test)]
fn expect_clean(check: Check) {
    let repository = Repository::read().expect("this checkout can be read");
    let violations = check(&repository);
    assert!(
        violations.is_empty(),
        "{} places to tidy up{}",
        violations.len(),
        listing(&violations)
    );
}

/// Runs a check over a few files and compares the places it names (`path:line`).
#[cfg(test)]
fn expect_places(check: Check, files: &[(&str, &str)], places: &[&str]) {
    let found = check(&Repository::of(files));
    let found: Vec<String> =
        found.iter().map(|violation| format!("{}:{}", violation.path, violation.line)).collect();
    assert_eq!(found, places, "in {files:?}");
}
