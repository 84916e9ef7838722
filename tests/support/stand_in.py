"""Stands in for a primary: a file and a stream of commands, as a primary of another version would send them."""

import socket
import threading


class Primary:
    """Gives its replica an RDB file as of `offset`, and then the stream of commands."""

    def __init__(self, name, rdb, stream=b"", offset=0):
        self.start = f"+FULLRESYNC {name} {offset}\r\n${len(rdb)}\r\n".encode() + rdb + stream
        self.end = offset + len(stream)
        self.sockets = [socket.create_server(("127.0.0.1", 0))]
        self.port = self.sockets[0].getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        try:
            replica, _ = self.sockets[0].accept()
            self.sockets.append(replica)
            with replica.makefile("rb") as lines:
                while words := self._command(lines):
                    if words[0] == b"PSYNC":
                        replica.sendall(self.start)
                    elif words[:2] != [b"REPLCONF", b"ACK"]:
                        replica.sendall(b"+PONG\r\n" if words[0] == b"PING" else b"+OK\r\n")
        except OSError:
            pass

    @staticmethod
    def _command(lines):
        head = lines.readline()
        if not head:
            return None
        return [lines.read(int(lines.readline()[1:]) + 2)[:-2] for _ in range(int(head[1:]))]

    def has_fed(self, replica):
        """Whether the replica has taken everything."""
        now = replica.info("replication")
        return now.get("master_link_status") == "up" and now["slave_repl_offset"] >= self.end

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for each in reversed(self.sockets):
            each.close()
