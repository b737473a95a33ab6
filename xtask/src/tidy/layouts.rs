//! Ties docs/FORMAT.md to the source: the table at its end holds a hash of each file's layout
//! section, so that nobody changes a stored byte without reading the drawing again.
//!
//! A file's *layout section* is, outside of tests and without comments: every item with a `repr`
//! whose bytes are stored or sent (it derives `FromBytes` or `IntoBytes`, or is an enum of fixed
//! width), every macro call that lists numbers with their names (`statuses! { Created = 0 .. }`), and,
//! in files that have either, every named constant. White space and line breaks do not count.

use super::Violation;
use super::repository::{File, Repository};
use super::source::{blank_comments, item_end};
use std::collections::BTreeMap;

pub(super) const DOCUMENT: &str = "docs/FORMAT.md";
const HEADING: &str = "## Layout hashes";
const INTRODUCTION: &str = "Each hash covers the layouts, numbers and constants of one source file. \
After changing one, read what this page draws of it, then run `cargo xtask tidy --update`.";
const PLACES: &[&str] = &["core/ledger/src/", "core/src/", "proof/src/", "wire/src/"];
/// As many hexadecimal digits as nobody mistakes.
const DIGITS: usize = 32;

pub(super) fn check(repository: &Repository) -> Vec<Violation> {
    let expected = hashes(repository);
    let Some(document) = repository.file(DOCUMENT) else {
        let message = format!("missing: draw the byte layouts, end it with `{HEADING}`");
        return vec![Violation::new(DOCUMENT, 1, message)];
    };
    let heading = document.lines().find(|(_, line)| *line == HEADING);
    let Some((heading, _)) = heading else {
        let message = format!("end it with `{HEADING}`, then `cargo xtask tidy --update`");
        return vec![Violation::new(DOCUMENT, 1, message)];
    };
    let rows = document.lines().filter(|(line, text)| heading < *line && text.starts_with("| `"));
    let mut found = BTreeMap::new();
    for (line, row) in rows {
        if let [_, path, _, hash, _] = row.split('`').collect::<Vec<_>>()[..] {
            found.insert(path, (line, hash));
        }
    }
    let mut violations = Vec::new();
    for (path, hash) in &expected {
        if found.get(path.as_str()).is_none_or(|(_, found)| found != hash) {
            let line = found.get(path.as_str()).map_or(heading, |(line, _)| *line);
            let message = format!("the layouts in {path} have changed: {REPAIR}");
            violations.push(Violation::new(DOCUMENT, line, message));
        }
    }
    for (path, (line, _)) in found {
        if !expected.contains_key(path) {
            let message = format!("{path} has no layouts any more: {REPAIR}");
            violations.push(Violation::new(DOCUMENT, line, message));
        }
    }
    violations
}

const REPAIR: &str = "compare them with what this page draws (a stored layout that changes needs \
                      a new version too), then run `cargo xtask tidy --update`";

/// The document with today's hashes.
///
/// # Errors
/// If the document, or its heading for the hashes, is missing.
pub(super) fn updated(repository: &Repository) -> Result<String, String> {
    let document = repository.file(DOCUMENT).ok_or_else(|| format!("{DOCUMENT} is missing"))?;
    let (before, _) = document
        .text
        .split_once(HEADING)
        .ok_or_else(|| format!("{DOCUMENT} has no `{HEADING}`: put it at the end"))?;
    let rows: String = hashes(repository)
        .iter()
        .map(|(path, hash)| format!("| `{path}` | `{hash}` |\n"))
        .collect();
    Ok(format!("{before}{HEADING}\n\n{INTRODUCTION}\n\n| file | hash |\n|---|---|\n{rows}"))
}

/// The hash of each file that has a layout section.
fn hashes(repository: &Repository) -> BTreeMap<String, String> {
    let is_covered = |file: &&File| PLACES.iter().any(|place| file.path.starts_with(place));
    let sections = repository.rust().filter(is_covered).filter_map(|file| {
        let section = layout_section(file)?;
        let hash = blake3::hash(section.as_bytes()).to_hex();
        Some((file.path.clone(), hash[..DIGITS].to_owned()))
    });
    sections.collect()
}

/// The layout section of a file, words parted by single blanks.
fn layout_section(file: &File) -> Option<String> {
    let code: Vec<&str> = file.code.lines().collect();
    let text = blank_comments(&file.text);
    let text: Vec<&str> = text.lines().collect();
    let mut has_layouts = false;
    let mut section = String::new();
    let mut index = 0;
    while index < code.len() {
        let is_layout = is_layout(&code, index);
        let is_part = is_layout || is_constant(code[index]);
        if is_part && !file.is_test_line(index + 1) {
            // The attribute's own brackets end no item: its line has no braces.
            let end = item_end(&code, index);
            for word in text[index..end].iter().flat_map(|line| line.split_whitespace()) {
                section.push_str(word);
                section.push(' ');
            }
            has_layouts |= is_layout;
            index = end;
        } else {
            index += 1;
        }
    }
    has_layouts.then_some(section)
}

/// Whether a layout starts at a line.
fn is_layout(code: &[&str], index: usize) -> bool {
    let line = code[index].trim();
    if let Some(attribute) = line.strip_prefix("#[repr(") {
        let is_number =
            ["u8", "u16", "u32", "u64"].iter().any(|width| attribute.starts_with(width));
        let attributes = code[..index].iter().rev().take_while(|line| {
            let line = line.trim();
            line.starts_with("#[") || line.is_empty() || line.ends_with(")]")
        });
        let is_bytes = attributes.clone().any(|line| {
            line.contains("derive") && (line.contains("FromBytes") || line.contains("IntoBytes"))
        });
        return is_number || is_bytes;
    }
    let is_macro_call = code[index].ends_with("! {") && !code[index].starts_with([' ', 'm']);
    is_macro_call && {
        let end = item_end(code, index);
        code[index..end].iter().any(|line| {
            let value = line.split_once(" = ").map(|(_, value)| value);
            value.is_some_and(|value| value.starts_with(|c: char| c.is_ascii_digit()))
        })
    }
}

/// Whether a named constant starts at a line; unnamed ones are assertions.
fn is_constant(line: &str) -> bool {
    let line = line.trim_start();
    let line = line.strip_prefix("pub").map_or(line, |rest| match rest.split_once(") ") {
        Some((visibility, rest)) if visibility.starts_with('(') => rest,
        _ => rest.trim_start(),
    });
    let name = line.strip_prefix("const ");
    name.is_some_and(|name| name.starts_with(|first: char| first.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::super::expect_clean;
    use super::super::repository::Repository;
    use super::{check, layout_section, updated};

    #[test]
    fn the_drawings_were_read_after_the_last_change() {
        expect_clean(check);
    }

    const SOURCE: &str = "\
//! Doc.
pub(crate) const MAGIC: &[u8; 4] = b\"FLOR\"; // why
#[derive(Clone, FromBytes)]
#[repr(C)]
pub struct Header {
    /// Doc.
    length: U32,
}
const _: () = assert!(true);
fn f() { let x = 1; }
";

    #[test]
    fn a_section_holds_what_decides_bytes_and_nothing_else() {
        let section = |text: &str| {
            layout_section(
                Repository::of(&[("wire/src/a.rs", text)]).file("wire/src/a.rs").unwrap(),
            )
        };
        let expected = "pub(crate) const MAGIC: &[u8; 4] = b\"FLOR\"; \
                        #[repr(C)] pub struct Header { length: U32, } ";
        assert_eq!(section(SOURCE).as_deref(), Some(expected));
        assert_eq!(section("#[derive(Clone)]\n#[repr(C)]\nstruct A {}"), None);
        assert_eq!(section("const A: u8 = 1;"), None);
        assert!(section("#[repr(u8)]\nenum A {\n B = 1,\n}").is_some());
        assert!(section("kinds! {\n    A = 1 \"a\",\n}").is_some());
        assert_eq!(section("macro_rules! x {\n    A = 1 \"a\",\n}"), None);
    }

    /// What the check says of a document and a source file.
    fn messages(document: &str, source: &str) -> Vec<String> {
        let files = [("docs/FORMAT.md", document), ("wire/src/a.rs", source)];
        check(&Repository::of(&files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_change_of_bytes_is_found_and_a_comment_is_not() {
        let files = [("docs/FORMAT.md", "# F\n\n## Layout hashes\n"), ("wire/src/a.rs", SOURCE)];
        let document = updated(&Repository::of(&files)).unwrap();
        assert_eq!(messages(&document, SOURCE), [""; 0]);
        assert_eq!(messages(&document, &SOURCE.replace("why", "because")), [""; 0]);
        for change in [("U32", "U64"), ("FLOR", "FLOS"), ("length", "size")] {
            let found = messages(&document, &SOURCE.replace(change.0, change.1));
            assert_eq!(found.len(), 1, "{change:?}: {found:?}");
            assert!(found[0].starts_with("docs/FORMAT.md:9: "), "{found:?}");
        }
        assert_eq!(messages(&document, "fn f() {}").len(), 1, "no layouts any more");
        assert_eq!(messages("# F\n", SOURCE).len(), 1, "no heading");
        let missing = Repository::of(&[("wire/src/a.rs", SOURCE)]);
        assert_eq!(check(&missing).len(), 1, "no document");
    }
}
