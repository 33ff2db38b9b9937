"""The questions about requests: from the order to the certificate beside its key, a wave of renewals, and what a store
costs that holds a million of them."""
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import time

from measure import ms, rate
from rehearsal import Daemon, Rehearsal, wait_until

EASY = "    poll_first: 200ms\n    poll_longest: 2s\n"


def enrol(bench, count, profile):
    """A rehearsal with so many certificates beside their keys, and the seconds that each took."""
    there = Rehearsal(bench, f"{profile}-{count}", provider=EASY)
    took = there.write_down(count, profile)
    worker = there.run()
    if profile == "server":
        took += wait_until(lambda: there.in_state("AwaitingApproval") == count, what="the orders")
        worker.stop()
        there.approve_all()  # the approvers' own time
        worker = there.run()
    took += wait_until(lambda: there.in_state("Completed") == count, what="the certificates")
    worker.stop()
    return there, took / count


def enrolment(bench):
    """Enrolment end to end: key, CSR, order, certificate beside its key; with two approvals, and where nobody is asked"""
    sizes = [5, 10] if bench.quick else [10, 100, 1000]
    asked, one = enrol(bench, sizes[1], "server")
    points = []
    for count in sizes:
        there, took = enrol(bench, count, "free")
        points.append((count, took * 1000))
    for count, took, at in [(sizes[1], one, asked), (count, took, there)]:
        # As many key pairs as there are then on the token, so that both meet the same token.
        limit, what = min(bench.raw_token(at.token, "raw", "make-ec", 4), 200), "two approvals" if at is asked else "none asked"
        bench.row(f"enrolment with a new key, {what}, {count:,} requests", rate(1 / took), rate(limit),
                  "key pairs of this token, at most 200/s", f"{1 / took / limit:.2f}", "0.7", 1 / took / limit >= 0.7)
        at.close()
    growth = points[-1][1] / points[-2][1]
    bench.row(f"the same: one of {count:,} beside one of {sizes[-2]}", ms(took), ms(points[-2][1] / 1000), "",
              f"{growth:.2f}", "1.3", growth <= 1.3)
    bench.plot("enrolment", "Enrolment with a new key", "requests", "ms a request", {"hsmbridge": points})


class Filled:
    """A store with `finished` and `pending` requests, made of one of each that the program made itself."""

    def __init__(self, bench, name, finished, pending, provider="    poll_first: 1s\n    poll_longest: 10s\n",
                 profile=""):
        self.there = there = Rehearsal(bench, name, provider=provider, profile=profile)
        there.write_down(1, "free")
        worker = there.run()
        wait_until(lambda: there.in_state("Completed") == 1, what="a certificate")
        if pending:
            there.hsmbridge("enroll", "--profile", "server", "--new-key", "waiting-key", "--san", "dns:p.example.com",
                            "--queue")
            wait_until(lambda: there.in_state("AwaitingApproval") == 1, what="an order")
        worker.stop()
        words = [f"{there.id_in('Completed')}={finished}"]
        if pending:
            words.append(f"{there.id_in('AwaitingApproval')}={pending}")
        self.took = bench.run(bench.test_program("fill_store", "fill_store/fill_store"), there.store, *words)
        os.sync()


def renewals(bench):
    """A wave of renewals: the provider's limit is kept, memory stays flat, the token stays free for others"""
    count, limit = (100, 60) if bench.quick else (10000, 300)
    # Copies are spread over 90 days; those that are older than 30 are due: two thirds.
    filled = Filled(bench, "wave", count * 3 // 2, 0, provider=f"{EASY}    calls_per_minute: {limit}\n",
                    profile="    renew_before: 60d\n    renew_key: new\n")
    there = filled.there
    before, worker = there.calls(), there.run()
    seconds, memory, waited = 20 if bench.quick else 90, {}, []
    start = time.perf_counter()
    calls = []
    while (now := time.perf_counter() - start) < seconds:
        calls.append((now, there.calls() - before))
        memory[int(now)] = worker.status("VmRSS")
        waited.append(there.hsmbridge("csr", "create", "--token", there.token, "--key", "key-0", "--san",
                                      "dns:x.example.com", "--out", "beside.csr", "--force"))
        time.sleep(0.5)
    worker.stop()
    window = [later for at, _ in calls for later in [max(c for t, c in calls if t <= at + 60) - _]
              if at + 60 <= calls[-1][0]] or [calls[-1][1]]
    most = max(window)
    bench.row(f"{count:,} renewals due: calls of the provider in a minute", f"{most:,}", f"{limit:,}", "configured limit",
              f"{most / limit:.2f}", "0.8 to 1", 0.8 <= most / limit <= 1.0)
    half = [kb for at, kb in memory.items() if at >= seconds // 3]
    growth = half[-1] / half[0]
    bench.row("the same: memory at the end", f"{half[-1] / 1024:.0f} MiB", f"{half[0] / 1024:.0f} MiB", "after a third",
              f"{growth:.2f}", "1.1", growth <= 1.1)
    slowest = max(waited)
    bench.row("the same: csr create of another process meanwhile", ms(slowest), ms(statistics.median(waited)),
              "median", "", "1 s", slowest < 1)
    there.close()


def one_line(bench, *command):
    bench.run(*command)
    return json.loads(bench.said)["per_second"]


def growth(bench):
    """Polls and state changes of the store alone: with few and with many requests, and beside SQLite in a C loop"""
    rates = bench.test_program("store_rates", "store_rates/store_rates")
    raw = bench.c_program("raw_store", "-lsqlite3", "-lcrypto")
    got = {}
    for stored in [bench.few, bench.many]:
        filled = filled_with(bench, stored)
        file, count = filled.there.store, 500 if bench.quick else 20000
        polls = statistics.median(one_line(bench, rates, file, "polls", count, 64) for _ in range(3))
        ours = statistics.median(one_line(bench, rates, file, "changes", count, 16) for _ in range(3))
        # Last: its journal says nothing true, and ours would refuse the store.
        bare = statistics.median(one_line(bench, raw, file, count, 16) for _ in range(3))
        got[stored] = (polls, ours, bare)
        bench.row(f"state changes, {stored:,} requests stored", rate(ours), rate(bare), "the statements in a C loop",
                  f"{ours / bare:.2f}", "0.7", ours / bare >= 0.7)
        del bench.stores[stored]
        filled.there.close()
        shutil.rmtree(filled.there.folder)
    (few_polls, few_ours, few_bare), (many_polls, many_ours, many_bare) = got.values()
    grown = few_polls / many_polls
    bench.row(f"a poll in the store, {bench.many:,} requests", f"{1e6 / many_polls:.0f} µs", f"{1e6 / few_polls:.0f} µs",
              f"with {bench.few:,}", f"{grown:.2f}", "1.3", grown <= 1.3)
    ours, bare = few_ours / many_ours, few_bare / many_bare
    bench.row(f"a state change, {bench.many:,} beside {bench.few:,}", f"{ours:.2f} times", f"{bare:.2f} times", "C loop",
              f"{ours / bare:.2f}", "1.3", ours / bare <= 1.3)
    bench.plot("stored", "The store: rates against stored requests", "requests", "a second",
               {name: [(stored, rates[i]) for stored, rates in got.items()]
                for i, name in enumerate(["polls", "state changes", "state changes, C loop"])})


def filled_with(bench, stored):
    """A store of that many requests, a tenth of which wait for approval; made once, which takes a million some ten
    minutes and 20 GB."""
    if stored not in bench.stores:
        bench.stores[stored] = Filled(bench, f"stored-{stored}", stored * 9 // 10, stored // 10)
    return bench.stores[stored]


def lists(bench, filled):
    """Prints what the slowest list takes, and what one needs that writes all."""
    there = filled.there
    with sqlite3.connect(f"file:{there.store}?mode=ro", uri=True) as store:
        name = "host-777.example.com"
        after = store.execute("SELECT id FROM requests ORDER BY created_at DESC LIMIT 1 OFFSET 5000").fetchone()
    asked = dict(request=[[], ["--open"], ["--state", "AwaitingApproval"], ["--provider", "free"], ["--profile", "server"],
                          ["--name", name], ["--since", "2d"], ["--state", "Completed", "--provider", "free"]],
                 cert=[[], ["--all"], ["--provider", "free"], ["--profile", "free"], ["--name", name], ["--since", "2d"]])
    if after:
        asked["request"].append(["--after", after[0]])
    for noun, filters in asked.items():
        took = {" ".join(words): statistics.median(there.hsmbridge(noun, "list", "--limit", "50", *words)
                                                   for _ in range(3)) for words in filters}
        slowest = max(took, key=took.get)
        bench.row(f"{noun} list, the slowest of {len(took)} filters ({slowest or 'none'})", ms(took[slowest]), "", "", "",
                  "100 ms", took[slowest] < 0.1)
    process = Daemon(subprocess.Popen([bench.hsmbridge, "--config", there.config, "--json", "request", "list"],
                                      stdout=subprocess.DEVNULL))
    used = 0
    while process.process.poll() is None:
        used = max(used, process.status("VmHWM") or 0)
        time.sleep(0.005)
    bench.row("request list --json of all: memory", f"{used / 1024:.0f} MiB", "", "", "", "64 MiB", used < 64 * 1024)


def put_off(there, by):
    with sqlite3.connect(there.store) as store:
        store.execute("UPDATE effects SET due = due + ?", (by,))


def million(bench):
    """A million requests, a tenth of them pending: lists, start, polls, memory, rest"""
    filled = filled_with(bench, bench.many)
    there, seconds = filled.there, 5 if bench.quick else 20
    there_is = f"{bench.many:,} requests"
    lists(bench, filled)

    raw = bench.c_program("raw_polls", "-lcurl")
    journal = [json.loads(line) for line in open(there.rig_dir / "tsb-journal.jsonl")]
    path = next(line["path"] for line in reversed(journal) if line["method"] == "GET" and "/request/" in line["path"])

    def ours():
        before, worker = there.calls(), there.run()
        first = wait_until(lambda: there.calls() > before, what="the first poll")
        ours.first = min(ours.first, first)
        time.sleep(2)
        begin, calls, cpu = time.perf_counter(), there.calls(), worker.cpu_seconds()
        time.sleep(seconds)
        polls = there.calls() - calls
        got = polls / (time.perf_counter() - begin)
        ours.cpu = (worker.cpu_seconds() - cpu) / max(polls, 1)
        ours.memory = max(ours.memory, worker.status("VmHWM"))
        worker.stop()
        return got
    ours.first, ours.memory = 1e9, 0

    def bare():
        token = there.api_key("keyOperationToken").read_text().strip()
        return one_line(bench, raw, there.about["url"] + path, there.rig_dir / "ca.pem", f"X-API-KEY: {token}", 32, seconds)
    got = bench.in_turns(3, ours=ours, bare=bare)
    bench.row(f"{there_is}: first poll after the start", ms(ours.first), "", "", "", "2 s", ours.first < 2)
    ratio = got["ours"] / got["bare"]
    bench.row(f"{there_is}: polls over TLS", rate(got["ours"]), "", "", "", "2,000/s", got["ours"] >= 2000)
    bench.row("the same", rate(got["ours"]), rate(got["bare"]), "a bare curl-multi loop", f"{ratio:.2f}", "0.6",
              ratio >= 0.6)
    bench.row("the same: memory", f"{ours.memory / 1024:.0f} MiB", "", "", "", "64 MiB", ours.memory < 64 * 1024)

    put_off(there, 86400000)
    worker = there.run()
    time.sleep(5)
    cpu = worker.cpu_seconds()
    time.sleep(10)
    idle = (worker.cpu_seconds() - cpu) / 10
    worker.stop()
    bench.row(f"{there_is}: CPU while nothing is due", f"{idle * 100:.1f} %", "", "", "", "1 %", idle < 0.01)
    put_off(there, -86400000)
