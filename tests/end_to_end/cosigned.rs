//! Heads that a primary and its standbys have signed, as an auditor meets them. What would go wrong without it: a
//! bank that shows one history to its auditor and another to its customers, with one key for both.

use crate::directory::{contents, empty};
use crate::failover::await_in_step;
use crate::load::connect;
use crate::process::{Ended, Server, argument, run, run_florin, within};
use crate::proofs::{keep_books, python_verifies};
use florin_client::Client;
use florin_ledger::{AccountId, Amount, Code, LedgerId, Subject, Transfer, TransferId};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// An office with a bank's machines: each a directory, its key and its public key.
struct Office {
    directory: TempDir,
}

impl Office {
    fn new() -> Office {
        Office { directory: empty() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Gives a machine a key of its own, and publishes the public half.
    async fn key(&self, machine: &str) -> PathBuf {
        let made = run_florin(&["proof", "key", "--data", argument(&self.path(machine))], "").await;
        assert_eq!(made.code, Some(0), "{made:?}");
        let public = self.path(&format!("{machine}.public"));
        fs::write(&public, made.output).expect("a file");
        public
    }

    async fn start(&self, machine: &str, more: &[&str]) -> Server {
        Server::start(&self.path(machine), more).await
    }

    async fn cosign(&self, primary: &Server, standbys: &[&Server], out: &str) -> Ended {
        let addresses: Vec<&str> = standbys.iter().map(|it| it.address.as_str()).collect();
        self.ask(primary, &["--cosign", &addresses.join(",")], out).await
    }

    async fn ask(&self, primary: &Server, more: &[&str], out: &str) -> Ended {
        let out = self.path(out);
        let fixed = ["proof", "head", "--connect", &primary.address, "--out", argument(&out)];
        run_florin(&[&fixed, more].concat(), "").await
    }

    async fn verify(&self, file: &str, keys: &[&Path], more: &[&str]) -> Ended {
        let file = self.path(file);
        let mut arguments = vec!["verify-receipt", argument(&file)];
        keys.iter().for_each(|key| arguments.extend(["--public-key", argument(key)]));
        arguments.extend(more);
        run_florin(&arguments, "").await
    }
}

async fn post(client: &Client, ids: std::ops::Range<u128>) {
    let transfer = |id| Transfer {
        id: TransferId(id),
        debit_account_id: AccountId(1),
        credit_account_id: AccountId(2),
        amount: Amount(1),
        ledger: LedgerId(978),
        code: Code(7),
        ..Transfer::default()
    };
    client.create_transfers(&ids.map(transfer).collect::<Vec<_>>()).await.expect("it serves");
}

/// Waits until a tree, which is built behind the log, has so many leaves.
async fn await_leaves(client: &Client, leaves: u64) {
    let has_them =
        async { while client.tree_head(None).await.expect("it serves").head.size < leaves {} };
    within("the leaves of what was posted", has_them).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_and_its_standbys_sign_one_head_while_the_books_go_on() {
    let office = Office::new();
    let mut keys = Vec::new();
    for machine in ["one", "two", "three"] {
        keys.push(office.key(machine).await);
    }
    let [one, two, three] = [0, 1, 2].map(|at: usize| keys[at].as_path());
    let primary = office.start("one", &[]).await;
    keep_books(&primary).await;
    let follow = |name| ["--follow", &primary.address, "--follow-name", name];
    let second = office.start("two", &follow("two")).await;
    let third = office.start("three", &follow("three")).await;
    let client = connect(&primary.address).await;
    for round in 0..8_u128 {
        // The newest head is of these, and no standby need have them yet.
        post(&client, 5_000 + round * 500..5_500 + round * 500).await;
        let standbys = if round == 0 { &[&second, &third][..] } else { &[&second] };
        let out = format!("head-{round}");
        let ended = office.cosign(&primary, standbys, &out).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let said = ended.json();
        assert_eq!(said["kind"], "cosigned_head");
        assert_eq!(said["keys"].as_array().map(Vec::len), Some(standbys.len() + 1), "{said}");
    }
    let head = fs::read(office.path("head-0")).expect("a file");
    assert_eq!(head.len(), 160 + 3 * 96);
    // What follows takes files and public keys, and no server.
    third.stop().await;
    second.stop().await;
    primary.stop().await;
    fs::write(
        office.path("all.public"),
        keys.iter().flat_map(|it| fs::read(it).unwrap()).collect::<Vec<_>>(),
    )
    .expect("a file");
    let all = office.path("all.public");
    let stranger = office.key("four").await;
    let stranger = stranger.as_path();
    for (file, keys, more, code) in [
        ("head-0", &[one, two, three][..], &[][..], 0),
        ("head-0", &[three, one, two], &["--kind", "cosigned-head"], 0),
        ("head-0", &[all.as_path()], &[], 0),
        ("head-0", &[one, two, three, stranger], &["--signers", "3"], 0),
        ("head-0", &[one, two, three, stranger], &[], 1),
        ("head-0", &[one, two], &[], 1),
        ("head-0", &[one, two, stranger], &["--signers", "1"], 1),
        ("head-0", &[one, two, three], &["--kind", "tree-head"], 1),
        ("head-0", &[one, two], &["--signers", "3"], 2),
        ("head-0", &[one, one, two], &[], 2),
        ("head-1", &[one, two], &[], 0),
        ("head-1", &[one, two, three], &["--signers", "2"], 0),
        ("head-1", &[one, two, three], &[], 1),
        ("head-1", &[one], &[], 1),
    ] {
        let ended = office.verify(file, keys, more).await;
        assert_eq!(ended.code, Some(code), "{file} {keys:?} {more:?}: {ended:?}");
    }
    let mut changed = head;
    changed[200] ^= 1;
    fs::write(office.path("changed"), changed).expect("a file");
    assert_eq!(office.verify("changed", &[one, two, three], &[]).await.code, Some(1));
    for (keys, file, code) in
        [(&*all, "head-0", 0), (one, "head-0", 1), (&all, "head-1", 1), (&all, "changed", 1)]
    {
        let judged = run(python_verifies(keys, &office.path(file)), "").await;
        assert_eq!(judged.code, Some(code), "{file}: {judged:?}");
    }
}

/// Prevents: an auditor who is told that two machines agree because nobody looked, and evidence that is gone
/// when somebody asks for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_history_is_told_and_what_was_signed_of_it_is_kept() {
    let office = Office::new();
    let (one, two) = (office.key("one").await, office.key("two").await);
    let primary = office.start("one", &[]).await;
    keep_books(&primary).await;
    primary.stop().await;
    for (path, bytes) in contents(&office.path("one")) {
        let copy = office.path("two").join(path.strip_prefix(office.path("one")).unwrap());
        fs::create_dir_all(copy.parent().unwrap()).expect("a directory");
        fs::write(copy, bytes).expect("a file");
    }
    // Each decides for itself from here on.
    let (primary, other) = (office.start("one", &[]).await, office.start("two", &[]).await);
    let (first, second) = (connect(&primary.address).await, connect(&other.address).await);
    post(&first, 5_000..5_001).await;
    post(&second, 6_000..6_001).await;
    let ended = office.cosign(&primary, &[&other], "head").await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors.contains("TWO HISTORIES"), "{ended:?}");
    assert!(!office.path("head").exists(), "two heads were taken for one");
    let said: Vec<serde_json::Value> =
        ended.output.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let [told, other_told] = &said[..] else { panic!("{ended:?}") };
    assert_eq!(told["head"]["leaves"], other_told["head"]["leaves"]);
    assert_ne!(told["head"]["root"], other_told["head"]["root"]);
    let kept = |key: &Path| {
        let key = fs::read_to_string(key).unwrap();
        assert!(ended.errors.contains(&key[..16]), "{ended:?}");
        format!("head.{}", &key[..16])
    };
    for (key, said) in [(&one, told), (&two, other_told)] {
        let judged = office.verify(&kept(key), &[key], &["--kind", "tree-head"]).await;
        assert_eq!(judged.code, Some(0), "{judged:?}");
        assert_eq!(judged.json(), *said);
    }
    // One that can't be reached as well is no reason to pass over it.
    let ended = office
        .ask(&primary, &["--cosign", &format!("127.0.0.1:1,{}", other.address)], "again")
        .await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors.contains("TWO HISTORIES"), "{ended:?}");
    assert!(!ended.errors.contains("could not be kept"), "{ended:?}");
    // A history whose frames end elsewhere has no head of that size.
    post(&first, 5_001..5_002).await;
    post(&second, 6_001..6_010).await;
    let was: u64 = told["head"]["leaves"].as_str().expect("a number").parse().expect("a number");
    for (client, leaves) in [(&first, was + 1), (&second, was + 9)] {
        await_leaves(client, leaves).await;
    }
    let ended = office.cosign(&primary, &[&other], "later").await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors.contains("no head of"), "{ended:?}");
    for key in [&one, &two] {
        let judged = office.verify(&kept(key).replace("head", "later"), &[key], &[]).await;
        assert_eq!(judged.code, Some(0), "{judged:?}");
    }
    primary.stop().await;
    other.stop().await;
}

/// Prevents: a second signature that is the first again, or an alarm where somebody is only late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_can_not_cosign_is_no_alarm() {
    let office = Office::new();
    office.key("one").await;
    let primary = office.start("one", &[]).await;
    keep_books(&primary).await;
    let follow = ["--follow", &primary.address];
    let standby = office.start("two", &follow).await;
    await_in_step(&standby).await;
    let refused = async |ended: Ended, code: i32, why: &str| {
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.errors.contains(why), "{ended:?}");
        assert!(!office.path("head").exists());
    };
    refused(office.cosign(&primary, &[&standby], "head").await, 3, "florin proof key").await;
    refused(office.cosign(&primary, &[&primary], "head").await, 3, "the key of").await;
    let nobody = office.ask(&primary, &["--cosign", "127.0.0.1:1"], "head").await;
    refused(nobody, 3, "127.0.0.1:1").await;
    let connect_to = ["proof", "head", "--connect", &primary.address, "--cosign", &standby.address];
    refused(run_florin(&connect_to, "").await, 2, "--out").await;
    standby.stop().await;
    // Another bank.
    office.key("three").await;
    let stranger = office.start("three", &[]).await;
    keep_books(&stranger).await;
    keep_more_books(&stranger).await;
    refused(office.cosign(&primary, &[&stranger], "head").await, 3, "another database").await;
    stranger.stop().await;
    // A standby that does not follow any more has what it has.
    office.key("two").await;
    let late = office.start("two", &["--follow", "127.0.0.1:1"]).await;
    let ended = office.ask(&primary, &["--cosign", &late.address, "--wait", "5"], "head").await;
    assert_eq!(ended.code, Some(0), "it states what it has: {ended:?}");
    fs::remove_file(office.path("head")).expect("it is there");
    keep_more_books(&primary).await;
    let ended = office.ask(&primary, &["--cosign", &late.address, "--wait", "1"], "head").await;
    refused(ended, 3, "yet").await;
    late.stop().await;
    primary.stop().await;
}

/// Returns when the tree, which is built behind the log, has them too.
async fn keep_more_books(server: &Server) {
    let client = connect(&server.address).await;
    post(&client, 9_000..9_010).await;
    let last = Subject::Transfer(TransferId(9_009));
    let is_there = async { while client.prove_inclusion(&last, None).await.is_err() {} };
    within("the leaves of more books", is_there).await;
}
