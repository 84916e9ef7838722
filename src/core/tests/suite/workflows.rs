//! Workflows of real projects as documents. Their neutral form lies beside this repository, at
//! `../shared/workflows`, and is not part of it; where it is absent, there is nothing to test.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use redis_state_core::{Force, Interner, Machine, Options, Rules};
use serde_json::Value;

use crate::life::read;
use crate::model::life::{Answer, Ask, Given, Life, With};
use crate::model::played::{ask, context};
use crate::model::{Events, Model, New};

/// How many there are.
const WORKFLOWS: usize = 31;

/// How many bytes a definition may take beside four times its document.
const FREE_BYTES: usize = 600;

/// Returns the workflows, as JSON; none if they are not here.
fn workflows() -> Vec<Value> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/workflows");
    let Ok(files) = fs::read_dir(&folder) else {
        println!("skipped: no workflows at {}", folder.display());
        return Vec::new();
    };
    let paths = files.map(|file| file.unwrap().path());
    let json = paths.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    let mut paths: Vec<PathBuf> = json.collect();
    paths.sort();
    assert_eq!(paths.len(), WORKFLOWS);
    let read = |path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    paths.into_iter().map(read).collect()
}

/// Adds a target to an event of an entry, unless it is there.
fn add(entry: &mut Events, event: &str, to: &str) {
    let at = match entry.iter().position(|(name, _)| name == event) {
        Some(at) => at,
        None => {
            entry.push((event.to_owned(), Vec::new()));
            entry.len() - 1
        }
    };
    if !entry[at].1.iter().any(|target| target == to) {
        entry[at].1.push(to.to_owned());
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Returns the states in which a machine stays.
fn finals(workflow: &Value) -> Vec<&str> {
    let names = workflow["final"].as_array();
    let names = names.map_or(&[][..], |names| names);
    names.iter().filter_map(Value::as_str).collect()
}

/// Turns a workflow into a machine. A transition from `*` goes to `any`; where it is a timer, or has
/// no name, each state gets it. One with `after_ms` is a timer, the first one of its state.
fn model(workflow: &Value) -> Model {
    let transitions = workflow["transitions"].as_array().unwrap();
    let mut states: Vec<String> = Vec::new();
    for transition in transitions {
        for name in ["from", "to"].map(|end| text(transition, end).to_owned()) {
            if name != "*" && !states.contains(&name) {
                states.push(name);
            }
        }
    }
    let finals = finals(workflow);
    let mut rows: Vec<(String, Events)> = Vec::new();
    let mut new = New {
        name: text(workflow, "name").to_owned(),
        ..New::default()
    };
    for transition in transitions {
        let [from, event, to] =
            ["from", "event", "to"].map(|name| text(transition, name).to_owned());
        let ms = transition["after_ms"].as_u64();
        if from == "*" && ms.is_none() && !event.is_empty() {
            add(&mut new.any, &event, &to);
            continue;
        }
        let sources = match from.as_str() {
            "*" => states
                .iter()
                .filter(|s| **s != to && !finals.contains(&s.as_str()))
                .cloned()
                .collect(),
            _ => vec![from],
        };
        for from in sources {
            match ms {
                Some(ms) if !new.after.iter().any(|(state, _)| *state == from) => {
                    new.after.push((from, (Some(ms), Some(to.clone()))));
                }
                Some(_) => {}
                None => {
                    let at = rows.iter().position(|(key, _)| *key == from);
                    let at = at.unwrap_or_else(|| {
                        rows.push((from, Events::new()));
                        rows.len() - 1
                    });
                    add(&mut rows[at].1, &event, &to);
                }
            }
        }
    }
    let initial = text(workflow, "initial").to_owned();
    if !rows.iter().any(|(key, _)| *key == initial) {
        rows.insert(0, (initial.clone(), Events::new()));
    }
    Model::with_events(rows, new, &initial, "", "")
}

#[test]
fn every_workflow_is_a_document() {
    for workflow in workflows() {
        let mut model = model(&workflow);
        let machine = read(&Interner::new(), &model);
        model.assert_is(&machine);
        for state in machine.definition().state_ids() {
            let machine = machine.in_state(state);
            model.current = machine.current_name().to_owned();
            model.assert_moves(&machine);
        }
        let errors = machine.lint();
        let is_error = |finding: &&redis_state_core::Finding| finding.severity.name() == "error";
        assert_eq!(errors.iter().find(is_error), None, "{}", workflow["name"]);
    }
}

#[test]
fn every_transition_of_a_workflow_is_in_its_document() {
    let (mut by_event, mut by_timer) = (0, 0);
    for workflow in workflows() {
        let model = model(&workflow);
        let finals = finals(&workflow);
        for transition in workflow["transitions"].as_array().unwrap() {
            let [from, event, to] = ["from", "event", "to"].map(|name| text(transition, name));
            let is_source = |state: &&String| match from {
                "*" => *state != to && !finals.contains(&state.as_str()),
                from => *state == from,
            };
            let sources: Vec<&String> = model.states.iter().filter(is_source).collect();
            assert!(!sources.is_empty(), "{transition}");
            for from in sources {
                if let Some(ms) = transition["after_ms"].as_u64() {
                    let timer = (Some(ms), Some(to.to_owned()));
                    assert_eq!(model.timer(from), Some(&timer), "{transition}");
                    by_timer += 1;
                } else {
                    assert!(model.fire(from, event).contains(&to), "{transition}");
                    by_event += 1;
                }
            }
        }
    }
    println!("{by_event} transitions of a caller, {by_timer} of a timer");
}

/// Everything counts: the archive, the tables, the document that is kept to be recognised, and the
/// body that is kept to be written again.
#[test]
fn a_workflow_takes_little_memory() {
    for workflow in workflows() {
        let model = model(&workflow);
        let json = model.render(Rules::Documented);
        let machine = read(&Interner::new(), &model);
        machine.render_cached(Rules::Documented, &mut Vec::new());
        let taken = machine
            .definition()
            .memory(|_, bytes| bytes.next_multiple_of(16) + 8);
        let allowed = FREE_BYTES + 4 * json.len();
        assert!(
            taken <= allowed,
            "{}: {taken} bytes, {} of JSON",
            workflow["name"],
            json.len()
        );
    }
}

/// The IDs of requests: few, so that they come again.
const TOKENS: [&str; 3] = ["1", "2", "3"];

/// Random numbers, the same in every run (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as usize % end
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.below(among.len())]
    }
}

/// One machine of a workflow, and how often each verdict was given.
struct Walk<'a> {
    interner: Interner,
    machine: Machine,
    life: Life,
    now: u64,
    all: &'a [Model],
    random: Random,
    /// The last request that had an ID.
    sent: Option<(Ask, With)>,
    told: &'a mut BTreeMap<&'static str, u64>,
}

impl<'a> Walk<'a> {
    fn begin(
        model: &Model,
        seed: u64,
        all: &'a [Model],
        told: &'a mut BTreeMap<&'static str, u64>,
    ) -> Self {
        let with = With {
            now: 1_700_000_000_000,
            ..With::default()
        };
        let interner = Interner::new();
        let machine = read(&interner, model).begin(&Options::default(), &context(&with));
        Self {
            interner,
            machine: machine.unwrap(),
            life: Life::begin(model, &with).unwrap(),
            now: with.now,
            all,
            random: Random(seed),
            sent: None,
            told,
        }
    }

    /// Takes steps until a timer deletes the machine, at most as many.
    fn run(mut self, steps: usize) {
        for _ in 0..steps {
            self.pass_time();
            if !self.fire_due() {
                return;
            }
            let (asked, with) = self.choose_request();
            let new = match &asked {
                Ask::Redefine { to, .. } => Some(read(&self.interner, to)),
                _ => None,
            };
            let answer = ask(&mut self.machine, &asked, new.as_ref(), &with).answer;
            self.count(&answer);
            assert_eq!(answer, self.life.ask(&asked, &with), "{asked:?} {with:?}");
            self.life
                .assert_is(&self.machine, &TOKENS.map(str::to_owned));
            if new.is_some() {
                self.life.model.assert_is(&self.machine);
            }
        }
        self.life.model.assert_is(&self.machine);
    }

    /// Lets seconds go by, at times weeks; at times the clock is put back.
    fn pass_time(&mut self) {
        let seconds = self.random.below(20) as u64;
        self.now = match self.random.below(20) {
            0 => self.now + seconds * 172_800_000,
            1 => self.now - seconds * 1000,
            _ => self.now + seconds * 1000,
        };
    }

    fn fire_due(&mut self) -> bool {
        let mut fired = 0;
        let is_there = self.machine.fire_due(self.now, |_, _| fired += 1);
        assert_eq!(is_there, self.life.fire_due(self.now));
        *self.told.entry("timeout").or_default() += fired;
        is_there
    }

    fn count(&mut self, answer: &Answer) {
        let what = match answer {
            Ok((outcome, ..)) => outcome,
            Err(why) => why,
        };
        *self.told.entry(what).or_default() += 1;
    }

    fn state(&mut self) -> String {
        let random = &mut self.random;
        match random.below(20) {
            0 => "nowhere".to_owned(),
            _ => random.pick(&self.life.model.states).clone(),
        }
    }

    /// Chooses a state: mostly one to which a move leads.
    fn next(&mut self) -> String {
        let next = self.life.model.next(Rules::Documented);
        let next: Vec<String> = next.iter().map(|&to| to.to_owned()).collect();
        match next.is_empty() || self.random.one_in(4) {
            true => self.state(),
            false => self.random.pick(&next).clone(),
        }
    }

    /// Chooses an event: mostly one that leads somewhere, at times a known one, or none that is known.
    fn event(&mut self) -> String {
        let open = self.life.model.events(&self.life.model.current);
        let open: Vec<String> = open.iter().map(|(event, _)| (*event).to_owned()).collect();
        let mut known = self.life.model.event_names();
        known.extend(["", "never"].map(str::to_owned));
        match self.random.below(4) {
            0 => self.random.pick(&known).clone(),
            _ if open.is_empty() => String::new(),
            _ => self.random.pick(&open).clone(),
        }
    }

    /// Chooses a request and its options, or sends one again that had an ID.
    fn choose_request(&mut self) -> (Ask, With) {
        if let Some((asked, with)) = self.sent.take_if(|_| self.random.one_in(3)) {
            return (
                asked,
                With {
                    now: self.now,
                    ..with
                },
            );
        }
        let asked = self.choose();
        let with = self.choose_options().allowed(&asked);
        if with.id.is_some() {
            self.sent = Some((asked.clone(), with.clone()));
        }
        (asked, with)
    }

    fn choose(&mut self) -> Ask {
        let is_stuck = self.life.model.events(&self.life.model.current).is_empty();
        if is_stuck && self.random.one_in(2) {
            return Ask::Reset(Rules::Documented);
        }
        match self.random.below(40) {
            0..25 => {
                let event = self.event();
                let targets = self.life.model.fire(&self.life.model.current, &event);
                let targets: Vec<String> = targets.iter().map(|&to| to.to_owned()).collect();
                let to = match (targets.len(), self.random.below(10)) {
                    (_, 0) => Some(self.state()),
                    (2.., 1..8) => Some(self.random.pick(&targets).clone()),
                    _ => None,
                };
                Ask::Fire { event, to }
            }
            25..31 => Ask::Move(self.next()),
            31 => Ask::Force(self.state()),
            32..36 => Ask::Mutate {
                to: self.next(),
                force: *self.random.pick(&[Force::No, Force::No, Force::Yes]),
                rules: *self.random.pick(&[Rules::Documented, Rules::Legacy]),
            },
            36 => Ask::Reset(*self.random.pick(&[Rules::Documented, Rules::Legacy])),
            37 => Ask::Timeout { next_from: None },
            38 => Ask::New,
            _ => self.choose_definition(),
        }
    }

    /// Puts another workflow, or this one with or without a history, under the machine.
    fn choose_definition(&mut self) -> Ask {
        let mut to = self.random.pick(self.all).clone();
        let label = self.life.model.new.name.clone();
        if let Some(same) = self.all.iter().find(|model| model.new.name == label)
            && !self.random.one_in(3)
        {
            to = same.clone();
        }
        to.new.history = *self.random.pick(&[0, 1, 20, 255]);
        let current = self.life.model.current.clone();
        let mut renames = Vec::new();
        if !to.has_state(&current) || self.random.one_in(10) {
            renames.push((current, self.random.pick(&to.states).clone()));
        }
        Ask::Redefine {
            to: to.into(),
            renames,
        }
    }

    fn choose_options(&mut self) -> With {
        let random = &mut self.random;
        let mut with = With {
            now: self.now,
            user: b"default".to_vec(),
            ..With::default()
        };
        if random.one_in(20) {
            with.if_state = Some(random.pick(&self.life.model.states).clone());
        }
        if random.one_in(20) {
            with.if_version = Some(self.life.version + u32::from(random.one_in(2)));
        }
        if random.one_in(10) {
            with.id = Some((*random.pick(&TOKENS)).to_owned());
        }
        if random.one_in(3) {
            with.reason = Some("why".to_owned());
            "ada".clone_into(&mut with.by);
        }
        if random.one_in(10) {
            let timers = [
                Given::After(9000),
                Given::Due(self.now - 5),
                Given::Due(self.now + 5),
            ];
            with.timer = Some(*random.pick(&timers));
        }
        with
    }
}

#[test]
fn random_walks_through_the_workflows_are_the_model_s() {
    const WALKS: u64 = 40;
    const STEPS: usize = 100;
    let all: Vec<Model> = workflows().iter().map(model).collect();
    let mut told = BTreeMap::new();
    for (number, model) in (0..).zip(&all) {
        for walk in 0..WALKS {
            let mut model = model.clone();
            model.new.history = if walk % 2 == 0 { 0 } else { 20 };
            let seed = 1000 * number + walk;
            Walk::begin(&model, seed, &all, &mut told).run(STEPS);
        }
    }
    let walks = WALKS * all.len() as u64;
    println!("{} workflows, {walks} walks: {told:?}", all.len());
    // Each verdict that a move can have was given.
    for what in [
        "moved",
        "refused",
        "conflict",
        "repeated",
        "redefined",
        "timeout",
        "ambiguous",
    ] {
        assert!(all.is_empty() || told[what] > 100, "{what}");
    }
}
