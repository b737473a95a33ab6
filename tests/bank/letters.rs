//! Letters. What would go wrong without: a customer is never told, is told of what did not happen, or waits behind
//! somebody whose mailbox is gone.

use crate::branch::Branch;
use crate::mailbox::Mailbox;
use crate::registration::asks;
use florin_adapter::clock::{HOUR, MINUTE};
use florin_adapter::tables;
use florin_ledger::document::DocumentScan;

async fn waiting(branch: &Branch) -> usize {
    let scan = DocumentScan { table: tables::OUTBOX, limit: 100, ..DocumentScan::default() };
    branch.client.scan_documents(&scan).await.unwrap().items.len()
}

#[tokio::test]
async fn a_letter_is_sent_once_and_gone() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    asks(&branch, "ada@example.org").await;
    assert_eq!(waiting(&branch).await, 1, "nobody has sent it yet");
    assert_eq!(mailbox.fills(&branch).await, 1);
    let mail = mailbox.only("ada@example.org");
    assert!(mail.text.contains("https://bank.example/register/confirm?token="), "{}", mail.text);
    branch.pass(HOUR);
    assert_eq!((mailbox.fills(&branch).await, waiting(&branch).await), (0, 0));
    assert!(mailbox.opens().is_empty());
}

/// Prevents: one mailbox that is gone, and everybody's letters behind it; or a relay that is asked all the time.
#[tokio::test]
async fn a_letter_that_can_not_be_sent_waits_longer_each_time_and_blocks_nobody() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    mailbox.dies("ada@example.org");
    asks(&branch, "ada@example.org").await;
    asks(&branch, "ben@example.org").await;
    assert_eq!(mailbox.fills(&branch).await, 2);
    mailbox.only("ben@example.org");
    for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
        branch.pass(minutes * MINUTE - 1);
        assert_eq!(mailbox.fills(&branch).await, 0, "before {minutes} minutes are over");
        branch.pass(1);
        assert_eq!(mailbox.fills(&branch).await, 1, "after {minutes} minutes");
    }
    mailbox.revives("ada@example.org");
    branch.pass(HOUR);
    assert_eq!((mailbox.fills(&branch).await, waiting(&branch).await), (1, 0));
    mailbox.only("ada@example.org");
}

/// Prevents: a link that arrives when it is good no more, and an outbox that only grows.
#[tokio::test]
async fn a_letter_that_is_of_no_use_any_more_is_given_up_and_put_on_record() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    asks(&branch, "ada@example.org").await;
    branch.pass(24 * HOUR);
    mailbox.fills(&branch).await;
    assert!(mailbox.opens().is_empty());
    assert_eq!(waiting(&branch).await, 0);
    let scan = DocumentScan { table: tables::AUDIT_TRAIL, limit: 100, ..DocumentScan::default() };
    let rows = branch.client.scan_documents(&scan).await.unwrap().items;
    let is_of_letter = |value: &[u8]| String::from_utf8_lossy(value).contains("LETTER");
    assert_eq!(rows.iter().filter(|row| is_of_letter(row.value.as_ref().unwrap())).count(), 1);
}

/// Prevents: two postmen of two adapters, and every letter twice.
#[tokio::test]
async fn of_two_postmen_one_sends_a_letter() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    for name in ["ada", "ben", "cleo", "dan", "eve", "fay", "gus", "hal"] {
        asks(&branch, &format!("{name}@example.org")).await;
    }
    let (one, other) = (mailbox.postman(&branch), mailbox.postman(&branch));
    let (one, other) = tokio::join!(one.step(), other.step());
    one.unwrap();
    other.unwrap();
    assert_eq!((mailbox.opens().len(), waiting(&branch).await), (8, 0));
}

/// Prevents: a stranger who fills somebody's mailbox by typing their address.
#[tokio::test]
async fn an_address_gets_few_letters_an_hour_that_strangers_ask_for() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    for address in [ada.email, "ben@example.org"] {
        for _ in 0..8 {
            asks(&branch, address).await;
        }
        mailbox.fills(&branch).await;
        assert_eq!((mailbox.opens().len(), waiting(&branch).await), (5, 0), "{address}");
    }
    branch.pass(HOUR);
    asks(&branch, ada.email).await;
    mailbox.fills(&branch).await;
    mailbox.only(ada.email);
}
