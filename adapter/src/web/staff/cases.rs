//! Transfers that wait for a person: those that rules want somebody to look at, and those that could not go on.
//! What is listed says nothing about a customer; whoever follows it to the transaction is on record.

use super::answer::{Refusal, answered};
use crate::bank::Bank;
use crate::id::{Case, Id, Transaction};
use crate::payments::parked::{self, Parked, RESUMERS};
use crate::payments::review::{self, CaseVerdict, Cases, REVIEWERS};
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

struct CaseRow {
    id: String,
    transaction: String,
    reason: String,
    day: String,
}

struct ParkedRow {
    transaction: String,
    reason: String,
    day: String,
}

#[derive(Template)]
#[template(path = "staff/cases.html")]
struct CasesPage<'a> {
    bank: &'a str,
    csrf: String,
    cases: Vec<CaseRow>,
    may_decide: bool,
    parked: Vec<ParkedRow>,
    may_resume: bool,
    problem: String,
}

pub(super) async fn show(State(bank): State<Arc<Bank>>, session: StaffSession) -> Response {
    page(&bank, &session, String::new()).await.unwrap_or_else(Refusal::answer)
}

async fn page(bank: &Bank, session: &StaffSession, problem: String) -> Result<Response, Refusal> {
    let cases = review::waiting(&bank.store).await?;
    let parked = parked::list(&bank.store).await?;
    Ok(pages::page(&CasesPage {
        bank: &bank.options.name,
        csrf: session.csrf.clone(),
        cases: cases.iter().map(case_row).collect(),
        may_decide: session.clerk.may(&REVIEWERS),
        parked: parked.iter().map(parked_row).collect(),
        may_resume: session.clerk.may(&RESUMERS),
        problem,
    }))
}

fn case_row(found: &Found<Cases>) -> CaseRow {
    let open = &found.row.open;
    CaseRow {
        id: open.case_id.to_string(),
        transaction: open.transaction_id.to_string(),
        reason: open.reason.replace('_', " "),
        day: pages::day(open.opened_at.into()),
    }
}

fn parked_row(found: &Found<Parked>) -> ParkedRow {
    let open = &found.row.open;
    ParkedRow {
        transaction: open.transaction_id.to_string(),
        reason: open.reason.clone(),
        day: pages::day(open.parked_at.into()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VerdictFields {
    case: String,
    verdict: Verdict,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Approve,
    Reject,
}

pub(super) async fn decide(
    State(bank): State<Arc<Bank>>,
    Form(session, typed): Form<StaffSession, VerdictFields>,
) -> Response {
    let Ok(case) = typed.case.parse::<Id<Case>>() else {
        return pages::problem(Problem::Malformed);
    };
    let verdict = match typed.verdict {
        Verdict::Approve => CaseVerdict::Approve,
        Verdict::Reject => CaseVerdict::Reject,
    };
    let done = review::decide(&bank, &session.clerk, case, verdict).await;
    let again = async |problem| page(&bank, &session, problem).await;
    answered("/staff/cases", done, again).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResumeFields {
    transaction: String,
}

pub(super) async fn resume(
    State(bank): State<Arc<Bank>>,
    Form(session, typed): Form<StaffSession, ResumeFields>,
) -> Response {
    let Ok(transaction) = typed.transaction.parse::<Id<Transaction>>() else {
        return pages::problem(Problem::Malformed);
    };
    let done = parked::resume(&bank, &session.clerk, transaction).await;
    let again = async |problem| page(&bank, &session, problem).await;
    answered("/staff/cases", done, again).await
}
