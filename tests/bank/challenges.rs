//! Step-up: an order that a login alone does not allow.

use crate::branch::{Branch, Person};
use florin_adapter::Bank;
use florin_adapter::clock::SECOND;
use florin_adapter::id::{Account, Challenge, Id};
use florin_adapter::money::{Currency, Money};
use florin_adapter::payments::{
    self, Destination, Initiated, NewTransfer, ProveRefused, RequestKey, TransferRefused,
};
use std::sync::Arc;

struct Payment {
    branch: Branch,
    /// An adapter that asks for a proof of everything to others.
    strict: Arc<Bank>,
    ada: Person,
    ben: Person,
    his: Id<Account>,
    order: NewTransfer,
}

async fn payment() -> Payment {
    let branch = Branch::open().await;
    let strict = branch.with_options(|options| options.step_up_above_cents = 0).await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let one = branch.account(&ada, 1_000).await;
    let his = branch.account(&ben, 1_000).await;
    let order = NewTransfer {
        source: one,
        destination: Destination::Account(his),
        money: euros(400),
        description: String::from("rent"),
        request: RequestKey::generate(),
        challenge: None,
    };
    Payment { branch, strict, ada, ben, his, order }
}

fn euros(cents: u64) -> Money {
    Money::positive(Currency::Eur, cents).unwrap()
}

impl Payment {
    async fn orders(&self, new: &NewTransfer) -> Result<Initiated, TransferRefused> {
        payments::initiate(&self.strict, &self.branch.orderer(&self.ada), new).await
    }

    /// What is asked for the order.
    async fn challenge(&self, new: &NewTransfer) -> Id<Challenge> {
        match self.orders(new).await {
            Err(TransferRefused::StepUp(challenge)) => challenge,
            other => panic!("{other:?}"),
        }
    }

    async fn proves(
        &self,
        person: &Person,
        challenge: Id<Challenge>,
        code: &str,
    ) -> Result<(), ProveRefused> {
        let Bank { store, clock, .. } = &*self.strict;
        payments::prove(store, &**clock, &self.branch.orderer(person), challenge, code).await
    }

    fn code(&self) -> String {
        self.ada.totp.code(self.branch.now())
    }
}

/// A06 and A07: prevents a payment that whoever has found an open browser sends to themselves.
#[tokio::test]
async fn a_payment_to_another_needs_a_proof_and_the_proof_is_spent() {
    let it = payment().await;
    let challenge = it.challenge(&it.order).await;
    let with = NewTransfer { challenge: Some(challenge), ..it.order.clone() };
    assert!(matches!(it.orders(&with).await, Err(TransferRefused::StepUp(_))), "not proved yet");
    it.proves(&it.ada, challenge, &it.code()).await.unwrap();
    it.proves(&it.ada, challenge, &it.code()).await.expect("the form was sent twice");
    let begun = it.orders(&with).await.unwrap();
    assert_eq!(it.orders(&with).await.unwrap().transaction, begun.transaction, "the same order");
    let once_more = NewTransfer { request: RequestKey::generate(), ..with };
    assert!(matches!(it.orders(&once_more).await, Err(TransferRefused::StepUp(_))), "it is spent");
    it.branch.works().await;
    assert_eq!(it.branch.balance(it.order.source).await, (600, 600));
    let view = it.branch.view(&it.ada, begun.transaction).await;
    assert_eq!(view.started.auth_method.as_deref(), Some("password+totp+step-up"));
}

/// Row 41's like for the bank's own pages: what was proved is what is sent.
#[tokio::test]
async fn a_proof_is_good_for_nothing_else() {
    let it = payment().await;
    let challenge = it.challenge(&it.order).await;
    it.proves(&it.ada, challenge, &it.code()).await.unwrap();
    let with = NewTransfer { challenge: Some(challenge), ..it.order.clone() };
    let third = it.branch.account(&it.ben, 0).await;
    for other in [
        NewTransfer { money: euros(401), ..with.clone() },
        NewTransfer { money: euros(399), ..with.clone() },
        NewTransfer { destination: Destination::Account(third), ..with.clone() },
        NewTransfer { description: String::from("rent, and more"), ..with.clone() },
    ] {
        let other = NewTransfer { request: RequestKey::generate(), ..other };
        assert!(matches!(it.orders(&other).await, Err(TransferRefused::StepUp(_))), "{other:?}");
    }
    it.orders(&with).await.unwrap();
}

/// Row 37 and the two minutes of a challenge.
#[tokio::test]
async fn a_challenge_is_proved_in_time_by_who_was_asked_with_a_code_that_was_not_used() {
    let it = payment().await;
    let challenge = it.challenge(&it.order).await;
    let code = it.code();
    let foreign = it.proves(&it.ben, challenge, &it.ben.totp.code(it.branch.now())).await;
    assert!(matches!(foreign, Err(ProveRefused::NoSuchChallenge)));
    assert!(matches!(it.proves(&it.ada, challenge, "000000").await, Err(ProveRefused::NoMatch)));
    it.proves(&it.ada, challenge, &code).await.unwrap();
    let second = NewTransfer { request: RequestKey::generate(), ..it.order.clone() };
    let another = it.challenge(&second).await;
    let used = it.proves(&it.ada, another, &code).await;
    assert!(matches!(used, Err(ProveRefused::NoMatch)), "the code was used");
    it.branch.pass(120 * SECOND);
    let late = it.proves(&it.ada, another, &it.code()).await;
    assert!(matches!(late, Err(ProveRefused::NoSuchChallenge)));
    let with = NewTransfer { challenge: Some(challenge), ..it.order.clone() };
    assert!(matches!(it.orders(&with).await, Err(TransferRefused::StepUp(_))), "proved, but late");
}

/// Prevents: a proof that two orders at the same time spend both.
#[tokio::test]
async fn of_many_orders_with_one_proof_one_is_held() {
    let it = Arc::new(payment().await);
    let order = NewTransfer { money: euros(10), ..it.order.clone() };
    let challenge = it.challenge(&order).await;
    it.proves(&it.ada, challenge, &it.code()).await.unwrap();
    let mut sending = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let (it, order) = (Arc::clone(&it), order.clone());
        let request = RequestKey::generate();
        let order = NewTransfer { challenge: Some(challenge), request, ..order };
        sending.spawn(async move { it.orders(&order).await.is_ok() });
    }
    let held = sending.join_all().await.into_iter().filter(|is_held| *is_held).count();
    assert_eq!(held, 1);
    assert_eq!(it.branch.balance(it.his).await, (1_000, 1_000));
    assert_eq!(it.branch.balance(it.order.source).await, (1_000, 990));
}

/// Own money needs no second proof.
#[tokio::test]
async fn between_ones_own_accounts_nothing_is_asked() {
    let it = payment().await;
    let other = it.branch.account(&it.ada, 0).await;
    let own = NewTransfer { destination: Destination::Account(other), ..it.order.clone() };
    it.orders(&own).await.unwrap();
}
