//! What can be wrong between this machine and an object store: what passes by itself, and what somebody must do
//! about the rest.

use hyper::StatusCode;
use object_store::client::{HttpError, HttpErrorKind};
use std::error::Error;

/// Most of what a server says of an error that is repeated.
const MESSAGE_CHARS_MAX: usize = 200;

/// Why a question had no good answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// There is no connection.
    #[error("{0}")]
    Unreachable(String),
    /// The server's certificate is not good, or it was asked in the open.
    #[error("{0}")]
    Untrusted(String),
    /// The connection ended before the answer did. What was asked may have been done.
    #[error("{0}")]
    Cut(String),
    /// The server is silent. What was asked may have been done.
    #[error("no answer in time")]
    Late,
    /// The server said no.
    #[error("{status} {code}: {message}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// What it calls the error; empty if it does not say.
        code: String,
        /// What it says to people.
        message: String,
    },
    /// The answer is none.
    #[error("{0}")]
    Odd(String),
}

impl Trouble {
    /// What lies at the root of an error.
    pub(super) fn of(error: &object_store::Error) -> Trouble {
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(it) = cause {
            if let Some(trouble) = it.downcast_ref::<Trouble>() {
                return trouble.clone();
            }
            cause = it.source();
        }
        Trouble::Odd(printable(&error.to_string()))
    }

    /// A server's answer that is none of success.
    pub(super) fn refused(status: StatusCode, body: &[u8]) -> Trouble {
        let body = String::from_utf8_lossy(body);
        let of = |element: &str| printable(between(&body, element).unwrap_or_default());
        Trouble::Refused { status, code: of("Code"), message: of("Message") }
    }

    /// As the library that carries it wants it: it tries nothing again by itself.
    pub(super) fn into_http(self) -> HttpError {
        HttpError::new(HttpErrorKind::Unknown, self)
    }

    /// Whether asking again later may help.
    pub(super) fn passes(&self) -> bool {
        match self {
            Trouble::Unreachable(_) | Trouble::Cut(_) | Trouble::Late => true,
            Trouble::Untrusted(_) | Trouble::Odd(_) => false,
            Trouble::Refused { status, code, .. } => {
                // A conflict is two writers at the same moment: asked again, one of them was first.
                let is_passing = [
                    StatusCode::REQUEST_TIMEOUT,
                    StatusCode::CONFLICT,
                    StatusCode::TOO_MANY_REQUESTS,
                ];
                is_passing.contains(status)
                    || (status.is_server_error() && *status != StatusCode::NOT_IMPLEMENTED)
                    || ["SlowDown", "RequestTimeout"].contains(&code.as_str())
            }
        }
    }

    /// Whether the server said so, with this status.
    pub(super) fn is(&self, wanted: StatusCode) -> bool {
        matches!(self, Trouble::Refused { status, .. } if *status == wanted)
    }

    /// Whether it is the object that is not there, and not its bucket.
    pub(super) fn is_missing_object(&self) -> bool {
        self.is(StatusCode::NOT_FOUND) && !self.has_code("NoSuchBucket")
    }

    fn has_code(&self, wanted: &str) -> bool {
        matches!(self, Trouble::Refused { code, .. } if code == wanted)
    }

    /// In words, with what is to be done.
    pub(super) fn told(&self, bucket: &str, endpoint: &str) -> String {
        let (status, code) = match self {
            Trouble::Unreachable(why) => {
                return format!(
                    "can't reach {endpoint}: {why}: see whether AWS_ENDPOINT_URL and AWS_REGION are right, \
                     and the network"
                );
            }
            Trouble::Untrusted(why) => {
                return format!(
                    "{endpoint} is not trusted: {why}: name its authority in AWS_CA_BUNDLE, or see who \
                     answers there"
                );
            }
            Trouble::Cut(why) => {
                return format!("{endpoint} did not answer to the end: {why}: try again");
            }
            Trouble::Late => return format!("{endpoint} does not answer in time: try again later"),
            Trouble::Odd(why) => {
                return format!("what {endpoint} answers is not understood: {why}");
            }
            Trouble::Refused { status, code, .. } => (*status, code.as_str()),
        };
        match (status, code) {
            (_, "NoSuchBucket") => {
                format!("there is no bucket {bucket} at {endpoint}: make it, or name another")
            }
            (_, "InvalidAccessKeyId") => format!(
                "{endpoint} does not know the access key: see whether AWS_ACCESS_KEY_ID is one of this \
                 store's"
            ),
            (_, "SignatureDoesNotMatch") => format!(
                "{endpoint} finds another signature: see whether AWS_SECRET_ACCESS_KEY and AWS_REGION are \
                 right"
            ),
            (_, "RequestTimeTooSkewed") => format!(
                "the clocks of this machine and of {endpoint} are too far apart: set this one right, then \
                 try again"
            ),
            (_, "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") => {
                format!("{endpoint} does not take the session token: get a new AWS_SESSION_TOKEN")
            }
            (_, "PermanentRedirect" | "AuthorizationHeaderMalformed" | "TemporaryRedirect")
            | (StatusCode::MOVED_PERMANENTLY | StatusCode::TEMPORARY_REDIRECT, _) => format!(
                "the bucket {bucket} is in another region: set AWS_REGION to its own ({self})"
            ),
            (StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED, _) => format!(
                "{endpoint} refuses it ({self}): let the access key list, get, put and delete objects of \
                 the bucket {bucket}"
            ),
            (StatusCode::NOT_IMPLEMENTED, _) => format!(
                "{endpoint} can't do that ({self}): backups need a store that creates an object only if \
                 there is none (If-None-Match)"
            ),
            (StatusCode::PRECONDITION_FAILED, _) => {
                String::from("it became another one while it was read: see who writes there")
            }
            _ if self.passes() => {
                format!("{endpoint} is in trouble or asks to slow down ({self}): try again later")
            }
            _ => format!("{endpoint} refuses it ({self})"),
        }
    }
}

/// What stands within the first element of a name.
fn between<'a>(text: &'a str, element: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{element}>"))?;
    Some(rest.split_once(&format!("</{element}>"))?.0)
}

/// What a server says can't steer a terminal, nor fill it.
fn printable(text: &str) -> String {
    let seen = text.chars().map(|it| if it.is_control() { ' ' } else { it });
    seen.take(MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str) -> Trouble {
        let body =
            format!("<?xml?><Error><Code>{code}</Code><Message>m\u{1b}[2J</Message></Error>");
        Trouble::refused(StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    /// What a server may say, whether it is asked again, and a word of what is told.
    #[test]
    fn what_is_asked_again_and_what_is_told() {
        for (status, code, passes, word) in [
            (503, "SlowDown", true, "slow down"),
            (500, "InternalError", true, "trouble"),
            (409, "ConditionalRequestConflict", true, "trouble"),
            (429, "", true, "slow down"),
            (400, "RequestTimeout", true, "trouble"),
            (501, "NotImplemented", false, "If-None-Match"),
            (412, "PreconditionFailed", false, "another one"),
            (404, "NoSuchBucket", false, "no bucket vault"),
            (403, "AccessDenied", false, "let the access key"),
            (403, "InvalidAccessKeyId", false, "AWS_ACCESS_KEY_ID"),
            (403, "SignatureDoesNotMatch", false, "AWS_SECRET_ACCESS_KEY"),
            (403, "RequestTimeTooSkewed", false, "clocks"),
            (400, "ExpiredToken", false, "AWS_SESSION_TOKEN"),
            (301, "PermanentRedirect", false, "AWS_REGION"),
            (400, "AuthorizationHeaderMalformed", false, "AWS_REGION"),
            (418, "Teapot", false, "418"),
        ] {
            let trouble = refused(status, code);
            assert_eq!(trouble.passes(), passes, "{code}");
            let told = trouble.told("vault", "https://store.example");
            assert!(told.contains(word), "{code}: {told}");
            assert!(!told.contains('\u{1b}'), "{told:?}");
        }
    }

    #[test]
    fn an_object_that_is_missing_is_told_from_a_bucket() {
        assert!(refused(404, "NoSuchKey").is_missing_object());
        assert!(refused(404, "").is_missing_object());
        assert!(!refused(404, "NoSuchBucket").is_missing_object());
        assert!(!refused(403, "NoSuchKey").is_missing_object());
    }

    #[test]
    fn whatever_a_server_says_is_cut_short() {
        let body = format!("<Message>{}</Message>", "x".repeat(100_000));
        let Trouble::Refused { code, message, .. } =
            Trouble::refused(StatusCode::BAD_GATEWAY, body.as_bytes())
        else {
            panic!("it is refused");
        };
        assert_eq!((code.len(), message.len()), (0, MESSAGE_CHARS_MAX));
        Trouble::refused(StatusCode::BAD_GATEWAY, b"<Code>\xff<Message></Code>");
    }
}
