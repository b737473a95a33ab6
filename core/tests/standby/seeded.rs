//! Prevents: a standby that believes a checkpoint which does not follow from the log, that opens with half of what it
//! was to be given, or that is told from one that has followed all along by anything but the time it took.

use crate::dice::Dice;
use crate::keys::TestKey;
use crate::pair::{
    Pair, Wire, await_applied, follow, open, open_accounts, options, post, standing, step,
    transfer, verified,
};
use crate::same::{answers, check_bytes};
use florin_core::backup::Source;
use florin_core::checkpoint::CheckpointStore;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::disk::{Access, Disk};
use florin_core::following::{Follower, Promotion, promote_on};
use florin_core::seeding::{Offer, Offered, SeedSource, Seeded, seed_on};
use florin_core::shipping::{Missing, Synchrony};
use florin_core::snapshot::Snapshot;
use florin_core::{Database, Error, ErrorKind, sealing};
use florin_ledger::{Amount, Lsn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A primary in this process, as a standby elsewhere sees it.
pub(crate) struct Near<'a> {
    primary: &'a Database,
    /// Whose checkpoint is offered.
    of: &'a Database,
    offer: Mutex<Option<Offer>>,
    /// The piece of a checkpoint, counted, of which a bit is flipped on its way.
    altered: Option<usize>,
    pieces: AtomicUsize,
    /// The segments that are handed out before the wire is cut.
    segments_max: usize,
    segments: AtomicUsize,
    /// The byte of the log's first segment in which a bit is flipped on its way, and how often.
    altered_byte: Option<usize>,
    alterations: AtomicUsize,
}

impl<'a> Near<'a> {
    pub(crate) fn new(primary: &'a Database) -> Near<'a> {
        Near {
            primary,
            of: primary,
            offer: Mutex::default(),
            altered: None,
            pieces: AtomicUsize::new(0),
            segments_max: usize::MAX,
            segments: AtomicUsize::new(0),
            altered_byte: None,
            alterations: AtomicUsize::new(usize::MAX),
        }
    }

    pub(crate) fn seed(&self, disk: &SimulatedDisk) -> Result<Option<Seeded>, Error> {
        seed_on(Arc::new(disk.clone()), "primary:3000", self, &options(disk), &mut |_| {})
    }
}

impl Source for Near<'_> {
    fn snapshot(&self) -> Result<Snapshot, Error> {
        self.primary.snapshot()
    }

    fn segment(&self, number: u64, bytes: usize) -> Result<Vec<u8>, Error> {
        if self.segments_max <= self.segments.fetch_add(1, Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Io, "the wire was cut"));
        }
        let mut content = Source::segment(self.primary, number, bytes)?;
        if let (0, Some(altered)) = (number, self.altered_byte)
            && 0 < self.alterations.load(Ordering::Relaxed)
        {
            self.alterations.fetch_sub(1, Ordering::Relaxed);
            content[altered] ^= 4;
        }
        Ok(content)
    }
}

impl SeedSource for Near<'_> {
    fn offer(&self) -> Result<Option<(Snapshot, Offered)>, Error> {
        let Some(offer) = self.of.offer()? else { return Ok(None) };
        // It travels.
        let offered = Offered::from_bytes(&offer.offered().to_bytes())?;
        assert_eq!(&offered, offer.offered());
        let moment = match std::ptr::eq(self.of, self.primary) {
            true => offer.moment().clone(),
            false => self.primary.snapshot()?,
        };
        *self.offer.lock().unwrap() = Some(offer);
        Ok(Some((moment, offered)))
    }

    fn piece(&self, id: u64, part: u32, from: u64) -> Result<Vec<u8>, Error> {
        let held = self.offer.lock().unwrap();
        let offer = held.as_ref().unwrap();
        assert_eq!(offer.offered().id, id);
        let mut piece = offer.piece(part, from)?;
        let is_altered = self.altered == Some(self.pieces.fetch_add(1, Ordering::Relaxed));
        if is_altered && let Some(middle) = piece.len().checked_div(2) {
            piece.get_mut(middle).into_iter().for_each(|byte| *byte ^= 4);
        }
        Ok(piece)
    }
}

/// Accounts, everything that the dice say, and a checkpoint of it; a little behind that.
pub(crate) fn busy(pair: &mut Pair, seed: u64) -> u64 {
    let (mut dice, mut next_id) = (Dice::new(seed), 0);
    open_accounts(&pair.primary);
    for _ in 0..40 {
        step(&pair.primary, &pair.clock, &mut dice, &mut next_id);
    }
    pair.reopen_primary();
    for _ in 0..3 {
        step(&pair.primary, &pair.clock, &mut dice, &mut next_id);
    }
    next_id
}

/// Follows until its state was found the same as its primary's.
pub(crate) fn compare(primary: &Database, standby: &Database, follower: &mut Follower) -> Lsn {
    let mut wire = Wire::new(primary, follower);
    let mut end = wire.carry(follower, 10_000);
    // The digest is taken between two turns of the engine.
    while !follower.may_acknowledge() {
        end = wire.carry(follower, 10_000);
        primary.status().unwrap();
        standby.status().unwrap();
        assert_eq!(standing(standby).trouble, None);
    }
    await_applied(standby, end);
    end
}

fn check(mut pair: Pair, seed: u64) {
    let next_id = busy(&mut pair, seed);
    let seeded = Near::new(&pair.primary).seed(&pair.standby_disk).unwrap().unwrap();
    let checkpoint = seeded.checkpoint.clone().unwrap();
    assert!(4_096 < checkpoint.0 && checkpoint < seeded.end, "{seeded:?}");
    // Nobody takes it for one that decides, nor promotes it before it was compared.
    assert!(open(&pair.standby_disk, &pair.clock).is_err());
    let (standby, mut follower) = pair.follow();
    assert_eq!(follower.begin().unwrap().position.lsn, seeded.end);
    assert_eq!(
        standby.status().unwrap().checkpoint,
        checkpoint,
        "no more is applied than behind it"
    );
    assert!(!follower.may_acknowledge());
    compare(&pair.primary, &standby, &mut follower);
    assert_eq!(answers(&standby, next_id), answers(&pair.primary, next_id), "seed {seed}");
    post(&pair.primary, next_id + 1, 30);
    let end = Wire::new(&pair.primary, &mut follower).carry(&mut follower, 1 << 20);
    await_applied(&standby, end);
    assert_eq!(answers(&standby, next_id + 30), answers(&pair.primary, next_id + 30));
    standby.close().unwrap();
    pair.primary.close().unwrap();
    drop((standby, follower));
    check_bytes(&pair.standby_disk, &pair.primary_disk);
    let (copy, original) = (verified(&pair.standby_disk), verified(&pair.primary_disk));
    assert_eq!((copy.digest, copy.transfers_count), (original.digest, original.transfers_count));
}

#[test]
fn a_seeded_standby_is_the_same_as_one_that_followed_from_the_beginning() {
    for seed in 1..6 {
        check(Pair::new(), seed);
    }
}

#[test]
fn so_is_an_encrypted_one() {
    for seed in 1..4 {
        check(Pair::encrypted(), seed);
    }
}

/// Prevents: a directory that opens with half of what it was to be given, or that can't be given the rest.
fn cut_anywhere(mut pair: Pair, seeds: u64) {
    busy(&mut pair, 7);
    Near::new(&pair.primary).seed(&pair.standby_disk).unwrap().unwrap();
    let done = pair.standby_disk.operations_count();
    assert!(20 < done, "{done} operations");
    for at in 0..=done {
        for seed in 0..seeds {
            let disk = pair.standby_disk.crash_image(at, seed);
            let said = format!("cut at {at} of {done}, seed {seed}");
            let is_free = |name: &String| ["standby.new", "database_key"].contains(&name.as_str());
            let log = disk.list("log").unwrap_or_default();
            let has_begun = !disk.list("").unwrap().iter().all(is_free) || !log.is_empty();
            // What nothing was given yet may be made a bank of its own, as any empty directory.
            if has_begun {
                assert!(open(&disk.copy(), &pair.clock).is_err(), "{said}: it decides");
            }
            if log.iter().any(|name| name == "seeding") {
                assert!(promote_on(&disk.copy(), Promotion::Forced).is_err(), "{said}");
            }
            let again = Near::new(&pair.primary)
                .seed(&disk)
                .unwrap_or_else(|error| panic!("{said}: {error}"));
            let (standby, mut follower) = follow(&disk, &pair.clock, &pair.primary)
                .unwrap_or_else(|error| panic!("{said}: {error}"));
            if let Some(again) = again {
                assert!(again.checkpoint.is_ok(), "{said}: {again:?}");
            }
            compare(&pair.primary, &standby, &mut follower);
            standby.close().unwrap();
            drop((standby, follower));
            verified(&disk);
        }
    }
}

#[test]
fn seeding_survives_a_power_cut_at_any_operation() {
    cut_anywhere(Pair::new(), 3);
}

#[test]
fn so_does_that_of_an_encrypted_bank() {
    cut_anywhere(Pair::encrypted(), 1);
}

/// Prevents: a gigabyte that is fetched twice, and a segment that was cut off and is taken for whole.
#[test]
fn what_was_fetched_before_the_wire_was_cut_is_not_fetched_again() {
    let mut pair = Pair::new();
    open_accounts(&pair.primary);
    for _ in 0..4 {
        pair.reopen_primary();
        post(&pair.primary, 1, 2);
    }
    let cut = Near { segments_max: 4, ..Near::new(&pair.primary) };
    let error = cut.seed(&pair.standby_disk).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    let error = follow(&pair.standby_disk, &pair.clock, &pair.primary).map(drop).unwrap_err();
    assert!(error.to_string().contains("has not been given everything yet"), "{error}");
    // The first is cut short where it was being written.
    let cut_short = pair.standby_disk.copy();
    let file = cut_short.open("log/00000000000000000001", Access::Buffered).unwrap();
    file.set_bytes(4_096 + 100).unwrap();
    for (disk, segments_kept) in [(&pair.standby_disk, 3), (&cut_short, 0)] {
        let again = Near::new(&pair.primary);
        let seeded = again.seed(disk).unwrap().unwrap();
        assert_eq!(seeded.kept_bytes.div_ceil(8 << 20), segments_kept);
        let segments = usize::try_from(seeded.end.0.div_ceil(8 << 20)).unwrap();
        let fetched = again.segments.load(Ordering::Relaxed);
        assert_eq!(fetched + usize::try_from(segments_kept).unwrap(), segments);
        let (standby, mut follower) = follow(disk, &pair.clock, &pair.primary).unwrap();
        compare(&pair.primary, &standby, &mut follower);
    }
}

/// Prevents: a bit that flipped on its way, in an index or in a balance, and that nobody notices.
#[test]
fn a_checkpoint_that_was_altered_is_thrown_away_and_the_log_is_applied() {
    let mut pair = Pair::encrypted();
    let next_id = busy(&mut pair, 3);
    let whole = Near::new(&pair.primary);
    whole.seed(&pair.standby_disk.copy()).unwrap().unwrap();
    let pieces = whole.pieces.load(Ordering::Relaxed);
    assert!(4 < pieces, "runs, pages, holds: {pieces}");
    for altered in 0..pieces {
        let disk = pair.standby_disk.copy();
        let near = Near { altered: Some(altered), ..Near::new(&pair.primary) };
        let seeded = near.seed(&disk).unwrap().unwrap();
        let (standby, mut follower) = follow(&disk, &pair.clock, &pair.primary).unwrap();
        match seeded.checkpoint {
            // An empty piece has nothing to alter.
            Ok(checkpoint) => assert_eq!(standby.status().unwrap().checkpoint, checkpoint),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "piece {altered}: {error}");
                assert!(follower.may_acknowledge(), "it derives its state itself");
            }
        }
        compare(&pair.primary, &standby, &mut follower);
        assert_eq!(answers(&standby, next_id), answers(&pair.primary, next_id));
    }
}

/// Prevents: a log that rotted on the primary's disk, copied as it is.
#[test]
fn a_log_that_is_damaged_is_refused_and_nothing_opens() {
    let mut pair = Pair::new();
    busy(&mut pair, 4);
    pair.primary_disk.corrupt("log/00000000000000000000", 5_000, 3);
    let error = Near::new(&pair.primary).seed(&pair.standby_disk).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("segment 0 of the primary's log"), "{error}");
    assert!(follow(&pair.standby_disk, &pair.clock, &pair.primary).is_err());
    assert!(open(&pair.standby_disk, &pair.clock).is_err());
    assert!(promote_on(&pair.standby_disk, Promotion::Forced).is_err());
}

/// Prevents: a piece of the log that was damaged on its way, and stays.
#[test]
fn a_log_that_was_altered_on_the_way_is_not_kept() {
    let mut pair = Pair::encrypted();
    busy(&mut pair, 4);
    let bytes = Source::segment(&pair.primary, 0, 8 << 20).unwrap().len();
    assert!(100_000 < bytes, "{bytes}");
    for altered in (0..bytes).step_by(4_096) {
        let near = Near { altered_byte: Some(altered), ..Near::new(&pair.primary) };
        let Err(error) = near.seed(&pair.standby_disk) else {
            panic!("byte {altered} of the log was taken");
        };
        assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {altered}: {error}");
    }
    assert!(open(&pair.standby_disk, &pair.clock).is_err());
    // It is asked for again, once.
    let near = Near::new(&pair.primary);
    let near = Near { altered_byte: Some(4_096), alterations: AtomicUsize::new(1), ..near };
    let seeded = near.seed(&pair.standby_disk).unwrap().unwrap();
    assert!(seeded.checkpoint.is_ok());
    let (standby, mut follower) = pair.follow();
    compare(&pair.primary, &standby, &mut follower);
}

/// Prevents: a disk that fails, or fills, while a standby is made on it, and a copy that looks whole afterwards but
/// is gone with the power.
#[test]
fn a_disk_that_fails_or_fills_at_any_call_is_gone_on_with() {
    let mut pair = Pair::new();
    busy(&mut pair, 10);
    for fills in [false, true] {
        let kinds: &[ErrorKind] =
            if fills { &[ErrorKind::DiskFull] } else { &[ErrorKind::Io, ErrorKind::Unusable] };
        let mut failed = 0;
        for at in 0_u64.. {
            let disk = SimulatedDisk::new();
            if fills {
                disk.fill_after(at)
            } else {
                disk.fail_call(at)
            }
            let first = Near::new(&pair.primary).seed(&disk);
            disk.lift_faults();
            if let Err(error) = &first {
                assert!(kinds.contains(&error.kind()), "call {at}: {:?}: {error}", error.kind());
                failed += 1;
                let again = Near::new(&pair.primary).seed(&disk);
                let again = again.unwrap_or_else(|error| panic!("call {at}: {error}"));
                assert!(again.is_none_or(|again| again.checkpoint.is_ok()), "call {at}");
            }
            let disk = disk.crash_image(disk.operations_count(), at);
            // The mark may be back, if it was not yet gone for good.
            Near::new(&pair.primary).seed(&disk).unwrap();
            let (standby, mut follower) = follow(&disk, &pair.clock, &pair.primary)
                .unwrap_or_else(|error| panic!("call {at}: {error}"));
            compare(&pair.primary, &standby, &mut follower);
            standby.close().unwrap();
            drop((standby, follower));
            verified(&disk);
            if first.is_ok() {
                break;
            }
        }
        assert!(20 < failed, "{failed} calls failed");
    }
}

/// A checkpoint that is whole, and says that somebody has more than was posted.
fn tamper(disk: &SimulatedDisk) {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut store = CheckpointStore::open(&disk).unwrap();
    let loading = store.load().unwrap().unwrap();
    let mut metadata = loading.metadata().clone();
    let mut rows = Vec::new();
    loading
        .rows(|_, row, references| {
            rows.push((row, references));
            Ok::<(), Error>(())
        })
        .unwrap();
    rows[0].0.balances.credits_posted = Amount(rows[0].0.balances.credits_posted.0 + 1_000_000);
    metadata.rows_position = metadata.rows_position.max(metadata.position);
    let durable = metadata.rows_position;
    let mut writer = store.begin().unwrap();
    writer.put_page(0, &rows).unwrap();
    writer.commit(metadata, durable).unwrap();
}

/// Prevents: a balance that nobody posted, from a checkpoint that verifies, in a bank that is promoted.
#[test]
fn a_checkpoint_that_does_not_follow_from_the_log_ends_following_loudly() {
    let mut pair = Pair::new();
    busy(&mut pair, 5);
    // What the primary has in memory is right; what it has stored is not.
    let stored = pair.primary_disk.copy();
    tamper(&stored);
    let liar = open(&stored, &pair.clock).unwrap();
    let near = Near { of: &liar, ..Near::new(&pair.primary) };
    assert!(near.seed(&pair.standby_disk).unwrap().unwrap().checkpoint.is_ok());
    let (standby, mut follower) = pair.follow();
    let mut wire = Wire::new(&pair.primary, &mut follower);
    while !standing(&standby).has_stopped {
        let batch = wire.shipment.next(1 << 20).unwrap();
        if let Err(error) = follower.take(&batch) {
            assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
        }
        assert!(!follower.may_acknowledge());
        pair.primary.status().unwrap();
    }
    assert!(standing(&standby).trouble.unwrap().contains("not the primary's"));
    standby.close().unwrap();
    drop((wire, standby, follower));
    let error = promote_on(&pair.standby_disk, Promotion::Forced).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

/// Prevents: the checkpoint of one history under the log of another.
#[test]
fn a_checkpoint_of_another_history_or_bank_is_thrown_away() {
    let mut pair = Pair::new();
    busy(&mut pair, 6);
    pair.primary.close().unwrap();
    let forked = open(&pair.primary_disk.copy(), &pair.clock).unwrap();
    pair.primary = open(&pair.primary_disk, &pair.clock).unwrap();
    post(&forked, 7_000, 200);
    post(&pair.primary, 8_000, 400);
    let mut stranger = Pair::new();
    busy(&mut stranger, 6);
    for of in [&forked, &stranger.primary] {
        let disk = pair.standby_disk.copy();
        let near = Near { of, ..Near::new(&pair.primary) };
        let seeded = near.seed(&disk).unwrap().unwrap();
        assert_eq!(seeded.checkpoint.unwrap_err().kind(), ErrorKind::Corrupt);
        let (standby, mut follower) = follow(&disk, &pair.clock, &pair.primary).unwrap();
        compare(&pair.primary, &standby, &mut follower);
    }
}

/// Prevents: a bank that waits for its only standby, which waits for what may not be told yet.
#[test]
fn a_primary_that_waits_for_its_standby_seeds_it() {
    let pair = Pair::new();
    pair.primary.demand_standbys(Synchrony { standbys: 1, missing: Missing::Wait, nodes: None });
    let (sender, answered) = std::sync::mpsc::channel();
    let accounts: Vec<_> = (1..=8_u128)
        .map(|id| florin_ledger::Account {
            id: florin_ledger::AccountId(id),
            ledger: florin_ledger::LedgerId(978),
            code: florin_ledger::Code(1),
            ..florin_ledger::Account::default()
        })
        .collect();
    let request = florin_core::request::AccountBatch::new(&accounts).unwrap();
    let reply = sender.clone();
    pair.primary.submit(florin_core::request::Request::CreateAccounts(request), move |answer| {
        reply.send(answer.is_ok()).unwrap();
    });
    for round in 0..20 {
        let transfers: Vec<_> = (1..=100).map(|id| transfer(round * 100 + id)).collect();
        let batch = florin_core::request::TransferBatch::new(&transfers).unwrap();
        let reply = sender.clone();
        pair.primary.submit(florin_core::request::Request::CreateTransfers(batch), move |answer| {
            reply.send(answer.is_ok()).unwrap();
        });
    }
    while pair.primary.offer().unwrap().is_none() {
        std::thread::yield_now();
    }
    // Who asks for what may be told is not kept waiting.
    assert_eq!(pair.primary.snapshot().unwrap_err().kind(), ErrorKind::Busy);
    let seeded = Near::new(&pair.primary).seed(&pair.standby_disk).unwrap().unwrap();
    assert!(pair.primary.durable_end() < seeded.checkpoint.unwrap(), "it was told to nobody");
    assert!(answered.try_recv().is_err());
    let (standby, mut follower) = pair.follow();
    compare(&pair.primary, &standby, &mut follower);
    Wire::new(&pair.primary, &mut follower).carry(&mut follower, 1 << 20);
    for _ in 0..21 {
        assert!(answered.recv_timeout(crate::pair::PATIENCE).unwrap());
    }
}

/// Prevents: a directory that is lost because a standby was made in it by mistake.
#[test]
fn only_what_is_free_is_seeded() {
    let mut pair = Pair::encrypted();
    busy(&mut pair, 8);
    let near = Near::new(&pair.primary);
    // What has a log follows with it.
    let other = Pair::new();
    post(&other.primary, 1, 1);
    other.primary.close().unwrap();
    assert_eq!(near.seed(&other.primary_disk).unwrap(), None);
    let foreign = pair.standby_disk.copy();
    foreign.create("letters", Access::Buffered).unwrap();
    let before = foreign.operations_count();
    let error = near.seed(&foreign).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unusable, "{error}");
    assert!(error.to_string().contains("`letters`"), "{error}");
    assert_eq!(foreign.operations_count(), before);
    let keyless = SimulatedDisk::new();
    let error = near.seed(&keyless).unwrap_err();
    assert!(error.to_string().contains("database key is missing"), "{error}");
    assert_eq!(keyless.operations_count(), 0);
    let stranger = SimulatedDisk::new();
    sealing::create(&stranger, &TestKey::A).unwrap();
    let before = stranger.operations_count();
    let error = near.seed(&stranger).unwrap_err();
    assert!(error.to_string().contains("belongs to database"), "{error}");
    assert_eq!(stranger.operations_count(), before);
    // Without a checkpoint there is nothing to be given.
    let young = Pair::new();
    assert_eq!(Near::new(&young.primary).seed(&young.standby_disk).unwrap(), None);
    assert_eq!(young.standby_disk.operations_count(), 0);
}

/// Prevents: what was copied of one bank thrown away for another, because somebody named the wrong primary.
#[test]
fn what_was_begun_of_one_bank_is_not_gone_on_with_from_another() {
    let mut pair = Pair::new();
    busy(&mut pair, 11);
    let cut = Near { segments_max: 1, ..Near::new(&pair.primary) };
    cut.seed(&pair.standby_disk).unwrap_err();
    let mut other = Pair::new();
    busy(&mut other, 11);
    let before = pair.standby_disk.operations_count();
    let error = Near::new(&other.primary).seed(&pair.standby_disk).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unusable, "{error}");
    assert!(error.to_string().contains("was being given database"), "{error}");
    assert_eq!(pair.standby_disk.operations_count(), before);
    assert!(Near::new(&pair.primary).seed(&pair.standby_disk).unwrap().is_some());
}

/// Prevents: a standby that acknowledges nothing for ever: no digests are sent by one that follows itself.
#[test]
fn a_standby_offers_no_checkpoint() {
    let mut pair = Pair::new();
    busy(&mut pair, 12);
    Near::new(&pair.primary).seed(&pair.standby_disk).unwrap().unwrap();
    let (standby, follower) = pair.follow();
    let third = SimulatedDisk::new();
    assert_eq!(Near::new(&standby).seed(&third).unwrap(), None);
    assert_eq!(third.operations_count(), 0);
    // What was begun of the primary is brought to its end from there, without one.
    Near { segments_max: 0, ..Near::new(&pair.primary) }.seed(&third).unwrap_err();
    assert!(Near::new(&standby).seed(&third).unwrap().unwrap().checkpoint.is_err());
    let (copy, mut copying) = follow(&third, &pair.clock, &standby).unwrap();
    Wire::new(&standby, &mut copying).carry(&mut copying, 1 << 20);
    assert!(copying.may_acknowledge());
    drop((follower, copy));
}

/// Prevents: pieces of two checkpoints put together, because the primary made another one meanwhile.
#[test]
fn a_checkpoint_is_read_as_it_was_while_others_are_made() {
    let mut pair = Pair::new();
    busy(&mut pair, 9);
    let read = |offer: &Offer| {
        let mut parts = Vec::new();
        let parts_count = 2 + u32::try_from(offer.offered().runs_bytes.len()).unwrap();
        for part in 0..parts_count {
            parts.push(offer.piece(part, 0).unwrap());
        }
        parts
    };
    let offer = pair.primary.offer().unwrap().unwrap();
    let before = read(&offer);
    for round in 0..30 {
        post(&pair.primary, 20_000 + round * 100, 100);
    }
    pair.reopen_primary();
    let later = pair.primary.offer().unwrap().unwrap();
    assert_ne!(later.offered().id, offer.offered().id);
    assert_ne!(read(&later), before);
    // That of a closed database gives nothing, rather than what lies in the file now.
    assert!(offer.piece(0, 0).is_err());
    let held = pair.primary.offer().unwrap().unwrap();
    let before = read(&held);
    for round in 0..30 {
        post(&pair.primary, 30_000 + round * 100, 100);
    }
    while pair.primary.offer().unwrap().unwrap().offered().id == held.offered().id {
        std::thread::yield_now();
    }
    assert_eq!(read(&held), before);
    let error = held.piece(99, 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
}
