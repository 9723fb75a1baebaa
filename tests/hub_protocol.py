"""The HTTP side of the loopback Hub: one method an endpoint, in the order in which a client meets them."""

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml
from hub_state import TOKENS, Commit, Fault, File, Repo, is_large

if TYPE_CHECKING:
    from hub_server import Hub


class Refused(Exception):
    def __init__(
        self, status: int, message: str, code: str | None = None, headers: Mapping[str, str] | None = None, **body: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {}), **(headers or {})}
        self.body = {"error": message, **body}


Answer = Callable[[], None]
"""What writes the answer, once the lock on the state is given back."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def hub(self) -> "Hub":
        return self.server.hub  # type: ignore[attr-defined, no-any-return]

    def log_message(self, *_: object) -> None:
        pass

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        if self.headers.get("Transfer-Encoding") == "chunked":
            self.body = b"".join(self._chunks())
        url = urlsplit(self.path)
        self.query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        request = f"{self.command} {unquote(url.path)}"
        with self.hub.lock:
            self.hub.requests.append(request)
            self.fault = next((f for f in self.hub.faults if f.times > 0 and re.search(f.pattern, request)), None)
            if self.fault is not None:
                self.fault.times -= 1
        try:
            if self.fault is not None:
                self._suffer(self.fault)
            with self.hub.lock:
                answer = self._route(self.command, url.path)
            answer()
        except Refused as refusal:
            self._json(refusal.body, refusal.status, **refusal.headers)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = _handle

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _suffer(self, fault: Fault) -> None:
        if fault.hang:
            self.hub.closing.wait()
            raise ConnectionResetError
        time.sleep(fault.delay)
        if fault.meanwhile is not None:
            fault.meanwhile()
        if fault.status is not None:
            raise Refused(fault.status, HTTPStatus(fault.status).phrase, headers=fault.headers)

    # ---- answers ---------------------------------------------------------------------------------------------

    def _json(self, value: Any, status: int = 200, **headers: str) -> None:
        self._bytes(json.dumps(value).encode(), status, **{"Content-Type": "application/json", **headers})

    def _bytes(self, content: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        cut = self.fault.cut if self.fault is not None else None
        self.wfile.write(content[:cut])
        if cut is not None:
            self.wfile.flush()
            raise BrokenPipeError

    def _content(self, content: bytes, **headers: str) -> None:
        """A file's content, or the range asked for."""
        if self.fault is not None and self.fault.tamper:
            content = content[:-1] + bytes([content[-1] ^ 1])
        headers["Accept-Ranges"] = "bytes"
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not wanted:
            return self._bytes(content, **headers)
        first, last = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        return self._bytes(content[first : last + 1], 206, **headers)

    # ---- who may do what -------------------------------------------------------------------------------------

    def _user(self) -> tuple[str | None, bool]:
        header = self.headers.get("Authorization")
        if header is None:
            return None, False
        user = TOKENS.get(header.removeprefix("Bearer "))
        if user is None:
            raise Refused(401, "Invalid credentials in Authorization header")
        return user

    def _repo(self, name: str, *, write: bool = False) -> Repo:
        user, may_write = self._user()
        repo = self.hub.repos.get(name)
        owner = name.removeprefix("datasets/").split("/")[0]
        if repo is None or (repo.private and user != owner):
            if user is None:
                raise Refused(401, "Invalid username or password.", "RepoNotFound")
            raise Refused(404, "Repository not found", "RepoNotFound")
        if write and user is None:
            raise Refused(401, "Invalid username or password.")
        if write and not (may_write and user == owner):
            raise Refused(403, "You don't have the rights to write to this repository")
        return repo

    def _at(self, repo: Repo, revision: str) -> Commit:
        commit = repo.at(unquote(revision))
        if commit is None:
            raise Refused(404, f"Invalid rev id: {unquote(revision)}", "RevisionNotFound")
        return commit

    # ---- routes ----------------------------------------------------------------------------------------------

    def _route(self, method: str, path: str) -> Answer:
        """Does what the request asks, and returns the function that writes the answer (outside the lock)."""
        kind = r"(models|datasets)"
        name = r"([^/]+/[^/]+?)"
        routes = [
            ("GET", "/api/whoami-v2", self._whoami),
            ("POST", "/api/validate-yaml", self._validate_yaml),
            ("POST", "/api/repos/create", self._create),
            ("GET", rf"/api/{kind}/{name}(?:/revision/([^/]+))?", self._info),
            ("GET", rf"/api/{kind}/{name}/refs", self._refs),
            ("GET", rf"/api/{kind}/{name}/tree/([^/]+)(?:/(.+))?", self._tree),
            ("POST", rf"/api/{kind}/{name}/paths-info/([^/]+)", self._paths_info),
            ("POST", rf"/api/{kind}/{name}/preupload/([^/]+)", self._preupload),
            ("POST", rf"/api/{kind}/{name}/commit/([^/]+)", self._commit),
            ("POST", rf"/api/{kind}/{name}/tag/([^/]+)", self._tag),
            ("PUT", rf"/api/{kind}/{name}/settings", self._settings),
            ("POST", r"/(?:datasets/)?.+\.git/info/lfs/objects/batch", self._lfs_batch),
            ("PUT", r"/lfs/([0-9a-f]{64})", self._lfs_upload),
            ("POST", r"/lfs/([0-9a-f]{64})/verify", self._lfs_verify),
            ("GET", r"/lfs/([0-9a-f]{64})", self._lfs_download),
            ("GET", rf"/(datasets/)?{name}/resolve/([^/]+)/(.+)", self._resolve),
        ]
        for verb, pattern, action in routes:
            found = re.fullmatch(pattern, path)
            if found and method in (verb, "HEAD" if verb == "GET" else verb):
                return action(*found.groups())
        raise Refused(404, f"no such endpoint: {method} {path}")

    def _whoami(self) -> Answer:
        user, may_write = self._user()
        if user is None:
            raise Refused(401, "Invalid username or password.")
        role = "write" if may_write else "read"
        return lambda: self._json(
            {"type": "user", "name": user, "orgs": [], "auth": {"accessToken": {"role": role, "displayName": "test"}}}
        )

    def _validate_yaml(self) -> Answer:
        content = json.loads(self.body)["content"]
        front = re.match(r"---\s*\n(.*?)\n---\s*\n", content, re.DOTALL)
        errors, warnings = [], []
        if front is None:
            warnings.append({"message": "empty or missing yaml metadata in repo card"})
        else:
            try:
                data = yaml.safe_load(front[1])
                if not isinstance(data, dict):
                    errors.append({"message": "metadata is not a mapping"})
                elif not isinstance(data.get("pipeline_tag", ""), str):
                    errors.append({"message": '"pipeline_tag" must be a string'})
            except yaml.YAMLError as error:
                errors.append({"message": str(error)})
        return lambda: self._json({"errors": errors, "warnings": warnings}, 400 if errors else 200)

    def _create(self) -> Answer:
        user, may_write = self._user()
        asked = json.loads(self.body)
        prefix = "datasets/" if asked.get("type") == "dataset" else ""
        owner = asked.get("organization") or user
        name = f"{prefix}{owner}/{asked['name']}"
        if user is None:
            raise Refused(401, "Invalid username or password.")
        if not may_write or owner != user:
            raise Refused(403, f"You don't have the rights to create a repository under the namespace {owner!r}")
        url = f"{self.hub.url}/{name}"
        if name in self.hub.repos:
            raise Refused(409, "You already created this model repo", url=url)
        self.hub.create(name, private=asked.get("visibility") == "private")
        return lambda: self._json({"url": url, "name": name, "id": name})

    def _named(self, kind: str, name: str) -> str:
        return name if kind == "models" else f"datasets/{name}"

    def _info(self, kind: str, name: str, revision: str | None) -> Answer:
        repo = self._repo(self._named(kind, name))
        commit = self._at(repo, revision or "main")

        def sibling(path: str, file: File) -> dict[str, Any]:
            if "blobs" not in self.query:
                return {"rfilename": path}
            lfs = {"lfs": {"sha256": file.sha256, "size": len(file.content), "pointerSize": 134}} if file.large else {}
            return {"rfilename": path, "size": len(file.content), "blobId": file.blob, **lfs}

        return lambda: self._json(
            {
                "id": name,
                "sha": commit.oid,
                "private": repo.private,
                "gated": "auto" if repo.gated else False,
                "disabled": False,
                "downloads": 0,
                "likes": 0,
                "tags": [],
                "siblings": [sibling(path, file) for path, file in sorted(commit.files.items())],
            }
        )

    def _refs(self, kind: str, name: str) -> Answer:
        repo = self._repo(self._named(kind, name))

        def listed(refs: dict[str, str], folder: str) -> list[dict[str, str]]:
            return [{"name": n, "ref": f"refs/{folder}/{n}", "targetCommit": oid} for n, oid in refs.items()]

        branches = {n: oid for n, oid in repo.branches.items() if not n.startswith("refs/")}
        pulls = {n.removeprefix("refs/pr/"): oid for n, oid in repo.branches.items() if n.startswith("refs/")}
        return lambda: self._json(
            {
                "branches": listed(branches, "heads"),
                "tags": listed(repo.tags, "tags"),
                "converts": [],
                "pullRequests": listed(pulls, "pr"),
            }
        )

    def _entry(self, path: str, file: File) -> dict[str, Any]:
        lfs = {"lfs": {"oid": file.sha256, "size": len(file.content), "pointerSize": 134}} if file.large else {}
        return {"type": "file", "path": path, "oid": file.blob, "size": len(file.content), **lfs}

    def _tree(self, kind: str, name: str, revision: str, folder: str | None) -> Answer:
        commit = self._at(self._repo(self._named(kind, name)), revision)
        prefix = f"{unquote(folder)}/" if folder else ""
        recursive = self.query.get("recursive", "false").lower() in ("true", "1")
        entries: dict[str, dict[str, Any]] = {}
        for path, file in sorted(commit.files.items()):
            if not path.startswith(prefix):
                continue
            parts = path[len(prefix) :].split("/")
            for depth in range(1, len(parts)) if recursive else range(1, min(2, len(parts))):
                parent = prefix + "/".join(parts[:depth])
                entries.setdefault(parent, {"type": "directory", "path": parent, "oid": "0" * 40, "size": 0})
            if recursive or len(parts) == 1:
                entries[path] = self._entry(path, file)
        if prefix and not entries:
            raise Refused(404, f"{prefix} does not exist", "EntryNotFound")
        return lambda: self._json(list(entries.values()))

    def _paths_info(self, kind: str, name: str, revision: str) -> Answer:
        commit = self._at(self._repo(self._named(kind, name)), revision)
        if "json" in (self.headers.get("Content-Type") or ""):
            paths = json.loads(self.body)["paths"]
        else:
            paths = parse_qs(self.body.decode()).get("paths", [])
        found = [self._entry(path, commit.files[path]) for path in paths if path in commit.files]
        folders = [p for p in paths if any(path.startswith(f"{p}/") for path in commit.files)]
        found += [{"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in folders]
        return lambda: self._json(found)

    def _preupload(self, kind: str, name: str, revision: str) -> Answer:
        opening = self.query.get("create_pr") == "1"
        commit = self._at(self._repo(self._named(kind, name), write=not opening), revision)
        files = []
        for asked in json.loads(self.body)["files"]:
            old = commit.files.get(asked["path"])
            mode = "lfs" if is_large(asked["path"], asked["size"]) else "regular"
            known = {"oid": old.oid} if old else {}
            files.append({"path": asked["path"], "uploadMode": mode, "shouldIgnore": False, **known})
        return lambda: self._json({"files": files})

    def _commit(self, kind: str, name: str, revision: str) -> Answer:
        opening = self.query.get("create_pr") == "1"
        full = self._named(kind, name)
        repo = self._repo(full, write=not opening)
        branch = unquote(revision)
        head = self._at(repo, branch)
        files = dict(head.files)
        summary = ""
        for line in self.body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header":
                summary = value["summary"]
                if value.get("parentCommit") not in (None, head.oid):
                    raise Refused(412, "A commit has happened since. Please refresh and try again.")
            elif item["key"] == "file":
                files[value["path"]] = File(base64.b64decode(value["content"]), False)
            elif item["key"] == "lfsFile":
                if value["oid"] not in self.hub.objects:
                    raise Refused(400, f"LFS object {value['oid']} was not uploaded")
                files[value["path"]] = File(self.hub.objects[value["oid"]], True)
            elif item["key"] == "deletedFile" and files.pop(value["path"], None) is None:
                raise Refused(404, "A file with this name doesn't exist", "EntryNotFound")
        answer = {"success": True}
        if opening:
            number = 1 + sum(ref.startswith("refs/pr/") for ref in repo.branches)
            branch = f"refs/pr/{number}"
            repo.branches[branch] = head.oid
            answer["pullRequestUrl"] = f"{self.hub.url}/{full}/discussions/{number}"
        oid = repo.add(branch, files, summary)
        return lambda: self._json({**answer, "commitOid": oid, "commitUrl": f"{self.hub.url}/{full}/commit/{oid}"})

    def _tag(self, kind: str, name: str, revision: str) -> Answer:
        repo = self._repo(self._named(kind, name), write=True)
        tag = json.loads(self.body)["tag"]
        commit = self._at(repo, revision)
        if tag in repo.tags:
            raise Refused(409, f"Tag {tag} already exists")
        repo.tags[tag] = commit.oid
        return lambda: self._json({})

    def _settings(self, kind: str, name: str) -> Answer:
        repo = self._repo(self._named(kind, name), write=True)
        repo.private = json.loads(self.body).get("visibility") == "private"
        return lambda: self._json({"private": repo.private})

    def _lfs_batch(self) -> Answer:
        self._user()
        objects = []
        for wanted in json.loads(self.body)["objects"]:
            href = f"{self.hub.file_host}/lfs/{wanted['oid']}"
            actions = {"upload": {"href": href}, "verify": {"href": f"{self.hub.url}/lfs/{wanted['oid']}/verify"}}
            stored = wanted["oid"] in self.hub.objects
            objects.append({**wanted, "authenticated": True} | ({} if stored else {"actions": actions}))
        return lambda: self._json({"transfer": "basic", "objects": objects})

    def _file_host(self) -> None:
        if self.headers.get("Authorization"):
            self.hub.leaks.append(f"{self.command} {self.path}")

    def _lfs_upload(self, oid: str) -> Answer:
        self._file_host()
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise Refused(400, "the content does not have this SHA-256")
        self.hub.objects[oid] = self.body
        return lambda: self._bytes(b"", ETag=f'"{oid}"')

    def _lfs_verify(self, oid: str) -> Answer:
        if len(self.hub.objects.get(oid, b"")) != json.loads(self.body)["size"]:
            raise Refused(404, "not uploaded")
        return lambda: self._json({})

    def _lfs_download(self, oid: str) -> Answer:
        self._file_host()
        content = self.hub.objects.get(oid)
        if content is None:
            raise Refused(404, "no such object")
        return lambda: self._content(content, ETag=f'"{oid}"')

    def _resolve(self, datasets: str | None, name: str, revision: str, path: str) -> Answer:
        full = f"{datasets or ''}{name}"
        repo = self._repo(full)
        user, _ = self._user()
        if repo.gated and user != name.split("/")[0]:
            raise Refused(401 if user is None else 403, f"Access to model {name} is restricted.", "GatedRepo")
        commit = self._at(repo, revision)
        path = unquote(path)
        file = commit.files.get(path)
        headers = {"X-Repo-Commit": commit.oid}
        if file is None:
            raise Refused(404, "Entry not found", "EntryNotFound", headers)
        headers |= {"ETag": f'"{file.oid}"', "Content-Disposition": f'inline; filename="{path}";'}
        if not file.large:
            return lambda: self._content(file.content, **headers)
        headers |= {"X-Linked-ETag": f'"{file.oid}"', "X-Linked-Size": str(len(file.content))}
        return lambda: self._bytes(b"", 302, **headers, Location=f"{self.hub.file_host}/lfs/{file.oid}")
