//! Letters to customers, by e-mail.
//!
//! - A letter is a document, written in the commit that it tells of, and sealed under the keys of whom it is to:
//!   what happened is told, and what did not happen is not.
//! - A [`Postman`] sends what is due. A letter is moved to the time of its next try before it is tried, and
//!   deleted once it is sent: whoever stops in between, it is sent at least once, and never by two at the same
//!   time. Its Message-ID is its own, so that a mailbox may tell a second copy.
//! - A letter that can't be sent waits, longer each time, and the others go on. What has waited too long to be
//!   of use is given up, with an audit row.
//! - A bank sends nothing until somebody starts a postman: letters wait.
//! - Nothing in the head of a letter is a customer's word but their address ([`crate::email`]).

mod budget;
mod directory;
mod letter;
mod mail;
mod outbox;
mod postman;
mod smtp;

pub(crate) use budget::take;
pub use directory::Directory;
pub(crate) use letter::{EMAIL_LINK, FACTOR_LINK, RECOVERY_LINK, REGISTRATION_LINK};
pub use letter::{Letter, Sender};
pub use mail::{Mail, MailError, Mailer, Sending};
pub use outbox::Outbox;
pub(crate) use outbox::{Addressee, put};
pub use postman::Postman;
pub use smtp::{Smtp, SmtpError, SmtpRelay};
