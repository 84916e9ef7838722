//! When machines' timers are due, and the alarm that fires them.
//!
//! The truth is in the machines. The index here holds hints: which keys to look at, and when. Each
//! command that changes a machine settles its hint; loads, copies and deletions come in by the data
//! type, and what happens to whole databases by the server's events. RENAME and MOVE tell nobody where
//! a machine went: its hint is lost then, and heals when a command changes the machine, or by a walk
//! over the keys, which begins when hints are lost.
//!
//! Only the main thread gets here, except by [`forget`]: the server frees values in the background.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use redis_state_core::{Deadlines, Handle, Machine, pause_ms};

use crate::config;
use crate::server::alarm::{self, Alarm};
use crate::server::context::{Context, Refusal};
use crate::server::data_events::DataEvent;
use crate::server::scan::Cursor;
use crate::server::strings::Str;
use crate::server::value_type::Place;
use crate::stats;

/// The longest that one alarm works.
const SLICE: Duration = Duration::from_millis(1);
/// The pause after an alarm: with the slice, a quarter of the time at most.
const BUSY_MS: u64 = 3;
/// The pause before a walk, once a hint is lost.
const LOST_MS: u64 = 10;
/// The pause while nothing may be written: on a replica, and while clients are paused.
const WAITING_MS: u64 = 100;
/// The longest time until the next alarm. The server's alarms go by the wall clock, which may jump.
const IDLE_MS: u64 = 1000;
/// How many steps a walk makes before it looks at the clock.
const STEPS_AT_ONCE: usize = 50;
/// How many times as long as the work of a walk the pause after it is: if it was worth it, and if not.
const WALK_PAUSES: [u32; 2] = [4, 32];
/// The shortest pause after a walk, and the longest.
const WALK_PAUSE_MS: [u64; 2] = [100, 10_000];
/// The least hints that are dropped on a thread of their own.
const MANY_HINTS: usize = 10_000;

static STATE: LazyLock<Mutex<State>> = LazyLock::new(Mutex::default);

/// All moments are in ms since 1970, by the server's clock.
#[derive(Default)]
struct State {
    index: Deadlines,
    /// That of data which are being loaded beside the present ones.
    aside: Option<Deadlines>,
    /// The alarm, and when it goes off.
    alarm: Option<(Alarm, u64)>,
    /// Whether an alarm is at work. It sets the next one at its end.
    is_at_work: bool,
    /// The next alarm is not before this moment.
    busy_until: u64,
    /// No timer fires before this moment, because none could.
    waiting_until: u64,
    /// How many alarms in a row ended because the server takes no writes.
    refusals: u8,
    walk: Walk,
}

/// The walk over all keys that looks for machines whose hints are lost.
#[derive(Default)]
struct Walk {
    /// The database, and where in it.
    at: Option<(i32, Cursor)>,
    /// How long it has worked.
    work: Duration,
    /// Whether it has healed a hint, or one was lost behind its back.
    is_worth_it: bool,
    /// When it may go on.
    next: u64,
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Brings the hint of a machine up to date with its deadline. `before` is the hint that it had before
/// it changed.
#[inline]
pub fn settle(context: Context<'_>, name: Str<'_>, machine: &mut Machine, before: Option<Handle>) {
    if before.is_some() || machine.deadline().is_some() {
        let place = Place {
            database: context.database(),
            key: name.bytes(),
        };
        let now = context.now();
        let mut state = state();
        state.settle(place, machine, before);
        state.set_alarm(now);
    }
}

/// Asks the processor to bring near what [`settle`] will look at.
#[inline]
pub fn prefetch(machine: &Machine) {
    if let Some(handle) = machine.deadline_handle() {
        state().index.prefetch(handle);
    }
}

/// Adds the hint of a machine that was loaded or copied.
pub fn add(place: Place<'_>, machine: &mut Machine, now: u64) {
    let Some(deadline) = machine.deadline() else {
        return;
    };
    let mut state = state();
    let index = match &mut state.aside {
        Some(aside) => aside,
        None => &mut state.index,
    };
    let handle = index.insert(place.database, place.key, deadline.at);
    machine.set_deadline_handle(Some(handle));
    state.set_alarm(now);
}

/// Notes that a machine has left its name. Most are freed next, so the walk that looks for the others
/// doesn't begin at once.
pub fn lose(machine: &Machine, now: u64) {
    if let Some(handle) = machine.deadline_handle() {
        let mut state = state();
        let is_first = state.index.lost() == 0;
        if !state.index.lose(handle) {
            return;
        }
        if is_first {
            state.walk = Walk::after(now + LOST_MS);
        }
        state.walk.is_worth_it = true;
        state.set_alarm(now);
    }
}

/// Removes the hint of a machine that goes. On whichever thread.
pub fn forget(machine: &Machine) {
    if let Some(handle) = machine.deadline_handle() {
        state().remove(handle);
    }
}

/// Returns the memory of a machine's hint, in bytes.
pub fn memory(machine: &Machine) -> usize {
    let handle = machine.deadline_handle();
    handle.map_or(0, |handle| state().index.bytes_of(handle))
}

/// Follows what happens to whole databases.
pub fn on_data_event(event: DataEvent, now: u64) {
    let mut state = state();
    match event {
        DataEvent::Flushed(None) => drop_hints(std::mem::take(&mut state.index)),
        // Each machine of that database is freed, and its hint removed.
        DataEvent::Flushed(Some(_)) => {}
        DataEvent::Swapped(one, other) => state.index.swap(one, other),
        DataEvent::AsideBegun => state.aside = Some(Deadlines::default()),
        DataEvent::AsideDone => {
            if let Some(aside) = state.aside.take() {
                drop_hints(std::mem::replace(&mut state.index, aside));
                state.walk = Walk::default();
                state.set_alarm(now);
            }
        }
        DataEvent::AsideAborted => drop_hints(state.aside.take().unwrap_or_default()),
    }
}

/// Drops an index: many hints on a thread of their own, so that the server goes on.
fn drop_hints(index: Deadlines) {
    if index.len() >= MANY_HINTS {
        // If there can be no thread, they are dropped here.
        let _ = thread::Builder::new().spawn(move || drop(index));
    }
}

/// What INFO shows.
pub struct Figures {
    /// Timers that are going.
    pub pending: usize,
    /// Those of machines that were renamed or moved and were not met since.
    pub lost: usize,
}

/// Returns what INFO shows.
pub fn figures() -> Figures {
    let state = state();
    Figures {
        pending: state.index.len(),
        lost: state.index.lost(),
    }
}

/// Sets the alarm anew if there is none, if it is overdue, or if it is too far away because the wall clock
/// was set back. The server calls this some times a second.
pub fn watch(now: u64) {
    let mut state = state();
    let (overdue, too_far) = (now.saturating_sub(IDLE_MS), now + 2 * IDLE_MS);
    let set = state.alarm.as_ref().map(|&(_, set)| set);
    if set.is_some_and(|set| (overdue..=too_far).contains(&set)) {
        return;
    }
    if set.is_some_and(|set| set > too_far) {
        (state.busy_until, state.waiting_until) = (0, 0);
        state.walk.next = state.walk.next.min(now + WALK_PAUSE_MS[1]);
    }
    state.set_alarm(now);
}

/// Notes that a timer fired so many ms after it was due.
pub fn note_fired(late_ms: u64) {
    stats::TIMERS_FIRED.increment();
    stats::TIMERS_LATE.note(late_ms);
}

/// Fires what is due, looks for what is lost, and sets the next alarm. The server calls this.
pub fn on_alarm(context: Context<'_>) {
    let begin = Instant::now();
    let _work = AlarmWork::begin(context);
    let pause = if !config::fires_timers() {
        IDLE_MS
    } else if !context.may_write_now() {
        WAITING_MS
    } else {
        fire(context, begin)
    };
    state().waiting_until = context.now() + pause;
    walk(context, begin);
}

/// The work of one alarm. At its end, also by a panic, the next one is set.
struct AlarmWork<'a>(Context<'a>);

impl<'a> AlarmWork<'a> {
    fn begin(context: Context<'a>) -> Self {
        let mut state = state();
        // It has gone off: the server frees it after this call, so nobody may call it off.
        state.alarm = None;
        state.is_at_work = true;
        Self(context)
    }
}

impl Drop for AlarmWork<'_> {
    fn drop(&mut self) {
        let now = self.0.now();
        let mut state = state();
        state.is_at_work = false;
        state.busy_until = now + BUSY_MS;
        state.set_alarm(now);
    }
}

/// Fires timers until none is due, the time is over, or the server takes no writes. Returns the pause
/// before others may fire, in ms.
fn fire(context: Context<'_>, begin: Instant) -> u64 {
    let mut name = Vec::new();
    while begin.elapsed() < SLICE {
        let now = context.now();
        let mut locked = state();
        if locked.waiting_until > now {
            return locked.waiting_until - now;
        }
        if locked.index.settle_first(now) {
            continue;
        }
        let Some(due) = locked.index.first_due(now) else {
            return 0;
        };
        name.clear();
        name.extend_from_slice(due.name);
        let (handle, database, moment) = (due.handle, due.database, due.moment);
        // The command brings the hint up to date. If it is refused, the hint has its pause.
        locked.index.postpone(handle, now);
        drop(locked);
        let called = match context.select(database) {
            true => context.call_on_key(c"SM.TIMEOUT", &name),
            false => Err(Refusal::OfThisKey),
        };
        let mut locked = state();
        match called {
            Ok(()) => locked.end_of(handle),
            Err(Refusal::OfThisKey) => stats::TIMERS_REFUSED.increment(),
            Err(Refusal::OfAllKeys) => {
                stats::TIMERS_REFUSED.increment();
                locked.index.change(handle, moment);
                return locked.next_refusal_pause();
            }
        }
    }
    0
}

/// Goes on with the walk over all keys, if hints are lost, until the time is over.
fn walk(context: Context<'_>, begin: Instant) {
    let mut walk = {
        let mut state = state();
        if state.index.lost() == 0 || state.walk.next > context.now() {
            return;
        }
        std::mem::take(&mut state.walk)
    };
    let from = Instant::now();
    let mut is_over = false;
    while !is_over && begin.elapsed() < SLICE {
        is_over = walk.go_on(context);
    }
    walk.work += from.elapsed();
    state().walk = match is_over {
        true => Walk::after(context.now() + walk.pause()),
        false => walk,
    };
}

impl Walk {
    /// Makes some steps. Returns whether the walk is over.
    fn go_on(&mut self, context: Context<'_>) -> bool {
        let (database, cursor) = self.at.get_or_insert_with(|| (0, Cursor::new()));
        if !context.select(*database) {
            return true;
        }
        let mut heal = |key: &[u8], machine: &mut Machine| {
            if let Some(handle) = machine.deadline_handle()
                && state().index.heal(handle, *database, key)
            {
                stats::TIMERS_HEALED.increment();
                self.is_worth_it = true;
            }
        };
        for _ in 0..STEPS_AT_ONCE {
            if !cursor.step(context, &mut heal) {
                self.at = Some((*database + 1, Cursor::new()));
                break;
            }
        }
        false
    }
}

impl State {
    fn settle(&mut self, place: Place<'_>, machine: &mut Machine, before: Option<Handle>) {
        let Some(deadline) = machine.deadline() else {
            machine.set_deadline_handle(None);
            before.inspect(|&handle| self.remove(handle));
            return;
        };
        let kept = before.filter(|&handle| self.index.change(handle, deadline.at));
        if let Some(handle) = kept {
            if self.index.heal(handle, place.database, place.key) {
                stats::TIMERS_HEALED.increment();
            }
            machine.set_deadline_handle(kept);
            return;
        }
        before.inspect(|&handle| self.remove(handle));
        let handle = self.index.insert(place.database, place.key, deadline.at);
        machine.set_deadline_handle(Some(handle));
    }

    /// Returns the pause, in ms, after an alarm that could not write.
    fn next_refusal_pause(&mut self) -> u64 {
        let pause = pause_ms(self.refusals);
        self.refusals = self.refusals.saturating_add(1);
        pause
    }

    fn remove(&mut self, handle: Handle) {
        if !self.index.remove(handle)
            && let Some(aside) = &mut self.aside
        {
            aside.remove(handle);
        }
    }

    /// Removes a hint whose key was looked at, if it wasn't brought up to date: the key doesn't have
    /// that machine any more.
    fn end_of(&mut self, handle: Handle) {
        self.refusals = 0;
        if self.index.is_postponed(handle) {
            self.index.remove(handle);
        }
    }

    /// Sets the alarm for what comes first, unless there is one that goes off before.
    fn set_alarm(&mut self, now: u64) {
        if self.is_at_work {
            return;
        }
        let first = self
            .index
            .first()
            .map(|first| first.max(self.waiting_until));
        let lost = (self.index.lost() > 0).then_some(self.walk.next);
        let Some(wanted) = first.into_iter().chain(lost).min() else {
            return;
        };
        let at = wanted.max(self.busy_until).clamp(now + 1, now + IDLE_MS);
        if self
            .alarm
            .as_ref()
            .is_some_and(|&(_, set)| set <= at && set + IDLE_MS > now)
        {
            return;
        }
        if let Some((alarm, _)) = self.alarm.take() {
            alarm.cancel();
        }
        let pause = u32::try_from(at - now).unwrap_or(u32::MAX);
        self.alarm = alarm::set(pause).map(|alarm| (alarm, at));
    }
}

impl Walk {
    /// Returns a walk that begins at a moment.
    fn after(next: u64) -> Self {
        Self {
            next,
            ..Self::default()
        }
    }

    /// Returns the pause after this walk, in ms.
    fn pause(&self) -> u64 {
        let times = WALK_PAUSES[usize::from(!self.is_worth_it)];
        let pause = (self.work * times).as_millis();
        let [least, most] = WALK_PAUSE_MS;
        u64::try_from(pause).unwrap_or(most).clamp(least, most)
    }
}
