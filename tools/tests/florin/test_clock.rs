//! `--test-clock`, as whoever runs a bank meets it. What would go wrong without: a bank of customers whose time somebody
//! sets.

use crate::process::{Running, argument, run};

#[test]
fn a_directory_that_was_made_without_a_test_clock_is_refused_with_one() {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, made, opened) in
        [("with", Some("--test-clock"), Some(0)), ("without", None, Some(1))]
    {
        let home = directory.path().join(name);
        let home = argument(&home);
        let mut words = vec!["demo", "--json", "--port", "0", "--data", home];
        words.extend(made);
        let mut demo = Running::start(&words);
        assert!(demo.hear().contains("browser_url"), "it is open");
        assert_eq!(demo.terminate(), Some(0));
        let path = |file: &str| format!("{home}/{file}");
        let (data, key, root) = (path("ledger"), path("ledger_key"), path("root_key"));
        let (certificate, certificate_key) = (path("tls.pem"), path("tls_key.pem"));
        let words = [
            "bank",
            "--json",
            "--test-clock",
            "--listen",
            "127.0.0.1:0",
            "--data",
            &data,
            "--key-file",
            &key,
            "--root-key-file",
            &root,
            "--tls-cert",
            &certificate,
            "--tls-key",
            &certificate_key,
        ];
        if opened == Some(0) {
            let mut bank = Running::start(&words);
            assert!(bank.hear().contains("browser_url"), "it is open again");
            assert_eq!(bank.terminate(), opened);
        } else {
            let refused = run(&words, "");
            assert_eq!(refused.code, opened, "{refused:?}");
            assert!(refused.errors.contains("made without --test-clock"), "{refused:?}");
        }
    }
    let words = [
        "bank",
        "--test-clock",
        "--ledger",
        "127.0.0.1:1",
        "--insecure-loopback",
        "--root-key-file",
        "nowhere",
        "--tls-cert",
        "nowhere",
        "--tls-key",
        "nowhere",
    ];
    assert_ne!(run(&words, "").code, Some(0), "a server has its own clock");
}
