//! Restoring to before something went wrong: what is kept, what is lost, and that the preview said so.

use crate::bank::{Bank, Kind, NOW, balance, opens, restored, signer, stored};
use florin_core::backup::memory::MemoryStore;
use florin_core::backup::{Preview, Target, Trust, newest, preview};
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::{Error, ErrorKind};
use florin_ledger::query::{AccountFilter, QueryFilter};
use florin_ledger::{AccountId, Lsn, Timestamp, TransferId};

/// Three days of five transfers, backed up.
fn backed_up(kind: Kind) -> (Vec<(TransferId, Timestamp)>, MemoryStore) {
    let mut bank = Bank::found(kind);
    for _ in 0..3 {
        bank.day(5);
    }
    let store = MemoryStore::new();
    bank.back_up(&store).unwrap();
    let database = bank.open();
    let all = QueryFilter { limit: 100, ..QueryFilter::all() };
    let page = database.query_transfers(&all).unwrap();
    let posted = page.items.iter().map(|transfer| (transfer.id, transfer.timestamp)).collect();
    (posted, store)
}

fn previewed(kind: Kind, store: &MemoryStore, target: Target) -> Result<Preview, Error> {
    let (signers, key) = ([signer().public()], kind.key());
    let trust = Trust { signers: &signers, key: key.as_deref() };
    preview(&stored(store), &newest(store, None).unwrap(), target, trust)
}

#[test]
fn a_bank_goes_back_to_before_any_of_its_transfers() {
    for kind in Kind::ALL {
        let (posted, store) = backed_up(kind);
        assert_eq!(posted.len(), 15);
        for (index, (id, timestamp)) in posted.iter().enumerate() {
            let kept = u64::try_from(index).unwrap();
            for target in [Target::BeforeTransfer(*id), Target::Time(Timestamp(timestamp.0 - 1))] {
                let seen = previewed(kind, &store, target).unwrap();
                assert_eq!(seen.lost.transfers_count, 15 - kept, "{target:?}");
                let (first, last) = seen.lost.times.unwrap();
                assert!(first <= *timestamp && *timestamp <= last && last < NOW);
                if index % 4 != 0 {
                    continue;
                }
                let disk = SimulatedDisk::new();
                let life = restored(kind, &store, &disk, target).unwrap();
                assert_eq!(life.cut, seen.cut);
                assert_eq!(life.report.transfers_count, kept);
                let database = opens(kind, &disk).unwrap();
                assert_eq!(balance(&database), u128::from(kept));
                let history = AccountFilter { limit: 100, ..AccountFilter::new(AccountId(2)) };
                let there = database.account_transfers(&history).unwrap().items;
                let there: Vec<TransferId> = there.iter().map(|it| it.id).collect();
                let expected: Vec<TransferId> = posted[..index].iter().map(|(id, _)| *id).collect();
                assert_eq!(there, expected);
            }
        }
    }
}

/// Every position there is: what is kept are the frames that end by then.
#[test]
fn a_bank_goes_back_to_any_position() {
    let (_, store) = backed_up(Kind::Clear);
    let end = previewed(Kind::Clear, &store, Target::End).unwrap();
    assert_eq!(end.lost.frames_count, 0);
    assert_eq!(end.cut, end.manifest.end);
    let mut kept_before = Lsn(0);
    let first = end.manifest.objects[0].end.lsn;
    for lsn in (8_192..first.0).step_by(24).chain([end.cut.lsn.0 - 1, end.cut.lsn.0]) {
        let seen = previewed(Kind::Clear, &store, Target::Lsn(Lsn(lsn))).unwrap();
        assert!(kept_before <= seen.cut.lsn && seen.cut.lsn <= Lsn(lsn), "{lsn}");
        kept_before = seen.cut.lsn;
    }
    assert_eq!(kept_before, end.cut.lsn);
    let seen = previewed(Kind::Clear, &store, Target::Lsn(Lsn((8 << 20) + 5_000))).unwrap();
    let disk = SimulatedDisk::new();
    let life = restored(Kind::Clear, &store, &disk, Target::Lsn(Lsn((8 << 20) + 5_000))).unwrap();
    assert_eq!(life.cut, seen.cut);
}

#[test]
fn a_target_that_the_backup_does_not_have_is_refused_before_anything_is_written() {
    let (_, store) = backed_up(Kind::Clear);
    let end = previewed(Kind::Clear, &store, Target::End).unwrap().cut.lsn;
    let cases = [
        (Target::BeforeTransfer(TransferId(999)), "no transfer 999"),
        (Target::Lsn(Lsn(end.0 + 1)), "ends at position"),
        (Target::Lsn(Lsn(4_096)), "nothing would be left"),
        (Target::Time(Timestamp(5)), "begins after"),
        (Target::Time(Timestamp(NOW.0 + 1)), "knows of nothing after"),
    ];
    for (target, message) in cases {
        let disk = SimulatedDisk::new();
        let error = restored(Kind::Clear, &store, &disk, target).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(disk.counters().writes_count, 0);
        assert_eq!(previewed(Kind::Clear, &store, target).unwrap_err(), error);
    }
    // Until it was made, nothing more was recorded.
    assert_eq!(previewed(Kind::Clear, &store, Target::Time(NOW)).unwrap().cut.lsn, end);
}
