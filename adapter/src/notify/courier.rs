//! Short messages and notices of apps as they go out, and whoever takes them from here.

use crate::id::{Id, Letter};
use crate::phone::PhoneNumber;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug};
use std::pin::Pin;

/// A short message (SMS), in words.
#[derive(Clone)]
pub struct ShortMessage {
    /// The letter that it is a copy of: the same each time that it is tried.
    pub id: Id<Letter>,
    /// To whom.
    pub to: PhoneNumber,
    /// What it says: one line.
    pub text: String,
}

/// Nothing but its id: where it goes and what it says is nobody's to print.
impl Debug for ShortMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShortMessage({})", self.id)
    }
}

/// Whose service brings notices to a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Apple's.
    Ios,
    /// Google's.
    Android,
    /// A browser's.
    Web,
}

/// A notice that an app shows (push), in words.
#[derive(Clone)]
pub struct Notice {
    /// The letter that it is a copy of: the same each time that it is tried.
    pub id: Id<Letter>,
    /// Whose service brings it.
    pub platform: Platform,
    /// What the service knows the app on the device by.
    pub token: String,
    /// What stands above it.
    pub title: String,
    /// What it says: one line.
    pub text: String,
}

/// Nothing but its id: where it goes and what it says is nobody's to print.
impl Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notice({})", self.id)
    }
}

/// Why something was not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotTaken {
    /// It may be tried again, and may arrive twice then, unless the gateway knows it by its id.
    #[error("{0}")]
    Now(String),
    /// Whom it is to is not there any more: nothing reaches them.
    #[error("nobody is there any more")]
    Gone,
}

/// Something on its way.
pub type Taking<'a> = Pin<Box<dyn Future<Output = Result<(), NotTaken>> + Send + 'a>>;

/// Takes short messages.
pub trait Sms: Send + Sync + Debug {
    /// Takes a message; returns when somebody else is answerable for it.
    ///
    /// # Errors
    /// [`NotTaken`].
    fn send<'a>(&'a self, message: &'a ShortMessage) -> Taking<'a>;

    /// Whether anything may be given to it now. What may not waits where it is.
    fn is_ready(&self) -> bool {
        true
    }
}

/// Takes notices.
pub trait Push: Send + Sync + Debug {
    /// Takes a notice; returns when somebody else is answerable for it.
    ///
    /// # Errors
    /// [`NotTaken`].
    fn send<'a>(&'a self, notice: &'a Notice) -> Taking<'a>;

    /// Whether anything may be given to it now. What may not waits where it is.
    fn is_ready(&self) -> bool {
        true
    }
}
