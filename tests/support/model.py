"""A model of a machine, as simple as possible. The tests compare the server's replies with it."""

import copy
import json


class Unlisted(ValueError):
    """A current state that is neither a key nor a target nor initial; the text is the server's."""

    def __init__(self, name, advice):
        shown = json.dumps(name, ensure_ascii=False).replace("\\u0000", "\\0")
        super().__init__(f"invalid machine: current: the document has no state {shown}: {advice}")


class Machine:
    """A machine in documented mode, made of lists and a dictionary."""

    def __init__(self, mapping=None, initial="", current="", reason=""):
        self.map = {} if mapping is None else mapping
        self.initial = initial
        self.current = current or initial
        self.reason = reason
        self.states = {*self.listed(), self.current}

    @classmethod
    def of(cls, document, current="", any_state=False):
        """The machine of a document, or Unlisted where documented mode refuses its current state;
        with `any_state`, as edge mode, replicas and files take it."""
        d = json.loads(document)
        machine = cls(d["map"], d["initial"], current or d.get("current", ""), d.get("reason", ""))
        if machine.current not in machine.listed() and not any_state:
            if current:
                raise Unlisted(current, "the argument is the current state, and there are no options")
            raise Unlisted(machine.current, "add it to the map or correct it")
        return machine

    def listed(self):
        """The states that the document names, but for the current one."""
        states = {*self.map, self.initial}
        for targets in self.map.values():
            states.update(targets)
        return states

    def leftovers(self):
        """The states that are known only because a machine was once stored in them: one or none."""
        return self.states - self.listed()

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
