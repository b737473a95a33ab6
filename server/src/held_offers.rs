//! Checkpoints that standbys are being seeded from: each held from when it was offered until a minute after the last
//! piece that was asked for, so that it can be read while newer ones are made. Several standbys share one.

use crate::copies::{HELD_FOR, busy};
use crate::limits::OFFERS_HELD_MAX;
use florin_core::Error;
use florin_core::seeding::Offer;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The checkpoints.
#[derive(Debug, Default)]
pub(crate) struct HeldOffers(Mutex<Vec<HeldOffer>>);

#[derive(Debug)]
struct HeldOffer {
    offer: Arc<Offer>,
    /// When something of it was asked for last.
    asked: Instant,
}

impl HeldOffers {
    /// Holds one; if it is held already, that goes on.
    ///
    /// # Errors
    /// [`florin_core::ErrorKind::Busy`] if too many others are held.
    pub(crate) fn hold(&self, offer: Offer, now: Instant) -> Result<(), Error> {
        let id = offer.offered().id;
        let mut held = self.current(now);
        if let Some(held) = held.iter_mut().find(|held| held.offer.offered().id == id) {
            held.asked = now;
        } else if held.len() < OFFERS_HELD_MAX {
            held.push(HeldOffer { offer: Arc::new(offer), asked: now });
        } else {
            return Err(busy(
                "other standbys are being seeded from earlier checkpoints: try again in a minute",
            ));
        }
        Ok(())
    }

    /// One that is held.
    ///
    /// # Errors
    /// [`florin_core::ErrorKind::Busy`] if it is not held any more.
    pub(crate) fn get(&self, id: u64, now: Instant) -> Result<Arc<Offer>, Error> {
        let mut held = self.current(now);
        let found = held.iter_mut().find(|held| held.offer.offered().id == id);
        let found = found
            .ok_or_else(|| busy("this checkpoint is not held any more: ask for the newest"))?;
        found.asked = now;
        Ok(found.offer.clone())
    }

    /// Lets go of those that nobody asked for any more; whether none is held now.
    pub(crate) fn lets_go(&self, now: Instant) -> bool {
        self.current(now).is_empty()
    }

    fn current(&self, now: Instant) -> MutexGuard<'_, Vec<HeldOffer>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|held| now.saturating_duration_since(held.asked) < HELD_FOR);
        held
    }
}
