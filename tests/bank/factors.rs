//! Proving a second factor again, inside a commit of one's own.

use crate::branch::Branch;
use florin_adapter::audit::{self, Caller};
use florin_adapter::clock::{MINUTE, SECOND};
use florin_adapter::customers::{Accepted, FactorProof, FactorRefused, prove};
use florin_adapter::id::{Customer, Id};
use florin_adapter::{Bank, BankError};
use florin_ledger::Commit;
use futures_util::future::join_all;

async fn proves(
    branch: &Branch,
    customer: Id<Customer>,
    code: &str,
) -> Result<FactorProof, FactorRefused> {
    let Bank { store, clock, .. } = &*branch.bank;
    prove(store, &**clock, &Caller::bank(), customer, code, Accepted::App).await
}

async fn spends(branch: &Branch, proof: FactorProof) -> Result<(), BankError> {
    let mut commit = Commit { id: audit::commit_id(), ..Commit::default() };
    proof.join(&mut commit);
    branch.bank.store.commit(&commit).await.map(drop)
}

/// Row 37: of two orders with one code, one takes effect.
#[tokio::test]
async fn a_code_is_spent_by_the_commit_that_it_allows_and_by_one_alone() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let code = ada.totp.code(branch.now());
    let one = proves(&branch, ada.id, &code).await.unwrap();
    let other = proves(&branch, ada.id, &code).await.unwrap();
    spends(&branch, one).await.unwrap();
    assert!(spends(&branch, other).await.unwrap_err().is_stale());
    assert!(matches!(proves(&branch, ada.id, &code).await, Err(FactorRefused::NoMatch)), "used");
}

/// Row 38: a code is a customer's own.
#[tokio::test]
async fn anothers_code_proves_nothing() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let bob = branch.customer("bob@example.org").await;
    let code = bob.totp.code(branch.now());
    assert!(matches!(proves(&branch, ada.id, &code).await, Err(FactorRefused::NoMatch)));
    let nobody = Id::from_number(77);
    assert!(proves(&branch, nobody, &code).await.is_err(), "nobody has no factor");
}

/// Row 35: of a hundred codes at the same time five are looked at, whichever adapter they come to.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn row_35_of_a_hundred_codes_at_once_five_are_looked_at() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let other = branch.another(&branch.root()).await.unwrap();
    let other = branch.at(other);
    // Every one of them is right: what is not proved was not looked at.
    let code = ada.totp.code(branch.now());
    let proving = (0..100).map(|number| {
        let branch = if number % 2 == 0 { &branch } else { &other };
        patiently(branch, ada.id, &code)
    });
    let proved = join_all(proving).await;
    assert_eq!(proved.iter().filter(|is_proved| **is_proved).count(), 5);
    assert!(matches!(proves(&branch, ada.id, &code).await, Err(FactorRefused::NoMatch)), "locked");
}

/// Whether a code was looked at, again as long as others are counted at the same time.
async fn patiently(branch: &Branch, customer: Id<Customer>, code: &str) -> bool {
    loop {
        match proves(branch, customer, code).await {
            Ok(_) => return true,
            Err(FactorRefused::NoMatch) => return false,
            Err(FactorRefused::Bank(BankError::Contended)) => {}
            Err(FactorRefused::Bank(error)) => panic!("{error}"),
        }
    }
}

/// Row 35: after five in a row no code is looked at, not even the right one; and a login is not in the way.
#[tokio::test]
async fn five_wrong_codes_lock_the_factor_and_not_the_login() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    for _ in 0..5 {
        assert!(proves(&branch, ada.id, "000000").await.is_err());
    }
    let code = ada.totp.code(branch.now());
    assert!(matches!(proves(&branch, ada.id, &code).await, Err(FactorRefused::NoMatch)), "locked");
    assert!(branch.lets_in(ada.email, crate::branch::PASSWORD, &code).await);
    branch.pass(15 * MINUTE + 30 * SECOND);
    let code = ada.totp.code(branch.now());
    assert!(proves(&branch, ada.id, &code).await.is_ok(), "the lock is over");
}
