//! The bytes of what standbys ask, and of how replication stands.

use super::{check, written};
use florin_ledger::Lsn;
use florin_wire::replication::{
    Acknowledge, Follow, ReplicaStatus, ReplicationStatus, StandbyStatus,
};

/// Prevents: a consumer in another language reads a payment of another amount.
#[test]
fn requests_and_answers_of_standbys() {
    let follow = Follow {
        incarnation: 1,
        node: 2,
        lsn: Lsn(3),
        sequence: 4,
        chain: [5; 32],
        name: String::from("two"),
    };
    check(
        &follow.to_bytes(),
        &format!(
            "{:0<32}{:0<32}0300000000000000 0400000000000000 {}0300 000000000000 74776f",
            "01",
            "02",
            "05".repeat(32)
        ),
    );
    let acknowledge = Acknowledge { following: 7, lsn: Lsn(8) };
    check(&acknowledge.to_bytes(), "0700000000000000 0800000000000000");
    let replica =
        ReplicaStatus { node: 9, acknowledged: Lsn(10), silent_ms: 11, name: String::from("b") };
    let standby = StandbyStatus {
        primary: String::from("p:1"),
        node: 12,
        is_connected: true,
        applied: Lsn(13),
        primary_end: Lsn(14),
        lag_ms: 15,
        was_in_step: true,
        compared: Lsn(16),
        trouble: String::from("no"),
        has_stopped: true,
    };
    let status = ReplicationStatus {
        standby: Some(standby),
        standbys: 1,
        degrade_ms: Some(17),
        is_degraded: true,
        degradations: 18,
        waiting_ms: 19,
        synced: Lsn(20),
        released: Lsn(21),
        replicas: vec![replica],
    };
    let bytes = written(|out| status.write(out));
    let number = |number: u8| format!("{number:02x}00000000000000");
    let wide = |low: u8| format!("{low:02x}{:030}", 0);
    let numbers: String = [20, 21, 18, 19, 17, 13, 14, 15, 16].map(number).concat();
    let expected = [
        String::from("02 1f 0100 01000000"),
        numbers,
        wide(12),
        format!("0300 0200 {:024}", 0),
        wide(9),
        number(10),
        number(11),
        format!("0100 {:012}", 0),
        String::from("703a31 6e6f 62"),
    ];
    check(&bytes, &expected.concat());
    assert_eq!(ReplicationStatus::decode(&bytes), Ok(status));
    assert_eq!(Follow::decode(&follow.to_bytes()), Ok(follow));
    assert_eq!(Acknowledge::decode(&acknowledge.to_bytes()), Ok(acknowledge));
}
