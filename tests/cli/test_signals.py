from __future__ import annotations

import signal
import subprocess
import sys

import pytest

#: Waits inside, and tells what comes out.
WAIT = """
import signal, sys, time
from hetero_mmer.cli.signals import stoppable
from hetero_mmer.errors import Stopped
signal.signal(signal.SIGHUP, signal.{hang_up})  # Tests may run under nohup.
try:
    with stoppable():
        try:
            print('ready', flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            print('tidies up', flush=True)
            time.sleep({hangs})
            raise
except KeyboardInterrupt as stop:
    print(f'{{type(stop).__name__}}: {{stop}}', flush=True)
    sys.exit(getattr(stop, 'status', 130))
"""


def start(hangs=0, hang_up='SIG_DFL'):
    words = [sys.executable, '-c', WAIT.format(hangs=hangs, hang_up=hang_up)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == 'ready\n'
    return process


@pytest.mark.parametrize(
    ('number', 'status', 'told'),
    [
        (signal.SIGINT, 130, 'KeyboardInterrupt: '),
        (signal.SIGTERM, 143, 'Stopped: stopped by SIGTERM'),
        (signal.SIGHUP, 129, 'Stopped: stopped by SIGHUP'),
    ],
)
def test_a_signal_comes_out_as_an_exception(number, status, told):
    process = start()
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert out == f'tidies up\n{told}\n'
    assert process.returncode == status


def test_two_presses_are_one():
    process = start(hangs=0.3)
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == 'tidies up\n'
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert out == 'KeyboardInterrupt: \n'
    assert process.returncode == 130


@pytest.mark.parametrize('second', [signal.SIGINT, signal.SIGTERM])
def test_what_hangs_is_ended_by_another_one(second):
    process = start(hangs=60)
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == 'tidies up\n'
    for _ in range(100):
        process.send_signal(second)
        try:
            process.wait(timeout=0.2)
            break
        except subprocess.TimeoutExpired:
            continue
    assert process.returncode == 128 + second
    assert process.stdout.read() == ''


def test_what_is_ignored_stays_ignored():
    process = start(hang_up='SIG_IGN')
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 143
    assert 'SIGTERM' in process.stdout.read()
