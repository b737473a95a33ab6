//! What a customer is told of, for them to choose.

use super::forms::Form;
use super::pages;
use super::session::Session;
use crate::alerts::{Devices, Preferences, PreferencesRefused, Ways, Wishes};
use crate::bank::Bank;
use crate::error::BankError;
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "notifications.html")]
struct NotificationsPage<'a> {
    bank: &'a str,
    csrf: String,
    events: [Event; 3],
    has_sms: bool,
    sends_push: bool,
    devices_count: usize,
    problem: String,
}

/// A row of the form.
struct Event {
    name: &'static str,
    title: &'static str,
    ways: Ways,
}

pub(super) async fn form(State(bank): State<Arc<Bank>>, session: Session) -> Response {
    match Preferences::of(&bank.store, session.customer()).await {
        Ok(wishes) => show(&bank, &session, wishes, String::new()).await,
        Err(error) => pages::failed(&error),
    }
}

async fn show(bank: &Bank, session: &Session, wishes: Wishes, problem: String) -> Response {
    let customer = session.customer();
    let known = async {
        let devices = Devices::of(&bank.store, customer).await?;
        Ok::<_, BankError>((Preferences::reach(bank, customer).await?, devices.len()))
    };
    let ((has_sms, sends_push), devices_count) = match known.await {
        Ok(known) => known,
        Err(error) => return pages::failed(&error),
    };
    let page = NotificationsPage {
        bank: &bank.options.name,
        csrf: session.csrf.clone(),
        events: [
            Event { name: "money_in", title: "Money comes in", ways: wishes.money_in },
            Event { name: "money_out", title: "Money goes out", ways: wishes.money_out },
            Event {
                name: "money_out_failed",
                title: "A payment fails",
                ways: wishes.money_out_failed,
            },
        ],
        has_sms,
        sends_push,
        devices_count,
        problem,
    };
    pages::form(&page, &page.problem)
}

/// A box that is not ticked is not sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(super) struct NotificationFields {
    money_in_email: Option<Ticked>,
    money_in_sms: Option<Ticked>,
    money_in_push: Option<Ticked>,
    money_out_email: Option<Ticked>,
    money_out_sms: Option<Ticked>,
    money_out_push: Option<Ticked>,
    money_out_failed_email: Option<Ticked>,
    money_out_failed_sms: Option<Ticked>,
    money_out_failed_push: Option<Ticked>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Ticked {
    On,
}

impl NotificationFields {
    fn wishes(&self) -> Wishes {
        let ways = |email: &Option<Ticked>, sms: &Option<Ticked>, push: &Option<Ticked>| Ways {
            email: email.is_some(),
            sms: sms.is_some(),
            push: push.is_some(),
        };
        Wishes {
            money_in: ways(&self.money_in_email, &self.money_in_sms, &self.money_in_push),
            money_out: ways(&self.money_out_email, &self.money_out_sms, &self.money_out_push),
            money_out_failed: ways(
                &self.money_out_failed_email,
                &self.money_out_failed_sms,
                &self.money_out_failed_push,
            ),
        }
    }
}

pub(super) async fn set(
    State(bank): State<Arc<Bank>>,
    Form(session, fields): Form<Session, NotificationFields>,
) -> Response {
    let wishes = fields.wishes();
    match Preferences::set(&bank, &session.orderer, wishes).await {
        Ok(()) => Redirect::to("/security?notice=notifications").into_response(),
        Err(PreferencesRefused::Bank(error)) => pages::failed(&error),
        Err(refused) => show(&bank, &session, wishes, refused.to_string()).await,
    }
}
