//! What members of the staff ask for and others must approve.

use super::answer::{Refusal, answered};
use crate::bank::Bank;
use crate::customers::{approve_erasure, approve_factor_recovery, approve_name_change};
use crate::payments::approve_reversal;
use crate::staff::{Clerk, Matter, Proposal, Proposals, proposals, reject};
use crate::store::Found;
use crate::web::forms::Form;
use crate::web::pages;
use crate::web::pages::Problem;
use crate::web::session::StaffSession;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use std::sync::Arc;

struct ProposalRow {
    /// As the form names it.
    matter: &'static str,
    id: String,
    /// Which proposal it is: what was made since is another.
    proposal: String,
    title: &'static str,
    path: String,
    reason: String,
    day: String,
    is_own: bool,
    may_approve: bool,
    may_reject: bool,
}

#[derive(Template)]
#[template(path = "staff/approvals.html")]
struct ApprovalsPage<'a> {
    bank: &'a str,
    csrf: String,
    proposals: Vec<ProposalRow>,
    problem: String,
}

pub(super) async fn show(State(bank): State<Arc<Bank>>, session: StaffSession) -> Response {
    page(&bank, &session, String::new()).await.unwrap_or_else(Refusal::answer)
}

async fn page(bank: &Bank, session: &StaffSession, problem: String) -> Result<Response, Refusal> {
    let found = proposals(&bank.store).await?;
    Ok(pages::page(&ApprovalsPage {
        bank: &bank.options.name,
        csrf: session.csrf.clone(),
        proposals: found.iter().map(|proposal| row(&session.clerk, proposal)).collect(),
        problem,
    }))
}

fn row(clerk: &Clerk, found: &Found<Proposals>) -> ProposalRow {
    let Proposal { matter, maker, proposed_at, proposal_id, .. } = found.row.open;
    let (name, id, title, path) = match matter {
        Matter::Reversal(id) => {
            ("reversal", id.to_string(), "Reverse a transfer", format!("/staff/transactions/{id}"))
        }
        Matter::Erasure(id) => {
            ("erasure", id.to_string(), "Forget a customer", format!("/staff/customers/{id}"))
        }
        Matter::FactorRecovery(id) => (
            "factor_recovery",
            id.to_string(),
            "Send a link to another authenticator app",
            format!("/staff/customers/{id}"),
        ),
        Matter::NameChange(id) => (
            "name_change",
            id.to_string(),
            "Call a customer otherwise: look at them for the name",
            format!("/staff/customers/{id}"),
        ),
    };
    let is_own = maker == clerk.id();
    ProposalRow {
        matter: name,
        id,
        proposal: proposal_id.map(|id| id.to_string()).unwrap_or_default(),
        title,
        path,
        reason: found.row.statutory.as_known().map(|it| it.reason.clone()).unwrap_or_default(),
        day: pages::day(proposed_at.into()),
        is_own,
        may_approve: !is_own && clerk.may(matter.checkers()),
        may_reject: is_own || clerk.may(matter.checkers()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionFields {
    matter: String,
    id: String,
    #[serde(default)]
    proposal: String,
    decision: Decision,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Decision {
    Approve,
    Reject,
}

pub(super) async fn decide(
    State(bank): State<Arc<Bank>>,
    Form(session, typed): Form<StaffSession, DecisionFields>,
) -> Response {
    let matter = match &*typed.matter {
        "reversal" => typed.id.parse().ok().map(Matter::Reversal),
        "erasure" => typed.id.parse().ok().map(Matter::Erasure),
        "factor_recovery" => typed.id.parse().ok().map(Matter::FactorRecovery),
        "name_change" => typed.id.parse().ok().map(Matter::NameChange),
        _ => None,
    };
    let Some(matter) = matter else { return pages::problem(Problem::Malformed) };
    let seen = match &*typed.proposal {
        "" => Ok(None),
        proposal => proposal.parse().map(Some),
    };
    let Ok(seen) = seen else { return pages::problem(Problem::Malformed) };
    let clerk = session.clerk.clone().seeing(seen);
    let done = decided(&bank, &clerk, matter, typed.decision).await;
    let again = async |problem| page(&bank, &session, problem).await;
    answered("/staff/approvals", done, again).await
}

async fn decided(
    bank: &Bank,
    clerk: &Clerk,
    matter: Matter,
    decision: Decision,
) -> Result<(), Refusal> {
    match (decision, matter) {
        (Decision::Reject, matter) => Ok(reject(bank, clerk, matter).await?),
        (Decision::Approve, Matter::Reversal(id)) => Ok(approve_reversal(bank, clerk, id).await?),
        (Decision::Approve, Matter::Erasure(id)) => Ok(approve_erasure(bank, clerk, id).await?),
        (Decision::Approve, Matter::FactorRecovery(id)) => {
            Ok(approve_factor_recovery(bank, clerk, id).await?)
        }
        (Decision::Approve, Matter::NameChange(id)) => {
            Ok(approve_name_change(bank, clerk, id).await?)
        }
    }
}
