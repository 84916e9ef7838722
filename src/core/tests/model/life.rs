//! The naive model of a machine's life: lists of strings, and every rule as DESIGN words it.

use redis_state_core::{Force, Rules};

use super::Model;

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
        force: Force,
        rules: Rules,
    },
    Reset(Rules),
    Timeout {
        next_from: Option<u64>,
    },
    New,
    Redefine {
        to: Box<Model>,
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
    pub user: Vec<u8>,
    pub replayed: bool,
}

impl With {
    /// Returns what a request of that kind can be given.
    pub fn allowed(&self, ask: &Ask) -> Self {
        let moment = Self {
            now: self.now,
            user: self.user.clone(),
            replayed: self.replayed,
            ..Self::default()
        };
        match ask {
            Ask::Mutate { .. } => Self {
                reason: self.reason.clone(),
                ..moment
            },
            Ask::Reset(_) => moment,
            Ask::Timeout { .. } => Self {
                user: Vec::new(),
                ..moment
            },
            Ask::New => Self {
                if_state: None,
                if_version: None,
                ..self.clone()
            },
            _ => self.clone(),
        }
    }
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
    pub user: Vec<u8>,
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

/// A machine: its definition, state and reason, and what it knows of its past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    pub model: Model,
    pub version: u32,
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

/// Returns the name of a user, cut if it is too long: it has to be text then.
fn cut_user(user: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(user) {
        Ok(text) => cut(text, 256).into_bytes(),
        Err(_) => {
            assert!(user.len() <= 256, "no test cuts what is no text");
            user.to_vec()
        }
    }
}

/// Returns the version after this one.
pub fn next(version: u32) -> u32 {
    if version == u32::MAX { 1 } else { version + 1 }
}

impl Life {
    /// Begins where there was no machine, as a document gives it.
    pub fn begin(model: &Model, with: &With) -> Result<Self, &'static str> {
        let at = with.now.min(MAX_TIME);
        let mut life = Self {
            model: model.clone(),
            version: 1,
            since: None,
            due: None,
            ids: Vec::new(),
            history: Vec::new(),
        };
        if with.timer.is_some() && model.timer(&model.current).is_none() {
            return Err("no timer");
        }
        if let Some(reason) = &with.reason {
            life.model.reason.clone_from(reason);
        }
        if model.is_timed() {
            life.since = Some(at);
            life.due = life.start_timer(at, at, with.timer);
        }
        let reason = Some(life.model.reason.clone());
        let with = With {
            reason,
            ..with.clone()
        };
        life.tell("new", at, None, "", &with);
        life.learn(vec!["new".to_owned()], &with);
        Ok(life)
    }

    /// Lets a document take this machine's place.
    pub fn replace(&mut self, model: &Model, with: &With) {
        let at = self.time_of(with);
        let from = self.model.current.clone();
        let alone = With {
            now: at,
            ..With::default()
        };
        let mut new = Self::begin(model, &alone).expect("no timer is given");
        new.version = next(self.version);
        new.history = std::mem::take(&mut self.history);
        *self = new;
        self.forget_names();
        let with = With {
            user: with.user.clone(),
            reason: Some(self.model.reason.clone()),
            ..With::default()
        };
        self.tell("set", at, Some(self.as_known(&from)), "", &with);
    }

    /// Returns the time of a change that is made now: not before the last one.
    fn time_of(&self, with: &With) -> u64 {
        with.now.min(MAX_TIME).max(self.last())
    }

    fn last(&self) -> u64 {
        let last = self.history.last().map_or(0, |entry| entry.at);
        last.max(self.since.unwrap_or(0))
    }

    fn start_timer(&self, at: u64, from: u64, given: Option<Given>) -> Option<(u64, bool)> {
        let (ms, _) = self.model.timer(&self.model.current)?;
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
        if self.model.new.history == 0 {
            self.history.clear();
            return;
        }
        self.history.push(Entry {
            version: self.version,
            at,
            kind,
            from,
            event: event.to_owned(),
            to: self.model.current.clone(),
            user: cut_user(&with.user),
            by: cut(&with.by, 256),
            reason: cut(with.reason.as_deref().unwrap_or_default(), 1024),
            id: with.id.clone().unwrap_or_default(),
        });
        let limit = usize::from(self.model.new.history);
        let surplus = self.history.len().saturating_sub(limit);
        self.history.drain(..surplus);
    }

    fn learn(&mut self, request: Vec<String>, with: &With) {
        let Some(token) = &with.id else { return };
        self.ids.retain(|known| known.token != *token);
        self.ids.push(Known {
            token: token.clone(),
            request,
            state: self.model.current.clone(),
            version: self.version,
        });
        let surplus = self.ids.len().saturating_sub(8);
        self.ids.drain(..surplus);
    }

    /// Returns a state's name as the history shows it under this definition.
    fn as_known(&self, name: &str) -> String {
        if self.model.has_state(name) {
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
            if !self.model.has_event(&entry.event) {
                entry.event = cut(&entry.event, 1024);
            }
        }
        self.history = history;
    }

    fn answer(&self, outcome: &'static str) -> Answer {
        Ok((outcome, self.model.current.clone(), self.version))
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
            Ask::Mutate { .. } | Ask::Reset(_) | Ask::Timeout { .. } => Vec::new(),
        };
        texts.into_iter().map(str::to_owned).collect()
    }

    /// Answers a request. `deleted` leaves the machine as it is.
    pub fn ask(&mut self, ask: &Ask, with: &With) -> Answer {
        if !with.replayed
            && let Some(answer) = self.stop(ask, with)
        {
            return answer;
        }
        match ask {
            Ask::Fire { event, to } => {
                let target = self.fired(event, to.as_deref())?;
                self.enter("move", event, target, ask, with)
            }
            Ask::Move(to) => self.mutate(to, Force::No, Rules::Documented, ask, with),
            Ask::Force(to) => self.mutate(to, Force::Yes, Rules::Documented, ask, with),
            Ask::Mutate { to, force, rules } => self.mutate(to, *force, *rules, ask, with),
            Ask::Reset(rules) => self.reset(*rules, ask, with),
            Ask::Timeout { next_from } => self.time_out(with, *next_from),
            Ask::New => self.answer("exists"),
            Ask::Redefine { to, renames } => self.redefine(to, renames, with),
        }
    }

    /// Answers a request whose ID is known, or whose conditions aren't met.
    fn stop(&self, ask: &Ask, with: &With) -> Option<Answer> {
        let token = with.id.as_ref();
        if let Some(known) = self.ids.iter().find(|known| Some(&known.token) == token) {
            let is_same = known.request == Self::request(ask);
            let repeated = || Ok(("repeated", known.state.clone(), known.version));
            return Some(if is_same {
                repeated()
            } else {
                Err("id reused")
            });
        }
        let is_state = |state: &String| *state == self.model.current;
        let is_version = |version: u32| version == self.version;
        let is_met = with.if_state.as_ref().is_none_or(is_state);
        let is_met = is_met && with.if_version.is_none_or(is_version);
        (!is_met).then(|| self.answer("conflict"))
    }

    /// Returns where an event leads.
    fn fired(&self, event: &str, to: Option<&str>) -> Result<Option<String>, &'static str> {
        let targets = self.model.fire(&self.model.current, event);
        let target = match to {
            Some(to) => targets.iter().find(|target| **target == to),
            None if targets.iter().any(|target| *target != targets[0]) => return Err("ambiguous"),
            None => targets.first(),
        };
        Ok(target.map(|target| (*target).to_owned()))
    }

    fn mutate(&mut self, to: &str, force: Force, rules: Rules, ask: &Ask, with: &With) -> Answer {
        let may = self.model.may_move(to.as_bytes(), force, rules);
        let kind = match force {
            Force::No => "move",
            Force::Yes => "force",
        };
        self.enter(kind, "", may.then(|| to.to_owned()), ask, with)
    }

    fn reset(&mut self, rules: Rules, ask: &Ask, with: &With) -> Answer {
        let initial = self.model.initial.clone();
        let keeps_reason = rules == Rules::Legacy || self.model.reason.is_empty();
        if self.model.current == initial && keeps_reason && !self.model.is_timed() {
            return self.answer("moved");
        }
        self.enter("reset", "", Some(initial), ask, with)
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
        if with.timer.is_some() && self.model.timer(&target).is_none() {
            return Err("no timer");
        }
        let at = self.time_of(with);
        let reason = self.reason_after(ask, with);
        self.go(kind, event, target, at, at, with);
        self.model.reason = reason;
        self.learn(Self::request(ask), with);
        self.answer("moved")
    }

    /// Returns the reason after a move: without one, the old one stays by the rules of the old module.
    fn reason_after(&self, ask: &Ask, with: &With) -> String {
        let legacy = match ask {
            Ask::Mutate { rules, .. } | Ask::Reset(rules) => *rules == Rules::Legacy,
            _ => false,
        };
        match &with.reason {
            None if legacy => self.model.reason.clone(),
            reason => reason.clone().unwrap_or_default(),
        }
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
        let before = std::mem::replace(&mut self.model.current, target);
        self.version = next(self.version);
        if self.model.is_timed() {
            self.since = Some(at);
            self.due = self.start_timer(at, from, with.timer);
        }
        self.tell(kind, at, Some(before), event, with);
    }

    fn time_out(&mut self, with: &With, next_from: Option<u64>) -> Answer {
        let timer = self.model.timer(&self.model.current).cloned();
        let at = match (with.replayed, self.due) {
            (true, _) => with.now,
            (false, Some((due, _))) if due <= with.now => due,
            _ => return self.answer("refused"),
        };
        let at = at.min(MAX_TIME).max(self.last());
        match timer {
            None => self.answer("refused"),
            Some((_, None)) => self.answer("deleted"),
            Some((_, Some(to))) => {
                let from = next_from.unwrap_or(at).max(at);
                self.go("timeout", "", to, at, from, &With::default());
                self.model.reason.clear();
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

    fn redefine(&mut self, to: &Model, renames: &[(String, String)], with: &With) -> Answer {
        if renames.iter().any(|(_, new)| !to.has_state(new)) {
            return Err("unknown rename");
        }
        let current = &self.model.current;
        let renamed = renames.iter().find(|(old, _)| old == current);
        let target = renamed.map_or(current, |(_, new)| new).clone();
        if !to.has_state(&target) {
            return Err("state lost");
        }
        if with.timer.is_some() && to.timer(&target).is_none() {
            return Err("no timer");
        }
        let at = self.time_of(with);
        let old = std::mem::replace(&mut self.model, to.clone());
        self.model.current = target;
        self.model.reason = with.reason.clone().unwrap_or(old.reason);
        self.version = next(self.version);
        self.forget_names();
        self.keep_times(at, with);
        let from = Some(self.as_known(&old.current));
        self.tell("redefine", at, from, "", with);
        self.learn(vec!["redefine".to_owned()], with);
        self.answer("redefined")
    }

    /// Keeps the time of entry, and a deadline that a move gave, under a new definition.
    fn keep_times(&mut self, at: u64, with: &With) {
        if !self.model.is_timed() {
            (self.since, self.due) = (None, None);
            return;
        }
        let since = self.since.unwrap_or(at);
        let given = self.due.filter(|(_, is_given)| *is_given);
        self.due = match (self.model.timer(&self.model.current), with.timer, given) {
            (None, ..) => None,
            (Some(_), None, Some(given)) => Some(given),
            _ => self.start_timer(at, since, with.timer),
        };
        self.since = Some(since);
    }
}
