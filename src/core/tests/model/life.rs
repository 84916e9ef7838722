//! The naive model of a machine's life: lists of strings, and every rule as DESIGN words it.

use super::workflow::Workflow;

const MAX_TIME: u64 = (1 << 53) - 1;

/// What is asked of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    Fire {
        event: String,
        to: Option<String>,
    },
    Move(String),
    Force(String),
    Mutate {
        to: String,
        force: bool,
    },
    Reset,
    Timeout,
    New,
    Redefine {
        to: Workflow,
        renames: Vec<(String, String)>,
    },
}

/// The timer that a move gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    After(u64),
    Due(u64),
}

/// What a request is given beside the move.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct With {
    pub if_state: Option<String>,
    pub if_version: Option<u32>,
    pub id: Option<String>,
    pub by: String,
    pub reason: Option<String>,
    pub timer: Option<Given>,
    pub now: u64,
    pub user: String,
    pub replayed: bool,
}

/// What is answered: the outcome, state and version, or the kind of error.
pub type Answer = Result<(&'static str, String, u32), &'static str>;

/// One entry of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub version: u32,
    pub at: u64,
    pub kind: &'static str,
    pub from: Option<String>,
    pub event: String,
    pub to: String,
    pub user: String,
    pub by: String,
    pub reason: String,
    pub id: String,
}

/// A request that is known again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub token: String,
    pub request: Vec<String>,
    pub state: String,
    pub version: u32,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    pub workflow: Workflow,
    pub state: String,
    pub version: u32,
    pub reason: String,
    pub since: Option<u64>,
    /// When the timer is due, and whether a move gave the time.
    pub due: Option<(u64, bool)>,
    pub ids: Vec<Known>,
    /// Oldest first.
    pub history: Vec<Entry>,
}

/// Returns the text cut to at most so many bytes.
pub fn cut(text: &str, most: usize) -> String {
    let mut out = String::new();
    for character in text.chars() {
        if out.len() + character.len_utf8() > most {
            break;
        }
        out.push(character);
    }
    out
}

fn next(version: u32) -> u32 {
    if version == u32::MAX { 1 } else { version + 1 }
}

impl Life {
    /// Begins where there was no machine.
    pub fn begin(workflow: &Workflow, state: &str, with: &With) -> Result<Self, &'static str> {
        let at = with.now;
        let mut life = Self {
            workflow: workflow.clone(),
            state: state.to_owned(),
            version: 1,
            reason: with.reason.clone().unwrap_or_default(),
            since: None,
            due: None,
            ids: Vec::new(),
            history: Vec::new(),
        };
        if with.timer.is_some() && workflow.timer(state).is_none() {
            return Err("no timer");
        }
        if workflow.is_timed() {
            life.since = Some(at);
            life.due = life.start_timer(at, at, with.timer);
        }
        life.tell("new", at, None, "", with);
        life.learn(vec!["new".to_owned()], with);
        Ok(life)
    }

    /// Lets a document take this machine's place.
    pub fn replace(&mut self, workflow: &Workflow, with: &With) {
        let at = with.now.max(self.last());
        let from = self.state.clone();
        let mut new = Self::begin(
            workflow,
            &workflow.initial,
            &With {
                now: at,
                ..With::default()
            },
        )
        .expect("no timer is given");
        new.version = next(self.version);
        new.history = std::mem::take(&mut self.history);
        *self = new;
        self.forget_names();
        let with = With {
            user: with.user.clone(),
            ..With::default()
        };
        self.tell("set", at, Some(self.as_known(&from)), "", &with);
    }

    fn last(&self) -> u64 {
        let last = self.history.last().map_or(0, |entry| entry.at);
        last.max(self.since.unwrap_or(0))
    }

    fn start_timer(&self, at: u64, from: u64, given: Option<Given>) -> Option<(u64, bool)> {
        let (ms, _) = self.workflow.timer(&self.state)?;
        match (given, ms) {
            (Some(Given::After(ms)), _) => Some(((at + ms).min(MAX_TIME), true)),
            (Some(Given::Due(due)), _) => Some((due.max(at).min(MAX_TIME), true)),
            (None, Some(ms)) => Some(((from + ms).min(MAX_TIME), false)),
            (None, None) => None,
        }
    }

    fn tell(
        &mut self,
        kind: &'static str,
        at: u64,
        from: Option<String>,
        event: &str,
        with: &With,
    ) {
        if self.workflow.history == 0 {
            self.history.clear();
            return;
        }
        self.history.push(Entry {
            version: self.version,
            at,
            kind,
            from,
            event: event.to_owned(),
            to: self.state.clone(),
            user: cut(&with.user, 256),
            by: cut(&with.by, 256),
            reason: cut(with.reason.as_deref().unwrap_or_default(), 1024),
            id: with.id.clone().unwrap_or_default(),
        });
        let surplus = self
            .history
            .len()
            .saturating_sub(self.workflow.history.into());
        self.history.drain(..surplus);
    }

    fn learn(&mut self, request: Vec<String>, with: &With) {
        let Some(token) = &with.id else { return };
        self.ids.retain(|known| known.token != *token);
        self.ids.push(Known {
            token: token.clone(),
            request,
            state: self.state.clone(),
            version: self.version,
        });
        let surplus = self.ids.len().saturating_sub(8);
        self.ids.drain(..surplus);
    }

    /// Returns a state's name as the history shows it under this definition.
    fn as_known(&self, name: &str) -> String {
        if self.workflow.has_state(name) {
            name.to_owned()
        } else {
            cut(name, 1024)
        }
    }

    /// Cuts the long names that this definition lacks.
    fn forget_names(&mut self) {
        let mut history = std::mem::take(&mut self.history);
        for entry in &mut history {
            entry.to = self.as_known(&entry.to);
            entry.from = entry.from.as_ref().map(|from| self.as_known(from));
            if !self.workflow.has_event(&entry.event) {
                entry.event = cut(&entry.event, 1024);
            }
        }
        self.history = history;
    }

    fn answer(&self, outcome: &'static str) -> Answer {
        Ok((outcome, self.state.clone(), self.version))
    }

    /// Returns what a request is, for its ID.
    fn request(ask: &Ask) -> Vec<String> {
        let texts: Vec<&str> = match ask {
            Ask::Fire { event, to: None } => vec!["fire", event],
            Ask::Fire {
                event,
                to: Some(to),
            } => vec!["fire", event, to],
            Ask::Move(to) => vec!["move", to],
            Ask::Force(to) => vec!["force", to],
            Ask::New => vec!["new"],
            Ask::Redefine { .. } => vec!["redefine"],
            Ask::Mutate { .. } | Ask::Reset | Ask::Timeout => Vec::new(),
        };
        texts.into_iter().map(str::to_owned).collect()
    }

    /// Answers a request. `deleted` leaves the machine as it is.
    pub fn ask(&mut self, ask: &Ask, with: &With) -> Answer {
        if !with.replayed {
            let token = with.id.as_ref();
            if let Some(known) = self.ids.iter().find(|known| Some(&known.token) == token) {
                return if known.request == Self::request(ask) {
                    Ok(("repeated", known.state.clone(), known.version))
                } else {
                    Err("id reused")
                };
            }
            let wrong_state = with
                .if_state
                .as_ref()
                .is_some_and(|state| *state != self.state);
            if wrong_state
                || with
                    .if_version
                    .is_some_and(|version| version != self.version)
            {
                return self.answer("conflict");
            }
        }
        match ask {
            Ask::Fire { event, to } => {
                let targets = self.workflow.fire(&self.state, event);
                let target = match to {
                    Some(to) => targets.iter().find(|target| *target == to),
                    None if targets.iter().any(|target| *target != targets[0]) => {
                        return Err("ambiguous");
                    }
                    None => targets.first(),
                };
                let target = target.cloned();
                self.enter("move", event, target, ask, with)
            }
            Ask::Move(to) => {
                let target = self
                    .workflow
                    .next(&self.state)
                    .contains(to)
                    .then(|| to.clone());
                self.enter("move", "", target, ask, with)
            }
            Ask::Force(to) | Ask::Mutate { to, force: true } => {
                let target = self.workflow.has_state(to).then(|| to.clone());
                self.enter("force", "", target, ask, with)
            }
            Ask::Mutate { to, force: false } => {
                let target = self
                    .workflow
                    .next(&self.state)
                    .contains(to)
                    .then(|| to.clone());
                self.enter("move", "", target, ask, with)
            }
            Ask::Reset => {
                let initial = self.workflow.initial.clone();
                let is_fresh = self.state == initial && self.reason.is_empty();
                if is_fresh && !self.workflow.is_timed() {
                    return self.answer("moved");
                }
                self.enter("reset", "", Some(initial), ask, with)
            }
            Ask::Timeout => self.time_out(with, None),
            Ask::New => self.answer("exists"),
            Ask::Redefine { to, renames } => self.redefine(to, renames, with),
        }
    }

    fn enter(
        &mut self,
        kind: &'static str,
        event: &str,
        target: Option<String>,
        ask: &Ask,
        with: &With,
    ) -> Answer {
        let Some(target) = target else {
            return self.answer("refused");
        };
        if with.timer.is_some() && self.workflow.timer(&target).is_none() {
            return Err("no timer");
        }
        let at = with.now.max(self.last());
        self.go(kind, event, target, at, at, with);
        self.learn(Self::request(ask), with);
        self.answer("moved")
    }

    fn go(
        &mut self,
        kind: &'static str,
        event: &str,
        target: String,
        at: u64,
        from: u64,
        with: &With,
    ) {
        let before = std::mem::replace(&mut self.state, target);
        self.version = next(self.version);
        self.reason = with.reason.clone().unwrap_or_default();
        if self.workflow.is_timed() {
            self.since = Some(at);
            self.due = self.start_timer(at, from, with.timer);
        }
        self.tell(kind, at, Some(before), event, with);
    }

    fn time_out(&mut self, with: &With, next_from: Option<u64>) -> Answer {
        let timer = self.workflow.timer(&self.state);
        let at = match (with.replayed, self.due) {
            (true, _) => with.now,
            (false, Some((due, _))) if due <= with.now => due,
            _ => return self.answer("refused"),
        };
        let at = at.max(self.last());
        match timer {
            None => self.answer("refused"),
            Some((_, None)) => self.answer("deleted"),
            Some((_, Some(to))) => {
                let from = next_from.unwrap_or(at).max(at);
                self.go("timeout", "", to, at, from, &With::default());
                self.answer("moved")
            }
        }
    }

    /// Fires what is due. Returns whether the machine is still there.
    pub fn fire_due(&mut self, now: u64) -> bool {
        for step in 1..=16 {
            let with = With {
                now,
                ..With::default()
            };
            let next_from = if step == 16 { Some(now) } else { None };
            match self.time_out(&with, next_from) {
                Ok(("refused", ..)) => return true,
                Ok(("deleted", ..)) => return false,
                _ => {}
            }
        }
        true
    }

    fn redefine(&mut self, to: &Workflow, renames: &[(String, String)], with: &With) -> Answer {
        if renames.iter().any(|(_, new)| !to.has_state(new)) {
            return Err("unknown rename");
        }
        let renamed = renames.iter().find(|(old, _)| *old == self.state);
        let target = renamed.map_or(&self.state, |(_, new)| new).clone();
        if !to.has_state(&target) {
            return Err("state lost");
        }
        if with.timer.is_some() && to.timer(&target).is_none() {
            return Err("no timer");
        }
        let at = with.now.max(self.last());
        self.workflow = to.clone();
        let from = self.as_known(&self.state);
        self.state = target;
        self.version = next(self.version);
        if let Some(reason) = &with.reason {
            self.reason = reason.clone();
        }
        self.forget_names();
        if to.is_timed() {
            let since = self.since.unwrap_or(at);
            let given = self.due.filter(|(_, is_given)| *is_given);
            self.due = match (to.timer(&self.state), with.timer, given) {
                (None, ..) => None,
                (Some(_), None, Some(given)) => Some(given),
                _ => self.start_timer(at, since, with.timer),
            };
            self.since = Some(since);
        } else {
            (self.since, self.due) = (None, None);
        }
        self.tell("redefine", at, Some(from), "", with);
        self.learn(vec!["redefine".to_owned()], with);
        self.answer("redefined")
    }
}
