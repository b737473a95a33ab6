//! Whoever gets at a backup changes it. Every change is found by checking and by restoring, the object is
//! named, and what was restored does not open.

use crate::bank::{Bank, Kind, NOW, checked, checked_by_name, opens, restored_by_name, signer};
use florin_core::ErrorKind;
use florin_core::backup::Target;
use florin_core::backup::memory::MemoryStore;
use florin_core::disk::simulated::SimulatedDisk;
use florin_ledger::Timestamp;
use std::collections::BTreeMap;

const ALTERATIONS: u64 = 1_000;
/// Restoring costs more than checking: one of so many is restored, too.
const RESTORED_EVERY: u64 = 10;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// Alters what the newest backup is made of; says what was done, and to which object. `older` are the
/// objects of the backup before.
fn alter(
    objects: &mut BTreeMap<String, Vec<u8>>,
    newest: &[String],
    older: &[String],
    dice: &mut Dice,
) -> (String, &'static str) {
    let name = newest[dice.below(newest.len())].clone();
    let length = objects[&name].len();
    match dice.below(5) {
        0 => {
            let (at, bit) = (dice.below(length), dice.below(8));
            objects.get_mut(&name).unwrap()[at] ^= 1 << bit;
            (name, "flip")
        }
        1 => {
            let left = dice.below(length);
            objects.get_mut(&name).unwrap().truncate(left);
            (name, "truncate")
        }
        2 => {
            let others: Vec<&String> = newest.iter().filter(|other| **other != name).collect();
            let other = others[dice.below(others.len())].clone();
            let (one, two) = (objects[&name].clone(), objects[&other].clone());
            objects.insert(name.clone(), two);
            objects.insert(other, one);
            (name, "swap")
        }
        3 => {
            objects.remove(&name);
            (name, "delete")
        }
        _ => {
            let old: Vec<&String> = older.iter().filter(|old| !newest.contains(old)).collect();
            let old = objects[old[dice.below(old.len())]].clone();
            objects.insert(name.clone(), old);
            (name, "replay an old one")
        }
    }
}

/// Faults 31 to 34, 44 and 49 as well: whatever a restore would lose or falsify, it refuses, and says so.
#[test]
fn a_thousand_alterations_are_found() {
    let seed = std::env::var("FLORIN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(5);
    let backups: Vec<_> = Kind::ALL.map(|kind| (kind, backed_up(kind))).into();
    for number in 0..ALTERATIONS {
        let mut dice = Dice(seed * 1_000_003 + number);
        let (kind, (store, newest, older)) = &backups[dice.below(backups.len())];
        let altered = MemoryStore::new();
        let mut objects = store.objects();
        let (name, what) = alter(&mut objects, newest, older, &mut dice);
        for (name, bytes) in objects {
            altered.put(&name, bytes);
        }
        let case = format!("seed {seed}, alteration {number}, {kind:?}: {what} {name}");
        // By name: without its manifest, the backup before would be the newest, and whole.
        let meant = newest.last().unwrap();
        match checked_by_name(*kind, &altered, meant) {
            Ok(checked) => {
                assert!(!checked.findings.is_empty(), "{case}");
                let is_named = checked.findings.iter().any(|finding| finding.contains(&name));
                assert!(is_named, "{case}: {:?}", checked.findings);
            }
            Err(error) => {
                assert!(error.to_string().contains("manifests"), "{case}: {error}");
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{case}: {error}");
            }
        }
        if number % RESTORED_EVERY == 0 {
            let disk = SimulatedDisk::new();
            let signers = [signer().public()];
            let restored = restored_by_name(*kind, &altered, meant, &disk, Target::End, &signers);
            let error = restored.expect_err(&case);
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{case}: {error}");
            assert!(error.to_string().starts_with("object "), "{case}: {error}");
            let nothing = disk.contents("log/00000000000000000000").is_none();
            assert!(nothing || opens(*kind, &disk).is_err(), "{case}: half of it opens");
        }
    }
}

/// A store with two backups, and what the newer and the older one are made of.
fn backed_up(kind: Kind) -> (MemoryStore, Vec<String>, Vec<String>) {
    let mut bank = Bank::found(kind);
    bank.day(3);
    let (store, database) = (MemoryStore::new(), bank.open());
    bank.post(&database, 2);
    let parts = |created: florin_core::backup::Created| {
        let manifest = created.manifest;
        let objects = manifest.objects.iter().map(|entry| manifest.object_name(entry));
        objects.chain([created.name]).collect::<Vec<String>>()
    };
    let older = parts(bank.back_up_running(&database, &store, NOW).unwrap());
    bank.post(&database, 3);
    database.close().unwrap();
    bank.day(2);
    let now = Timestamp(NOW.0 + 1_000_000_000);
    let newest = parts(bank.back_up_at(&store, now).unwrap());
    // The part of a segment that the older one has, and its manifest.
    assert_eq!(older.iter().filter(|old| !newest.contains(old)).count(), 2);
    (store, newest, older)
}

/// Fault 44: each way to be wrong is said in words that name the object.
#[test]
fn what_is_wrong_with_an_object_is_said() {
    let (store, newest, _) = backed_up(Kind::Clear);
    let first = &newest[0];
    let cases: [(&str, Option<Vec<u8>>); 3] = [
        ("it is missing", None),
        ("bytes, not", Some(store.objects()[first][..4_700].to_vec())),
        ("it is not what was stored", {
            let mut bytes = store.objects()[first].clone();
            bytes[4_700] ^= 1;
            Some(bytes)
        }),
    ];
    for (words, bytes) in cases {
        let altered = store.copy();
        match bytes {
            Some(bytes) => altered.put(first, bytes),
            None => florin_core::backup::Store::remove(&altered, first).unwrap(),
        }
        let findings = checked(Kind::Clear, &altered).unwrap().findings;
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].contains(first) && findings[0].contains(words), "{findings:?}");
    }
}
