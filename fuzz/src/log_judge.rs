//! A whole small log whose bytes have changed.
//!
//! The first byte says whether somebody outside the log knows how far it was durable (bit 0), and
//! whether the log is sealed (bit 1). The rest is damage, four bytes each: which segment, where in
//! it (two bytes), and the byte found there.

use florin_core::disk::keyed::KeyedDisk;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::disk::{Access, Disk};
use florin_core::log::geometry::{Geometry, SEGMENT_BYTES_MIN};
use florin_core::log::recovery::{self, Writing};
use florin_core::log::segment::{self, Identity};
use florin_core::log::{End, FrameBuilder, FramePosition, LogReader, PreparerOptions};
use florin_core::sealing::DatabaseKey;
use florin_ledger::record::{EpochRecord, FailedRecord, Record};
use florin_ledger::{CreateTransferStatus, Lsn, Timestamp, TransferId};
use std::sync::{Arc, OnceLock};

const DAMAGES_MAX: usize = 64;
const FRAMES_COUNT: u64 = 24;
const RECORDS_COUNT: u64 = 90;
/// More than so many records take.
const FRAME_BYTES_MAX: u64 = RECORDS_COUNT * 32;
const OPTIONS: PreparerOptions =
    PreparerOptions { slice_bytes: SEGMENT_BYTES_MIN, reserve_bytes: 4096, free_bytes_min: 0 };

/// Damages the log, judges its end, and begins writing where that is allowed.
///
/// # Panics
/// If anything is read that was not written, if what was known to be durable is given up without a
/// word, or if a log that was judged sound cannot be written on.
pub fn run(bytes: &[u8]) {
    let Some((&choice, damages)) = bytes.split_first() else { return };
    let sound = if choice & 2 == 0 { plain() } else { sealed() };
    let disk = sound.disk.copy();
    let is_damaged = damage(&disk, damages);
    let witness = sound.ends.last().expect("there are frames").lsn;
    let witnesses = if choice % 2 == 0 { &[][..] } else { &[witness] };
    let disk = sound.keyed(disk);
    drop(segment::identify(disk.as_ref()));
    let reader = LogReader::new(Arc::clone(&disk), sound.identity);
    let end = recovery::judge(&reader, FramePosition::GENESIS, witnesses);
    let at = match end.expect("damage is an answer") {
        End::Corrupt(lost) => {
            assert!(is_damaged, "{lost}");
            return;
        }
        End::Clean { at } | End::Torn { at } => at,
    };
    assert!(at == FramePosition::GENESIS || sound.ends.contains(&at), "{at:?} was never an end");
    assert!(witnesses.is_empty() || at.lsn == witness, "{witness} was durable");
    if recovery::begin_writing(Arc::clone(&disk), sound.identity, at, OPTIONS).is_ok() {
        let reader = LogReader::new(disk, sound.identity);
        let again = recovery::judge(&reader, FramePosition::GENESIS, &[]);
        assert_eq!(again.expect("damage is an answer"), End::Clean { at });
    }
}

/// Whether any byte is another than before.
fn damage(disk: &SimulatedDisk, damages: &[u8]) -> bool {
    let mut is_damaged = false;
    for damage in damages.chunks_exact(4).take(DAMAGES_MAX) {
        let name = segment::file_name(u64::from(damage[0] % 4));
        let Ok(file) = disk.open(&name, Access::Buffered) else { continue };
        let bytes = file.bytes().expect("a simulated disk knows its files");
        let offset = u64::from(u16::from_le_bytes([damage[1], damage[2]])) % bytes.max(1);
        let mut before = [0];
        if file.read_exact_at(&mut before, offset).is_ok() && before[0] != damage[3] {
            file.write_all_at(&damage[3..], offset).expect("a simulated disk takes all writes");
            is_damaged = true;
        }
    }
    is_damaged
}

/// A log as it was written.
struct Sound {
    disk: SimulatedDisk,
    identity: Identity,
    /// The end of every frame.
    ends: Vec<FramePosition>,
}

impl Sound {
    fn keyed(&self, disk: SimulatedDisk) -> Arc<dyn Disk> {
        if self.identity.is_sealed {
            Arc::new(KeyedDisk::new(Arc::new(disk), DatabaseKey::new([7; 32].into(), 1)))
        } else {
            Arc::new(disk)
        }
    }
}

fn plain() -> &'static Sound {
    static PLAIN: OnceLock<Sound> = OnceLock::new();
    PLAIN.get_or_init(|| write_log(false))
}

fn sealed() -> &'static Sound {
    static SEALED: OnceLock<Sound> = OnceLock::new();
    SEALED.get_or_init(|| write_log(true))
}

fn write_log(is_sealed: bool) -> Sound {
    let geometry = Geometry::new(SEGMENT_BYTES_MIN).expect("the least is allowed");
    let identity = Identity { incarnation: 1, geometry, is_sealed };
    let disk = SimulatedDisk::new();
    let mut sound = Sound { disk: disk.clone(), identity, ends: Vec::new() };
    let shared = sound.keyed(disk);
    let begun = recovery::begin_writing(shared, identity, FramePosition::GENESIS, OPTIONS);
    let Writing { mut writer, mut preparer, mut start } = begun.expect("an empty disk has room");
    for sequence in 1..=FRAMES_COUNT {
        while preparer.wants(start) {
            preparer.advance(start).expect("a simulated disk has room");
        }
        let timestamp = Timestamp(1_790_000_000_000_000_000 + sequence);
        let builder = |start: Lsn| FrameBuilder::new(start, geometry, sequence, 1, timestamp);
        let mut frame = builder(start);
        if !frame.fits(FRAME_BYTES_MAX) {
            frame = builder(geometry.first_place(geometry.segment(start) + 1));
        }
        frame.push(timestamp, &Record::Epoch(EpochRecord { epoch: 1, tag: 1 }));
        for number in 1..RECORDS_COUNT {
            let id = TransferId(u128::from(sequence * RECORDS_COUNT + number));
            let status = CreateTransferStatus::ExceedsCredits;
            frame.push(timestamp, &Record::Failed(FailedRecord { id, status }));
        }
        let frame = Arc::new(frame.finish());
        let durable = writer.position().lsn;
        writer.append(&frame, durable).expect("a simulated disk takes all writes");
        writer.write().expect("a simulated disk takes all writes");
        writer.sync().expect("a simulated disk syncs");
        start = frame.next();
        sound.ends.push(writer.position());
    }
    sound
}
