//! A server with closed doors, from the making of a key to its end: what an operator types. If a
//! step does not fit the next one, nobody comes in, or everybody.

use crate::process::{Ended, Running, argument, florin, run};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

const OPEN: &str =
    r#"{"create_accounts":[{"id":1,"ledger":840,"code":1},{"id":2,"ledger":840,"code":1}]}"#;
const ASK: &str = r#"{"trial_balance":{"ledger":840}}"#;

/// Certificates and private keys in a directory, and the ledger in another.
struct Office {
    directory: tempfile::TempDir,
    data: tempfile::TempDir,
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
        let data = tempfile::tempdir().expect("a directory");
        let office = Office { directory, data, issuer: Issuer::new(parameters, key) };
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

    fn data(&self) -> &str {
        argument(self.data.path())
    }

    /// Makes a private key, and gives the public one.
    fn generate(&self, name: &str) -> String {
        let made = run(&["keys", "generate", &self.file(name)], "");
        assert_eq!(made.code, Some(0), "{made:?}");
        String::from(made.output.trim())
    }

    /// Makes a key and lets it in, while no server runs.
    fn admit(&self, name: &str, more: &[&str]) -> String {
        let key = self.generate(name);
        let mut arguments = vec!["--data", self.data(), "--name", name, &key];
        arguments.extend(more);
        let added = keys("add", &arguments);
        assert_eq!(added.code, Some(0), "{added:?}");
        key
    }

    /// `florin keys` with what an operator says to a server.
    fn asks(&self, address: &str, key: &str, command: &str, more: &[&str]) -> Ended {
        let (ca, key) = (self.file("ca.pem"), self.file(key));
        let door = ["--connect", address, "--tls-ca", &ca, "--key", &key];
        keys(command, &[&door[..], more].concat())
    }

    fn serve(&self) -> (Running, String) {
        let (certificate, key) = (self.file("server.pem"), self.file("server.key"));
        let tls = ["--tls-certificate", &certificate, "--tls-key", &key];
        Running::serve(self.data.path(), &tls)
    }

    fn exec(&self, address: &str, key: &str, line: &str) -> Ended {
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

fn keys(command: &str, arguments: &[&str]) -> Ended {
    run(&[&["keys", command][..], arguments].concat(), "")
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
    let (certificate, key) = (office.file("server.pem"), office.file("server.key"));
    let mut arguments = vec!["serve", "--data", argument(&absent)];
    arguments.extend(["--tls-certificate", &certificate, "--tls-key", &key]);
    arguments.push("--insecure-loopback");
    assert_eq!(run(&arguments, "").code, Some(2));
    assert!(!absent.exists());
}

/// A new server lets in nobody, and says what to do about it: without a word its operator would look
/// for the mistake on the client's side.
#[test]
fn a_server_without_keys_lets_in_nobody_and_says_how_to() {
    let office = Office::new();
    let (certificate, key) = (office.file("server.pem"), office.file("server.key"));
    let mut server = florin(&["serve", "--listen", "127.0.0.1:0", "--data", office.data()])
        .args(["--tls-certificate", &certificate, "--tls-key", &key])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut errors = BufReader::new(server.stderr.take().expect("piped"));
    let mut told = String::new();
    while !told.contains("no key may come in") {
        assert_ne!(errors.read_line(&mut told).expect("it speaks"), 0, "{told}");
    }
    assert!(told.contains("florin keys add --data"), "{told}");
    server.kill().expect("it runs");
    server.wait().expect("it ends");

    // One that was made with an operator is managed from its first moment.
    let office = Office::new();
    let boss = office.generate("boss");
    fs::write(office.path("boss.pub"), format!("{boss}\n")).expect("writable");
    let file = office.file("boss.pub");
    let made = run(&["init", "--data", office.data(), "--operator-key", &file], "");
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(made.output.contains(&boss), "{made:?}");
    let (server, address) = office.serve();
    let listed = office.asks(&address, "boss", "list", &[]);
    assert!(listed.output.contains("operator  operate  may come in"), "{listed:?}");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_key_comes_in_over_tls_as_far_as_its_roles_go() {
    let office = Office::new();
    office.admit("teller", &["--role", "read", "--role", "write"]);
    office.admit("auditor", &["--role", "audit", "--ledger", "840"]);
    let (server, address) = office.serve();

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

/// What an operator says to a running server counts at once, and after it is killed: nobody restarts
/// a bank to get rid of a thief.
#[test]
fn keys_are_changed_while_the_server_runs_and_stay_so_when_it_is_killed() {
    let office = Office::new();
    let boss = office.admit("boss", &["--role", "operate"]);
    let (server, address) = office.serve();
    let teller = office.generate("teller");
    assert_eq!(office.exec(&address, "teller", ASK).code, Some(3), "not before it is let in");
    let rights = ["--name", "teller", "--role", "read", "--role", "write", &teller];
    let added = office.asks(&address, "boss", "add", &rights);
    assert_eq!(added.code, Some(0), "{added:?}");

    let (ca, key) = (office.file("ca.pem"), office.file("teller"));
    let door = ["exec", "--connect", &address, "--tls-ca", &ca, "--key", &key];
    let mut working = Running::start(&door);
    working.say(ASK);
    assert!(working.hear().contains("debits_posted"));
    let limited =
        office.asks(&address, "boss", "limit", &["teller", "--role", "read", "--ledger", "978"]);
    assert_eq!(limited.code, Some(0), "{limited:?}");
    working.say(ASK);
    assert!(working.hear().contains("may not read in ledger 840"));
    let lifted = office.asks(&address, "boss", "limit", &["teller", "--lift", "ledgers"]);
    assert_eq!(lifted.code, Some(0), "{lifted:?}");
    working.say(ASK);
    assert!(working.hear().contains("debits_posted"));
    assert_eq!(office.exec(&address, "teller", OPEN).code, Some(1), "its roles stay as they are");

    // Another key in its place: nobody asks twice.
    let second = office.generate("second");
    let replaced = office.asks(&address, "boss", "replace", &["teller", &second]);
    assert_eq!(replaced.code, Some(0), "{replaced:?}");
    working.say(ASK);
    assert!(!working.hear().contains("debits_posted"));
    assert_eq!(office.exec(&address, "second", ASK).code, Some(0));
    let again = office.asks(&address, "boss", "add", &["--name", "x", "--role", "read", &teller]);
    assert!(again.errors.contains("was revoked"), "{again:?}");
    // A teller makes nobody an operator, and the operator touches no money.
    let stranger = "00".repeat(32);
    let itself = ["--name", "x", "--role", "operate", &stranger];
    let refused = office.asks(&address, "second", "add", &itself);
    assert!(refused.errors.contains("has not the role"), "{refused:?}");
    assert!(office.exec(&address, "boss", OPEN).output.contains("forbidden"));
    let alone = office.asks(&address, "boss", "revoke", &["boss"]);
    assert_eq!(alone.code, Some(1), "{alone:?}");
    assert!(alone.errors.contains("no key with the role operate would be left"), "{alone:?}");

    drop(working);
    server.kill();
    let (server, address) = office.serve();
    assert_eq!(office.exec(&address, "teller", ASK).code, Some(3));
    assert_eq!(office.exec(&address, "second", ASK).code, Some(0));
    let listed = office.asks(&address, "boss", "list", &["--json"]);
    assert_eq!(listed.output.lines().count(), 3, "{listed:?}");
    let deleted = office.asks(&address, "boss", "delete", &[&teller]);
    assert_eq!(deleted.code, Some(0), "{deleted:?}");
    assert_eq!(server.terminate(), Some(0));
    let log = run(&["tail", "--data", office.data(), "--kind", "commit"], "");
    let replaced = format!("{boss} florin keys replace teller");
    for actor in [&*replaced, "offline florin keys add boss"] {
        let digits: String = actor.bytes().map(|byte| format!("{byte:02x}")).collect();
        let line = format!("\"actor\":\"{digits}\"");
        assert!(log.output.contains(&line), "{actor}: {}", log.output);
    }
}

/// Whoever lost the operator's key must not lose the bank: the way back is the directory itself.
#[test]
fn who_may_open_the_directory_lets_an_operator_in_again() {
    let office = Office::new();
    office.admit("boss", &["--role", "operate"]);
    let revoked = keys("revoke", &["--data", office.data(), "boss"]);
    assert_eq!(revoked.code, Some(0), "{revoked:?}");
    let (server, address) = office.serve();
    let second = office.generate("second");
    let rights = ["--name", "boss", "--role", "operate", &second];
    let refused = office.asks(&address, "boss", "add", &rights);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let beside = keys("add", &[&["--data", office.data()][..], &rights].concat());
    assert_eq!(beside.code, Some(3), "the server has it open: {beside:?}");
    assert_eq!(server.terminate(), Some(0));

    let added = keys("add", &[&["--data", office.data()][..], &rights].concat());
    assert_eq!(added.code, Some(0), "{added:?}");
    let (server, address) = office.serve();
    let listed = office.asks(&address, "second", "list", &[]);
    assert!(listed.output.contains("boss  operate  revoked"), "{listed:?}");
    assert!(listed.output.contains("boss  operate  may come in"), "{listed:?}");
    assert_eq!(server.terminate(), Some(0));
}

/// A document that says nothing is shown, lets nobody in, and can be taken away.
#[test]
fn a_broken_document_is_listed_and_deleted() {
    let office = Office::new();
    office.admit("boss", &["--role", "operate"]);
    let broken = r#"{"write_documents":[{"table":1,"key":"short","value":"nonsense"}]}"#;
    assert_eq!(run(&["exec", "--data", office.data()], broken).code, Some(0));
    let (server, address) = office.serve();
    let listed = office.asks(&address, "boss", "list", &[]);
    assert_eq!(listed.code, Some(1), "{listed:?}");
    assert!(listed.output.contains("under the key 73686f7274 lets nobody in"), "{listed:?}");
    let deleted = office.asks(&address, "boss", "delete", &["73686f7274"]);
    assert_eq!(deleted.code, Some(0), "{deleted:?}");
    assert_eq!(office.asks(&address, "boss", "list", &[]).code, Some(0));
    assert_eq!(server.terminate(), Some(0));
}

/// A renewed certificate is shown without a restart, on SIGHUP; a bad one is not.
#[test]
fn a_hangup_makes_the_server_read_its_certificate_again() {
    let office = Office::new();
    office.admit("teller", &["--role", "read"]);
    let (server, address) = office.serve();
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
    let key = "00".repeat(32);
    let add = |arguments: &[&str]| {
        let door = ["--data", office.data(), "--name", "clerk"];
        let ended = keys("add", &[&door[..], arguments].concat());
        assert_eq!(ended.code, Some(2), "{ended:?}");
        ended.errors
    };
    assert!(add(&["--role", "root", &key]).contains("there is no role `root`"));
    assert!(add(&["--role", "read", "nonsense"]).contains("64 hexadecimal digits"));
    let teller = keys("show", &["--data", office.data(), "teller"]);
    let teller: serde_json::Value = serde_json::from_str(&teller.output).expect("JSON");
    let teller = teller["key"].as_str().expect("a key");
    assert!(add(&["--role", "read", teller]).contains("is known as `teller` already"));
    let named = ["--data", office.data(), "--name", "teller", "--role", "read", &key];
    assert!(keys("add", &named).errors.contains("belongs to the key"));
    assert_eq!(keys("show", &["--data", office.data(), "nobody"]).code, Some(1));
    let deleted = keys("delete", &["--data", office.data(), "teller"]);
    assert!(deleted.errors.contains("revoke it first"), "{deleted:?}");
}

/// Prevents: a new database that nobody can operate, or one that a mistyped name made.
#[test]
fn what_can_not_be_done_makes_no_database() {
    let office = Office::new();
    let data = office.file("ledger");
    let key = "00".repeat(32);
    let named = ["init", "--data", &data, "--operator-key", &key, "--operator-name", "a\nb"];
    let ended = run(&named, "");
    assert_eq!(ended.code, Some(2), "{ended:?}");
    for (command, arguments) in [
        ("list", &[][..]),
        ("show", &["boss"]),
        ("limit", &["boss", "--role", "read"]),
        ("replace", &["boss", &key]),
        ("revoke", &["boss"]),
        ("delete", &["boss"]),
    ] {
        let ended = keys(command, &[&["--data", &data][..], arguments].concat());
        assert_eq!(ended.code, Some(3), "{command}: {ended:?}");
        assert!(ended.errors.contains("can't open"), "{command}: {ended:?}");
    }
    assert!(!fs::exists(&data).expect("a place"), "nothing was made");
}
