//! `mapping`, the calls by hand: the real binary against the embedded AWS.

use crate::support;

use emr_studio_sync::emulator::{AfterIdentityGone, Fault, FaultKind, IdentityType, World};
use serde_json::{Value, json};
use support::desk::{Desk, said};
use support::{ANALYST, ANALYTICS, ENGINEER, FOREIGN, SCIENCE, STORE, table, world};

/// Alice is mapped as an analyst.
fn with_alice() -> World {
    let mut world = world();
    world
        .map(ANALYTICS, IdentityType::User, "alice", ANALYST)
        .unwrap();
    world
}

fn id_of(desk: &Desk, user: &str) -> String {
    desk.emulator.world().user_id(user).unwrap()
}

#[tokio::test]
async fn a_mapping_is_made_changed_shown_and_deleted_by_names() {
    let desk = Desk::new(world()).await;
    let alice = ["--studio", "analytics", "--user", "alice"];
    let run = async |call: &str, more: &[&str]| {
        desk.run(&[&["mapping", call], &alice[..], more].concat())
            .await
    };
    let made = run("create", &["--session-policy", "analyst"]).await;
    assert_eq!(
        (made.code, made.out.as_str()),
        (0, "+ analytics  alice  analyst"),
        "{}",
        made.err
    );
    assert_eq!(desk.mappings(), ["analytics USER alice analyst"]);

    let changed = run("update", &["--session-policy", ENGINEER]).await;
    assert_eq!(changed.out, "~ analytics  alice  analyst -> engineer");
    assert_eq!(desk.mappings(), ["analytics USER alice engineer"]);

    let shown = run("get", &["--output", "json"]).await;
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(shown["identity_id"], id_of(&desk, "alice").as_str());
    assert_eq!(shown["session_policy"], ENGINEER);
    assert_eq!(shown["owned"], true);
    let time = |field: &str| chrono::DateTime::parse_from_rfc3339(shown[field].as_str().unwrap());
    assert!(time("created").unwrap() <= time("modified").unwrap());

    let deleted = run("delete", &["--yes"]).await;
    assert_eq!(deleted.out, "- analytics  alice  engineer");
    assert_eq!(desk.mappings(), Vec::<String>::new());
}

#[tokio::test]
async fn names_are_looked_up_and_only_ids_are_sent() {
    let desk = Desk::new(world()).await;
    for (whom, name) in [("--user", "alice"), ("--group", "data-engineers")] {
        desk.emulator.world().calls.clear();
        let arguments = ["mapping", "create", "--studio", SCIENCE, whom, name];
        let said = desk
            .run(&[&arguments[..], &["--session-policy", "analyst"]].concat())
            .await;
        assert_eq!(said.code, 0, "{}", said.err);
        let world = desk.emulator.world();
        let sent = &world.calls.last().unwrap().input;
        assert!(sent.get("IdentityName").is_none(), "{sent}");
        assert!(sent["IdentityId"].as_str().unwrap().len() >= 36, "{sent}");
    }
    assert_eq!(
        desk.mappings(),
        [
            "science GROUP data-engineers analyst",
            "science USER alice analyst"
        ]
    );
}

#[tokio::test]
async fn with_ids_on_both_sides_neither_a_table_nor_an_identity_store_is_needed() {
    let desk = Desk::new(with_alice()).await;
    let alice = id_of(&desk, "alice");
    let place = ["--studio", ANALYTICS, "--user-id", &alice];
    let run = async |call: &str, more: &[&str]| {
        said(desk.tool(&[&["mapping", call], &place[..], more].concat())).await
    };
    let changed = run("update", &["--session-policy", ENGINEER]).await;
    assert_eq!(
        changed.out,
        format!("~ {ANALYTICS}  USER {alice} (mapped as alice)  studio-analyst -> studio-engineer"),
        "{}",
        changed.err
    );
    assert_eq!(
        desk.calls(),
        ["GetStudioSessionMapping", "UpdateStudioSessionMapping"]
    );

    let named = run("create", &["--session-policy", "engineer"]).await;
    assert!(
        named.err.contains("for aliases, give --table"),
        "{}",
        named.err
    );
    let arguments = ["mapping", "get", "--studio", "analytics", "--user", "alice"];
    let named = said(desk.tool(&arguments)).await;
    assert!(
        named.err.contains("\"analytics\" is not a Studio's id"),
        "{}",
        named.err
    );
    let arguments = ["mapping", "get", "--studio", ANALYTICS, "--user", "alice"];
    let named = said(desk.tool(&arguments)).await;
    assert!(
        named.err.contains("give --identity-store-id"),
        "{}",
        named.err
    );
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_the_call_that_would() {
    let desk = Desk::new(with_alice()).await;
    let run = async |call: &str, user: &str, policy: &str| {
        let mut arguments = vec!["mapping", call, "--studio", "analytics", "--user", user];
        if !policy.is_empty() {
            arguments.extend(["--session-policy", policy]);
        }
        let said = desk.run(&arguments).await;
        (said.code, said.err)
    };
    let refused = |why: &str| (1, format!("error: {why}"));
    assert_eq!(
        run("create", "alice", "engineer").await,
        refused(&format!(
            "alice is mapped to analytics already, with {ANALYST}; to change that: mapping update"
        ))
    );
    assert_eq!(
        run("update", "bob", "engineer").await,
        refused("bob is not mapped to analytics; to map it: mapping create")
    );
    for call in ["get", "delete"] {
        assert_eq!(
            run(call, "bob", "").await,
            refused("bob is not mapped to analytics")
        );
    }
    assert_eq!(
        run("get", "nobody", "").await,
        refused("there is no user called \"nobody\" in d-1234567890")
    );
    let (_, misspelt) = run("create", "bob", "enginer").await;
    assert!(
        misspelt.contains("--session-policy: no session policy is called \"enginer\"")
            && misspelt.contains("did you mean \"engineer\"?"),
        "{misspelt}"
    );
    assert_eq!(desk.mappings(), ["analytics USER alice analyst"]);
}

#[tokio::test]
async fn a_mapping_that_is_so_already_is_left_so() {
    let desk = Desk::new(with_alice()).await;
    let said = desk
        .run(&[
            "mapping",
            "create",
            "--studio",
            "analytics",
            "--user",
            "alice",
            "--session-policy",
            "analyst",
        ])
        .await;
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, "= analytics  alice  analyst")
    );
}

#[tokio::test]
async fn nothing_is_deleted_where_nobody_can_be_asked() {
    let desk = Desk::new(with_alice()).await;
    let said = desk
        .run(&[
            "mapping",
            "delete",
            "--studio",
            "analytics",
            "--user",
            "alice",
        ])
        .await;
    assert_eq!(said.code, 1);
    assert!(said.err.contains("give --yes"), "{}", said.err);
    assert_eq!(desk.mappings(), ["analytics USER alice analyst"]);
}

#[tokio::test]
async fn the_mapping_of_somebody_who_is_gone_is_found_in_the_list_and_deleted() {
    for refuses in [AfterIdentityGone::Allow, AfterIdentityGone::Refuse] {
        let desk = Desk::new(with_alice()).await;
        let alice = id_of(&desk, "alice");
        desk.emulator.world().delete_user("alice").unwrap();
        desk.emulator.world().settings.delete_after_identity_gone = refuses;
        let whose = ["--studio", "analytics", "--user-id", &alice];
        let shown = desk.run(&[&["mapping", "get"], &whose[..]].concat()).await;
        assert!(shown.out.contains("alice"), "{} {}", shown.out, shown.err);
        let said = desk
            .run(&[&["mapping", "delete", "--yes"], &whose[..]].concat())
            .await;
        match refuses {
            // It may be somebody else's name by now.
            AfterIdentityGone::Allow => assert_eq!(
                said.out,
                format!("- analytics  USER {alice} (mapped as alice)  analyst")
            ),
            AfterIdentityGone::Refuse => {
                assert_eq!(said.code, 1);
                assert!(said.err.contains("IdentityId is invalid"), "{}", said.err);
            }
        }
    }
}

#[tokio::test]
async fn the_list_says_whose_each_mapping_is() {
    let mut start = with_alice();
    start
        .map(ANALYTICS, IdentityType::User, "dave", FOREIGN)
        .unwrap();
    start
        .map(SCIENCE, IdentityType::Group, "data-engineers", ANALYST)
        .unwrap();
    for mapping in start.mappings.values_mut() {
        mapping.created = 1_772_446_530.0;
    }
    let desk = Desk::new(start).await;
    let said = desk.run(&["mapping", "list"]).await;
    insta::assert_snapshot!(said.out, @r"
    ┌────────────────────────────────────────────────────────────────────────────────────────────┐
    │ Studio      Type    Who              Session policy   Owner           Created              │
    ╞════════════════════════════════════════════════════════════════════════════════════════════╡
    │ analytics   USER    alice            analyst          the table       2026-03-02T10:15:30Z │
    │ analytics   USER    dave             somebody-elses   somebody else   2026-03-02T10:15:30Z │
    │ science     GROUP   data-engineers   analyst          the table       2026-03-02T10:15:30Z │
    └────────────────────────────────────────────────────────────────────────────────────────────┘
    ");

    let said = desk
        .run(&["mapping", "list", "--studio", "science", "--output", "csv"])
        .await;
    let group = desk.emulator.world().group_id("data-engineers").unwrap();
    assert_eq!(
        said.out,
        format!(
            "studio,studio_id,identity_type,identity_id,identity_name,session_policy,owned,created,\
             modified,present_name\nscience,{SCIENCE},GROUP,{group},data-engineers,{ANALYST},true,\
             2026-03-02T10:15:30Z,,data-engineers"
        )
    );
}

#[tokio::test]
async fn without_a_table_all_studios_of_the_account_that_can_have_mappings_are_listed() {
    let mut start = with_alice();
    start
        .add_studio("es-IAMIAMIAMIAMIAMIAMIAMIAM")
        .unwrap()
        .auth_mode = emr_studio_sync::emulator::AuthMode::Iam;
    let desk = Desk::new(start).await;
    let said = said(desk.tool(&["mapping", "list", "--output", "json"])).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let rows: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(
        (&rows[0]["studio"], &rows[0]["owned"]),
        (&ANALYTICS.into(), &Value::Null)
    );
}

#[tokio::test]
async fn a_list_is_of_one_identity_or_one_session_policy_in_all_studios() {
    let mut start = with_alice();
    let user = IdentityType::User;
    start.map(SCIENCE, user, "alice", ENGINEER).unwrap();
    start.map(SCIENCE, user, "bob", ENGINEER).unwrap();
    start.map(SCIENCE, user, "dave", FOREIGN).unwrap();
    start
        .map(SCIENCE, IdentityType::Group, "data-analysts", ANALYST)
        .unwrap();
    start.rename_user("alice", "alicia").unwrap();
    start.delete_user("dave").unwrap();
    let desk = Desk::new(start).await;
    let alice = id_of(&desk, "alicia");
    for (more, found) in [
        // Her mappings were made under another name.
        (
            &["--user", "alicia"][..],
            &["analytics alice", "science alice"][..],
        ),
        (
            &["--user-id", &alice],
            &["analytics alice", "science alice"],
        ),
        (&["--user", "dave"], &["science dave"]),
        (&["--user", "alice"], &["analytics alice", "science alice"]),
        (&["--group", "data-analysts"], &["science data-analysts"]),
        (
            &["--session-policy", "analyst"],
            &["analytics alice", "science data-analysts"],
        ),
        (
            &["--session-policy", ENGINEER, "--user", "alicia"],
            &["science alice"],
        ),
        (&["--session-policy", FOREIGN, "--studio", "analytics"], &[]),
        (&["--user", "zoe"], &[]),
    ] {
        let said = desk
            .run(&[&["mapping", "list", "--output", "json"], more].concat())
            .await;
        assert_eq!(said.code, 0, "{}", said.err);
        let rows: Value = serde_json::from_str(&said.out).unwrap();
        let rows = rows.as_array().unwrap().iter();
        let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
        let rows =
            rows.map(|row| format!("{} {}", text(row, "studio"), text(row, "identity_name")));
        assert_eq!(rows.collect::<Vec<_>>(), found, "{more:?}");
    }
    // A name needs an identity store only to be somebody's present one.
    let mut command = desk.tool(&["mapping", "list", "--user", "Bob", "--output", "csv"]);
    command.env("POLICY_TABLE", "policy.json");
    let bob = said(command).await;
    assert_eq!((bob.code, bob.out.lines().count()), (0, 2), "{}", bob.err);

    let refused = desk
        .run(&["mapping", "list", "--user", "a", "--group", "b"])
        .await;
    assert_eq!(refused.code, 1);
    let refused = desk
        .run(&["mapping", "list", "--session-policy", "enginer"])
        .await;
    assert!(
        refused.err.contains("did you mean \"engineer\"?"),
        "{}",
        refused.err
    );
}

#[tokio::test]
async fn a_list_for_a_name_that_nobody_bears_says_so() {
    let desk = Desk::new(with_alice()).await;
    let denied = || Fault::on("GetUserId", FaultKind::AccessDenied);
    for output in ["table", "json", "csv"] {
        let list = ["mapping", "list", "--output", output, "--user"];
        let said = desk.run(&[&list[..], &["alise"]].concat()).await;
        let told = "! there is no user called \"alise\" in d-1234567890, and no mapping here was \
                    made under that name";
        assert_eq!((said.code, said.err.as_str()), (0, told));
        // Somebody without a mapping, and somebody gone who has one, are no misspelling.
        for (user, count) in [("bob", 0), ("alice", 1)] {
            let said = desk.run(&[&list[..], &[user]].concat()).await;
            assert_eq!((said.code, said.err.as_str()), (0, ""), "{count}");
        }
        let mut tool = desk.tool(&[&list[..], &["alise"]].concat());
        tool.env("POLICY_TABLE", "policy.json");
        let said = support::desk::said(tool).await;
        let told = "! whether there is a user called \"alise\" is not known without \
                    --identity-store-id, and no mapping here was made under that name";
        assert_eq!((said.code, said.err.as_str()), (0, told));
    }
    desk.emulator.world().faults.add(denied());
    let said = desk.run(&["mapping", "list", "--user", "alise"]).await;
    assert_eq!(said.code, 1, "{}", said.err);
}

#[tokio::test]
async fn whoever_is_renamed_is_called_by_the_present_name_beside_the_old_one() {
    let mut start = with_alice();
    start.rename_user("alice", "alicia").unwrap();
    // Another person bears the old name now.
    start.add_user("alice").unwrap();
    let desk = Desk::new(start).await;
    let alicia = id_of(&desk, "alicia");
    let whose = ["--studio", "analytics", "--user", "alicia"];
    let by_id = ["--studio", "analytics", "--user-id", &alicia];
    for whose in [&whose[..], &by_id] {
        let shown = desk.run(&[&["mapping", "get"], whose].concat()).await;
        let told = "   alicia (mapped as alice)   analyst";
        assert!(shown.out.contains(told), "{}", shown.out);
        let shown = desk
            .run(&[&["mapping", "get", "--output", "json"], whose].concat())
            .await;
        let shown: Value = serde_json::from_str(&shown.out).unwrap();
        assert_eq!(shown["identity_name"], "alice");
        assert_eq!(shown["present_name"], "alicia");
        let policy = ["--session-policy", "engineer"];
        let run = [&["mapping", "update"], whose, &policy].concat();
        let changed = desk.run(&run).await;
        let done = "~ analytics  alicia (mapped as alice)  analyst -> engineer";
        assert_eq!((changed.code, changed.out.as_str()), (0, done));
        let same = desk.run(&run).await;
        assert_eq!(same.out, "= analytics  alicia (mapped as alice)  engineer");
        let policy = ["--session-policy", "analyst"];
        desk.run(&[&["mapping", "update"], whose, &policy].concat())
            .await;
    }
    let listed = desk.run(&["mapping", "list", "--output", "csv"]).await;
    let (head, row) = listed.out.split_once('\n').unwrap();
    assert!(head.ends_with(",modified,present_name"), "{head}");
    assert!(row.contains(",alice,") && row.ends_with(",alicia"), "{row}");
    let others = desk.run(&["mapping", "list", "--user", "alice"]).await;
    assert_eq!(others.out, "No mappings.");
    // Without an identity store the mapping's own is all that is known.
    let bare = said(desk.tool(&["mapping", "list", "--output", "json"])).await;
    let bare: Value = serde_json::from_str(&bare.out).unwrap();
    assert_eq!(bare[0]["present_name"], Value::Null);
    assert_eq!(bare[0]["identity_name"], "alice");

    let deleted = desk
        .run(&[&["mapping", "delete", "--yes"], &whose[..]].concat())
        .await;
    let done = "- analytics  alicia (mapped as alice)  analyst";
    assert_eq!((deleted.code, deleted.out.as_str()), (0, done));
    let told = "note: the next full pass maps alicia again: engineer, by rules[0]";
    assert_eq!(deleted.err, told);
}

#[tokio::test]
async fn an_identity_store_that_is_none_is_told_also_where_none_is_needed() {
    let desk = Desk::new(with_alice()).await;
    let alice = id_of(&desk, "alice");
    let by_id = ["--studio", "analytics", "--user-id", &alice];
    let probe = ["probe", "--studio", SCIENCE, "--user", "bob", "--yes"];
    let list = ["mapping", "list", "--user", "alice"];
    for (call, of_table) in [
        (&["mapping", "list"][..], true),
        (&list, true),
        (&[&["mapping", "get"], &by_id[..]].concat(), true),
        (
            &[&["mapping", "delete", "--yes"], &by_id[..]].concat(),
            true,
        ),
        (&probe, false),
    ] {
        for (store, told) in [
            (
                "nonsense",
                "error: --identity-store-id: \"nonsense\" is not an identity store: give its",
            ),
            (
                "d-0000000000",
                "error: d-0000000000 is no identity store that there is \
                 (ResourceNotFoundException",
            ),
        ] {
            let refused = desk
                .run(&[call, &["--identity-store-id", store]].concat())
                .await;
            assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{call:?}");
            assert!(refused.err.starts_with(told), "{call:?}: {}", refused.err);
        }
        // A variable that is empty is an unset one.
        if of_table && call.len() == 2 {
            let mut tool = desk.tool(call);
            tool.env("POLICY_TABLE", "policy.json")
                .env("IDENTITY_STORE_ID", "");
            assert_eq!(said(tool).await.code, 0);
        }
    }
    assert_eq!(desk.mappings(), ["analytics USER alice analyst"]);
}

#[tokio::test]
async fn a_studio_of_which_is_not_said_how_people_sign_in_is_listed() {
    let desk = Desk::new(with_alice()).await;
    let name = "AuthMode".to_owned();
    desk.emulator
        .world()
        .faults
        .add(Fault::on("ListStudios", FaultKind::DropField { name }));
    let said = said(desk.tool(&["mapping", "list"])).await;
    assert!(said.out.contains("alice"), "{} {}", said.out, said.err);
}

#[tokio::test]
async fn one_studio_that_cannot_be_read_does_not_hide_the_others_and_the_exit_code_tells() {
    let desk = Desk::new(with_alice()).await;
    desk.emulator
        .world()
        .faults
        .add(Fault::on("ListStudioSessionMappings", FaultKind::AccessDenied).containing(SCIENCE));
    let said = desk.run(&["mapping", "list"]).await;
    assert_eq!(said.code, 1);
    assert!(said.out.contains("alice"), "{}", said.out);
    assert!(
        said.err
            .contains("error: science: ListStudioSessionMappings failed: AccessDenied"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn whoever_changes_a_mapping_by_hand_is_told_what_the_next_full_pass_makes_of_it() {
    let user = IdentityType::User;
    let note = |what: &str| format!("note: the next full pass {what}");
    for (has, call, whom, policy, told) in [
        // It goes.
        (
            None,
            "create",
            "dave",
            ANALYST,
            "deletes it: no rule wants it",
        ),
        // It becomes another.
        (
            None,
            "create",
            "alice",
            ANALYST,
            "makes of it engineer, by rules[0]",
        ),
        (
            Some(ENGINEER),
            "update",
            "alice",
            ANALYST,
            "makes of it engineer, by rules[0]",
        ),
        // It comes back.
        (
            Some(ENGINEER),
            "delete",
            "alice",
            "",
            "maps alice again: engineer, by rules[0]",
        ),
        // Nothing touches it.
        (
            None,
            "create",
            "alice",
            ENGINEER,
            "leaves it so: alice is mapped as the table says",
        ),
        (
            Some(ANALYST),
            "delete",
            "dave",
            "",
            "leaves it so: dave is not mapped: no rule fits",
        ),
        (
            None,
            "create",
            "dave",
            FOREIGN,
            "leaves it so: dave has a mapping that is not the table's, and no rule fits",
        ),
    ] {
        let mut start = world();
        if let Some(policy) = has {
            start.map(ANALYTICS, user, whom, policy).unwrap();
        }
        let desk = Desk::new(start).await;
        let more = match call {
            "delete" => ["--yes"].to_vec(),
            _ => ["--session-policy", policy].to_vec(),
        };
        let place = ["mapping", call, "--studio", "analytics", "--user", whom];
        let said = desk.run(&[&place[..], &more].concat()).await;
        assert_eq!(
            (said.code, said.err),
            (0, note(told)),
            "{call} {whom} {policy}"
        );
        // And that is what it does.
        let foretold = desk.mappings();
        desk.run(&["apply", "--yes", "--studio", "analytics"]).await;
        let of = format!(" {whom} ");
        let now = |rows: Vec<String>| rows.into_iter().find(|row| row.contains(&of));
        let stays = now(foretold) == now(desk.mappings());
        assert_eq!(stays, told.starts_with("leaves"), "{call} {whom} {policy}");
    }
}

#[tokio::test]
async fn what_keeps_the_next_full_pass_from_it_is_told_too() {
    let start = with_alice();
    let desk = Desk::new(start).await;
    let small = table(|table| table["studios"]["analytics"]["limits"] = json!({ "users": 1 }));
    desk.write("policy.json", &small.to_string());
    let place = ["--studio", "analytics", "--user"];
    let run = async |call: &str, whom: &str, more: &[&str]| {
        desk.run(&[&["mapping", call], &place[..], &[whom], more].concat())
            .await
    };
    // Bob, who comes before carol in the table, takes the room that alice left.
    let said = run("create", "carol", &["--session-policy", "analyst"]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let said = run("delete", "alice", &["--yes"]).await;
    assert!(
        said.err.contains(
            "leaves it so: alice is not mapped yet, and will not be now: over capacity, \
            the Studio has no room left"
        ),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn of_a_studio_that_the_table_does_not_have_no_full_pass_is_foretold() {
    let mut start = world();
    start
        .map(SCIENCE, IdentityType::User, "alice", ANALYST)
        .unwrap();
    let desk = Desk::new(start).await;
    let without = |protect: Value| {
        let other = table(|table| {
            table["studios"].as_object_mut().unwrap().remove("science");
            table["rules"].as_array_mut().unwrap().truncate(2);
            table["protect"] = protect;
        });
        desk.write("policy.json", &other.to_string());
    };
    let run = async |call: &str, more: &[&str]| {
        let whose = ["--studio", SCIENCE, "--user", "alice"];
        desk.run(&[&["mapping", call], &whose[..], more].concat())
            .await
    };
    without(json!([{ "user": "alice" }]));
    let said = run("delete", &["--yes"]).await;
    assert!(said.err.contains("is protected by"), "{}", said.err);
    without(json!([]));
    let shown = run("get", &["--output", "json"]).await;
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(shown["owned"], false);
    for (call, more) in [
        ("update", &["--session-policy", "engineer"][..]),
        ("delete", &["--yes"]),
        ("create", &["--session-policy", "analyst"]),
    ] {
        let said = run(call, more).await;
        let told = "note: the Studio is not in the table: no full pass of it looks there";
        assert_eq!((said.code, said.err.as_str()), (0, told), "{call}");
    }
}

#[tokio::test]
async fn what_somebody_else_changes_while_it_foretells_is_not_changed() {
    let desk = Desk::new(with_alice()).await;
    let slow = FaultKind::Latency(std::time::Duration::from_millis(1500));
    let slow = Fault::on("GetGroupId", slow).times(1);
    desk.emulator.world().faults.add(slow);
    let meanwhile = async {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while desk.emulator.world().faults.rules[0].applied == 0 {
            assert!(std::time::Instant::now() < until);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let user = IdentityType::User;
        let mut world = desk.emulator.world();
        world.map(ANALYTICS, user, "alice", FOREIGN).unwrap();
    };
    let (said, ()) = tokio::join!(desk.run(&CHANGE), meanwhile);
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(
        said.err.contains("it had analyst, and has "),
        "{}",
        said.err
    );
    assert_eq!(desk.mappings().len(), 1);
    assert!(!desk.mappings()[0].contains("engineer"));
}

/// Alice is mapped, and the table protects her in one way or another.
async fn protecting(entry: Value) -> Desk {
    let desk = Desk::new(with_alice()).await;
    let protecting = table(|table| table["protect"] = json!([entry]));
    desk.write("policy.json", &protecting.to_string());
    desk
}

const TAKE: [&str; 7] = [
    "mapping",
    "delete",
    "--studio",
    "analytics",
    "--user",
    "alice",
    "--yes",
];
const CHANGE: [&str; 8] = [
    "mapping",
    "update",
    "--studio",
    "analytics",
    "--user",
    "alice",
    "--session-policy",
    "engineer",
];

#[tokio::test]
async fn what_the_table_protects_is_left_alone_unless_one_says_so() {
    for (entry, told) in [
        (json!({ "user": "alice" }), "(user \"alice\")"),
        (json!({ "group": "data-*" }), "(group \"data-*\")"),
    ] {
        for call in [&TAKE[..], &CHANGE] {
            let desk = protecting(entry.clone()).await;
            let said = desk.run(call).await;
            assert_eq!((said.code, said.out.as_str()), (1, ""));
            assert_eq!(
                said.err,
                format!(
                    "error: alice is protected by protect[0] {told}; nothing was changed in \
                     analytics. To do it all the same: --even-protected"
                )
            );
            assert_eq!(desk.mappings(), ["analytics USER alice analyst"]);
            let said = desk.run(&[call, &["--even-protected"]].concat()).await;
            assert_eq!(said.code, 0, "{}", said.err);
            assert_ne!(desk.mappings(), ["analytics USER alice analyst"]);
        }
    }
}

#[tokio::test]
async fn whom_the_table_may_protect_is_left_alone_and_it_is_said_why() {
    let unread = protecting(json!({ "group": "seniors" })).await;
    let denied = Fault::on("GetGroupId", FaultKind::AccessDenied);
    let lost = protecting(json!({ "user": "break-glass" })).await;
    for (desk, fault, told) in [
        (
            unread,
            Some(denied),
            "group \"seniors\" could not be read; GetGroupId failed: AccessDenied",
        ),
        (
            lost,
            None,
            "the user it names is not there (renamed, deleted or misspelt)",
        ),
    ] {
        desk.emulator.world().faults.rules.extend(fault);
        let said = desk.run(&TAKE).await;
        assert_eq!(said.code, 1, "{}", said.err);
        let why = format!("alice may be protected: protect[0]: {told}");
        assert!(said.err.contains(&why), "{}", said.err);
        assert_eq!(desk.mappings(), ["analytics USER alice analyst"]);
        let said = desk.run(&[&TAKE[..], &["--even-protected"]].concat()).await;
        assert_eq!(said.code, 0, "{}", said.err);
    }
}

#[tokio::test]
async fn by_ids_the_identity_store_may_be_out_of_reach_unless_it_has_to_decide() {
    let desk = protecting(json!({ "user": "ops" })).await;
    let alice = id_of(&desk, "alice");
    let out_of_reach = async |call: &[&str], table: Option<&str>| {
        let mut tool = desk.tool(call);
        tool.env("AWS_ENDPOINT_URL_IDENTITYSTORE", "http://127.0.0.1:9")
            .env("IDENTITY_STORE_ID", STORE)
            .envs(table.map(|file| ("POLICY_TABLE", file)));
        said(tool).await
    };
    let by_id = |call| ["mapping", call, "--studio", ANALYTICS, "--user-id", &alice];
    let silent = "identitystore does not answer at http://127.0.0.1:9";
    for table in [None, Some("policy.json")] {
        for call in [
            &by_id("get")[..],
            &["mapping", "list", "--studio", ANALYTICS],
        ] {
            let shown = out_of_reach(call, table).await;
            assert_eq!(shown.code, 0, "{call:?}: {}", shown.err);
        }
    }
    for (call, why) in [
        (
            [&by_id("delete")[..], &["--yes"]].concat(),
            "what the table protects is not known: ",
        ),
        (TAKE.to_vec(), ""),
        (vec!["mapping", "list", "--user", "alice"], ""),
    ] {
        let refused = out_of_reach(&call, Some("policy.json")).await;
        let told = format!("error: {why}{silent}");
        assert_eq!(refused.code, 1, "{call:?}");
        assert!(refused.err.starts_with(&told), "{call:?}: {}", refused.err);
    }
    desk.write("open.json", &table(|_| ()).to_string());
    let policy = ["--session-policy", ENGINEER];
    let update = [&by_id("update")[..], &policy].concat();
    let changed = out_of_reach(&update, Some("open.json")).await;
    let told = "! what the next full pass makes of it is not known: ";
    assert_eq!(changed.code, 0, "{}", changed.err);
    assert!(changed.err.starts_with(told), "{}", changed.err);
    let delete = [&by_id("delete")[..], &["--yes"]].concat();
    let gone = out_of_reach(&delete, None).await;
    assert_eq!((gone.code, desk.mappings()), (0, vec![]), "{}", gone.err);
}

#[tokio::test]
async fn an_update_that_meets_somebody_elses_mapping_is_a_failure() {
    let desk = Desk::new(with_alice()).await;
    // To the update the mapping is gone, and to the creation in its place not.
    let gone = FaultKind::Refuse {
        code: "InvalidRequestException".to_owned(),
        message: "Studio session mapping does not exist".to_owned(),
    };
    desk.emulator
        .world()
        .faults
        .add(Fault::on("UpdateStudioSessionMapping", gone));
    let said = desk.run(&CHANGE).await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("look again: mapping get"), "{}", said.err);
    assert_eq!(desk.mappings(), ["analytics USER alice analyst"]);
}

#[tokio::test]
async fn an_answer_that_was_lost_on_the_way_does_not_change_what_is_said() {
    for fault in [
        FaultKind::DropAfter,
        FaultKind::Garbage,
        FaultKind::DropBefore,
    ] {
        let desk = Desk::new(world()).await;
        let lose = || {
            let mut world = desk.emulator.world();
            world.faults.rules.clear();
            for call in ["Create", "Update", "Delete"] {
                let call = format!("{call}StudioSessionMapping");
                world.faults.add(Fault::on(&call, fault.clone()).times(1));
            }
        };
        let whose = ["--studio", "analytics", "--user", "alice"];
        for (call, more, out) in [
            (
                "create",
                &["--session-policy", "analyst"][..],
                "+ analytics  alice  analyst",
            ),
            (
                "update",
                &["--session-policy", "engineer"],
                "~ analytics  alice  analyst -> engineer",
            ),
            ("delete", &["--yes"], "- analytics  alice  engineer"),
        ] {
            lose();
            let said = desk
                .run(&[&["mapping", call], &whose[..], more].concat())
                .await;
            assert_eq!(
                (said.code, said.out.as_str()),
                (0, out),
                "{fault:?}: {}",
                said.err
            );
        }
        assert_eq!(desk.mappings(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn nothing_is_said_to_be_mapped_where_nothing_could_be_read() {
    let desk = Desk::new(with_alice()).await;
    desk.emulator.world().faults.add(Fault::on(
        "ListStudioSessionMappings",
        FaultKind::AccessDenied,
    ));
    for form in ["table", "json", "csv"] {
        let said = desk.run(&["mapping", "list", "--output", form]).await;
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{}", said.err);
    }
}

#[tokio::test]
async fn what_is_done_by_hand_is_in_the_diagnostics_too() {
    let desk = Desk::new(with_alice()).await;
    let said = desk
        .run(&[
            "-v",
            "mapping",
            "delete",
            "--yes",
            "--studio",
            "analytics",
            "--user",
            "alice",
        ])
        .await;
    assert!(said.err.contains("action=\"delete\""), "{}", said.err);
    assert!(said.err.contains("the next full pass"), "{}", said.err);
}
