//! What customers asked to be told of, how, and who tells them.
//!
//! - A customer [says](Preferences) which events of their money they are told of: by e-mail, by short message, on their
//!   [`Devices`]. Nobody is told of anything that they have not asked for, and nothing is written for who has not.
//! - What is about security always goes by e-mail, whatever they say: it is written where it happens
//!   ([`crate::customers`]).
//! - An [`Announcer`] reads how transfers end, and writes letters for those who asked; the commit of a transfer has
//!   nothing of it.

mod announcer;
mod devices;
mod preferences;

pub use announcer::Announcer;
pub(crate) use devices::DeviceTokens;
pub use devices::{DEVICES_MAX, Devices, NotAToken, PushToken, RegisterRefused, Registered};
pub use preferences::{MoneyEvent, Preferences, PreferencesRefused, Ways, Wishes};
