//! Workers that die, transfers that can't go on, and many at the same time.

use crate::branch::{Branch, Person};
use florin_adapter::clock::SECOND;
use florin_adapter::id::{Account, Id, Transaction};
use florin_adapter::packed::{Bytes, pack};
use florin_adapter::payments::parked::{self, ResumeRefused};
use florin_adapter::payments::{self, TransactionStatus, Worker};
use florin_adapter::staff::Role;
use florin_adapter::{BankError, tables};
use florin_client::ConsumerError;
use florin_ledger::document::{DocumentScan, WriteResult};
use florin_ledger::{DocumentKey, DocumentWrite, Position, TableId};
use futures_util::{StreamExt, stream};
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::timeout;

/// At which waits somebody dies: again and again, since what the ledger answers at once is not waited for.
const AT_WAITS: [usize; 32] = [
    0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 0, 1, 0, 1, 0, 0,
];

/// Goes on with something until it has waited so often, and drops it there, as a process that is killed does.
/// Whether it came to its end.
async fn dies_after<F: Future>(waits: usize, work: F) -> bool {
    let mut work = pin!(work);
    let mut left = waits;
    std::future::poll_fn(move |context| match work.as_mut().poll(context) {
        Poll::Ready(_) => Poll::Ready(true),
        Poll::Pending if left == 0 => Poll::Ready(false),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// REL and WF11: a worker that dies anywhere leaves a transfer that the next one ends, once.
#[tokio::test]
async fn a_worker_may_die_at_every_step() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let (one, other) = (branch.account(&ada, 1_000_000).await, branch.account(&ada, 0).await);
    let (mut moved, mut deaths) = (0, 0);
    for waits in AT_WAITS {
        let begun = branch.sends(&ada, one, other, 100).await.unwrap();
        let is_done = dies_after(waits, payments::end(&branch.bank, begun.transaction)).await;
        branch.works().await;
        moved += 100;
        let view = branch.view(&ada, begun.transaction).await;
        assert_eq!(view.status, TransactionStatus::Completed, "died after {waits} waits");
        assert_eq!(branch.balance(other).await, (moved, moved), "died after {waits} waits");
        let left = 1_000_000 - moved;
        assert_eq!(branch.balance(one).await, (left, left), "died after {waits} waits");
        deaths += usize::from(!is_done);
    }
    assert_ne!(deaths, 0, "it never waited");
}

/// The same for who orders: whatever is held, is held once, and moves or is free again.
#[tokio::test]
async fn an_order_may_be_cut_off_at_every_step_and_given_again() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let (one, other) = (branch.account(&ada, 1_000_000).await, branch.account(&ada, 0).await);
    let (mut moved, mut deaths) = (0, 0);
    for waits in AT_WAITS {
        let order = branch.order(one, other, 100);
        let orderer = branch.orderer(&ada);
        let is_done = dies_after(waits, payments::initiate(&branch.bank, &orderer, &order)).await;
        // Whoever saw no answer asks again.
        branch.asks(&ada, order).await.unwrap();
        branch.works().await;
        moved += 100;
        assert_eq!(branch.balance(other).await, (moved, moved), "cut off after {waits} waits");
        deaths += usize::from(!is_done);
    }
    assert_ne!(deaths, 0, "it never waited");
}

/// Where a worker that is started now goes on; the place's version.
async fn place(branch: &Branch) -> Option<Position> {
    let key = DocumentKey { table: TableId::CONSUMERS, key: b"payments".to_vec() };
    let found = branch.client.documents(&[key]).await.unwrap().pop().flatten();
    found.map(|found| found.version)
}

/// Sends something and waits until it has arrived.
async fn goes_through(branch: &Branch, ada: &Person, one: Id<Account>, other: Id<Account>) {
    let begun = branch.sends(ada, one, other, 100).await.unwrap();
    while branch.view(ada, begun.transaction).await.status != TransactionStatus::Completed {
        tokio::task::yield_now().await;
    }
}

/// Prevents: a write of the worker's place for each transfer, which would be most of what it does.
#[tokio::test]
async fn a_worker_keeps_its_place_once_a_second_and_not_with_each_transfer() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let (one, other) = (branch.account(&ada, 1_000_000).await, branch.account(&ada, 0).await);
    let mut worker = Worker::start(Arc::clone(&branch.bank)).await.unwrap();
    let working = tokio::spawn(async move { worker.run().await.map(drop) });
    let before = place(&branch).await;
    for _ in 0..20 {
        goes_through(&branch, &ada, one, other).await;
    }
    assert_eq!(place(&branch).await, before, "no second has passed");
    branch.pass(SECOND);
    goes_through(&branch, &ada, one, other).await;
    goes_through(&branch, &ada, one, other).await;
    assert_ne!(place(&branch).await, before);
    working.abort();
    // Whoever comes next reads again what was not kept, and nothing comes of it.
    branch.works().await;
    assert_eq!(branch.balance(other).await, (2_200, 2_200));
}

/// Writes over what a transfer needs to go on.
async fn poison(branch: &Branch, transaction: Id<Transaction>, value: &[u8]) {
    let write = DocumentWrite {
        table: tables::TRANSFERS_OPEN,
        key: transaction.bytes().to_vec(),
        value: Some(value.to_vec()),
        ..DocumentWrite::default()
    };
    let results = branch.client.write_documents(&[write]).await.unwrap();
    assert!(matches!(results[0], WriteResult::Written(_)));
}

/// The keys of all transfers under way. A page may be empty though more follow: thousands have ended.
async fn under_way(branch: &Branch) -> Vec<Vec<u8>> {
    let mut scan = DocumentScan {
        table: tables::TRANSFERS_OPEN,
        limit: 1_000,
        keys_only: true,
        ..DocumentScan::default()
    };
    let mut keys = Vec::new();
    loop {
        let page = branch.client.scan_documents(&scan).await.unwrap();
        keys.extend(page.items.into_iter().map(|document| document.key));
        scan.after = page.next;
        if scan.after.is_none() {
            return keys;
        }
    }
}

/// Payments of which one is poisoned, and accounts that they come from.
const PAYMENTS: u64 = 10_000;
const SOURCES: u64 = 40;
/// They take seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Prevents: one payment that can't go on, and a bank that stands still because of it.
#[tokio::test]
async fn one_poisoned_payment_of_ten_thousand_parks_itself_and_the_others_go_on() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let other = branch.account(&ada, 0).await;
    let mut sources = Vec::new();
    for _ in 0..SOURCES {
        sources.push(branch.account(&ada, 100 * PAYMENTS).await);
    }
    let places = (0..PAYMENTS).zip(sources.iter().cycle());
    let begins = places.map(|(_, source)| branch.sends(&ada, *source, other, 100));
    let begun: Vec<_> = stream::iter(begins).buffered(64).collect().await;
    assert!(begun.iter().all(Result::is_ok));
    let poisoned = begun[5_000].as_ref().unwrap().transaction;
    let key = [DocumentKey { table: tables::TRANSFERS_OPEN, key: poisoned.bytes().to_vec() }];
    let sound = branch.client.documents(&key).await.unwrap().pop().flatten().unwrap();
    poison(&branch, poisoned, b"\x02?").await;
    // One worker all the time: each step takes what a batch of the stream tells, which may be nothing.
    let mut worker = Worker::start(Arc::clone(&branch.bank)).await.unwrap();
    let all_others = u128::from(100 * (PAYMENTS - 1));
    let others_end = async {
        while branch.balance(other).await.0 != all_others || !is_parked(&branch, poisoned).await {
            worker.step().await.unwrap();
        }
    };
    timeout(PATIENCE, others_end).await.expect("all others end, and it is set aside");
    assert_eq!(branch.balance(other).await, (all_others, all_others));
    assert_eq!(under_way(&branch).await, [poisoned.bytes()]);
    assert_eq!(parked::list(&branch.bank.store).await.unwrap().len(), 1);
    // Once it is mended, it goes on.
    poison(&branch, poisoned, &sound.value.unwrap()).await;
    let member = branch.hires("operations@bank.example", &[Role::Operations]).await;
    let clerk = branch.clerk(&member).await;
    parked::resume(&branch.bank, &clerk, poisoned).await.unwrap();
    let again = parked::resume(&branch.bank, &clerk, poisoned).await;
    assert!(matches!(again, Err(ResumeRefused::NotParked)));
    let it_ends = async {
        while branch.view(&ada, poisoned).await.status != TransactionStatus::Completed {
            worker.step().await.unwrap();
        }
    };
    timeout(PATIENCE, it_ends).await.expect("it goes on");
    assert_eq!(branch.balance(other).await.0, u128::from(100 * PAYMENTS));
    assert!(under_way(&branch).await.is_empty());
    assert!(parked::list(&branch.bank.store).await.unwrap().is_empty());
}

async fn is_parked(branch: &Branch, transaction: Id<Transaction>) -> bool {
    let parked = parked::list(&branch.bank.store).await.unwrap();
    parked.iter().any(|parked| parked.row.open.transaction_id == transaction)
}

/// Prevents: a time that is the end of time, and a worker that takes it for a bug and sets a sound payment aside.
#[tokio::test]
async fn a_time_that_never_comes_is_in_the_way_of_no_payment() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let (hers, his) = (branch.account(&ada, 1_000).await, branch.account(&ben, 0).await);
    let paid = BTreeMap::from([("first_paid_at", 1), ("last_paid_at", u64::MAX)]);
    let parts = pack(&(paid, None::<Bytes>, None::<Bytes>));
    let write = DocumentWrite {
        table: tables::PAID_BEFORE,
        key: [ada.id.bytes(), his.bytes()].concat(),
        value: Some([&[2][..], &parts].concat()),
        ..DocumentWrite::default()
    };
    branch.client.write_documents(&[write]).await.unwrap();
    branch.sends(&ada, hers, his, 100).await.unwrap();
    branch.works().await;
    assert_eq!(branch.balance(his).await, (100, 100));
    assert!(parked::list(&branch.bank.store).await.unwrap().is_empty());
}

/// Prevents: a worker whose place in the stream is beyond what it has not ended, and a restart that forgets it.
#[tokio::test]
async fn a_worker_that_stops_in_the_midst_goes_on_where_it_was() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let mut accounts = Vec::new();
    for _ in 0..8 {
        accounts.push(branch.account(&ada, 1_000).await);
    }
    let target = branch.account(&ada, 0).await;
    for round in 0..40 {
        let source: Id<Account> = accounts[round % 8];
        branch.sends(&ada, source, target, 10).await.unwrap();
    }
    let mut deaths = 0;
    for waits in 0..60 {
        let mut worker = Worker::start(Arc::clone(&branch.bank)).await.unwrap();
        let is_done = dies_after(waits, worker.step()).await;
        deaths += usize::from(!is_done);
    }
    assert_ne!(deaths, 0, "it never waited");
    branch.works().await;
    assert_eq!(branch.balance(target).await, (400, 400));
    for account in accounts {
        assert_eq!(branch.balance(account).await, (950, 950));
    }
    branch.pass(301 * SECOND);
    branch.works_off_expiries().await;
    assert_eq!(branch.balance(target).await, (400, 400), "nothing was held any more");
}

/// Prevents: two adapters, of which one is paused in the midst of a step, and wakes when the other has done its work: what
/// it goes on with moves nothing twice, and it hears that it is not the one any more.
#[tokio::test]
async fn a_worker_that_was_paused_and_wakes_changes_nothing_and_is_fenced_off() {
    let branch = Branch::open().await;
    let other = branch.at(branch.another(&branch.root()).await.unwrap());
    let ada = branch.customer("ada@example.org").await;
    let (one, second) =
        (branch.account(&ada, 1_000_000).await, branch.account(&ada, 1_000_000).await);
    let third = branch.account(&ada, 0).await;
    let (mut moved, mut paused, mut fenced) = (0, 0, 0);
    for waits in AT_WAITS {
        for source in [one, second, one] {
            branch.sends(&ada, source, third, 100).await.unwrap();
            moved += 100;
        }
        let mut worker = Worker::start(Arc::clone(&branch.bank)).await.unwrap();
        {
            let mut step = pin!(worker.step());
            let mut is_done = dies_after(waits, &mut step).await;
            paused += usize::from(!is_done);
            other.works().await;
            assert_eq!(branch.balance(third).await, (moved, moved), "paused after {waits} waits");
            if !is_done {
                let woken = step.await;
                is_done = woken.is_ok();
                if let Err(error) = woken {
                    let is_fenced =
                        matches!(error, BankError::Consumer(ConsumerError::Fenced { .. }));
                    assert!(is_fenced, "{error}");
                    fenced += 1;
                }
            }
            assert!(is_done || 0 < fenced);
        }
        assert_eq!(branch.balance(third).await, (moved, moved), "woken after {waits} waits");
        assert!(under_way(&branch).await.is_empty());
    }
    assert!(0 < paused && 0 < fenced, "{paused} were paused, {fenced} were fenced off");
    assert!(parked::list(&branch.bank.store).await.unwrap().is_empty());
    let rows = branch.audit_rows().await;
    let steps = rows.iter().filter(|row| row.entity_type == "TRANSACTION").count();
    assert_eq!(u128::try_from(steps).unwrap() * 50, moved, "begun and ended, each on record once");
}
