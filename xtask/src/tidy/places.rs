//! Nothing in a checkout depends on where it lies or whose machine it is on: no absolute path of a
//! checkout or a home, and nothing fetched from anywhere but the public registry.

use super::Violation;
use super::repository::Repository;
use std::path::Path;

/// Starts of paths that are somebody's, or gone after a restart: only tests may name them, as text.
const PERSONAL: &[&str] = &["/home/", "/Users/", "/root/", "/tmp/"];
/// Directories that every machine has: a checkout right below one does not make the name private.
const SYSTEM: &[&str] = &["/data", "/mnt", "/opt", "/srv", "/tmp", "/usr", "/usr/src", "/var/lib"];
/// Where packages come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// The files that name these places to forbid or to test them.
const EXEMPT: &[&str] = &["xtask/src/tidy/places.rs"];

pub(super) fn check(repository: &Repository) -> Vec<Violation> {
    let private = private(&repository.root);
    let mut violations = Vec::new();
    let files = repository.files.iter().filter(|file| !EXEMPT.contains(&file.path.as_str()));
    for file in files {
        for (number, line) in file.lines() {
            let is_test = file.is_test_line(number) || file.path.starts_with("tests/");
            let personal = PERSONAL.iter().copied().filter(|_| !is_test);
            for place in personal.chain(private.as_deref()).filter(|place| names(line, place)) {
                let message = format!(
                    "names `{place}`, a place on one machine: let the caller choose, or use a path \
                     from the root of the checkout or a temporary directory"
                );
                violations.push(Violation::new(&file.path, number, message));
            }
        }
    }
    for package in &repository.dependencies {
        if package.source.as_deref() != Some(REGISTRY) {
            let source = package.source.as_deref().unwrap_or_default();
            let message = format!("{} comes from {source}: use crates.io", package.name);
            violations.push(Violation::new("Cargo.lock", 1, message));
        }
    }
    violations
}

/// Whether a line names an absolute path that starts so; `a/home/b` does not.
fn names(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || "._-})/".contains(before))
    })
}

/// The directory above the checkout, if its name belongs to this machine.
fn private(root: &Path) -> Option<String> {
    let above = root.parent()?.to_str()?;
    let is_private = 1 < above.len() && !SYSTEM.contains(&above);
    is_private.then(|| format!("{above}/"))
}

#[cfg(test)]
mod tests {
    use super::super::repository::{Package, Repository};
    use super::super::{expect_clean, expect_places};
    use super::{REGISTRY, check};
    use std::path::PathBuf;

    #[test]
    fn nothing_depends_on_one_machine() {
        expect_clean(check);
    }

    #[test]
    fn places_on_one_machine_are_found() {
        expect_places(check, &[("a.md", "x\nsee /home/ann/x")], &["a.md:2"]);
        expect_places(check, &[("a.md", "see docs/home/ and https://x.org/home/y")], &[]);
        expect_places(check, &[("a/src/b.rs", "f(\"/tmp/x\")")], &["a/src/b.rs:1"]);
        expect_places(check, &[("a/tests/b.rs", "f(\"/tmp/x\")")], &[]);
    }

    #[test]
    fn the_directory_above_the_checkout_is_found() {
        let text = "cd /builds/77/florin";
        for (root, found) in [("/builds/77/florin", 1), ("/srv/florin", 0), ("/florin", 0)] {
            let mut repository = Repository::of(&[("a.md", text)]);
            repository.root = PathBuf::from(root);
            assert_eq!(check(&repository).len(), found, "{root}");
        }
    }

    #[test]
    fn a_private_registry_is_found() {
        for (source, found) in [(REGISTRY, 0), ("git+https://example.org/x", 1)] {
            let mut repository = Repository::of(&[]);
            let source = Some(source.to_owned());
            repository.dependencies = vec![Package { source, ..Package::default() }];
            assert_eq!(check(&repository).len(), found);
        }
    }
}
