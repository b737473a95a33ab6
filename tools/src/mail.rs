//! Where a bank's letters go: to a relay, into a directory, or nowhere yet.

use crate::exit::Failure;
use clap::Args;
use florin_adapter::email::Email;
use florin_adapter::notify::{Directory, Mail, Mailer, Sender, Sending, Smtp, SmtpRelay};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The flags that say where letters go. Without one of them they wait in the ledger.
#[derive(Args, Clone, Debug)]
pub(crate) struct MailArguments {
    /// Give mail to the relay that listens here; smtp:// speaks STARTTLS, but on this machine
    #[arg(
        long, value_name = "smtps://HOST[:PORT]", requires = "mail_from", conflicts_with = "outbox",
        value_parser = |text: &str| text.parse::<SmtpRelay>()
    )]
    smtp: Option<SmtpRelay>,

    /// The line NAME:PASSWORD that the relay asks for
    #[arg(long, value_name = "FILE", requires = "smtp")]
    smtp_credentials: Option<PathBuf>,

    /// The address that mail comes from
    #[arg(long, value_name = "ADDRESS", value_parser = |text: &str| Email::parse(text))]
    mail_from: Option<Email>,

    /// Write mail into this directory, each a file of its own
    #[arg(long, value_name = "DIR", requires = "mail_from")]
    outbox: Option<PathBuf>,
}

impl MailArguments {
    /// Whoever takes the bank's mail; nobody, if letters are to wait.
    ///
    /// # Errors
    /// If a file can't be read, or the relay can't be used.
    pub(crate) fn mailer(&self, sender: &Sender) -> Result<Option<Arc<dyn Mailer>>, Failure> {
        let (Some(from), sender) = (self.mail_from.clone(), sender.clone()) else {
            return Ok(None);
        };
        if let Some(directory) = &self.outbox {
            return Ok(Some(Arc::new(Directory::new(directory, sender, from))));
        }
        let Some(relay) = &self.smtp else { return Ok(None) };
        let credentials = self.smtp_credentials.as_deref().map(line_of).transpose()?;
        let smtp = Smtp::new(relay, credentials, sender, from);
        let smtp = smtp.map_err(|error| Failure::unavailable(format!("--smtp: {error}")))?;
        Ok(Some(Arc::new(smtp)))
    }
}

fn line_of(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed = |error| Failure::unavailable(format!("can't read {}: {error}", path.display()));
    fs::read_to_string(path).map(Zeroizing::new).map_err(failed)
}

/// The mail of a bank to look at: files in a directory of its own, which a person is told of.
#[derive(Debug)]
pub(crate) struct Shown {
    directory: Directory,
    is_quiet: bool,
}

impl Shown {
    /// Makes the directory.
    ///
    /// # Errors
    /// If it can't be made.
    pub(crate) fn new(path: &Path, sender: Sender, is_quiet: bool) -> Result<Shown, Failure> {
        let failed =
            |error| Failure::unavailable(format!("can't make {}: {error}", path.display()));
        fs::create_dir(path).map_err(failed)?;
        let from = Email::parse("bank@demo.florin.example");
        let from = from.map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Shown { directory: Directory::new(path, sender, from), is_quiet })
    }

    fn show(&self, mail: &Mail) -> io::Result<()> {
        let mut output = io::stdout().lock();
        let file = self.directory.file(mail);
        let (to, subject) = (mail.to.written(), &mail.subject);
        writeln!(output, "\nMail to {to}: {subject} ({})\n", file.display())?;
        for line in mail.text.lines() {
            writeln!(output, "  | {line}")?;
        }
        output.flush()
    }
}

impl Mailer for Shown {
    fn send<'a>(&'a self, mail: &'a Mail) -> Sending<'a> {
        Box::pin(async move {
            self.directory.send(mail).await?;
            if !self.is_quiet {
                // It is in its file, whether somebody watches or not.
                let _ = self.show(mail);
            }
            Ok(())
        })
    }
}
