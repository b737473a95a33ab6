//! What is asked by who copies a ledger: where its log ends, and pieces of log, checkpoint and keyring as they are
//! stored. On threads that may block, as questions about history.

use crate::held_offers::HeldOffers;
use florin_core::{Database, Error, ErrorKind};
use florin_wire::limits::PIECE_BYTES_MAX;
use florin_wire::{CopiedKeyring, KeyringPiece, LogPiece, SeedOffer, SeedPiece, Snapshot};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A question of who copies a ledger.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CopyQuestion {
    /// Where the log ends.
    Snapshot,
    /// Bytes of the log.
    Log(LogPiece),
    /// Bytes of a copy of the keyring.
    Keyring(KeyringPiece),
    /// The newest checkpoint.
    Seed,
    /// Bytes of a checkpoint.
    SeedPiece(SeedPiece),
}

impl CopyQuestion {
    /// Whether something is held from it on.
    pub(crate) fn begins(self) -> bool {
        self == CopyQuestion::Keyring(KeyringPiece::default()) || self == CopyQuestion::Seed
    }
}

/// The answer to a [`CopyQuestion`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CopyAnswer {
    /// Where the log ends.
    Snapshot(Box<Snapshot>),
    /// Bytes of the log, or of a checkpoint.
    Log(Vec<u8>),
    /// Bytes of a copy of the keyring.
    Keyring(CopiedKeyring),
    /// The newest checkpoint, if there is one.
    Seed(Option<Box<SeedOffer>>),
}

/// Asks a database.
///
/// # Errors
/// Those of the database.
pub(crate) fn ask(
    database: &Database,
    question: CopyQuestion,
    held: &Held,
) -> Result<CopyAnswer, Error> {
    Ok(match question {
        CopyQuestion::Snapshot => CopyAnswer::Snapshot(Box::new(snapshot(database.snapshot()?))),
        CopyQuestion::Log(LogPiece { segment, offset, bytes }) => {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            CopyAnswer::Log(database.read_log(segment, offset.into(), bytes)?)
        }
        CopyQuestion::Keyring(piece) => {
            let make = || Ok(database.copy_keyring()?.map(|copy| (copy.hash(), copy.to_bytes())));
            CopyAnswer::Keyring(held.keyring.piece(piece, Instant::now(), make)?)
        }
        CopyQuestion::Seed => {
            let Some(offer) = database.offer()? else { return Ok(CopyAnswer::Seed(None)) };
            let snapshot = snapshot(offer.moment().clone());
            let checkpoint = offer.offered().to_bytes();
            held.offers.hold(offer, Instant::now())?;
            CopyAnswer::Seed(Some(Box::new(SeedOffer { snapshot, checkpoint })))
        }
        CopyQuestion::SeedPiece(SeedPiece { id, part, from }) => {
            CopyAnswer::Log(held.offers.get(id, Instant::now())?.piece(part, from)?)
        }
    })
}

/// What is held for those who copy.
#[derive(Debug, Default)]
pub struct Held {
    keyring: HeldCopy,
    offers: HeldOffers,
}

impl Held {
    /// Lets go of what nobody asked for any more; whether nothing is held now.
    pub(crate) fn lets_go(&self, now: Instant) -> bool {
        let (keyring, offers) = (self.keyring.lets_go(now), self.offers.lets_go(now));
        keyring && offers
    }
}

fn snapshot(taken: florin_core::snapshot::Snapshot) -> Snapshot {
    Snapshot {
        birth: taken.birth,
        incarnation: taken.incarnation,
        epoch: taken.epoch,
        segment_bytes: taken.segment_bytes,
        is_sealed: taken.is_sealed,
        end: taken.end.lsn,
        sequence: taken.end.sequence,
        chain: taken.end.chain,
        time: taken.time,
        wrapped_key: taken.wrapped_key,
    }
}

/// A copy of the keyring whose pieces are being asked for: made once, with the first piece, so that the
/// keyring is read once and may change meanwhile. One at a time; let go with its last piece, or a minute
/// after the last that was asked for.
#[derive(Default)]
struct HeldCopy(Mutex<Option<Copied>>);

struct Copied {
    hash: [u8; 32],
    bytes: Arc<Vec<u8>>,
    /// When a piece of it was asked for last.
    asked: Instant,
}

/// How long a copy is held for whoever asks no more.
pub(crate) const HELD_FOR: Duration = Duration::from_secs(60);

impl HeldCopy {
    /// A piece. Who makes the copy is asked with the first; the others wait for it.
    fn piece(
        &self,
        piece: KeyringPiece,
        now: Instant,
        make: impl FnOnce() -> Result<Option<([u8; 32], Vec<u8>)>, Error>,
    ) -> Result<CopiedKeyring, Error> {
        let mut held = self.lock();
        if held.as_ref().is_some_and(|held| held.is_over(now)) {
            *held = None;
        }
        let is_first = piece == KeyringPiece::default();
        if is_first {
            if held.is_some() {
                return Err(busy(
                    "another copy of the keyring is being read: try again in a minute",
                ));
            }
            let Some((hash, bytes)) = make()? else {
                return Ok(CopiedKeyring { bytes: 0, hash: [0; 32], piece: Vec::new() });
            };
            *held = Some(Copied { hash, bytes: Arc::new(bytes), asked: now });
        }
        let Some(copy) = held.as_mut().filter(|held| is_first || held.hash == piece.hash) else {
            return Err(busy("this copy of the keyring is not held any more: begin anew"));
        };
        copy.asked = now;
        let (hash, bytes) = (copy.hash, copy.bytes.clone());
        let offset = usize::try_from(piece.offset).unwrap_or(usize::MAX).min(bytes.len());
        let end = offset.saturating_add(PIECE_BYTES_MAX).min(bytes.len());
        if end == bytes.len() {
            *held = None;
        }
        drop(held);
        let bytes_count = u64::try_from(bytes.len()).expect("it is in memory");
        Ok(CopiedKeyring { bytes: bytes_count, hash, piece: bytes[offset..end].to_vec() })
    }

    /// Lets go of a copy that nobody asked for any more; whether none is held now.
    fn lets_go(&self, now: Instant) -> bool {
        let mut held = self.lock();
        if held.as_ref().is_some_and(|held| held.is_over(now)) {
            *held = None;
        }
        held.is_none()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Copied>> {
        // Whoever panicked was making one: there is none then.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Copied {
    fn is_over(&self, now: Instant) -> bool {
        HELD_FOR <= now.saturating_duration_since(self.asked)
    }
}

impl std::fmt::Debug for HeldCopy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("HeldCopy").field(&self.lock().is_some()).finish()
    }
}

pub(super) fn busy(message: &str) -> Error {
    Error::new(ErrorKind::Busy, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Of a copy, the last one shorter.
    const PIECES: usize = 3;

    /// Reads a copy to its end, as a client does.
    fn read(held: &HeldCopy, now: Instant, made: &Cell<u32>) -> Result<Vec<u8>, Error> {
        let (mut copy, mut hash) = (Vec::new(), [0; 32]);
        loop {
            let offset = u64::try_from(copy.len()).unwrap();
            let CopiedKeyring { bytes, hash: of, piece } =
                held.piece(KeyringPiece { offset, hash }, now, || Ok(Some(make(made))))?;
            hash = of;
            copy.extend_from_slice(&piece);
            if u64::try_from(copy.len()) == Ok(bytes) {
                return Ok(copy);
            }
        }
    }

    /// A keyring that is another one each time that it is copied.
    fn make(made: &Cell<u32>) -> ([u8; 32], Vec<u8>) {
        made.set(made.get() + 1);
        let count = made.get();
        (
            [u8::try_from(count).unwrap(); 32],
            count.to_le_bytes().repeat(PIECE_BYTES_MAX / 4 * PIECES - 1),
        )
    }

    #[test]
    fn a_keyring_that_never_stands_still_is_copied_by_reading_it_once() {
        let (held, now, made) = (HeldCopy::default(), Instant::now(), Cell::new(0));
        for round in 1_u32..=2 {
            let copy = read(&held, now, &made).unwrap();
            assert_eq!(made.get(), round);
            assert!(copy.chunks(4).all(|it| it == round.to_le_bytes()));
            assert!(held.lock().is_none(), "it is let go with the last piece");
        }
    }

    #[test]
    fn one_is_copied_at_a_time_and_whoever_is_gone_is_not_waited_for() {
        let (held, now, made) = (HeldCopy::default(), Instant::now(), Cell::new(0));
        let first = held.piece(KeyringPiece::default(), now, || Ok(Some(make(&made)))).unwrap();
        let error = read(&held, now, &made).unwrap_err();
        assert_eq!((error.kind(), made.get()), (ErrorKind::Busy, 1));
        let next = KeyringPiece { offset: 5, hash: first.hash };
        let late = now + HELD_FOR;
        assert!(!held.lets_go(late - Duration::from_nanos(1)));
        assert!(held.piece(next, now, || unreachable!()).is_ok());
        assert!(held.lets_go(late));
        let error = held.piece(next, late, || unreachable!()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        read(&held, late, &made).unwrap();
        assert_eq!(made.get(), 2);
        // Any offset is answered.
        held.piece(KeyringPiece::default(), late, || Ok(Some(make(&made)))).unwrap();
        let beyond = KeyringPiece { offset: u64::MAX, hash: held.lock().as_ref().unwrap().hash };
        assert_eq!(held.piece(beyond, late, || unreachable!()).unwrap().piece, [0; 0]);
    }
}
