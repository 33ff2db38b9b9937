"""What the questions of scripts/bench share: programs, tokens, timing in turns, the table and the plots."""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time
import tempfile
import uuid

SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"


class Bench:
    def __init__(self, source, build, quick):
        # Before anything is built: where it is missing, an hour's measurements would end in its first plot.
        import matplotlib
        matplotlib.use("svg")
        import matplotlib.pyplot
        self.pyplot = matplotlib.pyplot
        self.source, self.quick = source, quick
        self.out = source / "build" / "bench"
        self.work = self.out / "work"
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        # In memory: SoftHSM rewrites the file of a new object some thirty times, which on a busy disk takes longer than
        # all that is measured here. The folder of locks is there too, as /run is, and is not the machine's, which may
        # be full of what other programs left.
        self.memory = tempfile.TemporaryDirectory(dir="/dev/shm")
        memory = pathlib.Path(self.memory.name)
        self.tokens = memory / "tokens"
        for folder in [self.tokens, memory / "locks"]:
            folder.mkdir()
        self.build = pathlib.Path(build).resolve() if build else self._build()
        self.hsmbridge = self.build / "tools/hsmbridge/hsmbridge"
        self.rig = self.build / "tools/rig/hsmbridge-rig"
        conf = self.work / "softhsm2.conf"
        conf.write_text(f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
        (self.work / "pin").write_text("12345678\n")
        (self.work / "pin").chmod(0o600)
        for name in [name for name in os.environ if name.startswith("HSMBRIDGE_")]:
            del os.environ[name]
        os.environ.update(SOFTHSM2_CONF=str(conf), HSMBRIDGE_LOCK_FOLDER=str(memory / "locks"),
                          XDG_CONFIG_HOME=str(self.work), HOME=str(self.work), LC_ALL="C.UTF-8")
        self.few, self.many = (1000, 2000) if quick else (10000, 1000000)  # requests in a store
        self.stores = {}  # rehearsals whose store is filled, by how many requests it holds
        self.rows, self.plots = [], []

    def _build(self):
        build = self.source / "build-release"
        quiet = dict(stdout=subprocess.DEVNULL, check=True)
        subprocess.run(["cmake", "-C", self.source / "scripts/release.cmake", "-S", self.source, "-B", build, "-G",
                        "Ninja"], **quiet)
        subprocess.run(["ninja", "-C", build, "hsmbridge", "hsmbridge-rig"], **quiet)
        return build

    def c_program(self, name, *flags):
        """A loop in C that does the bare minimum, compiled from bench.d/NAME.c."""
        program = self.work / name
        if not program.exists():
            subprocess.run(["cc", "-O2", "-o", program, self.source / "scripts/bench.d" / f"{name}.c", *flags],
                           check=True)
        return program

    def pkg_config(self, *arguments):
        return subprocess.run(["pkg-config", *arguments], check=True, text=True,
                              capture_output=True).stdout.split()

    def raw_token(self, label, key, mechanism, threads):
        """What the token gives to a program that does nothing else, a second."""
        raw = self.c_program("raw_token", *self.pkg_config("--cflags", "p11-kit-1"), "-ldl", "-pthread")
        self.run(raw, SOFTHSM, label, self.work / "pin", key, mechanism, threads, 1 if self.quick else 3)
        return float(self.said)

    def test_program(self, target, file):
        """What the test suite has for measuring, optimised as the program is; `file` is in tests/support."""
        build = self.out / "tests"
        subprocess.run(["cmake", "-S", self.source, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                        "-DCMAKE_CXX_FLAGS_RELEASE=-O2 -DNDEBUG"], stdout=subprocess.DEVNULL, check=True)
        subprocess.run(["ninja", "-C", build, target], stdout=subprocess.DEVNULL, check=True)
        return build / "tests/support" / file

    def token(self, label, keys, spec="ec:P-256"):
        """A SoftHSM token whose first key is key-1, made once. The others are copies of the second: two object files a
        key, which is what the token walks through; making thousands would take it minutes."""
        if (self.work / label).exists():
            return label
        before = set(self.tokens.iterdir())
        self.run("softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", "12345678")
        (folder,) = set(self.tokens.iterdir()) - before
        make = [self.hsmbridge, "key", "generate", "--spec", spec, *self.access(label), "--label"]
        self.run(*make, "key-1")
        if keys > 1:
            first = set(folder.glob("*.object"))
            self.run(*make, "key-2")
            second = set(folder.glob("*.object")) - first
            for _ in range(keys - 2):
                for file in second:
                    shutil.copy(file, folder / f"{uuid.uuid4()}.object")
        (self.work / label).touch()
        return label

    def access(self, label, module=SOFTHSM):
        return ["--module", module, "--token", label, "--pin", f"file:{self.work}/pin"]

    def configured(self, label, module=SOFTHSM, more=""):
        """The same with a configuration and a store of its own: every use of a key is in the audit log then."""
        conf = self.work / f"{label}.yaml"
        conf.write_text(f"store: {{path: {self.work}/{label}.db}}\ntokens:\n  {label}: {{module: {module}, uri: \"pkcs11:token={label}\", "
                        f"pin: \"file:{self.work}/pin\"{more}}}\n")
        conf.chmod(0o600)
        return ["--config", conf, "--token", label]

    def run(self, *command, may_give=(0,), **options):
        """Runs a command that must end with one of these exit codes; gives the seconds that it took."""
        command = [str(word) for word in command]
        start = time.perf_counter()
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, cwd=self.work, **options)
        took = time.perf_counter() - start
        if done.returncode not in may_give:
            sys.exit(f"bench: {' '.join(command)}\nexited with {done.returncode}:\n{done.stdout[-2000:]}")
        self.said = done.stdout
        return took

    def in_turns(self, rounds, **things):
        """The median of what each thing gives, asked in turns, so that a slow minute is a slow minute for all."""
        seen = {name: [] for name in things}
        for _ in range(1 if self.quick else rounds):
            for name, thing in things.items():
                os.sync()  # what one has written is not waited for by the next
                seen[name].append(thing())
        return {name: statistics.median(values) for name, values in seen.items()}

    def row(self, question, ours, other, other_name, ratio, goal, met):
        self.rows.append(dict(question=question, ours=ours, other=f"{other} {other_name}".strip(), ratio=ratio,
                              goal=goal, met=met))

    def plot(self, name, title, x, y, lines, log=True):
        self.plots.append(name)
        figure, axes = self.pyplot.subplots(figsize=(6, 4))
        for label, points in lines.items():
            axes.plot([p[0] for p in points], [p[1] for p in points], marker="o", label=label)
        if log:
            axes.set_xscale("log")
            axes.set_yscale("log")
        axes.set(title=title, xlabel=x, ylabel=y)
        axes.grid(True, alpha=0.3)
        axes.legend()
        figure.savefig(self.out / f"{name}.svg", bbox_inches="tight", metadata={"Date": None})
        self.pyplot.close(figure)

    def finish(self):
        head = subprocess.run(["git", "-C", self.source, "rev-parse", "--short", "HEAD"], text=True,
                              capture_output=True).stdout.strip()
        data = dict(schema="hsmbridge.bench/1", commit=head, cores=os.cpu_count(),
                    at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), quick=self.quick, rows=self.rows,
                    plots=self.plots)
        (self.out / "bench.json").write_text(json.dumps(data, indent=2) + "\n")
        shutil.rmtree(self.work, ignore_errors=True)
        titles = ("question", "ours", "other", "ratio", "goal", "met")
        lines = [titles] + [tuple(("yes" if row[t] else "no") if t == "met" else str(row[t]) for t in titles)
                            for row in self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(titles))]
        for number, line in enumerate(lines):
            print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |")
            if number == 0:
                print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
        print(f"\n{os.cpu_count()} cores, commit {head}; {self.out}/bench.json and "
              f"{len(self.plots)} plots beside it")
        return 0 if all(row["met"] for row in self.rows) else 1


def ms(seconds):
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"


def rate(number):
    return f"{number:,.0f}/s"
