"""The SBOM of an image as an SPDX document: every package with version, source and hash, from the lock alone.

The text is the same whenever and wherever it is made: its date is the lock's. It names no host, as the lock names none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from packageurl import PackageURL

from imagefab import __version__
from imagefab.debian.pin import ArchivePin, PackagePin
from imagefab.digest import Digest
from imagefab.lock.model import Lock, SourcePin

SPDX = "application/spdx+json"
_NONE = "NOASSERTION"
_IMAGE = "SPDXRef-image"


def make_sbom(lock: Lock, platform: str, target: str, homes: Mapping[str, Sequence[str]]) -> bytes:
    """Make the document for one host platform's image.

    `homes` has the packages of each layer, by its name in the image's history.
    """
    archives = {archive.name: archive for archive in lock.archives}
    layers = next(one.layers for one in lock.platforms if one.platform == platform)
    installed = _distinct(pin for layer in layers for pin in layer.packages)
    opened = [pin for pin in _distinct(pin for layer in layers for pin in layer.extracts) if pin not in installed]
    sources = [pin for pin in lock.sources if pin.platform in (None, platform)]
    packages = [
        _describe_image(lock, platform, target),
        *(_describe_package(pin, archives[pin.archive]) | _describe_home(pin, homes) for pin in installed),
        *(
            _describe_package(pin, archives[pin.archive])
            | {"comment": "files of it are in the image, or were built from; it is not installed"}
            for pin in opened
        ),
        *(_describe_source(pin) for pin in sources),
    ]
    contained = len(installed) + 1
    relationships = [
        _relate("SPDXRef-DOCUMENT", "DESCRIBES", _IMAGE),
        *(_relate(_IMAGE, "CONTAINS", one["SPDXID"]) for one in packages[1:contained]),
        *(_relate(_IMAGE, "GENERATED_FROM", one["SPDXID"]) for one in packages[contained:]),
    ]
    value = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{lock.recipe} ({platform})",
        "creationInfo": {"created": format_epoch(lock.epoch), "creators": [f"Tool: imagefab-{__version__}"]},
        "packages": packages,
        "relationships": relationships,
    }
    # Different documents must not share a namespace.
    identity = Digest.of_json(value)
    namespace = f"https://spdx.org/spdxdocs/imagefab-{lock.recipe}-{platform.replace('/', '-')}-{identity.hex}"
    return (json.dumps(value | {"documentNamespace": namespace}, indent=1, ensure_ascii=False) + "\n").encode()


def format_epoch(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def package_url(pin: PackagePin, archive: ArchivePin) -> str:
    """The package URL of a Debian package, which vulnerability scanners look up."""
    where = {"arch": pin.architecture, "distro": archive.suite.partition("-")[0]}
    return PackageURL("deb", "debian", pin.name, pin.version, qualifiers=where).to_string()


def wheel_url(wheel: str) -> str:
    project, _, version = wheel.partition("==")
    return PackageURL("pypi", None, project, version).to_string()


def _describe_image(lock: Lock, platform: str, target: str) -> dict[str, Any]:
    return {
        "SPDXID": _IMAGE,
        "name": lock.recipe,
        "versionInfo": format_epoch(lock.epoch),
        "summary": f"a build image for {target}, for {platform}",
        "downloadLocation": _NONE,
        "filesAnalyzed": False,
        "primaryPackagePurpose": "CONTAINER",
        "licenseConcluded": _NONE,
        "licenseDeclared": _NONE,
        "copyrightText": _NONE,
    }


def _describe_package(pin: PackagePin, archive: ArchivePin) -> dict[str, Any]:
    # Archives file packages under their source package, as in pool/main/g/gcc-14/….
    source = pin.path.split("/")[-2]
    return {
        "SPDXID": f"SPDXRef-deb-{_identify(pin.name)}-{_identify(pin.architecture)}-{pin.sha256.short}",
        "name": pin.name,
        "versionInfo": pin.version,
        "supplier": "Organization: Debian",
        "downloadLocation": _NONE,
        "packageFileName": pin.file_name,
        "filesAnalyzed": False,
        "sourceInfo": f"built from the source package {source}; {archive.archive} {archive.suite}, {pin.path}",
        "checksums": [{"algorithm": "SHA256", "checksumValue": pin.sha256.hex}],
        "externalRefs": [_refer(package_url(pin, archive))],
        "licenseConcluded": _NONE,
        "licenseDeclared": _NONE,
        "copyrightText": _NONE,
    }


def _describe_home(pin: PackagePin, homes: Mapping[str, Sequence[str]]) -> dict[str, str]:
    package = f"{pin.name}:{pin.architecture}"
    home = next((name for name, packages in homes.items() if package in packages), None)
    return {} if home is None else {"comment": f"in the layer `{home}`"}


def _describe_source(pin: SourcePin) -> dict[str, Any]:
    value: dict[str, Any] = {
        "SPDXID": f"SPDXRef-source-{_identify(pin.name)}-{pin.sha256.short}",
        "name": pin.wheel.partition("==")[0] if pin.wheel else pin.name,
        "downloadLocation": _NONE,
        "filesAnalyzed": False,
        "checksums": [{"algorithm": "SHA256", "checksumValue": pin.sha256.hex}],
        "licenseConcluded": _NONE,
        "licenseDeclared": _NONE,
        "copyrightText": _NONE,
    }
    if pin.wheel:
        value |= {"versionInfo": pin.wheel.partition("==")[2], "externalRefs": [_refer(wheel_url(pin.wheel))]}
    return value


def _refer(url: str) -> dict[str, str]:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": url}


def _relate(one: str, how: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": how, "relatedSpdxElement": other}


def _identify(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "-", text)


def _distinct(pins: Iterable[PackagePin]) -> list[PackagePin]:
    found = {pin.sha256: pin for pin in pins}
    return sorted(found.values(), key=lambda pin: (pin.name, pin.architecture, pin.version))
