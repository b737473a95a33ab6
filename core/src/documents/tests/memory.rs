//! Prevents: a key lost or out of order in memory when its chunk is filled, halved or emptied, or
//! when a request of many keys is taken back.

use super::{Model, put};
use crate::documents::recent::Recent;
use crate::documents::{KeyList, KeyOrder, KeyRange};
use proptest::prelude::*;

/// A request: keys that it writes, and whether it is taken back.
type Request = (Vec<Vec<u8>>, bool);

/// Keys that rise, that fall, and that jump about and come again: several chunks of each.
fn requests() -> impl Strategy<Value = Vec<Request>> {
    let key = |number: u16| [&[0, 7][..], &number.to_be_bytes()].concat();
    let rising = (0..60_000_u16, 1..900_u16)
        .prop_map(move |(first, count)| (first..first + count).map(key).collect::<Vec<_>>());
    let falling = rising.clone().prop_map(|keys| keys.into_iter().rev().collect());
    let random = prop::collection::vec((0..3_000_u16).prop_map(key), 1..900);
    let keys = prop_oneof![rising, falling, random];
    prop::collection::vec((keys, prop::bool::weighted(0.3)), 1..8)
}

/// Goes through keys from a bound on.
fn walk(recent: &Recent, range: &KeyRange, order: KeyOrder) -> KeyList {
    let mut list = KeyList::default();
    let mut cursor = recent.cursor(range, order);
    while let Some((key, entry)) = cursor.current() {
        if !range.contains(key) {
            break;
        }
        list.push(key, entry);
        cursor.advance();
    }
    list
}

fn check(recent: &Recent, model: &Model, bounds: &[Vec<u8>]) {
    assert_eq!(recent.len(), model.len());
    for (key, entry) in model {
        assert_eq!(recent.get(key), Some(*entry), "{key:?}");
    }
    for bound in bounds {
        assert_eq!(recent.get(bound), model.get(bound).copied(), "{bound:?}");
        for range in [KeyRange::all(), KeyRange::new(bound, None), KeyRange::new(&[], Some(bound))]
        {
            for order in [KeyOrder::Rising, KeyOrder::Falling] {
                let expected = super::expected_scan(model, &range, order);
                assert_eq!(walk(recent, &range, order), expected, "{range:?} {order:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn memory_answers_like_a_map(requests in requests()) {
        let mut recent = Recent::default();
        let mut model = Model::new();
        let mut lsn = 0;
        for (keys, is_taken_back) in &requests {
            let before = (model.clone(), recent.bytes());
            let mark = recent.mark();
            for key in keys {
                lsn += 1;
                recent.insert(key, put(lsn));
                model.insert(key.clone(), put(lsn));
            }
            if *is_taken_back {
                recent.undo(mark);
                model = before.0;
                prop_assert_eq!(recent.bytes(), before.1);
            }
            check(&recent, &model, &[keys[0].clone(), keys[keys.len() / 2].clone(), vec![0, 8]]);
        }
    }
}

/// Prevents: memory that is given back and asked for again at every run, while the bank waits; memory
/// that nobody counts.
#[test]
fn memory_is_used_again_when_nobody_else_has_it() {
    let mut recent = Recent::default();
    let fill = |recent: &mut Recent| {
        (0..10_000_u32).for_each(|number| recent.insert(&number.to_be_bytes(), put(9)));
    };
    fill(&mut recent);
    let one = recent.held_bytes();
    assert!(10_000 * (32 + 4) <= one, "a slot and its key each: {one}");
    let frozen = recent.freeze();
    let plan = frozen.clone();
    recent.reuse(frozen);
    assert_eq!((recent.held_bytes(), plan.len()), (0, 10_000), "somebody has it");
    recent.reuse(plan);
    assert_eq!(recent.held_bytes(), one);
    assert_eq!(recent.len(), 0);
    let nothing = recent.freeze();
    assert_eq!((recent.held_bytes(), nothing.held_bytes()), (one, 0));
    assert_eq!(recent.get(&7_u32.to_be_bytes()), None);
    fill(&mut recent);
    assert_eq!(recent.held_bytes(), one, "none is made");
}
