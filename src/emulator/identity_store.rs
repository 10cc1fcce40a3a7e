//! The Identity Store's reads, as AWS documents them.

use std::ops::Bound;
use std::time::Duration;

use serde_json::{Value, json};

use super::records::{IdentityType, Membership};
use super::wire::{Answer, Caller, Refusal, id_of, listed, page_from, required, text};
use super::world::World;

/// Answers one call. `None`: there is no such operation here.
pub(super) fn answer(
    world: &World,
    caller: &Caller,
    operation: &str,
    input: &Value,
) -> Option<Answer> {
    let answer = match operation {
        "ListUsers" => list_users(world, input),
        "ListGroups" => list_groups(world, input),
        "ListGroupMemberships" => list_group_memberships(world, input),
        "ListGroupMembershipsForMember" => list_memberships_for_member(world, input),
        "IsMemberInGroups" => is_member_in_groups(world, input),
        "GetUserId" => get_user_id(world, input),
        "GetGroupId" => get_group_id(world, input),
        "DescribeUser" => describe_user(world, input),
        "DescribeGroup" => describe_group(world, input),
        "DescribeGroupMembership" => describe_membership(world, input),
        _ => return None,
    };
    // Every error of this service's model carries it.
    Some(answer.map_err(|refusal| refusal.with("RequestId", &caller.request_id)))
}

fn list_users(world: &World, input: &Value) -> Answer {
    in_store(world, input)?;
    no_filters(input)?;
    let rows = |from: Bound<&str>| {
        let ids = world.users.range::<str, _>((from, Bound::Unbounded));
        ids.map(|(id, _)| (id.clone(), user_json(world, id)))
    };
    let (rows, token) = cut(world, input, rows, "ListUsers")?;
    Ok(listed(rows, "Users", token, "NextToken"))
}

fn list_groups(world: &World, input: &Value) -> Answer {
    in_store(world, input)?;
    no_filters(input)?;
    let rows = |from: Bound<&str>| {
        let ids = world.groups.range::<str, _>((from, Bound::Unbounded));
        ids.map(|(id, _)| (id.clone(), group_json(world, id)))
    };
    let (rows, token) = cut(world, input, rows, "ListGroups")?;
    Ok(listed(rows, "Groups", token, "NextToken"))
}

fn list_group_memberships(world: &World, input: &Value) -> Answer {
    in_store(world, input)?;
    let group = id_of(required(input, "GroupId")?);
    if !world.settings.moto_unknown_group_is_empty {
        known_group(world, group)?;
    }
    let rows = |from: Bound<&str>| {
        let of_group = world.memberships.of_group(group, from);
        let shown = of_group.filter(|(_, membership)| shows(world, membership));
        shown.map(|(id, _)| (id.clone(), membership_json(world, id)))
    };
    let (rows, token) = cut(world, input, rows, &format!("ListGroupMemberships {group}"))?;
    Ok(listed(rows, "GroupMemberships", token, "NextToken"))
}

fn list_memberships_for_member(world: &World, input: &Value) -> Answer {
    in_store(world, input)?;
    let user = member(world, input)?;
    let of_user = world.memberships.of_user(user);
    let rows = |from: Bound<&str>| {
        let of_user = of_user.range::<str, _>((from, Bound::Unbounded));
        let shown = of_user.filter(|(_, membership)| shows(world, membership));
        shown.map(|(id, _)| (id.to_string(), membership_json(world, id)))
    };
    let list = format!("ListGroupMembershipsForMember {user}");
    let (rows, token) = cut(world, input, rows, &list)?;
    Ok(listed(rows, "GroupMemberships", token, "NextToken"))
}

/// AWS documents 1 to 100 group ids, and that one unknown id fails the whole call.
fn is_member_in_groups(world: &World, input: &Value) -> Answer {
    in_store(world, input)?;
    let groups = input.get("GroupIds").and_then(Value::as_array);
    let groups = groups.ok_or_else(|| Refusal::constraint("GroupIds", "null", "not be null"))?;
    if !(1..=100).contains(&groups.len()) {
        let value = format!("'{} ids'", groups.len());
        let constraint = "have length between 1 and 100, inclusive";
        return Err(Refusal::constraint("GroupIds", &value, constraint));
    }
    let user = member(world, input)?;
    let mut results = Vec::new();
    for group in groups {
        let group = id_of(group.as_str().unwrap_or_default());
        known_group(world, group)?;
        let membership = world.memberships.of(group, user);
        let membership = membership.and_then(|id| world.memberships.get(id));
        let is_member = membership.is_some_and(|membership| shows(world, membership));
        results.push(json!({
            "GroupId": group,
            "MemberId": { "UserId": user },
            "MembershipExists": is_member,
        }));
    }
    Ok(json!({ "Results": results }))
}

/// Whether a membership is old enough for the reads; see
/// [`super::Settings::directory_lags_ms`].
fn shows(world: &World, membership: &Membership) -> bool {
    membership.created.elapsed() >= Duration::from_millis(world.settings.directory_lags_ms)
}

fn get_user_id(world: &World, input: &Value) -> Answer {
    in_store(world, input)?;
    let name = unique_attribute(input, "userName")?;
    let id = name.and_then(|name| world.id_by_name(IdentityType::User, name));
    let id = id.ok_or_else(|| not_found("USER", name.unwrap_or_default()))?;
    Ok(json!({ "IdentityStoreId": world.store_id, "UserId": id, "UserArn": arn("user", id) }))
}

fn get_group_id(world: &World, input: &Value) -> Answer {
    in_store(world, input)?;
    let name = unique_attribute(input, "displayName")?;
    let id = name.and_then(|name| world.id_by_name(IdentityType::Group, name));
    let id = id.ok_or_else(|| not_found("GROUP", name.unwrap_or_default()))?;
    Ok(json!({ "IdentityStoreId": world.store_id, "GroupId": id, "GroupArn": arn("group", id) }))
}

fn describe_user(world: &World, input: &Value) -> Answer {
    in_store(world, input)?;
    let id = id_of(required(input, "UserId")?);
    known_user(world, id)?;
    Ok(user_json(world, id))
}

fn describe_group(world: &World, input: &Value) -> Answer {
    in_store(world, input)?;
    let id = id_of(required(input, "GroupId")?);
    known_group(world, id)?;
    Ok(group_json(world, id))
}

fn describe_membership(world: &World, input: &Value) -> Answer {
    in_store(world, input)?;
    let id = id_of(required(input, "MembershipId")?);
    match world.memberships.contains_key(id) {
        true => Ok(membership_json(world, id)),
        false => Err(not_found("GROUP_MEMBERSHIP", id)),
    }
}

fn in_store(world: &World, input: &Value) -> Result<(), Refusal> {
    let store = id_of(required(input, "IdentityStoreId")?);
    match store == world.store_id {
        true => Ok(()),
        false => Err(not_found("IDENTITY_STORE", store)),
    }
}

fn known_user(world: &World, id: &str) -> Result<(), Refusal> {
    let found = world.users.contains_key(id);
    found.then_some(()).ok_or_else(|| not_found("USER", id))
}

fn known_group(world: &World, id: &str) -> Result<(), Refusal> {
    let found = world.groups.contains_key(id);
    found.then_some(()).ok_or_else(|| not_found("GROUP", id))
}

/// The user `MemberId` names, who must be there.
fn member<'a>(world: &World, input: &'a Value) -> Result<&'a str, Refusal> {
    let user = input
        .get("MemberId")
        .and_then(|member| text(member, "UserId"));
    let user = user.ok_or_else(|| Refusal::constraint("MemberId", "null", "not be null"))?;
    known_user(world, id_of(user))?;
    Ok(id_of(user))
}

/// The value to look for. `None` for an external id: nobody has one here.
fn unique_attribute<'a>(input: &'a Value, path: &str) -> Result<Option<&'a str>, Refusal> {
    let identifier = input.get("AlternateIdentifier").unwrap_or(&Value::Null);
    if identifier.get("ExternalId").is_some() {
        return Ok(None);
    }
    let attribute = identifier.get("UniqueAttribute");
    let attribute = attribute
        .ok_or_else(|| Refusal::constraint("AlternateIdentifier", "null", "not be null"))?;
    let asked = required(attribute, "AttributePath")?;
    // AWS documents `userName`; `UserName` is used by many and works.
    if !asked.eq_ignore_ascii_case(path) {
        let message = format!("The attribute {asked} is not a unique attribute");
        return Err(Refusal::validation(&message));
    }
    Ok(Some(required(attribute, "AttributeValue")?))
}

/// AWS has deprecated `Filters`. To ignore them would be to answer another question.
fn no_filters(input: &Value) -> Result<(), Refusal> {
    match input.get("Filters").and_then(Value::as_array) {
        Some(filters) if !filters.is_empty() => Err(Refusal::validation(
            "Filters are deprecated and not emulated",
        )),
        _ => Ok(()),
    }
}

fn cut<I: Iterator<Item = (String, Value)>>(
    world: &World,
    input: &Value,
    rows: impl FnOnce(Bound<&str>) -> I,
    list: &str,
) -> Result<(Vec<Value>, Option<String>), Refusal> {
    let most = world.settings.max_identity_page;
    let size = match input.get("MaxResults") {
        None | Some(Value::Null) => most,
        Some(asked) => {
            let size = asked.as_u64().filter(|size| (1..=100).contains(size));
            let constraint = "have value between 1 and 100, inclusive";
            let size = size.ok_or_else(|| {
                Refusal::constraint("MaxResults", &format!("'{asked}'"), constraint)
            });
            most.min(size? as usize)
        }
    };
    let token = text(input, "NextToken");
    page_from(rows, list, token, size).ok_or_else(|| Refusal::validation("NextToken is invalid"))
}

/// AWS documents `ResourceType` and `ResourceId`; they tell one absence from another.
fn not_found(kind: &str, id: &str) -> Refusal {
    Refusal::modelled(
        400,
        "ResourceNotFoundException",
        &format!("{kind} not found."),
    )
    .with("ResourceType", kind)
    .with("ResourceId", id)
}

fn user_json(world: &World, id: &str) -> Value {
    let Some(user) = world.users.get(id) else {
        return Value::Null;
    };
    json!({
        "IdentityStoreId": world.store_id,
        "UserId": id,
        "UserArn": arn("user", id),
        "Revision": user.revision.to_string(),
        "UserName": user.name,
        "DisplayName": user.name,
        "UserStatus": if user.enabled { "ENABLED" } else { "DISABLED" },
    })
}

fn group_json(world: &World, id: &str) -> Value {
    let Some(group) = world.groups.get(id) else {
        return Value::Null;
    };
    json!({
        "IdentityStoreId": world.store_id,
        "GroupId": id,
        "GroupArn": arn("group", id),
        "Revision": group.revision.to_string(),
        "DisplayName": group.name,
    })
}

fn membership_json(world: &World, id: &str) -> Value {
    let Some(membership) = world.memberships.get(id) else {
        return Value::Null;
    };
    json!({
        "IdentityStoreId": world.store_id,
        "MembershipId": id,
        "MembershipArn": arn("membership", id),
        "GroupId": membership.group,
        "MemberId": { "UserId": membership.user },
    })
}

/// AWS documents these ARNs without Region and account.
fn arn(kind: &str, id: &str) -> String {
    format!("arn:aws:identitystore:::{kind}/{id}")
}
