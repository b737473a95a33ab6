//! Backups as an operator makes and uses them: of a server that goes on, of a directory, through the command
//! line alone. What would go wrong without: a backup that nobody can restore on the day that it is needed.

use crate::directory::{contents, empty};
use crate::load::connect;
use crate::process::{Ended, Running, Server, argument, run_florin, verified, within};
use florin_client::Client;
use florin_ledger::{
    Account, AccountId, Amount, Code, CreateTransferStatus, LedgerId, Transfer, TransferId,
};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// A bank in a directory, a key that signs its backups, a key that they are encrypted with, and what lies
/// around them.
struct Place {
    directory: TempDir,
    signer: String,
}

impl Place {
    async fn new() -> Place {
        let directory = empty();
        let path = |name: &str| directory.path().join(name);
        let made = run_florin(&["keys", "generate", argument(&path("signing.pem"))], "").await;
        assert_eq!(made.code, Some(0), "{made:?}");
        let made_key = run_florin(&["kek", "generate", argument(&path("kek"))], "").await;
        assert_eq!(made_key.code, Some(0), "{made_key:?}");
        let words = made.output.split_whitespace();
        let signer = words.into_iter().find(|word| word.len() == 64).expect("the public key");
        Place { signer: String::from(signer), directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn encrypt(&self) {
        let (data, kek) = (self.path("data"), self.path("kek"));
        let init = ["init", "--encrypt", "--data", argument(&data), "--key-file", argument(&kek)];
        let made = run_florin(&init, "").await;
        assert_eq!(made.code, Some(0), "{made:?}");
    }

    /// A backup of a server.
    async fn back_up(&self, server: &Server) -> Ended {
        self.florin(&["backup", "create", "--connect", &server.address], &["--to"], true).await
    }

    async fn florin(&self, command: &[&str], store: &[&str], signs: bool) -> Ended {
        let (backups, kek, signing) =
            (self.path("backups"), self.path("kek"), self.path("signing.pem"));
        let mut arguments = command.to_vec();
        arguments.extend(store);
        arguments.extend([argument(&backups), "--key-file", argument(&kek), "--json"]);
        if signs {
            arguments.extend(["--signing-key", argument(&signing)]);
        } else {
            arguments.extend(["--signed-by", &self.signer]);
        }
        run_florin(&arguments, "").await
    }

    async fn read(&self, command: &[&str]) -> Ended {
        self.florin(command, &["--from"], false).await
    }
}

async fn post(client: &Client, ids: std::ops::Range<u128>) {
    let transfer = |id| Transfer {
        id: TransferId(id),
        debit_account_id: AccountId(1),
        credit_account_id: AccountId(2),
        amount: Amount(1),
        ledger: LedgerId(978),
        code: Code(1),
        ..Transfer::default()
    };
    let transfers: Vec<Transfer> = ids.map(transfer).collect();
    let results = client.create_transfers(&transfers).await.expect("it serves");
    assert!(results.iter().all(|result| result.status == CreateTransferStatus::Created));
}

async fn open_accounts(client: &Client) {
    let account = |id| Account {
        id: AccountId(id),
        ledger: LedgerId(978),
        code: Code(1),
        ..Account::default()
    };
    client.create_accounts(&[account(1), account(2)]).await.expect("it serves");
}

async fn credited(client: &Client) -> u128 {
    let found = client.lookup_accounts(&[AccountId(2)]).await.expect("it serves");
    found[0].expect("it is open").credits_posted.0
}

/// The whole way, of a bank in the clear and of an encrypted one: backed up while it is served, added to,
/// listed, checked, tried, restored to before a mistake, served again as another bank.
#[tokio::test]
async fn a_served_bank_is_backed_up_and_restored() {
    for is_encrypted in [false, true] {
        let place = Place::new().await;
        let (data, kek) = (place.path("data"), place.path("kek"));
        if is_encrypted {
            place.encrypt().await;
        }
        let key = ["--key-file", argument(&kek)];
        let key: &[&str] = if is_encrypted { &key } else { &[] };
        let server = Server::start(&data, key).await;
        let client = connect(&server.address).await;
        open_accounts(&client).await;
        post(&client, 1..101).await;
        let first = place.back_up(&server).await;
        assert_eq!(first.code, Some(0), "{first:?}");
        post(&client, 101..151).await;
        let second = place.back_up(&server).await;
        assert_eq!(second.code, Some(0), "{second:?}");
        post(&client, 151..161).await;
        let old = client.status().await.expect("it serves").incarnation;
        server.stop().await;

        let listed = place.read(&["backup", "list"]).await;
        // A list takes no key.
        assert_eq!(listed.code, Some(2), "{listed:?}");
        let backups = place.path("backups");
        let list = [
            "backup",
            "list",
            "--from",
            argument(&backups),
            "--signed-by",
            &place.signer,
            "--json",
        ];
        let listed = run_florin(&list, "").await;
        assert_eq!((listed.code, listed.output.lines().count()), (Some(0), 2), "{listed:?}");
        let checked = place.read(&["backup", "verify"]).await;
        assert_eq!(checked.code, Some(0), "{checked:?}");
        assert_eq!(checked.json()["chain_verified"], true);
        let tried = place.read(&["backup", "drill", "--rto", "60", "--rpo", "600"]).await;
        assert_eq!(tried.code, Some(0), "{tried:?}");
        assert_eq!(tried.json()["restored"]["transfers"], "150");

        let restored = place.path("restored");
        let to = ["restore", "--before-transfer", "101"];
        let seen = place.read(&[&to[..], &["--preview"]].concat()).await;
        assert_eq!(seen.code, Some(0), "{seen:?}");
        assert_eq!(seen.json()["lost"]["transfers"], "50");
        let made = place.read(&[&to[..], &["--to", argument(&restored)]].concat()).await;
        assert_eq!(made.code, Some(0), "{made:?}");
        let again = place.read(&["restore", "--to", argument(&restored)]).await;
        assert_eq!(again.code, Some(3), "{again:?}");

        let server = Server::start(&restored, key).await;
        let client = connect(&server.address).await;
        assert_eq!(credited(&client).await, 100);
        let status = client.status().await.expect("it serves");
        assert_ne!(status.incarnation, old);
        assert_eq!(made.json()["new_incarnation"], format!("{:032x}", status.incarnation));
        post(&client, 101..102).await;
        server.stop().await;
        if !is_encrypted {
            verified(&restored).await;
        }
    }
}

/// Backups that follow a server are made until somebody ends them, and old ones go.
#[tokio::test]
async fn a_server_is_backed_up_again_and_again() {
    let place = Place::new().await;
    let server = Server::start(&place.path("data"), &[]).await;
    let client = connect(&server.address).await;
    open_accounts(&client).await;
    let (backups, signing) = (place.path("backups"), place.path("signing.pem"));
    let create = [
        "backup",
        "create",
        "--connect",
        &server.address,
        "--to",
        argument(&backups),
        "--signing-key",
        argument(&signing),
        "--in-the-clear",
        "--every",
        "1",
        "--keep",
        "2",
        "--json",
    ];
    let mut archive = Running::start(&create);
    let mut ends = Vec::new();
    for round in 0..4 {
        let line = archive.hear().await.expect("it goes on");
        let made: serde_json::Value = serde_json::from_str(&line).expect("the line is JSON");
        let end: u64 = made["end"].as_str().expect("a position").parse().expect("a number");
        ends.push(end);
        post(&client, round * 10 + 1..round * 10 + 11).await;
    }
    assert!(ends.is_sorted_by(|one, next| one < next), "{ends:?}");
    archive.terminate();
    assert_eq!(archive.ended().await, Some(0));
    server.stop().await;
    let list =
        ["backup", "list", "--from", argument(&backups), "--signed-by", &place.signer, "--json"];
    let listed = run_florin(&list, "").await;
    assert_eq!((listed.code, listed.output.lines().count()), (Some(0), 2), "{listed:?}");
    let verify = ["backup", "verify", "--from", argument(&backups), "--signed-by", &place.signer];
    let verified = run_florin(&verify, "").await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

/// Fault 44: a damaged backup ends every command that looks at it with exit status 1 and names the object;
/// what a restore left does not open.
#[tokio::test]
async fn a_damaged_backup_is_never_restored() {
    let place = Place::new().await;
    let server = Server::start(&place.path("data"), &[]).await;
    let client = connect(&server.address).await;
    open_accounts(&client).await;
    post(&client, 1..11).await;
    let made = place.back_up(&server).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    server.stop().await;
    let files = contents(&place.path("backups"));
    let (object, bytes) = files
        .iter()
        .find(|(path, _)| !path.to_string_lossy().contains("manifests"))
        .expect("an object");
    let mut altered = bytes.clone();
    altered[2_000] ^= 1;
    fs::write(object, &altered).expect("writable");
    let name = object.file_name().expect("it has one").to_string_lossy().into_owned();
    let restored = place.path("restored");
    for command in [
        &["backup", "verify"][..],
        &["backup", "drill"],
        &["restore", "--to", argument(&restored)],
        &["restore", "--preview", "--before-transfer", "5"],
    ] {
        let ended = place.read(command).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.said().contains(&name), "{ended:?}");
    }
    let status = run_florin(&["status", "--data", argument(&restored)], "").await;
    assert_eq!(status.code, Some(3), "{status:?}");
    assert!(status.errors.contains("restore again"), "{status:?}");
    // Put back, all is well.
    fs::write(object, bytes).expect("writable");
    let checked = place.read(&["backup", "verify"]).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

/// The promise to whoever is forgotten, by the command line: a backup from before, the newest copy of the
/// keyring, the same master key.
#[tokio::test]
async fn a_key_that_was_destroyed_stays_destroyed_after_a_restore() {
    let place = Place::new().await;
    place.encrypt().await;
    let kek = place.path("kek");
    let key = ["--key-file", argument(&kek)];
    let server = Server::start(&place.path("data"), &key).await;
    let client = connect(&server.address).await;
    let made = client.make_keys(&[b"ann", b"bob"]).await.expect("it serves");
    let backed_up = place.back_up(&server).await;
    assert_eq!(backed_up.code, Some(0), "{backed_up:?}");
    let keyrings = place.path("keyrings");
    let signing = place.path("signing.pem");
    let copy = [
        "backup",
        "keyring",
        "--connect",
        &server.address,
        "--to",
        argument(&keyrings),
        "--signing-key",
        argument(&signing),
    ];
    let copied = run_florin(&copy, "").await;
    assert_eq!(copied.code, Some(0), "{copied:?}");
    client.destroy_keys(&[b"bob"]).await.expect("it serves");
    let copied = run_florin(&copy, "").await;
    assert_eq!(copied.code, Some(0), "{copied:?}");
    server.stop().await;

    let restored = place.path("restored");
    let restore = ["restore", "--keyring", argument(&keyrings), "--to", argument(&restored)];
    let ended = place.read(&restore).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let server = Server::start(&restored, &key).await;
    let client = connect(&server.address).await;
    let held = client.keys(&[b"ann", b"bob"]).await.expect("it serves");
    assert_eq!(held, [made[0].clone(), florin_client::HeldKey::Destroyed]);
    server.stop().await;
}

/// A directory that nobody has open is backed up as well, and never by mistake in the clear.
#[tokio::test]
async fn a_directory_is_backed_up_where_it_lies() {
    let place = Place::new().await;
    let server = Server::start(&place.path("data"), &[]).await;
    let client = connect(&server.address).await;
    open_accounts(&client).await;
    server.stop().await;
    let (data, backups, signing) =
        (place.path("data"), place.path("backups"), place.path("signing.pem"));
    let create = [
        "backup",
        "create",
        "--data",
        argument(&data),
        "--to",
        argument(&backups),
        "--signing-key",
        argument(&signing),
    ];
    let refused = run_florin(&create, "").await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.errors.contains("encrypted"), "{refused:?}");
    let made = run_florin(&[&create[..], &["--in-the-clear"]].concat(), "").await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let prune = [
        "backup",
        "prune",
        "--from",
        argument(&backups),
        "--signed-by",
        &place.signer,
        "--keep",
        "1",
    ];
    let pruned = run_florin(&prune, "").await;
    assert_eq!(pruned.output, "removed 0 backups and 0 objects, kept 1 backups\n", "{pruned:?}");
}

/// The key that signs is changed: old backups are gone on from, and pruned, under the one before; where that
/// is not said, there is a backup all the same, and what was in the way is a finding.
#[tokio::test]
async fn the_key_that_signs_may_be_changed() {
    let place = Place::new().await;
    let server = Server::start(&place.path("data"), &[]).await;
    open_accounts(&connect(&server.address).await).await;
    server.stop().await;
    let (data, backups) = (place.path("data"), place.path("backups"));
    let create = async |signing: &str, more: &[&str]| {
        let fixed = [
            "backup",
            "create",
            "--data",
            argument(&data),
            "--to",
            argument(&backups),
            "--in-the-clear",
        ];
        let signing = place.path(signing);
        let signing = ["--signing-key", argument(&signing)];
        run_florin(&[&fixed[..], &signing, &["--json"], more].concat(), "").await
    };
    assert_eq!(create("signing.pem", &[]).await.code, Some(0));
    let made = run_florin(&["keys", "generate", argument(&place.path("new.pem"))], "").await;
    let new = made.output.split_whitespace().find(|word| word.len() == 64).expect("the key");
    // Nobody knows of the old one: everything is stored again, and it can't be read.
    let alone = create("new.pem", &["--keep", "2"]).await;
    assert_eq!(alone.code, Some(1), "{alone:?}");
    let findings = alone.json()["findings"].as_array().expect("a list").len();
    assert_eq!((alone.json()["kept_objects"].as_u64(), findings), (Some(0), 2), "{alone:?}");
    let also = ["--also-signed-by", place.signer.as_str(), "--keep", "1"];
    let told = create("new.pem", &also).await;
    assert_eq!(told.code, Some(0), "{told:?}");
    assert_eq!(told.json()["stored_objects"], 0, "{told:?}");
    let list = ["backup", "list", "--from", argument(&backups), "--signed-by", new, "--json"];
    let listed = run_florin(&list, "").await;
    assert_eq!((listed.code, listed.output.lines().count()), (Some(0), 1), "{listed:?}");
    // What an attempt left that was cut off goes once it is old.
    let object =
        contents(&backups).into_keys().find(|it| !it.to_string_lossy().contains("manifests"));
    let directory = object.expect("an object").parent().expect("it has one").to_path_buf();
    for left in ["0".repeat(64), String::from(".partial-0000000000000000")] {
        fs::write(directory.join(left), b"left").expect("writable");
    }
    let prune = ["backup", "prune", "--from", argument(&backups), "--signed-by", new, "--orphans"];
    for (hours, gone) in [(None, 0), (Some("0"), 1)] {
        let pruned = run_florin(&[&prune[..], hours.as_slice()].concat(), "").await;
        assert_eq!(
            pruned.output,
            format!("removed {gone} objects that no backup names, and {gone} in part\n"),
            "{pruned:?}"
        );
    }
    let verify = ["backup", "verify", "--from", argument(&backups), "--signed-by", new];
    assert_eq!(run_florin(&verify, "").await.code, Some(0));
}

/// A drill that is ended half-way leaves nothing of the bank behind.
#[tokio::test]
async fn a_drill_that_is_ended_leaves_nothing() {
    for interrupts in [true, false] {
        let place = Place::new().await;
        let server = Server::start(&place.path("data"), &[]).await;
        let client = connect(&server.address).await;
        open_accounts(&client).await;
        post(&client, 1..11).await;
        assert_eq!(place.back_up(&server).await.code, Some(0));
        server.stop().await;
        let object = contents(&place.path("backups"))
            .into_keys()
            .find(|path| !path.to_string_lossy().contains("manifests"))
            .expect("an object");
        // Whoever reads it waits for somebody who writes.
        fs::remove_file(&object).expect("writable");
        let kind = rustix::fs::FileType::Fifo;
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &object, kind, mode, 0).expect("a pipe");
        let (scratch, backups, kek) =
            (place.path("scratch"), place.path("backups"), place.path("kek"));
        fs::create_dir(&scratch).expect("writable");
        let mut drill = Running::start(&[
            "backup",
            "drill",
            "--from",
            argument(&backups),
            "--signed-by",
            &place.signer,
            "--key-file",
            argument(&kek),
            "--scratch",
            argument(&scratch),
        ]);
        let open = move || fs::OpenOptions::new().write(true).open(object);
        let opened = within("the reading of an object", tokio::task::spawn_blocking(open)).await;
        let _writer = opened.expect("it ends").expect("a pipe");
        assert!(contents(&scratch).keys().any(|path| path.ends_with("log/restoring")));
        if interrupts {
            drill.interrupt();
        } else {
            drill.terminate();
        }
        assert_eq!(drill.ended().await, Some(4));
        assert_eq!(fs::read_dir(&scratch).expect("readable").count(), 0);
    }
}
