"""Entry point of a step's process: a request read, a result written, an exit code returned.

The result is written whatever happened, also for a request that cannot be read. Both documents
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
from mlcycle.errors import ConfigError, InputError, MlcycleError, OutOfSpace, Unavailable
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
            result = run_step(request, settings)
    except MlcycleError as error:
        result = _unreadable(step, error)
    write_result(result, result_uri)
    if result.message:
        print(f"{result.step}: {result.status}: {result.message}", file=sys.stderr, flush=True)
    return result.exit_code


def take_secrets(env: Mapping[str, str]) -> Mapping[str, str]:
    """The environment with the secrets that came over standard input, where it says that they do.

    A container's environment is shown to whoever may inspect it, so its secrets come as a line of JSON, the
    values by variable. They are put into this process's environment: the object store's clients read
    theirs there. Raises Unavailable where they did not come: whoever starts the step died meanwhile.
    """
    if env.get(SECRETS) != "stdin":
        return env
    try:
        given = json.loads(sys.stdin.readline())
    except ValueError:
        raise Unavailable("the step's secrets did not come over its standard input") from None
    os.environ.update(given)
    return {name: value for name, value in {**env, **given}.items() if name != SECRETS}


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
