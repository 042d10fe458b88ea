"""Pictures in zip and tar archives, and archives that are made to do harm. Pictures are seeded noise."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.video.test_pictures import arrays, noise, save
from workbench.errors import VideoError
from workbench.video import archive
from workbench.video.source import open_source


def png(seed: int, folder: Path) -> bytes:
    """A picture file of seeded noise."""
    return save(folder / "one.png", noise(seed)).read_bytes()


def tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as out:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            out.addfile(member, io.BytesIO(data))
    return path


def zipped(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as out:
        for name, data in files.items():
            out.writestr(name, data)
    return path


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"])
def test_pictures_of_an_archive(tmp_path, suffix):
    """Written in another order than that of their names; what systems leave is passed over, folders are part of the name."""
    files = {f"shot/f{number}.png": png(number, tmp_path) for number in (10, 1, 2)}
    files |= {"__MACOSX/shot/._f1.png": b"system", "shot/notes.md": b"mine"}
    kind = {"tgz": "gz"}.get(suffix, suffix.rpartition(".")[2])
    path = tmp_path / f"a.{suffix}"
    path = zipped(path, files) if suffix == "zip" else tar(path, files, "w" if suffix == "tar" else f"w:{kind}")
    with open_source(path) as source:
        assert source.names == ["shot/f1.png", "shot/f2.png", "shot/f10.png"]
        assert [source.original(position) for position in (2, 0)] == [files["shot/f10.png"], files["shot/f1.png"]]
        notes = "; ".join(source.info().notes)
    assert "shot/notes.md" in notes and f"passed over in a.{suffix}, as systems leave them: __MACOSX/shot/._f1.png" in notes
    assert all(np.array_equal(frame, noise(number)) for frame, number in zip(arrays(path), (1, 2, 10), strict=True))


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz"])
def test_names_that_lead_out_of_the_archive(tmp_path, suffix, monkeypatch):
    """They are read like any other, under a name that leads nowhere, and nothing at all is written."""
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    files = {
        name: png(number, tmp_path) for number, name in enumerate(("../../evil.png", "/tmp/evil2.png", "C:\\..\\evil3.png"))
    }
    (tmp_path / "one.png").unlink()
    path = inside / f"a.{suffix}"
    _ = zipped(path, files) if suffix == "zip" else tar(path, files, "w:gz" if suffix.endswith("gz") else "w")
    monkeypatch.chdir(inside)
    with open_source(path) as source:
        assert sorted(source.names) == ["C:/evil3.png", "evil.png", "tmp/evil2.png"]
        assert sum(1 for _ in source.frames()) == 3
    assert [found for found in tmp_path.rglob("*") if found.is_file()] == [path]
    assert not Path("/tmp/evil2.png").exists()


def test_links_and_devices_are_passed_over(tmp_path):
    secret = tmp_path / "secret.png"
    save(secret, noise(9))
    with tarfile.open(tmp_path / "a.tar", "w") as out:
        for name, kind in (("link.png", tarfile.SYMTYPE), ("hard.png", tarfile.LNKTYPE), ("pipe.png", tarfile.FIFOTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, str(secret)
            out.addfile(member)
    with pytest.raises(VideoError, match="no files in it"):
        open_source(tmp_path / "a.tar")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as out:
        member = zipfile.ZipInfo("link.png")
        member.create_system, member.external_attr = 3, 0o120777 << 16
        out.writestr(member, str(secret))
        out.writestr("a.png", png(1, tmp_path))
    with open_source(tmp_path / "a.zip") as source:
        assert source.names == ["a.png"]
        assert "passed over in a.zip, links and devices: link.png" in source.info().notes


def test_bombs(tmp_path, monkeypatch):
    """Zeros shrink to a thousandth. What they unpack to is bounded by the size of the archive, and every member by itself."""
    monkeypatch.setattr(archive, "ARCHIVE_SPARE_BYTES", 1000)
    zeros = bytes(2_000_000)
    for path in (zipped(tmp_path / "a.zip", {"0.png": zeros}), tar(tmp_path / "a.tar.gz", {"0.png": zeros}, "w:gz")):
        with pytest.raises(VideoError, match=r"unpacks to more than [0-9,]+ bytes, 200 times its size"):
            open_source(path)
    monkeypatch.setattr(archive, "ARCHIVE_SPARE_BYTES", 10**9)
    monkeypatch.setattr(archive, "MEMBER_BYTES", 1_000_000)
    files = {"0.png": zeros, "1.png": png(1, tmp_path)}
    for path in (zipped(tmp_path / "b.zip", files), tar(tmp_path / "b.tar.gz", files, "w:gz")):
        with open_source(path) as source:
            assert source.names == ["1.png"] and "more than 1,000,000 bytes: 0.png" in source.info().notes[0]


def test_a_sparse_member_claims_what_it_does_not_hold(tmp_path):
    hollow = tmp_path / "hollow.png"
    with hollow.open("wb") as file:
        file.truncate(50_000_000)
    assert os.system(f"cd {tmp_path} && tar --sparse -cf a.tar hollow.png") == 0
    with pytest.raises(VideoError, match="no files in it"):
        open_source(tmp_path / "a.tar")


def test_damaged_and_locked_archives(tmp_path):
    files = {f"{number}.png": png(number, tmp_path) for number in range(3)}
    path = zipped(tmp_path / "a.zip", files)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(VideoError, match=r"a\.zip is damaged"):
        open_source(path)
    flagged = bytearray(data)
    flagged[flagged.index(b"PK\x01\x02") + 8] |= 1  # the directory says that the first member is encrypted
    path.write_bytes(bytes(flagged))
    with pytest.raises(VideoError, match="is encrypted: unpack it"):
        open_source(path)
    path = tar(tmp_path / "a.tar.gz", files, "w:gz")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(VideoError, match=r"a\.tar\.gz is damaged"):
        open_source(path)
    with pytest.raises(VideoError, match="no files in it"):
        open_source(zipped(tmp_path / "empty.zip", {}))
    with pytest.raises(VideoError, match=r"no picture that can be read; 1 file was left out.*a\.md"):
        open_source(zipped(tmp_path / "text.zip", {"a.md": b"mine"}))


def test_one_damaged_member(tmp_path):
    """A member whose checksum is wrong is left out and named; the others stay."""
    files = {f"{number}.png": png(number, tmp_path) for number in range(3)}
    path = zipped(tmp_path / "a.zip", files, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[data.index(files["1.png"]) + 500] ^= 255
    path.write_bytes(bytes(data))
    with open_source(path) as source:
        assert source.names == ["0.png", "2.png"]
        assert "1 file was left out, no pictures that can be read: 1.png" in source.info().notes
