//! A server with closed doors, from the making of a key to its end: what an operator types. If a
//! step does not fit the next one, nobody comes in, or everybody.

use crate::process::{Running, argument, run};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const OPEN: &str =
    r#"{"create_accounts":[{"id":1,"ledger":840,"code":1},{"id":2,"ledger":840,"code":1}]}"#;
const ASK: &str = r#"{"trial_balance":{"ledger":840}}"#;

/// Certificates and keys in a directory.
struct Office {
    directory: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Office {
    fn new() -> Office {
        let directory = tempfile::tempdir().expect("a directory");
        let mut parameters = CertificateParams::new(Vec::new()).expect("no names");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = parameters.self_signed(&key).expect("a certificate");
        fs::write(directory.path().join("ca.pem"), authority.pem()).expect("writable");
        let office = Office { directory, issuer: Issuer::new(parameters, key) };
        office.certify();
        office
    }

    /// Gives the server a new certificate.
    fn certify(&self) {
        let names = vec![String::from("127.0.0.1"), String::from("ledger.example")];
        let parameters = CertificateParams::new(names).expect("good names");
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a certificate");
        fs::write(self.path("server.key"), key.serialize_pem()).expect("writable");
        fs::write(self.path("server.pem"), certificate.pem()).expect("writable");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self, name: &str) -> String {
        String::from(argument(&self.path(name)))
    }

    /// Makes a key and lets it in.
    fn admit(&self, name: &str, more: &[&str]) {
        let made = run(&["keys", "generate", &self.file(name)], "");
        assert_eq!(made.code, Some(0), "{made:?}");
        let keys = self.file("keys.json");
        let mut arguments =
            vec!["keys", "add", "--keys", &keys, "--name", name, made.output.trim()];
        arguments.extend(more);
        let added = run(&arguments, "");
        assert_eq!(added.code, Some(0), "{added:?}");
    }

    fn serve(&self, data: &Path) -> (Running, String) {
        Running::serve(
            data,
            &[
                "--tls-certificate",
                &self.file("server.pem"),
                "--tls-key",
                &self.file("server.key"),
                "--keys",
                &self.file("keys.json"),
            ],
        )
    }

    fn exec(&self, address: &str, key: &str, line: &str) -> crate::process::Ended {
        let arguments = [
            "exec",
            "--connect",
            address,
            "--tls-ca",
            &self.file("ca.pem"),
            "--key",
            &self.file(key),
        ];
        run(&arguments, line)
    }
}

#[test]
fn a_private_key_is_its_owners_alone_and_never_overwritten() {
    let office = Office::new();
    let file = office.file("teller");
    let made = run(&["keys", "generate", &file], "");
    assert_eq!(made.code, Some(0), "{made:?}");
    assert_eq!(made.output.trim().len(), 64);
    let mode = fs::metadata(&file).expect("written").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = fs::read_to_string(&file).expect("readable");
    let again = run(&["keys", "generate", &file], "");
    assert_eq!(again.code, Some(3), "{again:?}");
    assert_eq!(fs::read_to_string(&file).expect("readable"), before);
}

/// Fault 67, TLS not required: what is forgotten on the command line must not open the doors.
#[test]
fn a_server_without_a_word_about_its_doors_does_not_start() {
    let data = tempfile::tempdir().expect("a directory");
    let absent = data.path().join("new");
    let ended = run(&["serve", "--data", argument(&absent)], "");
    assert_eq!(ended.code, Some(2), "{ended:?}");
    for way_out in ["--tls-certificate", "--insecure-loopback"] {
        assert!(ended.errors.contains(way_out), "{}", ended.errors);
    }
    assert!(!absent.exists());
    let office = Office::new();
    let tls =
        ["--tls-certificate", &office.file("server.pem"), "--tls-key", &office.file("server.key")];
    let mut arguments = vec!["serve", "--data", argument(&absent)];
    arguments.extend(tls);
    let ended = run(&arguments, "");
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.errors.contains("--keys"), "{}", ended.errors);
    arguments.push("--insecure-loopback");
    assert_eq!(run(&arguments, "").code, Some(2));
    assert!(!absent.exists());
}

#[test]
fn a_key_comes_in_over_tls_as_far_as_its_roles_go() {
    let office = Office::new();
    office.admit("teller", &["--role", "read", "--role", "write"]);
    office.admit("auditor", &["--role", "audit", "--ledger", "840"]);
    let data = tempfile::tempdir().expect("a directory");
    let (server, address) = office.serve(data.path());

    let opened = office.exec(&address, "teller", OPEN);
    assert_eq!(opened.code, Some(0), "{opened:?}");
    let refused = office.exec(&address, "auditor", OPEN);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.output.contains("forbidden"), "{refused:?}");
    assert!(refused.output.contains("has not the role write"), "{refused:?}");
    assert_eq!(office.exec(&address, "auditor", ASK).code, Some(0));
    let other = office.exec(&address, "auditor", &ASK.replace("840", "978"));
    assert!(other.output.contains("may not audit in ledger 978"), "{other:?}");

    // Without a key; with one that nobody added; without TLS; with an authority that signed
    // nothing.
    let ca = office.file("ca.pem");
    let status = |more: &[&str]| {
        let mut arguments = vec!["status", "--connect", &address];
        arguments.extend(more);
        let ended = run(&arguments, "");
        assert_eq!(ended.code, Some(3), "{ended:?}");
        ended.errors
    };
    let errors = status(&["--tls-ca", &ca]);
    assert!(errors.contains("unauthenticated") && errors.contains("--key FILE"), "{errors}");
    assert_eq!(run(&["keys", "generate", &office.file("stranger")], "").code, Some(0));
    let errors = status(&["--tls-ca", &ca, "--key", &office.file("stranger")]);
    assert!(errors.contains("unauthenticated"), "{errors}");
    let errors = status(&[]);
    assert!(errors.contains("no hello was exchanged"), "{errors}");
    let other = Office::new();
    let errors = status(&["--tls-ca", &other.file("ca.pem"), "--key", &office.file("teller")]);
    assert!(errors.contains("--tls-ca FILE"), "{errors}");
    let named = ["--tls-ca", &ca, "--key", &office.file("teller"), "--tls-server-name"];
    let errors = status(&[&named[..], &["another.example"]].concat());
    assert!(errors.contains("--tls-server-name"), "{errors}");
    let mut arguments = vec!["status", "--connect", &address];
    arguments.extend(named);
    arguments.push("ledger.example");
    assert_eq!(run(&arguments, "").code, Some(0));
    assert_eq!(server.terminate(), Some(0));
}

/// A client that expects to be asked for its key must not be content with a server that asks
/// nothing.
#[test]
fn a_key_is_not_taken_to_a_server_that_asks_for_none() {
    let office = Office::new();
    office.admit("teller", &["--role", "read"]);
    let data = tempfile::tempdir().expect("a directory");
    let (server, address) = Running::serve(data.path(), &[]);
    let key = office.file("teller");
    let ended = run(&["status", "--connect", &address, "--key", &key], "");
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.errors.contains("asks for no key"), "{}", ended.errors);
    let arguments = ["status", "--connect", &address, "--tls-ca", &office.file("ca.pem")];
    let ended = run(&arguments, "");
    assert!(ended.errors.contains("does not speak tls"), "{}", ended.errors);
    assert_eq!(server.terminate(), Some(0));
}

/// The server notices by itself: an operator revokes a key and nothing more.
#[test]
fn a_revoked_key_is_out_while_the_server_runs() {
    let office = Office::new();
    office.admit("teller", &["--role", "read", "--role", "write"]);
    let data = tempfile::tempdir().expect("a directory");
    let (server, address) = office.serve(data.path());
    let arguments = [
        "exec",
        "--connect",
        &address,
        "--tls-ca",
        &office.file("ca.pem"),
        "--key",
        &office.file("teller"),
    ];
    let mut teller = Running::start(&arguments);
    teller.say(ASK);
    assert!(teller.hear().contains("debits_posted"));

    let keys = office.file("keys.json");
    assert_eq!(run(&["keys", "revoke", "--keys", &keys, "teller"], "").code, Some(0));
    let listed = run(&["keys", "list", "--keys", &keys], "");
    assert!(listed.output.contains("teller") && listed.output.contains("revoked"), "{listed:?}");
    // Nothing tells when the server has looked: ask until it has.
    loop {
        teller.say(ASK);
        if !teller.hear().contains("debits_posted") {
            break;
        }
    }
    drop(teller);
    let ended = run(
        &[
            "status",
            "--connect",
            &address,
            "--tls-ca",
            &office.file("ca.pem"),
            "--key",
            &office.file("teller"),
        ],
        "",
    );
    assert!(ended.errors.contains("unauthenticated"), "{ended:?}");
    // It is not let in again by mistake, and its name is free.
    let public = run(&["keys", "show", "--keys", &keys, "teller"], "");
    let public: serde_json::Value = serde_json::from_str(&public.output).expect("JSON");
    let public = public["key"].as_str().expect("a key");
    let again =
        run(&["keys", "add", "--keys", &keys, "--name", "teller", "--role", "read", public], "");
    assert!(again.errors.contains("was revoked"), "{again:?}");
    assert_eq!(server.terminate(), Some(0));
}

/// A renewed certificate is shown without a restart, on SIGHUP; a bad one is not.
#[test]
fn a_hangup_makes_the_server_read_its_certificate_again() {
    let office = Office::new();
    office.admit("teller", &["--role", "read"]);
    let data = tempfile::tempdir().expect("a directory");
    let (server, address) = office.serve(data.path());
    let good = fs::read(office.path("server.pem")).expect("readable");
    fs::write(office.path("server.pem"), b"nonsense").expect("writable");
    server.hang_up();
    assert_eq!(office.exec(&address, "teller", ASK).code, Some(0));
    fs::write(office.path("server.pem"), good).expect("writable");

    // From another authority: whoever still trusts the first is refused once it is read.
    let other = Office::new();
    for name in ["server.pem", "server.key"] {
        fs::copy(other.path(name), office.path(name)).expect("writable");
    }
    loop {
        server.hang_up();
        if office.exec(&address, "teller", ASK).code == Some(3) {
            break;
        }
    }
    fs::copy(other.path("ca.pem"), office.path("ca.pem")).expect("writable");
    assert_eq!(office.exec(&address, "teller", ASK).code, Some(0));
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn what_a_key_can_not_be_is_refused() {
    let office = Office::new();
    office.admit("teller", &["--role", "read"]);
    let keys = office.file("keys.json");
    let key = "00".repeat(32);
    let add = |arguments: &[&str]| {
        let mut all = vec!["keys", "add", "--keys", &keys, "--name", "clerk"];
        all.extend(arguments);
        let ended = run(&all, "");
        assert_eq!(ended.code, Some(2), "{ended:?}");
        ended.errors
    };
    assert!(add(&["--role", "root", &key]).contains("there is no role `root`"));
    assert!(add(&["--role", "read", "nonsense"]).contains("64 hexadecimal digits"));
    assert!(add(&["--role", "read", "--name", "x\ny", &key]).contains("cannot be used"));
    let ended =
        run(&["keys", "add", "--keys", &keys, "--name", "teller", "--role", "read", &key], "");
    assert!(ended.errors.contains("belongs to the key"), "{ended:?}");
    assert_eq!(run(&["keys", "show", "--keys", &keys, "nobody"], "").code, Some(1));
}
