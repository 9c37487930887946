"""A doorway before a store's server: a rule says of each request whether it passes, is refused or is lost."""

from collections.abc import Callable

from faultproxy import Answer, Fault, Proxy, Request, Strike

PASS, LOST, UNHEARD = None, 0, -1
"""What a rule says of a request besides a status to answer with: let it pass; hang up before the server hears of it;
let the server do it and hang up before the answer.
"""

Rule = Callable[[str, str], int | None]


class Doorway(Proxy):
    """`rule` takes the method and the path with its query; it may be changed at any time."""

    def __init__(self, server: int) -> None:
        super().__init__(server)
        self.heal()
        self.suffer(Strike(self._befalls, method="any"))

    def heal(self) -> None:
        """Everything passes from now on, and is counted anew."""
        self.rule: Rule = lambda method, path: PASS
        self.spoils: Callable[[str], bool] = lambda path: False
        """Of which paths the body arrives with another first byte."""
        self.seen.clear()

    def count(self, method: str, words: str = "") -> int:
        """Requests with that method whose path has `words` in it."""
        return len(self.asked(method, words))

    def _befalls(self, request: Request) -> Fault:
        verdict = self.rule(request.method, request.path)
        if verdict == LOST:
            return Fault(unheard=True)
        if verdict == UNHEARD:
            return Fault(lost=True)
        if verdict is not PASS:
            return Fault(answer=Answer(verdict))
        return Fault(flip=0 if self.spoils(request.path) else None)
