//! Service levels: what is promised, and what was measured.

use std::time::Duration;

#[derive(Debug)]
pub struct Level {
    name: String,
    limit: f64,
    measured: f64,
    unit: &'static str,
}

impl Level {
    /// That something takes no longer than so.
    pub fn within(name: &str, limit: Duration, measured: Duration) -> Level {
        Level {
            name: name.to_owned(),
            limit: limit.as_secs_f64(),
            measured: measured.as_secs_f64().ceil(),
            unit: " s",
        }
    }

    /// That something is no more than so.
    pub fn at_most(name: &str, limit: usize, measured: usize) -> Level {
        let count = |count: usize| f64::from(u32::try_from(count).unwrap());
        Level {
            name: name.to_owned(),
            limit: count(limit),
            measured: count(measured),
            unit: "",
        }
    }
}

/// A table for people. Of levels with one name, it has the one that is kept worst.
pub fn table(levels: &[Level]) -> String {
    let mut rows: Vec<&Level> = Vec::new();
    for level in levels {
        match rows.iter_mut().find(|row| row.name == level.name) {
            Some(row) if row.measured < level.measured => *row = level,
            Some(_) => {}
            None => rows.push(level),
        }
    }
    let mut text = "| level | limit | measured |\n| --- | --- | --- |\n".to_owned();
    for Level {
        name,
        limit,
        measured,
        unit,
    } in rows
    {
        text += &format!("| {name} | {limit}{unit} | {measured}{unit} |\n");
    }
    text
}

/// Those that are not kept.
pub fn broken(levels: &[Level]) -> Vec<&Level> {
    let broken = |level: &&Level| level.measured > level.limit;
    levels.iter().filter(broken).collect()
}
