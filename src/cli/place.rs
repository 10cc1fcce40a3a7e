//! Where in a file something stands that a problem names by its place in the
//! table (`rules[2].studio`).

use std::ops::Range;

use jsonc_parser::ast::Value as Json;
use jsonc_parser::common::Ranged;
use jsonc_parser::parse_to_ast;
use toml::de::{DeTable, DeValue};

use crate::policy::read::Format;

/// The bytes a place stands for; of what is not there, those of what it would
/// be in. None if the file cannot be read as what it should be.
pub(super) fn range(text: &str, format: Format, place: &str) -> Option<Range<usize>> {
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

fn in_json(value: &Json<'_>, place: &str) -> Range<usize> {
    let here = || value.range().start..value.range().end;
    match value {
        Json::Object(object) => {
            let names = object
                .properties
                .iter()
                .map(|property| property.name.as_str());
            match key(names, place) {
                Some((index, "")) => {
                    let range = object.properties[index].range;
                    range.start..range.end
                }
                Some((index, rest)) => in_json(&object.properties[index].value, rest),
                None => here(),
            }
        }
        Json::Array(array) => match element(place) {
            Some((index, rest)) => array
                .elements
                .get(index)
                .map_or_else(here, |value| in_json(value, rest)),
            None => here(),
        },
        _ => here(),
    }
}

fn in_table(table: &DeTable<'_>, here: Range<usize>, place: &str) -> Range<usize> {
    let entries: Vec<_> = table.iter().collect();
    let names = entries.iter().map(|(name, _)| name.get_ref().as_ref());
    match key(names, place) {
        Some((index, "")) => {
            let (name, value) = entries[index];
            // A value of its own line is shown with its name.
            name.span().start..value.span().end.max(name.span().end)
        }
        Some((index, rest)) => in_toml(entries[index].1.get_ref(), entries[index].1.span(), rest),
        None => here,
    }
}

fn in_toml(value: &DeValue<'_>, here: Range<usize>, place: &str) -> Range<usize> {
    match value {
        DeValue::Table(table) => in_table(table, here, place),
        DeValue::Array(array) => match element(place) {
            Some((index, rest)) => match array.get(index) {
                Some(element) => in_toml(element.get_ref(), element.span(), rest),
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
