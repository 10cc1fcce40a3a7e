//! Whether the identity store can be read: each call that the engine makes.

use super::Finding;
use crate::aws::{CallError, Kind};
use crate::cli::connection::no_deadline;
use crate::directory::IdentityStore;
use crate::identity::Id;
use crate::policy::fit::Answer;

/// Asked about where the directory has nobody: "not found" means permitted.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";
const NOBODYS_NAME: &str = "emr-studio-sync-doctor";

/// Somebody who is in no directory.
pub(super) fn nobody() -> Option<Id> {
    Id::parse(NOBODY)
}

pub(super) async fn reads(store: &IdentityStore) -> Vec<Finding> {
    let deadline = no_deadline();
    let groups = store.all_groups(deadline).await;
    if let Err(error) = &groups
        && error.kind != Kind::Denied
    {
        // The same for each call, and each would be tried four times.
        return vec![outcome(store, "ListGroups", Err(error.clone()))];
    }
    let known = groups.iter().flatten().next();
    let group = known.map(|(id, _)| id.clone()).or_else(nobody);
    let name = known.map_or(NOBODYS_NAME, |(_, name)| name);
    let (Some(group), Some(nobody)) = (group, nobody()) else {
        return Vec::new();
    };
    let named = store.group_id(name, deadline).await;
    let members = store.members(&group, deadline).await;
    let member = members.as_ref().ok().and_then(Answer::known);
    let member = member.and_then(|members| members.first().cloned());
    let user = member.unwrap_or(nobody);
    let described = store.describe_user(&user, deadline).await;
    let user_name = described.as_ref().ok().and_then(Answer::known);
    let user_name = user_name.and_then(|user| user.name.as_deref());
    let user_name = user_name.unwrap_or(NOBODYS_NAME);
    let mut answers = vec![
        ("ListGroups", groups.map(drop)),
        ("ListUsers", store.lists_users(deadline).await),
        ("GetGroupId", named.map(drop)),
        (
            "GetUserId",
            store.user_id(user_name, deadline).await.map(drop),
        ),
        (
            "DescribeGroup",
            store.describe_group(&group, deadline).await.map(drop),
        ),
        ("DescribeUser", described.map(drop)),
        ("ListGroupMemberships", members.map(drop)),
        (
            "ListGroupMembershipsForMember",
            store.all_groups_of(&user, deadline).await.map(drop),
        ),
        (
            "IsMemberInGroups",
            store
                .is_member_in(&user, &[group].into(), deadline)
                .await
                .map(drop),
        ),
    ];
    // There is one key: the first call that needs it has said what is wrong.
    let mut told = false;
    answers.retain(|(_, answer)| {
        let is_key = answer
            .as_ref()
            .err()
            .is_some_and(|error| error.kind == Kind::NoKey);
        !(is_key && std::mem::replace(&mut told, true))
    });
    let outcomes = answers.into_iter();
    outcomes
        .map(|(call, answer)| outcome(store, call, answer))
        .collect()
}

fn outcome(store: &IdentityStore, call: &str, answer: Result<(), CallError>) -> Finding {
    let about = "identity store";
    match answer {
        Ok(()) => Finding::ok(about, format!("{call} is permitted")),
        Err(error) if matches!(error.kind, Kind::NoUser | Kind::NoGroup) => {
            Finding::ok(about, format!("{call} is permitted"))
        }
        Err(error) => {
            let otherwise = format!(
                "see that {} is the identity store (`aws sso-admin list-instances`), and give \
                 --identity-store-region if it is elsewhere",
                store.id()
            );
            Finding::needed(about, "identitystore", &error, &otherwise)
        }
    }
}
