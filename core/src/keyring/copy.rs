//! A copy of a keyring, all its files at one moment, as one run of bytes: what is backed up apart from the
//! log. Whoever has it and the key-encryption key has every key that was not destroyed when it was made.
//!
//! ```text
//! offset  bytes  field
//!      0      8  magic, "FLORINKC"
//!      8      4  version, 1
//!     12      4  files
//!     16     16  birth of the database that it is of
//!     32     32  BLAKE3 of bytes 0 to 31 and of all from 64 on
//!     64      …  for each file: bytes of its name (2), zero (6), bytes of its contents (8), name, contents
//! ```
//! All little-endian. The contents are sealed as they lie in the directory.

use super::{DIRECTORY, bucket, damaged, root};
use crate::database::Database;
use crate::disk::{Access, Disk};
use crate::error::{Error, ErrorKind};
use florin_keys::Zeroizing;
use std::io;
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const MAGIC: [u8; 8] = *b"FLORINKC";
const VERSION: u32 = 1;

/// A copy of a keyring.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyringCopy {
    birth: u128,
    root_number: u64,
    files: Vec<(String, Zeroizing<Vec<u8>>)>,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct HeadLayout {
    magic: [u8; 8],
    version: U32,
    files_count: U32,
    birth: U128,
    hash: [u8; 32],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct FileLayout {
    name_bytes: U16,
    zero: [u8; 6],
    content_bytes: U64,
}

const _: () = assert!(size_of::<HeadLayout>() == 64);
const _: () = assert!(size_of::<FileLayout>() == 16);

impl std::fmt::Debug for KeyringCopy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyringCopy({} files)", self.files.len())
    }
}

impl KeyringCopy {
    /// The keyring of a directory that nobody changes meanwhile; `None` if there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]; [`ErrorKind::Corrupt`] if it has no root.
    pub fn read(disk: &dyn Disk, birth: u128) -> Result<Option<KeyringCopy>, Error> {
        let names = match disk.list(DIRECTORY) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            names => names.map_err(|error| failed(&error))?,
        };
        let mut files = Vec::new();
        for name in names.into_iter().filter(|name| is_part(name)) {
            let read = || {
                let file = disk.open(&format!("{DIRECTORY}/{name}"), Access::Read)?;
                let length = usize::try_from(file.bytes()?).map_err(io::Error::other)?;
                let mut content = Zeroizing::new(vec![0; length]);
                file.read_exact_at(&mut content, 0)?;
                Ok(content)
            };
            let content = read().map_err(|error: io::Error| failed(&error))?;
            files.push((name, content));
        }
        if files.is_empty() {
            return Ok(None);
        }
        let root_number = newest_root(&files).ok_or_else(|| damaged("the root is missing"))?;
        Ok(Some(KeyringCopy { birth, root_number, files }))
    }

    /// What the database was born with.
    #[must_use]
    pub fn birth(&self) -> u128 {
        self.birth
    }

    /// The number of its newest root, which rises with every change of the keyring.
    #[must_use]
    pub fn root_number(&self) -> u64 {
        self.root_number
    }

    /// Puts the files into a directory that has no keyring, durably; roots last, so that what was
    /// interrupted is no keyring.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], [`ErrorKind::DiskFull`].
    pub fn write(&self, disk: &dyn Disk) -> Result<(), Error> {
        let write = || {
            disk.create_directory(DIRECTORY)?;
            for is_root in [false, true] {
                let part = self.files.iter().filter(|(name, _)| is_root == is_a_root(name));
                for (name, content) in part {
                    let file = disk.create(&format!("{DIRECTORY}/{name}"), Access::Buffered)?;
                    file.write_all_at(content, 0)?;
                    file.sync()?;
                }
                disk.sync_directory(DIRECTORY)?;
            }
            disk.sync_directory("")
        };
        write().map_err(|error: io::Error| failed(&error))
    }

    /// The hash of all of it: two copies with one hash are the same.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        *blake3::hash(&self.to_bytes()).as_bytes()
    }

    /// As one run of bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut files = Vec::new();
        for (name, content) in &self.files {
            let head = FileLayout {
                name_bytes: u16::try_from(name.len()).expect("a name is short").into(),
                zero: [0; 6],
                content_bytes: u64::try_from(content.len()).expect("it is in memory").into(),
            };
            files.extend_from_slice(head.as_bytes());
            files.extend_from_slice(name.as_bytes());
            files.extend_from_slice(content);
        }
        let mut head = HeadLayout {
            magic: MAGIC,
            version: VERSION.into(),
            files_count: u32::try_from(self.files.len()).expect("files are few").into(),
            birth: self.birth.into(),
            hash: [0; 32],
        };
        head.hash = hash(&head, &files);
        [head.as_bytes(), &files].concat()
    }

    /// Reads what [`KeyringCopy::to_bytes`] wrote. Any bytes are answered.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if it is not whole; [`ErrorKind::Unusable`] for another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<KeyringCopy, Error> {
        let broken = || damaged("a copy that is not whole");
        let (head, mut rest) = HeadLayout::ref_from_prefix(bytes).map_err(|_| broken())?;
        if head.magic != MAGIC || head.hash != hash(head, rest) {
            return Err(broken());
        }
        if head.version.get() != VERSION {
            return Err(super::unusable("the copy of the keyring is of another version"));
        }
        let mut files = Vec::new();
        while !rest.is_empty() {
            let (file, behind) = FileLayout::ref_from_prefix(rest).map_err(|_| broken())?;
            let name_bytes = usize::from(file.name_bytes.get());
            let (name, behind) = behind.split_at_checked(name_bytes).ok_or_else(broken)?;
            let length = usize::try_from(file.content_bytes.get()).map_err(|_| broken())?;
            let (content, behind) = behind.split_at_checked(length).ok_or_else(broken)?;
            let name = std::str::from_utf8(name).map_err(|_| broken())?;
            if !is_part(name) || file.zero != [0; 6] {
                return Err(broken());
            }
            files.push((name.to_owned(), Zeroizing::new(content.to_vec())));
            rest = behind;
        }
        if usize::try_from(head.files_count.get()) != Ok(files.len()) {
            return Err(broken());
        }
        let root_number = newest_root(&files).ok_or_else(broken)?;
        Ok(KeyringCopy { birth: head.birth.get(), root_number, files })
    }
}

fn is_part(name: &str) -> bool {
    is_a_root(name) || bucket::place_of(name).is_some()
}

fn is_a_root(name: &str) -> bool {
    root::number_of(name).is_some()
}

fn newest_root(files: &[(String, Zeroizing<Vec<u8>>)]) -> Option<u64> {
    files.iter().filter_map(|(name, _)| root::number_of(name)).max()
}

fn hash(head: &HeadLayout, files: &[u8]) -> [u8; 32] {
    let (hashed, _) = head.as_bytes().split_at(32);
    let mut hasher = blake3::Hasher::new();
    hasher.update(hashed);
    hasher.update(files);
    hasher.finalize().into()
}

fn failed(error: &io::Error) -> Error {
    Error::new(ErrorKind::of_io(error), format!("copying the keyring: {error}"))
}

impl Database {
    /// Whether the log says that there is a keyring, wherever it is.
    ///
    /// # Errors
    /// As for reading documents.
    pub(crate) fn is_keyring_begun(&self) -> Result<bool, Error> {
        Ok(super::evidence::sum(self)?.is_begun)
    }

    /// A copy of the keyring as it is now; `None` if it was not begun. No key is made or destroyed
    /// meanwhile.
    ///
    /// # Errors
    /// As for the keyring.
    pub fn copy_keyring(&self) -> Result<Option<KeyringCopy>, Error> {
        self.custody().copy()
    }
}
