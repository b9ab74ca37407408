"""What a field of the status says about itself, beyond its name, type and default.

The frozen dataclass is the only definition of what stands in the cluster: its schema, its writer,
its reader and the reference page are derived from it (`tidegate.api.wire`).
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

LINE = 253
POLICY = 320  # kind and name of a policy, and its generation
TEXT = 1024
URI = 2048
PER_METRIC = 32  # items of a list with one entry per metric

NO_DEFAULT = object()


@dataclass(frozen=True, slots=True)
class About:
    """The note of one field, as `Annotated[type, About("What it is.")]`.

    text: its description in schema and reference.
    name: its spelling in the cluster, if not the field's own in camel case. `health.status` is a
        member of the object `health`, and `group` says what that is.
    inline: the members of this object stand beside others: in `name`, or in the object around it.
    limit: longest text in characters, or longest list in items; what is beyond is cut on writing.
    each: longest text in characters among the items of a list of texts.
    newest_last: a list that is cut keeps its end.
    key: the member that tells the items of a list apart; without it a list is replaced whole.
    atomic: this object is replaced whole.
    duration: a number of seconds that is written as `1h30m`.
    absent: what a document says that lacks the field, where the dataclass wants it told.
    vital: where it stands but cannot be read, the object around it cannot be either. A field
        without default and `absent` is vital by nature.
    recorded: it also stands in a RolloutRecord, by the name `recorded_as` if that is given; `.` puts
        its members beside others. `told`: even where it is the default. A class with no such field
        stands there as it is.
    quiet: left out wherever it is the default.
    """

    text: str = ""
    _: KW_ONLY
    name: str = ""
    group: str = ""
    inline: bool = False
    limit: int = LINE
    each: int = LINE
    newest_last: bool = False
    key: str = ""
    atomic: bool = False
    duration: bool = False
    absent: object = NO_DEFAULT
    vital: bool = False
    recorded: bool = False
    recorded_as: str = ""
    told: bool = False
    quiet: bool = False
