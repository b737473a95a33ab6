//! Letters to customers: by e-mail, as short messages, and as notices that an app shows.
//!
//! - A letter is a document, written in the commit that it tells of, and sealed under the keys of whom it is to:
//!   what happened is told, and what did not happen is not.
//! - A [`Postman`] sends what is due. A letter is moved to the time of its next try before it is tried, and
//!   deleted once it is sent: whoever stops in between, it is sent at least once, and never by two at the same
//!   time. Its Message-ID is its own, so that a mailbox may tell a second copy.
//! - A letter that can't be sent waits, longer each time, and the others go on. What has waited too long to be
//!   of use is given up, with an audit row.
//! - Outside systems are behind traits ([`Mailer`], [`Sms`], [`Push`]), each with a real implementation (AR1). One that
//!   does not answer is not asked for a while ([`Gateway`], IN2); what is to go there waits as it is, and is not counted
//!   as tried.
//! - A bank sends nothing until somebody starts a postman: letters wait. So do those that go a way which it has not.
//! - Nothing in the head of a letter is a customer's word but their address ([`crate::email`]).

mod breaker;
mod budget;
mod courier;
mod directory;
mod gateway;
mod letter;
mod mail;
mod outbox;
mod postman;
mod sms_budget;
mod smtp;

pub(crate) use budget::take;
pub use courier::{NotTaken, Notice, Platform, Push, ShortMessage, Sms, Taking};
pub use directory::Directory;
pub use gateway::{Gateway, GatewayError, GatewayUrl};
pub use letter::{AccountChange, Letter, Movement, Sender};
pub(crate) use letter::{
    EMAIL_LINK, FACTOR_LINK, LOGIN_CODE, NEWS, PAYMENT_CODE, PHONE_CODE, RECOVERY_LINK,
    REGISTRATION_LINK,
};
pub use mail::{Mail, MailError, Mailer, Sending};
pub use outbox::Outbox;
pub(crate) use outbox::{Addressee, Place, put, put_by};
pub use postman::{Couriers, Postman};
pub(crate) use sms_budget::{SmsUse, take_sms};
pub use smtp::{Smtp, SmtpError, SmtpRelay};
