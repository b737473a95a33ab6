//! Tests that can't be trusted are worse than none: no test is ignored, none is content with any
//! panic at all, none waits for time to pass and hopes.

use super::Violation;
use super::repository::{File, Repository};
use super::source::tokens;

/// Shipped code that must wait for time to pass, with the reason. Tests have no exceptions.
const SLEEPERS: &[(&str, &str)] = &[
    ("adapter/src/edge/listener.rs", "out of descriptors: trying again at once would burn a core"),
    ("adapter/src/edge/pace.rs", "the instant at which a body is too late"),
    ("adapter/src/edge/stall.rs", "the instant at which a peer has taken nothing for too long"),
    ("adapter/src/edge/strict.rs", "the instant at which a head is too late"),
    ("client/src/connection.rs", "the instant at which a peer has been silent for too long"),
    ("client/src/embedded.rs", "a pause before asking a busy engine again"),
    ("client/src/follower.rs", "a pause before following again, so that a primary can come back"),
    ("client/src/path.rs", "a pause before asking again, so that a server can come back"),
    ("client/src/stream.rs", "a pause before connecting again, so that a server can come back"),
    ("lease/src/coordination.rs", "a pause before asking etcd again, so that it can come back"),
    ("lease/src/held.rs", "the instant of the next renewal"),
    ("tools/src/adapter.rs", "a pause before a worker that failed is started again"),
    ("server/src/observe/mod.rs", "out of descriptors: trying again at once would burn a core"),
    ("server/src/shipping.rs", "a heartbeat; a pause before asking a busy engine again"),
    ("server/src/streams.rs", "a heartbeat; a pause so that many readers don't read at every sync"),
    ("server/src/server.rs", "out of descriptors: trying again at once would burn a core"),
    ("tools/src/commands/promote.rs", "a pause before asking again whether it is promoted"),
    ("tools/src/node/seeding.rs", "a pause before going on with what was cut off; bytes a second"),
    ("tools/src/node/seek.rs", "how often a standby that is cut off looks for its primary"),
    ("tools/src/store/patience.rs", "a pause before asking an object store again"),
    ("tools/src/node/going_back.rs", "a pause before looking again whether readers have let go"),
    (
        "server/src/table_keys.rs",
        "a table that can't be read now: reading it again at once would not help",
    ),
];

pub(super) fn check(repository: &Repository) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in repository.rust() {
        violations.extend(attributes(file));
        violations.extend(sleeps(file));
    }
    for file in repository.files.iter().filter(|file| file.path.ends_with(".py")) {
        let sleeping = file.lines().filter(|(_, line)| line.contains("sleep("));
        violations.extend(sleeping.map(|(line, _)| Violation::new(&file.path, line, WAIT)));
    }
    violations
}

const WAIT: &str = "sleeps: wait for the event itself (a reply, a line of output, a closed \
                    socket), or give the code a clock that the test moves";

fn attributes(file: &File) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (line, text) in file.code_lines().filter(|(_, text)| text.trim().starts_with("#[")) {
        let words: Vec<&str> = tokens(text).iter().map(|token| token.text).collect();
        if words.contains(&"ignore") {
            let message =
                "an ignored test proves nothing: make it pass, make it fast, or remove it";
            violations.push(Violation::new(&file.path, line, message));
        }
        if words.contains(&"should_panic") {
            let message = "any panic would pass: return an error and compare it, or catch the \
                           panic and compare its message";
            violations.push(Violation::new(&file.path, line, message));
        }
    }
    violations
}

fn sleeps(file: &File) -> Vec<Violation> {
    let tokens = tokens(&file.code);
    let words = tokens.iter().filter(|token| matches!(token.text, "sleep" | "sleep_until"));
    let is_excused = SLEEPERS.iter().any(|(path, _)| *path == file.path);
    let sleeping = words.filter(|token| !is_excused || file.is_test_line(token.line));
    sleeping.map(|token| Violation::new(&file.path, token.line, WAIT)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::repository::Repository;
    use super::super::{expect_clean, expect_places};
    use super::{SLEEPERS, check};

    #[test]
    fn tests_can_be_trusted() {
        expect_clean(check);
    }

    #[test]
    fn every_excuse_to_sleep_is_still_used() {
        let repository = Repository::read().unwrap();
        for (path, reason) in SLEEPERS {
            let file = repository.file(path).unwrap_or_else(|| panic!("{path} is gone ({reason})"));
            assert!(file.code.contains("sleep"), "{path} no longer sleeps ({reason})");
        }
    }

    #[test]
    fn what_hides_a_failure_is_found() {
        expect_places(check, &[("a.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}")], &["a.rs:2"]);
        expect_places(check, &[("a.rs", "#[cfg_attr(x, ignore)]\nfn f() {}")], &["a.rs:1"]);
        expect_places(check, &[("a.rs", "#[should_panic(expected = \"\")]")], &["a.rs:1"]);
        expect_places(check, &[("tests/a.rs", "\nthread::sleep(x);")], &["tests/a.rs:2"]);
        expect_places(check, &[("a.rs", "use tokio::time::{sleep, Instant};")], &["a.rs:1"]);
        expect_places(check, &[("tests/a.py", "time.sleep(1)")], &["tests/a.py:1"]);
        expect_places(check, &[("a.rs", "// sleep\nlet asleep = \"#[ignore]\";")], &[]);
    }
}
