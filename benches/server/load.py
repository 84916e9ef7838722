"""Sends many commands at once to a server, and measures commands a second."""

import collections
import statistics
import time

import harness

#: Commands in flight on a connection, and connections. The server always has work waiting.
PIPELINE = 64
CONNECTIONS = 16


def send_all(server, commands, at_once=500):
    """Runs many commands. None may fail."""
    with server.wire() as wire:
        waiting = []
        for command in commands:
            waiting.append(harness.encode(*command))
            if len(waiting) == at_once:
                _exchange(wire, waiting)
                waiting = []
        _exchange(wire, waiting)


def _exchange(wire, commands):
    wire.send(b"".join(commands))
    for command in commands:
        reply = wire.reply()
        if reply.startswith((b"-", b"$-1")):
            raise RuntimeError(f"{command[:80]!r}: {reply[:200]!r}")


class Client:
    """Connections that send batches of `PIPELINE` commands over and over."""

    def __init__(self, server):
        self.server = server
        self.wires = [server.wire() for _ in range(CONNECTIONS)]
        self.reply_sizes = {}

    def close(self):
        for wire in self.wires:
            wire.close()

    def rate(self, batches, seconds):
        """Returns commands a second. Every batch must leave the data as they were before."""
        batches = [(batch, self._reply_size(batch)) for batch in batches]
        waiting = collections.deque()
        turn = done = 0
        start = time.perf_counter()
        end = start + seconds
        while waiting or turn == 0:
            if time.perf_counter() < end and len(waiting) < CONNECTIONS:
                wire, (batch, size) = self.wires[turn % CONNECTIONS], batches[turn % len(batches)]
                wire.send(batch)
                waiting.append((wire, size))
                turn += 1
            else:
                _receive(*waiting.popleft())
                done += PIPELINE
        return done / (time.perf_counter() - start)

    def _reply_size(self, batch):
        if batch not in self.reply_sizes:
            self.reply_sizes[batch] = self._try(batch)
        return self.reply_sizes[batch]

    def _try(self, batch):
        wire = self.wires[0]
        wire.send(batch)
        replies = [wire.reply() for _ in range(PIPELINE)]
        if any(reply.startswith((b"-", b"$-1")) for reply in replies):
            raise RuntimeError(f"a batch that starts with {batch[:60]!r} has the replies {set(replies)!r:.300}")
        return sum(map(len, replies))


def _receive(wire, size):
    got = 0
    while got < size:
        data = wire.socket.recv(1 << 16)
        if not data:
            raise RuntimeError("the server closed the connection")
        got += len(data)


def alternate(client, plans, rounds, seconds):
    """Runs every plan once in each round, so that other load on the machine affects all plans equally.
    Returns the rates of each plan, one for each round."""
    rates = {name: [] for name in plans}
    for batches in plans.values():
        client.rate(batches, seconds)
    for _ in range(rounds):
        for name, batches in plans.items():
            rates[name].append(client.rate(batches, seconds))
    return rates


def ratio(rates, above, below):
    """Returns the median of the ratios of all rounds. A round compares rates that were measured together."""
    return statistics.median(a / b for a, b in zip(rates[above], rates[below]))
