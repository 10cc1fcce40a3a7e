//! What is still to be looked at, and which messages come back: pure, by a clock
//! of the test's own.

use std::collections::{BTreeMap, BTreeSet};

use emr_studio_sync::acknowledge::{Delivered, RETURNS, returned};
use emr_studio_sync::event::{Event, Scope};
use emr_studio_sync::identity::{Id, Identity};
use emr_studio_sync::policy::fit::Reach;
use emr_studio_sync::unfinished::{Came, Unfinished};
use proptest::prelude::*;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;

fn user(number: usize) -> Identity {
    Identity::user(Id::parse(&format!("0a1b2c3d-1001-7001-8001-{number:012}")).unwrap())
}

fn only(numbers: impl IntoIterator<Item = usize>) -> Reach {
    Reach::Only(numbers.into_iter().map(user).collect())
}

fn in_studio(studio: usize, reach: Reach) -> BTreeMap<usize, Reach> {
    BTreeMap::from([(studio, reach)])
}

fn nothing() -> BTreeMap<usize, Reach> {
    BTreeMap::new()
}

fn event_of(number: usize) -> Event {
    Event {
        id: Some(format!("event-{number}")),
        scope: Scope::Identities(BTreeSet::from([user(number)])),
        ..Event::default()
    }
}

/// What came of a pass that looked there, left this, and was led by these.
fn settle(
    unfinished: &mut Unfinished,
    looked_at: &BTreeMap<usize, Reach>,
    left: &BTreeMap<usize, Reach>,
    events: &[Event],
    now: i64,
) {
    let none = BTreeSet::new();
    let came = Came {
        looked_at,
        left,
        goes_on: &none,
        hang: &none,
        is_full: false,
        events,
    };
    unfinished.settle(&came, now);
}

/// Fails at whatever is due, each minute; the minutes at which something was.
fn fail_on(unfinished: &mut Unfinished, minutes: std::ops::Range<i64>) -> Vec<i64> {
    let mut tried = Vec::new();
    for minute in minutes {
        let (due, events) = unfinished.due(minute * MINUTE);
        if !due.is_empty() {
            tried.push(minute);
            settle(unfinished, &due, &due.clone(), &events, minute * MINUTE);
        }
    }
    tried
}

#[test]
fn what_has_failed_once_is_due_at_once_and_then_after_pauses_that_grow() {
    let mut unfinished = Unfinished::default();
    settle(
        &mut unfinished,
        &in_studio(0, only([1])),
        &in_studio(0, only([1])),
        &[],
        0,
    );
    let mut pauses = Vec::new();
    let mut now = 0;
    for _ in 0..9 {
        let start = now;
        while unfinished.due(now).0.is_empty() {
            assert!(now < 60 * MINUTE, "it is never due");
            now += SECOND;
        }
        pauses.push((now - start) / SECOND);
        let due = unfinished.due(now).0;
        settle(&mut unfinished, &due, &due.clone(), &[], now);
    }
    assert_eq!(pauses, [0, 15, 30, 60, 120, 180, 180, 180, 180]);
}

#[test]
fn with_the_minutes_event_nothing_waits_five_minutes_and_after_an_hour_it_is_the_full_passs() {
    let mut unfinished = Unfinished::default();
    settle(
        &mut unfinished,
        &in_studio(0, Reach::All),
        &in_studio(0, Reach::All),
        &[],
        0,
    );
    let tried = fail_on(&mut unfinished, 1..120);
    let gaps = tried.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(gaps.max() < Some(5), "{tried:?}");
    assert!((60..65).contains(tried.last().unwrap()), "{tried:?}");
    assert!(unfinished.is_empty());
}

#[test]
fn what_a_pass_has_finished_is_forgotten_and_what_it_did_not_look_at_is_not() {
    let mut unfinished = Unfinished::default();
    let three = in_studio(0, only([1, 2, 3]));
    settle(&mut unfinished, &three, &three.clone(), &[], 0);
    settle(
        &mut unfinished,
        &in_studio(0, only([1, 2])),
        &in_studio(0, only([2])),
        &[],
        SECOND,
    );
    assert_eq!(unfinished.due(MINUTE).0, in_studio(0, only([2, 3])));
    settle(
        &mut unfinished,
        &in_studio(1, Reach::All),
        &nothing(),
        &[],
        SECOND,
    );
    assert_eq!(unfinished.len(), 2);
    settle(
        &mut unfinished,
        &in_studio(0, Reach::All),
        &nothing(),
        &[],
        SECOND,
    );
    assert!(unfinished.is_empty());
}

#[test]
fn somebody_who_is_seen_to_be_right_does_not_finish_the_studio() {
    let mut unfinished = Unfinished::default();
    settle(
        &mut unfinished,
        &in_studio(0, Reach::All),
        &in_studio(0, Reach::All),
        &[],
        0,
    );
    settle(
        &mut unfinished,
        &in_studio(0, only([1])),
        &nothing(),
        &[],
        SECOND,
    );
    assert_eq!(unfinished.due(MINUTE).0, in_studio(0, Reach::All));
}

#[test]
fn the_events_that_led_to_it_are_told_when_it_is_tried_again() {
    let mut unfinished = Unfinished::default();
    let two = in_studio(0, only([1, 2]));
    let events = [event_of(1), event_of(2)];
    settle(&mut unfinished, &two, &in_studio(0, only([2])), &events, 0);
    assert_eq!(unfinished.due(0).1, [event_of(2)]);
}

#[test]
fn many_of_a_studio_are_all_of_it() {
    for (count, reach, len) in [(100, only(0..100), 100), (101, Reach::All, 1)] {
        let mut unfinished = Unfinished::default();
        let many = in_studio(0, only(0..count));
        settle(&mut unfinished, &many, &many.clone(), &[], 0);
        assert_eq!(unfinished.due(0).0, in_studio(0, reach));
        assert_eq!(unfinished.len(), len);
    }
}

#[test]
fn one_more_who_meets_a_dead_studio_makes_nobody_hurry() {
    let mut unfinished = Unfinished::default();
    settle(
        &mut unfinished,
        &in_studio(0, Reach::All),
        &in_studio(0, Reach::All),
        &[],
        0,
    );
    fail_on(&mut unfinished, 1..20);
    assert!(unfinished.due(20 * MINUTE).0.is_empty() || unfinished.due(23 * MINUTE).0.len() == 1);
    let now = (0..600)
        .map(|s| 20 * MINUTE + s * SECOND)
        .find(|now| !unfinished.due(*now).0.is_empty());
    let due = now.unwrap();
    let all = in_studio(0, Reach::All);
    settle(&mut unfinished, &all, &all.clone(), &[], due);
    settle(
        &mut unfinished,
        &in_studio(0, only([1])),
        &in_studio(0, only([1])),
        &[],
        due,
    );
    assert!(unfinished.due(due + MINUTE).0.is_empty());
    assert_eq!(unfinished.due(due + 3 * MINUTE).0, all);
}

/// An hour is not too long yet, whenever it began.
#[test]
fn what_fails_is_kept_for_an_hour_and_no_longer() {
    for began in [0, 1_772_452_800_000] {
        for (after, is_kept) in [(60 * MINUTE, true), (60 * MINUTE + 1, false)] {
            let mut unfinished = Unfinished::default();
            let one = in_studio(0, only([1]));
            settle(&mut unfinished, &one, &one.clone(), &[], began);
            settle(&mut unfinished, &one, &one.clone(), &[], began + after);
            assert_eq!(unfinished.is_empty(), !is_kept, "after {after} ms");
        }
    }
}

/// Ten are enough to tell why, and what looks nowhere is no reason.
#[test]
fn everybody_is_looked_at_again_because_of_the_first_ten_events_that_led_there() {
    let mut unfinished = Unfinished::default();
    let all = in_studio(0, Reach::All);
    let reminder = Event::default();
    let mut events = vec![reminder.clone()];
    events.extend((0..12).map(event_of));
    settle(&mut unfinished, &all, &all.clone(), &events, 0);
    let led: Vec<Event> = (0..10).map(event_of).collect();
    assert_eq!(unfinished.due(0).1, led);
}

/// Each look at a Studio that hangs keeps others waiting; at one that only fails it
/// does not.
#[test]
fn a_studio_that_hangs_rests_until_it_is_due_and_no_other_does() {
    let mut unfinished = Unfinished::default();
    let looked_at = BTreeMap::from([(0, Reach::All), (1, Reach::All), (2, only([1]))]);
    let came = Came {
        looked_at: &looked_at,
        left: &looked_at.clone(),
        goes_on: &BTreeSet::new(),
        hang: &BTreeSet::from([0, 2]),
        is_full: false,
        events: &[],
    };
    unfinished.settle(&came, 0);
    // Of the third it is one person whose call hangs.
    for (at, resting) in [
        (0, BTreeSet::from([0])),
        (30 * SECOND - 1, BTreeSet::from([0])),
        (30 * SECOND, BTreeSet::new()),
        (MINUTE, BTreeSet::new()),
    ] {
        assert_eq!(unfinished.resting(at), resting, "after {at} ms");
    }
    assert_eq!(unfinished.due(0).0, in_studio(1, Reach::All));
    assert_eq!(unfinished.due(30 * SECOND).0, looked_at);
    assert!(!unfinished.is_empty());
    // One more who meets it does not end its rest.
    let one = in_studio(0, only([1]));
    settle(&mut unfinished, &one, &one.clone(), &[], SECOND);
    assert_eq!(unfinished.resting(2 * SECOND), BTreeSet::from([0]));
}

fn any_reach() -> impl Strategy<Value = Reach> {
    prop_oneof![
        1 => Just(Reach::All),
        4 => prop::collection::btree_set(0..6_usize, 1..4).prop_map(only),
    ]
}

fn any_message() -> impl Strategy<Value = (u32, bool)> {
    (1..7_u32, any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_left_is_due_within_minutes_and_whatever_is_looked_at_and_not_left_is_gone(
        // Less than an hour in all: after that it is the full pass's.
        passes in prop::collection::vec((0..2_usize, any_reach(), any::<bool>(), 0..110_i64), 1..30),
    ) {
        let mut unfinished = Unfinished::default();
        let mut now = 0;
        for (studio, reach, fails, pause) in passes {
            now += pause * SECOND;
            let looked_at = in_studio(studio, reach.clone());
            let left = if fails { looked_at.clone() } else { nothing() };
            settle(&mut unfinished, &looked_at, &left, &[], now);
            // Nobody waits longer than the longest pause.
            let later = unfinished.due(now + 3 * MINUTE).0;
            let covers = |who: usize| later.get(&studio).is_some_and(|due| due.covers(&user(who)));
            for who in (0..6).filter(|who| reach.covers(&user(*who))) {
                if fails {
                    prop_assert!(covers(who), "user {who} is forgotten");
                } else if reach == Reach::All {
                    prop_assert!(!covers(who), "user {who} is finished");
                }
            }
        }
    }

    #[test]
    fn no_message_comes_back_where_one_studio_was_dealt_with_nor_for_ever_nor_for_nothing(
        messages in prop::collection::vec(any_message(), 0..10), dealt_with_none in any::<bool>(),
    ) {
        let ids: Vec<String> = (0..messages.len()).map(|index| format!("m{index}")).collect();
        let delivered: Vec<Delivered<'_>> = ids.iter().zip(&messages)
            .map(|(id, (receives, looks))| Delivered { id, receives: *receives, looks: *looks })
            .collect();
        let back = returned(&delivered, dealt_with_none);
        for message in &delivered {
            let expected = dealt_with_none && message.looks && message.receives <= RETURNS;
            prop_assert_eq!(back.contains(&message.id), expected);
        }
        prop_assert!(back.len() <= delivered.len());
    }
}
