//! Mails as files: for a bank to look at, and for one that hands them on by itself.

use super::letter::Sender;
use super::mail::{Mail, MailError, Mailer, Sending};
use crate::email::Email;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Writes each mail into a file of its own, `ltr_….eml`, for its owner alone. Names rise with time.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    sender: Sender,
    from: Email,
}

impl Directory {
    /// Mails into a directory that exists, from an address.
    #[must_use]
    pub fn new(path: &Path, sender: Sender, from: Email) -> Directory {
        Directory { path: path.to_path_buf(), sender, from }
    }

    /// The file of a mail.
    #[must_use]
    pub fn file(&self, mail: &Mail) -> PathBuf {
        self.path.join(format!("{}.eml", mail.id))
    }

    fn write(&self, mail: &Mail) -> Result<(), MailError> {
        let message = mail.message(&self.sender, &self.from)?.formatted();
        let path = self.file(mail);
        // Whoever sees the file sees all of it.
        let unfinished = path.with_extension("part");
        let failed = |error: std::io::Error| MailError(format!("{}: {error}", path.display()));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&unfinished).map_err(failed)?;
        file.write_all(&message).and_then(|()| file.sync_all()).map_err(failed)?;
        std::fs::rename(&unfinished, &path).map_err(failed)
    }
}

impl Mailer for Directory {
    fn send<'a>(&'a self, mail: &'a Mail) -> Sending<'a> {
        Box::pin(async move { self.write(mail) })
    }
}
