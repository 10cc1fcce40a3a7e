//! Names where a person reads them. Whoever names a user or a group writes what they
//! like: a line break that makes a line of its own, an escape sequence that colours
//! or deletes, a mark that turns the direction of the text, or one that cannot be
//! seen at all and makes of one name two. All these are shown as `\u{202e}`.
//!
//! Only where a person reads. What programs read has names as they are.

/// A name, on its own in a line or a column. Different names look different, as far
/// as characters go that cannot be seen: so a space that begins or ends it, or
/// follows another, is shown too, and a backslash where it would look like the
/// beginning of what is shown here.
pub fn name(name: &str) -> String {
    let mut shown = String::with_capacity(name.len());
    let mut after_space = true;
    let mut rest = name.chars();
    while let Some(c) = rest.next() {
        let next = rest.as_str();
        let is_lost = match c {
            ' ' => after_space || next.is_empty(),
            '\\' => next.starts_with("u{"),
            c => is_invisible(c),
        };
        push(&mut shown, c, is_lost);
        after_space = c == ' ';
    }
    shown
}

/// A name between quotation marks, in a sentence.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", name(text).replace('"', "\\u{22}"))
}

/// A sentence on one line, whatever is quoted in it.
pub fn line(sentence: &str) -> String {
    escaped(sentence, is_invisible)
}

/// A text of several lines, whatever is quoted in it.
pub fn text(text: &str) -> String {
    escaped(text, |c| c != '\n' && is_invisible(c))
}

fn escaped(text: &str, is_lost: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    text.chars().for_each(|c| push(&mut shown, c, is_lost(c)));
    shown
}

fn push(shown: &mut String, c: char, is_lost: bool) {
    match is_lost {
        true => shown.extend(c.escape_unicode()),
        false => shown.push(c),
    }
}

/// Whether a character shows nothing of its own, or the same as another: controls,
/// Unicode's format characters and others that it calls ignorable, all spaces but
/// the usual one, and what no font has (private use, and what is no character).
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}'..='\u{ffff}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_usual_name_in_any_script_is_shown_as_it_is() {
        for usual in [
            "",
            "alice@example.com",
            "Data Engineers (EU)",
            r"CORP\ursula",
            "Zoë O'Néill",
            "e\u{301}",
            "राहुल",
            "山田太郎",
            "מיכל",
        ] {
            assert_eq!(name(usual), usual);
        }
    }

    #[test]
    fn what_cannot_be_seen_is_shown_by_its_number() {
        for (hostile, shown) in [
            ("\u{1b}[31mred", r"\u{1b}[31mred"),
            ("one\ntwo\r\t", r"one\u{a}two\u{d}\u{9}"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("a\u{202e}cod.exe", r"a\u{202e}cod.exe"),
            ("ali\u{200b}ce", r"ali\u{200b}ce"),
            ("\u{feff}\u{2066}\u{ad}", r"\u{feff}\u{2066}\u{ad}"),
            ("a\u{a0}b\u{3000}c", r"a\u{a0}b\u{3000}c"),
            ("tag\u{e0041}", r"tag\u{e0041}"),
            (" alice  b ", r"\u{20}alice \u{20}b\u{20}"),
            (r"alice\u{200b}", r"alice\u{5c}u{200b}"),
        ] {
            assert_eq!(name(hostile), shown);
        }
        assert_eq!(quoted("a\"\n"), r#""a\u{22}\u{a}""#);
    }

    #[test]
    fn a_sentence_keeps_its_spaces_and_a_text_its_lines() {
        let both = "a\u{200b}  b\nc \\u{1}\r";
        assert_eq!(line(both), r"a\u{200b}  b\u{a}c \u{1}\u{d}");
        assert_eq!(text(both), "a\\u{200b}  b\nc \\u{1}\\u{d}");
    }

    /// The name that is shown so.
    fn read_again(shown: &str) -> String {
        let mut parts = shown.split(r"\u{");
        let mut name = parts.next().unwrap().to_owned();
        for part in parts {
            let (number, rest) = part.split_once('}').unwrap();
            name.push(char::from_u32(u32::from_str_radix(number, 16).unwrap()).unwrap());
            name += rest;
        }
        name
    }

    proptest! {
        #[test]
        fn no_two_names_are_shown_the_same(
            parts in prop::collection::vec(
                prop_oneof![
                    Just(r"\u{".to_owned()), Just("}".to_owned()), Just("\\".to_owned()),
                    Just(" ".to_owned()), any::<char>().prop_map(String::from),
                    (0..0x2100u32).prop_map(|c| char::from_u32(c).unwrap().to_string()),
                ],
                0..12,
            )
        ) {
            let written = parts.concat();
            let shown = name(&written);
            prop_assert_eq!(read_again(&shown), written);
            prop_assert!(!shown.contains(is_invisible));
            let letters: BTreeSet<char> = line(&shown).chars().collect();
            prop_assert!(!letters.contains(&'\n'));
        }
    }
}
