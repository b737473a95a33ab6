//! `florin backup prune`.

use crate::backup::{failure, incarnation};
use crate::client_keys::public_key;
use crate::exit::{Exit, Failure};
use crate::store;
use clap::Args;
use florin_client::PublicKey;
use florin_core::backup::{self, Orphans, Pruned, check};
use florin_core::clock::{Clock, SystemClock};
use florin_ledger::Timestamp;
use std::io::{self, Write};
use std::num::NonZeroU32;

/// Remove old backups, and the objects that no other names
#[derive(Args, Debug)]
#[command(
    after_help = "Each life of a bank keeps its newest backups: those of the bank that was restored \
from are not touched by pruning those of the restored one. Backups and prunes that were interrupted leave \
objects that no backup names: --orphans removes those. Every manifest must be readable for that."
)]
pub(crate) struct Prune {
    /// Where backups lie: a directory, or s3://BUCKET/PREFIX
    #[arg(long, value_name = "LOCATION")]
    from: String,

    /// The public key that must have signed them, or a file with it; several may
    #[arg(long, value_name = "PUBLICKEY", value_parser = public_key, required = true)]
    signed_by: Vec<PublicKey>,

    /// How many are kept
    #[arg(long, value_name = "N", required_unless_present = "orphans")]
    keep: Option<NonZeroU32>,

    /// Remove objects that no backup names, and what was stored in part, if it is older than so many hours
    /// [default: 24]
    #[arg(long, value_name = "HOURS", num_args = 0..=1, default_missing_value = "24")]
    orphans: Option<u32>,

    /// The life of the bank, where there are backups of several
    #[arg(long, value_name = "HEX", value_parser = incarnation)]
    incarnation: Option<u128>,
}

impl Prune {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let store = store::open(&self.from)?;
        let signers: Vec<_> = self.signed_by.iter().map(|key| backup::PublicKey(key.0)).collect();
        let life = match (self.incarnation, check::incarnations(store.as_ref()).map_err(failure)?) {
            (Some(incarnation), _) => incarnation,
            (None, lives) => match lives[..] {
                [one] => one,
                [] => return Err(Failure::usage("there is no backup here")),
                _ => {
                    return Err(Failure::usage(
                        "there are several lives here: name one with --incarnation",
                    ));
                }
            },
        };
        let mut output = io::stdout().lock();
        let mut exit = Exit::Done;
        if let Some(keep) = self.keep {
            let keep = usize::try_from(keep.get()).expect("it fits");
            let Pruned { kept, removed, removed_objects_count, unread } =
                backup::prune(store.as_ref(), life, keep, &signers).map_err(failure)?;
            writeln!(
                output,
                "removed {} backups and {removed_objects_count} objects, kept {} backups",
                removed.len(),
                kept.len()
            )?;
            for finding in &unread {
                writeln!(
                    output,
                    "FINDING: removed, and what it named is still there (--orphans): {finding}"
                )?;
                exit = Exit::Findings;
            }
        }
        if let Some(hours) = self.orphans {
            let age = u64::from(hours) * 3_600_000_000_000;
            let before = Timestamp(SystemClock::new().now().0.saturating_sub(age));
            let Orphans { objects_count, partials_count } =
                backup::prune_orphans(store.as_ref(), life, before, &signers).map_err(failure)?;
            writeln!(
                output,
                "removed {objects_count} objects that no backup names, and {partials_count} in part"
            )?;
        }
        Ok(exit)
    }
}
