//! That the load is what the flags say: a benchmark of other work measures nothing.

use super::*;
use std::collections::HashSet;

fn plan() -> Plan {
    Plan {
        accounts_count: 100,
        transfers_count: 10_000,
        batch_count: 819,
        id_order: IdOrder::Sequential,
        hot_percent: 0,
        pending_percent: 0,
        seed: 7,
    }
}

fn all(plan: Plan) -> impl Iterator<Item = Transfer> {
    (0..plan.transfers_count).map(move |index| plan.transfer(index))
}

#[test]
fn groups_cover_every_transfer_once() {
    for (batch_count, pending_percent) in
        [(1, 0), (1, 50), (2, 50), (7, 10), (8_190, 0), (9_999, 0)]
    {
        let plan = Plan { batch_count, pending_percent, ..plan() };
        let mut next = 0;
        for group in 0..plan.groups_count() {
            assert_eq!(plan.group(group).start, next);
            next = plan.group(group).end;
        }
        assert_eq!(next, plan.transfers_count, "batches of {batch_count}");
    }
}

#[test]
fn ids_are_unique_and_in_the_order_asked_for() {
    let sequential: Vec<u128> = all(plan()).map(|transfer| transfer.id.0).collect();
    assert!(sequential.is_sorted_by(|a, b| a < b));
    let reversed = Plan { id_order: IdOrder::Reversed, ..plan() };
    assert!(all(reversed).map(|transfer| transfer.id.0).is_sorted_by(|a, b| b < a));
    let random = Plan { id_order: IdOrder::Random, ..plan() };
    let ids: Vec<u128> = all(random).map(|transfer| transfer.id.0).collect();
    let rising = ids.windows(2).filter(|pair| pair[0] < pair[1]).count();
    assert!((4_500..5_500).contains(&rising), "{rising} of 9999 rise");
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    assert!(ids.iter().all(|id| *id != 0 && *id != u128::MAX));
}

/// Two runs into one directory must not answer `exists`.
#[test]
fn other_seeds_have_other_ids() {
    for id_order in [IdOrder::Sequential, IdOrder::Random, IdOrder::Reversed] {
        let first: HashSet<u128> =
            all(Plan { id_order, ..plan() }).map(|transfer| transfer.id.0).collect();
        let second = Plan { id_order, seed: 8, ..plan() };
        assert!(all(second).all(|transfer| !first.contains(&transfer.id.0)), "{id_order:?}");
    }
}

#[test]
fn no_transfer_has_the_same_account_twice() {
    for accounts_count in [2, 3, 100] {
        for hot_percent in [0, 50, 100] {
            let plan = Plan { accounts_count, hot_percent, ..plan() };
            assert!(
                all(plan).all(|transfer| transfer.debit_account_id != transfer.credit_account_id)
            );
        }
    }
}

#[test]
fn the_hot_account_takes_its_share_on_both_sides() {
    let plan = Plan { hot_percent: 50, accounts_count: 10_000, ..plan() };
    let hot = plan.account_id(0);
    let debits = all(plan).filter(|transfer| transfer.debit_account_id == hot).count();
    let credits = all(plan).filter(|transfer| transfer.credit_account_id == hot).count();
    assert!((4_800..5_200).contains(&(debits + credits)), "{debits} + {credits}");
    assert!((2_300..2_700).contains(&debits), "{debits} debits");
}

/// A post that overtakes its hold is refused, and the run is worth nothing.
#[test]
fn every_post_follows_its_hold_in_the_same_group() {
    for batch_count in [1, 2, 3, 7, 819] {
        let plan = Plan { batch_count, pending_percent: 60, ..plan() };
        let mut resolved = 0;
        for group in 0..plan.groups_count() {
            let mut holds = HashSet::new();
            for index in plan.group(group) {
                let transfer = plan.transfer(index);
                if transfer.flags == TransferFlags::PENDING {
                    holds.insert(transfer.id);
                }
                if transfer.flags == TransferFlags::POST_PENDING_TRANSFER {
                    assert!(
                        holds.remove(&transfer.pending_id),
                        "batches of {batch_count}: {index}"
                    );
                    resolved += 2;
                }
            }
            assert!(holds.is_empty(), "batches of {batch_count}: holds left open");
        }
        // An odd group leaves one transfer alone; batches of one make groups of two.
        let paired = if batch_count == 1 { 1 } else { batch_count / 2 * 2 };
        let expect = plan.transfers_count * 60 * paired / batch_count / 100;
        assert!(expect.abs_diff(resolved) < 400, "batches of {batch_count}: {resolved}");
    }
}

#[test]
fn what_is_posted_is_what_plain_transfers_and_holds_carry() {
    let plan = Plan { pending_percent: 50, ..plan() };
    let carried: u128 = all(plan)
        .filter(|transfer| transfer.flags != TransferFlags::POST_PENDING_TRANSFER)
        .map(|transfer| transfer.amount.0)
        .sum();
    let posted: u128 = (0..plan.transfers_count).map(|index| plan.posted(index).0).sum();
    assert_eq!(posted, carried);
    assert!(0 < posted);
}

#[test]
fn instants_reach_both_ends() {
    let seen: HashSet<u64> = (0..100).map(|index| plan().any_instant(index, 5, 7)).collect();
    assert_eq!(seen, HashSet::from([5, 6, 7]));
    assert_eq!(plan().any_instant(3, u64::MAX, u64::MAX), u64::MAX);
    let whole = plan().any_instant(3, 0, u64::MAX);
    assert_ne!(whole, 0);
}

/// A key that comes twice would replace a document: fewer would be there than the figures say.
#[test]
fn no_two_documents_have_one_key() {
    let keys: HashSet<_> = (0..10_000).map(|index| plan().document_key(index)).collect();
    assert_eq!(keys.len(), 10_000);
    assert_ne!(plan().document_key(1), Plan { seed: 8, ..plan() }.document_key(1));
}
