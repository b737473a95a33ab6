//! What the checks read: the files that git tracks or would track, and what cargo says of the
//! workspace. A check is a function of this alone, so each is tested on a few lines of text.

use super::source::{blank, item_end};
use crate::command::capture;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A checkout.
#[derive(Debug, Default)]
pub(super) struct Repository {
    /// Its absolute path.
    pub(super) root: PathBuf,
    /// Every path, of text or not.
    pub(super) paths: BTreeSet<String>,
    /// Every text file, by path.
    pub(super) files: Vec<File>,
    /// The members of the workspace.
    pub(super) members: Vec<Package>,
    /// Every package that the members depend on, themselves left out.
    pub(super) dependencies: Vec<Package>,
}

/// A text file.
#[derive(Debug)]
pub(super) struct File {
    /// From the root, with `/` between parts.
    pub(super) path: String,
    /// As it is.
    pub(super) text: String,
    /// With comments and literals blanked, if it is Rust; empty otherwise.
    pub(super) code: String,
    /// For each line, whether only tests see it.
    test_lines: Vec<bool>,
}

/// A package, as cargo knows it.
#[derive(Debug, Default)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    /// Of its Cargo.toml, from the root.
    pub(super) manifest: String,
    pub(super) description: Option<String>,
    pub(super) licence: Option<String>,
    /// Where cargo fetched it; `None` for members.
    pub(super) source: Option<String>,
    /// The root file of each library and binary, from the root.
    pub(super) crate_roots: Vec<String>,
    pub(super) uses: Vec<Use>,
}

/// One line under a package's dependencies.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) name: String,
    pub(super) requirement: String,
    pub(super) optional: bool,
}

impl Repository {
    /// Reads the checkout that this was compiled from.
    pub(super) fn read() -> Result<Repository, String> {
        let root = crate::command::root();
        let listing = capture("git", &["ls-files", "-co", "--exclude-standard"])?;
        // A file may be gone and not yet committed as gone.
        let is_there = |path: &str| root.join(path).is_file();
        let paths: BTreeSet<String> =
            listing.lines().filter(|path| is_there(path)).map(str::to_owned).collect();
        let mut files = Vec::new();
        for path in &paths {
            // What is no text has no lines to check.
            if let Ok(text) = std::fs::read_to_string(root.join(path)) {
                files.push(File::new(path, &text));
            }
        }
        let metadata = capture("cargo", &["metadata", "--format-version", "1", "--locked"])?;
        let metadata: Value = serde_json::from_str(&metadata)
            .map_err(|error| format!("can't read cargo's metadata: {error}"))?;
        let (members, dependencies) =
            packages(&metadata, &root).into_iter().partition(|package| package.source.is_none());
        let mut repository = Repository { root, paths, files, members, dependencies };
        repository.mark_test_modules();
        Ok(repository)
    }

    /// A checkout of these files alone.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Repository {
        let paths = files.iter().map(|(path, _)| (*path).to_owned()).collect();
        let files = files.iter().map(|(path, text)| File::new(path, text)).collect();
        let mut repository = Repository { paths, files, ..Repository::default() };
        repository.mark_test_modules();
        repository
    }

    /// The file at a path.
    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether a file or directory is part of the checkout.
    pub(super) fn exists(&self, path: &str) -> bool {
        let directory = format!("{}/", path.trim_end_matches('/'));
        self.paths.iter().any(|known| known == path || known.starts_with(&directory))
    }

    /// The Rust files.
    pub(super) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// Marks files that are modules declared under `#[cfg(test)]`.
    fn mark_test_modules(&mut self) {
        let mut modules = Vec::new();
        for file in self.rust() {
            let directory = module_directory(&file.path);
            let lines: Vec<&str> = file.code.lines().collect();
            for (index, line) in lines.iter().enumerate() {
                let name = line.trim().strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';'));
                if let Some(name) = name.filter(|_| file.is_test_line(index + 1)) {
                    modules.push(format!("{directory}/{name}"));
                }
            }
        }
        for file in &mut self.files {
            let stem = file.path.trim_end_matches(".rs");
            if modules.iter().any(|m| stem == m || stem.starts_with(&format!("{m}/"))) {
                file.test_lines.fill(true);
            }
        }
    }
}

/// Where the modules that a file declares live.
fn module_directory(path: &str) -> &str {
    let stem = path.trim_end_matches(".rs");
    match stem.rsplit_once('/') {
        Some((directory, "mod" | "lib" | "main")) => directory,
        _ => stem,
    }
}

impl File {
    fn new(path: &str, text: &str) -> File {
        let code = if path.ends_with(".rs") { blank(text) } else { String::new() };
        let test_lines = test_lines(path, &code);
        File { path: path.to_owned(), text: text.to_owned(), code, test_lines }
    }

    /// Whether only tests see a line, counted from 1.
    pub(super) fn is_test_line(&self, line: usize) -> bool {
        self.test_lines.get(line - 1).copied().unwrap_or(false)
    }

    /// The lines of the text, from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The lines of the blanked text, from 1.
    pub(super) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// Which lines only tests see: all of a test crate, and every item under `#[cfg(test)]`.
fn test_lines(path: &str, code: &str) -> Vec<bool> {
    let lines: Vec<&str> = code.lines().collect();
    let is_test_file = path.starts_with("tests/")
        || path.contains("/tests/")
        || path.ends_with("/tests.rs")
        || path.contains("/benches/");
    let mut marks = vec![is_test_file; lines.len()];
    for (index, line) in lines.iter().enumerate() {
        if line.trim().starts_with("#[cfg(test)]") {
            // The attribute's own brackets end no item: start behind them.
            let start = if line.trim() == "#[cfg(test)]" { index + 1 } else { index };
            let end = item_end(&lines, start);
            marks[index..end].fill(true);
        }
    }
    marks
}

fn packages(metadata: &Value, root: &Path) -> Vec<Package> {
    let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    packages.iter().map(|package| read_package(package, root)).collect()
}

fn read_package(package: &Value, root: &Path) -> Package {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let inside = |value: &Value| {
        let path = Path::new(value.as_str().unwrap_or_default());
        path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
    };
    let list = |key: &str| package[key].as_array().cloned().unwrap_or_default();
    let is_crate = |target: &Value| {
        let kinds = target["kind"].as_array().cloned().unwrap_or_default();
        kinds.iter().any(|kind| kind == "lib" || kind == "bin")
    };
    Package {
        name: text(&package["name"]).unwrap_or_default(),
        version: text(&package["version"]).unwrap_or_default(),
        manifest: inside(&package["manifest_path"]),
        description: text(&package["description"]),
        licence: text(&package["license"]),
        source: text(&package["source"]),
        crate_roots: list("targets")
            .iter()
            .filter(|target| is_crate(target))
            .map(|target| inside(&target["src_path"]))
            .collect(),
        uses: list("dependencies")
            .iter()
            .map(|dependency| Use {
                name: text(&dependency["name"]).unwrap_or_default(),
                requirement: text(&dependency["req"]).unwrap_or_default(),
                optional: dependency["optional"] == true,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::Repository;

    #[test]
    fn test_code_is_told_from_shipped_code() {
        let repository = Repository::of(&[
            ("core/src/lib.rs", "mod a;\n#[cfg(test)]\nmod cases;\nfn f() {}\n"),
            ("core/src/a.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n  fn g() {}\n}\nfn h() {}\n"),
            ("core/src/cases.rs", "fn f() {}\n"),
            ("core/tests/x.rs", "fn f() {}\n"),
        ]);
        let marks = |path: &str| -> Vec<bool> {
            let file = repository.file(path).unwrap();
            file.lines().map(|(line, _)| file.is_test_line(line)).collect()
        };
        assert_eq!(marks("core/src/lib.rs"), [false, true, true, false]);
        assert_eq!(marks("core/src/a.rs"), [false, true, true, true, true, false]);
        assert_eq!(marks("core/src/cases.rs"), [true]);
        assert_eq!(marks("core/tests/x.rs"), [true]);
    }
}
