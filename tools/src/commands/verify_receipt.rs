//! `florin verify-receipt`: what a file proves, judged by public keys and nothing else.

use crate::evidence::{self, Evidence};
use crate::exit::{Exit, Failure};
use clap::{Args, ValueEnum};
use florin_ledger::stream::ItemKind;
use florin_ledger::{Subject, TransferId};
use florin_proof::balance::Standing;
use florin_proof::{Leaf, PublicKey};
use std::fs;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// Verify a receipt, a proof or a signed head, with nothing but public keys
#[derive(Args, Debug)]
#[command(
    after_help = "Takes no server and no data directory. Prints what is proved as one JSON object and ends \
with 0; with 1 if the file proves nothing, or something else than --transfer and --kind demand. A head that several \
have signed is demanded by naming all their public keys."
)]
pub(crate) struct VerifyReceipt {
    /// The receipt, inclusion proof, consistency proof, balance proof, head or co-signed head
    file: PathBuf,
    /// The public key of the bank, 64 hexadecimal digits in a file; once for each key that must have signed, or
    /// a line for each in one file
    #[arg(long, value_name = "FILE", required = true)]
    public_key: Vec<PathBuf>,
    /// So many of the public keys must have signed, and no others; without it all of them
    #[arg(long, value_name = "COUNT")]
    signers: Option<NonZeroUsize>,
    /// The inclusion proof that redeems the receipt
    #[arg(long, value_name = "FILE")]
    redeemed_by: Option<PathBuf>,
    /// A receipt or inclusion proof of a posting that the balance must count: the last one that you know of
    #[arg(long, value_name = "FILE")]
    counts: Vec<PathBuf>,
    /// It must be the balance of this account
    #[arg(long, value_name = "ID")]
    account: Option<u128>,
    /// It must be of this transfer
    #[arg(long, value_name = "ID")]
    transfer: Option<u128>,
    /// It must be this kind of file
    #[arg(long, value_name = "KIND", value_enum)]
    kind: Option<Kind>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum Kind {
    TreeHead,
    CosignedHead,
    Inclusion,
    Consistency,
    Receipt,
    Balance,
}

impl Kind {
    fn of(evidence: &Evidence) -> Kind {
        match evidence {
            Evidence::Head(_) => Kind::TreeHead,
            Evidence::Cosigned(_) => Kind::CosignedHead,
            Evidence::Inclusion(_) => Kind::Inclusion,
            Evidence::Consistency(_) => Kind::Consistency,
            Evidence::Receipt(_) => Kind::Receipt,
            Evidence::Balance(_) => Kind::Balance,
        }
    }
}

impl VerifyReceipt {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let keys = self.keys()?;
        let signers_min = self.signers.map_or(keys.len(), NonZeroUsize::get);
        if keys.len() < signers_min {
            return Err(Failure::usage(format!(
                "--signers {signers_min} of {} public keys",
                keys.len()
            )));
        }
        let verified = |path: &Path| {
            let evidence = evidence::read(path)?;
            let verified = evidence.verify(&keys, signers_min);
            verified.map_err(|error| evidence::refused(path, &error.to_string()))?;
            Ok::<_, Failure>(evidence)
        };
        let evidence = verified(&self.file)?;
        self.check_demanded(&evidence)?;
        if let Some(redeeming) = &self.redeemed_by {
            let (Evidence::Receipt(receipt), Evidence::Inclusion(proof)) =
                (&evidence, verified(redeeming)?)
            else {
                return Err(Failure::usage(
                    "an inclusion proof redeems a receipt, and nothing else",
                ));
            };
            receipt
                .check_redeemed(&proof)
                .map_err(|error| evidence::refused(redeeming, &error.to_string()))?;
        }
        for path in &self.counts {
            check_counted(&evidence, path, &verified(path)?)?;
        }
        writeln!(io::stdout(), "{}", evidence.describe())?;
        Ok(Exit::Done)
    }

    /// The public keys, each once: a key that is named twice has not signed twice.
    fn keys(&self) -> Result<Vec<PublicKey>, Failure> {
        let mut keys: Vec<PublicKey> = Vec::new();
        for path in &self.public_key {
            for key in read_keys(path)? {
                if keys.contains(&key) {
                    return Err(Failure::usage(format!("the public key {key} is named twice")));
                }
                keys.push(key);
            }
        }
        Ok(keys)
    }

    /// That it is what a script asked for: a proof of something else holds as well.
    fn check_demanded(&self, evidence: &Evidence) -> Result<(), Failure> {
        if self.kind.is_some_and(|kind| kind != Kind::of(evidence)) {
            return Err(evidence::refused(
                &self.file,
                "it is another kind of file than was demanded",
            ));
        }
        if let Some(id) = self.account {
            let is_it = matches!(evidence, Evidence::Balance(proof) if proof.account.0 == id);
            if !is_it {
                let why = format!("it is not the balance of account {id}");
                return Err(evidence::refused(&self.file, &why));
            }
        }
        let Some(id) = self.transfer else { return Ok(()) };
        let leaf = evidence.leaf().and_then(|leaf| Leaf::read(leaf).ok());
        let subject = Subject::Transfer(TransferId(id));
        if leaf
            .is_some_and(|leaf| leaf.is_of(&subject) && leaf.content.kind() == ItemKind::Transfer)
        {
            return Ok(());
        }
        Err(evidence::refused(&self.file, &format!("it is not of the transfer {id}")))
    }
}

/// That a balance counts a posting; both were verified.
fn check_counted(evidence: &Evidence, path: &Path, posting: &Evidence) -> Result<(), Failure> {
    let standing = match (evidence, posting) {
        (Evidence::Balance(balance), Evidence::Inclusion(proof)) => balance.check_counted(proof),
        (Evidence::Balance(balance), Evidence::Receipt(receipt)) => balance.check_promised(receipt),
        _ => {
            return Err(Failure::usage(
                "a balance counts what a receipt or an inclusion proof is of, and nothing else does",
            ));
        }
    };
    match standing {
        Ok(Standing::Counted) => Ok(()),
        Ok(Standing::Later) => Err(evidence::refused(
            path,
            "that record lies behind the balance, which can't count it: ask for a newer balance",
        )),
        Err(error) => Err(evidence::refused(path, &error.to_string())),
    }
}

/// A key a line.
fn read_keys(path: &Path) -> Result<Vec<PublicKey>, Failure> {
    let failed = |why: String| Failure::unavailable(format!("{}: {why}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let keys: Option<Vec<_>> = text.trim().lines().map(of_hexadecimal).collect();
    let keys = keys.filter(|keys| !keys.is_empty());
    keys.ok_or_else(|| failed(String::from("a public key is 64 hexadecimal digits")))
}

fn of_hexadecimal(line: &str) -> Option<PublicKey> {
    let bytes = crate::json::hexadecimal::from_hexadecimal(line.trim())?;
    <[u8; 32]>::try_from(bytes).ok().map(PublicKey)
}
