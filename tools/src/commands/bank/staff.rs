//! `florin bank staff`: who is on a bank's staff.

use super::access::{Access, unavailable};
use crate::exit::{Exit, Failure};
use clap::{Args, Subcommand};
use florin_adapter::audit::Caller;
use florin_adapter::customers::{Password, TotpSecret};
use florin_adapter::email::Email;
use florin_adapter::staff::{self, MemberRefused, NewMember, Role};
use serde_json::json;
use std::io::{self, Write};

/// Say who is on the staff, and what they may do
#[derive(Args, Debug)]
pub(super) struct Staff {
    #[command(subcommand)]
    action: StaffAction,
}

#[derive(Subcommand, Debug)]
enum StaffAction {
    /// Make a member of the staff; what they log in with is printed once
    Add {
        #[command(flatten)]
        access: Access,
        /// Their e-mail address, which no customer has
        #[arg(long, value_name = "ADDRESS", value_parser = email)]
        email: Email,
        /// Their name
        #[arg(long, value_name = "NAME")]
        name: String,
        /// What they may do: support, fraud, operations or admin; may be repeated
        #[arg(long = "role", value_name = "ROLE", required = true)]
        roles: Vec<Role>,
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List who is on the staff
    List {
        #[command(flatten)]
        access: Access,
        /// As one JSON object a member
        #[arg(long)]
        json: bool,
    },
    /// Give a member other roles; their logins are over then
    Roles {
        #[command(flatten)]
        access: Access,
        /// Their e-mail address
        #[arg(long, value_name = "ADDRESS", value_parser = email)]
        email: Email,
        /// What they may do from now on; may be repeated
        #[arg(long = "role", value_name = "ROLE", required = true)]
        roles: Vec<Role>,
    },
    /// Let a member go: they log in no more, and what they did stays on record
    Remove {
        #[command(flatten)]
        access: Access,
        /// Their e-mail address
        #[arg(long, value_name = "ADDRESS", value_parser = email)]
        email: Email,
    },
}

impl Staff {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        match &self.action {
            StaffAction::Add { access, email, name, roles, json } => {
                add(access, email, name, roles, *json)
            }
            StaffAction::List { access, json } => list(access, *json),
            StaffAction::Roles { access, email, roles } => {
                let roles = roles.iter().copied().collect();
                access.with_bank(async |bank| {
                    let changed = staff::change_roles(bank, &Caller::bank(), email, &roles).await;
                    changed.map_err(|refused| refusal(&refused))
                })?;
                writeln!(io::stdout().lock(), "{}: {roles}", email.written())?;
                Ok(Exit::Done)
            }
            StaffAction::Remove { access, email } => {
                access.with_bank(async |bank| {
                    let removed = staff::remove(bank, &Caller::bank(), email).await;
                    removed.map_err(|refused| refusal(&refused))
                })?;
                writeln!(io::stdout().lock(), "{} is not on the staff any more", email.written())?;
                Ok(Exit::Done)
            }
        }
    }
}

fn add(
    access: &Access,
    email: &Email,
    name: &str,
    roles: &[Role],
    json: bool,
) -> Result<Exit, Failure> {
    let password = staff::new_password();
    let totp = TotpSecret::generate();
    let roles: staff::Roles = roles.iter().copied().collect();
    let id = access.with_bank(async |bank| {
        let new = NewMember {
            email: email.clone(),
            name: String::from(name),
            roles: roles.clone(),
            password: Password::new(password.clone())
                .map_err(|error| Failure::usage(error.to_string()))?,
            totp: totp.clone(),
        };
        staff::add(bank, &Caller::bank(), new).await.map_err(|refused| refusal(&refused))
    })?;
    let (email, secret) = (email.written(), totp.base32());
    let mut output = io::stdout().lock();
    if json {
        let made = json!({
            "id": id.to_string(), "email": email, "password": password, "totp_secret": secret,
            "roles": roles.names(),
        });
        writeln!(output, "{made}")?;
    } else {
        writeln!(output, "{email} is on the staff: {roles}")?;
        writeln!(output, "  password {password}   code of {secret}")?;
        writeln!(output, "Give them both now, by two ways: they are not shown again.")?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

fn list(access: &Access, json: bool) -> Result<Exit, Failure> {
    let members = access.with_bank(async |bank| {
        staff::members(&bank.store).await.map_err(|error| unavailable(&error))
    })?;
    let mut output = io::stdout().lock();
    for member in members {
        let staff::Member { id, name, email, roles } = member;
        if json {
            let id = id.to_string();
            let line = json!({"id": id, "email": email, "name": name, "roles": roles.names()});
            writeln!(output, "{line}")?;
        } else {
            writeln!(output, "{email}   {name}   {roles}")?;
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}

fn email(text: &str) -> Result<Email, String> {
    Email::parse(text).map_err(|error| error.to_string())
}

/// What is refused is a finding; what could not be tried is not.
fn refusal(refused: &MemberRefused) -> Failure {
    match refused {
        MemberRefused::Bank(error) => unavailable(error),
        refused => Failure::new(Exit::Findings, refused.to_string()),
    }
}
