"""Signatures of models: one that OpenSSF's own tool made, and every way of spoiling one of ours."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from mlcycle.domain.model_signature import FILE, new_key, public_keys, public_line, signer, statement, verify
from mlcycle.errors import ConfigError, IntegrityError

#: A folder signed by ``python -m model_signing sign key`` of model-signing 1.1.1, named ``m`` then.
THEIRS = Path(__file__).parent / "openssf"
KEY, OTHER = new_key(), new_key()
FILES = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("MLmodel", "data/model/model.json")}
BUNDLE = signer(KEY).sign("m-1", FILES)
HINT = signer(KEY).hint
FLIPPED = "0" * 64


def theirs() -> tuple[bytes, dict[str, str]]:
    files = [path for path in (THEIRS / "signed").rglob("*") if path.is_file()]
    digests = {
        path.relative_to(THEIRS / "signed").as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }
    return (THEIRS / "signed" / FILE).read_bytes(), digests


def trusted(*private: str) -> dict[str, Any]:
    return public_keys(",".join(map(public_line, private)))


def test_what_the_openssf_tool_signed_is_verified_and_signed_alike() -> None:
    bundle, files = theirs()
    keys = public_keys((THEIRS / "key.pub").read_text())
    assert verify(bundle, "m", files, keys) in keys
    payload = json.loads(base64.b64decode(json.loads(bundle)["dsseEnvelope"]["payload"]))
    payload["predicate"]["serialization"]["ignore_paths"] = [FILE]
    assert statement("m", files).decode() == json.dumps(payload, indent=2)
    ours, known = json.loads(BUNDLE), json.loads(bundle)
    assert ours.keys() == known.keys()
    assert ours["dsseEnvelope"].keys() == known["dsseEnvelope"].keys()
    assert ours["verificationMaterial"].keys() == known["verificationMaterial"].keys()


@pytest.mark.parametrize("name", ["MLmodel", "data/model/model.json"])
def test_one_flipped_bit_of_theirs_is_found(name: str) -> None:
    bundle, files = theirs()
    data = bytearray((THEIRS / "signed" / name).read_bytes())
    data[0] ^= 1
    files[name] = hashlib.sha256(data).hexdigest()
    with pytest.raises(IntegrityError, match=f"file '{name}' of model m is not the one that was signed"):
        verify(bundle, "m", files, public_keys((THEIRS / "key.pub").read_text()))


@pytest.mark.parametrize(
    ("name", "files", "says"),
    [
        pytest.param(
            "m-1", {**FILES, "MLmodel": FLIPPED}, "file 'MLmodel' of model m-1 is not the one", id="changed"
        ),
        pytest.param(
            "m-1", {"MLmodel": FILES["MLmodel"]}, "'data/model/model.json' .* missing", id="missing"
        ),
        pytest.param("m-1", {**FILES, "x.py": FLIPPED}, "'x.py' of model m-1 was not signed", id="added"),
        pytest.param("m-2", FILES, "model m-2 is the signature of another model, m-1", id="another model's"),
    ],
)
def test_files_other_than_those_signed_are_named(name: str, files: dict[str, str], says: str) -> None:
    assert verify(BUNDLE, "m-1", {**FILES, FILE: FLIPPED}, trusted(OTHER, KEY)) == HINT
    with pytest.raises(IntegrityError, match=says):
        verify(BUNDLE, name, files, trusted(KEY))


def test_another_key_is_refused_also_under_the_trusted_one_s_name() -> None:
    with pytest.raises(IntegrityError, match=f"not trusted here \\({HINT[:12]}\\)"):
        verify(BUNDLE, "m-1", FILES, trusted(OTHER))
    forged = json.loads(signer(OTHER).sign("m-1", FILES))
    forged["verificationMaterial"]["publicKey"]["hint"] = HINT
    with pytest.raises(IntegrityError, match=r"not its key's: model.sig was changed"):
        verify(json.dumps(forged).encode(), "m-1", FILES, trusted(KEY))


def test_every_bit_of_payload_and_signature_counts() -> None:
    document = json.loads(BUNDLE)
    envelope = document["dsseEnvelope"]
    places = [(envelope, "payload"), (envelope["signatures"][0], "sig")]
    for holder, name in places:
        before = holder[name]
        data = base64.b64decode(before)
        for place in range(0, len(data), 7):
            changed = bytearray(data)
            changed[place] ^= 1 << (place % 8)
            holder[name] = base64.b64encode(changed).decode()
            with pytest.raises(IntegrityError, match="not its key's"):
                verify(json.dumps(document).encode(), "m-1", FILES, trusted(KEY))
        holder[name] = before


@pytest.mark.parametrize(
    "bundle",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b"null", id="null"),
        pytest.param(BUNDLE.replace(b"in-toto+json", b"other"), id="another type"),
        pytest.param(BUNDLE.replace(b'"signatures":[{', b'"signatures":[{},{'), id="two signatures"),
        pytest.param(BUNDLE[:-40], id="truncated"),
    ],
)
def test_what_is_no_signature_is_one_line(bundle: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"^model.sig of model m-1 is no signature of a model$"):
        verify(bundle, "m-1", FILES, trusted(KEY))


def test_keys_are_read_as_pem_and_as_lines() -> None:
    key = signer(OTHER).key.public_key()
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert list(public_keys(f"{pem.decode()}\n{public_line(KEY)}")) == [signer(OTHER).hint, HINT]
    assert public_keys(" ") == {}


def written(key: Any, password: bytes = b"") -> str:
    how: Any = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    made: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
    return made.decode()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("hush", id="no key"),
        pytest.param(written(rsa.generate_private_key(65537, 1024)), id="RSA"),
        pytest.param(written(ec.generate_private_key(ec.SECP256K1())), id="another curve"),
        pytest.param(written(ec.generate_private_key(ec.SECP256R1()), b"word"), id="with a password"),
    ],
)
def test_a_wrong_private_key_is_one_line_that_shows_nothing_of_it(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^MLCYCLE_MODEL_SIGNING_KEY is ") as caught:
        signer(text)
    assert not [line for line in text.splitlines() if line in caught.value.message]


def test_a_wrong_public_key_is_named_by_its_place() -> None:
    with pytest.raises(ConfigError, match="MLCYCLE_MODEL_PUBLIC_KEYS: key 2 is neither PEM nor the base64"):
        public_keys(f"{public_line(KEY)},hush")
