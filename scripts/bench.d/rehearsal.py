"""hsmbridge beside a simulated provider: configuration, token, store and people of its own, for the questions that need
the whole workflow."""
import atexit
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from measure import SOFTHSM


def wait_until(done, limit=600, what="the end"):
    """Gives the seconds that it took until `done()`."""
    start = time.perf_counter()
    while not done():
        if time.perf_counter() - start > limit:
            sys.exit(f"bench: waited {limit} s for {what}")
        time.sleep(0.02)
    return time.perf_counter() - start


class Rehearsal:
    """The simulated TSB with two CA keys: `asked`, for which alice and bob must approve, and `free`. The profiles
    `server` and `free` order from them."""

    def __init__(self, bench, name, provider="", profile=""):
        self.bench, self.folder = bench, bench.work / name
        self.folder.mkdir()
        self.rig_dir, self.store = self.folder / "rig", self.folder / "hsmbridge.db"
        self.config = self.folder / "hsmbridge.yaml"
        self.token, self.people = name, ["alice", "bob"]
        tokens, people, approvers, policy = "", "", [], []
        for token in [name] + [f"{name}-{person}" for person in self.people]:
            bench.run("softhsm2-util", "--init-token", "--free", "--label", token, "--so-pin", "12345678", "--pin",
                      "12345678")
            tokens += f"  {token}: {{module: {SOFTHSM}, uri: \"pkcs11:token={token}\", pin: \"file:{bench.work}/pin\"}}\n"
        for person in self.people:
            access = bench.access(f"{name}-{person}")
            bench.run(bench.hsmbridge, "key", "generate", "--label", "approver", "--spec", "ec:P-256", *access)
            bench.run(bench.hsmbridge, "-q", "key", "public", "approver", *access)
            public = self.folder / f"{person}.pem"
            public.write_text(bench.said[bench.said.index("-----BEGIN"):])
            people += f"  {person}: {{token: {name}-{person}, key: approver}}\n"
            approvers.append(f"{person}: {public}")
            policy += ["--approver", f"{person}={public}"]
        self.rig = subprocess.Popen([bench.rig, "serve", "tsb", "--dir", self.rig_dir, "--allow-short-times"],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        atexit.register(self.close)
        wait_until((self.rig_dir / "tsb.json").exists, 30, "the simulator")
        create = [bench.rig, "tsb", "create-ca", "--dir", self.rig_dir]
        bench.run(*create, "--label", "asked", "--group", "operators", "--quorum", "2", *policy)
        bench.run(*create, "--label", "free", "--no-approval")
        self.about = json.loads((self.rig_dir / "tsb.json").read_text())
        keys = ", ".join(f"{ours}: \"file:{self.api_key(theirs)}\"" for ours, theirs in [
            ("key_operation", "keyOperationToken"), ("key_management", "keyManagementToken"),
            ("approver", "approverToken"), ("service", "serviceToken")])

        def tsb(label, more=""):
            return (f"  {label}:\n    type: securosys-tsb\n    url: {self.about['url']}\n    ca: {self.rig_dir}/ca.pem\n"
                    f"    api_keys: {{{keys}}}\n    sign_key: {label}\n    issuer: {self.rig_dir}/{label}.pem\n"
                    f"    concurrency: 32\n    settle: 1s\n{provider}{more}")

        def order(label, provider):
            return (f"  {label}:\n    provider: {provider}\n    token: {name}\n    key: \"ec:P-256\"\n"
                    f"    usage: [digitalSignature]\n    extended_usage: [serverAuth]\n    validity: 90d\n"
                    f"    anchors: [{self.rig_dir}/{provider}.pem]\n    install: {{token: true}}\n{profile}")
        self.config.write_text(f"store: {{path: {self.store}}}\ntokens:\n{tokens}providers:\n"
                               + tsb("asked", f"    approvers: {{{', '.join(approvers)}}}\n") + tsb("free")
                               + "profiles:\n" + order("server", "asked") + order("free", "free")
                               + f"people:\n{people}")
        self.config.chmod(0o600)

    def api_key(self, role):
        file = self.folder / f"{role}.key"
        if not file.exists():
            file.touch(0o600)
            file.write_text(self.about["api_keys"][role][0] + "\n")
        return file

    def hsmbridge(self, *words):
        """Runs a command that must succeed, or leave requests pending; gives the seconds that it took."""
        return self.bench.run(self.bench.hsmbridge, "--config", self.config, *words, may_give=(0, 3))

    def write_down(self, count, profile="server"):
        """Orders as many certificates, each with a new key; gives the seconds that it took."""
        rows = self.folder / "rows.csv"
        rows.write_text("new-key,san\n" + "".join(f"key-{i},dns:host-{i}.example.com\n" for i in range(count)))
        return self.hsmbridge("enroll", "--profile", profile, "--from", rows, "--queue")

    def run(self):
        """Starts the daemon."""
        return Daemon(subprocess.Popen([self.bench.hsmbridge, "--config", self.config, "run"],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=open(self.folder / "run.err", "a")))

    def in_state(self, state):
        with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True) as store:
            return store.execute("SELECT count(*) FROM requests WHERE state = ?", (state,)).fetchone()[0]

    def id_in(self, state):
        with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True) as store:
            return store.execute("SELECT id FROM requests WHERE state = ? LIMIT 1", (state,)).fetchone()[0]

    def approve_all(self):
        """Each approver decides with a command of his own: one after the other, both persons at once."""
        def decide(person):
            hsmbridge = [self.bench.hsmbridge, "--config", self.config]
            words = ["--as", person, "--provider", "asked"]
            listed = subprocess.run([*hsmbridge, "--json", "approval", "list", *words], capture_output=True, check=True)
            for task in json.loads(listed.stdout)["tasks"]:
                done = subprocess.run([*hsmbridge, "approval", "accept", task["task"], *words, "--sha256",
                                       task["payload_sha256"], "--yes"], capture_output=True, text=True)
                if done.returncode != 0:
                    sys.exit(f"bench: approval accept: {done.stderr}")
        with ThreadPoolExecutor(len(self.people)) as pool:
            list(pool.map(decide, self.people))

    def calls(self):
        """How many calls the simulator has answered."""
        journal = self.rig_dir / "tsb-journal.jsonl"
        if not journal.exists():
            return 0
        with open(journal, "rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))

    def close(self):
        self.rig.send_signal(signal.SIGTERM)
        self.rig.wait()


class Daemon:
    def __init__(self, process):
        self.process = process
        atexit.register(self.stop)

    def status(self, field):
        """VmRSS and such, in kB."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
