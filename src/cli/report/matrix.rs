//! The heart of the page: people and Studios, and what the ones have in the
//! others.

use std::collections::HashMap;

use maud::{Markup, html};

use super::html::Page;
use super::rows::{Finding, Row, Status};
use crate::identity::{Identity, IdentityType};

/// So many colours there are for session policies; then they come again.
const COLORS: usize = 6;

impl Page<'_> {
    pub(super) fn access(&self) -> Markup {
        html! {
            section.access aria-labelledby="access" {
                h2 #access { "People and Studios" }
                (self.filters())
                p #part {}
                table #matrix {
                    caption {
                        "Each entry: the session policy of a mapping of that person, or of a \
                         group they are in, its age in days, and the rule that wants it. Entries \
                         in one Studio add up."
                    }
                    thead {
                        tr {
                            th.who scope="col" { "Who" }
                            @for studio in &self.report.studios {
                                th scope="col" data-studio=(studio.id) {
                                    (studio.alias)
                                    @if studio.alias != studio.id { small { (studio.id) } }
                                    @if !studio.read { strong.unread { "could not be read" } }
                                }
                            }
                        }
                    }
                    tbody {
                        @for (subject, rows) in &self.subjects { (self.line(subject, rows)) }
                        @if self.subjects.is_empty() { (self.nobody()) }
                    }
                }
                p #nothing hidden { "Nothing fits these filters." }
                p #unread hidden { strong.unread { "This Studio could not be read." } }
            }
        }
    }

    fn nobody(&self) -> Markup {
        let read = self.report.studios.iter().all(|studio| studio.read);
        html! {
            tr {
                td colspan=(self.report.studios.len() + 1) {
                    @if read { "Nobody is mapped." } @else { "Nothing could be read." }
                }
            }
        }
    }

    /// Shown by the script, which they are nothing without.
    fn filters(&self) -> Markup {
        let studios = self.report.studios.iter();
        let found = |finding: &Finding| self.report.rows.iter().any(|row| row.has(*finding));
        html! {
            form #filters hidden {
                label { "Search"
                    input #text type="search" autocomplete="off" placeholder="name, id, group, rule …";
                }
                label { "Studio"
                    select #studio {
                        option value="" { "all" }
                        @for studio in studios {
                            option value=(studio.id) data-unread[!studio.read] { (studio.alias) }
                        }
                    }
                }
                label { "Session policy"
                    select #policy {
                        option value="" { "all" }
                        @for (arn, policy) in &self.policies {
                            option value=(arn) { (policy.alias) }
                        }
                    }
                }
                label { "Look at"
                    select #finding {
                        option value="" { "everything" }
                        option value="*" { "all findings" }
                        @for finding in Finding::ALL.into_iter().filter(found) {
                            option value=(finding.name()) { (finding.title()) }
                        }
                    }
                }
                label { "Order"
                    select #order {
                        option value="name" { "by name" }
                        option value="oldest" { "oldest first" }
                        option value="newest" { "newest first" }
                    }
                }
                button type="reset" { "Clear" }
                output #shown for="text studio policy finding" aria-live="polite" {}
            }
        }
    }

    fn line(&self, subject: &Identity, rows: &[&Row]) -> Markup {
        let Some(first) = rows.first() else {
            return html! {};
        };
        let status = first.user_status;
        let others: Vec<&str> = self.names(subject).skip(1).collect();
        let mut by_studio: HashMap<&str, Vec<&Row>> = HashMap::new();
        for row in rows {
            by_studio.entry(&row.studio_id).or_default().push(row);
        }
        html! {
            tr.person {
                th.who scope="row" {
                    (self.called(subject))
                    @match status {
                        Some(Status::Enabled) => {}
                        Some(Status::Disabled) => { span.flag { "disabled" } }
                        Some(Status::Gone) => { span.flag.gone { "gone from the directory" } }
                        Some(Status::Unknown) => { span.unread { "status could not be read" } }
                        None => {}
                    }
                    @if !others.is_empty() { small { "also mapped as " (others.join(", ")) } }
                    @if self.called(subject) != subject.id.as_str() { small { (subject.id) } }
                }
                @for studio in &self.report.studios {
                    td data-studio=(studio.id) data-name=(studio.alias) {
                        @if !studio.read {
                            span.unread { "not read" }
                        } @else if let Some(rows) = by_studio.get(studio.id.as_str()) {
                            ul { @for row in rows { (self.grant(row)) } }
                        }
                    }
                }
            }
        }
    }

    fn grant(&self, row: &Row) -> Markup {
        let findings: Vec<&str> = row.findings.iter().map(|one| one.name()).collect();
        // Those about the person are beside the name.
        let about_it = row.findings.iter().filter(|finding| match finding {
            Finding::Disabled => false,
            Finding::Gone => row.user_id.is_none(),
            Finding::Unread => row.user_status != Some(Status::Unknown),
            _ => true,
        });
        html! {
            li data-policy=(row.session_policy_arn) data-findings=(findings.join(" "))
                data-created=[row.created.as_deref()]
            {
                (self.chip(row))
                @if let (Some(created), Some(days)) = (&row.created, row.age_days) {
                    time datetime=(created) title=(created) { (days) " d" }
                }
                @if let Some(rule) = row.rule {
                    a href={ "#rule-" (rule) } { "rules[" (rule) "]" }
                }
                @if row.mapping == IdentityType::Group && row.user_id.is_some() {
                    span.how { "member of " b { (row.group()) } }
                }
                @if let Some(group) = row.via_group() {
                    span.how { "through " b { (group) } }
                }
                @for finding in about_it { span.flag { (finding.words(row)) } }
            }
        }
    }

    /// A session policy; each has its colour, but one that is not the table's.
    fn chip(&self, row: &Row) -> Markup {
        let policy = self.policies.get(row.session_policy_arn.as_str());
        let place = policy.map_or(0, |policy| policy.place);
        let color = match row.owned {
            true => format!("c{}", place % COLORS),
            false => "foreign".to_owned(),
        };
        html! {
            span.policy .(color) title=(row.session_policy_arn) { (row.session_policy) }
        }
    }
}
