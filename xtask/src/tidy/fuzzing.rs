//! A fuzz target that nothing builds, that starts from nothing or that nobody knows of finds nothing.

use super::Violation;
use super::repository::Repository;

const MANIFEST: &str = "fuzz/Cargo.toml";
const BODIES: &str = "fuzz/src/lib.rs";
const PAGE: &str = "docs/TESTING.md";

pub(super) fn check(repository: &Repository) -> Vec<Violation> {
    let text = |path: &str| repository.file(path).map_or("", |file| file.text.as_str());
    let mut violations = Vec::new();
    for path in &repository.paths {
        let name =
            path.strip_prefix("fuzz/fuzz_targets/").and_then(|name| name.strip_suffix(".rs"));
        let Some(name) = name else { continue };
        let mut lack = |message: String| violations.push(Violation::new(path, 1, message));
        if !text(MANIFEST).contains(&format!("name = \"{name}\"")) {
            lack(format!("add a [[bin]] for it to {MANIFEST}"));
        }
        if !text(BODIES).contains(&format!("\"{name}\"")) {
            lack(format!("add it to the targets of {BODIES}"));
        }
        if !repository.exists(&format!("fuzz/seeds/{name}")) {
            lack(format!("put a few inputs that it accepts into fuzz/seeds/{name}/"));
        }
        if !text(PAGE).contains(&format!("`{name}`")) {
            lack(format!("say in {PAGE} what it shows"));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::super::{expect_clean, expect_places};
    use super::check;

    #[test]
    fn fuzz_targets_are_complete() {
        expect_clean(check);
    }

    #[test]
    fn an_incomplete_target_is_found() {
        let target = ("fuzz/fuzz_targets/a.rs", "");
        let rest = [
            ("fuzz/Cargo.toml", "[[bin]]\nname = \"a\""),
            ("fuzz/src/lib.rs", "(\"a\", a::run)"),
            ("fuzz/seeds/a/1", ""),
            ("docs/TESTING.md", "`a`"),
        ];
        let whole: Vec<_> = rest.iter().copied().chain([target]).collect();
        expect_places(check, &whole, &[]);
        for lacking in 0..rest.len() {
            let mut files = whole.clone();
            files.remove(lacking);
            expect_places(check, &files, &["fuzz/fuzz_targets/a.rs:1"]);
        }
    }
}
