//! Who gets the lease, and when the next one does.

use crate::cluster::{Cluster, LONG, SHORT, acquire, await_free, group_at, server, take, within};
use florin_lease::{Acquired, LeaseError, since_boot};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::runtime::Runtime;

#[tokio::test]
async fn of_those_who_want_it_at_once_one_gets_it() {
    let cluster = Cluster::start().await;
    let (one, other) = (cluster.group(), cluster.group());
    for _ in 0..20 {
        let both = tokio::join!(acquire(&one, 1, LONG), acquire(&other, 2, LONG));
        let (held, told) = match both {
            (Acquired::Held(held), Acquired::HeldBy(told))
            | (Acquired::HeldBy(told), Acquired::Held(held)) => (held, told),
            both => panic!("{both:?}"),
        };
        assert_eq!(held.holder(), &told, "whoever lost hears who won");
        assert_eq!(one.holder().await, Ok(Some(told.clone())));
        let Acquired::HeldBy(again) = acquire(&other, 2, LONG).await else { panic!("it is taken") };
        assert_eq!(again, told);
        held.release().await.unwrap();
        assert_eq!(one.holder().await, Ok(None), "what is given up is free at once");
    }
}

#[tokio::test]
async fn whoever_waits_hears_that_it_was_given_up() {
    let cluster = Cluster::start().await;
    let (one, other) = (cluster.group(), cluster.group());
    let begun = since_boot();
    for _ in 0..5 {
        let held = take(&one, 1, LONG).await;
        assert_eq!(other.wait_until_free(Duration::from_millis(50)).await, Ok(false));
        let waiter = other.clone();
        let waiting = tokio::spawn(async move { await_free(&waiter).await });
        // Meanwhile it reads that the lease is taken, and begins to listen.
        for _ in 0..5 {
            one.holder().await.unwrap();
        }
        held.release().await.unwrap();
        within("whoever waits", waiting).await.unwrap();
    }
    // Whoever only reads again looks every five seconds.
    assert!(since_boot() < begun + Duration::from_secs(15), "it was told nothing");
    // One that is let go is given up, too.
    let held = take(&one, 1, LONG).await;
    let (deadline, mut lost) = (held.deadline(), held.lost());
    assert_ne!(deadline.load(Ordering::Relaxed), 0);
    drop(held);
    assert_eq!(deadline.load(Ordering::Relaxed), 0);
    within("a word", lost.wait_for(Option::is_some)).await.unwrap();
    await_free(&one).await;
}

#[tokio::test]
async fn the_lease_of_a_holder_that_died_ends_after_its_deadline() {
    let cluster = Cluster::start().await;
    let endpoint = cluster.endpoint();
    let (deadline, died_at) = tokio::task::spawn_blocking(move || {
        let runtime = Runtime::new().unwrap();
        let held = runtime.block_on(async { take(&group_at(&[endpoint]), 1, SHORT).await });
        let deadline = held.deadline();
        // It dies with all its tasks, and gives nothing up.
        std::mem::forget(held);
        runtime.shutdown_background();
        (deadline.load(Ordering::Relaxed), since_boot())
    })
    .await
    .unwrap();
    let group = cluster.group();
    assert!(matches!(acquire(&group, 2, SHORT).await, Acquired::HeldBy(_)));
    await_free(&group).await;
    let free_at = since_boot();
    assert!(u128::from(deadline) < free_at.as_nanos(), "it was free while it was relied on");
    // etcd looks twice a second for what has ended, if it is not busy.
    assert!(free_at < died_at + SHORT + Duration::from_secs(10), "after {:?}", free_at - died_at);
    let held = take(&group, 2, SHORT).await;
    assert_eq!(group.holder().await, Ok(Some(server(2))));
    held.release().await.unwrap();
}

#[tokio::test]
async fn a_holder_says_anew_who_it_is() {
    let cluster = Cluster::start().await;
    let group = cluster.group();
    let mut held = take(&group, 1, LONG).await;
    let later =
        florin_lease::Holder { term: 8, address: String::from("elsewhere:3000"), ..server(1) };
    held.announce(later.clone()).await.unwrap();
    assert_eq!(group.holder().await, Ok(Some(later)));
    // It still goes with its lease.
    held.release().await.unwrap();
    assert_eq!(group.holder().await, Ok(None));
}

#[tokio::test]
async fn a_life_that_etcd_can_not_keep_is_refused() {
    let cluster = Cluster::start().await;
    let group = cluster.group();
    for ttl in [Duration::ZERO, Duration::from_secs(1), Duration::from_millis(2_500), Duration::MAX]
    {
        let refused = group.acquire(&server(1), ttl, since_boot).await;
        assert!(matches!(refused, Err(LeaseError::Invalid(_))), "{ttl:?}: {refused:?}");
    }
    assert_eq!(group.holder().await, Ok(None));
}

/// What somebody else wrote there must stop a failover, and not the server.
#[tokio::test]
async fn garbage_is_refused_and_left_alone() {
    let cluster = Cluster::start().await;
    let group = cluster.group();
    for value in ["", "{}", "[1,2", r#"{"node":"1","term":1,"address":"a"}"#] {
        cluster.etcdctl(&["put", "--", "/florin/bank/primary", value]).await;
        cluster.etcdctl(&["put", "--", "/florin/bank/alone", value]).await;
        let found = group.holder().await;
        let Err(LeaseError::Malformed { key, .. }) = found else { panic!("{value}: {found:?}") };
        assert_eq!(key, "/florin/bank/primary");
        let found = group.acquire(&server(1), LONG, since_boot).await;
        assert!(matches!(found, Err(LeaseError::Malformed { .. })), "{value}: {found:?}");
        let found = group.alone().await;
        assert!(matches!(found, Err(LeaseError::Malformed { .. })), "{value}: {found:?}");
    }
    cluster.etcdctl(&["del", "/florin/bank/primary"]).await;
    take(&group, 1, LONG).await.release().await.unwrap();
}
