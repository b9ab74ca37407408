"""How a command ends: the exit codes, and the one exception for people's mistakes."""

from __future__ import annotations

from tidegate import ports

DONE = 0
NEGATIVE = 1  # the command worked and the answer is no: invalid, refused, rolled back
TROUBLE = 2  # the answer is not known: wrong use, no cluster, no reply in time
HOLD = 3  # of evaluate: neither harm nor its absence is proven
ROLL_BACK = 4  # of evaluate: harm is proven


class CliError(Exception):
    """One sentence that names what is wrong and the way to mend it; exit code TROUBLE."""


def trouble(failure: ports.Failure, *, doing: str) -> CliError:
    """A failed API call in words; `doing` is what was tried, such as `read iris`."""
    match failure:
        case ports.Fatal(reason="Forbidden", message=message):
            advice = "ask for the right named there, for example by the ClusterRole view or edit"
        case ports.Fatal(reason="Unauthorized", message=message):
            advice = "log in again, or name another --context"
        case ports.Fatal(reason="NotServed", message=message):
            advice = "install the kinds of Tidegate first: tidegate crd | kubectl apply -f -"
        case ports.Fatal(message=message):
            advice = "change what is named there and try again"
        case ports.Conflict(message=message):
            advice = "somebody else changes the object at the same time: try again"
        case ports.Retryable(message=message):
            advice = "check the address of the cluster in your kubeconfig, then try again"
    return CliError(f"cannot {doing}: {message}; {advice}")
