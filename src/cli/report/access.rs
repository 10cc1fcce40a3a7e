//! The heart of the page: who has what. Where there are few people and few Studios, a
//! matrix of both; otherwise a list of people.

use maud::{Markup, html};

use super::html::Page;
use super::rows::{Finding, Row, Status};
use crate::identity::Identity;

/// So many colours there are for session policies; then they come again.
const COLORS: usize = 6;
/// A matrix of more Studios is wider than a screen, and one of more people longer than
/// anybody goes through with a finger on a column.
const STUDIOS: usize = 6;
const PEOPLE: usize = 200;

impl Page<'_> {
    pub(super) fn access(&self) -> Markup {
        let few = self.report.studios.len() <= STUDIOS && self.subjects.len() <= PEOPLE;
        html! {
            section.access aria-labelledby="access" {
                h2 #access { "People and Studios" }
                (self.filters())
                p #part {}
                @if few { (self.matrix()) } @else { (self.people()) }
                p #nothing hidden { "Nothing fits these filters." }
                p #unread hidden { strong.unread { "This Studio could not be read." } }
            }
        }
    }

    /// The only line of a table that has none.
    pub(super) fn nobody(&self, columns: usize) -> Markup {
        let read = self.report.studios.iter().all(|studio| studio.read);
        html! {
            tr {
                td colspan=(columns) {
                    @if read { "Nobody is mapped." } @else { "Nothing could be read." }
                }
            }
        }
    }

    /// Shown by the script, which they are nothing without. Studios and session
    /// policies go by their places, which many entries name.
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
                        @for (place, studio) in studios.enumerate() {
                            option value=(place) data-unread[!studio.read] { (studio.alias) }
                        }
                    }
                }
                label { "Session policy"
                    select #policy {
                        option value="" { "all" }
                        @for (arn, policy) in &self.policies {
                            option value=(policy.place) data-arn=(arn) { (policy.alias) }
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

    /// Who it is: the head of a line.
    pub(super) fn head_of(&self, subject: &Identity, rows: &[&Row]) -> Markup {
        let others: Vec<&str> = self.names(subject).skip(1).collect();
        html! {
            th.who scope="row" {
                (self.called(subject))
                @match rows.first().and_then(|row| row.user_status) {
                    None | Some(Status::Enabled) => {}
                    Some(Status::Disabled) => { span.flag { "disabled" } }
                    Some(Status::Gone) => { span.flag.gone { "gone from the directory" } }
                    Some(Status::Unknown) => { span.unread { "status could not be read" } }
                }
                @if !others.is_empty() { small { "also mapped as " (others.join(", ")) } }
                @if self.called(subject) != subject.id.as_str() { small { (subject.id) } }
            }
        }
    }

    /// The place of a row's session policy among those in use.
    pub(super) fn policy_of(&self, row: &Row) -> usize {
        let policy = self.policies.get(row.session_policy_arn.as_str());
        policy.map_or(0, |policy| policy.place)
    }

    /// A session policy; each has its colour, but one that is not the table's.
    pub(super) fn chip(&self, row: &Row) -> Markup {
        let color = match row.owned {
            true => format!("c{}", self.policy_of(row) % COLORS),
            false => "foreign".to_owned(),
        };
        html! {
            span.policy .(color) title=(row.session_policy_arn) { (row.session_policy) }
        }
    }
}

impl Row {
    /// The names of its findings, if it has some.
    pub(super) fn names_of_findings(&self) -> Option<String> {
        let names: Vec<&str> = self.findings.iter().map(|one| one.name()).collect();
        (!names.is_empty()).then(|| names.join(" "))
    }

    /// Its findings, but for those about the person, which are beside the name.
    pub(super) fn flags(&self) -> Markup {
        let about_it = self.findings.iter().filter(|finding| match finding {
            Finding::Disabled => false,
            Finding::Gone => self.user_id.is_none(),
            Finding::Unread => self.user_status != Some(Status::Unknown),
            _ => true,
        });
        let words = about_it.map(|finding| finding.words(self));
        let words: Vec<String> = words.chain(self.waits().map(str::to_owned)).collect();
        html! { @if !words.is_empty() { span.flag { (words.join(", ")) } } }
    }
}
