//! Where in a file that stands which a problem is about: it names it by its place
//! in the table (`rules[2].studio`).

use std::ops::Range;

use jsonc_parser::ast::Value as Json;
use jsonc_parser::common::Ranged;
use jsonc_parser::parse_to_ast;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::Problem;
use crate::policy::read::Format;
use crate::policy::source::Source;

/// A file, taken apart once for all that is to be found in it.
pub(super) struct Places<'t> {
    text: &'t str,
    /// Where each line begins.
    lines: Vec<usize>,
    tree: Tree<'t>,
}

enum Tree<'t> {
    Json(Json<'t>),
    Toml(Spanned<DeTable<'t>>),
    /// It cannot be read as what it should be.
    None,
}

impl<'t> Places<'t> {
    pub(super) fn of(source: &'t Source) -> Places<'t> {
        let text = source.text.as_str();
        let tree = match source.format {
            Format::Json => parse_to_ast(text, &Default::default(), &Default::default())
                .ok()
                .and_then(|ast| ast.value)
                .map(Tree::Json),
            Format::Toml => DeTable::parse(text).ok().map(Tree::Toml),
        };
        let ends = text.match_indices('\n').map(|(end, _)| end + 1);
        Places {
            text,
            lines: std::iter::once(0).chain(ends).collect(),
            tree: tree.unwrap_or(Tree::None),
        }
    }

    /// The bytes a problem is about; of what is not there, those of what it would
    /// be in.
    pub(super) fn range(&self, problem: &Problem) -> Option<Range<usize>> {
        if problem.place.is_empty() {
            return self.at_line_and_column(&problem.message);
        }
        let place = Place {
            rest: &problem.place,
            of_name: problem.of_name,
        };
        match &self.tree {
            Tree::Json(value) => Some(in_json(value, place)),
            Tree::Toml(table) => Some(in_table(table.get_ref(), table.span(), place)),
            Tree::None => None,
        }
    }

    /// Syntax errors carry their place in their words.
    fn at_line_and_column(&self, message: &str) -> Option<Range<usize>> {
        let (_, numbers) = message.rsplit_once(" at line ")?;
        let (line, column) = numbers.split_once(" column ")?;
        let (line, column) = (line.parse::<usize>().ok()?, column.parse::<usize>().ok()?);
        let begin = self.lines.get(line.saturating_sub(1));
        let begin = begin.copied().unwrap_or(self.text.len());
        let rest = &self.text[begin..];
        let mut columns = rest.char_indices().map(|(at, _)| at);
        let at = columns.nth(column.saturating_sub(1)).unwrap_or(rest.len());
        Some(begin + at..begin + at)
    }

    /// The number of the line that a byte is in, from 1, and where that line is.
    pub(super) fn line(&self, at: usize) -> (usize, Range<usize>) {
        let number = self.lines.partition_point(|begin| *begin <= at);
        let end = self.lines.get(number).copied();
        let begin = self.lines[number.saturating_sub(1)];
        (number, begin..end.unwrap_or(self.text.len()))
    }

    /// Line and column, both from 1, of a byte of the text.
    pub(super) fn position(&self, at: usize) -> (usize, usize) {
        let (number, line) = self.line(at);
        let before = &self.text[line.start..self.text.floor_char_boundary(at)];
        (number, before.chars().count() + 1)
    }
}

/// What is left of a place to go, and whether to its end or its end's name.
#[derive(Clone, Copy)]
struct Place<'p> {
    rest: &'p str,
    of_name: bool,
}

impl<'p> Place<'p> {
    fn then(self, rest: &'p str) -> Place<'p> {
        Place { rest, ..self }
    }

    /// What to show of a field. What has more in it goes by its name.
    fn shown(self, name: Range<usize>, value: Range<usize>, is_plain: bool) -> Range<usize> {
        match (self.of_name, is_plain) {
            (true, _) => name,
            (false, true) => value,
            (false, false) => name.start..value.end.max(name.end),
        }
    }
}

fn in_json(value: &Json<'_>, place: Place<'_>) -> Range<usize> {
    let here = || value.range().start..value.range().end;
    match value {
        Json::Object(object) => {
            let found =
                ends_of_name(place.rest).find_map(|(name, rest)| Some((object.get(name)?, rest)));
            match found {
                Some((property, "")) => {
                    let name = property.name.range();
                    let value = property.value.range();
                    let is_plain = !matches!(property.value, Json::Object(_) | Json::Array(_));
                    place.shown(name.start..name.end, value.start..value.end, is_plain)
                }
                Some((property, rest)) => in_json(&property.value, place.then(rest)),
                None => here(),
            }
        }
        Json::Array(array) => match element(place.rest) {
            Some((index, rest)) => array
                .elements
                .get(index)
                .map_or_else(here, |value| in_json(value, place.then(rest))),
            None => here(),
        },
        _ => here(),
    }
}

fn in_table(table: &DeTable<'_>, here: Range<usize>, place: Place<'_>) -> Range<usize> {
    let found =
        ends_of_name(place.rest).find_map(|(name, rest)| Some((table.get_key_value(name)?, rest)));
    match found {
        Some(((name, value), "")) => {
            let is_plain = !matches!(value.get_ref(), DeValue::Table(_) | DeValue::Array(_));
            place.shown(name.span(), value.span(), is_plain)
        }
        Some(((_, value), rest)) => in_toml(value.get_ref(), value.span(), place.then(rest)),
        None => here,
    }
}

fn in_toml(value: &DeValue<'_>, here: Range<usize>, place: Place<'_>) -> Range<usize> {
    match value {
        DeValue::Table(table) => in_table(table, here, place),
        DeValue::Array(array) => match element(place.rest) {
            Some((index, rest)) => match array.get(index) {
                Some(element) => in_toml(element.get_ref(), element.span(), place.then(rest)),
                None => here,
            },
            None => here,
        },
        _ => here,
    }
}

/// What may be the name that a place begins with, the longest first, and what is
/// left of the place then. Aliases may have dots in them.
fn ends_of_name(place: &str) -> impl Iterator<Item = (&str, &str)> {
    let place = place.strip_prefix('.').unwrap_or(place);
    let ends = place.match_indices(['.', '[']).map(|(end, _)| end);
    let ends: Vec<usize> = ends.chain([place.len()]).collect();
    ends.into_iter().rev().map(|end| place.split_at(end))
}

/// `[2].studio` is the third element, and `.studio` in it.
fn element(place: &str) -> Option<(usize, &str)> {
    let (index, rest) = place.strip_prefix('[')?.split_once(']')?;
    Some((index.parse().ok()?, rest))
}
