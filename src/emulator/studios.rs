//! EMR's Studios and their session mappings, with the texts others have published.

use std::time::Duration;

use serde_json::{Value, json};

use super::records::{AuthMode, IdentityType, Mapping, Studio, looks_like_an_id, now};
use super::settings::{AfterIdentityGone, FoundAfterRename};
use super::wire::{Answer, Caller, Refusal, listed, page, required, text};
use super::world::World;

/// Answers one call. `None`: there is no such operation here.
pub(super) fn answer(
    world: &mut World,
    caller: &Caller,
    operation: &str,
    input: &Value,
) -> Option<Answer> {
    let answer = match operation {
        "CreateStudioSessionMapping" => create(world, caller, input),
        "GetStudioSessionMapping" => get(world, caller, input),
        "UpdateStudioSessionMapping" => update(world, caller, input),
        "DeleteStudioSessionMapping" => delete(world, caller, input),
        "ListStudioSessionMappings" => list(world, caller, input),
        "DescribeStudio" => describe_studio(world, caller, input),
        "ListStudios" => list_studios(world, caller, input),
        _ => return None,
    };
    Some(answer)
}

const NOT_THERE: &str = "Studio session mapping does not exist.";
const INVALID_REQUEST: &str = "InvalidRequestException";
const INVALID_ID: &str = "IdentityId is invalid";

fn create(world: &mut World, caller: &Caller, input: &Value) -> Answer {
    let studio_id = mappable_studio(world, caller, input)?;
    let kind = identity_type(input)?;
    let policy = session_policy(world, caller, input)?;
    let id = identity(world, caller, input, kind, None)?;
    let name = known(world, kind, &id)
        .ok_or_else(|| refused(caller, INVALID_ID))?
        .to_owned();
    let key = (studio_id, kind, id);
    if world.mappings.contains_key(&key) {
        return Err(refused(caller, "Studio session mapping already exists."));
    }
    let (studio_id, kind, id) = &key;
    has_room(world, caller, studio_id, *kind)?;
    if !world.settings.user_and_group_mapping && mapped_otherwise(world, studio_id, *kind, id) {
        return Err(refused(caller, &world.settings.texts.user_and_group));
    }
    world.mappings.insert(key, Mapping::new(&policy, name));
    Ok(json!({}))
}

fn get(world: &World, caller: &Caller, input: &Value) -> Answer {
    let studio_id = mappable_studio(world, caller, input)?;
    let kind = identity_type(input)?;
    let id = identity(world, caller, input, kind, Some(&studio_id))?;
    known(world, kind, &id).ok_or_else(|| refused(caller, INVALID_ID))?;
    let key = (studio_id, kind, id);
    let mapping = world
        .mappings
        .get(&key)
        .ok_or_else(|| refused(caller, NOT_THERE))?;
    let follows = world.settings.gets_follow_renames;
    let mut answer = mapping_json(world, &key, mapping, follows);
    answer["LastModifiedTime"] = mapping.modified.into();
    Ok(json!({ "SessionMapping": answer }))
}

fn update(world: &mut World, caller: &Caller, input: &Value) -> Answer {
    let studio_id = mappable_studio(world, caller, input)?;
    let kind = identity_type(input)?;
    let policy = session_policy(world, caller, input)?;
    let id = identity(world, caller, input, kind, Some(&studio_id))?;
    known(world, kind, &id).ok_or_else(|| refused(caller, INVALID_ID))?;
    let mapping = world.mappings.get_mut(&(studio_id, kind, id));
    let mapping = mapping.ok_or_else(|| refused(caller, NOT_THERE))?;
    mapping.session_policy_arn = policy;
    mapping.modified = now();
    Ok(json!({}))
}

/// Nobody has published what Delete says once the identity is gone; see
/// [`super::Settings::delete_after_identity_gone`].
fn delete(world: &mut World, caller: &Caller, input: &Value) -> Answer {
    let studio_id = mappable_studio(world, caller, input)?;
    let kind = identity_type(input)?;
    let id = identity(world, caller, input, kind, Some(&studio_id))?;
    let key = (studio_id, kind, id);
    if known(world, kind, &key.2).is_none() {
        let is_there = world.identity_name(kind, &key.2).is_some();
        let refused_if_gone =
            world.settings.delete_after_identity_gone == AfterIdentityGone::Refuse;
        let looked_up = is_there || refused_if_gone;
        // Even where ids are not looked up, a name is no id.
        let no_id = !looks_like_an_id(&key.2) && !world.mappings.contains_key(&key);
        if looked_up || no_id {
            return Err(refused(caller, INVALID_ID));
        }
    }
    world
        .mappings
        .remove(&key)
        .ok_or_else(|| refused(caller, NOT_THERE))?;
    Ok(json!({}))
}

fn list(world: &World, caller: &Caller, input: &Value) -> Answer {
    let studio_id = match text(input, "StudioId") {
        Some(_) => Some(mappable_studio(world, caller, input)?),
        None => None,
    };
    let kind = match text(input, "IdentityType") {
        Some(_) => Some(identity_type(input)?),
        None => None,
    };
    identity_center(world, caller)?;
    let asked = in_studio(world, studio_id.as_deref()).filter(|((studio, of, _), _)| {
        kind.is_none_or(|kind| kind == *of)
            && world
                .studios
                .get(studio)
                .is_some_and(|studio| visible(world, caller, studio))
    });
    let rows = asked.map(|(key, mapping)| {
        let (studio, kind, id) = key;
        let mut row = mapping_json(world, key, mapping, world.settings.lists_follow_renames);
        if world.settings.rows_without_id.contains(id)
            && let Some(members) = row.as_object_mut()
        {
            members.remove("IdentityId");
        }
        (format!("{studio} {kind} {id}"), row)
    });
    // Sorted by what the page tokens name, so that no page repeats or loses a row.
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    let list = format!("ListStudioSessionMappings {studio_id:?} {kind:?}");
    let token = text(input, "Marker");
    let page = page(rows.into_iter(), &list, token, world.settings.page_size);
    let (rows, token) = page.ok_or_else(|| refused(caller, &world.settings.texts.bad_marker))?;
    match rows.is_empty() && world.settings.bare_empty_lists {
        true => Ok(json!({})),
        false => Ok(listed(rows, "SessionMappings", token, "Marker")),
    }
}

/// The mappings of one Studio, or of all.
fn in_studio<'w>(
    world: &'w World,
    studio: Option<&'w str>,
) -> impl Iterator<Item = (&'w (String, IdentityType, String), &'w Mapping)> {
    let from = studio.unwrap_or_default().to_owned();
    // The least of its keys.
    let from = (from, IdentityType::User, String::new());
    let mappings = world.mappings.range(from..);
    mappings.take_while(move |((of, ..), _)| studio.is_none_or(|studio| studio == of))
}

fn describe_studio(world: &World, caller: &Caller, input: &Value) -> Answer {
    let id = required(input, "StudioId")?;
    let studio = studio(world, caller, id)?;
    let region = studio.region.as_ref().or(caller.region.as_ref());
    let region = region.map_or("us-east-1", String::as_str);
    let account = studio.account.as_ref().unwrap_or(&world.account);
    let mut answer = studio_json(id, studio);
    if let Some(assignment) = studio.idc_user_assignment {
        answer["IdcUserAssignment"] = json!(assignment);
    }
    answer["StudioArn"] = format!("arn:aws:elasticmapreduce:{region}:{account}:studio/{id}").into();
    Ok(json!({ "Studio": answer }))
}

fn list_studios(world: &World, caller: &Caller, input: &Value) -> Answer {
    let here = world
        .studios
        .iter()
        .filter(|(_, studio)| visible(world, caller, studio));
    let rows = here.map(|(id, studio)| (id.clone(), studio_json(id, studio)));
    let page = page(
        rows,
        "ListStudios",
        text(input, "Marker"),
        world.settings.page_size,
    );
    let (rows, token) = page.ok_or_else(|| refused(caller, &world.settings.texts.bad_marker))?;
    Ok(listed(rows, "Studios", token, "Marker"))
}

/// `InvalidRequestException` as the service words it: only the text tells one
/// refusal from another, and it carries a tail.
fn refused(caller: &Caller, text: &str) -> Refusal {
    wrapped(text, 400, INVALID_REQUEST, &caller.request_id)
}

/// The same around what went wrong behind EMR: the tail tells of that, and the
/// answer's own status and code do not.
pub(super) fn wrapped(text: &str, status: u16, code: &str, request_id: &str) -> Refusal {
    let message = format!(
        "{text} (Service: AWSEditors; Status Code: {status}; Error Code: {code}; \
         Request ID: {request_id}; Proxy: null)"
    );
    Refusal::modelled(400, INVALID_REQUEST, &message).with("ErrorCode", INVALID_REQUEST)
}

/// AWS scopes Studios to an account and a Region; from elsewhere they do not exist.
fn visible(world: &World, caller: &Caller, studio: &Studio) -> bool {
    let account = caller.account.as_ref().unwrap_or(&world.account);
    let same = |own: &Option<String>, other: Option<&String>| match (own, other) {
        (Some(own), Some(other)) => own == other,
        _ => true,
    };
    same(&studio.region, caller.region.as_ref()) && same(&studio.account, Some(account))
}

fn studio<'a>(world: &'a World, caller: &Caller, id: &str) -> Result<&'a Studio, Refusal> {
    let studio = world
        .studios
        .get(id)
        .filter(|studio| visible(world, caller, studio));
    studio.ok_or_else(|| refused(caller, "Studio does not exist"))
}

/// The id of a Studio that can have mappings at all.
fn mappable_studio(world: &World, caller: &Caller, input: &Value) -> Result<String, Refusal> {
    let id = required(input, "StudioId")?;
    identity_center(world, caller)?;
    match studio(world, caller, id)?.auth_mode {
        AuthMode::Sso => Ok(id.into()),
        AuthMode::Iam => Err(refused(caller, &world.settings.texts.iam_studio)),
    }
}

fn identity_center(world: &World, caller: &Caller) -> Result<(), Refusal> {
    match world.settings.identity_center_enabled {
        true => Ok(()),
        false => Err(refused(caller, "IAM Identity Center is not enabled")),
    }
}

fn identity_type(input: &Value) -> Result<IdentityType, Refusal> {
    match required(input, "IdentityType")? {
        "USER" => Ok(IdentityType::User),
        "GROUP" => Ok(IdentityType::Group),
        other => {
            let constraint = "satisfy enum value set: [GROUP, USER]";
            Err(Refusal::constraint(
                "IdentityType",
                &format!("'{other}'"),
                constraint,
            ))
        }
    }
}

/// The id of the identity a request names by id or by name; AWS documents that
/// one of the two must be given, and not both. An id is not looked up here.
/// `studio`: where it is to be mapped already.
fn identity(
    world: &World,
    caller: &Caller,
    input: &Value,
    kind: IdentityType,
    studio: Option<&str>,
) -> Result<String, Refusal> {
    let texts = &world.settings.texts;
    let given = |member| text(input, member).filter(|value| !value.is_empty());
    match (given("IdentityId"), given("IdentityName")) {
        (Some(id), None) => Ok(id.into()),
        (None, Some(name)) if name.chars().count() > 256 => {
            let constraint = "have length less than or equal to 256";
            Err(Refusal::constraint(
                "IdentityName",
                &format!("'{name}'"),
                constraint,
            ))
        }
        (None, Some(name)) => {
            let id = named(world, kind, name, studio);
            let id = id.filter(|id| known(world, kind, id).is_some());
            id.map(str::to_owned)
                .ok_or_else(|| refused(caller, &texts.unknown_name))
        }
        _ => Err(refused(caller, &texts.id_or_name)),
    }
}

/// The id of whoever a name means: in the directory, or in a Studio's mappings; see
/// [`super::Settings::found_after_rename`].
fn named<'w>(
    world: &'w World,
    kind: IdentityType,
    name: &str,
    studio: Option<&'w str>,
) -> Option<&'w str> {
    let now = world.id_by_name(kind, name);
    let Some(studio) = studio else {
        return now;
    };
    let is_it = |other: &str| match world.settings.names_ignore_case {
        true => other.to_lowercase() == name.to_lowercase(),
        false => other == name,
    };
    let mapped = || in_studio(world, Some(studio)).filter(|((_, of, _), _)| *of == kind);
    let when_mapped = mapped().find(|(_, mapping)| is_it(&mapping.identity_name));
    let when_mapped = when_mapped.map(|((.., id), _)| id.as_str());
    let is_mapped = |id: &&str| mapped().any(|((.., other), _)| other == id);
    match world.settings.found_after_rename {
        FoundAfterRename::New => now,
        FoundAfterRename::Old => when_mapped.or(now.filter(|id| !is_mapped(id))),
        FoundAfterRename::Either => now.filter(is_mapped).or(when_mapped).or(now),
    }
}

/// The name of an identity, as far as EMR has learned of it by now; see
/// [`super::Settings::emr_learns_late_ms`].
fn known<'a>(world: &'a World, kind: IdentityType, id: &str) -> Option<&'a str> {
    let created = match kind {
        IdentityType::User => world.users.get(id)?.created,
        IdentityType::Group => world.groups.get(id)?.created,
    };
    let late = Duration::from_millis(world.settings.emr_learns_late_ms);
    world
        .identity_name(kind, id)
        .filter(|_| created.elapsed() >= late)
}

/// Whether the policy exists is not for this emulator to know; its form is.
fn session_policy(world: &World, caller: &Caller, input: &Value) -> Result<String, Refusal> {
    let policy = required(input, "SessionPolicyArn")?;
    let parts: Vec<&str> = policy.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, "iam", "", _, resource] if resource.starts_with("policy/") => Ok(policy.into()),
        _ => Err(refused(caller, &world.settings.texts.bad_policy)),
    }
}

/// AWS documents 100 users and 5 groups a Studio.
fn has_room(
    world: &World,
    caller: &Caller,
    studio_id: &str,
    kind: IdentityType,
) -> Result<(), Refusal> {
    let Some(studio) = world.studios.get(studio_id) else {
        return Ok(());
    };
    let mapped = in_studio(world, Some(studio_id));
    let mapped = mapped.filter(|((_, is, _), _)| *is == kind).count();
    let texts = &world.settings.texts;
    match kind {
        IdentityType::User if mapped >= studio.user_limit => {
            Err(refused(caller, &texts.too_many_users))
        }
        IdentityType::Group if mapped >= studio.group_limit => {
            Err(refused(caller, &texts.too_many_groups))
        }
        _ => Ok(()),
    }
}

/// Whether mapping this identity would give somebody two mappings in the Studio:
/// as a user, and through a group.
fn mapped_otherwise(world: &World, studio_id: &str, kind: IdentityType, id: &str) -> bool {
    let mapped = |kind, id: &String| {
        world
            .mappings
            .contains_key(&(studio_id.to_owned(), kind, id.clone()))
    };
    world.memberships.values().any(|membership| match kind {
        IdentityType::User => {
            membership.user == id && mapped(IdentityType::Group, &membership.group)
        }
        IdentityType::Group => {
            membership.group == id && mapped(IdentityType::User, &membership.user)
        }
    })
}

/// `follows`: whether it shows the name that the identity bears now.
fn mapping_json(
    world: &World,
    key: &(String, IdentityType, String),
    mapping: &Mapping,
    follows: bool,
) -> Value {
    let (studio, kind, id) = key;
    let name = world.identity_name(*kind, id).filter(|_| follows);
    let name = name.unwrap_or(&mapping.identity_name);
    let mut row = json!({
        "StudioId": studio,
        "IdentityId": id,
        "IdentityType": kind.to_string(),
        "SessionPolicyArn": mapping.session_policy_arn,
        "CreationTime": mapping.created,
    });
    if !name.is_empty() {
        row["IdentityName"] = name.into();
    }
    row
}

fn studio_json(id: &str, studio: &Studio) -> Value {
    json!({
        "StudioId": id,
        "Name": studio.name,
        "AuthMode": studio.auth_mode,
        "CreationTime": studio.created,
    })
}
