//! Proofs of a database over a disk that can be damaged and lose power, against a naive tree over what its
//! stream tells. What would go wrong without them: a customer whose proof fails, or one that proves what never
//! happened.
#![expect(clippy::unwrap_used, reason = "a test ends where something fails that should not")]

mod balances;
mod crashes;
mod damage;
mod expiries;
mod histories;
mod house;
mod proofs;
mod receipts;
mod refusing_disk;
mod sealed;
mod under_way;
