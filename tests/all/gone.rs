//! Who is called gone, and on which evidence: the same in every command, and none
//! where nobody could look.

use crate::support;

use emr_studio_sync::emulator::{Fault, FaultKind, IdentityType, World};
use serde_json::json;
use support::desk::{Desk, said};
use support::{ANALYST, ANALYTICS, ENGINEER, SCIENCE, STORE, table, world};

/// Alice is an engineer, and so is her group; zoe, who was mapped too, is gone.
fn with_zoe() -> (World, String) {
    let mut start = world();
    let user = IdentityType::User;
    let zoe = start.add_user("zoe").unwrap();
    for (who, policy) in [("alice", ENGINEER), ("zoe", ANALYST)] {
        start.map(ANALYTICS, user, who, policy).unwrap();
    }
    start
        .map(SCIENCE, IdentityType::Group, "data-engineers", ANALYST)
        .unwrap();
    start.delete_user("zoe").unwrap();
    (start, zoe)
}

/// Every command that may say of somebody that they are gone.
fn commands(alice: &str) -> [Vec<&str>; 10] {
    [
        vec!["plan", "--detailed"],
        vec!["apply", "--yes"],
        vec!["explain", "--user", "alice"],
        vec!["explain", "--user-id", alice],
        vec!["explain", "--group", "data-engineers"],
        vec!["report"],
        vec!["adopt"],
        vec!["export"],
        vec!["mapping", "get", "--studio", "analytics", "--user", "alice"],
        vec!["check", "--live"],
    ]
}

#[tokio::test]
async fn what_is_not_found_for_a_reason_makes_nobody_gone_in_any_command() {
    let (start, _) = with_zoe();
    let alice = start.user_id("alice").unwrap();
    let desk = Desk::new(start).await;
    // Protected, so that nothing may depend on whether they are there.
    let protecting = table(|table| table["protect"] = json!([{ "user": "bob" }]));
    desk.write("policy.json", &protecting.to_string());
    for kind in ["USER", "GROUP"] {
        let key = FaultKind::Key {
            exception: "ResourceNotFoundException".to_owned(),
            reason: "KMS_KEY_NOT_FOUND".to_owned(),
            resource_type: Some(kind.to_owned()),
        };
        let rules = vec![Fault::on("identitystore", key)];
        desk.emulator.world().faults.rules = rules;
        let before = desk.mappings();
        for command in commands(&alice) {
            let said = desk.run(&command).await;
            let all = format!("{}\n{}", said.out, said.err).to_lowercase();
            for word in [
                "gone",
                "there is no",
                "is not there",
                "no group of this name",
                "deleted;",
            ] {
                assert!(!all.contains(word), "{command:?}: {word}: {all}");
            }
            assert_eq!(said.code, 1, "{command:?}: {all}");
            assert!(
                all.contains("kms") || all.contains("key"),
                "{command:?}: {all}"
            );
        }
        assert_eq!(desk.mappings(), before);
    }
}

#[tokio::test]
async fn who_is_gone_is_so_in_every_command() {
    let (start, zoe) = with_zoe();
    let desk = Desk::new(start).await;
    for (command, told) in [
        (
            vec!["explain", "--user-id", &zoe],
            "is mapped, and gone from the directory: the mapping",
        ),
        (vec!["report"], "gone from the directory"),
        (
            vec!["adopt"],
            "# Gone from the directory, and still mapped to",
        ),
        (vec!["plan"], "- analytics  zoe "),
    ] {
        let told_by = desk.run(&command).await;
        assert!(
            told_by.out.contains(told),
            "{command:?}: {}{}",
            told_by.out,
            told_by.err
        );
    }
    let exported = said({
        let mut tool = desk.tool(&["export"]);
        tool.env("IDENTITY_STORE_ID", STORE)
            .env("POLICY_TABLE", "policy.json");
        tool
    });
    let exported = exported.await.out;
    assert!(
        exported.contains(&format!("user_id = \"{zoe}\"")),
        "{exported}"
    );
}

#[tokio::test]
async fn whom_only_a_list_of_memberships_does_not_know_is_not_called_gone() {
    for (call, kind) in [
        ("ListGroupMemberships", "GROUP"),
        ("ListGroupMembershipsForMember", "USER"),
    ] {
        let (start, _) = with_zoe();
        let desk = Desk::new(start).await;
        let not_found = FaultKind::NotFound {
            resource_type: kind.to_owned(),
        };
        desk.emulator.world().faults.add(Fault::on(call, not_found));
        let report = desk.run(&["report"]).await;
        let of_group = |line: &&str| line.contains("data-engineers");
        let line = report.out.lines().find(of_group).unwrap_or_default();
        assert!(!line.contains("gone"), "{}", report.out);
        let adopted = desk.run(&["adopt"]).await;
        let alice = desk.emulator.world().user_id("alice").unwrap();
        assert!(!adopted.out.contains(&alice), "{}", adopted.out);
        let exported = desk.run(&["export"]).await;
        if call == "ListGroupMemberships" {
            assert_eq!(exported.code, 1, "{}", exported.out);
            assert!(
                exported.err.contains("is there, but its members"),
                "{}",
                exported.err
            );
        }
    }
}
