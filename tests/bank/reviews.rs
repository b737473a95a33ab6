//! Transfers that a person looks at before they go on.

use crate::branch::{Branch, Person};
use florin_adapter::accounts;
use florin_adapter::clock::{HOUR, SECOND};
use florin_adapter::id::{Account, Case, Customer, Id, Transaction};
use florin_adapter::payments::review::{self, CaseVerdict, DecideRefused};
use florin_adapter::payments::{TransactionOpen, TransactionStatus, Transactions, step, step_key};
use florin_adapter::risk::Verdict;
use florin_adapter::staff::{Clerk, Role};

/// A payment of a new payee's that is large: the rules want somebody to look at it.
async fn in_review() -> (Branch, Person, Id<Account>, Id<Account>, Id<Transaction>) {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let one = branch.account(&ada, 600_000).await;
    let his = branch.account(&ben, 0).await;
    let begun = branch.sends(&ada, one, his, 300_000).await.unwrap();
    branch.works().await;
    (branch, ada, one, his, begun.transaction)
}

async fn case(branch: &Branch) -> Id<Case> {
    let waiting = review::waiting(&branch.bank.store).await.unwrap();
    assert_eq!(waiting.len(), 1);
    waiting[0].row.open.case_id
}

async fn decides(
    branch: &Branch,
    clerk: &Clerk,
    case: Id<Case>,
    verdict: CaseVerdict,
) -> Result<(), DecideRefused> {
    review::decide(&branch.bank, clerk, case, verdict).await
}

async fn clerk(branch: &Branch, role: Role) -> Clerk {
    let email = match role {
        Role::Fraud => "fraud@bank.example",
        _ => "other@bank.example",
    };
    let member = branch.hires(email, &[role]).await;
    branch.clerk(&member).await
}

/// Who let a transfer go on, as its last row says.
async fn approver(branch: &Branch, transaction: Id<Transaction>) -> Option<Id<Customer>> {
    let key = step_key(transaction, step::ENDED);
    match branch.bank.store.get::<Transactions>(&key).await.unwrap().unwrap().row.open {
        TransactionOpen::Ended(ended) => ended.approved_by,
        _ => panic!("the transfer has not ended"),
    }
}

/// F01 and F06: prevents money that moves although somebody should look first, and money that is free meanwhile.
#[tokio::test]
async fn what_is_risky_is_held_for_days_and_posted_once_it_is_approved() {
    let (branch, ada, one, his, transaction) = in_review().await;
    assert_eq!(branch.view(&ada, transaction).await.status, TransactionStatus::Pending);
    branch.pass(4 * 24 * HOUR);
    branch.works_off_expiries().await;
    assert_eq!(branch.balance(one).await, (600_000, 300_000), "held anew");
    let fraud = clerk(&branch, Role::Fraud).await;
    decides(&branch, &fraud, case(&branch).await, CaseVerdict::Approve).await.unwrap();
    branch.works().await;
    assert_eq!(branch.view(&ada, transaction).await.status, TransactionStatus::Completed);
    assert_eq!(approver(&branch, transaction).await, Some(fraud.id()));
    assert_eq!(branch.balance(one).await, (300_000, 300_000));
    assert_eq!(branch.balance(his).await, (300_000, 300_000));
    assert!(review::waiting(&branch.bank.store).await.unwrap().is_empty());
    // Who was paid a moment ago is new still; a day later no more.
    branch.pass(24 * HOUR);
    let again = branch.sends(&ada, one, his, 290_000).await.unwrap();
    branch.works().await;
    assert_eq!(branch.view(&ada, again.transaction).await.status, TransactionStatus::Completed);
}

#[tokio::test]
async fn what_is_rejected_is_given_back_with_its_limits() {
    let (branch, ada, one, his, transaction) = in_review().await;
    let fraud = clerk(&branch, Role::Fraud).await;
    decides(&branch, &fraud, case(&branch).await, CaseVerdict::Reject).await.unwrap();
    branch.works().await;
    let view = branch.view(&ada, transaction).await;
    assert_eq!(view.status, TransactionStatus::Failed);
    assert_eq!(view.reason.as_deref(), Some("rejected"));
    assert_eq!(approver(&branch, transaction).await, None);
    assert_eq!(
        (branch.balance(one).await, branch.balance(his).await),
        ((600_000, 600_000), (0, 0))
    );
    // The day's limit is half a million: all of it is there again.
    branch.limits(one, 500_000, 5_000_000).await;
    let savings = branch.account(&ada, 0).await;
    branch.sends(&ada, one, savings, 500_000).await.unwrap();
}

/// Row 60: a case is decided by who has the role for it, and once.
#[tokio::test]
async fn a_case_is_decided_once_by_who_may() {
    let (branch, _, one, _, _) = in_review().await;
    let case = case(&branch).await;
    let other = clerk(&branch, Role::Operations).await;
    let refused = decides(&branch, &other, case, CaseVerdict::Approve).await;
    assert!(matches!(refused, Err(DecideRefused::Forbidden(_))));
    let fraud = clerk(&branch, Role::Fraud).await;
    decides(&branch, &fraud, case, CaseVerdict::Reject).await.unwrap();
    let again = decides(&branch, &fraud, case, CaseVerdict::Approve).await;
    assert!(matches!(again, Err(DecideRefused::Decided)));
    let none = decides(&branch, &fraud, Id::from_number(99), CaseVerdict::Approve).await;
    assert!(matches!(none, Err(DecideRefused::NoSuchCase)));
    branch.works().await;
    assert_eq!(branch.balance(one).await, (600_000, 600_000));
}

/// Prevents: money that stays held for days on an account that was suspended because of it.
#[tokio::test]
async fn a_suspension_gives_back_what_waits_for_a_person() {
    let (branch, ada, one, _, transaction) = in_review().await;
    let fraud = clerk(&branch, Role::Fraud).await;
    accounts::suspend(&branch.bank, &fraud, one, "stolen telephone").await.unwrap();
    branch.works().await;
    let view = branch.view(&ada, transaction).await;
    assert_eq!(view.status, TransactionStatus::Failed);
    assert_eq!(view.reason.as_deref(), Some("account_not_active"));
    assert_eq!(branch.balance(one).await, (600_000, 600_000));
    assert!(review::waiting(&branch.bank.store).await.unwrap().is_empty());
}

/// Prevents: money that is held for ever because nobody looks.
#[tokio::test]
async fn a_case_that_nobody_decides_ends_with_its_hold() {
    let (branch, ada, one, _, transaction) = in_review().await;
    let case = case(&branch).await;
    branch.pass(5 * 24 * HOUR + SECOND);
    // Something has to happen for the ledger to look at its clock.
    branch.account(&ada, 1).await;
    // An adapter whose clock is a little behind ends it all the same.
    branch.clock.adapters_behind(2 * SECOND);
    branch.works_off_expiries().await;
    branch.clock.adapters_behind(0);
    let view = branch.view(&ada, transaction).await;
    assert_eq!((view.status, view.reason.as_deref()), (TransactionStatus::Failed, Some("expired")));
    assert_eq!(branch.balance(one).await, (600_000, 600_000));
    let fraud = clerk(&branch, Role::Fraud).await;
    let late = decides(&branch, &fraud, case, CaseVerdict::Approve).await;
    assert!(matches!(late, Err(DecideRefused::Decided)));
    assert!(review::waiting(&branch.bank.store).await.unwrap().is_empty());
}

/// F04 and N15: what was known, by which rules, is with the transaction, and the rules say the same again.
#[tokio::test]
async fn a_decision_is_kept_with_what_it_was_made_of() {
    let (branch, _, _, _, transaction) = in_review().await;
    let key = step_key(transaction, step::IN_REVIEW);
    let row = branch.bank.store.get::<Transactions>(&key).await.unwrap().unwrap().row;
    assert!(matches!(&row.open, TransactionOpen::InReview(row) if row.requires_approval));
    let assessment = row.statutory.known().unwrap().assessment.unwrap();
    assert_eq!(assessment.decision.verdict, Verdict::Review);
    assert_eq!(assessment.features.amount_cents, 300_000);
    assert!(assessment.features.is_new_payee && !assessment.features.is_own);
    assert_eq!(assessment.is_replayed(), Some(true));
    assert!(assessment.shadow.is_some(), "rules that are tried out have judged too");
}
