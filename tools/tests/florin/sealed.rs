//! Encryption at rest as operators meet it. What would go wrong without it: a disk that can be read
//! by whoever finds it, a database that is lost with a key that was changed, and messages that leave
//! open which key is meant.

use crate::process::{Ended, argument, run};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const MARKER: u128 = 0x6e6f_626f_6479_206d_6179_2072_6561_6421;

/// Two accounts and a transfer that carries the marker.
fn work() -> String {
    format!(
        "{}\n{{\"create_transfers\":[{{\"id\":9,\"debit_account_id\":2,\"credit_account_id\":1,\
         \"amount\":500,\"ledger\":840,\"code\":1,\"user_data_128\":\"{MARKER}\"}}]}}\n",
        r#"{"create_accounts":[{"id":1,"ledger":840,"code":1},{"id":2,"ledger":840,"code":1}]}"#
    )
}

/// A directory with an encrypted database in `data`, opened by the key in `kek`.
fn encrypted() -> (TempDir, PathBuf, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let (data, key) = (directory.path().join("data"), directory.path().join("kek"));
    done(&run(&["kek", "generate", argument(&key)], ""), "made file:");
    let made =
        run(&["init", "--data", argument(&data), "--encrypt", "--key-file", argument(&key)], "");
    done(&made, "made an encrypted database");
    let worked = run(&["exec", "--data", argument(&data), "--key-file", argument(&key)], &work());
    done(&worked, "created");
    (directory, data, key)
}

fn done(ended: &Ended, expect: &str) {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.output.contains(expect), "{ended:?}");
}

fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), fs::read(path).expect("readable")));
        }
    }
    found.sort();
    found
}

#[test]
fn nothing_can_be_read_on_the_disk() {
    let (_directory, data, _) = encrypted();
    let is_there = |data: &Path| {
        let marker = MARKER.to_le_bytes();
        files(data).iter().any(|(_, bytes)| bytes.windows(16).any(|window| window == marker))
    };
    assert!(!is_there(&data));
    let plain = tempfile::tempdir().expect("a directory");
    done(&run(&["exec", "--data", argument(plain.path())], &work()), "created");
    assert!(is_there(plain.path()), "the marker would not be found at all");
}

#[test]
fn a_missing_wrong_or_needless_key_ends_with_3_and_changes_nothing() {
    let (directory, data, key) = encrypted();
    let other = directory.path().join("other");
    done(&run(&["kek", "generate", argument(&other)], ""), "made file:");
    let before = files(&data);
    let check = |flags: &[&str], expect: &str| {
        for command in [
            &["exec"][..],
            &["rebuild"],
            &["serve", "--insecure-loopback", "--listen", "127.0.0.1:0"],
        ] {
            let arguments = [command, &["--data", argument(&data)], flags].concat();
            let ended = run(&arguments, "");
            assert_eq!(ended.code, Some(3), "{arguments:?}: {ended:?}");
            assert!(ended.errors.contains(expect), "{arguments:?}: {ended:?}");
        }
        assert!(files(&data) == before, "{expect}: the directory was changed");
    };
    check(&[], "is encrypted: give its key file:");
    check(&["--key-file", argument(&other)], "the key given is file:");
    check(&["--key-file", "no-such-key"], "key file no-such-key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("ours");
    check(&["--key-file", argument(&key)], "chmod 600");
    let plain = tempfile::tempdir().expect("a directory");
    done(&run(&["exec", "--data", argument(plain.path())], &work()), "created");
    let ended =
        run(&["exec", "--data", argument(plain.path()), "--key-file", argument(&other)], "");
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.errors.contains("no encrypted database here"), "{ended:?}");
}

#[test]
fn it_is_verified_with_the_key_and_scrubbed_without() {
    let (_directory, data, key) = encrypted();
    let (data, key) = (argument(&data), argument(&key));
    done(&run(&["verify", "--data", data, "--key-file", key], ""), "everything holds");
    done(&run(&["verify", "--data", data], ""), "contents are sealed and were not recomputed");
    let scrubbed = run(&["verify", "--data", data, "--json"], "");
    done(&scrubbed, "\"contents_verified\":false");
    done(&run(&["inspect", "--data", data, "frames"], ""), "clean");
    let transfer = ["inspect", "--data", data, "transfer", "--id", "9"];
    let sealed = run(&transfer, "");
    assert_eq!(sealed.code, Some(1), "{sealed:?}");
    assert!(sealed.errors.contains("--key-file"), "{sealed:?}");
    done(&run(&[&transfer[..3], &["--key-file", key], &transfer[3..]].concat(), ""), "transfer");
    let segment = Path::new(data).join("log/00000000000000000001");
    let mut bytes = fs::read(&segment).expect("the second opening's segment");
    bytes[4_096 + 200] ^= 1;
    fs::write(&segment, bytes).expect("ours");
    let ended = run(&["verify", "--data", data], "");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.output.contains("FINDING: the log is damaged"), "{ended:?}");
}

#[test]
fn its_key_is_changed_without_touching_what_is_stored() {
    let (directory, data, key) = encrypted();
    let new = directory.path().join("new");
    done(&run(&["kek", "generate", argument(&new)], ""), "made file:");
    let stored = |data: &Path| {
        let mut files = files(data);
        files.retain(|(path, _)| !path.ends_with("database_key"));
        files
    };
    let before = stored(&data);
    let (data_dir, key, new) = (argument(&data), argument(&key), argument(&new));
    let rotated =
        run(&["kek", "rotate", "--data", data_dir, "--key-file", key, "--new-key-file", new], "");
    done(&rotated, "from now on");
    assert!(stored(&data) == before);
    done(&run(&["verify", "--data", data_dir, "--key-file", new], ""), "everything holds");
    let old = run(&["exec", "--data", data_dir, "--key-file", key], "");
    assert_eq!(old.code, Some(3), "{old:?}");
    done(&run(&["rebuild", "--data", data_dir, "--key-file", new], ""), "rebuilt 2 accounts");
    done(&run(&["verify", "--data", data_dir, "--key-file", new], ""), "everything holds");
}

/// The token is SoftHSM2's, in a directory of the test's own.
#[test]
fn a_key_in_a_token_opens_the_database() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("tokens")).expect("ours");
    let configuration = format!("directories.tokendir = {}\n", path("tokens").display());
    fs::write(path("softhsm2.conf"), configuration).expect("ours");
    for (name, pin) in [("pin", "4711"), ("wrong", "0000")] {
        fs::write(path(name), pin).expect("ours");
        fs::set_permissions(path(name), fs::Permissions::from_mode(0o600)).expect("ours");
    }
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "bank", "--so-pin", "0815", "--pin", "4711"])
        .env("SOFTHSM2_CONF", path("softhsm2.conf"))
        .output()
        .expect("SoftHSM2 is missing: apt-get install softhsm2");
    assert!(made.status.success(), "{made:?}");
    let florin = |command: &[&str], pin: &str| {
        let pin = path(pin);
        let token = [
            "--pkcs11-module",
            "/usr/lib/softhsm/libsofthsm2.so",
            "--pkcs11-token",
            "bank",
            "--pkcs11-key",
            "ledger",
            "--pkcs11-pin-file",
            argument(&pin),
        ];
        let output = Command::new(env!("CARGO_BIN_EXE_florin"))
            .args(command)
            .args(token)
            .env("SOFTHSM2_CONF", path("softhsm2.conf"))
            .output()
            .expect("the binary runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let check = |command: &[&str], pin: &str, code: i32, expect: &str| {
        let (ended, said) = florin(command, pin);
        assert_eq!(ended, Some(code), "{command:?}: {said}");
        assert!(said.contains(expect), "{command:?}: {said}");
    };
    let data = path("data");
    let data = argument(&data);
    check(&["init", "--encrypt", "--data", data], "pin", 3, "has no AES key `ledger`");
    check(&["kek", "generate"], "pin", 0, "made pkcs11:token=bank;object=ledger");
    check(&["init", "--encrypt", "--data", data], "pin", 0, "its key is pkcs11:token=bank");
    check(&["verify", "--data", data], "pin", 0, "everything holds");
    check(&["verify", "--data", data], "wrong", 3, "refuses the PIN");
    let key = path("kek");
    done(&run(&["kek", "generate", argument(&key)], ""), "made file:");
    let rotate = ["kek", "rotate", "--data", data, "--new-key-file", argument(&key)];
    check(&rotate, "pin", 0, "from now on");
    done(&run(&["verify", "--data", data, "--key-file", argument(&key)], ""), "everything holds");
}
