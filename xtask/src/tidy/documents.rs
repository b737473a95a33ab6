//! The documents exist, and what they link to does too.

use super::Violation;
use super::repository::{File, Repository};
use std::collections::BTreeSet;

const REQUIRED: &[(&str, &str)] = &[
    ("README.md", "what it is, what it is not, how to start it and how to test it"),
    ("CHANGELOG.md", "what changed, in the user's words"),
    ("LICENSE", "the Apache License 2.0"),
    ("docs/ARCHITECTURE.md", "a bird's eye view, a map of the code, the walk of one transfer"),
    ("docs/COVERAGE.md", "each requirement, where it lives, what proves it"),
    ("docs/FORMAT.md", "every stored byte"),
    ("docs/OPERATIONS.md", "how to run it, and what each error asks of you"),
    ("docs/PROTOCOL.md", "enough to write a client in another language"),
    ("docs/TESTING.md", "how to run the tests and what each kind proves"),
];

pub(super) fn check(repository: &Repository) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, purpose) in REQUIRED {
        if !repository.paths.contains(*path) {
            violations.push(Violation::new(path, 1, format!("missing: write down {purpose}")));
        }
    }
    for file in repository.files.iter().filter(|file| file.path.ends_with(".md")) {
        violations.extend(broken_links(repository, file));
    }
    violations
}

fn broken_links(repository: &Repository, file: &File) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (number, line) in prose(file) {
        for link in links(line).filter(|link| is_internal(link)) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path = if path.is_empty() { file.path.clone() } else { resolve(&file.path, path) };
            if !repository.exists(&path) {
                let message = format!("links to {path}, which is not there");
                violations.push(Violation::new(&file.path, number, message));
            } else if !anchor.is_empty() && !has_anchor(repository, &path, anchor) {
                let message = format!("links to #{anchor}, which is no heading of {path}");
                violations.push(Violation::new(&file.path, number, message));
            }
        }
    }
    violations
}

/// The lines outside of code blocks.
fn prose(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    file.lines().filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_fence && !is_code
    })
}

/// The targets of `[text](target)` in a line.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1);
    targets.filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
}

fn is_internal(link: &str) -> bool {
    !link.contains("://") && !link.starts_with("mailto:")
}

/// A path relative to a file, from the root.
fn resolve(file: &str, link: &str) -> String {
    let directory = file.rsplit_once('/').map_or("", |(directory, _)| directory);
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// Whether a page has a heading whose anchor is this. Other files (source lines) are not checked.
fn has_anchor(repository: &Repository, path: &str, anchor: &str) -> bool {
    let Some(file) = repository.file(path).filter(|_| path.ends_with(".md")) else { return true };
    let headings = prose(file).filter(|(_, line)| line.starts_with('#'));
    let anchors: BTreeSet<String> =
        headings.map(|(_, line)| slug(line.trim_start_matches('#').trim())).collect();
    anchors.contains(anchor)
}

/// The anchor that code hosts make of a heading.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::expect_clean;
    use super::super::repository::Repository;
    use super::{REQUIRED, check};

    #[test]
    fn the_documents_are_there_and_their_links_lead_somewhere() {
        expect_clean(check);
    }

    /// What is said of a page in docs/, all required ones being there.
    fn lines(text: &str) -> Vec<usize> {
        let mut files: Vec<(&str, &str)> = REQUIRED.iter().map(|(path, _)| (*path, "")).collect();
        files.push(("docs/decisions/0001-x.md", "# A b: `c`\n"));
        files.push(("docs/x.md", text));
        check(&Repository::of(&files)).iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        assert_eq!(lines("\n[a](nowhere.md) [b](FORMAT.md)"), [2]);
        assert_eq!(lines("[a](decisions/0001-x.md#a-b-c) [b](decisions)"), [0; 0]);
        assert_eq!(lines("[a](decisions/0001-x.md#d)"), [1]);
        assert_eq!(lines("[a](../README.md) [b](../LICENSE#x)"), [0; 0]);
        assert_eq!(lines("[a](../docs/README.md)"), [1]);
        assert_eq!(lines("[a](https://x.org/y) [b](mailto:x@y.org)"), [0; 0]);
        assert_eq!(lines("```\n[a](nowhere.md)\n```\n# H\n[b](#h) [c](#i)"), [5]);
    }

    #[test]
    fn a_missing_document_is_found() {
        assert_eq!(check(&Repository::of(&[])).len(), REQUIRED.len());
    }
}
