//! End to end: the binary as it ships, driven through its arguments, its standard streams, its
//! signals and its sockets, and judged by what it answers and what it leaves on the disk.
//!
//! These tests are a target of the package of the binary (`tools/Cargo.toml`), although they lie
//! here beside the clients in other languages: only the tests of a package are told by Cargo where
//! its binary is, built for this very run with the profile of this very run. Whatever else finds a
//! binary (a guess at the target directory, a build within the test) may find yesterday's.
//!
//! Every wait is for an event and has a deadline (`process::within`); random tests print their
//! seed and take one in `FLORIN_SEED`.
//!
//! Not here: that what is acknowledged survives a power cut, and what a full disk does. A killed
//! process loses nothing that it wrote, and no disk can be filled, without rights that a machine
//! for tests need not have. The simulated disk in `core` does both.

mod backup;
mod chance;
mod contract;
mod cosigned;
mod damage;
mod differential;
mod directory;
mod etcd;
mod exactly_once;
mod examples;
mod failover;
mod groups;
mod keyring;
mod keyring_copies;
mod kill;
mod load;
mod network;
mod positions;
mod process;
mod proofs;
mod python;
mod rebuild;
mod receipts;
mod repair;
mod script;
mod seeding;
mod several_servers;
mod shutdown;
mod strangers;
mod streams;
mod taking_over;
