//! Every file opens with what it is for: a module with its purpose and invariants, a test file with
//! the failure that it prevents.

use super::Violation;
use super::repository::Repository;

pub(super) fn check(repository: &Repository) -> Vec<Violation> {
    let silent = repository.rust().filter(|file| !file.text.starts_with("//!"));
    silent
        .map(|file| {
            let message = "opens without `//!`: say what it is for and what holds in it (a test \
                           file: the failure it prevents)";
            Violation::new(&file.path, 1, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{expect_clean, expect_places};
    use super::check;

    #[test]
    fn every_file_says_what_it_is_for() {
        expect_clean(check);
    }

    #[test]
    fn a_silent_file_is_found() {
        expect_places(check, &[("a.rs", "//! Why.\nfn f() {}")], &[]);
        expect_places(check, &[("a.rs", "use b;\n//! Why.")], &["a.rs:1"]);
    }
}
