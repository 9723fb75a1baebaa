"""The loopback Hub serves data sets to fsspec as the real one does; what it owes to models, the other tests show."""

from hub_server import Hub


def test_a_data_set_is_read_through_fsspec(hub: Hub) -> None:
    import fsspec

    files = {"real/a.png": b"123", "fake/b.png": bytes(1000), "manifest.csv": b"path,label\n"}
    hub.create("datasets/ann/faces", files, private=True)
    remote = fsspec.filesystem("hf", endpoint=hub.url, skip_instance_cache=True)
    found = {path.removeprefix("datasets/ann/faces/") for path in remote.find("datasets/ann/faces")}
    assert found == {*files, ".gitattributes"}
    assert {name: remote.cat(f"hf://datasets/ann/faces/{name}") for name in files} == files
    with remote.open("datasets/ann/faces/fake/b.png") as file:
        file.seek(990)
        assert file.read() == bytes(10)
    assert hub.leaks == []
