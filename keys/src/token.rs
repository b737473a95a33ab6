//! A key in a token or a hardware security module, through PKCS#11. It never leaves the token: the
//! token wraps and unwraps, with AES-GCM.
//!
//! ```text
//! wrapped: offset  bytes  field
//!               0     12  nonce: random, or what the token made of it
//!              12     32  the database key, by CKM_AES_GCM
//!              44     16  its tag
//! ```
//! A database key is unwrapped once an opening, so nothing is kept: every operation loads the
//! module, opens a session, logs in, finds the key, and ends all of that. A token that was pulled
//! out and put back, or a module that was restarted, is met afresh.

use crate::{DATABASE_KEY_BYTES, ID_BYTES_MAX, KeyEncryptionKey, KeyError, Secret};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Function, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroizing;

const NONCE_BYTES: usize = 12;
const TAG_BITS: u64 = 128;
const PURPOSE: &[u8] = b"florin database key";
/// Bytes of a PIN at most.
const PIN_BYTES_MAX: u64 = 256;
const OTHERS: u32 = 0o077;

/// One at a time in a process: a module is initialised for the process as a whole.
static MODULE: Mutex<()> = Mutex::new(());

/// Where a key is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenOptions {
    /// The library that speaks to the token.
    pub module: PathBuf,
    /// The token's label.
    pub token: String,
    /// The key's label; an AES key of 256 bits.
    pub key: String,
    /// A file with the user's PIN, which only its owner can read.
    pub pin_file: PathBuf,
}

/// A key-encryption key in a token.
pub struct TokenKey {
    options: TokenOptions,
    id: String,
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl TokenKey {
    /// Finds the key in its token.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`] names what is missing or wrong: module, token, PIN or key.
    pub fn open(options: TokenOptions) -> Result<TokenKey, KeyError> {
        let key = TokenKey::named(options)?;
        key.with_session(|session| key.find(session).map(drop))?;
        Ok(key)
    }

    /// Makes a random key in the token, which never lets it out.
    ///
    /// # Errors
    /// As [`TokenKey::open`], and if the token has a key of this label already.
    pub fn generate(options: TokenOptions) -> Result<TokenKey, KeyError> {
        let key = TokenKey::named(options)?;
        key.with_session(|session| {
            if !key.labelled(session)?.is_empty() {
                let label = &key.options.key;
                return Err(key.unavailable(format!("has a key `{label}` already")));
            }
            let template = [
                Attribute::Class(ObjectClass::SECRET_KEY),
                Attribute::KeyType(KeyType::AES),
                Attribute::ValueLen(32.into()),
                Attribute::Label(key.options.key.clone().into_bytes()),
                Attribute::Token(true),
                Attribute::Private(true),
                Attribute::Sensitive(true),
                Attribute::Extractable(false),
                Attribute::Encrypt(true),
                Attribute::Decrypt(true),
            ];
            let made = session.generate_key(&Mechanism::AesKeyGen, &template);
            made.map(drop).map_err(|error| key.failed(&error))
        })?;
        Ok(key)
    }

    fn named(options: TokenOptions) -> Result<TokenKey, KeyError> {
        let id = format!("pkcs11:token={};object={}", options.token, options.key);
        let key = TokenKey { options, id };
        if ID_BYTES_MAX < key.id.len() {
            return Err(key.unavailable("and key have labels that are too long".to_owned()));
        }
        Ok(key)
    }

    /// Does something in a session of its own.
    fn with_session<T>(
        &self,
        act: impl FnOnce(&Session) -> Result<T, KeyError>,
    ) -> Result<T, KeyError> {
        let pin = self.pin()?;
        let _alone = MODULE.lock().unwrap_or_else(PoisonError::into_inner);
        let module = Pkcs11::new(&self.options.module).map_err(|error| self.no_module(&error))?;
        let arguments = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
        let is_ours = match module.initialize(arguments) {
            Ok(()) => true,
            // Somebody else in this process uses the module, and goes on to.
            Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => false,
            Err(error) => return Err(self.no_module(&error)),
        };
        let done = self.slot(&module).and_then(|slot| {
            let session = module.open_rw_session(slot).map_err(|error| self.failed(&error))?;
            match session.login(UserType::User, Some(&pin)) {
                Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => act(&session),
                Err(error) => Err(self.failed(&error)),
            }
        });
        if is_ours {
            // What it says matters no more: the answer is there, and the next operation begins
            // anew.
            let _ = module.finalize();
        }
        done
    }

    fn slot(&self, module: &Pkcs11) -> Result<Slot, KeyError> {
        let slots = module.get_slots_with_token().map_err(|error| self.failed(&error))?;
        let mut labels = Vec::new();
        for slot in slots {
            let Ok(token) = module.get_token_info(slot) else { continue };
            if token.label() == self.options.token {
                return Ok(slot);
            }
            labels.push(token.label().to_owned());
        }
        labels.retain(|label| !label.is_empty());
        Err(self.unavailable(format!(
            "is not there; {} has: {}",
            self.options.module.display(),
            if labels.is_empty() { "none".to_owned() } else { labels.join(", ") }
        )))
    }

    fn labelled(&self, session: &Session) -> Result<Vec<ObjectHandle>, KeyError> {
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Label(self.options.key.clone().into_bytes()),
        ];
        session.find_objects(&template).map_err(|error| self.failed(&error))
    }

    fn find(&self, session: &Session) -> Result<ObjectHandle, KeyError> {
        let label = &self.options.key;
        match self.labelled(session)?[..] {
            [key] => Ok(key),
            [] => {
                Err(self
                    .unavailable(format!("has no AES key `{label}`: check the label, or make it")))
            }
            _ => Err(self.unavailable(format!("has several AES keys `{label}`: keep one"))),
        }
    }

    fn pin(&self) -> Result<AuthPin, KeyError> {
        let path = &self.options.pin_file;
        let refused = |error: io::Error| pin_file(path, &error.to_string());
        let file = File::open(path).map_err(refused)?;
        let mode = file.metadata().map_err(refused)?.mode();
        if mode & OTHERS != 0 {
            let mode = mode & 0o777;
            return Err(pin_file(
                path,
                &format!("others than its owner may use it (mode {mode:o}): chmod 600"),
            ));
        }
        let mut text = Zeroizing::new(String::new());
        file.take(PIN_BYTES_MAX).read_to_string(&mut text).map_err(refused)?;
        Ok(AuthPin::from(text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    fn unavailable(&self, what: String) -> KeyError {
        KeyError::Unavailable(format!("PKCS#11 token `{}` {what}", self.options.token))
    }

    fn no_module(&self, error: &Error) -> KeyError {
        let module = self.options.module.display();
        KeyError::Unavailable(format!("PKCS#11 module {module} can't be used: {error}"))
    }

    /// What an operation ended with, in the words of who has to mend it.
    fn failed(&self, error: &Error) -> KeyError {
        let pin = self.options.pin_file.display();
        self.unavailable(match error {
            Error::Pkcs11(RvError::PinIncorrect | RvError::PinLenRange, Function::Login) => {
                format!("refuses the PIN in {pin}: correct it before the token locks itself")
            }
            Error::Pkcs11(RvError::PinLocked, _) => {
                "has locked its PIN after wrong ones: unlock it as its security officer".to_owned()
            }
            Error::Pkcs11(
                RvError::TokenNotPresent | RvError::DeviceRemoved | RvError::SessionHandleInvalid,
                _,
            ) => "has gone: put it back and try again".to_owned(),
            other => format!("failed: {other}"),
        })
    }
}

impl KeyEncryptionKey for TokenKey {
    fn id(&self) -> &str {
        &self.id
    }

    fn wrap(&self, secret: &[u8; DATABASE_KEY_BYTES]) -> Result<Vec<u8>, KeyError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce)
            .map_err(|error| KeyError::Unavailable(format!("random numbers: {error}")))?;
        let sealed = self.with_session(|session| {
            let key = self.find(session)?;
            let parameters = GcmParams::new(&mut nonce, PURPOSE, TAG_BITS.into());
            let mechanism = Mechanism::AesGcm(parameters.map_err(|error| self.failed(&error))?);
            session.encrypt(&mechanism, key, secret).map_err(|error| self.failed(&error))
        })?;
        Ok([&nonce[..], &sealed].concat())
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<Secret, KeyError> {
        let wrong = || KeyError::WrongKey { id: self.id.clone() };
        let (nonce, sealed) = wrapped.split_first_chunk::<NONCE_BYTES>().ok_or_else(wrong)?;
        let mut nonce = *nonce;
        let opened = self.with_session(|session| {
            let key = self.find(session)?;
            let parameters = GcmParams::new(&mut nonce, PURPOSE, TAG_BITS.into());
            let mechanism = Mechanism::AesGcm(parameters.map_err(|error| self.failed(&error))?);
            match session.decrypt(&mechanism, key, sealed) {
                // Tokens name a tag that does not fit each in their own way; what ails the token
                // itself was met by opening the session.
                Err(Error::Pkcs11(_, Function::Decrypt)) => Err(wrong()),
                opened => opened.map_err(|error| self.failed(&error)),
            }
        });
        let opened = Zeroizing::new(opened?);
        let secret: &[u8; DATABASE_KEY_BYTES] =
            opened.as_slice().try_into().map_err(|_| wrong())?;
        Ok(Zeroizing::new(*secret))
    }
}

fn pin_file(path: &Path, what: &str) -> KeyError {
    KeyError::Unavailable(format!("PIN file {}: {what}", path.display()))
}
