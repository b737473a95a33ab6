//! Prevents: a key in a token that wraps what it can't unwrap, or errors that leave an operator
//! guessing whether module, token, PIN or label is wrong. The token is SoftHSM2's, in a directory
//! of the test's own.
#![cfg(feature = "pkcs11")]
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use florin_keys::{KeyEncryptionKey, KeyError, TokenKey, TokenOptions};
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where distributions put SoftHSM2's module.
const MODULES: [&str; 4] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
];
const PIN: &str = "4711";

fn module() -> PathBuf {
    let found = MODULES.iter().map(Path::new).find(|path| path.exists());
    found.expect("SoftHSM2 is missing: apt-get install softhsm2").to_path_buf()
}

/// A token's configuration comes by the environment, so each test runs again as a process of its
/// own that has one.
fn in_a_process_with_a_token(test: &str, body: impl FnOnce(&Path, TokenOptions)) {
    if let Some(directory) = env::var_os("FLORIN_TOKEN_TEST") {
        let directory = PathBuf::from(directory);
        let options = TokenOptions {
            module: module(),
            token: "bank".to_owned(),
            key: "ledger".to_owned(),
            pin_file: directory.join("pin"),
        };
        return body(&directory, options);
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let tokens = path.join("tokens");
    fs::create_dir(&tokens).unwrap();
    let configuration = format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display());
    fs::write(path.join("softhsm2.conf"), configuration).unwrap();
    write_secret(&path.join("pin"), &format!("{PIN}\n"));
    let configured = |program: &Path| {
        let mut command = Command::new(program);
        command.env("SOFTHSM2_CONF", path.join("softhsm2.conf"));
        command
    };
    let made = configured(Path::new("softhsm2-util"))
        .args(["--init-token", "--free", "--label", "bank", "--so-pin", "0815", "--pin", PIN])
        .output()
        .expect("SoftHSM2 is missing: apt-get install softhsm2");
    assert!(made.status.success(), "{made:?}");
    let ran = configured(&env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("FLORIN_TOKEN_TEST", path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
}

fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn what_the_token_wrapped_it_unwraps() {
    in_a_process_with_a_token("what_the_token_wrapped_it_unwraps", |_, options| {
        let key = TokenKey::generate(options.clone()).unwrap();
        let wrapped = key.wrap(&[7; 32]).unwrap();
        assert_eq!(wrapped.len(), 60);
        assert!(!wrapped.windows(8).any(|window| window == [7; 8]));
        let again = TokenKey::open(options).unwrap();
        assert_eq!(again.id(), "pkcs11:token=bank;object=ledger");
        assert_eq!(*again.unwrap(&wrapped).unwrap(), [7; 32]);
        assert_ne!(again.wrap(&[7; 32]).unwrap(), wrapped, "a nonce was used twice");
    });
}

/// Prevents: a database key from bytes that were changed, or that another key of the token wrapped.
#[test]
fn another_key_and_changed_bytes_are_refused() {
    in_a_process_with_a_token("another_key_and_changed_bytes_are_refused", |_, options| {
        let key = TokenKey::generate(options.clone()).unwrap();
        let other = TokenOptions { key: "other".to_owned(), ..options };
        let other = TokenKey::generate(other).unwrap();
        let wrapped = key.wrap(&[7; 32]).unwrap();
        let wrong = |key: &TokenKey| KeyError::WrongKey { id: key.id().to_owned() };
        assert_eq!(other.unwrap(&wrapped).unwrap_err(), wrong(&other));
        for byte in [0, 11, 12, 43, 44, 59] {
            let mut changed = wrapped.clone();
            changed[byte] ^= 1;
            assert_eq!(key.unwrap(&changed).unwrap_err(), wrong(&key), "byte {byte}");
        }
        for bytes in [0, 11, 12, 28, 59] {
            assert_eq!(key.unwrap(&wrapped[..bytes]).unwrap_err(), wrong(&key), "{bytes} bytes");
        }
    });
}

#[test]
fn what_is_wrong_is_named() {
    in_a_process_with_a_token("what_is_wrong_is_named", |directory, options| {
        let check = |options: TokenOptions, expect: &str| {
            let said = TokenKey::open(options).unwrap_err().to_string();
            assert!(said.contains(expect), "{said}, not {expect}");
        };
        check(options.clone(), "`bank` has no AES key `ledger`");
        TokenKey::generate(options.clone()).unwrap();
        TokenKey::open(options.clone()).unwrap();
        let again = TokenKey::generate(options.clone()).unwrap_err().to_string();
        assert!(again.contains("has a key `ledger` already"), "{again}");
        check(TokenOptions { token: "safe".to_owned(), ..options.clone() }, "`safe` is not there");
        let nowhere = directory.join("nothing.so");
        check(TokenOptions { module: nowhere, ..options.clone() }, "nothing.so can't be used");
        let pin_file = directory.join("wrong");
        write_secret(&pin_file, "0000");
        check(TokenOptions { pin_file: pin_file.clone(), ..options.clone() }, "refuses the PIN in");
        fs::set_permissions(&pin_file, fs::Permissions::from_mode(0o644)).unwrap();
        check(TokenOptions { pin_file, ..options.clone() }, "mode 644");
        let pin_file = directory.join("no_such_pin");
        check(TokenOptions { pin_file, ..options }, "no_such_pin");
    });
}

/// Prevents: a server that must be started again because a token was pulled out for a moment.
#[test]
fn a_token_that_was_gone_is_used_again() {
    in_a_process_with_a_token("a_token_that_was_gone_is_used_again", |directory, options| {
        let key = TokenKey::generate(options).unwrap();
        let wrapped = key.wrap(&[7; 32]).unwrap();
        let (here, away) = (directory.join("tokens"), directory.join("away"));
        fs::rename(&here, &away).unwrap();
        fs::create_dir(&here).unwrap();
        let gone = key.unwrap(&wrapped).unwrap_err().to_string();
        assert!(gone.contains("`bank` is not there"), "{gone}");
        fs::remove_dir(&here).unwrap();
        fs::rename(&away, &here).unwrap();
        assert_eq!(*key.unwrap(&wrapped).unwrap(), [7; 32]);
    });
}
