"""Entry point of a step's process: a request read, a result written, an exit code returned.

The result is written whatever happened, also for a request that cannot be read; but where all attempts of a
work share its place, one that a newer one has taken the place of leaves it alone. Both documents
are local paths or fsspec URLs, so that a container needs no volume.
"""

import errno
import json
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from mlcycle.contract import ErrorInfo, ExitCode, Request, Result, Status, code_version
from mlcycle.errors import ConfigError, InputError, MlcycleError, OutOfSpace, Superseded, Unavailable
from mlcycle.launch import read_secrets
from mlcycle.settings import Settings, scratch_base
from mlcycle.steps.runtime import run_step

SECRETS = "MLCYCLE_SECRETS"  # variable: where a step's secrets come from; unset, they are in the environment


def main(request_uri: str, result_uri: str, env: Mapping[str, str], step: str = "") -> ExitCode:
    """Run the step a request asks for.

    Args:
        request_uri: where the request lies.
        result_uri: where the result goes; replaced if it exists.
        env: environment the settings are read from.
        step: the step named on the command line, if any; must be the request's own.
    """
    if os.getpid() == 1:  # a container's first process: without a handler the kernel drops its SIGTERM
        signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))
    try:
        env = take_secrets(env)
    except MlcycleError as error:  # without them there may be no way to write a result
        print(f"mlcycle: {error.message}", file=sys.stderr, flush=True)
        return ExitCode.RETRY
    try:
        request = read_request(request_uri)
        if step and step != request.step:
            raise InputError(f"asked to run step {step!r}, but the request is for {request.step!r}")
        settings = Settings.from_env(env)
        with _tidy(settings.scratch):
            result = _run(request, settings, env)
    except MlcycleError as error:
        result = _unreadable(step, error)
    if int(env.get("RANK", "0")):  # one of several processes that torchrun has started: the first one writes
        return result.exit_code
    if not _others(result, result_uri):
        write_result(result, result_uri)
    if result.message:
        print(f"{result.step}: {result.status}: {result.message}", file=sys.stderr, flush=True)
    return result.exit_code


def _run(request: Request, settings: Settings, env: Mapping[str, str]) -> Result:
    if int(env.get("WORLD_SIZE", "1")) == 1:
        return run_step(request, settings)
    from mlcycle.steps.together import run_together

    return run_together(request, settings, rank=int(env["RANK"]))


def _others(result: Result, uri: str) -> bool:
    """Whether a newer attempt of the work is to write there, which this one must not write over.

    A path is in a folder of the attempt's own; in the artifact store all attempts of a work have one place.
    """
    return "://" in uri and result.error is not None and result.error.kind == Superseded.kind


def take_secrets(env: Mapping[str, str]) -> Mapping[str, str]:
    """The environment with the secrets that came beside it, where it says that they did.

    A container's environment is shown to whoever may inspect it, so its secrets come another way:
    ``stdin``, as a line of JSON, the values by variable; or a folder with a file for each variable, as
    Kubernetes mounts a Secret. They are put into this process's environment: the object store's clients
    read theirs there. Raises Unavailable where they did not come: whoever starts the step died meanwhile.
    """
    where = env.get(SECRETS, "")
    if where == "stdin":
        given = _from_stdin()
    elif where.startswith("/"):
        given = _from_folder(Path(where))
    elif where:
        raise ConfigError(f"{SECRETS}={where}: stdin, or a folder with a file for each variable")
    else:
        return env
    os.environ.update(given)
    return {name: value for name, value in {**env, **given}.items() if name != SECRETS}


def _from_stdin() -> dict[str, str]:
    try:
        return dict(json.loads(sys.stdin.readline()))
    except ValueError:
        raise Unavailable("the step's secrets did not come over its standard input") from None


def _from_folder(folder: Path) -> dict[str, str]:
    try:
        return read_secrets(folder)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise Unavailable(f"the step's secrets in {folder} cannot be read: {reason}") from None


@contextmanager
def _tidy(scratch: Path | None) -> Iterator[None]:
    """Libraries that leave things in the temporary folder (torch's compiler caches) leave them in one
    of this process's own, which is removed.
    """
    try:
        base = scratch_base(scratch)
        own = tempfile.TemporaryDirectory(prefix="mlcycle-", dir=base, ignore_cleanup_errors=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutOfSpace(f"no room left in {scratch or 'the temporary folder'}: free space") from None
        where = f"MLCYCLE_SCRATCH={scratch}" if scratch else "the temporary folder"
        raise ConfigError(f"nothing can be staged in {where}: {error.strerror}") from None
    with own as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        if not os.access(Path("~").expanduser(), os.W_OK):  # a container's user has no home
            os.environ.setdefault("MPLCONFIGDIR", folder)
        yield


def read_request(uri: str) -> Request:
    """Read a request. Raises InputError that says what is wrong with it, in one line."""
    try:
        data = json.loads(_read(uri))
        return Request.model_validate(data)
    except (ValueError, UnicodeDecodeError) as error:
        if isinstance(error, ValidationError):
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "document"
            raise InputError(f"request {uri}: {where}: {first['msg']}") from None
        raise InputError(f"request {uri} is not JSON: {error}") from None


def write_result(result: Result, uri: str) -> None:
    """Write a result whole: an atomic rename, or an object store's put."""
    data = result.model_dump_json(indent=1).encode()
    if "://" in uri:
        import fsspec

        fs, path = fsspec.core.url_to_fs(uri)
        fs.pipe_file(path, data)
        return
    target = Path(uri)
    staged = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
    try:
        staged.write_bytes(data)
        staged.replace(target)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise ConfigError(f"the result cannot be written to {uri}: {error.strerror}") from None


def _read(uri: str) -> bytes:
    try:
        if "://" in uri:
            import fsspec

            fs, path = fsspec.core.url_to_fs(uri)
            data: bytes = fs.cat_file(path)
            return data
        return Path(uri).read_bytes()
    except OSError as error:
        raise InputError(f"request {uri}: {error.strerror or error}") from None


def _unreadable(step: str, error: MlcycleError) -> Result:
    return Result(
        step=step or "unknown",
        work="unknown",
        status=Status.FAILED,
        message=error.message,
        error=ErrorInfo(kind=error.kind, message=error.message, retryable=error.retryable),
        started_at=datetime.now(UTC),
        seconds=0.0,
        code_version=code_version(),
    )
