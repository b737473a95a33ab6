//! What happens on customers' accounts, told while it happens (Server-Sent Events).
//!
//! - One reader of the ledger's log for each adapter ([`Follower`]) tells all who listen at it: a listener costs the
//!   ledger nothing while it listens.
//! - A customer is told of their own accounts, and of nothing else; accounts that they open meanwhile are theirs. What
//!   is told is which account and which transaction: amounts are read by the routes that show them.
//! - **No gap, no repeat.** Whoever comes back with the id of what they were told last is told what came after it,
//!   each once, in the ledger's order. If that can't be known any more they are told `reset`: read again.
//! - A listener has a login that is not over, in every moment. Its end is read from the same log; listening is not
//!   using it, so it ends when nobody has used it for too long.
//! - An adapter that does not hear from the ledger tells nobody anything: all its streams end, since nobody knows
//!   whether their logins are over.
//! - Whoever is slow is let go and comes back; nobody waits for them. Queues, listeners and what is remembered are
//!   bounded.
//!
//! [`Live`] is what all of an adapter's streams share, [`Listening`] is one of them.

mod audience;
mod bookmark;
mod follower;
mod happening;
mod listening;
mod recent;
mod room;

pub use audience::Listener;
pub use follower::Follower;
pub use happening::{Kind, Message};
pub use listening::Listening;
pub use room::{ListenRefused, Live};

use axum::http::HeaderName;
use std::time::Duration;

/// The header in which whoever comes back says what they were told last.
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Streams of a customer in one adapter.
pub const STREAMS_PER_CUSTOMER: usize = 8;
/// Streams of an adapter: half of the places that its listener has, so that pages have some too.
pub(crate) const STREAMS_MAX: usize = 5_000;
/// Happenings that wait for a listener to take them.
const QUEUE_MAX: usize = 64;
/// Happenings that are remembered, of all customers: some hundred bytes each.
const RECENT_MAX: usize = 65_536;
/// Happenings that somebody who comes back is told: whoever has missed more reads again.
const MISSED_MAX: usize = 256;
// Who is let go since their queue was full is told all of it when they come back at once.
const _: () = assert!(QUEUE_MAX < MISSED_MAX && MISSED_MAX < RECENT_MAX);
/// The ledger says each second how far it is. Who has not heard from it for so long does not know who is logged in.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// How often a listener is told that there is nothing to tell.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// After which time whoever is cut off comes back.
const COME_BACK: Duration = Duration::from_secs(2);
