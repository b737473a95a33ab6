//! Names that say nothing are banned for files, modules and types: what is put under such a name has
//! no reason to be together.

use super::Violation;
use super::repository::{File, Repository};
use super::source::tokens;

const BANNED: &[&str] = &[
    "util", "utils", "common", "helper", "helpers", "manager", "managers", "data", "info", "infos",
];

/// Words in front of a name that this rule covers.
const DECLARING: &[&str] = &["mod", "struct", "enum", "trait", "union", "type"];

pub(super) fn check(repository: &Repository) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in repository.rust() {
        for part in file.path.trim_end_matches(".rs").split('/') {
            if let Some(word) = banned_word(part) {
                violations.push(Violation::new(&file.path, 1, message(part, word)));
            }
        }
        for pair in tokens(&file.code).windows(2) {
            let [keyword, name] = pair else { continue };
            // The types of an implementation have the names that its trait gave them.
            let is_of_a_trait = keyword.text == "type" && is_indented(file, keyword.line);
            let declares = DECLARING.contains(&keyword.text) && !is_of_a_trait;
            let word = banned_word(name.text).filter(|_| declares);
            if let Some(word) = word {
                violations.push(Violation::new(&file.path, name.line, message(name.text, word)));
            }
        }
    }
    violations
}

fn is_indented(file: &File, line: usize) -> bool {
    file.code_lines().any(|(number, text)| number == line && text.starts_with(' '))
}

fn message(name: &str, word: &str) -> String {
    format!("`{name}`: \"{word}\" names nothing; name it for what it holds or does")
}

/// The banned word that a name in snake, kebab or camel case contains.
fn banned_word(name: &str) -> Option<&'static str> {
    let mut words = String::new();
    for character in name.chars() {
        if character.is_uppercase() {
            words.push(' ');
        }
        words.extend(character.to_lowercase());
    }
    let mut words = words.split(|c: char| !c.is_alphanumeric());
    words.find_map(|word| BANNED.iter().copied().find(|banned| *banned == word))
}

#[cfg(test)]
mod tests {
    use super::super::{expect_clean, expect_places};
    use super::check;

    #[test]
    fn names_say_something() {
        expect_clean(check);
    }

    #[test]
    fn empty_names_are_found_in_files_modules_and_types() {
        expect_places(check, &[("core/src/disk_utils.rs", "")], &["core/src/disk_utils.rs:1"]);
        expect_places(check, &[("core/src/util/a.rs", "")], &["core/src/util/a.rs:1"]);
        expect_places(check, &[("a.rs", "mod x;\nmod common;")], &["a.rs:2"]);
        expect_places(check, &[("a.rs", "pub struct DatabaseInfo;")], &["a.rs:1"]);
        expect_places(check, &[("a.rs", "enum UserDataKind {}")], &["a.rs:1"]);
        expect_places(check, &[("a.rs", "type Data = u8;")], &["a.rs:1"]);
        expect_places(check, &[("a.rs", "impl B for C {\n    type Data = u8;\n}")], &[]);
        expect_places(check, &[("a.rs", "struct Database; // mod util\nfn info() {}")], &[]);
    }
}
