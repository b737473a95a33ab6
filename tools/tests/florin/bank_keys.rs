//! `florin bank keys`, as whoever runs a bank meets it. What would go wrong without: a bank that is lost with its
//! root key, or one whose old root key still opens it.

use crate::process::{Ended, argument, run};
use std::path::Path;

fn bank(directory: &Path, root: &str, words: &[&str]) -> Ended {
    let path = |name: &str| directory.join(name);
    let (data, key, root) = (path("data"), path("kek"), path(root));
    let access = [
        "--data",
        argument(&data),
        "--key-file",
        argument(&key),
        "--root-key-file",
        argument(&root),
    ];
    run(&[&["bank"], words, &access].concat(), "")
}

fn done(ended: &Ended) -> &str {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    &ended.output
}

#[test]
fn keys_get_new_versions_and_another_root_key() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    for key in ["kek", "root", "new"] {
        done(&run(&["kek", "generate", argument(&path(key))], ""));
    }
    let (data, key) = (path("data"), path("kek"));
    done(&run(&["init", "--data", argument(&data), "--encrypt", "--key-file", argument(&key)], ""));
    let bank = |root: &str, words: &[&str]| bank(directory.path(), root, words);
    done(&bank("root", &["staff", "list"]));
    let listed = bank("root", &["keys", "list"]);
    assert!(done(&listed).lines().any(|line| line.starts_with("sealing 1   file:")), "{listed:?}");
    assert_eq!(
        bank("root", &["keys", "use", "--purpose", "sealing"]).code,
        Some(1),
        "none is made"
    );
    assert_eq!(bank("new", &["keys", "rotate", "--purpose", "sealing"]).code, Some(3));
    done(&bank("root", &["keys", "rotate", "--purpose", "sealing"]));
    assert_eq!(bank("root", &["keys", "rotate", "--purpose", "sealing"]).code, Some(1), "made");
    assert!(done(&bank("root", &["keys", "list"])).contains("   prepared\n"));
    done(&bank("root", &["keys", "use", "--purpose", "sealing"]));
    let forms = bank("root", &["keys", "rotate", "--purpose", "forms"]);
    assert_eq!(forms.code, Some(1), "{forms:?}");
    let member = ["--email", "amy@example.org", "--name", "Amy", "--role", "admin"];
    done(&bank("root", &[&["staff", "add"][..], &member].concat()));
    assert_eq!(bank("root", &["keys", "rekey"]).code, Some(1), "there is one");
    done(&bank("root", &["keys", "rotate", "--purpose", "blind_index"]));
    assert_eq!(bank("root", &["keys", "retire"]).code, Some(1), "there is one in use");
    done(&bank("root", &["keys", "use", "--purpose", "blind_index"]));
    let needed = bank("root", &["keys", "retire"]);
    assert_eq!(needed.code, Some(1), "{needed:?}");
    assert!(needed.errors.contains("1 user_emails"), "{needed:?}");
    let moved = bank("root", &["keys", "rekey"]);
    assert!(done(&moved).contains("1 documents are under version 2"), "{moved:?}");
    assert_eq!(bank("root", &[&["staff", "add"][..], &member].concat()).code, Some(1), "known");
    done(&bank("root", &["keys", "retire"]));
    assert_eq!(bank("root", &[&["staff", "add"][..], &member].concat()).code, Some(1), "known");
    let listed = bank("root", &["keys", "list"]);
    assert!(!done(&listed).contains("blind_index 1"), "{listed:?}");
    assert_eq!(bank("root", &["keys", "rotate", "--purpose", "gold"]).code, Some(2));
    let new = path("new");
    done(&bank("root", &["keys", "rewrap", "--new-key-file", argument(&new)]));
    assert_eq!(bank("root", &["staff", "list"]).code, Some(3), "the old root key opens nothing");
    done(&bank("new", &["staff", "list"]));
}
