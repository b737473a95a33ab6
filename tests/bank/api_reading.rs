//! What customers read through the API. What would go wrong without: one customer looks at another's account, or a
//! program shows a balance or a history that is not the ledger's.

use crate::app::{Answer, App, json_request, text};
use crate::branch::Branch;
use axum::http::{Request, header};
use florin_adapter::clock::{MINUTE, SECOND};
use serde_json::{Value, json};

#[tokio::test]
async fn balances_and_states_are_the_ledgers() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let (one, other) = (branch.account(&ada, 10_000).await, branch.account(&ada, 0).await);
    let begun = branch.sends(&ada, one, other, 2_500).await.unwrap();
    let app = App::logged_in(&branch, &ada).await;
    let accounts = app.gets("/v1/accounts").await.good();
    let account = app.gets(&format!("/v1/accounts/{one}")).await.good();
    let listed = accounts["data"].as_array().unwrap();
    assert!(listed.len() == 2 && listed.contains(&account), "{accounts}");
    let balances = |account: &Value| {
        ["posted", "pending", "available"]
            .map(|kind| account[format!("{kind}_balance_cents")].clone())
    };
    assert_eq!(balances(&account), [10_000, 2_500, 7_500].map(|cents| json!(cents)));
    for (member, value) in [
        ("account_type", "CHECKING"),
        ("currency", "EUR"),
        ("status", "ACTIVE"),
        ("account_id", &*one.to_string()),
    ] {
        assert_eq!(account[member], value);
    }
    let path = format!("/v1/transactions/{}", begun.transaction);
    let pending = app.gets(&path).await.good();
    assert_eq!(
        (&pending["status"], &pending["transaction_ref"]),
        (&json!("PENDING"), &json!(begun.reference))
    );
    branch.works().await;
    let done = app.gets(&path).await.good();
    assert_eq!(done["status"], "COMPLETED");
    assert_eq!((&done["amount_cents"], &done["currency"]), (&json!(2_500), &json!("EUR")));
    assert_eq!(
        (&done["description"], &done["failure_reason"]),
        (&json!("for the garden"), &Value::Null)
    );
    let account = app.gets(&format!("/v1/accounts/{one}")).await.good();
    assert_eq!(balances(&account), [7_500, 0, 7_500].map(|cents| json!(cents)));
}

/// Row 40 of the threat table: over every operation that names something, as the OpenAPI document lists them.
#[tokio::test]
async fn what_is_anothers_is_not_there() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let (one, other) = (branch.account(&ada, 1_000).await, branch.account(&ada, 0).await);
    let begun = branch.sends(&ada, one, other, 100).await.unwrap();
    let his_account = branch.account(&ben, 0).await;
    let (mut hers, mut his) =
        (App::logged_in(&branch, &ada).await, App::logged_in(&branch, &ben).await);
    let router = florin_adapter::web::router(
        branch.with_options(|options| options.step_up_above_cents = 0).await,
    );
    (hers.router, his.router) = (router.clone(), router);
    let number =
        text(&his.gets(&format!("/v1/accounts/{his_account}")).await.good(), "account_number");
    let payee = json!({"name": "Ben Quill", "account_number": number});
    let payee = text(&hers.posts("/v1/beneficiaries", &payee).await.good(), "beneficiary_id");
    let order = json!({
        "source_account_id": one.to_string(), "beneficiary_id": payee, "amount_cents": 1, "currency": "EUR",
    });
    let transfer = json_request("/v1/transactions/transfer").header("Idempotency-Key", "x");
    let challenge = text(&hers.asks(transfer, order.to_string()).await.json, "challenge_id");
    let device = json!({"platform": "ios", "token": "token"});
    let device = text(&hers.posts("/v1/users/me/devices", &device).await.good(), "device_id");
    let other_login = App::logged_in(&branch, &ada).await;
    let logins = other_login.gets("/v1/users/me/sessions").await.good();
    let session = text(&logins["data"][0], "session_id");
    let named = [
        ("device_id", device, "dev_00000000000000000000000000"),
        ("account_id", one.to_string(), "acc_00000000000000000000000000"),
        ("transaction_id", begun.transaction.to_string(), "txn_00000000000000000000000000"),
        ("beneficiary_id", payee, "ben_00000000000000000000000000"),
        ("challenge_id", challenge, "chl_00000000000000000000000000"),
        ("session_id", session, "lgn_00000000000000000000000000"),
    ];
    let document = florin_adapter::api::document("https://bank.example");
    let document: Value = serde_json::from_str(&document).unwrap();
    let mut tried = 0;
    for (template, operations) in document["paths"].as_object().unwrap() {
        let is_staffs = template.starts_with("/v1/staff/");
        let is_named = template.contains('{') && !is_staffs;
        let mut methods: Vec<_> = operations.as_object().unwrap().keys().collect();
        // What is removed can't be changed.
        methods.sort_by_key(|method| *method == "delete");
        for method in methods.into_iter().filter(|_| is_named) {
            let path_of = |pick: fn(&(&str, String, &str)) -> String| {
                named.iter().fold(template.clone(), |path, name| {
                    path.replace(&format!("{{{}}}", name.0), &pick(name))
                })
            };
            let theirs = path_of(|(_, hers, _)| hers.clone());
            assert!(!theirs.contains('{'), "{template}: say in this test what it names");
            let nobodys = path_of(|(_, _, nobodys)| String::from(*nobodys));
            let odd = path_of(|(name, _, _)| format!("{name}%2f..%2f"));
            let ask = async |app: &App<'_>, path: &str| {
                let request = Request::builder().method(method.to_uppercase().as_str()).uri(path);
                let request = request.header(header::CONTENT_TYPE, "application/json");
                let body = match method.as_str() {
                    "patch" => r#"{"is_favorite":true}"#,
                    _ => r#"{"code":"000000"}"#,
                };
                app.asks(request, String::from(body)).await
            };
            let bodies =
                [ask(&his, &theirs).await, ask(&his, &nobodys).await, ask(&his, &odd).await].map(
                    |answer: Answer| {
                        assert_eq!(answer.code(), (404, "not_found"), "{method} {template}");
                        let mut body = answer.json;
                        body["instance"] = Value::Null;
                        body["correlation_id"] = Value::Null;
                        body
                    },
                );
            assert!(bodies[0] == bodies[1] && bodies[1] == bodies[2], "{method} {template}");
            let own = ask(&hers, &theirs).await;
            assert_ne!(own.status, 404, "{method} {template}: it is hers");
            tried += 1;
        }
    }
    assert!(5 <= tried, "{tried}");
}

/// Prevents: an operation that was forgotten to be closed.
#[tokio::test]
async fn whatever_the_document_says_is_for_customers_is_closed_to_strangers() {
    let branch = Branch::open().await;
    let app = App::of(&branch);
    let document = florin_adapter::api::document("https://bank.example");
    let document: Value = serde_json::from_str(&document).unwrap();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let request = Request::builder().method(method.to_uppercase().as_str()).uri(path);
            let answer = app.sends(request, String::new()).await;
            let is_closed = answer.code() == (401, "invalid_token");
            assert_eq!(is_closed, operation.get("security").is_some(), "{method} {path}");
            assert!(![404, 405, 500].contains(&answer.status.as_u16()), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_history_is_read_whole_by_cursor_and_by_number_whatever_comes_in_between() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let (one, other) = (branch.account(&ada, 1_000).await, branch.account(&ada, 0).await);
    for cents in 1..=6 {
        branch.pass(SECOND);
        branch.sends(&ada, one, other, cents).await.unwrap();
    }
    branch.works().await;
    // One that is given back moved nothing, and is not shown.
    branch.sends(&ada, one, other, 7).await.unwrap();
    branch.pass(6 * MINUTE);
    branch.works().await;
    let app = App::logged_in(&branch, &ada).await;
    let base = format!("/v1/accounts/{one}/transactions");
    let amounts = |page: &Value| -> Vec<u64> {
        let data = page["data"].as_array().unwrap();
        data.iter().map(|entry| entry["amount_cents"].as_u64().unwrap()).collect()
    };
    let all = app.gets(&base).await.good();
    assert_eq!((amounts(&all), &all["has_more"]), (vec![6, 5, 4, 3, 2, 1, 1_000], &json!(false)));
    assert_eq!(all["data"][0]["direction"], "DEBIT");
    assert_eq!(all["data"][0]["balance_after_cents"], 979);
    assert_eq!(all["data"][0]["description"], "for the garden");

    let (mut seen, mut path, mut pages) = (Vec::new(), format!("{base}?limit=3"), 0);
    loop {
        let answer = app.gets(&path).await;
        let link = String::from(answer.header("link"));
        let page = answer.good();
        seen.extend(amounts(&page));
        pages += 1;
        let Some(next) = page["next_cursor"].as_str() else {
            assert_eq!((&page["has_more"], link.as_str()), (&json!(false), ""));
            break;
        };
        path = format!("{base}?after={next}&limit=3");
        assert_eq!(link, format!("<https://bank.example{path}>; rel=\"next\""));
        // Newer postings do not move what is older.
        branch.deposits(one, 1).await;
        assert!(pages < 20);
    }
    assert_eq!(seen, vec![6, 5, 4, 3, 2, 1, 1_000]);

    let of_page = async |page: u32| app.gets(&format!("{base}?page={page}&limit=4")).await.good();
    let (first, second, third) = (of_page(1).await, of_page(2).await, of_page(3).await);
    let counted = [&first, &second, &third].map(|page| amounts(page).len());
    let deposits = usize::try_from(pages - 1).unwrap();
    assert_eq!(counted.iter().sum::<usize>(), 7 + deposits);
    assert_eq!([&first, &third].map(|page| page["has_more"].clone()), [json!(true), json!(false)]);
    let foreign = {
        let page = app.gets(&format!("{base}?limit=2")).await.good();
        String::from(page["next_cursor"].as_str().unwrap())
    };
    for query in [
        "limit=0",
        "limit=101",
        "limit=x",
        "limit=1&limit=2",
        "page=0",
        "page=51&limit=20",
        "after=x",
        "after=AAAAAAAAAAAAAAAAAAAAAA",
        "page=1&after=x",
        "sort=amount",
    ] {
        let answer = app.gets(&format!("{base}?{query}")).await;
        assert_eq!(answer.code(), (400, "invalid_request"), "{query}");
    }
    let of_other = format!("/v1/accounts/{other}/transactions?after={foreign}");
    assert_eq!(
        app.gets(&of_other).await.code(),
        (400, "invalid_request"),
        "another account's cursor"
    );
}

/// Prevents: one customer's program that takes what all others need, or a budget that grows with the adapters.
#[tokio::test]
async fn a_customer_has_one_budget_of_requests_in_all_adapters() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let (one, other) = (App::logged_in(&branch, &ada).await, App::logged_in(&branch, &ada).await);
    branch.pass(MINUTE - branch.now().0 % MINUTE);
    let first = one.gets("/v1/users/me").await;
    for (name, value) in [
        ("ratelimit-policy", "\"default\";q=300;w=60"),
        ("ratelimit", "\"default\";r=299;t=60"),
        ("x-ratelimit-limit", "300"),
        ("x-ratelimit-remaining", "299"),
        ("x-ratelimit-reset", "60"),
    ] {
        assert_eq!(first.header(name), value, "{name}");
    }
    branch.pass(10 * SECOND);
    for place in 1..300 {
        let app = if place % 2 == 0 { &one } else { &other };
        assert_eq!(app.gets("/v1/users/me").await.status, 200, "{place}");
    }
    let over = other.gets("/v1/users/me").await;
    assert_eq!(over.code(), (429, "rate_limited"));
    assert_eq!((over.header("retry-after"), over.header("x-ratelimit-remaining")), ("50", "0"));
    let his = App::logged_in(&branch, &ben).await;
    assert_eq!(his.gets("/v1/users/me").await.status, 200, "it is her budget alone");
    branch.pass(20 * SECOND);
    assert_eq!(one.gets("/v1/users/me").await.status, 200, "the next minute is another");
}
