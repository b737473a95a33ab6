//! A key in a file: for whoever has no token. The file is the key, so it lies on another disk than
//! the data, and only its owner can read it.
//!
//! ```text
//! florin-kek-1 <64 hexadecimal digits>\n
//!
//! wrapped: offset  bytes  field
//!               0     12  nonce, random
//!              12     32  the database key, by AES-256-GCM
//!              44     16  its tag
//! ```
//! A key wraps a database key once a rotation; random nonces of 96 bits last for billions.

use crate::{DATABASE_KEY_BYTES, KeyEncryptionKey, KeyError, Secret};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use zeroize::Zeroizing;

const MAGIC: &str = "florin-kek-1 ";
const KEY_BYTES: usize = 32;
const TEXT_BYTES: usize = MAGIC.len() + 2 * KEY_BYTES + 1;
/// Bound to what is wrapped, so that a wrapped database key passes for nothing else.
const PURPOSE: &[u8] = b"florin database key";
const OWNER_FILE: u32 = 0o600;
const OTHERS: u32 = 0o077;

/// A key-encryption key from a file.
pub struct FileKey {
    id: String,
    key: RandomizedNonceKey,
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl FileKey {
    /// Makes a random key in a new file that only its owner can read, durably.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`] if there is such a file already, or it can't be made.
    pub fn generate(path: &Path) -> Result<FileKey, KeyError> {
        let mut secret = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(secret.as_mut_slice())
            .map_err(|error| KeyError::Unavailable(format!("random numbers: {error}")))?;
        write_new(path, &text_of(&secret))
            .map_err(|error| unavailable(path, &format!("can't be made: {error}")))?;
        Ok(FileKey::of(&secret))
    }

    /// Reads a key that [`FileKey::generate`] made.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`] if there is none, it is no key, or others than its owner may read
    /// it.
    pub fn open(path: &Path) -> Result<FileKey, KeyError> {
        let refused = |error: io::Error| unavailable(path, &error.to_string());
        let mut file = File::open(path).map_err(refused)?;
        let mode = file.metadata().map_err(refused)?.mode();
        if mode & OTHERS != 0 {
            let mode = mode & 0o777;
            return Err(unavailable(
                path,
                &format!("others than its owner may use it (mode {mode:o}): chmod 600"),
            ));
        }
        let mut text = Zeroizing::new(Vec::with_capacity(TEXT_BYTES + 1));
        let most = u64::try_from(TEXT_BYTES).unwrap_or(u64::MAX) + 1;
        (&mut file).take(most).read_to_end(&mut text).map_err(refused)?;
        let secret = secret_of(&text)
            .ok_or_else(|| unavailable(path, "it is no key that `florin kek generate` made"))?;
        Ok(FileKey::of(&secret))
    }

    /// The key of these bytes.
    fn of(secret: &[u8; KEY_BYTES]) -> FileKey {
        let mut name = [0; 8];
        Salt::new(HKDF_SHA256, PURPOSE)
            .extract(secret)
            .expand(&[b"id"], Name)
            .and_then(|name_of| name_of.fill(&mut name))
            .expect("a short output");
        let key = RandomizedNonceKey::new(&AES_256_GCM, secret).expect("a key has 32 bytes");
        FileKey { id: format!("file:{:016x}", u64::from_be_bytes(name)), key }
    }
}

/// How long a name is.
struct Name;

impl aws_lc_rs::hkdf::KeyType for Name {
    fn len(&self) -> usize {
        8
    }
}

impl KeyEncryptionKey for FileKey {
    fn id(&self) -> &str {
        &self.id
    }

    fn wrap(&self, secret: &[u8; DATABASE_KEY_BYTES]) -> Result<Vec<u8>, KeyError> {
        // Sealed in place: what is left in it afterwards is no secret.
        let mut sealed = secret.to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(PURPOSE), &mut sealed)
            .map_err(|_| KeyError::Unavailable(format!("{}: wrapping failed", self.id)))?;
        Ok([nonce.as_ref().as_slice(), &sealed].concat())
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<Secret, KeyError> {
        let wrong = || KeyError::WrongKey { id: self.id.clone() };
        let (nonce, sealed) = wrapped.split_first_chunk::<NONCE_LEN>().ok_or_else(wrong)?;
        let mut opened = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let secret =
            self.key.open_in_place(nonce, Aad::from(PURPOSE), &mut opened).map_err(|_| wrong())?;
        let secret: &[u8; DATABASE_KEY_BYTES] = (&*secret).try_into().map_err(|_| wrong())?;
        Ok(Zeroizing::new(*secret))
    }
}

fn unavailable(path: &Path, what: &str) -> KeyError {
    KeyError::Unavailable(format!("key file {}: {what}", path.display()))
}

fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(OWNER_FILE).open(path)?;
    file.write_all(text)?;
    file.sync_all()?;
    match path.parent() {
        Some(above) if !above.as_os_str().is_empty() => File::open(above)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn text_of(secret: &[u8; KEY_BYTES]) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(TEXT_BYTES));
    text.extend_from_slice(MAGIC.as_bytes());
    for byte in secret {
        text.extend([byte >> 4, byte & 0x0f].map(digit));
    }
    text.push(b'\n');
    text
}

fn digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + (value - 10) }
}

fn secret_of(text: &[u8]) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let digits = text.strip_prefix(MAGIC.as_bytes())?;
    let digits = digits.strip_suffix(b"\n").unwrap_or(digits);
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != KEY_BYTES || !rest.is_empty() {
        return None;
    }
    let mut secret = Zeroizing::new([0; KEY_BYTES]);
    for (byte, [high, low]) in secret.iter_mut().zip(pairs) {
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(secret)
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    fn generated(name: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(name);
        FileKey::generate(&path).expect("a new file");
        (directory, path)
    }

    #[test]
    fn what_is_wrapped_is_unwrapped_by_the_same_file() {
        let (_directory, path) = generated("kek");
        let wrapped = FileKey::open(&path).unwrap().wrap(&[7; 32]).unwrap();
        let again = FileKey::open(&path).unwrap();
        assert_eq!(*again.unwrap(&wrapped).unwrap(), [7; 32]);
        assert_ne!(again.wrap(&[7; 32]).unwrap(), wrapped, "a nonce was used twice");
    }

    /// Prevents: another key, or a changed byte, opening the data with a wrong database key.
    #[test]
    fn another_key_and_every_changed_bit_are_refused() {
        let (_directory, path) = generated("kek");
        let (_other, other) = generated("other");
        let (key, other) = (FileKey::open(&path).unwrap(), FileKey::open(&other).unwrap());
        let wrapped = key.wrap(&[7; 32]).unwrap();
        let wrong = |key: &FileKey| KeyError::WrongKey { id: key.id().to_owned() };
        assert_eq!(other.unwrap(&wrapped).unwrap_err(), wrong(&other));
        assert_ne!(key.id(), other.id());
        for bit in 0..wrapped.len() * 8 {
            let mut changed = wrapped.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.unwrap(&changed).unwrap_err(), wrong(&key), "bit {bit}");
        }
        for bytes in 0..wrapped.len() {
            assert_eq!(key.unwrap(&wrapped[..bytes]).unwrap_err(), wrong(&key));
        }
    }

    /// Prevents: a key that every user of the machine can copy.
    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let (_directory, path) = generated("kek");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let error = FileKey::open(&path).unwrap_err().to_string();
        assert!(error.contains("mode 640") && error.contains("chmod 600"), "{error}");
    }

    /// Prevents: a key that is lost because another was made over it.
    #[test]
    fn a_key_is_never_overwritten() {
        let (_directory, path) = generated("kek");
        let before = fs::read(&path).unwrap();
        assert!(FileKey::generate(&path).is_err());
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let (_directory, path) = generated("kek");
        let good = fs::read(&path).unwrap();
        for text in [&good[..good.len() - 2], b"", b"florin-kek-2 00", &[&good, &good[..]].concat()]
        {
            fs::write(&path, text).unwrap();
            assert!(FileKey::open(&path).unwrap_err().to_string().contains("no key"));
        }
    }

    /// Prevents: a secret in a log file or a panic message.
    #[test]
    fn debug_shows_no_secret() {
        let (_directory, path) = generated("kek");
        let shown = format!("{:?}", FileKey::open(&path).unwrap());
        let secret = fs::read_to_string(&path).unwrap();
        assert!(shown.contains("file:") && !shown.contains(&secret[13..29]), "{shown}");
    }
}
