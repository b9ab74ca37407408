"""The text of a message: names of variables are replaced, and nothing is ever carried out."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping

from tidegate.controller.notify.news import News

LONGEST_TEXT = 2800  # characters; a section of Slack takes 3000
USUAL = "${severity}: ${event} of ${namespace}/${name}: ${message}"


VARIABLES: Mapping[str, Callable[[News], str]] = {
    "namespace": lambda it: it.namespace,
    "name": lambda it: it.name,
    "event": lambda it: it.event,
    "severity": lambda it: str(it.severity),
    "message": lambda it: it.message,
    "phase": lambda it: it.phase,
    "rollout": lambda it: it.rollout,
    "step": lambda it: it.step,
    "weight": lambda it: f"{it.weight:g}",
    "stableRevision": lambda it: it.stable.revision,
    "stableVersion": lambda it: it.stable.version,
    "candidateRevision": lambda it: it.candidate.revision,
    "candidateVersion": lambda it: it.candidate.version,
    "time": lambda it: f"{it.at:%Y-%m-%dT%H:%M:%SZ}",
}


def problem(text: str) -> str:
    """What is wrong with a template, and what to do; empty where it can be used."""
    template = string.Template(text)
    if not template.is_valid():
        return "a $ stands alone: write ${name} for a variable, and $$ for the sign"
    unknown = sorted(set(template.get_identifiers()) - VARIABLES.keys())
    if unknown:
        return f"{', '.join(unknown)} is no variable: known are {', '.join(VARIABLES)}"
    return ""


def text_of(template: str, news: News, *, escaped: Callable[[str], str]) -> str:
    """The text for one receiver; the usual one where the template is empty or broken.

    Values are `escaped` for the receiver: they hold what tenants wrote. The template's own text is not.
    """
    wanted = string.Template(USUAL if not template or problem(template) else template)
    values = {name: escaped(value(news)) for name, value in VARIABLES.items()}
    return wanted.substitute(values)[:LONGEST_TEXT]
