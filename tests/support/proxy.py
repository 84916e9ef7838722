"""A TCP proxy in front of a server. It cuts connections after a given number of bytes from the server."""

import socket
import threading


class CuttingProxy:
    """Cuts all open connections when one of them has brought `cuts[0]` bytes from the server, then again
    at `cuts[1]`, and so on. After the last cut, all bytes pass.

    Cuts are not tied to connections, because some servers use a second connection for the file of a
    full sync. `counts` has the number of bytes that each connection brought.

    `hold` is the number of bytes of each connection after which it passes no more, but cuts nothing before
    it is told to `shut`.

    `lose_next_reply` makes it swallow what a server sends next, and cut: the command was done, and its
    caller never learns it.
    """

    def __init__(self, port, cuts=(), hold=None):
        self.target = port
        self.cuts = list(cuts)
        self.hold = hold
        self.is_shut = threading.Event()
        self.losses = 0
        self.lock = threading.Lock()
        self.counts = []
        self.sockets = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            number = len(self.counts)
            self.counts.append(0)
            with self.lock:
                self.sockets += [near, far]
            threading.Thread(target=self._from_client, args=(near, far), daemon=True).start()
            threading.Thread(target=self._from_server, args=(near, far, number), daemon=True).start()

    def _from_client(self, near, far):
        try:
            while data := near.recv(65536):
                far.sendall(data)
        except OSError:
            pass
        self._end(near, far)

    def _from_server(self, near, far, number):
        try:
            while data := far.recv(self._room(number)):
                if not self._pass_on(near, data, number):
                    return
        except OSError:
            pass
        self._end(near, far)

    def _room(self, number):
        """Returns how many bytes may be read now. Waits while none may."""
        left = self.hold - self.counts[number] if self.hold else 65536
        if left <= 0:
            self.is_shut.wait()
        return left if left > 0 else 65536

    def _pass_on(self, near, data, number):
        """Sends the bytes before the next cut. Returns False if the cut was made."""
        with self.lock:
            if self.losses:
                self.losses -= 1
                cut, self.sockets = self.sockets, []
                self._end(*cut)
                return False
            left = self.cuts[0] - self.counts[number] if self.cuts else len(data) + 1
            # Counted before sending: the test may look at the count as soon as the bytes arrive.
            self.counts[number] += len(data[: max(left, 0)])
            near.sendall(data[: max(left, 0)])
            if left > len(data):
                return True
            self.cuts.pop(0)
            # The list is replaced first: a new connection may come as soon as one is cut.
            cut, self.sockets = self.sockets, []
            self._end(*cut)
            return False

    def shut(self):
        """Cuts all connections, at their next byte, and every later one."""
        with self.lock:
            self.cuts = [0] * 100_000
        self.is_shut.set()

    def lose_next_reply(self):
        with self.lock:
            self.losses += 1

    @staticmethod
    def _end(*sockets):
        for s in sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def close(self):
        self._end(self.listener, *self.sockets)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
