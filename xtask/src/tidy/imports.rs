//! Who may import whom, and who may name what: rules decide, the engine sequences, sockets and HTTP
//! stand at the edge. The arrows are drawn in docs/ARCHITECTURE.md; a new one needs a page under
//! docs/decisions first.

use super::Violation;
use super::repository::{File, Package, Repository};
use super::source::{paths, tokens};

/// A package of the house.
struct Room {
    name: &'static str,
    /// The packages of the house that it may import.
    may_import: Imports,
}

enum Imports {
    Only(&'static [&'static str]),
    Anything,
}

const HOUSE: &[Room] = &[
    Room { name: "florin-ledger", may_import: Imports::Only(&[]) },
    Room { name: "florin-keys", may_import: Imports::Only(&[]) },
    Room { name: "florin-proof", may_import: Imports::Only(&["florin-ledger"]) },
    Room {
        name: "florin-core",
        may_import: Imports::Only(&["florin-ledger", "florin-keys", "florin-proof"]),
    },
    Room { name: "florin-wire", may_import: Imports::Only(&["florin-ledger"]) },
    Room {
        name: "florin-server",
        may_import: Imports::Only(&["florin-ledger", "florin-core", "florin-wire"]),
    },
    Room {
        name: "florin-client",
        may_import: Imports::Only(&["florin-ledger", "florin-proof", "florin-wire", "florin-core"]),
    },
    Room { name: "florin-lease", may_import: Imports::Only(&[]) },
    Room {
        name: "florin-adapter",
        may_import: Imports::Only(&["florin-ledger", "florin-keys", "florin-client"]),
    },
    Room {
        name: "florin",
        may_import: Imports::Only(&[
            "florin-ledger",
            "florin-keys",
            "florin-proof",
            "florin-core",
            "florin-wire",
            "florin-server",
            "florin-client",
            "florin-lease",
            "florin-adapter",
        ]),
    },
    Room { name: "florin-tests", may_import: Imports::Anything },
    Room { name: "xtask", may_import: Imports::Only(&[]) },
];

/// Imports that must be optional: (who, whom).
const OPTIONAL: &[(&str, &str)] = &[("florin-client", "florin-core")];

/// What the files under a directory must not name.
struct Ban {
    within: &'static str,
    except: &'static str,
    covers_tests: bool,
    /// Starts of paths.
    paths: &'static [&'static str],
    /// Words, wherever they stand.
    words: &'static [&'static str],
    reason: &'static str,
}

const NO_FILE: &str = "";

const BANS: &[Ban] = &[
    Ban {
        within: "core/ledger/src/",
        except: NO_FILE,
        covers_tests: true,
        paths: &["std::time", "std::fs", "std::thread", "std::net", "core::time", "tokio"],
        words: &["SystemTime", "Instant"],
        reason: "the rules are pure: time and what is stored arrive as arguments",
    },
    Ban {
        within: "wire/src/",
        except: NO_FILE,
        covers_tests: true,
        paths: &["std::time", "std::fs", "std::thread", "std::net", "tokio"],
        words: &["SystemTime", "Instant"],
        reason: "the wire turns values into bytes and back; sockets belong to server and client",
    },
    Ban {
        within: "proof/src/",
        except: NO_FILE,
        covers_tests: true,
        paths: &["std::time", "std::fs", "std::thread", "std::net", "tokio"],
        words: &["SystemTime", "Instant"],
        reason: "a verifier needs bytes and a public key, and nothing else",
    },
    Ban {
        within: "core/src/",
        except: NO_FILE,
        covers_tests: true,
        paths: &[
            "tokio",
            "tokio_util",
            "std::net",
            "std::os::unix::net",
            "http",
            "hyper",
            "axum",
            "reqwest",
        ],
        words: &["TcpStream", "TcpListener", "UdpSocket"],
        reason: "the engine knows no runtime, socket or HTTP: they belong to server and adapter",
    },
    Ban {
        within: "core/src/",
        except: "core/src/disk/os.rs",
        covers_tests: false,
        paths: &["std::fs", "std::os::unix::fs", "rustix::fs"],
        words: &["sync_data", "sync_all", "fsync", "fdatasync"],
        reason: "go through the Disk trait, so that tests can lose, tear and refuse the write",
    },
    Ban {
        within: "core/src/",
        except: "core/src/clock.rs",
        covers_tests: false,
        paths: &["rustix::time", "std::time::UNIX_EPOCH", "std::time::SystemTime"],
        words: &["SystemTime", "UNIX_EPOCH"],
        reason: "take the time from core/src/clock.rs, so that tests can set it",
    },
    Ban {
        within: "adapter/src/",
        except: NO_FILE,
        covers_tests: true,
        paths: &["florin_core", "florin_server"],
        words: &[],
        reason: "the adapter reaches the ledger through florin_client alone",
    },
    Ban {
        within: "adapter/src/",
        except: "adapter/src/notify/gateway.rs",
        covers_tests: true,
        paths: &["std::net::TcpStream", "tokio::net::TcpStream"],
        words: &[],
        reason: "the adapter reaches the ledger through florin_client, and gateways through notify/gateway.rs",
    },
];

pub(super) fn check(repository: &Repository) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in &repository.members {
        violations.extend(arrows(repository, package));
    }
    for ban in BANS {
        let files = repository.rust().filter(|file| file.path.starts_with(ban.within));
        for file in files.filter(|file| file.path != ban.except) {
            violations.extend(named(ban, file));
        }
    }
    violations
}

/// The imports of a package that the table does not have.
fn arrows(repository: &Repository, package: &Package) -> Vec<Violation> {
    let Some(room) = HOUSE.iter().find(|room| room.name == package.name) else {
        let message = format!(
            "`{}` has no place in the house: give it one in xtask/src/tidy/imports.rs, with a \
             decision page",
            package.name
        );
        return vec![Violation::new(&package.manifest, 1, message)];
    };
    let mut violations = Vec::new();
    let is_ours = |name: &str| repository.members.iter().any(|member| member.name == name);
    for used in package.uses.iter().filter(|used| is_ours(&used.name)) {
        let line = line_of(repository, &package.manifest, &used.name);
        let (importer, imported) = (package.name.as_str(), used.name.as_str());
        let is_allowed = match room.may_import {
            Imports::Only(names) => names.contains(&imported),
            Imports::Anything => true,
        };
        if !is_allowed {
            let message = format!(
                "{importer} must not import {imported}: move what it needs towards the ledger, or \
                 do the work at the edge"
            );
            violations.push(Violation::new(&package.manifest, line, message));
        }
        if OPTIONAL.contains(&(importer, imported)) && !used.optional {
            let message = format!("{importer} may import {imported} only behind a feature");
            violations.push(Violation::new(&package.manifest, line, message));
        }
    }
    violations
}

/// The line of a manifest that names a dependency.
fn line_of(repository: &Repository, manifest: &str, name: &str) -> usize {
    let file = repository.file(manifest);
    let mut lines = file.into_iter().flat_map(|file| file.lines());
    let names = |line: &str| {
        let rest = line.trim_start().strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
    };
    lines.find(|(_, line)| names(line)).map_or(1, |(number, _)| number)
}

/// Where a file names what is banned in it.
fn named(ban: &Ban, file: &File) -> Vec<Violation> {
    let mut found: Vec<(usize, String)> = Vec::new();
    for (line, path) in paths(&file.code) {
        if ban.paths.iter().any(|banned| is_within(&path, banned)) {
            found.push((line, path));
        }
    }
    let mut previous = "";
    for token in tokens(&file.code) {
        // What another crate's trait calls its method is not ours to choose.
        if ban.words.contains(&token.text) && previous != "fn" {
            found.push((token.line, token.text.to_owned()));
        }
        previous = token.text;
    }
    found.retain(|(line, _)| ban.covers_tests || !file.is_test_line(*line));
    found.sort();
    found.dedup_by_key(|(line, _)| *line);
    let violation = |(line, name): (usize, String)| {
        Violation::new(&file.path, line, format!("names `{name}`: {}", ban.reason))
    };
    found.into_iter().map(violation).collect()
}

/// Whether a path is `banned` or lies below it. A word alone is a variable or a field, no crate.
fn is_within(path: &str, banned: &str) -> bool {
    let rest = path.strip_prefix(banned);
    rest.is_some_and(|rest| rest.starts_with("::") || (rest.is_empty() && banned.contains("::")))
}

#[cfg(test)]
mod tests {
    use super::super::repository::{Package, Repository, Use};
    use super::super::{expect_clean, expect_places};
    use super::check;

    #[test]
    fn the_house_is_in_order() {
        expect_clean(check);
    }

    /// What is said of one package that imports another.
    fn messages(importer: &str, imported: &str, optional: bool) -> Vec<String> {
        let text = format!("[dependencies]\n{imported}.workspace = true\n");
        let mut repository = Repository::of(&[("x/Cargo.toml", &text)]);
        let used = Use { name: imported.to_owned(), requirement: "*".to_owned(), optional };
        let package = |name: &str, uses| Package {
            name: name.to_owned(),
            manifest: "x/Cargo.toml".to_owned(),
            uses,
            ..Package::default()
        };
        repository.members = vec![package(importer, vec![used])];
        if imported != importer {
            repository.members.push(package(imported, Vec::new()));
        }
        check(&repository).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_arrow_that_is_not_in_the_table_is_found() {
        let found = messages("florin-ledger", "florin-core", false);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("x/Cargo.toml:2: florin-ledger must not import florin-core"));
        assert_eq!(messages("florin-core", "florin-wire", false).len(), 1);
        assert_eq!(messages("florin-adapter", "florin-server", false).len(), 1);
        assert_eq!(messages("florin-server", "xtask", false).len(), 1);
        assert_eq!(messages("florin-client", "florin-core", false).len(), 1);
        assert_eq!(messages("florin-client", "florin-core", true), [""; 0]);
        assert_eq!(messages("florin-server", "florin-core", false), [""; 0]);
        assert_eq!(messages("florin-tests", "florin-server", false), [""; 0]);
    }

    #[test]
    fn a_package_without_a_place_is_found() {
        assert_eq!(messages("florin-extras", "florin-ledger", false).len(), 1);
    }

    #[test]
    fn banned_names_are_found_where_they_stand() {
        let check = |path: &str, text: &str, lines: &[usize]| {
            let places: Vec<String> = lines.iter().map(|line| format!("{path}:{line}")).collect();
            let places: Vec<&str> = places.iter().map(String::as_str).collect();
            expect_places(check, &[(path, text)], &places);
        };
        check("core/ledger/src/a.rs", "\nuse std::time::Duration;", &[2]);
        check("core/ledger/src/a.rs", "#[cfg(test)]\nmod t {\n use std::fs;\n}", &[3]);
        check("wire/src/a.rs", "fn f() { tokio::spawn(x) }", &[1]);
        check("wire/src/a.rs", "use std::{io, thread};", &[1]);
        check("core/src/a.rs", "use std::net::TcpStream;", &[1]);
        check("core/src/a.rs", "use std::{\n  fs,\n};\nfile.sync_data()?;", &[2, 4]);
        check("core/src/a.rs", "#[cfg(test)]\nmod t {\n use std::fs;\n}", &[]);
        check("core/src/a.rs", "impl X for Y {\n fn sync_data(&self) {}\n}", &[]);
        check("core/src/disk/os.rs", "use std::fs; fn f() { sync_all() }", &[]);
        check("core/src/a.rs", "use std::time::{Duration, SystemTime};", &[1]);
        check("core/src/clock.rs", "use std::time::SystemTime;", &[]);
        check("core/src/a.rs", "use std::time::Duration; // SystemTime", &[]);
        check("adapter/src/a.rs", "use florin_core::Database;", &[1]);
        check("adapter/src/a.rs", "use tokio::net::TcpStream;", &[1]);
        check("adapter/src/notify/gateway.rs", "use tokio::net::TcpStream;", &[]);
        check("server/src/a.rs", "use tokio::net::TcpStream;", &[]);
    }
}
