"""What a machine is, written as plainly as it can be; the server's answers are compared with it."""

import copy
import json


class Machine:
    """A machine in documented mode: lists and a dictionary, no cleverness."""

    def __init__(self, mapping=None, initial="", current="", reason=""):
        self.map = {} if mapping is None else mapping
        self.initial = initial
        self.current = current or initial
        self.reason = reason
        self.states = set(self.map) | {self.initial, self.current}
        for targets in self.map.values():
            self.states.update(targets)

    @classmethod
    def of(cls, document, current=""):
        d = json.loads(document)
        return cls(d["map"], d["initial"], current or d.get("current", ""), d.get("reason", ""))

    def allows(self, state):
        return state in self.map.get(self.current, [])

    def mutate(self, state, reason="", force=False):
        if not (self.allows(state) or (force and state in self.states)):
            return False
        self.current, self.reason = state, reason
        return True

    def reset(self):
        self.current, self.reason = self.initial, ""

    def fields(self):
        out = {"current": self.current, "map": self.map, "initial": self.initial}
        return out | ({"reason": self.reason} if self.reason else {})

    def document(self):
        return json.dumps(self.fields(), ensure_ascii=False)

    def copy(self):
        return copy.deepcopy(self)
