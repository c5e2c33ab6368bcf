"""Where the Kubernetes API is and who we are to it: the pod's own service account, else KUBECONFIG.

Plain HTTPS with the client that Airflow's tasks have loaded anyway: the official client would cost each of
them half a second and 60 MB for the dozen requests that are made here.
"""

import base64
import ssl
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlcycle.errors import ConfigError

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
FRESH = 60.0  # seconds that a token which was read is used: the kubelet changes it before it ends


@dataclass
class Access:
    """An address of the API, and what proves who asks."""

    url: str
    verify: ssl.SSLContext
    namespace: str = ""
    token_file: Path | None = None
    token: str = field(default="", repr=False)
    _read_at: float = 0.0

    def headers(self) -> dict[str, str]:
        """The header that tells who asks, if it is not the certificate."""
        if self.token_file is not None and time.monotonic() - self._read_at > FRESH:
            try:
                self.token = self.token_file.read_text().strip()
            except OSError as error:
                raise ConfigError(f"the token {self.token_file} cannot be read: {error.strerror}") from None
            self._read_at = time.monotonic()
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def access(env: Mapping[str, str], account: Path = ACCOUNT) -> Access:
    """How the API is reached. Raises ConfigError, one line, where nothing tells."""
    host = env.get("KUBERNETES_SERVICE_HOST")
    if host and (account / "token").exists():
        port = env.get("KUBERNETES_SERVICE_PORT_HTTPS") or env.get("KUBERNETES_SERVICE_PORT") or "443"
        address = f"[{host}]" if ":" in host else host
        return Access(
            f"https://{address}:{port}",
            ssl.create_default_context(cafile=str(account / "ca.crt")),
            namespace=_text(account / "namespace"),
            token_file=account / "token",
        )
    file = env.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
    return _of_file(Path(file.split(":")[0]))


def _of_file(file: Path) -> Access:
    import yaml

    try:
        document = yaml.safe_load(file.read_text())
        context = _named(document, "context", document["current-context"])
        cluster = _named(document, "cluster", context["cluster"])
        user = _named(document, "user", context["user"])
        url = str(cluster["server"]).rstrip("/")
    except OSError:
        raise ConfigError(
            f"no Kubernetes here: {file} is not there, and this is no pod of one; set KUBECONFIG"
        ) from None
    except (yaml.YAMLError, KeyError, TypeError, StopIteration) as error:
        reason = " ".join(str(error).split()) or "an entry that it names is not there"
        raise ConfigError(f"{file} is no kubeconfig that can be used: {reason}") from None
    if "exec" in user or "auth-provider" in user:
        raise ConfigError(
            f"{file} gets its credentials from a program, which the scheduler does not run: "
            "run it in the cluster, or give it a kubeconfig with a token or a certificate"
        )
    try:
        return Access(
            url,
            _context(cluster, user, file.parent),
            namespace=str(context.get("namespace") or ""),
            token_file=file.parent / user["tokenFile"] if "tokenFile" in user else None,
            token=str(user.get("token") or ""),
        )
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = str(getattr(error, "strerror", None) or error)
        raise ConfigError(f"{file}: its certificates cannot be read: {reason}") from None


def _named(document: Any, kind: str, name: str) -> dict[str, Any]:
    return dict(next(one[kind] for one in document[f"{kind}s"] if one["name"] == name))


def _context(cluster: dict[str, Any], user: dict[str, Any], base: Path) -> ssl.SSLContext:
    data = cluster.get("certificate-authority-data")
    file = cluster.get("certificate-authority")
    context = ssl.create_default_context(
        cafile=str(base / file) if file and not data else None,
        cadata=base64.b64decode(data).decode() if data else None,
    )
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if "client-certificate" in user:
        context.load_cert_chain(str(base / user["client-certificate"]), str(base / user["client-key"]))
    elif "client-certificate-data" in user:
        with tempfile.NamedTemporaryFile(suffix=".pem") as both:  # ssl reads files alone
            both.write(base64.b64decode(user["client-certificate-data"]) + b"\n")
            both.write(base64.b64decode(user["client-key-data"]))
            both.flush()
            context.load_cert_chain(both.name)
    return context


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
