//! Everybody, and under each what they can open: for more people and Studios than a
//! matrix has room for.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use maud::{Markup, html};

use super::html::Page;
use super::rows::{Finding, Row};
use crate::cli::words::counted;
use crate::identity::Id;

/// More entries of one person that say the same are one, with the Studios in it.
const ALIKE: usize = 3;
/// More Studios of one person are behind a click: people who scroll look for people.
const MANY: usize = 10;

/// Where the Studios are in the report, by their ids.
type Places<'a> = HashMap<&'a str, usize>;
/// What a group has by the ids of Studios, and how many have it as its members.
type Given<'a> = BTreeMap<&'a str, (Row, usize)>;

impl Page<'_> {
    pub(super) fn people(&self) -> Markup {
        let studios = self.report.studios.iter();
        let unread: Vec<&str> = studios
            .clone()
            .filter(|studio| !studio.read)
            .map(|studio| studio.alias.as_str())
            .collect();
        let open: Vec<&str> = studios
            .clone()
            .filter(|studio| studio.is_open())
            .map(|studio| studio.alias.as_str())
            .collect();
        let places = studios.enumerate();
        let places = places.map(|(place, studio)| (studio.id.as_str(), place));
        let places: Places<'_> = places.collect();
        html! {
            @if !unread.is_empty() {
                p { strong.unread {
                    "Not in this list, since they could not be read: " (unread.join(", ")) "."
                } }
            }
            @if !open.is_empty() {
                p { strong.unread {
                    "Open also to people who are not in this list: " (open.join(", ")) "."
                } }
            }
            table.people {
                caption {
                    "What each person can open, by a mapping of their own or of a group they are \
                     in; the rule that wants it, and since when the mapping is there. Entries for \
                     one Studio add up."
                    span.paper { " What a group gives is listed after the people." }
                }
                thead {
                    tr {
                        th.who scope="col" { "Who" }
                        th scope="col" { div.entry {
                            span { "Studio" } span { "Session policy" } span { "By" }
                            span { "Since" }
                        } }
                    }
                }
                tbody {
                    @for (subject, rows) in &self.subjects {
                        tr.person {
                            (self.head_of(subject, rows))
                            td { ul {
                                @for rows in entries(rows) { (self.entry(&rows, &places)) }
                            } }
                        }
                    }
                    @if self.subjects.is_empty() { (self.nobody(2)) }
                }
            }
            (self.groups(&places))
        }
    }

    /// What mapped groups give each member, which on paper is said only here.
    fn groups(&self, places: &Places<'_>) -> Markup {
        let mut groups: BTreeMap<(String, &Id), Given<'_>> = BTreeMap::new();
        let of_members = self.report.rows.iter().filter(|row| row.is_member());
        for row in of_members {
            let Some(id) = &row.group_id else { continue };
            let studios = groups.entry((row.group(), id)).or_default();
            let mapping = studios.entry(&row.studio_id);
            mapping.or_insert_with(|| (row.of_group(), 0)).1 += 1;
        }
        html! {
            @if !groups.is_empty() {
                h3 { "Groups that are mapped" }
                table.people {
                    caption { "What each of their members can open." }
                    tbody {
                        @for ((name, id), studios) in &groups {
                            @let members = studios.values().map(|(_, members)| *members).max();
                            @let mut rows: Vec<&Row> = studios.values().map(|(row, _)| row).collect();
                            @let () = rows.sort_by_key(|row| places.get(row.studio_id.as_str()));
                            tr {
                                th.who scope="row" {
                                    (name)
                                    small { (id) }
                                    small { (counted(members.unwrap_or_default(), "member")) }
                                }
                                td { ul {
                                    @for rows in entries(&rows) { (self.entry(&rows, places)) }
                                } }
                            }
                        }
                    }
                }
            }
        }
    }

    /// What some rows say: one, or several that differ in little but their Studios.
    fn entry(&self, rows: &[&Row], places: &Places<'_>) -> Markup {
        let Some(first) = rows.first() else {
            return html! {};
        };
        let place = |row: &&Row| places.get(row.studio_id.as_str()).copied();
        let at: Vec<String> = rows
            .iter()
            .filter_map(place)
            .map(|at| at.to_string())
            .collect();
        let made: BTreeSet<&str> = rows
            .iter()
            .filter_map(|row| row.created.as_deref())
            .collect();
        let span = BTreeSet::from_iter(made.first().into_iter().chain(made.last()).copied());
        let made: Vec<&str> = span.into_iter().collect();
        let days: Vec<&str> = made.iter().map(|time| day(time)).collect();
        let one_day = days.windows(2).all(|days| days[0] == days[1]);
        let one_way = rows.iter().all(|row| row.how() == first.how());
        let of_group = one_way && first.is_member();
        let studios: BTreeSet<&str> = rows.iter().map(|row| row.studio_id.as_str()).collect();
        html! {
            li.entry data-studios=(at.join(" ")) data-policy=(self.policy_of(first))
                data-findings=[first.names_of_findings()] data-made=[
                    (!made.is_empty()).then(|| made.join(" "))
                ]
            {
                b { @if rows.len() == 1 { (first.studio) } @else { (counted(studios.len(), "Studio")) } }
                span { (self.chip(first)) }
                span.by {
                    @if let (1, Some(rule)) = (rows.len(), first.rule) {
                        a href={ "#rule-" (rule) } { "rules[" (rule) "]" }
                    }
                    @if one_way {
                        @for (how, group) in first.how() { " " (how) " " b { (group) } }
                    }
                    (first.flags())
                }
                span.made {
                    @for (at, day) in days.iter().enumerate().take(if one_day { 1 } else { 2 }) {
                        @if at > 0 { " to " }
                        (day)
                    }
                    @if let (1, Some(days)) = (rows.len(), first.age_days) { small { (days) " d" } }
                }
                @if rows.len() > MANY && first.user_id.is_some() {
                    details.each.of-group[of_group] { summary { "which" } (each(rows, one_way, one_day)) }
                } @else if rows.len() > 1 {
                    p.each.of-group[of_group] { (each(rows, one_way, one_day)) }
                }
            }
        }
    }
}

impl Row {
    /// What the mapping of a group is, whoever has it.
    fn of_group(&self) -> Row {
        let mut row = Row {
            user_name: None,
            user_id: None,
            user_status: None,
            ..self.clone()
        };
        let is_unread = self.owned && self.rule.is_none() && !self.has(Finding::NoRule);
        row.findings.retain(|finding| match finding {
            Finding::Disabled | Finding::Gone => false,
            Finding::Unread => is_unread,
            _ => true,
        });
        row
    }
}

/// The rows of one person, those together that say the same of many Studios.
fn entries<'a>(rows: &[&'a Row]) -> Vec<Vec<&'a Row>> {
    let mut alike: BTreeMap<_, Vec<(usize, &Row)>> = BTreeMap::new();
    for (place, row) in rows.iter().enumerate() {
        let what = (&row.session_policy_arn, row.owned, row.protected);
        let look = (&row.findings, &row.wanted_policy, row.outcome);
        alike.entry((what, look)).or_default().push((place, row));
    }
    let mut entries: Vec<Vec<(usize, &Row)>> = Vec::new();
    for rows in alike.into_values() {
        match rows.len() > ALIKE {
            true => entries.push(rows),
            false => entries.extend(rows.into_iter().map(|row| vec![row])),
        }
    }
    entries.sort_by_key(|rows| rows.first().map(|(place, _)| *place));
    let without_places = |rows: Vec<(usize, &'a Row)>| rows.into_iter().map(|(_, row)| row);
    entries
        .into_iter()
        .map(|rows| without_places(rows).collect())
        .collect()
}

/// The Studios of some rows, each with what is not the same for all.
fn each(rows: &[&Row], one_way: bool, one_day: bool) -> String {
    let one = |row: &&Row| {
        let rule = row.rule.map(|rule| format!("rules[{rule}]"));
        let how = row.how().into_iter().filter(|_| !one_way);
        let how = how.map(|(how, group)| format!("{how} {group}"));
        let made = row.created.as_deref().filter(|_| !one_day);
        let made = made.map(|time| day(time).to_owned());
        let more: Vec<String> = rule.into_iter().chain(how).chain(made).collect();
        match more.is_empty() {
            true => row.studio.clone(),
            false => format!("{} ({})", row.studio, more.join(", ")),
        }
    };
    rows.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The day of a time as the report writes it.
fn day(time: &str) -> &str {
    time.split('T').next().unwrap_or(time)
}
