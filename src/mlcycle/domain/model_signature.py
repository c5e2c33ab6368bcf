"""Signatures of models, in the format of OpenSSF Model Signing 1.0 with a key (``model_signing sign key``).

A statement (in-toto v1) names every file of a model with its SHA-256; it is signed as a DSSE envelope by
ECDSA on a NIST curve, and lies in a Sigstore bundle. Sources: OpenSSF AI/ML Working Group, "Model Signing
Specification" 1.0 (2025); in-toto Attestation Framework v1; DSSE v1.0.0 (secure-systems-lab); FIPS 186-5.
A file's size is not in that format: its digest fixes it.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mlcycle.errors import ConfigError, IntegrityError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

#: The signature's own file, in the model's folder: the name that ``model_signing`` looks for.
FILE: Final = "model.sig"
MAX_BYTES: Final = 4 * 1024**2  # a manifest of ours has at most 1,000 files
_PAYLOAD: Final = "application/vnd.in-toto+json"
_BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
_STATEMENT: Final = "https://in-toto.io/Statement/v1"
_PREDICATE: Final = "https://model_signing/signature/v1.0"
_CURVES: Final = {"secp256r1": "SHA256", "secp384r1": "SHA384", "secp521r1": "SHA512"}
_PEM: Final = re.compile(r"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----", re.DOTALL)


@dataclass(frozen=True)
class Signer:
    """A deployment's private key. ``hint`` names the public one: the SHA-256 of its PEM."""

    key: "ec.EllipticCurvePrivateKey"
    hint: str

    def sign(self, name: str, manifest: Mapping[str, str]) -> bytes:
        """The bundle for a model of this name with these files (path -> SHA-256)."""
        from cryptography.hazmat.primitives.asymmetric import ec

        payload = statement(name, manifest)
        signature = self.key.sign(_pae(payload), ec.ECDSA(_hash(self.key.curve.name)))
        bundle = {
            "mediaType": _BUNDLE,
            "verificationMaterial": {"publicKey": {"hint": self.hint}, "tlogEntries": []},
            "dsseEnvelope": {
                "payload": base64.b64encode(payload).decode(),
                "payloadType": _PAYLOAD,
                "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
            },
        }
        return json.dumps(bundle, separators=(",", ":")).encode()


def signer(text: str) -> Signer:
    """The private key out of its PEM. Raises ConfigError that shows nothing of it."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = serialization.load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError):  # TypeError: it wants a password
        raise ConfigError(
            "MLCYCLE_MODEL_SIGNING_KEY is not the PEM of a private key without password"
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name not in _CURVES:
        raise ConfigError(f"MLCYCLE_MODEL_SIGNING_KEY is on none of {', '.join(_CURVES)}")
    return Signer(key, _hint(key.public_key()))


def public_line(text: str) -> str:
    """The public key of a private one's PEM, as one line that ``public_keys`` reads."""
    from cryptography.hazmat.primitives import serialization

    der = (
        signer(text)
        .key.public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return base64.b64encode(der).decode()


def new_key() -> str:
    """The PEM of a new private key on P-256."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        .decode()
    )


def public_keys(text: str) -> "dict[str, ec.EllipticCurvePublicKey]":
    """Public keys by hint, out of PEM blocks one after the other, or their base64 alone with commas between.

    Raises ConfigError for anything else.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    blocks = [block.encode() for block in _PEM.findall(text)]
    lines = [line for line in re.split(r"[,\s]+", _PEM.sub(" ", text)) if line]
    found = {}
    for place, given in enumerate([*blocks, *lines], start=1):
        try:
            if isinstance(given, bytes):
                key = serialization.load_pem_public_key(given)
            else:
                key = serialization.load_der_public_key(base64.b64decode(given, validate=True))
        except ValueError:
            raise ConfigError(
                f"MLCYCLE_MODEL_PUBLIC_KEYS: key {place} is neither PEM nor the base64 of one"
            ) from None
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _CURVES:
            raise ConfigError(f"MLCYCLE_MODEL_PUBLIC_KEYS: key {place} is on none of {', '.join(_CURVES)}")
        found[_hint(key)] = key
    return found


def statement(name: str, manifest: Mapping[str, str]) -> bytes:
    """What is signed: the very bytes that ``model_signing`` 1.1 signs for the same folder, but that it also
    ignores git's files.
    """
    paths = sorted(path for path in manifest if path != FILE)
    together = hashlib.sha256(b"".join(bytes.fromhex(manifest[path]) for path in paths))
    document = {
        "_type": _STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": together.hexdigest()}}],
        "predicateType": _PREDICATE,
        "predicate": {
            "resources": [{"digest": manifest[path], "algorithm": "sha256", "name": path} for path in paths],
            "serialization": {
                "allow_symlinks": False,
                "hash_type": "sha256",
                "method": "files",
                "ignore_paths": [FILE],
            },
        },
    }
    return json.dumps(document, indent=2).encode()


def verify(
    bundle: bytes, name: str, manifest: Mapping[str, str], keys: "Mapping[str, ec.EllipticCurvePublicKey]"
) -> str:
    """Check that one of the keys signed exactly these files under this name; returns the key's hint.

    Args:
        bundle: what ``Signer.sign`` wrote.
        name: of the model.
        manifest: path -> SHA-256 of every file there is, the signature's own left out or not.
        keys: those that are trusted, by hint.

    Raises:
        IntegrityError: one line that says what is wrong, with the file where it is one.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        document = json.loads(bundle)
        hint = document["verificationMaterial"]["publicKey"]["hint"]
        envelope = document["dsseEnvelope"]
        payload = base64.b64decode(envelope["payload"], validate=True)
        (signed,) = envelope["signatures"]
        signature = base64.b64decode(signed["sig"], validate=True)
        if (document["mediaType"], envelope["payloadType"]) != (_BUNDLE, _PAYLOAD):
            raise ValueError("another type")
    except (ValueError, KeyError, TypeError, RecursionError):
        raise IntegrityError(f"{FILE} of model {name} is no signature of a model") from None
    key = keys.get(hint) if isinstance(hint, str) else None
    if key is None:
        raise IntegrityError(f"model {name} is signed by a key that is not trusted here ({str(hint)[:12]})")
    try:
        key.verify(signature, _pae(payload), ec.ECDSA(_hash(key.curve.name)))
    except InvalidSignature:
        raise IntegrityError(f"the signature of model {name} is not its key's: {FILE} was changed") from None
    said, files = _read(payload, name)
    if said != name:
        raise IntegrityError(f"{FILE} of model {name} is the signature of another model, {said}")
    found = {path: digest for path, digest in manifest.items() if path != FILE}
    for path in sorted({*files, *found}):
        if path not in found:
            raise IntegrityError(f"file {path!r} of model {name} was signed and is missing")
        if path not in files:
            raise IntegrityError(f"file {path!r} of model {name} was not signed with it")
        if found[path] != files[path]:
            raise IntegrityError(f"file {path!r} of model {name} is not the one that was signed")
    return str(hint)


def _read(payload: bytes, name: str) -> tuple[str, dict[str, str]]:
    """Name and files of a statement. It is the key's own, so that any fault in it is its signer's."""
    try:
        document: Any = json.loads(payload)
        (subject,) = document["subject"]
        predicate = document["predicate"]
        how = predicate["serialization"]
        if (document["_type"], document["predicateType"]) != (_STATEMENT, _PREDICATE):
            raise ValueError("another statement")
        if (how["method"], how["hash_type"], how["allow_symlinks"]) != ("files", "sha256", False):
            raise ValueError("another serialization")
        files = {str(one["name"]): str(one["digest"]) for one in predicate["resources"]}
        if len(files) != len(predicate["resources"]):
            raise ValueError("a file twice")
        return str(subject["name"]), files
    except (ValueError, KeyError, TypeError, RecursionError):
        raise IntegrityError(
            f"{FILE} of model {name} is signed, but says nothing of a model's files"
        ) from None


def _pae(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding."""
    return f"DSSEv1 {len(_PAYLOAD)} {_PAYLOAD} {len(payload)} ".encode() + payload


def _hash(curve: str) -> "HashAlgorithm":
    from cryptography.hazmat.primitives import hashes

    found: HashAlgorithm = getattr(hashes, _CURVES[curve])()
    return found


def _hint(key: "ec.EllipticCurvePublicKey") -> str:
    from cryptography.hazmat.primitives import serialization

    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(pem).hexdigest()
