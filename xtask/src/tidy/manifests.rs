//! What every Cargo.toml of the house says: what the package is for, the shared lints, versions in
//! one place. bincode is held at the last release that works, and the lock files are committed.

use super::Violation;
use super::repository::Repository;

/// Versions that must not move without a decision: (package, requirement, reason).
const PINNED: &[(&str, &str, &str)] =
    &[("bincode", "=2.0.1", "its later release is an empty tombstone")];

const LOCKS: &[&str] = &["Cargo.lock", "fuzz/Cargo.lock"];

pub(super) fn check(repository: &Repository) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in &repository.members {
        if package.description.as_deref().unwrap_or_default().is_empty() {
            let message = "has no `description`: say in one line what the package is for";
            violations.push(Violation::new(&package.manifest, 1, message));
        }
        for used in &package.uses {
            let pin = PINNED.iter().find(|(name, _, _)| *name == used.name);
            if let Some((name, pinned, reason)) = pin.filter(|pin| pin.1 != used.requirement) {
                let message =
                    format!("`{name}` is `{}`: keep it at `{pinned}`, {reason}", used.requirement);
                violations.push(Violation::new(&package.manifest, 1, message));
            }
        }
        violations.extend(own_versions(repository, &package.manifest));
    }
    for lock in LOCKS.iter().filter(|lock| !repository.paths.contains(**lock)) {
        violations.push(Violation::new(lock, 1, "commit it: builds must not change by themselves"));
    }
    violations
}

/// Dependencies whose version is not the workspace's, and a missing `[lints]`.
fn own_versions(repository: &Repository, manifest: &str) -> Vec<Violation> {
    let Some(file) = repository.file(manifest) else { return Vec::new() };
    let mut violations = Vec::new();
    let mut section = "";
    for (number, line) in file.lines().map(|(number, line)| (number, line.trim())) {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
        } else if section.ends_with("dependencies") && line.contains('=') {
            let is_shared = line.contains("workspace = true");
            if !is_shared {
                let message = "put the version in the root Cargo.toml and write `workspace = true`";
                violations.push(Violation::new(manifest, number, message));
            }
        }
    }
    if !file.text.contains("[lints]\nworkspace = true") {
        violations.push(Violation::new(manifest, 1, "add `[lints]` with `workspace = true`"));
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::super::expect_clean;
    use super::super::repository::{Package, Repository, Use};
    use super::check;

    #[test]
    fn manifests_are_complete() {
        expect_clean(check);
    }

    /// The lines at which a package with this manifest breaks the rules.
    fn places(text: &str, description: &str, requirement: &str) -> Vec<String> {
        let files = [("x/Cargo.toml", text), ("Cargo.lock", ""), ("fuzz/Cargo.lock", "")];
        let mut repository = Repository::of(&files);
        let used = Use {
            name: "bincode".to_owned(),
            requirement: requirement.to_owned(),
            optional: false,
        };
        repository.members = vec![Package {
            manifest: "x/Cargo.toml".to_owned(),
            description: Some(description.to_owned()),
            uses: vec![used],
            ..Package::default()
        }];
        check(&repository).iter().map(|found| format!("{}:{}", found.path, found.line)).collect()
    }

    #[test]
    fn what_a_manifest_lacks_is_found() {
        let good = "[lints]\nworkspace = true\n[dependencies]\na.workspace = true\n";
        assert_eq!(places(good, "x", "=2.0.1"), [""; 0]);
        assert_eq!(places(good, "", "=2.0.1"), ["x/Cargo.toml:1"]);
        assert_eq!(places(good, "x", "^3"), ["x/Cargo.toml:1"]);
        assert_eq!(places("[dependencies]\n", "x", "=2.0.1"), ["x/Cargo.toml:1"]);
        assert_eq!(places(&format!("{good}b = \"1\"\n"), "x", "=2.0.1"), ["x/Cargo.toml:5"]);
    }

    #[test]
    fn a_missing_lock_is_found() {
        let found = check(&Repository::of(&[("Cargo.lock", "")]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "fuzz/Cargo.lock");
    }
}
