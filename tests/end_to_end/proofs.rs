//! Proofs as a customer and an auditor meet them: files from a real server, judged by the binary without it, and
//! by a verifier in another language that was written from docs/FORMAT.md alone. What would go wrong without it:
//! proofs that only their maker believes in.

use crate::directory::empty;
use crate::load::connect;
use crate::process::{Ended, Server, argument, run, run_florin};
use florin_ledger::{
    Account, AccountId, Amount, Code, Commit, CommitId, DocumentWrite, LedgerId, TableId, Transfer,
    TransferId,
};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::process::Command;

/// A bank with its key and some files that it gave away.
struct Bank {
    directory: TempDir,
}

impl Bank {
    async fn new() -> Bank {
        let bank = Bank { directory: empty() };
        let made = run_florin(&["init", "--data", argument(&bank.path("data"))], "").await;
        assert_eq!(made.code, Some(0), "{made:?}");
        let key = run_florin(&["proof", "key", "--data", argument(&bank.path("data"))], "").await;
        assert!(made.output.contains(key.output.trim()), "{made:?}");
        fs::create_dir(bank.path("files")).expect("a directory");
        fs::write(bank.path("public"), &key.output).expect("a file");
        bank
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `florin proof`, its answer in a file.
    async fn proof(&self, server: &Server, file: &str, arguments: &[&str]) -> serde_json::Value {
        let out = self.path(file);
        let more = ["--connect", &server.address, "--out", argument(&out)];
        let ended = run_florin(&[&["proof"], arguments, &more].concat(), "").await;
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        ended.json()
    }

    async fn verify(&self, file: &Path, more: &[&str]) -> Ended {
        let (public, file) = (self.path("public"), argument(file).to_owned());
        let fixed = ["verify-receipt", &file, "--public-key", argument(&public)];
        run_florin(&[&fixed, more].concat(), "").await
    }
}

/// Some books, of two accounts.
pub(crate) async fn keep_books(server: &Server) {
    let client = connect(&server.address).await;
    let account = |id| Account {
        id: AccountId(id),
        ledger: LedgerId(978),
        code: Code(1),
        ..Account::default()
    };
    client.create_accounts(&[account(1), account(2)]).await.expect("it serves");
    let transfer = |id: u128| Transfer {
        id: TransferId(id),
        debit_account_id: AccountId(1),
        credit_account_id: AccountId(2),
        amount: Amount(id * 100),
        ledger: LedgerId(978),
        code: Code(7),
        ..Transfer::default()
    };
    let transfers: Vec<Transfer> = (1..=300).map(transfer).collect();
    client.create_transfers(&transfers).await.expect("it serves");
    let document = DocumentWrite {
        table: TableId(16),
        key: b"key".to_vec(),
        value: Some(b"value".to_vec()),
        ..DocumentWrite::default()
    };
    let commit = Commit {
        id: CommitId(1),
        transfers: vec![transfer(1_000)],
        documents: vec![document],
        actor: b"who".to_vec(),
        ..Commit::default()
    };
    client.commit(&commit).await.expect("it serves");
}

#[tokio::test]
async fn what_a_server_proves_needs_no_server_to_be_believed() {
    let bank = Bank::new().await;
    let server = Server::start(&bank.path("data"), &[]).await;
    keep_books(&server).await;
    let receipt = bank.proof(&server, "files/receipt", &["receipt", "--transfer", "77"]).await;
    assert_eq!(receipt["record"]["content"]["amount"], "7700", "{receipt}");
    let head = bank.proof(&server, "files/head", &["head"]).await;
    let inclusion = ["inclusion", "--transfer", "77"];
    let included = bank.proof(&server, "files/transfer", &inclusion).await;
    assert_eq!(included["record"], receipt["record"]);
    bank.proof(&server, "files/commit", &["inclusion", "--commit", "1"]).await;
    let document = ["inclusion", "--document", "16:6b6579"];
    let document = bank.proof(&server, "files/document", &document).await;
    assert_eq!(document["record"]["content"]["value"], "76616c7565", "{document}");
    let position = receipt["record"]["position"].as_str().expect("a text");
    bank.proof(&server, "files/position", &["inclusion", "--position", position]).await;
    let none = ["proof", "balance", "2", "--connect", &server.address];
    let none = run_florin(&none, "").await;
    assert_eq!(none.code, Some(1), "{none:?}");
    assert!(none.errors.contains("florin proof capture"), "{none:?}");
    let capture = ["proof", "capture", "--connect", &server.address];
    let captured = run_florin(&capture, "").await;
    assert_eq!(captured.code, Some(0), "{captured:?}");
    let balance = bank.proof(&server, "files/balance", &["balance", "2"]).await;
    assert_eq!(balance["balance"]["credits_posted"], "4615000", "{balance}");
    assert_eq!(balance["captured"], captured.json());
    let absence = bank.proof(&server, "files/absence", &["balance", "3"]).await;
    assert_eq!(absence["balance"], serde_json::Value::Null, "{absence}");
    // A day later, after a crash.
    server.kill().await;
    let server = Server::start(&bank.path("data"), &[]).await;
    let leaves = head["head"]["leaves"].as_str().expect("a text").to_owned();
    let again = bank.proof(&server, "again", &["head", "--size", &leaves]).await;
    assert_eq!(again, head, "an old head is stated again");
    let consistency = ["consistency", "--from", &leaves];
    let consistent = bank.proof(&server, "files/consistency", &consistency).await;
    assert_eq!(consistent["first"], head["head"]);
    // The tree of all accounts is gone with the process, its root is on record; and the books go on.
    let recorded = balance["recorded"]["position"].as_str().expect("a text").to_owned();
    pay_once_more(&server).await;
    bank.proof(&server, "late", &["inclusion", "--transfer", "2000"]).await;
    let captured = run_florin(&["proof", "capture", "--connect", &server.address], "").await;
    assert_eq!(captured.code, Some(0), "{captured:?}");
    let then = bank.proof(&server, "then", &["balance", "2", "--as-of", &recorded]).await;
    assert_eq!((&then["balance"], &then["captured"]), (&balance["balance"], &balance["captured"]));
    let later = bank.proof(&server, "later", &["balance", "2"]).await;
    assert_eq!(later["balance"]["credits_posted"], "4815000", "{later}");
    let path = bank.path("files/receipt");
    bank.proof(&server, "redeemed", &["redeem", argument(&path)]).await;
    server.stop().await;
    // From here on there are files and a public key, and nothing else.
    fs::rename(bank.path("data"), bank.path("away")).expect("it is there");
    for entry in fs::read_dir(bank.path("files")).expect("readable") {
        let file = entry.expect("an entry").path();
        let ended = bank.verify(&file, &[]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    let (receipt, redeemed) = (bank.path("files/receipt"), bank.path("redeemed"));
    let ended = bank.verify(&receipt, &["--redeemed-by", argument(&redeemed)]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let other = bank.path("files/document");
    let ended = bank.verify(&receipt, &["--redeemed-by", argument(&other)]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    // A script may demand what it is about.
    let (payment, head) = (bank.path("files/transfer"), bank.path("files/head"));
    for (file, demanded, code) in [
        (&receipt, &["--transfer", "77", "--kind", "receipt"][..], 0),
        (&payment, &["--transfer", "77", "--kind", "inclusion"], 0),
        (&payment, &["--transfer", "78"], 1),
        (&payment, &["--kind", "receipt"], 1),
        (&other, &["--transfer", "77"], 1),
        (&head, &["--kind", "tree-head"], 0),
        (&head, &["--transfer", "77"], 1),
    ] {
        let ended = bank.verify(file, demanded).await;
        assert_eq!(ended.code, Some(code), "{demanded:?}: {ended:?}");
    }
    // A balance counts what lies before it, and is refused where it can't count the last posting.
    let (balance, absence) = (bank.path("files/balance"), bank.path("files/absence"));
    let (late, later) = (bank.path("late"), bank.path("later"));
    for (file, posting, code, said) in [
        (&balance, &receipt, 0, ""),
        (&balance, &payment, 0, ""),
        (&later, &late, 0, ""),
        (&balance, &late, 1, "lies behind the balance"),
        (&absence, &payment, 1, "no posting on that account"),
        (&balance, &other, 1, "no posting on that account"),
        (&payment, &receipt, 2, "counts"),
    ] {
        let ended = bank.verify(file, &["--counts", argument(posting)]).await;
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.errors.contains(said), "{ended:?}");
        let ended = run(python_verifies_counted(&bank.path("public"), file, posting), "").await;
        assert_eq!(ended.code, Some(code.min(1)), "{ended:?}");
    }
    for (file, account, code) in [(&balance, "2", 0), (&balance, "1", 1), (&payment, "2", 1)] {
        let ended = bank.verify(file, &["--account", account]).await;
        assert_eq!(ended.code, Some(code), "{ended:?}");
    }
    let changed = bank.path("changed");
    let mut bytes = fs::read(&receipt).expect("readable");
    bytes[200] ^= 1;
    fs::write(&changed, bytes).expect("a file");
    let ended = bank.verify(&changed, &[]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors.contains("proves nothing: the signature is wrong"), "{ended:?}");
    python_judges(&bank).await;
}

/// The verifier in another language, on one file.
pub(crate) fn python_verifies(keys: &Path, file: &Path) -> Command {
    let mut python = Command::new("python3");
    let verifier = Path::new(env!("CARGO_MANIFEST_DIR")).join("verify/verify.py");
    python.arg(verifier).args([keys, file]).env("PYTHONDONTWRITEBYTECODE", "1");
    python.stdout(std::process::Stdio::piped());
    python
}

fn python_verifies_counted(keys: &Path, file: &Path, posting: &Path) -> Command {
    let mut python = python_verifies(keys, file);
    python.arg(posting);
    python
}

/// A posting of 200,000 on account 2.
async fn pay_once_more(server: &Server) {
    let client = connect(&server.address).await;
    let transfer = Transfer {
        id: TransferId(2_000),
        debit_account_id: AccountId(1),
        credit_account_id: AccountId(2),
        amount: Amount(200_000),
        ledger: LedgerId(978),
        code: Code(7),
        ..Transfer::default()
    };
    client.create_transfers(&[transfer]).await.expect("it serves");
}

/// Every byte of every file, in the words of another language.
async fn python_judges(bank: &Bank) {
    let mut python = Command::new("python3");
    python
        .args(["-m", "unittest", "--verbose", "test_verify"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/python"))
        .env("FLORIN_PROOFS", bank.path("files"))
        .env("FLORIN_REDEEMED", bank.path("redeemed"))
        .env("FLORIN_PUBLIC_KEY", bank.path("public"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdout(std::process::Stdio::piped());
    let ended = run(python, "").await;
    assert_eq!(ended.code, Some(0), "{}", ended.said());
    assert!(ended.errors.contains("test_whatever_is_changed_is_refused"), "{}", ended.said());
}

/// Prevents: an operator who serves for a year and learns then that nothing was signed.
#[tokio::test]
async fn a_server_without_a_key_says_how_to_have_one() {
    let directory = empty();
    let data = directory.path().join("data");
    let server = Server::start(&data, &[]).await;
    let connect = ["--connect", &server.address];
    let ended = run_florin(&[&["proof", "head"], &connect[..]].concat(), "").await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors.contains("florin proof key"), "{ended:?}");
    server.stop().await;
    // Nor does a question make one: that would be another signature of the bank.
    let head = ["proof", "head", "--data", argument(&data)];
    let ended = run_florin(&head, "").await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.errors.contains("florin proof key"), "{ended:?}");
    assert!(!directory.path().join("data.signing-key").exists(), "a question has made a key");
    let made = run_florin(&["proof", "key", "--data", argument(&data)], "").await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let ended = run_florin(&head, "").await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.json()["head"]["key"], made.output.trim());
    let server = Server::start(&data, &[]).await;
    let served = run_florin(&["proof", "head", "--connect", &server.address], "").await;
    assert_eq!(served.code, Some(0), "{served:?}");
    assert_eq!(served.json()["head"]["key"], ended.json()["head"]["key"]);
    server.stop().await;
    let none = directory.path().join("none");
    let ended = run_florin(&["proof", "head", "--data", argument(&none)], "").await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(!none.exists(), "it was made");
}
