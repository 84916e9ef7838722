"""A TCP proxy in front of a server that cuts connections after so many bytes from the server."""

import socket
import threading


class CuttingProxy:
    """The n-th connection is cut after the n-th of `cuts` bytes from the server; later ones stay whole.

    `counts` has the bytes that each connection brought from the server.
    """

    def __init__(self, port, cuts=()):
        self.target = port
        self.cuts = list(cuts)
        self.counts = []
        self.sockets = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cuts_made(self):
        """How many connections were cut where they were to be."""
        return sum(count == cut for count, cut in zip(self.counts, self.cuts))

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            number = len(self.counts)
            self.counts.append(0)
            self.sockets += [near, far]
            limit = self.cuts[number] if number < len(self.cuts) else None
            threading.Thread(target=self._from_client, args=(near, far), daemon=True).start()
            threading.Thread(target=self._from_server, args=(near, far, number, limit), daemon=True).start()

    def _from_client(self, near, far):
        try:
            while data := near.recv(65536):
                far.sendall(data)
        except OSError:
            pass
        self._end(near, far)

    def _from_server(self, near, far, number, limit):
        try:
            while data := far.recv(65536):
                if limit is not None:
                    data = data[: limit - self.counts[number]]
                near.sendall(data)
                self.counts[number] += len(data)
                if self.counts[number] == limit:
                    break
        except OSError:
            pass
        self._end(near, far)

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
