//! `florin verify-receipt`: what a file proves, judged by a public key and nothing else.

use crate::evidence::{self, Evidence};
use crate::exit::{Exit, Failure};
use clap::{Args, ValueEnum};
use florin_ledger::stream::ItemKind;
use florin_ledger::{Subject, TransferId};
use florin_proof::{Leaf, PublicKey};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Verify a receipt, a proof or a signed head, with nothing but the public key
#[derive(Args, Debug)]
#[command(
    after_help = "Takes no server and no data directory. Prints what is proved as one JSON object and ends \
with 0; with 1 if the file proves nothing, or something else than --transfer and --kind demand."
)]
pub(crate) struct VerifyReceipt {
    /// The receipt, inclusion proof, consistency proof or head
    file: PathBuf,
    /// The public key of the bank, 64 hexadecimal digits in a file
    #[arg(long, value_name = "FILE")]
    public_key: PathBuf,
    /// The inclusion proof that redeems the receipt
    #[arg(long, value_name = "FILE")]
    redeemed_by: Option<PathBuf>,
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
    Inclusion,
    Consistency,
    Receipt,
}

impl Kind {
    fn of(evidence: &Evidence) -> Kind {
        match evidence {
            Evidence::Head(_) => Kind::TreeHead,
            Evidence::Inclusion(_) => Kind::Inclusion,
            Evidence::Consistency(_) => Kind::Consistency,
            Evidence::Receipt(_) => Kind::Receipt,
        }
    }
}

impl VerifyReceipt {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let key = read_key(&self.public_key)?;
        let verified = |path: &Path| {
            let evidence = evidence::read(path)?;
            let verified = evidence.verify(&key);
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
        writeln!(io::stdout(), "{}", evidence.describe())?;
        Ok(Exit::Done)
    }

    /// That it is what a script asked for: a proof of something else holds as well.
    fn check_demanded(&self, evidence: &Evidence) -> Result<(), Failure> {
        if self.kind.is_some_and(|kind| kind != Kind::of(evidence)) {
            return Err(evidence::refused(
                &self.file,
                "it is another kind of file than was demanded",
            ));
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

fn read_key(path: &Path) -> Result<PublicKey, Failure> {
    let failed = |why: String| Failure::unavailable(format!("{}: {why}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let bytes = crate::json::hexadecimal::from_hexadecimal(text.trim());
    let key = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    key.map(PublicKey).ok_or_else(|| failed(String::from("a public key is 64 hexadecimal digits")))
}
