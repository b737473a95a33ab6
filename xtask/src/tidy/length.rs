//! One file, one noun: a file that grows past the limit holds two.

use super::Violation;
use super::repository::Repository;

const LINES_MAX: usize = 600;

pub(super) fn check(repository: &Repository) -> Vec<Violation> {
    let long = repository.rust().filter(|file| LINES_MAX < file.text.lines().count());
    long.map(|file| {
        let count = file.text.lines().count();
        let message = format!("{count} lines, at most {LINES_MAX}: split it by nouns");
        Violation::new(&file.path, LINES_MAX + 1, message)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{expect_clean, expect_places};
    use super::{LINES_MAX, check};

    #[test]
    fn no_file_is_too_long() {
        expect_clean(check);
    }

    #[test]
    fn one_line_too_many_is_found() {
        let most = "\n".repeat(LINES_MAX);
        expect_places(check, &[("a.rs", &most)], &[]);
        expect_places(check, &[("a.rs", &format!("{most}\n"))], &["a.rs:601"]);
        expect_places(check, &[("a.md", &format!("{most}\n"))], &[]);
    }
}
