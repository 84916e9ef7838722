//! A machine as the text of a diagram.
//!
//! States are written as `s0`, `s1`, … and named by a label. So no name can be taken for syntax, and
//! only labels have to be escaped.
//!
//! What `any` adds to every state is drawn from one node, `*`; which states override it isn't shown.
//! A state that nothing moves on but a caller's force is final: terminal, and without a timer that
//! leads elsewhere.

use std::fmt::{self, Write as _};

use crate::definition::{Definition, StateId, UNNAMED};
use crate::machine::Machine;

/// The languages in which a diagram can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diagram {
    /// A `stateDiagram-v2` of Mermaid.
    Mermaid,
    /// A `digraph` of Graphviz.
    Dot,
}

impl Diagram {
    /// Writes a machine's diagram. The current state is highlighted, final states are marked, every
    /// transition is drawn once, in document order, with its event on it; then those of `any`, then
    /// the timers.
    pub fn draw(self, machine: &Machine) -> String {
        match self {
            Self::Mermaid => mermaid(machine),
            Self::Dot => dot(machine),
        }
    }
}

fn mermaid(machine: &Machine) -> String {
    let definition = machine.definition();
    let mut out = String::from("stateDiagram-v2\n");
    for state in definition.state_ids() {
        let label = mermaid_label(definition.name(state));
        line(&mut out, format_args!("    state \"{label}\" as s{state}"));
    }
    if definition.has_any() {
        out.push_str("    state \"#42;\" as any\n");
    }
    line(
        &mut out,
        format_args!("    [*] --> s{}", definition.initial()),
    );
    each_arrow(definition, |from, to, text| {
        let to = to.map_or("[*]".to_owned(), |to| format!("s{to}"));
        let text = match text {
            Text::None => String::new(),
            Text::Event(name) => format!(" : {}", mermaid_text(name)),
            Text::Timer(time) => format!(" : {time}"),
        };
        line(&mut out, format_args!("    {from} --> {to}{text}"));
    });
    for state in definition.state_ids().filter(|&s| is_final(definition, s)) {
        line(&mut out, format_args!("    s{state} --> [*]"));
    }
    out.push_str("    classDef current fill:#fc3,stroke:#333,stroke-width:2px\n");
    line(
        &mut out,
        format_args!("    class s{} current", machine.current()),
    );
    out
}

fn dot(machine: &Machine) -> String {
    let definition = machine.definition();
    let mut out = String::from("digraph machine {\n    rankdir=LR;\n");
    out.push_str("    node [shape=box, style=rounded];\n    start [shape=point, label=\"\"];\n");
    for state in definition.state_ids() {
        let label = dot_label(definition.name(state));
        let is_final = is_final(definition, state);
        let terminal = if is_final { ", peripheries=2" } else { "" };
        let current = if state == machine.current() {
            ", style=\"rounded,filled\", fillcolor=\"#ffcc33\""
        } else {
            ""
        };
        line(
            &mut out,
            format_args!("    s{state} [label=\"{label}\"{terminal}{current}];"),
        );
    }
    if definition.has_any() {
        out.push_str("    any [shape=circle, label=\"*\"];\n");
    }
    if definition.timers().any(|(_, timer)| timer.target.is_none()) {
        out.push_str("    deleted [shape=point, peripheries=2, label=\"\"];\n");
    }
    line(
        &mut out,
        format_args!("    start -> s{};", definition.initial()),
    );
    each_arrow(definition, |from, to, text| {
        let to = to.map_or("deleted".to_owned(), |to| format!("s{to}"));
        let text = match text {
            Text::None => String::new(),
            Text::Event(name) => format!(" [label=\"{}\"]", dot_label(name)),
            Text::Timer(time) => format!(" [label=\"{time}\", style=dashed]"),
        };
        line(&mut out, format_args!("    {from} -> {to}{text};"));
    });
    out.push_str("}\n");
    out
}

/// Returns whether neither a caller's move nor a timer leads out of a state. A timer that leads back
/// to it doesn't.
fn is_final(definition: &Definition, state: StateId) -> bool {
    let timer = definition.timer(state);
    timer.is_none_or(|timer| timer.target == Some(state)) && definition.is_terminal(state)
}

/// What an arrow begins at.
enum From {
    State(StateId),
    /// Every state.
    Any,
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(state) => write!(f, "s{state}"),
            Self::Any => f.write_str("any"),
        }
    }
}

/// What stands at an arrow.
enum Text<'a> {
    None,
    Event(&'a str),
    Timer(Time),
}

/// Calls `draw` for each transition and timer, in document order: from where, to where (`None` if a
/// timer deletes the key), and with what text.
fn each_arrow(definition: &Definition, mut draw: impl FnMut(From, Option<StateId>, Text<'_>)) {
    let text = |event| match std::str::from_utf8(definition.event_name_bytes(event)) {
        Ok(name) if event != UNNAMED => Text::Event(name),
        _ => Text::None,
    };
    for state in definition.row_states() {
        if definition.groups(state).all(|(event, _)| event == UNNAMED) {
            let targets = definition.row_once(state);
            targets.for_each(|to| draw(From::State(state), Some(to), Text::None));
            continue;
        }
        for (event, fire) in definition.groups(state) {
            fire.iter()
                .for_each(|to| draw(From::State(state), Some(to), text(event)));
        }
    }
    for (event, fire) in definition.any() {
        fire.iter()
            .for_each(|to| draw(From::Any, Some(to), text(event)));
    }
    for (state, timer) in definition.timers() {
        draw(
            From::State(state),
            timer.target,
            Text::Timer(Time(timer.ms)),
        );
    }
}

/// When a timer is due, in the largest unit that says it exactly.
struct Time(Option<u64>);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 5] = [
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "min"),
            (1000, "s"),
            (1, "ms"),
        ];
        let Some(ms) = self.0 else {
            return f.write_str("timer");
        };
        let fits = UNITS.iter().find(|(unit, _)| ms.is_multiple_of(*unit));
        let (unit, name) = fits.unwrap_or(&(1, "ms"));
        write!(f, "after {} {name}", ms / unit)
    }
}

fn line(out: &mut String, text: fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}

/// How many characters of a name a label shows. Graphviz takes labels of 16,384 bytes, and an escape
/// has up to five for a character.
const MAX_SHOWN_CHARS: usize = 1000;

/// Shown for the state without a name.
const NAMELESS: &str = "(empty)";

/// Writes a name as a Mermaid label: characters that Mermaid could read as syntax become entities by
/// number.
fn mermaid_label(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut chars = shown(name).peekable();
    let mut in_word = false;
    while let Some(c) = chars.next() {
        let joins = in_word && chars.peek().is_some_and(|next| next.is_alphanumeric());
        in_word = c.is_alphanumeric();
        if is_mermaid_text(c, joins) && !ends_direction(&out, c) {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", u32::from(c));
        }
    }
    out
}

/// Writes a name as the text of a Mermaid arrow, which has no quotes around it: blanks at its ends
/// would be lost.
fn mermaid_text(name: &str) -> String {
    let inner = name.trim_matches(' ');
    if inner.is_empty() {
        return "#32;".repeat(name.len());
    }
    let [before, after] = [
        name.len() - name.trim_start_matches(' ').len(),
        name.len() - name.trim_end_matches(' ').len(),
    ]
    .map(|blanks| "#32;".repeat(blanks));
    format!("{before}{}{after}", mermaid_label(inner))
}

/// Returns whether Mermaid reads a character as itself. Labels are Markdown, in which `_a_` and
/// `1. a` are more than text; within a word these characters are text. `joins` says that the
/// character stands within a word.
fn is_mermaid_text(c: char, joins: bool) -> bool {
    match c {
        ' ' => true,
        '_' | '-' | '.' => joins,
        '\u{feff}' => false,
        c => (!c.is_ascii() && !c.is_whitespace()) || c.is_ascii_alphanumeric(),
    }
}

/// Returns whether a space would follow the word `direction`: Mermaid reads `direction LR` as a
/// statement, wherever in a line it stands.
fn ends_direction(label: &str, c: char) -> bool {
    const WORD: &[u8] = b"direction";
    let start = label.len().saturating_sub(WORD.len());
    c == ' ' && label.as_bytes()[start..].eq_ignore_ascii_case(WORD)
}

/// Writes a name as a Graphviz label: backslashes, quotes and HTML entities have a meaning there.
fn dot_label(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in shown(name) {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '&' => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
    out
}

/// Returns the characters of a name as a label shows them, cut if there are too many.
fn shown(name: &str) -> impl Iterator<Item = char> + '_ {
    let name = if name.is_empty() { NAMELESS } else { name };
    let rest = name.chars().nth(MAX_SHOWN_CHARS).map(|_| '…');
    name.chars().take(MAX_SHOWN_CHARS).map(visible).chain(rest)
}

/// Replaces control characters by their pictures: neither language can hold them all.
fn visible(c: char) -> char {
    match u32::from(c) {
        code @ 0..0x20 => char::from_u32(0x2400 + code).unwrap_or(c),
        0x7f => '\u{2421}',
        0x80..0xa0 | 0x2028 | 0x2029 | 0xfffe | 0xffff => char::REPLACEMENT_CHARACTER,
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::machine_of;

    #[test]
    fn mermaid_marks_initial_current_and_terminal_states() {
        let order = machine_of(r#"{"map":{"new":["paid","paid"]},"initial":"new"}"#);
        let expected = "stateDiagram-v2\n    state \"new\" as s0\n    state \"paid\" as s1\n    \
            [*] --> s0\n    s0 --> s1\n    s1 --> [*]\n    \
            classDef current fill:#fc3,stroke:#333,stroke-width:2px\n    class s0 current\n";
        assert_eq!(Diagram::Mermaid.draw(&order), expected);
    }

    #[test]
    fn dot_marks_initial_current_and_terminal_states() {
        let order = machine_of(r#"{"map":{"new":["paid"]},"initial":"new"}"#);
        let dot = Diagram::Dot.draw(&order);
        assert!(
            dot.contains("s0 [label=\"new\", style=\"rounded,filled\", fillcolor=\"#ffcc33\"];")
        );
        assert!(dot.contains("s1 [label=\"paid\", peripheries=2];"));
        assert!(dot.contains("start -> s0;") && dot.contains("s0 -> s1;"));
    }

    #[test]
    fn names_are_text_and_nothing_else() {
        assert_eq!(mermaid_label("a_b\";\n#"), "a_b#34;#59;\u{240a}#35;");
        assert_eq!(dot_label("a\"b\\n\n&lt;"), "a\\\"b\\\\n\u{240a}&amp;lt;");
        assert_eq!(dot_label(""), NAMELESS);
        assert_eq!(dot_label(&"&".repeat(1001)), "&amp;".repeat(1000) + "…");
        assert_eq!(mermaid_label("\0é🚀"), "\u{2400}é🚀");
        assert_eq!(mermaid_label("in_review-2.b"), "in_review-2.b");
        assert_eq!(mermaid_label("Direction LR"), "Direction#32;LR");
        assert_eq!(mermaid_label("_a_ 1. b"), "#95;a#95; 1#46; b");
    }

    const NEW: &str = r#"{"map":{"new":{"pay":"paid","cancel":["void","lost"]},"paid":["new","new"]},
        "any":{"a:b ":"void"},
        "after":{"new":{"ms":1800000,"to":"lost"},"lost":{"to":"new"},"void":{"ms":86400000,"to":null}},
        "initial":"new"}"#;

    #[test]
    fn mermaid_has_events_and_timers_on_the_arrows() {
        let drawn = Diagram::Mermaid.draw(&machine_of(NEW));
        let arrows: Vec<&str> = drawn.lines().filter(|line| line.contains("-->")).collect();
        let expected = [
            "    [*] --> s0",
            "    s0 --> s1 : pay",
            "    s0 --> s2 : cancel",
            "    s0 --> s3 : cancel",
            "    s1 --> s0",
            "    any --> s2 : a#58;b#32;",
            "    s0 --> s3 : after 30 min",
            "    s3 --> s0 : timer",
            "    s2 --> [*] : after 1 d",
        ];
        assert_eq!(arrows, expected);
        assert!(drawn.contains("    state \"#42;\" as any\n"));
    }

    #[test]
    fn dot_has_events_and_timers_on_the_arrows() {
        let drawn = Diagram::Dot.draw(&machine_of(NEW));
        let arrows: Vec<&str> = drawn.lines().filter(|line| line.contains("->")).collect();
        let expected = [
            "    start -> s0;",
            "    s0 -> s1 [label=\"pay\"];",
            "    s0 -> s2 [label=\"cancel\"];",
            "    s0 -> s3 [label=\"cancel\"];",
            "    s1 -> s0;",
            "    any -> s2 [label=\"a:b \"];",
            "    s0 -> s3 [label=\"after 30 min\", style=dashed];",
            "    s3 -> s0 [label=\"timer\", style=dashed];",
            "    s2 -> deleted [label=\"after 1 d\", style=dashed];",
        ];
        assert_eq!(arrows, expected);
    }

    #[test]
    fn times_are_exact() {
        let shown = |ms| Time(Some(ms)).to_string();
        assert_eq!(shown(1), "after 1 ms");
        assert_eq!(shown(60_001), "after 60001 ms");
        assert_eq!(shown(90_000), "after 90 s");
        assert_eq!(shown(7_200_000), "after 2 h");
        assert_eq!(shown(2_592_000_000), "after 30 d");
    }
}
