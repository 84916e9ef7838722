//! What looks wrong with a machine.

use crate::definition::{Definition, EventId, Fire, StateId, Timer, UNNAMED};
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
    /// The state that it is about. If it is about an event, the first one to which that leads.
    pub state: StateId,
    /// The event that it is about; 0 if it is about a state.
    pub event: EventId,
    /// What it is, in a sentence.
    pub message: &'static str,
}

impl Finding {
    /// Returns the name of the state or event that the finding is about.
    pub fn subject<'a>(&self, definition: &'a Definition) -> &'a [u8] {
        match self.event {
            UNNAMED => definition.name_bytes(self.state),
            event => definition.event_name_bytes(event),
        }
    }

    fn of_state(
        severity: Severity,
        code: &'static str,
        state: StateId,
        message: &'static str,
    ) -> Self {
        Self {
            severity,
            code,
            state,
            event: UNNAMED,
            message,
        }
    }
}

impl Machine {
    /// Returns what looks wrong, by code and then by state; nothing for a sound machine. Linear in
    /// the document.
    ///
    /// A path is made of callers' moves, by the map or by `any`, and of timers.
    pub fn lint(&self) -> Vec<Finding> {
        let definition = self.definition();
        let mut findings = Vec::new();
        // Found once, because the search is linear in the document.
        let unlisted = definition.unlisted_state();
        entries(self, unlisted, &mut findings);
        let reached = Reached::of(definition);
        unreachable_states(definition, unlisted, &reached, &mut findings);
        no_way_out(definition, &reached, &mut findings);
        repeated_targets(definition, &mut findings);
        timers_never_started(definition, unlisted, &reached, &mut findings);
        timer_cycles(definition, &mut findings);
        events_never_fired(definition, &mut findings);
        findings
    }
}

/// Looks whether the initial and the current state are somewhere in the map. It doesn't matter where
/// `any` or a timer leads out.
fn entries(machine: &Machine, unlisted: Option<StateId>, findings: &mut Vec<Finding>) {
    let definition = machine.definition();
    let is_end = |state| definition.is_terminal(state) && definition.timer(state).is_none();
    let initial = definition.initial();
    if !definition.has_row(initial) && is_end(initial) {
        findings.push(Finding::of_state(
            Severity::Error,
            "initial-without-entry",
            initial,
            "the initial state has no entry in the map, so a machine that begins there never moves",
        ));
    }
    // A terminal state has no entry either, but something leads there.
    if unlisted == Some(machine.current()) && is_end(machine.current()) {
        findings.push(Finding::of_state(
            Severity::Error,
            "current-without-entry",
            machine.current(),
            "the current state is nowhere in the map, only RESET or FORCE leads out",
        ));
    }
    if let Some(state) = unlisted {
        findings.push(Finding::of_state(
            Severity::Warning,
            "state-leftover",
            state,
            "the state is nowhere in the map, it is left over from a document that named it as the current one",
        ));
    }
}

/// Looks for states to which no path leads.
fn unreachable_states(
    definition: &Definition,
    unlisted: Option<StateId>,
    reached: &Reached,
    findings: &mut Vec<Finding>,
) {
    let states = definition
        .state_ids()
        .filter(|&state| unlisted != Some(state));
    findings.extend(
        states
            .filter(|&state| !reached.states[state as usize])
            .map(|state| {
                Finding::of_state(
                    Severity::Warning,
                    "unreachable",
                    state,
                    "no path leads here from the initial state",
                )
            }),
    );
}

/// Looks for states from which no path leads to an end, if a path from the initial state leads to
/// any. An end is a terminal state that no timer moves on, or one whose timer deletes the key.
fn no_way_out(definition: &Definition, reached: &Reached, findings: &mut Vec<Finding>) {
    let is_end = |state| match definition.timer(state) {
        Some(timer) if timer.target.is_none() => true,
        Some(timer) if timer.target != Some(state) => false,
        _ => definition.is_terminal(state),
    };
    let is_reached = |state: StateId| reached.states[state as usize];
    let ends: Vec<_> = definition
        .state_ids()
        .filter(|&state| is_reached(state) && is_end(state))
        .collect();
    if ends.is_empty() {
        return;
    }
    let leads_out = leads_to(definition, ends);
    let stuck = definition
        .state_ids()
        .filter(|&state| is_reached(state) && !leads_out[state as usize]);
    findings.extend(stuck.map(|state| {
        Finding::of_state(
            Severity::Warning,
            "no-way-out",
            state,
            "no path leads from here to a terminal state, though the machine has some",
        )
    }));
}

/// Looks for rows that list a target more than once. Only an array can: the same target by two
/// events is no repeat.
fn repeated_targets(definition: &Definition, findings: &mut Vec<Finding>) {
    for state in definition.row_states() {
        let is_array = definition.groups(state).all(|(event, _)| event == UNNAMED);
        if is_array && definition.row_once(state).count() < definition.targets(state).len() {
            findings.push(Finding::of_state(
                Severity::Info,
                "repeated-target",
                state,
                "a target is listed more than once in this state's entry",
            ));
        }
    }
}

/// Looks for timers that nothing starts: of states that no path enters, and those without a time of
/// their own of states that only timers enter. A machine may begin in its initial state with a time.
fn timers_never_started(
    definition: &Definition,
    unlisted: Option<StateId>,
    reached: &Reached,
    findings: &mut Vec<Finding>,
) {
    let starts = |state: StateId, timer: Timer| {
        unlisted == Some(state)
            || reached.by_callers[state as usize]
            || (timer.ms.is_some() && reached.states[state as usize])
    };
    let timers = definition.timers();
    let idle = timers.filter(|&(state, timer)| !starts(state, timer));
    let mut idle: Vec<StateId> = idle.map(|(state, _)| state).collect();
    idle.sort_unstable();
    findings.extend(idle.into_iter().map(|state| {
        Finding::of_state(
            Severity::Warning,
            "timer-never-starts",
            state,
            "nothing starts this state's timer: no move enters the state, or only timers do and it has no ms",
        )
    }));
}

/// Looks for states from which timers alone lead back. A timer without a time of its own isn't
/// started by another one.
fn timer_cycles(definition: &Definition, findings: &mut Vec<Finding>) {
    let mut next = vec![None; definition.state_count()];
    for (state, timer) in definition.timers() {
        next[state as usize] = timer.target.filter(|_| timer.ms.is_some());
    }
    let in_cycle = cycles(&next);
    let states = definition
        .state_ids()
        .filter(|&state| in_cycle[state as usize]);
    findings.extend(states.map(|state| {
        Finding::of_state(
            Severity::Warning,
            "timer-cycle",
            state,
            "timers alone lead from here back to here, so a machine goes round for ever",
        )
    }));
}

/// Returns for each state whether it is on a cycle, where `next` leads from each to at most one.
fn cycles(next: &[Option<StateId>]) -> Vec<bool> {
    let mut in_cycle = vec![false; next.len()];
    // For each state, from which one it was first walked over, counted from one.
    let mut walked_from = vec![0; next.len()];
    for start in 0..next.len() {
        let mut at = Some(start);
        while let Some(state) = at.filter(|&state| walked_from[state] == 0) {
            walked_from[state] = start + 1;
            at = next[state].map(|state| state as usize);
        }
        // Where the walk met itself is a cycle, and it is walked once more.
        while let Some(state) =
            at.filter(|&state| walked_from[state] == start + 1 && !in_cycle[state])
        {
            in_cycle[state] = true;
            at = next[state].map(|state| state as usize);
        }
    }
    in_cycle
}

/// Looks for events of `any` that no state has: each has an entry of its own for it, or is the only
/// target.
fn events_never_fired(definition: &Definition, findings: &mut Vec<Finding>) {
    if !definition.has_any() {
        return;
    }
    let mut overriding = vec![0; definition.event_count() + 1];
    let rows = definition.row_states();
    let entries = rows.flat_map(|state| definition.groups(state));
    entries.for_each(|(event, _)| overriding[event as usize] += 1);
    let is_never = |event: EventId, fire: Fire<'_>| {
        let target = fire.only();
        let inherits_in_vain = target.is_some_and(|target| definition.own(target, event).is_none());
        let inheriting = definition.state_count() - overriding[event as usize];
        inheriting == usize::from(inherits_in_vain)
    };
    let never = definition
        .any()
        .filter(|&(event, fire)| is_never(event, fire));
    findings.extend(never.map(|(event, fire)| Finding {
        severity: Severity::Warning,
        code: "event-never",
        state: fire.iter().next().unwrap_or_default(),
        event,
        message: "no state has this event of any: each has an entry of its own for it, or is its target",
    }));
}

/// What a path from the initial state leads to.
struct Reached {
    /// For each state, whether one leads there.
    states: Vec<bool>,
    /// For each state, whether a caller's move is the last step of one, or the machine begins there.
    by_callers: Vec<bool>,
}

impl Reached {
    /// Follows paths from the initial state.
    ///
    /// An event of `any` leads to the same states wherever it is fired, so it is followed once, from
    /// the first state that has it. States that have an entry of their own for it leave it for later.
    fn of(definition: &Definition) -> Self {
        let mut reached = Self {
            states: vec![false; definition.state_count()],
            by_callers: vec![false; definition.state_count()],
        };
        let mut any: Vec<_> = definition.any().collect();
        let mut queue = Vec::new();
        reached.enter(definition.initial(), &mut queue);
        while let Some(state) = queue.pop() {
            for target in definition.targets(state) {
                reached.enter(target, &mut queue);
            }
            any.retain(|&(event, fire)| {
                let is_later = definition.own(state, event).is_some();
                if !is_later {
                    fire.iter()
                        .for_each(|target| reached.enter(target, &mut queue));
                }
                is_later
            });
            if let Some(target) = definition.timer(state).and_then(|timer| timer.target) {
                reached.wake(target, &mut queue);
            }
        }
        reached
    }

    /// Notes that a caller's move leads to a state.
    fn enter(&mut self, state: StateId, queue: &mut Vec<StateId>) {
        self.by_callers[state as usize] = true;
        self.wake(state, queue);
    }

    /// Notes that some move leads to a state.
    fn wake(&mut self, state: StateId, queue: &mut Vec<StateId>) {
        if !std::mem::replace(&mut self.states[state as usize], true) {
            queue.push(state);
        }
    }
}

/// Returns for each state whether a path leads from it to one of `ends`.
///
/// As an event of `any` is seen to lead there, so do all states that have it. Those that don't have
/// an entry of their own for each such event, so going through them again costs no more than these
/// entries.
fn leads_to(definition: &Definition, ends: Vec<StateId>) -> Vec<bool> {
    let before = Runs::of(definition.state_count(), || moves(definition));
    let any: Vec<_> = definition.any().collect();
    let mut entries = Vec::new();
    for (at, (_, fire)) in (0..).zip(&any) {
        entries.extend(fire.iter().map(|target| (at, target)));
    }
    let events = Runs::of(definition.state_count(), || entries.iter().copied());
    let mut is_known = vec![false; any.len()];
    let mut leads = vec![false; definition.state_count()];
    ends.iter().for_each(|&state| leads[state as usize] = true);
    let mut rest: Vec<StateId> = definition.state_ids().collect();
    let mut queue = ends;
    while let Some(state) = queue.pop() {
        for &from in before.of_key(state) {
            if !std::mem::replace(&mut leads[from as usize], true) {
                queue.push(from);
            }
        }
        for &at in events.of_key(state) {
            if std::mem::replace(&mut is_known[at as usize], true) {
                continue;
            }
            let (event, _) = any[at as usize];
            rest.retain(|&from| {
                let has_it = definition.own(from, event).is_none();
                if has_it && !std::mem::replace(&mut leads[from as usize], true) {
                    queue.push(from);
                }
                !has_it
            });
        }
    }
    leads
}

/// Returns the moves of the map and of timers: from where, and to where.
fn moves(definition: &Definition) -> impl Iterator<Item = (StateId, StateId)> + '_ {
    let row = |from| definition.targets(from).map(move |to| (from, to));
    let timers = definition.timers();
    let timers = timers.filter_map(|(from, timer)| Some((from, timer.target?)));
    definition.row_states().flat_map(row).chain(timers)
}

/// Numbers by a key, those of one key next to each other.
struct Runs {
    /// For each key, where its run ends.
    ends: Vec<usize>,
    numbers: Vec<u32>,
}

impl Runs {
    /// Sorts pairs of a number and a key below `keys`, in time linear in both.
    fn of<I: Iterator<Item = (u32, u32)>>(keys: usize, pairs: impl Fn() -> I) -> Self {
        // Each run's length, then its start, then, as it is filled, its end.
        let mut ends = vec![0; keys + 1];
        pairs().for_each(|(_, key)| ends[key as usize + 1] += 1);
        for at in 1..ends.len() {
            ends[at] += ends[at - 1];
        }
        let mut numbers = vec![0; ends[keys]];
        for (number, key) in pairs() {
            numbers[ends[key as usize]] = number;
            ends[key as usize] += 1;
        }
        Self { ends, numbers }
    }

    fn of_key(&self, key: u32) -> &[u32] {
        let key = key as usize;
        let start = key.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.numbers[start..self.ends[key]]
    }
}

#[cfg(test)]
mod tests {
    use super::Severity;
    use crate::read::machine_of;

    fn lint(json: &str) -> Vec<(&'static str, String)> {
        let machine = machine_of(json);
        let findings = machine.lint().into_iter();
        findings
            .map(|f| {
                let subject = f.subject(machine.definition()).to_vec();
                (f.code, String::from_utf8(subject).unwrap())
            })
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

    fn found(code: &'static str, subject: &str) -> (&'static str, String) {
        (code, subject.to_owned())
    }

    #[test]
    fn any_and_timers_are_paths() {
        let sound = [
            r#"{"map":{"a":[]},"any":{"stop":"end"},"initial":"a"}"#,
            r#"{"map":{},"any":{"stop":"end"},"initial":"a"}"#,
            r#"{"map":{},"after":{"a":{"ms":1,"to":"b"}},"initial":"a"}"#,
            r#"{"map":{"a":["b"],"b":["a"]},"after":{"b":{"ms":1,"to":null}},"initial":"a"}"#,
            r#"{"map":{"a":{"go":"b","stop":[]},"b":{"go":"a"}},"any":{"stop":"end"},"initial":"a"}"#,
            r#"{"map":{"a":["b","b2"],"b":["a"]},"after":{"b2":{"ms":1,"to":"c"}},"initial":"a"}"#,
        ];
        for json in sound {
            assert_eq!(lint(json), [], "{json}");
        }
        let stuck =
            r#"{"map":{"a":{"x":"b"},"b":{"x":"b","stop":[]}},"any":{"stop":"end"},"initial":"a"}"#;
        assert_eq!(lint(stuck), [found("no-way-out", "b")]);
        // Nothing reaches `b`, for the one state that does not override the event.
        let never = r#"{"map":{"a":{"stop":[]},"b":["a"]},"any":{"stop":"end"},"initial":"a"}"#;
        assert_eq!(
            lint(never),
            [found("unreachable", "b"), found("unreachable", "end")]
        );
    }

    #[test]
    fn a_leftover_state_that_any_leads_out_of_is_no_error() {
        let json = r#"{"current":"y","map":{"a":["b"]},"any":{"stop":"b"},"initial":"a"}"#;
        assert_eq!(lint(json), [found("state-leftover", "y")]);
    }

    #[test]
    fn timers_that_nothing_starts_are_found() {
        let only_timers =
            r#"{"map":{"a":[]},"after":{"a":{"ms":1,"to":"b"},"b":{"to":"c"}},"initial":"a"}"#;
        assert_eq!(lint(only_timers), [found("timer-never-starts", "b")]);
        let no_path =
            r#"{"map":{"a":["b"],"x":["b"]},"after":{"x":{"ms":1,"to":"b"}},"initial":"a"}"#;
        let expected = [found("unreachable", "x"), found("timer-never-starts", "x")];
        assert_eq!(lint(no_path), expected);
        let begun = r#"{"map":{"a":["b"]},"after":{"a":{"to":"b"}},"initial":"a"}"#;
        assert_eq!(lint(begun), []);
    }

    #[test]
    fn timers_that_lead_back_are_found() {
        let cycle = r#"{"map":{"a":["b"],"c":["end"]},"after":{
            "a":{"ms":1,"to":"b"},"b":{"ms":1,"to":"c"},"c":{"ms":1,"to":"b"}},"initial":"a"}"#;
        assert_eq!(
            lint(cycle),
            [found("timer-cycle", "c"), found("timer-cycle", "b")]
        );
        let itself = r#"{"map":{"a":["b"]},"after":{"a":{"ms":1,"to":"a"}},"initial":"a"}"#;
        assert_eq!(lint(itself), [found("timer-cycle", "a")]);
        // A timer without a time of its own is not started by the one before.
        let broken = itself.replace("\"ms\":1,", "");
        assert_eq!(lint(&broken), []);
    }

    #[test]
    fn events_that_no_state_has_are_found() {
        let all = r#"{"map":{"a":{"x":"b"},"b":{"x":[]}},"any":{"x":"a"},"initial":"a"}"#;
        assert_eq!(lint(all), [found("event-never", "x")]);
        let but_its_target =
            r#"{"map":{"a":{"x":"b","y":"b"}},"any":{"x":"b","y":["b","a"]},"initial":"a"}"#;
        assert_eq!(lint(but_its_target), [found("event-never", "x")]);
    }

    /// Half of the states override each event, which must not be looked at for each of them.
    #[test]
    fn a_large_any_is_linear() {
        // Miri is a hundred times slower, and looks for other faults.
        let states = if cfg!(miri) { 100 } else { 3000 };
        let row = |at: usize| format!("\"s{at}\":{{\"next\":\"s{}\",\"e{at}\":[]}}", at + 1);
        let rows: Vec<String> = (0..states).map(row).collect();
        let any: Vec<String> = (0..states)
            .map(|at| format!("\"e{at}\":\"s{at}\""))
            .collect();
        let json = format!(
            r#"{{"map":{{{}}},"any":{{{}}},"initial":"s0"}}"#,
            rows.join(","),
            any.join(",")
        );
        assert_eq!(lint(&json), []);
    }
}
