//! A mail as it goes out, and whoever takes it from here.

use super::letter::Sender;
use crate::email::Email;
use crate::id::{Id, Letter};
use florin_ledger::Timestamp;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use std::fmt::Debug;
use std::pin::Pin;
use std::time::{Duration, UNIX_EPOCH};

/// A mail, in words.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The letter that it is a copy of.
    pub id: Id<Letter>,
    /// To whom.
    pub to: Email,
    /// What it is about: one line.
    pub subject: String,
    /// What it says, as plain text.
    pub text: String,
    /// When it was written.
    pub written: Timestamp,
}

/// Why a mail was not taken.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MailError(pub String);

/// A mail on its way.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), MailError>> + Send + 'a>>;

/// Takes mails.
pub trait Mailer: Send + Sync + Debug {
    /// Takes a mail; returns when somebody else is answerable for it.
    ///
    /// # Errors
    /// [`MailError`]: it may be tried again, and may arrive twice then.
    fn send<'a>(&'a self, mail: &'a Mail) -> Sending<'a>;
}

impl Mail {
    /// The mail as RFC 5322 writes it.
    ///
    /// # Errors
    /// [`MailError`] if an address is none that mail can be sent to or from.
    pub(super) fn message(&self, sender: &Sender, from: &Email) -> Result<Message, MailError> {
        let failed = |error: &dyn std::fmt::Display| MailError(error.to_string());
        let address = |email: &Email| email.written().parse().map_err(|error| failed(&error));
        let (from, to) = (address(from)?, address(&self.to)?);
        // Whoever answers by themselves must not answer this.
        let automatic = HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            String::from("auto-generated"),
        );
        Message::builder()
            .message_id(Some(format!("<{}@{}>", self.id, sender.host())))
            .date(UNIX_EPOCH + Duration::from_nanos(self.written.0))
            .from(Mailbox::new(Some(one_line(&sender.bank)), from))
            .to(Mailbox::new(None, to))
            .subject(one_line(&self.subject))
            .raw_header(automatic)
            .header(ContentType::TEXT_PLAIN)
            .body(self.text.clone())
            .map_err(|error| failed(&error))
    }
}

/// A text without what could end a line: what is in the head of a mail stays where it is.
fn one_line(text: &str) -> String {
    let is_kept = |letter: &char| !letter.is_control() && !"\u{2028}\u{2029}".contains(*letter);
    text.chars().filter(is_kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::Letter as Words;

    fn written(bank: &str, subject: &str, text: &str) -> String {
        let sender =
            Sender { bank: String::from(bank), origin: String::from("https://bank.example") };
        let mail = Mail {
            id: Id::from_number(7),
            to: Email::parse("ada@example.org").unwrap(),
            subject: String::from(subject),
            text: String::from(text),
            written: Timestamp(1_790_000_000_000_000_000),
        };
        let from = Email::parse("bank@bank.example").unwrap();
        String::from_utf8(mail.message(&sender, &from).unwrap().formatted()).unwrap()
    }

    fn names_of_headers(mail: &str) -> Vec<&str> {
        let (head, _) = mail.split_once("\r\n\r\n").unwrap();
        let lines = head.split("\r\n").filter(|line| !line.starts_with(' '));
        lines.map(|line| line.split_once(':').unwrap().0).collect()
    }

    /// Row 51 of the threat table: words that would begin a header, or a mail, of their own.
    #[test]
    fn no_word_adds_a_header_to_a_mail() {
        let plain = written("Bank", "Hello", "Text");
        let names = names_of_headers(&plain);
        assert!(names.contains(&"Message-ID") && names.contains(&"Auto-Submitted"), "{names:?}");
        for hostile in [
            "x\r\nBcc: eve@example.org",
            "x\nBcc: eve@example.org",
            "x\r\n\r\ntext",
            "\u{2028}\r\n.\r\n",
        ] {
            for mail in [written(hostile, "Hello", "Text"), written("Bank", hostile, "Text")] {
                assert_eq!(names_of_headers(&mail), names, "{hostile:?}: {mail}");
                assert!(mail.ends_with("\r\n\r\nText"), "{hostile:?}: {mail}");
            }
            let mail = written("Bank", "Hello", hostile);
            assert_eq!(names_of_headers(&mail), names, "{hostile:?}: {mail}");
        }
        for to in
            ["ada@example.org\r\nBcc: x", "ada@example.org, eve@example.org", "<ada@example.org>"]
        {
            assert!(Email::parse(to).is_err(), "{to:?}");
        }
    }

    /// Prevents: a link that a mailbox breaks in two, or a letter that nobody can read as it is.
    #[test]
    fn a_letter_is_plain_text_and_its_link_is_whole() {
        let sender =
            Sender { bank: String::from("Bank"), origin: String::from("https://bank.example") };
        let token = "A".repeat(64);
        let letter = Words::ConfirmAddress { token: token.clone() };
        let text = letter.text(&sender, Timestamp(1_790_000_000_000_000_000)).unwrap();
        let link = format!("https://bank.example/register/confirm?token={token}");
        assert!(text.lines().any(|line| line == link), "{text}");
        let mail = written("Bank", &letter.subject(&sender), &text);
        // Lines as long as that are folded on the way (RFC 2045), and unfolded by whoever shows them.
        let unfolded = mail.replace("=\r\n", "").replace("=3D", "=");
        assert!(unfolded.lines().any(|line| line == link), "{mail}");
    }
}
