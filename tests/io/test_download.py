"""Downloads from a server of the standard library on this machine."""

from __future__ import annotations

import hashlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hetero_mmer.errors import InputError
from hetero_mmer.io.download import download

CONTENT = bytes(range(256)) * 4000  # about 1 MB: several chunks
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves ``CONTENT``; the attributes say how badly."""

    ranges = True  # whether a part can be asked for
    wrong_range = False
    length = True  # whether it says how much comes
    cut: int | None = None  # bytes after which each answer ends
    silent = False
    status = 200

    def __init__(self):
        self.content = CONTENT
        self.asked = []
        self.stop = threading.Event()
        super().__init__(('127.0.0.1', 0), Handler)

    def handle_error(self, request, client_address):
        pass  # Clients that go away are what is tested here.

    @property
    def url(self):
        return f'http://127.0.0.1:{self.server_address[1]}/file.bin'


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, content = self.server, self.server.content
        asked = self.headers.get('Range')
        server.asked.append(asked)
        if server.silent:
            server.stop.wait(5)
            return
        if server.status != 200:
            self.send_error(server.status)
            return
        start = int(asked.removeprefix('bytes=').rstrip('-')) if asked else 0
        if asked and server.ranges and start >= len(content):
            self.send_response(416)
            self.send_header('Content-Range', f'bytes */{len(content)}')
            self.end_headers()
            return
        if asked and server.ranges:
            shown = start + 7 if server.wrong_range else start
            end = len(content) - 1
            self.send_response(206)
            self.send_header('Content-Range', f'bytes {shown}-{end}/{len(content)}')
            content = content[start:]
        else:
            self.send_response(200)
        if server.length:
            self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        self.wfile.write(content[: server.cut])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv('no_proxy', '*')
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.stop.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'folder' / 'file.bin'


def names(path):
    return sorted(p.name for p in path.parent.glob('*'))


@pytest.mark.parametrize('size', [None, len(CONTENT)])
@pytest.mark.parametrize('length', [True, False])
def test_a_file_comes_whole(server, path, size, length):
    server.length = length
    assert download(server.url, path, sha256=SHA256, size=size) == path
    assert path.read_bytes() == CONTENT
    assert names(path) == ['file.bin']


def test_what_is_there_is_left_alone(server, path):
    download(server.url, path, sha256=SHA256)
    download(server.url, path, sha256=SHA256)
    assert len(server.asked) == 1


def test_another_file_of_the_name_is_replaced(server, path):
    path.parent.mkdir()
    path.write_bytes(b'older')
    download(server.url, path, sha256=SHA256)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize('size', [None, len(CONTENT)])
def test_answers_that_break_off_are_gone_on_with(server, path, size):
    server.cut = 300_000
    download(server.url, path, sha256=SHA256, size=size)
    assert path.read_bytes() == CONTENT
    starts = [None, 'bytes=300000-', 'bytes=600000-', 'bytes=900000-']
    assert server.asked == starts


def test_a_later_call_goes_on(server, path):
    server.cut = 10
    with pytest.raises(InputError, match=r'broke off 5 times.*the 50 bytes') as error:
        download(server.url, path, sha256=SHA256)
    assert str(error.value).count('\n') == 0
    assert names(path) == ['file.bin.part']
    server.cut = None
    download(server.url, path, sha256=SHA256)
    assert server.asked[-1] == 'bytes=50-'
    assert path.read_bytes() == CONTENT


def test_without_ranges_it_starts_again(server, path):
    server.ranges = False
    path.parent.mkdir()
    path.with_name('file.bin.part').write_bytes(b'something else')
    download(server.url, path, sha256=SHA256)
    assert server.asked == ['bytes=14-']
    assert path.read_bytes() == CONTENT


def test_another_range_than_asked_for_starts_again(server, path):
    server.wrong_range = True
    path.parent.mkdir()
    path.with_name('file.bin.part').write_bytes(CONTENT[:100])
    download(server.url, path, sha256=SHA256)
    assert server.asked == ['bytes=100-', None]
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize('size', [None, len(CONTENT)])
def test_a_part_that_is_whole(server, path, size):
    path.parent.mkdir()
    path.with_name('file.bin.part').write_bytes(CONTENT)
    download(server.url, path, sha256=SHA256, size=size)
    assert path.read_bytes() == CONTENT
    assert names(path) == ['file.bin']


@pytest.mark.parametrize('size', [None, len(CONTENT)])
def test_a_part_that_is_too_long(server, path, size):
    path.parent.mkdir()
    path.with_name('file.bin.part').write_bytes(CONTENT + b'more')
    download(server.url, path, sha256=SHA256, size=size)
    assert path.read_bytes() == CONTENT


def test_a_part_of_another_file_is_deleted(server, path):
    path.parent.mkdir()
    path.with_name('file.bin.part').write_bytes(b'x' * 100)
    with pytest.raises(InputError, match='its SHA-256 is'):
        download(server.url, path, sha256=SHA256)
    assert names(path) == []
    download(server.url, path, sha256=SHA256)


def test_another_content(server, path):
    server.content = CONTENT[::-1]
    other = hashlib.sha256(CONTENT[::-1]).hexdigest()
    with pytest.raises(InputError, match=f'{other}, not {SHA256}'):
        download(server.url, path, sha256=SHA256)
    assert names(path) == []


def test_another_size(server, path):
    with pytest.raises(InputError, match='it has 1024000 bytes, not 5'):
        download(server.url, path, sha256=SHA256, size=5)
    assert names(path) == []


def test_more_than_it_should_be(server, path):
    server.length = False
    with pytest.raises(InputError, match='more than 5 bytes'):
        download(server.url, path, sha256=SHA256, size=5)
    assert names(path) == []


@pytest.mark.parametrize('status', [403, 404, 500])
def test_refusals_of_the_server(server, path, status):
    server.status = status
    with pytest.raises(InputError, match=f'the server answers {status}') as error:
        download(server.url, path, sha256=SHA256)
    assert '\n' not in str(error.value)
    assert not path.exists()


def test_a_silent_server(server, path):
    server.silent = True
    with pytest.raises(InputError, match=r'cannot download .*timed out'):
        download(server.url, path, sha256=SHA256, timeout=0.1)


def test_no_server(path, monkeypatch):
    monkeypatch.setenv('no_proxy', '*')
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))  # Bound, but nobody listens.
        url = f'http://127.0.0.1:{taken.getsockname()[1]}/file.bin'
        with pytest.raises(InputError, match=r'cannot download .*refused'):
            download(url, path, sha256=SHA256)


@pytest.mark.parametrize('url', ['file:///etc/hostname', 'ftp://a/b', 'a.csv', ''])
def test_only_http(path, url):
    with pytest.raises(InputError, match='from http or https'):
        download(url, path, sha256=SHA256)
    assert not path.parent.exists()


def test_a_full_disk_is_no_broken_connection(server, tmp_path):
    folder = tmp_path / 'file.bin.part'
    folder.mkdir()  # Nothing can be written there.
    with pytest.raises(OSError, match=r'file.bin.part'):
        download(server.url, tmp_path / 'file.bin', sha256=SHA256)
    assert len(server.asked) == 1
