"""`tidegate-profile`: files in, a profile, its picture and its ConfigMap out."""

from __future__ import annotations

import csv
import gzip
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest
import yaml
from probe_examples import fraud, training_data

from tidegate_probe import Profile
from tidegate_probe.command import DONE, TROUBLE, main
from tidegate_probe.manifest import KEY

PROBE = Path(__file__).parents[3] / "probe"
NAMED = ("--model", "fraud", "--model-version", "v7")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(columns: Mapping[str, Sequence[object]], *, file: str = "train.csv") -> str:
    with Path(file).open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(columns)
        rows.writerows(zip(*columns.values(), strict=True))
    return file


def lines(head: str, rows: Iterable[str], *, file: str = "train.csv") -> str:
    Path(file).write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return file


def made(*arguments: str) -> Profile:
    assert main([*arguments, *NAMED]) == DONE
    return Profile.read("profile.json")


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*arguments, *NAMED]) == TROUBLE
    assert not Path("profile.json").exists()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    return err.removeprefix("error: ")


def test_files_and_memory_give_the_same_profile() -> None:
    columns = training_data(5000) | {"score": [at / 5000 for at in range(5000)]}
    by_file = made(written(columns), "--output", "score")
    features = {name: columns[name] for name in ("amount", "country")}
    outputs = {"score": columns["score"]}
    assert by_file == Profile.fit(features, outputs=outputs, model="fraud", model_version="v7")


def test_what_was_written_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    made(written(training_data(200)), "--picture", "p.html", "--configmap", "fraud-v7")
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("profile.json: fraud v7, 200 rows, 2 features, 0 outputs, ")
    assert told[1].startswith("p.html: ")
    assert told[2] == "fraud-v7.yaml: kubectl apply --server-side -f fraud-v7.yaml"
    assert Path("p.html").read_text(encoding="utf-8") == Profile.read("profile.json").to_html()


def test_a_config_map_holds_the_profile_byte_by_byte() -> None:
    names = ["Köln", "a: 'b' \"c\" #d", "\\n", "東京"]
    source = written({"city": names * 50, "amount": range(200)})
    made(source, "--configmap", "fraud-v7", "--namespace", "models")
    manifest = yaml.safe_load(Path("fraud-v7.yaml").read_text(encoding="utf-8"))
    assert (manifest["apiVersion"], manifest["kind"]) == ("v1", "ConfigMap")
    assert manifest["metadata"] == {"name": "fraud-v7", "namespace": "models"}
    assert manifest["data"] == {KEY: Path("profile.json").read_text(encoding="utf-8")}


def test_a_profile_of_code_can_be_drawn_and_packed(capsys: pytest.CaptureFixture[str]) -> None:
    fraud().write("made.json")
    before = Path("made.json").read_bytes()
    assert main(["made.json", "--picture", "p.html", "--configmap", "7.fraud"]) == DONE
    assert Path("made.json").read_bytes() == before
    assert not Path("profile.json").exists()
    manifest = yaml.safe_load(Path("7.fraud.yaml").read_text())
    assert manifest["metadata"] == {"name": "7.fraud"}
    assert Profile.from_json(manifest["data"][KEY]) == fraud()
    capsys.readouterr()
    assert main(["made.json"]) == DONE
    assert capsys.readouterr().out == "fraud v7, 100 rows, 2 features, 2 outputs\n"


def test_what_is_left_out_is_no_feature() -> None:
    columns = {name: [at % 7 for at in range(200)] for name in ("a", "b", "truth", "score")}
    profile = made(
        written(columns), "--label", "truth", "--drop", "b", "--output", "score",
        "--threshold", "0.5",
    )  # fmt: skip
    assert list(profile.features) == ["a"]
    assert list(profile.outputs) == ["score"]
    assert profile.positive
    assert (profile.positive.output, profile.positive.threshold) == ("score", 0.5)


def test_a_class_may_be_positive() -> None:
    source = written({"a": range(200), "class": ["good", "fraud"] * 100})
    positive = made(source, "--output", "class", "--positive", "fraud").positive
    assert positive
    assert (positive.output, positive.category) == ("class", "fraud")


def test_a_later_version_keeps_bins() -> None:
    earlier = made(written(training_data(1000)))
    earlier.write("v6.json")
    later = made(written(training_data(1000, seed=2)), "--like", "v6.json")
    assert later.features["amount"].bins == earlier.features["amount"].bins
    assert later.features["amount"].counts != earlier.features["amount"].counts


# --- how cells are read ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "options", "missing", "other"),
    [
        ("", (), 50, 0),
        ("nan", (), 50, 0),
        ("NULL", (), 50, 0),
        ("inf", (), 50, 0),
        ("n/a", ("--missing", "n/a"), 50, 0),
        ("n/a", ("--numeric", "a"), 0, 50),
        ("1_000", ("--numeric", "a"), 0, 50),
    ],
)
def test_cells_without_a_number(
    cell: str, options: tuple[str, ...], missing: int, other: int
) -> None:
    source = written({"a": [*range(150), *[cell] * 50], "b": range(200)})
    field = made(source, *options).features["a"]
    assert field.bins.kind == "numeric"
    assert field.counts[-2:] == (missing, other)


def test_namibia_is_a_country() -> None:
    bins = made(written({"country": ["DE", "NA"] * 100})).features["country"].bins
    assert bins.labels[:-2] == ("DE", "NA")


@pytest.mark.parametrize(
    ("cells", "options", "categories"),
    [
        (["True", "False"], (), ("false", "true")),  # as pandas writes them, and JSON has them
        (["TRUE", "", "FALSE", "TRUE"], (), ("false", "true")),
        (["True", "maybe"], (), ("True", "maybe")),
        (["3.0", "", "4.0", ""], ("--categorical", "a"), ("3", "4")),
        (["3.0", "3.1"], ("--categorical", "a"), ("3.0", "3.1")),
        (["01067", "10115"], ("--categorical", "a"), ("01067", "10115")),
        (["7", "x"], ("--categorical", "a"), ("7", "x")),
    ],
)
def test_categories_are_spelled_as_a_server_would(
    cells: list[str], options: tuple[str, ...], categories: tuple[str, ...]
) -> None:
    source = written({"a": (cells * 100)[:200], "b": range(200)})
    field = made(source, *options).features["a"]
    assert field.bins.labels[:-2] == categories
    assert field.counts[-1] == 0


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_first_line_tells_the_delimiter(delimiter: str) -> None:
    source = lines(f"a{delimiter}b", [f"{at}{delimiter}x" for at in range(200)])
    assert list(made(source).features) == ["a", "b"]


def test_a_delimiter_can_be_told() -> None:
    source = lines("a:b,c", [f"{at}:x" for at in range(200)])
    assert list(made(source, "--delimiter", ":").features) == ["a", "b,c"]


def test_quotes_lines_within_cells_and_blank_lines() -> None:
    rows = [f'{at},"x, ""y""\nz"\n' for at in range(200)]
    profile = made(lines("a,b", rows), "--categorical", "b")
    assert profile.rows == 200
    assert profile.features["b"].counts == (0, 200)  # a text of two lines is no category


def test_packed_files_and_several_of_them() -> None:
    columns = training_data(400)
    parts = [{name: one[at::2] for name, one in columns.items()} for at in (0, 1)]
    first = written(parts[0], file="one.csv")
    packed = Path("two.csv.gz")
    packed.write_bytes(gzip.compress(Path(written(parts[1], file="two.csv")).read_bytes()))
    profile = made(first, str(packed))
    assert profile.rows == 400
    assert profile.features["country"] == made(written(columns)).features["country"]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig"])
def test_other_encodings(encoding: str) -> None:
    Path("train.csv").write_text("Stadt,a\n" + "Köln,1\n" * 200, encoding=encoding)
    options = () if encoding == "utf-8-sig" else ("--encoding", encoding)
    assert made("train.csv", *options).features["Stadt"].bins.labels[0] == "Köln"


# --- what a person has to mend ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "rows", "told"),
    [
        ("a,b", ["1,"] * 200, "column 'b' has no value in 200 rows; mend what should fill it, or"),
        ("a,b", [], "the data has 0 rows; a profile needs 100"),
        ("a,a b,a", ["1,2,3"] * 200, "column 'a' stands 2 times; rename all but one"),
        ("a,b", ["1,2"] * 150 + ["1,2,3"], "row 151 behind the header has 3 cells"),
        ("1,2.5", ["1,2"] * 200, "the first line holds numbers"),
        (",a", ["1,2"] * 200, "column 1 has no name; name it, or leave it out by --drop ''"),
        ("a,b", ['1,"x'] * 200, "is no CSV"),
        (
            "a,the user",
            [f"1,u{at}" for at in range(10_000)],
            (
                "column 'the user' has 10,000 different texts such as 'u0', and the 0 that would be "
                "kept are 0.0% of them, so it would tell little; mend it, or --drop 'the user'\n"
            ),
        ),
        (
            "a,b",
            [f"1,u{at}" for at in range(10_001)],
            "column 'b' has more than 10,000 different texts",
        ),
        (
            "a,b",
            [f"1,u{at % 400}" for at in range(8000)],
            (
                "the 50 that would be kept are 12.5% of them, so it would tell little; mend it, or "
                "--drop b, or keep them: --categorical b\n"
            ),
        ),
        (
            "a,my b",
            [f"1,{at if at != 16 else 'unknown'}" for at in range(200)],
            (
                "column 'my b' holds 199 numbers and 1 texts, the first of them 'unknown' in row 17; "
                "mend it, or say what it is: --numeric 'my b', --categorical 'my b', or --missing "
                "unknown for nothing\n"
            ),
        ),
    ],
)
def test_unusable_files(
    capsys: pytest.CaptureFixture[str], head: str, rows: list[str], told: str
) -> None:
    assert told in refused(capsys, lines(head, rows))


def test_every_column_that_is_wrong_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"c{at}" for at in range(13)]
    told = refused(capsys, lines("a," + ",".join(names), ["1" + "," * 13] * 200)).splitlines()
    assert [line.split()[2] for line in told[1:-1]] == [f"'c{at}'" for at in range(1, 10)]
    assert told[-1] == "error: and 3 more columns like these"


def test_unusable_names_of_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "absent\\x1b.csv: there is no such file" in refused(capsys, "absent\x1b.csv")
    assert "is no regular file" in refused(capsys, str(tmp_path))
    Path("empty.csv").touch()
    assert refused(capsys, "empty.csv") == (
        "empty.csv: is empty; its first line names the columns\n"
    )
    for name in ("broken.csv.gz", "cut.csv.gz"):
        whole = gzip.compress(b"a,b\n" + os.urandom(100_000).hex().encode())
        Path(name).write_bytes(b"a,b\n" if name.startswith("broken") else whole[: len(whole) // 2])
        assert f"{name}: is not packed by gzip, or not whole" in refused(capsys, name)
    one, two = written({"a": [1] * 200}, file="1.csv"), written({"b": [1] * 200}, file="2.csv")
    assert "2.csv: has other columns than 1.csv" in refused(capsys, one, two)
    Path("p.parquet").touch()
    assert "either all files are Parquet or none is" in refused(capsys, one, "p.parquet")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (120, "line 122, column 'Stadt', is no text in UTF-8"),
        (0, "line 2, column 'Stadt', is no text in UTF-8"),
    ],
)
def test_another_encoding_is_told_with_its_place(
    capsys: pytest.CaptureFixture[str], row: int, told: str
) -> None:
    cells = [f"{at},{'Köln' if at == row else 'Bonn'}\n" for at in range(200)]
    Path("train.csv").write_text("a,Stadt\n" + "".join(cells), encoding="latin-1")
    assert told in refused(capsys, "train.csv")


def test_another_encoding_of_the_header(capsys: pytest.CaptureFixture[str]) -> None:
    Path("train.csv").write_text("a,Größe\n" + "1,2\n" * 200, encoding="cp1252")
    assert "line 1 is no text in UTF-8; name its own, such as --encoding cp1252" in refused(
        capsys, "train.csv"
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--drop", "amont"), "drop: 'amont' is no column; did you mean 'amount'?"),
        (("--label", "x"), "label: 'x' is no column; there are 'amount', 'country'"),
        (("--output", "country", "--drop", "country"), "an output or left out, not both"),
        (("--drop", "amount", "--drop", "country"), "no feature is left"),
        (("--numeric", "country"), "column 'country' holds no number, but text such as"),
        (("--threshold", "0.5"), "speak of one --output; name exactly one"),
        (("--output", "country", "--positive", "XX"), "positive.category: 'XX' is no category"),
        (("--encoding", "utf9"), "encoding: 'utf9' is unknown; write utf-8"),
        (("--delimiter", "::"), "delimiter: '::' is no single character"),
        (("--like", "train.csv"), "train.csv: the document is no JSON"),
        (("--like", "absent.json"), "absent.json: No such file or directory; check"),
    ],
)
def test_unusable_options(
    capsys: pytest.CaptureFixture[str], options: tuple[str, ...], told: str
) -> None:
    assert told in refused(capsys, written(training_data(200)), *options)


@pytest.mark.parametrize("options", [("--configmap", "Fraud_v7"), ("--configmap", "a/b")])
def test_unusable_names_of_a_config_map(
    capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    fraud().write("made.json")
    assert main(["made.json", *options]) == TROUBLE
    assert "is no name in Kubernetes; use lower-case letters" in capsys.readouterr().err


def test_what_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([written(training_data(200)), *NAMED, "--profile", "absent/p.json"]) == TROUBLE
    assert "absent/p.json: No such file or directory" in capsys.readouterr().err


def test_data_need_the_name_of_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    source = written(training_data(200))
    assert main([source, "--model", "fraud"]) == TROUBLE
    assert "--model-version: is needed for a profile of data" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["--modell", "x"])
    assert ended.value.code == TROUBLE


# --- beside it ---------------------------------------------------------------------------------------


def test_no_bar_where_nobody_sees_it() -> None:
    command = [sys.executable, "-m", "tidegate_probe", written(training_data(200)), *NAMED]
    done = subprocess.run(
        command, check=True, capture_output=True, env=os.environ | {"PYTHONPATH": str(PROBE)}
    )
    assert done.stderr == b""


def test_a_bar_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "tidegate_probe", written(training_data(200)), *NAMED]
    subprocess.run(command, check=True, stderr=theirs, env=os.environ | {"PYTHONPATH": str(PROBE)})
    os.close(theirs)
    shown = os.read(ours, 4096)
    os.close(ours)
    assert b"reading   [######" in shown
    assert shown.endswith(b"\r\x1b[K")


def test_parquet_without_its_library(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    Path("train.parquet").write_bytes(b"PAR1")
    assert "pip install 'tidegate-probe[parquet]', or write the data as CSV" in refused(
        capsys, "train.parquet"
    )


def test_parquet(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyarrow")
    columns = training_data(400) | {
        "flag": [True, None] * 200,
        "code": [1, 2, None, 3] * 100,
        "kind": pd.Categorical(["x", "y"] * 200),
        "nothing": [None] * 400,
        "at": pd.Timestamp("2026-11-30"),
    }
    pd.DataFrame(columns).to_parquet("train.parquet")
    told = refused(capsys, "train.parquet")
    assert "column 'at' holds timestamp" in told
    told = refused(capsys, "train.parquet", "--drop", "at")
    assert "column 'nothing' has no value in 400 rows" in told
    features = made(
        "train.parquet", "--drop", "at", "--drop", "nothing", "--categorical", "code"
    ).features
    expected = Profile.fit(training_data(400), model="fraud", model_version="v7").features
    assert features["amount"] == expected["amount"]
    assert features["country"] == expected["country"]
    assert dict(zip(features["flag"].bins.labels, features["flag"].counts, strict=True)) == {
        "true": 200, "missing": 200, "other": 0,
    }  # fmt: skip
    assert features["code"].bins.labels[:-2] == ("1", "2", "3")
    assert features["kind"].counts == (200, 200, 0, 0)


def test_what_is_no_parquet(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyarrow")
    Path("train.parquet").write_bytes(b"no")
    assert "train.parquet: is no Parquet file" in refused(capsys, "train.parquet")


def test_the_document_is_json() -> None:
    made(written(training_data(200)))
    assert json.loads(Path("profile.json").read_bytes())["model"] == "fraud"
