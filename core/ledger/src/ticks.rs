//! The clock of a batch. Rules never read a clock: the caller says which nanosecond is next, and
//! every event and every expiry takes one, refused or not, so that no two of them share a time.

use crate::id::Timestamp;

/// The nanoseconds still to be given out, in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticks {
    next: Timestamp,
}

impl Ticks {
    /// A clock whose first tick is `next`: later than every time recorded so far, and later than
    /// every imported timestamp.
    ///
    /// # Panics
    /// If `next` is [`Timestamp::NONE`] or past [`Timestamp::MAX`].
    #[must_use]
    pub fn starting_at(next: Timestamp) -> Ticks {
        assert!(next != Timestamp::NONE, "zero says that there is no time");
        assert!(next <= Timestamp::MAX, "time ends in the year 2262");
        Ticks { next }
    }

    /// The tick that the next event will take.
    #[inline]
    #[must_use]
    pub fn next(&self) -> Timestamp {
        self.next
    }

    /// Takes a tick.
    ///
    /// # Panics
    /// Past [`Timestamp::MAX`], in the year 2262: the caller's clock must refuse before that.
    #[inline]
    pub fn take(&mut self) -> Timestamp {
        let taken = self.next;
        self.next = taken.after_ticks(1).expect("time ends in the year 2262");
        taken
    }
}
