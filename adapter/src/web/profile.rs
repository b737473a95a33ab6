//! Who the bank knows a customer as, for them to look at.

use super::pages;
use super::session::{Session, no_such};
use crate::bank::Bank;
use crate::customers::{Customers, KycStatus};
use crate::staff::{Matter, proposal};
use crate::store::Found;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "profile.html")]
struct ProfilePage<'a> {
    bank: &'a str,
    csrf: String,
    name: String,
    /// What they have asked to be called.
    wanted_name: String,
    email: String,
    /// Empty, as whatever follows, if the bank does not know it.
    phone: String,
    address: String,
    born: String,
    identity: &'static str,
    since: String,
}

pub(super) async fn show(State(bank): State<Arc<Bank>>, session: Session) -> Response {
    let found = bank.store.get(&session.customer().bytes()).await;
    let found: Found<Customers> = match found {
        Ok(Some(found)) => found,
        Ok(None) => return no_such(),
        Err(error) => return pages::failed(&error),
    };
    // Who is erased while they look is nobody.
    let Some(profile) = found.row.profile.known() else { return no_such() };
    let wanted = match proposal(&bank.store, Matter::NameChange(session.customer())).await {
        Ok(wanted) => wanted.and_then(|found| found.row.statutory.known()?.name),
        Err(error) => return pages::failed(&error),
    };
    let wanted = wanted.map(|it| format!("{} {}", it.first_name, it.last_name));
    let open = found.row.open;
    pages::page(&ProfilePage {
        bank: &bank.options.name,
        csrf: session.csrf,
        name: format!("{} {}", profile.first_name, profile.last_name),
        wanted_name: wanted.unwrap_or_default(),
        email: profile.email,
        phone: profile.phone_number.unwrap_or_default(),
        address: profile.address.unwrap_or_default(),
        born: profile.date_of_birth.unwrap_or_default(),
        identity: match open.kyc_status {
            KycStatus::Pending => "Not checked yet",
            KycStatus::Verified => "Checked",
            KycStatus::Rejected => "Could not be checked",
        },
        since: pages::day(open.created_at.into()),
    })
}
