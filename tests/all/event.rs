//! What payloads say about where to look: every sample file, every row of what
//! Identity Center is known to send, and what becomes of events that lack a
//! part, are redacted, or are no events at all.
//!
//! One thing matters above all: an event that was meant to be read as "this
//! user" may become "everything" when it is damaged, but never "nothing", and
//! never somebody else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use emr_studio_sync::event::{self, Claim, Event, Kind, Message, Payload, Request, Scope, Subject};
use emr_studio_sync::identity::{Id, Identity, IdentityType};
use emr_studio_sync::policy::fit::{Answer, Directory};
use proptest::prelude::*;
use serde_json::{Value, json};

const STORE: &str = "d-1234567890";
const OTHER_STORE: &str = "d-0987654321";
const USER: &str = "0a1b2c3d-1001-7001-8001-00000000a001";
const USER_2: &str = "0a1b2c3d-1001-7001-8001-00000000a002";
const GROUP: &str = "1b2c3d4e-2001-7002-8002-00000000b001";
const MEMBERSHIP: &str = "2c3d4e5f-3001-7003-8003-00000000c001";
const ACTOR: &str = "3d4e5f60-4001-7004-8004-00000000d001";
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

const DIRECTORY: &str = "sso-directory.amazonaws.com";
const API: &str = "identitystore.amazonaws.com";
const SCIM: &str = "identitystore-scim.amazonaws.com";
const SSO: &str = "sso.amazonaws.com";

fn id(text: &str) -> Id {
    Id::parse(text).expect(text)
}

fn user(text: &str) -> Scope {
    Scope::Identities(BTreeSet::from([Identity::user(id(text))]))
}

fn group(text: &str) -> Scope {
    Scope::Identities(BTreeSet::from([Identity::group(id(text))]))
}

fn member(user: &str, now: bool) -> Option<Claim> {
    member_of(GROUP, user, now)
}

fn member_of(group: &str, user: &str, now: bool) -> Option<Claim> {
    Some(Claim::Member {
        group: id(group),
        user: id(user),
        now,
    })
}

fn user_exists(text: &str, now: bool) -> Option<Claim> {
    let identity = Identity::user(id(text));
    Some(Claim::Exists { identity, now })
}

fn group_exists(text: &str, now: bool) -> Option<Claim> {
    let identity = Identity::group(id(text));
    Some(Claim::Exists { identity, now })
}

fn enabled(text: &str, now: bool) -> Option<Claim> {
    let user = id(text);
    Some(Claim::Enabled { user, now })
}

/// A call as CloudTrail tells of it.
fn call(service: &str, name: &str, asked: Value, answered: Value) -> Value {
    let source = service.trim_end_matches(".amazonaws.com");
    json!({
        "version": "0",
        "id": "6a1e67e5-82d9-520d-9c07-c3b1b667bcd2",
        "detail-type": "AWS API Call via CloudTrail",
        "source": format!("aws.{source}"),
        "account": "111122223333",
        "time": "2026-03-02T10:15:31Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {
            "eventVersion": "1.11",
            "eventTime": "2026-03-02T10:15:30Z",
            "eventSource": service,
            "eventName": name,
            "eventID": "f428458f-1eab-5894-9c8f-827cfd35283c",
            "requestParameters": asked,
            "responseElements": answered,
            "readOnly": false,
        }
    })
}

/// The call most tests start from: a user is added to a group.
fn added() -> Value {
    let asked = json!({
        "identityStoreId": STORE, "groupId": GROUP, "member": { "memberId": USER },
    });
    call(DIRECTORY, "AddMemberToGroup", asked, Value::Null)
}

/// An event of the identity store itself.
fn native(kind: &str, resources: &[&str]) -> Value {
    json!({
        "version": "0",
        "id": "6a1e67e5-82d9-520d-9c07-c3b1b667bcd2",
        "detail-type": kind,
        "source": "aws.identitystore",
        "account": "111122223333",
        "time": "2026-03-02T10:15:30Z",
        "region": "us-east-1",
        "resources": resources,
        "detail": { "event-version": "1.0.0" }
    })
}

fn user_arn(id: &str) -> String {
    format!("arn:aws:identitystore:::user/{id}")
}

fn group_arn(id: &str) -> String {
    format!("arn:aws:identitystore:::group/{id}")
}

fn store_arn(id: &str) -> String {
    format!("arn:aws:identitystore::111122223333:identitystore/{id}")
}

fn read(event: &Value) -> Event {
    event::read(event, STORE).unwrap_or_else(|why| panic!("{why}\n{event:#}"))
}

fn scope(event: &Value) -> Scope {
    read(event).scope
}

#[track_caller]
fn assert_nothing(event: &Value, why: &str) {
    let event = read(event);
    assert_eq!(event.scope, Scope::Nothing, "{why}");
    assert_eq!(event.claim, None, "{why}");
    let reason = event.reason.expect("there is always a reason");
    assert!(
        reason.contains(why),
        "the reason is {reason:?}, not {why:?}"
    );
}

fn request(payload: Value) -> Result<Request, String> {
    match event::payload(&payload) {
        Payload::Request(request) => request,
        other => panic!("{payload} was taken for {other:?}"),
    }
}

/// Every JSON file of a directory, by its path from the crate's root.
fn files(directory: &str) -> BTreeMap<String, Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = std::fs::read_dir(root.join(directory)).expect(directory);
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.ends_with(".json"))
        .map(|name| {
            let path = format!("{directory}/{name}");
            let text = std::fs::read_to_string(root.join(&path)).expect(&path);
            let value = serde_json::from_str(&text).expect(&path);
            (path, value)
        })
        .collect()
}

/// The samples that are events.
static EVENTS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let mut all = files("events");
    all.extend(files("tests/fixtures/events"));
    all
});

/// Where the parts of a value are: JSON pointers to each, but the root.
fn places(value: &Value) -> Vec<String> {
    let parts: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            let escaped = |name: &String| name.replace('~', "~0").replace('/', "~1");
            fields.iter().map(|(k, v)| (escaped(k), v)).collect()
        }
        Value::Array(items) => {
            let numbered = items.iter().enumerate();
            numbered.map(|(i, v)| (i.to_string(), v)).collect()
        }
        _ => Vec::new(),
    };
    let mut found = Vec::new();
    for (name, part) in parts {
        found.push(format!("/{name}"));
        found.extend(
            places(part)
                .into_iter()
                .map(|rest| format!("/{name}{rest}")),
        );
    }
    found
}

/// The value without what is at a place.
fn without(value: &Value, place: &str) -> Value {
    let mut value = value.clone();
    let (parent, name) = place.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).unwrap() {
        Value::Object(fields) => {
            fields.remove(name).unwrap();
        }
        Value::Array(items) => {
            items.remove(name.parse().unwrap());
        }
        _ => unreachable!(),
    }
    value
}

/// The value with something else at a place.
fn with(value: &Value, place: &str, part: Value) -> Value {
    let mut value = value.clone();
    *value.pointer_mut(place).expect(place) = part;
    value
}

/// Whether one scope covers another. A group's covers the members of the
/// Studios that its rules concern.
fn covers(wide: &Scope, narrow: &Scope) -> bool {
    let has_group = wide
        .identities()
        .any(|identity| identity.kind == IdentityType::Group);
    match (wide, narrow) {
        (Scope::Everything, _) | (_, Scope::Nothing) => true,
        (Scope::Nothing, _) | (_, Scope::Everything) => false,
        (Scope::Identities(wide), Scope::Identities(narrow)) => narrow.iter().all(|identity| {
            wide.contains(identity) || (identity.kind == IdentityType::User && has_group)
        }),
    }
}

// ---------------------------------------------------------------- the samples

#[test]
fn every_sample_event_is_read_as_expected() {
    const USER_4: &str = "0a1b2c3d-1001-7001-8001-00000000a004";
    const USER_6: &str = "0a1b2c3d-1001-7001-8001-00000000a006";
    const GROUP_2: &str = "1b2c3d4e-2001-7002-8002-00000000b002";
    const GROUP_3: &str = "1b2c3d4e-2001-7002-8002-00000000b003";
    let everything = || (Scope::Everything, None);
    let nothing = || (Scope::Nothing, None);
    let expected: BTreeMap<&str, (Scope, Option<Claim>)> = BTreeMap::from([
        ("events/01-schedule-first-pass.json", everything()),
        (
            "events/02-joiner-user.json",
            (user(USER_6), user_exists(USER_6, true)),
        ),
        (
            "events/03-joiner-membership.json",
            (user(USER_6), member(USER_6, true)),
        ),
        (
            "events/04-mover-into-new-group.json",
            (user(USER_2), member(USER_2, true)),
        ),
        (
            "events/05-mover-out-of-old-group.json",
            (user(USER_2), member_of(GROUP_2, USER_2, false)),
        ),
        ("events/06-leaver.json", everything()),
        (
            "events/07-deleted-user.json",
            (user(USER_4), user_exists(USER_4, false)),
        ),
        (
            "events/08-new-group.json",
            (group(GROUP_3), group_exists(GROUP_3, true)),
        ),
        ("events/09-scim-hidden-members.json", (group(GROUP_3), None)),
        ("events/10-failed-call.json", nothing()),
        ("events/11-somebody-elses-group.json", nothing()),
        ("events/12-schedule.json", everything()),
        (
            "tests/fixtures/events/decoy.quicksight.CreateGroupMembership.json",
            nothing(),
        ),
        (
            "tests/fixtures/events/identitystore-scim.CreateGroup.json",
            (group(GROUP), group_exists(GROUP, true)),
        ),
        (
            "tests/fixtures/events/identitystore-scim.CreateUser.json",
            (user(USER), user_exists(USER, true)),
        ),
        (
            "tests/fixtures/events/identitystore-scim.DeleteGroup.json",
            (group(GROUP), group_exists(GROUP, false)),
        ),
        (
            "tests/fixtures/events/identitystore-scim.PatchGroup.add-members.json",
            (group(GROUP), None),
        ),
        (
            "tests/fixtures/events/identitystore-scim.PatchGroup.failed.json",
            nothing(),
        ),
        (
            "tests/fixtures/events/identitystore-scim.PatchGroup.remove-members.json",
            (group(GROUP), None),
        ),
        (
            "tests/fixtures/events/identitystore-scim.PatchUser.deactivate.json",
            (user(USER), None),
        ),
        (
            "tests/fixtures/events/identitystore.CreateGroup.json",
            (group(GROUP), group_exists(GROUP, true)),
        ),
        (
            "tests/fixtures/events/identitystore.CreateGroupMembership.conflict.json",
            nothing(),
        ),
        (
            "tests/fixtures/events/identitystore.CreateGroupMembership.json",
            (user(USER), member(USER, true)),
        ),
        (
            "tests/fixtures/events/identitystore.CreateUser.json",
            (user(USER), user_exists(USER, true)),
        ),
        (
            "tests/fixtures/events/identitystore.DeleteGroup.json",
            (group(GROUP), group_exists(GROUP, false)),
        ),
        (
            "tests/fixtures/events/identitystore.DeleteGroupMembership.json",
            everything(),
        ),
        (
            "tests/fixtures/events/identitystore.DeleteUser.json",
            (user(USER), user_exists(USER, false)),
        ),
        (
            "tests/fixtures/events/identitystore.UpdateUser.json",
            (user(USER), None),
        ),
        (
            "tests/fixtures/events/native.GroupDeleted.partial.json",
            (group(GROUP), group_exists(GROUP, false)),
        ),
        (
            "tests/fixtures/events/sso-directory.AddMemberToGroup.failed.json",
            nothing(),
        ),
        (
            "tests/fixtures/events/sso-directory.AddMemberToGroup.json",
            (user(USER), member(USER, true)),
        ),
        (
            "tests/fixtures/events/sso-directory.CreateGroup.json",
            (group(GROUP), group_exists(GROUP, true)),
        ),
        (
            "tests/fixtures/events/sso-directory.CreateUser.json",
            (user(USER), user_exists(USER, true)),
        ),
        (
            "tests/fixtures/events/sso-directory.DeleteGroup.json",
            (group(GROUP), group_exists(GROUP, false)),
        ),
        (
            "tests/fixtures/events/sso-directory.DeleteUser.json",
            (user(USER), user_exists(USER, false)),
        ),
        (
            "tests/fixtures/events/sso-directory.DisableExternalIdPConfigurationForDirectory.json",
            everything(),
        ),
        (
            "tests/fixtures/events/sso-directory.DisableUser.json",
            (user(USER), enabled(USER, false)),
        ),
        (
            "tests/fixtures/events/sso-directory.EnableUser.json",
            (user(USER), enabled(USER, true)),
        ),
        (
            "tests/fixtures/events/sso-directory.RemoveMemberFromGroup.json",
            (user(USER), member(USER, false)),
        ),
        (
            "tests/fixtures/events/sso-directory.UpdateGroup.json",
            (group(GROUP), None),
        ),
        (
            "tests/fixtures/events/sso.DisassociateDirectory.json",
            everything(),
        ),
    ]);
    let listed: Vec<&str> = expected.keys().copied().collect();
    let there: Vec<&str> = EVENTS.keys().map(String::as_str).collect();
    assert_eq!(listed, there, "this table and the files should agree");
    for (file, sample) in EVENTS.iter() {
        assert_eq!(event::payload(sample), Payload::Event(sample), "{file}");
        let Event {
            id,
            cloudtrail_id,
            time_ms,
            scope,
            reason,
            claim,
            kind,
        } = read(sample);
        assert_eq!((scope.clone(), claim), expected[file.as_str()], "{file}");
        assert_eq!(id.as_deref(), sample["id"].as_str(), "{file}");
        let event_id = sample["detail"]["eventID"].as_str();
        assert_eq!(cloudtrail_id.as_deref(), event_id, "{file}");
        assert!(time_ms.is_some(), "{file}");
        let is_schedule = sample["detail-type"] == "Scheduled Event";
        let expected = if is_schedule {
            Kind::Schedule
        } else {
            Kind::Change
        };
        assert_eq!(kind, expected, "{file}");
        let is_told = matches!(scope, Scope::Nothing | Scope::Everything);
        assert_eq!(reason.is_some(), is_told, "{file}: {reason:?}");
    }
}

#[test]
fn every_sample_request_is_read_as_expected() {
    let reconcile = |only_plan| Request::Reconcile {
        studio: None,
        approve: None,
        only_plan,
    };
    let bob = Subject::Name(IdentityType::User, "bob@example.com".to_owned());
    let expected = BTreeMap::from([
        ("events/requests/explain.json", Request::Explain(bob)),
        ("events/requests/plan.json", reconcile(true)),
        ("events/requests/reconcile.json", reconcile(false)),
    ]);
    let samples = files("events/requests");
    let listed: Vec<&str> = expected.keys().copied().collect();
    let there: Vec<&str> = samples.keys().map(String::as_str).collect();
    assert_eq!(listed, there, "this table and the files should agree");
    for (file, sample) in samples {
        assert_eq!(request(sample).as_ref(), Ok(&expected[file.as_str()]));
    }
}

// ------------------------------------------------------------------- the kinds

#[test]
fn every_known_call_leads_where_its_ids_are() {
    let store = |mut fields: Value| {
        fields["identityStoreId"] = STORE.into();
        fields
    };
    let tenant = |mut fields: Value| {
        fields["tenantId"] = "Ab100000000-0000-4000-8000-000000000001".into();
        fields
    };
    let of_user = || store(json!({ "userId": USER }));
    let of_group = || store(json!({ "groupId": GROUP }));
    let scim_user = || tenant(json!({ "id": USER }));
    let scim_group = || tenant(json!({ "id": GROUP, "httpBody": HIDDEN }));
    let directory = || json!({ "directoryId": STORE });
    let null = || Value::Null;
    let (u, g, all) = (user(USER), group(GROUP), Scope::Everything);
    let rows = [
        // The console.
        (
            DIRECTORY,
            "AddMemberToGroup",
            store(json!({ "groupId": GROUP, "member": { "memberId": USER } })),
            null(),
            &u,
        ),
        (
            DIRECTORY,
            "RemoveMemberFromGroup",
            store(json!({ "groupId": GROUP, "memberId": USER })),
            null(),
            &u,
        ),
        (
            DIRECTORY,
            "CreateUser",
            store(json!({ "userName": HIDDEN })),
            json!({ "user": { "userId": USER } }),
            &u,
        ),
        (DIRECTORY, "UpdateUser", of_user(), null(), &u),
        (DIRECTORY, "UpdateUserName", of_user(), null(), &u),
        (DIRECTORY, "DeleteUser", of_user(), null(), &u),
        (DIRECTORY, "DisableUser", of_user(), null(), &u),
        (DIRECTORY, "EnableUser", of_user(), null(), &u),
        (
            DIRECTORY,
            "CreateGroup",
            store(json!({ "displayName": HIDDEN })),
            json!({ "group": { "groupId": GROUP } }),
            &g,
        ),
        (DIRECTORY, "UpdateGroup", of_group(), null(), &g),
        (DIRECTORY, "UpdateGroupDisplayName", of_group(), null(), &g),
        (DIRECTORY, "DeleteGroup", of_group(), null(), &g),
        (
            DIRECTORY,
            "EnableExternalIdPConfigurationForDirectory",
            directory(),
            null(),
            &all,
        ),
        (
            DIRECTORY,
            "CreateExternalIdPConfigurationForDirectory",
            directory(),
            json!({ "idpId": "00000000-0000-4000-8000-0000000000dd" }),
            &all,
        ),
        (
            DIRECTORY,
            "CreateProvisioningTenant",
            directory(),
            json!({ "tenantId": "Ab100000000-0000-4000-8000-000000000001" }),
            &all,
        ),
        (
            DIRECTORY,
            "CreateProvisioningTenantForDirectory",
            directory(),
            null(),
            &all,
        ),
        // What nobody has listed still leads somewhere.
        (DIRECTORY, "UpdateEverybody", of_user(), null(), &u),
        (DIRECTORY, "UpdateEverybody", store(json!({})), null(), &all),
        // Another directory altogether.
        (SSO, "AssociateDirectory", directory(), null(), &all),
        (SSO, "DisassociateDirectory", directory(), null(), &all),
        (SSO, "UpdateDirectoryAssociation", null(), null(), &all),
        // The API.
        (
            API,
            "CreateGroupMembership",
            store(json!({ "groupId": GROUP, "memberId": { "userId": USER } })),
            store(json!({ "membershipId": MEMBERSHIP })),
            &u,
        ),
        (
            API,
            "DeleteGroupMembership",
            store(json!({ "membershipId": MEMBERSHIP })),
            null(),
            &all,
        ),
        (API, "CreateUser", store(json!({})), of_user(), &u),
        (API, "CreateGroup", store(json!({})), of_group(), &g),
        (API, "UpdateUser", of_user(), null(), &u),
        (API, "DeleteUser", of_user(), null(), &u),
        (API, "UpdateGroup", of_group(), null(), &g),
        (API, "DeleteGroup", of_group(), null(), &g),
        // The identity provider.
        (SCIM, "CreateUser", tenant(json!({})), scim_user(), &u),
        (SCIM, "CreateGroup", tenant(json!({})), scim_group(), &g),
        (SCIM, "PutUser", scim_user(), scim_user(), &u),
        (SCIM, "PatchUser", scim_user(), scim_user(), &u),
        (SCIM, "DeleteUser", scim_user(), null(), &u),
        (SCIM, "PatchGroup", scim_group(), null(), &g),
        (SCIM, "DeleteGroup", scim_group(), null(), &g),
        // An id of which we cannot tell whether it is a user's or a group's.
        (SCIM, "PatchBulk", scim_user(), null(), &all),
    ];
    for (service, name, asked, answered, expected) in rows {
        let mut event = call(service, name, asked, answered);
        assert_eq!(&scope(&event), expected, "{service} {name}");
        // `source` is not documented for all of them: only eventSource tells.
        event["source"] = "aws.something-undocumented".into();
        assert_eq!(&scope(&event), expected, "{service} {name}, other source");
    }
}

#[test]
fn the_events_of_the_identity_store_itself_lead_where_their_arns_are() {
    let (u, g) = (user_arn(USER), group_arn(GROUP));
    let membership = format!("arn:aws:identitystore:::membership/{MEMBERSHIP}");
    let store = store_arn(STORE);
    let rows = [
        (
            "User Created",
            vec![&store, &u],
            user(USER),
            user_exists(USER, true),
        ),
        ("User Updated", vec![&u, &store], user(USER), None),
        (
            "User Deleted",
            vec![&store, &u],
            user(USER),
            user_exists(USER, false),
        ),
        (
            "Group Created",
            vec![&store, &g],
            group(GROUP),
            group_exists(GROUP, true),
        ),
        ("Group Updated", vec![&store, &g], group(GROUP), None),
        (
            "Group Deleted",
            vec![&g],
            group(GROUP),
            group_exists(GROUP, false),
        ),
        // Kinds whose names nobody has published.
        (
            "Group Membership Created",
            vec![&store, &membership, &g, &u],
            user(USER),
            member(USER, true),
        ),
        (
            "Group Membership Deleted",
            vec![&store, &membership, &g, &u],
            user(USER),
            member(USER, false),
        ),
        // Deleted is the membership, not its group.
        (
            "Group Membership Deleted",
            vec![&store, &membership, &g],
            group(GROUP),
            None,
        ),
        (
            "Group Membership Deleted",
            vec![&store, &membership],
            Scope::Everything,
            None,
        ),
        (
            "Group Membership Deleted",
            vec![&store, &membership, &u],
            user(USER),
            None,
        ),
        ("Something Happened", vec![&u], user(USER), None),
        ("Something Happened", vec![&g], group(GROUP), None),
        ("Something Happened", vec![&store], Scope::Everything, None),
        ("Something Happened", vec![], Scope::Everything, None),
    ];
    for (kind, arns, expected, claim) in rows {
        let arns: Vec<&str> = arns.into_iter().map(String::as_str).collect();
        let event = read(&native(kind, &arns));
        assert_eq!(event.scope, expected, "{kind} {arns:?}");
        assert_eq!(event.claim, claim, "{kind} {arns:?}");
    }
}

#[test]
fn a_native_event_about_two_users_is_about_both() {
    let (one, two) = (user_arn(USER), user_arn(USER_2));
    let event = read(&native("Users Merged", &[&one, &two]));
    assert_eq!(event.scope, user(USER).and(user(USER_2)));
    assert_eq!(event.claim, None);
    // Told of twice, it is still one.
    let event = read(&native("User Deleted", &[&one, &one]));
    assert_eq!(event.scope, user(USER));
    assert_eq!(event.claim, user_exists(USER, false));
}

#[test]
fn a_native_event_without_a_usable_arn_is_about_everything() {
    for resources in [
        json!([]),
        json!(null),
        json!({}),
        json!("arn:aws:identitystore:::user/"),
        json!([1, null, { "ARN": user_arn(USER) }]),
        json!([USER]),
        json!(["arn:aws:identitystore:::user/alice"]),
        json!(["arn:aws:identitystore:::robot/0a1b2c3d-1001-7001-8001-00000000a001"]),
        json!(["arn:aws:sso:::instance/ssoins-1234567890abcdef"]),
        json!([format!("arn:aws:identitystore:::user/{HIDDEN}")]),
    ] {
        let mut event = native("User Updated", &[]);
        event["resources"] = resources;
        assert_eq!(scope(&event), Scope::Everything, "{event}");
    }
    let mut event = native("User Updated", &[]);
    event.as_object_mut().unwrap().remove("resources");
    assert_eq!(scope(&event), Scope::Everything);
}

#[test]
fn a_native_event_of_another_store_is_about_nothing() {
    let uuid = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
    for other in [OTHER_STORE, uuid] {
        let event = native("User Deleted", &[&user_arn(USER), &store_arn(other)]);
        assert_nothing(&event, "another identity store");
    }
    let event = native(
        "User Deleted",
        &[&user_arn(USER), &store_arn("D-1234567890")],
    );
    assert_eq!(scope(&event), user(USER), "that is no store's id");
}

#[test]
fn a_native_event_without_a_detail_type_is_read_by_its_arns() {
    let mut event = native("User Updated", &[&user_arn(USER)]);
    for kind in [json!(null), json!(7), json!({})] {
        event["detail-type"] = kind;
        assert_eq!(scope(&event), user(USER), "{event}");
    }
    event.as_object_mut().unwrap().remove("detail-type");
    assert_eq!(scope(&event), user(USER));
    event["resources"] = json!([]);
    assert_eq!(scope(&event), Scope::Everything);
}

#[test]
fn a_call_without_a_detail_type_is_read_by_its_event_source() {
    let mut event = added();
    event.as_object_mut().unwrap().remove("detail-type");
    assert_eq!(scope(&event), user(USER));
    event.as_object_mut().unwrap().remove("source");
    assert_eq!(scope(&event), user(USER));
    event["detail"]["eventSource"] = "iam.amazonaws.com".into();
    assert_nothing(&event, "another service");
}

#[test]
fn what_does_not_say_what_it_is_is_not_understood() {
    for event in [
        json!({ "source": "aws.events", "detail": {} }),
        json!({ "detail-type": "User Deleted", "resources": [user_arn(USER)] }),
        json!({ "detail-type": "AWS API Call via CloudTrail", "detail": null }),
        json!({ "detail-type": "AWS API Call via CloudTrail", "detail": { "eventName": "DeleteUser" } }),
        json!({ "detail": {} }),
        json!({}),
        json!([]),
        json!("Scheduled Event"),
        json!(null),
    ] {
        let read = event::read(&event, STORE);
        assert!(read.is_err(), "{event} was read as {read:?}");
    }
}

#[test]
fn a_scheduled_event_is_about_everything_whatever_else_is_in_it() {
    let event = json!({ "detail-type": "Scheduled Event" });
    assert_eq!(scope(&event), Scope::Everything);
    let event = json!({
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "detail": { "action": "plan", "studio": "analytics" },
    });
    assert_eq!(scope(&event), Scope::Everything);
}

#[test]
fn the_reminder_of_what_is_unfinished_is_about_nothing_itself() {
    let bare = json!({ "source": "emr-studio-sync", "detail-type": "Unfinished" });
    let whole = json!({
        "source": "emr-studio-sync",
        "detail-type": "Unfinished",
        "id": "6a1e67e5-82d9-520d-9c07-c3b1b667bcd2",
        "time": "2026-03-02T10:15:30Z",
        "resources": [user_arn(USER)],
        "detail": { "eventSource": DIRECTORY, "eventName": "DeleteUser", "action": "reconcile" },
    });
    for mut event in [bare, whole] {
        assert_nothing(&event, "what is unfinished is looked at again");
        assert_eq!(read(&event).kind, Kind::Unfinished);
        for other in [json!("emr-studio-sync2"), json!("aws.events"), json!(null)] {
            event["source"] = other;
            let read = event::read(&event, STORE);
            assert!(
                read.is_err() || read.is_ok_and(|event| event.kind == Kind::Change),
                "{event}"
            );
        }
    }
}

#[test]
fn nothing_else_of_our_own_source_concerns_anybody() {
    for kind in [
        json!("unfinished"),
        json!("Unfinished "),
        json!("Scheduled Event"),
        json!("AWS API Call via CloudTrail"),
        json!(["Unfinished"]),
        json!(null),
    ] {
        let mut event = added();
        event["source"] = "emr-studio-sync".into();
        event["detail-type"] = kind;
        assert_nothing(&event, "emr-studio-sync");
        assert_eq!(read(&event).kind, Kind::Change);
    }
}

#[test]
fn events_of_other_services_are_about_nothing() {
    for source in [
        "aws.ec2",
        "aws.sso",
        "custom.identitystore",
        "AWS.IDENTITYSTORE",
    ] {
        let mut event = native("User Deleted", &[&user_arn(USER)]);
        event["source"] = source.into();
        assert_nothing(&event, source);
    }
}

// --------------------------------------------------------------- what is in them

#[test]
fn an_id_may_have_its_prefix_be_upper_case_or_an_arn() {
    let prefixed = format!("906764c2ac-{USER}");
    let arn = |id: &str| user_arn(id);
    for (given, expected) in [
        (USER.to_uppercase(), USER),
        (prefixed.clone(), &*prefixed),
        (prefixed.to_uppercase(), &*prefixed),
        (arn(USER), USER),
        (arn(&prefixed), &*prefixed),
        (arn(&prefixed).to_uppercase(), &*prefixed),
        (
            format!("arn:aws-us-gov:identitystore::111122223333:user/{USER}"),
            USER,
        ),
        (format!(" {USER} "), USER),
    ] {
        let store = json!(STORE);
        for event in [
            call(
                DIRECTORY,
                "DeleteUser",
                json!({ "identityStoreId": store, "userId": given }),
                json!(null),
            ),
            call(API, "CreateUser", json!({}), json!({ "userId": given })),
            call(
                DIRECTORY,
                "CreateUser",
                json!({}),
                json!({ "user": { "userId": given } }),
            ),
            call(
                DIRECTORY,
                "AddMemberToGroup",
                json!({ "groupId": GROUP, "member": { "memberId": given } }),
                json!(null),
            ),
            call(
                DIRECTORY,
                "RemoveMemberFromGroup",
                json!({ "groupId": GROUP, "memberId": given }),
                json!(null),
            ),
            call(
                API,
                "CreateGroupMembership",
                json!({ "groupId": GROUP, "memberId": { "userId": given } }),
                json!(null),
            ),
            call(SCIM, "PatchUser", json!({ "id": given }), json!(null)),
            call(SCIM, "CreateUser", json!({}), json!({ "id": given })),
        ] {
            assert_eq!(scope(&event), user(expected), "{given}");
        }
    }
}

#[test]
fn a_group_id_may_be_an_arn() {
    let given = group_arn(&GROUP.to_uppercase());
    for event in [
        call(
            DIRECTORY,
            "UpdateGroup",
            json!({ "groupId": given }),
            json!(null),
        ),
        call(
            DIRECTORY,
            "CreateGroup",
            json!({}),
            json!({ "group": { "groupId": given } }),
        ),
        call(API, "CreateGroup", json!({}), json!({ "groupId": given })),
        call(SCIM, "PatchGroup", json!({ "id": given }), json!(null)),
    ] {
        assert_eq!(scope(&event), group(GROUP));
    }
}

#[test]
fn the_store_may_be_given_as_an_arn_in_any_case() {
    for given in [store_arn(STORE), STORE.to_owned()] {
        let event = with(
            &added(),
            "/detail/requestParameters/identityStoreId",
            given.into(),
        );
        assert_eq!(scope(&event), user(USER));
    }
    let uuid = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
    let event = with(
        &added(),
        "/detail/requestParameters/identityStoreId",
        uuid.to_uppercase().into(),
    );
    let read = event::read(&event, uuid).unwrap();
    assert_eq!(read.scope, user(USER));
}

#[test]
fn what_happens_in_another_store_is_about_nothing() {
    for other in [
        OTHER_STORE.to_owned(),
        store_arn(OTHER_STORE),
        "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee".to_owned(),
    ] {
        for service in [DIRECTORY, API] {
            let asked = json!({ "identityStoreId": other, "userId": USER });
            let event = call(service, "DeleteUser", asked, json!(null));
            assert_nothing(&event, "another identity store");
            let answered = json!({ "identityStoreId": other, "userId": USER });
            let event = call(service, "CreateUser", json!(null), answered);
            assert_nothing(&event, "another identity store");
        }
    }
}

#[test]
fn a_scim_tenant_is_not_taken_for_a_store() {
    for tenant in [OTHER_STORE, "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"] {
        let asked = json!({ "tenantId": tenant, "id": USER });
        let event = call(SCIM, "PatchUser", asked, json!(null));
        assert_eq!(scope(&event), user(USER));
    }
}

#[test]
fn a_redacted_store_is_not_taken_for_another_one() {
    for hidden in [json!(HIDDEN), json!(""), json!(7), json!(null), json!({})] {
        let event = with(
            &added(),
            "/detail/requestParameters/identityStoreId",
            hidden,
        );
        assert_eq!(scope(&event), user(USER));
    }
}

#[test]
fn a_failed_call_is_about_nothing() {
    for (service, name) in [
        (DIRECTORY, "AddMemberToGroup"),
        (API, "CreateGroupMembership"),
        (SCIM, "PatchGroup"),
        (SSO, "DisassociateDirectory"),
    ] {
        // Even what was asked may be missing of a failed call.
        for asked in [
            json!(null),
            json!({ "groupId": GROUP, "memberId": USER, "id": GROUP }),
        ] {
            let mut event = call(service, name, asked, json!(null));
            event["detail"]["errorCode"] = "AccessDenied".into();
            assert_nothing(&event, "AccessDenied");
            event["detail"]["errorCode"] = json!(null);
            assert_ne!(scope(&event), Scope::Nothing, "null is no failure");
        }
    }
}

#[test]
fn reading_is_about_nothing() {
    for service in [DIRECTORY, API, SCIM] {
        let mut event = call(
            service,
            "UpdateUser",
            json!({ "userId": USER, "id": USER }),
            json!(null),
        );
        event["detail"]["readOnly"] = true.into();
        assert_nothing(&event, "only reads");
        for name in [
            "DescribeUser",
            "GetUserId",
            "IsMemberInGroups",
            "ListGroupMembershipsForMember",
            "SearchUsers",
        ] {
            let mut event = call(service, name, json!({ "userId": USER }), json!(null));
            event["detail"].as_object_mut().unwrap().remove("readOnly");
            assert_nothing(&event, name);
        }
    }
}

#[test]
fn devices_and_tokens_are_about_nothing() {
    for name in [
        "StartVirtualMfaDeviceRegistration",
        "CompleteWebAuthnDeviceRegistration",
        "UpdateMfaDeviceForUser",
        "DeleteMfaDeviceForUser",
        "UpdateMfaDeviceManagementForDirectory",
        "RegisterMFADevice",
        "CreateBearerToken",
        "DeleteBearerToken",
    ] {
        let asked = json!({ "identityStoreId": STORE, "userId": USER });
        assert_nothing(&call(DIRECTORY, name, asked, json!(null)), name);
    }
}

#[test]
fn the_same_call_of_another_service_is_about_nothing() {
    for service in [
        "quicksight.amazonaws.com",
        "iam.amazonaws.com",
        "cognito-idp.amazonaws.com",
        "identitystore.amazonaws.com.example.com",
        "",
    ] {
        let event = with(&added(), "/detail/eventSource", service.into());
        assert_nothing(&event, "another service");
    }
}

#[test]
fn of_the_hundreds_of_calls_of_sso_three_matter() {
    for name in [
        "CreateAccountAssignment",
        "ProvisionPermissionSet",
        "PutMfaDeviceManagementForDirectory",
    ] {
        let asked = json!({ "directoryId": STORE, "userId": USER, "groupId": GROUP });
        assert_nothing(&call(SSO, name, asked, json!(null)), name);
    }
}

#[test]
fn who_acted_is_never_taken_for_who_was_changed() {
    let on_behalf = json!({
        "type": "IdentityCenterUser",
        "userId": ACTOR,
        "onBehalfOf": { "userId": ACTOR, "identityStoreArn": store_arn(OTHER_STORE) },
    });
    for (file, sample) in EVENTS.iter() {
        let mut event = sample.clone();
        event["detail"]["userIdentity"] = on_behalf.clone();
        event["detail"]["onBehalfOf"] = on_behalf["onBehalfOf"].clone();
        event["detail"]["userId"] = ACTOR.into();
        assert_eq!(scope(&event), scope(sample), "{file}");
    }
}

#[test]
fn it_happened_when_the_call_was_made_or_else_when_it_was_told() {
    const CALL: i64 = 1_772_446_530_000;
    let event = added();
    assert_eq!(read(&event).time_ms, Some(CALL));
    for time in [json!(null), json!("Mar 2, 2026, 10:15:30 AM"), json!(1)] {
        let mut event = with(&event, "/detail/eventTime", time);
        assert_eq!(read(&event).time_ms, Some(CALL + 1000));
        event["time"] = "yesterday".into();
        assert_eq!(read(&event).time_ms, None);
    }
}

// ---------------------------------------------------------------- damaged events

/// Whatever is taken from an event, it leads at least as far as before, or it
/// is not understood and says so. Its claim is the same, or gone.
fn assert_not_narrower(file: &str, place: &str, sample: &Value, damaged: &Value) {
    let before = read(sample);
    let Ok(after) = event::read(damaged, STORE) else {
        return;
    };
    assert!(
        covers(&after.scope, &before.scope),
        "{file} damaged at {place}: {:?} became {:?}",
        before.scope,
        after.scope
    );
    if before.claim.is_some() {
        assert!(
            after.claim.is_none() || after.claim == before.claim,
            "{file} damaged at {place}: {:?} became {:?}",
            before.claim,
            after.claim
        );
    }
}

#[test]
fn a_missing_part_never_narrows_the_scope() {
    for (file, sample) in EVENTS.iter() {
        for place in places(sample) {
            // The one name that is needed: of the hundreds of calls of this
            // service three matter.
            if sample["detail"]["eventSource"] == SSO && place == "/detail/eventName" {
                continue;
            }
            assert_not_narrower(file, &place, sample, &without(sample, &place));
            let null = with(sample, &place, Value::Null);
            assert_not_narrower(file, &place, sample, &null);
        }
    }
}

#[test]
fn without_what_was_asked_and_answered_nobody_is_named() {
    for (file, sample) in EVENTS.iter() {
        if sample["detail"]["eventSource"].is_null() || scope(sample) == Scope::Nothing {
            continue;
        }
        let mut event = sample.clone();
        let detail = event["detail"].as_object_mut().unwrap();
        detail.remove("requestParameters");
        detail.remove("responseElements");
        assert_eq!(scope(&event), Scope::Everything, "{file}");
        for part in [json!([]), json!(HIDDEN), json!(0), json!(false)] {
            event["detail"]["requestParameters"] = part.clone();
            event["detail"]["responseElements"] = part;
            assert_eq!(scope(&event), Scope::Everything, "{file}");
        }
    }
}

#[test]
fn a_redacted_part_never_narrows_the_scope() {
    // What AWS hides has grown before.
    for (file, sample) in EVENTS.iter() {
        for place in places(sample) {
            let is_parameter = place.starts_with("/detail/requestParameters/")
                || place.starts_with("/detail/responseElements/");
            if is_parameter {
                let hidden = with(sample, &place, HIDDEN.into());
                assert_not_narrower(file, &place, sample, &hidden);
            }
        }
    }
}

#[test]
fn a_membership_whose_member_is_hidden_is_about_the_group() {
    let event = with(&added(), "/detail/requestParameters/member", HIDDEN.into());
    assert_eq!(scope(&event), group(GROUP));
    assert_eq!(read(&event).claim, None);
}

#[test]
fn junk_of_any_size_is_no_event() {
    let long = "x".repeat(1 << 20);
    assert!(matches!(event::payload(&json!(long)), Payload::Unknown(_)));
    assert!(event::read(&json!({ "detail-type": long }), STORE).is_err());
    let event = with(
        &added(),
        "/detail/requestParameters/member/memberId",
        long.into(),
    );
    assert_eq!(scope(&event), group(GROUP));

    let many = json!(vec![user_arn("nobody"); 20_000]);
    let event = with(&native("User Updated", &[]), "/resources", many);
    assert_eq!(scope(&event), Scope::Everything);
}

#[test]
fn what_is_nested_deeply_is_read_as_far_as_it_matters() {
    let deep = (0..1000).fold(json!(USER), |inner, _| json!({ "memberId": [inner] }));
    assert!(matches!(event::payload(&deep), Payload::Unknown(_)));
    assert!(event::read(&deep, STORE).is_err());
    let event = with(&added(), "/detail/requestParameters/member", deep.clone());
    assert_eq!(scope(&event), group(GROUP));
    let event = json!({ "detail-type": deep, "source": deep, "detail": deep });
    assert!(event::read(&event, STORE).is_err());
}

// ---------------------------------------------------------------------- payloads

#[test]
fn a_batch_is_told_by_its_records() {
    let payload = json!({ "Records": [{ "body": "{}" }, 7] });
    let records = payload["Records"].as_array().unwrap();
    assert_eq!(event::payload(&payload), Payload::Batch(records));
    assert_eq!(
        event::payload(&json!({ "Records": [] })),
        Payload::Batch(&[])
    );
    // Whatever else stands beside them, it is no order.
    let payload = json!({ "Records": [], "action": "reconcile" });
    assert_eq!(event::payload(&payload), Payload::Batch(&[]));
    let payload = json!({ "Records": "all", "action": "reconcile" });
    assert!(request(payload).is_err());
    let payload = json!({ "Records": "all" });
    assert!(matches!(event::payload(&payload), Payload::Unknown(_)));
}

#[test]
fn what_is_neither_batch_nor_event_nor_request_is_unknown() {
    for payload in [
        json!(null),
        json!(true),
        json!(7),
        json!("reconcile"),
        json!("7"),
        json!("{}"),
        json!([]),
        json!([[{ "action": "reconcile" }]]),
        json!(["reconcile"]),
        json!({}),
        json!({ "reconcile": true }),
        json!({ "input": { "action": "reconcile" } }),
    ] {
        let Payload::Unknown(why) = event::payload(&payload) else {
            panic!("{payload} was taken for something");
        };
        assert!(!why.is_empty());
    }
}

#[test]
fn a_queue_body_that_looks_like_a_request_is_none() {
    for body in [
        json!({ "action": "reconcile" }),
        json!({ "action": "plan", "studio": "analytics" }),
        json!({ "action": "explain", "user": "bob@example.com" }),
        json!({ "Records": [{ "body": "{\"action\":\"reconcile\"}" }] }),
    ] {
        assert!(event::read(&body, STORE).is_err(), "{body}");
        let batch = json!({ "Records": [{ "body": body.to_string() }] });
        assert!(matches!(event::payload(&batch), Payload::Batch([_])));
    }
}

#[test]
fn a_detail_that_looks_like_a_request_is_none() {
    for field in ["detail", "source", "detail-type"] {
        let mut payload = json!({ "action": "reconcile", "approve": "0123456789abcdef" });
        payload[field] = json!({ "action": "reconcile" });
        assert_eq!(event::payload(&payload), Payload::Event(&payload));
        assert!(event::read(&payload, STORE).is_err(), "{payload}");
    }
    let payload = json!({
        "detail-type": "Order", "source": "custom.person", "action": "reconcile",
        "detail": { "action": "reconcile", "approve": "0123456789abcdef" },
    });
    assert_eq!(event::payload(&payload), Payload::Event(&payload));
    assert_nothing(&payload, "custom.person");
}

// ---------------------------------------------------------------------- messages

/// A record of a queue.
fn record(body: &str) -> Value {
    json!({
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "2",
            "SentTimestamp": "1772446530123",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1772446530456",
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:111122223333:changes.fifo",
    })
}

fn message(record: &Value) -> Message {
    event::message(record, STORE)
}

#[test]
fn a_message_is_an_event_and_how_it_came() {
    assert_eq!(
        message(&record(&added().to_string())),
        Message {
            id: "059f36b4-87a3-44ab-83d2-661975830a7d".to_owned(),
            sent_ms: Some(1_772_446_530_123),
            receives: 2,
            event: Ok(read(&added())),
        }
    );
}

#[test]
fn a_message_whose_attributes_are_amiss_is_read_all_the_same() {
    for (place, part) in [
        ("/attributes", json!(null)),
        ("/attributes", json!("2")),
        ("/attributes/ApproximateReceiveCount", json!("often")),
        ("/attributes/ApproximateReceiveCount", json!("-1")),
        (
            "/attributes/ApproximateReceiveCount",
            json!("99999999999999"),
        ),
        ("/attributes/ApproximateReceiveCount", json!(null)),
        ("/attributes/SentTimestamp", json!("yesterday")),
        (
            "/attributes/SentTimestamp",
            json!("99999999999999999999999"),
        ),
        ("/attributes/SentTimestamp", json!({})),
        ("/messageId", json!(7)),
    ] {
        let record = with(&record(&added().to_string()), place, part);
        let message = message(&record);
        assert_eq!(message.event, Ok(read(&added())), "{record}");
        match place {
            "/attributes" => assert_eq!((message.sent_ms, message.receives), (None, 1)),
            "/messageId" => assert_eq!(message.id, ""),
            "/attributes/SentTimestamp" => assert_eq!(message.sent_ms, None, "{record}"),
            _ => assert_eq!(message.receives, 1, "{record}"),
        }
    }
}

#[test]
fn a_message_that_is_not_understood_says_why_and_keeps_its_id() {
    for (body, why) in [
        ("not even JSON", "the message's body is not JSON"),
        (
            "{\"action\":\"reconcile\"}",
            "in the message's body: the event has neither",
        ),
        ("", "the message's body is not JSON"),
    ] {
        let message = message(&record(body));
        assert_eq!(message.id, "059f36b4-87a3-44ab-83d2-661975830a7d");
        let told = message.event.unwrap_err();
        assert!(told.contains(why), "{told:?} does not say {why:?}");
    }
    for record in [json!(null), json!(7), json!({}), json!({ "body": {} })] {
        let message = message(&record);
        assert_eq!((message.id.as_str(), message.receives), ("", 1));
        assert_eq!(
            message.event,
            Err("the message has no body".to_owned()),
            "{record}"
        );
    }
}

// --------------------------------------------------------------------- envelopes

/// What a topic sends to a queue.
fn notification(message: &str) -> Value {
    json!({
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:us-east-1:111122223333:changes",
        "Message": message,
        "Timestamp": "2026-03-02T10:15:30.250Z",
        "SignatureVersion": "1",
    })
}

/// What a topic sends to a function.
fn of_topic(message: &str) -> Value {
    let mut sns = notification(message);
    sns["Subject"] = Value::Null;
    json!({
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": "arn:aws:sns:us-east-1:111122223333:changes:21be56ed",
        "Sns": sns,
    })
}

fn batch_of(record: Value) -> Value {
    json!({ "Records": [record] })
}

/// An event in every envelope that is opened, and in some in another.
fn enveloped(inner: &Value) -> Vec<Value> {
    let text = inner.to_string();
    let once = vec![
        json!(text),
        notification(&text),
        batch_of(record(&text)),
        batch_of(of_topic(&text)),
    ];
    let in_topic = once.iter().map(|one| notification(&one.to_string()));
    let in_queue = once.iter().map(|one| batch_of(record(&one.to_string())));
    let twice: Vec<Value> = in_topic.chain(in_queue).collect();
    let texts = twice.iter().map(|two| json!(two.to_string()));
    let thrice: Vec<Value> = texts.collect();
    [once, twice, thrice].concat()
}

#[test]
fn an_event_is_read_out_of_its_envelopes() {
    for event in [&added(), &native("User Updated", &[&user_arn(USER)])] {
        for outer in enveloped(event) {
            assert_eq!(read(&outer), read(event), "{outer}");
            let sent = message(&record(&outer.to_string()));
            assert_eq!(sent.event, Ok(read(event)), "{outer}");
            let published = message(&of_topic(&outer.to_string()));
            assert_eq!(published.event, Ok(read(event)), "{outer}");
        }
    }
}

#[test]
fn a_topic_that_calls_the_function_itself_sends_a_batch() {
    let payload = batch_of(of_topic(&added().to_string()));
    let Payload::Batch([record]) = event::payload(&payload) else {
        panic!("{payload}");
    };
    assert_eq!(
        message(record),
        Message {
            id: "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324".to_owned(),
            sent_ms: Some(1_772_446_530_250),
            receives: 1,
            event: Ok(read(&added())),
        }
    );
    let payload = notification(&added().to_string());
    assert_eq!(event::payload(&payload), Payload::Event(&payload));
}

#[test]
fn a_request_in_an_envelope_is_none() {
    for order in [
        json!({ "action": "reconcile" }),
        json!({ "action": "plan", "studio": "analytics" }),
        json!({ "action": "explain", "user": "bob@example.com" }),
    ] {
        for outer in enveloped(&order) {
            assert!(event::read(&outer, STORE).is_err(), "{outer}");
            let payload = event::payload(&outer);
            assert!(!matches!(payload, Payload::Request(Ok(_))), "{outer}");
            assert!(message(&record(&outer.to_string())).event.is_err());
        }
        let mut both = notification(&added().to_string());
        for (name, value) in order.as_object().unwrap() {
            both[name] = value.clone();
        }
        assert_eq!(event::payload(&both), Payload::Event(&both));
        assert_eq!(read(&both), read(&added()));
    }
}

#[test]
fn what_is_wrong_in_an_envelope_is_told_with_its_place() {
    let not_json = "that is not JSON: expected value at line 1 column 1";
    let none = "the event has neither a detail-type, nor a source, nor a detail";
    let of = |value: Value| value.to_string();
    let two = json!({ "Records": [record("{}"), record("{}")] });
    let deep = (0..6).fold(added(), |inner, _| notification(&inner.to_string()));
    for (body, why) in [
        (
            of(notification("hello")),
            format!("in the message's body: in the notification's Message: {not_json}"),
        ),
        (
            of(notification(&of(notification("{}")))),
            format!(
                "in the message's body: in the notification's Message: in the notification's \
                 Message: {none}"
            ),
        ),
        (
            of(json!("hello")),
            format!("in the message's body: in the text: {not_json}"),
        ),
        (
            of(json!({ "Type": "Notification", "Message": {} })),
            "in the message's body: the notification has no Message".to_owned(),
        ),
        (
            of(json!({ "Records": [{}] })),
            "in the message's body: the message has no body".to_owned(),
        ),
        (
            of(two),
            "in the message's body: a batch of 2 stands where one event belongs".to_owned(),
        ),
        (of(json!({})), format!("in the message's body: {none}")),
    ] {
        assert_eq!(message(&record(&body)).event, Err(why), "{body}");
    }
    let why = message(&record(&of(deep))).event.unwrap_err();
    assert!(
        why.ends_with("there are too many envelopes around it"),
        "{why}"
    );
}

#[test]
fn an_event_is_none_for_an_envelope_whatever_else_is_in_it() {
    let other = native("User Updated", &[&user_arn(USER_2)]).to_string();
    let mut event = added();
    event["Type"] = "Notification".into();
    event["Message"] = other.clone().into();
    assert_eq!(read(&event), read(&added()));
    event["Records"] = json!([record(&other)]);
    assert_eq!(read(&event), read(&added()));
}

// ---------------------------------------------------------------------- requests

#[test]
fn a_pass_can_be_ordered_for_all_studios_or_one_and_with_an_approval() {
    for (studio, approve) in [
        (None, None),
        (Some("analytics"), None),
        (None, Some("0123456789abcdef")),
        (
            Some("es-ABCDEFGHIJKLMNOPQRSTUVWXY"),
            Some("0123456789abcdef"),
        ),
    ] {
        for (action, only_plan) in [("reconcile", false), ("plan", true)] {
            let expected = Request::Reconcile {
                studio: studio.map(str::to_owned),
                approve: approve.map(str::to_owned),
                only_plan,
            };
            // Null is as good as absent.
            let nulls = json!({ "action": action, "studio": studio, "approve": approve });
            assert_eq!(request(nulls.clone()), Ok(expected.clone()));
            let mut absent = nulls;
            absent
                .as_object_mut()
                .unwrap()
                .retain(|_, value| !value.is_null());
            assert_eq!(request(absent), Ok(expected));
        }
    }
}

#[test]
fn an_explanation_can_be_asked_for_by_name_or_id() {
    let prefixed = format!("906764c2ac-{USER}");
    for (field, given, expected) in [
        (
            "user",
            "bob@example.com",
            Subject::Name(IdentityType::User, "bob@example.com".to_owned()),
        ),
        (
            "group",
            "data-engineers",
            Subject::Name(IdentityType::Group, "data-engineers".to_owned()),
        ),
        ("user_id", USER, Subject::Id(Identity::user(id(USER)))),
        (
            "user_id",
            &prefixed,
            Subject::Id(Identity::user(id(&prefixed))),
        ),
        ("group_id", GROUP, Subject::Id(Identity::group(id(GROUP)))),
        (
            "group_id",
            &group_arn(GROUP),
            Subject::Id(Identity::group(id(GROUP))),
        ),
    ] {
        let asked = json!({ "action": "explain", field: given });
        assert_eq!(request(asked), Ok(Request::Explain(expected.clone())));
        let mut nulls = json!({
            "action": "explain", "user": null, "user_id": null, "group": null, "group_id": null,
        });
        nulls[field] = given.into();
        assert_eq!(request(nulls), Ok(Request::Explain(expected)));
    }
}

#[test]
fn a_wrong_request_is_refused_with_what_is_wrong() {
    let text = "that is not a text that says something";
    let one = "explain: give exactly one of user, user_id, group, group_id";
    let actions = "actions are reconcile, plan, explain, status";
    let of_pass = "there is no such field; known are action, studio, approve";
    let of_explain = "there is no such field; known are action, user, user_id, group, group_id";
    for (payload, expected) in [
        (
            json!({ "action": "delete" }),
            format!("action: that is none; {actions}"),
        ),
        (
            json!({ "action": "Reconcile" }),
            "action: that is none; did you mean \"reconcile\"?".to_owned(),
        ),
        (
            json!({ "action": "explian", "user": "bob@example.com" }),
            "action: that is none; did you mean \"explain\"?".to_owned(),
        ),
        (
            json!({ "action": null }),
            format!("action: that is none; {actions}"),
        ),
        (
            json!({ "action": ["reconcile"] }),
            format!("action: that is none; {actions}"),
        ),
        // Without an action, it is one by its other fields.
        (
            json!({ "studio": "analytics" }),
            format!("action: is missing; {actions}"),
        ),
        (
            json!({ "user": "bob@example.com" }),
            format!("action: is missing; {actions}"),
        ),
        (
            json!({ "Action": "reconcile" }),
            "a field: there is no such field; did you mean \"action\"?".to_owned(),
        ),
        (
            json!({ "acton": "explain", "user": "bob@example.com" }),
            "acton: there is no such field; did you mean \"action\"?".to_owned(),
        ),
        // A misspelt `studio` must not become "all Studios", nor be a null one.
        (
            json!({ "action": "reconcile", "studios": "analytics" }),
            "studios: there is no such field; did you mean \"studio\"?".to_owned(),
        ),
        (
            json!({ "action": "plan", "stduio": null }),
            "stduio: there is no such field; did you mean \"studio\"?".to_owned(),
        ),
        (
            json!({ "action": "reconcile", "user": "bob@example.com" }),
            format!("user: {of_pass}"),
        ),
        (
            json!({ "action": "explain", "user": "bob@example.com", "studio": "analytics" }),
            format!("studio: {of_explain}"),
        ),
        // What does not look like a field of ours may be a name.
        (
            json!({ "action": "explain", "bob@example.com": "user" }),
            format!("a field: {of_explain}"),
        ),
        (
            json!({ "action": "explain", "a_name_of_more_than_twenty": "user" }),
            format!("a field: {of_explain}"),
        ),
        (
            json!({ "action": "reconcile", "studio": ["analytics"] }),
            format!("studio: {text}"),
        ),
        (
            json!({ "action": "reconcile", "studio": "" }),
            format!("studio: {text}"),
        ),
        (
            json!({ "action": "reconcile", "approve": true }),
            format!("approve: {text}"),
        ),
        (
            json!({ "action": "explain", "user": 7 }),
            format!("user: {text}"),
        ),
        (
            json!({ "action": "explain", "user_id": {} }),
            format!("user_id: {text}"),
        ),
        (
            json!({ "action": "explain", "user_id": "bob@example.com" }),
            "user_id: that is not an id".to_owned(),
        ),
        (json!({ "action": "explain" }), one.to_owned()),
        (json!({ "action": "explain", "user": null }), one.to_owned()),
        (
            json!({ "action": "explain", "user": "bob@example.com", "user_id": USER }),
            one.to_owned(),
        ),
        (
            json!({ "action": "explain", "user": "bob@example.com", "group": "data-engineers" }),
            one.to_owned(),
        ),
        // Quoted once too often, or a list of them.
        (
            json!(r#"{"action":"reconcile"}"#),
            "a request is a JSON object, bare".to_owned(),
        ),
        (
            json!([{ "action": "explain", "user": "bob@example.com" }]),
            "a request is a JSON object, bare".to_owned(),
        ),
    ] {
        assert_eq!(request(payload.clone()), Err(expected), "{payload}");
    }
}

#[test]
fn a_refused_request_tells_no_name() {
    const NAME: &str = "zebulon";
    let mut payloads = Vec::new();
    for action in ["action", "Action", "acton", "acttion", "ACTION", "aktion"] {
        for order in ["explain", "Explain", "explian", "reconcile", "plan", NAME] {
            for field in [
                "user",
                "User",
                "USER",
                "users",
                "usr",
                "user_name",
                "userName",
                "user-id",
                "userid",
                "group",
                "gruop",
                "Groups",
                "group_name",
                "studio",
                "stuido",
                "approve",
                "aprove",
                NAME,
                "Zebulon Q. Pike",
                "zebulon@example.com",
            ] {
                payloads.push(json!({ action: order, field: NAME }));
                payloads.push(json!({ action: order, field: [NAME] }));
                payloads.push(json!({ action: order, field: { "name": NAME } }));
                payloads.push(json!({ action: order, "user": NAME, field: NAME }));
                payloads.push(json!({ action: order, "user": NAME, "group": NAME, field: 7 }));
                payloads.push(json!({ "Records": NAME, action: order, field: NAME }));
            }
        }
    }
    let quoted = |payload: &Value| json!([payload.to_string(), json!([payload])]);
    let more: Vec<Value> = payloads.iter().map(quoted).collect();
    payloads.extend(more.into_iter().flat_map(|both| match both {
        Value::Array(both) => both,
        _ => unreachable!(),
    }));
    let mut refused = 0;
    for payload in payloads {
        match event::payload(&payload) {
            Payload::Request(Ok(_)) => {}
            Payload::Request(Err(why)) => {
                refused += 1;
                let why = why.to_lowercase();
                // A key that looks like a field of ours may be shown.
                let shown = payload.get(NAME).is_some() && why.starts_with("zebulon: there is");
                assert!(shown || !why.contains(NAME), "{payload}: {why}");
            }
            other => panic!("{payload} would be logged whole: {other:?}"),
        }
    }
    assert!(refused > 1000, "{refused}");
}

// ------------------------------------------------------------------------- claims

#[test]
fn two_claims_are_about_the_same_whatever_they_say_of_it_and_no_others_are() {
    let claims = |now| {
        let claims = [
            member_of(GROUP, USER, now),
            member_of(GROUP, USER_2, now),
            member_of(MEMBERSHIP, USER, now),
            user_exists(USER, now),
            user_exists(USER_2, now),
            group_exists(USER, now),
            enabled(USER, now),
            enabled(USER_2, now),
        ];
        claims.into_iter().flatten().enumerate()
    };
    for (place, one) in claims(true) {
        for (other_place, other) in claims(false).chain(claims(true)) {
            let are = one.is_about_the_same(&other);
            assert_eq!(are, place == other_place, "{one:?} and {other:?}");
        }
    }
}

#[test]
fn a_claim_is_contradicted_by_what_was_read_otherwise_and_by_nothing_that_was_not() {
    let directory = Directory {
        members: BTreeMap::from([(id(GROUP), Answer::Is(BTreeSet::from([id(USER)])))]),
        groups: BTreeMap::from([(id(MEMBERSHIP), Answer::Gone)]),
        enabled: BTreeMap::from([
            (id(USER), Answer::Is(true)),
            (id(ACTOR), Answer::Unread { passes: true }),
        ]),
        ..Directory::default()
    };
    type Claiming = fn(bool) -> Option<Claim>;
    for (claim, is_so) in [
        ((|now| member(USER, now)) as Claiming, Some(true)),
        (|now| member(USER_2, now), Some(false)),
        (|now| member_of(USER_2, USER, now), None),
        (|now| user_exists(USER, now), Some(true)),
        (|now| user_exists(USER_2, now), None),
        (|now| group_exists(MEMBERSHIP, now), Some(false)),
        (|now| enabled(USER, now), Some(true)),
        (|now| enabled(USER_2, now), None),
        (|now| enabled(ACTOR, now), None),
    ] {
        for now in [true, false] {
            let claim = claim(now).unwrap();
            let expected = is_so == Some(!now);
            assert_eq!(claim.is_contradicted_by(&directory), expected, "{claim:?}");
        }
    }
}

// ------------------------------------------------------------------------ scopes

#[test]
fn a_scope_is_named_by_what_is_in_it() {
    for (scope, name) in [
        (Scope::Nothing, "nothing"),
        (Scope::Everything, "everything"),
        (user(USER), "user"),
        (user(USER).and(user(USER_2)), "user"),
        (group(GROUP), "group"),
        (group(GROUP).and(user(USER)), "users+groups"),
    ] {
        assert_eq!(scope.name(), name);
    }
}

#[test]
fn a_change_may_have_come_of_its_own_event_or_of_its_groups() {
    let (one, two) = (Identity::user(id(USER)), Identity::user(id(USER_2)));
    assert!(!Scope::Nothing.may_concern(&one));
    assert!(Scope::Everything.may_concern(&one));
    assert!(user(USER).may_concern(&one));
    assert!(!user(USER).may_concern(&two));
    assert!(group(GROUP).may_concern(&two));
}

fn any_scope() -> impl Strategy<Value = Scope> {
    let identity = (any::<bool>(), 0..6u8).prop_map(|(is_user, n)| {
        let id = id(&format!("0a1b2c3d-1001-7001-8001-00000000a00{n}"));
        if is_user {
            Identity::user(id)
        } else {
            Identity::group(id)
        }
    });
    prop_oneof![
        1 => Just(Scope::Nothing),
        1 => Just(Scope::Everything),
        6 => prop::collection::btree_set(identity, 1..5).prop_map(Scope::Identities),
    ]
}

/// Names and values that mean something here, so that junk gets past the first
/// question.
fn any_text() -> impl Strategy<Value = String> {
    let known: Vec<String> = [
        "Records",
        "action",
        "reconcile",
        "plan",
        "explain",
        "studio",
        "approve",
        "user",
        "user_id",
        "group",
        "group_id",
        "detail-type",
        "Scheduled Event",
        "AWS API Call via CloudTrail",
        "source",
        "aws.identitystore",
        "resources",
        "detail",
        "eventSource",
        DIRECTORY,
        API,
        SCIM,
        SSO,
        "eventName",
        "AddMemberToGroup",
        "RemoveMemberFromGroup",
        "CreateGroupMembership",
        "DeleteUser",
        "CreateGroup",
        "PatchGroup",
        "User Deleted",
        "Group Created",
        "AssociateDirectory",
        "errorCode",
        "readOnly",
        "requestParameters",
        "responseElements",
        "identityStoreId",
        STORE,
        OTHER_STORE,
        "userId",
        "memberId",
        "member",
        "groupId",
        "id",
        USER,
        GROUP,
        "/",
        "d-",
        "eventTime",
        "time",
        "2026-03-02T10:15:30Z",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain([user_arn(USER), group_arn(GROUP), store_arn(OTHER_STORE)])
    .collect();
    prop_oneof![4 => prop::sample::select(known), 1 => any::<String>()]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 8, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            3 => prop::collection::btree_map(any_text(), inner, 0..8)
                .prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// A sample with a part of it, anywhere, replaced by something arbitrary.
fn mutated_sample() -> impl Strategy<Value = Value> {
    let index = any::<prop::sample::Index>;
    (index(), index(), any_json()).prop_map(|(sample, place, part)| {
        let sample = EVENTS.values().nth(sample.index(EVENTS.len())).unwrap();
        let places = places(sample);
        with(sample, &places[place.index(places.len())], part)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_union_of_scopes_is_commutative(a in any_scope(), b in any_scope()) {
        prop_assert_eq!(a.clone().and(b.clone()), b.and(a));
    }

    #[test]
    fn the_union_of_scopes_is_associative(a in any_scope(), b in any_scope(), c in any_scope()) {
        let left = a.clone().and(b.clone()).and(c.clone());
        prop_assert_eq!(left, a.and(b.and(c)));
    }

    #[test]
    fn the_union_of_scopes_covers_both_and_no_more(a in any_scope(), b in any_scope()) {
        prop_assert_eq!(a.clone().and(a.clone()), a.clone());
        prop_assert_eq!(a.clone().and(Scope::Nothing), a.clone());
        prop_assert_eq!(a.clone().and(Scope::Everything), Scope::Everything);
        let both = a.clone().and(b.clone());
        prop_assert!(covers(&both, &a) && covers(&both, &b));
        for identity in both.identities() {
            prop_assert!(a.identities().chain(b.identities()).any(|one| one == identity));
        }
    }

    #[test]
    fn the_name_of_a_scope_says_what_kinds_are_in_it(scope in any_scope()) {
        let has = |kind| scope.identities().any(|identity| identity.kind == kind);
        let expected = match (&scope, has(IdentityType::User), has(IdentityType::Group)) {
            (Scope::Nothing, ..) => "nothing",
            (Scope::Everything, ..) => "everything",
            (_, true, false) => "user",
            (_, false, _) => "group",
            (_, true, true) => "users+groups",
        };
        prop_assert_eq!(scope.name(), expected);
    }

    #[test]
    fn arbitrary_json_is_read_without_a_panic(json in any_json()) {
        let _ = event::payload(&json);
        if let Ok(event) = event::read(&json, STORE) {
            prop_assert!(event.scope != Scope::Nothing || event.reason.is_some());
        }
    }

    #[test]
    fn a_mutated_sample_is_read_without_a_panic(event in mutated_sample()) {
        let _ = event::payload(&event);
        if let Ok(event) = event::read(&event, STORE) {
            prop_assert!(event.scope != Scope::Nothing || event.reason.is_some());
        }
    }
}
