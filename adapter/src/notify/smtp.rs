//! Mails to a relay that speaks SMTP.

use super::letter::Sender;
use super::mail::{Mail, MailError, Mailer, Sending};
use crate::email::Email;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long the relay may take to answer a line.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Where the relay is: `smtps://HOST[:PORT]` speaks TLS at once, `smtp://HOST[:PORT]` must before anything is
/// said, but for a relay on this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SmtpRelay {
    is_tls_at_once: bool,
    host: String,
    port: Option<u16>,
}

/// Why a relay can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// No place of a relay.
    #[error(
        "write smtps://HOST, or smtp://HOST for STARTTLS, with :PORT if it is another; the name and password go into a file"
    )]
    NoRelay,
    /// What must be one line, a name, a colon and a password, is not.
    #[error("the credentials are no line `NAME:PASSWORD`")]
    NoCredentials,
    /// TLS can't be had.
    #[error("{0}")]
    Tls(String),
}

impl FromStr for SmtpRelay {
    type Err = SmtpError;

    fn from_str(text: &str) -> Result<SmtpRelay, SmtpError> {
        let (scheme, place) = text.split_once("://").ok_or(SmtpError::NoRelay)?;
        let is_tls_at_once = match scheme {
            "smtps" => true,
            "smtp" => false,
            _ => return Err(SmtpError::NoRelay),
        };
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| SmtpError::NoRelay)?)),
            None => (place, None),
        };
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_host) {
            return Err(SmtpError::NoRelay);
        }
        Ok(SmtpRelay { is_tls_at_once, host: String::from(host), port })
    }
}

impl SmtpRelay {
    fn is_this_machine(&self) -> bool {
        ["localhost", "127.0.0.1"].contains(&&*self.host)
    }
}

/// Gives mails to a relay, over a few connections that it keeps.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    sender: Sender,
    from: Email,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Smtp(..)")
    }
}

impl Smtp {
    /// Mails through a relay, from an address; `credentials` is a line `NAME:PASSWORD`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`SmtpError`].
    pub fn new(
        relay: &SmtpRelay,
        credentials: Option<Zeroizing<String>>,
        sender: Sender,
        from: Email,
    ) -> Result<Smtp, SmtpError> {
        type Transport = AsyncSmtpTransport<Tokio1Executor>;
        let builder = if relay.is_tls_at_once {
            Transport::relay(&relay.host)
        } else if relay.is_this_machine() {
            Ok(Transport::builder_dangerous(&relay.host))
        } else {
            Transport::starttls_relay(&relay.host)
        };
        let builder = builder.map_err(|error| SmtpError::Tls(error.to_string()))?;
        let mut builder = builder.timeout(Some(ANSWER_MAX));
        if let Some(port) = relay.port {
            builder = builder.port(port);
        }
        if let Some(line) = credentials {
            let pair = line.trim_end_matches(['\r', '\n']).split_once(':');
            let (name, password) = pair.ok_or(SmtpError::NoCredentials)?;
            builder = builder.credentials(Credentials::from((name, password)));
        }
        Ok(Smtp { transport: builder.build(), sender, from })
    }
}

impl Mailer for Smtp {
    fn send<'a>(&'a self, mail: &'a Mail) -> Sending<'a> {
        Box::pin(async move {
            let message = mail.message(&self.sender, &self.from)?;
            let sent = self.transport.send(message).await;
            sent.map(drop).map_err(|error| MailError(error.to_string()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: a password on the command line, or mail in the clear over a network.
    #[test]
    fn a_relay_is_a_scheme_a_host_and_perhaps_a_port() {
        for (text, is_tls_at_once, host, port) in [
            ("smtps://mail.example", true, "mail.example", None),
            ("smtp://mail.example:587", false, "mail.example", Some(587)),
            ("smtp://127.0.0.1:2525", false, "127.0.0.1", Some(2_525)),
        ] {
            let relay = SmtpRelay { is_tls_at_once, host: String::from(host), port };
            assert_eq!(text.parse::<SmtpRelay>().unwrap(), relay, "{text}");
        }
        for odd in [
            "",
            "mail.example",
            "http://mail.example",
            "smtp://",
            "smtp://mail.example:port",
            "smtp://bank:secret@mail.example",
            "smtps://mail.example/path",
            "smtps://mail.example?tls=none",
        ] {
            assert!(odd.parse::<SmtpRelay>().is_err(), "{odd}");
        }
    }
}
