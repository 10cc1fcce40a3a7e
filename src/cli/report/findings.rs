//! What of the page to look at first: findings, each with those it is about.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::html::Page;
use super::rows::Finding;
use super::{NotMapped, Studio};
use crate::identity::{Id, Identity};

/// Who a finding is about.
struct Concerned<'a> {
    who: String,
    /// To tell two of one name apart.
    id: Option<Id>,
    /// Each with what keeps it there as it is, if no rule wants it so.
    studios: BTreeSet<Cow<'a, str>>,
}

impl Concerned<'_> {
    fn said(self) -> Markup {
        // More are for the list below, and not for a first look.
        const STUDIOS: usize = 5;
        let studios = self.studios.iter().map(AsRef::as_ref);
        let mut studios: Vec<&str> = studios.take(STUDIOS).collect();
        let more = format!("and {} more", self.studios.len() - studios.len());
        if self.studios.len() > STUDIOS {
            studios.push(&more);
        }
        html! {
            b { (self.who) } " " span { (studios.join(", ")) }
            @if let Some(id) = self.id { small { (id) } }
        }
    }
}

/// The first of many, and the rest behind a click. On paper all of them are there.
pub(super) fn cut(items: impl ExactSizeIterator<Item = Markup>) -> Markup {
    const FIRST: usize = 10;
    let mut items = items;
    let first: Vec<Markup> = items.by_ref().take(FIRST).collect();
    let more = items.len();
    html! {
        div {
            ul { @for item in first { li { (item) } } }
            @if more > 0 {
                details {
                    summary { (more) " more" }
                    ul { @for item in items { li { (item) } } }
                }
            }
        }
    }
}

const WAITS: &str = "The next full pass does not make these, for the reason given. The command plan \
                     names them.";
const MISSING: &str = "Renamed, deleted or misspelt. Each says what follows from that.";

/// What is said in sentences, if there is anything to say.
fn notes(title: &str, meaning: &str, notes: &[String]) -> Markup {
    html! {
        @if !notes.is_empty() {
            article.finding {
                div {
                    h3 { span.count { (notes.len()) } " " (title) }
                    p { (meaning) }
                }
                (cut(notes.iter().map(|note| html! { (note) })))
            }
        }
    }
}

impl<'a> Page<'a> {
    pub(super) fn findings(&self) -> Markup {
        let found: Vec<(Finding, Vec<Concerned<'_>>)> = Finding::ALL
            .into_iter()
            .map(|finding| (finding, self.concerned(finding)))
            .filter(|(_, concerned)| !concerned.is_empty())
            .collect();
        let nothing = found.is_empty() && self.report.notes().is_empty();
        html! {
            section aria-labelledby="findings" {
                h2 #findings { "What to look at" }
                @if nothing && self.report.is_complete() {
                    p.calm {
                        "Nothing: everybody here is in the directory and enabled, a rule of the \
                         table wants every mapping, and every mapping that a rule wants is there."
                    }
                } @else if nothing {
                    p { "Nothing in what could be read." }
                }
                div.findings {
                    (self.open())
                    @for (finding, concerned) in found {
                        article.finding .(finding.name()) {
                            div {
                                h3 { span.count { (concerned.len()) } " " (finding.title()) }
                                p { (finding.meaning()) }
                                button type="button" data-show=(finding.name()) hidden {
                                    "Show only these"
                                }
                            }
                            (cut(concerned.into_iter().map(Concerned::said)))
                        }
                    }
                    (self.not_mapped())
                    (notes("Changes that wait", WAITS, &self.report.waits))
                    (notes("Named in the table, and not there", MISSING, &self.report.missing))
                }
            }
        }
    }

    /// The Studios of which the list of mappings does not say who may open them.
    fn open(&self) -> Markup {
        let open = self.report.studios.iter();
        let open: Vec<&Studio> = open.filter(|studio| studio.is_open()).collect();
        html! {
            @if !open.is_empty() {
                article.finding.open {
                    div {
                        h3 { span.count { (open.len()) } " Open without a mapping" }
                        p {
                            "Mappings do not decide who may open these: their IdcUserAssignment \
                             is OPTIONAL, so people get in without one. Who has one is below; \
                             who else may get in, no list says."
                        }
                    }
                    (cut(open.into_iter().map(|one| html! { b { (one.alias) } " " span { (one.id) } })))
                }
            }
        }
    }

    /// Whom the rules want, and who cannot get in by that.
    fn not_mapped(&self) -> Markup {
        let studios = self.report.studios.iter();
        let all = studios.filter_map(|studio| Some((&studio.alias, studio.not_mapped()?)));
        let all: Vec<(&String, NotMapped)> = all.collect();
        let count: usize = all.iter().map(|(_, all)| all.all()).sum();
        html! {
            @if !all.is_empty() {
                article.finding {
                    div {
                        h3 { span.count { (count) } " Wanted by a rule, but not mapped" }
                        p {
                            "Planned: the next full pass maps them. Over capacity: the Studio has \
                             no room. Withheld: what it rests on could not be read, or is not \
                             there. The command plan names them."
                        }
                    }
                    (cut(all.into_iter().map(|(alias, all)| html! {
                        b { (alias) } " " span { (all.words()) }
                    })))
                }
            }
        }
    }

    /// Who a finding is about, and in which Studios: the person, where it is
    /// about the person, and otherwise whom the mapping names.
    fn concerned(&self, finding: Finding) -> Vec<Concerned<'a>> {
        let mut found: BTreeMap<Identity, BTreeSet<Cow<'_, str>>> = BTreeMap::new();
        for row in self.report.rows.iter().filter(|row| row.has(finding)) {
            let who = match finding {
                Finding::NoRule | Finding::NotOwned => row.mapped(),
                _ => row.subject(),
            };
            let why = row.waits().or(row.protected.then_some("protected"));
            let studio = match why.filter(|_| finding == Finding::NoRule) {
                Some(why) => Cow::Owned(format!("{} ({why})", row.studio)),
                None => Cow::Borrowed(row.studio.as_str()),
            };
            if let Some(who) = who {
                found.entry(who).or_default().insert(studio);
            }
        }
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_by_cached_key(|(identity, _)| self.place(identity));
        let mut bearers: BTreeMap<String, usize> = BTreeMap::new();
        for (identity, _) in &found {
            *bearers.entry(self.called(identity)).or_default() += 1;
        }
        let concerned = found.into_iter().map(|(identity, studios)| {
            let who = self.called(&identity);
            let id = (bearers[&who] > 1).then_some(identity.id);
            Concerned { who, id, studios }
        });
        concerned.collect()
    }
}
