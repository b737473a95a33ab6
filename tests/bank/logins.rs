//! Who gets in. What would go wrong without: somebody with a stolen password, or with time to try many, is let
//! in as a customer; or learns who is one.

use crate::branch::{Branch, PASSWORD};
use florin_adapter::Bank;
use florin_adapter::audit::Caller;
use florin_adapter::clock::{HOUR, MINUTE, SECOND};
use florin_adapter::customers::{LoginError, Recoveries};
use florin_adapter::email::Email;
use std::sync::Arc;

/// What something costs: documents that are asked for, what the ledger is asked to do, passwords that are hashed.
async fn cost(branch: &Branch, done: impl Future<Output = ()>) -> (u64, Vec<u64>, u64) {
    let Bank { store, passwords, .. } = &*branch.bank;
    let figures = || (store.asked_count(), branch.requests(), passwords.hashed_count());
    let before = figures();
    done.await;
    let after = figures();
    let requests = after.1.iter().zip(before.1).map(|(after, before)| after - before).collect();
    (after.0 - before.0, requests, after.2 - before.2)
}

/// Row 36, counted and not timed: what is typed of a customer costs as many reads, writes and hashes as what is typed of a
/// stranger, or of nobody's address. So no clock tells them apart, however many samples somebody takes.
#[tokio::test]
async fn row_36_a_strangers_name_costs_what_a_customers_does() {
    let branch = Branch::open().await;
    branch.customer("ada@example.org").await;
    let Bank { store, clock, .. } = &*branch.bank;
    // Each time somebody else, so that none has a counter or a budget.
    branch.customer("ben@example.org").await;
    let mut costs = Vec::new();
    for email in ["ada@example.org", "zoe@example.org"] {
        let login = cost(&branch, async {
            assert!(!branch.lets_in(email, "a wrong password", "000000").await);
        });
        let login = login.await;
        let right = cost(&branch, async {
            assert!(!branch.lets_in(email, PASSWORD, "000000").await);
        });
        let right = right.await;
        let locked = cost(&branch, async {
            for _ in 0..6 {
                assert!(!branch.lets_in(email, "a wrong password", "000000").await);
            }
        });
        let locked = locked.await;
        let forgotten = cost(&branch, async {
            let email = Email::parse(email).unwrap();
            Recoveries::begin(store, &**clock, &Caller::bank(), &email).await.unwrap();
        });
        let forgotten = forgotten.await;
        let registered = cost(&branch, crate::registration::asks(&branch, email)).await;
        costs.push([login, right, locked, forgotten, registered]);
    }
    assert_eq!(costs[0], costs[1]);
    let [login, ..] = &costs[0];
    assert!(3 < login.0 && login.2 == 1, "{login:?}");
    let nobodys = cost(&branch, async {
        assert!(!branch.lets_in("no address", "a wrong password", "000000").await);
    });
    assert_eq!(&nobodys.await, login);
}

#[tokio::test]
async fn name_password_and_code_are_a_login_and_nothing_less_is() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let right = |branch: &Branch| ada.totp.code(branch.now());
    let others = ben.totp.code(branch.now());
    for (email, password, code, is_in) in [
        ("ada@example.org", "a horse, a batterY", right(&branch), false),
        ("ada@example.org", PASSWORD, others, false),
        ("eve@example.org", PASSWORD, right(&branch), false),
        ("ada@example.org", "", right(&branch), false),
        (" ADA@example.org", PASSWORD, right(&branch), true),
        // Used just now.
        ("ada@example.org", PASSWORD, right(&branch), false),
    ] {
        assert_eq!(branch.lets_in(email, password, &code).await, is_in, "{email} {password}");
    }
    branch.pass(30 * SECOND);
    assert!(branch.lets_in(ada.email, PASSWORD, &right(&branch)).await, "the next code");
    let late = branch.begins(ada.email, PASSWORD).await;
    branch.pass(5 * MINUTE);
    let finished = branch.finishes(&late, &right(&branch)).await;
    assert!(matches!(finished, Err(LoginError::NoMatch)), "too late");
}

/// Row 34 of the threat table, as far as one name goes.
#[tokio::test]
async fn five_wrong_attempts_lock_a_name_and_nobody_elses() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    for _ in 0..5 {
        assert!(!branch.lets_in(ada.email, "something else", "000000").await);
    }
    assert!(!branch.lets_in(ada.email, PASSWORD, &ada.totp.code(branch.now())).await, "locked");
    assert!(branch.lets_in(ben.email, PASSWORD, &ben.totp.code(branch.now())).await);
    branch.pass(15 * MINUTE - 1);
    assert!(!branch.lets_in(ada.email, PASSWORD, &ada.totp.code(branch.now())).await, "still");
    branch.pass(1);
    assert!(branch.lets_in(ada.email, PASSWORD, &ada.totp.code(branch.now())).await);
    // A login begins anew: the next lock comes after five again.
    for _ in 0..4 {
        assert!(!branch.lets_in(ada.email, "something else", "000000").await);
    }
    branch.pass(30 * SECOND);
    assert!(branch.lets_in(ada.email, PASSWORD, &ada.totp.code(branch.now())).await);
}

/// Prevents: a counter for each way to write a name, of which one can always be had that is not locked.
#[tokio::test]
async fn a_name_is_counted_once_however_it_is_written() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let filler = " ".repeat(239);
    for email in
        ["ada@example.org", " Ada@Example.org", "ADA@EXAMPLE.ORG\t", "\u{a0}ada@example.org"]
    {
        assert!(!branch.lets_in(email, "something else", "000000").await);
    }
    let filled = format!("ada@example.org{filler}x");
    assert!(!branch.lets_in(&filled, PASSWORD, &ada.totp.code(branch.now())).await, "no address");
    assert!(!branch.lets_in("ada@example.org ", "something else", "000000").await, "the fifth");
    assert!(!branch.lets_in(ada.email, PASSWORD, &ada.totp.code(branch.now())).await, "locked");
}

/// Row 35: whoever asks many times at once has no more tries than who asks one after the other.
#[tokio::test]
async fn of_a_hundred_codes_at_once_one_is_looked_at() {
    let branch = Arc::new(Branch::open().await);
    let ada = branch.customer("ada@example.org").await;
    let attempt = branch.begins(ada.email, PASSWORD).await;
    let code = ada.totp.code(branch.now());
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (branch, attempt, code) = (Arc::clone(&branch), attempt.clone(), code.clone());
        tries.spawn(async move { branch.finishes(&attempt, &code).await });
    }
    let mut let_in = 0;
    while let Some(tried) = tries.join_next().await {
        match tried.unwrap() {
            Ok(_) => let_in += 1,
            Err(LoginError::NoMatch) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(let_in, 1);
    // Of a right code among wrong ones at the same time the token is spent on one of them.
    branch.pass(30 * SECOND);
    let attempt = branch.begins(ada.email, PASSWORD).await;
    let code = ada.totp.code(branch.now());
    let mut tries = tokio::task::JoinSet::new();
    for number in 0..100 {
        let (branch, attempt) = (Arc::clone(&branch), attempt.clone());
        let code = if number == 99 { code.clone() } else { format!("{number:06}") };
        tries.spawn(async move { branch.finishes(&attempt, &code).await.is_ok() });
    }
    tries.join_all().await;
    branch.pass(30 * SECOND);
    let code = ada.totp.code(branch.now());
    assert!(
        branch.finishes(&attempt, &code).await.is_err(),
        "the token is spent, whoever spent it"
    );
    let wrong = branch.begins(ada.email, PASSWORD).await;
    branch.pass(30 * SECOND);
    assert!(branch.finishes(&wrong, "000000").await.is_err());
    let code = ada.totp.code(branch.now());
    assert!(branch.finishes(&wrong, &code).await.is_err(), "its one try is spent");
}

/// Row 31.
#[tokio::test]
async fn a_login_ends_when_idle_and_after_half_a_day() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let idle = branch.login(&ada).await;
    branch.pass(5 * MINUTE - 1);
    assert!(branch.is_in(&idle).await);
    branch.pass(5 * MINUTE);
    assert!(!branch.is_in(&idle).await, "idle for five minutes");
    let busy = branch.login(&ada).await;
    let begun = branch.now().0;
    while branch.now().0 + 4 * MINUTE < begun + 12 * HOUR {
        branch.pass(4 * MINUTE);
        assert!(branch.is_in(&busy).await, "{} minutes", (branch.now().0 - begun) / MINUTE);
    }
    branch.pass(4 * MINUTE);
    assert!(!branch.is_in(&busy).await, "half a day is over");
}

/// Prevents: two customers under one address, of whom one gets the other's mail.
#[tokio::test]
async fn an_address_is_one_customers() {
    let branch = Branch::open().await;
    branch.customer("ada@example.org").await;
    assert!(branch.registers("ADA@Example.org").await.is_none());
}
