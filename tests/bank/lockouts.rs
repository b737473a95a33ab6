//! Locked names. What would go wrong without: somebody tries passwords for weeks and the customer never knows; or the
//! warning tells strangers who is one, or fills a mailbox.

use crate::branch::{Branch, PASSWORD};
use crate::mailbox::Mailbox;
use florin_adapter::Bank;
use florin_adapter::audit::{Action, Caller};
use florin_adapter::clock::{HOUR, MINUTE};
use florin_adapter::customers::{Accepted, prove};
use florin_adapter::tables;
use florin_ledger::document::DocumentScan;
use std::sync::Arc;

async fn guesses(branch: &Branch, email: &str, count: usize) {
    for _ in 0..count {
        assert!(!branch.lets_in(email, "guessed", "000000").await);
    }
}

/// How many letters have come, and all of them to an address.
async fn told(branch: &Branch, mailbox: &Arc<Mailbox>, email: &str) -> usize {
    mailbox.fills(branch).await;
    let letters = mailbox.opens();
    for letter in &letters {
        assert_eq!(letter.to.written(), email);
        assert!(letter.subject.contains("locked"), "{}", letter.subject);
    }
    letters.len()
}

/// Row 34: an alert, once a lock.
#[tokio::test]
async fn row_34_a_customer_is_told_once_of_each_lock() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    guesses(&branch, "ADA@example.org", 4).await;
    assert_eq!(told(&branch, &mailbox, ada.email).await, 0);
    guesses(&branch, ada.email, 20).await;
    mailbox.fills(&branch).await;
    let letter = mailbox.only(ada.email);
    assert!(letter.text.contains("until\n21 September 2026 at 14:29 UTC"), "{}", letter.text);
    for minutes in [15, 30, 60] {
        branch.pass(minutes * MINUTE);
        guesses(&branch, ada.email, 8).await;
        assert_eq!(told(&branch, &mailbox, ada.email).await, 1, "after {minutes} minutes");
    }
    let rows = branch.audit_rows().await;
    let locks = rows.iter().filter(|row| row.action_type == Action::LoginLocked).count();
    assert_eq!(locks, 4);
}

/// Row 35, for the second factor: whoever has a login, or a link, and guesses codes.
#[tokio::test]
async fn row_35_codes_that_are_guessed_are_told_of_too() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let Bank { store, clock, .. } = &*branch.bank;
    for _ in 0..7 {
        let accepted = Accepted::AppOrRecoveryCode;
        let caller = Caller::bank();
        assert!(prove(store, &**clock, &caller, ada.id, "000000", accepted).await.is_err());
    }
    assert_eq!(told(&branch, &mailbox, ada.email).await, 1);
    assert!(branch.lets_in(ada.email, PASSWORD, &ada.totp.code(branch.now())).await);
}

/// Prevents: a stranger who fills a mailbox by typing its address.
#[tokio::test]
async fn letters_about_locks_are_counted_with_all_that_strangers_cause() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    for _ in 0..5 {
        crate::registration::asks(&branch, ada.email).await;
    }
    mailbox.fills(&branch).await;
    assert_eq!(mailbox.opens().len(), 5);
    guesses(&branch, ada.email, 5).await;
    assert_eq!(told(&branch, &mailbox, ada.email).await, 0, "there were five in this hour");
    branch.pass(HOUR);
    guesses(&branch, ada.email, 5).await;
    assert_eq!(told(&branch, &mailbox, ada.email).await, 1);
}

/// Row 36: a lock of somebody's name and of nobody's, and of what is no name, write as much.
#[tokio::test]
async fn row_36_a_lock_tells_nobody_who_is_a_customer() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let count = async || {
        let mut counts = Vec::new();
        for table in tables::ALL.iter().filter(|table| !table.options.volatile) {
            let scan = DocumentScan { table: table.id, limit: 500, ..DocumentScan::default() };
            counts.push(branch.client.scan_documents(&scan).await.unwrap().items.len());
        }
        counts
    };
    let mut written = Vec::new();
    for email in [ada.email, "zoe@example.org"] {
        let before = count().await;
        guesses(&branch, email, 6).await;
        let after = count().await;
        written.push(before.iter().zip(after).map(|(before, after)| after - before).collect());
    }
    let [one, other]: [Vec<usize>; 2] = written.try_into().unwrap();
    assert_eq!(one, other);
    guesses(&branch, "no address", 6).await;
    assert_eq!(told(&branch, &mailbox, ada.email).await, 1, "and nobody else");
}
