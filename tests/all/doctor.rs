//! `doctor`: the real binary against the embedded AWS, in which everything is in
//! place, and then one thing is not.

use crate::support;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};

use emr_studio_sync::emulator::{
    AuthMode, Emulator, EventRule, Fault, FaultKind, ManagementEvents, Role, Trail, UserAssignment,
    World,
};
use serde_json::Value;
use support::{ANALYST, ANALYTICS, ENGINEER, SCIENCE, STORE};

const POLICY: &str = include_str!("../../events/policy.toml");

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    /// The one line that has this in it.
    fn line(&self, text: &str) -> &str {
        let lines: Vec<&str> = self
            .out
            .lines()
            .filter(|line| line.contains(text))
            .collect();
        assert_eq!(lines.len(), 1, "{text:?} in\n{}\n{}", self.out, self.err);
        lines[0]
    }

    /// All that is not ok.
    fn not_ok(&self) -> Vec<&str> {
        let lines = self.out.lines();
        lines.filter(|line| !line.starts_with("ok ")).collect()
    }
}

/// What a newcomer gets from `emulate`: a healthy deployment.
fn healthy() -> World {
    let directory = include_str!("../../events/directory.toml");
    World::from_toml(directory).unwrap().world
}

/// Examines a world by a table.
async fn ask(world: World, table: &str, arguments: &[&str], env: &[(&str, &str)]) -> Said {
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let emulator = Emulator::start(world, any_port).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.toml"), table).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_emr-studio-sync"));
    command
        .args([
            "doctor",
            "--table",
            "policy.toml",
            "--identity-store-id",
            STORE,
        ])
        .args(["--region", "us-east-1"])
        .args(arguments)
        // Nobody's profile, and no machine's role.
        .env("HOME", folder.path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL", emulator.url())
        .envs(env.iter().copied())
        .current_dir(folder.path())
        .stdin(Stdio::null());
    // The embedded AWS answers from this thread meanwhile.
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let calls = emulator.world().calls.clone();
    assert!(!calls.iter().any(|call| call.is_write()), "{calls:?}");
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

const CREDENTIALS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
];

/// Examines a world that is healthy but for one thing.
async fn ailing(ail: impl FnOnce(&mut World)) -> Said {
    let mut world = healthy();
    ail(&mut world);
    ask(world, POLICY, &[], &CREDENTIALS).await
}

/// Examines a healthy world in which one operation is denied.
async fn denied(operation: &str) -> Said {
    ailing(|world| {
        world
            .faults
            .add(Fault::on(operation, FaultKind::AccessDenied))
    })
    .await
}

fn rule<'w>(world: &'w mut World, name: &str) -> &'w mut EventRule {
    let mut rules = world.deployment.rules.iter_mut();
    rules.find(|rule| rule.name == name).unwrap()
}

#[tokio::test]
async fn where_everything_is_in_place_every_line_says_so() {
    let said = ailing(|_| ()).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(said.out, @r"
    ok       credentials              arn:aws:sts::111122223333:assumed-role/studio-sync/session
    ok       identity store           ListGroups is permitted
    ok       identity store           ListUsers is permitted
    ok       identity store           GetGroupId is permitted
    ok       identity store           GetUserId is permitted
    ok       identity store           DescribeGroup is permitted
    ok       identity store           DescribeUser is permitted
    ok       identity store           ListGroupMemberships is permitted
    ok       identity store           ListGroupMembershipsForMember is permitted
    ok       identity store           IsMemberInGroups is permitted
    ok       studio analytics         es-ABCDEFGHIJKLMNOPQRSTUVWXY is there, and people sign in with SSO
    ok       studio analytics         ListStudioSessionMappings is permitted; 1 mapping
    ok       studio analytics         GetStudioSessionMapping is permitted
    ok       studio science           es-0123456789ABCDEFGHIJKLMNO is there, and people sign in with SSO
    ok       studio science           ListStudioSessionMappings is permitted; 0 mappings
    ok       studio science           GetStudioSessionMapping is permitted
    ok       session policy analyst   arn:aws:iam::111122223333:policy/studio-analyst is there
    ok       session policy engineer  arn:aws:iam::111122223333:policy/studio-engineer is there
    ok       events us-east-1         sso-directory.amazonaws.com: rule emr-studio-sync-CloudTrailRule
    ok       events us-east-1         identitystore.amazonaws.com: rule emr-studio-sync-CloudTrailRule
    ok       events us-east-1         identitystore-scim.amazonaws.com: rule emr-studio-sync-CloudTrailRule
    ok       events us-east-1         aws.identitystore: rule emr-studio-sync-NativeRule
    ok       events us-east-1         the full pass, rate(1 hour): rule emr-studio-sync-FullPassRule
    ok       events us-east-1         what is unfinished, rate(1 minute): rule emr-studio-sync-UnfinishedRule
    ok       trail us-east-1          arn:aws:cloudtrail:us-east-1:111122223333:trail/organization records management events
    ok       full pass                emr-studio-sync completed one 12 minutes ago
    ");
}

#[tokio::test]
async fn a_read_of_the_directory_that_is_denied_is_a_problem_which_names_the_action() {
    for read in [
        "ListGroups",
        "ListUsers",
        "GetGroupId",
        "GetUserId",
        "DescribeGroup",
        "DescribeUser",
        "ListGroupMemberships",
        "ListGroupMembershipsForMember",
        "IsMemberInGroups",
    ] {
        let said = denied(read).await;
        assert_eq!((said.code, said.not_ok().len()), (1, 1), "{}", said.out);
        let line = said.line("problem");
        assert!(
            line.contains(&format!("{read}: AccessDeniedException")),
            "{line}"
        );
        assert!(
            line.ends_with(&format!("— allow identitystore:{read}")),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_directory_with_nobody_in_it_is_asked_about_nobody() {
    let said = ailing(|world| {
        world.users.clear();
        world.groups.clear();
        world.memberships.clear();
        world.mappings.clear();
    })
    .await;
    assert_eq!((said.code, said.not_ok()), (0, vec![]), "{}", said.err);
    assert_eq!(said.out.matches("identity store ").count(), 9);
}

#[tokio::test]
async fn an_identity_store_that_is_not_there_is_told_once_with_how_to_find_it() {
    let said = ailing(|world| world.store_id = "d-0000000000".to_owned()).await;
    assert_eq!(said.code, 1);
    let line = said.line("identity store");
    assert!(line.starts_with("problem"), "{line}");
    assert!(
        line.contains("see that d-1234567890 is the identity store"),
        "{line}"
    );
}

#[tokio::test]
async fn a_mapping_that_may_not_be_read_is_a_problem_but_the_function_goes_on_undescribed() {
    for read in ["ListStudioSessionMappings", "GetStudioSessionMapping"] {
        let said = denied(read).await;
        assert_eq!((said.code, said.not_ok().len()), (1, 2), "{}", said.out);
        for (line, studio) in said.not_ok().into_iter().zip(["analytics", "science"]) {
            assert!(
                line.starts_with(&format!("problem  studio {studio}")),
                "{line}"
            );
            assert!(
                line.ends_with(&format!("— allow elasticmapreduce:{read}")),
                "{line}"
            );
        }
    }
    let said = denied("DescribeStudio").await;
    assert_eq!((said.code, said.not_ok().len()), (0, 2), "{}", said.out);
    for line in said.not_ok() {
        assert!(line.starts_with("warning  studio"), "{line}");
        assert!(
            line.ends_with("allow elasticmapreduce:DescribeStudio"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_studio_that_people_get_into_without_a_mapping_is_a_warning() {
    for (assignment, told) in [(UserAssignment::Optional, 1), (UserAssignment::Required, 0)] {
        let said = ailing(|world| {
            let studio = world.studios.get_mut(ANALYTICS).unwrap();
            studio.idc_user_assignment = Some(assignment);
        })
        .await;
        assert_eq!(said.code, 0, "{}", said.out);
        let lines = said.not_ok().into_iter();
        let lines: Vec<&str> = lines.filter(|line| line.contains("OPTIONAL")).collect();
        assert_eq!(lines.len(), told, "{}", said.out);
        assert!(
            lines
                .iter()
                .all(|line| line.starts_with("warning  studio analytics"))
        );
    }
}

#[tokio::test]
async fn a_studio_that_cannot_have_mappings_or_is_not_there_is_a_problem() {
    let said = ailing(|world| {
        world.studios.get_mut(ANALYTICS).unwrap().auth_mode = AuthMode::Iam;
    })
    .await;
    assert_eq!(said.code, 1);
    let line = said.line("with IAM");
    assert!(line.starts_with("problem  studio analytics"), "{line}");
    assert!(line.contains("only a Studio with AuthMode SSO"), "{line}");
    // What could only follow from it is not told beside it.
    assert_eq!(said.not_ok(), [line], "{}", said.out);

    let said = ailing(|world| drop(world.studios.remove(SCIENCE))).await;
    assert_eq!(said.code, 1);
    let line = said.line("studio science");
    assert!(line.starts_with("problem"), "{line}");
    assert!(line.contains("Studio does not exist"), "{line}");
    assert!(
        line.ends_with("check the Studio's id, region and role_arn in the table"),
        "{line}"
    );
}

/// The science Studio is in another account, and reached through a role.
fn elsewhere() -> (World, String) {
    let role = "arn:aws:iam::222233334444:role/studio-sync";
    let mut world = healthy();
    world.studios.get_mut(SCIENCE).unwrap().account = Some("222233334444".to_owned());
    world.deployment.roles.push(Role {
        arn: role.to_owned(),
        external_id: Some("agreed".to_owned()),
    });
    let table = POLICY.replace(
        "science = { id = \"es-0123456789ABCDEFGHIJKLMNO\" }",
        &format!(
            "science = {{ id = \"{SCIENCE}\", role_arn = \"{role}\", external_id = \"agreed\" }}"
        ),
    );
    assert!(table.contains("agreed"));
    (world, table)
}

#[tokio::test]
async fn a_studio_elsewhere_is_asked_through_its_role_and_a_role_that_is_barred_is_a_problem() {
    let (world, table) = elsewhere();
    let said = ask(world.clone(), &table, &[], &CREDENTIALS).await;
    assert_eq!((said.code, said.not_ok()), (0, vec![]), "{}", said.err);
    said.line("role/studio-sync may be assumed");
    assert_eq!(said.out.matches("studio science").count(), 4);

    for refusing in ["nothing", "another external id"] {
        let mut world = world.clone();
        match refusing {
            "nothing" => world.deployment.roles.clear(),
            other => world.deployment.roles[0].external_id = Some(other.to_owned()),
        }
        let said = ask(world, &table, &[], &CREDENTIALS).await;
        assert_eq!((said.code, said.not_ok().len()), (1, 1), "{}", said.out);
        let line = said.line("studio science");
        assert!(
            line.contains("role/studio-sync may not be assumed: AccessDenied"),
            "{line}"
        );
        assert!(line.contains("— allow sts:AssumeRole on it"), "{line}");
    }
}

#[tokio::test]
async fn a_session_policy_that_is_not_there_is_a_problem_and_one_that_is_retired_a_warning() {
    let said = ailing(|world| {
        world.deployment.policies.remove(ANALYST);
    })
    .await;
    assert_eq!((said.code, said.not_ok().len()), (1, 1), "{}", said.out);
    let line = said.line("session policy analyst");
    assert!(line.starts_with("problem") && line.contains(&format!("{ANALYST} is not there")));

    let retired = "arn:aws:iam::111122223333:policy/old";
    let table = POLICY.replace(
        "analytics = { id = \"es-ABCDEFGHIJKLMNOPQRSTUVWXY\" }",
        &format!("analytics = {{ id = \"{ANALYTICS}\", retired_policies = [\"{retired}\"] }}"),
    );
    let said = ask(healthy(), &table, &[], &CREDENTIALS).await;
    assert_eq!((said.code, said.not_ok().len()), (0, 1), "{}", said.out);
    assert!(said.line("policy/old is not there").starts_with("warning"));

    let said = denied("GetPolicy").await;
    assert_eq!((said.code, said.not_ok().len()), (0, 2), "{}", said.out);
    for line in said.not_ok() {
        assert!(line.starts_with("warning  session policy"), "{line}");
        assert!(line.ends_with("allow iam:GetPolicy"), "{line}");
    }

    let table = POLICY.replace(
        "111122223333:policy/studio-engineer",
        "999988887777:policy/theirs",
    );
    let said = ask(healthy(), &table, &[], &CREDENTIALS).await;
    assert_eq!((said.code, said.not_ok().len()), (0, 1), "{}", said.out);
    assert!(
        said.line("policy/theirs")
            .contains("another account's than 111122223333")
    );
    assert!(!said.out.contains(ENGINEER));
}

#[tokio::test]
async fn a_rule_that_is_idle_is_a_problem_and_one_that_is_not_here_a_warning() {
    let said = ailing(|world| rule(world, "emr-studio-sync-CloudTrailRule").enabled = false).await;
    assert_eq!((said.code, said.not_ok().len()), (1, 3), "{}", said.out);
    for kind in ["sso-directory", "identitystore", "identitystore-scim"] {
        let line = said.line(&format!(" {kind}.amazonaws.com:"));
        assert!(line.starts_with("problem  events us-east-1"), "{line}");
        assert!(
            line.contains("emr-studio-sync-CloudTrailRule is disabled"),
            "{line}"
        );
        assert!(
            line.contains("aws events enable-rule --region us-east-1"),
            "{line}"
        );
    }

    let said = ailing(|world| rule(world, "emr-studio-sync-NativeRule").targets.clear()).await;
    assert_eq!((said.code, said.not_ok().len()), (1, 1), "{}", said.out);
    let line = said.line("problem");
    assert!(line.contains("aws.identitystore: rule emr-studio-sync-NativeRule has no target"));

    let said = ailing(|world| rule(world, "emr-studio-sync-FullPassRule").enabled = false).await;
    assert_eq!((said.code, said.not_ok().len()), (1, 1), "{}", said.out);
    let line = said.line("the full pass, rate(1 hour)");
    assert!(
        line.contains("emr-studio-sync-FullPassRule is disabled"),
        "{line}"
    );

    let said = ailing(|world| {
        let stays = |rule: &EventRule| rule.name != "emr-studio-sync-FullPassRule";
        world.deployment.rules.retain(stays);
    })
    .await;
    assert_eq!((said.code, said.not_ok().len()), (0, 1), "{}", said.out);
    // The minute's rule is no full pass.
    assert!(said.line("no rule with a schedule").starts_with("warning"));

    let said = ailing(|world| rule(world, "emr-studio-sync-UnfinishedRule").enabled = false).await;
    assert_eq!((said.code, said.not_ok().len()), (1, 1), "{}", said.out);
    let line = said.line("what is unfinished, rate(1 minute)");
    assert!(
        line.contains("emr-studio-sync-UnfinishedRule is disabled"),
        "{line}"
    );

    let said = ailing(|world| world.deployment.rules.clear()).await;
    assert_eq!((said.code, said.not_ok().len()), (0, 6), "{}", said.out);
    let line = said.line("lets identitystore-scim.amazonaws.com through");
    assert!(line.starts_with("warning  events us-east-1"), "{line}");
    assert!(line.contains("docs/forward-events.yaml"), "{line}");
    assert!(said.line("no rule with a schedule").starts_with("warning"));
    let line = said.line("no rule with rate(1 minute)");
    assert!(line.starts_with("warning"), "{line}");
}

#[tokio::test]
async fn a_rule_that_lets_only_half_of_the_changes_through_does_not_do() {
    let said = ailing(|world| {
        let rule = rule(world, "emr-studio-sync-CloudTrailRule");
        let pattern = rule.pattern.as_mut().unwrap();
        *pattern = pattern.replace("\"DeleteGroupMembership\",", "");
    })
    .await;
    assert_eq!(said.not_ok().len(), 1, "{}", said.out);
    said.line("no rule of the default bus lets identitystore.amazonaws.com through");
}

/// The services and calls that a pattern names, of YAML or of JSON.
fn named(pattern: &str) -> BTreeSet<&str> {
    let pattern = pattern.split_once("$or").unwrap().1;
    let lines = pattern.lines().filter(|line| !line.trim().starts_with('#'));
    let words =
        lines.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '.' && c != '-'));
    words
        .filter(|word| word.starts_with(char::is_uppercase) || word.ends_with(".amazonaws.com"))
        .collect()
}

#[test]
fn the_healthy_deployment_has_the_rule_of_the_template() {
    let template = include_str!("../../template.yaml");
    let rule_of = template.split_once("CloudTrailRule:").unwrap().1;
    let rule_of = rule_of.split("Targets:").next().unwrap();
    let mut world = healthy();
    let pattern = rule(&mut world, "emr-studio-sync-CloudTrailRule");
    let pattern = pattern.pattern.as_deref().unwrap();
    assert!(named(pattern).len() > 20, "{:?}", named(pattern));
    assert_eq!(named(pattern), named(rule_of));
}

#[tokio::test]
async fn a_good_rule_does_beside_an_idle_one() {
    let said = ailing(|world| {
        let mut idle = rule(world, "emr-studio-sync-CloudTrailRule").clone();
        idle.name = "a-first-one".to_owned();
        idle.enabled = false;
        world.deployment.rules.push(idle);
        let mut idle = rule(world, "emr-studio-sync-FullPassRule").clone();
        idle.name = "a-first-clock".to_owned();
        idle.enabled = false;
        world.deployment.rules.push(idle);
    })
    .await;
    assert_eq!((said.code, said.not_ok()), (0, vec![]));
}

#[tokio::test]
async fn rules_behind_the_first_page_are_found() {
    let said = ailing(|world| {
        for number in 0..120 {
            let mut other = rule(world, "nightly-cleanup").clone();
            other.name = format!("a-{number}");
            world.deployment.rules.push(other);
        }
    })
    .await;
    assert_eq!((said.code, said.not_ok()), (0, vec![]));
}

/// The one target of the rules that are ours.
const QUEUE: &str = "arn:aws:sqs:us-east-1:111122223333:emr-studio-sync-EventQueue.fifo";

#[tokio::test]
async fn what_leads_to_the_queue_is_found_behind_the_first_page() {
    let said = ailing(|world| {
        for number in 0..120 {
            let mut other = rule(world, "nightly-cleanup").clone();
            other.name = format!("a-{number}");
            other.schedule = None;
            other.targets = vec![QUEUE.to_owned()];
            world.deployment.rules.push(other);
        }
    })
    .await;
    assert_eq!((said.code, said.not_ok()), (0, vec![]));
}

#[tokio::test]
async fn targets_behind_the_first_page_are_found() {
    let said = ailing(|world| {
        let others =
            (0..100).map(|n| format!("arn:aws:lambda:us-east-1:111122223333:function:{n}"));
        let others: Vec<String> = others.collect();
        for name in [
            "emr-studio-sync-CloudTrailRule",
            "emr-studio-sync-NativeRule",
        ] {
            rule(world, name).targets.splice(0..0, others.clone());
        }
    })
    .await;
    assert_eq!((said.code, said.not_ok()), (0, vec![]));
}

#[tokio::test]
async fn functions_behind_the_first_page_are_found() {
    let said = ailing(|world| {
        let function = &mut world.deployment.functions[0];
        let healthy = function.clone();
        function.full_pass_minutes_ago = None;
        let others = (0..500).map(|number| {
            let mut other = healthy.clone();
            other.name = format!("a-{number}");
            other
        });
        world.deployment.functions.extend(others);
    })
    .await;
    assert_eq!((said.code, said.not_ok().len()), (1, 1), "{}", said.out);
    said.line("emr-studio-sync has completed none in 26 hours");
}

#[tokio::test]
async fn a_list_that_never_ends_is_given_up() {
    for call in [
        "ListRules",
        "ListTargetsByRule",
        "ListRuleNamesByTarget",
        "ListMetrics",
    ] {
        let said = ailing(|world| {
            world.faults.add(Fault::on(call, FaultKind::RepeatToken));
        })
        .await;
        assert_eq!((said.code, said.not_ok().len()), (0, 1), "{}", said.out);
        said.line(&format!("not told, {call}: a page token came twice"));
    }
}

#[tokio::test]
async fn an_identity_store_in_another_region_is_looked_at_there_too() {
    let mut world = healthy();
    for rule in &mut world.deployment.rules {
        rule.region = Some("us-east-1".to_owned());
    }
    world.deployment.trails[0].region = Some("us-east-1".to_owned());
    let there = ["--identity-store-region", "eu-west-1"];
    let said = ask(world, POLICY, &there, &CREDENTIALS).await;
    assert_eq!((said.code, said.not_ok().len()), (0, 5), "{}", said.out);
    assert_eq!(said.out.matches("warning  events eu-west-1").count(), 4);
    assert_eq!(said.out.matches("ok       events us-east-1").count(), 6);
    assert!(said.line("trail eu-west-1").starts_with("warning"));
}

#[tokio::test]
async fn a_trail_that_is_off_is_a_problem_and_one_that_records_no_writes_a_warning() {
    let said = ailing(|world| world.deployment.trails[0].logging = false).await;
    assert_eq!((said.code, said.not_ok().len()), (1, 1), "{}", said.out);
    let line = said.line("trail/organization is not logging");
    assert!(line.starts_with("problem  trail us-east-1"), "{line}");
    assert!(
        line.contains("aws cloudtrail start-logging --name arn:"),
        "{line}"
    );

    for advanced in [false, true] {
        for (events, records) in [
            (ManagementEvents::All, true),
            (ManagementEvents::Write, true),
            (ManagementEvents::Read, false),
            (ManagementEvents::None, false),
        ] {
            let said = ailing(|world| {
                let trail = &mut world.deployment.trails[0];
                (trail.management_events, trail.advanced) = (events, advanced);
            })
            .await;
            let line = said.line("trail us-east-1");
            let status = if records { "ok " } else { "warning" };
            assert!(line.starts_with(status), "{events:?} {advanced}: {line}");
            assert_eq!(said.code, 0);
        }
    }

    let said = ailing(|world| world.deployment.trails.clear()).await;
    assert!(
        said.line("no trail records").starts_with("warning"),
        "{}",
        said.out
    );
}

#[tokio::test]
async fn a_trail_is_asked_about_in_its_own_region() {
    let said = ailing(|world| {
        world.deployment.trails[0].home_region = Some("eu-west-1".to_owned());
    })
    .await;
    assert_eq!((said.code, said.not_ok()), (0, vec![]));
    said.line("arn:aws:cloudtrail:eu-west-1:111122223333:trail/organization");
}

#[tokio::test]
async fn a_good_trail_does_beside_one_that_nobody_may_ask_about() {
    let hidden = Trail {
        name: "hidden".to_owned(),
        ..healthy().deployment.trails[0].clone()
    };
    for operation in ["GetEventSelectors", "GetTrailStatus"] {
        let said = ailing(|world| {
            world.deployment.trails.insert(0, hidden.clone());
            let fault = Fault::on(operation, FaultKind::AccessDenied);
            world.faults.add(fault.containing("hidden"));
        })
        .await;
        assert_eq!((said.code, said.not_ok()), (0, vec![]));
    }
}

#[tokio::test]
async fn a_good_trail_does_beside_one_that_is_off() {
    let said = ailing(|world| {
        let off = Trail {
            name: "off".to_owned(),
            logging: false,
            ..world.deployment.trails[0].clone()
        };
        world.deployment.trails.insert(0, off);
    })
    .await;
    assert_eq!((said.code, said.not_ok()), (0, vec![]));
}

#[tokio::test]
async fn a_function_without_a_full_pass_is_a_problem_and_none_at_all_a_warning() {
    for (minutes, age) in [
        (119, "119 minutes"),
        (150, "2 hours"),
        (25 * 60, "25 hours"),
    ] {
        let said = ailing(|world| {
            world.deployment.functions[0].full_pass_minutes_ago = Some(minutes);
        })
        .await;
        let line = said.line("full pass  ");
        assert!(
            line.ends_with(&format!("emr-studio-sync completed one {age} ago")),
            "{line}"
        );
    }
    for never in [None, Some(27 * 60)] {
        let said = ailing(|world| {
            world.deployment.functions[0].full_pass_minutes_ago = never;
        })
        .await;
        assert_eq!((said.code, said.not_ok().len()), (1, 1), "{}", said.out);
        let line = said.line("emr-studio-sync has completed none in 26 hours");
        assert!(
            line.starts_with("problem") && line.ends_with("NoFullPassAlarm"),
            "{line}"
        );
    }
    let said = ailing(|world| world.deployment.functions.clear()).await;
    assert_eq!((said.code, said.not_ok().len()), (0, 1), "{}", said.out);
    assert!(
        said.line("no function has reported in us-east-1")
            .starts_with("warning")
    );
}

#[tokio::test]
async fn what_may_not_be_looked_at_around_the_function_is_a_warning_which_names_the_action() {
    for (call, action) in [
        ("ListRules", "events:ListRules"),
        ("ListTargetsByRule", "events:ListTargetsByRule"),
        ("TestEventPattern", "events:TestEventPattern"),
        ("ListRuleNamesByTarget", "events:ListRuleNamesByTarget"),
        ("DescribeTrails", "cloudtrail:DescribeTrails"),
        ("GetTrailStatus", "cloudtrail:GetTrailStatus"),
        ("GetEventSelectors", "cloudtrail:GetEventSelectors"),
        ("ListMetrics", "cloudwatch:ListMetrics"),
        ("GetMetricStatistics", "cloudwatch:GetMetricStatistics"),
    ] {
        let said = denied(call).await;
        assert_eq!(
            (said.code, said.not_ok().len()),
            (0, 1),
            "{call}\n{}",
            said.out
        );
        let line = said.line("warning");
        assert!(
            line.contains(&format!("not told, {call}: AccessDenied")),
            "{line}"
        );
        assert!(line.ends_with(&format!("allow {action}")), "{line}");
    }
}

#[tokio::test]
async fn without_credentials_nothing_is_asked_and_it_says_how_to_get_some() {
    let said = ask(healthy(), POLICY, &[], &[]).await;
    assert_eq!(
        (said.code, said.out.lines().count()),
        (1, 1),
        "{}",
        said.out
    );
    let line = said.line("problem  credentials");
    assert!(
        line.contains("  there are none; nothing else was asked — "),
        "{line}"
    );
    assert!(
        line.contains(
            "give a --profile of `aws configure list-profiles`, `aws sso login`, or set AWS_ACCESS_KEY_ID"
        ),
        "{line}"
    );
}

#[tokio::test]
async fn a_profile_that_nobody_is_signed_in_to_says_how_to_sign_in() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let profile = "[default]\nsso_session = s\nsso_account_id = 111122223333\nsso_role_name = r\n\
        [sso-session s]\nsso_region = us-east-1\nsso_start_url = https://s.example.com/start\n";
    std::fs::write(&file, profile).unwrap();
    let env = [("AWS_CONFIG_FILE", file.path().to_str().unwrap())];
    let said = ask(healthy(), POLICY, &[], &env).await;
    assert_eq!(said.code, 1);
    let line = said.line("problem  credentials");
    assert!(
        line.contains("failed to load the cached SSO token"),
        "{line}"
    );
    assert!(line.contains("— `aws sso login`, with --profile"), "{line}");
}

#[tokio::test]
async fn where_aws_cannot_be_reached_no_credentials_are_asked_for() {
    let env = [
        CREDENTIALS[0],
        CREDENTIALS[1],
        ("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1"),
    ];
    let said = ask(healthy(), POLICY, &[], &env).await;
    assert_eq!(
        (said.code, said.out.lines().count()),
        (1, 1),
        "{}",
        said.out
    );
    assert!(
        said.line("credentials")
            .contains("— correct AWS_ENDPOINT_URL_STS, or unset it"),
        "{}",
        said.out
    );
}

#[tokio::test]
async fn credentials_that_are_no_good_are_told_with_what_would_be() {
    for (code, cure) in [
        ("ExpiredToken", "they have expired: `aws sso login`"),
        (
            "InvalidClientTokenId",
            "AWS does not know them: see AWS_ACCESS_KEY_ID",
        ),
    ] {
        let said = ailing(|world| {
            let kind = FaultKind::Refuse {
                code: code.to_owned(),
                message: "The security token included in the request is no good".to_owned(),
            };
            world.faults.add(Fault::on("sts", kind));
        })
        .await;
        assert_eq!(
            (said.code, said.out.lines().count()),
            (1, 1),
            "{}",
            said.out
        );
        assert!(said.line(code).contains(cure), "{}", said.out);
    }
}

#[tokio::test]
async fn what_passes_is_nobodys_business() {
    let said = ailing(|world| {
        for call in [
            "GetCallerIdentity",
            "GetPolicy",
            "ListMetrics",
            "DescribeTrails",
        ] {
            let broken = Fault::on(call, FaultKind::DropBefore).times(1);
            world.faults.add(broken);
        }
        for service in [
            "sts",
            "iam",
            "eventbridge",
            "cloudtrail",
            "cloudwatch",
            "emr",
        ] {
            world
                .faults
                .add(Fault::on(service, FaultKind::Throttle).times(1));
        }
    })
    .await;
    assert_eq!((said.code, said.not_ok()), (0, vec![]));
}

#[tokio::test]
async fn who_is_throttled_is_not_sent_to_look_at_the_network() {
    for call in [
        "GetCallerIdentity",
        "ListGroups",
        "DescribeStudio",
        "ListStudioSessionMappings",
        "GetPolicy",
        "ListRules",
    ] {
        let said = ailing(|world| {
            world.faults.add(Fault::on(call, FaultKind::Throttle));
        })
        .await;
        let not_ok = said.not_ok();
        assert!(!not_ok.is_empty(), "{call}");
        for line in not_ok {
            assert!(line.contains("Rate exceeded"), "{line}");
            assert!(
                line.ends_with("AWS throttles these calls: try again in a minute"),
                "{line}"
            );
        }
    }
}

#[tokio::test]
async fn programs_and_spreadsheets_get_the_same_findings() {
    let mut world = healthy();
    world.deployment.policies.remove(ANALYST);
    world.deployment.trails.clear();
    let said = ask(world.clone(), POLICY, &["--output", "json"], &CREDENTIALS).await;
    assert_eq!(said.code, 1);
    let all: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (&all["version"], &all["problems"], &all["warnings"]),
        (&1.into(), &1.into(), &1.into())
    );
    let findings = all["findings"].as_array().unwrap();
    assert_eq!(findings[0]["status"], "ok");
    assert_eq!(findings[0]["cure"], Value::Null);
    let problem = findings
        .iter()
        .find(|one| one["status"] == "problem")
        .unwrap();
    assert_eq!(problem["about"], "session policy analyst");
    assert_eq!(problem["cure"], "make it, or correct its ARN in the table");

    let said = ask(world, POLICY, &["--output", "csv"], &CREDENTIALS).await;
    let mut lines = said.out.lines();
    assert_eq!(lines.next(), Some("status,about,found,cure"));
    assert_eq!(lines.count(), findings.len());
}
