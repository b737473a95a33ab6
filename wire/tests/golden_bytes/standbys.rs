//! The bytes of what standbys ask, and of how replication stands.

use super::{check, written};
use florin_ledger::Lsn;
use florin_wire::group::{
    HandOver, HasPosition, Promise, Promised, decode_term, decode_truth, term_to_bytes,
    truth_to_bytes,
};
use florin_wire::replication::{
    Acknowledge, Follow, ReplicaStatus, ReplicationStatus, StandbyStatus,
};

/// Prevents: a consumer in another language reads a payment of another amount.
#[test]
fn requests_and_answers_of_standbys() {
    let follow = Follow {
        incarnation: 1,
        life: 7,
        node: 2,
        lsn: Lsn(3),
        sequence: 4,
        chain: [5; 32],
        promised: 6,
        must_compare: true,
        name: String::from("two"),
    };
    check(
        &follow.to_bytes(),
        &format!(
            "{:0<32}{:0<32}0300000000000000 0400000000000000 {}0600000000000000{:0<32} 0300 01 0000000000 74776f",
            "01",
            "02",
            "05".repeat(32),
            "07"
        ),
    );
    let acknowledge = Acknowledge { following: 7, lsn: Lsn(8), counts: true };
    check(&acknowledge.to_bytes(), "0700000000000000 0800000000000000 0000000000000000");
    assert_eq!(Acknowledge::decode(&acknowledge.to_bytes()), Ok(acknowledge));
    let acknowledge = Acknowledge { counts: false, ..acknowledge };
    check(&acknowledge.to_bytes(), "0700000000000000 0800000000000000 0100000000000000");
    let replica =
        ReplicaStatus { node: 9, acknowledged: Lsn(10), silent_ms: 11, name: String::from("b") };
    let standby = StandbyStatus {
        primary: String::from("p:1"),
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
        node: 12,
        incarnation: 24,
        life: 25,
        term: 22,
        promised: 23,
        is_deposed: true,
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
        String::from("02 3f 0100 01000000"),
        numbers,
        wide(12),
        number(22),
        number(23),
        format!("0300 0200 {:08}", 0),
        wide(24),
        wide(25),
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

#[test]
fn what_nodes_of_a_group_ask_each_other() {
    let promise = Promise { incarnation: 1, life: 4, candidate: 2, term: 3 };
    let expected = format!("{:0<32}{:0<32}{:0<32}0300000000000000", "01", "04", "02");
    check(&promise.to_bytes(), &expected);
    assert_eq!(Promise::decode(&promise.to_bytes()), Ok(promise));
    let promised = Promised { is_granted: true, promised: 3, term: 4, end: Lsn(5), node: 6 };
    let bytes = written(|out| promised.write(out));
    let number = |number: u8| format!("{number:02x}00000000000000");
    check(&bytes, &format!("01 {:014}{}{}{}{:0<32}", 0, number(3), number(4), number(5), "06"));
    assert_eq!(Promised::decode(&bytes), Ok(promised));
    let has = HasPosition { incarnation: 7, lsn: Lsn(8), sequence: 9, chain: [10; 32] };
    check(&has.to_bytes(), &format!("{:0<32}{}{}{}", "07", number(8), number(9), "0a".repeat(32)));
    assert_eq!(HasPosition::decode(&has.to_bytes()), Ok(has));
    let over = HandOver { node: 11, patience_ms: 12 };
    check(&over.to_bytes(), &format!("{:0<32}0c000000 00000000", "0b"));
    assert_eq!(HandOver::decode(&over.to_bytes()), Ok(over));
    check(&term_to_bytes(0x0102), "0201000000000000");
    assert_eq!(decode_term(&term_to_bytes(7)), Ok(7));
    assert!(decode_term(&[0; 7]).is_err() && decode_term(&[0; 9]).is_err());
    check(&truth_to_bytes(true), "01");
    assert_eq!(decode_truth(&[0]), Ok(false));
    assert!(
        decode_truth(&[2]).is_err() && decode_truth(&[]).is_err() && decode_truth(&[1, 1]).is_err()
    );
}
