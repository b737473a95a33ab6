//! Reversals. What would go wrong without: one member of the staff who moves customers' money by themselves, or a
//! transfer that is moved back twice.

use crate::branch::{Branch, Person};
use florin_adapter::accounts::{self, CashDirection, CashOrder};
use florin_adapter::audit::Action;
use florin_adapter::id::{Account, Id, Transaction};
use florin_adapter::money::{Currency, Money};
use florin_adapter::payments::{
    RequestKey, ReversalRefused, TransactionStatus, approve_reversal, request_reversal,
};
use florin_adapter::staff::{Clerk, Matter, ProposalRefused, Role, proposals, reject};
use std::sync::Arc;

/// A transfer of 6.00 that has ended, and four members of the staff.
struct Case {
    branch: Arc<Branch>,
    ada: Person,
    hers: Id<Account>,
    ben: Person,
    his: Id<Account>,
    transaction: Id<Transaction>,
    otto: Clerk,
    olga: Clerk,
    amy: Clerk,
    sue: Clerk,
}

async fn case() -> Case {
    let branch = Arc::new(Branch::open().await);
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let (hers, his) = (branch.account(&ada, 1_000).await, branch.account(&ben, 0).await);
    let transaction = branch.sends(&ada, hers, his, 600).await.unwrap().transaction;
    branch.works().await;
    let mut clerks = Vec::new();
    for (email, role) in [
        ("otto@example.org", Role::Operations),
        ("olga@example.org", Role::Operations),
        ("amy@example.org", Role::Admin),
        ("sue@example.org", Role::Support),
    ] {
        let person = branch.hires(email, &[role]).await;
        clerks.push(branch.clerk(&person).await);
    }
    let [otto, olga, amy, sue] = <[Clerk; 4]>::try_from(clerks).unwrap();
    Case { branch, ada, hers, ben, his, transaction, otto, olga, amy, sue }
}

impl Case {
    async fn asks(&self, clerk: &Clerk) -> Result<(), ReversalRefused> {
        request_reversal(&self.branch.bank, clerk, self.transaction, "sent to the wrong one").await
    }

    async fn approves(&self, clerk: &Clerk) -> Result<(), ReversalRefused> {
        approve_reversal(&self.branch.bank, clerk, self.transaction).await
    }

    /// What is on both accounts.
    async fn balances(&self) -> (u128, u128) {
        (self.branch.balance(self.hers).await.0, self.branch.balance(self.his).await.0)
    }
}

#[tokio::test]
async fn two_members_of_the_staff_move_the_whole_amount_back() {
    let case = case().await;
    let branch = &case.branch;
    case.asks(&case.otto).await.unwrap();
    assert_eq!(case.balances().await, (400, 600), "nothing happens before somebody approves");
    case.approves(&case.olga).await.unwrap();
    assert_eq!(case.balances().await, (1_000, 0));
    let view = branch.view(&case.ada, case.transaction).await;
    assert_eq!(view.status, TransactionStatus::Reversed);
    let found = accounts::owned(&branch.bank.store, case.ada.id, case.hers).await.unwrap();
    let history = accounts::history(&branch.bank.store, &found.unwrap(), 10, None).await.unwrap();
    let newest = &history.entries[0];
    assert_eq!((newest.money.cents, newest.is_credit), (600, true));
    assert_eq!(newest.description, "Reversed · for the garden");
    let name = case.transaction.to_string();
    let rows = branch.audit_rows().await;
    let by = |clerk: &Clerk, action| {
        let is_wanted = |row: &&florin_adapter::audit::AuditOpen| {
            row.entity_id == name && row.user_id == Some(clerk.id()) && row.action_type == action
        };
        rows.iter().filter(is_wanted).map(|row| row.subject.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(by(&case.otto, Action::Update), [case.ada.id], "that it was asked for");
    let both: std::collections::BTreeSet<_> =
        by(&case.olga, Action::Transaction).into_iter().collect();
    assert_eq!(both, [case.ada.id, case.ben.id].into(), "on the record of both customers");
}

/// Row 60 of the threat table: self-approval, and other roles.
#[tokio::test]
async fn whoever_asked_does_not_approve_nor_does_who_lacks_the_role() {
    let case = case().await;
    for clerk in [&case.sue, &case.amy] {
        assert!(matches!(case.asks(clerk).await, Err(ReversalRefused::Forbidden(_))));
    }
    case.asks(&case.otto).await.unwrap();
    assert!(matches!(case.approves(&case.otto).await, Err(ReversalRefused::SameEyes(_))));
    assert!(matches!(case.approves(&case.sue).await, Err(ReversalRefused::Forbidden(_))));
    assert_eq!(case.balances().await, (400, 600), "nothing was posted");
    case.approves(&case.amy).await.unwrap();
    assert_eq!(case.balances().await, (1_000, 0));
}

/// Row 60: two who approve at the same time move it back once.
#[tokio::test]
async fn of_two_who_approve_at_once_one_does() {
    let case = Arc::new(case().await);
    // As much again, so that a second one would find the money.
    assert!(case.branch.deposits(case.his, 600).await.name() == "created");
    case.asks(&case.otto).await.unwrap();
    let mut approving = tokio::task::JoinSet::new();
    for number in 0..8 {
        let case = Arc::clone(&case);
        approving.spawn(async move {
            case.approves(if number % 2 == 0 { &case.olga } else { &case.amy }).await
        });
    }
    let mut done = 0;
    for approved in approving.join_all().await {
        match approved {
            Ok(()) => done += 1,
            Err(
                ReversalRefused::Proposal(ProposalRefused::NoSuchProposal)
                | ReversalRefused::AlreadyReversed,
            ) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((done, case.balances().await), (1, (1_000, 600)));
    assert!(matches!(case.asks(&case.otto).await, Err(ReversalRefused::AlreadyReversed)));
    assert!(proposals(&case.branch.bank.store).await.unwrap().is_empty());
}

/// Prevents: a refusal of the ledger, which is for ever, that keeps the money where it is for ever.
#[tokio::test]
async fn where_the_payee_lacks_the_money_it_is_approved_again_when_they_have_it() {
    let case = case().await;
    let elsewhere = case.branch.account(&case.ben, 0).await;
    case.branch.sends(&case.ben, case.his, elsewhere, 1).await.unwrap();
    case.asks(&case.otto).await.unwrap();
    for _ in 0..3 {
        let refused = case.approves(&case.olga).await;
        assert!(matches!(refused, Err(ReversalRefused::InsufficientFunds)), "held is not there");
    }
    case.branch.works().await;
    assert!(matches!(case.approves(&case.olga).await, Err(ReversalRefused::InsufficientFunds)));
    assert_eq!(case.balances().await, (400, 599));
    case.branch.sends(&case.ben, elsewhere, case.his, 1).await.unwrap();
    case.branch.works().await;
    case.approves(&case.olga).await.unwrap();
    assert_eq!(case.balances().await, (1_000, 0));
}

#[tokio::test]
async fn only_completed_transfers_within_the_bank_are_moved_back() {
    let case = case().await;
    let bank = &*case.branch.bank;
    let order = CashOrder {
        account: case.hers,
        direction: CashDirection::Deposit,
        money: Money::positive(Currency::Eur, 50).unwrap(),
        description: String::new(),
        request: RequestKey::generate(),
    };
    let deposit = accounts::move_cash(bank, &case.otto, &order).await.unwrap();
    let pending = case.branch.sends(&case.ada, case.hers, case.his, 10).await.unwrap().transaction;
    for (transaction, expected) in [
        (deposit, "only a completed transfer between two accounts of the bank can be reversed"),
        (pending, "only a completed transfer between two accounts of the bank can be reversed"),
        (Id::from_number(77), "there is no such transaction"),
    ] {
        let refused = request_reversal(bank, &case.otto, transaction, "why").await;
        assert_eq!(refused.unwrap_err().to_string(), expected);
    }
    case.branch.pass(301 * florin_adapter::clock::SECOND);
    case.branch.works().await;
    let refused = request_reversal(bank, &case.otto, pending, "why").await;
    assert!(matches!(refused, Err(ReversalRefused::NotReversible)), "failed");
    for reason in ["", " ", &*"x".repeat(141)] {
        let refused = request_reversal(bank, &case.otto, case.transaction, reason).await;
        assert!(matches!(refused, Err(ReversalRefused::Proposal(ProposalRefused::Reason))));
    }
}

#[tokio::test]
async fn what_is_turned_down_or_withdrawn_is_not_done_and_may_be_asked_for_again() {
    let case = case().await;
    let bank = &*case.branch.bank;
    let matter = Matter::Reversal(case.transaction);
    case.asks(&case.otto).await.unwrap();
    let again = case.asks(&case.olga).await;
    assert!(matches!(again, Err(ReversalRefused::Proposal(ProposalRefused::AlreadyProposed))));
    assert!(matches!(reject(bank, &case.sue, matter).await, Err(ProposalRefused::Forbidden(_))));
    reject(bank, &case.amy, matter).await.unwrap();
    let refused = case.approves(&case.olga).await;
    assert!(matches!(refused, Err(ReversalRefused::Proposal(ProposalRefused::NoSuchProposal))));
    case.asks(&case.otto).await.unwrap();
    reject(bank, &case.otto, matter).await.unwrap();
    assert!(matches!(reject(bank, &case.otto, matter).await, Err(ProposalRefused::NoSuchProposal)));
    assert_eq!(case.balances().await, (400, 600));
    case.asks(&case.olga).await.unwrap();
    case.approves(&case.otto).await.unwrap();
    assert_eq!(case.balances().await, (1_000, 0));
}

#[tokio::test]
async fn a_suspended_payee_gives_back_and_a_closed_account_stops_it() {
    let case = case().await;
    let bank = &*case.branch.bank;
    accounts::suspend(bank, &case.otto, case.his, "it was not theirs").await.unwrap();
    case.asks(&case.otto).await.unwrap();
    case.branch.sends(&case.ada, case.hers, case.his, 400).await.unwrap();
    case.branch.works().await;
    let owner = crate::branch::orderer(&case.ada);
    accounts::close(&bank.store, &*bank.clock, &owner, case.hers).await.unwrap();
    assert!(matches!(case.approves(&case.olga).await, Err(ReversalRefused::Closed)));
    assert_eq!(case.balances().await, (0, 1_000));
    let open = self::case().await;
    accounts::suspend(&open.branch.bank, &open.otto, open.his, "not theirs").await.unwrap();
    open.asks(&open.otto).await.unwrap();
    open.approves(&open.olga).await.unwrap();
    assert_eq!(open.balances().await, (1_000, 0));
}
