//! Unsafe code stays where it is allowed, and an exception to a lint says why and disappears when it
//! is no longer needed (`expect` does both, `allow` neither).

use super::Violation;
use super::repository::{File, Repository};

/// The one package that may contain unsafe code, and the files in which.
const UNSAFE_PACKAGE: &str = "florin-core";
const UNSAFE_FILES: &[&str] = &["core/src/disk/os.rs", "core/src/prefetch.rs"];

pub(super) fn check(repository: &Repository) -> Vec<Violation> {
    let mut violations = forbidden_everywhere(repository);
    for file in repository.rust() {
        violations.extend(exceptions(file));
    }
    violations
}

fn forbidden_everywhere(repository: &Repository) -> Vec<Violation> {
    let safe = repository.members.iter().filter(|package| package.name != UNSAFE_PACKAGE);
    let roots = safe.flat_map(|package| &package.crate_roots);
    let open = roots.filter(|root| {
        let file = repository.file(root);
        !file.is_some_and(|file| file.code.contains("#![forbid(unsafe_code)]"))
    });
    open.map(|root| Violation::new(root, 1, "put `#![forbid(unsafe_code)]` under its doc"))
        .collect()
}

fn exceptions(file: &File) -> Vec<Violation> {
    let mut violations = Vec::new();
    let lines: Vec<&str> = file.code.lines().collect();
    for (index, text) in lines.iter().enumerate() {
        let is_allow = ["#[allow(", "#![allow("].iter().any(|start| text.contains(start));
        if is_allow {
            let message = "use `#[expect(lint, reason = \"..\")]` instead of `allow`";
            violations.push(Violation::new(&file.path, index + 1, message));
        }
        let is_expect = ["#[expect(", "#![expect("].iter().any(|start| text.contains(start));
        if is_expect {
            let attribute: String = lines[index..].join(" ");
            let attribute = attribute.split(']').next().unwrap_or_default();
            if !attribute.contains("reason") {
                let message = "say why: `#[expect(lint, reason = \"..\")]`";
                violations.push(Violation::new(&file.path, index + 1, message));
            }
            if attribute.contains("unsafe_code") && !UNSAFE_FILES.contains(&file.path.as_str()) {
                let message = format!("unsafe code belongs in {}", UNSAFE_FILES.join(" or "));
                violations.push(Violation::new(&file.path, index + 1, message));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::super::repository::{Package, Repository};
    use super::super::{expect_clean, expect_places};
    use super::check;

    #[test]
    fn exceptions_are_few_and_say_why() {
        expect_clean(check);
    }

    #[test]
    fn an_exception_without_a_reason_is_found() {
        expect_places(check, &[("a.rs", "\n#[allow(dead_code)]\nfn f() {}")], &["a.rs:2"]);
        expect_places(check, &[("a.rs", "#![expect(dead_code)]")], &["a.rs:1"]);
        expect_places(check, &[("a.rs", "#[expect(\n  x,\n  reason = \"y\"\n)]")], &[]);
        let unsafe_code = "#[expect(unsafe_code, reason = \"y\")]";
        expect_places(check, &[("core/src/a.rs", unsafe_code)], &["core/src/a.rs:1"]);
        expect_places(check, &[("core/src/disk/os.rs", unsafe_code)], &[]);
    }

    #[test]
    fn a_crate_open_to_unsafe_code_is_found() {
        for (text, found) in [("//! x", 1), ("//! x\n#![forbid(unsafe_code)]", 0)] {
            let mut repository = Repository::of(&[("a/src/lib.rs", text)]);
            let crate_roots = vec!["a/src/lib.rs".to_owned()];
            repository.members = vec![Package { crate_roots, ..Package::default() }];
            assert_eq!(check(&repository).len(), found, "{text}");
        }
    }
}
