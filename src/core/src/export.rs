//! A machine as the text of a diagram.
//!
//! States are written as `s0`, `s1`, … and named by a label. So no name can be taken for syntax, and
//! only labels have to be escaped.

use std::fmt::Write as _;

use crate::definition::StateId;
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
    /// Writes a machine's diagram. The current state is highlighted, terminal states are marked,
    /// every transition is drawn once, in document order.
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
    line(
        &mut out,
        format_args!("    [*] --> s{}", definition.initial()),
    );
    for (from, to) in transitions(machine) {
        line(&mut out, format_args!("    s{from} --> s{to}"));
    }
    for state in definition
        .state_ids()
        .filter(|&state| definition.is_terminal(state))
    {
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
        let terminal = if definition.is_terminal(state) {
            ", peripheries=2"
        } else {
            ""
        };
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
    line(
        &mut out,
        format_args!("    start -> s{};", definition.initial()),
    );
    for (from, to) in transitions(machine) {
        line(&mut out, format_args!("    s{from} -> s{to};"));
    }
    out.push_str("}\n");
    out
}

/// Returns every transition once, in document order.
fn transitions(machine: &Machine) -> impl Iterator<Item = (StateId, StateId)> + '_ {
    let definition = machine.definition();
    let row = |from| definition.next(from).map(move |to| (from, to));
    definition.row_states().flat_map(row)
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
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
}
