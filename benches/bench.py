"""Times the function beside a boto3 function of the same job and the bare runtime.

Each run is a new process under a Runtime API of this file's own, and before an embedded
AWS over TLS: a front here ends the encryption, counts the calls, and adds latency where
a run asks for it. The three go in turns, so that what else the machine does falls on
all alike. Times are medians; what is compared are ratios of one run of this file.
"""

import argparse
import asyncio
import collections
import io
import itertools
import json
import os
import re
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import botocore
import trustme
import uvloop

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
STORE = "d-1234567890"
GROUP = "1b2c3d4e-2001-7002-8002-00000000b002"
PEOPLE = [f"0a1b2c3d-1001-7001-8001-{number:012x}" for number in range(0xB000, 0xB000 + 60)]
LATENCY = 0.040


class Front:
    """Ends TLS before the embedded AWS, one port for each service."""

    def __init__(self, upstream, context):
        self.upstream, self.context = upstream, context
        self.latency, self.calls = 0.0, []
        # What the embedded AWS has answered to the same request before: its own time,
        # that of a debug build, is no part of what is measured.
        self.known = {}

    async def start(self):
        servers = [await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=self.context) for _ in range(2)]
        return [f"https://localhost:{server.sockets[0].getsockname()[1]}" for server in servers]

    async def serve(self, reader, writer):
        self.calls.append((time.perf_counter(), "connection"))
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        try:
            while head := await message(reader):
                arrived = time.perf_counter()
                target = re.search(rb"(?im)^x-amz-target: *\w+\.(\w+)", head)
                asked = (target[1], head.split(b"\r\n\r\n", 1)[1])
                if not (answer := self.known.get(asked)):
                    up_writer.write(head)
                    answer = self.known[asked] = await message(up_reader)
                if self.latency:
                    await asyncio.sleep(self.latency)
                writer.write(answer)
                self.calls.append((arrived, target[1].decode(), time.perf_counter()))
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()
            up_writer.close()


async def message(reader):
    """One HTTP message, head and body, or nothing at the connection's end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    length = re.search(rb"(?im)^content-length: *(\d+)", head)
    return head + (await reader.readexactly(int(length[1])) if length else b"")


class RuntimeApi:
    """Hands out one event after the other, and notes when."""

    async def start(self):
        self.events, self.answers = asyncio.Queue(), asyncio.Queue()
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        return "{}:{}".format(*server.sockets[0].getsockname())

    async def serve(self, reader, writer):
        while head := await message(reader):
            now = time.perf_counter()
            if head.startswith(b"GET"):
                self.asked = now
                event = await self.events.get()
                deadline = int((time.time() + 180) * 1000)
                self.given = time.perf_counter()
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                    b"lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n"
                    b"lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:111122223333:function:f\r\n"
                    b"lambda-runtime-trace-id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700\r\n"
                    + f"lambda-runtime-deadline-ms: {deadline}\r\ncontent-length: {len(event)}\r\n\r\n".encode()
                    + event
                )
            else:
                writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
                await self.answers.put((now, head))

    async def answer(self, event):
        """How long an event takes from being handed out to its answer."""
        await self.events.put(json.dumps(event).encode())
        answered, answer = await asyncio.wait_for(self.answers.get(), 60)
        assert b"/response " in answer.split(b"\r\n")[0], answer
        return answered


def joined(person, **more):
    """The event of somebody who has joined the group."""
    return {
        "version": "0", "id": f"event-{person}", "source": "aws.identitystore",
        "detail-type": "AWS API Call via CloudTrail", "time": "2026-03-02T10:15:30Z",
        "detail": {
            "eventSource": "identitystore.amazonaws.com", "eventName": "CreateGroupMembership",
            "eventTime": "2026-03-02T10:15:30Z",
            "requestParameters": {"identityStoreId": STORE, "groupId": GROUP, "memberId": {"userId": person}},
            "responseElements": {"membershipId": person}, **more,
        },
    }


IGNORED = joined(PEOPLE[0], errorCode="AccessDenied", errorMessage="no")


class Bench:
    """The embedded AWS, and what the functions find it by."""

    async def start(self, tool, directory):
        self.world = await asyncio.create_subprocess_exec(
            tool, "emulate", "--listen", "127.0.0.1:0", "--directory", directory,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )
        line = (await self.world.stdout.readline()).decode()
        self.port = int(re.search(r":(\d+)\s*$", line)[1])
        authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        # As many certificates as a system trusts, and one more.
        bundle = Path(directory).with_name("bundle.pem")
        trusted = (Path(botocore.__file__).parent / "cacert.pem").read_bytes()
        bundle.write_bytes(trusted + authority.cert_pem.bytes())
        # Ten people in a second are paced; one by one, as they come, they are not.
        table = Path(directory).with_name("policy.toml")
        pace = "\n[pace]\nemr_per_second = 1000\nemr_burst = 1000\nidentity_store_per_second = 1000\n"
        table.write_text((ROOT / "events/policy.toml").read_text() + pace)
        self.front = Front(self.port, context)
        emr, store = await self.front.start()
        self.env = {
            "PATH": os.environ["PATH"], "HOME": "/nonexistent", "LAMBDA_TASK_ROOT": str(ROOT),
            "AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_SESSION_TOKEN": "test",
            "AWS_ENDPOINT_URL_EMR": emr, "AWS_ENDPOINT_URL_IDENTITYSTORE": store,
            "SSL_CERT_FILE": str(bundle), "AWS_CA_BUNDLE": str(bundle),
            "IDENTITY_STORE_ID": STORE, "POLICY_TABLE": str(table), "MODE": "apply",
        }

    async def ask(self, operation, **body):
        """A call of EMR, around the front."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        body = json.dumps(body)
        writer.write(
            f"POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: ElasticMapReduce.{operation}\r\n"
            f"content-type: application/x-amz-json-1.1\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
        )
        answer = await message(reader)
        writer.close()
        return json.loads(answer.split(b"\r\n\r\n", 1)[1] or b"{}")

    async def forget(self):
        """Nobody is mapped any more."""
        rows = await self.ask("ListStudioSessionMappings")
        for row in rows.get("SessionMappings", []):
            keys = ("StudioId", "IdentityType", "IdentityId")
            await self.ask("DeleteStudioSessionMapping", **{key: row[key] for key in keys})

    async def process(self, command, latency=0.0, warm=0):
        """One process: its first answer, and some after it."""
        await self.forget()
        api = RuntimeApi()
        env = self.env | {"AWS_LAMBDA_RUNTIME_API": await api.start()}
        people = iter(PEOPLE)
        self.front.latency, self.front.calls = latency, []
        begun = time.perf_counter()
        child = subprocess.Popen(
            command, env=env, cwd=ROOT / "benches", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        seen = {}
        answered = await api.answer(joined(next(people)))
        seen["next"], seen["cold"] = api.given - begun, answered - begun
        seen["calls"] = [(call[0] - begun, *call[1:]) for call in self.front.calls]
        seen["warm"], seen["ignored"] = [], []
        for _ in range(warm):
            answered = await api.answer(joined(next(people)))
            seen["warm"].append(answered - api.given)
        for _ in range(warm):
            answered = await api.answer(IGNORED)
            seen["ignored"].append(answered - api.given)
        status = Path(f"/proc/{child.pid}/status").read_text()
        seen["memory"] = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024
        child.kill()
        usage = os.wait4(child.pid, 0)[2]
        child.returncode = 0
        seen["cpu"] = usage.ru_utime + usage.ru_stime
        return seen


def built():
    """The function as it is deployed, the bare runtime, and the tool."""
    def cargo(*arguments):
        command = ["cargo", "build", "--locked", "--message-format=json-render-diagnostics", *arguments]
        lines = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout.splitlines()
        found = [json.loads(line).get("executable") for line in lines]
        return [path for path in found if path][-1]

    bare = cargo("--release", "--manifest-path", "benches/bare/Cargo.toml", "--target-dir", str(TARGET / "bare"))
    function = os.environ.get("BENCH_FUNCTION") or cargo("--release", "--bin", "bootstrap")
    tool = os.environ.get("BENCH_TOOL") or cargo("--features", "cli", "--bin", "emr-studio-sync")
    return function, bare, tool


def world(folder):
    """The directory of the story in `events`, with many more members."""
    text = (ROOT / "events/directory.toml").read_text()
    names = [f"user-{number:02}@example.com" for number in range(len(PEOPLE))]
    before = 'members = ["bob@example.com"'
    assert before in text
    text = text.replace(before, f"members = {json.dumps(names)[:-1]}, \"bob@example.com\"", 1)
    users = "".join(f'[[users]]\nid = "{id}"\nname = "{name}"\n\n' for id, name in zip(PEOPLE, names))
    text = text.replace("[[users]]", users + "[[users]]", 1)
    path = Path(folder) / "directory.toml"
    path.write_text(text)
    return str(path)


def spread(values, scale=1000.0, digits=1):
    middle = statistics.median(values) * scale
    return f"{middle:.{digits}f} ({min(values) * scale:.{digits}f} to {max(values) * scale:.{digits}f})"


def zipped(path):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        file.write(path, "bootstrap")
    return len(archive.getvalue()) / 1e6


def timeline(runs):
    """When each step of a cold answer came, as medians."""
    rows = [("the process is started", [0.0] * len(runs)), ("it asks for its first event", [run["next"] for run in runs])]
    for name in dict.fromkeys(call[1] for run in runs for call in run["calls"]):
        at = [[call[0] for call in run["calls"] if call[1] == name] for run in runs]
        at = [times for times in at if times]
        count = statistics.median(len(times) for times in at)
        label = "its first encrypted connection stands" if name == "connection" else f"{name} arrives"
        rows.append((label + (f", the first of {count:.0f}" if count > 1 else ""), [min(times) for times in at]))
    rows.append(("its answer arrives", [run["cold"] for run in runs]))
    rows.sort(key=lambda row: statistics.median(row[1]))
    before = itertools.chain([0.0], (statistics.median(row[1]) for row in rows))
    return [(name, statistics.median(at) * 1e3, (statistics.median(at) - last) * 1e3) for (name, at), last in zip(rows, before)]


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=21)
    parser.add_argument("--write", action="store_true", help="put the figures into docs/performance.md")
    arguments = parser.parse_args()
    function, bare, tool = built()
    boto3 = [sys.executable, "-m", "awslambdaric", "boto3_function.handler"]
    commands = {"emr-studio-sync": [function], "boto3": boto3, "bare": [bare]}
    # Whoever still waits at the end is nobody's loss.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench()
        await bench.start(tool, world(folder))
        seen, late = collections.defaultdict(list), collections.defaultdict(list)
        for command in commands.values():  # a rehearsal
            await bench.process(command, warm=10)
        for _ in range(arguments.runs):
            for name, command in commands.items():
                seen[name].append(await bench.process(command, warm=10))
        for _ in range(5):
            for name in ("emr-studio-sync", "boto3"):
                late[name].append(await bench.process(commands[name], latency=LATENCY, warm=10))
        bench.world.kill()
    report = figures(seen, late, zipped(function), arguments.runs)
    print(report)
    if arguments.write:
        path = ROOT / "docs/performance.md"
        text = re.sub(r"(?s)(<!-- figures -->\n).*(<!-- end of figures -->)", rf"\1\n{report}\n\2", path.read_text())
        path.write_text(text)


def figures(seen, late, size, runs):
    mine, boto3, bare = seen["emr-studio-sync"], seen["boto3"], seen["bare"]
    middle = lambda runs, key: statistics.median(run[key] for run in runs)
    flat = lambda runs, key: [value for run in runs for value in run[key]]
    warm = lambda runs, key: statistics.median(flat(runs, key))
    trips = {
        name: (
            (middle(late[name], "cold") - middle(seen[name], "cold")) / LATENCY,
            (warm(late[name], "warm") - warm(seen[name], "warm")) / LATENCY,
        )
        for name in late
    }
    lines = [f"Medians of {runs} processes each, in turns; in brackets the least and the most.", ""]
    lines += ["| | emr-studio-sync | boto3 | bare runtime |", "| --- | --- | --- | --- |"]
    row = lambda name, *cells: lines.append(f"| {name} | " + " | ".join(cells) + " |")
    three = lambda key, scale=1000.0: [spread([run[key] for run in of], scale) for of in (mine, boto3, bare)]
    row("start to asking for work, ms", *three("next"))
    row("start to the first answer, ms", *three("cold"))
    row("warm answer, ms", *(spread(flat(of, "warm")) for of in (mine, boto3, bare)))
    row("an event that concerns nothing, ms", spread(flat(mine, "ignored"), digits=2), "", spread(flat(bare, "ignored"), digits=2))
    row("CPU of the process and its 21 answers, ms", *three("cpu"))
    row("memory at most, MB", *three("memory", 1.0))
    row("round trips in sequence, cold", *(f"{trips[name][0]:.1f}" for name in ("emr-studio-sync", "boto3")), "")
    row("round trips in sequence, warm", *(f"{trips[name][1]:.1f}" for name in ("emr-studio-sync", "boto3")), "")
    row("package, MB zipped", f"{size:.2f}", "", "")
    faster, times = middle(boto3, "cold") / middle(mine, "cold"), middle(mine, "cold") / middle(bare, "cold")
    ignored = (warm(mine, "ignored") - warm(bare, "ignored")) * 1000
    targets = [
        ("cold answer, times faster than boto3", 40, faster, faster >= 40),
        ("cold answer, times the bare runtime's", 4, times, times <= 4),
        ("round trips in sequence, cold", 3, trips["emr-studio-sync"][0], trips["emr-studio-sync"][0] < 3.5),
        ("round trips in sequence, warm", 2, trips["emr-studio-sync"][1], trips["emr-studio-sync"][1] < 2.5),
        ("an ignored event beyond the bare runtime's, ms", 0.2, ignored, ignored < 0.2),
        ("memory, MB", 12, middle(mine, "memory"), middle(mine, "memory") <= 12),
        ("package, MB zipped", 3, size, size <= 3),
    ]
    lines += ["", "| target | limit | measured | |", "| --- | --- | --- | --- |"]
    lines += [f"| {name} | {limit} | {value:.2f} | {'met' if met else 'missed'} |" for name, limit, value, met in targets]
    lines += ["", "Where the time of a cold answer goes:", "", "| step | at, ms | after, ms |", "| --- | --- | --- |"]
    lines += [f"| {name} | {at:.1f} | {after:.1f} |" for name, at, after in timeline(mine)]
    return "\n".join(lines)


if __name__ == "__main__":
    uvloop.run(main())
