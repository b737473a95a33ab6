//! Who of several servers of one ledger may decide: whoever holds a lease in etcd.
//!
//! A server that wants to decide takes the lease of its group ([`Coordination::acquire`]). It may decide until
//! the lease's deadline ([`Held::deadline`]), which rises with every renewal: before each answer it looks at its
//! own clock and at the deadline, and needs no other word of etcd. Nobody else gets the lease before that
//! deadline, whatever becomes of the holder, of etcd, and of the network between them. A holder that can't
//! renew it in time hears that it is lost, and stops.
//!
//! What the holder must put on record before it goes on without its standbys is beside it
//! ([`Held::mark_alone`]), and stays: whoever wants to take over looks there first.
//!
//! ```no_run
//! use florin_lease::{Acquired, Coordination, CoordinationOptions, Holder, since_boot};
//! use std::sync::atomic::Ordering;
//! use std::time::Duration;
//!
//! # async fn example() -> Result<(), florin_lease::LeaseError> {
//! let endpoints = [String::from("127.0.0.1:2379")];
//! let group = Coordination::connect(&endpoints, "bank", &CoordinationOptions::default())?;
//! let this = Holder { node: 0xF10, term: 7, address: String::from("ledger-1:3000") };
//! match group.acquire(&this, Duration::from_secs(10), since_boot).await? {
//!     Acquired::HeldBy(other) => println!("{} decides", other.address),
//!     Acquired::Held(held) => {
//!         let deadline = held.deadline();
//!         if since_boot().as_nanos() < u128::from(deadline.load(Ordering::Relaxed)) {
//!             println!("one answer may leave");
//!         }
//!         held.release().await?;
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Reading order: [`Coordination`] is what servers share, `held` the lease and why its deadline is safe,
//! `record` what the keys hold; `etcd` asks, `member` connects, `messages` is its protocol.
#![forbid(unsafe_code)]

mod clock;
mod coordination;
mod error;
mod etcd;
mod held;
mod limits;
mod member;
mod messages;
mod options;
mod record;

pub use clock::since_boot;
pub use coordination::{Acquired, Coordination};
pub use error::LeaseError;
pub use held::Held;
pub use options::{CoordinationOptions, EtcdLogin, EtcdTls};
pub use record::{Alone, Holder};
