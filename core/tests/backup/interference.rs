//! What others do while a backup is made: they post, they prune, their servers lie, their tokens fail. What
//! would go wrong without: a manifest that names what is not there, or an end of the program.

use crate::bank::{
    Bank, Kind, NOW, START, balance, checked, creation, opens, options, restored, signer, transfer,
};
use crate::keys::TestKey;
use bytes::Bytes;
use florin_core::backup::memory::MemoryStore;
use florin_core::backup::{
    Source, Store, StoredObject, Target, create, newest_that_reads, prune_orphans,
};
use florin_core::clock::FixedClock;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::disk::{Access, Disk};
use florin_core::snapshot::{Snapshot, StillLog};
use florin_core::{Database, Error, ErrorKind, sealing};
use florin_keys::{KeyEncryptionKey, KeyError, Secret};
use florin_ledger::{Timestamp, TransferId};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

fn later(seconds: u64) -> Timestamp {
    Timestamp(NOW.0 + seconds * 1_000_000_000)
}

/// Others post, segment after segment, while backups are made: each is whole, and restores.
#[test]
fn others_post_while_backups_are_made() {
    let mut bank = Bank::found(Kind::Clear);
    let (store, database) = (MemoryStore::new(), bank.open());
    let is_over = AtomicBool::new(false);
    let mut segments = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut ids = (1_000_000_u128..).map(TransferId);
            while !is_over.load(Ordering::Relaxed) {
                let batch: Vec<_> = ids.by_ref().take(4_000).map(transfer).collect();
                database.create_transfers(&batch).unwrap();
            }
        });
        let mut round = 0;
        while segments.last().is_none_or(|last| *last < 5) {
            round += 1;
            let created = bank.back_up_running(&database, &store, later(round)).unwrap();
            let count = created.manifest.objects.len();
            if segments.last() != Some(&count) {
                assert_eq!(checked(Kind::Clear, &store).unwrap().findings, [""; 0]);
                segments.push(count);
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    database.close().unwrap();
    assert!(2 < segments.len(), "{segments:?}");
    let disk = SimulatedDisk::new();
    let life = restored(Kind::Clear, &store, &disk, Target::End).unwrap();
    let database = opens(Kind::Clear, &disk).unwrap();
    assert_eq!(balance(&database), u128::from(life.report.transfers_count));
}

/// A store from which somebody removes an object right after another was stored.
struct Pruned<'a> {
    store: &'a MemoryStore,
    /// What goes, and how often.
    goes: Mutex<(String, u32)>,
}

impl Store for Pruned<'_> {
    fn create(&self, name: &str, bytes: &Bytes) -> io::Result<bool> {
        let created = self.store.create(name, bytes);
        let mut goes = self.goes.lock().unwrap();
        if 0 < goes.1 {
            goes.1 -= 1;
            self.store.remove(&goes.0)?;
        }
        created
    }

    fn read(&self, name: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
        self.store.read(name, bytes_max)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<StoredObject>> {
        self.store.list(prefix)
    }

    fn tops(&self) -> io::Result<Vec<String>> {
        self.store.tops()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.store.remove(name)
    }

    fn remove_partials(&self, before: Timestamp) -> io::Result<usize> {
        self.store.remove_partials(before)
    }

    fn keeps_versions(&self) -> bool {
        self.store.keeps_versions()
    }
}

/// Faults 7 and 37: what a prune takes while a backup is made is stored again before the manifest is.
#[test]
fn what_is_pruned_meanwhile_is_stored_again() {
    for kind in Kind::ALL {
        for times in [1, 9] {
            let mut bank = Bank::found(kind);
            bank.day(1);
            bank.day(1);
            let store = MemoryStore::new();
            let first = bank.back_up(&store).unwrap();
            let before = store.objects();
            bank.day(1);
            let goes = first.manifest.object_name(&first.manifest.objects[1]);
            let pruned = Pruned { store: &store, goes: Mutex::new((goes.clone(), times)) };
            let (signer, key) = (signer(), kind.key());
            let creation = creation(&signer, key.as_deref(), later(1));
            let made = create(&bank.still(), &pruned, &creation, &mut |_| {});
            if times == 1 {
                made.unwrap();
                assert_eq!(store.objects()[&goes], before[&goes]);
                assert_eq!(checked(kind, &store).unwrap().findings, [""; 0]);
            } else {
                // Whoever removes it goes on: there is no manifest that names it.
                let error = made.unwrap_err();
                assert!(error.to_string().contains(&goes), "{error}");
                assert_eq!(
                    store
                        .list(&format!("{:032x}/manifests/", first.manifest.incarnation))
                        .unwrap()
                        .len(),
                    1
                );
            }
        }
    }
}

/// What interrupted backups and prunes have left goes, once it is old; what a manifest names stays.
#[test]
fn orphans_go_when_they_are_old_and_nothing_else() {
    let mut bank = Bank::found(Kind::Clear);
    bank.day(1);
    let store = MemoryStore::new();
    store.set_time(later(0));
    let made = bank.back_up(&store).unwrap();
    let life = made.manifest.incarnation;
    bank.day(1);
    // The segment is stored behind the one that was there, and the manifest is not.
    store.fail_after(Some(2));
    bank.back_up_at(&store, later(1)).unwrap_err();
    store.fail_after(None);
    let all = store.objects();
    assert_eq!(all.len(), 4);
    let signers = [signer().public()];
    assert_eq!(prune_orphans(&store, life, later(0), &signers).unwrap().objects_count, 0);
    assert_eq!(store.objects(), all);
    // A manifest that nobody can read may name it.
    store.put(&made.name, vec![1]);
    let error = prune_orphans(&store, life, later(9), &signers).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(store.objects().len(), 4);
    store.put(&made.name, all[&made.name].clone());
    assert_eq!(prune_orphans(&store, life, later(9), &signers).unwrap().objects_count, 1);
    assert_eq!(store.objects().len(), 3);
    assert_eq!(checked(Kind::Clear, &store).unwrap().findings, [""; 0]);
}

/// What people and programs leave among manifests is none, and where the newest can't be read the next one
/// that can is named.
#[test]
fn what_lies_among_manifests_is_not_taken_for_one() {
    let mut bank = Bank::found(Kind::Clear);
    bank.day(1);
    let store = MemoryStore::new();
    let first = bank.back_up(&store).unwrap();
    let directory = first.name.rsplit_once('/').unwrap().0;
    for stray in ["README", "99999999999999999999", "zz-zz-zz", "9/9"] {
        store.put(&format!("{directory}/{stray}"), b"x".to_vec());
    }
    let signers = [signer().public()];
    assert_eq!(newest_that_reads(&store, None, &signers).unwrap(), first.name);
    let second = bank.back_up_at(&store, later(1)).unwrap();
    assert_eq!(second.passed_over, [""; 0]);
    let whole = store.objects();
    for bytes in [b"x".to_vec(), vec![0; 200_000_000]] {
        store.put(&second.name, bytes);
        let error = newest_that_reads(&store, None, &signers).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        let message = error.to_string();
        assert!(message.contains(&second.name) && message.contains(&first.name), "{message}");
    }
    store.put(&second.name, whole[&second.name].clone());
    assert_eq!(newest_that_reads(&store, None, &signers).unwrap(), second.name);
}

/// An object that is larger than it may be is not read into memory.
#[test]
fn an_object_that_was_lengthened_is_not_read() {
    let mut bank = Bank::found(Kind::Clear);
    bank.day(1);
    let store = MemoryStore::new();
    let made = bank.back_up(&store).unwrap();
    let name = made.manifest.object_name(&made.manifest.objects[0]);
    let mut bytes = store.objects().remove(&name).unwrap();
    bytes.push(0);
    store.put(&name, bytes);
    let findings = checked(Kind::Clear, &store).unwrap().findings;
    assert_eq!(findings, [format!("object {name}: it is larger than it may be")]);
}

/// A key that fails once, of the right name.
#[derive(Debug, Default)]
struct Failing(AtomicBool);

impl KeyEncryptionKey for Failing {
    fn id(&self) -> &str {
        TestKey::A.id
    }

    fn wrap(&self, secret: &[u8; 32]) -> Result<Vec<u8>, KeyError> {
        TestKey::A.wrap(secret)
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<Secret, KeyError> {
        if self.0.swap(true, Ordering::Relaxed) {
            return TestKey::A.unwrap(wrapped);
        }
        Err(KeyError::Unavailable("the token was taken out".to_owned()))
    }
}

/// A token that fails is no reason to store the whole bank anew under another key.
#[test]
fn a_token_that_fails_stores_nothing() {
    let kind = Kind::SealedBackup;
    let mut bank = Bank::found(kind);
    bank.day(1);
    let store = MemoryStore::new();
    bank.back_up(&store).unwrap();
    let before = store.objects();
    let signer = signer();
    let token = Failing::default();
    let failing = creation(&signer, Some(&token), later(1));
    let error = create(&bank.still(), &store, &failing, &mut |_| {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unusable);
    assert!(error.to_string().contains("taken out"), "{error}");
    assert_eq!(store.objects(), before);
    // Another key is one.
    let other = TestKey { id: "test:b", bits: 0x0f };
    let made =
        create(&bank.still(), &store, &creation(&signer, Some(&other), later(2)), &mut |_| {});
    assert_eq!(made.unwrap().kept_count, 0);
}

/// A source that says something else than its log.
struct Lying<'a> {
    log: StillLog,
    says: &'a (dyn Fn(Snapshot) -> Snapshot + Sync),
    /// Segments of another log.
    other: Option<(u64, StillLog)>,
}

impl Source for Lying<'_> {
    fn snapshot(&self) -> Result<Snapshot, Error> {
        Ok((self.says)(self.log.snapshot().clone()))
    }

    fn segment(&self, number: u64, bytes: usize) -> Result<Vec<u8>, Error> {
        match &self.other {
            Some((at, other)) if *at == number => other.segment(number, bytes),
            _ => self.log.segment(number, bytes),
        }
    }
}

/// Whatever a server says, there is an answer and no manifest.
#[test]
fn what_a_server_says_is_not_taken_for_true() {
    let mut bank = Bank::found(Kind::Sealed);
    bank.day(1);
    type Lie = Box<dyn Fn(Snapshot) -> Snapshot + Sync>;
    let lies: Vec<Lie> = vec![
        Box::new(|it| Snapshot { wrapped_key: Vec::new(), ..it }),
        Box::new(|it| Snapshot { wrapped_key: vec![7; 5_000], ..it }),
        Box::new(|it| Snapshot { segment_bytes: 12, ..it }),
        Box::new(|it| Snapshot { segment_bytes: 64 << 20, ..it }),
        Box::new(|it| Snapshot { birth: it.birth ^ 1, ..it }),
        Box::new(|mut it| {
            it.end.lsn.0 = 0;
            it
        }),
        Box::new(|mut it| {
            it.end.lsn.0 = u64::MAX;
            it
        }),
        Box::new(|mut it| {
            it.end.sequence += 1;
            it
        }),
    ];
    let signer = signer();
    for (index, lie) in lies.iter().enumerate() {
        // The key of an encrypted database may be left out.
        for key in [Kind::Sealed.key(), None] {
            let store = MemoryStore::new();
            let source = Lying { log: bank.still(), says: lie.as_ref(), other: None };
            let creation = creation(&signer, key.as_deref(), NOW);
            let made = create(&source, &store, &creation, &mut |_| {});
            assert!(made.is_err(), "lie {index}");
            assert!(store.objects().keys().all(|name| !name.contains("manifests")));
        }
    }
}

/// Segments are read and checked at the same time, each by itself; one that leads on from another history than the
/// segment before it is not stored.
#[test]
fn segments_of_two_histories_make_no_backup() {
    let mut bank = Bank::found(Kind::Clear);
    bank.day(1);
    let copy = bank.disk.copy();
    bank.day(2);
    bank.day(1);
    let mut fork = Bank::on(Kind::Clear, copy, bank.openings - 2, 500);
    fork.day(2);
    let store = MemoryStore::new();
    let honest = |it| it;
    let source = Lying { log: bank.still(), says: &honest, other: Some((2, fork.still())) };
    let signer = signer();
    let made = create(&source, &store, &creation(&signer, None, NOW), &mut |_| {});
    let error = made.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let message = error.to_string();
    assert!(message.contains("segment 3") && message.contains("does not follow"), "{message}");
    let stored = store.objects();
    let segment = |name: &String| name.split('/').nth(2).map(|it| it.parse::<u64>().unwrap());
    assert_eq!(stored.keys().map(segment).collect::<Vec<_>>(), [Some(0), Some(1), Some(2)]);
}

/// A segment that is stored again is the one that was signed before.
#[test]
fn a_segment_that_is_stored_again_is_the_one_that_was_signed() {
    let mut bank = Bank::found(Kind::Clear);
    bank.day(1);
    let copy = bank.disk.copy();
    bank.day(2);
    bank.day(1);
    let mut fork = Bank::on(Kind::Clear, copy, bank.openings - 2, 500);
    fork.day(3);
    fork.day(1);
    let store = MemoryStore::new();
    let first = bank.back_up(&store).unwrap();
    store.remove(&first.manifest.object_name(&first.manifest.objects[2])).unwrap();
    let honest = |it| it;
    let source = Lying { log: bank.still(), says: &honest, other: Some((2, fork.still())) };
    let signer = signer();
    let made = create(&source, &store, &creation(&signer, None, later(1)), &mut |_| {});
    assert_eq!(made.unwrap_err().kind(), ErrorKind::Fork);
    assert_eq!(store.list(&format!("{:032x}/", first.manifest.incarnation)).unwrap().len(), 4);
}

/// Whoever signed before may be another, if somebody says so.
#[test]
fn a_backup_goes_on_from_one_that_the_key_before_signed() {
    let mut bank = Bank::found(Kind::Clear);
    bank.day(1);
    let store = MemoryStore::new();
    bank.back_up(&store).unwrap();
    let (old, new) = ([signer().public()], florin_core::backup::Signer::from_seed(&[9; 32]));
    let alone = creation(&new, None, later(1));
    let also = florin_core::backup::Creation { also_trusted: &old, ..alone };
    let passed = create(&bank.still(), &store.copy(), &creation(&new, None, later(1)), &mut |_| {});
    assert_eq!(passed.unwrap().passed_over.len(), 1);
    let made = create(&bank.still(), &store, &also, &mut |_| {}).unwrap();
    assert_eq!((made.passed_over.len(), made.stored_count, made.kept_count), (0, 0, 2));
}

/// An opening is gone from the end of the log, and the checkpoint has seen it: that is no log to be backed up.
#[test]
fn what_a_checkpoint_has_seen_durable_is_missed() {
    for kind in [Kind::Clear, Kind::Sealed] {
        for with_key in [true, false] {
            let mut bank = Bank::found(kind);
            bank.day(3);
            let disk: Arc<dyn Disk> = Arc::new(bank.disk.copy());
            let last = "log/00000000000000000001";
            let file = disk.open(last, Access::Buffered).unwrap();
            let bytes = usize::try_from(file.bytes().unwrap()).unwrap() - 4_096;
            file.write_all_at(&vec![0; bytes], 4_096).unwrap();
            let key = kind.key().filter(|_| with_key && kind == Kind::Sealed);
            let disk =
                if key.is_some() { sealing::unlock(disk, key.as_deref()).unwrap() } else { disk };
            let error = StillLog::open(&disk).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{kind:?}: {error}");
        }
    }
}

/// The key of an encrypted log is gone: no backup of it could ever be opened.
#[test]
fn a_log_without_its_wrapped_key_is_not_backed_up() {
    let mut bank = Bank::found(Kind::Sealed);
    bank.day(1);
    bank.disk.remove("database_key").unwrap();
    let disk: Arc<dyn Disk> = Arc::new(bank.disk.clone());
    let error = StillLog::open(&disk).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("database_key"), "{error}");
    let clock = FixedClock(Timestamp(START));
    let opened = Database::open_on(Arc::new(bank.disk), Arc::new(clock), options());
    assert!(opened.is_err());
}
