//! The embedded AWS, asked by the real SDK clients: the published texts, the
//! documented limits, the switches, and every fault as a caller meets it.

use std::fmt::Debug;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use aws_sdk_emr::config::retry::RetryConfig;
use aws_sdk_emr::config::timeout::TimeoutConfig;
use aws_sdk_emr::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_emr::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_emr::types::IdentityType as EmrType;
use aws_sdk_identitystore::operation::describe_user::DescribeUserError;
use aws_sdk_identitystore::operation::get_user_id::GetUserIdError;
use aws_sdk_identitystore::operation::is_member_in_groups::IsMemberInGroupsError;
use aws_sdk_identitystore::types::{
    AlternateIdentifier, MemberId, ResourceType, UniqueAttribute, UserStatus,
};
use tokio::time::Instant;

use emr_studio_sync::aws;
use emr_studio_sync::emulator::{
    AfterIdentityGone, AuthMode, Bucket, Emulator, Fault, FaultKind, FoundAfterRename,
    IdentityType, Outcome, RateLimits, Watch, World,
};

const STUDIO: &str = "es-ABCDEFGHIJKLMNOPQRSTUVWXY";
const STORE: &str = "d-1234567890";
const POLICY: &str = "arn:aws:iam::111122223333:policy/studio-engineer";
const OTHER_POLICY: &str = "arn:aws:iam::111122223333:policy/studio-analyst";
const AN_HOUR_MS: u64 = 3_600_000;
const NOBODY: &str = "906757b26f-84c89418-1041-7072-fde2-2021585e60cf";

// --- what every test starts from -------------------------------------------

/// One Studio; alice, who is an engineer, and bob, who is nothing.
fn agreed() -> World {
    let mut world = World::default();
    world.add_studio(STUDIO).unwrap().name = "analytics".into();
    world.add_user("alice").unwrap();
    world.add_user("bob").unwrap();
    world.add_group("engineers").unwrap();
    world.add_member("engineers", "alice").unwrap();
    world
}

struct Aws {
    emulator: Emulator,
    emr: aws_sdk_emr::Client,
    ids: aws_sdk_identitystore::Client,
}

async fn aws(world: World) -> Aws {
    let emulator = start(world).await;
    let emr = emr(&emulator, "us-east-1", "test", RetryConfig::disabled());
    let config = aws_sdk_identitystore::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(aws::https())
        .region(Region::new("us-east-1"))
        .endpoint_url(emulator.url())
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(RetryConfig::disabled());
    let ids = aws_sdk_identitystore::Client::from_conf(config.build());
    Aws { emulator, emr, ids }
}

async fn start(world: World) -> Emulator {
    Emulator::start(world, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await
        .unwrap()
}

fn emr(emulator: &Emulator, region: &str, key: &str, retry: RetryConfig) -> aws_sdk_emr::Client {
    let config = aws_sdk_emr::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(aws::https())
        .region(Region::new(region.to_owned()))
        .endpoint_url(emulator.url())
        .credentials_provider(Credentials::new(key, "test", None, None, "test"))
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(Duration::from_secs(5))
                .build(),
        )
        .retry_config(retry);
    aws_sdk_emr::Client::from_conf(config.build())
}

/// Retries, without the time they take.
fn impatient() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(1))
        .with_max_backoff(Duration::from_millis(1))
}

/// The code and the text of an error, the service's tail cut off.
fn refusal<T: Debug, E: ProvideErrorMetadata + Debug, R: Debug>(
    answer: Result<T, SdkError<E, R>>,
) -> (String, String) {
    let error = answer.expect_err("the call is refused");
    let message = error.message().unwrap_or_default();
    let text = message
        .split(" (Service: AWSEditors")
        .next()
        .unwrap_or_default();
    (error.code().unwrap_or_default().to_owned(), text.to_owned())
}

fn invalid(text: &str) -> (String, String) {
    ("InvalidRequestException".into(), text.into())
}

impl Aws {
    fn id(&self, user: &str) -> String {
        self.emulator.world().user_id(user).unwrap()
    }

    fn create(
        &self,
        id: &str,
    ) -> aws_sdk_emr::operation::create_studio_session_mapping::builders::CreateStudioSessionMappingFluentBuilder
    {
        let call = self.emr.create_studio_session_mapping().studio_id(STUDIO);
        call.identity_type(EmrType::User)
            .identity_id(id)
            .session_policy_arn(POLICY)
    }

    fn update(
        &self,
        id: &str,
    ) -> aws_sdk_emr::operation::update_studio_session_mapping::builders::UpdateStudioSessionMappingFluentBuilder
    {
        let call = self.emr.update_studio_session_mapping().studio_id(STUDIO);
        call.identity_type(EmrType::User)
            .identity_id(id)
            .session_policy_arn(OTHER_POLICY)
    }

    fn get(
        &self,
        id: &str,
    ) -> aws_sdk_emr::operation::get_studio_session_mapping::builders::GetStudioSessionMappingFluentBuilder
    {
        let call = self.emr.get_studio_session_mapping().studio_id(STUDIO);
        call.identity_type(EmrType::User).identity_id(id)
    }

    fn delete(
        &self,
        id: &str,
    ) -> aws_sdk_emr::operation::delete_studio_session_mapping::builders::DeleteStudioSessionMappingFluentBuilder
    {
        let call = self.emr.delete_studio_session_mapping().studio_id(STUDIO);
        call.identity_type(EmrType::User).identity_id(id)
    }

    /// The ids of a group's members, sorted.
    async fn members(&self, group: &str) -> Vec<String> {
        let group = self.emulator.world().group_id(group).unwrap();
        let list = self.ids.list_group_memberships().identity_store_id(STORE);
        let rows = list.group_id(group).send().await.unwrap().group_memberships;
        let id = |member: &MemberId| member.as_user_id().unwrap().clone();
        let mut ids: Vec<String> = rows
            .iter()
            .map(|row| id(row.member_id().unwrap()))
            .collect();
        ids.sort();
        ids
    }

    /// Whether a user is in the engineers' group, and of how many memberships the
    /// store tells; or why it does not say.
    async fn groups_of(&self, id: &str) -> Result<(bool, usize), String> {
        let engineers = self.emulator.world().group_id("engineers").unwrap();
        let user = MemberId::UserId(id.to_owned());
        let of = self.ids.list_group_memberships_for_member();
        let of = of.identity_store_id(STORE).member_id(user.clone());
        let listed = of.send().await;
        let is_in = self.ids.is_member_in_groups().identity_store_id(STORE);
        let is_in = is_in.member_id(user).group_ids(engineers).send().await;
        match is_in.map_err(SdkError::into_service_error) {
            Ok(answer) => {
                let rows = listed.unwrap().group_memberships.len();
                Ok((answer.results()[0].membership_exists(), rows))
            }
            Err(IsMemberInGroupsError::ResourceNotFoundException(error)) => {
                let code = refusal(listed).0;
                Err(format!(
                    "{code} {}",
                    error.resource_type().unwrap().as_str()
                ))
            }
            Err(error) => Err(format!("{error:?}")),
        }
    }
}

// --- EMR: the mappings' life -----------------------------------------------

#[tokio::test]
async fn a_mapping_is_created_read_changed_and_deleted() {
    let aws = aws(agreed()).await;
    let alice = aws.id("alice");

    aws.create(&alice).send().await.unwrap();
    let made = aws
        .get(&alice)
        .send()
        .await
        .unwrap()
        .session_mapping
        .unwrap();
    assert_eq!(made.studio_id(), Some(STUDIO));
    assert_eq!(made.identity_id(), Some(alice.as_str()));
    assert_eq!(made.identity_name(), Some("alice"));
    assert_eq!(made.identity_type(), Some(&EmrType::User));
    assert_eq!(made.session_policy_arn(), Some(POLICY));
    assert!(made.creation_time().is_some());
    assert_eq!(made.creation_time(), made.last_modified_time());

    tokio::time::sleep(Duration::from_millis(5)).await;
    aws.update(&alice).send().await.unwrap();
    let changed = aws
        .get(&alice)
        .send()
        .await
        .unwrap()
        .session_mapping
        .unwrap();
    assert_eq!(changed.session_policy_arn(), Some(OTHER_POLICY));
    assert_eq!(changed.creation_time(), made.creation_time());
    assert_ne!(changed.last_modified_time(), made.last_modified_time());

    aws.delete(&alice).send().await.unwrap();
    assert!(aws.emulator.world().mappings.is_empty());
}

#[tokio::test]
async fn the_published_texts_are_answered_with_the_services_tail() {
    let aws = aws(agreed()).await;
    let alice = aws.id("alice");

    let error = aws
        .get(&alice)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    let message = error.message().unwrap();
    let tail = " (Service: AWSEditors; Status Code: 400; Error Code: InvalidRequestException; \
                Request ID: 00000000-0000-4000-8000-000000000001; Proxy: null)";
    assert_eq!(
        message,
        format!("Studio session mapping does not exist.{tail}")
    );

    let absent = invalid("Studio session mapping does not exist.");
    assert_eq!(refusal(aws.update(&alice).send().await), absent);
    assert_eq!(refusal(aws.delete(&alice).send().await), absent);

    aws.create(&alice).send().await.unwrap();
    let present = invalid("Studio session mapping already exists.");
    assert_eq!(refusal(aws.create(&alice).send().await), present);
}

#[tokio::test]
async fn a_studio_that_is_not_there_is_told_from_a_mapping_that_is_not_there() {
    let aws = aws(agreed()).await;
    let alice = aws.id("alice");
    let no_studio = invalid("Studio does not exist");
    assert_eq!(
        refusal(aws.create(&alice).studio_id("es-X").send().await),
        no_studio
    );
    assert_eq!(
        refusal(aws.get(&alice).studio_id("es-X").send().await),
        no_studio
    );
    assert_eq!(
        refusal(aws.update(&alice).studio_id("es-X").send().await),
        no_studio
    );
    assert_eq!(
        refusal(aws.delete(&alice).studio_id("es-X").send().await),
        no_studio
    );
    let list = aws.emr.list_studio_session_mappings().studio_id("es-X");
    assert_eq!(refusal(list.send().await), no_studio);
    assert_eq!(
        refusal(aws.emr.describe_studio().studio_id("es-X").send().await),
        no_studio
    );
}

#[tokio::test]
async fn an_unknown_id_and_a_name_where_an_id_belongs_are_invalid() {
    let aws = aws(agreed()).await;
    // Apart from the loop, which would hold the world as long as it runs.
    let engineers = aws.emulator.world().group_id("engineers").unwrap();
    for wrong in [NOBODY, "alice", &engineers] {
        assert_eq!(
            refusal(aws.create(wrong).send().await),
            invalid("IdentityId is invalid")
        );
        assert_eq!(
            refusal(aws.get(wrong).send().await),
            invalid("IdentityId is invalid")
        );
        assert_eq!(
            refusal(aws.update(wrong).send().await),
            invalid("IdentityId is invalid")
        );
    }
    assert_eq!(
        refusal(aws.delete("alice").send().await),
        invalid("IdentityId is invalid")
    );
}

#[tokio::test]
async fn an_identity_may_be_named_by_name_but_not_by_both_nor_by_neither() {
    let aws = aws(agreed()).await;
    let (alice, name) = (aws.id("alice"), Some("alice".to_owned()));

    aws.create("")
        .set_identity_id(None)
        .identity_name("alice")
        .send()
        .await
        .unwrap();
    assert!(
        aws.emulator
            .world()
            .mapping(STUDIO, IdentityType::User, &alice)
            .is_some()
    );
    aws.get("")
        .set_identity_id(None)
        .identity_name("alice")
        .send()
        .await
        .unwrap();
    aws.update("")
        .set_identity_id(None)
        .identity_name("alice")
        .send()
        .await
        .unwrap();
    aws.delete("")
        .set_identity_id(None)
        .identity_name("alice")
        .send()
        .await
        .unwrap();

    let one_of_two = invalid("Either IdentityId or IdentityName must be specified, but not both.");
    for (id, name) in [(Some(alice), name), (None, None)] {
        let create = aws
            .create("")
            .set_identity_id(id.clone())
            .set_identity_name(name.clone());
        assert_eq!(refusal(create.send().await), one_of_two);
        let get = aws
            .get("")
            .set_identity_id(id.clone())
            .set_identity_name(name.clone());
        assert_eq!(refusal(get.send().await), one_of_two);
        let update = aws
            .update("")
            .set_identity_id(id.clone())
            .set_identity_name(name.clone());
        assert_eq!(refusal(update.send().await), one_of_two);
        let delete = aws.delete("").set_identity_id(id).set_identity_name(name);
        assert_eq!(refusal(delete.send().await), one_of_two);
    }
}

#[tokio::test]
async fn a_name_longer_than_256_characters_names_nobody_to_emr() {
    let aws = aws(agreed()).await;
    let call = aws
        .get("")
        .set_identity_id(None)
        .identity_name("x".repeat(257));
    assert_eq!(refusal(call.send().await).0, "ValidationException");
    let call = aws
        .get("")
        .set_identity_id(None)
        .identity_name("x".repeat(256));
    assert_eq!(
        refusal(call.send().await),
        invalid("IdentityName is invalid")
    );
}

#[tokio::test]
async fn required_members_are_required() {
    let aws = aws(agreed()).await;
    let alice = aws.id("alice");
    let (code, text) = refusal(aws.create(&alice).set_studio_id(None).send().await);
    assert_eq!(code, "ValidationException");
    assert!(text.contains("Value null at 'studioId'"), "{text}");
    let (_, text) = refusal(aws.get(&alice).set_identity_type(None).send().await);
    assert!(text.contains("'identityType'"), "{text}");
    let (_, text) = refusal(aws.update(&alice).set_session_policy_arn(None).send().await);
    assert!(text.contains("'sessionPolicyArn'"), "{text}");
    let (_, text) = refusal(
        aws.get(&alice)
            .identity_type(EmrType::from("ROBOT"))
            .send()
            .await,
    );
    assert!(text.contains("Value 'ROBOT' at 'identityType'"), "{text}");
}

#[tokio::test]
async fn a_session_policy_must_be_the_arn_of_an_iam_policy() {
    let aws = aws(agreed()).await;
    let alice = aws.id("alice");
    let bad = "arn:aws:iam::111122223333:role/not-a-policy";
    let call = aws.create(&alice).session_policy_arn(bad);
    assert_eq!(
        refusal(call.send().await),
        invalid("SessionPolicyArn is invalid")
    );
    for good in [
        "arn:aws:iam::aws:policy/x",
        "arn:aws-cn:iam::111122223333:policy/path/x",
    ] {
        aws.create(&alice)
            .session_policy_arn(good)
            .send()
            .await
            .unwrap();
        aws.delete(&alice).send().await.unwrap();
    }
}

// --- EMR: limits and lists --------------------------------------------------

#[tokio::test]
async fn a_studio_takes_100_users_and_5_groups() {
    let mut world = agreed();
    for n in 0..100 {
        let user = world.add_user(&format!("user-{n}")).unwrap();
        world
            .map(STUDIO, IdentityType::User, &user, POLICY)
            .unwrap();
    }
    for n in 0..5 {
        let group = world.add_group(&format!("group-{n}")).unwrap();
        world
            .map(STUDIO, IdentityType::Group, &group, POLICY)
            .unwrap();
    }
    let aws = aws(world).await;
    let engineers = aws.emulator.world().group_id("engineers").unwrap();
    let user = aws.create(&aws.id("alice"));
    let group = aws.create(&engineers).identity_type(EmrType::Group);

    let text = "Studio has reached its limit of users";
    assert_eq!(refusal(user.clone().send().await), invalid(text));
    let text = "Studio has reached its limit of groups";
    assert_eq!(refusal(group.clone().send().await), invalid(text));

    aws.delete(&aws.id("user-7")).send().await.unwrap();
    user.send().await.unwrap();
    let gone = aws.emulator.world().group_id("group-3").unwrap();
    aws.delete(&gone)
        .identity_type(EmrType::Group)
        .send()
        .await
        .unwrap();
    group.send().await.unwrap();
}

#[tokio::test]
async fn a_list_comes_in_pages_and_can_be_narrowed() {
    let mut world = agreed();
    world.settings.page_size = 2;
    world.add_studio("es-OTHER").unwrap();
    for studio in [STUDIO, "es-OTHER"] {
        world
            .map(studio, IdentityType::User, "alice", POLICY)
            .unwrap();
        world
            .map(studio, IdentityType::User, "bob", POLICY)
            .unwrap();
        world
            .map(studio, IdentityType::Group, "engineers", OTHER_POLICY)
            .unwrap();
    }
    let aws = aws(world).await;
    let listed = async |studio: Option<&str>, kind: Option<EmrType>| {
        let call = aws
            .emr
            .list_studio_session_mappings()
            .set_studio_id(studio.map(str::to_owned));
        let mut items = call.set_identity_type(kind).into_paginator().items().send();
        let mut names = Vec::new();
        while let Some(row) = items.try_next().await.unwrap() {
            assert!(row.creation_time().is_some());
            names.push(row.identity_name.unwrap());
        }
        names
    };
    assert_eq!(
        listed(Some(STUDIO), None).await,
        ["engineers", "alice", "bob"]
    );
    assert_eq!(
        listed(Some(STUDIO), Some(EmrType::User)).await,
        ["alice", "bob"]
    );
    assert_eq!(
        listed(None, Some(EmrType::Group)).await,
        ["engineers", "engineers"]
    );
    assert_eq!(listed(None, None).await.len(), 6);
    // 2 pages, 1 (exactly full, so no token), 1, 3.
    assert_eq!(aws.emulator.world().calls.len(), 7);
}

#[tokio::test]
async fn a_row_deleted_between_two_pages_costs_no_other_row() {
    let mut world = agreed();
    world.settings.page_size = 1;
    world
        .map(STUDIO, IdentityType::User, "alice", POLICY)
        .unwrap();
    world
        .map(STUDIO, IdentityType::User, "bob", POLICY)
        .unwrap();
    let aws = aws(world).await;
    let list = aws.emr.list_studio_session_mappings().studio_id(STUDIO);
    let first = list.clone().send().await.unwrap();
    aws.delete(&aws.id("alice")).send().await.unwrap();
    let second = list.set_marker(first.marker).send().await.unwrap();
    assert_eq!(second.session_mappings()[0].identity_name(), Some("bob"));
    assert_eq!(second.marker, None);
}

#[tokio::test]
async fn a_marker_of_another_list_is_refused() {
    let aws = aws(agreed()).await;
    let list = aws.emr.list_studio_session_mappings().marker("made up");
    assert_eq!(refusal(list.send().await), invalid("Marker is invalid"));
}

#[tokio::test]
async fn a_mapping_keeps_the_name_its_identity_had_unless_it_follows() {
    let mut world = agreed();
    world
        .map(STUDIO, IdentityType::User, "alice", POLICY)
        .unwrap();
    world.rename_user("alice", "alice.smith").unwrap();
    let aws = aws(world).await;
    let id = aws.id("alice.smith");
    for (lists, gets) in [(false, false), (true, false), (false, true)] {
        {
            let mut world = aws.emulator.world();
            world.settings.lists_follow_renames = lists;
            world.settings.gets_follow_renames = gets;
        }
        let expected = |follows| match follows {
            true => Some("alice.smith"),
            false => Some("alice"),
        };
        let list = aws.emr.list_studio_session_mappings().studio_id(STUDIO);
        let list = list.send().await.unwrap();
        assert_eq!(list.session_mappings()[0].identity_name(), expected(lists));
        let one = aws.get(&id).send().await.unwrap().session_mapping.unwrap();
        assert_eq!(one.identity_name(), expected(gets));
    }
}

#[tokio::test]
async fn who_was_renamed_is_found_by_the_new_name_or_the_old_one_or_both() {
    let mut world = agreed();
    world
        .map(STUDIO, IdentityType::User, "alice", POLICY)
        .unwrap();
    world.rename_user("alice", "alice.smith").unwrap();
    let aws = aws(world).await;
    let found = async |name: &str| {
        let get = aws.get("").set_identity_id(None).identity_name(name);
        get.send().await.is_ok()
    };
    for (by, old, new) in [
        (FoundAfterRename::New, false, true),
        (FoundAfterRename::Old, true, false),
        (FoundAfterRename::Either, true, true),
    ] {
        aws.emulator.world().settings.found_after_rename = by;
        assert_eq!(found("alice").await, old, "{by:?}");
        assert_eq!(found("alice.smith").await, new, "{by:?}");
        // Who is mapped for the first time has but one name, and a name that somebody
        // else bears now is theirs.
        let bob = aws.create("").set_identity_id(None).identity_name("bob");
        bob.send().await.unwrap();
        assert!(found("bob").await, "{by:?}");
        let bob = aws.delete("").set_identity_id(None).identity_name("bob");
        bob.send().await.unwrap();
    }
    aws.emulator.world().add_user("alice").unwrap();
    let other = aws.id("alice");
    let create = aws.create("").set_identity_id(None).identity_name("alice");
    create.send().await.unwrap();
    let get = aws.get("").set_identity_id(None).identity_name("alice");
    let found = get.send().await.unwrap().session_mapping.unwrap();
    assert_eq!(found.identity_id(), Some(other.as_str()));
}

// --- EMR: Studios, Regions, accounts ---------------------------------------

#[tokio::test]
async fn studios_are_described_and_listed() {
    let mut world = agreed();
    world.add_studio("es-IAM").unwrap().auth_mode = AuthMode::Iam;
    let aws = aws(world).await;
    let studio = aws
        .emr
        .describe_studio()
        .studio_id(STUDIO)
        .send()
        .await
        .unwrap()
        .studio
        .unwrap();
    assert_eq!(studio.name(), Some("analytics"));
    assert_eq!(studio.auth_mode().unwrap().as_str(), "SSO");
    let arn = format!("arn:aws:elasticmapreduce:us-east-1:111122223333:studio/{STUDIO}");
    assert_eq!(studio.studio_arn(), Some(arn.as_str()));

    let studios = aws
        .emr
        .list_studios()
        .send()
        .await
        .unwrap()
        .studios
        .unwrap();
    let modes = studios
        .iter()
        .map(|studio| studio.auth_mode().unwrap().as_str());
    assert_eq!(modes.collect::<Vec<_>>(), ["SSO", "IAM"]);
}

#[tokio::test]
async fn a_studio_of_mode_iam_has_no_mappings() {
    let mut world = agreed();
    world.add_studio("es-IAM").unwrap().auth_mode = AuthMode::Iam;
    world.settings.texts.iam_studio = "not for IAM".into();
    let aws = aws(world).await;
    let call = aws.create(&aws.id("alice")).studio_id("es-IAM");
    assert_eq!(refusal(call.send().await), invalid("not for IAM"));
}

#[tokio::test]
async fn a_studio_does_not_exist_in_another_region_or_account() {
    let mut world = agreed();
    let there = world.add_studio("es-THERE").unwrap();
    there.region = Some("eu-west-1".into());
    there.account = Some("222233334444".into());
    let emulator = start(world).await;
    let found = async |region, key| {
        let emr = emr(&emulator, region, key, RetryConfig::disabled());
        let answer = emr.describe_studio().studio_id("es-THERE").send().await;
        let listed = emr.list_studios().send().await.unwrap().studios.unwrap();
        assert_eq!(listed.len(), if answer.is_ok() { 2 } else { 1 });
        answer.is_ok()
    };
    assert!(found("eu-west-1", "222233334444").await);
    assert!(!found("us-east-1", "222233334444").await);
    assert!(!found("eu-west-1", "test").await);
}

#[tokio::test]
async fn without_identity_center_no_mapping_call_works() {
    let mut world = agreed();
    world.settings.identity_center_enabled = false;
    let aws = aws(world).await;
    let alice = aws.id("alice");
    let disabled = invalid("IAM Identity Center is not enabled");
    assert_eq!(refusal(aws.create(&alice).send().await), disabled);
    assert_eq!(refusal(aws.delete(&alice).send().await), disabled);
    assert_eq!(
        refusal(aws.emr.list_studio_session_mappings().send().await),
        disabled
    );
    assert!(
        aws.emr
            .describe_studio()
            .studio_id(STUDIO)
            .send()
            .await
            .is_ok()
    );
}

// --- EMR: what nobody knows, as switches -----------------------------------

#[tokio::test]
async fn a_deleted_user_leaves_its_mapping_which_goes_by_id_unless_that_is_refused() {
    for (switch, expected) in [
        (
            AfterIdentityGone::Allow,
            "Studio session mapping does not exist.",
        ),
        (AfterIdentityGone::Refuse, "IdentityId is invalid"),
    ] {
        let mut world = agreed();
        world.settings.delete_after_identity_gone = switch;
        let alice = world.user_id("alice").unwrap();
        world
            .map(STUDIO, IdentityType::User, "alice", POLICY)
            .unwrap();
        world.delete_user("alice").unwrap();
        let aws = aws(world).await;

        let left = aws.emr.list_studio_session_mappings().send().await.unwrap();
        assert_eq!(
            left.session_mappings()[0].identity_id(),
            Some(alice.as_str())
        );
        assert_eq!(
            refusal(aws.get(&alice).send().await),
            invalid("IdentityId is invalid")
        );

        let first = aws.delete(&alice).send().await;
        assert_eq!(first.is_ok(), switch == AfterIdentityGone::Allow);
        assert_eq!(refusal(aws.delete(&alice).send().await), invalid(expected));
    }
}

#[tokio::test]
async fn a_person_may_be_mapped_twice_unless_that_is_switched_off() {
    let aws = aws(agreed()).await;
    let (alice, bob) = (aws.id("alice"), aws.id("bob"));
    let engineers = aws.emulator.world().group_id("engineers").unwrap();
    let group = aws.create(&engineers).identity_type(EmrType::Group);
    group.clone().send().await.unwrap();
    aws.create(&alice).send().await.unwrap();

    aws.emulator.world().settings.user_and_group_mapping = false;
    aws.delete(&alice).send().await.unwrap();
    let twice = invalid("The user is already assigned to the Studio through a group");
    assert_eq!(refusal(aws.create(&alice).send().await), twice);
    aws.create(&bob).send().await.unwrap();

    aws.delete(&engineers)
        .identity_type(EmrType::Group)
        .send()
        .await
        .unwrap();
    aws.create(&alice).send().await.unwrap();
    assert_eq!(refusal(group.send().await), twice);
}

#[tokio::test]
async fn names_are_exact_unless_case_is_switched_off() {
    let aws = aws(agreed()).await;
    let attribute = |path: &str, value: &str| {
        let attribute = UniqueAttribute::builder().attribute_path(path);
        let attribute = attribute.attribute_value(value.into()).build().unwrap();
        AlternateIdentifier::UniqueAttribute(attribute)
    };
    for ignored in [false, true] {
        aws.emulator.world().settings.names_ignore_case = ignored;
        let user = aws.ids.get_user_id().identity_store_id(STORE);
        let user = user
            .alternate_identifier(attribute("userName", "Alice"))
            .send()
            .await;
        assert_eq!(user.is_ok(), ignored);
        let group = aws.ids.get_group_id().identity_store_id(STORE);
        let group = group
            .alternate_identifier(attribute("displayName", "ENGINEERS"))
            .send()
            .await;
        assert_eq!(group.is_ok(), ignored);
        let create = aws.create("").set_identity_id(None).identity_name("ALICE");
        assert_eq!(create.send().await.is_ok(), ignored);
    }
    let wrong = aws.ids.get_user_id().identity_store_id(STORE);
    let wrong = wrong
        .alternate_identifier(attribute("nickName", "alice"))
        .send()
        .await;
    let error = wrong.unwrap_err().into_service_error();
    assert!(
        matches!(error, GetUserIdError::ValidationException(_)),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_empty_list_of_mappings_has_its_member_unless_it_is_bare() {
    let aws = aws(agreed()).await;
    let list = aws.emr.list_studio_session_mappings().studio_id(STUDIO);
    let rows = |answer: &str| answer.contains(r#"{"SessionMappings":[]}"#);
    for is_bare in [false, true] {
        aws.emulator.world().settings.bare_empty_lists = is_bare;
        let target = "ElasticMapReduce.ListStudioSessionMappings";
        let answer = raw(&aws.emulator, target, "{}").await;
        assert_eq!(rows(&answer), !is_bare, "{answer}");
        assert!(answer.ends_with('}'), "{answer}");
        assert!(list.clone().send().await.unwrap().marker().is_none());

        let alice = aws.id("alice");
        aws.create(&alice).send().await.unwrap();
        let mapped = list.clone().send().await.unwrap();
        assert_eq!(mapped.session_mappings().len(), 1);
        aws.delete(&alice).send().await.unwrap();
    }
}

#[tokio::test]
async fn a_row_may_come_without_its_id() {
    let aws = aws(agreed()).await;
    let (alice, bob) = (aws.id("alice"), aws.id("bob"));
    aws.create(&alice).send().await.unwrap();
    aws.create(&bob).send().await.unwrap();
    let nameless = [alice.clone()].into();
    aws.emulator.world().settings.rows_without_id = nameless;

    let list = aws.emr.list_studio_session_mappings().send().await.unwrap();
    let rows = list.session_mappings().iter();
    let rows: Vec<_> = rows
        .map(|row| (row.identity_id(), row.identity_name()))
        .collect();
    assert_eq!(
        rows,
        [(None, Some("alice")), (Some(bob.as_str()), Some("bob"))]
    );
    let one = aws.get(&alice).send().await.unwrap();
    let one = one.session_mapping().unwrap();
    assert_eq!(one.identity_id(), Some(alice.as_str()));
}

#[tokio::test]
async fn what_goes_wrong_behind_emr_comes_in_the_dress_of_a_refusal() {
    let aws = aws(agreed()).await;
    let alice = aws.id("alice");
    let wrapped = FaultKind::Wrapped {
        text: "Rate exceeded".into(),
        status: 429,
        code: "ThrottlingException".into(),
    };
    let fault = Fault::on("CreateStudioSessionMapping", wrapped).times(1);
    aws.emulator.world().faults.add(fault);

    let error = aws.create(&alice).send().await.unwrap_err();
    let status = error.raw_response().unwrap().status().as_u16();
    let error = error.into_service_error();
    assert_eq!(status, 400);
    assert!(error.is_invalid_request_exception());
    assert_eq!(
        error.message(),
        Some(
            "Rate exceeded (Service: AWSEditors; Status Code: 429; Error Code: \
             ThrottlingException; Request ID: 00000000-0000-4000-8000-000000000001; Proxy: null)"
        )
    );
    assert!(aws.emulator.world().mappings.is_empty(), "nothing is done");
    aws.create(&alice).send().await.unwrap();
}

#[tokio::test]
async fn emr_may_learn_late_of_somebody_new() {
    let mut world = agreed();
    world.settings.emr_learns_late_ms = AN_HOUR_MS;
    let aws = aws(world).await;
    let (alice, new) = (aws.id("alice"), invalid("IdentityId is invalid"));
    let by_name = || {
        let create = aws.create("").set_identity_id(None);
        create.identity_name("alice").send()
    };
    assert_eq!(refusal(aws.create(&alice).send().await), new);
    assert_eq!(refusal(by_name().await), invalid("IdentityName is invalid"));
    assert_eq!(refusal(aws.get(&alice).send().await), new);
    assert_eq!(refusal(aws.update(&alice).send().await), new);
    assert_eq!(refusal(aws.delete(&alice).send().await), new);
    let known = aws.ids.describe_user().identity_store_id(STORE);
    known.user_id(&alice).send().await.unwrap();

    tokio::time::sleep(Duration::from_millis(50)).await;
    aws.emulator.world().settings.emr_learns_late_ms = 50;
    by_name().await.unwrap();
    aws.get(&alice).send().await.unwrap();
    aws.update(&alice).send().await.unwrap();
    aws.delete(&alice).send().await.unwrap();
}

// --- the Identity Store ------------------------------------------------------

#[tokio::test]
async fn users_and_groups_are_described_with_every_required_member() {
    let mut world = agreed();
    world.set_user_enabled("bob", false).unwrap();
    let aws = aws(world).await;
    let bob = aws.id("bob");
    let user = aws
        .ids
        .describe_user()
        .identity_store_id(STORE)
        .user_id(&bob);
    let user = user.send().await.unwrap();
    assert_eq!(user.identity_store_id(), STORE);
    assert_eq!(user.user_id(), bob);
    assert_eq!(
        user.user_arn(),
        format!("arn:aws:identitystore:::user/{bob}")
    );
    assert_eq!(user.revision(), "2");
    assert_eq!(user.user_name(), Some("bob"));
    assert_eq!(user.user_status(), Some(&UserStatus::Disabled));

    let id = aws.emulator.world().group_id("engineers").unwrap();
    let group = aws
        .ids
        .describe_group()
        .identity_store_id(STORE)
        .group_id(&id);
    let group = group.send().await.unwrap();
    assert_eq!(
        group.group_arn(),
        format!("arn:aws:identitystore:::group/{id}")
    );
    assert_eq!(group.display_name(), Some("engineers"));
}

#[tokio::test]
async fn every_absence_names_what_is_absent() {
    let aws = aws(agreed()).await;
    let (alice, ids) = (aws.id("alice"), &aws.ids);
    let nobody = MemberId::UserId(NOBODY.into());
    macro_rules! absent {
        ($call:expr) => {{
            let error = $call.send().await.unwrap_err().into_service_error();
            assert_eq!(error.code(), Some("ResourceNotFoundException"), "{error:?}");
            let debug = format!("{error:?}");
            let types = ["User", "Group", "GroupMembership", "IdentityStore"];
            let is = |kind: &&&str| debug.contains(&format!("resource_type: Some({kind})"));
            (*types.iter().find(is).unwrap(), debug.contains(NOBODY))
        }};
    }
    let store = || {
        ids.describe_user()
            .identity_store_id("d-0000000000")
            .user_id(&alice)
    };
    assert_eq!(absent!(store()), ("IdentityStore", false));
    let user = || ids.describe_user().identity_store_id(STORE).user_id(NOBODY);
    assert_eq!(absent!(user()), ("User", true));
    let group = ids
        .describe_group()
        .identity_store_id(STORE)
        .group_id(NOBODY);
    assert_eq!(absent!(group), ("Group", true));
    let one = ids
        .describe_group_membership()
        .identity_store_id(STORE)
        .membership_id(NOBODY);
    assert_eq!(absent!(one), ("GroupMembership", true));
    let list = ids
        .list_group_memberships()
        .identity_store_id(STORE)
        .group_id(NOBODY);
    assert_eq!(absent!(list), ("Group", true));
    let list = ids
        .list_group_memberships_for_member()
        .identity_store_id(STORE);
    assert_eq!(absent!(list.member_id(nobody.clone())), ("User", true));
    let engineers = aws.emulator.world().group_id("engineers").unwrap();
    let is_in = ids.is_member_in_groups().identity_store_id(STORE);
    let call = is_in.clone().member_id(nobody).group_ids(&engineers);
    assert_eq!(absent!(call), ("User", true));
    let call = is_in
        .member_id(MemberId::UserId(alice))
        .group_ids(&engineers)
        .group_ids(NOBODY);
    assert_eq!(absent!(call), ("Group", true));

    // As the SDK models it, for once without the shortcut above.
    let error = user().send().await.unwrap_err().into_service_error();
    let aws_sdk_identitystore::operation::describe_user::DescribeUserError::ResourceNotFoundException(error) = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(error.resource_type(), Some(&ResourceType::User));
    assert_eq!(error.resource_id(), Some(NOBODY));
    assert!(error.request_id().is_some());
}

#[tokio::test]
async fn an_unknown_group_is_empty_where_moto_is_imitated() {
    let mut world = agreed();
    world.settings.moto_unknown_group_is_empty = true;
    let aws = aws(world).await;
    let list = aws
        .ids
        .list_group_memberships()
        .identity_store_id(STORE)
        .group_id(NOBODY);
    assert!(list.send().await.unwrap().group_memberships().is_empty());
}

#[tokio::test]
async fn membership_is_told_from_both_sides_and_one_by_one() {
    let mut world = agreed();
    world.add_group("analysts").unwrap();
    let aws = aws(world).await;
    let alice = MemberId::UserId(aws.id("alice"));
    let (engineers, analysts, membership) = {
        let world = aws.emulator.world();
        let membership = world.memberships.keys().next().unwrap().clone();
        (
            world.group_id("engineers").unwrap(),
            world.group_id("analysts").unwrap(),
            membership,
        )
    };
    let rows = aws
        .ids
        .list_group_memberships()
        .identity_store_id(STORE)
        .group_id(&engineers);
    let rows = rows.send().await.unwrap().group_memberships;
    let of_alice = aws
        .ids
        .list_group_memberships_for_member()
        .identity_store_id(STORE);
    let of_alice = of_alice
        .member_id(alice.clone())
        .send()
        .await
        .unwrap()
        .group_memberships;
    assert_eq!(rows, of_alice);
    assert_eq!(rows[0].membership_id(), membership);
    assert_eq!(rows[0].member_id(), Some(&alice));

    let one = aws.ids.describe_group_membership().identity_store_id(STORE);
    let one = one.membership_id(&membership).send().await.unwrap();
    assert_eq!(
        (one.group_id(), one.member_id()),
        (engineers.as_str(), Some(&alice))
    );

    let is_in = aws
        .ids
        .is_member_in_groups()
        .identity_store_id(STORE)
        .member_id(alice);
    let call = is_in.clone().group_ids(&engineers).group_ids(&analysts);
    let results = call.send().await.unwrap().results;
    let results: Vec<bool> = results
        .iter()
        .map(|result| result.membership_exists())
        .collect();
    assert_eq!(results, [true, false]);

    for wrong in [0, 101] {
        let call = is_in
            .clone()
            .set_group_ids(Some(vec![engineers.clone(); wrong]));
        assert_eq!(refusal(call.send().await).0, "ValidationException");
    }
    let call = is_in.set_group_ids(Some(vec![engineers; 100]));
    assert_eq!(call.send().await.unwrap().results().len(), 100);
}

#[tokio::test]
async fn identity_lists_come_in_the_pages_asked_for() {
    let mut world = agreed();
    for n in 0..5 {
        world.add_user(&format!("user-{n}")).unwrap();
        world.add_member("engineers", &format!("user-{n}")).unwrap();
    }
    let aws = aws(world).await;
    let engineers = aws.emulator.world().group_id("engineers").unwrap();
    let users = aws.ids.list_users().identity_store_id(STORE);
    let members = aws
        .ids
        .list_group_memberships()
        .identity_store_id(STORE)
        .group_id(engineers);

    let page = users.clone().max_results(3).send().await.unwrap();
    assert_eq!(page.users().len(), 3);
    let token = page.next_token.clone();
    assert!(token.is_some());
    assert_eq!(
        refusal(members.clone().set_next_token(token).send().await).0,
        "ValidationException"
    );

    let mut items = members
        .clone()
        .max_results(4)
        .into_paginator()
        .items()
        .send();
    let mut ids = std::collections::BTreeSet::new();
    while let Some(row) = items.try_next().await.unwrap() {
        ids.insert(row.membership_id);
    }
    assert_eq!(ids.len(), 6);

    for wrong in [0, 101] {
        let call = users.clone().max_results(wrong);
        assert_eq!(refusal(call.send().await).0, "ValidationException");
    }
    aws.emulator.world().settings.max_identity_page = 2;
    assert_eq!(
        users.max_results(100).send().await.unwrap().users().len(),
        2
    );
    let groups = aws
        .ids
        .list_groups()
        .identity_store_id(STORE)
        .send()
        .await
        .unwrap();
    assert_eq!((groups.groups().len(), groups.next_token()), (1, None));
}

#[tokio::test]
async fn arns_are_accepted_where_ids_are() {
    let aws = aws(agreed()).await;
    let (alice, engineers) = (
        aws.id("alice"),
        aws.emulator.world().group_id("engineers").unwrap(),
    );
    let user = format!("arn:aws:identitystore:::user/{alice}");
    let group = format!("arn:aws:identitystore:::group/{engineers}");
    let store = format!("arn:aws:identitystore::111122223333:identitystore/{STORE}");
    let described = aws
        .ids
        .describe_user()
        .identity_store_id(&store)
        .user_id(&user);
    assert_eq!(described.send().await.unwrap().user_id(), alice);
    let is_in = aws.ids.is_member_in_groups().identity_store_id(&store);
    let is_in = is_in
        .member_id(MemberId::UserId(user))
        .group_ids(group)
        .send()
        .await
        .unwrap();
    assert!(is_in.results()[0].membership_exists());
    assert_eq!(is_in.results()[0].group_id(), Some(engineers.as_str()));
}

#[tokio::test]
async fn a_membership_may_show_late() {
    let aws = aws(agreed()).await;
    let alice = aws.id("alice");
    aws.emulator.world().settings.directory_lags_ms = AN_HOUR_MS;
    assert!(aws.members("engineers").await.is_empty());
    assert_eq!(aws.groups_of(&alice).await, Ok((false, 0)));

    tokio::time::sleep(Duration::from_millis(50)).await;
    aws.emulator.world().settings.directory_lags_ms = 50;
    assert_eq!(aws.members("engineers").await, std::slice::from_ref(&alice));
    assert_eq!(aws.groups_of(&alice).await, Ok((true, 1)));
}

#[tokio::test]
async fn the_memberships_of_somebody_deleted_go_too_unless_they_outlive_them() {
    for outlive in [false, true] {
        let aws = aws(agreed()).await;
        let alice = aws.id("alice");
        aws.emulator.world().settings.memberships_outlive_users = outlive;
        aws.emulator.world().delete_user("alice").unwrap();

        let expected = outlive.then(|| alice.clone());
        assert_eq!(aws.members("engineers").await, Vec::from_iter(expected));
        let described = aws.ids.describe_user().identity_store_id(STORE);
        let error = described.user_id(&alice).send().await.unwrap_err();
        let not_found = error.into_service_error();
        assert!(not_found.is_resource_not_found_exception());
        let absent = "ResourceNotFoundException USER".to_owned();
        assert_eq!(aws.groups_of(&alice).await, Err(absent));
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_told_by_a_reason_in_three_exceptions() {
    let key = |exception: &str, reason: &str, resource_type: Option<&str>| FaultKind::Key {
        exception: exception.into(),
        reason: reason.into(),
        resource_type: resource_type.map(str::to_owned),
    };
    let aws = aws(agreed()).await;
    let describe = aws.ids.describe_user().identity_store_id(STORE);
    let describe = describe.user_id(aws.id("alice"));
    for (kind, expected) in [
        (
            key("ResourceNotFoundException", "KMS_KEY_NOT_FOUND", None),
            "not found: KMS_KEY_NOT_FOUND, None",
        ),
        (
            key(
                "ResourceNotFoundException",
                "KMS_KEY_NOT_FOUND",
                Some("USER"),
            ),
            "not found: KMS_KEY_NOT_FOUND, Some(User)",
        ),
        (
            key("AccessDeniedException", "KMS_ACCESS_DENIED", None),
            "denied: KMS_ACCESS_DENIED",
        ),
        (
            key("ValidationException", "KMS_DISABLED", None),
            "invalid: KMS_DISABLED",
        ),
        (
            key("ValidationException", "KMS_INVALID_STATE", None),
            "invalid: KMS_INVALID_STATE",
        ),
    ] {
        aws.emulator.world().faults.rules = vec![Fault::on("identitystore", kind)];
        let error = describe.clone().send().await.unwrap_err();
        let told = match error.into_service_error() {
            DescribeUserError::ResourceNotFoundException(error) => format!(
                "not found: {}, {:?}",
                error.reason().unwrap(),
                error.resource_type()
            ),
            DescribeUserError::AccessDeniedException(error) => {
                format!("denied: {}", error.reason().unwrap())
            }
            DescribeUserError::ValidationException(error) => {
                format!("invalid: {}", error.reason().unwrap())
            }
            other => format!("{other:?}"),
        };
        assert_eq!(told, expected);
    }
}

// --- faults -------------------------------------------------------------------

/// How a fault on Create reaches the caller: as which kind of error with which
/// code, after how many attempts, and whether the mapping is there.
async fn created_under(fault: FaultKind, retry: RetryConfig) -> String {
    let mut world = agreed();
    let alice = world.user_id("alice").unwrap();
    world
        .faults
        .add(Fault::on("CreateStudioSessionMapping", fault));
    let mut aws = aws(world).await;
    aws.emr = emr(&aws.emulator, "us-east-1", "test", retry);
    let answer = aws.create(&alice).send().await;
    let world = aws.emulator.world();
    let done = world.mapping(STUDIO, IdentityType::User, &alice).is_some();
    let attempts = world.calls.len();
    assert_eq!(world.faults.rules[0].applied as usize, attempts);
    format!(
        "{}; {attempts} sent; {}",
        outcome(&answer),
        if done { "done" } else { "not done" }
    )
}

fn outcome<T, E: ProvideErrorMetadata, R>(answer: &Result<T, SdkError<E, R>>) -> String {
    match answer {
        Ok(_) => "ok".into(),
        Err(SdkError::ServiceError(error)) => {
            format!(
                "service error {}",
                error.err().code().unwrap_or("without a code")
            )
        }
        Err(SdkError::DispatchFailure(error)) => match error.as_connector_error() {
            Some(error) if error.is_io() => "dispatch failure (io)".into(),
            Some(error) => match error.as_other() {
                Some(kind) => format!("dispatch failure ({kind:?})"),
                None => "dispatch failure".into(),
            },
            None => "dispatch failure".into(),
        },
        Err(SdkError::ResponseError(_)) => "response error".into(),
        Err(SdkError::TimeoutError(_)) => "timeout".into(),
        Err(_) => "another error".into(),
    }
}

#[tokio::test]
async fn each_fault_reaches_the_caller_of_a_write_as_expected() {
    let refuse = FaultKind::Refuse {
        code: "InvalidRequestException".into(),
        message: "no".into(),
    };
    let faults = [
        FaultKind::Throttle,
        FaultKind::AccessDenied,
        FaultKind::ServerError,
        FaultKind::ServiceUnavailable,
        FaultKind::HtmlError,
        refuse,
        FaultKind::DropBefore,
        FaultKind::DropAfter,
        FaultKind::Garbage,
        FaultKind::EmptyObject,
        FaultKind::Truncated,
        FaultKind::Latency(Duration::from_millis(5)),
        FaultKind::DropField {
            name: "UserId".into(),
        },
        FaultKind::RepeatToken,
    ];
    let mut seen = String::new();
    for fault in faults {
        let once = created_under(fault.clone(), RetryConfig::disabled()).await;
        let retried = created_under(fault.clone(), impatient()).await;
        seen += &format!("{fault:?}\n    alone:   {once}\n    retried: {retried}\n");
    }
    insta::assert_snapshot!(seen, @r#"
    Throttle
        alone:   service error ThrottlingException; 1 sent; not done
        retried: service error ThrottlingException; 3 sent; not done
    AccessDenied
        alone:   service error AccessDeniedException; 1 sent; not done
        retried: service error AccessDeniedException; 1 sent; not done
    ServerError
        alone:   service error InternalServerError; 1 sent; not done
        retried: service error InternalServerError; 3 sent; not done
    ServiceUnavailable
        alone:   service error ServiceUnavailableException; 1 sent; not done
        retried: service error ServiceUnavailableException; 3 sent; not done
    HtmlError
        alone:   service error without a code; 1 sent; not done
        retried: service error without a code; 3 sent; not done
    Refuse { code: "InvalidRequestException", message: "no" }
        alone:   service error InvalidRequestException; 1 sent; not done
        retried: service error InvalidRequestException; 1 sent; not done
    DropBefore
        alone:   dispatch failure (TransientError); 1 sent; not done
        retried: dispatch failure (TransientError); 3 sent; not done
    DropAfter
        alone:   dispatch failure (TransientError); 1 sent; done
        retried: dispatch failure (TransientError); 3 sent; done
    Garbage
        alone:   ok; 1 sent; done
        retried: ok; 1 sent; done
    EmptyObject
        alone:   ok; 1 sent; done
        retried: ok; 1 sent; done
    Truncated
        alone:   response error; 1 sent; done
        retried: response error; 3 sent; done
    Latency(5ms)
        alone:   ok; 1 sent; done
        retried: ok; 1 sent; done
    DropField { name: "UserId" }
        alone:   ok; 1 sent; done
        retried: ok; 1 sent; done
    RepeatToken
        alone:   ok; 1 sent; done
        retried: ok; 1 sent; done
    "#);
}

#[tokio::test]
async fn each_fault_reaches_the_caller_of_a_read_as_expected() {
    let faults = [
        FaultKind::Garbage,
        FaultKind::EmptyObject,
        FaultKind::Truncated,
        FaultKind::HtmlError,
        FaultKind::DropAfter,
        FaultKind::DropField {
            name: "IdentityId".into(),
        },
        FaultKind::DropField {
            name: "SessionMappings".into(),
        },
    ];
    let mut seen = String::new();
    for fault in faults {
        let mut world = agreed();
        world
            .map(STUDIO, IdentityType::User, "alice", POLICY)
            .unwrap();
        world.faults.add(Fault::on("emr", fault.clone()));
        let emulator = start(world).await;
        let emr = emr(&emulator, "us-east-1", "test", impatient());
        let answer = emr
            .list_studio_session_mappings()
            .studio_id(STUDIO)
            .send()
            .await;
        let sent = emulator.world().calls.len();
        let rows = answer
            .as_ref()
            .ok()
            .map(|answer| match answer.session_mappings.as_deref() {
                Some([row]) => format!(", one row of {:?}", row.identity_id()),
                Some(rows) => format!(", {} rows", rows.len()),
                None => ", no list".into(),
            });
        seen += &format!(
            "{fault:?}: {}{}; {sent} sent\n",
            outcome(&answer),
            rows.unwrap_or_default()
        );
    }
    insta::assert_snapshot!(seen, @r#"
    Garbage: service error without a code; 1 sent
    EmptyObject: ok, no list; 1 sent
    Truncated: response error; 3 sent
    HtmlError: service error without a code; 3 sent
    DropAfter: dispatch failure (TransientError); 3 sent
    DropField { name: "IdentityId" }: ok, one row of None; 1 sent
    DropField { name: "SessionMappings" }: ok, no list; 1 sent
    "#);
}

#[tokio::test]
async fn required_members_the_sdk_does_not_find_come_as_empty_strings() {
    let mut world = agreed();
    world
        .faults
        .add(Fault::on("DescribeUser", FaultKind::EmptyObject));
    world.faults.add(Fault::on(
        "identitystore",
        FaultKind::DropField {
            name: "UserId".into(),
        },
    ));
    let aws = aws(world).await;
    let user = aws
        .ids
        .describe_user()
        .identity_store_id(STORE)
        .user_id(aws.id("alice"));
    assert_eq!(user.send().await.unwrap().user_id(), "");

    let group = aws.emulator.world().group_id("engineers").unwrap();
    let members = aws
        .ids
        .list_group_memberships()
        .identity_store_id(STORE)
        .group_id(group);
    // A union without a member cannot even be read.
    assert_eq!(
        outcome(&members.send().await),
        "service error without a code"
    );
}

#[tokio::test]
async fn the_sdks_paginator_stops_without_an_error_at_a_token_that_repeats() {
    let mut world = agreed();
    world
        .map(STUDIO, IdentityType::User, "alice", POLICY)
        .unwrap();
    world.faults.add(Fault::on("*", FaultKind::RepeatToken));
    let aws = aws(world).await;
    let mut items = aws
        .emr
        .list_studio_session_mappings()
        .into_paginator()
        .items()
        .send();
    let mut rows = 0;
    let end = loop {
        match items.next().await {
            Some(Ok(_)) if rows < 10 => rows += 1,
            other => break format!("{other:?}"),
        }
    };
    assert_eq!((rows, end.as_str()), (2, "None"));
}

#[tokio::test]
async fn a_write_that_timed_out_takes_effect_all_the_same() {
    let mut world = agreed();
    world
        .faults
        .add(Fault::on("emr", FaultKind::Latency(Duration::from_millis(150))).times(1));
    let aws = aws(world).await;
    let alice = aws.id("alice");
    let short = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(40));
    let config = aws_sdk_emr::Config::builder().timeout_config(short.build());
    let answer = aws
        .create(&alice)
        .customize()
        .config_override(config)
        .send()
        .await;
    assert_eq!(outcome(&answer), "timeout");
    assert_eq!(aws.emulator.world().calls[0].outcome, Outcome::Pending);
    assert!(aws.emulator.world().mappings.is_empty());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(aws.emulator.world().calls[0].outcome.is_ok());
    assert_eq!(aws.emulator.world().mappings.len(), 1);
}

#[tokio::test]
async fn a_fault_can_wait_be_spent_and_look_for_somebody() {
    let mut world = agreed();
    let (alice, bob) = (
        world.user_id("alice").unwrap(),
        world.user_id("bob").unwrap(),
    );
    let fault = Fault::on("GetStudioSessionMapping", FaultKind::AccessDenied);
    world.faults.add(fault.containing(&bob).skip(1).times(1));
    let aws = aws(world).await;
    let mut codes = Vec::new();
    for id in [&alice, &bob, &bob, &bob] {
        codes.push(refusal(aws.get(id).send().await).0);
    }
    let absent = "InvalidRequestException";
    assert_eq!(codes, [absent, absent, "AccessDeniedException", absent]);
    let world = aws.emulator.world();
    assert_eq!(
        (world.faults.rules[0].matched, world.faults.rules[0].applied),
        (3, 1)
    );
    let (status, code) = (400, Some("AccessDeniedException".to_owned()));
    assert_eq!(world.calls[2].outcome, Outcome::Answered { status, code });
}

#[tokio::test]
async fn over_the_rate_limit_calls_are_throttled() {
    let mut world = agreed();
    world.faults.rate_limits = RateLimits {
        emr: Some(Bucket::new(2.0, 0.0)),
        identity_store: Some(Bucket::new(1.0, 0.0)),
        ..RateLimits::documented()
    };
    let aws = aws(world).await;
    assert!(aws.emr.list_studios().send().await.is_ok());
    assert!(
        aws.emr
            .describe_studio()
            .studio_id(STUDIO)
            .send()
            .await
            .is_ok()
    );
    let throttled = ("ThrottlingException".to_owned(), "Rate exceeded".to_owned());
    assert_eq!(refusal(aws.emr.list_studios().send().await), throttled);

    assert!(
        aws.ids
            .list_users()
            .identity_store_id(STORE)
            .send()
            .await
            .is_ok()
    );
    assert!(
        aws.ids
            .list_groups()
            .identity_store_id(STORE)
            .send()
            .await
            .is_ok()
    );
    let again = aws.ids.list_users().identity_store_id(STORE).send().await;
    assert_eq!(refusal(again), throttled);
}

// --- the server -----------------------------------------------------------------

/// One request without an SDK: its status line and body.
async fn raw(emulator: &Emulator, target: &str, body: &str) -> String {
    let address = emulator.url().replace("http://", "");
    let length = body.len();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-amz-target: {target}\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    let asked = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    asked.await.unwrap()
}

#[tokio::test]
async fn what_is_no_call_is_refused_and_logged() {
    let emulator = start(agreed()).await;
    let answer = raw(&emulator, "ElasticMapReduce.RunJobFlow", "{}").await;
    assert!(
        answer.contains(" 400 ") && answer.contains("UnknownOperationException"),
        "{answer}"
    );
    let answer = raw(&emulator, "S3.ListBuckets", "{}").await;
    assert!(answer.contains("UnknownOperationException"), "{answer}");
    let answer = raw(&emulator, "ElasticMapReduce.ListStudios", "{").await;
    assert!(
        answer.contains(" 400 ") && answer.contains("SerializationException"),
        "{answer}"
    );
    let answer = raw(
        &emulator,
        "ElasticMapReduce.ListStudios",
        &" ".repeat(5 << 20),
    )
    .await;
    assert!(answer.contains(" 413 "), "{answer}");
    let answer = raw(&emulator, "ElasticMapReduce.ListStudios", "{}").await;
    assert!(
        answer.contains("x-amzn-requestid") && answer.contains("analytics"),
        "{answer}"
    );
    let world = emulator.world();
    let logged: Vec<&str> = world
        .calls
        .iter()
        .map(|call| call.operation.as_str())
        .collect();
    assert_eq!(
        logged,
        ["RunJobFlow", "ListBuckets", "ListStudios", "ListStudios"]
    );
}

#[tokio::test]
async fn the_log_tells_what_was_asked_and_what_came_of_it() {
    let begun = Instant::now();
    let mut world = agreed();
    world.faults.add(Fault::on(
        "DeleteStudioSessionMapping",
        FaultKind::DropAfter,
    ));
    let aws = aws(world).await;
    let alice = aws.id("alice");
    aws.create(&alice).send().await.unwrap();
    aws.delete(&alice).send().await.unwrap_err();
    let world = aws.emulator.world();
    let create = world.calls_to("CreateStudioSessionMapping").next().unwrap();
    assert_eq!(create.input["IdentityId"], alice.as_str());
    assert_eq!(create.input["SessionPolicyArn"], POLICY);
    assert!(create.outcome.is_ok() && create.is_write());
    assert!(create.arrived >= begun);
    let delete = world.calls_to("DeleteStudioSessionMapping").next().unwrap();
    assert_eq!(delete.outcome, Outcome::Dropped);
    assert_eq!((create.number, delete.number), (1, 2));
}

#[tokio::test]
async fn dropping_the_emulator_closes_its_port() {
    let aws = aws(agreed()).await;
    aws.emr.list_studios().send().await.unwrap();
    let Aws { emulator, emr, .. } = aws;
    drop(emulator);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(
        outcome(&emr.list_studios().send().await),
        "dispatch failure (io)"
    );
}

// --- the seed file ----------------------------------------------------------------

const SEED: &str = r#"
identity_store_id = "d-00000000aa"

[[users]]
id = "84c89418-1041-7072-fde2-2021585e60cf"
name = "alice@example.com"
[[users]]
name = "bob@example.com"
enabled = false

[[groups]]
name = "data-engineers"
members = ["alice@example.com"]

[[studios]]
id = "es-ABCDEFGHIJKLMNOPQRSTUVWXY"
name = "analytics"
region = "us-east-1"
  [[studios.mappings]]
  user = "alice@example.com"
  session_policy = "arn:aws:iam::111122223333:policy/studio-engineer"
  [[studios.mappings]]
  group_id = "84c89418-0000-0000-0000-2021585e60cf"
  session_policy = "arn:aws:iam::111122223333:policy/studio-engineer"
  created = "2026-03-02T10:15:30Z"

[settings]
page_size = 1
delete_after_identity_gone = "refuse"

[[story]]
before = "02-joiner.json"
create_user = { name = "carol@example.com" }
rename_group = { group = "data-engineers", to = "engineers" }
enable_user = "bob@example.com"
add_members = [ { group = "engineers", user = "carol@example.com", membership_id = "m-1" } ]
remove_members = [ { group = "engineers", user = "alice@example.com" } ]
delete_user = "alice@example.com"
"#;

#[test]
fn a_seed_file_makes_a_world_and_tells_a_story() {
    let seed = World::from_toml(SEED).unwrap();
    let mut world = seed.world;
    assert_eq!(world.store_id, "d-00000000aa");
    assert_eq!(world.settings.page_size, 1);
    assert_eq!(world.settings.max_identity_page, 100);
    assert!(!world.users[&world.user_id("bob@example.com").unwrap()].enabled);
    let mapping = world
        .mapping(STUDIO, IdentityType::User, "alice@example.com")
        .unwrap();
    assert_eq!(mapping.identity_name, "alice@example.com");
    let gone = "84c89418-0000-0000-0000-2021585e60cf";
    let left_behind = world.mapping(STUDIO, IdentityType::Group, gone).unwrap();
    assert_eq!(left_behind.created, 1_772_446_530.0);
    assert!(mapping.created > left_behind.created, "now");

    let [step] = seed.story.as_slice() else {
        panic!("one step")
    };
    assert_eq!(step.before, "02-joiner.json");
    world.play(step).unwrap();
    assert!(world.users[&world.user_id("bob@example.com").unwrap()].enabled);
    assert_eq!(world.memberships.keys().collect::<Vec<_>>(), ["m-1"]);
    assert_eq!(world.users.len(), 2);
    assert_eq!(world.mappings.len(), 2);

    let problem = world.play(step).unwrap_err();
    insta::assert_snapshot!(problem, @r#"story before 02-joiner.json: user a0000000-0000-4000-8000-000000000002 is called "carol@example.com" already"#);
}

#[test]
fn a_seed_files_problem_is_told_with_its_place() {
    let problem = |from: &str, to: &str| {
        assert!(SEED.contains(from));
        World::from_toml(&SEED.replacen(from, to, 1)).unwrap_err()
    };
    insta::assert_snapshot!(problem("members = [\"alice", "members = [\"alcie"), @r#"groups[0].members[0]: no user is called "alcie@example.com" or has that id"#);
    insta::assert_snapshot!(problem("name = \"bob@", "name = \"alice@"), @r#"users[1]: user 84c89418-1041-7072-fde2-2021585e60cf is called "alice@example.com" already"#);
    insta::assert_snapshot!(problem("group_id = ", "user = \"alice@example.com\"\ngroup_id = "), @"studios[0].mappings[1]: give exactly one of user, user_id, group, group_id");
    insta::assert_snapshot!(problem("group_id = ", "user_id = \"84c89418-1041-7072-fde2-2021585e60cf\" #"), @"studios[0].mappings[1]: USER 84c89418-1041-7072-fde2-2021585e60cf is mapped already");
    insta::assert_snapshot!(problem("2026-03-02T", "yesterday, "), @r#"studios[0].mappings[1]: created: "yesterday, 10:15:30Z": input contains invalid characters"#);
    insta::assert_snapshot!(problem("enabled", "enabeld"), @r"
    TOML parse error at line 9, column 1
      |
    9 | enabeld = false
      | ^^^^^^^
    unknown field `enabeld`, expected one of `id`, `name`, `enabled`
    ");
    insta::assert_snapshot!(problem("\"refuse\"", "\"sometimes\""), @r#"
    TOML parse error at line 29, column 30
       |
    29 | delete_after_identity_gone = "sometimes"
       |                              ^^^^^^^^^^^
    unknown variant `sometimes`, expected `allow` or `refuse`
    "#);
    insta::assert_snapshot!(problem("rename_group = { group", "rename_group = { user"), @r#"
    TOML parse error at line 34, column 18
       |
    34 | rename_group = { user = "data-engineers", to = "engineers" }
       |                  ^^^^
    unknown field `user`, expected `group` or `to`
    "#);
}

// ----------------------------------------------------------------- in process

/// An EMR client of this process, by the project's own settings.
async fn in_process(emulator: &Emulator) -> aws_sdk_emr::Client {
    let sdk = emr_studio_sync::aws::sdk_config()
        .region(aws_config::Region::new("us-east-1"))
        .credentials_provider(aws_credential_types::Credentials::new(
            "test", "test", None, None, "test",
        ))
        .http_client(emulator.http_client())
        .endpoint_url(emulator.url());
    aws_sdk_emr::Client::new(&sdk.load().await)
}

#[tokio::test(start_paused = true)]
async fn in_process_an_answer_takes_as_long_as_it_should_by_the_clock_of_the_test() {
    let mut world = World::default();
    world.add_studio("es-1").unwrap();
    let a_while = Duration::from_secs(3);
    world
        .faults
        .add(Fault::on("ListStudios", FaultKind::Latency(a_while)));
    let emulator = Emulator::in_process(world);
    let client = in_process(&emulator).await;
    let (real, start) = (std::time::Instant::now(), Instant::now());
    let answer = client.list_studios().send().await.unwrap();
    assert_eq!(answer.studios()[0].studio_id(), Some("es-1"));
    assert!(start.elapsed() >= a_while && real.elapsed() < a_while);
}

#[tokio::test(start_paused = true)]
async fn in_process_what_breaks_on_the_way_breaks_and_a_timeout_is_one() {
    let mut world = World::default();
    world.add_studio("es-1").unwrap();
    let emulator = Emulator::in_process(world);
    let client = in_process(&emulator).await;
    let minutes = Duration::from_secs(600);
    for kind in [
        FaultKind::DropBefore,
        FaultKind::DropAfter,
        FaultKind::Truncated,
        FaultKind::Garbage,
        FaultKind::Latency(minutes),
    ] {
        emulator.world().faults.rules = vec![Fault::on("ListStudios", kind.clone())];
        let answer = client.list_studios().send().await;
        assert!(answer.is_err(), "{kind:?}: {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_watches_sees_each_call_before_it_takes_effect_and_may_step_in() {
    let mut world = World::default();
    world.add_studio("es-1").unwrap();
    let alice = world.add_user("alice").unwrap();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let eyes = std::sync::Arc::clone(&seen);
    world.watch = Watch::new(move |world, operation, input| {
        let mapped = world.mappings.len();
        let who = input["IdentityId"].as_str().unwrap_or_default().to_owned();
        eyes.lock()
            .unwrap()
            .push((operation.to_owned(), who, mapped));
        if operation == "DescribeStudio" {
            world.studios.clear();
        }
    });
    let emulator = Emulator::in_process(world);
    let client = in_process(&emulator).await;
    let create = client
        .create_studio_session_mapping()
        .studio_id("es-1")
        .identity_type(aws_sdk_emr::types::IdentityType::User)
        .identity_id(&alice)
        .session_policy_arn("arn:aws:iam::111122223333:policy/p");
    create.send().await.unwrap();
    emulator.world().faults.rules = vec![Fault::on("*", FaultKind::Throttle).times(1)];
    assert!(client.list_studios().send().await.is_err());
    let gone = client.describe_studio().studio_id("es-1").send().await;
    assert!(gone.is_err());
    let expected = [
        ("CreateStudioSessionMapping".to_owned(), alice, 0),
        ("DescribeStudio".to_owned(), String::new(), 1),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}
