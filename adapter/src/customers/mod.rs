//! Customers: who they are, and how they prove it.
//!
//! - A customer is a document of USERS; what logs them in lies apart, so that looking at a profile opens no
//!   secret.
//! - An e-mail address belongs to one customer: the commit that makes one needs that nothing is under the
//!   address's blind index.
//! - Who registers by themselves is one once an authenticator app is theirs ([`Registrations`]).

mod contact;
mod counter;
mod credentials;
pub(crate) mod decoy;
mod email_change;
mod enrolment;
mod erasure;
mod factor;
mod factor_change;
mod factor_recovery;
mod familiar;
mod founding;
mod link;
mod lockout;
mod login;
mod login_code;
mod logins;
mod name;
mod name_change;
mod password;
mod password_change;
mod phone_change;
mod record;
mod recovery;
mod recovery_code;
mod registration;
mod session;
mod sms_factor;
mod step_up;
mod totp;

pub(crate) use contact::caution;
pub(crate) use counter::forget as forget_attempts;
pub(crate) use credentials::FactorUses;
pub use credentials::{Credentials, CredentialsSealed};
pub use email_change::{ConfirmRefused, EmailChanges, NewEmailRefused};
pub use enrolment::{EnrolError, Enrolment, Newcomer, Registrations};
pub use erasure::{EraseRefused, approve_erasure, erase, request_erasure};
pub(crate) use factor::prove_with;
pub use factor::{Accepted, FactorProof, FactorRefused, prove};
pub use factor_change::{FactorChanges, NewFactorRefused};
pub use factor_recovery::{
    FactorRecoveries, FactorRecoveryRefused, approve_factor_recovery, request_factor_recovery,
};
pub use familiar::{DeviceMark, NotAMark};
pub(crate) use familiar::{is_new, is_new_country};
pub(crate) use founding::{Founder, founding};
pub use link::{Link, NotALink};
pub use login::{Attempt, Holder, LoginAttempts, LoginError};
pub use logins::{Ending, LoginInUse, end_logins, log_out, logins_of};
pub use name::{NAME_CHARACTERS_MAX, NotAName, PersonName};
pub use name_change::{
    NameChangeRefused, NewName, approve_name_change, ask_for_name, request_name_change,
};
pub use password::{Password, PasswordError, Passwords, Waiting};
pub use password_change::{PasswordChange, change_password};
pub use phone_change::{NewPhoneRefused, PhoneChanges, PhoneCodeRefused};
pub(crate) use record::{CustomerEmails, CustomerOpen, contact_of, tell, user_of_email};
pub use record::{Customers, KycStatus, Profile, UserKind};
pub use recovery::{RecoverRefused, Recoveries};
pub use recovery_code::{
    CODES_COUNT, NewCodes, RecoveryCode, RecoveryCodes, codes_left, renew_codes,
};
pub use registration::{NewCustomer, Registered, register};
pub use session::{Found as FoundLogin, LoginKey, LoginSession, Sessions, Token};
pub(crate) use sms_factor::{SentCode, code_hash, new_code, number_for_codes};
pub use sms_factor::{SmsFactorRefused, choose_sms, takes_sms};
pub(crate) use step_up::changed;
pub use step_up::{ChangeRefused, StepUp};
pub use totp::TotpSecret;
