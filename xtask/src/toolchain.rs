//! What the other commands need of the machine. Missing parts are installed where a registry,
//! rustup or, as root, apt can be asked; what can't be is named, all of it at once, each with the
//! command to type.

use crate::command::{capture, run};

/// A program that must be there.
struct Tool {
    name: &'static str,
    /// Prints its version if it is there.
    probe: (&'static str, &'static [&'static str]),
    /// Installs it without asking, if that is possible.
    install: Option<(&'static str, &'static [&'static str])>,
    /// What to type when it is missing still.
    advice: &'static str,
}

/// Fonts of its own, so that pages look the same everywhere.
const CHROMIUM: &[&str] =
    &["install", "--yes", "--no-install-recommends", "chromium", "fonts-dejavu-core"];

const TOOLS: &[Tool] = &[
    Tool {
        name: "git",
        probe: ("git", &["--version"]),
        install: None,
        advice: "install git (`apt-get install git`)",
    },
    Tool {
        name: "python3 with venv, for the tests that are written in it",
        probe: (
            "python3",
            &["-c", "import ensurepip, sys; print('Python', sys.version.split()[0])"],
        ),
        install: Some(("apt-get", &["install", "--yes", "python3-venv"])),
        advice: "install Python 3.11 or newer (`apt-get install python3-venv`)",
    },
    Tool {
        name: "softhsm2, a token for the tests of keys in hardware",
        probe: ("softhsm2-util", &["--version"]),
        install: Some(("apt-get", &["install", "--yes", "softhsm2"])),
        advice: "install SoftHSM2 (`apt-get install softhsm2`)",
    },
    Tool {
        name: "etcd, for the tests of the lease in it",
        probe: ("etcd", &["--version"]),
        install: Some((
            "apt-get",
            &["install", "--yes", "--no-install-recommends", "etcd-server", "etcd-client"],
        )),
        advice: "install etcd 3.4 or newer (`apt-get install etcd-server etcd-client`)",
    },
    Tool {
        name: "etcdctl, for the same",
        probe: ("etcdctl", &["version"]),
        install: Some(("apt-get", &["install", "--yes", "--no-install-recommends", "etcd-client"])),
        advice: "install it (`apt-get install etcd-client`)",
    },
    Tool {
        name: "npm, for the tests in a browser",
        probe: ("npm", &["--version"]),
        install: None,
        advice: "install Node.js 20 or newer (`apt-get install nodejs npm`)",
    },
    Tool {
        name: "chromium, the browser of those tests",
        probe: ("chromium", &["--version"]),
        install: Some(("apt-get", CHROMIUM)),
        advice: "install Chromium (`apt-get install chromium fonts-dejavu-core`)",
    },
    Tool {
        name: "certutil, which tells the browser whom to trust",
        probe: ("which", &["certutil"]),
        install: Some(("apt-get", &["install", "--yes", "libnss3-tools"])),
        advice: "install it (`apt-get install libnss3-tools`)",
    },
    Tool {
        name: "hledger, a reader of exports",
        probe: ("hledger", &["--version"]),
        install: Some(("apt-get", &["install", "--yes", "--no-install-recommends", "hledger"])),
        advice: "install it (`apt-get install hledger`)",
    },
    Tool {
        name: "ledger, another",
        probe: ("ledger", &["--version"]),
        install: Some(("apt-get", &["install", "--yes", "--no-install-recommends", "ledger"])),
        advice: "install it (`apt-get install ledger`)",
    },
    Tool {
        name: "beancount, another",
        probe: ("bean-check", &["--version"]),
        install: Some(("apt-get", &["install", "--yes", "--no-install-recommends", "beancount"])),
        advice: "install it (`apt-get install beancount`)",
    },
    Tool {
        name: "rustfmt",
        probe: ("cargo", &["fmt", "--version"]),
        install: Some(("rustup", &["component", "add", "rustfmt"])),
        advice: "rustup component add rustfmt",
    },
    Tool {
        name: "clippy",
        probe: ("cargo", &["clippy", "--version"]),
        install: Some(("rustup", &["component", "add", "clippy"])),
        advice: "rustup component add clippy",
    },
    Tool {
        name: "cargo-nextest",
        probe: ("cargo", &["nextest", "--version"]),
        install: Some(("cargo", &["install", "--locked", "cargo-nextest"])),
        advice: "cargo install --locked cargo-nextest (or a ready-made one from https://nexte.st)",
    },
];

/// Sees to it that everything is there that the steps of `ci` need.
///
/// # Errors
/// A list of what is missing and how to install it.
pub(crate) fn prepare() -> Result<(), String> {
    println!("== toolchain");
    let mut missing = Vec::new();
    for tool in TOOLS {
        match version(tool) {
            Some(version) => println!("{version}"),
            None => missing.push(format!("\n  {}: {}", tool.name, tool.advice)),
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(format!("missing:{}", missing.concat())) }
}

/// The first line that a tool says of its version, once it is there.
fn version(tool: &Tool) -> Option<String> {
    let (program, arguments) = tool.probe;
    let probe = || {
        let output = capture(program, arguments).ok()?;
        output.lines().next().map(str::to_owned)
    };
    if let Some(version) = probe() {
        return Some(version);
    }
    let (installer, arguments) = tool.install?;
    println!("{} is missing: installing it", tool.name);
    if let Err(message) = install(installer, arguments) {
        println!("{message}");
    }
    probe()
}

/// A machine that never asked apt what there is knows of no package: then it is asked, and tried again.
fn install(installer: &str, arguments: &[&str]) -> Result<(), String> {
    let installed = run(installer, arguments);
    if installed.is_ok() || installer != "apt-get" {
        return installed;
    }
    run("apt-get", &["update", "--quiet"])?;
    run(installer, arguments)
}

/// Whether the targets can be fuzzed with libFuzzer: that takes a nightly compiler, a C++ compiler
/// and cargo-fuzz, which is installed (in about a minute) if only it is missing.
///
/// # Errors
/// What is missing, for people to read.
pub(crate) fn libfuzzer() -> Result<(), String> {
    if capture("cargo", &["+nightly", "--version"]).is_err() {
        return Err("no nightly toolchain (rustup toolchain install nightly)".to_owned());
    }
    if capture("c++", &["--version"]).is_err() {
        return Err("no C++ compiler (apt-get install g++)".to_owned());
    }
    let probe = || capture("cargo", &["fuzz", "--version"]);
    if probe().is_err() {
        println!("cargo-fuzz is missing: installing it");
        run("cargo", &["install", "--locked", "cargo-fuzz"])?;
        probe()?;
    }
    Ok(())
}
