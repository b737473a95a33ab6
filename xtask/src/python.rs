//! The tests that are written in Python, of the API and of mail (`tests/api`), of backups in an object store
//! (`tests/backup`) and of exports (`tests/export`), against the binary that the other tests have built.

use crate::command::{root, run};
use std::fs;

/// Where what they are written with is installed.
const HOME: &str = "target/python";
const REQUIREMENTS: &str = "tests/api/requirements.txt";

/// Installs what the tests are written with, exactly what `requirements.txt` names, and runs them.
///
/// # Errors
/// If the binary is not built yet, or a test fails.
pub(crate) fn run_tests() -> Result<(), String> {
    install()?;
    let binary = root().join("target/debug/florin");
    if !binary.exists() {
        return Err(format!("{} is not built: run the tests first", binary.display()));
    }
    let florin = format!("FLORIN={}", binary.display());
    let python = format!("{HOME}/bin/python");
    let pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider"];
    let tests = ["tests/api", "tests/backup", "tests/export"];
    run("env", &[&[&*florin, "PYTHONDONTWRITEBYTECODE=1", &*python][..], &pytest, &tests].concat())
}

/// Unless it is there already.
fn install() -> Result<(), String> {
    let (home, wanted) = (root().join(HOME), root().join(REQUIREMENTS));
    let read = |path| fs::read_to_string(path).map_err(|error| format!("{REQUIREMENTS}: {error}"));
    let wanted = read(wanted)?;
    let installed = home.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    run("python3", &["-m", "venv", "--clear", HOME])?;
    let pip = format!("{HOME}/bin/pip");
    run(&pip, &["install", "--quiet", "--require-hashes", "--requirement", REQUIREMENTS])?;
    fs::write(&installed, wanted).map_err(|error| format!("{}: {error}", installed.display()))
}
