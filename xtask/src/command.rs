//! Running other programs from the root of the checkout.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The root of the checkout that this was compiled from.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("xtask lies in the root of the checkout").to_owned()
}

/// Runs a program and lets it speak to the terminal.
///
/// # Errors
/// A message that names the command, if it can't be started or fails.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let line = format!("{program} {}", arguments.join(" "));
    println!("$ {line}");
    let status = command(program, arguments)
        .status()
        .map_err(|error| format!("can't start `{program}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed ({status})")) }
}

/// Runs a program that says much, and returns it. Only if it fails does the terminal see it.
///
/// # Errors
/// A message that names the command, if it can't be started or fails.
pub(crate) fn run_quietly(program: &str, arguments: &[&str]) -> Result<String, String> {
    let line = format!("{program} {}", arguments.join(" "));
    println!("$ {line}");
    let output = command(program, arguments)
        .output()
        .map_err(|error| format!("can't start `{program}`: {error}"))?;
    let said = [&output.stdout[..], &output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    eprintln!("{said}");
    Err(format!("`{line}` failed ({})", output.status))
}

/// Runs a program and returns what it prints.
///
/// # Errors
/// A message that names the command and what it complained of.
pub(crate) fn capture(program: &str, arguments: &[&str]) -> Result<String, String> {
    let line = format!("{program} {}", arguments.join(" "));
    let output = command(program, arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("can't start `{program}`: {error}"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{line}` failed ({}): {}", output.status, complaint.trim()));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{line}` printed what is no text"))
}

fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}
