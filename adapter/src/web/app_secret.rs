//! A new secret of an authenticator app on a page: as a picture, as a link on the phone itself, and as text.

use super::picture::Picture;
use crate::bank::Bank;
use crate::customers::Enrolment;

/// What `app_secret.html` shows.
pub(super) struct AppSecret {
    /// In groups, as people type it.
    pub(super) secret: String,
    pub(super) uri: String,
    pub(super) picture: Picture,
}

impl AppSecret {
    pub(super) fn of(bank: &Bank, enrolment: &Enrolment) -> AppSecret {
        let Enrolment { totp, email } = enrolment;
        let uri = totp.uri(&bank.options.name, email);
        AppSecret { secret: totp.in_groups(), picture: Picture::of(&uri), uri }
    }
}
