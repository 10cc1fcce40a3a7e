//! What goes wrong with calls, and which lies nobody can notice.

use std::time::Duration;

use emr_studio_sync::emulator::{Fault, FaultKind};
use fastrand::Rng;

use super::case::{now_and_then, one_of};
use super::judge::Lies;

/// A fault, and whom it strikes.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    on: &'static str,
    kind: FaultKind,
    skip: u32,
    times: Option<u32>,
    chance: Option<f64>,
}

const READS: [&str; 9] = [
    "ListGroups",
    "ListGroupMemberships",
    "IsMemberInGroups",
    "GetUserId",
    "GetGroupId",
    "DescribeUser",
    "DescribeGroup",
    "ListStudioSessionMappings",
    "GetStudioSessionMapping",
];
const WRITES: [&str; 3] = [
    "CreateStudioSessionMapping",
    "UpdateStudioSessionMapping",
    "DeleteStudioSessionMapping",
];
/// Whose answers lose which of their members.
const FIELDS: [(&str, &str); 24] = [
    ("ListGroups", "Groups"),
    ("ListGroups", "GroupId"),
    ("ListGroups", "DisplayName"),
    ("ListGroupMemberships", "GroupMemberships"),
    ("ListGroupMemberships", "GroupId"),
    ("ListGroupMemberships", "MemberId"),
    ("ListGroupMemberships", "UserId"),
    ("IsMemberInGroups", "Results"),
    ("IsMemberInGroups", "GroupId"),
    ("IsMemberInGroups", "MemberId"),
    ("IsMemberInGroups", "MembershipExists"),
    ("GetGroupId", "GroupId"),
    ("GetUserId", "UserId"),
    ("DescribeUser", "UserStatus"),
    ("DescribeUser", "UserName"),
    ("ListStudioSessionMappings", "SessionMappings"),
    ("ListStudioSessionMappings", "Marker"),
    ("ListStudioSessionMappings", "IdentityId"),
    ("ListStudioSessionMappings", "IdentityType"),
    ("ListStudioSessionMappings", "SessionPolicyArn"),
    ("emr", "IdentityName"),
    ("GetStudioSessionMapping", "SessionMapping"),
    ("GetStudioSessionMapping", "SessionPolicyArn"),
    ("DescribeStudio", "AuthMode"),
];

pub(super) fn some(rng: &mut Rng) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    if rng.bool() {
        return troubles;
    }
    for _ in 0..rng.usize(1..4) {
        let trouble = one(rng);
        if trouble.can_be() {
            troubles.push(trouble);
        }
    }
    troubles
}

fn one(rng: &mut Rng) -> Trouble {
    let on = match rng.u8(..11) {
        0 => "*",
        1 => "emr",
        2 => "identitystore",
        3 => "DescribeStudio",
        4 => "FilterLogEvents",
        5..=7 => one_of(rng, &WRITES),
        _ => one_of(rng, &READS),
    };
    let (field_of, field) = *one_of(rng, &FIELDS);
    let drops_field = now_and_then(rng, 4);
    let on = if drops_field { field_of } else { on };
    let kind = match rng.u8(..16) {
        _ if drops_field => FaultKind::DropField {
            name: field.to_owned(),
        },
        0 => FaultKind::Throttle,
        1 => FaultKind::ServerError,
        2 => FaultKind::ServiceUnavailable,
        3 => FaultKind::HtmlError,
        4 => FaultKind::DropBefore,
        5 => FaultKind::DropAfter,
        6 => FaultKind::Garbage,
        7 => FaultKind::EmptyObject,
        8 => FaultKind::Truncated,
        9 => FaultKind::AccessDenied,
        10 => FaultKind::RepeatToken,
        11 => FaultKind::DropRow,
        12 => FaultKind::Latency(Duration::from_millis(*one_of(
            rng,
            &[700, 3000, 11_000, 45_000],
        ))),
        13 | 14 => wrapped(rng),
        _ => key(rng),
    };
    let (skip, times, chance) = match rng.u8(..3) {
        0 => (rng.u32(..6), Some(rng.u32(1..6)), None),
        1 => (0, None, Some(*one_of(rng, &[0.05, 0.3, 0.7]))),
        _ => (rng.u32(..3), now_and_then(rng, 2).then_some(4), None),
    };
    Trouble {
        on,
        kind,
        skip,
        times,
        chance,
    }
}

/// What went wrong behind EMR, in the dress in which it passes it on.
fn wrapped(rng: &mut Rng) -> FaultKind {
    let causes = [
        ("Rate exceeded", 400, "ThrottlingException"),
        (
            "Studio session mapping does not exist",
            500,
            "InternalFailure",
        ),
        ("IdentityId is invalid", 503, "ServiceUnavailable"),
        ("Studio does not exist", 429, "TooManyRequestsException"),
        (
            "Studio session mapping already exists.",
            500,
            "InternalFailure",
        ),
        ("IdentityId is invalid", 403, "AccessDeniedException"),
    ];
    let (text, status, code) = *one_of(rng, &causes);
    let (text, code) = (text.to_owned(), code.to_owned());
    FaultKind::Wrapped { text, status, code }
}

/// That the key of Identity Center cannot be used.
fn key(rng: &mut Rng) -> FaultKind {
    let (exception, reason) = *one_of(
        rng,
        &[
            ("ResourceNotFoundException", "KMS_KEY_NOT_FOUND"),
            ("AccessDeniedException", "KMS_ACCESS_DENIED"),
            ("ValidationException", "KMS_DISABLED"),
        ],
    );
    let resource_type = one_of(rng, &[None, Some("USER"), Some("GROUP")]);
    FaultKind::Key {
        exception: exception.to_owned(),
        reason: reason.to_owned(),
        resource_type: resource_type.map(str::to_owned),
    }
}

impl Trouble {
    pub(super) fn fault(&self) -> Fault {
        Fault {
            skip: self.skip,
            times: self.times,
            probability: self.chance,
            ..Fault::on(self.on, self.kind.clone())
        }
    }

    /// Whether a call may take longer than anybody waits.
    pub(super) fn is_slow(&self) -> bool {
        matches!(self.kind, FaultKind::Latency(_))
    }

    fn strikes(&self, operation: &str, service: &str) -> bool {
        [operation, service, "*"].contains(&self.on)
    }

    fn drops(&self, field: &str) -> bool {
        matches!(&self.kind, FaultKind::DropField { name } if name == field)
    }

    /// Some lies nobody can notice, and what follows from them is no fault of who
    /// believes them: a row less in a list of groups or members is one group, or
    /// one member, less. (Other rows that are dropped, and other
    /// fields, are noticed, or do no harm.)
    fn can_be(&self) -> bool {
        let lists = ["ListGroups", "ListGroupMemberships"];
        let strikes_lists = lists.iter().any(|list| self.strikes(list, "identitystore"));
        // Each service has its own dress.
        let of_emr = self.on == "emr" || self.on.contains("Studio");
        match &self.kind {
            FaultKind::Wrapped { .. } => of_emr,
            FaultKind::Key { .. } => !of_emr && !["*", "FilterLogEvents"].contains(&self.on),
            FaultKind::DropRow => !strikes_lists,
            _ => true,
        }
    }

    /// What these lie about, of which only this much follows: who believes that
    /// nobody is disabled, maps the disabled; who is not told the name a mapping
    /// was made under, does not protect it by that name; and who is shown fewer
    /// mappings than there are, makes more than there is room for.
    pub(super) fn lies(troubles: &[Trouble]) -> Lies {
        let any = |is_so: &dyn Fn(&Trouble) -> bool| troubles.iter().any(is_so);
        Lies {
            of_status: any(&|one| one.drops("UserStatus")),
            of_names: any(&|one| one.drops("IdentityName")),
            of_directory: any(&|one| {
                let reads = ["GetGroupId", "GetUserId", "DescribeGroup", "DescribeUser"];
                reads.iter().any(|read| one.strikes(read, "identitystore"))
            }),
            of_log: any(&|one| one.strikes("FilterLogEvents", "logs")),
            of_lists: any(&|one| {
                let shorter = matches!(one.kind, FaultKind::DropRow | FaultKind::EmptyObject);
                one.strikes("ListStudioSessionMappings", "emr")
                    && (shorter || one.drops("SessionMappings") || one.drops("Marker"))
            }),
        }
    }
}
