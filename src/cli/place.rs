//! Where in a file that stands which a problem is about: it names it by its place
//! in the table (`rules[2].studio`).

use std::ops::Range;

use jsonc_parser::ast::Value as Json;
use jsonc_parser::common::Ranged;
use jsonc_parser::parse_to_ast;
use toml::de::{DeTable, DeValue};

use crate::error::Problem;
use crate::policy::read::Format;

/// The bytes a problem is about; of what is not there, those of what it would be
/// in. None if the file cannot be read as what it should be.
pub(super) fn range(text: &str, format: Format, problem: &Problem) -> Option<Range<usize>> {
    let place = Place {
        rest: &problem.place,
        of_name: problem.of_name,
    };
    match format {
        Format::Json => {
            let ast = parse_to_ast(text, &Default::default(), &Default::default()).ok()?;
            Some(in_json(&ast.value?, place))
        }
        Format::Toml => {
            let table = DeTable::parse(text).ok()?;
            Some(in_table(table.get_ref(), table.span(), place))
        }
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
            let names = object
                .properties
                .iter()
                .map(|property| property.name.as_str());
            match key(names, place.rest) {
                Some((index, "")) => {
                    let property = &object.properties[index];
                    let name = property.name.range();
                    let value = property.value.range();
                    let is_plain = !matches!(property.value, Json::Object(_) | Json::Array(_));
                    place.shown(name.start..name.end, value.start..value.end, is_plain)
                }
                Some((index, rest)) => in_json(&object.properties[index].value, place.then(rest)),
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
    let entries: Vec<_> = table.iter().collect();
    let names = entries.iter().map(|(name, _)| name.get_ref().as_ref());
    match key(names, place.rest) {
        Some((index, "")) => {
            let (name, value) = entries[index];
            let is_plain = !matches!(value.get_ref(), DeValue::Table(_) | DeValue::Array(_));
            place.shown(name.span(), value.span(), is_plain)
        }
        Some((index, rest)) => {
            let (_, value) = entries[index];
            in_toml(value.get_ref(), value.span(), place.then(rest))
        }
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

/// The longest of the names that the place begins with, and what is left of the
/// place. Aliases may have dots in them.
fn key<'n, 'p>(names: impl Iterator<Item = &'n str>, place: &'p str) -> Option<(usize, &'p str)> {
    let place = place.strip_prefix('.').unwrap_or(place);
    names
        .enumerate()
        .filter_map(|(index, name)| {
            let rest = place.strip_prefix(name)?;
            let whole = rest.is_empty() || rest.starts_with(['.', '[']);
            whole.then_some((name.len(), index, rest))
        })
        .max()
        .map(|(_, index, rest)| (index, rest))
}

/// `[2].studio` is the third element, and `.studio` in it.
fn element(place: &str) -> Option<(usize, &str)> {
    let (index, rest) = place.strip_prefix('[')?.split_once(']')?;
    Some((index.parse().ok()?, rest))
}
