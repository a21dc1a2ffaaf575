"""A gunicorn worker that answers what waits for it when it is told to end."""

from gunicorn.workers.gthread import ThreadWorker


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Threads; at its end it also takes the connections that wait at its socket.

    gthread leaves those to the kernel, which resets them once the socket is closed:
    requests that a proxy has sent are lost then, though nobody ever read them.
    """

    def set_accept_enabled(self, enabled: bool) -> None:
        """Stop accepting for good only when nobody waits any more."""
        super().set_accept_enabled(enabled)
        if not (enabled or self.alive):
            for listener in self.sockets:
                self._empty(listener)
                # From now on a proxy is refused, and asks another node at once.
                listener.close()

    def _empty(self, listener: object) -> None:
        taken = -1
        while taken < self.nr_conns < self.worker_connections:
            taken = self.nr_conns
            self.accept(listener)
