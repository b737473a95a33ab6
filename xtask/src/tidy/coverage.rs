//! docs/COVERAGE.md and docs/TESTING.md name what exists: requirements of the list, files and tests
//! that are there. A proof that has been renamed away proves nothing.

use super::Violation;
use super::repository::{File, Repository};

const COVERAGE: &str = "docs/COVERAGE.md";
const TESTING: &str = "docs/TESTING.md";

/// The ids of the requirements.
const REQUIREMENTS: &str = "
    G1 G2 G3 G4 G5 G6 G7
    FR1a FR1b FR1c FR1d FR1e FR1f FR2a FR2b FR2c FR2d FR3a FR3b FR3c FR4a FR4b FR5a FR5b FR6 FR7a
    FR7b FR7c NFR1 NFR2a NFR2b NFR2c NFR2d NFR2e NFR3 NFR4 NFR5a NFR5b NFR6 NFR7
    CAP1 CAP2 CAP3 CAP4 CAP5 CAP6 CAP7 DP1 DP2 DP3 T1 T2 T3 T4 T5 T6 T7 T8 T9 T10 REL
    EP0 EP1 EP2 EP3 EP4 EP5 EP6 EP7 EP8 EP9 EP10 EP11 EP12 AR1 AR2 AR3
    WF1 WF2 WF3 WF4 WF5 WF6 WF7 WF8 WF9 WF10 WF11 SC1 SC2 SC3 SC4 SC5
    SE1 SE2 SE3 SE4 SE5 SE6 SE7 SE8 SE9 SE10 SE11 SE12 SE13 SE14 SE15 SE16 SE17
    IN1 IN2 IN3 IN4 OE1 OE2 OE3 OE4 CD1 CD2 CD3 CD4
    L01 L02 L03 L04 L05 L06 L07 L08 L09 L10 L11 L12 L13 L14 L15 L16 L17 L18 L19 L20 L21 L22 L23
    P01 P02 P03 P04 P05 P06 P07
    D01 D02 D03 D04 D05 D06 D07 D08 D09 D10 D11 D12 D13 D14 D15 D16 D17 D18 D19 D20 D21 D22 D23
    V01 V02 V03 V04 V05 V06 V07 V08 V09 V10 V11 V12 V13
    B01 B02 B03 B04 B05 B06 B07 B08 B09 B10 B11 B12 B13 B14
    A01 A02 A03 A04 A05 A06 A07 A08 A09 A10 A11 R01 R02 R03 R04 R05 R06 R07
    W01 W02 W03 W04 W05 F01 F02 F03 F04 F05 F06
    O01 O02 O04 O05 O07 O08 O09 O10 O13 O15 O16 O17 O18
    N01 N02 N03 N04 N05 N06 N07 N08 N09 N10 N11 N12 N13 N14 N15 N16 N18 N19 N20 N21 N22";

pub(super) fn check(repository: &Repository) -> Vec<Violation> {
    let mut violations = Vec::new();
    if let Some(file) = repository.file(COVERAGE) {
        violations.extend(unknown_requirements(file));
        violations.extend(lost_references(repository, file));
    }
    if let Some(file) = repository.file(TESTING) {
        violations.extend(lost_references(repository, file));
    }
    violations
}

fn unknown_requirements(file: &File) -> Vec<Violation> {
    let is_known = |id: &str| REQUIREMENTS.split_whitespace().any(|known| known == id);
    let mut violations = Vec::new();
    for (number, cell) in first_cells(file) {
        for id in cell.split(|c: char| !c.is_alphanumeric()).filter(|id| !id.is_empty()) {
            if !is_known(id) {
                let message = format!("`{id}` is no requirement: the first cell names their ids");
                violations.push(Violation::new(&file.path, number, message));
            }
        }
    }
    violations
}

/// The first cell of every table row below a table's head.
fn first_cells(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut is_body = false;
    file.lines().filter_map(move |(number, line)| {
        let cell = line.strip_prefix('|').and_then(|row| row.split('|').next());
        let is_rule = line.starts_with("|-") || line.starts_with("|:") || line.starts_with("| -");
        let is_row = is_body && cell.is_some() && !is_rule;
        is_body = cell.is_some() && (is_body || is_rule);
        cell.filter(|_| is_row).map(|cell| (number, cell.trim()))
    })
}

/// Files, and tests in them (`path::name`), that are named in backticks and are not there.
fn lost_references(repository: &Repository, file: &File) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (number, line) in file.lines().filter(|(_, line)| !line.starts_with("```")) {
        for reference in line.split('`').skip(1).step_by(2).filter(|text| is_path(text)) {
            let (path, test) = reference.split_once("::").unwrap_or((reference, ""));
            if !repository.exists(path) {
                let message = format!("names {path}, which is not there");
                violations.push(Violation::new(&file.path, number, message));
            } else if !test.is_empty() && !has_function(repository, path, test) {
                let message = format!("names {test}, which {path} does not have");
                violations.push(Violation::new(&file.path, number, message));
            }
        }
    }
    violations
}

fn is_path(text: &str) -> bool {
    let path = text.split("::").next().unwrap_or_default();
    let is_file = [".rs", ".md", ".py", ".toml", ".json"].iter().any(|end| path.ends_with(end));
    let is_plain = path.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c));
    is_plain && !path.starts_with('/') && (is_file || path.contains('/'))
}

/// Whether a file, or one in a directory, defines a function whose path ends so.
fn has_function(repository: &Repository, path: &str, name: &str) -> bool {
    let name = name.rsplit("::").next().unwrap_or(name);
    let directory = format!("{path}/");
    let is_meant = |file: &&File| file.path == path || file.path.starts_with(&directory);
    let mut files = repository.files.iter().filter(is_meant);
    let definitions = [format!("fn {name}("), format!("def {name}(")];
    files.any(|file| definitions.iter().any(|definition| file.text.contains(definition)))
}

#[cfg(test)]
mod tests {
    use super::super::{expect_clean, expect_places};
    use super::check;

    #[test]
    fn what_proves_something_is_there() {
        expect_clean(check);
    }

    const TEST: (&str, &str) = ("core/tests/a.rs", "#[test]\nfn money_stays() {}\n");
    const HEAD: &str = "| id | where |\n|---|---|\n";

    #[test]
    fn unknown_requirements_are_found() {
        let check_row = |row: &str, places: &[&str]| {
            let text = format!("{HEAD}{row}\n");
            expect_places(check, &[("docs/COVERAGE.md", &text), TEST], places);
        };
        check_row("| DP1, L01 | `core/tests/a.rs::money_stays` |", &[]);
        check_row("| DP9 | x |", &["docs/COVERAGE.md:3"]);
        check_row("| O03 | x |", &["docs/COVERAGE.md:3"]);
    }

    #[test]
    fn lost_proofs_are_found() {
        let check_cell = |cell: &str, places: &[&str]| {
            let text = format!("{HEAD}| DP1 | {cell} |\n");
            expect_places(check, &[("docs/COVERAGE.md", &text), TEST], places);
        };
        check_cell("`core/tests/b.rs`", &["docs/COVERAGE.md:3"]);
        check_cell("`core/tests/a.rs::money_goes`", &["docs/COVERAGE.md:3"]);
        check_cell("`core/tests` `cargo xtask ci` `/v1/x` `Amount`", &[]);
    }
}
