"""The questions of scripts/bench. Each is a function of the bench; ALL is the order in which they are asked."""
import os
import time

import authority
import workflow
from measure import SOFTHSM, ms, rate

# What one signature is for the program that does nothing else (bench.d/raw_token.c), and what a batch shall reach of it.
BULK = [("ec:P-256", "ecdsa", 0.5, "one raw thread"), ("rsa:2048", "rsa", 0.9, "as many raw threads"),
        ("ed25519", "eddsa", 0.7, "as many raw threads")]
SESSIONS = 4  # what a token of the program has unless its configuration says more


def start(bench):
    """What it takes to start the program"""
    took = bench.in_turns(21, help=lambda: bench.run(bench.hsmbridge, "--help"),
                          nothing=lambda: bench.run("/bin/true"))
    mine = took["help"] - took["nothing"]
    bench.row("hsmbridge --help", ms(mine), ms(took["nothing"]), "/bin/true (taken off)", "", "15 ms", mine < 0.015)


def peers(bench, label):
    """How others make one CSR with a key of this token: a process each."""
    conf = bench.work / "engine.cnf"
    conf.write_text("openssl_conf = all\n[all]\nengines = engines\n[engines]\npkcs11 = pkcs11\n[pkcs11]\n"
                    f"engine_id = pkcs11\nMODULE_PATH = {SOFTHSM}\nPIN = 12345678\ninit = 1\n")
    template = bench.work / "certtool.cfg"
    template.write_text('cn = "www.example.com"\ndns_name = "www.example.com"\n')
    url = f"pkcs11:token={label};object=key-1;type=private"
    return dict(
        openssl=lambda: bench.run("openssl", "req", "-new", "-engine", "pkcs11", "-keyform", "engine", "-key", url,
                                  "-subj", "/CN=www.example.com", "-addext", "subjectAltName=DNS:www.example.com",
                                  "-out", "openssl.csr", env=dict(os.environ, OPENSSL_CONF=str(conf))),
        certtool=lambda: bench.run("certtool", "--provider", SOFTHSM, "--generate-request", "--template", template,
                                   "--load-privkey", url, "--outfile", "certtool.csr",
                                   env=dict(os.environ, GNUTLS_PIN="12345678")))


def one_csr(bench, label):
    return lambda: bench.run(bench.hsmbridge, "csr", "create", "--key", "key-1", "--cn", "www.example.com", "--san",
                             "dns:www.example.com", "--out", "x.csr", "--force", *bench.access(label))


def csr(bench):
    """One csr create, with few and with many keys on the token"""
    lines = {"hsmbridge": [], "openssl req": [], "certtool": []}
    for keys in [4, 20] if bench.quick else [4, 200, 2000]:
        label = bench.token(f"keys-{keys}", keys)
        took = bench.in_turns(9, ours=one_csr(bench, label), **peers(bench, label))
        for line, name in zip(lines, ["ours", "openssl", "certtool"]):
            lines[line].append((keys, took[name] * 1000))
        faster = min(["openssl", "certtool"], key=took.get)
        ratio, goal = took["ours"] / took[faster], 1.2 if keys <= 20 else 1.0
        bench.row(f"one csr create, {keys} keys on the token", ms(took["ours"]), ms(took[faster]), faster,
                  f"{ratio:.2f}", f"{goal}", ratio <= goal)
    bench.plot("csr", "One CSR: cost against keys on the token", "keys on the token", "ms", lines)


def batch(bench, access, count, **options):
    """CSRs a second of csr create --from, all with one key. Into a folder of their own: a file system that has lately
    removed thousands of files is slow to make new ones."""
    out = bench.work / f"csrs-{time.monotonic_ns()}"
    rows = bench.work / "rows.csv"
    rows.write_text("key,cn,san,out\n" + "".join(
        f"key-1,host-{i}.example.com,dns:host-{i}.example.com,{i}.csr\n" for i in range(count)))
    out.mkdir()
    return count / bench.run(bench.hsmbridge, "csr", "create", "--from", rows, "--out-directory", out, *access,
                             **options)


def bulk(bench):
    """csr create --from beside C_Sign alone, and beside one process a CSR"""
    def signs(label, mechanism, threads):
        return bench.raw_token(label, "key-1", mechanism, threads)

    count = 100 if bench.quick else 4000
    for spec, mechanism, goal, limit in BULK:
        label = bench.token(f"bulk-{mechanism}", 1, spec)
        threads = 1 if limit == "one raw thread" else SESSIONS
        got = bench.in_turns(3, ours=lambda: batch(bench, bench.configured(label), count),
                             raw=lambda: signs(label, mechanism, threads))
        ratio = got["ours"] / got["raw"]
        bench.row(f"csr create --from, {spec}", rate(got["ours"]), rate(got["raw"]), f"C_Sign, {limit}",
                  f"{ratio:.2f}", f"{goal}", ratio >= goal)
    label = bench.token("keys-200", 20 if bench.quick else 200)
    got = bench.in_turns(3, ours=lambda: batch(bench, bench.configured(label), count),
                         **{name: (lambda one=one: 1 / one()) for name, one in peers(bench, label).items()})
    for peer, goal in [("openssl", 100), ("certtool", 50)]:
        ratio = got["ours"] / got[peer]
        bench.row("csr create --from, 200 keys on the token", rate(got["ours"]), rate(got[peer]),
                  f"{peer}, a process each", f"{ratio:.0f}", f"{goal}", ratio >= goal)


def latency(bench):
    """csr create --from on a token each of whose calls takes 1, 5 and 20 ms"""
    name = "hsmbridge_counting_module"  # makes each call take longer
    module = bench.test_program(name, f"counting_module/{name}.so")
    label = bench.token("slow", 1)
    lines = {}
    for delay in [1, 5, 20]:
        line = lines.setdefault(f"{delay} ms a call", [])
        for sessions in [1, 2, 4, 8, 16]:
            access = bench.configured(label, module, f", sessions: {sessions}")
            count = 20 if bench.quick else max(60, min(2000, 3000 * sessions // delay // 2))
            # Two calls a CSR: C_SignInit and C_Sign.
            limit = sessions / (2 * delay / 1000)
            environment = dict(os.environ, HSMBRIDGE_CALL_DELAY=str(delay * 1000))
            # What opening the token costs is in a small batch; it is taken off.
            few = batch(bench, access, sessions, env=environment)
            all_ = batch(bench, access, count + sessions, env=environment)
            got = count / ((count + sessions) / all_ - sessions / few)
            line.append((sessions, got))
            if sessions in (1, 16):
                bench.row(f"csr create --from, {delay} ms a call, {sessions} sessions", rate(got), rate(limit),
                          "sessions / latency of two calls", f"{got / limit:.2f}", "0.9", got / limit >= 0.9)
    bench.plot("latency", "CSRs a second on a slow token", "sessions", "CSRs/s", lines)


ALL = [("start", start), ("csr", csr), ("bulk", bulk), ("latency", latency), ("issuing", authority.issuing),
       ("enrolment", workflow.enrolment), ("renewals", workflow.renewals), ("million", workflow.million),
       ("growth", workflow.growth)]
