//! The keyring as an operator and a bank's services meet it: a server that is killed, directories that are
//! restored in part, the command line. What would go wrong without it: a customer who was promised to be
//! forgotten and is found again in last week's backup.

use crate::directory::empty;
use crate::load::connect;
use crate::process::{Ended, Server, argument, run_florin};
use florin_client::{Client, ClientError, DestroyResult, HeldKey, RefusalKind};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn names(count: u32) -> Vec<String> {
    (0..count).map(|number| format!("customer-{number:05}")).collect()
}

fn slices(names: &[String]) -> Vec<&[u8]> {
    names.iter().map(|name| name.as_bytes()).collect()
}

/// An encrypted data directory `data`, and beside it its key.
struct Bank {
    directory: TempDir,
}

impl Bank {
    async fn new() -> Bank {
        let bank = Bank { directory: empty() };
        let made = run_florin(&["kek", "generate", argument(&bank.path("kek"))], "").await;
        assert_eq!(made.code, Some(0), "{made:?}");
        let made = bank.florin(&["init", "--encrypt"]).await;
        assert_eq!(made.code, Some(0), "{made:?}");
        bank
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// A command on the directory, with its key.
    async fn florin(&self, command: &[&str]) -> Ended {
        let (data, kek) = (self.path("data"), self.path("kek"));
        let place = ["--data", argument(&data), "--key-file", argument(&kek)];
        run_florin(&[command, &place].concat(), "").await
    }

    async fn serve(&self) -> (Server, Client) {
        let kek = self.path("kek");
        let server = Server::start(&self.path("data"), &["--key-file", argument(&kek)]).await;
        let client = connect(&server.address).await;
        (server, client)
    }

    /// Copies a directory of the data directory away, or back.
    fn copy(&self, from: &str, to: &str) {
        let (from, to) = (self.path(from), self.path(to));
        let _ = fs::remove_dir_all(&to);
        copy_all(&from, &to);
    }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a temporary directory");
    for entry in fs::read_dir(from).expect("it is there") {
        let entry = entry.expect("it can be read");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("it has one").is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("it can be copied");
        }
    }
}

/// Killed right after every answer, and between them: what was answered holds, keys that were not
/// destroyed are what they were.
#[tokio::test]
async fn a_killed_server_keeps_every_key_and_every_destruction() {
    let bank = Bank::new().await;
    let names = names(40);
    let (server, client) = bank.serve().await;
    let made = client.make_keys(&slices(&names)).await.expect("it serves");
    server.kill().await;
    for round in 0..8 {
        let (server, client) = bank.serve().await;
        let (gone, left) = names.split_at(round * 4);
        let read = client.keys(&slices(gone)).await.expect("it serves");
        assert!(read.iter().all(|held| *held == HeldKey::Destroyed), "round {round}");
        let read = client.keys(&slices(left)).await.expect("it serves");
        assert_eq!(read, made[round * 4..], "round {round}");
        // Two that are answered, then two of which the answer is not awaited.
        let results = client.destroy_keys(&slices(&left[..2])).await.expect("it serves");
        assert_eq!(results, [DestroyResult::Destroyed; 2]);
        let last = left[2..4].to_vec();
        let lost = tokio::spawn(async move { client.destroy_keys(&slices(&last)).await });
        tokio::task::yield_now().await;
        server.kill().await;
        lost.abort();
        let (server, client) = bank.serve().await;
        let results = client.destroy_keys(&slices(&left[..4])).await.expect("it serves");
        assert_eq!(results[..2], [DestroyResult::AlreadyDestroyed; 2], "round {round}");
        server.kill().await;
    }
    let verified = bank.florin(&["verify", "--json"]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let keyring = &verified.json()["keyring"];
    assert_eq!((keyring["keys"].as_str(), keyring["destroyed"].as_str()), (Some("8"), Some("32")));
}

/// The promise itself: an old copy of the keyring, an old copy of all else, both after one another, and
/// the customer stays forgotten while every other is found.
#[tokio::test]
async fn whatever_is_restored_a_destroyed_key_stays_destroyed() {
    let bank = Bank::new().await;
    let (server, client) = bank.serve().await;
    let made = client.make_keys(&[b"ann", b"bob"]).await.expect("it serves");
    server.stop().await;
    bank.copy("data", "last week");
    let (server, client) = bank.serve().await;
    client.make_keys(&[b"eve"]).await.expect("it serves");
    let names: [&[u8]; 3] = [b"ann", b"bob", b"eve"];
    let results = client.destroy_keys(&[b"ann", b"eve"]).await.expect("it serves");
    assert_eq!(results, [DestroyResult::Destroyed; 2]);
    server.stop().await;
    bank.copy("data", "today");
    let expected = [HeldKey::Destroyed, made[1].clone(), HeldKey::Destroyed];

    // Today's log, last week's keyring.
    bank.copy("last week/keyring", "data/keyring");
    let (server, client) = bank.serve().await;
    assert_eq!(client.keys(&names).await, Ok(expected.to_vec()));
    assert_eq!(client.make_keys(&names).await, Ok(expected.to_vec()));
    server.kill().await;

    // Last week's log, today's keyring; then last week's keyring again beside what became of it.
    bank.copy("last week", "data");
    bank.copy("today/keyring", "data/keyring");
    let (server, client) = bank.serve().await;
    assert_eq!(client.keys(&names).await, Ok(expected.to_vec()));
    server.kill().await;
    bank.copy("last week/keyring", "data/keyring");
    let (server, client) = bank.serve().await;
    assert_eq!(client.make_keys(&names).await, Ok(expected.to_vec()));
    server.stop().await;

    // A keyring that was forgotten is asked for.
    fs::remove_dir_all(bank.path("data/keyring")).expect("it is there");
    let (server, client) = bank.serve().await;
    let Err(ClientError::Refused { kind: RefusalKind::Corrupt, message }) =
        client.make_keys(&names).await
    else {
        panic!("a keyring was begun by itself")
    };
    assert!(message.contains("restore the newest copy"), "{message}");
    server.stop().await;
}

/// Neither names nor keys lie in any file, nor in what the server says of itself.
#[tokio::test]
async fn nothing_on_the_disk_has_a_key_or_a_name_in_clear() {
    let bank = Bank::new().await;
    let names = names(3);
    let (server, client) = bank.serve().await;
    let made = client.make_keys(&slices(&names)).await.expect("it serves");
    client.destroy_keys(&slices(&names[..1])).await.expect("it serves");
    server.stop().await;
    let mut markers: Vec<Vec<u8>> = names.iter().map(|name| name.clone().into_bytes()).collect();
    for held in &made {
        let HeldKey::Key(key) = held else { panic!("{held:?}") };
        assert_eq!(format!("{held:?}"), "Key(secret)");
        markers.push(key.to_vec());
    }
    assert!(4 < check_files(&bank.path("data"), &markers));
}

/// How many files there are, none of which may have a marker in it.
fn check_files(directory: &Path, markers: &[Vec<u8>]) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(directory).expect("it is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            count += check_files(&path, markers);
            continue;
        }
        count += 1;
        let bytes = fs::read(&path).expect("it can be read");
        for marker in markers {
            let is_there = bytes.windows(marker.len()).any(|window| window == *marker);
            assert!(!is_there, "{}", path.display());
        }
    }
    count
}

#[tokio::test]
async fn an_operator_looks_destroys_and_rotates() {
    let bank = Bank::new().await;
    let (server, client) = bank.serve().await;
    let made = client.make_keys(&[b"ann", b"bob", &[0xff, 1]]).await.expect("it serves");
    let connect = ["--connect", &server.address];
    let status = run_florin(&[&["keyring", "status", "--json"], &connect[..]].concat(), "").await;
    assert_eq!(status.output, "{\"destroyed\":\"0\",\"keys\":\"3\"}\n", "{status:?}");
    let destroyed =
        run_florin(&[&["keyring", "destroy", "ann", "eve"], &connect[..]].concat(), "").await;
    let expected = "ann: destroyed\neve: had no key, and gets none any more\n";
    assert_eq!(destroyed.output, expected, "{destroyed:?}");
    server.stop().await;
    let destroyed = bank.florin(&["keyring", "destroy", "--json", "0xff01", "ann"]).await;
    let expected = "{\"name\":\"0xff01\",\"result\":\"destroyed\"}\n\
                    {\"name\":\"ann\",\"result\":\"already_destroyed\"}\n";
    assert_eq!(destroyed.output, expected, "{destroyed:?}");
    let status = bank.florin(&["keyring", "status"]).await;
    assert_eq!(status.output, "1 names have keys, of 3 the key is destroyed\n", "{status:?}");

    let next = bank.path("next");
    let made_key = run_florin(&["kek", "generate", argument(&next)], "").await;
    assert_eq!(made_key.code, Some(0), "{made_key:?}");
    let rotated = bank.florin(&["kek", "rotate", "--new-key-file", argument(&next)]).await;
    assert_eq!(rotated.code, Some(0), "{rotated:?}");
    let old = bank.florin(&["keyring", "status"]).await;
    assert_eq!(old.code, Some(3), "{old:?}");
    fs::rename(&next, bank.path("kek")).expect("it is there");
    let (server, client) = bank.serve().await;
    assert_eq!(client.keys(&[b"bob"]).await, Ok(vec![made[1].clone()]));
    server.stop().await;
}

/// Prevents: an operator who is told that the keyring is broken where there never was one, and a
/// mistyped directory that is made and has no keys.
#[tokio::test]
async fn where_there_is_no_keyring_it_says_how_to_have_one() {
    let plain = empty();
    let data = plain.path().join("data");
    let made = run_florin(&["init", "--data", argument(&data)], "").await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let ended = run_florin(&["keyring", "status", "--data", argument(&data)], "").await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors.contains("florin init --encrypt"), "{ended:?}");

    let none = plain.path().join("none");
    let ended = run_florin(&["keyring", "status", "--data", argument(&none)], "").await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(!none.exists(), "it was made");
}
