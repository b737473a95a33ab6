//! `--countries`, as whoever runs a bank meets it. What would go wrong without: a bank that judges by half a file, and
//! nobody knows.

use crate::process::{Running, argument, run};

#[test]
fn a_file_of_countries_is_read_whole_or_the_bank_does_not_open() {
    let directory = tempfile::tempdir().expect("a directory");
    let home = directory.path().join("home");
    let home = argument(&home);
    let mut demo = Running::start(&["demo", "--json", "--port", "0", "--data", home]);
    assert!(demo.hear().contains("browser_url"), "it is open");
    assert_eq!(demo.terminate(), Some(0));
    let path = |file: &str| format!("{home}/{file}");
    let (data, key, root) = (path("ledger"), path("ledger_key"), path("root_key"));
    let (certificate, certificate_key) = (path("tls.pem"), path("tls_key.pem"));
    let file = path("countries.csv");
    let bank = [
        "bank",
        "--json",
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
        "--countries",
        &file,
    ];
    for (text, said) in [
        (None, "can't read"),
        (Some("192.0.2.0,192.0.2.255,DE\n"), "the first line must be first,last,country"),
        (Some("first,last,country\n192.0.2.0,192.0.2.255,DE\n192.0.2.9,DE\n"), "line 3"),
    ] {
        if let Some(text) = text {
            std::fs::write(&file, text).expect("it is written");
        }
        let refused = run(&bank, "");
        assert_ne!(refused.code, Some(0), "{refused:?}");
        assert!(refused.errors.contains(said), "{refused:?}");
    }
    std::fs::write(&file, "first,last,country\n192.0.2.0,192.0.2.255,DE\n").expect("written");
    let mut open = Running::start(&bank);
    assert!(open.hear().contains("browser_url"), "it is open");
    assert_eq!(open.terminate(), Some(0));
}
