//! Keyrings that are lost and put back, by the command line: after the key was changed, alone, from the copies
//! of another life. What would go wrong without: on the day that it is needed, a keyring that nobody can put
//! where it was.

use crate::directory::{contents, empty};
use crate::load::connect;
use crate::process::{Ended, Server, argument, run_florin};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// An encrypted bank with two customers' keys, its backup, and what lies around them.
struct Place {
    directory: TempDir,
    signer: String,
}

impl Place {
    async fn new() -> Place {
        let directory = empty();
        let path = |name: &str| directory.path().join(name);
        let made = run_florin(&["keys", "generate", argument(&path("signing.pem"))], "").await;
        let signer = made.output.split_whitespace().find(|word| word.len() == 64);
        let signer = String::from(signer.expect("the public key"));
        let place = Place { signer, directory };
        for key in ["kek", "new-kek"] {
            place.done(&["kek", "generate", &place.file(key)]).await;
        }
        place
            .done(&[
                "init",
                "--encrypt",
                "--data",
                &place.file("data"),
                "--key-file",
                &place.file("kek"),
            ])
            .await;
        let server = Server::start(&place.path("data"), &["--key-file", &place.file("kek")]).await;
        let client = connect(&server.address).await;
        client.make_keys(&[b"ann", b"bob"]).await.expect("it serves");
        server.stop().await;
        place
            .done(&[
                "backup",
                "create",
                "--data",
                &place.file("data"),
                "--to",
                &place.file("backups"),
                "--signing-key",
                &place.file("signing.pem"),
                "--key-file",
                &place.file("kek"),
            ])
            .await;
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self, name: &str) -> String {
        argument(&self.path(name)).to_owned()
    }

    /// Runs what must succeed.
    async fn done(&self, arguments: &[&str]) -> Ended {
        let ended = run_florin(arguments, "").await;
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        ended
    }

    /// A copy of the keyring of a directory; its name.
    async fn copied(&self, data: &str) -> String {
        let copied = self
            .done(&[
                "backup",
                "keyring",
                "--data",
                &self.file(data),
                "--to",
                &self.file("keyrings"),
                "--signing-key",
                &self.file("signing.pem"),
            ])
            .await;
        let name = copied.output.strip_prefix("copied to ").and_then(|it| it.split_once(';'));
        name.expect("it says the name").0.to_owned()
    }

    async fn restored(&self, to: &str, more: &[&str]) -> Ended {
        let (backups, to, kek) = (self.file("backups"), self.file(to), self.file("kek"));
        let fixed = [
            "restore",
            "--from",
            &backups,
            "--signed-by",
            &self.signer,
            "--key-file",
            &kek,
            "--to",
            &to,
        ];
        run_florin(&[&fixed[..], more].concat(), "").await
    }

    async fn put_back(&self, data: &str, more: &[&str]) -> Ended {
        let (data, keyrings) = (self.file(data), self.file("keyrings"));
        let fixed = [
            "keyring",
            "restore",
            "--from",
            &keyrings,
            "--signed-by",
            &self.signer,
            "--data",
            &data,
        ];
        run_florin(&[&fixed[..], more].concat(), "").await
    }

    async fn status(&self, data: &str, kek: &str) -> String {
        let (data, kek) = (self.file(data), self.file(kek));
        self.done(&["keyring", "status", "--data", &data, "--key-file", &kek]).await.output
    }
}

const BOTH: &str = "2 names have keys, of 0 the key is destroyed\n";

/// The key was changed between the backup and the copy of the keyring.
#[tokio::test]
async fn a_backup_and_a_keyring_from_either_side_of_a_rotation_make_a_bank() {
    let place = Place::new().await;
    let (kek, new) = (place.file("kek"), place.file("new-kek"));
    place
        .done(&[
            "kek",
            "rotate",
            "--data",
            &place.file("data"),
            "--key-file",
            &kek,
            "--new-key-file",
            &new,
        ])
        .await;
    place.copied("data").await;
    let keyrings = place.file("keyrings");
    let refused = place.restored("refused", &["--keyring", &keyrings]).await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.errors.contains("--keyring-key-file"), "{refused:?}");
    let more = ["--keyring", &keyrings, "--keyring-key-file", &new];
    let made = place.restored("restored", &more).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    assert_eq!(place.status("restored", "kek").await, BOTH);

    // And into the bank itself, whose key is the new one; and one that was left out.
    fs::remove_dir_all(place.path("data/keyring")).expect("it is there");
    let ended = place.put_back("data", &["--key-file", &new]).await;
    assert_eq!((ended.code, ended.output.as_str()), (Some(0), BOTH), "{ended:?}");
    let again = place.put_back("data", &["--key-file", &new]).await;
    assert_eq!(again.code, Some(3), "{again:?}");
    assert!(again.errors.contains("move them away"), "{again:?}");
    assert_eq!(place.status("data", "new-kek").await, BOTH);
}

/// A bank that lacks its keyring is told in a restore and in a drill; and a copy of another life is taken only
/// by name.
#[tokio::test]
async fn a_restore_without_the_keyring_is_told() {
    let place = Place::new().await;
    let copy = place.copied("data").await;
    let made = place.restored("restored", &[]).await;
    assert_eq!(made.code, Some(1), "{made:?}");
    assert!(made.output.contains("FINDING") && made.output.contains("--keyring"), "{made:?}");
    let made = place.restored("other", &["--without-keyring"]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let (backups, kek) = (place.file("backups"), place.file("kek"));
    let drill =
        ["backup", "drill", "--from", &backups, "--signed-by", &place.signer, "--key-file", &kek];
    let tried = run_florin(&drill, "").await;
    assert_eq!(tried.code, Some(1), "{tried:?}");
    assert!(!tried.output.contains("everything holds") && tried.output.contains("keyring"));
    let keyrings = place.file("keyrings");
    place.done(&[&drill[..], &["--keyring", &keyrings]].concat()).await;

    let key = ["--key-file", kek.as_str()];
    let refused = place.put_back("restored", &key).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.errors.contains(&copy), "{refused:?}");
    let ended = place.put_back("restored", &[&key[..], &["--keyring-copy", &copy]].concat()).await;
    assert_eq!((ended.code, ended.output.as_str()), (Some(0), BOTH), "{ended:?}");
    assert_eq!(place.status("restored", "kek").await, BOTH);
    // What the test has destroyed is destroyed in its own copies alone.
    let restored = place.file("restored");
    place.done(&[&["keyring", "destroy", "--data", &restored][..], &key, &["bob"]].concat()).await;
    let poison = place.copied("restored").await;
    assert_ne!(poison.rsplit_once('/').map(|it| it.0), copy.rsplit_once('/').map(|it| it.0));
    let ended = place.restored("third", &["--keyring", &keyrings]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.errors.contains(&poison) && ended.errors.contains(&copy), "{ended:?}");
    let named = ["--keyring", &keyrings, "--keyring-copy", &copy];
    let ended = place.restored("fourth", &named).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(place.status("fourth", "kek").await, BOTH);
    assert!(contents(&place.path("keyrings")).len() == 2);
}
