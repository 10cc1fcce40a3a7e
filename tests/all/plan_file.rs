//! `plan --out FILE` and `apply FILE`: exactly what was reviewed, or nothing.

use crate::support;

use emr_studio_sync::emulator::{Fault, FaultKind, IdentityType, World};
use serde_json::{Value, json};
use support::desk::{Desk, Said};
use support::{ANALYST, ANALYTICS, ENGINEER, FOREIGN, table, world};

/// Dave is to go, and alice to become an engineer; the others come.
async fn reviewed() -> Desk {
    let mut start = world();
    for user in ["alice", "dave"] {
        start
            .map(ANALYTICS, IdentityType::User, user, ANALYST)
            .unwrap();
    }
    let desk = Desk::new(start).await;
    let said = desk.run(&["plan", "--out", "plan.json"]).await;
    assert_eq!(said.code, 2, "{}", said.err);
    desk
}

async fn apply(desk: &Desk) -> Said {
    desk.run(&["apply", "plan.json", "--yes"]).await
}

/// The plan's file, with something changed in it.
fn forge(desk: &Desk, change: impl FnOnce(&mut Value)) {
    let mut file: Value = serde_json::from_str(&desk.read("plan.json")).unwrap();
    change(&mut file);
    desk.write("plan.json", &file.to_string());
}

#[tokio::test]
async fn what_was_reviewed_is_made_and_the_file_says_what_and_where() {
    let desk = reviewed().await;
    let file: Value = serde_json::from_str(&desk.read("plan.json")).unwrap();
    assert_eq!(
        (&file["version"], &file["plan_id"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(file["identity_store_id"], "d-1234567890");
    assert_eq!(file["account"], "111122223333");
    assert_eq!(file["changes"].as_array().unwrap().len(), 6);
    assert_eq!(file["changes"][0]["identity_name"], "dave");
    let said = apply(&desk).await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.out.contains("4 created, 1 updated, 1 deleted"),
        "{}",
        said.out
    );
    // The same once more is not what is to do now.
    let again = apply(&desk).await;
    assert_eq!(again.code, 1);
    assert!(
        again.err.contains("in the plan, and not to do now"),
        "{}",
        again.err
    );
}

#[tokio::test]
async fn it_asks_as_ever() {
    let desk = reviewed().await;
    let said = desk.run(&["apply", "plan.json"]).await;
    assert_eq!(said.code, 1);
    assert!(said.err.contains("give --yes"), "{}", said.err);
    assert_eq!(desk.mappings().len(), 2);
}

#[tokio::test]
async fn where_the_world_has_moved_nothing_is_changed_and_it_is_said_what_differs() {
    let more = |world: &mut World| drop(world.add_member("data-analysts", "ops").unwrap());
    let less = |world: &mut World| world.remove_member("data-analysts", "carol").unwrap();
    let other = |world: &mut World| {
        world
            .map(ANALYTICS, IdentityType::User, "dave", ENGINEER)
            .unwrap();
    };
    let taken = |world: &mut World| {
        world
            .map(ANALYTICS, IdentityType::User, "carol", FOREIGN)
            .unwrap();
    };
    let (now, then) = (
        "to do now, and not in the plan",
        "in the plan, and not to do now",
    );
    for (moves, told) in [
        (
            &more as &dyn Fn(&mut World),
            &[(now, "+ analytics  ops ")][..],
        ),
        (
            &less,
            &[
                (then, "+ analytics  carol "),
                (then, "(rules[1], through data-analysts)"),
            ],
        ),
        (
            &other,
            &[(now, "- analytics  dave "), (then, "- analytics  dave ")],
        ),
        (&taken, &[(then, "+ analytics  carol ")]),
    ] {
        let desk = reviewed().await;
        moves(&mut desk.emulator.world());
        let before = desk.mappings();
        let said = apply(&desk).await;
        assert_eq!((said.code, said.out.as_str()), (1, ""));
        assert!(said.err.contains("nothing was changed"), "{}", said.err);
        // Nothing that is written for a terminal alone.
        assert!(!said.err.contains("\\u{"), "{}", said.err);
        for (head, change) in told {
            let (_, list) = said.err.split_once(head).expect(&said.err);
            let line = list.lines().nth(1).unwrap();
            assert!(line.contains(change), "{}", said.err);
        }
        assert_eq!(desk.mappings(), before);
    }
}

#[tokio::test]
async fn a_plan_for_another_table_store_or_account_is_refused() {
    for (field, told) in [
        ("table", "table (digest): another then, "),
        (
            "identity_store_id",
            "identity store: another then, d-1234567890 now",
        ),
        ("account", "account: another then, 111122223333 now"),
        ("release", "release: another then, "),
    ] {
        let desk = reviewed().await;
        forge(&desk, |file| file[field] = json!("another"));
        let said = apply(&desk).await;
        assert_eq!(said.code, 1);
        assert!(said.err.contains(told), "{}", said.err);
        assert_eq!(desk.mappings().len(), 2);
    }
    let desk = reviewed().await;
    let fewer = table(|table| drop(table["rules"].as_array_mut().unwrap().pop()));
    desk.write("policy.json", &fewer.to_string());
    let said = apply(&desk).await;
    assert!(said.err.contains("table (digest): "), "{}", said.err);
    assert_eq!((said.code, desk.mappings().len()), (1, 2));
}

#[tokio::test]
async fn an_account_that_nobody_tells_stops_nothing() {
    let desk = reviewed().await;
    let denied = Fault::on("GetCallerIdentity", FaultKind::AccessDenied);
    desk.emulator.world().faults.add(denied);
    let said = apply(&desk).await;
    assert_eq!(said.code, 0, "{}", said.err);
}

#[tokio::test]
async fn what_is_no_plan_or_of_another_version_is_refused() {
    let desk = reviewed().await;
    forge(&desk, |file| file["version"] = json!(2));
    let said = apply(&desk).await;
    let told = "plan.json is no plan of `plan --out`: its version is 2, not 1";
    assert!(said.err.contains(told), "{}", said.err);
    for text in ["", "{}", "{\"version\": 1}", "[]"] {
        desk.write("plan.json", text);
        let said = apply(&desk).await;
        assert_eq!(said.code, 1);
        assert!(
            said.err.contains("is no plan of `plan --out`: "),
            "{}",
            said.err
        );
    }
    assert_eq!(desk.mappings().len(), 2);
}

#[tokio::test]
async fn a_plan_of_what_could_not_be_read_is_not_written() {
    let desk = Desk::new(world()).await;
    let denied = Fault::on("ListGroups", FaultKind::AccessDenied);
    desk.emulator.world().faults.add(denied);
    let said = desk.run(&["plan", "--out", "plan.json"]).await;
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains("plan.json was not written"),
        "{}",
        said.err
    );
    assert!(!desk.folder.path().join("plan.json").exists());
}

#[tokio::test]
async fn a_plan_takes_the_place_of_no_other_file_than_a_plan() {
    let desk = Desk::new(world()).await;
    desk.write("notes.txt", "mine");
    desk.write("empty.json", "");
    for file in ["policy.json", "notes.txt"] {
        let before = desk.read(file);
        let said = desk.run(&["plan", "--out", file]).await;
        assert_eq!((said.code, said.out.as_str()), (1, ""));
        let told = format!("--out: {file} is there already, and is no plan");
        assert!(said.err.contains(&told), "{}", said.err);
        assert_eq!(desk.read(file), before);
    }
    for file in ["empty.json", "plan.json", "plan.json"] {
        let said = desk.run(&["plan", "--out", file]).await;
        assert_eq!(said.code, 2, "{}", said.err);
        assert!(desk.read(file).contains("made_at"));
    }
}

#[tokio::test]
async fn what_it_holds_goes_with_its_approval_and_no_other() {
    let mut start = world();
    for user in 0..9 {
        let user = format!("user-{user}");
        start.add_user(&user).unwrap();
        start
            .map(ANALYTICS, IdentityType::User, &user, ANALYST)
            .unwrap();
    }
    let desk = Desk::new(start).await;
    let plan = ["plan", "--out", "plan.json", "--studio", "analytics"];
    desk.run(&plan).await;
    let file: Value = serde_json::from_str(&desk.read("plan.json")).unwrap();
    let plan_id = file["plan_id"].as_str().unwrap();
    let approve = async |id: &str| {
        let arguments = ["apply", "plan.json", "--yes", "--approve", id];
        desk.run(&arguments).await
    };
    let wrong = approve("0123456789abcdef").await;
    assert_eq!(wrong.code, 1);
    assert!(
        wrong.err.contains("is not the set of deletions held"),
        "{}",
        wrong.err
    );
    assert_eq!(desk.mappings().len(), 9);
    let said = approve(plan_id).await;
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    // That of the Studio, as it was planned.
    assert_eq!(desk.mappings().len(), 3);
}
