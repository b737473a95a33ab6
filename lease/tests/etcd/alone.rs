//! What a holder puts on record before it goes on without its standbys. Whoever takes over without it loses
//! what was confirmed meanwhile.

use crate::cluster::{Cluster, LONG, server, take};
use florin_lease::{Alone, LeaseError};

#[tokio::test]
async fn it_outlives_the_lease_and_the_next_holder_takes_it_back() {
    let cluster = Cluster::start().await;
    let group = cluster.group();
    let held = take(&group, 1, LONG).await;
    assert_eq!(group.alone().await, Ok(None));
    held.clear_alone().await.unwrap();
    held.mark_alone(100).await.unwrap();
    held.mark_alone(1 << 60).await.unwrap();
    let alone = Alone { node: 1, term: server(1).term, position: 1 << 60 };
    assert_eq!(group.alone().await, Ok(Some(alone)));
    held.release().await.unwrap();
    assert_eq!(group.alone().await, Ok(Some(alone)), "it is what the next one must know");
    let next = take(&group, 2, LONG).await;
    next.clear_alone().await.unwrap();
    assert_eq!(group.alone().await, Ok(None));
    next.release().await.unwrap();
}

/// A holder that has lost it and does not know yet: nothing of what it says takes effect.
#[tokio::test]
async fn only_the_holder_writes_it() {
    let cluster = Cluster::start().await;
    let group = cluster.group();
    let alone = Alone { node: 2, term: 1, position: 5 };
    let mut old = take(&group, 1, LONG).await;
    cluster.etcdctl(&["del", "/florin/bank/primary"]).await;
    let new = take(&group, 2, LONG).await;
    new.mark_alone(5).await.unwrap();
    let refused = old.clear_alone().await;
    assert!(matches!(refused, Err(LeaseError::NotHeld(_))), "{refused:?}");
    assert!(old.lost().borrow().is_some(), "it knows now");
    assert_eq!(group.alone().await, Ok(Some(alone)));

    cluster.etcdctl(&["del", "/florin/bank/primary"]).await;
    drop(old);
    old = new;
    let new = take(&group, 1, LONG).await;
    let refused = old.mark_alone(9).await;
    assert!(matches!(refused, Err(LeaseError::NotHeld(_))), "{refused:?}");
    let refused = old.announce(server(3)).await;
    assert!(matches!(refused, Err(LeaseError::NotHeld(_))), "{refused:?}");
    assert_eq!(group.alone().await, Ok(Some(alone)));
    assert_eq!(group.holder().await, Ok(Some(server(1))));
    new.clear_alone().await.unwrap();
    new.release().await.unwrap();
}

/// The key was deleted and is there again with the same lease: another life, which the old one has no part in.
#[tokio::test]
async fn a_key_that_was_made_anew_is_another() {
    let cluster = Cluster::start().await;
    let group = cluster.group();
    let held = take(&group, 1, LONG).await;
    let leases = cluster.etcdctl(&["lease", "list"]).await;
    let lease = leases.lines().last().unwrap().trim().to_owned();
    cluster.etcdctl(&["del", "/florin/bank/primary"]).await;
    cluster.etcdctl(&["put", "--lease", &lease, "/florin/bank/primary", "{}"]).await;
    let refused = held.mark_alone(9).await;
    assert!(matches!(refused, Err(LeaseError::NotHeld(_))), "{refused:?}");
}
