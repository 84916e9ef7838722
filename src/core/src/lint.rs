//! What looks wrong with a machine.

use crate::definition::{Definition, StateId};
use crate::machine::Machine;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The machine cannot work as written.
    Error,
    /// The machine works, but hardly as meant.
    Warning,
    /// Worth a look.
    Info,
}

impl Severity {
    /// Returns the severity as a reply names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// Something that looks wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, as a word that does not change.
    pub code: &'static str,
    /// The state that it is about.
    pub state: StateId,
    /// What it is, in a sentence.
    pub message: &'static str,
}

impl Machine {
    /// Returns what looks wrong, by code and then by state; nothing for a sound machine. Linear in
    /// the definition.
    pub fn lint(&self) -> Vec<Finding> {
        let definition = self.definition();
        let mut findings = Vec::new();
        // Found once, because the search is linear in the map.
        let unlisted = definition.unlisted_state();
        entries(self, unlisted, &mut findings);
        let reached = reachable(definition);
        unreachable_states(definition, unlisted, &reached, &mut findings);
        no_way_out(definition, &reached, &mut findings);
        repeated_targets(definition, &mut findings);
        findings
    }
}

/// Looks whether the initial and the current state are somewhere in the map.
fn entries(machine: &Machine, unlisted: Option<StateId>, findings: &mut Vec<Finding>) {
    let definition = machine.definition();
    if !definition.has_row(definition.initial()) {
        findings.push(Finding {
            severity: Severity::Error,
            code: "initial-without-entry",
            state: definition.initial(),
            message: "the initial state has no entry in the map, so a machine that begins there never moves",
        });
    }
    // A terminal state has no entry either, but something leads there.
    if unlisted == Some(machine.current()) {
        findings.push(Finding {
            severity: Severity::Error,
            code: "current-without-entry",
            state: machine.current(),
            message: "the current state is nowhere in the map, only RESET or FORCE leads out",
        });
    }
    if let Some(state) = unlisted {
        findings.push(Finding {
            severity: Severity::Warning,
            code: "state-leftover",
            state,
            message: "the state is nowhere in the map, it is left over from a document that named it as the current one",
        });
    }
}

/// Looks for states to which no path leads.
fn unreachable_states(
    definition: &Definition,
    unlisted: Option<StateId>,
    reached: &[bool],
    findings: &mut Vec<Finding>,
) {
    let states = definition
        .state_ids()
        .filter(|&state| unlisted != Some(state));
    findings.extend(
        states
            .filter(|&state| !reached[state as usize])
            .map(|state| Finding {
                severity: Severity::Warning,
                code: "unreachable",
                state,
                message: "no path leads here from the initial state",
            }),
    );
}

/// Looks for states from which no path leads to a terminal state, if a path from the initial state
/// leads to any.
fn no_way_out(definition: &Definition, reached: &[bool], findings: &mut Vec<Finding>) {
    let ends: Vec<_> = definition
        .state_ids()
        .filter(|&state| reached[state as usize] && definition.is_terminal(state))
        .collect();
    if ends.is_empty() {
        return;
    }
    let reversed = Reversed::of(definition);
    let leads_out = closure(definition.state_count(), &ends, |state| {
        reversed.predecessors(state)
    });
    let stuck = definition
        .state_ids()
        .filter(|&state| reached[state as usize] && !leads_out[state as usize]);
    findings.extend(stuck.map(|state| Finding {
        severity: Severity::Warning,
        code: "no-way-out",
        state,
        message: "no path leads from here to a terminal state, though the machine has some",
    }));
}

/// Looks for rows that list a target more than once.
fn repeated_targets(definition: &Definition, findings: &mut Vec<Finding>) {
    for state in definition.row_states() {
        if definition.next(state).count() < definition.targets(state).len() {
            findings.push(Finding {
                severity: Severity::Info,
                code: "repeated-target",
                state,
                message: "a target is listed more than once in this state's entry",
            });
        }
    }
}

/// Returns for each state whether a path leads there from the initial state.
fn reachable(definition: &Definition) -> Vec<bool> {
    closure(definition.state_count(), &[definition.initial()], |state| {
        definition.targets(state)
    })
}

/// A definition's transitions backwards: for each state those that lead to it, one run after the
/// other.
struct Reversed {
    /// For each state, where its run ends in `predecessors`.
    ends: Vec<usize>,
    predecessors: Vec<StateId>,
}

impl Reversed {
    /// Sorts the transitions by target, in time linear in the definition.
    fn of(definition: &Definition) -> Self {
        let transitions = || {
            let row = |from| definition.targets(from).map(move |to| (from, to as usize));
            definition.row_states().flat_map(row)
        };
        // Each run's length, then its start, then, as it is filled, its end.
        let mut ends = vec![0; definition.state_count() + 1];
        transitions().for_each(|(_, to)| ends[to + 1] += 1);
        for at in 1..ends.len() {
            ends[at] += ends[at - 1];
        }
        let mut predecessors = vec![0; definition.transition_count()];
        for (from, to) in transitions() {
            predecessors[ends[to]] = from;
            ends[to] += 1;
        }
        Self { ends, predecessors }
    }

    fn predecessors(&self, state: StateId) -> impl Iterator<Item = StateId> {
        let state = state as usize;
        let start = state.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.predecessors[start..self.ends[state]].iter().copied()
    }
}

/// Returns for each of `states` states whether `neighbours` leads there from one of `from`.
fn closure<I: Iterator<Item = StateId>>(
    states: usize,
    from: &[StateId],
    neighbours: impl Fn(StateId) -> I,
) -> Vec<bool> {
    let mut seen = vec![false; states];
    let mut queue = from.to_vec();
    from.iter().for_each(|&state| seen[state as usize] = true);
    while let Some(state) = queue.pop() {
        for next in neighbours(state) {
            if !std::mem::replace(&mut seen[next as usize], true) {
                queue.push(next);
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::Severity;
    use crate::read::machine_of;

    fn lint(json: &str) -> Vec<(&'static str, String)> {
        let machine = machine_of(json);
        let findings = machine.lint().into_iter();
        findings
            .map(|f| (f.code, machine.definition().name(f.state).to_owned()))
            .collect()
    }

    #[test]
    fn a_sound_machine_has_no_findings() {
        assert_eq!(
            lint(r#"{"map":{"a":["b"],"b":["a","c"]},"initial":"a"}"#),
            []
        );
        assert_eq!(lint(r#"{"map":{"a":["b"],"b":["a"]},"initial":"a"}"#), []);
        let done = r#"{"current":"b","map":{"a":["b"]},"initial":"a"}"#;
        assert_eq!(lint(done), []);
    }

    #[test]
    fn each_finding_names_its_state() {
        let found = |code, state: &str| (code, state.to_owned());
        assert_eq!(
            lint(r#"{"map":{"a":["b"]},"initial":"x"}"#),
            [
                found("initial-without-entry", "x"),
                found("unreachable", "a"),
                found("unreachable", "b"),
            ]
        );
        assert_eq!(
            lint(r#"{"current":"y","map":{"a":["a"]},"initial":"a"}"#),
            [
                found("current-without-entry", "y"),
                found("state-leftover", "y")
            ]
        );
        assert_eq!(
            lint(r#"{"map":{"a":["b","end"],"b":["c"],"c":["b"]},"initial":"a"}"#),
            [found("no-way-out", "b"), found("no-way-out", "c")]
        );
        assert_eq!(
            lint(r#"{"map":{"a":["a","b","a"]},"initial":"a"}"#),
            [found("repeated-target", "a")]
        );
    }

    #[test]
    fn a_leftover_state_is_found_wherever_the_machine_is() {
        let mut machine = machine_of(r#"{"current":"y","map":{"a":["b"]},"initial":"a"}"#);
        machine.enter(machine.definition().initial(), None);
        let findings = machine.lint();
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].code, "state-leftover");
        assert_eq!(findings[0].severity, Severity::Warning);
        assert_eq!(machine.definition().name(findings[0].state), "y");
    }
}
