//! The report as one page that needs nothing else: no network, no script to be
//! read, only to be filtered.

use std::collections::{BTreeMap, BTreeSet};

use aws_smithy_types::base64;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::Report;
use super::findings::cut;
use super::rows::{self, Row};
use crate::cli::words::counted;
use crate::identity::{Identity, IdentityType};

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let page = Page::of(report);
    let html = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(security());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { "Who can open what: EMR Studio access, " (day(report)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (page.head())
                    (page.incomplete())
                    (page.findings())
                    (page.access())
                    (page.not_shown())
                    (page.appendix())
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    html.into_string()
}

/// Nothing may be loaded, sent or run but this style and this script.
fn security() -> String {
    let hash = |text: &str| base64::encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; \
         form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

fn day(report: &Report) -> String {
    report.generated_at.format("%Y-%m-%d").to_string()
}

/// The report, arranged as the page shows it.
pub(super) struct Page<'a> {
    pub(super) report: &'a Report,
    /// By whom they are about: users by name, then groups that let nobody in.
    pub(super) subjects: Vec<(Identity, Vec<&'a Row>)>,
    /// The session policies that are in use: ARNs with what they are called.
    pub(super) policies: BTreeMap<&'a str, Policy<'a>>,
    /// How many mappings each rule wants.
    by_rule: BTreeMap<usize, usize>,
    /// All names of each. Who is gone has as many as mappings were made under.
    names: BTreeMap<Identity, BTreeSet<&'a str>>,
}

/// A session policy that is in use.
pub(super) struct Policy<'a> {
    /// What the table calls it.
    pub(super) alias: &'a str,
    /// Its place among the others.
    pub(super) place: usize,
    /// How many mappings have it.
    mappings: usize,
}

impl<'a> Page<'a> {
    fn of(report: &'a Report) -> Page<'a> {
        let mut subjects: BTreeMap<Identity, Vec<&Row>> = BTreeMap::new();
        let mut names: BTreeMap<Identity, BTreeSet<&str>> = BTreeMap::new();
        for row in &report.rows {
            if let Some(subject) = row.subject() {
                subjects.entry(subject).or_default().push(row);
            }
            let user = (row.user_id.clone().map(Identity::user), &row.user_name);
            let group = (row.group_id.clone().map(Identity::group), &row.group_name);
            for (identity, name) in [user, group] {
                if let (Some(identity), Some(name)) = (identity, name) {
                    names.entry(identity).or_default().insert(name);
                }
            }
        }
        // A mapping of a group has a row for each member, and is counted once.
        let mut by_policy: BTreeMap<(&str, &str), BTreeSet<_>> = BTreeMap::new();
        let mut by_rule: BTreeMap<usize, BTreeSet<_>> = BTreeMap::new();
        for row in &report.rows {
            let mapping = (&row.studio_id, row.mapped());
            if let Some(rule) = row.rule {
                by_rule.entry(rule).or_default().insert(mapping.clone());
            }
            let policy = (row.session_policy_arn.as_str(), row.session_policy.as_str());
            by_policy.entry(policy).or_default().insert(mapping);
        }
        let policies = by_policy.into_iter().enumerate();
        let policies = policies.map(|(place, ((arn, alias), mappings))| {
            let policy = Policy {
                alias,
                place,
                mappings: mappings.len(),
            };
            (arn, policy)
        });
        let by_rule = by_rule.into_iter();
        let mut page = Page {
            report,
            subjects: Vec::new(),
            policies: policies.collect(),
            by_rule: by_rule.map(|(rule, all)| (rule, all.len())).collect(),
            names,
        };
        let mut subjects: Vec<_> = subjects.into_iter().collect();
        subjects.sort_by_cached_key(|(subject, _)| page.place(subject));
        page.subjects = subjects;
        page
    }

    /// By name, users before groups. Who has no name comes after those who have.
    pub(super) fn place(&self, identity: &Identity) -> impl Ord + use<> {
        let named = self.names.contains_key(identity);
        let name = self.called(identity).to_lowercase();
        (identity.kind, !named, name, identity.clone())
    }

    /// What somebody is called: by the id, if nobody knows a name.
    pub(super) fn called(&self, identity: &Identity) -> String {
        let name = self.names(identity).next();
        let name = name.unwrap_or(identity.id.as_str());
        match identity.kind {
            IdentityType::User => name.to_owned(),
            IdentityType::Group => format!("group {name}"),
        }
    }

    /// All names of somebody, the one to be called by first.
    pub(super) fn names(&self, identity: &Identity) -> impl Iterator<Item = &'a str> {
        self.names.get(identity).into_iter().flatten().copied()
    }

    fn head(&self) -> Markup {
        let report = self.report;
        let people = self.subjects.iter();
        let people = people.filter(|(subject, _)| subject.kind == IdentityType::User);
        let users: usize = report.studios.iter().map(|studio| studio.users).sum();
        let groups: usize = report.studios.iter().map(|studio| studio.groups).sum();
        let facts = [
            ("Read in", report.place.clone()),
            ("Policy table", report.table.clone()),
            (
                "As of",
                report
                    .generated_at
                    .format("%Y-%m-%d %H:%M:%S UTC")
                    .to_string(),
            ),
            ("Studios", report.studios.len().to_string()),
            ("People", people.count().to_string()),
            (
                "Mappings",
                format!(
                    "{} ({}, {})",
                    users + groups,
                    counted(users, "user"),
                    counted(groups, "group")
                ),
            ),
        ];
        html! {
            header {
                p.kind { "Amazon EMR Studio · access report" }
                h1 { "Who can open what" }
                dl.facts {
                    @for (name, value) in facts {
                        div { dt { (name) } dd { (value) } }
                    }
                }
            }
        }
    }

    /// Said first and loudly: nobody may take what was not read for nothing.
    fn incomplete(&self) -> Markup {
        if self.report.is_complete() {
            return html! {};
        }
        html! {
            section.incomplete aria-labelledby="incomplete" {
                h2 #incomplete { "This report is incomplete" }
                p {
                    "Some of it could not be read. Where something is missing here, somebody may \
                     still have access. Do not use this as evidence; fix what is told below, and \
                     make the report again."
                }
                (cut(self.report.problems.iter().map(|problem| html! { (problem) })))
            }
        }
    }

    /// What nobody should take the page to say.
    fn not_shown(&self) -> Markup {
        let studios = self.report.studios.iter();
        let untold = studios.filter(|studio| studio.read && studio.open.is_none());
        let untold: Vec<&str> = untold.map(|studio| studio.alias.as_str()).collect();
        html! {
            section.appendix aria-labelledby="not-shown" {
                h2 #not-shown { "What this report does not show" }
                ul {
                    @if !untold.is_empty() {
                        li { "Whether people get in without a mapping, which DescribeStudio did not \
                              say of " (untold.join(", ")) "." }
                    }
                    li { "Taking a mapping away does not end a session that is already open." }
                    li { "What somebody may do inside is what both the Studio's user role and the \
                          session policy allow." }
                    li { "A mapping's age is that of the mapping; its session policy may have been \
                          changed since." }
                }
            }
        }
    }

    /// What the names on the page stand for.
    fn appendix(&self) -> Markup {
        html! {
            section.appendix aria-labelledby="appendix" {
                h2 #appendix { "What the names stand for" }
                table {
                    caption { "Session policies in use" }
                    thead { tr {
                        th scope="col" { "Name" } th scope="col" { "ARN" }
                        th.number scope="col" { "Mappings" }
                    } }
                    tbody {
                        @for (arn, policy) in &self.policies {
                            tr {
                                th scope="row" { (policy.alias) }
                                td.id { (arn) }
                                td.number { (policy.mappings) }
                            }
                        }
                    }
                }
                table {
                    caption { "Studios" }
                    thead { tr {
                        th scope="col" { "Name" } th scope="col" { "Id" }
                        th.number scope="col" { "Users mapped" }
                        th.number scope="col" { "Groups mapped" }
                    } }
                    tbody {
                        @for studio in &self.report.studios {
                            tr {
                                th scope="row" { (studio.alias) }
                                td.id { (studio.id) }
                                @if studio.read {
                                    td.number { (studio.users) } td.number { (studio.groups) }
                                } @else {
                                    td colspan="2" { span.unread { "could not be read" } }
                                }
                            }
                        }
                    }
                }
                table {
                    caption { "Rules of the table. For one identity in one Studio the first that fits decides." }
                    thead { tr {
                        th scope="col" { "Rule" } th scope="col" { "Whom" }
                        th scope="col" { "Studio" } th scope="col" { "Session policy" }
                        th.number scope="col" { "Mappings" }
                    } }
                    tbody {
                        @for rule in &self.report.rules {
                            tr id={ "rule-" (rule.index) } {
                                th scope="row" { "rules[" (rule.index) "]" }
                                td { (rule.whom) } td { (rule.studio) }
                                td { (rule.session_policy) }
                                td.number { (self.by_rule.get(&rule.index).unwrap_or(&0)) }
                            }
                        }
                    }
                }
                footer {
                    "Made by emr-studio-sync " (env!("CARGO_PKG_VERSION")) " at "
                    time { (rows::rfc3339(self.report.generated_at)) } "."
                }
            }
        }
    }
}
