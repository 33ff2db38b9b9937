"""The question about a CA of this bridge, whose key is in a token."""
import sqlite3
import subprocess

from measure import SOFTHSM, rate
from rehearsal import Daemon, wait_until


def issuing(bench):
    """A CA issues in bulk: each CSR of others linted, signed once, verified, and in the audit log before"""
    count = 50 if bench.quick else 2000
    label = bench.token("authority", 1)
    folder = bench.work / "authority-files"
    folder.mkdir()
    store, config = folder / "hsmbridge.db", folder / "hsmbridge.yaml"
    config.write_text(f"""
store: {{path: {store}}}
tokens:
  ca: {{module: {SOFTHSM}, uri: "pkcs11:token={label}", pin: "file:{bench.work}/pin"}}
providers:
  ca:
    type: local-ca
    certificate: {folder}/ca.pem
    key: {{token: ca, key: key-1}}
    concurrency: 8
    root: {{subject: {{O: Example, CN: Root}}, key: "ec:P-256", validity: 3650d}}
    profiles: {{server: {{usage: [digitalSignature], extended_usage: [serverAuth], validity: 90d}}}}
profiles:
  server: {{provider: ca, anchors: [{folder}/ca.pem], copy: [subject, san]}}
""")
    config.chmod(0o600)

    def hsmbridge(*words, may_give=(0,)):
        return bench.run(bench.hsmbridge, "--config", config, *words, may_give=may_give)

    def completed():
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as there:
            return there.execute("SELECT count(*) FROM requests WHERE state = 'Completed'").fetchone()[0]
    hsmbridge("ca", "init", "ca", "--yes")
    # A key each, as CSRs of others have.
    for i in range(count):
        bench.run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                  "/dev/null", "-subj", f"/CN=host-{i}.example.com", "-addext",
                  f"subjectAltName=DNS:host-{i}.example.com", "-out", folder / f"{i}.csr")
    rows = folder / "csrs.csv"
    rows.write_text("csr\n" + "".join(f"{folder}/{i}.csr\n" for i in range(count)))
    written = hsmbridge("enroll", "--profile", "server", "--from", rows, "--queue", may_give=(0, 3))
    worker = Daemon(subprocess.Popen([bench.hsmbridge, "--config", config, "run"], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=open(folder / "run.err", "w")))
    worked = wait_until(lambda: completed() == count, what="the certificates")
    worker.stop()
    raw = bench.raw_token(label, "key-1", "ecdsa", 1)
    for what, took in [("", written + worked), (", once they are written down", worked)]:
        ratio = count / took / raw
        bench.row(f"issuing by a CA of ours, P-256, {count:,} CSRs{what}", rate(count / took), rate(raw),
                  "C_Sign, one raw thread", f"{ratio:.3f}", "0.6", ratio >= 0.6)
