//! Prevents: acknowledgements of whoever happens to follow that are taken for those of the group; a group that
//! changes, and in between nobody knows whose promises a candidate needs.

use crate::pair::{Pair, Wire, follow, open, open_accounts, transfer};
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::following::Follower;
use florin_core::group::{Group, GroupNode};
use florin_core::request::{Reply, Request, TransferBatch};
use florin_core::shipping::{Missing, Synchrony};
use florin_core::{Database, Error, ErrorKind};
use florin_ledger::Lsn;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A standby that a test carries frames to.
struct Standby {
    database: Database,
    follower: Follower,
    wire: Wire,
}

impl Standby {
    fn of(pair: &Pair) -> Standby {
        let disk = SimulatedDisk::new();
        let (database, mut follower) = follow(&disk, &pair.clock, &pair.primary).unwrap();
        let wire = Wire::new(&pair.primary, &mut follower);
        Standby { database, follower, wire }
    }

    fn carry(&mut self) {
        self.wire.carry(&mut self.follower, 1 << 20);
    }

    fn node(&self) -> u128 {
        self.database.node_id().unwrap()
    }
}

fn group(acknowledgements: u32, nodes: &[u128]) -> Group {
    let nodes = nodes.iter().map(|node| GroupNode {
        node: *node,
        name: format!("{node:x}"),
        address: format!("{node:x}:3000"),
    });
    Group { acknowledgements, nodes: nodes.collect(), ..Group::default() }
}

fn ask(database: &Database, id: u64) -> Receiver<Result<Reply, Error>> {
    let (sender, receiver) = channel();
    let batch = TransferBatch::new(&[transfer(id)]).unwrap();
    database.submit(Request::CreateTransfers(batch), move |reply| drop(sender.send(reply)));
    receiver
}

fn is_silent<T>(answer: &Receiver<T>) -> bool {
    answer.recv_timeout(Duration::from_millis(30)).is_err()
}

/// Carries to these until the answer is there.
fn carry_until<T>(answer: &Receiver<T>, standbys: &mut [&mut Standby]) -> T {
    loop {
        if let Ok(answer) = answer.recv_timeout(Duration::from_millis(1)) {
            return answer;
        }
        standbys.iter_mut().for_each(|standby| standby.carry());
    }
}

#[test]
fn only_nodes_of_the_group_count() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let (mut member, mut stranger) = (Standby::of(&pair), Standby::of(&pair));
    let own = pair.primary.node_id().unwrap();
    let asked = group(1, &[own, member.node()]);
    let primary = pair.primary.clone();
    let (sender, changed) = channel();
    let changing = std::thread::spawn(move || sender.send(primary.change_group(&asked)).unwrap());
    carry_until(&changed, &mut [&mut member]).unwrap();
    changing.join().unwrap();
    let answer = ask(&pair.primary, 1);
    for _ in 0..3 {
        stranger.carry();
        assert!(is_silent(&answer));
    }
    carry_until(&answer, &mut [&mut member]).unwrap();
    let copied = member.database.group().unwrap().unwrap();
    assert_eq!(copied.nodes, pair.primary.group().unwrap().unwrap().nodes);
}

/// A candidate of the old group asks nodes of the old group. So those must have the change before nodes of the new
/// one are enough.
#[test]
fn a_change_waits_for_the_old_group_and_the_new() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let (mut old, mut new) = (Standby::of(&pair), Standby::of(&pair));
    let own = pair.primary.node_id().unwrap();
    let (primary, first) = (pair.primary.clone(), group(1, &[own, old.node()]));
    let (sender, changed) = channel();
    std::thread::spawn(move || sender.send(primary.change_group(&first)).unwrap());
    carry_until(&changed, &mut [&mut old]).unwrap();
    let before = pair.primary.replication().synchrony().synced;
    let (primary, second) = (pair.primary.clone(), group(1, &[own, new.node()]));
    let (sender, changed) = channel();
    std::thread::spawn(move || sender.send(primary.change_group(&second)).unwrap());
    while pair.primary.replication().synchrony().synced <= before {
        std::thread::yield_now();
    }
    for _ in 0..3 {
        new.carry();
        assert!(is_silent(&changed), "the old node has not the change");
    }
    let busy = pair.primary.change_group(&group(1, &[own, old.node()])).unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::Busy, "{busy}");
    carry_until(&changed, &mut [&mut old, &mut new]).unwrap();
    // From now on the new one is enough.
    let answer = ask(&pair.primary, 1);
    for _ in 0..3 {
        old.carry();
        assert!(is_silent(&answer));
    }
    carry_until(&answer, &mut [&mut new]).unwrap();
}

/// A primary that crashed in a change does not know whether anybody has it.
#[test]
fn a_change_that_a_crash_cut_off_waits_for_both_again() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let (mut old, mut new) = (Standby::of(&pair), Standby::of(&pair));
    let own = pair.primary.node_id().unwrap();
    let (primary, first) = (pair.primary.clone(), group(1, &[own, old.node()]));
    let (sender, changed) = channel();
    std::thread::spawn(move || sender.send(primary.change_group(&first)).unwrap());
    carry_until(&changed, &mut [&mut old]).unwrap();
    let before = pair.primary.replication().synchrony().synced;
    let (primary, second) = (pair.primary.clone(), group(1, &[own, new.node()]));
    std::thread::spawn(move || drop(primary.change_group(&second)));
    while pair.primary.replication().synchrony().synced <= before {
        std::thread::yield_now();
    }
    let disk = pair.primary_disk.crash_image(pair.primary_disk.operations_count(), 1);
    let primary = open(&disk, &pair.clock).unwrap();
    primary.lead(Synchrony::default()).unwrap();
    // It writes the group anew, since somebody else may decide now, and crashes again: the old one is not forgotten.
    let answer = ask(&primary, 1);
    new.wire = Wire::new(&primary, &mut new.follower);
    new.carry();
    assert!(is_silent(&answer));
    let disk = disk.crash_image(disk.operations_count(), 2);
    drop((std::mem::replace(&mut new.wire, Wire::new(&primary, &mut new.follower)), primary));
    let primary = open(&disk, &pair.clock).unwrap();
    primary.lead(Synchrony::default()).unwrap();
    let answer = ask(&primary, 2);
    old.wire = Wire::new(&primary, &mut old.follower);
    new.wire = Wire::new(&primary, &mut new.follower);
    for _ in 0..3 {
        new.carry();
        assert!(is_silent(&answer), "the old node has not the change");
        assert_eq!(primary.durable_end(), Lsn::NONE, "nothing of what was here is told, either");
    }
    carry_until(&answer, &mut [&mut old, &mut new]).unwrap();
}

/// A change that was told long ago, and nodes that were thrown away since.
#[test]
fn a_change_that_was_told_asks_nobody_of_the_old_group_any_more() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let (mut old, mut new) = (Standby::of(&pair), Standby::of(&pair));
    let own = pair.primary.node_id().unwrap();
    for nodes in [[own, old.node()], [own, new.node()]] {
        let (primary, asked) = (pair.primary.clone(), group(1, &nodes));
        let (sender, changed) = channel();
        std::thread::spawn(move || sender.send(primary.change_group(&asked)).unwrap());
        carry_until(&changed, &mut [&mut old, &mut new]).unwrap();
    }
    // That it is settled is told, too.
    carry_until(&ask(&pair.primary, 1), &mut [&mut new]).unwrap();
    let disk = pair.primary_disk.crash_image(pair.primary_disk.operations_count(), 1);
    let primary = open(&disk, &pair.clock).unwrap();
    primary.lead(Synchrony::default()).unwrap();
    let answer = ask(&primary, 2);
    new.wire = Wire::new(&primary, &mut new.follower);
    carry_until(&answer, &mut [&mut new]).unwrap();
}

/// The group may go without standbys from now on, says the primary, and nobody else has heard of it.
#[test]
fn answers_go_without_standbys_only_if_both_groups_let_them() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let mut standby = Standby::of(&pair);
    let nodes = [pair.primary.node_id().unwrap(), standby.node()];
    let (primary, first) = (pair.primary.clone(), group(1, &nodes));
    let (sender, changed) = channel();
    std::thread::spawn(move || sender.send(primary.change_group(&first)).unwrap());
    carry_until(&changed, &mut [&mut standby]).unwrap();
    let missing = Missing::Degrade(Duration::from_secs(1));
    let (primary, second) = (pair.primary.clone(), Group { missing, ..group(1, &nodes) });
    let (sender, changed) = channel();
    std::thread::spawn(move || sender.send(primary.change_group(&second)).unwrap());
    for _ in 0..5 {
        pair.clock.pass_until(pair.clock.nanoseconds() + 2_000_000_000);
        assert!(is_silent(&changed));
    }
    carry_until(&changed, &mut [&mut standby]).unwrap();
}

/// A node that has not the first group asks nobody before it is promoted.
#[test]
fn the_first_group_waits_for_all_its_nodes() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let (mut one, mut other) = (Standby::of(&pair), Standby::of(&pair));
    let own = pair.primary.node_id().unwrap();
    let (primary, first) = (pair.primary.clone(), group(1, &[own, one.node(), other.node()]));
    let (sender, changed) = channel();
    std::thread::spawn(move || sender.send(primary.change_group(&first)).unwrap());
    for _ in 0..3 {
        one.carry();
        assert!(is_silent(&changed));
    }
    carry_until(&changed, &mut [&mut one, &mut other]).unwrap();
    carry_until(&ask(&pair.primary, 1), &mut [&mut one]).unwrap();
}

/// Both standbys' machines burned: the old group will never have any change.
#[test]
fn by_force_nobody_of_the_old_group_is_asked_and_that_is_on_record() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let mut old = Standby::of(&pair);
    let own = pair.primary.node_id().unwrap();
    let (primary, first) = (pair.primary.clone(), group(1, &[own, old.node()]));
    let (sender, changed) = channel();
    std::thread::spawn(move || sender.send(primary.change_group(&first)).unwrap());
    carry_until(&changed, &mut [&mut old]).unwrap();
    let stuck = ask(&pair.primary, 1);
    assert!(is_silent(&stuck));
    pair.primary.change_group(&Group { is_forced: true, ..group(0, &[own]) }).unwrap();
    stuck.recv_timeout(Duration::from_secs(60)).unwrap().unwrap();
    assert!(pair.primary.group().unwrap().unwrap().is_forced);
}

/// What the group says is not to be contradicted by a flag that somebody forgot.
#[test]
fn the_group_says_how_many_and_nothing_else_does() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let own = pair.primary.node_id().unwrap();
    let error = pair.primary.change_group(&group(0, &[own + 1])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "it is not of its own group: {error}");
    pair.primary.change_group(&group(0, &[own])).unwrap();
    let one = Synchrony { standbys: 1, ..Synchrony::default() };
    pair.primary.lead(one).unwrap();
    pair.primary.create_transfers(&[transfer(1)]).unwrap();
}
