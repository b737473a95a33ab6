//! Why something proves nothing.

use core::fmt;

/// Why something proves nothing, and where. Small and `Copy`: bytes from outside make no allocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProofError {
    /// The byte that is wrong, counted from the start of the file; of a hash or signature that does not
    /// fit, where it begins.
    pub offset: usize,
    /// What is wrong.
    pub flaw: Flaw,
}

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// The bytes end before what must come.
    TooShort,
    /// More bytes than they say they are.
    TooLong,
    /// They do not begin with the magic of this kind of file.
    Magic,
    /// A version that this verifier does not know.
    Version,
    /// Reserved bytes or bits that are set.
    NotZero,
    /// A number that can't be: a size, an index, a count, a kind.
    Number,
    /// The signature is not that of the key.
    Signature,
    /// Signed by another key than the one that is trusted.
    OtherKey,
    /// Signers that are not in order, each once.
    Signers,
    /// Fewer have signed than must have.
    TooFewSigners,
    /// What is there does not lead to the root that was signed.
    Root,
    /// Two parts are of different databases.
    OtherDatabase,
    /// Two parts are of lives of a database that exclude each other.
    OtherLife,
    /// Two parts say what can't both be.
    Contradiction,
    /// A record that is no posting on the account whose balance is proved.
    OtherRecord,
    /// A balance that leaves out a posting which was recorded before it.
    LeftOut,
}

impl ProofError {
    pub(crate) const fn new(offset: usize, flaw: Flaw) -> ProofError {
        ProofError { offset, flaw }
    }

    /// The same error, seen from `bytes` further ahead.
    pub(crate) const fn after(self, bytes: usize) -> ProofError {
        ProofError { offset: self.offset.saturating_add(bytes), flaw: self.flaw }
    }
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at offset {})", self.flaw, self.offset)
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flaw::TooShort => "the bytes end too soon",
            Flaw::TooLong => "there are bytes left over",
            Flaw::Magic => "it is another kind of file",
            Flaw::Version => "its version is not known here",
            Flaw::NotZero => "reserved bytes are not zero",
            Flaw::Number => "a number that can't be",
            Flaw::Signature => "the signature is wrong",
            Flaw::OtherKey => "it is signed by another key",
            Flaw::Signers => "its signers are not in order, each once",
            Flaw::TooFewSigners => "fewer have signed than are demanded",
            Flaw::Root => "it does not lead to the root that was signed",
            Flaw::OtherDatabase => "its parts are of two databases",
            Flaw::OtherLife => "its parts are of two lives of the database that exclude each other",
            Flaw::Contradiction => "its parts contradict each other",
            Flaw::OtherRecord => "the record is no posting on that account, and says nothing about its balance",
            Flaw::LeftOut => {
                "the balance leaves out this posting, which was recorded before it: the bank's word is broken, \
                 keep both files"
            }
        })
    }
}

impl core::error::Error for ProofError {}
