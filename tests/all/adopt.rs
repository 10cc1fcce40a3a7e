//! `adopt` from a terminal: the table it writes keeps everything as it is.

use crate::support;

use emr_studio_sync::emulator::{AuthMode, Fault, FaultKind, IdentityType, World};
use proptest::prelude::*;
use support::desk::Desk;
use support::{ANALYST, ANALYTICS, ENGINEER, FOREIGN, SCIENCE, fill, world};

const USER: IdentityType = IdentityType::User;
const GROUP: IdentityType = IdentityType::Group;

fn map(world: &mut World, studio: &str, kind: IdentityType, who: &[&str], policy: &str) {
    for who in who {
        world.map(studio, kind, who, policy).unwrap();
    }
}

/// The table that is written, without the time in its first line.
async fn adopted(desk: &Desk, more: &[&str]) -> String {
    let mut arguments = vec!["adopt"];
    arguments.extend(more);
    let said = desk.run(&arguments).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    let (first, rest) = said.out.split_once('\n').unwrap();
    let first = first.rsplit_once(" at ").unwrap().0;
    desk.write("policy.toml", &said.out);
    format!("{first}\n{rest}")
}

/// Without the head, which is always the same.
fn body(table: &str) -> String {
    table[table.find("[studios]").unwrap()..].to_owned()
}

/// The rest of a newcomer's way: `check` is content, though it may warn of a name, and
/// `plan` has nothing to do.
async fn changes_nothing(desk: &Desk) -> Result<(), String> {
    let said = desk.run(&["check", "policy.toml"]).await;
    if said.code != 0 {
        return Err(format!("{}{}", said.out, said.err));
    }
    let said = desk.run(&["plan", "--table", "policy.toml"]).await;
    match said.code == 0 && said.out.starts_with("Nothing to do") && said.err.is_empty() {
        true => Ok(()),
        false => Err(format!("{}{}", said.out, said.err)),
    }
}

#[tokio::test]
async fn a_newcomer_adopts_checks_plans_edits_and_applies() {
    let mut start = world();
    start.studios.get_mut(ANALYTICS).unwrap().name = "Analytics & BI".to_owned();
    start.studios.get_mut(SCIENCE).unwrap().name = "Science".to_owned();
    start.add_user("break-glass").unwrap();
    for user in ["bob", "alice", "ops"] {
        start.add_group("data").ok();
        start.add_member("data", user).unwrap();
    }
    map(
        &mut start,
        ANALYTICS,
        USER,
        &["alice", "bob", "dave"],
        ENGINEER,
    );
    map(&mut start, ANALYTICS, USER, &["ops"], ANALYST);
    map(&mut start, ANALYTICS, GROUP, &["data-analysts"], ANALYST);
    map(
        &mut start,
        SCIENCE,
        USER,
        &["alice", "bob", "break-glass"],
        FOREIGN,
    );
    let desk = Desk::new(start).await;
    let before = desk.mappings();
    insta::assert_snapshot!(adopted(&desk, &[]).await, @r#"
    # The 8 mappings of 2 Studios in us-east-1, as they were
    # Made by `emr-studio-sync adopt`: as it stands, it changes nothing. To see so:
    #
    #     emr-studio-sync check policy.toml
    #     emr-studio-sync plan --table policy.toml --identity-store-id d-1234567890
    #
    # Then make it say what should be, and look at the plan again before you apply it.
    # For one identity in one Studio the first rule that fits decides.

    [studios]
    analytics-bi = { id = "es-ABCDEFGHIJKLMNOPQRSTUVWXY" }
    science = { id = "es-0123456789ABCDEFGHIJKLMNO" }

    [session_policies]
    somebody-elses = "arn:aws:iam::111122223333:policy/somebody-elses"
    studio-analyst = "arn:aws:iam::111122223333:policy/studio-analyst"
    studio-engineer = "arn:aws:iam::111122223333:policy/studio-engineer"

    # analytics-bi: "Analytics & BI" (es-ABCDEFGHIJKLMNOPQRSTUVWXY), 5 mappings

    [[rules]]
    group = "data-analysts"
    studio = "analytics-bi"
    session_policy = "studio-analyst"
    assign = "group"

    # An exception from the rule for "data" below.
    [[rules]]
    user = "ops"
    studio = "analytics-bi"
    session_policy = "studio-analyst"

    # 2 of 3 members, and 1 by rules above; who joins later will be mapped too.
    [[rules]]
    group = "data"
    studio = "analytics-bi"
    session_policy = "studio-engineer"
    assign = "members"

    [[rules]]
    user = "dave"
    studio = "analytics-bi"
    session_policy = "studio-engineer"

    # science: "Science" (es-0123456789ABCDEFGHIJKLMNO), 3 mappings

    # All 2 members are mapped today; who joins later will be too.
    [[rules]]
    group = "data-engineers"
    studio = "science"
    session_policy = "somebody-elses"
    assign = "members"

    [[rules]]
    user = "break-glass"
    studio = "science"
    session_policy = "somebody-elses"
    "#);
    changes_nothing(&desk).await.unwrap();
    assert_eq!(desk.mappings(), before);

    let table = desk.read("policy.toml");
    let edited = table.replace("user = \"dave\"", "user = \"carol\"");
    assert_ne!(edited, table);
    desk.write("policy.toml", &edited);
    let said = desk.run(&["plan", "--table", "policy.toml"]).await;
    assert_eq!(said.code, 2, "{}", said.out);
    let said = desk
        .run(&["apply", "--yes", "--table", "policy.toml"])
        .await;
    assert_eq!(said.code, 0, "{}", said.out);
    let mut after = before;
    after.retain(|row| !row.contains(" dave "));
    after.push("analytics USER carol engineer".to_owned());
    after.sort();
    assert_eq!(desk.mappings(), after);
}

#[tokio::test]
async fn who_is_gone_is_protected_until_the_entry_is_taken_out() {
    let mut start = world();
    map(
        &mut start,
        ANALYTICS,
        USER,
        &["alice", "bob", "dave"],
        ENGINEER,
    );
    map(&mut start, ANALYTICS, GROUP, &["data-analysts"], ENGINEER);
    map(&mut start, SCIENCE, USER, &["dave"], FOREIGN);
    start.delete_user("dave").unwrap();
    start.delete_group("data-analysts").unwrap();
    let desk = Desk::new(start).await;
    let table = adopted(&desk, &[]).await;
    insta::assert_snapshot!(body(&table), @r#"
    [studios]
    es-0123456789abcdefghijklmno = { id = "es-0123456789ABCDEFGHIJKLMNO", retired_policies = ["somebody-elses"] }
    es-abcdefghijklmnopqrstuvwxy = { id = "es-ABCDEFGHIJKLMNOPQRSTUVWXY" }

    [session_policies]
    somebody-elses = "arn:aws:iam::111122223333:policy/somebody-elses"
    studio-engineer = "arn:aws:iam::111122223333:policy/studio-engineer"

    # es-abcdefghijklmnopqrstuvwxy: es-ABCDEFGHIJKLMNOPQRSTUVWXY, 2 mappings

    # All 2 members are mapped today; who joins later will be too.
    [[rules]]
    group = "data-engineers"
    studio = "es-abcdefghijklmnopqrstuvwxy"
    session_policy = "studio-engineer"
    assign = "members"

    # Gone from the directory, and still mapped to
    #   es-0123456789abcdefghijklmno as "dave" with somebody-elses
    #   es-abcdefghijklmnopqrstuvwxy as "dave" with studio-engineer
    # Take this entry out, and that will be deleted.
    [[protect]]
    user_id = "a0000000-0000-4000-8000-000000000004"

    # Gone from the directory, and still mapped to
    #   es-abcdefghijklmnopqrstuvwxy as "data-analysts" with studio-engineer
    # Take this entry out, and that will be deleted.
    [[protect]]
    group_id = "b0000000-0000-4000-8000-000000000002"
    assign = "group"
    "#);
    changes_nothing(&desk).await.unwrap();

    let without = body(&table)
        .split("\n# Gone from the directory")
        .next()
        .unwrap()
        .to_owned();
    desk.write("policy.toml", &without);
    let said = desk.run(&["plan", "--table", "policy.toml"]).await;
    assert_eq!(said.code, 2);
    assert!(said.out.contains("3 to delete"), "{}", said.out);
}

#[tokio::test]
async fn names_that_could_mean_others_give_way_to_ids() {
    let mut start = world();
    for name in ["all-*", "Data \"A\"\nB", "Ops"] {
        start.add_group(name).unwrap();
        start.add_member(name, "alice").unwrap();
    }
    start.add_member("all-*", "dave").unwrap();
    for user in ["dave*", "DAVE", "o'hara\\\"\u{7}"] {
        start.add_user(user).unwrap();
    }
    map(
        &mut start,
        ANALYTICS,
        USER,
        &["alice", "dave", "dave*", "DAVE", "o'hara\\\"\u{7}"],
        ANALYST,
    );
    map(
        &mut start,
        ANALYTICS,
        GROUP,
        &["all-*", "Data \"A\"\nB", "Ops"],
        ANALYST,
    );
    let desk = Desk::new(start).await;
    let table = adopted(&desk, &["--studio", ANALYTICS]).await;
    insta::assert_snapshot!(body(&table), @r#"
    [studios]
    es-abcdefghijklmnopqrstuvwxy = { id = "es-ABCDEFGHIJKLMNOPQRSTUVWXY" }

    [session_policies]
    studio-analyst = "arn:aws:iam::111122223333:policy/studio-analyst"

    # es-abcdefghijklmnopqrstuvwxy: es-ABCDEFGHIJKLMNOPQRSTUVWXY, 8 mappings

    [[rules]]
    group = "Data \"A\"\nB"
    studio = "es-abcdefghijklmnopqrstuvwxy"
    session_policy = "studio-analyst"
    assign = "group"

    [[rules]]
    group = "Ops"
    studio = "es-abcdefghijklmnopqrstuvwxy"
    session_policy = "studio-analyst"
    assign = "group"

    # By id: the name "all-*" could mean others too.
    [[rules]]
    group_id = "b0000000-0000-4000-8000-000000000003"
    studio = "es-abcdefghijklmnopqrstuvwxy"
    session_policy = "studio-analyst"
    assign = "group"

    # By id: the name "all-*" could mean others too.
    # All 2 members are mapped today; who joins later will be too.
    [[rules]]
    group_id = "b0000000-0000-4000-8000-000000000003"
    studio = "es-abcdefghijklmnopqrstuvwxy"
    session_policy = "studio-analyst"
    assign = "members"

    # By id: the name "DAVE" could mean others too.
    [[rules]]
    user_id = "a0000000-0000-4000-8000-000000000007"
    studio = "es-abcdefghijklmnopqrstuvwxy"
    session_policy = "studio-analyst"

    # By id: the name "dave*" could mean others too.
    [[rules]]
    user_id = "a0000000-0000-4000-8000-000000000006"
    studio = "es-abcdefghijklmnopqrstuvwxy"
    session_policy = "studio-analyst"

    [[rules]]
    user = "o'hara\\\"\u0007"
    studio = "es-abcdefghijklmnopqrstuvwxy"
    session_policy = "studio-analyst"
    "#);
    changes_nothing(&desk).await.unwrap();
}

#[tokio::test]
async fn a_name_stays_on_its_line_whatever_is_in_it() {
    let mut start = world();
    let name = "x\n[[rules]]\r\n\t\u{7f}\u{85}\u{2028}\u{202e}y";
    start.add_group(name).unwrap();
    start.add_member(name, "alice").unwrap();
    map(&mut start, ANALYTICS, GROUP, &[name], ANALYST);
    let desk = Desk::new(start).await;
    let table = body(&adopted(&desk, &["--studio", ANALYTICS]).await);
    let line = r#"group = "x\n[[rules]]\u000d\n\u0009\u007f\u0085\u2028\u202ey""#;
    assert!(table.lines().any(|found| found == line), "{table}");
    assert_eq!(table.matches("[[rules]]").count(), 2, "{table}");
    changes_nothing(&desk).await.unwrap();
}

/// With everything taken in that is commented out.
fn filled_in(first: &str) -> String {
    let lines = first.lines().map(|line| match line.strip_prefix('#') {
        Some(code) if !code.is_empty() && !code.starts_with(' ') => code,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_studio_without_mappings_gets_a_first_table_to_fill_in() {
    let mut start = world();
    start.studios.get_mut(ANALYTICS).unwrap().name = "Night Watch".to_owned();
    for group in [
        "night-shift",
        "Finance",
        "DATA-analysts",
        "data-*",
        "researchers",
    ] {
        start.add_group(group).unwrap();
    }
    let desk = Desk::new(start).await;
    let first = adopted(&desk, &["--studio", ANALYTICS]).await;
    insta::assert_snapshot!(first, @r##"
    # A first table:
    # Made by `emr-studio-sync adopt`. Take the # away from the rules that should be, and from
    # a session policy, with your account and its name; then see what would happen:
    #
    #     emr-studio-sync check policy.toml
    #     emr-studio-sync plan --table policy.toml --identity-store-id d-1234567890
    #
    # For one identity in one Studio the first rule that fits decides.

    [studios]
    night-watch = { id = "es-ABCDEFGHIJKLMNOPQRSTUVWXY" }

    [session_policies]
    # What people may do in a Studio: an IAM policy of its account.
    #analyst = "arn:aws:iam::111122223333:policy/studio-analyst"

    # night-watch: "Night Watch" (es-ABCDEFGHIJKLMNOPQRSTUVWXY), no mappings
    # Of the 7 groups of the directory these may be meant:

    #[[rules]]
    #group = "night-shift"
    #studio = "night-watch"
    #session_policy = "analyst"
    #assign = "members"

    #[[rules]]
    #group_id = "b0000000-0000-4000-8000-000000000005" # "DATA-analysts"
    #studio = "night-watch"
    #session_policy = "analyst"
    #assign = "members"

    #[[rules]]
    #group_id = "b0000000-0000-4000-8000-000000000006" # "data-*"
    #studio = "night-watch"
    #session_policy = "analyst"
    #assign = "members"

    #[[rules]]
    #group_id = "b0000000-0000-4000-8000-000000000002" # "data-analysts"
    #studio = "night-watch"
    #session_policy = "analyst"
    #assign = "members"

    #[[rules]]
    #group = "data-engineers"
    #studio = "night-watch"
    #session_policy = "analyst"
    #assign = "members"
    "##);

    // As it is, it says what is missing.
    let said = desk.run(&["check", "policy.toml"]).await;
    assert_eq!(said.code, 1);
    let told =
        "error: rules: is missing; it says who is mapped, each rule with [[rules]] in TOML\n";
    assert!(said.err.starts_with(told), "{}", said.err);
    assert!(said.err.ends_with("1 problem"), "{}", said.err);

    // Without its signs it is a table, and makes what it says.
    desk.write("policy.toml", &filled_in(&first));
    let said = desk.run(&["check", "policy.toml"]).await;
    assert_eq!(
        (said.code, said.out.as_str(), said.err.as_str()),
        (
            0,
            "policy.toml is a usable policy table: 1 Studio, 5 rules",
            ""
        )
    );
    let said = desk
        .run(&["apply", "--table", "policy.toml", "--yes"])
        .await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(
        desk.mappings(),
        ["alice", "bob", "carol"].map(|who| format!("analytics USER {who} analyst"))
    );
}

#[tokio::test]
async fn a_directory_whose_names_tell_nothing_or_that_is_empty_is_said_so() {
    let mut start = World::default();
    start.add_studio(ANALYTICS).unwrap();
    let desk = Desk::new(start).await;
    let first = adopted(&desk, &[]).await;
    assert!(
        first.contains("no mappings\n# The directory has no groups yet"),
        "{first}"
    );
    desk.emulator.world().add_group("everybody").unwrap();
    let first = adopted(&desk, &[]).await;
    assert!(
        first.contains("No name tells who is meant; the first of 1 group:"),
        "{first}"
    );
    assert!(first.contains("#group = \"everybody\"\n"), "{first}");
}

#[tokio::test]
async fn only_the_studios_that_are_named_or_all_that_can_have_mappings() {
    let mut start = world();
    start.add_studio("es-IAM").unwrap().auth_mode = AuthMode::Iam;
    map(&mut start, SCIENCE, USER, &["alice"], ENGINEER);
    let desk = Desk::new(start).await;
    let all = adopted(&desk, &[]).await;
    insta::assert_snapshot!(body(&all), @r#"
    [studios]
    es-0123456789abcdefghijklmno = { id = "es-0123456789ABCDEFGHIJKLMNO" }
    # Nobody is mapped to it: take it in when there is a rule for it.
    #es-abcdefghijklmnopqrstuvwxy = { id = "es-ABCDEFGHIJKLMNOPQRSTUVWXY" }

    [session_policies]
    studio-engineer = "arn:aws:iam::111122223333:policy/studio-engineer"

    # es-0123456789abcdefghijklmno: es-0123456789ABCDEFGHIJKLMNO, 1 mapping

    [[rules]]
    user = "alice"
    studio = "es-0123456789abcdefghijklmno"
    session_policy = "studio-engineer"

    # es-abcdefghijklmnopqrstuvwxy: es-ABCDEFGHIJKLMNOPQRSTUVWXY, no mappings
    # Of the 2 groups of the directory these may be meant:

    #[[rules]]
    #group = "data-analysts"
    #studio = "es-abcdefghijklmnopqrstuvwxy"
    #session_policy = "studio-engineer"
    #assign = "members"

    #[[rules]]
    #group = "data-engineers"
    #studio = "es-abcdefghijklmnopqrstuvwxy"
    #session_policy = "studio-engineer"
    #assign = "members"
    "#);
    changes_nothing(&desk).await.unwrap();
    let one = adopted(&desk, &["--studio", ANALYTICS, "--studio", ANALYTICS]).await;
    assert!(one.contains(ANALYTICS) && !one.contains(SCIENCE), "{one}");

    let refused = async |studio: &str| desk.run(&["adopt", "--studio", studio]).await;
    for (studio, why) in [
        (
            "es-IAM",
            "error: people sign in to Studio es-IAM with IAM; only Studios with AuthMode SSO have mappings",
        ),
        (
            "es-NONE",
            "error: there is no Studio es-NONE in this account in us-east-1",
        ),
        (
            "analytics",
            "error: --studio: \"analytics\" is not the id of a Studio; one looks like es-ABCDEFGHIJKLMNOPQRSTUVWXY",
        ),
    ] {
        let said = refused(studio).await;
        assert_eq!(
            (said.code, said.out.as_str(), said.err.as_str()),
            (1, "", why)
        );
    }
    desk.emulator.world().studios.retain(|id, _| id == "es-IAM");
    let said = desk.run(&["adopt"]).await;
    assert_eq!(
        said.err,
        "error: none of the 1 Studios of this account in us-east-1 has AuthMode SSO, so none can \
         have mappings"
    );
}

#[tokio::test]
async fn a_studio_with_more_than_aws_documents_was_given_more() {
    let mut start = world();
    for group in 0..6 {
        let name = format!("team-{group}");
        start.add_group(&name).unwrap();
        map(&mut start, SCIENCE, GROUP, &[&name], ENGINEER);
    }
    let desk = Desk::new(start).await;
    let table = adopted(&desk, &["--studio", SCIENCE]).await;
    assert!(table.contains(", limits = { groups = 6 } }"), "{table}");
    changes_nothing(&desk).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_read_leaves_no_half_of_a_table() {
    let mut start = world();
    start.add_member("data-analysts", "dave").unwrap();
    map(
        &mut start,
        ANALYTICS,
        USER,
        &["alice", "bob", "carol", "dave"],
        ANALYST,
    );
    map(&mut start, ANALYTICS, GROUP, &["data-engineers"], ANALYST);
    let desk = Desk::new(start).await;
    for call in [
        "ListStudios",
        "ListStudioSessionMappings",
        "DescribeUser",
        "DescribeGroup",
        "ListGroupMembershipsForMember",
        "ListGroupMemberships",
    ] {
        desk.emulator.world().faults.rules.clear();
        let fault = Fault::on(call, FaultKind::AccessDenied);
        desk.emulator.world().faults.add(fault);
        let said = desk.run(&["adopt"]).await;
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{call}");
        let told = format!("{call} failed: AccessDeniedException");
        assert!(said.err.contains(&told), "{}", said.err);
    }
}

#[tokio::test]
async fn the_names_of_hundreds_are_read_from_the_list() {
    let mut start = World::default();
    start.add_studio(ANALYTICS).unwrap();
    start.add_group("everybody").unwrap();
    for number in 0..90 {
        let name = format!("person-{number:02}");
        start.add_user(&name).unwrap();
        start.add_member("everybody", &name).unwrap();
        map(&mut start, ANALYTICS, USER, &[&name], ENGINEER);
    }
    let desk = Desk::new(start).await;
    let table = adopted(&desk, &[]).await;
    assert!(table.contains("group = \"everybody\""), "{table}");
    let calls = desk.calls();
    let described = calls.iter().filter(|call| *call == "DescribeUser").count();
    assert!(described < 60, "{described}");
    changes_nothing(&desk).await.unwrap();
}

#[tokio::test]
async fn of_a_group_of_thousands_no_more_is_read_than_shows_that_it_is_none() {
    let mut start = world();
    start.add_group("everybody").unwrap();
    for user in 0..1000 {
        start.add_user(&format!("user-{user}")).unwrap();
        start
            .add_member("everybody", &format!("user-{user}"))
            .unwrap();
    }
    for user in ["alice", "bob"] {
        start.add_member("everybody", user).unwrap();
    }
    map(&mut start, ANALYTICS, USER, &["alice", "bob"], ENGINEER);
    let desk = Desk::new(start).await;
    let table = adopted(&desk, &["--studio", ANALYTICS]).await;
    assert!(table.contains("group = \"data-engineers\""), "{table}");
    let pages = desk
        .emulator
        .world()
        .calls_to("ListGroupMemberships")
        .count();
    assert_eq!(pages, 2, "one for each group that holds two");
    changes_nothing(&desk).await.unwrap();
}

/// Whom a case is about: eight users, six groups, two Studios.
#[derive(Clone, Debug)]
struct Case {
    memberships: Vec<(usize, usize)>,
    mapped: Vec<(bool, bool, usize, usize)>,
    gone_users: Vec<usize>,
    gone_groups: Vec<usize>,
    few_pages: bool,
}

const GROUPS: [&str; 6] = ["data", "data-*", "*", "ops's", "\u{e9}quipe \"1\"", "DATA"];

fn case() -> impl Strategy<Value = Case> {
    use proptest::collection::vec;
    let mapped = (
        any::<bool>(),
        prop::bool::weighted(0.15),
        0..8_usize,
        0..3_usize,
    );
    (
        vec((0..8_usize, 0..GROUPS.len()), 0..24),
        vec(mapped, 0..20),
        vec(0..8_usize, 0..3),
        vec(0..GROUPS.len(), 0..2),
        any::<bool>(),
    )
        .prop_map(
            |(memberships, mapped, gone_users, gone_groups, few_pages)| Case {
                memberships,
                mapped,
                gone_users,
                gone_groups,
                few_pages,
            },
        )
}

impl Case {
    fn world(&self) -> World {
        let mut world = World::default();
        for studio in [ANALYTICS, SCIENCE] {
            world.add_studio(studio).unwrap().name = "The same".to_owned();
        }
        let user = |number: &usize| match number {
            0 => "o'hara \"*\"".to_owned(),
            number => format!("user-{number}"),
        };
        for number in 0..8 {
            world.add_user(&user(&number)).unwrap();
        }
        for name in GROUPS {
            world.add_group(name).unwrap();
        }
        fill(&mut world, &GROUPS, user, &self.memberships, &self.mapped);
        for number in &self.gone_users {
            let _ = world.delete_user(&user(number));
        }
        for group in &self.gone_groups {
            let _ = world.delete_group(GROUPS[*group]);
        }
        if self.few_pages {
            world.settings.page_size = 2;
            world.settings.max_identity_page = 1;
        }
        world
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_mapped_the_table_keeps_it(case in case()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let desk = Desk::new(case.world()).await;
            let before = desk.mappings();
            let said = desk.run(&["adopt"]).await;
            prop_assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
            if before.is_empty() {
                desk.write("policy.toml", &filled_in(&said.out));
                let said = desk.run(&["check", "policy.toml"]).await;
                prop_assert_eq!(said.code, 0, "{}", said.err);
                return Ok(());
            }
            desk.write("policy.toml", &said.out);
            let kept = changes_nothing(&desk).await;
            prop_assert!(kept.is_ok(), "{}\n{}", said.out, kept.unwrap_err());
            desk.run(&["apply", "--yes", "--table", "policy.toml"]).await;
            prop_assert_eq!(desk.mappings(), before);
            Ok(())
        })?;
    }
}
