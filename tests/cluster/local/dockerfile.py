"""The project's own Dockerfiles, built with buildah and imported into containerd.

A build may need what only this machine knows: a package index, a certificate authority. Both are
mounted while it runs, over files that the base image has; nothing of them ends up in the image.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster import lock, parts, paths, shell
from tests.cluster.local import images, packages, runtime
from tests.cluster.model import ImageSource
from tests.cluster.progress import Progress

_BUILD_TIMEOUT_SECONDS = 1200.0
_CA_BUNDLE_IN_IMAGE = "/etc/ssl/certs/ca-certificates.crt"
_PIP_OPTIONS = ("index-url", "extra-index-url", "trusted-host", "timeout", "proxy")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_ACCEPT_ANYTHING = {"default": [{"type": "insecureAcceptAnything"}]}


def build_image(
    *, context: Path, dockerfile: Path, tag: str, build_args: Mapping[str, str]
) -> None:
    """Build and import an image; well below a second when no file of the context changed.

    Errors: shell.CommandError with the end of the build log; ValueError for a tag without host.
    """
    check_tag(tag)
    source = ImageSource(context=context, dockerfile=dockerfile, tag=tag)
    with _one_at_a_time():
        if not _is_built(source, build_args):
            with Progress().step(f"build the image {tag}"):
                _build(source, build_args)
        _load(tag, Progress())


def load_built(images: Sequence[ImageSource], progress: Progress) -> None:
    """Import the images that were built and are not in containerd yet.

    Errors: shell.CommandError.
    """
    with _one_at_a_time():
        for image in images:
            if _is_built(image, {}):
                _load(image.tag, progress)


def _load(tag: str, progress: Progress) -> None:
    known = _read_stamp(tag)
    if tag not in runtime.image_names() or known.get("imported") != known["image"]:
        with progress.step(f"load the image {tag}"):
            _import(tag)
        _write_stamp(tag, {**known, "imported": known["image"]})


def part(source: ImageSource) -> parts.Part:
    """The image built, but not yet loaded: that needs a cluster that runs."""
    name = source.tag.rpartition("/")[2].partition(":")[0]
    return parts.Part(
        name=f"image-{name}",
        title=f"build the image {name}",
        lane="containers",
        seconds=45,
        done=lambda: _is_built(source, {}),
        make=lambda: _build_alone(source),
        log=_log(source.tag),
        needs=(packages.PART, images.BASE_PART),
    )


def loading_part(source: ImageSource, *, needs: str) -> parts.Part:
    """The image loaded as soon as it is built, where containerd, the part `needs`, runs."""
    built = part(source).name
    return parts.Part(
        name=f"load-{built}",
        title=f"load the {built.replace('-', ' ')}",
        lane="node",
        seconds=10,
        done=lambda: False,
        make=lambda: load_built([source], Progress(quiet=True)),
        log=_log(source.tag),
        needs=(needs, built),
    )


def _build_alone(source: ImageSource) -> None:
    with _one_at_a_time():
        _build(source, {})


def _build(source: ImageSource, build_args: Mapping[str, str]) -> None:
    content = _content(source, build_args)
    image = _bud(source, build_args={"BASE_IMAGE": images.BASE, **build_args})
    # What was imported before stays known: an image that did not change is not imported again.
    _write_stamp(source.tag, {**_read_stamp(source.tag), "content": content, "image": image})


def _is_built(source: ImageSource, build_args: Mapping[str, str]) -> bool:
    return _read_stamp(source.tag).get("content") == _content(source, build_args)


def _content(source: ImageSource, build_args: Mapping[str, str]) -> str:
    return content_hash(
        source.context,
        dockerfile=source.dockerfile,
        build_args={"BASE_IMAGE": images.BASE, **build_args},
    )


def _one_at_a_time() -> lock.LockContext:
    return lock.file_lock(_folder() / "lock", timeout_seconds=_BUILD_TIMEOUT_SECONDS)


def check_tag(tag: str) -> None:
    """Refuse a tag without a host, such as `tidegate:dev`.

    The kubelet completes it with the host of a public registry, and then does not find it here.
    Errors: ValueError that says what to write instead.
    """
    host, slash, _ = tag.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        raise ValueError(f"{tag} names no host: call it localhost/{tag}")


def content_hash(context: Path, *, dockerfile: Path, build_args: Mapping[str, str]) -> str:
    """A digest of everything an image is made from."""
    digest = hashlib.sha256(json.dumps(dict(build_args), sort_keys=True).encode())
    digest.update(dockerfile.read_bytes())
    for file in context_files(context):
        digest.update(f"\n{file.relative_to(context)}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def context_files(context: Path) -> list[Path]:
    """Files of a build context: what git knows or would add; without git, all of them.

    More than a .dockerignore lets through: a needless build is cheap, a missed one is not.
    """
    try:
        listed = shell.run_text(
            *("git", "-C", context, "ls-files", "-z"),
            *("--cached", "--others", "--exclude-standard", "--", "."),
        ).split("\0")
        found = [context / name for name in listed if name]
    except shell.CommandError:
        found = list(context.rglob("*"))
    return sorted(file for file in set(found) if file.is_file())


def pip_configuration(listed: str, environment: Mapping[str, str]) -> str:
    """The pip.conf that a build sees, from `pip config list` and the environment.

    Folders of wheels (find-links) are left out, because they do not exist inside of the build.
    """
    options: dict[str, str] = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        name = key.rpartition(".")[2]
        if name in _PIP_OPTIONS:
            options[name] = value.strip("'\"")
    for name in _PIP_OPTIONS:
        value = environment.get(f"PIP_{name.upper().replace('-', '_')}", "")
        if value:
            options[name] = value
    lines = [f"{name} = {value}" for name, value in options.items()]
    return "\n".join(["[global]", f"cert = {_CA_BUNDLE_IN_IMAGE}", *lines, ""])


def _bud(source: ImageSource, *, build_args: Mapping[str, str]) -> str:
    """The id of the built image."""
    _ensure_base_known()
    words = [f"--build-arg={name}={value}" for name, value in build_args.items()]
    words += [f"--build-arg={name}={os.environ[name]}" for name in _PROXIES if name in os.environ]
    iid = _folder() / "iid"
    shell.run_logged(
        *_buildah(),
        *("bud", "--isolation", "chroot", "--layers", "--pull-never"),
        *("--signature-policy", _policy(), "--iidfile", iid, "--tag", source.tag),
        *_mounts(),
        *words,
        *("--file", source.dockerfile, source.context),
        log=_log(source.tag),
        timeout_seconds=_BUILD_TIMEOUT_SECONDS,
    )
    return iid.read_text().strip()


def _mounts() -> list[str]:
    pip = _folder() / "pip.conf"
    pip.write_text(pip_configuration(_pip_config_list(), os.environ))
    mounts = [f"--volume={pip}:/etc/pip.conf:ro"]
    bundle = host_ca_bundle(os.environ)
    if bundle is not None:
        mounts.append(f"--volume={bundle}:{_CA_BUNDLE_IN_IMAGE}:ro")
    return mounts


def host_ca_bundle(environment: Mapping[str, str]) -> Path | None:
    """The certificates this machine trusts, in one file; None where they are elsewhere."""
    for candidate in (environment.get("SSL_CERT_FILE"), _CA_BUNDLE_IN_IMAGE):
        if candidate and Path(candidate).is_file():
            return Path(candidate)
    return None


def _pip_config_list() -> str:
    try:
        return shell.run_text("python3", "-m", "pip", "config", "list")
    except shell.CommandError:  # a machine without pip has nothing to pass on
        return ""


def _ensure_base_known() -> None:
    names = shell.run_text(*_buildah(), "images", "--format", "{{.Name}}:{{.Tag}}").split()
    if images.BASE not in names:
        shell.run(
            *_buildah(),
            *("pull", "--signature-policy", _policy()),
            f"docker-archive:{images.base_archive()}",
            timeout_seconds=300,
        )


def _import(tag: str) -> None:
    archive = _folder() / "image.tar"
    archive.unlink(missing_ok=True)
    # A docker archive: its layers are not compressed, which saves ten seconds for each image.
    shell.run(
        *_buildah(),
        *("push", "--signature-policy", _policy(), tag),
        f"docker-archive:{archive}:{tag}",
        timeout_seconds=300,
    )
    runtime.import_archive(archive)
    archive.unlink()


def _buildah() -> list[str]:
    store = paths.cache_dir() / "buildah"
    return ["buildah", "--root", str(store / "root"), "--runroot", str(store / "run")]


def _policy() -> Path:
    """Where images may come from; a machine need not have a system-wide file for that."""
    file = _folder() / "policy.json"
    file.write_text(json.dumps(_ACCEPT_ANYTHING))
    return file


def _folder() -> Path:
    path = paths.cache_dir() / "built"
    path.mkdir(exist_ok=True)
    return path


def _slug(tag: str) -> str:
    return "".join(char if char.isalnum() else "-" for char in tag)


def _log(tag: str) -> Path:
    return paths.log_dir() / f"image-{_slug(tag.partition(':')[0])}.log"


def _stamp(tag: str) -> Path:
    return _folder() / f"{_slug(tag)}.json"


def _write_stamp(tag: str, document: Mapping[str, str]) -> None:
    partial = _stamp(tag).with_suffix(".partial")
    partial.write_text(json.dumps(document))
    partial.replace(_stamp(tag))


def _read_stamp(tag: str) -> dict[str, str]:
    try:
        found = json.loads(_stamp(tag).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
