//! The switches: what nobody has published about the service, as a choice.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// How the emulator behaves where AWS documents nothing, or where another
/// emulator differs from AWS. The defaults are the likelier answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Rows in one page of `ListStudioSessionMappings` and `ListStudios`. The
    /// calls take no page size and AWS documents none.
    pub page_size: usize,
    /// The most rows the Identity Store puts in one page. A request's
    /// `MaxResults` (AWS documents 1 to 100) is honoured below it.
    pub max_identity_page: usize,
    /// The most events in one page of `FilterLogEvents`. AWS documents 10,000,
    /// or as many as fit in 1 MB; a request's `limit` is honoured below it.
    pub log_page_size: usize,
    /// Whether every page of `FilterLogEvents` is preceded by an empty one with a
    /// token. AWS documents that pages may be empty although more follow, not when.
    pub empty_log_pages: bool,
    /// Whether `GetUserId`, `GetGroupId` and EMR's `IdentityName` ignore case.
    pub names_ignore_case: bool,
    /// Whether `ListStudioSessionMappings` shows the name that somebody bears now, or
    /// the one they bore when they were mapped. AWS says nothing of renames.
    pub lists_follow_renames: bool,
    /// The same of `GetStudioSessionMapping`. Going by the permissions that AWS
    /// documents, it looks into the directory and the list does not.
    pub gets_follow_renames: bool,
    /// By which `IdentityName` EMR finds the mapping of somebody who was renamed.
    pub found_after_rename: FoundAfterRename,
    /// What Delete says when the user or group is gone but the mapping is there.
    pub delete_after_identity_gone: AfterIdentityGone,
    /// Whether `ListStudioSessionMappings` answers `{}` where there are no rows. No
    /// answer for an empty Studio is published; the services built like EMR write
    /// the empty list.
    pub bare_empty_lists: bool,
    /// The ids of those whose rows in `ListStudioSessionMappings` come without
    /// `IdentityId`. Whether the service ever lists such a row is not published;
    /// other tools, which map people by name, keep rows of that form.
    pub rows_without_id: BTreeSet<String>,
    /// How long after an identity was added to the directory its mapping's calls
    /// are answered `IdentityId is invalid`, in milliseconds. That EMR may not know
    /// at once whom the directory knows is nowhere ruled out.
    pub emr_learns_late_ms: u64,
    /// How long a new membership does not show in the Identity Store's answers, in
    /// milliseconds. AWS documents no bound on the delay between a change and the
    /// reads.
    pub directory_lags_ms: u64,
    /// Whether the memberships of a deleted user stay: then `ListGroupMemberships`
    /// goes on naming somebody whom no other call knows. AWS does not say what
    /// becomes of them.
    pub memberships_outlive_users: bool,
    /// Whether one person may be mapped as a user and through a group in one Studio.
    pub user_and_group_mapping: bool,
    /// `ListGroupMemberships` of an unknown group: an empty list, as moto answers,
    /// or the `ResourceNotFoundException` AWS documents.
    pub moto_unknown_group_is_empty: bool,
    /// Whether the account has IAM Identity Center at all.
    pub identity_center_enabled: bool,
    /// Texts nobody has published.
    pub texts: Texts,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            page_size: 50,
            max_identity_page: 100,
            log_page_size: 100,
            empty_log_pages: false,
            names_ignore_case: false,
            lists_follow_renames: false,
            gets_follow_renames: false,
            found_after_rename: FoundAfterRename::New,
            delete_after_identity_gone: AfterIdentityGone::Allow,
            bare_empty_lists: false,
            rows_without_id: BTreeSet::new(),
            emr_learns_late_ms: 0,
            directory_lags_ms: 0,
            memberships_outlive_users: false,
            user_and_group_mapping: true,
            moto_unknown_group_is_empty: false,
            identity_center_enabled: true,
            texts: Texts::default(),
        }
    }
}

/// See [`Settings::delete_after_identity_gone`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AfterIdentityGone {
    /// The id is not looked up: the mapping is deleted; where there is none, it
    /// "does not exist".
    #[default]
    Allow,
    /// `IdentityId is invalid`.
    Refuse,
}

/// See [`Settings::found_after_rename`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FoundAfterRename {
    /// By the name that the directory has.
    #[default]
    New,
    /// By the name under which the mapping was made.
    Old,
    /// By both. Whom the directory calls so goes first.
    Either,
}

/// EMR's refusals whose wording is unknown. The service's tail is added to each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Texts {
    /// Both `IdentityId` and `IdentityName` given, or neither. AWS documents only
    /// that one must be, and not both.
    pub id_or_name: String,
    /// An `IdentityName` that nobody bears.
    pub unknown_name: String,
    /// A session policy that is not the ARN of an IAM policy.
    pub bad_policy: String,
    /// A Studio whose `AuthMode` is `IAM`.
    pub iam_studio: String,
    /// One user more than the Studio takes.
    pub too_many_users: String,
    /// One group more than the Studio takes.
    pub too_many_groups: String,
    /// See [`Settings::user_and_group_mapping`].
    pub user_and_group: String,
    /// A `Marker` that is none.
    pub bad_marker: String,
}

impl Default for Texts {
    fn default() -> Texts {
        Texts {
            id_or_name: "Either IdentityId or IdentityName must be specified, but not both.".into(),
            unknown_name: "IdentityName is invalid".into(),
            bad_policy: "SessionPolicyArn is invalid".into(),
            iam_studio: "Studio session mappings are not supported for a Studio with AuthMode IAM"
                .into(),
            too_many_users: "Studio has reached its limit of users".into(),
            too_many_groups: "Studio has reached its limit of groups".into(),
            user_and_group: "The user is already assigned to the Studio through a group".into(),
            bad_marker: "Marker is invalid".into(),
        }
    }
}
