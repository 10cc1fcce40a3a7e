//! People and Studios where there are few of them: what the ones have in the others,
//! at one glance.

use std::collections::HashMap;

use maud::{Markup, html};

use super::html::Page;
use super::rows::Row;
use crate::identity::Identity;

impl Page<'_> {
    pub(super) fn matrix(&self) -> Markup {
        html! {
            table #matrix {
                caption {
                    "Each entry: the session policy of a mapping of that person, or of a group \
                     they are in, its age in days, and the rule that wants it. Entries in one \
                     Studio add up."
                }
                thead {
                    tr {
                        th.who scope="col" { "Who" }
                        @for (place, studio) in self.report.studios.iter().enumerate() {
                            th scope="col" data-studio=(place) {
                                (studio.alias)
                                @if studio.alias != studio.id { small { (studio.id) } }
                                @if !studio.read { strong.unread { "could not be read" } }
                                @if studio.is_open() { strong.unread { "open without a mapping" } }
                            }
                        }
                    }
                }
                tbody {
                    @for (subject, rows) in &self.subjects { (self.line(subject, rows)) }
                    @if self.subjects.is_empty() { (self.nobody(self.report.studios.len() + 1)) }
                }
            }
        }
    }

    fn line(&self, subject: &Identity, rows: &[&Row]) -> Markup {
        let mut by_studio: HashMap<&str, Vec<&Row>> = HashMap::new();
        for row in rows {
            by_studio.entry(&row.studio_id).or_default().push(row);
        }
        html! {
            tr.person {
                (self.head_of(subject, rows))
                @for (place, studio) in self.report.studios.iter().enumerate() {
                    td data-studio=(place) data-name=(studio.alias) {
                        @if !studio.read {
                            span.unread { "not read" }
                        } @else if let Some(rows) = by_studio.get(studio.id.as_str()) {
                            ul { @for row in rows { (self.grant(row, place)) } }
                        }
                    }
                }
            }
        }
    }

    fn grant(&self, row: &Row, studio: usize) -> Markup {
        html! {
            li data-studios=(studio) data-policy=(self.policy_of(row))
                data-findings=[row.names_of_findings()] data-made=[row.created.as_deref()]
            {
                (self.chip(row))
                @if let (Some(created), Some(days)) = (&row.created, row.age_days) {
                    time datetime=(created) title=(created) { (days) " d" }
                }
                @if let Some(rule) = row.rule {
                    a href={ "#rule-" (rule) } { "rules[" (rule) "]" }
                }
                @for (how, group) in row.how() { span.how { (how) " " b { (group) } } }
                (row.flags())
            }
        }
    }
}
