//! STS and IAM: who the caller is, which roles it may be, which policies there
//! are.

use serde_json::{Value, json};

use super::wire::{Answer, Caller, Refusal, required, text};
use super::world::World;

/// The ARN of whoever calls from an account.
pub(super) fn caller_arn(account: &str) -> String {
    format!("arn:aws:sts::{account}:assumed-role/studio-sync/session")
}

/// `None`: no such operation.
pub(super) fn sts(
    world: &World,
    caller: &Caller,
    operation: &str,
    input: &Value,
) -> Option<Answer> {
    let account = caller.account.as_ref().unwrap_or(&world.account);
    Some(match operation {
        "GetCallerIdentity" => Ok(json!({
            "Arn": caller_arn(account),
            "UserId": "AROAEXAMPLE:session",
            "Account": account,
        })),
        "AssumeRole" => assume_role(world, account, input),
        _ => return None,
    })
}

fn assume_role(world: &World, account: &str, input: &Value) -> Answer {
    let (arn, session) = (
        required(input, "RoleArn")?,
        required(input, "RoleSessionName")?,
    );
    let mut roles = world.deployment.roles.iter();
    let lets_in = roles.any(|role| {
        let external_id = role.external_id.as_deref();
        // An external id that nobody asks for does no harm.
        role.arn == arn && (external_id.is_none() || external_id == text(input, "ExternalId"))
    });
    if !lets_in {
        let message = format!(
            "User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}",
            caller_arn(account)
        );
        return Err(Refusal::front_door(403, "AccessDenied", &message));
    }
    // arn:aws:iam::<account>:role/<path and name>
    let (account, name) = (arn.split(':').nth(4), arn.rsplit('/').next());
    let (account, name) = (account.unwrap_or_default(), name.unwrap_or_default());
    Ok(json!({
        "Credentials": {
            // The account of those who come back with it; see `Caller::account`.
            "AccessKeyId": account,
            "SecretAccessKey": "secret",
            "SessionToken": "token",
            "Expiration": "2099-01-01T00:00:00Z",
        },
        "AssumedRoleUser": {
            "AssumedRoleId": format!("AROAEXAMPLE:{session}"),
            "Arn": format!("arn:aws:sts::{account}:assumed-role/{name}/{session}"),
        },
    }))
}

/// `None`: no such operation.
pub(super) fn iam(world: &World, operation: &str, input: &Value) -> Option<Answer> {
    (operation == "GetPolicy").then(|| {
        let arn = required(input, "PolicyArn")?;
        if !world.deployment.policies.contains(arn) {
            let message = format!("Policy {arn} was not found.");
            return Err(Refusal::front_door(404, "NoSuchEntity", &message));
        }
        let name = arn.rsplit('/').next();
        Ok(json!({ "Policy": { "Arn": arn, "PolicyName": name, "IsAttachable": true } }))
    })
}
