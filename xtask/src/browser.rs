//! The tests in a real browser: `tests/browser`, against the binary that the other tests have built.

use crate::command::{root, run};

/// Installs what the tests are written with, exactly the versions of the lock file, and runs them.
///
/// # Errors
/// If the binary is not built yet, or a test fails.
pub(crate) fn run_tests() -> Result<(), String> {
    let install =
        ["ci", "--prefix", "tests/browser", "--ignore-scripts", "--no-audit", "--no-fund"];
    run("npm", &install)?;
    let binary = root().join("target/debug/florin");
    if !binary.exists() {
        return Err(format!("{} is not built: run the tests first", binary.display()));
    }
    let florin = format!("FLORIN={}", binary.display());
    run("env", &[&florin, "npm", "--prefix", "tests/browser", "test"])
}
