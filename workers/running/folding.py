"""Run equal lines of a batch once: the first one leads, the others get its answer."""

from collections import OrderedDict, defaultdict

from batches.outcomes import Outcome
from workers.running.reading import Request

Key = tuple[str, str, bytes]
KEPT_BYTES = 1 << 25
# What an entry costs beside the answer's bytes.
ENTRY_BYTES = 300


class Folding:
    """Remembers answers, the last used ones up to `kept_bytes`, and who waits for one.

    Only where `Request.fold_key` says that equal requests have equal answers.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._left = kept_bytes
        self._answers: OrderedDict[Key, Outcome] = OrderedDict()
        self._followers: dict[Key, list[Request]] = defaultdict(list)
        self._leaders: set[Key] = set()

    def follow(self, request: Request) -> Outcome | None | bool:
        """Return the request's answer, True if one is on its way, None: it leads.

        A request that leads must come back with `lead_ended`.
        """
        if not request.fold_key:
            return None
        key = _key(request)
        if (known := self._answers.get(key)) is not None:
            self._answers.move_to_end(key)
            return known
        if key in self._leaders:
            self._followers[key].append(request)
            return True
        self._leaders.add(key)
        return None

    def lead_ended(self, request: Request, outcome: Outcome | None) -> list[Request]:
        """Note how a leader fared and return who waited for it.

        They share a success; after anything else they have to run for themselves.
        """
        if not request.fold_key:
            return []
        key = _key(request)
        self._leaders.discard(key)
        if outcome is not None and outcome.is_success:
            self._keep(key, outcome)
        return self._followers.pop(key, [])

    def _keep(self, key: Key, outcome: Outcome) -> None:
        if key in self._answers:
            return
        self._answers[key] = outcome
        self._left -= len(outcome.body) + ENTRY_BYTES
        while self._left < 0:
            _, oldest = self._answers.popitem(last=False)
            self._left += len(oldest.body) + ENTRY_BYTES


def _key(request: Request) -> Key:
    return request.chunk.claim.batch_id, request.url, request.fold_key
