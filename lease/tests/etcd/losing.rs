//! How a holder loses the lease, and that it knows in time.

use crate::cluster::{
    Cluster, LONG, SHORT, acquire, await_free, free_port, group_at, server, take, within,
};
use crate::proxy::Proxy;
use florin_lease::{Acquired, Coordination, Held, LeaseError, since_boot};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Why it was lost, once it is.
async fn loss(held: &Held) -> String {
    let mut lost = held.lost();
    let lost = within("a loss", lost.wait_for(Option::is_some)).await.unwrap().clone();
    assert_eq!(held.deadline().load(Ordering::Relaxed), 0, "what is lost is not relied on");
    lost.unwrap()
}

/// Waits until it was renewed once more, asking etcd something meanwhile.
async fn await_renewal(held: &Held, group: &Coordination) {
    let before = held.deadline().load(Ordering::Relaxed);
    let renewed = async {
        while held.deadline().load(Ordering::Relaxed) <= before {
            // etcd may be away.
            let _ = group.holder().await;
        }
    };
    within("a renewal", renewed).await;
    assert!(held.lost().borrow().is_none());
}

/// The one thing that matters: two must never rely on it at the same time.
#[tokio::test]
async fn a_holder_that_is_cut_off_stops_relying_on_it_before_another_gets_it() {
    let cluster = Cluster::start().await;
    let network = Proxy::start(cluster.endpoint()).await;
    let (cut_off, other) = (group_at(&[network.endpoint()]), cluster.group());
    let held = take(&cut_off, 1, SHORT).await;
    await_renewal(&held, &other).await;
    network.stop();
    // It would go on alone, and says so to an etcd that hears it when somebody else decides.
    let late = held.mark_alone(7);
    let (late, waiting) = tokio::join!(late, acquire(&other, 2, SHORT));
    assert!(matches!(late, Err(LeaseError::Unreachable(_))), "{late:?}");
    assert!(matches!(waiting, Acquired::HeldBy(_)), "{waiting:?}");
    // A renewal may have been answered a moment before, and be noted only now; none is after that.
    let deadline = held.deadline();
    let relied_until = tokio::spawn({
        let mut lost = held.lost();
        async move {
            let mut highest = deadline.load(Ordering::Relaxed);
            while lost.borrow_and_update().is_none() {
                highest = highest.max(deadline.load(Ordering::Relaxed));
                tokio::task::yield_now().await;
            }
            highest
        }
    });
    let freed = async {
        await_free(&other).await;
        since_boot()
    };
    let (reason, free_at) = tokio::join!(loss(&held), freed);
    assert!(!reason.is_empty());
    let relied_until = within("the loss", relied_until).await.unwrap();
    assert_ne!(relied_until, 0);
    assert!(
        u128::from(relied_until) < free_at.as_nanos(),
        "it was free at {free_at:?}, and relied on until {relied_until} ns"
    );
    let new = take(&other, 2, LONG).await;
    // Whatever the old one sent meanwhile arrives now, and changes nothing.
    network.go_on();
    assert_eq!(within("an answer", cut_off.holder()).await, Ok(Some(server(2))));
    assert!(matches!(held.mark_alone(7).await, Err(LeaseError::NotHeld(_))));
    assert!(matches!(held.release().await, Ok(()) | Err(LeaseError::Unreachable(_))));
    assert_eq!(other.holder().await, Ok(Some(server(2))));
    assert_eq!(other.alone().await, Ok(None));
    new.release().await.unwrap();
}

/// Of a connection that leads nowhere nobody says so, for a quarter of an hour.
#[tokio::test]
async fn a_connection_that_leads_nowhere_is_not_used_again() {
    let cluster = Cluster::start().await;
    let network = Proxy::start(cluster.endpoint()).await;
    let held = take(&group_at(&[network.endpoint()]), 1, Duration::from_secs(10)).await;
    network.strand();
    await_renewal(&held, &cluster.group()).await;
    held.release().await.unwrap();
}

/// A failover of etcd itself is none of the bank.
#[tokio::test]
async fn a_restart_of_etcd_loses_no_lease() {
    let mut cluster = Cluster::start().await;
    let (group, other) = (cluster.group(), cluster.group());
    let held = take(&group, 1, Duration::from_secs(20)).await;
    let waiting = tokio::spawn(async move { await_free(&other).await });
    cluster.kill().await;
    let asked = group.holder().await;
    assert!(matches!(asked, Err(LeaseError::Unreachable(_))), "{asked:?}");
    cluster.start_again().await;
    await_renewal(&held, &group).await;
    assert_eq!(within("an answer", group.holder()).await, Ok(Some(server(1))));
    assert!(!waiting.is_finished(), "it is not free");
    held.release().await.unwrap();
    within("whoever waited all the time", waiting).await.unwrap();
}

/// Whichever member is gone, its leader too.
#[tokio::test]
async fn a_member_that_dies_loses_no_lease() {
    let mut members = Cluster::start_three().await;
    let endpoints: Vec<_> = members.iter().map(Cluster::endpoint).collect();
    let (group, other) = (group_at(&endpoints), group_at(&endpoints));
    let held = take(&group, 1, Duration::from_secs(10)).await;
    for member in &mut members {
        member.kill().await;
        // The first may have been sent before.
        await_renewal(&held, &other).await;
        await_renewal(&held, &other).await;
        let asked = within("an answer", acquire(&other, 2, LONG)).await;
        assert!(matches!(asked, Acquired::HeldBy(_)), "{asked:?}");
        member.start_again().await;
    }
    held.release().await.unwrap();
    take(&other, 2, LONG).await.release().await.unwrap();
}

#[tokio::test]
async fn an_etcd_that_stays_away_is_a_loss_at_the_deadline() {
    let mut cluster = Cluster::start().await;
    let group = cluster.group();
    let held = take(&group, 1, SHORT).await;
    cluster.kill().await;
    let reason = loss(&held).await;
    assert!(reason.contains(&cluster.endpoint()), "{reason}");
    let refused = group.wait_until_free(Duration::from_millis(50)).await;
    assert!(matches!(refused, Err(LeaseError::Unreachable(_))), "{refused:?}");
}

/// Its lease lives, and somebody else may have the key: renewing it would say nothing.
#[tokio::test]
async fn a_key_that_an_operator_deleted_is_a_loss_at_the_next_renewal() {
    let cluster = Cluster::start().await;
    let group = cluster.group();
    let held = take(&group, 1, SHORT).await;
    cluster.etcdctl(&["del", "/florin/bank/primary"]).await;
    let reason = loss(&held).await;
    assert!(reason.contains("is gone"), "{reason}");
    // Written over, it goes with no lease any more.
    let held = take(&group, 1, SHORT).await;
    let value = cluster.etcdctl(&["get", "--print-value-only", "/florin/bank/primary"]).await;
    cluster.etcdctl(&["put", "/florin/bank/primary", value.trim()]).await;
    let reason = loss(&held).await;
    assert!(reason.contains("not attached"), "{reason}");
}

#[tokio::test]
async fn where_no_member_answers_the_error_names_all() {
    let endpoints = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
    let group = group_at(&endpoints);
    for result in [
        group.holder().await.map(drop),
        group.acquire(&server(1), LONG, since_boot).await.map(drop),
    ] {
        let Err(LeaseError::Unreachable(message)) = result else { panic!("{result:?}") };
        assert!(endpoints.iter().all(|endpoint| message.contains(endpoint)), "{message}");
    }
    // One that answers is enough, wherever it stands.
    let cluster = Cluster::start().await;
    let network = Proxy::start(cluster.endpoint()).await;
    network.stop();
    let [dead, _] = endpoints;
    let group = group_at(&[dead, network.endpoint(), cluster.endpoint()]);
    take(&group, 1, LONG).await.release().await.unwrap();
}
