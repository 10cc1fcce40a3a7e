//! Orders to the deployed function: the tool invokes it, and the embedded AWS runs
//! it.

use crate::support;

use std::collections::BTreeMap;

use emr_studio_sync::emulator::{Fault, FaultKind, Function, IdentityType, World};
use serde_json::{Value, json};
use support::desk::{Desk, Said};
use support::{ANALYST, ANALYTICS, table, world};

pub(crate) const LOG_GROUP: &str = "studio-sync-LogGroup-DEF";

/// A function deployed in mode `mode` by the stack `studio-sync`.
pub(crate) fn deployed(mut world: World, mode: &str, table: &Value) -> World {
    world.deployment.functions.push(Function {
        name: "studio-sync-Function-ABC".to_owned(),
        region: None,
        full_pass_minutes_ago: None,
        stack: Some("studio-sync".to_owned()),
        // As the template has it: a name that CloudFormation makes up.
        log_group: Some(LOG_GROUP.to_owned()),
        environment: BTreeMap::from([
            ("POLICY_TABLE".to_owned(), table.to_string()),
            ("MODE".to_owned(), mode.to_owned()),
        ]),
    });
    world
}

async fn remote(desk: &Desk, arguments: &[&str]) -> Said {
    desk.run(&[&["remote"], arguments, &["--stack", "studio-sync"]].concat())
        .await
}

#[tokio::test]
async fn the_deployed_function_plans_in_the_words_of_the_local_plan() {
    let mut start = world();
    start
        .map(ANALYTICS, IdentityType::User, "dave", ANALYST)
        .unwrap();
    let desk = Desk::new(deployed(start, "apply", &table(|_| ()))).await;
    let local = desk.run(&["plan"]).await;
    for which in [
        ["--stack", "studio-sync"],
        ["--function", "studio-sync-Function-ABC"],
        [
            "--function",
            "arn:aws:lambda:us-east-1:111122223333:function:studio-sync-Function-ABC",
        ],
    ] {
        let said = desk.run(&[&["remote", "plan"], &which[..]].concat()).await;
        assert_eq!((said.code, &said.out), (2, &local.out), "{}", said.err);
    }
    let csv = remote(&desk, &["plan", "--output", "csv"]).await;
    assert_eq!(csv.out, desk.run(&["plan", "--output", "csv"]).await.out);
    let one = remote(&desk, &["plan", "--studio", "science"]).await;
    assert_eq!(
        one.out,
        desk.run(&["plan", "--studio", "science"]).await.out
    );
    let all: Value =
        serde_json::from_str(&remote(&desk, &["plan", "--output", "json"]).await.out).unwrap();
    assert_eq!((&all["version"], &all["created"]), (&json!(1), &json!(5)));
    assert!(desk.mappings().len() == 1);
}

#[tokio::test]
async fn without_an_identity_store_ids_stand_for_names() {
    let desk = Desk::new(deployed(world(), "apply", &table(|_| ()))).await;
    let tool = desk.tool(&["remote", "plan", "--function", "studio-sync-Function-ABC"]);
    let said = support::desk::said(tool).await;
    assert_eq!(said.code, 2, "{}", said.err);
    let alice = desk.emulator.world().user_id("alice").unwrap();
    assert!(
        said.out.contains(&alice) && !said.out.contains("alice"),
        "{}",
        said.out
    );
}

#[tokio::test]
async fn the_deployed_function_reconciles_and_nothing_is_left_to_do() {
    let desk = Desk::new(deployed(world(), "apply", &table(|_| ()))).await;
    // Nobody is there to be asked.
    let asked = remote(&desk, &["reconcile"]).await;
    assert_eq!((asked.code, desk.mappings().len()), (1, 0), "{}", asked.out);
    assert!(asked.err.contains("give --yes"), "{}", asked.err);

    let said = remote(&desk, &["reconcile", "--yes"]).await;
    assert_eq!((said.code, desk.mappings().len()), (0, 5), "{}", said.err);
    assert!(said.out.contains("5 created"), "{}", said.out);
    let said = remote(&desk, &["reconcile"]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(said.out, "Nothing to do: 5 mappings are as they should be.");
    assert_eq!(remote(&desk, &["plan"]).await.code, 0);
}

#[tokio::test]
async fn a_function_in_mode_plan_says_that_nothing_was_changed() {
    let desk = Desk::new(deployed(world(), "plan", &table(|_| ()))).await;
    let said = remote(&desk, &["reconcile", "--yes"]).await;
    assert_eq!((said.code, desk.mappings().len()), (1, 0));
    assert_eq!(
        said.err,
        "error: nothing was changed: the function is deployed with Mode plan"
    );
}

#[tokio::test]
async fn held_deletions_go_by_their_id_and_by_no_other() {
    let mut start = world();
    for number in 0..7 {
        let name = format!("former-{number}");
        start.add_user(&name).unwrap();
        start
            .map(ANALYTICS, IdentityType::User, &name, ANALYST)
            .unwrap();
    }
    let desk = Desk::new(deployed(start, "apply", &table(|_| ()))).await;
    let plan = remote(&desk, &["plan"]).await;
    let (_, id) = plan.out.rsplit_once("remote approve ").unwrap();

    let wrong = remote(&desk, &["approve", "0123456789abcdef", "--yes"]).await;
    assert_eq!((wrong.code, desk.mappings().len()), (1, 7), "{}", wrong.out);
    assert!(wrong.err.contains(id), "{}", wrong.err);

    let said = remote(&desk, &["approve", id, "--yes"]).await;
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert!(said.out.contains("7 deleted"), "{}", said.out);
    assert!(!desk.mappings().iter().any(|row| row.contains("former")));
}

#[tokio::test]
async fn the_deployed_function_explains_in_the_words_of_the_local_explanation() {
    let desk = Desk::new(deployed(world(), "apply", &table(|_| ()))).await;
    let id = desk.emulator.world().user_id("carol").unwrap();
    for whom in [
        ["--user", "alice"],
        ["--group", "data-engineers"],
        ["--user-id", &id],
    ] {
        for output in ["table", "json", "csv"] {
            let rest = [&whom[..], &["--output", output]].concat();
            let local = desk.run(&[&["explain"], &rest[..]].concat()).await;
            let said = remote(&desk, &[&["explain"], &rest[..]].concat()).await;
            assert_eq!((said.code, said.out), (0, local.out), "{}", said.err);
        }
    }
    let nobody = remote(&desk, &["explain", "--user", "zoe"]).await;
    assert_eq!(nobody.code, 1);
    assert_eq!(nobody.err, "! there is no USER of that name");
}

#[tokio::test]
async fn the_status_says_how_the_function_is_configured_and_by_which_table() {
    let desk = Desk::new(deployed(world(), "apply", &table(|_| ()))).await;
    let said = remote(&desk, &["status"]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let digest = |out: &str| {
        let line = out
            .lines()
            .find(|line| line.starts_with("table  "))
            .unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    };
    let shown = said.out.replace(&digest(&said.out), "DIGEST");
    insta::assert_snapshot!(shown, @r"
    function        studio-sync-Function-ABC
    release         0.1.0
    mode            apply
    identity store  d-1234567890
    rules           4
    table           DIGEST
    table is yours  yes
    studio          analytics (es-ABCDEFGHIJKLMNOPQRSTUVWXY)
    studio          science (es-0123456789ABCDEFGHIJKLMNO)
    unfinished      0
    full pass       none by this process yet
    ");
    // No call was made of anybody else.
    assert_eq!(desk.calls(), ["DescribeStackResource", "Invoke"]);

    desk.write(
        "policy.json",
        &table(|table| table["rules"][0]["session_policy"] = json!("analyst")).to_string(),
    );
    let said = remote(&desk, &["status"]).await;
    assert_eq!(said.code, 1);
    assert!(
        said.out.contains("no: the function goes by another"),
        "{}",
        said.out
    );
}

#[tokio::test]
async fn what_fails_is_told_in_one_sentence() {
    let desk = Desk::new(deployed(world(), "apply", &table(|_| ()))).await;
    let plan = ["remote", "plan", "--function", "studio-sync-Function-ABC"];
    let refuse = |code: &str, message: &str| FaultKind::Refuse {
        code: code.to_owned(),
        message: message.to_owned(),
    };
    for (call, fault, expected) in [
        (
            "Invoke",
            FaultKind::AccessDenied,
            "\"studio-sync-Function-ABC\": you may not; allow lambda:InvokeFunction on it",
        ),
        (
            "Invoke",
            refuse("TooManyRequestsException", "Rate Exceeded."),
            "Lambda lets the function run no more often just now; try again",
        ),
        (
            "Invoke",
            FaultKind::ServerError,
            "Invoke failed: InternalServerException",
        ),
        ("Invoke", FaultKind::DropAfter, "Invoke failed: "),
        (
            "ListGroups",
            FaultKind::ServerError,
            "the function could not finish: 4 to create",
        ),
    ] {
        desk.emulator.world().faults.add(Fault::on(call, fault));
        let said = desk.run(&plan).await;
        desk.emulator.world().faults.rules.clear();
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{}", said.err);
        assert!(said.err.contains(expected), "{expected}: {}", said.err);
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    }
    let said = desk.run(&["remote", "plan", "--function", "nobody"]).await;
    assert!(
        said.err
            .contains("there is no function \"nobody\" in us-east-1"),
        "{}",
        said.err
    );
    let said = desk.run(&["remote", "plan", "--stack", "nobody"]).await;
    assert!(
        said.err
            .contains("--stack nobody: it has no function of ours in us-east-1"),
        "{}",
        said.err
    );
    let denied = Fault::on("DescribeStackResource", FaultKind::AccessDenied);
    desk.emulator.world().faults.add(denied);
    let said = remote(&desk, &["plan"]).await;
    assert!(
        said.err
            .contains("allow cloudformation:DescribeStackResource"),
        "{}",
        said.err
    );
    let said = desk.run(&[&plan[..], &["--studio", "nope"]].concat()).await;
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains("studios are analytics, science"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn a_function_that_does_not_start_is_told_as_that() {
    let desk = Desk::new(deployed(world(), "apply", &json!({ "studios": 7 }))).await;
    let said = remote(&desk, &["plan"]).await;
    assert_eq!(said.code, 1);
    assert!(
        said.err
            .contains("the function failed, and its log says why: Runtime.ExitError"),
        "{}",
        said.err
    );
    let logged = desk.emulator.world().log.clone();
    assert!(
        logged
            .iter()
            .any(|line| line.message.contains("the configuration is wrong"))
    );
}

#[tokio::test]
async fn each_order_says_on_top_where_the_function_works() {
    let desk = Desk::new(deployed(world(), "apply", &table(|_| ()))).await;
    let at = format!(", at {}", desk.emulator.url());
    let works = format!("account 111122223333, us-east-1, identity store d-1234567890{at}");
    let other = format!(
        "account 111122223333, us-east-1, identity store d-1234567890 (not d-0000000000, which \
         --identity-store-id says: no names are looked up there){at}"
    );
    let elsewhere = ["--identity-store-id", "d-0000000000"];
    let explain = ["explain", "--user", "alice"];
    for order in [&["plan"][..], &["reconcile", "--yes"], &explain] {
        for output in ["table", "json", "csv"] {
            let order = [order, &["--output", output]].concat();
            let said = remote(&desk, &order).await;
            assert_eq!(said.place.as_ref(), Some(&works), "{order:?}: {}", said.err);
            let said = remote(&desk, &[&order[..], &elsewhere].concat()).await;
            assert_eq!(said.place.as_ref(), Some(&other), "{order:?}: {}", said.err);
        }
    }
    // Nobody is called by a name that another directory gives to that id.
    let bob = desk.emulator.world().user_id("bob").unwrap();
    desk.emulator.world().mappings.clear();
    desk.calls();
    let said = remote(&desk, &[&["plan"], &elsewhere[..]].concat()).await;
    assert!(said.out.contains(&bob), "{}", said.out);
    assert!(!said.out.contains("bob"), "{}", said.out);
    let calls = desk.calls();
    let looked_up = |call: &String| call == "DescribeUser" || call == "ListUsers";
    assert!(!calls.iter().any(looked_up), "{calls:?}");

    // Without one it is the function's all the same.
    let order = ["remote", "plan", "--stack", "studio-sync"];
    let said = support::desk::said(desk.tool(&order)).await;
    assert_eq!(said.place.as_ref(), Some(&works), "{}", said.err);
    // By its ARN it may be another account's.
    let there = "arn:aws:lambda:us-east-1:999988887777:function:studio-sync-Function-ABC";
    let said = desk.run(&["remote", "plan", "--function", there]).await;
    let works = works.replace("111122223333", "999988887777");
    assert_eq!(said.place, Some(works), "{}", said.err);
}

#[tokio::test]
async fn that_the_function_goes_by_another_table_is_said_with_each_order() {
    let desk = Desk::new(deployed(world(), "apply", &table(|_| ()))).await;
    let same = remote(&desk, &["plan"]).await;
    assert_eq!((same.code, same.err.as_str()), (2, ""));
    let other = table(|table| table["rules"][0]["session_policy"] = json!("analyst"));
    desk.write("policy.json", &other.to_string());
    let explain = ["explain", "--user", "alice"];
    for (order, code) in [
        (&["plan"][..], 2),
        (&explain, 0),
        (&["reconcile", "--yes"], 0),
    ] {
        let said = remote(&desk, order).await;
        let told = "! --table: the function goes by another table";
        assert_eq!(said.code, code, "{}", said.err);
        assert!(said.err.starts_with(told), "{order:?}: {}", said.err);
    }
    assert!(
        desk.mappings()
            .contains(&"analytics USER alice engineer".to_owned())
    );
}

#[tokio::test]
async fn what_is_no_identity_store_is_refused_before_any_order() {
    let desk = Desk::new(deployed(world(), "apply", &table(|_| ()))).await;
    let explain = ["explain", "--user", "alice"];
    for order in [
        &["status"][..],
        &["plan"],
        &["reconcile", "--yes"],
        &explain,
    ] {
        let nonsense = ["--identity-store-id", "nonsense"];
        let said = remote(&desk, &[order, &nonsense].concat()).await;
        let told = "error: --identity-store-id: \"nonsense\" is not an identity store";
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{order:?}");
        assert!(said.err.starts_with(told), "{order:?}: {}", said.err);
        assert_eq!(desk.calls(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_order_that_could_not_be_finished_says_where_to_look() {
    let desk = Desk::new(deployed(world(), "apply", &table(|_| ()))).await;
    let fails = Fault::on("CreateStudioSessionMapping", FaultKind::ServerError);
    let carol = desk.emulator.world().user_id("carol").unwrap();
    desk.emulator.world().faults.add(fails.containing(&carol));
    let said = remote(&desk, &["reconcile", "--yes"]).await;
    assert_eq!((said.code, desk.mappings().len()), (1, 4), "{}", said.err);
    assert!(
        said.err
            .starts_with("error: the function could not finish: "),
        "{}",
        said.err
    );
    let told = "; what it has changed, if anything: emr-studio-sync history --stack studio-sync";
    assert!(said.err.ends_with(told), "{}", said.err);
}
